//! Passes calls on without looking into them: gRPC-Web from browsers, gRPC from scripts.
//!
//! What a call may reach is decided by the call matrix, here by name and at the service again. Only
//! the headers that a call needs go on: no cookie, no origin, no word of the browser's.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{HeaderMap, Request, Response, header};
use tonic::body::Body;
use tower::Service as Tower;
use vivarium_chassis::{Caller, Peers, Refusal, Service, matrix};
use vivarium_types::{Actor, Reason};

/// The headers of a call that reach a service; the chassis adds its own.
const PASSED_ON: [&str; 5] =
    ["content-type", "te", "grpc-timeout", "grpc-accept-encoding", "grpc-encoding"];

/// Passes calls on to the services of a world.
#[derive(Debug, Clone)]
pub struct Proxy {
    peers: Peers,
}

impl Proxy {
    /// The proxy to the services behind `peers`.
    pub const fn new(peers: Peers) -> Self {
        Self { peers }
    }

    /// Passes one call on, on behalf of `actor`. `ledger` names the service whose ledger is meant,
    /// where several serve the same method.
    pub async fn forward(
        &self,
        request: Request<Body>,
        actor: &Actor,
        ledger: Option<Service>,
    ) -> Response<Body> {
        let path = request.uri().path().to_owned();
        let Some(home) = matrix::home(&path).or(ledger) else {
            let unknown = Refusal::new(Reason::RpcUnknownMethod).with("method", &path);
            return tonic::Status::from(unknown).into_http();
        };
        let (mut parts, body) = request.into_parts();
        parts.headers = passed_on(&parts.headers);
        parts.version = http::Version::HTTP_2;
        let mut calls = self.peers.to(home).acting_as(actor);
        match calls.call(Request::from_parts(parts, body)).await {
            Ok(response) => response,
            Err(status) => status.into_http(),
        }
    }
}

fn passed_on(headers: &HeaderMap) -> HeaderMap {
    let mut kept = HeaderMap::new();
    for name in PASSED_ON {
        if let Some(value) = headers.get(name) {
            kept.insert(header::HeaderName::from_static(name), value.clone());
        }
    }
    kept
}

/// The service that answers a ledger's method for scripts: `queue` unless the header says otherwise.
const LEDGER_HEADER: &str = "vivarium-ledger";

/// Everything that the gateway does not serve itself, for callers with an operator's certificate.
pub fn for_scripts(proxy: Proxy) -> ForScripts {
    ForScripts { proxy }
}

/// See [`for_scripts`].
#[derive(Debug, Clone)]
pub struct ForScripts {
    proxy: Proxy,
}

impl Tower<Request<Body>> for ForScripts {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let proxy = self.proxy.clone();
        Box::pin(async move {
            let caller = request.extensions().get::<Caller>().cloned();
            let Some(caller) = caller else {
                let missing = Refusal::new(Reason::AuthCertificateMissing);
                return Ok(tonic::Status::from(missing).into_http());
            };
            let ledger = named_ledger(request.headers());
            Ok(proxy.forward(request, &caller.actor, ledger).await)
        })
    }
}

/// The service that a request's header names.
pub fn named_ledger(headers: &HeaderMap) -> Option<Service> {
    let name = headers.get(LEDGER_HEADER)?.to_str().ok()?;
    Service::ALL.into_iter().find(|service| service.name() == name && *service != Service::Gateway)
}
