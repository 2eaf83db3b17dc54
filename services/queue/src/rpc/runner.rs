//! `RunnerService`: the stream of a runner process.
//!
//! A session reads the runner's words and the ledger's rows side by side. Grants go out when their
//! row is on disk, so nothing runs that a crash could forget.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, Stream, StreamExt as _};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};
use vivarium_chassis::run::Signer;
use vivarium_chassis::{Caller, Lease as Capability, Refusal, Violations};
use vivarium_ledger::{Row, Submission};
use vivarium_proto::queue::v1 as pb;
use vivarium_proto::queue::v1::run_request::Message as Said;
use vivarium_proto::queue::v1::run_response::Message as Answer;
use vivarium_proto::queue::v1::runner_service_server::RunnerService;
use vivarium_types::ids::{InstanceId, LeaseId, TaskId};
use vivarium_types::{Actor, Timestamp};

use super::{Desk, effects, proposals, refusal};
use crate::domain::Command;
use crate::domain::event::{CritiqueOutcome, Event, HaltAck, Wire, write};
use crate::domain::lease::{Granted, Purpose};
use crate::domain::retry::Class;
use crate::domain::volatile::Beat;
use crate::domain::world::Mode;
use tasks::{Known, Work};

pub(super) mod plans;
mod tasks;
pub(super) mod words;

/// Messages to a runner that may wait for it to read.
const OUTGOING_MAX: usize = 256;
/// Finishes of one runner on their way to the disk.
const FINISHING_MAX: usize = 1_024;

/// The streams of runners.
#[derive(Debug, Clone)]
pub struct Runners {
    desk: Desk,
    signer: Signer,
    /// Tells streams apart.
    streams: Arc<AtomicU64>,
    /// The open stream of each runner; a new one ends it.
    open: Arc<Mutex<BTreeMap<String, CancellationToken>>>,
}

impl Runners {
    /// The service.
    pub fn new(desk: Desk, signer: Signer) -> Self {
        Self { desk, signer, streams: Arc::default(), open: Arc::default() }
    }

    fn take_over(&self, runner: &str) -> CancellationToken {
        let fresh = CancellationToken::new();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = open.insert(runner.to_owned(), fresh.clone()) {
            old.cancel();
        }
        fresh
    }
}

type Answers = Pin<Box<dyn Stream<Item = Result<pb::RunResponse, Status>> + Send>>;

#[tonic::async_trait]
impl RunnerService for Runners {
    type RunStream = Answers;

    async fn run(
        &self,
        request: Request<Streaming<pb::RunRequest>>,
    ) -> Result<Response<Answers>, Status> {
        let (answers, stream) = mpsc::channel(OUTGOING_MAX);
        let (runners, said) = (self.clone(), request.into_inner());
        self.desk.background.spawn("runner", async move {
            if let Err(refusal) = serve(runners, said, answers.clone()).await {
                drop(answers.send(Err(refusal.into())).await);
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }

    async fn record_effect(
        &self,
        request: Request<pb::RecordEffectRequest>,
    ) -> Result<Response<pb::RecordEffectResponse>, Status> {
        let actor = Caller::of(&request).actor.clone();
        Ok(Response::new(effects::record(&self.desk, actor, request.into_inner()).await?))
    }

    async fn get_effect(
        &self,
        request: Request<pb::GetEffectRequest>,
    ) -> Result<Response<pb::GetEffectResponse>, Status> {
        Ok(Response::new(effects::get(&self.desk, request.into_inner()).await?))
    }

    async fn propose_task(
        &self,
        request: Request<pb::ProposeTaskRequest>,
    ) -> Result<Response<pb::ProposeTaskResponse>, Status> {
        let actor = Caller::of(&request).actor.clone();
        Ok(Response::new(proposals::propose(&self.desk, actor, request.into_inner()).await?))
    }
}

type Outgoing = mpsc::Sender<Result<pb::RunResponse, Status>>;

/// One stream from hello to end.
async fn serve(
    runners: Runners,
    mut said: Streaming<pb::RunRequest>,
    answers: Outgoing,
) -> Result<(), Refusal> {
    let Ok(Some(first)) = said.message().await else { return Ok(()) };
    let hello = words::hello(first, runners.desk.config.runners_max)?;
    let (runner, instance) = (hello.runner.clone(), hello.instance);
    let resumed: BTreeSet<LeaseId> = hello.resumes.iter().map(|held| held.lease).collect();
    let actor = Actor::service(&runner);
    let ledger = runners.desk.ledger.clone();
    let submission = Submission::new(actor, Command::Hello(hello));
    let taken = ledger.submit(submission).await.map_err(refusal)?;
    let replaced = runners.take_over(&runner);
    let stream = runners.streams.fetch_add(1, Ordering::Relaxed) + 1;
    let name = runner.clone();
    ledger.touch(move |queue| queue.connect(&name, instance, stream)).map_err(refusal)?;
    tracing::info!(runner, %instance, "a runner is connected");
    let mut session = Session {
        desk: runners.desk,
        signer: runners.signer,
        answers,
        runner: runner.clone(),
        instance,
        stream,
        held: resumed,
    };
    let ended = session.run(said, taken.sequence, replaced).await;
    tracing::info!(runner, %instance, "a runner's stream has ended");
    let gone = ledger.touch(move |queue| queue.disconnect(&runner, stream));
    drop(gone);
    ended
}

struct Session {
    desk: Desk,
    signer: Signer,
    answers: Outgoing,
    runner: String,
    instance: InstanceId,
    stream: u64,
    /// Leases that the runner knows of and that have not ended.
    held: BTreeSet<LeaseId>,
}

/// Finishes on their way to the disk.
type Finishing = FuturesUnordered<BoxFuture<'static, pb::FinishAck>>;

/// The runner cannot be reached any more.
struct Gone;

impl Session {
    async fn run(
        &mut self,
        mut said: Streaming<pb::RunRequest>,
        after: u64,
        replaced: CancellationToken,
    ) -> Result<(), Refusal> {
        let mut watch = self.desk.ledger.watch(after);
        let controls = self.desk.controls().await?;
        if self.say(Answer::Controls(controls)).await.is_err() {
            return Ok(());
        }
        let mut finishing = Finishing::new();
        loop {
            let reading = finishing.len() < FINISHING_MAX;
            let spoken = tokio::select! {
                () = replaced.cancelled() => return Ok(()),
                () = self.answers.closed() => return Ok(()),
                Some(ack) = finishing.next() => self.acknowledge(ack).await,
                rows = watch.next() => match rows {
                    Some(rows) => self.tell(&rows.map_err(super::broken)?).await?,
                    None => return Ok(()),
                },
                message = said.message(), if reading => match message {
                    Ok(Some(message)) => self.hear(message, &mut finishing).await?,
                    Ok(None) | Err(_) => return Ok(()),
                },
            };
            if spoken.is_err() {
                return Ok(());
            }
        }
    }

    async fn say(&self, message: Answer) -> Result<(), Gone> {
        let response = pb::RunResponse { message: Some(message) };
        self.answers.send(Ok(response)).await.map_err(|_| Gone)
    }

    async fn acknowledge(&mut self, ack: pb::FinishAck) -> Result<(), Gone> {
        // A finish that was refused ends nothing: the runner still hears when its lease ends.
        if let Some(lease) = ack.lease_id.parse().ok().filter(|_| ack.accepted) {
            self.held.remove(&lease);
        }
        self.say(Answer::FinishAck(ack)).await
    }

    /// What the runner says.
    async fn hear(
        &mut self,
        message: pb::RunRequest,
        finishing: &mut Finishing,
    ) -> Result<Result<(), Gone>, Refusal> {
        let Some(message) = message.message else {
            return Err(words::wrong("message", "must be set"));
        };
        match message {
            Said::Hello(_) => return Err(words::wrong("hello", "comes once, first of all")),
            Said::Credit(credit) => self.credit(credit)?,
            Said::Heartbeat(heartbeat) => return self.beat(heartbeat).await,
            Said::Finish(finish) => {
                let (desk, runner) = (self.desk.clone(), self.runner.clone());
                finishing.push(words::finish(desk, runner, self.instance, finish).boxed());
            }
            Said::HaltAck(ack) => self.halt_ack(ack).await?,
        }
        Ok(Ok(()))
    }

    fn credit(&self, credit: pb::Credit) -> Result<(), Refusal> {
        let mut wrong = Violations::new();
        wrong.within("credit", |wrong| wrong.bounded("grants", credit.grants, 1..=4_096));
        wrong.finish()?;
        let (runner, stream, grants) = (self.runner.clone(), self.stream, credit.grants);
        let ledger = &self.desk.ledger;
        ledger.touch(move |queue| queue.credit(&runner, stream, grants)).map_err(refusal)
    }

    async fn beat(&mut self, heartbeat: pb::Heartbeat) -> Result<Result<(), Gone>, Refusal> {
        let held = words::heartbeat(&heartbeat)?;
        let (reply, beats) = oneshot::channel();
        let instance = self.instance;
        let touched = self.desk.ledger.touch(move |queue| {
            drop(reply.send(queue.beat(instance, &held)));
        });
        touched.map_err(refusal)?;
        let Ok(beats) = beats.await else { return Ok(Err(Gone)) };
        let mut renewed = Vec::new();
        for beat in beats {
            match beat {
                Beat::Renewed(lease, level) => {
                    let capability = self.capability(&lease.granted, level, lease.token)?;
                    let lease_id = lease.granted.lease.to_string();
                    let mode = write::mode(level).into();
                    renewed.push(pb::RenewedLease { lease_id, capability, mode });
                }
                Beat::Lost(held) => {
                    self.held.remove(&held.lease);
                    if self.revoked(held.lease, "superseded").await.is_err() {
                        return Ok(Err(Gone));
                    }
                }
            }
        }
        Ok(self.say(Answer::Renewed(pb::Renewed { leases: renewed })).await)
    }

    async fn halt_ack(&self, ack: pb::HaltAck) -> Result<(), Refusal> {
        let stopped = ack.stopped_time.map(crate::domain::event::read::moment);
        let ack = HaltAck {
            control_epoch: ack.control_epoch,
            runner: self.runner.clone(),
            calls_cancelled: ack.calls_cancelled,
            processes_ended: ack.processes_ended,
            stopped: stopped.unwrap_or_else(|| self.desk.ledger.now()),
        };
        let command = Command::AcknowledgeHalt(ack);
        let submission = Submission::new(Actor::service(&self.runner), command);
        self.desk.ledger.submit(submission).await.map(drop).map_err(refusal)
    }

    /// What the ledger says.
    async fn tell(&mut self, rows: &[Arc<Row>]) -> Result<Result<(), Gone>, Refusal> {
        let events: Vec<(u64, Event)> = rows.iter().filter_map(|row| told(row)).collect();
        let granted = events.iter().filter_map(|(_, event)| self.own(event));
        let tasks: Vec<TaskId> = granted.map(|granted| granted.task).collect();
        let known =
            if tasks.is_empty() { None } else { Some(tasks::known(&self.desk, tasks).await?) };
        for (sequence, event) in &events {
            let spoken = if changes_controls(event) {
                let controls = self.desk.controls().await?;
                match self.say(Answer::Controls(controls)).await {
                    Ok(()) if may_lower(event) => self.lower().await?,
                    said => said,
                }
            } else if let (Some(granted), Some(known)) = (self.own(event), &known) {
                self.granted(granted, *sequence, known).await?
            } else if let Some((lease, reason)) = ended_here(event)
                && self.held.remove(&lease)
            {
                self.revoked(lease, reason).await
            } else {
                Ok(())
            };
            if spoken.is_err() {
                return Ok(Err(Gone));
            }
        }
        Ok(Ok(()))
    }

    /// A grant for this start of this runner.
    fn own<'a>(&self, event: &'a Event) -> Option<&'a Granted> {
        let Event::LeaseGranted(granted) = event else { return None };
        (granted.runner == self.runner && granted.instance == self.instance).then_some(granted)
    }

    /// Tells under which of its leases less may be done than was granted.
    async fn lower(&self) -> Result<Result<(), Gone>, Refusal> {
        let (held, now) = (self.held.clone(), self.desk.ledger.now());
        let asked = self.desk.ledger.ask(move |queue| {
            let leases = held.iter().filter_map(|lease| queue.leases.get(lease));
            let levels = leases.map(|lease| {
                let granted = &lease.granted;
                (granted.lease, granted.level, queue.level_now(granted, now))
            });
            levels.filter(|(_, granted, level)| level < granted).collect::<Vec<_>>()
        });
        for (lease, _, level) in asked.await.map_err(refusal)? {
            let (lease_id, mode) = (lease.to_string(), write::mode(level).into());
            if self.say(Answer::Lowered(pb::Lowered { lease_id, mode })).await.is_err() {
                return Ok(Err(Gone));
            }
        }
        Ok(Ok(()))
    }

    async fn revoked(&self, lease: LeaseId, reason: &str) -> Result<(), Gone> {
        let (lease_id, reason) = (lease.to_string(), reason.to_owned());
        self.say(Answer::Revoked(pb::Revoked { lease_id, reason })).await
    }

    async fn granted(
        &mut self,
        granted: &Granted,
        token: u64,
        known: &Known,
    ) -> Result<Result<(), Gone>, Refusal> {
        let Some(Work { task, left, family, allowed }) = known.task(granted.task) else {
            return Err(Refusal::fault("a lease for a task that is not there"));
        };
        // The world's level may have fallen since.
        let level = granted.level.min(known.mode);
        let grant = pb::Granted {
            lease_id: granted.lease.to_string(),
            fencing_token: token,
            attempt_id: write::or_empty(granted.attempt),
            attempt_number: granted.attempt_number,
            cycle_id: granted.cycle.to_string(),
            purpose: write::purpose(granted.purpose).into(),
            task: Some(task),
            resident_id: write::or_empty(granted.resident),
            submission_id: write::or_empty(granted.submission),
            ttl: Some(write::span(granted.ttl)),
            control_epoch: granted.control_epoch,
            mode: write::mode(level).into(),
            capability: self.capability(granted, level, token)?,
            day: granted.day,
            budget_left_micro_usd: left.get(),
            may_split: family.may_split,
            root_instruction: family.root_instruction,
            parts_done: family.parts_done,
            after_texts: granted.after_texts,
            allowed_programs: allowed,
        };
        self.held.insert(granted.lease);
        Ok(self.say(Answer::Granted(grant)).await)
    }

    /// The signed word that a lease is held, for one more ttl. Under the lease of a local task nobody
    /// acts at another service, so nothing is signed for it.
    fn capability(&self, granted: &Granted, level: Mode, token: u64) -> Result<String, Refusal> {
        if granted.purpose == Purpose::Local {
            return Ok(String::new());
        }
        self.signer.lease(&capability(granted, level, token, self.desk.ledger.now()))
    }
}

/// What is signed. The level may have fallen since the lease was granted; it never rises.
fn capability(granted: &Granted, level: Mode, token: u64, now: Timestamp) -> Capability {
    Capability {
        lease: granted.lease,
        task: Some(granted.task),
        attempt: granted.attempt,
        resident: granted.resident,
        cycle: granted.cycle,
        mode: granted.level.min(level).word().to_owned(),
        control_epoch: granted.control_epoch,
        fencing_token: token,
        expires: now + granted.ttl,
        actions: Vec::new(),
    }
}

const fn changes_controls(event: &Event) -> bool {
    matches!(
        event,
        Event::HaltSet { .. }
            | Event::Resumed { .. }
            | Event::PaceSet { .. }
            | Event::StepsBought { .. }
            | Event::ModeSet { .. }
            | Event::ResidentLevelSet { .. }
            | Event::CalendarSet { .. }
            | Event::LimitsSet { .. }
    )
}

/// Whether less may be allowed under leases behind it.
const fn may_lower(event: &Event) -> bool {
    matches!(event, Event::ModeSet { .. } | Event::ResidentLevelSet { .. })
}

/// The lease that an event ended from here, and why, as the runner reads it.
fn ended_here(event: &Event) -> Option<(LeaseId, &'static str)> {
    if let Event::CritiqueEnded { lease, outcome, .. } = event {
        return match outcome {
            CritiqueOutcome::Halted => Some((*lease, "halted")),
            CritiqueOutcome::Lost => Some((*lease, "expired")),
            CritiqueOutcome::Finished | CritiqueOutcome::Failed | CritiqueOutcome::Returned => None,
        };
    }
    let ending = event.ending()?;
    let reason = if let Event::AttemptRevoked { why, .. } = event {
        why.word()
    } else if matches!(event, Event::AttemptHalted { .. }) {
        "halted"
    } else if ending.class == Some(Class::Lost) {
        "expired"
    } else {
        return None;
    };
    Some((ending.end.lease, reason))
}

/// Kinds of rows that runners never hear of; most of a busy log is of these.
const UNTOLD: [&str; 5] =
    ["task_added", "task_ready", "attempt_finished", "task_approved", "world_time_noted"];

/// The event of a row that runners may hear of, and its place.
fn told(row: &Row) -> Option<(u64, Event)> {
    if UNTOLD.contains(&row.kind.as_str()) {
        return None;
    }
    let wire: Wire = serde_json::from_slice(&row.payload).ok()?;
    Some((row.sequence, Event::try_from(wire).ok()?))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use vivarium_types::ids::{CycleId, Id as _};

    use super::*;

    #[test]
    fn no_more_is_signed_than_is_allowed_now() {
        let granted = Granted {
            lease: LeaseId::from_number(1),
            attempt: None,
            attempt_number: 1,
            cycle: CycleId::from_number(2),
            purpose: Purpose::Task,
            task: TaskId::from_number(3),
            resident: None,
            submission: None,
            runner: "executor".to_owned(),
            instance: InstanceId::from_number(1),
            ttl: Duration::from_secs(30),
            control_epoch: 1,
            day: 1,
            level: Mode::RunSandboxed,
            after_texts: false,
        };
        let signed = |level| capability(&granted, level, 7, Timestamp::EPOCH).mode;
        assert_eq!(signed(Mode::DocsOnly), "docs_only", "the level fell");
        assert_eq!(signed(Mode::ApplyApproved), "run_sandboxed");
    }
}
