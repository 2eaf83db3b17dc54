//! `vivarium watch`: each change of tasks as it happens.

use vivarium_proto::queue::v1 as pb;

use super::tasks::{state, why, word};
use crate::console::Console;
use crate::failure::Failure;
use crate::render;

pub(super) async fn run(
    console: &Console,
    named: Option<String>,
    until: &[String],
) -> Result<(), Failure> {
    let until = until.iter().map(|name| state(name)).collect::<Result<Vec<_>, _>>()?;
    let one = named.is_some();
    let request = pb::WatchTasksRequest { filter: None, tasks: named.into_iter().collect() };
    let mut changes = console.tasks()?.watch_tasks(request).await?.into_inner();
    while let Some(change) = changes.message().await? {
        for task in &change.tasks {
            if console.json {
                render::json(task)?;
            } else {
                let title = task.spec.as_ref().map(|spec| spec.title.as_str()).unwrap_or_default();
                let title = render::short(title, 60);
                let (id, state, why) = (&task.task_id, word(task.state()), why(task));
                render::line(format!("{id}  {state:<14}  {why:<12}  {title}").trim_end())?;
            }
            if one && (is_final(task.state()) || until.contains(&task.state())) {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Whether a task stays as it is.
pub(super) const fn is_final(state: pb::TaskState) -> bool {
    matches!(state, pb::TaskState::Approved | pb::TaskState::Failed | pb::TaskState::Cancelled)
}
