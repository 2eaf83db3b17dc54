//! A world to test in: its own authority, a queue that serves a small ledger, and callers.
#![expect(clippy::panic, reason = "a handler that panics is what some tests are about")]

use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt as _, stream};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use vivarium_chassis::ca::Ca;
use vivarium_chassis::client::{Connect, TlsConnect};
use vivarium_chassis::clock::SystemClock;
use vivarium_chassis::config::Shared;
use vivarium_chassis::identity::{Bundle, Holder, Name, Service};
use vivarium_chassis::server::{Configured, Footing, Serving};
use vivarium_chassis::telemetry::metrics::Metrics;
use vivarium_chassis::{Caller, Calls, Peers, Refusal, Services, World};
use vivarium_proto::ledger::v1 as pb;
use vivarium_proto::ledger::v1::ledger_service_client::LedgerServiceClient;
use vivarium_proto::ledger::v1::ledger_service_server::{LedgerService, LedgerServiceServer};
use vivarium_types::{Clock, Reason, Timestamp};

pub(crate) const HOUR: Duration = Duration::from_hours(1);

/// A world on disk with an authority.
pub(crate) struct Stand {
    pub(crate) world: World,
    pub(crate) ca: Ca,
    pub(crate) shared: Shared,
    _folder: tempfile::TempDir,
}

/// A queue at work.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) serving: Serving,
    pub(crate) identity: Arc<Holder>,
    pub(crate) metrics: Metrics,
    /// Another handle of its listener, as the supervisor keeps one.
    pub(crate) listener: TcpListener,
}

impl Stand {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let world = World::open(folder.path()).expect("the world opens");
        let ca = Ca::open(&world, Arc::new(SystemClock)).expect("the authority opens");
        for name in Service::ALL.map(Name::Service) {
            ca.issue(&name).expect("it issues");
        }
        ca.issue(&Name::operator("cli")).expect("it issues");
        Self { world, ca, shared: Shared::default(), _folder: folder }
    }

    pub(crate) fn holder(&self, name: &Name) -> Arc<Holder> {
        Arc::new(Holder::load(&self.world.identity(name), name).expect("the identity loads"))
    }

    /// Serves the queue on a port of its own and points the callers there.
    pub(crate) fn serve(&mut self) -> Running {
        let listener = TcpListener::bind("127.0.0.1:0").expect("it binds");
        self.serve_on(listener)
    }

    pub(crate) fn serve_on(&mut self, listener: TcpListener) -> Running {
        let running = self.serve_as(Service::Queue, services(), listener);
        self.shared.addresses.queue = running.address;
        running
    }

    /// Serves `services` as any of the processes.
    pub(crate) fn serve_as(
        &self,
        service: Service,
        services: Services,
        listener: TcpListener,
    ) -> Running {
        let kept = listener.try_clone().expect("it clones");
        let identity = self.holder(&Name::Service(service));
        let metrics = Metrics::default();
        let footing = Footing {
            service,
            identity: Arc::clone(&identity),
            clock: Arc::new(SystemClock),
            limits: self.shared.limits.clone(),
            metrics: metrics.clone(),
            drain: CancellationToken::new(),
        };
        let bound = Configured::new(footing, services).bind(listener).expect("it binds");
        let address = bound.address();
        Running { address, serving: bound.serve(), identity, metrics, listener: kept }
    }

    pub(crate) fn peers(&self, holder: &Arc<Holder>) -> Peers {
        let connector: Arc<dyn Connect> = Arc::new(TlsConnect::new(&self.shared));
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        Peers::new(holder, &connector, &clock, &self.shared.limits)
    }

    /// The queue's ledger as `name` reaches it.
    pub(crate) fn ledger(&self, name: &Name) -> LedgerServiceClient<Calls> {
        ledger(self.peers(&self.holder(name)).to(Service::Queue).calls())
    }

    /// A bundle that counts for an hour.
    pub(crate) fn bundle(&self, name: &Name) -> Bundle {
        let now = SystemClock.now();
        self.ca.bundle(name, now - HOUR, now + HOUR).expect("it issues")
    }

    /// A caller with a certificate of another life.
    pub(crate) fn holder_between(
        &self,
        name: &Name,
        begins: Timestamp,
        ends: Timestamp,
    ) -> Arc<Holder> {
        let folder = self.world.run().join("other");
        let bundle = self.ca.bundle(name, begins, ends).expect("it issues");
        bundle.write(&folder).expect("it writes");
        Arc::new(Holder::load(&folder, name).expect("it loads"))
    }
}

pub(crate) fn ledger(calls: Calls) -> LedgerServiceClient<Calls> {
    LedgerServiceClient::new(calls)
}

pub(crate) fn services() -> Services {
    Services::new().with(LedgerServiceServer::new(Ledger))
}

/// Asks the small ledger to behave in a certain way.
pub(crate) fn ask(word: &str) -> pb::GetHeadRequest {
    let position = pb::Position { ledger: word.to_owned(), sequence: 0 };
    pb::GetHeadRequest { min_position: Some(position) }
}

/// Runs work beside the test.
#[expect(clippy::disallowed_methods, reason = "a test awaits what it starts")]
pub(crate) fn beside<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> tokio::task::JoinHandle<T> {
    tokio::task::spawn(work)
}

/// Sends bytes that may be no message at all.
pub(crate) async fn raw(mut calls: Calls, path: &str, message: &str) -> Status {
    use tower::Service as _;
    let length = u32::try_from(message.len()).expect("it is short").to_be_bytes();
    let bytes = [&[0][..], &length, message.as_bytes()].concat();
    let body = tonic::body::Body::new(http_body_util::Full::from(bytes));
    let request = http::Request::post(format!("http://raw{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(body)
        .expect("it is a request");
    let answer = calls.call(request).await.expect("it is answered");
    Status::from_header_map(answer.headers()).expect("with a status")
}

/// Waits for a condition, at most ten seconds.
pub(crate) async fn wait_until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    for _ in 0..1_000 {
        if condition().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("waited in vain until {what}");
}

/// Answers as it is asked to: `panic`, `slow`, `peer`, or at once.
#[derive(Debug, Clone)]
struct Ledger;

type Rows<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl LedgerService for Ledger {
    type WatchStream = Rows<pb::WatchResponse>;
    type VerifyStream = Rows<pb::VerifyResponse>;

    async fn watch(
        &self,
        request: Request<pb::WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let after = request.into_inner().after.unwrap_or_default();
        if after.sequence == 666 {
            return Err(Refusal::new(Reason::LedgerDiverged).with("ledger", "queue").into());
        }
        let first = pb::WatchResponse {
            ledger_id: "led_00000000000000000000000001".to_owned(),
            rows: vec![pb::Row {
                sequence: after.sequence + 1,
                hash: vec![7; 32],
                ..pb::Row::default()
            }],
            checkpoint: None,
        };
        let rest: Rows<pb::WatchResponse> = if after.sequence == 13 {
            Box::pin(stream::once(async {
                tokio::time::sleep(Duration::from_millis(20)).await;
                panic!("a secret of the stream")
            }))
        } else {
            Box::pin(stream::pending())
        };
        Ok(Response::new(Box::pin(stream::once(async { Ok(first) }).chain(rest))))
    }

    async fn get_head(
        &self,
        request: Request<pb::GetHeadRequest>,
    ) -> Result<Response<pb::GetHeadResponse>, Status> {
        let caller = Caller::of(&request).clone();
        let word = request.into_inner().min_position.unwrap_or_default().ledger;
        match word.as_str() {
            "panic" => panic!("a secret of the handler"),
            "slow" => tokio::time::sleep(Duration::from_mins(1)).await,
            "soon" => tokio::time::sleep(Duration::from_millis(300)).await,
            _ => {}
        }
        let ledger_id = format!("{} {}", caller.name, caller.actor);
        Ok(Response::new(pb::GetHeadResponse { ledger_id, ..pb::GetHeadResponse::default() }))
    }

    async fn read_rows(
        &self,
        _: Request<pb::ReadRowsRequest>,
    ) -> Result<Response<pb::ReadRowsResponse>, Status> {
        Ok(Response::new(pb::ReadRowsResponse::default()))
    }

    async fn read_texts(
        &self,
        _request: Request<pb::ReadTextsRequest>,
    ) -> Result<Response<pb::ReadTextsResponse>, Status> {
        Ok(Response::new(pb::ReadTextsResponse::default()))
    }

    async fn read_text(
        &self,
        request: Request<pb::ReadTextRequest>,
    ) -> Result<Response<pb::ReadTextResponse>, Status> {
        let text = request.into_inner().id;
        Err(Refusal::new(Reason::LedgerTextNotFound)
            .with("text", &text)
            .resource("text", text)
            .into())
    }

    async fn verify(
        &self,
        _: Request<pb::VerifyRequest>,
    ) -> Result<Response<Self::VerifyStream>, Status> {
        Ok(Response::new(Box::pin(stream::empty())))
    }

    async fn list_peer_checkpoints(
        &self,
        _: Request<pb::ListPeerCheckpointsRequest>,
    ) -> Result<Response<pb::ListPeerCheckpointsResponse>, Status> {
        Ok(Response::new(pb::ListPeerCheckpointsResponse::default()))
    }
}
