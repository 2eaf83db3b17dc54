//! The rules of the world, read off the record alone: order of causes, pace, exclusion, days, counts.
#![expect(clippy::wildcard_enum_match_arm, reason = "a rule looks at the events it is about")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use vivarium_ledger::store::Reader;
use vivarium_queue::domain::event::Event;
use vivarium_queue::domain::lease::Granted;
use vivarium_queue::domain::retry::Class;
use vivarium_queue::domain::task::{OnFailure, Spec, State};
use vivarium_queue::domain::world::Pace;
use vivarium_types::Timestamp;
use vivarium_types::ids::{LeaseId, TaskId};

use crate::sessions;
use crate::world::World;

/// A task as the record tells of it.
#[derive(Debug)]
struct Known {
    spec: Spec,
    dependencies: Vec<TaskId>,
    /// Whether it became ready when all that it depends on was as it must be: a failed one that is
    /// opened again later does not take that back.
    released: bool,
    recurrence: Option<String>,
    rejections: u32,
    /// Whether an attempt of this series was lost before.
    lost: bool,
    over: Option<bool>,
    parent: Option<TaskId>,
    /// What it was split into and still waits for.
    children: BTreeSet<TaskId>,
}

/// What the record says up to a row.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    tasks: BTreeMap<TaskId, Known>,
    at_work: BTreeMap<LeaseId, TaskId>,
    cancelled: BTreeSet<TaskId>,
    pace: Option<Pace>,
    paused_since: Option<Timestamp>,
    steps: u32,
    last_start: Option<Timestamp>,
    day: u64,
    noted: i64,
    found: Vec<String>,
}

impl Rules {
    /// Everything in the record that breaks a rule.
    pub(crate) fn judge(mut self, reader: &dyn Reader, world: &World) -> Vec<String> {
        for row in reader.rows(0, usize::MAX).expect("memory can be read") {
            let event = sessions::event(&row);
            let before = self.found.len();
            self.take(&event, row.time, &world.said);
            for breach in &mut self.found[before..] {
                *breach = format!("queue {}: {breach}", row.sequence);
            }
        }
        self.found
    }

    fn breach(&mut self, words: impl Into<String>) {
        self.found.push(words.into());
    }

    fn take(&mut self, event: &Event, time: Timestamp, said: &BTreeSet<String>) {
        self.tasks_and_counts(event);
        self.controls(event, time);
        if let Event::LeaseGranted(granted) = event {
            self.granted(granted, time);
        }
        if let Event::AttemptFailed { end, class, retry: Some(retry), .. } = event {
            let known = self.tasks.get_mut(&end.task).filter(|_| *class == Class::Lost);
            let first = known.is_some_and(|known| !std::mem::replace(&mut known.lost, true));
            let least = if first { 0 } else { 1 + u64::from(*class == Class::Transient) };
            if *retry < time + Duration::from_secs(least) {
                self.breach("the next attempt follows without a pause");
            }
        }
        let Some(ending) = event.ending() else { return };
        self.at_work.remove(&ending.end.lease);
        let own_word = match ending.outcome {
            "finished" | "declined" | "waits" | "returned" | "blocked" | "held" => true,
            "failed" => ending.class != Some(Class::Lost),
            _ => false,
        };
        if own_word && !said.contains(&ending.end.lease.to_string()) {
            self.breach(format!("{} ended by a word that nobody said", ending.end.lease));
        }
    }

    fn tasks_and_counts(&mut self, event: &Event) {
        match event {
            Event::TaskAdded(added) => {
                let open = self.tasks.values().any(|known| {
                    known.recurrence.is_some()
                        && known.recurrence == added.recurrence
                        && known.over.is_none()
                });
                if open {
                    self.breach("a recurrence has two open tasks");
                }
                let known = Known {
                    spec: added.spec.clone(),
                    dependencies: added.dependencies.clone(),
                    released: false,
                    recurrence: added.recurrence.clone(),
                    rejections: 0,
                    lost: false,
                    over: None,
                    parent: added.parent.as_ref().map(|parent| parent.task),
                    children: BTreeSet::new(),
                };
                self.tasks.insert(added.task, known);
                self.release(added.task, added.state);
            }
            Event::TaskPaused { task, .. } => {
                if let Some(known) = self.tasks.get_mut(task) {
                    known.released = false;
                }
            }
            Event::TaskReady { task, state } | Event::TaskResumed { task, state } => {
                self.release(*task, *state);
            }
            Event::TaskEdited(edited) => {
                let leased = self.at_work.values().any(|task| *task == edited.task);
                if leased && !edited.reorders_only() {
                    self.breach("a task was edited while it was leased");
                }
                if let Some(known) = self.tasks.get_mut(&edited.task) {
                    let as_before = known.dependencies == edited.dependencies
                        && known.spec.on_failure == edited.spec.on_failure;
                    known.released &= as_before;
                    known.spec = edited.spec.clone();
                    known.dependencies.clone_from(&edited.dependencies);
                }
                self.release(edited.task, edited.state);
            }
            Event::TaskRequeued(requeued) => {
                if requeued.feedback.is_empty() {
                    self.breach("a rejection lost its reasons");
                }
                let counted = self.tasks.get_mut(&requeued.task).map(|known| {
                    known.rejections += 1;
                    known.rejections
                });
                if counted.is_some_and(|counted| counted != requeued.rejection_count) {
                    self.breach(format!("the rejection {counted:?} was counted otherwise"));
                }
            }
            Event::TaskSplit(split) => {
                if let Some(known) = self.tasks.get_mut(&split.task) {
                    known.children.extend(&split.children);
                }
            }
            Event::TaskReopened { task, .. } => {
                let failed = |known: &Known| known.over == Some(false);
                let tasks = self.tasks.iter().filter(|(_, known)| failed(known));
                let gone: BTreeSet<TaskId> = tasks.map(|(id, _)| *id).collect();
                if let Some(known) = self.tasks.get_mut(task) {
                    (known.rejections, known.lost) = (0, false);
                    known.over = None;
                    // Who is opened again goes on without what failed below.
                    known.children.retain(|child| !gone.contains(child));
                }
            }
            Event::TaskApproved(approved) => {
                let parent = self.tasks.get(&approved.task).and_then(|known| known.parent);
                if parent.is_some_and(|parent| self.cancelled.contains(&parent)) {
                    self.breach("a task was cancelled and a child went on to its end");
                }
                self.over(approved.task, true);
            }
            Event::TaskFailed(failed) => self.over(failed.task, false),
            Event::TaskCancelled { task, .. } => {
                if self.at_work.values().any(|held| held == task) {
                    self.breach("a task was cancelled and its attempt goes on");
                }
                self.cancelled.insert(*task);
                self.over(*task, false);
            }
            _ => {}
        }
    }

    fn over(&mut self, task: TaskId, approved: bool) {
        if let Some(known) = self.tasks.get_mut(&task) {
            known.over = Some(approved);
        }
    }

    fn controls(&mut self, event: &Event, time: Timestamp) {
        match event {
            Event::PaceSet { pace, .. } => {
                self.pace = Some(*pace);
                self.steps = 0;
                self.paused_since = (*pace == Pace::Paused).then_some(time);
            }
            Event::StepsBought { steps_left, .. } => self.steps = *steps_left,
            Event::DayStarted(day) => {
                if day.day != self.day + 1 {
                    self.breach(format!("day {} follows day {}", day.day, self.day));
                }
                self.day = day.day;
            }
            Event::WorldTimeNoted { world_time_us } => {
                // What had passed before the pause may be noted in it, once, and not grow.
                let paused = self.paused_since.is_some_and(|since| time > since + Self::SLACK);
                if paused && *world_time_us > self.noted + 6_000_000 {
                    self.breach("world time moved in a pause");
                }
                self.noted = *world_time_us;
            }
            _ => {}
        }
    }

    /// Whether all that a task depends on is as it must be.
    fn met(&self, known: &Known) -> bool {
        let met = |on: &TaskId| match self.tasks.get(on).and_then(|on| on.over) {
            Some(approved) => approved || known.spec.on_failure == OnFailure::RunAnyway,
            None => false,
        };
        known.dependencies.iter().all(met)
    }

    /// Behind this row a task is in `state`.
    fn release(&mut self, task: TaskId, state: State) {
        let met =
            state == State::Ready && self.tasks.get(&task).is_some_and(|known| self.met(known));
        if let Some(known) = self.tasks.get_mut(&task) {
            known.released |= met;
        }
    }

    /// How long what passed before a pause may take to be noted.
    const SLACK: Duration = Duration::from_secs(1);

    fn granted(&mut self, granted: &Granted, time: Timestamp) {
        match self.pace.unwrap_or(Pace::Wait(2)) {
            Pace::Paused => self.breach("granted in a pause"),
            Pace::Step => match self.steps.checked_sub(1) {
                Some(left) => self.steps = left,
                None => self.breach("granted without a step that was bought"),
            },
            Pace::Wait(seconds) => {
                let apart = Duration::from_secs(u64::from(seconds));
                if self.last_start.is_some_and(|last| time < last + apart) {
                    self.breach("two starts are closer than the pace");
                }
            }
        }
        self.last_start = Some(time);
        if granted.attempt.is_none() {
            return;
        }
        let Some(known) = self.tasks.get(&granted.task) else { return };
        let approved = |id: &TaskId| self.tasks.get(id).and_then(|task| task.over) == Some(true);
        let parts_open = !known.children.iter().all(approved);
        let orphaned = known.parent.is_some_and(|parent| self.cancelled.contains(&parent));
        let early = !known.released && !self.met(known);
        let alone = |spec: &Spec| !spec.parallel_safe && spec.concurrency_key.is_none();
        let others = self.at_work.values().filter_map(|task| self.tasks.get(task));
        let beside = others.filter(|other| alone(&other.spec) || alone(&known.spec)).count();
        if early {
            self.breach("granted before what it depends on is approved");
        }
        if parts_open {
            self.breach("put together before its parts are approved");
        }
        if orphaned {
            self.breach("granted below a task that is cancelled");
        }
        if beside > 0 {
            self.breach("granted beside what must run alone");
        }
        self.at_work.insert(granted.lease, granted.task);
    }
}
