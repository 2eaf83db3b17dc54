//! `vivarium approve`, `reject`, `cancel`: a person's decisions.

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
