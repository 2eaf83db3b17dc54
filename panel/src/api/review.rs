//! Submissions, and a person's decision about them.

use vivarium_proto::review::v1 as pb;

use super::{Answer, Method, call, unary, wire};
use crate::state::Position;
use crate::state::submission::{
    Critique, Document, Finding, Gravity, State, Submission, Value, Verdict,
};

const LIST: Method = unary("/vivarium.review.v1.ReviewService/ListSubmissions");
const GET: Method = unary("/vivarium.review.v1.ReviewService/GetSubmission");
const APPROVE: Method = unary("/vivarium.review.v1.ReviewService/ApproveSubmission");
const REJECT: Method = unary("/vivarium.review.v1.ReviewService/RejectSubmission");

#[cfg(test)]
pub(super) const METHODS: &[Method] = &[LIST, GET, APPROVE, REJECT];

/// Submissions that wait for a person, newest first, and how many there are.
pub(crate) async fn pending() -> Answer<(Vec<Submission>, u64)> {
    list(&[State::AwaitingHuman]).await
}

async fn list(states: &[State]) -> Answer<(Vec<Submission>, u64)> {
    let request = pb::ListSubmissionsRequest {
        states: states.iter().map(|state| state_to_wire(*state).into()).collect(),
        page_size: 200,
        ..pb::ListSubmissionsRequest::default()
    };
    let answer: pb::ListSubmissionsResponse = call(LIST, &request).await?;
    let rows = answer.submissions.into_iter().map(submission).collect();
    Ok((rows, answer.awaiting_human))
}

/// One submission, whole.
pub(crate) async fn get(submission: &str) -> Answer<Submission> {
    let request = pb::GetSubmissionRequest {
        submission: submission.to_owned(),
        ..pb::GetSubmissionRequest::default()
    };
    let answer: pb::GetSubmissionResponse = call(GET, &request).await?;
    Ok(self::submission(answer.submission.unwrap_or_default()))
}

/// Approves exactly what was read.
pub(crate) async fn approve(
    request_id: String,
    submission: String,
    payload_hash: Vec<u8>,
    tip_tokens: i64,
    comment: String,
) -> Answer<Position> {
    let request =
        pb::ApproveSubmissionRequest { request_id, submission, payload_hash, tip_tokens, comment };
    let answer: pb::ApproveSubmissionResponse = call(APPROVE, &request).await?;
    Ok(wire::position(answer.position))
}

/// Rejects exactly what was read, with feedback.
pub(crate) async fn reject(
    request_id: String,
    submission: String,
    payload_hash: Vec<u8>,
    feedback: String,
) -> Answer<Position> {
    let request = pb::RejectSubmissionRequest { request_id, submission, payload_hash, feedback };
    let answer: pb::RejectSubmissionResponse = call(REJECT, &request).await?;
    Ok(wire::position(answer.position))
}

fn submission(wire: pb::Submission) -> Submission {
    let state = match wire.state() {
        pb::SubmissionState::Unspecified | pb::SubmissionState::Checking => State::Checking,
        pb::SubmissionState::Critique => State::Critique,
        pb::SubmissionState::AwaitingHuman => State::AwaitingHuman,
        pb::SubmissionState::Decided => State::Decided,
    };
    Submission {
        id: wire.submission_id,
        task: wire.task_id,
        title: wire.task_title,
        instruction: wire.task_instruction,
        resident: wire.resident_id,
        attempt: wire.attempt_number,
        cycle: wire.cycle_id,
        state,
        documents: wire.documents.into_iter().map(document).collect(),
        answer: wire.answer,
        summary: wire.summary,
        findings: wire.findings.into_iter().map(finding).collect(),
        critique: wire.critique.map(critique),
        verdict: wire.verdict.map(verdict),
        payload_hash: wire.payload_hash,
        opened: wire::moment(wire.opened_time),
        cost: wire.cost_micro_usd,
        model: wire.model,
        embedded: wire.model_embedded,
        because: wire.human_because,
        how: wire.how,
    }
}

const fn state_to_wire(state: State) -> pb::SubmissionState {
    match state {
        State::Checking => pb::SubmissionState::Checking,
        State::Critique => pb::SubmissionState::Critique,
        State::AwaitingHuman => pb::SubmissionState::AwaitingHuman,
        State::Decided => pb::SubmissionState::Decided,
    }
}

fn document(wire: pb::Document) -> Document {
    Document {
        path: wire.path,
        title: wire.title,
        body: wire.body,
        length: wire.length,
        tags: wire.tags,
    }
}

fn finding(wire: pb::Finding) -> Finding {
    let gravity = match wire.outcome() {
        pb::CheckOutcome::Unspecified | pb::CheckOutcome::Clean => Gravity::Clean,
        pb::CheckOutcome::Minor => Gravity::Minor,
        pb::CheckOutcome::Blocking => Gravity::Blocking,
        pb::CheckOutcome::Hold => Gravity::Hold,
    };
    Finding { check: wire.check, gravity, text: wire.text }
}

fn critique(wire: pb::Critique) -> Critique {
    Critique {
        model: wire.model,
        embedded: wire.embedded,
        scores: wire.scores.into_iter().collect(),
        issues: wire.issues,
        suggestions: wire.suggestions,
        cost: wire.cost_micro_usd,
        missing: wire.missing,
    }
}

fn verdict(wire: pb::Verdict) -> Verdict {
    Verdict {
        value: value(wire.value()),
        confidence_permille: wire.confidence_permille,
        decider: decider(wire.decider()),
        reasons: wire.reasons,
        time: wire::moment(wire.verdict_time),
        note: wire.note,
        tip: wire.tip_tokens,
    }
}

/// What review answered.
pub(super) const fn value(wire: pb::VerdictValue) -> Value {
    match wire {
        pb::VerdictValue::Approve => Value::Approve,
        pb::VerdictValue::MinorIssues => Value::MinorIssues,
        pb::VerdictValue::Reject | pb::VerdictValue::Unspecified => Value::Reject,
    }
}

/// Who decided, in words.
pub(super) const fn decider(wire: pb::Decider) -> &'static str {
    match wire {
        pb::Decider::Unspecified => "review",
        pb::Decider::Checks => "the checks",
        pb::Decider::Critic => "the critic",
        pb::Decider::Human => "you",
    }
}
