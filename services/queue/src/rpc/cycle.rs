//! `RunCycle`: a task that is added and followed to the end of its first cycle.

use futures::Stream;
use vivarium_chassis::Refusal;
use vivarium_ledger::watch::Watch;
use vivarium_ledger::{Request as RequestKey, TextRef};
use vivarium_proto::queue::v1 as pb;
use vivarium_types::ids::TaskId;
use vivarium_types::{Actor, Reason};

use super::{Desk, broken, convert, past, show, tasks};
use crate::domain::event::Event;
use crate::views;

/// Adds the task and follows it. What is wrong with the request is told before anything is followed.
pub(super) async fn run(
    desk: Desk,
    actor: Actor,
    wire: pb::RunCycleRequest,
) -> Result<impl Stream<Item = Result<pb::RunCycleResponse, tonic::Status>>, Refusal> {
    let task = added(&desk, actor, wire).await?;
    // Changes behind this place follow; some of them may be in the first look already.
    let watch = desk.ledger.watch(desk.ledger.committed());
    Ok(follow(desk, task, watch))
}

async fn added(desk: &Desk, actor: Actor, wire: pb::RunCycleRequest) -> Result<TaskId, Refusal> {
    const METHOD: &str = "/vivarium.queue.v1.TaskService/RunCycle";
    let mut plain = wire.clone();
    plain.task.iter_mut().for_each(convert::sort_metadata);
    let key = RequestKey::of(METHOD, &wire.request_id, &plain);
    let asked = convert::cycle(wire, &desk.bounds())?;
    let added = tasks::add(desk, actor, key, vec![asked]).await?;
    let id = added.task_ids.first().and_then(|id| id.parse().ok());
    id.ok_or_else(|| Refusal::fault("a task was added that has no name"))
}

fn follow(
    desk: Desk,
    task: TaskId,
    mut watch: Watch,
) -> impl Stream<Item = Result<pb::RunCycleResponse, tonic::Status>> {
    async_stream::try_stream! {
        loop {
            let seen = look(&desk, task).await?;
            let over = seen.result.is_some() || seen.task.as_ref().is_some_and(rests_unbegun);
            let waited_for: Vec<TaskId> = seen.task.iter().flat_map(dependencies).collect();
            yield seen;
            if over {
                break;
            }
            loop {
                let rows = watch.next().await.ok_or_else(draining)?.map_err(broken)?;
                let mut of = rows.iter().filter_map(|row| tasks::of(row));
                if of.any(|changed| changed == task || waited_for.contains(&changed)) {
                    break;
                }
            }
        }
    }
}

/// The queue ends: whoever repeats the request follows the same cycle.
fn draining() -> Refusal {
    Refusal::new(Reason::ServiceDraining).with("service", "queue")
}

fn dependencies(task: &pb::Task) -> impl Iterator<Item = TaskId> {
    task.dependency_ids.iter().filter_map(|id| id.parse().ok())
}

/// Whether nothing will begin by itself any more, and nothing has begun.
fn rests_unbegun(task: &pb::Task) -> bool {
    let rests = match task.state() {
        pb::TaskState::AwaitingHuman
        | pb::TaskState::Paused
        | pb::TaskState::Approved
        | pb::TaskState::Failed
        | pb::TaskState::Cancelled => true,
        pb::TaskState::Blocked => task.wait_reason() == pb::WaitReason::DependencyFailed,
        pb::TaskState::Unspecified
        | pb::TaskState::Proposed
        | pb::TaskState::Queued
        | pb::TaskState::Ready
        | pb::TaskState::Leased
        | pb::TaskState::Split
        | pb::TaskState::InReview
        | pb::TaskState::Requeued => false,
    };
    rests && task.attempts.is_empty()
}

async fn look(desk: &Desk, task: TaskId) -> Result<pb::RunCycleResponse, Refusal> {
    let first = desk.ledger.view(move |db| views::first_attempt(db, task));
    let first = first.await.map_err(broken)?;
    let seen = desk.task(&task.to_string()).await?;
    let result = match first {
        Some((attempt, Some(end))) => Some(result(desk, attempt, end).await?),
        Some((_, None)) | None => None,
    };
    Ok(pb::RunCycleResponse { task: seen, result })
}

/// What an attempt came to, as the row says that ended it.
async fn result(
    desk: &Desk,
    attempt: views::Attempt,
    end: u64,
) -> Result<pb::CycleResult, Refusal> {
    let attempt = Some(show::attempt(attempt));
    let mut result = pb::CycleResult { attempt, ..pb::CycleResult::default() };
    let event = past::event(desk, end).await?;
    if let Event::AttemptFinished(done) = event {
        let text = async |text: Option<TextRef>| match text {
            Some(text) => desk.text(&text.id).await,
            None => Ok(String::new()),
        };
        result.summary = text(done.work.summary).await?;
        result.answer = text(done.work.answer).await?;
    } else if let Event::AttemptDeclined { reason, .. } = event {
        result.why = desk.text(&reason.id).await?;
    } else if let Event::AttemptFailed { message, .. } = event {
        result.why = message;
    } else if let Event::AttemptReturned { scope, why, .. } = event {
        let parts = [why.word(), &scope].into_iter().filter(|part| !part.is_empty());
        result.why = parts.collect::<Vec<_>>().join(": ");
    } else if let Event::AttemptBlocked { rule, .. } = event {
        result.why = rule;
    } else if let Event::AttemptWaits { letter, .. } = event {
        result.why = letter;
    } else if let Event::AttemptRevoked { why, .. } = event {
        why.word().clone_into(&mut result.why);
    }
    Ok(result)
}
