//! An executor in a world without a network, between a queue, a society and a review that do what a
//! test tells them, and a model that says what a test wrote down.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt as _;
use sha2::{Digest as _, Sha256};
use tokio::sync::{Notify, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use vivarium_chassis::identity::{Name, Service};
use vivarium_chassis::memory::{Running, World};
use vivarium_chassis::run::Signer;
use vivarium_chassis::{Caller, Calls, Lease, Refusal, Services};
use vivarium_executor::config::Config;
use vivarium_executor::domain::provider::{Class, Health, Kind};
use vivarium_executor::model::chat::{Events, Usage};
use vivarium_executor::model::{
    CallContext, Caps, ChatEvent, ChatRequest, Finish, ModelError, Price, Provider,
};
use vivarium_executor::providers::{Listed, Offer, Providers};
use vivarium_ledger::seal::KeyFile;
use vivarium_ledger::store::sqlite::Sqlite;
use vivarium_proto::executor::v1 as own;
use vivarium_proto::queue::v1 as queue_pb;
use vivarium_proto::queue::v1::run_request::Message as Up;
use vivarium_proto::queue::v1::run_response::Message as Down;
use vivarium_proto::queue::v1::runner_service_server::{RunnerService, RunnerServiceServer};
use vivarium_proto::review::v1 as review_pb;
use vivarium_proto::review::v1::draft_service_server::{DraftService, DraftServiceServer};
use vivarium_proto::review::v1::review_service_server::{ReviewService, ReviewServiceServer};
use vivarium_proto::social::v1 as social_pb;
use vivarium_proto::social::v1::act_service_server::{ActService, ActServiceServer};
use vivarium_proto::social::v1::briefing_service_server::{BriefingService, BriefingServiceServer};
use vivarium_proto::wkt;
use vivarium_types::ids::{AttemptId, CycleId, DocumentId, Id, LeaseId, ResidentId, TaskId};
use vivarium_types::{Clock as _, Reason};

/// How long a lease lives here.
pub(crate) const TTL: Duration = Duration::from_secs(1);
/// How long a test waits for what must come.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// What the model does next.
#[derive(Debug, Clone)]
pub(crate) enum Line {
    /// Says this.
    Say(String),
    /// Says what the newest order in its prompt wants, or this where there is none.
    Obey(String),
    /// Says this and never ends.
    Hang(String),
    /// Fails.
    Fail(ModelError),
}

/// A model that says what a test wrote down, and keeps what it was asked.
#[derive(Debug, Default)]
pub(crate) struct Script {
    lines: Mutex<VecDeque<Line>>,
    asked: Mutex<Vec<ChatRequest>>,
    hangs: Notify,
}

impl Script {
    pub(crate) fn then(&self, line: Line) {
        self.lines.lock().expect("no panic").push_back(line);
    }

    /// Forgets what was not said.
    pub(crate) fn clear(&self) {
        self.lines.lock().expect("no panic").clear();
    }

    pub(crate) fn say(&self, text: impl Into<String>) {
        self.then(Line::Say(text.into()));
    }

    pub(crate) fn asked(&self) -> Vec<ChatRequest> {
        self.asked.lock().expect("no panic").clone()
    }

    /// The last message of the last question.
    pub(crate) fn last_told(&self) -> String {
        let asked = self.asked();
        let message = asked.last().and_then(|ask| ask.messages.last());
        message.map(|message| message.text.clone()).unwrap_or_default()
    }

    /// Waits until a call hangs.
    pub(crate) async fn hanging(&self) {
        tokio::time::timeout(SOON, self.hangs.notified()).await.expect("a call hangs");
    }
}

/// What a text orders who reads it, as a reply; the model obeys whoever wrote it.
fn ordered(request: &ChatRequest) -> Option<String> {
    let texts = request.messages.iter().map(|message| message.text.as_str());
    let whole = texts.collect::<Vec<_>>().join("\n");
    let (_, order) = whole.rsplit_once("<<DO ")?;
    let (actions, _) = order.split_once(" OD>>")?;
    Some(reply(actions))
}

#[derive(Debug)]
struct Actor(Arc<Script>);

impl Provider for Actor {
    fn caps(&self) -> Caps {
        Caps {
            class: Class::Remote,
            local: true,
            window_tokens: 0,
            completion_tokens_max: 0,
            parallel_calls: 9,
            json_schema: false,
            tools: false,
        }
    }

    fn stream(&self, request: ChatRequest, _: CallContext) -> Events {
        let order = ordered(&request);
        self.0.asked.lock().expect("no panic").push(request);
        let line = self.0.lines.lock().expect("no panic").pop_front();
        let started = ChatEvent::Started { model: "model-1".to_owned(), tries: 1 };
        let delta = |text: &str| ChatEvent::Delta(text.to_owned());
        let line = match line.expect("the script has a line left") {
            Line::Obey(otherwise) => Line::Say(order.unwrap_or(otherwise)),
            line => line,
        };
        match line {
            Line::Obey(_) => panic!("it became words above"),
            Line::Say(text) => {
                let middle = text.chars().count() / 2;
                let usage = Usage { input_tokens: 100, output_tokens: 50, ..Usage::default() };
                let events = [
                    started,
                    delta(&text.chars().take(middle).collect::<String>()),
                    delta(&text.chars().skip(middle).collect::<String>()),
                    ChatEvent::Usage(usage),
                    ChatEvent::Finished(Finish::Stop),
                ];
                futures::stream::iter(events).map(Ok).boxed()
            }
            Line::Hang(text) => {
                let script = Arc::clone(&self.0);
                let hang = futures::stream::once(async move {
                    script.hangs.notify_one();
                    std::future::pending().await
                });
                futures::stream::iter([Ok(started), Ok(delta(&text))]).chain(hang).boxed()
            }
            Line::Fail(error) => futures::stream::iter([Err(error)]).boxed(),
        }
    }
}

/// A queue that grants what a test grants and keeps what it hears.
#[derive(Clone)]
pub(crate) struct Queue {
    signer: Signer,
    inner: Arc<QueueInner>,
}

struct QueueInner {
    heard: Mutex<mpsc::Receiver<Up>>,
    hears: mpsc::Sender<Up>,
    connects: Notify,
    /// The open stream's sending side.
    stream: Mutex<Option<mpsc::Sender<Result<queue_pb::RunResponse, Status>>>>,
    leases: Mutex<BTreeMap<String, Lease>>,
    proposed: Mutex<Vec<queue_pb::ProposeTaskRequest>>,
    /// Whether heartbeats and finishes are answered.
    answers: Mutex<bool>,
    clock: Arc<vivarium_types::ManualClock>,
}

impl Queue {
    fn new(world: &World) -> Self {
        let (hears, listens) = mpsc::channel(1_000);
        let inner = QueueInner {
            heard: Mutex::new(listens),
            hears,
            connects: Notify::new(),
            stream: Mutex::default(),
            leases: Mutex::default(),
            proposed: Mutex::default(),
            answers: Mutex::new(true),
            clock: world.clock(),
        };
        Self { signer: world.deps(Service::Queue).signer, inner: Arc::new(inner) }
    }

    /// What was proposed.
    pub(crate) fn proposed(&self) -> Vec<queue_pb::ProposeTaskRequest> {
        self.inner.proposed.lock().expect("no panic").clone()
    }

    pub(crate) async fn tell(&self, message: Down) {
        let connected = async {
            loop {
                let stream = self.inner.stream.lock().expect("no panic").clone();
                if let Some(stream) = stream {
                    return stream;
                }
                self.inner.connects.notified().await;
            }
        };
        let stream = tokio::time::timeout(SOON, connected).await.expect("the runner connects");
        let sent = stream.send(Ok(queue_pb::RunResponse { message: Some(message) })).await;
        sent.expect("the runner listens");
    }

    /// Cuts the stream.
    pub(crate) fn cut(&self) {
        self.inner.stream.lock().expect("no panic").take();
    }

    pub(crate) fn fall_silent(&self) {
        *self.inner.answers.lock().expect("no panic") = false;
    }

    /// The next word that `wanted` takes; others pass.
    pub(crate) async fn next<T>(&self, wanted: impl Fn(&Up) -> Option<T>) -> T {
        let waiting = async {
            loop {
                let next = std::future::poll_fn(|cx| {
                    self.inner.heard.lock().expect("no panic").poll_recv(cx)
                });
                let word = next.await.expect("the channel lives");
                if let Some(found) = wanted(&word) {
                    return found;
                }
            }
        };
        tokio::time::timeout(SOON, waiting).await.expect("the runner says it")
    }

    pub(crate) async fn hello(&self) -> queue_pb::Hello {
        self.next(|word| match word {
            Up::Hello(hello) => Some(hello.clone()),
            _ => None,
        })
        .await
    }

    pub(crate) async fn credit(&self) -> u32 {
        self.next(|word| match word {
            Up::Credit(credit) => Some(credit.grants),
            _ => None,
        })
        .await
    }

    pub(crate) async fn finish(&self) -> queue_pb::FinishAttempt {
        self.next(|word| match word {
            Up::Finish(finish) => Some(finish.clone()),
            _ => None,
        })
        .await
    }

    pub(crate) async fn grant(&self, granted: queue_pb::Granted) {
        let lease = Lease {
            lease: granted.lease_id.parse().expect("an id"),
            task: granted.task.as_ref().and_then(|task| task.task_id.parse().ok()),
            attempt: granted.attempt_id.parse().ok(),
            resident: granted.resident_id.parse().ok(),
            cycle: granted.cycle_id.parse().expect("an id"),
            mode: "docs_only".into(),
            control_epoch: granted.control_epoch,
            fencing_token: granted.fencing_token,
            expires: self.inner.clock.now() + Duration::from_hours(1),
            actions: Vec::new(),
        };
        let capability = self.signer.lease(&lease).expect("the queue signs");
        self.inner.leases.lock().expect("no panic").insert(granted.lease_id.clone(), lease);
        self.tell(Down::Granted(queue_pb::Granted { capability, ..granted })).await;
    }

    fn answer(&self, word: &Up) -> Option<Down> {
        if !*self.inner.answers.lock().expect("no panic") {
            return None;
        }
        match word {
            Up::Heartbeat(beat) => {
                let leases = self.inner.leases.lock().expect("no panic");
                let renewed = beat.leases.iter().filter_map(|held| {
                    let capability = self.signer.lease(leases.get(&held.lease_id)?).ok()?;
                    Some(queue_pb::RenewedLease {
                        lease_id: held.lease_id.clone(),
                        capability,
                        mode: 0,
                    })
                });
                Some(Down::Renewed(queue_pb::Renewed { leases: renewed.collect() }))
            }
            Up::Finish(finish) => Some(Down::FinishAck(queue_pb::FinishAck {
                lease_id: finish.lease.as_ref().expect("it has one").lease_id.clone(),
                accepted: true,
                ..queue_pb::FinishAck::default()
            })),
            Up::Hello(_) => Some(Down::Controls(queue_pb::Controls {
                control_epoch: 1,
                ..queue_pb::Controls::default()
            })),
            Up::Credit(_) | Up::HaltAck(_) => None,
        }
    }
}

#[tonic::async_trait]
impl RunnerService for Queue {
    type RunStream = ReceiverStream<Result<queue_pb::RunResponse, Status>>;

    async fn run(
        &self,
        request: Request<Streaming<queue_pb::RunRequest>>,
    ) -> Result<Response<Self::RunStream>, Status> {
        let (tell, told) = mpsc::channel(100);
        *self.inner.stream.lock().expect("no panic") = Some(tell.clone());
        self.inner.connects.notify_one();
        let queue = self.clone();
        let tell = tell.downgrade();
        let mut words = request.into_inner();
        #[expect(clippy::disallowed_methods, reason = "a test's own stub")]
        tokio::spawn(async move {
            while let Some(Ok(word)) = words.next().await {
                let Some(word) = word.message else { continue };
                let answer = queue.answer(&word);
                queue.inner.hears.send(word).await.expect("the channel has room");
                if let (Some(answer), Some(tell)) = (answer, tell.upgrade()) {
                    drop(tell.send(Ok(queue_pb::RunResponse { message: Some(answer) })).await);
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(told)))
    }

    async fn record_effect(
        &self,
        _: Request<queue_pb::RecordEffectRequest>,
    ) -> Result<Response<queue_pb::RecordEffectResponse>, Status> {
        Ok(Response::new(queue_pb::RecordEffectResponse::default()))
    }

    async fn get_effect(
        &self,
        _: Request<queue_pb::GetEffectRequest>,
    ) -> Result<Response<queue_pb::GetEffectResponse>, Status> {
        Ok(Response::new(queue_pb::GetEffectResponse::default()))
    }

    async fn propose_task(
        &self,
        request: Request<queue_pb::ProposeTaskRequest>,
    ) -> Result<Response<queue_pb::ProposeTaskResponse>, Status> {
        self.inner.proposed.lock().expect("no panic").push(request.into_inner());
        let task_id = "tsk_proposed".to_owned();
        Ok(Response::new(queue_pb::ProposeTaskResponse { task_id, position: None }))
    }
}

/// A draft as the stub of review keeps it.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) key: String,
    pub(crate) path: String,
    pub(crate) title: String,
    pub(crate) body: String,
    pub(crate) resident: Option<ResidentId>,
    pub(crate) id: DocumentId,
}

/// A review that takes drafts and shows one submission.
#[derive(Debug, Clone, Default)]
pub(crate) struct Review {
    drafts: Arc<Mutex<Vec<Draft>>>,
}

impl Review {
    pub(crate) fn drafts(&self) -> Vec<Draft> {
        self.drafts.lock().expect("no panic").clone()
    }
}

fn nothing<T>() -> Result<Response<T>, Status> {
    Err(Refusal::new(Reason::RpcUnknownMethod).with("method", "this").into())
}

#[tonic::async_trait]
impl DraftService for Review {
    async fn stage_document(
        &self,
        request: Request<review_pb::StageDocumentRequest>,
    ) -> Result<Response<review_pb::StageDocumentResponse>, Status> {
        let lease = Caller::of(&request).lease()?.clone();
        let wire = request.into_inner();
        let path = wire.path.parse::<vivarium_types::library::LibraryPath>();
        if wire.path.contains("forbidden") || path.is_err() {
            return Err(Refusal::new(Reason::ReviewPathRefused).with("path", wire.path).into());
        }
        let mut drafts = self.drafts.lock().expect("no panic");
        let number = drafts.len() as u128 + 1;
        let known = drafts.iter().rev().find(|draft| draft.path == wire.path);
        let before = known.filter(|_| wire.mode() == review_pb::StageMode::Append);
        let body = before.map(|draft| draft.body.clone()).unwrap_or_default() + &wire.body;
        let hash = Sha256::digest(body.as_bytes()).to_vec();
        let id = known.map_or(DocumentId::from_number(number), |draft| draft.id);
        drafts.push(Draft {
            key: wire.request_id,
            path: wire.path,
            title: wire.title,
            resident: lease.resident,
            body,
            id,
        });
        Ok(Response::new(review_pb::StageDocumentResponse {
            document_id: id.to_string(),
            hash,
            ..review_pb::StageDocumentResponse::default()
        }))
    }

    async fn list_drafts(
        &self,
        _: Request<review_pb::ListDraftsRequest>,
    ) -> Result<Response<review_pb::ListDraftsResponse>, Status> {
        nothing()
    }
}

#[tonic::async_trait]
impl ReviewService for Review {
    async fn list_submissions(
        &self,
        _: Request<review_pb::ListSubmissionsRequest>,
    ) -> Result<Response<review_pb::ListSubmissionsResponse>, Status> {
        nothing()
    }

    async fn get_submission(
        &self,
        request: Request<review_pb::GetSubmissionRequest>,
    ) -> Result<Response<review_pb::GetSubmissionResponse>, Status> {
        let submission = review_pb::Submission {
            submission_id: request.into_inner().submission,
            task_title: "A guide".to_owned(),
            task_instruction: "Write a guide about the sea.".to_owned(),
            documents: vec![review_pb::Document {
                path: "swarm_docs/sea.md".to_owned(),
                title: "The sea".to_owned(),
                body: "# The sea\nThe sea is wide.".to_owned(),
                ..review_pb::Document::default()
            }],
            payload_hash: vec![7; 32],
            resident_id: ResidentId::from_number(4).to_string(),
            ..review_pb::Submission::default()
        };
        let submission = Some(submission);
        Ok(Response::new(review_pb::GetSubmissionResponse { submission }))
    }

    async fn approve_submission(
        &self,
        _: Request<review_pb::ApproveSubmissionRequest>,
    ) -> Result<Response<review_pb::ApproveSubmissionResponse>, Status> {
        nothing()
    }

    async fn reject_submission(
        &self,
        _: Request<review_pb::RejectSubmissionRequest>,
    ) -> Result<Response<review_pb::RejectSubmissionResponse>, Status> {
        nothing()
    }

    async fn fetch_document(
        &self,
        _: Request<review_pb::FetchDocumentRequest>,
    ) -> Result<Response<review_pb::FetchDocumentResponse>, Status> {
        nothing()
    }
}

/// A society that takes every action but those into the room `closed`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Society {
    /// Further fragments of every briefing: section and text.
    tells: Arc<Mutex<Vec<(&'static str, String)>>>,
    acts: Arc<Mutex<Vec<(ResidentId, social_pb::ActRequest)>>>,
}

impl Society {
    /// What peers wrote, from now on part of every briefing.
    pub(crate) fn tell(&self, tells: Vec<(&'static str, String)>) {
        *self.tells.lock().expect("no panic") = tells;
    }

    pub(crate) fn acts(&self) -> Vec<(ResidentId, social_pb::ActRequest)> {
        self.acts.lock().expect("no panic").clone()
    }
}

#[tonic::async_trait]
impl ActService for Society {
    async fn act(
        &self,
        request: Request<social_pb::ActRequest>,
    ) -> Result<Response<social_pb::ActResponse>, Status> {
        use social_pb::act_request::Action;
        let lease = Caller::of(&request).lease()?.clone();
        let wire = request.into_inner();
        if let Some(Action::PostMessage(post)) = &wire.action
            && post.room == "closed"
        {
            return Err(Refusal::new(Reason::SocialRoomClosed).with("room", "closed").into());
        }
        let result = match &wire.action {
            Some(Action::Recall(_)) => "mem_1: the sea is wide",
            Some(_) | None => "noted",
        };
        let letter = matches!(&wire.action, Some(Action::MessageHuman(_)));
        let resident = lease.resident.expect("an act has a resident");
        self.acts.lock().expect("no panic").push((resident, wire));
        Ok(Response::new(social_pb::ActResponse {
            status: own::ReceiptStatus::Done.into(),
            result: result.to_owned(),
            price_tokens: if letter { 10 } else { 0 },
            balance_tokens: letter.then_some(90),
            made_id: if letter {
                vivarium_types::ids::LetterId::from_number(9).to_string()
            } else {
                String::new()
            },
            ..social_pb::ActResponse::default()
        }))
    }
}

#[tonic::async_trait]
impl BriefingService for Society {
    async fn get_briefing(
        &self,
        _: Request<social_pb::GetBriefingRequest>,
    ) -> Result<Response<social_pb::GetBriefingResponse>, Status> {
        let fragment =
            |section: &str, label: own::TrustLabel, slot: own::FragmentSlot, text: &str| {
                social_pb::Fragment {
                    section: section.to_owned(),
                    source: "society:1".to_owned(),
                    label: label.into(),
                    slot: slot.into(),
                    text: text.to_owned(),
                    private: section == "mail",
                }
            };
        let peer = own::TrustLabel::Peer;
        let data = own::FragmentSlot::Data;
        let told = self.tells.lock().expect("no panic").clone();
        let told = told.iter().map(|(section, text)| fragment(section, peer, data, text));
        let mut fragments = vec![
            fragment("identity", own::TrustLabel::Own, own::FragmentSlot::Persona, "I am Ada."),
            fragment("mail", own::TrustLabel::Operator, own::FragmentSlot::Data, "letter canary"),
        ];
        fragments.extend(told);
        Ok(Response::new(social_pb::GetBriefingResponse {
            fragments,
            ..social_pb::GetBriefingResponse::default()
        }))
    }
}

/// The whole stand.
pub(crate) struct Stand {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) world: World,
    pub(crate) queue: Queue,
    pub(crate) review: Review,
    pub(crate) society: Society,
    pub(crate) script: Arc<Script>,
    class: Class,
    config: Config,
    executor: Option<Running>,
    _peers: Vec<Running>,
}

/// What the scripted model costs: one micro-dollar for ten input tokens, two for ten output tokens.
const PRICE: Price = Price { input: 100_000, output: 200_000 };

impl Stand {
    /// A stand whose model is of this class, with the executor at work.
    pub(crate) async fn with(class: Class, config: Config) -> Self {
        let own = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../world/rules/safety.toml"));
        let safety = std::fs::read_to_string(own).expect("it reads");
        Self::made(class, config, &safety).await
    }

    /// A stand under other safety rules.
    pub(crate) async fn under(safety: &str) -> Self {
        Self::made(Class::Remote, Config::default(), safety).await
    }

    async fn made(class: Class, config: Config, safety: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        vivarium_chassis::World::open(folder.path()).expect("it opens");
        let rules = folder.path().join("rules");
        std::fs::create_dir_all(&rules).expect("a folder");
        std::fs::create_dir_all(folder.path().join("library")).expect("a folder");
        let own = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../world/rules"));
        std::fs::copy(own.join("actions.toml"), rules.join("actions.toml")).expect("it copies");
        std::fs::write(rules.join("safety.toml"), safety).expect("it writes");
        let world = World::at(folder.path());
        let (queue, review, society) = (Queue::new(&world), Review::default(), Society::default());
        let peers = vec![
            serve(&world, Service::Queue, {
                Services::new().with(RunnerServiceServer::new(queue.clone()))
            })
            .await,
            serve(&world, Service::Review, {
                Services::new()
                    .with(DraftServiceServer::new(review.clone()))
                    .with(ReviewServiceServer::new(review.clone()))
            })
            .await,
            serve(&world, Service::Society, {
                Services::new()
                    .with(ActServiceServer::new(society.clone()))
                    .with(BriefingServiceServer::new(society.clone()))
            })
            .await,
        ];
        let script = Arc::new(Script::default());
        let mut stand = Self {
            folder,
            world,
            queue,
            review,
            society,
            script,
            class,
            config,
            executor: None,
            _peers: peers,
        };
        stand.start().await;
        stand
    }

    pub(crate) async fn remote() -> Self {
        Self::with(Class::Remote, Config::default()).await
    }

    pub(crate) async fn embedded() -> Self {
        Self::with(Class::Embedded, Config::default()).await
    }

    /// Starts the executor on its ledger.
    pub(crate) async fn start(&mut self) {
        let (name, class) = ("scripted".to_owned(), self.class);
        let listed = Listed {
            name: name.clone(),
            kind: Kind::OpenAiCompatible,
            class,
            model: "model-1".to_owned(),
            base_url: "http://127.0.0.1:1".to_owned(),
            takes_key: true,
            needs_consent: false,
        };
        let offer = Offer {
            model: "model-1".to_owned(),
            aliases: Vec::new(),
            price: if class == Class::Remote { PRICE } else { Price::default() },
            completion_tokens: 700,
        };
        let voice = Arc::new(Actor(Arc::clone(&self.script)));
        let providers = Providers::new().with(listed, vec![offer], voice);
        providers.probed(Health {
            provider: name,
            kind: Kind::OpenAiCompatible,
            class,
            model: "model-1".to_owned(),
            window_tokens: 131_072,
            healthy: true,
            why_not: String::new(),
            base_url: String::new(),
        });
        let config = self.config.clone();
        let started = self.world.start(Service::Executor, async |deps| {
            let store = Sqlite::at(&deps.world.ledger("executor"))?;
            let sealing = KeyFile::at(&deps.world.ledgers().join("executor-keys.db"))?;
            let keys = vivarium_executor::keys_of(&deps)?;
            vivarium_executor::build_on(store, sealing, (keys, providers), config, deps).await
        });
        self.executor = Some(started.await.expect("the executor builds"));
    }

    /// Ends the executor.
    pub(crate) async fn stop(&mut self) {
        self.executor.take().expect("it runs").drain().await;
    }

    /// An operator's calls to the executor.
    pub(crate) fn calls(&self) -> Calls {
        self.world.calls(&Name::operator("test"), Service::Executor)
    }

    /// The rows of the executor's ledger, as kinds with their JSON.
    pub(crate) async fn rows(&self) -> Vec<(String, String)> {
        use vivarium_proto::ledger::v1 as pb;
        use vivarium_proto::ledger::v1::ledger_service_client::LedgerServiceClient;
        let request = pb::ReadRowsRequest { page_size: 1_000, ..pb::ReadRowsRequest::default() };
        let rows = LedgerServiceClient::new(self.calls()).read_rows(request).await;
        let rows = rows.expect("it reads").into_inner().rows;
        let json = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it is text");
        rows.into_iter().map(|row| (row.kind, json(row.payload))).collect()
    }

    /// The kinds of the rows of the executor's ledger.
    pub(crate) async fn kinds(&self) -> Vec<String> {
        self.rows().await.into_iter().map(|(kind, _)| kind).collect()
    }

    /// Whether any file of the world holds these bytes.
    pub(crate) fn holds(&self, canary: &str) -> bool {
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("it lists") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else if std::fs::read(&path)
                    .expect("it reads")
                    .windows(canary.len())
                    .any(|window| window == canary.as_bytes())
                {
                    return true;
                }
            }
        }
        false
    }
}

async fn serve(world: &World, service: Service, services: Services) -> Running {
    let built = world.start(service, async |_| Ok::<_, std::convert::Infallible>(services));
    built.await.expect("it builds")
}

/// A lease of a resident for a task of documents.
pub(crate) fn task(number: u128) -> queue_pb::Granted {
    queue_pb::Granted {
        lease_id: LeaseId::from_number(number).to_string(),
        fencing_token: u64::try_from(number).expect("a small number"),
        attempt_id: AttemptId::from_number(number).to_string(),
        attempt_number: 1,
        cycle_id: CycleId::from_number(number).to_string(),
        purpose: queue_pb::LeasePurpose::Task.into(),
        task: Some(queue_pb::Task {
            task_id: TaskId::from_number(number).to_string(),
            spec: Some(queue_pb::TaskSpec {
                key: format!("task-{number}"),
                title: "A guide".to_owned(),
                instruction: "Write a guide about the sea.".to_owned(),
                kind: queue_pb::TaskKind::Docs.into(),
                budget_max_micro_usd: Some(100_000),
                ..queue_pb::TaskSpec::default()
            }),
            ..queue_pb::Task::default()
        }),
        resident_id: ResidentId::from_number(4).to_string(),
        ttl: Some(wkt::Duration { seconds: TTL.as_secs().cast_signed(), nanos: 0 }),
        control_epoch: 1,
        mode: queue_pb::Mode::DocsOnly.into(),
        day: 1,
        ..queue_pb::Granted::default()
    }
}

/// The same with another spec.
pub(crate) fn task_with(
    number: u128,
    change: impl FnOnce(&mut queue_pb::TaskSpec),
) -> queue_pb::Granted {
    let mut granted = task(number);
    let task = granted.task.as_mut().expect("it has a task");
    change(task.spec.as_mut().expect("it has a spec"));
    granted
}

/// A document of enough words.
pub(crate) fn prose() -> String {
    format!("# The sea\n\n{}", "The sea is wide and deep, and ships cross it. ".repeat(8))
}

/// A reply of these actions.
pub(crate) fn reply(actions: &str) -> String {
    format!("{{\"actions\":[{actions}]}}")
}
