//! `vivarium add`: gives the world a task.

use vivarium_proto::queue::v1 as pb;

use super::wanted;
use crate::args::Add;
use crate::console::{Console, request_id};
use crate::failure::Failure;
use crate::render;

pub(super) async fn run(console: &Console, add: Add) -> Result<(), Failure> {
    let answer = added(console, add).await?;
    if console.json {
        return render::json(&answer);
    }
    for task in &answer.task_ids {
        render::line(&format!("added {task}"))?;
    }
    for hint in answer.split_hints.iter().filter(|hint| hint.signal_count > 0) {
        render::notice("it asks for several things; they could be tasks of their own:")?;
        for part in &hint.parts {
            render::notice(&format!("  {}", render::short(part, 100)))?;
        }
    }
    Ok(())
}

/// Adds it.
pub(super) async fn added(console: &Console, add: Add) -> Result<pb::AddTasksResponse, Failure> {
    let mut spec = wanted::spec(add.wanted);
    spec.key = add.key.unwrap_or_default();
    spec.instruction = add.instruction.map(wanted::text).transpose()?.unwrap_or_default();
    if !add.local.is_empty() {
        spec.mode = pb::TaskMode::Local.into();
        spec.command = add.local;
        if spec.kind == 0 {
            spec.kind = pb::TaskKind::Answer.into();
        }
    }
    let request_id = add.request_id.unwrap_or_else(request_id);
    let request = pb::AddTasksRequest { request_id, tasks: vec![spec] };
    Ok(console.tasks()?.add_tasks(request).await?.into_inner())
}
