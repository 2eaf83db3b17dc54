//! One call from its first header to its last trailer: trace, guard, load, deadline, handler, panic,
//! details, metrics. In one place, in this order.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use http::{HeaderMap, Request, Response};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::service::Routes;
use tonic::{Code, Status};
use tower::Service as _;
use tracing::Instrument as _;
use vivarium_types::{Clock, Reason};

use super::Footing;
use super::body::{Ends, Guarded, Record};
use super::load::Load;
use crate::auth::Gate;
use crate::client::timeout;
use crate::clock;
use crate::identity::Leaf;
use crate::matrix::Shape;
use crate::metrics::{Rpc, Why};
use crate::status::{Refusal, dress};
use crate::task;
use crate::telemetry::trace::{self, Context, Trace};

/// Answers every call of one process.
#[derive(Debug)]
pub(super) struct Answerer {
    gate: Gate,
    load: Load,
    routes: Routes,
    rpc: Rpc,
    clock: Arc<dyn Clock>,
    drain: CancellationToken,
    unary_deadline: Duration,
}

/// A handler's answer and what holds while its body lasts.
struct Passed {
    response: Response<Body>,
    ends: Ends,
    place: OwnedSemaphorePermit,
}

impl Answerer {
    pub(super) fn new(footing: &Footing, routes: Routes, rpc: Rpc) -> Self {
        let Footing { service, identity, clock, limits, drain, metrics: _ } = footing;
        Self {
            gate: Gate::new(*service, Arc::clone(identity), Arc::clone(clock)),
            load: Load::new(*service, limits),
            routes,
            rpc,
            clock: Arc::clone(clock),
            drain: drain.clone(),
            unary_deadline: limits.unary_deadline,
        }
    }

    /// The answer to one request from `peer`.
    pub(super) async fn answer(&self, peer: &Leaf, request: Request<Body>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        let given = request.headers().get(trace::HEADER).and_then(|value| value.to_str().ok());
        let trace =
            given.and_then(|text| text.parse().ok()).map_or_else(Trace::fresh, Trace::child);
        let span = tracing::info_span!(
            "rpc",
            rpc.method = path,
            request.id = trace.id(),
            peer = %peer.name,
            grpc.code = tracing::field::Empty,
            latency_ms = tracing::field::Empty,
        );
        let record = Record::new(self.rpc.clone(), &path, span.clone());
        let context = Context { trace, deadline: None };
        let work = self.pass(peer, &path, request, context, record);
        trace::within(context, work.instrument(span)).await
    }

    async fn pass(
        &self,
        peer: &Leaf,
        path: &str,
        request: Request<Body>,
        context: Context,
        mut record: Record,
    ) -> Response<Body> {
        match self.handle(peer, path, request, context, &mut record).await {
            Ok(Passed { response, ends, place }) => {
                let (head, body) = response.into_parts();
                if let Some(code) = head.headers.get(Status::GRPC_STATUS) {
                    record.code = Code::from_bytes(code.as_bytes());
                }
                let body = Guarded::new(body, path, ends, (place, record));
                Response::from_parts(head, Body::new(body))
            }
            Err(status) => {
                record.code = status.code();
                record.finish();
                status.into_http()
            }
        }
    }

    async fn handle(
        &self,
        peer: &Leaf,
        path: &str,
        mut request: Request<Body>,
        context: Context,
        record: &mut Record,
    ) -> Result<Passed, Status> {
        let admitted = self.gate.admit(peer, path, request.headers());
        let (rule, caller) = admitted.map_err(|refusal| self.refused(refusal))?;
        record.known();
        let place = self.load.enter(rule.shape).map_err(|refusal| self.refused(refusal))?;
        let deadline = self.deadline(rule.shape, request.headers());
        request.extensions_mut().insert(caller);
        let context = Context { deadline, ..context };
        let handler = AssertUnwindSafe(self.routes.clone().call(request)).catch_unwind();
        let handler = trace::within(context, handler);
        let answered = match deadline {
            Some(deadline) => tokio::time::timeout_at(deadline, handler)
                .await
                .map_err(|_| Refusal::new(Reason::RpcDeadlinePassed))?,
            None => handler.await,
        };
        let response = match answered {
            Ok(Ok(response)) => dressed(response, path),
            Ok(Err(never)) => match never {},
            Err(panic) => {
                record.panicked();
                return Err(Refusal::fault(format!(
                    "a handler panicked: {}",
                    task::said(&*panic)
                )))?;
            }
        };
        let ends = Ends::new(rule.shape, context, &self.drain, self.left(peer));
        Ok(Passed { response, ends, place })
    }

    /// When the answer must be there: as the caller says, and for a single answer never open-ended.
    fn deadline(&self, shape: Shape, headers: &HeaderMap) -> Option<Instant> {
        let given = timeout::read(headers);
        let span = match shape {
            Shape::Unary => Some(given.unwrap_or(self.unary_deadline)),
            Shape::Stream => given,
        };
        span.map(|span| clock::instant() + span)
    }

    /// How long the peer's certificate still counts.
    fn left(&self, peer: &Leaf) -> Option<Duration> {
        self.clock.sleep_until(peer.not_after)
    }

    fn refused(&self, refusal: Refusal) -> Status {
        self.rpc.refused.get_or_create(&Why { reason: refusal.reason().name() }).inc();
        refusal.into()
    }
}

/// The framework's own refusals with our reasons.
fn dressed(response: Response<Body>, path: &str) -> Response<Body> {
    match Status::from_header_map(response.headers()) {
        Some(status) if status.code() != Code::Ok && status.details().is_empty() => {
            dress(status, path).into_http()
        }
        Some(_) | None => response,
    }
}
