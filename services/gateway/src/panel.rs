//! What only a browser needs: everything a tab shows on one stream.
//!
//! A topic that breaks off is taken up again behind what was sent, without the tab noticing more than
//! a pause. There is no global order: within a ledger by sequence.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use vivarium_chassis::client::Peer;
use vivarium_chassis::task::Tasks;
use vivarium_chassis::{Deps, Peers, Refusal, Service, Violations};
use vivarium_proto::executor::v1 as executor_pb;
use vivarium_proto::executor::v1::cycle_service_client::CycleServiceClient;
use vivarium_proto::executor::v1::watch_output_response::News;
use vivarium_proto::gateway::v1 as pb;
use vivarium_proto::gateway::v1::follow_response::Item;
use vivarium_proto::gateway::v1::panel_service_server::PanelService;
use vivarium_proto::ledger::v1 as ledger_pb;
use vivarium_proto::ledger::v1::ledger_service_client::LedgerServiceClient;
use vivarium_proto::wkt;
use vivarium_types::{Clock, Reason, Timestamp};

/// Items that may wait for a slow tab; its topics then wait too.
const ITEMS_WAITING: usize = 256;
/// How often a quiet stream says that it is alive.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(10);
/// First wait before a topic that broke off is taken up again; doubles up to [`RETRY_MAX`].
const RETRY_MIN: Duration = Duration::from_millis(100);
/// Longest wait before a topic is taken up again.
const RETRY_MAX: Duration = Duration::from_secs(3);

/// Who is signed in, on requests that came through the panel's port.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// The operator's name.
    pub operator: String,
    /// When the session ends at the latest.
    pub ends: Timestamp,
    /// The session's cookie.
    pub cookie: String,
}

/// The panel's own methods.
#[derive(Debug, Clone)]
pub struct Panel {
    peers: Peers,
    tasks: Tasks,
    clock: Arc<dyn Clock>,
    world: String,
}

impl Panel {
    /// Over the services of this process's world.
    pub fn new(deps: &Deps) -> Self {
        let world = deps.world.root().canonicalize().ok();
        let world = world.as_deref().and_then(|path| path.file_name()?.to_str().map(str::to_owned));
        Self {
            peers: deps.peers.clone(),
            tasks: deps.tasks.clone(),
            clock: Arc::clone(&deps.clock),
            world: world.unwrap_or_else(|| "world".to_owned()),
        }
    }
}

type Items = mpsc::Sender<Result<pb::FollowResponse, Status>>;

#[tonic::async_trait]
impl PanelService for Panel {
    type FollowStream = Pin<Box<dyn Stream<Item = Result<pb::FollowResponse, Status>> + Send>>;

    async fn follow(
        &self,
        request: Request<pb::FollowRequest>,
    ) -> Result<Response<Self::FollowStream>, Status> {
        let wire = request.into_inner();
        let topics = topics(&wire)?;
        let (items, taken) = mpsc::channel(ITEMS_WAITING);
        for topic in topics {
            let items = items.clone();
            match topic {
                pb::Topic::Output => {
                    let executor = self.peers.to(Service::Executor);
                    self.tasks.spawn("follow output", follow_output(executor, items));
                }
                pb::Topic::Health => {
                    for service in Service::ALL {
                        let (peer, clock) = (self.peers.to(service), Arc::clone(&self.clock));
                        let following = follow_health(peer, clock, items.clone());
                        self.tasks.spawn("follow health", following);
                    }
                }
                pb::Topic::Unspecified => {}
                ledger @ (pb::Topic::Queue
                | pb::Topic::Executor
                | pb::Topic::Society
                | pb::Topic::Review) => {
                    let Some(service) = service_of(ledger) else { continue };
                    let after = wire.cursors.get(service.name()).copied();
                    let following = follow_ledger(self.peers.to(service), after, items);
                    self.tasks.spawn("follow a ledger", following);
                }
            }
        }
        self.tasks.spawn("beat", beat(Arc::clone(&self.clock), items));
        Ok(Response::new(Box::pin(ReceiverStream::new(taken))))
    }

    async fn get_session(
        &self,
        request: Request<pb::GetSessionRequest>,
    ) -> Result<Response<pb::GetSessionResponse>, Status> {
        let session = signed_in(&request)?;
        Ok(Response::new(pb::GetSessionResponse {
            operator: session.operator,
            end_time: Some(moment(session.ends)),
            world: self.world.clone(),
        }))
    }

    async fn sign_out(
        &self,
        request: Request<pb::SignOutRequest>,
    ) -> Result<Response<pb::SignOutResponse>, Status> {
        // The session itself is ended by DELETE /session, which also knows the cookie's file.
        signed_in(&request)?;
        Ok(Response::new(pb::SignOutResponse {}))
    }

    async fn list_services(
        &self,
        _request: Request<pb::ListServicesRequest>,
    ) -> Result<Response<pb::ListServicesResponse>, Status> {
        let mut services = Vec::new();
        for service in Service::ALL {
            let answer = self.peers.to(service).health().check(HealthCheckRequest::default()).await;
            let state = answer.map_or(pb::ServiceState::Unreachable, |answer| {
                state(answer.into_inner().status())
            });
            services.push(health(service, state, self.clock.now()));
        }
        Ok(Response::new(pb::ListServicesResponse { services }))
    }
}

fn topics(wire: &pb::FollowRequest) -> Result<Vec<pb::Topic>, Refusal> {
    let mut wrong = Violations::new();
    let mut topics = Vec::new();
    if wire.topics.is_empty() {
        wrong.add("topics", "must name at least one");
    }
    for (index, topic) in wire.topics.iter().enumerate() {
        match pb::Topic::try_from(*topic) {
            Ok(pb::Topic::Unspecified) | Err(_) => {
                wrong.item("topics", index, |wrong| wrong.add("", "is no topic"));
            }
            Ok(topic) if topics.contains(&topic) => {
                wrong.item("topics", index, |wrong| wrong.add("", "is named twice"));
            }
            Ok(topic) => topics.push(topic),
        }
    }
    wrong.finish()?;
    Ok(topics)
}

const fn service_of(topic: pb::Topic) -> Option<Service> {
    match topic {
        pb::Topic::Queue => Some(Service::Queue),
        pb::Topic::Executor => Some(Service::Executor),
        pb::Topic::Society => Some(Service::Society),
        pb::Topic::Review => Some(Service::Review),
        pb::Topic::Output | pb::Topic::Health | pb::Topic::Unspecified => None,
    }
}

fn signed_in<T>(request: &Request<T>) -> Result<SignedIn, Refusal> {
    let session = request.extensions().get::<SignedIn>().cloned();
    session.ok_or_else(|| Refusal::new(Reason::AuthSessionMissing))
}

async fn send(items: &Items, item: Item) -> Result<(), Gone> {
    items.send(Ok(pb::FollowResponse { item: Some(item) })).await.map_err(|_| Gone)
}

/// The tab is gone.
struct Gone;

async fn beat(clock: Arc<dyn Clock>, items: Items) {
    loop {
        let beat = pb::Heartbeat { beat_time: Some(moment(clock.now())) };
        if send(&items, Item::Heartbeat(beat)).await.is_err() {
            return;
        }
        tokio::time::sleep(HEARTBEAT_EVERY).await;
    }
}

async fn follow_ledger(peer: Peer, mut after: Option<u64>, items: Items) {
    let mut wait = RETRY_MIN;
    loop {
        tokio::select! {
            () = items.closed() => return,
            followed = ledger_once(&peer, &mut after, &items) => match followed {
                Err(Gone) => return,
                Ok(true) => wait = RETRY_MIN,
                Ok(false) => wait = (wait * 2).min(RETRY_MAX),
            },
        }
        tokio::time::sleep(wait).await;
    }
}

/// One stream of rows to its end; whether it brought anything.
async fn ledger_once(peer: &Peer, after: &mut Option<u64>, items: &Items) -> Result<bool, Gone> {
    let mut client = LedgerServiceClient::new(peer.calls());
    let Ok(head) = client.get_head(ledger_pb::GetHeadRequest::default()).await else {
        return Ok(false);
    };
    let head = head.into_inner();
    let mut at = after.unwrap_or(head.sequence).min(head.sequence);
    let cursor = ledger_pb::Cursor { sequence: at, ..ledger_pb::Cursor::default() };
    let request = ledger_pb::WatchRequest { after: Some(cursor), until_head: false };
    let Ok(watch) = client.watch(request).await else { return Ok(false) };
    let mut watch = watch.into_inner();
    let ledger = peer.service().name().to_owned();
    let mut caught_up = false;
    loop {
        if !caught_up && at >= head.sequence {
            caught_up = true;
            let item = pb::CaughtUp { ledger: ledger.clone(), sequence: at };
            send(items, Item::CaughtUp(item)).await?;
        }
        let Ok(Some(answer)) = watch.message().await else { return Ok(true) };
        for row in answer.rows {
            at = row.sequence;
            let item = pb::LedgerRow {
                ledger: ledger.clone(),
                ledger_id: answer.ledger_id.clone(),
                row: Some(row),
            };
            send(items, Item::Row(item)).await?;
            *after = Some(at);
        }
    }
}

async fn follow_output(peer: Peer, items: Items) {
    let mut wait = RETRY_MIN;
    loop {
        tokio::select! {
            () = items.closed() => return,
            followed = output_once(&peer, &items) => match followed {
                Err(Gone) => return,
                Ok(true) => wait = RETRY_MIN,
                Ok(false) => wait = (wait * 2).min(RETRY_MAX),
            },
        }
        tokio::time::sleep(wait).await;
    }
}

async fn output_once(peer: &Peer, items: &Items) -> Result<bool, Gone> {
    let request = executor_pb::WatchOutputRequest { task_id: String::new() };
    let answer = CycleServiceClient::new(peer.calls()).watch_output(request).await;
    let Ok(answer) = answer else { return Ok(false) };
    let mut answers = answer.into_inner();
    while let Ok(Some(answer)) = answers.message().await {
        let mut output = pb::Output {
            task_id: answer.task_id,
            cycle_id: answer.cycle_id,
            resident_id: answer.resident_id,
            step: answer.step,
            ..pb::Output::default()
        };
        match answer.news {
            Some(News::Restart(text)) => output.text_so_far = text,
            Some(News::Piece(piece)) => output.delta = piece,
            Some(News::Ended(_)) => output.done = true,
            Some(News::Waiting(_)) | None => {}
        }
        send(items, Item::Output(output)).await?;
    }
    Ok(true)
}

async fn follow_health(peer: Peer, clock: Arc<dyn Clock>, items: Items) {
    let mut last = None;
    loop {
        let request = HealthCheckRequest::default();
        let watched = tokio::select! {
            () = items.closed() => return,
            watched = async { peer.health().watch(request).await } => watched,
        };
        if let Ok(watched) = watched {
            let mut watched = watched.into_inner();
            loop {
                let answer = tokio::select! {
                    () = items.closed() => return,
                    answer = watched.message() => answer,
                };
                let Ok(Some(answer)) = answer else { break };
                let now = state(answer.status());
                if !changed(&peer, &mut last, now, &clock, &items).await {
                    return;
                }
            }
        }
        let unreachable = pb::ServiceState::Unreachable;
        if !changed(&peer, &mut last, unreachable, &clock, &items).await {
            return;
        }
        tokio::time::sleep(RETRY_MIN * 5).await;
    }
}

/// Says a change of health. `false`: the tab is gone.
async fn changed(
    peer: &Peer,
    last: &mut Option<pb::ServiceState>,
    now: pb::ServiceState,
    clock: &Arc<dyn Clock>,
    items: &Items,
) -> bool {
    if last.replace(now) == Some(now) {
        return true;
    }
    let item = Item::Health(health(peer.service(), now, clock.now()));
    send(items, item).await.is_ok()
}

fn state(status: ServingStatus) -> pb::ServiceState {
    match status {
        ServingStatus::Serving => pb::ServiceState::Serving,
        ServingStatus::NotServing | ServingStatus::Unknown | ServingStatus::ServiceUnknown => {
            pb::ServiceState::NotServing
        }
    }
}

fn health(service: Service, state: pb::ServiceState, since: Timestamp) -> pb::ServiceHealth {
    pb::ServiceHealth {
        service: service.name().to_owned(),
        state: state.into(),
        since_time: Some(moment(since)),
    }
}

fn moment(moment: Timestamp) -> wkt::Timestamp {
    let (seconds, nanos) = moment.as_seconds_and_nanos();
    wkt::Timestamp { seconds, nanos }
}
