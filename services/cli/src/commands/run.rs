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

pub(super) async fn run(console: &Console, wanted: Add, wait: Duration) -> Result<(), Failure> {
    let mut client = console.tasks()?;
    // Watched from before it is there, so that nothing of it is missed.
    let changes = client.watch_tasks(pb::WatchTasksRequest { filter: None }).await?.into_inner();
    let added = add::added(console, wanted).await?;
    let id = added.task_ids.first().cloned().unwrap_or_default();
    tell(console, &format!("added {id}"))?;
    let Ok(ended) = tokio::time::timeout(wait, ended(console, changes, &id)).await else {
        let sentence = format!("{id} is not done after {} s; it goes on", wait.as_secs());
        return Err(Failure::later(
            sentence,
            format!("`vivarium why {id}` says what it waits for"),
        ));
    };
    let task = ended?;
    let submission = show::submission(console, &id).await?;
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
    match task.state() {
        pb::TaskState::Failed | pb::TaskState::Cancelled => {
            let (state, why) = (word(task.state()), why(&task));
            let told = [why.as_str(), task.failure_message.as_str()].map(str::trim);
            let told: Vec<&str> = told.into_iter().filter(|part| !part.is_empty()).collect();
            let sentence = format!("{id} is {state}: {}", told.join(": "));
            Err(Failure::refused(sentence, format!("`vivarium show {id}` has all of it")))
        }
        pb::TaskState::AwaitingHuman => {
            tell(console, &format!("it waits for you: `vivarium approve {id}` publishes it"))
        }
        _ => Ok(()),
    }
}

/// Waits until the task has ended or waits for a person, and tells where it stands meanwhile.
async fn ended(
    console: &Console,
    mut changes: tonic::Streaming<pb::WatchTasksResponse>,
    id: &str,
) -> Result<pb::Task, Failure> {
    let mut told = String::new();
    while let Some(change) = changes.message().await? {
        for task in change.tasks.into_iter().filter(|task| task.task_id == id) {
            if watch::is_final(task.state()) || task.state() == pb::TaskState::AwaitingHuman {
                return Ok(task);
            }
            let stands = format!("{} {}", word(task.state()), why(&task));
            if stands != told {
                tell(console, stands.trim_end())?;
                told = stands;
            }
        }
    }
    Err(Failure::unavailable("the queue went away", format!("`vivarium watch {id}` waits on")))
}

/// Tells people where it stands; programs read the end alone.
fn tell(console: &Console, text: &str) -> Result<(), Failure> {
    if console.json { Ok(()) } else { render::notice(text) }
}
