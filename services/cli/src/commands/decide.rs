//! `vivarium approve`, `reject`, `admit`, `allow`, `refuse`, `cancel`: a person's decisions.

use vivarium_chassis::{Calls, Service};
use vivarium_proto::queue::v1 as queue_pb;
use vivarium_proto::review::v1 as pb;
use vivarium_proto::review::v1::review_service_client::ReviewServiceClient;
use vivarium_types::program;

use crate::console::{Console, request_id};
use crate::failure::Failure;
use crate::reference::work;
use crate::render;

pub(super) async fn approve(
    console: &Console,
    named: &str,
    tip_tokens: i64,
    comment: String,
) -> Result<(), Failure> {
    let (mut reviews, submission) = read(console, named).await?;
    let request = pb::ApproveSubmissionRequest {
        request_id: request_id(),
        submission: submission.submission_id.clone(),
        payload_hash: submission.payload_hash.clone(),
        tip_tokens,
        comment,
    };
    let answer = reviews.approve_submission(request).await?.into_inner();
    if console.json {
        return render::json(&answer);
    }
    render::line(&format!("approved {}", submission.submission_id))?;
    for document in &submission.documents {
        render::line(&format!("  {} ({} characters)", document.path, document.length))?;
    }
    Ok(())
}

pub(super) async fn reject(
    console: &Console,
    named: &str,
    feedback: String,
) -> Result<(), Failure> {
    let (mut reviews, submission) = read(console, named).await?;
    let request = pb::RejectSubmissionRequest {
        request_id: request_id(),
        submission: submission.submission_id.clone(),
        payload_hash: submission.payload_hash,
        feedback,
    };
    let answer = reviews.reject_submission(request).await?.into_inner();
    if console.json {
        return render::json(&answer);
    }
    render::line(&format!("rejected {}", submission.submission_id))
}

pub(super) async fn cancel(console: &Console, task: String, reason: String) -> Result<(), Failure> {
    let named = task.clone();
    let request = queue_pb::CancelTaskRequest { request_id: request_id(), task, reason };
    let answer = console.tasks()?.cancel_task(request).await?.into_inner();
    if console.json {
        return render::json(&answer);
    }
    render::line(&format!("cancelled {named}"))
}

/// Each in its turn: what one refuses hinders none of those before it.
pub(super) async fn admit(console: &Console, tasks: Vec<String>) -> Result<(), Failure> {
    for task in tasks {
        let proposal_hash = proposal_hash(console, &task).await?;
        admit_as_read(console, task, proposal_hash).await?;
    }
    Ok(())
}

/// Every proposal that an import brought, exactly as it is listed.
pub(super) async fn admit_imported(console: &Console) -> Result<(), Failure> {
    let mut proposed = Vec::new();
    let filter = queue_pb::TaskFilter {
        states: vec![queue_pb::TaskState::Proposed.into()],
        ..queue_pb::TaskFilter::default()
    };
    let mut request = queue_pb::ListTasksRequest {
        filter: Some(filter),
        page_size: 1_000,
        ..queue_pb::ListTasksRequest::default()
    };
    // All are listed before the first is admitted: a list that changes would skip some.
    loop {
        let page = console.tasks()?.list_tasks(request.clone()).await?.into_inner();
        proposed.extend(page.tasks.into_iter().filter(is_imported));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    if proposed.is_empty() && !console.json {
        return render::line("no imported task waits to be admitted");
    }
    // Oldest first, as they came: what others wait for stands in front of them.
    for task in proposed.into_iter().rev() {
        let spec = task.spec.unwrap_or_default();
        let named = if spec.key.is_empty() { task.task_id } else { spec.key };
        admit_as_read(console, named, task.proposal_hash).await?;
    }
    Ok(())
}

fn is_imported(task: &queue_pb::Task) -> bool {
    task.spec.as_ref().is_some_and(|spec| spec.metadata.contains_key(work::ORIGIN))
}

async fn admit_as_read(
    console: &Console,
    task: String,
    proposal_hash: Vec<u8>,
) -> Result<(), Failure> {
    let named = task.clone();
    let request = queue_pb::AdmitTaskRequest { request_id: request_id(), task, proposal_hash };
    let answer = console.tasks()?.admit_task(request).await?.into_inner();
    if console.json {
        return render::json(&answer);
    }
    render::line(&format!("admitted {named}"))
}

/// Refuses a proposal, or the program that a task is held for.
pub(super) async fn refuse(console: &Console, task: String, reason: String) -> Result<(), Failure> {
    let read = task_now(console, &task).await?;
    if !read.held_program_hash.is_empty() {
        return decide_program(console, task, read, false, reason).await;
    }
    let (named, request_id, proposal_hash) =
        (task.clone(), request_id(), or_nothing(read.proposal_hash));
    let request = queue_pb::RefuseTaskRequest { request_id, task, proposal_hash, reason };
    let answer = console.tasks()?.refuse_task(request).await?.into_inner();
    if console.json {
        return render::json(&answer);
    }
    render::line(&format!("refused {named}"))
}

/// Allows the program that a task is held for.
pub(super) async fn allow(console: &Console, task: String, digest: &str) -> Result<(), Failure> {
    let mut read = task_now(console, &task).await?;
    if !hex::encode(&read.held_program_hash).starts_with(digest) {
        // Another program than the one that was read: the queue says so.
        read.held_program_hash.clear();
    }
    decide_program(console, task, read, true, String::new()).await
}

async fn decide_program(
    console: &Console,
    task: String,
    read: queue_pb::Task,
    allowed: bool,
    reason: String,
) -> Result<(), Failure> {
    let hash = or_nothing(read.held_program_hash);
    let request =
        queue_pb::DecideProgramRequest { request_id: request_id(), task, hash, allowed, reason };
    let answer = console.tasks()?.decide_program(request).await?.into_inner();
    if console.json {
        return render::json(&answer);
    }
    let word = if allowed { "allowed" } else { "refused" };
    render::line(&format!("{word} {}", program::readable(&read.held_program)))
}

/// What the decision is about: the proposal as it is now.
async fn proposal_hash(console: &Console, task: &str) -> Result<Vec<u8>, Failure> {
    Ok(or_nothing(task_now(console, task).await?.proposal_hash))
}

async fn task_now(console: &Console, task: &str) -> Result<queue_pb::Task, Failure> {
    let request =
        queue_pb::GetTaskRequest { task: task.to_owned(), as_of: None, min_position: None };
    Ok(console.tasks()?.get_task(request).await?.into_inner().task.unwrap_or_default())
}

/// The hash of nothing where there is nothing to decide about: the queue says why it is refused.
fn or_nothing(hash: Vec<u8>) -> Vec<u8> {
    if hash.is_empty() { vec![0; 32] } else { hash }
}

/// The submission as it is now: its payload hash is what the decision is about.
async fn read(
    console: &Console,
    named: &str,
) -> Result<(ReviewServiceClient<Calls>, pb::Submission), Failure> {
    let submission = console.submission(named).await?;
    let mut reviews = ReviewServiceClient::new(console.calls(Service::Review)?);
    let request = pb::GetSubmissionRequest { submission, min_position: None };
    let answer = reviews.get_submission(request).await?.into_inner();
    Ok((reviews, answer.submission.unwrap_or_default()))
}
