//! `vivarium why`: why tasks wait.

use vivarium_proto::queue::v1 as pb;

use super::tasks::{reason, word};
use crate::console::Console;
use crate::failure::Failure;
use crate::render;

/// Tasks that are named in one line.
const NAMED_MAX: usize = 3;

pub(super) async fn run(console: &Console, tasks: Vec<String>, limit: u32) -> Result<(), Failure> {
    let request = pb::ExplainTasksRequest { tasks, page_size: limit, ..Default::default() };
    let answer = console.tasks()?.explain_tasks(request).await?.into_inner();
    if console.json {
        return render::json(&answer);
    }
    if answer.explanations.is_empty() {
        return render::line("no task waits");
    }
    let rows: Vec<Vec<String>> = answer.explanations.iter().map(row).collect();
    render::table(&["TASK", "STATE", "WHY", "UNTIL", "BECAUSE OF", ""], &rows)?;
    if !answer.next_page_token.is_empty() {
        render::notice("more tasks wait; raise --limit to see them")?;
    }
    Ok(())
}

fn row(explanation: &pb::Explanation) -> Vec<String> {
    let name = if explanation.key.is_empty() { &explanation.task_id } else { &explanation.key };
    let blocking = &explanation.blocking_task_ids;
    let named = blocking.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join(" ");
    let more = blocking.len().saturating_sub(NAMED_MAX);
    let because = if more > 0 { format!("{named} and {more} more") } else { named };
    let until = explanation.until_time.as_ref().map(render::moment);
    vec![
        name.clone(),
        word(explanation.state()),
        reason(explanation.wait_reason()),
        until.unwrap_or_default(),
        because,
        explanation.text.clone(),
    ]
}
