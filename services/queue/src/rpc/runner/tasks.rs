//! The tasks of many grants, read at once: one question to the state and one look at the texts.

use std::collections::BTreeMap;

use vivarium_chassis::Refusal;
use vivarium_ledger::TextRef;
use vivarium_proto::queue::v1 as pb;
use vivarium_types::MicroUsd;
use vivarium_types::ids::TaskId;

use super::super::{Desk, broken, refusal, show};
use crate::domain::Queue;
use crate::domain::split::{self, Done};
use crate::domain::task::Task;
use crate::domain::world::Mode;

/// What grants say of their tasks and of the world.
pub(super) struct Known {
    /// The mode in force.
    pub(super) mode: Mode,
    tasks: BTreeMap<TaskId, Work>,
}

/// A task as its attempt gets it.
#[derive(Debug, Clone)]
pub(super) struct Work {
    /// Without its attempts and dependents.
    pub(super) task: pb::Task,
    /// What is left of its budget.
    pub(super) left: MicroUsd,
    /// What it is a part of, and what its parts have come to.
    pub(super) family: Family,
    /// Programs that a person allows its attempts to run, word for word.
    pub(super) allowed: Vec<String>,
}

/// What is above and below a task at work.
#[derive(Debug, Clone, Default)]
pub(super) struct Family {
    pub(super) may_split: bool,
    pub(super) root_instruction: String,
    pub(super) parts_done: Vec<pb::PartDone>,
}

/// An open task, and the texts about its family.
struct Open {
    task: Box<Task>,
    may_split: bool,
    root: Option<TextRef>,
    parts: Vec<(TaskId, Done)>,
}

impl Open {
    fn of(queue: &Queue, id: TaskId) -> Option<Self> {
        let task = queue.tasks.get(&id)?;
        let root = queue.ancestors(task).last().map(|root| root.added.instruction.clone());
        let parts = queue.parts_done(id).map(|(child, done)| (child, done.clone()));
        let may_split = split::may_split(task);
        Some(Self { task: task.clone(), may_split, root, parts: parts.collect() })
    }

    fn texts(&self) -> impl Iterator<Item = &str> {
        let parts = self.parts.iter().map(|(_, done)| done.title.id.as_str());
        texts(&self.task).chain(self.root.iter().map(|root| root.id.as_str())).chain(parts)
    }
}

impl Known {
    /// A task as its attempt gets it.
    pub(super) fn task(&self, id: TaskId) -> Option<Work> {
        self.tasks.get(&id).cloned()
    }
}

/// What grants of these tasks say.
pub(super) async fn known(desk: &Desk, ids: Vec<TaskId>) -> Result<Known, Refusal> {
    let wanted = ids.clone();
    let asked = desk.ledger.ask(move |queue| {
        let tasks = wanted.iter().filter_map(|id| Open::of(queue, *id));
        (tasks.collect::<Vec<Open>>(), queue.world.mode)
    });
    let (open, mode) = asked.await.map_err(refusal)?;
    let texts = open.iter().flat_map(Open::texts).map(ToOwned::to_owned).collect();
    let texts = desk.ledger.read_texts(texts).await.map_err(broken)?;
    let mut tasks = BTreeMap::new();
    for Open { task, may_split, root, parts } in open {
        let left = task.budget_left();
        let text = |id: &str| texts.get(id).cloned().unwrap_or_default();
        let words = show::Words {
            title: text(&task.added.title.id),
            instruction: text(&task.added.instruction.id),
            intent: task.added.intent.as_ref().map(|intent| text(&intent.id)).unwrap_or_default(),
        };
        let feedback = task.feedback.iter().map(|reason| text(&reason.id)).collect();
        let shown = pb::Task { feedback, ..show::task(&task, words, None) };
        let parts_done = parts.iter().map(|(child, done)| pb::PartDone {
            task_id: child.to_string(),
            title: text(&done.title.id),
            submission_id: done.submission.to_string(),
        });
        let family = Family {
            may_split,
            root_instruction: root.map(|root| text(&root.id)).unwrap_or_default(),
            parts_done: parts_done.collect(),
        };
        let allowed = task.allowed_programs.iter().map(|program| text(&program.id)).collect();
        tasks.insert(task.id(), Work { task: shown, left, family, allowed });
    }
    // What ended behind its grant is in the read models alone.
    for id in ids {
        if !tasks.contains_key(&id)
            && let Some(task) = desk.task(&id.to_string()).await?
        {
            let (left, family) = (MicroUsd::ZERO, Family::default());
            tasks.insert(id, Work { task, left, family, allowed: Vec::new() });
        }
    }
    Ok(Known { mode, tasks })
}

fn texts(task: &Task) -> impl Iterator<Item = &str> {
    let own = [&task.added.title, &task.added.instruction];
    let said = task.feedback.iter().chain(&task.allowed_programs);
    own.into_iter().chain(&task.added.intent).chain(said).map(|text| text.id.as_str())
}
