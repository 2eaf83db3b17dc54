//! How a connection to a service is made: TLS under the identity it is given, and only to the
//! service that was meant.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use futures::future::BoxFuture;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::config::{Addresses, Shared};
use crate::identity::{Identity, Leaf, Name, SERVER_NAME, Service};
use crate::server::BoxIo;

/// A way to reach services. Tests have others.
pub trait Connect: std::fmt::Debug + Send + Sync + 'static {
    /// Opens a connection to `service` as `identity`.
    fn connect(
        &self,
        service: Service,
        identity: Arc<Identity>,
    ) -> BoxFuture<'static, io::Result<BoxIo>>;
}

/// TLS over TCP to the addresses of the world's settings.
#[derive(Debug, Clone)]
pub struct TlsConnect {
    addresses: Addresses,
}

impl TlsConnect {
    /// Connects to the shared settings' addresses.
    pub fn new(shared: &Shared) -> Self {
        Self { addresses: shared.addresses.clone() }
    }
}

impl Connect for TlsConnect {
    fn connect(
        &self,
        service: Service,
        identity: Arc<Identity>,
    ) -> BoxFuture<'static, io::Result<BoxIo>> {
        let address = self.addresses.of(service);
        Box::pin(async move { connect(address, service, &identity).await })
    }
}

async fn connect(address: SocketAddr, service: Service, identity: &Identity) -> io::Result<BoxIo> {
    let tls = identity.tls.as_ref().ok_or(io::ErrorKind::Unsupported)?;
    let connection = TcpStream::connect(address).await?;
    connection.set_nodelay(true)?;
    let name = ServerName::try_from(SERVER_NAME).map_err(io::Error::other)?;
    let stream = TlsConnector::from(Arc::clone(&tls.client)).connect(name, connection).await?;
    let chain = stream.get_ref().1.peer_certificates();
    let leaf = chain.and_then(<[_]>::first).ok_or(io::ErrorKind::PermissionDenied)?;
    let found = Leaf::read(leaf).map_err(io::Error::other)?.name;
    if found != Name::Service(service) {
        let wrong = format!("{address} is {found}, not {service}");
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, wrong));
    }
    Ok(Box::new(stream))
}
