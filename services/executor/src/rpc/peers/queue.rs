//! The queue's runner stream in our words: what a runner says, and what it hears.

use std::time::Duration;

use futures::{Stream, StreamExt as _};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use vivarium_chassis::client::Peer;
use vivarium_proto::queue::v1 as pb;
use vivarium_proto::queue::v1::run_request::Message as Up;
use vivarium_proto::queue::v1::run_response::Message as Down;
use vivarium_proto::queue::v1::runner_service_client::RunnerServiceClient;
use vivarium_proto::wkt;
use vivarium_types::ids::{InstanceId, LeaseId};
use vivarium_types::{MicroUsd, Timestamp};

use super::{CALL_LIMIT, Refused, place};
use crate::domain::action::Plan;
use crate::domain::cycle::Place;
use crate::lease::{
    self, Evidence, FailureClass, Family, Finish, Grant, Outcome, PartDone, Purpose, Stop, Task,
    TaskKind,
};

/// Words that may wait to be sent.
const WORDS_WAITING: usize = 1_024;
/// How long a lease lasts when the queue does not say.
const TTL_DEFAULT: Duration = Duration::from_secs(30);
/// How long an attempt may run when the task does not say.
const RUN_LIMIT_DEFAULT: Duration = Duration::from_mins(15);
/// Most characters of a failure's message.
const MESSAGE_LENGTH_MAX: usize = 500;

/// A lease by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    /// The lease.
    pub lease: LeaseId,
    /// Its fencing token.
    pub token: u64,
}

/// What a runner says.
#[derive(Debug)]
pub enum Say<'a> {
    /// Who it is and what it goes on with.
    Hello {
        /// The start of the process.
        instance: InstanceId,
        /// Cycles it runs at once.
        slots: u32,
        /// Leases it goes on with.
        resumes: Vec<Named>,
    },
    /// More grants may come.
    Credit(u32),
    /// These leases are alive.
    Heartbeat(Vec<Named>),
    /// An attempt has ended.
    Finish(Named, &'a Finish),
    /// A halt was obeyed.
    HaltObeyed {
        /// Its control epoch.
        control_epoch: u64,
        /// Model calls that were cancelled.
        calls_cancelled: u32,
        /// Programs that were ended.
        processes_ended: u32,
        /// When everything had stopped.
        stopped: Timestamp,
    },
}

/// What a runner hears.
#[derive(Debug)]
pub enum Heard {
    /// The controls in force.
    Controls {
        /// Raised by every change.
        control_epoch: u64,
        /// Whether the world is halted.
        halted: bool,
    },
    /// An attempt begins.
    Granted(Box<Grant>),
    /// A grant that cannot be read.
    Unreadable(Named, &'static str),
    /// A lease has ended.
    Revoked(LeaseId, String),
    /// A finish was taken, or refused for this reason.
    Acknowledged(LeaseId, Result<(), String>),
    /// Leases were renewed, each with a fresh capability and what may be done under it now.
    Renewed(Vec<(LeaseId, String, &'static str)>),
    /// So much may be done under a lease from now on.
    Lowered(LeaseId, &'static str),
}

/// A task that a resident proposes.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// The action's key.
    pub key: &'a str,
    /// The lease under which it is proposed.
    pub named: Named,
    /// Its title.
    pub title: &'a str,
    /// What to do.
    pub instruction: &'a str,
    /// Why.
    pub why: &'a str,
}

/// The queue, as a cycle calls it.
#[derive(Debug, Clone)]
pub struct Queue {
    peer: Peer,
}

impl Queue {
    /// The queue behind `peer`.
    pub const fn new(peer: Peer) -> Self {
        Self { peer }
    }

    /// Proposes a task; its id and the event it caused.
    pub async fn propose(&self, wish: Wish<'_>) -> Result<(String, Option<Place>), Refused> {
        let request = pb::ProposeTaskRequest {
            request_id: wish.key.to_owned(),
            lease: Some(held(wish.named)),
            title: wish.title.to_owned(),
            instruction: wish.instruction.to_owned(),
            why: wish.why.to_owned(),
        };
        let answer = self.peer.calls().within(CALL_LIMIT).retrying(|calls| {
            let request = request.clone();
            async move { RunnerServiceClient::new(calls).propose_task(request).await }
        });
        let answer = answer.await?.into_inner();
        Ok((answer.task_id, place(answer.position)))
    }
}

/// The sending side of a stream.
#[derive(Debug, Clone)]
pub struct Mouth {
    words: mpsc::Sender<pb::RunRequest>,
}

/// The stream has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone;

impl Mouth {
    /// Says something.
    pub async fn say(&self, what: Say<'_>) -> Result<(), Gone> {
        let message = Some(up(what));
        self.words.send(pb::RunRequest { message }).await.map_err(|_| Gone)
    }
}

/// Opens the stream; the first thing said must be the hello.
///
/// # Panics
/// Never: a new channel has room for one word.
pub async fn open(
    peer: &Peer,
    hello: Say<'_>,
) -> Result<(Mouth, impl Stream<Item = Result<Heard, Status>> + Send + Unpin + use<>), Status> {
    let (words, waiting) = mpsc::channel(WORDS_WAITING);
    let mouth = Mouth { words };
    // The channel is empty and its other end is here: there is room and somebody listens.
    let said = mouth.words.try_send(pb::RunRequest { message: Some(up(hello)) });
    said.expect("a new channel has room");
    let mut client = RunnerServiceClient::new(peer.calls());
    let heard = client.run(ReceiverStream::new(waiting)).await?.into_inner();
    let heard = heard.filter_map(|answer| {
        std::future::ready(match answer {
            Ok(answer) => answer.message.and_then(down).map(Ok),
            Err(status) => Some(Err(status)),
        })
    });
    Ok((mouth, Box::pin(heard)))
}

fn held(named: Named) -> pb::HeldLease {
    pb::HeldLease { lease_id: named.lease.to_string(), fencing_token: named.token }
}

fn up(what: Say<'_>) -> Up {
    match what {
        Say::Hello { instance, slots, resumes } => Up::Hello(pb::Hello {
            instance_id: instance.to_string(),
            name: "executor".to_owned(),
            slots,
            resumes: resumes.into_iter().map(held).collect(),
        }),
        Say::Credit(grants) => Up::Credit(pb::Credit { grants }),
        Say::Heartbeat(leases) => {
            Up::Heartbeat(pb::Heartbeat { leases: leases.into_iter().map(held).collect() })
        }
        Say::Finish(named, finish) => Up::Finish(pb::FinishAttempt {
            lease: Some(held(named)),
            cost_micro_usd: finish.cost.get(),
            outcome: Some(outcome(&finish.outcome)),
        }),
        Say::HaltObeyed { control_epoch, calls_cancelled, processes_ended, stopped } => {
            let stopped_time = Some(moment(stopped));
            Up::HaltAck(pb::HaltAck {
                control_epoch,
                calls_cancelled,
                processes_ended,
                stopped_time,
            })
        }
    }
}

fn outcome(outcome: &Outcome) -> pb::finish_attempt::Outcome {
    use pb::finish_attempt::Outcome as Wire;
    match outcome {
        Outcome::Finished(evidence) => Wire::Finished(finished(evidence)),
        Outcome::Declined { reason } => Wire::Declined(pb::Declined { reason: plain(reason) }),
        Outcome::Waits { letter } => Wire::Waits(pb::Waits { letter_id: letter.to_string() }),
        Outcome::Failed { class, message, retry_after } => Wire::Failed(pb::Failed {
            failure_class: failure_class(*class).into(),
            message: plain(message).chars().take(MESSAGE_LENGTH_MAX).collect(),
            retry_after: retry_after.map(span),
        }),
        Outcome::Returned { reason, scope, retry_after } => Wire::Returned(pb::Returned {
            reason: (*reason).to_owned(),
            scope: (*scope).to_owned(),
            retry_after: Some(span(*retry_after)),
        }),
        Outcome::Blocked { rule, held, hash, program } => Wire::Blocked(pb::Blocked {
            rule: rule.clone(),
            held: *held,
            hash: hash.to_vec(),
            program: program.clone(),
        }),
        Outcome::Stopped(Stop::Halted(control_epoch)) => {
            Wire::Halted(pb::Halted { control_epoch: *control_epoch })
        }
        Outcome::Stopped(Stop::Revoked(_)) => Wire::Halted(pb::Halted { control_epoch: 0 }),
    }
}

fn finished(evidence: &Evidence) -> pb::Finished {
    let documents = evidence.documents.iter().map(|staged| pb::StagedDocument {
        document_id: staged.document.to_string(),
        hash: staged.digest.to_vec(),
    });
    pb::Finished {
        summary: plain(&evidence.summary),
        answer: plain(&evidence.answer),
        documents: documents.collect(),
        how: evidence.how.word().to_owned(),
        steps: evidence.steps,
        model_tokens: i64::try_from(evidence.model_tokens).unwrap_or(i64::MAX),
        model: evidence.model.clone(),
        model_embedded: evidence.embedded,
        plan: evidence.plan.as_ref().map(plan),
    }
}

fn plan(plan: &Plan) -> pb::Plan {
    let parts = plan.parts.iter().map(|part| pb::PlanPart {
        title: part.title.clone(),
        instruction: part.instruction.clone(),
        after: part.after.iter().filter_map(|place| u32::try_from(place + 1).ok()).collect(),
        share: part.share,
    });
    pb::Plan { reason: plan.reason.clone(), parts: parts.collect() }
}

/// Without the control characters that a file or a model may hold and no text of the world may.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect()
}

const fn failure_class(class: FailureClass) -> pb::FailureClass {
    match class {
        FailureClass::Transient => pb::FailureClass::Transient,
        FailureClass::RateLimited => pb::FailureClass::RateLimited,
        FailureClass::InvalidOutput => pb::FailureClass::InvalidOutput,
        FailureClass::Internal => pb::FailureClass::Internal,
        FailureClass::InputTooLarge => pb::FailureClass::InputTooLarge,
        FailureClass::CommandFailed => pb::FailureClass::CommandFailed,
        FailureClass::Budget => pb::FailureClass::Budget,
    }
}

fn down(message: Down) -> Option<Heard> {
    match message {
        Down::Controls(controls) => {
            Some(Heard::Controls { control_epoch: controls.control_epoch, halted: controls.halted })
        }
        Down::Granted(granted) => {
            let lease = granted.lease_id.parse().ok()?;
            let named = Named { lease, token: granted.fencing_token };
            Some(match grant(granted, lease) {
                Ok(grant) => Heard::Granted(Box::new(grant)),
                Err(field) => Heard::Unreadable(named, field),
            })
        }
        Down::Revoked(revoked) => {
            Some(Heard::Revoked(revoked.lease_id.parse().ok()?, revoked.reason))
        }
        Down::FinishAck(ack) => {
            let taken = if ack.accepted { Ok(()) } else { Err(ack.reason) };
            Some(Heard::Acknowledged(ack.lease_id.parse().ok()?, taken))
        }
        Down::Renewed(renewed) => {
            let leases = renewed.leases.into_iter();
            let leases = leases.filter_map(|renewed| {
                let level = level(renewed.mode());
                Some((renewed.lease_id.parse().ok()?, renewed.capability, level))
            });
            Some(Heard::Renewed(leases.collect()))
        }
        Down::Lowered(lowered) => {
            Some(Heard::Lowered(lowered.lease_id.parse().ok()?, level(lowered.mode())))
        }
    }
}

fn grant(granted: pb::Granted, lease: LeaseId) -> Result<Grant, &'static str> {
    let purpose = match granted.purpose() {
        pb::LeasePurpose::Unspecified => return Err("purpose"),
        pb::LeasePurpose::Task => Purpose::Task,
        pb::LeasePurpose::Local => Purpose::Local,
        pb::LeasePurpose::Critique => {
            Purpose::Critique(granted.submission_id.parse().map_err(|_| "submission_id")?)
        }
    };
    let mode = level(granted.mode());
    let resident = match granted.resident_id.as_str() {
        "" if purpose == Purpose::Task => return Err("resident_id"),
        "" => None,
        id => Some(id.parse().map_err(|_| "resident_id")?),
    };
    let cycle = granted.cycle_id.parse().map_err(|_| "cycle_id")?;
    Ok(Grant {
        lease,
        token: granted.fencing_token,
        attempt: granted.attempt_id.parse().ok(),
        attempt_number: granted.attempt_number,
        cycle,
        purpose,
        task: task(granted.task.ok_or("task")?)?,
        family: Family {
            may_split: granted.may_split,
            root_instruction: granted.root_instruction,
            parts_done: granted.parts_done.into_iter().filter_map(part_done).collect(),
        },
        resident,
        ttl: granted.ttl.as_ref().map_or(TTL_DEFAULT, since),
        control_epoch: granted.control_epoch,
        mode: mode.to_owned(),
        after_texts: granted.after_texts,
        allowed_programs: granted.allowed_programs,
        day: granted.day,
        fence: lease::fence(cycle, &granted.capability),
        capability: granted.capability,
    })
}

/// A level's name; without a word it is the lowest.
const fn level(mode: pb::Mode) -> &'static str {
    match mode {
        pb::Mode::Unspecified | pb::Mode::DocsOnly => "docs_only",
        pb::Mode::ProposeChanges => "propose_changes",
        pb::Mode::RunSandboxed => "run_sandboxed",
        pb::Mode::ApplyApproved => "apply_approved",
    }
}

fn part_done(done: pb::PartDone) -> Option<PartDone> {
    let submission = done.submission_id.parse().ok()?;
    Some(PartDone { title: done.title, submission })
}

fn task(task: pb::Task) -> Result<Task, &'static str> {
    let spec = task.spec.ok_or("task.spec")?;
    let kind = match spec.kind() {
        pb::TaskKind::Unspecified | pb::TaskKind::Docs => TaskKind::Docs,
        pb::TaskKind::Plan => TaskKind::Plan,
        pb::TaskKind::Answer => TaskKind::Answer,
    };
    Ok(Task {
        id: task.task_id.parse().map_err(|_| "task.task_id")?,
        key: spec.key,
        title: spec.title,
        instruction: spec.instruction,
        constraints: spec.constraints,
        preferences: spec.preferences,
        anti_goals: spec.anti_goals,
        kind,
        command: spec.command,
        target: spec.target,
        model: spec.model,
        budget_max: MicroUsd::new(spec.budget_max_micro_usd.unwrap_or(100_000)),
        run_limit: spec.run_limit.as_ref().map_or(RUN_LIMIT_DEFAULT, since),
        feedback: task.feedback,
        // Who takes a task up again after a hold has read what it brought along.
        feedback_brought: if task.series > 1 { 0 } else { task.feedback_brought as usize },
        hat: match spec.hat.as_str() {
            "" => None,
            word => Some(word.parse().map_err(|_| "task.spec.hat")?),
        },
    })
}

fn since(span: &wkt::Duration) -> Duration {
    let seconds = u64::try_from(span.seconds).unwrap_or(0);
    Duration::new(seconds, u32::try_from(span.nanos).unwrap_or(0))
}

fn span(span: Duration) -> wkt::Duration {
    wkt::Duration {
        seconds: i64::try_from(span.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(span.subsec_nanos()).expect("nanoseconds of a second fit"),
    }
}

fn moment(moment: Timestamp) -> wkt::Timestamp {
    let (seconds, nanos) = moment.as_seconds_and_nanos();
    wkt::Timestamp { seconds, nanos }
}
