//! Calls to the other services: by name, over the identity of the moment, each with a token, a
//! deadline and the trace it belongs to. Connections are made when first needed and again after a
//! peer's restart; pings find a dead one.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::header::HeaderValue;
use http::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::time::Instant;
use tonic::body::Body;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tower::Service as Tower;
use vivarium_types::source::Source;
use vivarium_types::{Actor, Clock, Reason};

use crate::auth;
use crate::clock;
use crate::config::{Limits, Origins, Shared};
use crate::identity::{self, Holder, Identity, Name, Service};
use crate::lease;
use crate::matrix::{self, MethodClass, Shape};
use crate::source::GrpcSource;
use crate::status::{Problem, Refusal};
use crate::telemetry::trace::{self, Context, Trace};
use crate::token;
use crate::world::World;

mod body;
mod connect;
mod retry;
pub(crate) mod timeout;

pub use connect::{Connect, TlsConnect};

use retry::Budget;

/// A tenth is added at random to the age of a link, so that not all are renewed together.
const AGE_JITTER_PERMILLE: u32 = 100;

/// Why a tool has no clients.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The world's settings do not load.
    #[error("the world's settings do not load")]
    Config(#[from] crate::config::Error),
    /// The identity does not load.
    #[error("the identity does not load")]
    Identity(#[from] identity::Error),
}

/// The services of a world, as one process reaches them.
#[derive(Debug, Clone)]
pub struct Peers {
    peers: Arc<BTreeMap<Service, Peer>>,
}

impl Peers {
    /// Clients that connect as `holder`'s identity through `connector`.
    pub fn new(
        holder: &Arc<Holder>,
        connector: &Arc<dyn Connect>,
        clock: &Arc<dyn Clock>,
        limits: &Limits,
    ) -> Self {
        let peer = |service| {
            let inner = Inner {
                service,
                holder: Arc::clone(holder),
                connector: Arc::clone(connector),
                clock: Arc::clone(clock),
                limits: limits.clone(),
                link: ArcSwap::from(open(service, holder.current(), connector, limits)),
                budget: Budget::default(),
            };
            (service, Peer { inner: Arc::new(inner) })
        };
        Self { peers: Arc::new(Service::ALL.into_iter().map(peer).collect()) }
    }

    /// The clients of the operator `name`, whose identity lies in the world's keys. For the command
    /// line. Needs a tokio runtime around it.
    pub fn operator(world: &World, name: &str) -> Result<Self, Error> {
        let name = Name::operator(name);
        let shared: Shared = Origins::of_process(&world.config()).load("shared")?;
        let holder = Arc::new(Holder::load(&world.identity(&name), &name)?);
        let connector: Arc<dyn Connect> = Arc::new(TlsConnect::new(&shared));
        let time: Arc<dyn Clock> = Arc::new(clock::SystemClock);
        Ok(Self::new(&holder, &connector, &time, &shared.limits))
    }

    /// The client of one service.
    ///
    /// # Panics
    /// Never: there is a client for every service.
    pub fn to(&self, service: Service) -> Peer {
        self.peers.get(&service).expect("there is a peer for every service").clone()
    }
}

/// One service as another process reaches it.
#[derive(Debug, Clone)]
pub struct Peer {
    inner: Arc<Inner>,
}

impl Peer {
    /// Which service it is.
    pub fn service(&self) -> Service {
        self.inner.service
    }

    /// Calls on this process's own account. Pass it to a generated client.
    pub fn calls(&self) -> Calls {
        let me = auth::word(self.inner.holder.current().name());
        self.acting_as(&Actor::Service(me))
    }

    /// Calls on behalf of `actor`.
    pub fn acting_as(&self, actor: &Actor) -> Calls {
        let inner = Arc::clone(&self.inner);
        Calls { inner, actor: actor.clone(), lease: None, until: None }
    }

    /// Its ledger, to follow.
    pub fn source(&self) -> Arc<dyn Source> {
        Arc::new(GrpcSource::new(self.clone()))
    }

    /// Its ledger as a concrete type, for what [`Source`] does not offer.
    pub fn health(&self) -> tonic_health::pb::health_client::HealthClient<Calls> {
        tonic_health::pb::health_client::HealthClient::new(self.calls())
    }
}

/// Calls to one service on behalf of one actor: what a generated client stands on.
#[derive(Debug, Clone)]
pub struct Calls {
    inner: Arc<Inner>,
    actor: Actor,
    lease: Option<HeaderValue>,
    until: Option<Instant>,
}

struct Inner {
    service: Service,
    holder: Arc<Holder>,
    connector: Arc<dyn Connect>,
    clock: Arc<dyn Clock>,
    limits: Limits,
    /// Written by whoever first calls under a renewed identity.
    link: ArcSwap<Link>,
    budget: Budget,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer").field("service", &self.service).finish_non_exhaustive()
    }
}

/// Connections and the identity they are made under, as one value: a token made under one identity
/// never goes over a connection of another. Calls that began on an older link end on it.
struct Link {
    identity: Arc<Identity>,
    channel: Channel,
    /// When new calls go over a new link: before the peer tells this one's connection to go away, so
    /// that no call meets that message on its way.
    stale: Instant,
}

impl Inner {
    fn link(&self) -> Arc<Link> {
        let (link, identity) = (self.link.load_full(), self.holder.current());
        if Arc::ptr_eq(&link.identity, &identity) && clock::instant() < link.stale {
            return link;
        }
        let fresh = open(self.service, identity, &self.connector, &self.limits);
        self.link.store(Arc::clone(&fresh));
        fresh
    }
}

fn open(
    service: Service,
    identity: Arc<Identity>,
    connector: &Arc<dyn Connect>,
    limits: &Limits,
) -> Arc<Link> {
    let endpoint = Endpoint::from_static("http://vivarium.local")
        .http2_keep_alive_interval(limits.keep_alive_interval)
        .keep_alive_timeout(limits.keep_alive_timeout)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(4 << 20);
    let (connector, limit) = (Arc::clone(connector), limits.handshake_timeout);
    let under = Arc::clone(&identity);
    let connect = tower::service_fn(move |_: http::Uri| {
        let connecting = connector.connect(service, Arc::clone(&under));
        async move {
            tokio::time::timeout(limit, connecting)
                .await
                .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
                .map(TokioIo::new)
        }
    });
    let channel = endpoint.connect_with_connector_lazy(connect);
    let stale =
        clock::instant() + clock::jittered(limits.connection_age_max / 2, AGE_JITTER_PERMILLE);
    Arc::new(Link { identity, channel, stale })
}

impl Calls {
    /// The same calls under a lease: its capability, as the queue signed it.
    #[must_use]
    pub fn under(mut self, capability: &str) -> Self {
        self.lease = HeaderValue::from_str(capability).ok().map(|mut value| {
            value.set_sensitive(true);
            value
        });
        self
    }

    /// The same calls with this much time from now, all together. Without it each unary call has the
    /// shared default.
    #[must_use]
    pub fn within(mut self, span: Duration) -> Self {
        self.until = Some(clock::instant() + span);
        self
    }

    /// Makes a call and, while the peer is unavailable, makes it again: with growing, random pauses,
    /// within the time there is, and only as long as repeats stay a small part of all calls. Only for
    /// what may happen twice: a read, or a change with a `request_id`.
    pub async fn retrying<T, Call, Answer>(self, mut call: Call) -> Result<T, Status>
    where
        Call: FnMut(Self) -> Answer,
        Answer: Future<Output = Result<T, Status>>,
    {
        let default = clock::instant() + self.inner.limits.unary_deadline;
        let until = self.until.or_else(outer_deadline).unwrap_or(default);
        let bounded = Self { until: Some(until), ..self };
        let inner = Arc::clone(&bounded.inner);
        inner.budget.deposit();
        let mut pause = retry::Pause::default();
        loop {
            let status = match call(bounded.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(status) => status,
            };
            let wait = pause.next(Problem::from(&status).retry_after);
            let late = clock::instant() + wait >= until;
            if status.code() != Code::Unavailable || late || !inner.budget.withdraw() {
                return Err(status);
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// Gives the request its headers; what it belongs to from here on, with its deadline.
    fn prepare(&self, request: &mut Request<Body>, identity: &Identity) -> Context {
        let rule = matrix::rule(self.inner.service, request.uri().path());
        let class = rule.map_or(MethodClass::Read, |rule| rule.class);
        let shape = rule.map_or(Shape::Unary, |rule| rule.shape);
        let headers = request.headers_mut();
        let trace = trace::current().map_or_else(Trace::fresh, |context| context.trace.child());
        let text = HeaderValue::from_str(&trace.to_string());
        headers.insert(trace::HEADER, text.expect("a trace is hexadecimal"));
        let now = self.inner.clock.now();
        if let Some(token) = token::mint(identity, self.inner.service, class, &self.actor, now) {
            let mut value = HeaderValue::from_str(&token).expect("a token is base 64");
            value.set_sensitive(true);
            headers.insert(token::HEADER, value);
        }
        if let Some(lease) = &self.lease {
            headers.insert(lease::HEADER, lease.clone());
        }
        let asked = timeout::read(headers).map(|span| clock::instant() + span).or(self.until);
        let deadline = match shape {
            Shape::Unary => {
                let span = self.inner.limits.unary_deadline;
                Some(asked.unwrap_or_else(|| clock::instant() + span))
            }
            Shape::Stream => asked,
        };
        // No call outlives the one it is made for.
        let deadline = match (deadline, outer_deadline()) {
            (Some(own), Some(outer)) => Some(own.min(outer)),
            (Some(own), None) => Some(own),
            (None, outer) => outer,
        };
        if let Some(deadline) = deadline {
            timeout::write(headers, deadline.saturating_duration_since(clock::instant()));
        }
        Context { trace, deadline }
    }
}

/// What an error of the framework stands for. Its own timer may be a moment ahead of ours.
fn broken(service: Service, error: tonic::transport::Error) -> Refusal {
    let mut next: Option<&(dyn StdError + 'static)> = Some(&error);
    while let Some(source) = next {
        if source.is::<tonic::TimeoutExpired>() {
            return Refusal::new(Reason::RpcDeadlinePassed);
        }
        next = source.source();
    }
    gone(service).because(error)
}

/// The peer cannot be reached, or broke off.
fn gone(service: Service) -> Refusal {
    Refusal::new(Reason::ServiceUnavailable).with("service", service)
}

fn outer_deadline() -> Option<Instant> {
    trace::current().and_then(|context| context.deadline)
}

/// The answer of a call.
pub type Answering = Pin<Box<dyn Future<Output = Result<Response<Body>, Status>> + Send>>;

impl Tower<Request<Body>> for Calls {
    type Response = Response<Body>;
    type Error = Status;
    type Future = Answering;

    fn poll_ready(
        &mut self,
        _cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Status>> {
        // The link of the moment is chosen with each call, and waits there.
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Answering {
        let (service, link) = (self.inner.service, self.inner.link());
        let context = self.prepare(&mut request, &link.identity);
        // A stream's answer may take long; its first header may not.
        let span = self.inner.limits.unary_deadline;
        let first = context.deadline.unwrap_or_else(|| clock::instant() + span);
        let mut channel = link.channel.clone();
        Box::pin(trace::within(context, async move {
            let answering = async {
                std::future::poll_fn(|cx| Tower::<Request<Body>>::poll_ready(&mut channel, cx))
                    .await?;
                channel.call(request).await
            };
            let response = tokio::time::timeout_at(first, answering)
                .await
                .map_err(|_| Refusal::new(Reason::RpcDeadlinePassed))?
                .map_err(|error| broken(service, error))?;
            Ok(body::timed(response, service, context))
        }))
    }
}
