//! A queue in memory with peers that say what the test tells them, and a runner that does the same.
#![expect(clippy::panic, reason = "what tests share fails as tests do: by a panic")]
#![expect(dead_code, reason = "each suite uses its part of the stand")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};
use vivarium_chassis::identity::{Name, Service};
use vivarium_chassis::memory::{Running, World};
use vivarium_chassis::{Calls, Problem, Refusal, Services};
use vivarium_ledger::aggregate::{Aggregate, Context, FactNote, Meta, SegmentNote};
use vivarium_ledger::ledger::Guard;
use vivarium_ledger::store::memory::Memory;
use vivarium_ledger::writer::Parts;
use vivarium_ledger::{Ledger, Options, Submission, TextRef};
use vivarium_proto::executor::v1 as executor_pb;
use vivarium_proto::identity::v1::ResidentStatus;
use vivarium_proto::ledger::v1 as ledger_pb;
use vivarium_proto::ledger::v1::ledger_service_client::LedgerServiceClient;
use vivarium_proto::ledger::v1::ledger_service_server::LedgerServiceServer;
use vivarium_proto::queue::v1 as pb;
use vivarium_proto::queue::v1::finish_attempt::Outcome;
use vivarium_proto::queue::v1::recurrence_service_client::RecurrenceServiceClient;
use vivarium_proto::queue::v1::run_request::Message as Say;
use vivarium_proto::queue::v1::run_response::Message as Told;
use vivarium_proto::queue::v1::runner_service_client::RunnerServiceClient;
use vivarium_proto::queue::v1::task_service_client::TaskServiceClient;
use vivarium_proto::queue::v1::world_service_client::WorldServiceClient;
use vivarium_proto::review::v1 as review_pb;
use vivarium_proto::social::v1 as social_pb;
use vivarium_proto::wkt;
use vivarium_queue::config::Config;
use vivarium_types::ids::{Id as _, InstanceId, ResidentId};
use vivarium_types::{Actor, Clock as _, Reason, Timestamp};

const PATIENCE: Duration = Duration::from_secs(10);
/// Residents of the world.
const RESIDENTS: u128 = 3;

/// The kind of an event, as its ledger would call it: the one field it has, in lower case.
fn kind(event: &impl serde::Serialize) -> &'static str {
    let event = serde_json::to_value(event).expect("an event is JSON");
    let field = event.as_object().and_then(|fields| fields.keys().next().cloned());
    let mut kind = String::new();
    for letter in field.unwrap_or_default().chars() {
        if letter.is_ascii_uppercase() {
            kind.push('_');
        }
        kind.push(letter.to_ascii_lowercase());
    }
    kind.leak()
}

macro_rules! peers {
    ($($name:ident = $service:literal, $wire:ty, $field:ident;)*) => {$(
        /// A peer whose ledger holds what it is told to say.
        #[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
        pub(crate) struct $name;

        #[derive(Debug, Clone)]
        pub(crate) struct $field(pub(crate) $wire);

        impl From<$field> for $wire {
            fn from(said: $field) -> Self {
                said.0
            }
        }

        impl From<$wire> for $field {
            fn from(wire: $wire) -> Self {
                Self(wire)
            }
        }

        impl Aggregate for $name {
            const NAME: &'static str = $service;
            const SCHEMA: u32 = 1;
            const STATE_VERSION: u32 = 1;
            type Command = $wire;
            type Event = $field;
            type Wire = $wire;
            type Rejection = ();

            fn decide(&self, said: $wire, _: &Context<'_>) -> Result<Vec<$field>, ()> {
                Ok(vec![$field(said)])
            }
            fn apply(&mut self, _: &$field, _: &Meta) {}
            fn kind(said: &$field) -> &'static str {
                kind(&said.0)
            }
            fn fact_ignored(_: FactNote) -> $field {
                $field(<$wire>::default())
            }
            fn fact_parked(_: FactNote) -> $field {
                $field(<$wire>::default())
            }
            fn segment_closed(_: SegmentNote) -> $field {
                $field(<$wire>::default())
            }
            fn reason((): &()) -> String {
                String::new()
            }
        }
    )*};
}

peers! {
    Review = "review", review_pb::ReviewEvent, ReviewSaid;
    Society = "society", social_pb::SocietyEvent, SocietySaid;
    Executor = "executor", executor_pb::ExecutorEvent, ExecutorSaid;
}

/// A world with a queue.
pub(crate) struct Stand {
    world: World,
    store: Memory,
    queue: Option<Running>,
    review: Ledger<Review>,
    society: Ledger<Society>,
    executor: Ledger<Executor>,
    requests: AtomicU64,
    instances: AtomicU64,
    _peers: Vec<Running>,
}

impl Stand {
    pub(crate) async fn new() -> Self {
        Self::in_world(World::new()).await
    }

    /// A world whose files lie below `root`.
    pub(crate) async fn at(root: &Path) -> Self {
        Self::in_world(World::at(root)).await
    }

    async fn in_world(world: World) -> Self {
        let (review, first) = peer::<Review>(&world, Service::Review).await;
        let (society, second) = peer::<Society>(&world, Service::Society).await;
        let (executor, third) = peer::<Executor>(&world, Service::Executor).await;
        let store = Memory::default();
        let queue = Some(serve(&world, &store).await);
        let stand = Self {
            world,
            store,
            queue,
            review,
            society,
            executor,
            requests: AtomicU64::new(0),
            instances: AtomicU64::new(0),
            _peers: vec![first, second, third],
        };
        for number in 1..=RESIDENTS {
            stand.resident(number, ResidentStatus::Active, &["water"]).await;
        }
        until("the residents are known", async || stand.count("resident_noted").await == 3).await;
        stand
    }

    /// The queue ends and starts again on the same store.
    pub(crate) async fn restart(&mut self) {
        self.queue.take().expect("it runs").drain().await;
        self.queue = Some(serve(&self.world, &self.store).await);
    }

    /// Moves the clock and waits until the queue has seen it.
    pub(crate) async fn advance(&self, span: Duration) {
        self.world.clock().advance(span);
        self.controls().await;
    }

    fn operator(&self) -> Calls {
        self.world.calls(&Name::operator("test"), Service::Queue)
    }

    pub(crate) fn tasks(&self) -> TaskServiceClient<Calls> {
        TaskServiceClient::new(self.operator())
    }

    pub(crate) fn recurrences(&self) -> RecurrenceServiceClient<Calls> {
        RecurrenceServiceClient::new(self.operator())
    }

    pub(crate) fn worlds(&self) -> WorldServiceClient<Calls> {
        WorldServiceClient::new(self.operator())
    }

    pub(crate) fn runners(&self) -> RunnerServiceClient<Calls> {
        RunnerServiceClient::new(self.executor_calls())
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.world.clock().now()
    }

    pub(crate) fn request_id(&self) -> String {
        format!("r{}", self.requests.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) async fn try_add(&self, tasks: Vec<pb::TaskSpec>) -> Result<Vec<String>, Status> {
        let request = pb::AddTasksRequest { request_id: self.request_id(), tasks };
        self.tasks().add_tasks(request).await.map(|answer| answer.into_inner().task_ids)
    }

    pub(crate) async fn add(&self, spec: pb::TaskSpec) -> String {
        self.try_add(vec![spec]).await.expect("it is added").remove(0)
    }

    pub(crate) async fn task(&self, task: &str) -> pb::Task {
        let request = pb::GetTaskRequest { task: task.into(), ..Default::default() };
        let answer = self.tasks().get_task(request).await.expect("it is there");
        answer.into_inner().task.expect("it is set")
    }

    pub(crate) async fn state(&self, task: &str) -> pb::TaskState {
        self.task(task).await.state()
    }

    pub(crate) async fn list(&self, filter: pb::TaskFilter) -> Vec<pb::Task> {
        let request = pb::ListTasksRequest { filter: Some(filter), ..Default::default() };
        self.tasks().list_tasks(request).await.expect("a list").into_inner().tasks
    }

    pub(crate) async fn cancel(&self, task: &str) {
        let (request_id, task) = (self.request_id(), task.into());
        let request = pb::CancelTaskRequest { request_id, task, reason: String::new() };
        self.tasks().cancel_task(request).await.expect("it is cancelled");
    }

    pub(crate) async fn pause(&self, task: &str) {
        let request = pb::PauseTaskRequest { request_id: self.request_id(), task: task.into() };
        self.tasks().pause_task(request).await.expect("it is set aside");
    }

    pub(crate) async fn requeue(&self, task: &str) {
        let request = pb::RequeueTaskRequest { request_id: self.request_id(), task: task.into() };
        self.tasks().requeue_task(request).await.expect("it is open again");
    }

    pub(crate) async fn controls(&self) -> pb::Controls {
        let answer = self.worlds().get_controls(pb::GetControlsRequest::default()).await;
        answer.expect("they can be read").into_inner().controls.expect("they are set")
    }

    pub(crate) async fn calendar(&self) -> pb::Calendar {
        let answer = self.worlds().get_controls(pb::GetControlsRequest::default()).await;
        answer.expect("it can be read").into_inner().calendar.expect("it is set")
    }

    pub(crate) async fn halt(&self, reason: &str) -> u64 {
        let request = pb::SetHaltRequest { request_id: self.request_id(), reason: reason.into() };
        self.worlds().set_halt(request).await.expect("it halts").into_inner().control_epoch
    }

    pub(crate) async fn try_resume(&self) -> Result<(), Status> {
        let request = pb::ResumeRequest { request_id: self.request_id(), reason: "go on".into() };
        self.worlds().resume(request).await.map(drop)
    }

    pub(crate) async fn resume(&self) {
        self.try_resume().await.expect("it goes on");
    }

    pub(crate) async fn receipt(&self) -> pb::GetHaltReceiptResponse {
        let answer = self.worlds().get_halt_receipt(pb::GetHaltReceiptRequest {}).await;
        answer.expect("it is halted").into_inner()
    }

    pub(crate) async fn try_pace(&self, pace: pb::PaceKind, wait: u32) -> Result<(), Status> {
        let request = pb::SetPaceRequest {
            request_id: self.request_id(),
            pace: pace.into(),
            wait_seconds: wait,
            reason: String::new(),
        };
        self.worlds().set_pace(request).await.map(drop)
    }

    pub(crate) async fn set_pace(&self, pace: pb::PaceKind, wait: u32) {
        self.try_pace(pace, wait).await.expect("it is set");
    }

    /// `wait n`.
    pub(crate) async fn pace(&self, wait: u32) {
        self.set_pace(pb::PaceKind::Wait, wait).await;
    }

    pub(crate) async fn try_step(&self, count: u32) -> Result<u32, Status> {
        let request = pb::StepRequest { request_id: self.request_id(), count };
        self.worlds().step(request).await.map(|answer| answer.into_inner().steps_left)
    }

    pub(crate) async fn step(&self, count: u32) {
        self.try_step(count).await.expect("it steps");
    }

    pub(crate) async fn try_mode(&self, mode: pb::Mode, confirm: &str) -> Result<(), Status> {
        let request = pb::SetModeRequest {
            request_id: self.request_id(),
            mode: mode.into(),
            confirm: confirm.into(),
            reason: "to try it".into(),
        };
        self.worlds().set_mode(request).await.map(drop)
    }

    pub(crate) async fn try_day_length(&self, seconds: i64) -> Result<(), Status> {
        let request = pb::SetCalendarRequest {
            request_id: self.request_id(),
            day_length: Some(wkt::Duration { seconds, nanos: 0 }),
            rest_day_on: None,
            reason: "shorter days".into(),
        };
        self.worlds().set_calendar(request).await.map(drop)
    }

    pub(crate) async fn set_day_length(&self, seconds: i64) {
        self.try_day_length(seconds).await.expect("it is set");
    }

    /// The supervisor's word that a process has ended.
    pub(crate) async fn report_exit(&self, service: &str, instance: &str) {
        let calls = self.world.calls(&Name::Supervisor, Service::Queue);
        let request = pb::ReportExitRequest {
            request_id: self.request_id(),
            service: service.into(),
            detail: "signal 9".into(),
            instance_id: instance.into(),
        };
        WorldServiceClient::new(calls).report_exit(request).await.expect("it is taken");
    }

    fn ledger(&self) -> LedgerServiceClient<Calls> {
        LedgerServiceClient::new(self.operator())
    }

    /// The last row of the queue's ledger.
    pub(crate) async fn head(&self) -> u64 {
        let answer = self.ledger().get_head(ledger_pb::GetHeadRequest::default()).await;
        answer.expect("it can be read").into_inner().sequence
    }

    /// The last row of a kind, as JSON.
    pub(crate) async fn last(&self, kind: &str) -> serde_json::Value {
        let request = ledger_pb::ReadRowsRequest {
            page_size: 1_000,
            kinds: vec![kind.into()],
            ..Default::default()
        };
        let rows =
            self.ledger().read_rows(request).await.expect("they can be read").into_inner().rows;
        let row = rows.last().expect("there is one");
        serde_json::from_slice(&row.payload).expect("a row is JSON")
    }

    /// Rows of a kind.
    pub(crate) async fn count(&self, kind: &str) -> usize {
        let request = ledger_pb::ReadRowsRequest {
            page_size: 1_000,
            kinds: vec![kind.into()],
            ..Default::default()
        };
        self.ledger().read_rows(request).await.expect("they can be read").into_inner().rows.len()
    }

    // What the peers say.

    pub(crate) async fn resident(&self, number: u128, status: ResidentStatus, words: &[&str]) {
        let joined = social_pb::ResidentJoined {
            resident_id: ResidentId::from_number(number).to_string(),
            status: status.into(),
            words: words.iter().map(ToString::to_string).collect(),
            ..Default::default()
        };
        let event = social_pb::society_event::Event::ResidentJoined(joined);
        say(&self.society, social_pb::SocietyEvent { event: Some(event) }, Vec::new()).await;
    }

    /// A human says what a resident is good at.
    pub(crate) async fn specialize(&self, number: u128, words: &[&str]) {
        let before = self.count("specializations_noted").await;
        let set = social_pb::SpecializationsSet {
            resident_id: ResidentId::from_number(number).to_string(),
            specializations: words.iter().map(ToString::to_string).collect(),
            ..Default::default()
        };
        let event = social_pb::society_event::Event::SpecializationsSet(set);
        say(&self.society, social_pb::SocietyEvent { event: Some(event) }, Vec::new()).await;
        let noted = async || self.count("specializations_noted").await > before;
        until("it is known who is good at what", noted).await;
    }

    pub(crate) async fn provider(&self, any_usable: bool) {
        let changed = executor_pb::ProviderHealthChanged { any_usable, ..Default::default() };
        let event = executor_pb::executor_event::Event::ProviderHealthChanged(changed);
        say(&self.executor, executor_pb::ExecutorEvent { event: Some(event) }, Vec::new()).await;
    }

    pub(crate) async fn answer_letter(&self, task: &str, letter: &str) {
        let sent = social_pb::LetterSent {
            from_human: true,
            task_id: task.into(),
            reply_to: letter.into(),
            ends_wait: true,
            ..Default::default()
        };
        let event = social_pb::society_event::Event::LetterSent(sent);
        say(&self.society, social_pb::SocietyEvent { event: Some(event) }, Vec::new()).await;
    }

    async fn review_says(
        &self,
        event: review_pb::review_event::Event,
        texts: Vec<vivarium_ledger::TextRow>,
    ) {
        say(&self.review, review_pb::ReviewEvent { event: Some(event) }, texts).await;
    }

    pub(crate) async fn ask_critique(&self, task: &str, submission: &str) {
        let asked =
            review_pb::CritiqueAsked { submission_id: submission.into(), task_id: task.into() };
        self.review_says(review_pb::review_event::Event::CritiqueAsked(asked), Vec::new()).await;
        until("the critique is queued", async || self.count("critique_queued").await > 0).await;
    }

    pub(crate) async fn ask_human(&self, task: &str, submission: &str) {
        let asked = review_pb::HumanAsked {
            submission_id: submission.into(),
            task_id: task.into(),
            because: vec!["required".into()],
        };
        self.review_says(review_pb::review_event::Event::HumanAsked(asked), Vec::new()).await;
        let asked = async || self.state(task).await == pb::TaskState::AwaitingHuman;
        until("the human is asked", asked).await;
    }

    pub(crate) async fn verdict(&self, task: &str, submission: &str, accepted: bool) {
        self.decide(task, submission, accepted, None, 0).await;
    }

    pub(crate) async fn reject(&self, task: &str, submission: &str, reason: &str, content: u8) {
        self.decide(task, submission, false, Some(reason), content).await;
    }

    async fn decide(
        &self,
        task: &str,
        submission: &str,
        accepted: bool,
        reason: Option<&str>,
        content: u8,
    ) {
        use review_pb::VerdictValue::{Approve, Reject};
        let before = self.state(task).await;
        let mut texts = self.review.texts();
        let reasons = reason.map(|reason| wire(texts.plain(reason)));
        let verdict = review_pb::VerdictReached {
            submission_id: submission.into(),
            task_id: task.into(),
            value: if accepted { Approve } else { Reject }.into(),
            reasons: reasons.into_iter().collect(),
            content_hash: vec![content; 32],
            ..Default::default()
        };
        let event = review_pb::review_event::Event::VerdictReached(verdict);
        self.review_says(event, texts.into_rows()).await;
        until("the verdict is followed", async || self.state(task).await != before).await;
    }

    // Runners.

    fn executor_calls(&self) -> Calls {
        self.world.calls(&Name::Service(Service::Executor), Service::Queue)
    }

    pub(crate) async fn runner(&self, slots: u32) -> Runner {
        self.runner_resuming(slots, &[]).await
    }

    /// A new start of the runner that goes on with these leases.
    pub(crate) async fn runner_resuming(&self, slots: u32, resumes: &[&pb::Granted]) -> Runner {
        let number = self.instances.fetch_add(1, Ordering::Relaxed) + 1;
        let instance = InstanceId::from_number(u128::from(number)).to_string();
        self.connect(instance, slots, resumes).await
    }

    /// The same start of a runner on a new stream.
    pub(crate) async fn runner_again(&self, old: &Runner, resumes: &[&pb::Granted]) -> Runner {
        self.connect(old.instance.clone(), old.slots, resumes).await
    }

    async fn connect(&self, instance: String, slots: u32, resumes: &[&pb::Granted]) -> Runner {
        let (say, said) = mpsc::channel(64);
        let hello = pb::Hello {
            instance_id: instance.clone(),
            name: "executor".into(),
            slots,
            resumes: resumes.iter().map(|grant| held(grant)).collect(),
        };
        let message = Some(Say::Hello(hello));
        say.send(pb::RunRequest { message }).await.expect("there is room");
        let mut client = self.runners();
        let told = client.run(ReceiverStream::new(said)).await.expect("it opens").into_inner();
        let mut runner = Runner { say, told, backlog: Vec::new(), instance, slots };
        runner.controls().await;
        runner
    }

    /// A stream whose first message is `first`: what it ends with.
    pub(crate) async fn raw_run(&self, first: pb::RunRequest) -> Status {
        let mut client = self.runners();
        let said = tokio_stream::iter([first]);
        let mut told = client.run(said).await.expect("it opens").into_inner();
        told.message().await.expect_err("it is refused")
    }
}

/// A runner that does what the test says.
pub(crate) struct Runner {
    say: mpsc::Sender<pb::RunRequest>,
    told: Streaming<pb::RunResponse>,
    /// What came while something else was waited for.
    backlog: Vec<Told>,
    pub(crate) instance: String,
    slots: u32,
}

impl Runner {
    async fn say(&self, message: Say) {
        let request = pb::RunRequest { message: Some(message) };
        self.say.send(request).await.expect("the stream is open");
    }

    async fn wait<T>(&mut self, what: &str, pick: impl Fn(&Told) -> Option<T>) -> T {
        if let Some(at) = self.backlog.iter().position(|told| pick(told).is_some()) {
            return pick(&self.backlog.remove(at)).expect("it was picked");
        }
        loop {
            let next = tokio::time::timeout(PATIENCE, self.told.message()).await;
            let next = next.unwrap_or_else(|_| panic!("waited in vain for {what}"));
            let told = next.expect("the stream goes on").expect("the stream goes on");
            let told = told.message.expect("it is set");
            if let Some(found) = pick(&told) {
                return found;
            }
            self.backlog.push(told);
        }
    }

    pub(crate) async fn controls(&mut self) -> pb::Controls {
        let pick = |told: &Told| {
            let Told::Controls(controls) = told else { return None };
            Some(controls.clone())
        };
        self.wait("controls", pick).await
    }

    pub(crate) async fn granted(&mut self) -> pb::Granted {
        let pick = |told: &Told| {
            let Told::Granted(granted) = told else { return None };
            Some(granted.clone())
        };
        self.wait("a grant", pick).await
    }

    pub(crate) async fn revoked(&mut self) -> (String, String) {
        let pick = |told: &Told| {
            let Told::Revoked(revoked) = told else { return None };
            Some((revoked.lease_id.clone(), revoked.reason.clone()))
        };
        self.wait("a revocation", pick).await
    }

    pub(crate) async fn credit(&self, grants: u32) {
        self.say(Say::Credit(pb::Credit { grants })).await;
    }

    pub(crate) async fn halt_ack(&self, control_epoch: u64) {
        let ack = pb::HaltAck { control_epoch, calls_cancelled: 1, ..Default::default() };
        self.say(Say::HaltAck(ack)).await;
    }

    /// A heartbeat for one lease; the leases that were renewed.
    pub(crate) async fn beat(&mut self, grant: &pb::Granted) -> Vec<pb::RenewedLease> {
        self.beat_for(vec![held(grant)]).await
    }

    async fn beat_for(&mut self, leases: Vec<pb::HeldLease>) -> Vec<pb::RenewedLease> {
        self.say(Say::Heartbeat(pb::Heartbeat { leases })).await;
        let pick = |told: &Told| {
            let Told::Renewed(renewed) = told else { return None };
            Some(renewed.leases.clone())
        };
        self.wait("a renewal", pick).await
    }

    pub(crate) async fn finish(&mut self, grant: &pb::Granted, outcome: Outcome) -> pb::FinishAck {
        self.finish_held(held(grant), outcome).await
    }

    pub(crate) async fn finish_held(
        &mut self,
        lease: pb::HeldLease,
        outcome: Outcome,
    ) -> pb::FinishAck {
        let finish =
            pb::FinishAttempt { lease: Some(lease), cost_micro_usd: 0, outcome: Some(outcome) };
        self.say(Say::Finish(finish)).await;
        let pick = |told: &Told| {
            let Told::FinishAck(ack) = told else { return None };
            Some(ack.clone())
        };
        self.wait("an acknowledgement", pick).await
    }

    /// Nothing was granted beyond what was taken. The queue reads words and rows in any order, so a
    /// dozen heartbeats go there and back before silence counts.
    pub(crate) async fn quiet(&mut self) {
        for _ in 0..12 {
            self.beat_for(Vec::new()).await;
        }
        let granted = self.backlog.iter().find(|told| matches!(told, Told::Granted(_)));
        assert!(granted.is_none(), "nothing should be granted: {granted:?}");
    }
}

/// The word of a finished attempt.
pub(crate) fn finished() -> Outcome {
    Outcome::Finished(pb::Finished {
        summary: "it is done".into(),
        how: "finished".into(),
        steps: 1,
        ..Default::default()
    })
}

/// A task with nothing but an instruction.
pub(crate) fn spec(instruction: &str) -> pb::TaskSpec {
    pb::TaskSpec { instruction: instruction.into(), ..Default::default() }
}

/// The reason of a refusal.
pub(crate) fn reason(status: &Status) -> Option<Reason> {
    Problem::from(status).reason
}

/// Waits for a condition.
pub(crate) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    for _ in 0..2_000 {
        if condition().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("waited in vain until {what}");
}

pub(crate) fn held(grant: &pb::Granted) -> pb::HeldLease {
    pb::HeldLease { lease_id: grant.lease_id.clone(), fencing_token: grant.fencing_token }
}

fn wire(text: TextRef) -> ledger_pb::TextRef {
    let TextRef { id, hash, length, sealed } = text;
    ledger_pb::TextRef { id, hash: hash.0.to_vec(), length, sealed }
}

async fn say<A>(ledger: &Ledger<A>, said: A::Command, texts: Vec<vivarium_ledger::TextRow>)
where
    A: Aggregate<Rejection = ()>,
{
    let submission = Submission::new(Actor::service(A::NAME), said).texts(texts);
    ledger.submit(submission).await.expect("it is said");
}

async fn serve(world: &World, store: &Memory) -> Running {
    let build = |deps| vivarium_queue::build_on(store.handle(), Config::default(), deps);
    world.start(Service::Queue, build).await.expect("the queue is built")
}

async fn peer<A: Aggregate>(world: &World, service: Service) -> (Ledger<A>, Running) {
    let mut opened = None;
    let build = async |mut deps: vivarium_chassis::Deps| {
        let parts = Parts {
            clock: Arc::clone(&deps.clock),
            ids: deps.ids.fork(),
            views: Vec::new(),
            keys: None,
        };
        let store = Memory::default();
        let (ledger, running) =
            Ledger::<A>::open(store, parts, None, Options::default(), Arc::new(|_| {}))
                .expect("a ledger opens");
        deps.tasks.spawn("hold the ledger", Guard::new(ledger.clone(), running).hold());
        opened = Some(ledger.clone());
        let service =
            vivarium_ledger::rpc::Service::new(ledger, |reason, _| Refusal::new(reason).into());
        Ok::<_, std::convert::Infallible>(Services::new().with(LedgerServiceServer::new(service)))
    };
    let running = world.start(service, build).await.expect("it is built");
    (opened.expect("it was opened"), running)
}
