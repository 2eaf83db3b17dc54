//! `vivarium pause`, `resume TASK`, `requeue`, `redrive`: tasks set aside and opened again.

use vivarium_proto::queue::v1 as pb;

use crate::console::{Console, request_id};
use crate::failure::Failure;
use crate::render;

pub(super) async fn pause(console: &Console, task: String) -> Result<(), Failure> {
    let named = task.clone();
    let request = pb::PauseTaskRequest { request_id: request_id(), task };
    let answer = console.tasks()?.pause_task(request).await?.into_inner();
    if console.json {
        return render::json(&answer);
    }
    render::line(&format!("paused {named}; `vivarium resume {named}` takes it up again"))
}

pub(super) async fn resume(console: &Console, task: String) -> Result<(), Failure> {
    let named = task.clone();
    let request = pb::ResumeTaskRequest { request_id: request_id(), task };
    let answer = console.tasks()?.resume_task(request).await?.into_inner();
    if console.json {
        return render::json(&answer);
    }
    render::line(&format!("resumed {named}"))
}

pub(super) async fn requeue(console: &Console, task: String) -> Result<(), Failure> {
    let named = task.clone();
    let request = pb::RequeueTaskRequest { request_id: request_id(), task };
    let answer = console.tasks()?.requeue_task(request).await?.into_inner();
    if console.json {
        return render::json(&answer);
    }
    render::line(&format!("opened {named} again"))
}

pub(super) async fn redrive(
    console: &Console,
    tasks: Vec<String>,
    class: Option<String>,
    limit: u32,
) -> Result<(), Failure> {
    let failure_class = class.unwrap_or_default();
    let request = pb::RedriveTasksRequest { request_id: request_id(), tasks, failure_class, limit };
    let answer = console.tasks()?.redrive_tasks(request).await?.into_inner();
    if console.json {
        return render::json(&answer);
    }
    if answer.task_ids.is_empty() {
        return render::line("no failed task matches");
    }
    for task in &answer.task_ids {
        render::line(&format!("opened {task} again"))?;
    }
    if answer.left_count > 0 {
        render::notice(&format!(
            "{} more failed and match; repeat it for them",
            answer.left_count
        ))?;
    }
    Ok(())
}
