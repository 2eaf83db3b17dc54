//! Turns a listener into connections whose other end is known. Handshakes run side by side and have
//! a limit; one that fails is counted and forgotten.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;

use super::{Footing, Incoming};
use crate::identity::{Holder, Leaf};
use crate::metrics::Rpc;
use crate::task;

/// Handshakes at once.
const HANDSHAKES_MAX: usize = 64;
/// How long to wait when the system has no more descriptors.
const BREATH: Duration = Duration::from_millis(50);

/// The connections of a listener, until the stream is dropped.
pub(super) fn incoming(
    listener: TcpListener,
    footing: &Footing,
    rpc: &Rpc,
) -> impl Stream<Item = Incoming> + Send + 'static {
    let (give, take) = mpsc::channel(1);
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES_MAX));
    let (identity, drain) = (Arc::clone(&footing.identity), footing.drain.clone());
    let (limit, rpc) = (footing.limits.handshake_timeout, rpc.clone());
    task::detached(async move {
        while let Some(connection) = next(&listener, &drain).await {
            let place = Arc::clone(&handshakes).acquire_owned().await;
            let (give, identity, rpc) = (give.clone(), Arc::clone(&identity), rpc.clone());
            task::detached(async move {
                let done = tokio::time::timeout(limit, handshake(connection, &identity)).await;
                drop(place);
                match done.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
                    // The server may be gone by now; then so is the connection.
                    Ok(incoming) => drop(give.send(incoming).await),
                    Err(error) => {
                        rpc.handshakes_failed.inc();
                        tracing::info!(%error, "handshake refused");
                    }
                }
            });
        }
    });
    ReceiverStream::new(take)
}

/// The next connection; `None` at the drain. What waits in the backlog then is left to the next
/// process that has the same listener.
async fn next(
    listener: &TcpListener,
    drain: &tokio_util::sync::CancellationToken,
) -> Option<TcpStream> {
    loop {
        let accepted = tokio::select! {
            biased;
            () = drain.cancelled() => return None,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((connection, _)) => return Some(connection),
            Err(error) => {
                tracing::info!(%error, "accept failed");
                tokio::time::sleep(BREATH).await;
            }
        }
    }
}

/// TLS with the identity of this moment.
async fn handshake(connection: TcpStream, identity: &Holder) -> io::Result<Incoming> {
    connection.set_nodelay(true)?;
    let identity = identity.current();
    let tls = identity.tls.as_ref().ok_or(io::ErrorKind::Unsupported)?;
    let stream = TlsAcceptor::from(Arc::clone(&tls.server)).accept(connection).await?;
    let chain = stream.get_ref().1.peer_certificates();
    let leaf = chain.and_then(<[_]>::first).ok_or(io::ErrorKind::PermissionDenied)?;
    let peer = Leaf::read(leaf).map_err(io::Error::other)?;
    Ok(Incoming { io: Box::new(stream), peer })
}
