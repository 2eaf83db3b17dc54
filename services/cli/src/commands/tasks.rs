//! `vivarium tasks`: where the tasks stand.

use vivarium_proto::queue::v1 as pb;

use super::wanted;
use crate::args::Tasks;
use crate::console::Console;
use crate::failure::Failure;
use crate::render;

pub(super) async fn run(console: &Console, wanted: Tasks) -> Result<(), Failure> {
    let request = request(wanted)?;
    let answer = console.tasks()?.list_tasks(request).await?.into_inner();
    if console.json {
        return render::json(&answer);
    }
    if answer.tasks.is_empty() {
        return render::line("no tasks; add one with `vivarium add \"Explain ...\"`");
    }
    let rows: Vec<Vec<String>> = answer.tasks.iter().map(row).collect();
    render::table(&["TASK", "STATE", "WHY", "KEY", "TITLE"], &rows)
}

/// The request that the options describe.
pub(super) fn request(wanted: Tasks) -> Result<pb::ListTasksRequest, Failure> {
    let states = wanted.state.iter().map(|name| state(name)).collect::<Result<Vec<_>, _>>()?;
    let filter = pb::TaskFilter {
        states: states.into_iter().map(Into::into).collect(),
        text: wanted.text.unwrap_or_default(),
        tag: wanted.tag.unwrap_or_default(),
        failure_class: wanted.failed.unwrap_or_default(),
        recurrence: wanted.recurrence.unwrap_or_default(),
        ..pb::TaskFilter::default()
    };
    Ok(pb::ListTasksRequest {
        filter: Some(filter),
        page_size: wanted.limit,
        as_of: wanted::as_of(&wanted.as_of)?,
        ..pb::ListTasksRequest::default()
    })
}

fn row(task: &pb::Task) -> Vec<String> {
    let spec = task.spec.clone().unwrap_or_default();
    vec![
        task.task_id.clone(),
        word(task.state()),
        why(task),
        spec.key,
        render::short(&spec.title, 60),
    ]
}

/// A state as people write it, such as `awaiting_human`.
pub(super) fn word(state: pb::TaskState) -> String {
    state.as_str_name().trim_start_matches("TASK_STATE_").to_lowercase()
}

/// Why a task does not go on, in a word.
pub(super) fn why(task: &pb::Task) -> String {
    if !task.awaits.is_empty() {
        return task.awaits.clone();
    }
    if !task.failure_class.is_empty() {
        return task.failure_class.clone();
    }
    reason(task.wait_reason())
}

/// A wait reason as people write it, such as `back_off`; empty when there is none.
pub(super) fn reason(reason: pb::WaitReason) -> String {
    if reason == pb::WaitReason::Unspecified {
        return String::new();
    }
    reason.as_str_name().trim_start_matches("WAIT_REASON_").to_lowercase()
}

/// The state of this name.
pub(super) fn state(name: &str) -> Result<pb::TaskState, Failure> {
    let wanted = format!("TASK_STATE_{}", name.to_uppercase().replace('-', "_"));
    let known = pb::TaskState::from_str_name(&wanted);
    known.filter(|state| *state != pb::TaskState::Unspecified).ok_or_else(|| {
        Failure::usage(
            format!("there is no state {name}"),
            "use proposed, blocked, queued, ready, leased, in_review, awaiting_human, requeued, \
             paused, approved, failed or cancelled",
        )
    })
}
