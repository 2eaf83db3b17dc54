//! `vivarium run`: adds a task and waits for what comes out, for scripts.

use std::time::Duration;

use serde_json::json;
use vivarium_proto::queue::v1 as pb;

use super::tasks::{why, word};
use super::{add, show, watch};
use crate::args::Add;
use crate::console::Console;
use crate::failure::Failure;
use crate::render;

/// What a task waits for whose work is there.
const AWAITS_APPROVAL: &str = "approval";
/// How long a queue that went away is left alone.
const PAUSE: Duration = Duration::from_millis(500);

pub(super) async fn run(console: &Console, wanted: Add, wait: Duration) -> Result<(), Failure> {
    let added = add::added(console, wanted).await?;
    let id = added.task_ids.first().cloned().unwrap_or_default();
    tell(console, &format!("added {id}"))?;
    // From here on every failure names the task: without its name none was added.
    worked(console, &id, wait).await.map_err(|failure| failure.beside("task", id))
}

/// Waits for the work and prints it.
async fn worked(console: &Console, id: &str, wait: Duration) -> Result<(), Failure> {
    let Ok(ended) = tokio::time::timeout(wait, ended(console, id)).await else {
        let sentence = format!("{id} is not done after {} s; it goes on", wait.as_secs());
        return Err(Failure::later(
            sentence,
            format!("`vivarium why {id}` says what it waits for"),
        ));
    };
    let task = ended?;
    if let Some(failure) = without_work(&task) {
        return Err(failure);
    }
    let submission = show::submission(console, id).await?;
    if console.json {
        render::json(&json!({"task": task, "submission": submission}))?;
    } else if let Some(submission) = submission {
        for document in &submission.documents {
            render::line(document.body.trim_end())?;
        }
        if !submission.answer.is_empty() {
            render::line(submission.answer.trim_end())?;
        }
    }
    if task.state() == pb::TaskState::AwaitingHuman {
        return tell(console, &format!("it waits for you: `vivarium approve {id}` publishes it"));
    }
    Ok(())
}

/// Why a task that has come to rest has brought nothing to take; `None` when it has.
fn without_work(task: &pb::Task) -> Option<Failure> {
    let approved = task.state() == pb::TaskState::Approved;
    if approved || (task.state() == pb::TaskState::AwaitingHuman && task.awaits == AWAITS_APPROVAL)
    {
        return None;
    }
    let (id, state, why) = (&task.task_id, word(task.state()), why(task));
    let told = [why.as_str(), task.failure_message.as_str()].map(str::trim);
    let told: Vec<&str> = told.into_iter().filter(|part| !part.is_empty()).collect();
    let sentence = format!("{id} is {state}: {}", told.join(": "));
    Some(Failure::refused(sentence, format!("`vivarium show {id}` has all of it")))
}

/// Waits until the task has ended or waits for a person, and tells where it stands meanwhile. A queue
/// that goes away is waited for: the task is in its ledger.
async fn ended(console: &Console, id: &str) -> Result<pb::Task, Failure> {
    let mut told = String::new();
    loop {
        let request = pb::WatchTasksRequest { filter: None, tasks: vec![id.to_owned()] };
        if let Ok(changes) = console.tasks()?.watch_tasks(request).await
            && let Some(task) = followed(console, changes.into_inner(), &mut told).await?
        {
            return Ok(task);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Follows one stream, which begins with the task as it is, to the task's end or to its own.
async fn followed(
    console: &Console,
    mut changes: tonic::Streaming<pb::WatchTasksResponse>,
    told: &mut String,
) -> Result<Option<pb::Task>, Failure> {
    while let Ok(Some(change)) = changes.message().await {
        for task in change.tasks {
            if watch::is_final(task.state()) || task.state() == pb::TaskState::AwaitingHuman {
                return Ok(Some(task));
            }
            let stands = format!("{} {}", word(task.state()), why(&task));
            if stands != *told {
                tell(console, stands.trim_end())?;
                *told = stands;
            }
        }
    }
    Ok(None)
}

/// Tells people where it stands; programs read the end alone.
fn tell(console: &Console, text: &str) -> Result<(), Failure> {
    if console.json { Ok(()) } else { render::notice(text) }
}
