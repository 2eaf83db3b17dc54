//! The queue's aggregate: tasks, leases, runners and the world's controls.
//!
//! Pure: no clock, no randomness, no I/O. Reading order: [`task`] → [`lease`] → [`retry`] → [`world`]
//! → [`order`] (who is next) → [`explain`] (why not this one) → [`add`], [`edit`], [`steer`],
//! [`recurrence`], [`level`], [`propose`], [`split`], [`finish`], [`effect`], [`control`], [`limits`] (decisions) → [`clock`] (what time brings about) →
//! [`runner`] (what is known beside the log) → [`event`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use vivarium_ledger::planted::{self, Bug, Guard};
use vivarium_ledger::{Aggregate, Context, FactNote, Meta, SegmentNote, TextRef};
use vivarium_types::ids::{InstanceId, LeaseId, ResidentId, SubmissionId, TaskId};
use vivarium_types::source::Hash;
use vivarium_types::{MicroUsd, Reason, Timestamp};

pub mod add;
pub mod clock;
pub mod control;
pub mod edit;
pub mod effect;
pub mod event;
pub mod explain;
pub mod finish;
pub mod lease;
pub mod level;
pub mod limits;
pub mod order;
pub mod propose;
pub mod recurrence;
pub mod retry;
pub mod runner;
pub mod signals;
pub mod split;
pub mod steer;
pub mod task;
pub mod volatile;
pub mod world;

use add::Proposal;
use control::Hello;
use edit::Edit;
use effect::Effects;
use event::{CritiqueOutcome, Event, HaltAck, Wire};
use finish::Outcome;
use lease::{Held, Lease, Purpose, Taken};
use level::{Consent, Wanted};
use limits::Limit;
use order::Ready;
use propose::{Offer, Wish};
use recurrence::{Created, Recurrence, Standing};
use retry::Class;
use runner::{Runner, Volatile};
use split::{Children, Family};
use steer::{Redrive, Verdict};
use task::{Awaits, State, Task};
use world::{Pace, World};

/// Ends of leases that are remembered for a finish that is repeated.
const TAKEN_MAX: usize = 1_024;

/// A resident as the queue knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resident {
    /// Whether it can be given work.
    pub active: bool,
    /// Its words, for affinity.
    pub words: BTreeSet<String>,
    /// What it is good at, by a human's word.
    pub specializations: BTreeSet<String>,
    /// Cycles since the day began.
    pub cycles_today: u32,
    /// Proposals since the day began.
    pub proposals_today: u32,
    /// What a person consented to; it may have ended.
    pub consent: Option<Consent>,
}

/// A critique that waits for a lease, or has one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Critique {
    /// The task of the submission.
    pub task: TaskId,
    /// Not granted before.
    pub start: Timestamp,
    /// Its lease.
    pub lease: Option<LeaseId>,
    /// Leases that came to nothing.
    pub tries: u32,
}

/// What a task that waits knows of a dependency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dependency {
    /// It is approved.
    Approved,
    /// It failed or was cancelled.
    Broken,
    /// It is on its way.
    Open,
}

/// The state: what `apply` made of the log, with its indices, and a part beside it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Queue {
    /// Tasks that are open or failed. Boxed, because each event takes one out and puts it back, and the
    /// neighbours in the tree are moved along.
    pub tasks: BTreeMap<TaskId, Box<Task>>,
    /// Tasks that are over for good: approved or cancelled. The rest of them is in the read models.
    pub over: BTreeMap<TaskId, State>,
    /// Every key ever used.
    pub keys: BTreeMap<String, TaskId>,
    /// Live leases.
    pub leases: BTreeMap<LeaseId, Lease>,
    /// Critiques that are asked for.
    pub critiques: BTreeMap<SubmissionId, Critique>,
    /// Residents.
    pub residents: BTreeMap<ResidentId, Resident>,
    /// Runners that said hello.
    pub runners: BTreeMap<String, Runner>,
    /// Recurrences by key, those that are over as well.
    pub recurrences: BTreeMap<String, Recurrence>,
    /// The controls.
    pub world: World,
    /// Whether no language model is usable, as far as it is known.
    no_provider: bool,
    /// Whose tasks the latest grants were.
    pub recent_grants: VecDeque<String>,
    /// When each submitter was last granted something.
    pub turns: order::Turns,
    /// Ends of leases by their holders' word, newest last.
    pub taken: VecDeque<Taken>,
    /// What attempts of the present round did, by task.
    effects: BTreeMap<TaskId, Effects>,
    /// Tasks that wait for a human to admit them.
    proposals: BTreeSet<TaskId>,
    /// What is known of the children of tasks that were split.
    families: BTreeMap<TaskId, Family>,
    /// Tasks by state, in the whole world.
    pub counts: BTreeMap<State, u64>,
    /// Depth of the chain below each task that depends on another.
    depths: BTreeMap<TaskId, u32>,
    /// Who waits for whom.
    dependents: BTreeMap<TaskId, BTreeSet<TaskId>>,
    /// Index: ready tasks.
    ready: Ready,
    /// Index: starts of tasks that wait for theirs.
    starts: BTreeSet<(Timestamp, TaskId)>,
    /// Index: deadlines of tasks that do not run.
    deadlines: BTreeSet<(Timestamp, TaskId)>,
    /// Index: blocked tasks about whose dependencies there is nothing left to wait for, and split ones
    /// whose children have moved on.
    loose: BTreeSet<TaskId>,
    /// What lives only as long as this process.
    #[serde(skip)]
    pub volatile: Volatile,
}

/// What may be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Add tasks.
    Add {
        /// The tasks.
        proposals: Vec<Proposal>,
        /// Open tasks that a world may have.
        open_max: u64,
    },
    /// Cancel a task, by id or key.
    Cancel {
        /// The task.
        task: String,
        /// Why.
        reason: Option<TextRef>,
    },
    /// Propose a task.
    Propose(Box<Wish>),
    /// Propose tasks that come from elsewhere.
    Offer {
        /// The tasks.
        offers: Vec<Offer>,
        /// Open tasks that a world may have, where nobody has set it.
        open_max: u64,
    },
    /// Admit a proposal.
    Admit {
        /// The task.
        task: String,
        /// What was read.
        hash: Hash,
    },
    /// Refuse a proposal.
    Refuse {
        /// The task.
        task: String,
        /// What was read.
        hash: Hash,
        /// Why.
        reason: Option<TextRef>,
    },
    /// Decide about the program that a task is held for.
    DecideProgram {
        /// The task.
        task: String,
        /// What was read.
        hash: Hash,
        /// Whether attempts of the task may run it.
        allowed: bool,
        /// What the next attempt is told.
        feedback: Option<TextRef>,
    },
    /// Set a task aside.
    Pause {
        /// The task.
        task: String,
    },
    /// Take a paused task up again.
    ResumeTask {
        /// The task.
        task: String,
    },
    /// Open a task again.
    Requeue {
        /// The task.
        task: String,
    },
    /// Change what a task asks for.
    Edit(Box<Edit>),
    /// Open failed tasks again.
    Redrive(Redrive),
    /// Create a recurrence.
    CreateRecurrence(Box<Created>),
    /// Set a recurrence aside, take it up again or end it.
    SteerRecurrence {
        /// Its key.
        key: String,
        /// Where it shall stand.
        standing: Standing,
    },
    /// A runner introduces itself.
    Hello(Hello),
    /// An attempt has ended.
    Finish {
        /// The lease and its token.
        held: Held,
        /// The start of the runner that says so.
        instance: InstanceId,
        /// Settled cost.
        cost: MicroUsd,
        /// How it ended.
        outcome: Box<Outcome>,
    },
    /// A runner obeyed a halt.
    AcknowledgeHalt(HaltAck),
    /// Halt the world.
    SetHalt {
        /// Why.
        reason: TextRef,
    },
    /// End a halt.
    EndHalt {
        /// Why.
        reason: TextRef,
    },
    /// Set the pace.
    SetPace {
        /// The pace.
        pace: Pace,
        /// Why.
        reason: Option<TextRef>,
    },
    /// Buy cycle starts.
    Step {
        /// How many.
        count: u32,
    },
    /// Set the mode.
    SetMode {
        /// The mode.
        mode: world::Mode,
        /// Why.
        reason: TextRef,
    },
    /// Set what a resident may do.
    SetLevel(Wanted),
    /// Set the calendar.
    SetCalendar {
        /// World time of a day.
        day_length: Option<Duration>,
        /// Whether Sunday is rest.
        rest_day_on: Option<bool>,
        /// Why.
        reason: TextRef,
    },
    /// Set limits of the world's physics.
    SetLimits {
        /// The limits; `None` gives one back to the settings file.
        changes: BTreeMap<Limit, Option<u64>>,
        /// Why.
        reason: TextRef,
    },
    /// An attempt records what it did.
    RecordEffect {
        /// The lease and its token.
        held: Held,
        /// Names the effect within the round.
        key: String,
        /// What came of it.
        result: TextRef,
    },
    /// Review asks for a critique.
    AskCritique {
        /// The submission.
        submission: SubmissionId,
        /// Its task.
        task: TaskId,
    },
    /// Review asks the human.
    AskHuman {
        /// The submission.
        submission: SubmissionId,
        /// Its task.
        task: TaskId,
    },
    /// Review has decided.
    Verdict(Verdict),
    /// The human has answered a letter.
    Answered {
        /// The letter that was answered.
        letter: String,
    },
    /// Society tells of a resident.
    NoteResident {
        /// Who.
        resident: ResidentId,
        /// Whether it can be given work.
        active: bool,
        /// Its words.
        words: Vec<String>,
    },
    /// Society tells what a resident is good at.
    NoteSpecializations {
        /// Who.
        resident: ResidentId,
        /// All of them.
        specializations: BTreeSet<String>,
    },
    /// The executor tells whether any language model is usable.
    NoteProvider {
        /// Whether one is.
        usable: bool,
    },
}

/// Why a command was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rejection {
    /// There is no such task.
    TaskNotFound {
        /// Its id or key.
        task: String,
    },
    /// A key was used before.
    KeyTaken {
        /// The key.
        key: String,
    },
    /// A dependency does not exist.
    DependencyUnknown {
        /// Its id or key.
        dependency: String,
    },
    /// A task depends on itself.
    DependencySelf {
        /// Its key.
        task: String,
    },
    /// Dependencies form a circle.
    DependencyCycle {
        /// The key of a task on it.
        task: String,
    },
    /// A chain of dependencies, or of proposals and splits, is too deep.
    TooDeep {
        /// The limit.
        max: u32,
    },
    /// Too many open tasks.
    Full {
        /// The limit.
        max: u64,
    },
    /// The task's state does not allow it.
    Transition {
        /// The state.
        state: State,
        /// What was asked for.
        request: &'static str,
    },
    /// The task was changed since it was read.
    EtagStale {
        /// The present revision.
        etag: u32,
    },
    /// There is no such recurrence.
    RecurrenceNotFound {
        /// Its key.
        key: String,
    },
    /// The recurrence's state does not allow it.
    RecurrenceTransition {
        /// The state.
        standing: Standing,
        /// What was asked for.
        request: &'static str,
    },
    /// Too many recurrences.
    RecurrencesFull {
        /// The limit.
        max: usize,
    },
    /// Too many effects of one round.
    EffectsFull {
        /// The limit.
        max: usize,
    },
    /// A plan that cannot become children.
    PlanRefused {
        /// What is wrong with it.
        why: &'static str,
    },
    /// A proposal that asks for what is asked for already.
    Duplicate {
        /// The task that asks for it.
        task: String,
    },
    /// Too many proposals of one resident.
    ProposalsSpent {
        /// The limit.
        max: u32,
    },
    /// What a person decides about was changed since it was read.
    ProposalStale,
    /// There is no such resident.
    ResidentNotFound {
        /// Who.
        resident: ResidentId,
    },
    /// The lease is not live any more.
    LeaseLost(LeaseId),
    /// The world is not halted.
    NotHalted,
    /// The world does not go by steps.
    NotStep,
    /// The mode is not built yet.
    ModeUnavailable {
        /// The mode.
        mode: world::Mode,
    },
    /// A later start of the runner is connected.
    RunnerReplaced {
        /// The runner.
        runner: String,
    },
    /// Too many runners.
    RunnersFull {
        /// The limit.
        max: u64,
    },
    /// A fact that does not fit what is known: another submission, a task that is over.
    Stale,
}

impl Rejection {
    /// The reason on the wire.
    pub const fn reason(&self) -> Reason {
        match self {
            Self::TaskNotFound { .. } => Reason::QueueTaskNotFound,
            Self::KeyTaken { .. } => Reason::QueueTaskKeyTaken,
            Self::DependencyUnknown { .. } => Reason::QueueDependencyUnknown,
            Self::DependencySelf { .. } => Reason::QueueDependencySelf,
            Self::DependencyCycle { .. } => Reason::QueueDependencyCycle,
            Self::TooDeep { .. } => Reason::QueueTaskTooDeep,
            Self::Full { .. } | Self::RecurrencesFull { .. } | Self::EffectsFull { .. } => {
                Reason::QueueFull
            }
            Self::Transition { .. } | Self::RecurrenceTransition { .. } | Self::Stale => {
                Reason::QueueTransitionRefused
            }
            Self::EtagStale { .. } => Reason::QueueEtagStale,
            Self::RecurrenceNotFound { .. } => Reason::QueueRecurrenceNotFound,
            Self::LeaseLost(_) => Reason::QueueLeaseLost,
            Self::NotHalted => Reason::QueueNotHalted,
            Self::NotStep => Reason::QueuePaceNotStep,
            Self::ModeUnavailable { .. } => Reason::QueueModeUnavailable,
            Self::RunnerReplaced { .. } | Self::RunnersFull { .. } | Self::PlanRefused { .. } => {
                Reason::RequestInvalid
            }
            Self::Duplicate { .. } => Reason::QueueTaskDuplicate,
            Self::ProposalsSpent { .. } => Reason::ActionQuotaSpent,
            Self::ProposalStale => Reason::ApprovalStale,
            Self::ResidentNotFound { .. } => Reason::IdentityResidentNotFound,
        }
    }
}

impl Aggregate for Queue {
    const NAME: &'static str = "queue";
    const SCHEMA: u32 = 1;
    const STATE_VERSION: u32 = 9;

    type Command = Command;
    type Event = Event;
    type Wire = Wire;
    type Rejection = Rejection;

    fn needs(command: &Command) -> Vec<String> {
        let keys = |proposals: &mut dyn Iterator<Item = &Proposal>| {
            proposals.filter_map(|it| it.spec.key.as_deref()).map(add::claim).collect()
        };
        if let Command::Add { proposals, .. } = command {
            keys(&mut proposals.iter())
        } else if let Command::Offer { offers, .. } = command {
            keys(&mut offers.iter().map(|offer| &offer.proposal))
        } else {
            Vec::new()
        }
    }

    fn decide(&self, command: Command, cx: &Context<'_>) -> Result<Vec<Event>, Rejection> {
        self.decided(command, cx).map(|events| self.noting(events))
    }

    fn tick(&mut self, now: Timestamp) {
        self.read_clock(now);
    }

    fn after_batch(&self, cx: &Context<'_>) -> Vec<Event> {
        self.noting(self.due(cx))
    }

    fn next_wake(&self) -> Option<Timestamp> {
        self.wake()
    }

    fn apply(&mut self, event: &Event, meta: &Meta) {
        self.world.apply(event, meta);
        self.apply_to_leases(event, meta);
        self.apply_to_recurrences(event, meta);
        self.note_part(event);
        self.apply_to_families(event);
        if let Event::TaskAdded(added) = event {
            self.admit(Task::new(added, meta));
        } else if let Event::TaskProposed(proposed) = event {
            self.admit(Task::proposed(proposed, meta));
        } else if let Event::TaskEdited(edited) = event {
            let known = self.tasks.get(&edited.task);
            if let Some(old) = known.map(|task| task.added.dependencies.clone()) {
                self.change(edited.task, |task| task.apply(event, meta));
                self.rewire(edited.task, &old, &edited.dependencies);
            }
        } else if let Some(id) = task::of(event) {
            self.change(id, |task| task.apply(event, meta));
        }
        self.apply_to_effects(event);
        self.apply_to_proposals(event);
        self.apply_to_critiques(event, meta);
        self.apply_to_others(event);
    }

    fn kind(event: &Event) -> &'static str {
        event.kind()
    }

    fn claims(event: &Event) -> Vec<String> {
        let added = if let Event::TaskAdded(added) = event {
            added
        } else if let Event::TaskProposed(proposed) = event {
            &proposed.added
        } else {
            return Vec::new();
        };
        added.spec.key.as_deref().map(add::claim).into_iter().collect()
    }

    fn fact_ignored(note: FactNote) -> Event {
        Event::FactIgnored(note)
    }

    fn fact_parked(note: FactNote) -> Event {
        Event::FactParked(note)
    }

    fn segment_closed(note: SegmentNote) -> Event {
        Event::SegmentClosed(Box::new(note))
    }

    fn reason(rejection: &Rejection) -> String {
        rejection.reason().name().to_owned()
    }
}

impl Queue {
    /// Whether a language model is usable, as far as is known; nobody said otherwise at first.
    pub const fn provider_usable(&self) -> bool {
        !self.no_provider
    }

    /// Open tasks: all that are not final.
    pub fn open_count(&self) -> u64 {
        self.counts.iter().filter(|(state, _)| !state.is_final()).map(|(_, count)| count).sum()
    }

    /// The task of this id or key.
    pub fn resolve(&self, name: &str) -> Result<TaskId, Rejection> {
        let id = name.parse().ok().or_else(|| self.keys.get(name).copied());
        let known = id.filter(|id| self.tasks.contains_key(id) || self.over.contains_key(id));
        known.ok_or_else(|| Rejection::TaskNotFound { task: name.to_owned() })
    }

    /// A known task's state.
    pub fn state_of(&self, id: TaskId) -> State {
        let open = self.tasks.get(&id).map(|task| task.state);
        open.or_else(|| self.over.get(&id).copied()).unwrap_or(State::Cancelled)
    }

    /// The end of a lease as it was taken.
    pub fn taken(&self, held: Held) -> Option<&Taken> {
        self.taken.iter().rev().find(|taken| taken.lease == held.lease && taken.token == held.token)
    }

    fn decided(&self, command: Command, cx: &Context<'_>) -> Result<Vec<Event>, Rejection> {
        let now = cx.now();
        match command {
            Command::Add { proposals, open_max } => self.add(proposals, open_max, cx),
            Command::Cancel { task, reason } => self.cancel(&task, reason.as_ref()),
            Command::Propose(wish) => self.propose(*wish, cx),
            Command::Offer { offers, open_max } => self.offer(offers, open_max, cx),
            Command::Admit { task, hash } => self.admit_task(&task, hash, now),
            Command::Refuse { task, hash, reason } => self.refuse_task(&task, hash, reason),
            Command::Pause { task } => self.pause(&task),
            Command::ResumeTask { task } => self.resume(&task, now),
            Command::Requeue { task } => self.requeue(&task, now),
            Command::Edit(edit) => self.edit(*edit, now),
            Command::Redrive(redrive) => self.redrive(&redrive, now),
            Command::CreateRecurrence(wanted) => self.create_recurrence(*wanted, cx),
            Command::SteerRecurrence { key, standing } => {
                self.steer_recurrence(&key, standing, now)
            }
            Command::Hello(hello) => self.hello(hello, cx),
            Command::Finish { held, instance, cost, outcome } => {
                self.finish(held, instance, cost, *outcome, cx)
            }
            Command::AcknowledgeHalt(ack) => Ok(self.acknowledge_halt(ack)),
            Command::SetHalt { reason } => Ok(self.set_halt(reason, now)),
            Command::EndHalt { reason } => self.end_halt(reason),
            Command::SetPace { pace, reason } => Ok(self.set_pace(pace, reason)),
            Command::Step { count } => self.step(count),
            Command::SetMode { mode, reason } => self.set_mode(mode, reason),
            Command::SetLevel(wanted) => self.set_level(wanted, now),
            Command::DecideProgram { task, hash, allowed, feedback } => {
                self.decide_program(&task, hash, allowed, feedback, now)
            }
            Command::SetCalendar { day_length, rest_day_on, reason } => {
                Ok(self.set_calendar(day_length, rest_day_on, reason))
            }
            Command::SetLimits { changes, reason } => Ok(self.set_limits(&changes, reason)),
            Command::RecordEffect { held, key, result } => self.record_effect(held, key, result),
            Command::AskCritique { submission, task } => self.ask_critique(submission, task),
            Command::AskHuman { submission, task } => self.ask_human(submission, task),
            Command::Verdict(verdict) => self.verdict(verdict, cx),
            Command::Answered { letter } => self.answered(&letter, now),
            Command::NoteResident { resident, active, words } => {
                Ok(self.note_resident(resident, active, words))
            }
            Command::NoteSpecializations { resident, specializations } => {
                let known = self.residents.get(&resident).map(|known| &known.specializations);
                let news = known.map_or(!specializations.is_empty(), |it| *it != specializations);
                let noted = Event::SpecializationsNoted { resident, specializations };
                Ok(if news { vec![noted] } else { Vec::new() })
            }
            Command::NoteProvider { usable } => {
                let news = usable == self.no_provider;
                Ok(if news { vec![Event::ProviderNoted { usable }] } else { Vec::new() })
            }
        }
    }

    fn note_resident(&self, resident: ResidentId, active: bool, words: Vec<String>) -> Vec<Event> {
        let known = self.residents.get(&resident).is_some_and(|known| {
            known.active == active && known.words == words.iter().cloned().collect()
        });
        if known { Vec::new() } else { vec![Event::ResidentNoted { resident, active, words }] }
    }

    /// Who may take a task: the pinned one, or everybody who is active, has the specialization and
    /// has not declined it.
    fn eligible(&self, task: &Task) -> Vec<ResidentId> {
        let wanted = task.spec().specialization.as_deref();
        let able = |id: &ResidentId| self.residents.get(id).is_some_and(|one| one.holds(wanted));
        let mut may = self.eligible_but_for_skill(task);
        may.retain(able);
        may
    }

    /// The same, whatever they are good at.
    fn eligible_but_for_skill(&self, task: &Task) -> Vec<ResidentId> {
        let may = |id: &ResidentId| {
            let active = self.residents.get(id).is_some_and(|resident| resident.active);
            active && (!task.declined.contains(id) || !planted::stands(Guard::Declined))
        };
        match task.spec().resident {
            Some(pinned) => Some(pinned).into_iter().filter(may).collect(),
            None => self.residents.keys().copied().filter(may).collect(),
        }
    }

    fn dependency(&self, id: TaskId) -> Dependency {
        match self.state_of(id) {
            State::InReview if planted::has(Bug::ReleaseOnFinish) => Dependency::Approved,
            State::Approved => Dependency::Approved,
            State::Failed | State::Cancelled => Dependency::Broken,
            State::Proposed
            | State::Blocked
            | State::Queued
            | State::Ready
            | State::Leased
            | State::Split
            | State::InReview
            | State::AwaitingHuman
            | State::Requeued
            | State::Paused => Dependency::Open,
        }
    }

    fn all_met(&self, task: &Task) -> bool {
        let on_failure = task.spec().on_failure;
        let mut on = task.added.dependencies.iter();
        if planted::has(Bug::ReleaseOnFirst) && on.len() > 1 {
            return on.any(|on| self.met(*on, on_failure));
        }
        on.all(|on| self.met(*on, on_failure))
    }

    fn depth(&self, id: TaskId) -> u32 {
        self.depths.get(&id).copied().unwrap_or(1)
    }

    fn dependents_of(&self, id: TaskId) -> Vec<TaskId> {
        self.dependents.get(&id).into_iter().flatten().copied().collect()
    }

    fn critiques_due(&self, now: Timestamp) -> Vec<(Timestamp, SubmissionId, TaskId)> {
        let due = self.critiques.iter().filter(|(_, c)| c.lease.is_none() && c.start <= now);
        due.map(|(submission, c)| (c.start, *submission, c.task)).collect()
    }

    fn admit(&mut self, task: Task) {
        let id = task.id();
        let deepest = task.added.dependencies.iter().map(|on| self.depth(*on)).max();
        if let Some(deepest) = deepest {
            self.depths.insert(id, deepest + 1);
        }
        for on in &task.added.dependencies {
            self.dependents.entry(*on).or_default().insert(id);
        }
        if let Some(key) = &task.spec().key {
            self.keys.insert(key.clone(), id);
        }
        *self.counts.entry(task.state).or_default() += 1;
        self.index(&task, None);
        if planted::has(Bug::MissDependency) {
            self.loose.remove(&id);
        }
        self.tasks.insert(id, Box::new(task));
    }

    /// Changes a task and all that is derived from it.
    fn change(&mut self, id: TaskId, change: impl FnOnce(&mut Task)) {
        let Some(mut task) = self.tasks.remove(&id) else { return };
        let (before, since) = (task.state, task.ready_since);
        let parent = task.added.parent.as_ref().map(|parent| parent.task);
        let aged = self.unindex(&task);
        change(&mut task);
        let after = task.state;
        // A task that stays ready goes on ageing.
        let aged = aged.filter(|_| task.ready_since == since);
        if let Some(count) = self.counts.get_mut(&before) {
            *count = count.saturating_sub(1);
        }
        *self.counts.entry(after).or_default() += 1;
        if matches!(after, State::Approved | State::Cancelled) {
            for on in &task.added.dependencies {
                if let Some(waiting) = self.dependents.get_mut(on) {
                    waiting.remove(&id);
                }
            }
            self.over.insert(id, after);
        } else {
            self.index(&task, aged);
            self.tasks.insert(id, task);
        }
        let finished = planted::has(Bug::ReleaseOnFinish) && after == State::InReview;
        if before.is_final() || after.is_final() || finished {
            self.reindex_dependents(id);
            if let Some(parent) = parent {
                self.reindex(parent);
            }
        }
    }

    fn reindex(&mut self, id: TaskId) {
        if let Some(task) = self.tasks.remove(&id) {
            let aged = self.unindex(&task);
            self.index(&task, aged);
            self.tasks.insert(id, task);
        }
    }

    fn reindex_dependents(&mut self, id: TaskId) {
        for dependent in self.dependents_of(id) {
            self.reindex(dependent);
        }
        if self.over.contains_key(&id) && self.dependents.get(&id).is_some_and(BTreeSet::is_empty) {
            self.dependents.remove(&id);
        }
    }

    /// Enters a task into the indices; `aged` is the world time since which it is ready, if it was
    /// ready before.
    fn index(&mut self, task: &Task, aged: Option<i64>) {
        let id = task.id();
        match task.state {
            State::Ready => self.ready.insert(task, aged.unwrap_or(self.world.noted_us)),
            State::Queued | State::Requeued => {
                self.starts.extend(task.start.map(|(moment, _)| (moment, id)));
            }
            State::Blocked => {
                let broken = |on: &TaskId| self.dependency(*on) == Dependency::Broken;
                let cancels = task.spec().on_failure == task::OnFailure::Cancel;
                let over = cancels && task.added.dependencies.iter().any(broken);
                if over || self.all_met(task) {
                    self.loose.insert(id);
                }
            }
            State::Split if self.children(task) != Children::Open => {
                self.loose.insert(id);
            }
            State::AwaitingHuman
                if task.awaits == Some(Awaits::ChildFailed)
                    && self.children(task) != Children::Broken =>
            {
                self.loose.insert(id);
            }
            State::Proposed
            | State::Leased
            | State::Split
            | State::InReview
            | State::AwaitingHuman
            | State::Paused
            | State::Approved
            | State::Failed
            | State::Cancelled => {}
        }
        if task.waits() && !task.deadline_seen {
            self.deadlines.extend(task.spec().deadline.map(|moment| (moment, id)));
        }
    }

    /// Takes a task out of the indices; the world time since which it was ready.
    fn unindex(&mut self, task: &Task) -> Option<i64> {
        let id = task.id();
        let ready = task.state == State::Ready;
        let aged = if ready { self.ready.remove(task) } else { None };
        if let Some((moment, _)) = task.start {
            self.starts.remove(&(moment, id));
        }
        if let Some(moment) = task.spec().deadline {
            self.deadlines.remove(&(moment, id));
        }
        self.loose.remove(&id);
        aged
    }

    fn apply_to_leases(&mut self, event: &Event, meta: &Meta) {
        if let Event::LeaseGranted(granted) = event {
            let (token, since) = (meta.sequence, meta.time);
            let lease = Lease { granted: (**granted).clone(), token, since };
            self.volatile.granted(granted, meta.time);
            if let Some(resident) = granted.resident.and_then(|id| self.residents.get_mut(&id)) {
                resident.cycles_today += 1;
            }
            if granted.purpose != Purpose::Critique
                && let Some(task) = self.tasks.get(&granted.task)
            {
                self.turns.take(&task.added.submitter, meta.sequence);
                self.recent_grants.push_back(task.added.submitter.clone());
                while self.recent_grants.len() > order::RECENT_MAX {
                    self.recent_grants.pop_front();
                }
            }
            self.leases.insert(granted.lease, lease);
        } else if let Some((lease, _)) = ended(event)
            && stays(event)
        {
            self.volatile.until.remove(&lease);
        } else if let Some((lease, submission)) = ended(event)
            && let Some(old) = self.leases.remove(&lease)
        {
            self.volatile.until.remove(&lease);
            if told_by_holder(event) {
                self.taken.push_back(Taken { lease, token: old.token, submission });
                while self.taken.len() > TAKEN_MAX {
                    self.taken.pop_front();
                }
            }
        }
    }

    fn apply_to_critiques(&mut self, event: &Event, meta: &Meta) {
        if let Event::CritiqueQueued { submission, task } = event {
            let critique = Critique { task: *task, start: meta.time, lease: None, tries: 0 };
            self.critiques.insert(*submission, critique);
        } else if let Event::LeaseGranted(granted) = event {
            let asked = granted.submission.and_then(|id| self.critiques.get_mut(&id));
            if let Some(critique) = asked {
                critique.lease = Some(granted.lease);
            }
        } else if let Event::CritiqueEnded { submission, outcome, retry, .. } = event {
            self.end_critique_lease(*submission, *outcome, *retry);
        }
        // Whoever waits for a critique has gone on without it.
        if let Some(id) = task::of(event)
            && !self.wants_critique(id)
        {
            self.critiques.retain(|_, critique| critique.task != id || critique.lease.is_some());
        }
    }

    fn end_critique_lease(
        &mut self,
        submission: SubmissionId,
        outcome: CritiqueOutcome,
        retry: Option<Timestamp>,
    ) {
        let asked = self.critiques.get(&submission).map(|critique| critique.task);
        let wanted = asked.is_some_and(|task| self.wants_critique(task));
        match (retry.filter(|_| wanted), self.critiques.get_mut(&submission)) {
            (Some(start), Some(critique)) => {
                critique.start = start;
                critique.lease = None;
                // A halt or a full budget is no fault of the critique: only a loss counts.
                critique.tries += u32::from(outcome == CritiqueOutcome::Lost);
            }
            (None | Some(_), _) => {
                self.critiques.remove(&submission);
            }
        }
    }

    /// Whether review still works on a task's submission and has not asked the human.
    fn wants_critique(&self, task: TaskId) -> bool {
        let task = self.tasks.get(&task);
        task.is_some_and(|task| task.under_review && task.awaits != Some(Awaits::Approval))
    }

    fn apply_to_others(&mut self, event: &Event) {
        match event {
            Event::RunnerJoined { runner, instance, slots } => {
                let joined = Runner { instance: *instance, slots: *slots };
                self.runners.insert(runner.clone(), joined);
                let own = self.leases.values_mut().filter(|l| l.granted.runner == *runner);
                own.for_each(|lease| lease.granted.instance = *instance);
                self.volatile.missing.remove(runner);
                self.volatile.exits.remove(runner);
            }
            Event::RunnerLeft { runner, instance, .. } => {
                if self.runners.get(runner).is_some_and(|known| known.instance == *instance) {
                    self.runners.remove(runner);
                }
                self.volatile.left(runner, *instance);
            }
            Event::ResidentNoted { resident, active, words } => {
                let known = self.residents.entry(*resident).or_default();
                known.active = *active;
                known.words = words.iter().cloned().collect();
            }
            Event::SpecializationsNoted { resident, specializations } => {
                let known = self.residents.entry(*resident).or_default();
                known.specializations.clone_from(specializations);
            }
            Event::ResidentLevelSet { resident, consent, .. } => {
                self.residents.entry(*resident).or_default().consent = Some(*consent);
            }
            Event::ProviderNoted { usable } => self.no_provider = !usable,
            Event::DayStarted(_) => {
                for resident in self.residents.values_mut() {
                    resident.cycles_today = 0;
                    resident.proposals_today = 0;
                }
            }
            Event::WorldTimeNoted { .. } => self.volatile.since_note_us = 0,
            Event::TaskAdded(_)
            | Event::TaskProposed(_)
            | Event::TaskAdmitted { .. }
            | Event::TaskSplit(_)
            | Event::TaskReady { .. }
            | Event::LeaseGranted(_)
            | Event::AttemptFinished(_)
            | Event::AttemptDeclined { .. }
            | Event::AttemptWaits { .. }
            | Event::AttemptFailed { .. }
            | Event::AttemptReturned { .. }
            | Event::AttemptBlocked { .. }
            | Event::AttemptHalted { .. }
            | Event::AttemptRevoked { .. }
            | Event::TaskAwaitsHuman { .. }
            | Event::TaskApproved(_)
            | Event::TaskRequeued(_)
            | Event::TaskFailed(_)
            | Event::TaskPaused { .. }
            | Event::TaskResumed { .. }
            | Event::TaskCancelled { .. }
            | Event::TaskReopened { .. }
            | Event::ProgramDecided { .. }
            | Event::CritiqueQueued { .. }
            | Event::CritiqueEnded { .. }
            | Event::HaltSet { .. }
            | Event::Resumed { .. }
            | Event::HaltAcknowledged(_)
            | Event::PaceSet { .. }
            | Event::StepsBought { .. }
            | Event::ModeSet { .. }
            | Event::CalendarSet { .. }
            | Event::LimitsSet { .. }
            | Event::EffectRecorded(_)
            | Event::TaskEdited(_)
            | Event::RecurrenceCreated(_)
            | Event::RecurrenceFired(_)
            | Event::RecurrenceSteered(_)
            | Event::FactIgnored(_)
            | Event::FactParked(_)
            | Event::SegmentClosed(_) => {}
        }
    }
}

/// The lease that an event ends, and the submission it put up.
fn ended(event: &Event) -> Option<(LeaseId, Option<SubmissionId>)> {
    if let Event::CritiqueEnded { lease, .. } = event {
        return Some((*lease, None));
    }
    event.ending().map(|ending| (ending.end.lease, ending.submission))
}

/// Whether a lease outlives its end: never, but for a planted bug.
fn stays(event: &Event) -> bool {
    let lost = matches!(event, Event::AttemptFailed { class: Class::Lost, .. });
    let revoked = matches!(event, Event::AttemptRevoked { .. });
    planted::has(Bug::FinishAfterExpiry) && lost || planted::has(Bug::LoseSlotOnCancel) && revoked
}

/// Whether the lease that an event ends was ended by its holder's word, and not by silence, a halt or
/// a person: what the holder says after those comes too late.
fn told_by_holder(event: &Event) -> bool {
    if let Event::CritiqueEnded { outcome, .. } = event {
        return !matches!(outcome, CritiqueOutcome::Lost | CritiqueOutcome::Halted);
    }
    !matches!(
        event,
        Event::AttemptFailed { class: Class::Lost, .. }
            | Event::AttemptHalted { .. }
            | Event::AttemptRevoked { .. }
    )
}

#[cfg(test)]
mod tests;
