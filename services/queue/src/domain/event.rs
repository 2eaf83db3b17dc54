//! The queue's events and their published schema: with its two halves [`read`] and [`mod@write`] the
//! only place of the domain that knows `proto`. [`ending`] reads the end of an attempt off an event.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use vivarium_ledger::{FactNote, SegmentNote, TextRef};
use vivarium_types::ids::{AttemptId, InstanceId, LeaseId, ResidentId, SubmissionId, TaskId};
use vivarium_types::source::Hash;
use vivarium_types::{MicroUsd, Timestamp};

use super::effect::Recorded;
use super::lease::Granted;
use super::level::Consent;
use super::limits::Limits;
use super::propose::Proposed;
use super::recurrence::{Created, Fired, Steered};
use super::retry::Class;
use super::runner::Left;
use super::split::{Plan, Split};
use super::task::{Added, Awaits, Edited, Kind, Mode as TaskMode, State, Thoroughness};
use super::world::{Mode, Pace};

pub mod ending;
pub(crate) mod read;
pub(crate) mod write;

/// The published message of an event.
pub type Wire = vivarium_proto::queue::v1::QueueEvent;

/// A stored message that is no event of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the field {0} is missing or is not what it must be")]
pub struct NotAnEvent(pub &'static str);

/// The attempt that an event ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// Its task.
    pub task: TaskId,
    /// The attempt.
    pub attempt: AttemptId,
    /// Its lease.
    pub lease: LeaseId,
}

/// Why an attempt was given back before its first call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReturnedFor {
    /// A budget refused.
    Budget,
    /// A rate limit refused.
    Rate,
    /// No language model is usable.
    NoProvider,
}

/// Why a live attempt was ended from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevokedFor {
    /// Its task was cancelled.
    Cancelled,
    /// Its task was set aside.
    Paused,
}

/// How a critique's lease ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CritiqueOutcome {
    /// The critic has spoken.
    Finished,
    /// It came to nothing.
    Failed,
    /// The lease expired or was released.
    Lost,
    /// A halt ended it.
    Halted,
    /// It was given back before its call.
    Returned,
}

/// A draft by its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staged {
    /// The document.
    pub document: String,
    /// Digest of its text.
    pub hash: Hash,
}

/// An attempt that finished with a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// Which attempt.
    pub end: End,
    /// Its cycle.
    pub cycle: vivarium_types::ids::CycleId,
    /// Who worked.
    pub resident: Option<ResidentId>,
    /// What review opens.
    pub submission: SubmissionId,
    /// What the runner says about the work.
    pub work: Work,
    /// Settled cost.
    pub cost: MicroUsd,
    /// The attempt's number.
    pub attempt_number: u32,
    /// What the task is to bring.
    pub kind: Kind,
    /// How the task is carried out.
    pub mode: TaskMode,
    /// The task's title.
    pub title: TextRef,
    /// The task's instruction.
    pub instruction: TextRef,
    /// The task's target path.
    pub target: Option<String>,
    /// The fencing token of the lease.
    pub token: u64,
    /// The task's key.
    pub key: Option<String>,
    /// The task's tags.
    pub tags: Vec<String>,
    /// How thorough its review is to be.
    pub review: Thoroughness,
}

/// What a runner says about finished work.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Work {
    /// The resident's words.
    pub summary: Option<TextRef>,
    /// The answer.
    pub answer: Option<TextRef>,
    /// The drafts.
    pub documents: Vec<Staged>,
    /// `finished`, `finished_as_prose` or `finished_by_limit`.
    pub how: String,
    /// Steps of the cycle.
    pub steps: u32,
    /// Model tokens read and written.
    pub model_tokens: i64,
    /// The model that wrote it.
    pub model: String,
    /// Whether that model is an embedded one.
    pub model_embedded: bool,
    /// A plan to split the task instead of a result.
    pub plan: Option<Box<Plan>>,
}

/// A task that is approved for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approved {
    /// The task.
    pub task: TaskId,
    /// What was accepted.
    pub submission: SubmissionId,
    /// Who did the work.
    pub resident: Option<ResidentId>,
    /// The attempt's number.
    pub attempt_number: u32,
    /// Settled cost of all attempts.
    pub cost: MicroUsd,
    /// What it was allowed to cost.
    pub budget_max: MicroUsd,
    /// Extra wage in tokens.
    pub bonus_tokens: i64,
    /// The task's tags.
    pub tags: Vec<String>,
    /// The task's title.
    pub title: TextRef,
    /// The task's key.
    pub key: Option<String>,
    /// How it was carried out.
    pub mode: TaskMode,
    /// Review's confidence in thousandths.
    pub confidence_permille: u32,
    /// Its share of the plan it is a child of; 0 when it is none.
    pub share: u32,
    /// Whether it was split and put together from its children.
    pub integrated: bool,
}

/// A task that goes back with feedback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requeued {
    /// The task.
    pub task: TaskId,
    /// What was rejected.
    pub submission: SubmissionId,
    /// What the next attempt is told.
    pub feedback: Vec<TextRef>,
    /// Rejections in this series, from 1.
    pub rejection_count: u32,
    /// When the next attempt may start.
    pub start: Timestamp,
    /// Who did the work.
    pub resident: Option<ResidentId>,
    /// Digest of what was rejected.
    pub content_hash: Option<Hash>,
}

/// A task that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// The task.
    pub task: TaskId,
    /// The class.
    pub class: Class,
    /// What happened, made by us.
    pub message: String,
    /// What was rejected last.
    pub submission: Option<SubmissionId>,
    /// Who worked last.
    pub resident: Option<ResidentId>,
    /// Feedback of the last rejection.
    pub feedback: Vec<TextRef>,
}

/// A runner's word that nothing of it runs any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HaltAck {
    /// The control epoch of the halt.
    pub control_epoch: u64,
    /// The runner.
    pub runner: String,
    /// Model calls it cancelled.
    pub calls_cancelled: u32,
    /// Child processes it ended.
    pub processes_ended: u32,
    /// When everything had stopped.
    pub stopped: Timestamp,
}

/// A day of the world.
#[expect(clippy::struct_field_names, reason = "the contract's names of a started day")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day {
    /// From 1.
    pub day: u64,
    /// From 1.
    pub week: u64,
    /// 1 (Monday) to 7 (Sunday).
    pub weekday: u32,
    /// Whether it is a day of rest.
    pub rest_day: bool,
}

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident $body:tt = $kind:literal,)*) => {
        /// What can have happened.
        #[expect(missing_docs, reason = "a field is what the contract says of it")]
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Event { $($(#[$doc])* $name $body,)* }

        impl Event {
            /// All kinds there are, for metrics.
            pub const KINDS: &'static [&'static str] = &[$($kind,)*];

            /// The event's name in the log.
            pub const fn kind(&self) -> &'static str {
                match self { $(events!(@pattern $name $body) => $kind,)* }
            }
        }
    };
    (@pattern $name:ident ($($inner:tt)*)) => { Self::$name(..) };
    (@pattern $name:ident {$($inner:tt)*}) => { Self::$name { .. } };
}

events! {
    /// A task was added.
    TaskAdded(Box<Added>) = "task_added",
    /// What a task waited for has come: it is ready, or queued while its start lies ahead.
    TaskReady { task: TaskId, state: State } = "task_ready",
    /// A lease was granted.
    LeaseGranted(Box<Granted>) = "lease_granted",
    /// An attempt finished and goes to review.
    AttemptFinished(Box<Finished>) = "attempt_finished",
    /// The resident declined.
    AttemptDeclined { end: End, resident: ResidentId, reason: TextRef, cost: MicroUsd } = "attempt_declined",
    /// The resident waits for the human's answer.
    AttemptWaits { end: End, resident: Option<ResidentId>, letter: String, cost: MicroUsd } = "attempt_waits",
    /// An attempt came to nothing.
    AttemptFailed {
        end: End,
        resident: Option<ResidentId>,
        class: Class,
        message: String,
        retry: Option<Timestamp>,
        cost: MicroUsd,
    } = "attempt_failed",
    /// An attempt was given back before its first call.
    AttemptReturned { end: End, why: ReturnedFor, scope: String, retry: Timestamp } = "attempt_returned",
    /// The safety policy stopped or held it.
    AttemptBlocked {
        end: End,
        rule: String,
        held: bool,
        hash: Hash,
        program: Option<TextRef>,
        cost: MicroUsd,
    } = "attempt_blocked",
    /// A halt ended it.
    AttemptHalted { end: End, control_epoch: u64 } = "attempt_halted",
    /// It was ended from here.
    AttemptRevoked { end: End, why: RevokedFor } = "attempt_revoked",
    /// A human must decide.
    TaskAwaitsHuman { task: TaskId, why: Awaits } = "task_awaits_human",
    /// A task is approved for ever.
    TaskApproved(Box<Approved>) = "task_approved",
    /// A task goes back with feedback.
    TaskRequeued(Box<Requeued>) = "task_requeued",
    /// A task failed.
    TaskFailed(Box<Failed>) = "task_failed",
    /// A task was set aside.
    TaskPaused { task: TaskId } = "task_paused",
    /// A paused task was taken up again.
    TaskResumed { task: TaskId, state: State } = "task_resumed",
    /// A task was cancelled.
    TaskCancelled { task: TaskId, reason: Option<TextRef> } = "task_cancelled",
    /// A task was opened again.
    TaskReopened { task: TaskId, state: State, series: u32 } = "task_reopened",
    /// A critique waits for a lease.
    CritiqueQueued { submission: SubmissionId, task: TaskId } = "critique_queued",
    /// A critique's lease has ended.
    CritiqueEnded {
        submission: SubmissionId,
        lease: LeaseId,
        outcome: CritiqueOutcome,
        retry: Option<Timestamp>,
    } = "critique_ended",
    /// The world was halted.
    HaltSet { control_epoch: u64, reason: TextRef, runners: Vec<String> } = "halt_set",
    /// A halt ended.
    Resumed { control_epoch: u64, reason: Option<TextRef> } = "resumed",
    /// A runner obeyed a halt.
    HaltAcknowledged(HaltAck) = "halt_acknowledged",
    /// The pace was set.
    PaceSet { control_epoch: u64, pace: Pace, reason: Option<TextRef> } = "pace_set",
    /// Cycle starts were bought.
    StepsBought { control_epoch: u64, steps_left: u32 } = "steps_bought",
    /// The mode was set.
    ModeSet { control_epoch: u64, mode: Mode, reason: Option<TextRef> } = "mode_set",
    /// A person consented to what a resident may do, or took that back.
    ResidentLevelSet {
        control_epoch: u64,
        resident: ResidentId,
        consent: Consent,
        reason: TextRef,
    } = "resident_level_set",
    /// A person decided about the program that a task is held for.
    ProgramDecided {
        task: TaskId,
        state: State,
        hash: Hash,
        allowed: bool,
        feedback: Option<TextRef>,
    } = "program_decided",
    /// The calendar was set.
    CalendarSet {
        control_epoch: u64,
        day_length: Duration,
        rest_day_on: bool,
        reason: Option<TextRef>,
    } = "calendar_set",
    /// Limits of the world's physics were set.
    LimitsSet { control_epoch: u64, limits: Limits, reason: TextRef } = "limits_set",
    /// An attempt recorded what it did.
    EffectRecorded(Box<Recorded>) = "effect_recorded",
    /// A day of the world began.
    DayStarted(Day) = "day_started",
    /// World time was noted, in microseconds.
    WorldTimeNoted { world_time_us: i64 } = "world_time_noted",
    /// A runner process said hello.
    RunnerJoined { runner: String, instance: InstanceId, slots: u32 } = "runner_joined",
    /// A runner process is gone.
    RunnerLeft { runner: String, instance: InstanceId, why: Left } = "runner_left",
    /// What is known of a resident.
    ResidentNoted { resident: ResidentId, active: bool, words: Vec<String> } = "resident_noted",
    /// What a resident is good at.
    SpecializationsNoted { resident: ResidentId, specializations: BTreeSet<String> } = "specializations_noted",
    /// A peer's fact did not fit.
    FactIgnored(FactNote) = "fact_ignored",
    /// A peer's fact waits for a person.
    FactParked(FactNote) = "fact_parked",
    /// Older rows have left the hot file.
    SegmentClosed(Box<SegmentNote>) = "segment_closed",
    /// Whether any language model is usable.
    ProviderNoted { usable: bool } = "provider_noted",
    /// A task was changed.
    TaskEdited(Box<Edited>) = "task_edited",
    /// A recurrence was created.
    RecurrenceCreated(Box<Created>) = "recurrence_created",
    /// A recurrence came due.
    RecurrenceFired(Fired) = "recurrence_fired",
    /// A recurrence was set aside, taken up again or ended.
    RecurrenceSteered(Steered) = "recurrence_steered",
    /// A resident proposed a task.
    TaskProposed(Box<Proposed>) = "task_proposed",
    /// A human admitted a proposal.
    TaskAdmitted { task: TaskId, state: State, hash: Hash } = "task_admitted",
    /// A task waits for the children it was split into.
    TaskSplit(Split) = "task_split",
}

impl ReturnedFor {
    /// The word in the contract.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Budget => "budget",
            Self::Rate => "rate",
            Self::NoProvider => "no_provider",
        }
    }

    /// The meaning of a word of the contract.
    pub fn of(word: &str) -> Option<Self> {
        [Self::Budget, Self::Rate, Self::NoProvider].into_iter().find(|why| why.word() == word)
    }
}

impl RevokedFor {
    /// The word in the contract.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Paused => "paused",
        }
    }
}

impl CritiqueOutcome {
    const ALL: [Self; 5] = [Self::Finished, Self::Failed, Self::Lost, Self::Halted, Self::Returned];

    /// The word in the contract.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Lost => "lost",
            Self::Halted => "halted",
            Self::Returned => "returned",
        }
    }
}
