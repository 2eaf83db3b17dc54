//! Changing what a task asks for, before or between attempts.

use std::collections::{BTreeMap, BTreeSet};

use vivarium_ledger::TextRef;
use vivarium_ledger::planted::{self, Bug};
use vivarium_types::Timestamp;
use vivarium_types::ids::TaskId;

use super::add::DEPTH_MAX;
use super::event::Event;
use super::task::{Edited, PRIORITY, Spec, State, Task};
use super::{Queue, Rejection};

/// What a person wants changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The task, by id or key.
    pub task: String,
    /// The revision that was read.
    pub revision: u32,
    /// What is asked for instead; `None` when it was drawn from another revision.
    pub wanted: Option<Wanted>,
}

/// What is asked for behind an edit. Texts that are `None` stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The whole spec; its dependencies are keys or ids.
    pub spec: Spec,
    /// Names of the spec's fields that change.
    pub fields: BTreeSet<String>,
    /// The title.
    pub title: Option<TextRef>,
    /// The instruction.
    pub instruction: Option<TextRef>,
    /// Constraints, preferences, anti-goals and metadata.
    pub intent: IntentEdit,
}

/// What becomes of the intent of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IntentEdit {
    /// It stays.
    Keep,
    /// There is none any more.
    Remove,
    /// It is this.
    Set(TextRef),
}

impl Queue {
    pub(super) fn edit(&self, edit: Edit, now: Timestamp) -> Result<Vec<Event>, Rejection> {
        let task = self.open_task(&edit.task, "edit")?;
        let current = Rejection::EtagStale { etag: task.revision };
        let wanted = edit.wanted.filter(|_| edit.revision == task.revision).ok_or(current)?;
        let reorders_only = wanted.fields.iter().all(|field| field == PRIORITY);
        let leased = task.state == State::Leased && !planted::has(Bug::EditWhileLeased);
        if !reorders_only && (task.under_review || leased) {
            return Err(Rejection::Transition { state: task.state, request: "edit" });
        }
        let dependencies = if wanted.fields.contains("depends_on") {
            self.new_dependencies(task, &wanted.spec.depends_on)?
        } else {
            task.added.dependencies.clone()
        };
        let mut edited = Edited {
            task: task.id(),
            revision: task.revision + 1,
            spec: wanted.spec,
            title: wanted.title.unwrap_or_else(|| task.added.title.clone()),
            instruction: wanted.instruction.unwrap_or_else(|| task.added.instruction.clone()),
            intent: match wanted.intent {
                IntentEdit::Keep => task.added.intent.clone(),
                IntentEdit::Remove => None,
                IntentEdit::Set(intent) => Some(intent),
            },
            dependencies,
            state: task.state,
            fields: wanted.fields,
        };
        if !reorders_only && task.state != State::Paused {
            let mut after = task.clone();
            after.take_edit(&edited);
            edited.state = self.state_by_facts(&after, now);
        }
        Ok(vec![Event::TaskEdited(Box::new(edited))])
    }

    /// Dependencies for a task that others may wait for already: as strict as an add.
    fn new_dependencies(&self, task: &Task, names: &[String]) -> Result<Vec<TaskId>, Rejection> {
        let name = || task.spec().key.clone().unwrap_or_else(|| task.id().to_string());
        let mut found = Vec::new();
        for dependency in names {
            let unknown = || Rejection::DependencyUnknown { dependency: dependency.clone() };
            let id = self.resolve(dependency).map_err(|_| unknown())?;
            if id == task.id() {
                return Err(Rejection::DependencySelf { task: name() });
            }
            if !found.contains(&id) {
                found.push(id);
            }
        }
        if self.leads_to(&found, task.id()) {
            return Err(Rejection::DependencyCycle { task: name() });
        }
        let below = found.iter().map(|on| self.depth(*on)).max().unwrap_or(0);
        if below + self.height(task.id()) > DEPTH_MAX {
            return Err(Rejection::TooDeep { max: DEPTH_MAX });
        }
        Ok(found)
    }

    /// Whether any of `from` waits for `to`, however far away.
    fn leads_to(&self, from: &[TaskId], to: TaskId) -> bool {
        let mut seen = BTreeSet::new();
        let mut open = from.to_vec();
        while let Some(id) = open.pop() {
            if id == to {
                return true;
            }
            if seen.insert(id) {
                let task = self.tasks.get(&id).into_iter();
                // Who was split waits for its children as well.
                open.extend(task.flat_map(|t| t.added.dependencies.iter().chain(&t.children)));
            }
        }
        false
    }

    /// Tasks on the longest chain that begins with this one and goes on to those that wait for it.
    fn height(&self, id: TaskId) -> u32 {
        let order = self.waiting_behind(id);
        let mut heights: BTreeMap<TaskId, u32> = BTreeMap::new();
        for task in order.iter().rev() {
            let above = self.dependents_of(*task).into_iter().filter_map(|d| heights.get(&d));
            let height = above.max().copied().unwrap_or(0) + 1;
            heights.insert(*task, height);
        }
        heights.get(&id).copied().unwrap_or(1)
    }

    /// A task and all that wait for it, each behind everything it waits for among them.
    fn waiting_behind(&self, id: TaskId) -> Vec<TaskId> {
        let mut order = Vec::new();
        let mut seen = BTreeSet::new();
        let mut open = vec![(id, false)];
        while let Some((id, done)) = open.pop() {
            if done {
                order.push(id);
            } else if seen.insert(id) {
                open.push((id, true));
                open.extend(self.dependents_of(id).into_iter().map(|next| (next, false)));
            }
        }
        order.reverse();
        order
    }

    /// Takes other dependencies into the graph: who waits for whom, and how deep chains are.
    pub(super) fn rewire(&mut self, id: TaskId, old: &[TaskId], new: &[TaskId]) {
        if old == new {
            return;
        }
        for on in old {
            if let Some(waiting) = self.dependents.get_mut(on) {
                waiting.remove(&id);
            }
        }
        for on in new {
            self.dependents.entry(*on).or_default().insert(id);
        }
        for task in self.waiting_behind(id) {
            let on = self.tasks.get(&task).into_iter().flat_map(|task| &task.added.dependencies);
            match on.map(|on| self.depth(*on)).max() {
                Some(deepest) => self.depths.insert(task, deepest + 1),
                None => self.depths.remove(&task),
            };
        }
    }
}
