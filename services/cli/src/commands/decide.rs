//! `vivarium approve`, `reject`, `admit`, `refuse`, `cancel`: a person's decisions.

use vivarium_chassis::{Calls, Service};
use vivarium_proto::queue::v1 as queue_pb;
use vivarium_proto::review::v1 as pb;
use vivarium_proto::review::v1::review_service_client::ReviewServiceClient;

use crate::console::{Console, request_id};
use crate::failure::Failure;
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

pub(super) async fn admit(console: &Console, task: String) -> Result<(), Failure> {
    let named = task.clone();
    let proposal_hash = proposal_hash(console, &task).await?;
    let request = queue_pb::AdmitTaskRequest { request_id: request_id(), task, proposal_hash };
    let answer = console.tasks()?.admit_task(request).await?.into_inner();
    if console.json {
        return render::json(&answer);
    }
    render::line(&format!("admitted {named}"))
}

pub(super) async fn refuse(console: &Console, task: String, reason: String) -> Result<(), Failure> {
    let named = task.clone();
    let proposal_hash = proposal_hash(console, &task).await?;
    let request_id = request_id();
    let request = queue_pb::RefuseTaskRequest { request_id, task, proposal_hash, reason };
    let answer = console.tasks()?.refuse_task(request).await?.into_inner();
    if console.json {
        return render::json(&answer);
    }
    render::line(&format!("refused {named}"))
}

/// What the decision is about: the proposal as it is now. What is none has a hash of nothing, and the
/// queue says why it is not decided about.
async fn proposal_hash(console: &Console, task: &str) -> Result<Vec<u8>, Failure> {
    let request =
        queue_pb::GetTaskRequest { task: task.to_owned(), as_of: None, min_position: None };
    let answer = console.tasks()?.get_task(request).await?.into_inner();
    let hash = answer.task.unwrap_or_default().proposal_hash;
    Ok(if hash.is_empty() { vec![0; 32] } else { hash })
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
