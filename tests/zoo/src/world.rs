//! The world: four services in memory, a clock that is set by hand, and the person who runs it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};
use tonic::Status;
use vivarium_chassis::identity::{Name, Service};
use vivarium_chassis::memory::{Running, World};
use vivarium_chassis::{Calls, Lease, Problem};
use vivarium_executor::config::Config;
use vivarium_executor::domain::provider::{Class, Health, Kind};
use vivarium_executor::model::Price;
use vivarium_executor::providers::{Listed, Offer, Providers};
use vivarium_ledger::planted::{self, Guard};
use vivarium_ledger::seal::KeyFile;
use vivarium_ledger::store::memory::Memory;
use vivarium_proto::executor::v1 as executor_pb;
use vivarium_proto::identity::v1 as identity_pb;
use vivarium_proto::identity::v1::resident_service_client::ResidentServiceClient;
use vivarium_proto::ledger::v1 as ledger_pb;
use vivarium_proto::ledger::v1::ledger_service_client::LedgerServiceClient;
use vivarium_proto::queue::v1 as queue_pb;
use vivarium_proto::queue::v1::task_service_client::TaskServiceClient;
use vivarium_proto::queue::v1::world_service_client::WorldServiceClient;
use vivarium_proto::social::v1 as social_pb;
use vivarium_proto::social::v1::act_request::Action;
use vivarium_proto::social::v1::act_service_client::ActServiceClient;
use vivarium_proto::social::v1::mail_service_client::MailServiceClient;
use vivarium_proto::social::v1::room_service_client::RoomServiceClient;
use vivarium_proto::wkt;
use vivarium_types::ids::{CycleId, Id as _, LeaseId};
use vivarium_types::{Clock as _, Reason};

use crate::mind::Mind;

/// How long anything that must come is waited for.
const PATIENCE: Duration = Duration::from_mins(1);
/// Between two looks at what is waited for.
const PAUSE: Duration = Duration::from_millis(3);
/// World time that one reading of the clock can move.
const GAP: Duration = Duration::from_secs(5);
/// Tokens of leases that a test makes for itself, above those of any grant of the queue's here.
const OWN_TOKENS: u64 = 1_000_000;

/// Which guards are away holds for a whole process: one world at a time.
static ALONE: Mutex<()> = Mutex::const_new(());

/// A resident as society names it.
#[derive(Debug, Clone)]
pub struct Resident {
    /// Its id.
    pub id: String,
    /// Its handle.
    pub handle: String,
}

/// A world with five residents.
#[derive(Debug)]
pub struct Zoo {
    folder: tempfile::TempDir,
    world: World,
    mind: Mind,
    society: Memory,
    running: Vec<Running>,
    serving: Option<Running>,
    numbers: AtomicU64,
    /// The residents of the seed, in order of joining.
    pub residents: Vec<Resident>,
    _alone: MutexGuard<'static, ()>,
}

impl Zoo {
    /// A world whose residents think with `mind`.
    pub async fn open(mind: Mind) -> Self {
        Self::without(&[], mind).await
    }

    /// The same, with these guards away.
    pub async fn without(guards: &[Guard], mind: Mind) -> Self {
        let alone = ALONE.lock().await;
        planted::without(guards);
        let folder = tempfile::tempdir().expect("a folder");
        vivarium_chassis::World::open(folder.path()).expect("it opens");
        let rules = folder.path().join("rules");
        std::fs::create_dir_all(&rules).expect("a folder");
        std::fs::create_dir_all(folder.path().join("library")).expect("a folder");
        let own = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../world/rules"));
        for name in ["actions.toml", "safety.toml"] {
            std::fs::copy(own.join(name), rules.join(name)).expect("it copies");
        }
        let world = World::at(folder.path());
        let mut zoo = Self {
            folder,
            world,
            mind,
            society: Memory::default(),
            running: Vec::new(),
            serving: None,
            numbers: AtomicU64::new(0),
            residents: Vec::new(),
            _alone: alone,
        };
        zoo.start().await;
        zoo
    }

    async fn start(&mut self) {
        let queue = |deps| {
            vivarium_queue::build_on(
                Memory::default(),
                vivarium_queue::config::Config::default(),
                deps,
            )
        };
        let queue = self.world.start(Service::Queue, queue).await.expect("the queue is built");
        let review = |deps| {
            let config = vivarium_review::config::Config::default();
            vivarium_review::build_on(Memory::default(), config, deps)
        };
        let review = self.world.start(Service::Review, review).await.expect("review is built");
        self.running.extend([queue, review]);
        self.serve_society().await;
        let executor = self.serve_executor().await;
        self.running.push(executor);
        self.pace(0).await;
        self.residents = self.known().await;
        let all = self.residents.len();
        self.until("everybody is known to the queue", async |zoo| {
            zoo.rows(Service::Queue, "resident_noted").await.len() == all
                && !zoo.rows(Service::Queue, "runner_joined").await.is_empty()
        })
        .await;
    }

    async fn serve_society(&mut self) {
        let store = self.society.handle();
        let keys = self.folder.path().join("mutable/society-keys.db");
        let build = async |deps| {
            let keys = KeyFile::at(&keys).expect("a file of keys");
            let config = vivarium_society::config::Config::default();
            vivarium_society::build_on(store, keys, config, deps).await
        };
        let society = self.world.start(Service::Society, build).await;
        self.serving = Some(society.expect("society is built"));
    }

    async fn serve_executor(&self) -> Running {
        let name = "scripted".to_owned();
        let listed = Listed {
            name: name.clone(),
            kind: Kind::OpenAiCompatible,
            class: Class::Remote,
            model: "model-1".to_owned(),
            base_url: "http://127.0.0.1:1".to_owned(),
            takes_key: true,
            needs_consent: false,
        };
        let offer = Offer {
            model: "model-1".to_owned(),
            aliases: Vec::new(),
            price: Price::default(),
            completion_tokens: 700,
        };
        let providers = Providers::new().with(listed, vec![offer], Arc::new(self.mind.clone()));
        providers.probed(Health {
            provider: name,
            kind: Kind::OpenAiCompatible,
            class: Class::Remote,
            model: "model-1".to_owned(),
            window_tokens: 131_072,
            healthy: true,
            why_not: String::new(),
            base_url: String::new(),
        });
        let config = Config { slots: 8, ..Config::default() };
        let sealing = self.folder.path().join("mutable/executor-keys.db");
        let build = async |deps| {
            let sealing = KeyFile::at(&sealing).expect("a file of keys");
            let keys = vivarium_executor::keys_of(&deps)?;
            vivarium_executor::build_on(Memory::default(), sealing, (keys, providers), config, deps)
                .await
        };
        self.world.start(Service::Executor, build).await.expect("the executor is built")
    }

    /// Society ends and starts again on what it has written.
    pub async fn restart_society(&mut self) {
        self.serving.take().expect("it runs").drain().await;
        self.serve_society().await;
    }

    /// Waits for a condition.
    pub async fn until(&self, what: &str, mut condition: impl AsyncFnMut(&Self) -> bool) {
        let waiting = async {
            while !condition(self).await {
                tokio::time::sleep(PAUSE).await;
            }
        };
        let came = tokio::time::timeout(PATIENCE, waiting).await;
        came.unwrap_or_else(|_| panic!("waited in vain until {what}"));
    }

    /// Model calls so far: of residents, and of critics.
    pub fn calls(&self) -> (usize, usize) {
        self.mind.calls()
    }

    /// The mind of this world.
    pub const fn mind(&self) -> &Mind {
        &self.mind
    }

    fn to(&self, service: Service) -> Calls {
        self.world.calls(&Name::operator("human"), service)
    }

    fn request_id(&self) -> String {
        format!("z{}", self.number())
    }

    fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    async fn known(&self) -> Vec<Resident> {
        let mut client = ResidentServiceClient::new(self.to(Service::Society));
        let request = identity_pb::ListResidentsRequest::default();
        let found = client.list_residents(request).await.expect("a list").into_inner().residents;
        let named = |it: identity_pb::Resident| Resident { id: it.resident_id, handle: it.handle };
        found.into_iter().map(named).collect()
    }

    // The person who runs it.

    async fn pace(&self, wait_seconds: u32) {
        let mut client = WorldServiceClient::new(self.to(Service::Queue));
        let request = queue_pb::SetPaceRequest {
            request_id: self.request_id(),
            pace: queue_pb::PaceKind::Wait.into(),
            wait_seconds,
            reason: String::new(),
        };
        client.set_pace(request).await.expect("it is set");
    }

    /// The clock moves on; the queue has looked at it when this ends.
    pub async fn advance(&self, span: Duration) {
        self.world.clock().advance(span);
        self.controls().await;
    }

    async fn controls(&self) -> queue_pb::GetControlsResponse {
        let mut client = WorldServiceClient::new(self.to(Service::Queue));
        let answer = client.get_controls(queue_pb::GetControlsRequest::default()).await;
        answer.expect("they can be read").into_inner()
    }

    /// The day of the world.
    pub async fn day(&self) -> u64 {
        self.controls().await.calendar.map_or(0, |calendar| calendar.day)
    }

    /// Days of the least length, from the next one on.
    pub async fn shorten_days(&self) {
        let mut client = WorldServiceClient::new(self.to(Service::Queue));
        let request = queue_pb::SetCalendarRequest {
            request_id: self.request_id(),
            day_length: Some(wkt::Duration { seconds: 60, nanos: 0 }),
            rest_day_on: None,
            reason: "shorter days".into(),
        };
        client.set_calendar(request).await.expect("it is set");
    }

    /// A task that nobody can take: there is work, and so world time moves.
    pub async fn keep_time_moving(&self) {
        let specialization = "stargazing".to_owned();
        let spec = queue_pb::TaskSpec {
            instruction: "Count the stars of the northern sky".into(),
            specialization,
            ..Default::default()
        };
        self.add(spec).await;
    }

    /// The next day of the world, once society has it too.
    pub async fn next_day(&self) {
        let day = self.day().await;
        while self.day().await == day {
            self.advance(GAP).await;
        }
        let next = (day + 1).to_string();
        self.until("society has the day", async |zoo| {
            let days = zoo.rows(Service::Society, "day_opened").await;
            days.iter().any(|opened| opened["dayOpened"]["day"] == next.as_str())
        })
        .await;
    }

    /// A person adds a task.
    pub async fn add(&self, spec: queue_pb::TaskSpec) -> String {
        let request =
            queue_pb::AddTasksRequest { request_id: self.request_id(), tasks: vec![spec] };
        let added = TaskServiceClient::new(self.to(Service::Queue)).add_tasks(request).await;
        added.expect("it is added").into_inner().task_ids.remove(0)
    }

    /// A task for one resident, by handle.
    pub async fn ask(&self, handle: &str, instruction: &str) -> String {
        let resident = self.resident(handle).id.clone();
        let instruction = instruction.to_owned();
        let spec = queue_pb::TaskSpec { instruction, resident_id: resident, ..Default::default() };
        self.add(spec).await
    }

    /// A resident by handle.
    pub fn resident(&self, handle: &str) -> &Resident {
        let found = self.residents.iter().find(|resident| resident.handle == handle);
        found.unwrap_or_else(|| panic!("nobody is called {handle}"))
    }

    /// A task as it is now.
    pub async fn task(&self, task: &str) -> queue_pb::Task {
        let request = queue_pb::GetTaskRequest { task: task.into(), ..Default::default() };
        let answer = TaskServiceClient::new(self.to(Service::Queue)).get_task(request).await;
        answer.expect("it is there").into_inner().task.expect("it is set")
    }

    /// Waits until a task stands in this state.
    pub async fn wait_for(&self, task: &str, state: queue_pb::TaskState) {
        let waiting = async {
            while self.task(task).await.state() != state {
                tokio::time::sleep(PAUSE).await;
            }
        };
        if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
            let now = self.task(task).await;
            panic!("waited in vain for {state:?}: {:?} {now:?}", now.state());
        }
    }

    /// Tasks that wait for a human to admit them.
    pub async fn proposals(&self) -> Vec<queue_pb::Task> {
        self.listed(&[queue_pb::TaskState::Proposed]).await
    }

    async fn listed(&self, states: &[queue_pb::TaskState]) -> Vec<queue_pb::Task> {
        let states = states.iter().map(|state| (*state).into()).collect();
        let filter = Some(queue_pb::TaskFilter { states, ..Default::default() });
        let request = queue_pb::ListTasksRequest { filter, ..Default::default() };
        let answer = TaskServiceClient::new(self.to(Service::Queue)).list_tasks(request).await;
        answer.expect("a list").into_inner().tasks
    }

    /// Tasks that are neither over nor wait for a human to admit them.
    pub async fn at_work(&self) -> Vec<queue_pb::Task> {
        use queue_pb::TaskState as State;
        let states = [
            State::Blocked,
            State::Queued,
            State::Ready,
            State::Leased,
            State::Split,
            State::InReview,
            State::AwaitingHuman,
            State::Requeued,
        ];
        self.listed(&states).await
    }

    /// Letters of residents to the human, by id, oldest first.
    pub async fn letters(&self) -> Vec<String> {
        let mut sent = self.rows(Service::Society, "letter_sent").await;
        sent.retain(|sent| sent["letterSent"]["fromHuman"] != true);
        let id =
            |sent: &serde_json::Value| sent["letterSent"]["letterId"].as_str().map(str::to_owned);
        sent.iter().filter_map(id).collect()
    }

    /// Verdicts that society has taken up.
    pub async fn remembered(&self) -> usize {
        self.rows(Service::Society, "attempt_remembered").await.len()
    }

    /// Why residents' actions were refused, in order.
    pub async fn refusals(&self) -> Vec<String> {
        let performed = self.rows(Service::Executor, "action_performed").await;
        let reasons = performed.iter().filter_map(|row| {
            let done = &row["actionPerformed"];
            (done["status"] == "RECEIPT_STATUS_REFUSED").then(|| done["reason"].as_str())?
        });
        reasons.map(str::to_owned).collect()
    }

    /// A person admits what was read.
    pub async fn admit(&self, proposal: &queue_pb::Task) {
        let request = queue_pb::AdmitTaskRequest {
            request_id: self.request_id(),
            task: proposal.task_id.clone(),
            proposal_hash: proposal.proposal_hash.clone(),
        };
        let admitted = TaskServiceClient::new(self.to(Service::Queue)).admit_task(request).await;
        admitted.expect("it is admitted");
    }

    /// A person writes to a resident.
    pub async fn write_to(&self, handle: &str, text: &str) {
        let request = social_pb::SendLetterRequest {
            request_id: self.request_id(),
            resident: handle.into(),
            text: text.into(),
            ..Default::default()
        };
        let sent = MailServiceClient::new(self.to(Service::Society)).send_letter(request).await;
        sent.expect("it is sent");
    }

    /// A person answers a letter.
    pub async fn answer(&self, letter: &str, text: &str) {
        let request = social_pb::ReplyLetterRequest {
            request_id: self.request_id(),
            letter_id: letter.into(),
            text: text.into(),
        };
        let sent = MailServiceClient::new(self.to(Service::Society)).reply_letter(request).await;
        sent.expect("it is answered");
    }

    /// A person posts into a room.
    pub async fn say(&self, room: &str, text: &str, mentions: &[&str]) -> String {
        let request = social_pb::PostMessageRequest {
            request_id: self.request_id(),
            room: room.into(),
            text: text.into(),
            reply_to: String::new(),
            mentions: mentions.iter().map(ToString::to_string).collect(),
        };
        let posted = RoomServiceClient::new(self.to(Service::Society)).post_message(request).await;
        posted.expect("it is posted").into_inner().message_id
    }

    /// What residents said in a room, oldest first.
    pub async fn said(&self, room: &str) -> Vec<social_pb::Message> {
        let request = social_pb::ListMessagesRequest {
            room: room.into(),
            page_size: 1_000,
            ..Default::default()
        };
        let answer = RoomServiceClient::new(self.to(Service::Society)).list_messages(request).await;
        let mut messages = answer.expect("a list").into_inner().messages;
        messages.retain(|message| message.author.starts_with("res_"));
        messages.reverse();
        messages
    }

    /// The rows of a kind in a service's ledger, as JSON.
    pub async fn rows(&self, service: Service, kind: &str) -> Vec<serde_json::Value> {
        let (mut client, mut found) = (LedgerServiceClient::new(self.to(service)), Vec::new());
        let mut after_sequence = 0;
        loop {
            let request = ledger_pb::ReadRowsRequest {
                page_size: 1_000,
                kinds: vec![kind.into()],
                after_sequence,
                ..Default::default()
            };
            let page = client.read_rows(request).await.expect("they can be read").into_inner();
            let json = |row: ledger_pb::Row| serde_json::from_slice(&row.payload);
            found.extend(page.rows.into_iter().map(|row| json(row).expect("a row is JSON")));
            after_sequence = page.next_sequence;
            if after_sequence == 0 {
                return found;
            }
        }
    }

    // Residents, by the door of their actions.

    /// A resident does something under a lease that the queue signed: the reason of a refusal, or the
    /// id of what it made.
    pub async fn act(&self, handle: &str, action: Action) -> Result<String, Reason> {
        let number = self.number();
        let lease = Lease {
            lease: LeaseId::from_number(u128::from(number) + 1),
            task: None,
            attempt: None,
            resident: self.resident(handle).id.parse().ok(),
            cycle: CycleId::from_number(u128::from(number) + 1),
            mode: "docs_only".into(),
            control_epoch: 1,
            fencing_token: OWN_TOKENS + number,
            expires: self.world.clock().now() + Duration::from_mins(5),
            actions: Vec::new(),
        };
        let signer = self.world.deps(Service::Queue).signer;
        let capability = signer.lease(&lease).expect("the queue signs");
        let calls = self.world.calls(&Name::Service(Service::Executor), Service::Society);
        let request = social_pb::ActRequest {
            request_id: format!("{}/1/0", lease.cycle),
            action: Some(action),
            label: executor_pb::TrustLabel::Peer.into(),
            task_id: String::new(),
        };
        let acted = ActServiceClient::new(calls.under(&capability)).act(request).await;
        acted.map(|answer| answer.into_inner().made_id).map_err(|status| reason(&status))
    }

    /// A resident posts.
    pub async fn post(
        &self,
        handle: &str,
        room: &str,
        text: &str,
        (reply_to, mentions): (&str, &[&str]),
    ) -> Result<String, Reason> {
        let post = executor_pb::PostMessage {
            room: room.into(),
            text: text.into(),
            reply_to: reply_to.into(),
            mentions: mentions.iter().map(ToString::to_string).collect(),
            ..Default::default()
        };
        self.act(handle, Action::PostMessage(post)).await
    }

    /// Nothing of what was cut goes on: an hour passes and somebody does other work, and no call of a
    /// model, no lease and no message of a resident came but for that.
    pub async fn is_quiet(&self, rooms: &[&str]) {
        let before = self.trace(rooms).await;
        self.advance(Duration::from_hours(1)).await;
        let spec = queue_pb::TaskSpec {
            instruction: "Describe the harbour after the storm".into(),
            ..Default::default()
        };
        let other = self.add(spec).await;
        self.wait_for(&other, queue_pb::TaskState::Approved).await;
        let (residents, critics, leases, said) = self.trace(rooms).await;
        let own = (residents - 1, critics - 1, leases - 2, said);
        assert_eq!(own, before, "calls of residents and critics, leases, messages behind the cut");
    }

    async fn trace(&self, rooms: &[&str]) -> (usize, usize, usize, usize) {
        let (residents, critics) = self.calls();
        let leases = self.rows(Service::Queue, "lease_granted").await.len();
        let mut said = 0;
        for room in rooms {
            said += self.said(room).await.len();
        }
        (residents, critics, leases, said)
    }
}

fn reason(status: &Status) -> Reason {
    Problem::from(status).reason.unwrap_or_else(|| panic!("a refusal has a reason: {status:?}"))
}
