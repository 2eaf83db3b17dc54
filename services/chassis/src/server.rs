//! Serves: an own accept loop over TLS 1.3 with the identity of the moment, one pipeline for every
//! call, and a drain that ends within its limit.
//!
//! The states of a server are types: [`Configured`] → [`Bound`] → [`Serving`].

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use futures::{Stream, StreamExt as _};
use http::{Request, Response};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::RoutesBuilder;
use tower::Service as Tower;
use vivarium_types::Clock;

use crate::config::Limits;
use crate::identity::{Holder, Leaf, Service};
use crate::metrics::Rpc;
use crate::task;
use crate::telemetry::metrics::Metrics;

mod accept;
mod answer;
mod body;
mod connection;
mod load;

use answer::Answerer;

/// A connection's bytes.
pub trait Io: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static {}

impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static> Io for T {}

/// A connection's bytes, whatever they go over.
pub type BoxIo = Box<dyn Io>;

/// An accepted connection whose other end is known.
pub struct Incoming {
    /// Its bytes.
    pub io: BoxIo,
    /// The other end. Whoever makes this vouches for it: TLS, or a test.
    pub peer: Leaf,
}

impl std::fmt::Debug for Incoming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Incoming").field("peer", &self.peer).finish_non_exhaustive()
    }
}

/// The gRPC services of one process. Health and reflection are added by the chassis.
#[derive(Debug, Default)]
pub struct Services {
    routes: RoutesBuilder,
    names: Vec<&'static str>,
}

impl Services {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a generated server.
    #[must_use]
    pub fn with<S>(mut self, service: S) -> Self
    where
        S: Tower<Request<Body>, Response = Response<Body>, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        self.routes.add_service(service);
        self.names.push(S::NAME);
        self
    }

    /// Answers everything that no added server has: the gateway passes it on.
    #[must_use]
    pub fn otherwise<S>(mut self, service: S) -> Self
    where
        S: Tower<Request<Body>, Response = Response<Body>, Error = Infallible>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        let mut routes = self.routes.routes();
        let service =
            tower::ServiceExt::map_request(service, |request: Request<_>| request.map(Body::new));
        let served = std::mem::take(routes.axum_router_mut());
        *routes.axum_router_mut() = served.fallback_service(service);
        self.routes = routes.into();
        self
    }
}

/// What a server stands on.
#[derive(Debug, Clone)]
pub struct Footing {
    /// Which process this is.
    pub service: Service,
    /// Its identity, current at every handshake.
    pub identity: Arc<Holder>,
    /// Judges expiry.
    pub clock: Arc<dyn Clock>,
    /// Limits of every call.
    pub limits: Limits,
    /// Where calls are counted.
    pub metrics: Metrics,
    /// Cancelled when the process drains.
    pub drain: CancellationToken,
}

/// A server that is complete and has no address yet.
#[derive(Debug)]
pub struct Configured {
    footing: Footing,
    rpc: Rpc,
    answerer: Arc<Answerer>,
    health: tonic_health::server::HealthReporter,
    names: Vec<&'static str>,
}

impl Configured {
    /// Puts the pipeline around the services and adds health and reflection.
    pub fn new(footing: Footing, services: Services) -> Self {
        let (health, health_server) = tonic_health::server::health_reporter();
        let mut all = services.names.clone();
        all.push("");
        let services =
            services.with(health_server).with(reflection_v1()).with(reflection_v1alpha());
        let rpc = Rpc::new(&footing.metrics);
        let answerer = Answerer::new(&footing, services.routes.routes().prepare(), rpc.clone());
        Self { footing, rpc, answerer: Arc::new(answerer), health, names: all }
    }

    /// Takes a listener: an inherited one, or one bound here.
    pub fn bind(self, listener: std::net::TcpListener) -> io::Result<Bound> {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok(Bound { configured: self, listener: TcpListener::from_std(listener)?, address })
    }

    /// Serves connections that were made elsewhere, until the stream ends or the drain.
    pub fn serve(self, incoming: impl Stream<Item = Incoming> + Send + 'static) -> Serving {
        let Self { footing, rpc, answerer, health, names } = self;
        let (connections, cut) = (TaskTracker::new(), CancellationToken::new());
        let accepting = {
            let settings = connection::Settings::new(&footing, cut.clone());
            let drain = footing.drain.clone();
            let places = Arc::new(Semaphore::new(footing.limits.connections_max));
            async move {
                for name in &names {
                    let serving = tonic_health::ServingStatus::Serving;
                    health.set_service_status(*name, serving).await;
                }
                let mut incoming = std::pin::pin!(incoming.take_until(drain.cancelled()));
                while let Some((Incoming { io, peer }, place)) = next(&mut incoming, &places).await
                {
                    let answerer = Arc::clone(&answerer);
                    let open = rpc.connections.clone();
                    let settings = settings.clone();
                    connections.spawn(async move {
                        open.inc();
                        connection::serve(io, Arc::new(peer), answerer, settings).await;
                        open.dec();
                        drop(place);
                    });
                }
                drain.cancelled().await;
                for name in &names {
                    let stopping = tonic_health::ServingStatus::NotServing;
                    health.set_service_status(*name, stopping).await;
                }
                connections.close();
                connections.wait().await;
            }
        };
        let limit = footing.limits.drain_timeout;
        Serving { accepting: task::joined(accepting), drain: footing.drain, cut, limit }
    }
}

/// A server with an address.
#[derive(Debug)]
pub struct Bound {
    configured: Configured,
    listener: TcpListener,
    address: SocketAddr,
}

impl Bound {
    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Begins to accept.
    pub fn serve(self) -> Serving {
        let Self { configured, listener, address: _ } = self;
        let incoming = accept::incoming(listener, &configured.footing, &configured.rpc);
        configured.serve(incoming)
    }
}

/// How a drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// Every call had its answer.
    Whole,
    /// The limit passed and what was left was cut.
    Cut,
}

/// A server at work.
#[derive(Debug)]
pub struct Serving {
    accepting: tokio::task::JoinHandle<()>,
    drain: CancellationToken,
    cut: CancellationToken,
    limit: std::time::Duration,
}

impl Serving {
    /// Resolves when the drain is over. Does not begin it: that is the drain token's.
    pub async fn drained(mut self) -> Drained {
        self.drain.cancelled().await;
        if tokio::time::timeout(self.limit, &mut self.accepting).await.is_ok() {
            return Drained::Whole;
        }
        self.cut.cancel();
        self.accepting.abort();
        Drained::Cut
    }

    /// Begins the drain and waits for its end.
    pub async fn drain(self) -> Drained {
        self.drain.cancel();
        self.drained().await
    }
}

/// The next connection and its place. While there is no place, connections wait outside.
async fn next(
    incoming: &mut (impl Stream<Item = Incoming> + Unpin),
    places: &Arc<Semaphore>,
) -> Option<(Incoming, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    Some((incoming.next().await?, place))
}

fn reflection() -> tonic_reflection::server::Builder<'static> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(vivarium_proto::DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        // What the details of a refusal are, so that grpcurl shows them.
        .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
}

const DESCRIPTORS: &str = "the descriptors were written by the build of proto";

fn reflection_v1() -> tonic_reflection::server::v1::ServerReflectionServer<
    impl tonic_reflection::server::v1::ServerReflection,
> {
    reflection().build_v1().expect(DESCRIPTORS)
}

fn reflection_v1alpha() -> tonic_reflection::server::v1alpha::ServerReflectionServer<
    impl tonic_reflection::server::v1alpha::ServerReflection,
> {
    reflection().build_v1alpha().expect(DESCRIPTORS)
}
