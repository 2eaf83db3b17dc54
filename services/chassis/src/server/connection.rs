//! One connection from its first byte to its last: HTTP/2 with pings, an age at which it is told to
//! go away, and an end at the drain.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio_util::sync::CancellationToken;
use tonic::body::Body;

use super::answer::Answerer;
use super::{BoxIo, Footing};
use crate::clock;
use crate::identity::Leaf;

/// Calls at once on one connection.
const CALLS_MAX: u32 = 1_024;
/// Bytes of headers a request may have.
const HEADER_BYTES_MAX: u32 = 16 * 1024;
/// HTTP/2 windows: enough that a stream of events is not held up on loopback.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;
/// A tenth is added to the age at random, so that connections made together do not end together.
const AGE_JITTER_PERMILLE: u32 = 100;

/// What every connection of a server has in common.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    age_max: Duration,
    keep_alive_interval: Duration,
    keep_alive_timeout: Duration,
    drain: CancellationToken,
    /// Cancelled when the drain's limit has passed.
    cut: CancellationToken,
}

impl Settings {
    pub(super) fn new(footing: &Footing, cut: CancellationToken) -> Self {
        Self {
            age_max: footing.limits.connection_age_max,
            keep_alive_interval: footing.limits.keep_alive_interval,
            keep_alive_timeout: footing.limits.keep_alive_timeout,
            drain: footing.drain.clone(),
            cut,
        }
    }
}

/// Serves one connection until it ends.
pub(super) async fn serve(io: BoxIo, peer: Arc<Leaf>, answerer: Arc<Answerer>, settings: Settings) {
    let answer = hyper::service::service_fn(move |request: Request<hyper::body::Incoming>| {
        let (answerer, peer) = (Arc::clone(&answerer), Arc::clone(&peer));
        async move { Ok::<_, Infallible>(answerer.answer(&peer, request.map(Body::new)).await) }
    });
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(settings.keep_alive_interval)
        .keep_alive_timeout(settings.keep_alive_timeout)
        .max_concurrent_streams(CALLS_MAX)
        .max_header_list_size(HEADER_BYTES_MAX)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .serve_connection(TokioIo::new(io), answer);
    let mut connection = std::pin::pin!(connection);
    let mut age =
        std::pin::pin!(tokio::time::sleep(clock::jittered(settings.age_max, AGE_JITTER_PERMILLE)));
    let mut leaving = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection broke");
                }
                return;
            }
            () = settings.cut.cancelled() => return,
            () = age.as_mut(), if !leaving => {}
            () = settings.drain.cancelled(), if !leaving => {}
        }
        // Told to go away: what is in flight ends well, new calls go over a new connection.
        leaving = true;
        connection.as_mut().graceful_shutdown();
    }
}
