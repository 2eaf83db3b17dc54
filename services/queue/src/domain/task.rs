//! A task: what was asked for, where it stands, and what its attempts have come to.
//!
//! [`Task::apply`] is all there is to its course. The aggregate and the read model share it, so that
//! what people see is what grants are made from.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use vivarium_ledger::planted::{self, Bug};
use vivarium_ledger::{Meta, TextRef};
use vivarium_types::ids::{AttemptId, CycleId, LeaseId, ResidentId, SubmissionId, TaskId};
use vivarium_types::reference::Status;
use vivarium_types::source::Hash;
use vivarium_types::{Hat, MicroUsd, Timestamp};

use super::event::{End, Event, ReturnedFor};
use super::level::HeldProgram;
use super::propose::{Origin, Proposed};
use super::retry::{Class, Policy};
use super::split::{Plan, Split};
use super::world::Mode as Level;

/// The one field that may change while an attempt runs.
pub const PRIORITY: &str = "priority";
/// Feedback texts that are kept on a task, newest first.
const FEEDBACK_MAX: usize = 20;

/// Where a task stands. Exactly one at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum State {
    /// Asked for by a resident, not admitted.
    Proposed,
    /// A dependency is not approved.
    Blocked,
    /// The start lies ahead.
    Queued,
    /// Grantable.
    Ready,
    /// One live attempt.
    Leased,
    /// A plan was accepted and children are at work.
    Split,
    /// An attempt finished and has no verdict.
    InReview,
    /// A human must decide.
    AwaitingHuman,
    /// Rejected; the next attempt waits for its back-off.
    Requeued,
    /// Set aside by a human.
    Paused,
    /// Final for ever.
    Approved,
    /// Final; only a human reopens it.
    Failed,
    /// Final.
    Cancelled,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Proposed,
        Self::Blocked,
        Self::Queued,
        Self::Ready,
        Self::Leased,
        Self::Split,
        Self::InReview,
        Self::AwaitingHuman,
        Self::Requeued,
        Self::Paused,
        Self::Approved,
        Self::Failed,
        Self::Cancelled,
    ];

    /// Whether nothing happens to it by itself any more.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Approved | Self::Failed | Self::Cancelled)
    }

    /// The word people read.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Blocked => "blocked",
            Self::Queued => "queued",
            Self::Ready => "ready",
            Self::Leased => "leased",
            Self::Split => "split",
            Self::InReview => "in_review",
            Self::AwaitingHuman => "awaiting_human",
            Self::Requeued => "requeued",
            Self::Paused => "paused",
            Self::Approved => "approved",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Why a human must decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Awaits {
    /// A result is to be accepted or rejected.
    Approval,
    /// The safety policy holds it.
    Held,
    /// The resident asked something.
    Question,
    /// Nobody is left who has not declined.
    AllDeclined,
    /// The same was submitted twice.
    NoProgress,
    /// Its deadline has passed.
    Deadline,
    /// Its own budget is spent.
    Budget,
    /// It does not fit into the model's window.
    InputTooLarge,
    /// Too many attempts in one series.
    AttemptLimit,
    /// A child failed or was cancelled.
    ChildFailed,
}

impl Awaits {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Approval,
        Self::Held,
        Self::Question,
        Self::AllDeclined,
        Self::NoProgress,
        Self::Deadline,
        Self::Budget,
        Self::InputTooLarge,
        Self::AttemptLimit,
        Self::ChildFailed,
    ];

    /// The word in the contract.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Approval => "approval",
            Self::Held => "held",
            Self::Question => "question",
            Self::AllDeclined => "all_declined",
            Self::NoProgress => "no_progress",
            Self::Deadline => "deadline",
            Self::Budget => "budget",
            Self::InputTooLarge => "input_too_large",
            Self::AttemptLimit => "attempt_limit",
            Self::ChildFailed => "child_failed",
        }
    }
}

/// What a task is to bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// A Markdown document.
    Docs,
    /// A plan as a Markdown document.
    Plan,
    /// An answer.
    Answer,
}

/// How a task is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// A resident works on it with a language model.
    Llm,
    /// One typed tool runs.
    Local,
}

/// What a failed or cancelled dependency means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnFailure {
    /// Stay blocked.
    Hold,
    /// Be cancelled as well.
    Cancel,
    /// Run as if it had been approved.
    RunAnyway,
}

/// How thorough a review is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Thoroughness {
    /// Checks alone.
    Checks,
    /// Checks and a critic.
    Light,
    /// Also a jury.
    Standard,
    /// All of it, and always a human.
    Strict,
}

/// What was asked for, with defaults filled in; authored texts lie beside the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// The name people type.
    pub key: Option<String>,
    /// What must come out.
    pub kind: Kind,
    /// How.
    pub mode: Mode,
    /// The words of a local task.
    pub command: Vec<String>,
    /// The library path of the document.
    pub target: Option<String>,
    /// Dependencies as they were written: keys or ids.
    pub depends_on: Vec<String>,
    /// What a failed dependency means.
    pub on_failure: OnFailure,
    /// 0 to 9, higher first.
    pub priority: u8,
    /// Whether it may run beside other tasks.
    pub parallel_safe: bool,
    /// Tasks with one key share places.
    pub concurrency_key: Option<String>,
    /// Places of the key.
    pub concurrency_limit: u32,
    /// Not granted before.
    pub not_before: Option<Timestamp>,
    /// Past this moment it goes to the human.
    pub deadline: Option<Timestamp>,
    /// An attempt starts only while this is free.
    pub budget_min: MicroUsd,
    /// All attempts of a series together may cost this.
    pub budget_max: MicroUsd,
    /// A fixed model.
    pub model: Option<String>,
    /// The one resident who may take it.
    pub resident: Option<ResidentId>,
    /// Extra wage in tokens.
    pub bonus_tokens: i64,
    /// Longest an attempt may run.
    pub run_limit: Duration,
    /// Tags.
    pub tags: Vec<String>,
    /// Whether it runs on the rest day.
    pub rest_day_ok: bool,
    /// What who works on it must be good at.
    pub specialization: Option<String>,
    /// How thorough its review is.
    pub review: Thoroughness,
    /// The most that may be done for it.
    pub level_max: Level,
    /// What its resident is for the cycle.
    pub hat: Option<Hat>,
}

/// A task as it was added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Added {
    /// Its id.
    pub task: TaskId,
    /// What was asked for.
    pub spec: Spec,
    /// The title.
    pub title: TextRef,
    /// The instruction.
    pub instruction: TextRef,
    /// Constraints, preferences, anti-goals and metadata as one JSON text.
    pub intent: Option<TextRef>,
    /// The tasks it depends on.
    pub dependencies: Vec<TaskId>,
    /// Who asked.
    pub submitter: String,
    /// The first state.
    pub state: State,
    /// The recurrence that fired it.
    pub recurrence: Option<String>,
    /// The task that was split into this one and others.
    pub parent: Option<Parent>,
}

/// Where a child of a split task belongs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// The task above it.
    pub task: TaskId,
    /// Splits and proposals above it, from 1.
    pub depth: u32,
    /// Its share of the plan in hundredths.
    pub share: u32,
}

impl Added {
    /// Splits above it, with what stands above the task that was split first.
    pub fn depth(&self) -> u32 {
        self.parent.as_ref().map_or(0, |parent| parent.depth)
    }
}

/// A task as it was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edited {
    /// The task.
    pub task: TaskId,
    /// Raised by each edit.
    pub revision: u32,
    /// What is asked for now.
    pub spec: Spec,
    /// The title.
    pub title: TextRef,
    /// The instruction.
    pub instruction: TextRef,
    /// Constraints, preferences, anti-goals and metadata.
    pub intent: Option<TextRef>,
    /// The tasks it depends on.
    pub dependencies: Vec<TaskId>,
    /// The state behind the edit.
    pub state: State,
    /// Names of the spec's fields that changed.
    pub fields: BTreeSet<String>,
}

impl Edited {
    /// Whether nothing but the place in the order changed: that leaves attempts, questions and
    /// declines as they are.
    pub fn reorders_only(&self) -> bool {
        self.fields.iter().all(|field| field == PRIORITY)
    }
}

/// Why a start lies ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wait {
    /// Its `not_before`.
    NotBefore,
    /// A failure or rejection.
    BackOff,
    /// The reservation was refused.
    Returned(ReturnedFor),
}

/// The attempt at work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Live {
    /// Its lease.
    pub lease: LeaseId,
    /// The attempt.
    pub attempt: AttemptId,
    /// The cycle.
    pub cycle: CycleId,
}

/// How and why a task failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The class.
    pub class: Class,
    /// What happened.
    pub message: String,
}

/// Programs that may be allowed for one task: the last ones stay.
const ALLOWED_PROGRAMS_MAX: usize = 8;

/// A task, whole, without its attempts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// As it was added.
    pub added: Added,
    /// Where it stands.
    pub state: State,
    /// Why a human must decide; kept while it is paused.
    pub awaits: Option<Awaits>,
    /// When it was added.
    pub added_time: Timestamp,
    /// When it last changed.
    pub changed_time: Timestamp,
    /// The row that changed it last.
    pub changed_sequence: u64,
    /// When it can start at the earliest.
    pub start: Option<(Timestamp, Wait)>,
    /// When it became ready.
    pub ready_since: Timestamp,
    /// The attempt at work.
    pub live: Option<Live>,
    /// Attempts so far; never falls.
    pub attempt_count: u32,
    /// Attempts of this series that count.
    pub counted: u32,
    /// Rejections in this series.
    pub rejection_count: u32,
    /// Failures of this series by class.
    pub failures: BTreeMap<Class, u32>,
    /// Who declined in this series.
    pub declined: BTreeSet<ResidentId>,
    /// Who worked last.
    pub last_resident: Option<ResidentId>,
    /// Feedback on rejected attempts, newest first.
    pub feedback: Vec<TextRef>,
    /// How many entries of it, the last ones, came along with the proposal.
    pub brought: usize,
    /// What was rejected last in this series.
    pub rejected_hash: Option<Hash>,
    /// Settled cost of all attempts.
    pub cost: MicroUsd,
    /// Settled cost of the attempts of this series.
    pub series_cost: MicroUsd,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// From 1; raised by each reopening.
    pub series: u32,
    /// The submission under review or decided last.
    pub submission: Option<SubmissionId>,
    /// Whether that submission waits for its verdict.
    pub under_review: bool,
    /// Whether the deadline has sent it to the human: that happens once.
    pub deadline_seen: bool,
    /// The letter whose answer it waits for.
    pub question: Option<String>,
    /// From 1; raised by each edit.
    pub revision: u32,
    /// Whether it waits for a human to admit it.
    pub proposed: bool,
    /// Why it was proposed.
    pub why: Option<TextRef>,
    /// What the proposal asks for, as a digest.
    pub likeness: Option<Hash>,
    /// Where a resident's proposal comes from.
    pub origin: Option<Box<Origin>>,
    /// The plan under review.
    pub plan: Option<Box<Plan>>,
    /// What it was split into.
    pub children: Vec<TaskId>,
    /// What of this series' budget the children got.
    pub given: MicroUsd,
    /// The program that it is held for, or was held for last.
    pub held_program: Option<Box<HeldProgram>>,
    /// Programs that a person allows its attempts to run.
    pub allowed_programs: Vec<TextRef>,
}

impl Task {
    /// The task behind a proposal.
    pub fn proposed(proposed: &Proposed, meta: &Meta) -> Self {
        let (why, likeness) = (Some(proposed.why.clone()), Some(proposed.likeness));
        let (feedback, brought) = (proposed.feedback.clone(), proposed.feedback.len());
        let origin = proposed.origin.clone().map(Box::new);
        let task = Self::new(&proposed.added, meta);
        Self { proposed: true, why, likeness, origin, feedback, brought, ..task }
    }

    /// The task behind its addition.
    pub fn new(added: &Added, meta: &Meta) -> Self {
        let start = added.spec.not_before.map(|moment| (moment, Wait::NotBefore));
        Self {
            added: added.clone(),
            state: added.state,
            awaits: None,
            added_time: meta.time,
            changed_time: meta.time,
            changed_sequence: meta.sequence,
            start,
            ready_since: meta.time,
            live: None,
            attempt_count: 0,
            counted: 0,
            rejection_count: 0,
            failures: BTreeMap::new(),
            declined: BTreeSet::new(),
            last_resident: None,
            feedback: Vec::new(),
            brought: 0,
            rejected_hash: None,
            cost: MicroUsd::ZERO,
            series_cost: MicroUsd::ZERO,
            failure: None,
            series: 1,
            submission: None,
            under_review: false,
            deadline_seen: false,
            question: None,
            revision: 1,
            proposed: false,
            why: None,
            likeness: None,
            origin: None,
            plan: None,
            children: Vec::new(),
            given: MicroUsd::ZERO,
            held_program: None,
            allowed_programs: Vec::new(),
        }
    }

    /// Its id.
    pub const fn id(&self) -> TaskId {
        self.added.task
    }

    /// What was asked for.
    pub const fn spec(&self) -> &Spec {
        &self.added.spec
    }

    /// Splits and proposals above it.
    pub fn depth(&self) -> u32 {
        self.origin.as_ref().map_or_else(|| self.added.depth(), |origin| origin.depth)
    }

    /// What this series may still cost.
    pub fn budget_left(&self) -> MicroUsd {
        let spent = self.series_cost.get().saturating_add(self.given.get());
        MicroUsd::new(self.spec().budget_max.get().saturating_sub(spent).max(0))
    }

    /// What must be left for an attempt to start. Who puts children together starts with what they
    /// left over.
    pub fn budget_floor(&self) -> MicroUsd {
        let least = self.spec().budget_min;
        if self.children.is_empty() { least } else { least.min(MicroUsd::new(1)) }
    }

    /// Failures of a class in this series.
    pub fn failures_of(&self, class: Class) -> u32 {
        self.failures.get(&class).copied().unwrap_or(0)
    }

    /// The state that the facts give to a task that nothing else holds: what a review, its
    /// dependencies, its children and its start allow at `now`.
    pub fn state_by_facts(&self, met: bool, children_done: bool, now: Timestamp) -> State {
        if self.awaits.is_some() && !self.proposed {
            State::AwaitingHuman
        } else {
            self.state_once_asked(met, children_done, now)
        }
    }

    /// The same once no question to a human is open.
    pub fn state_once_asked(&self, met: bool, children_done: bool, now: Timestamp) -> State {
        if self.proposed {
            State::Proposed
        } else if self.under_review {
            State::InReview
        } else if !met {
            State::Blocked
        } else if !children_done {
            State::Split
        } else if self.start.is_some_and(|(start, _)| start > now) {
            if self.rejection_count > 0 { State::Requeued } else { State::Queued }
        } else {
            State::Ready
        }
    }

    /// Where it stands in the words of the reference: none for what it does not know.
    pub fn reference(&self) -> &'static [Status] {
        let child = self.added.parent.is_some();
        match self.state {
            State::Proposed | State::Paused | State::Cancelled => &[],
            State::Blocked | State::Queued | State::Ready => &[Status::Queued],
            State::Leased | State::Split if child => &[Status::InProgress, Status::SubtaskStarted],
            State::Leased | State::Split => &[Status::InProgress],
            State::InReview => &[Status::Completed, Status::PendingReview],
            State::AwaitingHuman => &[Status::PendingReview],
            State::Requeued => &[Status::Requeue],
            State::Approved if child => &[Status::Approved, Status::SubtaskCompleted],
            State::Approved => &[Status::Approved],
            State::Failed => match (self.blocked_by_safety(), child) {
                (false, false) => &[Status::Failed],
                (false, true) => &[Status::Failed, Status::SubtaskFailed],
                (true, false) => &[Status::SafetyBlocked],
                (true, true) => &[Status::SafetyBlocked, Status::SubtaskFailed],
            },
        }
    }

    fn blocked_by_safety(&self) -> bool {
        self.failure.as_ref().is_some_and(|failure| failure.class == Class::Safety)
    }

    /// Whether it stands in a state in which only time or others move it: these have a deadline.
    pub const fn waits(&self) -> bool {
        matches!(self.state, State::Blocked | State::Queued | State::Requeued | State::Ready)
    }

    /// Takes one event about this task in. Total: any event may come in any state.
    pub fn apply(&mut self, event: &Event, meta: &Meta) {
        self.changed_time = meta.time;
        self.changed_sequence = meta.sequence;
        match event {
            Event::LeaseGranted(granted) => {
                let Some(attempt) = granted.attempt else { return };
                self.enter(State::Leased, meta);
                self.live = Some(Live { lease: granted.lease, attempt, cycle: granted.cycle });
                self.attempt_count = granted.attempt_number;
                self.last_resident = granted.resident.or(self.last_resident);
                self.start = None;
            }
            Event::TaskReady { state, .. } | Event::TaskResumed { state, .. } => {
                if matches!(event, Event::TaskReady { .. }) {
                    self.awaits = None;
                    self.question = None;
                }
                self.enter(*state, meta);
            }
            Event::TaskAwaitsHuman { why, .. } => {
                self.awaits = Some(*why);
                self.deadline_seen |= *why == Awaits::Deadline;
                self.enter_unless_paused(State::AwaitingHuman, meta);
            }
            Event::TaskApproved(approved) => {
                self.submission = Some(approved.submission);
                self.under_review = false;
                self.finish(State::Approved, meta);
            }
            Event::TaskRequeued(requeued) => {
                self.submission = Some(requeued.submission);
                self.under_review = false;
                self.awaits = None;
                self.rejection_count = requeued.rejection_count;
                self.rejected_hash = requeued.content_hash;
                self.start = Some((requeued.start, Wait::BackOff));
                self.hear(&requeued.feedback);
                self.enter_unless_paused(State::Requeued, meta);
            }
            Event::TaskFailed(failed) => {
                self.submission = failed.submission.or(self.submission);
                self.under_review = false;
                self.failure =
                    Some(Failure { class: failed.class, message: failed.message.clone() });
                self.hear(&failed.feedback);
                self.finish(State::Failed, meta);
            }
            Event::TaskAdmitted { state, .. } => {
                self.proposed = false;
                self.enter(*state, meta);
            }
            Event::ProgramDecided { state, allowed, feedback, .. } => {
                self.take_program(*allowed, feedback.as_slice());
                self.enter(*state, meta);
            }
            Event::TaskSplit(split) => self.take_split(split, meta),
            Event::TaskPaused { .. } => self.enter(State::Paused, meta),
            Event::TaskCancelled { .. } => self.finish(State::Cancelled, meta),
            Event::TaskReopened { state, series, .. } => self.reopen(*state, *series, meta),
            Event::TaskEdited(edited) => {
                self.take_edit(edited);
                self.enter_if_other(edited.state, meta);
            }
            Event::AttemptFinished(_)
            | Event::AttemptDeclined { .. }
            | Event::AttemptWaits { .. }
            | Event::AttemptFailed { .. }
            | Event::AttemptReturned { .. }
            | Event::AttemptBlocked { .. }
            | Event::AttemptHalted { .. }
            | Event::AttemptRevoked { .. } => self.end_attempt(event, meta),
            Event::TaskAdded(_)
            | Event::TaskProposed(_)
            | Event::CritiqueQueued { .. }
            | Event::CritiqueEnded { .. }
            | Event::HaltSet { .. }
            | Event::Resumed { .. }
            | Event::HaltAcknowledged(_)
            | Event::PaceSet { .. }
            | Event::StepsBought { .. }
            | Event::ModeSet { .. }
            | Event::ResidentLevelSet { .. }
            | Event::CalendarSet { .. }
            | Event::LimitsSet { .. }
            | Event::EffectRecorded(_)
            | Event::DayStarted(_)
            | Event::WorldTimeNoted { .. }
            | Event::RunnerJoined { .. }
            | Event::RunnerLeft { .. }
            | Event::ResidentNoted { .. }
            | Event::SpecializationsNoted { .. }
            | Event::ProviderNoted { .. }
            | Event::RecurrenceCreated(_)
            | Event::RecurrenceFired(_)
            | Event::RecurrenceSteered(_)
            | Event::FactIgnored(_)
            | Event::FactParked(_)
            | Event::SegmentClosed(_) => {}
        }
    }

    /// Takes over what an edit asks for. What was asked anew has not been declined, has no question
    /// open and may meet its deadline again.
    pub(super) fn take_edit(&mut self, edited: &Edited) {
        self.revision = edited.revision;
        if edited.fields.contains("not_before_time") {
            let back_off = self.start.filter(|(_, why)| *why != Wait::NotBefore);
            let not_before = edited.spec.not_before.map(|moment| (moment, Wait::NotBefore));
            self.start = back_off.into_iter().chain(not_before).max_by_key(|(moment, _)| *moment);
        }
        if edited.fields.contains("deadline_time") {
            self.deadline_seen = false;
        }
        if !edited.reorders_only() {
            self.awaits = None;
            self.question = None;
            self.declined.clear();
            // What was allowed was allowed for the words that it had.
            self.held_program = None;
            self.allowed_programs.clear();
        }
        self.added.spec = edited.spec.clone();
        self.added.title = edited.title.clone();
        self.added.instruction = edited.instruction.clone();
        self.added.intent.clone_from(&edited.intent);
        self.added.dependencies.clone_from(&edited.dependencies);
    }

    /// Takes over what a person decided about the program that it is held for.
    fn take_program(&mut self, allowed: bool, feedback: &[TextRef]) {
        let held = self.held_program.take();
        self.allowed_programs.extend(held.filter(|_| allowed).map(|held| held.text));
        let over = self.allowed_programs.len().saturating_sub(ALLOWED_PROGRAMS_MAX);
        self.allowed_programs.drain(..over);
        self.hear(feedback);
        self.awaits = None;
    }

    fn take_split(&mut self, split: &Split, meta: &Meta) {
        self.submission = Some(split.submission);
        self.under_review = false;
        self.awaits = None;
        self.plan = None;
        self.children.clone_from(&split.children);
        self.given = split.given;
        self.enter_unless_paused(State::Split, meta);
    }

    fn end_attempt(&mut self, event: &Event, meta: &Meta) {
        let Some(ending) = event.ending() else { return };
        self.live = None;
        self.pay(ending.cost);
        let back = if let Event::AttemptFinished(finished) = event {
            self.submission = Some(finished.submission);
            self.plan.clone_from(&finished.work.plan);
            self.under_review = true;
            self.counted += 1;
            State::InReview
        } else if let Event::AttemptDeclined { resident, .. } = event {
            self.declined.insert(*resident);
            State::Ready
        } else if let Event::AttemptWaits { letter, .. } = event {
            self.question = Some(letter.clone());
            State::AwaitingHuman
        } else if let Event::AttemptFailed { class, retry, .. } = event {
            *self.failures.entry(*class).or_default() += 1;
            if planted::has(Bug::ResetRejections) && *class == Class::Lost {
                self.rejection_count = 0;
            }
            self.counted += 1;
            self.start = retry.map(|start| (start, Wait::BackOff));
            State::Queued
        } else if let Event::AttemptReturned { why, retry, .. } = event {
            self.start = Some((*retry, Wait::Returned(*why)));
            State::Queued
        } else if let Event::AttemptBlocked { hash, program, .. } = event {
            let held = program.clone().map(|text| HeldProgram { hash: *hash, text });
            self.held_program = held.map(Box::new);
            State::AwaitingHuman
        } else {
            // A halt or a word from here ended it: it goes on where it stood.
            State::Ready
        };
        self.enter(back, meta);
    }

    fn reopen(&mut self, state: State, series: u32, meta: &Meta) {
        self.series = series;
        self.counted = 0;
        self.rejection_count = 0;
        self.failures.clear();
        self.declined.clear();
        self.rejected_hash = None;
        self.series_cost = MicroUsd::ZERO;
        self.given = MicroUsd::ZERO;
        self.failure = None;
        self.awaits = None;
        self.question = None;
        self.start = self.spec().not_before.map(|moment| (moment, Wait::NotBefore));
        self.enter(state, meta);
    }

    fn pay(&mut self, cost: MicroUsd) {
        let sum = |a: MicroUsd| MicroUsd::new(a.get().saturating_add(cost.get()));
        self.cost = sum(self.cost);
        self.series_cost = sum(self.series_cost);
    }

    fn hear(&mut self, feedback: &[TextRef]) {
        self.feedback.splice(0..0, feedback.iter().cloned());
        let over = self.feedback.len().saturating_sub(FEEDBACK_MAX);
        self.feedback.truncate(FEEDBACK_MAX);
        self.brought = self.brought.saturating_sub(over);
    }

    fn enter(&mut self, state: State, meta: &Meta) {
        if state == State::Ready {
            self.ready_since = meta.time;
        }
        self.state = state;
    }

    /// A task that stays ready keeps its place among those of its age.
    fn enter_if_other(&mut self, state: State, meta: &Meta) {
        if self.state != state {
            self.enter(state, meta);
        }
    }

    fn enter_unless_paused(&mut self, state: State, meta: &Meta) {
        if self.state != State::Paused {
            self.enter(state, meta);
        }
    }

    fn finish(&mut self, state: State, meta: &Meta) {
        self.live = None;
        self.awaits = None;
        self.question = None;
        self.start = None;
        self.enter(state, meta);
    }

    /// What follows a failure of `class` now: another attempt at that moment, or none.
    pub fn retry(
        &self,
        class: Class,
        announced: Option<Duration>,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let delay = Policy::of(class).delay(self.failures_of(class), announced)?;
        let jittered = super::retry::jittered(delay, self.id(), self.attempt_count);
        Some(now + jittered)
    }
}

/// The task an event is about.
pub fn of(event: &Event) -> Option<TaskId> {
    match event {
        Event::TaskAdded(added) => Some(added.task),
        Event::TaskProposed(proposed) => Some(proposed.added.task),
        Event::TaskSplit(split) => Some(split.task),
        Event::TaskEdited(edited) => Some(edited.task),
        Event::LeaseGranted(granted) => granted.attempt.map(|_| granted.task),
        Event::AttemptFinished(finished) => Some(finished.end.task),
        Event::AttemptDeclined { end, .. }
        | Event::AttemptWaits { end, .. }
        | Event::AttemptFailed { end, .. }
        | Event::AttemptReturned { end, .. }
        | Event::AttemptBlocked { end, .. }
        | Event::AttemptHalted { end, .. }
        | Event::AttemptRevoked { end, .. } => {
            let End { task, .. } = end;
            Some(*task)
        }
        Event::TaskApproved(approved) => Some(approved.task),
        Event::TaskRequeued(requeued) => Some(requeued.task),
        Event::TaskFailed(failed) => Some(failed.task),
        Event::TaskReady { task, .. }
        | Event::TaskAwaitsHuman { task, .. }
        | Event::ProgramDecided { task, .. }
        | Event::TaskPaused { task }
        | Event::TaskAdmitted { task, .. }
        | Event::TaskResumed { task, .. }
        | Event::TaskCancelled { task, .. }
        | Event::TaskReopened { task, .. } => Some(*task),
        Event::EffectRecorded(recorded) => Some(recorded.task),
        Event::CritiqueQueued { .. }
        | Event::CritiqueEnded { .. }
        | Event::HaltSet { .. }
        | Event::Resumed { .. }
        | Event::HaltAcknowledged(_)
        | Event::PaceSet { .. }
        | Event::StepsBought { .. }
        | Event::ModeSet { .. }
        | Event::ResidentLevelSet { .. }
        | Event::CalendarSet { .. }
        | Event::LimitsSet { .. }
        | Event::DayStarted(_)
        | Event::WorldTimeNoted { .. }
        | Event::RunnerJoined { .. }
        | Event::RunnerLeft { .. }
        | Event::ResidentNoted { .. }
        | Event::SpecializationsNoted { .. }
        | Event::ProviderNoted { .. }
        | Event::RecurrenceCreated(_)
        | Event::RecurrenceFired(_)
        | Event::RecurrenceSteered(_)
        | Event::FactIgnored(_)
        | Event::FactParked(_)
        | Event::SegmentClosed(_) => None,
    }
}
