//! No history of commands, times and breaks leads the queue out of its invariants.
//!
//! A small reference follows the log alone: who holds what, which tasks are over, what the controls
//! forbid. The queue's own state is asked only for what a caller could see.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use vivarium_ledger::aggregate::Claimed;
use vivarium_ledger::{Aggregate, Context, Meta, TextRef};
use vivarium_queue::domain::add::Proposal;
use vivarium_queue::domain::control::Hello;
use vivarium_queue::domain::edit::{Edit, IntentEdit, Wanted};
use vivarium_queue::domain::event::{Event, ReturnedFor, Work};
use vivarium_queue::domain::finish::Outcome;
use vivarium_queue::domain::lease::{Granted, Held, Purpose};
use vivarium_queue::domain::level::{Consent, Wanted as LevelWanted};
use vivarium_queue::domain::order::WaitReason;
use vivarium_queue::domain::propose::Wish;
use vivarium_queue::domain::recurrence::{Created, Next, Schedule, Standing};
use vivarium_queue::domain::retry::{ATTEMPTS_MAX, Class};
use vivarium_queue::domain::runner::Times;
use vivarium_queue::domain::split::{self, Part, Plan};
use vivarium_queue::domain::steer::{Redrive, Verdict};
use vivarium_queue::domain::task::{Added, Kind, Mode, OnFailure, Spec, State, Thoroughness};
use vivarium_queue::domain::world::{Mode as Level, Pace};
use vivarium_queue::domain::{Command, Queue};
use vivarium_types::ids::{Id as _, InstanceId, LeaseId, ResidentId, SubmissionId, TaskId};
use vivarium_types::source::Hash;
use vivarium_types::{Actor, IdSource, MicroUsd, Timestamp};

#[path = "support/kept.rs"]
mod kept;
#[path = "support/oracle.rs"]
mod oracle;

use kept::Kept;

const RESIDENTS: u128 = 3;
/// World time behind which priorities begin to rise.
const AGEING_US: i64 = 600_000_000;
const SLOTS: u32 = 4;
/// The number of the outcome by which a holder obeys a halt.
const HALTED: u8 = 10;

/// One thing that somebody does. Numbers pick among what is there.
#[derive(Debug, Clone, Copy)]
enum Op {
    Add {
        priority: u8,
        apart: Apart,
        local: bool,
        pin: Option<u8>,
        skill: Option<u8>,
        after: Option<u8>,
    },
    Finish {
        lease: u8,
        how: u8,
    },
    Plan {
        lease: u8,
        shape: u8,
    },
    Propose {
        lease: u8,
        like: u8,
    },
    Admit {
        task: u8,
        changed: bool,
    },
    Refuse {
        task: u8,
    },
    FinishLate {
        lease: u8,
    },
    Record {
        lease: u8,
        key: u8,
        late: bool,
    },
    Verdict {
        task: u8,
        accepted: bool,
        content: u8,
    },
    AskCritique {
        task: u8,
    },
    AskHuman {
        task: u8,
    },
    Cancel {
        task: u8,
    },
    Pause {
        task: u8,
    },
    Resume {
        task: u8,
    },
    Requeue {
        task: u8,
    },
    Edit {
        task: u8,
        what: u8,
        after: Option<u8>,
    },
    Redrive {
        limit: u8,
    },
    Recur {
        number: u8,
        days: bool,
    },
    SteerRecurrence {
        number: u8,
        standing: u8,
    },
    Beat,
    Wait {
        seconds: u16,
    },
    Credit,
    Halt,
    EndHalt,
    Pace {
        pace: u8,
    },
    Step,
    NewStart {
        keep: u8,
    },
    Exit {
        late: bool,
    },
    Disconnect,
    Restart,
    Resident {
        number: u8,
        active: bool,
    },
    Provider {
        usable: bool,
    },
    /// A person sets what the world, or one resident, may do.
    Level {
        number: Option<u8>,
        raised: bool,
    },
    /// A person decides about the program that a task is held for.
    Program {
        task: u8,
        changed: bool,
        allowed: bool,
    },
    /// A human says what a resident is good at.
    Skill {
        number: u8,
        skill: Option<u8>,
        both: bool,
    },
}

/// Beside what a task may run.
#[derive(Debug, Clone, Copy)]
struct Apart {
    alone: bool,
    key: bool,
}

fn apart() -> impl Strategy<Value = Apart> {
    (prop::bool::weighted(0.1), prop::bool::weighted(0.2))
        .prop_map(|(alone, key)| Apart { alone, key })
}

/// What residents may be good at.
const SKILLS: [&str; 2] = ["qa", "testing"];

fn skill(number: u8) -> String {
    SKILLS[usize::from(number)].to_owned()
}

fn op() -> impl Strategy<Value = Op> {
    let flag = any::<bool>;
    prop_oneof![
        6 => (0..10_u8, apart(), prop::bool::weighted(0.2), prop::option::weighted(0.2, 0..4_u8),
              prop::option::weighted(0.2, 0..2_u8), prop::option::weighted(0.2, any::<u8>()))
            .prop_map(|(priority, apart, local, pin, skill, after)| {
                Op::Add { priority, apart, local, pin, skill, after }
            }),
        6 => (any::<u8>(), any::<u8>()).prop_map(|(lease, how)| Op::Finish { lease, how }),
        3 => (any::<u8>(), 0..6_u8).prop_map(|(lease, shape)| Op::Plan { lease, shape }),
        2 => (any::<u8>(), 0..8_u8).prop_map(|(lease, like)| Op::Propose { lease, like }),
        2 => (any::<u8>(), prop::bool::weighted(0.2))
            .prop_map(|(task, changed)| Op::Admit { task, changed }),
        1 => any::<u8>().prop_map(|task| Op::Refuse { task }),
        1 => any::<u8>().prop_map(|lease| Op::FinishLate { lease }),
        2 => (any::<u8>(), 0..3_u8, prop::bool::weighted(0.2))
            .prop_map(|(lease, key, late)| Op::Record { lease, key, late }),
        5 => (any::<u8>(), flag(), 0..3_u8)
            .prop_map(|(task, accepted, content)| Op::Verdict { task, accepted, content }),
        3 => any::<u8>().prop_map(|task| Op::AskCritique { task }),
        1 => any::<u8>().prop_map(|task| Op::AskHuman { task }),
        1 => any::<u8>().prop_map(|task| Op::Cancel { task }),
        1 => any::<u8>().prop_map(|task| Op::Pause { task }),
        1 => any::<u8>().prop_map(|task| Op::Resume { task }),
        2 => any::<u8>().prop_map(|task| Op::Requeue { task }),
        3 => (any::<u8>(), any::<u8>(), prop::option::weighted(0.5, any::<u8>()))
            .prop_map(|(task, what, after)| Op::Edit { task, what, after }),
        1 => (1..4_u8).prop_map(|limit| Op::Redrive { limit }),
        1 => (0..3_u8, flag()).prop_map(|(number, days)| Op::Recur { number, days }),
        1 => (0..3_u8, 0..3_u8)
            .prop_map(|(number, standing)| Op::SteerRecurrence { number, standing }),
        4 => Just(Op::Beat),
        6 => (0..90_u16).prop_map(|seconds| Op::Wait { seconds }),
        5 => Just(Op::Credit),
        1 => Just(Op::Halt),
        2 => Just(Op::EndHalt),
        2 => (0..6_u8).prop_map(|pace| Op::Pace { pace }),
        1 => Just(Op::Step),
        1 => any::<u8>().prop_map(|keep| Op::NewStart { keep }),
        1 => any::<bool>().prop_map(|late| Op::Exit { late }),
        1 => Just(Op::Disconnect),
        1 => Just(Op::Restart),
        1 => (1..4_u8, flag()).prop_map(|(number, active)| Op::Resident { number, active }),
        1 => prop::bool::weighted(0.8).prop_map(|usable| Op::Provider { usable }),
        2 => (prop::option::of(1..4_u8), prop::bool::weighted(0.7))
            .prop_map(|(number, raised)| Op::Level { number, raised }),
        2 => (any::<u8>(), prop::bool::weighted(0.2), flag())
            .prop_map(|(task, changed, allowed)| Op::Program { task, changed, allowed }),
        2 => (1..4_u8, prop::option::of(0..2_u8), flag())
            .prop_map(|(number, skill, both)| Op::Skill { number, skill, both }),
    ]
}

/// What the log alone says.
#[derive(Debug, Default)]
struct Reference {
    added: BTreeSet<TaskId>,
    over: BTreeMap<TaskId, State>,
    live: BTreeMap<LeaseId, (TaskId, Option<ResidentId>)>,
    critiques: BTreeMap<LeaseId, SubmissionId>,
    ended: Vec<Held>,
    /// Leases that their holder ended with a word of its own.
    told: BTreeSet<LeaseId>,
    attempts: BTreeMap<TaskId, u32>,
    /// What attempts of the present round recorded.
    effects: BTreeSet<(TaskId, String)>,
    /// Proposals that nobody has admitted.
    proposed: BTreeSet<TaskId>,
    /// Children by the task that was split into them.
    children: BTreeMap<TaskId, Vec<TaskId>>,
    /// Children that a person let go by opening their parent again.
    forgone: BTreeSet<TaskId>,
    /// What each resident is good at.
    skills: BTreeMap<ResidentId, BTreeSet<String>>,
    /// What a person consented to last, by resident.
    consents: BTreeMap<ResidentId, Consent>,
    /// What the world may do.
    level: Option<Level>,
    /// The programs that tasks are held for.
    programs: BTreeMap<TaskId, Hash>,
    /// The last instance of each recurrence.
    fired: BTreeMap<String, TaskId>,
    last_token: u64,
    last_start: Option<Timestamp>,
    halted: bool,
    pace: Option<Pace>,
    steps_left: u32,
    control_epoch: u64,
    day: u64,
    world_time_us: i64,
}

impl Reference {
    fn take(&mut self, event: &Event, meta: &Meta, before: &Queue) {
        match event {
            Event::TaskAdded(added) => self.add(added, before),
            Event::TaskProposed(proposed) => self.propose(&proposed.added, before),
            Event::TaskAdmitted { task, hash, .. } => {
                assert!(self.proposed.remove(task), "only a proposal is admitted");
                assert_eq!(before.tasks[task].proposal_hash(), *hash, "as it was read");
            }
            Event::TaskSplit(split) => {
                let again = self.children.insert(split.task, split.children.clone());
                assert!(again.is_none(), "a task is split once");
                let depth = before.tasks[&split.task].added.depth();
                assert!(depth < 2, "no child lies three splits deep");
                self.end_round(split.task);
            }
            Event::EffectRecorded(recorded) => {
                let task = self.live.get(&recorded.lease).map(|(task, _)| *task);
                assert_eq!(task, Some(recorded.task), "only a live lease records");
                let fresh = self.effects.insert((recorded.task, recorded.key.clone()));
                assert!(fresh, "an effect is recorded once a round");
            }
            Event::TaskRequeued(requeued) => self.end_round(requeued.task),
            Event::TaskReopened { task, .. } => {
                let broken = |id: &&TaskId| broken(before, **id);
                let children = self.children.get(task).into_iter().flatten();
                self.forgone.extend(children.filter(broken));
                self.end_round(*task);
            }
            Event::TaskEdited(edited) => {
                self.end_round(edited.task);
                let leased = self.live.values().any(|(task, _)| *task == edited.task);
                assert!(edited.reorders_only() || !leased, "no edit while it is leased");
                assert!(!self.over.contains_key(&edited.task), "what is over is not edited");
            }
            Event::LeaseGranted(granted) => self.grant(granted, meta, before),
            Event::AttemptFinished(done) => self.end(done.end.lease),
            Event::AttemptDeclined { end, .. }
            | Event::AttemptWaits { end, .. }
            | Event::AttemptFailed { end, .. }
            | Event::AttemptReturned { end, .. }
            | Event::AttemptHalted { end, .. }
            | Event::AttemptRevoked { end, .. } => self.end(end.lease),
            Event::AttemptBlocked { end, hash, program, .. } => {
                self.end(end.lease);
                self.programs.remove(&end.task);
                self.programs.extend(program.as_ref().map(|_| (end.task, *hash)));
            }
            Event::ProgramDecided { task, hash, .. } => {
                let held = self.programs.remove(task);
                assert_eq!(
                    held,
                    Some(*hash),
                    "only what it is held for is decided, as it was read"
                );
            }
            Event::CritiqueEnded { lease, .. } => {
                assert!(self.critiques.remove(lease).is_some(), "a critique ends once");
            }
            Event::TaskApproved(approved) => self.finish(approved.task, State::Approved),
            Event::TaskCancelled { task, .. } => self.finish(*task, State::Cancelled),
            Event::HaltSet { .. }
            | Event::Resumed { .. }
            | Event::PaceSet { .. }
            | Event::StepsBought { .. }
            | Event::ModeSet { .. }
            | Event::ResidentLevelSet { .. }
            | Event::CalendarSet { .. }
            | Event::LimitsSet { .. } => self.take_control(event),
            Event::DayStarted(day) => {
                assert_eq!(day.day, self.day + 1, "days come in order, once");
                self.day = day.day;
            }
            Event::WorldTimeNoted { world_time_us } => {
                assert!(*world_time_us > self.world_time_us, "world time moves forward");
                self.world_time_us = *world_time_us;
            }
            Event::SpecializationsNoted { resident, specializations } => {
                self.skills.insert(*resident, specializations.clone());
            }
            Event::TaskReady { .. }
            | Event::TaskAwaitsHuman { .. }
            | Event::TaskFailed(_)
            | Event::TaskPaused { .. }
            | Event::TaskResumed { .. }
            | Event::CritiqueQueued { .. }
            | Event::HaltAcknowledged(_)
            | Event::RunnerJoined { .. }
            | Event::RunnerLeft { .. }
            | Event::ResidentNoted { .. }
            | Event::ProviderNoted { .. }
            | Event::RecurrenceCreated(_)
            | Event::RecurrenceFired(_)
            | Event::RecurrenceSteered(_)
            | Event::FactIgnored(_)
            | Event::FactParked(_)
            | Event::SegmentClosed(_) => {}
        }
    }

    /// A change of the controls.
    fn take_control(&mut self, event: &Event) {
        let (Event::HaltSet { control_epoch, .. }
        | Event::Resumed { control_epoch, .. }
        | Event::PaceSet { control_epoch, .. }
        | Event::StepsBought { control_epoch, .. }
        | Event::ModeSet { control_epoch, .. }
        | Event::ResidentLevelSet { control_epoch, .. }
        | Event::CalendarSet { control_epoch, .. }
        | Event::LimitsSet { control_epoch, .. }) = event
        else {
            return;
        };
        self.raise(*control_epoch);
        if let Event::HaltSet { .. } | Event::Resumed { .. } = event {
            self.halted = matches!(event, Event::HaltSet { .. });
        } else if let Event::PaceSet { pace, .. } = event {
            self.pace = Some(*pace);
            self.steps_left = 0;
        } else if let Event::StepsBought { steps_left, .. } = event {
            self.steps_left = *steps_left;
        } else if let Event::ModeSet { mode, .. } = event {
            self.level = Some(*mode);
        } else if let Event::ResidentLevelSet { resident, consent, .. } = event {
            self.consents.insert(*resident, *consent);
        }
    }

    fn add(&mut self, added: &Added, before: &Queue) {
        assert!(self.added.insert(added.task), "added once");
        if let Some(recurrence) = &added.recurrence {
            let last = self.fired.insert(recurrence.clone(), added.task);
            let open = last.is_some_and(|last| !before.state_of(last).is_final());
            assert!(!open, "a recurrence never has two open instances");
        }
    }

    fn propose(&mut self, added: &Added, before: &Queue) {
        let (task, by) = (added.task, &added.submitter);
        assert!(self.added.insert(task) && self.proposed.insert(task), "proposed once");
        let open = before.tasks.values().filter(|t| t.proposed && t.added.submitter == *by);
        assert!(open.count() < 3, "nobody has four open proposals");
    }

    fn end_round(&mut self, task: TaskId) {
        self.effects.retain(|(other, _)| *other != task);
    }

    fn grant(&mut self, granted: &Granted, meta: &Meta, before: &Queue) {
        assert!(!self.halted, "a halted world grants nothing");
        assert!(meta.sequence > self.last_token, "tokens ascend");
        self.last_token = meta.sequence;
        self.check_pace(meta.time);
        if let Some(submission) = granted.submission {
            let same = self.critiques.values().any(|other| *other == submission);
            assert!(!same, "one live critique a submission");
            self.critiques.insert(granted.lease, submission);
            return;
        }
        let (task, resident) = (granted.task, granted.resident);
        assert!(!self.over.contains_key(&task), "what is over is not granted");
        for (other_task, other_resident) in self.live.values() {
            assert_ne!(*other_task, task, "one live lease a task");
            assert!(resident.is_none() || *other_resident != resident, "one a resident");
        }
        if let (Some(who), Some(wanted)) = (resident, &before.tasks[&task].spec().specialization) {
            let able = self.skills.get(&who).is_some_and(|held| held.contains(wanted));
            assert!(able, "who works is good at what is asked for");
        }
        let consent = |id| self.consents.get(&id).filter(|consent| meta.time < consent.end);
        let own = resident.map(|id| consent(id).map_or(Level::DocsOnly, |consent| consent.level));
        let world = self.level.unwrap_or(Level::DocsOnly);
        let lowest = own.unwrap_or(world).min(world).min(before.tasks[&task].spec().level_max);
        assert_eq!(granted.level, lowest, "the lowest of world, resident and task");
        assert!(!self.proposed.contains(&task), "nobody works on what is not admitted");
        for child in self.children.get(&task).into_iter().flatten() {
            let done = before.state_of(*child) == State::Approved || self.forgone.contains(child);
            assert!(done, "it is put together when its last child is approved");
        }
        let number = self.attempts.entry(task).or_default();
        *number += 1;
        assert_eq!(*number, granted.attempt_number, "attempts count up");
        check_order(before, granted.task);
        check_exclusion(before, granted.task);
        self.live.insert(granted.lease, (task, resident));
    }

    fn check_pace(&mut self, now: Timestamp) {
        let pace = self.pace.unwrap_or(Pace::Wait(2));
        assert_ne!(pace, Pace::Paused, "a paused world starts nothing");
        match pace {
            Pace::Paused => {}
            Pace::Step => {
                self.steps_left = self.steps_left.checked_sub(1).expect("each start is bought");
            }
            Pace::Wait(seconds) => {
                let apart = self
                    .last_start
                    .is_none_or(|last| now.since(last) >= Duration::from_secs(u64::from(seconds)));
                assert!(apart, "two starts lie the pace apart");
            }
        }
        self.last_start = Some(now);
    }

    fn end(&mut self, lease: LeaseId) {
        assert!(self.live.remove(&lease).is_some(), "a lease ends once");
    }

    fn finish(&mut self, task: TaskId, state: State) {
        assert!(self.over.insert(task, state).is_none(), "what is over stays as it is");
    }

    fn raise(&mut self, control_epoch: u64) {
        assert!(control_epoch > self.control_epoch, "the control epoch never falls");
        self.control_epoch = control_epoch;
    }
}

/// Whether nothing comes of a task any more.
fn broken(queue: &Queue, task: TaskId) -> bool {
    matches!(queue.state_of(task), State::Failed | State::Cancelled)
}

/// No plain task that is ready comes before the one that is granted: by priority, then by age.
fn check_order(queue: &Queue, granted: TaskId) {
    let ageing = queue.world_time_us() >= AGEING_US;
    let plain = |spec: &Spec| {
        spec.mode == Mode::Llm
            && spec.resident.is_none()
            && spec.concurrency_key.is_none()
            && spec.specialization.is_none()
            && spec.parallel_safe
    };
    let chosen = &queue.tasks[&granted];
    assert_eq!(chosen.state, State::Ready, "only what is ready is granted");
    if ageing || !plain(chosen.spec()) {
        return;
    }
    let key = |task: &vivarium_queue::domain::task::Task| {
        let turn = oracle::turn(queue, task);
        (std::cmp::Reverse(task.spec().priority), turn, task.ready_since, task.id())
    };
    for other in queue.tasks.values() {
        let same = plain(other.spec()) && other.declined.is_empty() && chosen.declined.is_empty();
        if other.state == State::Ready && same && other.series_cost == MicroUsd::ZERO {
            assert!(key(other) >= key(chosen), "{:?} comes before {:?}", other.id(), granted);
        }
    }
}

fn check_exclusion(queue: &Queue, granted: TaskId) {
    let alone = |task: TaskId| {
        let spec = queue.tasks[&task].spec();
        !spec.parallel_safe && spec.concurrency_key.is_none()
    };
    let works = queue.leases.values().filter(|lease| lease.granted.purpose != Purpose::Critique);
    let running: Vec<TaskId> = works.map(|lease| lease.granted.task).collect();
    assert!(!alone(granted) || running.is_empty(), "it runs alone");
    assert!(!running.iter().any(|task| alone(*task)), "nothing beside what runs alone");
    if let Some(key) = &queue.tasks[&granted].spec().concurrency_key {
        let same = |task: &&TaskId| queue.tasks[*task].spec().concurrency_key.as_ref() == Some(key);
        assert!(running.iter().filter(same).count() < 2, "a key of two has never three");
    }
}

struct Model {
    queue: Queue,
    reference: Reference,
    log: Vec<(Event, Meta)>,
    ids: IdSource,
    now: Timestamp,
    instance: u128,
    stream: u64,
    /// Where the log lies, when it lies anywhere.
    kept: Option<Kept>,
}

impl Model {
    fn new(kept: Option<Kept>) -> Self {
        let mut model = Self {
            kept,
            queue: Queue::default(),
            reference: Reference::default(),
            log: Vec::new(),
            ids: IdSource::seeded(7),
            now: Timestamp::from_millis(1_795_406_400_000),
            instance: 0,
            stream: 0,
        };
        model.turn(|queue| queue.start(Times::default()));
        for number in 1..=RESIDENTS {
            model.resident(number, true);
        }
        model.hello(Vec::new());
        model
    }

    /// A holder whose lease has ended says that it is done.
    fn finish_late(&mut self, lease: u8) {
        let ended = &self.reference.ended;
        let Some(held) = ended.get(usize::from(lease) % ended.len().max(1)).copied() else {
            return;
        };
        let before = self.log.len();
        let told = self.reference.told.contains(&held.lease);
        assert_eq!(self.end(held, 0), told, "only a word that is repeated is taken");
        let ends = self.log[before..].iter();
        let stolen = ends.filter(|(event, _)| matches!(event, Event::AttemptFinished(_)));
        assert_eq!(stolen.count(), 0, "a late finish changes nothing");
    }

    fn step(&mut self, op: Op) {
        match op {
            Op::Add { priority, apart: Apart { alone, key }, local, pin, skill: wanted, after } => {
                let asked = Spec {
                    parallel_safe: !alone,
                    concurrency_key: key.then(|| "k".to_owned()),
                    concurrency_limit: if key { 2 } else { 1 },
                    mode: if local { Mode::Local } else { Mode::Llm },
                    resident: pin.map(|pin| ResidentId::from_number(u128::from(pin))),
                    specialization: wanted.filter(|_| !local).map(skill),
                    level_max: if priority > 5 { Level::ApplyApproved } else { Level::DocsOnly },
                    ..spec()
                };
                self.add(priority, asked, after);
            }
            Op::Finish { lease, how } => {
                if let Some(held) = self.lease(lease) {
                    assert!(self.end(held, how), "the live token ends its lease");
                    if how % 12 != HALTED {
                        self.reference.told.insert(held.lease);
                    }
                }
            }
            Op::Plan { lease, shape } => self.plan(lease, shape),
            Op::Propose { lease, like } => self.propose(lease, like),
            Op::Admit { task, changed } => {
                let hash = self.proposal_hash(task).filter(|_| !changed).unwrap_or_default();
                self.steer(task, |task| Command::Admit { task, hash });
            }
            Op::Refuse { task } => {
                let hash = self.proposal_hash(task).unwrap_or_default();
                self.steer(task, |task| Command::Refuse { task, hash, reason: None });
            }
            Op::FinishLate { lease } => self.finish_late(lease),
            Op::Record { lease, key, late } => self.record(lease, key, late),
            Op::Verdict { task, accepted, content } => self.verdict(task, accepted, content),
            Op::AskCritique { task } => {
                let ask = |submission, task| Command::AskCritique { submission, task };
                self.ask(task, ask);
            }
            Op::AskHuman { task } => {
                self.ask(task, |submission, task| Command::AskHuman { submission, task });
            }
            Op::Cancel { task } => {
                self.steer(task, |task| Command::Cancel { task, reason: None });
            }
            Op::Pause { task } => self.steer(task, |task| Command::Pause { task }),
            Op::Resume { task } => self.steer(task, |task| Command::ResumeTask { task }),
            Op::Requeue { task } => self.steer(task, |task| Command::Requeue { task }),
            Op::Edit { task, what, after } => self.edit(task, what, after),
            Op::Redrive { limit } => {
                let (tasks, class, limit) = (Vec::new(), None, usize::from(limit));
                self.run(Command::Redrive(Redrive { tasks, class, limit }));
            }
            Op::Recur { number, days } => self.recur(number, days),
            Op::SteerRecurrence { number, standing } => self.steer_recurrence(number, standing),
            Op::Beat => {
                let (held, instance) = (self.all_held(), InstanceId::from_number(self.instance));
                self.turn(move |queue| drop(queue.beat(instance, &held)));
            }
            Op::Wait { seconds } => self.advance(Duration::from_secs(u64::from(seconds))),
            Op::Credit => {
                let stream = self.stream;
                self.turn(move |queue| queue.credit("executor", stream, SLOTS));
            }
            Op::Halt => {
                self.run(Command::SetHalt { reason: text() });
            }
            Op::EndHalt => {
                self.run(Command::EndHalt { reason: text() });
            }
            Op::Pace { pace } => self.pace(pace),
            Op::Step => {
                self.run(Command::Step { count: 2 });
            }
            Op::NewStart { keep } => {
                let held = self.all_held().into_iter().enumerate();
                let kept = held.filter(|(at, _)| keep >> (at % 8) & 1 == 1).map(|(_, held)| held);
                self.hello(kept.collect());
            }
            Op::Exit { late } => {
                let ended = InstanceId::from_number(self.instance - u128::from(late));
                self.turn(move |queue| queue.exited("executor", ended));
            }
            Op::Disconnect => {
                let stream = self.stream;
                self.turn(move |queue| queue.disconnect("executor", stream));
            }
            Op::Restart => self.restart(),
            Op::Resident { number, active } => self.resident(u128::from(number), active),
            Op::Skill { number, skill, both } => self.specialize(number, skill, both),
            Op::Level { number, raised } => self.level(number.map(u128::from), raised),
            Op::Program { task, changed, allowed } => self.decide_program(task, changed, allowed),
            Op::Provider { usable } => {
                self.run(Command::NoteProvider { usable });
            }
        }
    }

    fn level(&mut self, number: Option<u128>, raised: bool) {
        let level = if raised { Level::RunSandboxed } else { Level::DocsOnly };
        let reason = text();
        self.run(match number.map(ResidentId::from_number) {
            None => Command::SetMode { mode: level, reason },
            Some(resident) => {
                let (days, after_texts) = (1, true);
                Command::SetLevel(LevelWanted { resident, level, days, after_texts, reason })
            }
        });
    }

    fn decide_program(&mut self, pick: u8, changed: bool, allowed: bool) {
        let held =
            self.task(pick).and_then(|task| self.queue.tasks.get(&task)?.held_program.clone());
        let hash = held.filter(|_| !changed).map(|held| held.hash).unwrap_or_default();
        self.steer(pick, |task| Command::DecideProgram { task, hash, allowed, feedback: None });
    }

    fn plan(&mut self, lease: u8, shape: u8) {
        let Some(held) = self.lease(lease) else { return };
        let shapes: [&[(u32, &[usize])]; 6] = [
            &[(50, &[]), (50, &[])],
            &[(60, &[]), (40, &[0])],
            &[(20, &[]), (20, &[0]), (20, &[1]), (20, &[0, 2]), (20, &[])],
            &[(50, &[1]), (50, &[0])],
            &[(100, &[])],
            &[(50, &[]), (49, &[])],
        ];
        let parts = shapes[usize::from(shape)].iter().map(|(share, after)| Part {
            title: text(),
            instruction: text(),
            after: after.iter().copied().collect(),
            share: *share,
        });
        let plan = Plan { reason: text(), parts: parts.collect() };
        let work = Work { how: "split".into(), plan: Some(Box::new(plan)), ..Work::default() };
        let lease = &self.queue.leases[&held.lease];
        let task = self.queue.tasks.get(&lease.granted.task);
        let critique = lease.granted.purpose == Purpose::Critique;
        let fits = shape < 3 && task.is_some_and(|task| split::may_split(task));
        let taken = self.finish(held, Outcome::Finished(work));
        assert_eq!(taken, critique || fits, "only a sound plan for a whole task is taken");
        if taken {
            self.reference.told.insert(held.lease);
        }
    }

    fn propose(&mut self, lease: u8, like: u8) {
        let Some(held) = self.lease(lease) else { return };
        let (title, instruction) = (text(), text());
        self.run(Command::Propose(Box::new(Wish {
            held,
            proposal: Proposal { spec: spec(), title, instruction, intent: None },
            why: text(),
            likeness: Hash([like; 32]),
            ancestors: BTreeSet::from([Hash::default()]),
            open_max: 2_048,
        })));
    }

    fn proposal_hash(&self, pick: u8) -> Option<Hash> {
        let task = self.queue.tasks.get(&self.task(pick)?)?;
        Some(task.proposal_hash())
    }

    fn restart(&mut self) {
        let bytes = postcard::to_stdvec(&self.queue).expect("a state is bytes");
        self.queue = match &mut self.kept {
            None => postcard::from_bytes(&bytes).expect("and reads back"),
            Some(kept) => kept.restart(),
        };
        let again = postcard::to_stdvec(&self.queue).expect("a state is bytes");
        assert_eq!(again, bytes, "a restart brings the state back");
        self.turn(|queue| queue.start(Times::default()));
    }

    fn record(&mut self, lease: u8, key: u8, late: bool) {
        let ended = &self.reference.ended;
        let ended = ended.get(usize::from(lease) % ended.len().max(1)).copied();
        let Some(held) = (if late { ended } else { self.lease(lease) }) else { return };
        let key = format!("call:{key}");
        let before = self.log.len();
        self.run(Command::RecordEffect { held, key: key.clone(), result: text() });
        let told = self.queue.effect(held, &key);
        if late {
            assert_eq!(self.log.len(), before, "who lost the lease records nothing");
            assert!(told.is_err(), "and is told nothing");
        } else if let Ok(told) = told {
            let task = self.queue.leases[&held.lease].granted.task;
            let known = self.reference.effects.contains(&(task, key));
            assert_eq!(told.is_some(), known, "what is recorded is told");
        }
    }

    fn add(&mut self, priority: u8, spec: Spec, after: Option<u8>) {
        let depends_on = after.and_then(|pick| self.task(pick));
        let on_failure = match priority % 3 {
            0 => OnFailure::Hold,
            1 => OnFailure::Cancel,
            _ => OnFailure::RunAnyway,
        };
        let depends_on = depends_on.into_iter().map(|task| task.to_string()).collect();
        let spec = Spec { priority, depends_on, on_failure, ..spec };
        let proposals = vec![Proposal { spec, title: text(), instruction: text(), intent: None }];
        self.run(Command::Add { proposals, open_max: 100 });
    }

    fn edit(&mut self, task: u8, what: u8, after: Option<u8>) {
        let Some(task) = self.task(task) else { return };
        let Some(known) = self.queue.tasks.get(&task) else { return };
        let on = after.and_then(|pick| self.task(pick)).map(|on| on.to_string());
        let old = known.spec().clone();
        let (field, spec) = match what % 4 {
            0 => ("priority", Spec { priority: what % 10, ..old }),
            1 => ("depends_on", Spec { depends_on: on.into_iter().collect(), ..old }),
            2 => ("parallel_safe", Spec { parallel_safe: what > 128, ..old }),
            _ => {
                let later = self.now + Duration::from_secs(u64::from(what));
                ("not_before_time", Spec { not_before: Some(later), ..old })
            }
        };
        let fields = BTreeSet::from([field.to_owned()]);
        let (title, instruction, intent) = (None, None, IntentEdit::Keep);
        let wanted = Some(Wanted { spec, fields, title, instruction, intent });
        let (revision, task) = (known.revision, task.to_string());
        self.run(Command::Edit(Box::new(Edit { task, revision, wanted })));
    }

    fn recur(&mut self, number: u8, days: bool) {
        let schedule = if days { Schedule::Days(1) } else { Schedule::Cron("* * * * *".into()) };
        self.run(Command::CreateRecurrence(Box::new(Created {
            key: format!("r{number}"),
            spec: Spec { rest_day_ok: false, ..spec() },
            title: text(),
            instruction: text(),
            intent: None,
            schedule,
            submitter: String::new(),
            next: Next::Never,
        })));
    }

    fn steer_recurrence(&mut self, number: u8, standing: u8) {
        let standing = [Standing::Active, Standing::Paused, Standing::Ended][usize::from(standing)];
        self.run(Command::SteerRecurrence { key: format!("r{number}"), standing });
    }

    fn pace(&mut self, pick: u8) {
        let pace = match pick {
            0 => Pace::Paused,
            1 => Pace::Step,
            2 => Pace::Wait(7),
            _ => Pace::Wait(0),
        };
        self.run(Command::SetPace { pace, reason: None });
    }

    fn submission(&self, pick: u8) -> Option<(SubmissionId, TaskId)> {
        let task = self.task(pick)?;
        Some((self.queue.tasks.get(&task)?.submission?, task))
    }

    fn ask(&mut self, pick: u8, command: impl Fn(SubmissionId, TaskId) -> Command) {
        if let Some((submission, task)) = self.submission(pick) {
            self.run(command(submission, task));
        }
    }

    fn verdict(&mut self, pick: u8, accepted: bool, content: u8) {
        let Some((submission, task)) = self.submission(pick) else { return };
        self.run(Command::Verdict(Verdict {
            submission,
            task,
            accepted,
            confidence_permille: 0,
            feedback: Vec::new(),
            content_hash: Some(Hash([content; 32])),
        }));
    }

    fn end(&mut self, held: Held, how: u8) -> bool {
        let outcome = match how % 12 {
            0..=5 => Outcome::Finished(Work { how: "finished".into(), ..Work::default() }),
            6 => Outcome::Declined(text()),
            7 => Outcome::Waits("let_1".into()),
            8 => Outcome::Returned {
                why: ReturnedFor::Rate,
                scope: String::new(),
                retry_after: None,
            },
            9 => Outcome::Blocked {
                rule: "r".into(),
                held: how > 128,
                hash: Hash([how; 32]),
                program: (how > 190).then(text),
            },
            HALTED => Outcome::Halted,
            _ => Outcome::Failed {
                class: Class::Transient,
                message: String::new(),
                retry_after: None,
            },
        };
        self.finish(held, outcome)
    }

    fn finish(&mut self, held: Held, outcome: Outcome) -> bool {
        self.run(Command::Finish {
            held,
            instance: InstanceId::from_number(self.instance),
            cost: MicroUsd::ZERO,
            outcome: Box::new(outcome),
        })
    }

    fn hello(&mut self, resumes: Vec<Held>) {
        self.instance += 1;
        self.stream += 1;
        let (instance, stream) = (InstanceId::from_number(self.instance), self.stream);
        self.run(Command::Hello(Hello {
            runner: "executor".into(),
            instance,
            slots: SLOTS,
            resumes,
            runners_max: 1,
        }));
        self.turn(move |queue| {
            queue.connect("executor", instance, stream);
            queue.credit("executor", stream, SLOTS);
        });
    }

    fn resident(&mut self, number: u128, active: bool) {
        let resident = ResidentId::from_number(number);
        self.run(Command::NoteResident { resident, active, words: Vec::new() });
    }

    fn specialize(&mut self, number: u8, given: Option<u8>, both: bool) {
        let resident = ResidentId::from_number(u128::from(number));
        let all = if both { vec![0, 1] } else { given.into_iter().collect() };
        let specializations = all.into_iter().map(skill).collect();
        self.run(Command::NoteSpecializations { resident, specializations });
    }

    fn steer(&mut self, pick: u8, command: impl Fn(String) -> Command) {
        if let Some(task) = self.task(pick) {
            self.run(command(task.to_string()));
        }
    }

    fn task(&self, pick: u8) -> Option<TaskId> {
        let added = &self.reference.added;
        added.iter().nth(usize::from(pick) % added.len().max(1)).copied()
    }

    fn all_held(&self) -> Vec<Held> {
        let leases = self.queue.leases.iter();
        leases.map(|(id, lease)| Held { lease: *id, token: lease.token }).collect()
    }

    fn lease(&self, pick: u8) -> Option<Held> {
        let held = self.all_held();
        held.get(usize::from(pick) % held.len().max(1)).copied()
    }

    /// A command; a refusal changes nothing. Whether it was accepted.
    fn run(&mut self, command: Command) -> bool {
        self.queue.tick(self.now);
        let actor = Actor::Operator("test".into());
        let facts = BTreeMap::<String, Claimed>::new();
        let next = self.log.len() as u64 + 1;
        let cx = Context::new(self.now, &actor, next, &mut self.ids, &facts);
        let decided = self.queue.decide(command, &cx);
        let accepted = decided.is_ok();
        self.accept(&actor, decided.unwrap_or_default());
        self.settle();
        accepted
    }

    fn turn(&mut self, change: impl FnOnce(&mut Queue)) {
        self.queue.tick(self.now);
        change(&mut self.queue);
        self.settle();
    }

    fn advance(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(wake) = self.queue.next_wake().filter(|wake| *wake <= end) {
            self.now = wake;
            self.turn(|_| {});
        }
        self.now = end;
        self.turn(|_| {});
    }

    fn settle(&mut self) {
        let own = Actor::service("queue");
        let facts = BTreeMap::<String, Claimed>::new();
        for round in 0.. {
            assert!(round < 64, "after_batch goes round in a circle");
            let next = self.log.len() as u64 + 1;
            let cx = Context::new(self.now, &own, next, &mut self.ids, &facts);
            let events = self.queue.after_batch(&cx);
            if events.is_empty() {
                return self.check();
            }
            self.accept(&own, events);
        }
    }

    fn accept(&mut self, actor: &Actor, events: Vec<Event>) {
        let first = self.log.len();
        for event in events {
            let sequence = self.log.len() as u64 + 1;
            let meta = Meta { sequence, time: self.now, actor: actor.clone() };
            self.reference.take(&event, &meta, &self.queue);
            if let Event::LeaseGranted(granted) = &event {
                self.reference.ended.retain(|held| held.lease != granted.lease);
            }
            let before = self.all_held();
            self.queue.apply(&event, &meta);
            let gone =
                before.into_iter().filter(|held| !self.queue.leases.contains_key(&held.lease));
            self.reference.ended.extend(gone);
            self.log.push((event, meta));
        }
        if let Some(kept) = &mut self.kept {
            kept.append(&self.log[first..]);
        }
    }

    fn check(&self) {
        let (queue, reference) = (&self.queue, &self.reference);
        let wake = queue.next_wake();
        assert!(wake.is_none_or(|wake| wake > self.now), "a wake lies ahead: {wake:?}");
        let live = reference.live.keys().chain(reference.critiques.keys());
        let live: BTreeSet<LeaseId> = live.copied().collect();
        assert_eq!(queue.leases.keys().copied().collect::<BTreeSet<_>>(), live);
        let counted: u64 = queue.counts.values().sum();
        assert_eq!(counted, reference.added.len() as u64, "each task is in exactly one state");
        for task in &reference.added {
            let state = queue.state_of(*task);
            let over = reference.over.get(task);
            assert!(over.is_none_or(|over| *over == state), "what is over stays as it is");
            let leased = reference.live.values().any(|(held, _)| held == task);
            assert_eq!(state == State::Leased, leased, "leased means one live lease");
        }
        for task in queue.tasks.values() {
            assert!(task.counted <= ATTEMPTS_MAX, "attempts have a limit");
            let told = queue.wait_reason(task.id(), self.now);
            assert_eq!(told.is_some(), task.waits(), "what waits says why: {:?}", task.state);
            let aged = queue.world_time_us() >= AGEING_US;
            let truth = oracle::reason(queue, task, self.now);
            // Who is before whom the oracle knows only as long as nobody has aged.
            let by_order = [WaitReason::Exclusive, WaitReason::Pace, WaitReason::NoRunner];
            if !aged || truth.is_none_or(|truth| !by_order.contains(&truth)) {
                assert_eq!(told, truth, "the true reason: {task:?}");
            }
        }
        self.check_graph();
        self.check_splits();
    }

    /// Who waits for children has some to wait for, and a person is asked when one is broken.
    fn check_splits(&self) {
        let (queue, reference) = (&self.queue, &self.reference);
        for (parent, children) in &reference.children {
            let state = queue.state_of(*parent);
            let mut waited = children.iter().filter(|child| !reference.forgone.contains(*child));
            if state == State::Split {
                let broken = waited.clone().any(|child| broken(queue, *child));
                assert!(!broken, "a person is asked about a child that failed");
                let open = waited.any(|child| !queue.state_of(*child).is_final());
                assert!(open, "it waits for something: no tree of splits ever stalls");
            }
            if state == State::Cancelled {
                let over = children.iter().all(|child| queue.state_of(*child).is_final());
                assert!(over, "cancel ends the subtree");
            }
        }
        for task in &reference.proposed {
            let state = queue.state_of(*task);
            let held = [State::Proposed, State::Paused, State::Cancelled].contains(&state);
            assert!(held, "a proposal waits for a human");
        }
    }

    /// Dependencies never form a circle, and what is blocked has something to wait for.
    fn check_graph(&self) {
        for task in self.queue.tasks.values() {
            let mut seen = BTreeSet::new();
            let mut open = task.added.dependencies.clone();
            while let Some(on) = open.pop() {
                assert_ne!(on, task.id(), "no circle");
                if seen.insert(on) {
                    let next = self.queue.tasks.get(&on);
                    open.extend(next.into_iter().flat_map(|task| &task.added.dependencies));
                }
            }
            if task.state == State::Blocked {
                let met = |on: &TaskId| self.queue.state_of(*on) == State::Approved;
                assert!(!task.added.dependencies.iter().all(met), "it waits for something");
            }
        }
    }

    fn check_replay(&self) {
        let mut replayed = Queue::default();
        for (event, meta) in &self.log {
            replayed.apply(event, meta);
        }
        let bytes = |queue: &Queue| postcard::to_stdvec(queue).expect("a state is bytes");
        assert_eq!(bytes(&replayed), bytes(&self.queue), "the log alone makes the state");
    }
}

fn text() -> TextRef {
    TextRef { id: "txt".into(), hash: Hash::default(), length: 0, sealed: false }
}

fn spec() -> Spec {
    Spec {
        key: None,
        kind: Kind::Docs,
        mode: Mode::Llm,
        command: Vec::new(),
        target: None,
        depends_on: Vec::new(),
        on_failure: OnFailure::Hold,
        priority: 5,
        parallel_safe: true,
        concurrency_key: None,
        concurrency_limit: 1,
        not_before: None,
        deadline: None,
        budget_min: MicroUsd::ZERO,
        budget_max: MicroUsd::ZERO,
        model: None,
        resident: None,
        bonus_tokens: 0,
        run_limit: Duration::from_mins(15),
        tags: Vec::new(),
        rest_day_ok: true,
        specialization: None,
        review: Thoroughness::Standard,
        level_max: Level::DocsOnly,
        hat: None,
    }
}

/// Lives one history through.
fn live(ops: Vec<Op>, kept: Option<Kept>) {
    let mut model = Model::new(kept);
    for op in ops {
        model.step(op);
    }
    model.check_replay();
    if model.kept.is_some() {
        // Once with a snapshot and once without.
        model.step(Op::Restart);
        model.step(Op::Restart);
    }
}

/// Fewer histories where each row is written to a disk.
fn fewer(cases: u32) -> ProptestConfig {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    ProptestConfig { cases: cases.min(config.cases), ..config }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_history_breaks_the_invariants(ops in prop::collection::vec(op(), 1..120)) {
        live(ops, None);
    }
}

proptest! {
    #![proptest_config(fewer(64))]

    #[test]
    fn a_history_in_memory_outlives_its_restarts(ops in prop::collection::vec(op(), 1..120)) {
        live(ops, Some(Kept::in_memory()));
    }
}

proptest! {
    #![proptest_config(fewer(32))]

    #[test]
    fn a_history_in_a_file_outlives_its_restarts(ops in prop::collection::vec(op(), 1..120)) {
        live(ops, Some(Kept::in_a_file()));
    }
}

proptest! {
    #![proptest_config(fewer(16))]

    #[test]
    fn a_history_on_a_server_outlives_its_restarts(ops in prop::collection::vec(op(), 1..120)) {
        live(ops, Some(Kept::on_a_server()));
    }
}
