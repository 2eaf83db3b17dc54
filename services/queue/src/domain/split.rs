//! Splitting a task: the plan, what a verdict makes of it, and how the children's ends move their parent.
//!
//! A parent waits in `split` while its children are at work. When all are approved it gets one
//! integration attempt; when one fails or is cancelled a person decides, so that no tree of splits ever
//! stalls. Going on by a person's word leaves out what failed and cancels what waits for that.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use vivarium_ledger::planted::{self, Bug};
use vivarium_ledger::{Context, TextRef};
use vivarium_types::ids::{SubmissionId, TaskId};
use vivarium_types::source::Hash;
use vivarium_types::{MicroUsd, Timestamp, split};

use super::event::{Event, RevokedFor};
use super::task::{Added, Awaits, Kind, Mode, OnFailure, Parent, Spec, State, Task};
use super::{Dependency, Queue, Rejection, finish};

/// Splits and proposals above the deepest task.
pub const DEPTH_MAX: u32 = 2;
/// How much of what is left of the parent's budget its children get.
const GIVEN_PERCENT: i64 = 80;

/// A plan to split a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Why.
    pub reason: TextRef,
    /// The children.
    pub parts: Vec<Part>,
}

/// One child of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its title.
    pub title: TextRef,
    /// What to do.
    pub instruction: TextRef,
    /// Places of the parts before it, from 0.
    pub after: BTreeSet<usize>,
    /// Its share in hundredths.
    pub share: u32,
}

/// A task that waits for its children.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// The task.
    pub task: TaskId,
    /// The submission of the plan.
    pub submission: SubmissionId,
    /// The children, in the order of the plan.
    pub children: Vec<TaskId>,
    /// What they may cost together.
    pub given: MicroUsd,
}

/// What is known of the children of an open task.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Family {
    /// Children that are approved.
    pub done: BTreeMap<TaskId, Done>,
    /// Children that a person has let go.
    pub forgone: BTreeSet<TaskId>,
}

/// A child that is approved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// Its title.
    pub title: TextRef,
    /// What was approved.
    pub submission: SubmissionId,
}

/// How a task's children stand together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Children {
    /// It was not split, or all that is waited for is approved.
    Done,
    /// Some are on their way.
    Open,
    /// One failed or was cancelled, and nobody has let it go.
    Broken,
}

/// A plan as people and critics read it.
pub fn told(reason: &str, parts: &[(String, String, BTreeSet<usize>, u32)]) -> String {
    let mut told = format!("Plan to split the task: {reason}\n");
    for (at, (title, instruction, after, share)) in parts.iter().enumerate() {
        let places: Vec<String> = after.iter().map(|place| (place + 1).to_string()).collect();
        let behind = if places.is_empty() {
            String::new()
        } else {
            format!(", after {}", places.join(", "))
        };
        let at = (at + 1).to_string();
        told.extend(["\n", &at, ". ", title, " (share ", &share.to_string(), &behind, ")\n\n"]);
        told.extend([instruction.as_str(), "\n"]);
    }
    told
}

impl Plan {
    fn fault(&self) -> Option<&'static str> {
        let shares: Vec<u32> = self.parts.iter().map(|part| part.share).collect();
        let after: Vec<_> = self.parts.iter().map(|part| part.after.clone()).collect();
        split::fault(&shares, &after)
    }
}

impl Queue {
    /// How a task's children stand.
    pub fn children(&self, task: &Task) -> Children {
        let family = self.families.get(&task.id());
        let forgone = |child: &&TaskId| family.is_some_and(|known| known.forgone.contains(*child));
        let waited = task.children.iter().filter(|child| !forgone(child));
        let mut stand = Children::Done;
        for child in waited {
            match self.dependency(*child) {
                Dependency::Broken => return Children::Broken,
                Dependency::Open => stand = Children::Open,
                Dependency::Approved => {}
            }
        }
        let early = planted::has(Bug::IntegrateEarly)
            && family.is_some_and(|known| known.done.len() + 1 == task.children.len());
        if early { Children::Done } else { stand }
    }

    /// What came of a task's children, in the order of their ids.
    pub fn parts_done(&self, task: TaskId) -> impl Iterator<Item = (TaskId, &Done)> {
        let done = self.families.get(&task).into_iter().flat_map(|family| &family.done);
        done.map(|(child, done)| (*child, done))
    }

    /// The tasks above one, nearest first.
    pub fn ancestors(&self, task: &Task) -> Vec<&Task> {
        let mut above = Vec::new();
        let mut next = task.added.parent.as_ref();
        while let Some(known) = next.and_then(|parent| self.tasks.get(&parent.task)) {
            above.push(known.as_ref());
            next = known.added.parent.as_ref();
        }
        above
    }

    /// The state that the facts give to a task that nothing else holds.
    pub(super) fn state_by_facts(&self, task: &Task, now: Timestamp) -> State {
        let met = self.all_met(task);
        task.state_by_facts(met, self.children(task) == Children::Done, now)
    }

    /// A task and all below it that is not over, parents first.
    pub(super) fn subtree(&self, task: &Task) -> Vec<TaskId> {
        let mut found = Vec::new();
        let mut open = vec![task.id()];
        while let Some(id) = open.pop() {
            // What is over has nothing open below it.
            let known = self.tasks.get(&id).filter(|task| !task.state.is_final());
            if let Some(known) = known {
                found.push(id);
                open.extend(&known.children);
            }
        }
        found
    }

    /// Cancels a task with everything below it.
    pub(super) fn cancel_subtree(&self, task: &Task, reason: Option<&TextRef>) -> Vec<Event> {
        let mut ids = self.subtree(task);
        if planted::has(Bug::CancelLeavesChild) {
            ids.truncate(1);
        }
        self.cancel_all(&ids, reason)
    }

    /// Cancels these tasks and ends their live attempts.
    pub(super) fn cancel_all(&self, ids: &[TaskId], reason: Option<&TextRef>) -> Vec<Event> {
        let left = planted::has(Bug::CancelLeavesAttempt);
        let known = ids.iter().filter_map(|id| self.tasks.get(id));
        let ended = known.flat_map(|task| {
            let revoked = finish::revoked(task, RevokedFor::Cancelled).filter(|_| !left);
            let cancelled = Event::TaskCancelled { task: task.id(), reason: reason.cloned() };
            revoked.into_iter().chain([cancelled])
        });
        ended.collect()
    }

    /// Whether the task above is over, so that nobody waits for this one any more.
    pub(super) fn orphaned(&self, task: &Task) -> bool {
        let parent = task.added.parent.as_ref();
        parent.is_some_and(|parent| self.over.contains_key(&parent.task))
    }

    /// Children that wait for what failed and would wait for ever once their parent goes on.
    pub(super) fn stuck_children(&self, task: &Task) -> Vec<Event> {
        let broken = |id: &TaskId| self.dependency(*id) == Dependency::Broken;
        let mut gone: BTreeSet<TaskId> = task.children.iter().copied().filter(broken).collect();
        let mut events = Vec::new();
        let waits = |id: &TaskId, gone: &BTreeSet<TaskId>| {
            let child = self.tasks.get(id).filter(|child| !gone.contains(&child.id()))?;
            let open = !child.state.is_final();
            let lost = child.added.dependencies.iter().any(|on| gone.contains(on) || broken(on));
            (open && lost && child.spec().on_failure != OnFailure::RunAnyway).then_some(child)
        };
        while let Some(child) = task.children.iter().find_map(|id| waits(id, &gone)) {
            gone.insert(child.id());
            events.extend(self.cancel_subtree(child, None));
        }
        events
    }

    /// What is due because children have moved on; nothing when their parent may stay as it is.
    pub(super) fn follow_children(&self, task: &Task, now: Timestamp) -> Option<Event> {
        let (id, stand) = (task.id(), self.children(task));
        match (task.state, stand) {
            (State::Split, Children::Done) => {
                Some(Event::TaskReady { task: id, state: self.state_by_facts(task, now) })
            }
            (State::Split, Children::Broken) => {
                Some(Event::TaskAwaitsHuman { task: id, why: Awaits::ChildFailed })
            }
            (State::AwaitingHuman, Children::Done | Children::Open)
                if task.awaits == Some(Awaits::ChildFailed) =>
            {
                let done = stand == Children::Done;
                let state = task.state_once_asked(self.all_met(task), done, now);
                Some(Event::TaskReady { task: id, state })
            }
            _ => None,
        }
    }

    pub(super) fn apply_to_families(&mut self, event: &Event) {
        if let Event::TaskSplit(split) = event {
            self.families.entry(split.task).or_default();
        } else if let Event::TaskApproved(approved) = event {
            self.families.remove(&approved.task);
        } else if let Event::TaskCancelled { task, .. } = event {
            self.families.remove(task);
        } else if let Event::TaskReopened { task, .. } = event {
            self.forgo(*task);
        }
    }

    /// Remembers what an approved child has come to, for its parent.
    pub(super) fn note_part(&mut self, event: &Event) {
        let Event::TaskApproved(approved) = event else { return };
        let Some(parent) = self.tasks.get(&approved.task).and_then(|t| t.added.parent.clone())
        else {
            return;
        };
        if let Some(family) = self.families.get_mut(&parent.task) {
            let (title, submission) = (approved.title.clone(), approved.submission);
            family.done.insert(approved.task, Done { title, submission });
        }
    }

    /// A person has opened a task again: what failed below it is let go.
    fn forgo(&mut self, task: TaskId) {
        let Some(known) = self.tasks.get(&task).filter(|task| !task.children.is_empty()) else {
            return;
        };
        let broken = |id: &&TaskId| self.dependency(**id) == Dependency::Broken;
        let gone: Vec<TaskId> = known.children.iter().filter(broken).copied().collect();
        if let Some(family) = self.families.get_mut(&task) {
            family.forgone.extend(gone);
        }
    }
}

/// Whether an attempt at a task may end with a plan.
pub fn may_split(task: &Task) -> bool {
    let works = task.spec().mode == Mode::Llm;
    works && task.children.is_empty() && task.depth() < DEPTH_MAX
}

/// Refuses a plan that cannot become children.
pub(super) fn check_plan(task: &Task, plan: &Plan) -> Result<(), Rejection> {
    let why = if may_split(task) {
        plan.fault()
    } else {
        Some("is not for this task: it was split before, or lies too deep, or is local")
    };
    why.map_or(Ok(()), |why| Err(Rejection::PlanRefused { why }))
}

/// What follows an accepted plan: the children, and their parent waiting for them.
pub(super) fn split(
    task: &Task,
    plan: &Plan,
    submission: SubmissionId,
    cx: &Context<'_>,
) -> Vec<Event> {
    let ids: Vec<TaskId> = plan.parts.iter().map(|_| cx.mint()).collect();
    let pot = task.budget_left().get() * GIVEN_PERCENT / 100;
    let parts = plan.parts.iter().zip(&ids);
    let added: Vec<Added> = parts.map(|(part, id)| child(task, (part, *id), &ids, pot)).collect();
    let given = added.iter().map(|child| child.spec.budget_max.get()).sum();
    let split = Event::TaskSplit(Split {
        task: task.id(),
        submission,
        children: ids,
        given: MicroUsd::new(given),
    });
    // The children come first: their parent waits for what is there.
    added.into_iter().map(|child| Event::TaskAdded(Box::new(child))).chain([split]).collect()
}

/// A child as its parent's plan asks for it.
fn child(parent: &Task, (part, id): (&Part, TaskId), ids: &[TaskId], pot: i64) -> Added {
    let of = parent.spec();
    let dependencies: Vec<TaskId> =
        part.after.iter().filter_map(|place| ids.get(*place).copied()).collect();
    let budget_max = MicroUsd::new(pot * i64::from(part.share) / 100);
    let state = if parent.state == State::Paused {
        State::Paused
    } else if dependencies.is_empty() {
        State::Ready
    } else {
        State::Blocked
    };
    Added {
        task: id,
        spec: Spec {
            key: None,
            kind: Kind::Docs,
            mode: Mode::Llm,
            command: Vec::new(),
            target: None,
            depends_on: dependencies.iter().map(ToString::to_string).collect(),
            on_failure: OnFailure::Hold,
            priority: of.priority,
            parallel_safe: true,
            concurrency_key: None,
            concurrency_limit: 1,
            not_before: None,
            deadline: None,
            budget_min: of.budget_min.min(budget_max),
            budget_max,
            model: None,
            resident: None,
            bonus_tokens: 0,
            run_limit: of.run_limit,
            tags: of.tags.clone(),
            rest_day_ok: of.rest_day_ok,
            specialization: None,
            review: of.review,
            level_max: of.level_max,
            hat: None,
        },
        title: part.title.clone(),
        instruction: part.instruction.clone(),
        intent: None,
        dependencies,
        submitter: parent.added.submitter.clone(),
        state,
        recurrence: None,
        parent: Some(Parent { task: parent.id(), depth: parent.depth() + 1, share: part.share }),
    }
}

/// A digest of what an instruction asks for.
pub fn likeness(instruction: &str) -> Hash {
    vivarium_ledger::chain::digest(split::alike(instruction).as_bytes())
}
