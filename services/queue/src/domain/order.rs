//! Who is next: the order among ready tasks, what keeps one from being granted, and to whom it goes.
//!
//! A [`Plan`] makes all grants of one moment. Within a plan what is free only shrinks, so a task that
//! was passed over stays passed over.

use std::cell::OnceCell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, btree_map};

use serde::{Deserialize, Serialize};
use vivarium_ledger::planted::{self, Bug};
use vivarium_types::Timestamp;
use vivarium_types::ids::{Id as _, InstanceId, ResidentId, SubmissionId, TaskId};

use super::lease::Purpose;
use super::retry::{self, Class};
use super::task::{Mode, Task};
use super::{Queue, Resident};

/// Highest priority.
const PRIORITY_MAX: i64 = 9;
/// World time in `ready` that raises a task's priority by one.
const AGEING_US: i64 = 600_000_000;
/// Grants among which submitters are treated alike.
pub const RECENT_MAX: usize = 100;
/// Submitters whose last turn is remembered at least. Who had none goes first among equals.
const TURNS_KEPT: usize = 10_000;
/// Most words of a resident's own that count for affinity.
const AFFINITY_MAX: usize = 6;

/// Why a task that is ready, or waits, does not run now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitReason {
    /// The world is halted.
    Halted,
    /// The world is paused, or steps without a step left.
    Paused,
    /// The pace allows the next start later.
    Pace,
    /// It is Sunday.
    RestDay,
    /// Its `not_before` lies ahead.
    NotBefore,
    /// It waits after a failure.
    BackOff,
    /// A dependency is not approved yet.
    Dependency,
    /// A dependency failed, and the task holds.
    DependencyFailed,
    /// A budget does not allow it.
    Budget,
    /// A rate limit.
    Rate,
    /// A task that may not run beside others runs or is first.
    Exclusive,
    /// Its key has no free place.
    ConcurrencyKey,
    /// Nobody who may take it has the specialization.
    Specialization,
    /// Everybody who may take it is at work.
    ResidentBusy,
    /// Nobody may take it.
    NoResident,
    /// No language model is usable.
    NoProvider,
    /// No runner has a free slot.
    NoRunner,
}

/// Whose turn a ready task needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Need {
    Tool,
    AnyResident,
    Resident(ResidentId),
}

/// Tasks that are alike but for their age.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Lane {
    need: Need,
    /// What who works must be good at.
    specialization: Option<String>,
    exclusive: bool,
    priority: u8,
    submitter: String,
}

impl Lane {
    fn of(task: &Task) -> Self {
        let spec = task.spec();
        let need = match (spec.mode, spec.resident) {
            (Mode::Local, _) => Need::Tool,
            (Mode::Llm, None) => Need::AnyResident,
            (Mode::Llm, Some(resident)) => Need::Resident(resident),
        };
        let specialization = spec.specialization.clone();
        let submitter = task.added.submitter.clone();
        let (exclusive, priority) = (exclusive(task), spec.priority);
        Self { need, specialization, exclusive, priority, submitter }
    }
}

/// When each submitter was last granted something, by the row of that grant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turns(BTreeMap<String, u64>);

impl Turns {
    /// Remembers a grant.
    pub fn take(&mut self, submitter: &str, row: u64) {
        match self.0.get_mut(submitter) {
            Some(turn) => *turn = row,
            None => drop(self.0.insert(submitter.to_owned(), row)),
        }
        // Seldom, so that forgetting costs little: half of them at once.
        if self.0.len() > 2 * TURNS_KEPT {
            let mut turns: Vec<u64> = self.0.values().copied().collect();
            turns.sort_unstable_by(|a, b| b.cmp(a));
            let oldest = turns[TURNS_KEPT - 1];
            self.0.retain(|_, turn| *turn >= oldest);
        }
    }

    /// The row of a submitter's last grant; 0 when none is known.
    pub fn of(&self, submitter: &str) -> u64 {
        self.0.get(submitter).copied().unwrap_or_default()
    }
}

/// Ready tasks by lane, then age, with the world time at which each became ready.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    lanes: BTreeMap<Lane, BTreeMap<(Timestamp, TaskId), i64>>,
}

impl Ready {
    /// Whether nothing is ready.
    pub fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// Takes a task in that is ready since `world_us` of world time.
    pub fn insert(&mut self, task: &Task, world_us: i64) {
        let lane = self.lanes.entry(Lane::of(task)).or_default();
        lane.insert((task.ready_since, task.id()), world_us);
    }

    /// Lets a task go; the world time since which it was ready.
    pub fn remove(&mut self, task: &Task) -> Option<i64> {
        let lane = Lane::of(task);
        let tasks = self.lanes.get_mut(&lane)?;
        let since = tasks.remove(&(task.ready_since, task.id()));
        if tasks.is_empty() {
            self.lanes.remove(&lane);
        }
        since
    }

    /// The world time since which a task is ready.
    fn since(&self, task: &Task) -> Option<i64> {
        self.lanes.get(&Lane::of(task))?.get(&(task.ready_since, task.id())).copied()
    }
}

/// Whether a task's attempt must run alone.
fn exclusive(task: &Task) -> bool {
    let ignored = planted::has(Bug::IgnoreParallelSafe);
    !task.spec().parallel_safe && task.spec().concurrency_key.is_none() && !ignored
}

/// What a plan decides for one task or critique.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// Grant it.
    Grant {
        /// What for.
        purpose: Purpose,
        /// The task.
        task: TaskId,
        /// Who works.
        resident: Option<ResidentId>,
        /// What is criticised.
        submission: Option<SubmissionId>,
        /// On which runner.
        runner: String,
        /// On which start of it.
        instance: InstanceId,
    },
    /// Its budget is spent: a human decides.
    Spent(TaskId),
}

/// Why a task is not granted in a plan.
enum Obstacle {
    /// It is passed over.
    Pass(WaitReason),
    /// It is first in order and must run alone: nothing behind it is granted either.
    Stop,
    /// Its budget is spent.
    Spent,
}

/// Less is earlier: effective priority, then the submitter with the fewest of the latest grants and
/// among those the one whose last grant is longest ago (decision 17), then age, then id.
type Place = (i64, Turn, Timestamp, TaskId);

/// Less is earlier: how many of the latest grants a submitter had, and the place of its last one.
type Turn = (usize, u64);

/// A grant of this very plan lies behind every row there is.
const THIS_PLAN: u64 = 1 << 63;

struct Head<'a> {
    lane: &'a Lane,
    tasks: btree_map::Iter<'a, (Timestamp, TaskId), i64>,
}

/// The grants of one moment.
pub struct Plan<'a> {
    queue: &'a Queue,
    heads: Vec<Head<'a>>,
    /// Lanes by the place of their oldest task, made when the first grant is asked for.
    order: Option<BinaryHeap<Reverse<(Place, usize)>>>,
    critiques: Vec<(Timestamp, SubmissionId, TaskId)>,
    credit: BTreeMap<&'a str, (InstanceId, u32)>,
    busy: BTreeSet<ResidentId>,
    places_taken: BTreeMap<&'a str, u32>,
    running: usize,
    exclusive_running: bool,
    /// Grants of a submitter among the latest ones, and its last grant in this plan.
    recent: BTreeMap<&'a str, Turn>,
    /// Grants of this plan so far.
    granted: u64,
    world_us: i64,
    /// The first task that must run alone and waits for those at work.
    stopper: OnceCell<Option<Place>>,
}

impl std::fmt::Debug for Plan<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plan").field("running", &self.running).finish_non_exhaustive()
    }
}

impl<'a> Plan<'a> {
    /// What is free now.
    pub fn new(queue: &'a Queue, now: Timestamp) -> Self {
        let mut plan = Self {
            queue,
            heads: Vec::new(),
            order: None,
            critiques: queue.critiques_due(now),
            credit: BTreeMap::new(),
            busy: BTreeSet::new(),
            places_taken: BTreeMap::new(),
            running: 0,
            exclusive_running: false,
            recent: BTreeMap::new(),
            granted: 0,
            world_us: queue.world_time_us(),
            stopper: OnceCell::new(),
        };
        for (lane, tasks) in &queue.ready.lanes {
            plan.heads.push(Head { lane, tasks: tasks.iter() });
        }
        // The oldest is taken from the end.
        plan.critiques.sort_unstable_by(|a, b| b.cmp(a));
        for (name, connection) in &queue.volatile.connections {
            plan.credit.insert(name, (connection.instance, connection.credit));
        }
        if planted::has(Bug::LeakKeyOnExpiry) {
            for task in queue.tasks.values() {
                let (lost, key) = (task.failures_of(Class::Lost), &task.spec().concurrency_key);
                if let Some(key) = key {
                    *plan.places_taken.entry(key).or_default() += lost;
                }
            }
        }
        for lease in queue.leases.values() {
            let task = queue.tasks.get(&lease.granted.task);
            if let Some(task) = task.filter(|_| lease.granted.purpose != Purpose::Critique) {
                plan.take(task, lease.granted.resident);
            }
        }
        for submitter in &queue.recent_grants {
            plan.recent.entry(submitter).or_default().0 += 1;
        }
        plan
    }

    /// Whether any runner takes another grant.
    pub fn has_credit(&self) -> bool {
        self.credit.values().any(|(_, credit)| *credit > 0)
    }

    /// The next grant of this moment.
    pub fn choose(&mut self) -> Option<Choice> {
        if !self.has_credit() {
            return None;
        }
        if self.queue.provider_usable()
            && let Some((_, submission, task)) = self.critiques.pop()
        {
            let (runner, instance) = self.spend_credit()?;
            let (purpose, submission) = (Purpose::Critique, Some(submission));
            return Some(Choice::Grant {
                purpose,
                task,
                resident: None,
                submission,
                runner,
                instance,
            });
        }
        loop {
            let first = self.first()?;
            let ((_, id), _) = self.heads[first].tasks.next()?;
            let task = self.queue.tasks.get(id)?;
            match self.check(task) {
                Ok(resident) => {
                    self.take(task, resident);
                    self.granted += 1;
                    let recent = self.recent.entry(&task.added.submitter).or_default();
                    *recent = (recent.0 + 1, THIS_PLAN + self.granted);
                    self.put_back(first);
                    let (runner, instance) = self.spend_credit()?;
                    let purpose = match task.spec().mode {
                        Mode::Llm => Purpose::Task,
                        Mode::Local => Purpose::Local,
                    };
                    let (task, submission) = (*id, None);
                    return Some(Choice::Grant {
                        purpose,
                        task,
                        resident,
                        submission,
                        runner,
                        instance,
                    });
                }
                Err(Obstacle::Pass(_)) if self.is_hopeless(first) => {}
                Err(Obstacle::Pass(_)) => self.put_back(first),
                Err(Obstacle::Spent) => {
                    self.put_back(first);
                    return Some(Choice::Spent(*id));
                }
                Err(Obstacle::Stop) => return None,
            }
        }
    }

    /// Why a ready task would not be granted now; `None` when nothing but order, pace and runners
    /// stands in its way.
    pub fn obstacle(&self, task: &Task) -> Option<WaitReason> {
        match self.check(task) {
            Ok(_) => None,
            Err(Obstacle::Pass(reason)) => Some(reason),
            Err(Obstacle::Stop) => Some(WaitReason::Exclusive),
            Err(Obstacle::Spent) => Some(WaitReason::Budget),
        }
    }

    /// The task that must run alone, is before `task` in order and waits for those at work: nothing
    /// behind it is granted.
    pub fn stopped_by(&self, task: &Task) -> Option<TaskId> {
        let first = (*self.stopper.get_or_init(|| self.find_stopper()))?;
        let since = self.queue.ready.since(task)?;
        let lane = Lane::of(task);
        let own = self.place(&lane, (task.ready_since, task.id()), since);
        (first < own).then_some(first.3)
    }

    fn find_stopper(&self) -> Option<Place> {
        let alone = self.queue.ready.lanes.iter().filter(|(lane, _)| lane.exclusive);
        let stops = |id: &TaskId| {
            let task = self.queue.tasks.get(id);
            task.is_some_and(|task| matches!(self.check(task), Err(Obstacle::Stop)))
        };
        let firsts = alone.filter_map(|(lane, tasks)| {
            let (age, since) = tasks.iter().find(|((_, id), _)| stops(id))?;
            Some(self.place(lane, *age, *since))
        });
        firsts.min()
    }

    /// The lane whose oldest task is first. It is out of the order until it is put back.
    fn first(&mut self) -> Option<usize> {
        let mut order = self.order.take().unwrap_or_else(|| {
            let places =
                (0..self.heads.len()).filter_map(|lane| Some((self.place_of(lane)?, lane)));
            places.map(Reverse).collect()
        });
        let first = loop {
            let Some(Reverse((known, lane))) = order.pop() else { break None };
            // Within a plan a place only moves back: what is known may be too early, never too late.
            match self.place_of(lane) {
                Some(place) if place == known => break Some(lane),
                Some(place) => order.push(Reverse((place, lane))),
                None => {}
            }
        };
        self.order = Some(order);
        first
    }

    fn put_back(&mut self, lane: usize) {
        if let Some(place) = self.place_of(lane)
            && let Some(order) = &mut self.order
        {
            order.push(Reverse((place, lane)));
        }
    }

    /// The place of a lane's oldest task that was not looked at yet.
    fn place_of(&self, lane: usize) -> Option<Place> {
        let head = &self.heads[lane];
        let (age, since) = head.tasks.clone().next()?;
        Some(self.place(head.lane, *age, *since))
    }

    /// Where a ready task stands in order.
    fn place(&self, lane: &Lane, (ready_since, id): (Timestamp, TaskId), since_us: i64) -> Place {
        let never_ages = planted::has(Bug::AgeingNeverFires);
        let raised = if never_ages { 0 } else { (self.world_us - since_us) / AGEING_US };
        let aged = i64::from(lane.priority) + raised;
        (-aged.min(PRIORITY_MAX), self.turn(&lane.submitter), ready_since, id)
    }

    fn turn(&self, submitter: &str) -> Turn {
        if planted::has(Bug::StarveTheQuiet) {
            return Turn::default();
        }
        match self.recent.get(submitter) {
            Some((grants, 0)) => (*grants, self.queue.turns.of(submitter)),
            Some(turn) => *turn,
            None => (0, self.queue.turns.of(submitter)),
        }
    }

    /// Whether every task of a lane meets the same obstacle: nobody free to work on it.
    fn is_hopeless(&self, lane: usize) -> bool {
        let lane = self.heads[lane].lane;
        let free = |id: &ResidentId, resident: &Resident| {
            let able = resident.holds(lane.specialization.as_deref());
            resident.active && able && !self.busy.contains(id)
        };
        let hopeless = match lane.need {
            Need::Tool => false,
            Need::AnyResident => !self.queue.residents.iter().any(|(id, r)| free(id, r)),
            Need::Resident(pinned) => {
                !self.queue.residents.get(&pinned).is_some_and(|r| free(&pinned, r))
            }
        };
        // A task that must run alone holds back what is behind it, so it is always looked at.
        hopeless && !lane.exclusive
    }

    fn check(&self, task: &Task) -> Result<Option<ResidentId>, Obstacle> {
        let spec = task.spec();
        if self.exclusive_running {
            return Err(Obstacle::Stop);
        }
        if self.queue.world.calendar.rest_day() && !spec.rest_day_ok {
            return Err(Obstacle::Pass(WaitReason::RestDay));
        }
        if let Some(key) = &spec.concurrency_key {
            let limit = if spec.parallel_safe { spec.concurrency_limit } else { 1 };
            if self.places_taken.get(key.as_str()).copied().unwrap_or(0) >= limit {
                return Err(Obstacle::Pass(WaitReason::ConcurrencyKey));
            }
        }
        let eligible = match spec.mode {
            Mode::Local => None,
            Mode::Llm => Some(self.eligible(task)?),
        };
        if exclusive(task) && self.running > 0 {
            return Err(Obstacle::Stop);
        }
        let Some(eligible) = eligible else { return Ok(None) };
        let free = eligible.into_iter().filter(|id| !self.busy.contains(id));
        let chosen = free.min_by_key(|id| self.rank(task, *id));
        chosen.map(Some).ok_or(Obstacle::Pass(WaitReason::ResidentBusy))
    }

    /// Who may take a task at all.
    fn eligible(&self, task: &Task) -> Result<Vec<ResidentId>, Obstacle> {
        if !self.queue.provider_usable() {
            return Err(Obstacle::Pass(WaitReason::NoProvider));
        }
        let eligible = self.queue.eligible(task);
        if eligible.is_empty() {
            let nobody = self.queue.eligible_but_for_skill(task).is_empty();
            let why = if nobody { WaitReason::NoResident } else { WaitReason::Specialization };
            return Err(Obstacle::Pass(why));
        }
        if task.budget_left() < task.budget_floor() {
            return Err(Obstacle::Spent);
        }
        Ok(eligible)
    }

    /// Less is better: preference after a rejection, affinity, cycles today, a hash.
    fn rank(&self, task: &Task, id: ResidentId) -> (bool, usize, u32, u32, ResidentId) {
        let was_last = task.last_resident == Some(id);
        let out_of_turn = match task.rejection_count {
            0 => false,
            1 => !was_last,
            _ => was_last,
        };
        let resident = self.queue.residents.get(&id);
        let affinity = resident.map_or(0, |resident| resident.affinity(&task.spec().tags));
        let cycles = resident.map_or(0, |resident| resident.cycles_today);
        let seed = [task.id().number().to_be_bytes(), id.number().to_be_bytes()].concat();
        (out_of_turn, AFFINITY_MAX - affinity, cycles, retry::spread(&seed), id)
    }

    fn take(&mut self, task: &'a Task, resident: Option<ResidentId>) {
        self.running += 1;
        self.exclusive_running |= exclusive(task);
        self.busy.extend(resident);
        if let Some(key) = &task.spec().concurrency_key {
            *self.places_taken.entry(key).or_default() += 1;
        }
    }

    /// A grant for the runner with the most credit.
    fn spend_credit(&mut self) -> Option<(String, InstanceId)> {
        let most = self.credit.iter_mut().max_by_key(|(_, (_, credit))| *credit);
        let (name, (instance, credit)) = most?;
        *credit = credit.checked_sub(1)?;
        Some(((*name).to_owned(), *instance))
    }
}

impl Resident {
    /// Whether it is good at what is asked for.
    pub(super) fn holds(&self, specialization: Option<&str>) -> bool {
        let anybody = planted::has(Bug::AnySpecialist);
        specialization.is_none_or(|wanted| anybody || self.specializations.contains(wanted))
    }

    /// How many of its own words the tags hold, at most [`AFFINITY_MAX`].
    fn affinity(&self, tags: &[String]) -> usize {
        let words: BTreeSet<&str> = tags.iter().flat_map(|tag| tag.split('-')).collect();
        let held =
            |word: &&String| words.contains(word.as_str()) || tags.iter().any(|tag| tag == *word);
        self.words.iter().filter(held).count().min(AFFINITY_MAX)
    }
}
