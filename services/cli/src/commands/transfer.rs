//! `vivarium import` and `export`: tasks as JSON, one a line.

use std::io::Read as _;
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use vivarium_proto::queue::v1 as pb;

use super::tasks;
use crate::args::{Export, Tasks};
use crate::console::Console;
use crate::failure::Failure;
use crate::render;

/// Tasks of one request.
const BATCH: usize = 100;
/// Tasks of one page.
const PAGE: u32 = 500;

/// Brings tasks into the world.
pub(super) async fn import(console: &Console, file: &Path) -> Result<(), Failure> {
    let text = read(file)?;
    let specs = specs(&text)?;
    if specs.is_empty() {
        return Err(Failure::usage("the file has no tasks", "write one JSON object a line"));
    }
    // The same bytes ask for the same thing: each batch is known by the file and its place in it.
    let digest = hex::encode(&Sha256::digest(text.as_bytes())[..16]);
    let mut client = console.tasks()?;
    let mut added = Vec::new();
    for (at, batch) in specs.chunks(BATCH).enumerate() {
        let request_id = format!("import.{digest}.{at}");
        let request = pb::AddTasksRequest { request_id, tasks: batch.to_vec() };
        match client.add_tasks(request).await {
            Ok(answer) => added.extend(answer.into_inner().task_ids),
            Err(status) => {
                let first = at * BATCH + 1;
                let last = (first + batch.len()).saturating_sub(1);
                render::notice(&format!(
                    "{} tasks are added; none of the tasks {first} to {last} is, for this reason:",
                    added.len()
                ))?;
                return Err(status.into());
            }
        }
    }
    if console.json {
        return render::json(&json!({"taskIds": added}));
    }
    render::line(&format!(
        "{} tasks are in the world; the same file adds nothing again",
        added.len()
    ))
}

fn read(file: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    if file == Path::new("-") {
        std::io::stdin().read_to_string(&mut text)?;
    } else {
        text = std::fs::read_to_string(file).map_err(|error| {
            Failure::usage(format!("cannot read {}: {error}", file.display()), "check its name")
        })?;
    }
    Ok(text)
}

/// The tasks of a file; every line that is none is named.
fn specs(text: &str) -> Result<Vec<pb::TaskSpec>, Failure> {
    let mut specs = Vec::new();
    let mut wrong = Vec::new();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match spec(line) {
            Ok(spec) => specs.push(spec),
            Err(error) => wrong.push(format!("line {}: {error}", at + 1)),
        }
    }
    if wrong.is_empty() {
        return Ok(specs);
    }
    wrong.truncate(20);
    Err(Failure::usage(
        format!("nothing is added: {}", wrong.join("; ")),
        "correct these lines; `vivarium import tasks --help` shows the form",
    ))
}

fn spec(line: &str) -> Result<pb::TaskSpec, serde_json::Error> {
    let mut value: Value = serde_json::from_str(line)?;
    let inner = value.get_mut("spec").map(Value::take);
    serde_json::from_value(inner.unwrap_or(value))
}

/// Writes something out of the world.
pub(super) async fn export(console: &Console, what: Export) -> Result<(), Failure> {
    let Export::Tasks(wanted) = what;
    let wanted = Tasks { limit: PAGE, ..wanted };
    let mut client = console.tasks()?;
    let mut request = tasks::request(wanted)?;
    let mut pages = Vec::new();
    loop {
        let answer = client.list_tasks(request.clone()).await?.into_inner();
        request.page_token = answer.next_page_token;
        pages.push(answer.tasks);
        if request.page_token.is_empty() {
            break;
        }
    }
    // Pages come newest first; a file that is read from its beginning wants the oldest first.
    for task in pages.iter().flatten().rev() {
        render::line(&serde_json::to_string(task).map_err(std::io::Error::from)?)?;
    }
    Ok(())
}
