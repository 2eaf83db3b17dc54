//! `vivarium add`: gives the world a task.

use std::io::Read as _;

use vivarium_proto::queue::v1 as pb;

use crate::args::{Add, Kind};
use crate::console::{Console, request_id};
use crate::failure::Failure;
use crate::render;

pub(super) async fn run(console: &Console, add: Add) -> Result<(), Failure> {
    let instruction = match add.instruction.as_str() {
        "-" => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text)?;
            text.trim_end().to_owned()
        }
        _ => add.instruction,
    };
    let kind = match add.kind {
        Kind::Docs => pb::TaskKind::Docs,
        Kind::Plan => pb::TaskKind::Plan,
        Kind::Answer => pb::TaskKind::Answer,
    };
    let spec = pb::TaskSpec {
        key: add.key.unwrap_or_default(),
        title: add.title.unwrap_or_default(),
        instruction,
        kind: kind.into(),
        target: add.target.unwrap_or_default(),
        depends_on: add.depends_on,
        priority: add.priority,
        budget_max_micro_usd: add.budget_max,
        resident_id: add.resident.unwrap_or_default(),
        tags: add.tag,
        ..pb::TaskSpec::default()
    };
    let request_id = add.request_id.unwrap_or_else(request_id);
    let request = pb::AddTasksRequest { request_id, tasks: vec![spec] };
    let answer = console.tasks()?.add_tasks(request).await?.into_inner();
    if console.json {
        return render::json(&answer);
    }
    for task in &answer.task_ids {
        render::line(&format!("added {task}"))?;
    }
    Ok(())
}
