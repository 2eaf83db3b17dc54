//! Why a task does not run: the true reason, what stands in its way, and until when.
//!
//! The answer is drawn from the same [`Plan`] that makes grants, so that it cannot differ from what
//! the queue does.

use vivarium_types::Timestamp;
use vivarium_types::ids::TaskId;

use super::event::ReturnedFor;
use super::lease::{Lease, Purpose};
use super::order::{Plan, WaitReason};
use super::task::{State, Task, Wait};
use super::{Dependency, Queue};

/// Tasks that are named as standing in the way of one.
const BLOCKING_MAX: usize = 100;

/// Why one task does not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The task.
    pub task: TaskId,
    /// Its key.
    pub key: Option<String>,
    /// Where it stands.
    pub state: State,
    /// Why it does not run; `None` when it runs, is final, or waits for a person.
    pub reason: Option<WaitReason>,
    /// When it can change by itself.
    pub until: Option<Timestamp>,
    /// Tasks that stand in its way.
    pub blocking: Vec<TaskId>,
}

impl Queue {
    /// Why each of these tasks does not run now; `None` when it runs, is final, or waits for a person.
    pub fn wait_reasons(
        &self,
        tasks: impl IntoIterator<Item = TaskId>,
        now: Timestamp,
    ) -> Vec<Option<WaitReason>> {
        // One plan serves them all: it says what is free at this moment.
        let plan = Plan::new(self, now);
        tasks.into_iter().map(|id| self.wait_reason_in(&plan, id, now)).collect()
    }

    /// Why one task does not run now.
    pub fn wait_reason(&self, id: TaskId, now: Timestamp) -> Option<WaitReason> {
        self.wait_reason_in(&Plan::new(self, now), id, now)
    }

    /// Explains these tasks.
    pub fn explain(&self, tasks: &[TaskId], now: Timestamp) -> Vec<Explanation> {
        let plan = Plan::new(self, now);
        tasks.iter().map(|id| self.explained(&plan, *id, now)).collect()
    }

    /// Ids of at most `limit` tasks behind `after` that wait, in the order of their ids.
    pub fn waiting(&self, after: Option<TaskId>, limit: usize) -> Vec<TaskId> {
        use std::ops::Bound::{Excluded, Unbounded};
        let tasks = self.tasks.range((after.map_or(Unbounded, Excluded), Unbounded));
        tasks.filter(|(_, task)| task.waits()).map(|(id, _)| *id).take(limit).collect()
    }

    fn explained(&self, plan: &Plan<'_>, id: TaskId, now: Timestamp) -> Explanation {
        let Some(task) = self.tasks.get(&id) else {
            let (key, state) = (None, self.state_of(id));
            return Explanation {
                task: id,
                key,
                state,
                reason: None,
                until: None,
                blocking: vec![],
            };
        };
        let reason = self.wait_reason_in(plan, id, now);
        let mut blocking = reason.map(|why| self.blocking(plan, task, why)).unwrap_or_default();
        blocking.truncate(BLOCKING_MAX);
        Explanation {
            task: id,
            key: task.spec().key.clone(),
            state: task.state,
            reason,
            until: reason.and_then(|why| self.until(task, why)),
            blocking,
        }
    }

    fn wait_reason_in(&self, plan: &Plan<'_>, id: TaskId, now: Timestamp) -> Option<WaitReason> {
        let task = self.tasks.get(&id)?;
        match task.state {
            State::Blocked => {
                let broken = |on: &TaskId| self.dependency(*on) == Dependency::Broken;
                let broken = task.added.dependencies.iter().any(broken);
                Some(if broken { WaitReason::DependencyFailed } else { WaitReason::Dependency })
            }
            State::Queued | State::Requeued => Some(match task.start?.1 {
                Wait::NotBefore => WaitReason::NotBefore,
                Wait::BackOff => WaitReason::BackOff,
                Wait::Returned(ReturnedFor::Budget) => WaitReason::Budget,
                Wait::Returned(ReturnedFor::Rate) => WaitReason::Rate,
                Wait::Returned(ReturnedFor::NoProvider) => WaitReason::NoProvider,
            }),
            State::Ready => Some(self.wait_reason_of_ready(plan, task, now)),
            State::Proposed
            | State::Split
            | State::Leased
            | State::InReview
            | State::AwaitingHuman
            | State::Paused
            | State::Approved
            | State::Failed
            | State::Cancelled => None,
        }
    }

    fn wait_reason_of_ready(&self, plan: &Plan<'_>, task: &Task, now: Timestamp) -> WaitReason {
        if self.world.halted() {
            return WaitReason::Halted;
        }
        let Some(next_start) = self.world.next_start() else { return WaitReason::Paused };
        if let Some(obstacle) = plan.obstacle(task) {
            return obstacle;
        }
        if plan.stopped_by(task).is_some() {
            return WaitReason::Exclusive;
        }
        if next_start > now || plan.has_credit() { WaitReason::Pace } else { WaitReason::NoRunner }
    }

    fn blocking(&self, plan: &Plan<'_>, task: &Task, reason: WaitReason) -> Vec<TaskId> {
        let depends_on = |wanted: Dependency| {
            let on = task.added.dependencies.iter().copied();
            on.filter(|on| self.dependency(*on) == wanted).collect()
        };
        match reason {
            WaitReason::Dependency => depends_on(Dependency::Open),
            WaitReason::DependencyFailed => depends_on(Dependency::Broken),
            WaitReason::ConcurrencyKey => self
                .at_work(|_, holder| holder.spec().concurrency_key == task.spec().concurrency_key),
            WaitReason::Exclusive => plan.stopped_by(task).map_or_else(
                || self.at_work(|_, holder| holder.id() != task.id()),
                |first| vec![first],
            ),
            WaitReason::ResidentBusy => {
                let may = self.eligible(task);
                self.at_work(|lease, _| lease.granted.resident.is_some_and(|id| may.contains(&id)))
            }
            WaitReason::Halted
            | WaitReason::Paused
            | WaitReason::Pace
            | WaitReason::RestDay
            | WaitReason::NotBefore
            | WaitReason::BackOff
            | WaitReason::Budget
            | WaitReason::Rate
            | WaitReason::Specialization
            | WaitReason::NoResident
            | WaitReason::NoProvider
            | WaitReason::NoRunner => Vec::new(),
        }
    }

    /// Tasks with a live attempt that `fits`.
    fn at_work(&self, fits: impl Fn(&Lease, &Task) -> bool) -> Vec<TaskId> {
        let leases = self.leases.values().filter(|l| l.granted.purpose != Purpose::Critique);
        let found = leases.filter_map(|lease| {
            let holder = self.tasks.get(&lease.granted.task)?;
            fits(lease, holder).then(|| holder.id())
        });
        found.collect()
    }

    fn until(&self, task: &Task, reason: WaitReason) -> Option<Timestamp> {
        match reason {
            WaitReason::NotBefore
            | WaitReason::BackOff
            | WaitReason::Budget
            | WaitReason::Rate
            | WaitReason::NoProvider => task.start.map(|(start, _)| start),
            WaitReason::Pace => self.world.next_start(),
            WaitReason::Halted
            | WaitReason::Paused
            | WaitReason::RestDay
            | WaitReason::Dependency
            | WaitReason::DependencyFailed
            | WaitReason::Exclusive
            | WaitReason::ConcurrencyKey
            | WaitReason::Specialization
            | WaitReason::ResidentBusy
            | WaitReason::NoResident
            | WaitReason::NoRunner => None,
        }
    }
}

impl Explanation {
    /// The reason as one sentence for people.
    pub fn sentence(&self) -> String {
        let on = match self.blocking.len() {
            1 => "the task it depends on is".to_owned(),
            many => format!("{many} tasks it depends on are"),
        };
        match self.reason {
            None => self.without_reason().to_owned(),
            Some(WaitReason::Halted) => "the world is halted".into(),
            Some(WaitReason::Paused) => "the world is paused, or has no step left".into(),
            Some(WaitReason::Pace) => "the pace allows the next start later".into(),
            Some(WaitReason::RestDay) => "it is the day of rest, and this task keeps it".into(),
            Some(WaitReason::NotBefore) => "it is not to start before a later moment".into(),
            Some(WaitReason::BackOff) => "its last attempt failed, and the next waits".into(),
            Some(WaitReason::Dependency) => format!("{on} not approved yet"),
            Some(WaitReason::DependencyFailed) => format!("{on} failed or cancelled"),
            Some(WaitReason::Budget) => "a budget does not allow its least amount".into(),
            Some(WaitReason::Rate) => "a provider's rate limit is reached".into(),
            Some(WaitReason::Exclusive) => {
                "a task that may not run beside others runs, or is first in order".into()
            }
            Some(WaitReason::ConcurrencyKey) => "its concurrency key has no free place".into(),
            Some(WaitReason::Specialization) => {
                "nobody who may take it has the specialization it asks for".into()
            }
            Some(WaitReason::ResidentBusy) => "everybody who may take it is at work".into(),
            Some(WaitReason::NoResident) => "nobody may take it".into(),
            Some(WaitReason::NoProvider) => "no language model is usable".into(),
            Some(WaitReason::NoRunner) => "no runner has a free slot".into(),
        }
    }

    const fn without_reason(&self) -> &'static str {
        match self.state {
            State::Proposed => "it was proposed, and nobody has admitted it",
            State::Split => "the tasks it was split into are at work",
            State::Leased => "it is being worked on",
            State::InReview => "it is in review",
            State::AwaitingHuman => "a person must decide",
            State::Paused => "a person has set it aside",
            State::Approved => "it is approved",
            State::Failed => "it failed",
            State::Cancelled => "it was cancelled",
            State::Blocked | State::Queued | State::Ready | State::Requeued => "it waits",
        }
    }
}
