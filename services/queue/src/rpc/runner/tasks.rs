//! The tasks of many grants, read at once: one question to the state and one look at the texts.

use std::collections::BTreeMap;

use vivarium_chassis::Refusal;
use vivarium_proto::queue::v1 as pb;
use vivarium_types::MicroUsd;
use vivarium_types::ids::TaskId;

use super::super::{Desk, broken, refusal, show};
use crate::domain::task::Task;
use crate::domain::world::Mode;

/// What grants say of their tasks and of the world.
pub(super) struct Known {
    /// The mode in force.
    pub(super) mode: Mode,
    tasks: BTreeMap<TaskId, (pb::Task, MicroUsd)>,
}

impl Known {
    /// A task without its attempts and dependents, and what is left of its budget.
    pub(super) fn task(&self, id: TaskId) -> Option<(pb::Task, MicroUsd)> {
        self.tasks.get(&id).cloned()
    }
}

/// What grants of these tasks say.
pub(super) async fn known(desk: &Desk, ids: Vec<TaskId>) -> Result<Known, Refusal> {
    let wanted = ids.clone();
    let asked = desk.ledger.ask(move |queue| {
        let tasks = wanted.iter().filter_map(|id| queue.tasks.get(id).cloned());
        (tasks.collect::<Vec<Task>>(), queue.world.mode)
    });
    let (open, mode) = asked.await.map_err(refusal)?;
    let texts = open.iter().flat_map(texts).map(ToOwned::to_owned).collect();
    let texts = desk.ledger.read_texts(texts).await.map_err(broken)?;
    let mut tasks = BTreeMap::new();
    for task in open {
        let left = task.budget_left();
        let text = |id: &str| texts.get(id).cloned().unwrap_or_default();
        let words = show::Words {
            title: text(&task.added.title.id),
            instruction: text(&task.added.instruction.id),
            intent: task.added.intent.as_ref().map(|intent| text(&intent.id)).unwrap_or_default(),
        };
        let feedback = task.feedback.iter().map(|reason| text(&reason.id)).collect();
        let shown = pb::Task { feedback, ..show::task(&task, words, None) };
        tasks.insert(task.id(), (shown, left));
    }
    // What ended behind its grant is in the read models alone.
    for id in ids {
        if !tasks.contains_key(&id)
            && let Some(task) = desk.task(&id.to_string()).await?
        {
            tasks.insert(id, (task, MicroUsd::ZERO));
        }
    }
    Ok(Known { mode, tasks })
}

fn texts(task: &Task) -> impl Iterator<Item = &str> {
    let own = [&task.added.title, &task.added.instruction];
    own.into_iter().chain(&task.added.intent).chain(&task.feedback).map(|text| text.id.as_str())
}
