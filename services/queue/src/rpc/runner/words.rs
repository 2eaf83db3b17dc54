//! What a runner says, read and answered.

use vivarium_chassis::{Refusal, Violations};
use vivarium_ledger::{Submission, Texts, chain};
use vivarium_proto::queue::v1 as pb;
use vivarium_proto::queue::v1::finish_attempt::Outcome as Wire;
use vivarium_proto::queue::v1::run_request::Message as Said;
use vivarium_types::ids::{DocumentId, InstanceId, LetterId};
use vivarium_types::limits::REASON_LENGTH_MAX;
use vivarium_types::{Actor, MicroUsd, Reason};

use super::super::{Desk, convert, position, refusal};
use super::plans;
use crate::domain::control::Hello;
use crate::domain::event::{ReturnedFor, Staged, Work, read};
use crate::domain::finish::Outcome;
use crate::domain::lease::Held;
use crate::domain::limits::Limit;
use crate::domain::{Command, Queue};

/// Leases of one heartbeat, documents of one attempt.
const LEASES_MAX: usize = 4_096;
const DOCUMENTS_MAX: usize = 32;
const SUMMARY_MAX: usize = 2_000;
/// Characters of a program that a resident wants to run, with its arguments.
const PROGRAM_LENGTH_MAX: usize = 40_000;

/// A refusal of one field.
pub(super) fn wrong(field: &str, description: &str) -> Refusal {
    let mut wrong = Violations::new();
    wrong.add(field, description);
    wrong.into_refusal(Reason::RequestInvalid)
}

/// The first message of a stream.
pub(super) fn hello(first: pb::RunRequest, runners_max: u32) -> Result<Hello, Refusal> {
    let Some(Said::Hello(hello)) = first.message else {
        return Err(wrong("hello", "must come first of all"));
    };
    let mut wrong = Violations::new();
    let parsed = wrong.within("hello", |wrong| {
        let instance: Option<InstanceId> = wrong.parse("instance_id", &hello.instance_id);
        let named = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if hello.name.is_empty() || hello.name.len() > 32 || !hello.name.chars().all(named) {
            wrong.add("name", "must be [a-z0-9-]{1,32}");
        }
        wrong.bounded("slots", hello.slots, 1..=4_096);
        let resumes = leases(wrong, "resumes", &hello.resumes);
        let (runner, slots) = (hello.name.clone(), hello.slots);
        Some(Hello { runner, instance: instance?, slots, resumes, runners_max })
    });
    wrong.done(parsed)
}

/// Leases that are alive.
pub(super) fn heartbeat(heartbeat: &pb::Heartbeat) -> Result<Vec<Held>, Refusal> {
    let mut wrong = Violations::new();
    let held = leases(&mut wrong, "heartbeat.leases", &heartbeat.leases);
    wrong.finish()?;
    Ok(held)
}

fn leases(wrong: &mut Violations, field: &str, leases: &[pb::HeldLease]) -> Vec<Held> {
    if leases.len() > LEASES_MAX {
        wrong.add(field, format!("names more than {LEASES_MAX} leases"));
        return Vec::new();
    }
    let leases = leases.iter().enumerate();
    leases.filter_map(|(at, lease)| wrong.item(field, at, |wrong| held(wrong, lease))).collect()
}

pub(in crate::rpc) fn held(wrong: &mut Violations, lease: &pb::HeldLease) -> Option<Held> {
    let id = wrong.parse("lease_id", &lease.lease_id)?;
    Some(Held { lease: id, token: lease.fencing_token })
}

/// Takes the end of an attempt, or says why not.
pub(super) async fn finish(
    desk: Desk,
    runner: String,
    instance: InstanceId,
    finish: pb::FinishAttempt,
) -> pb::FinishAck {
    let lease_id = finish.lease.as_ref().map(|lease| lease.lease_id.clone()).unwrap_or_default();
    match take(&desk, runner, instance, finish).await {
        Ok(ack) => ack,
        Err(refusal) => {
            tracing::info!(lease = lease_id, %refusal, "a finish was refused");
            pb::FinishAck {
                lease_id,
                accepted: false,
                reason: refusal.reason().name().to_owned(),
                submission_id: String::new(),
                position: Some(position(desk.ledger.committed())),
            }
        }
    }
}

async fn take(
    desk: &Desk,
    runner: String,
    instance: InstanceId,
    finish: pb::FinishAttempt,
) -> Result<pb::FinishAck, Refusal> {
    let mut texts = desk.ledger.texts();
    let mut wrong = Violations::new();
    let planned = planned(&finish);
    let held = wrong.present("finish.lease", finish.lease.as_ref());
    let held =
        held.and_then(|lease| wrong.within("finish.lease", |wrong| self::held(wrong, lease)));
    let cost = wrong.bounded("finish.cost_micro_usd", finish.cost_micro_usd, 0..=i64::MAX);
    let outcome = wrong.within("finish", |wrong| {
        outcome(wrong, finish.outcome?, &mut texts, desk.limit(Limit::ResultChars))
    });
    if outcome.is_none() {
        wrong.add("finish.outcome", "must be one that is complete");
    }
    let (held, (cost, mut outcome)) = wrong.done(held.zip(cost.zip(outcome)))?;
    if let (Some(wire), Outcome::Finished(work)) = (planned, &mut outcome) {
        let lineage = plans::Lineage::of(desk, held).await?;
        let instruction_max = desk.limit(Limit::InstructionChars);
        let (plan, told) = plans::plan(&wire, &lineage, &mut texts, instruction_max)?;
        // Review reads what the plan says, in words that a person decides about as well.
        work.answer = Some(texts.plain(&told));
        work.plan = Some(Box::new(plan));
    }
    let command =
        Command::Finish { held, instance, cost: MicroUsd::new(cost), outcome: Box::new(outcome) };
    let submission = Submission::new(Actor::service(&runner), command)
        .texts(texts.into_rows())
        .answering(move |queue: &Queue, decided| pb::FinishAck {
            lease_id: held.lease.to_string(),
            accepted: true,
            reason: String::new(),
            submission_id: queue
                .taken(held)
                .and_then(|taken| taken.submission)
                .map(|submission| submission.to_string())
                .unwrap_or_default(),
            position: Some(position(decided.sequence)),
        });
    let answer = desk.ledger.submit(submission).await.map_err(refusal)?;
    answer.message().map_err(super::super::broken)
}

/// The plan of a finish that has one.
fn planned(finish: &pb::FinishAttempt) -> Option<pb::Plan> {
    let Some(Wire::Finished(done)) = &finish.outcome else { return None };
    done.plan.clone()
}

fn outcome(
    wrong: &mut Violations,
    outcome: Wire,
    texts: &mut Texts<'_, Queue>,
    result_max: usize,
) -> Option<Outcome> {
    match outcome {
        Wire::Finished(done) => wrong.within("finished", |wrong| {
            work(wrong, done, texts, result_max).map(Outcome::Finished)
        }),
        Wire::Declined(declined) => {
            let reason = wrong.text("declined.reason", &declined.reason, 3, REASON_LENGTH_MAX)?;
            Some(Outcome::Declined(texts.plain(&reason)))
        }
        Wire::Waits(waits) => {
            let letter: LetterId = wrong.parse("waits.letter_id", &waits.letter_id)?;
            Some(Outcome::Waits(letter.to_string()))
        }
        Wire::Failed(failed) => {
            let class = read::class(failed.failure_class).filter(|class| class.is_for_runners());
            if class.is_none() {
                wrong.add("failed.failure_class", "is no class that a runner reports");
            }
            let message = wrong.text("failed.message", &failed.message, 0, REASON_LENGTH_MAX);
            let retry_after = failed.retry_after.as_ref().and_then(read::positive);
            Some(Outcome::Failed { class: class?, message: message?, retry_after })
        }
        Wire::Returned(returned) => {
            let why = ReturnedFor::of(&returned.reason);
            if why.is_none() {
                wrong.add("returned.reason", "must be budget, rate or no_provider");
            }
            let scope = wrong.text("returned.scope", &returned.scope, 0, 64)?;
            let retry_after = returned.retry_after.as_ref().and_then(read::positive);
            Some(Outcome::Returned { why: why?, scope, retry_after })
        }
        Wire::Blocked(blocked) => {
            let rule = wrong.text("blocked.rule", &blocked.rule, 1, 64);
            let hash = convert::hash(wrong, "blocked.hash", &blocked.hash);
            let program = wrong.text("blocked.program", &blocked.program, 0, PROGRAM_LENGTH_MAX)?;
            if !program.is_empty() && chain::digest(program.as_bytes()).0[..] != blocked.hash[..] {
                wrong.add("blocked.hash", "must be the SHA-256 of the program");
            }
            let program = (!program.is_empty()).then(|| texts.plain(&program));
            Some(Outcome::Blocked { rule: rule?, held: blocked.held, hash: hash?, program })
        }
        Wire::Halted(_) => Some(Outcome::Halted),
    }
}

fn work(
    wrong: &mut Violations,
    done: pb::Finished,
    texts: &mut Texts<'_, Queue>,
    result_max: usize,
) -> Option<Work> {
    let summary = wrong.text("summary", &done.summary, 0, SUMMARY_MAX);
    let answer = wrong.text("answer", &done.answer, 0, result_max);
    let how = done.how.as_str();
    if done.plan.is_some() != (how == "split") {
        wrong.add("how", "must be split with a plan, and only then");
    } else if !["finished", "finished_as_prose", "finished_by_limit", "split"].contains(&how) {
        wrong.add("how", "must be finished, finished_as_prose, finished_by_limit or split");
    }
    if done.plan.is_some() && !(done.documents.is_empty() && done.answer.is_empty()) {
        wrong.add("plan", "comes without documents and answer");
    }
    let model_tokens = wrong.bounded("model_tokens", done.model_tokens, 0..=i64::MAX);
    let model = wrong.text("model", &done.model, 0, 200);
    if done.documents.len() > DOCUMENTS_MAX {
        wrong.add("documents", format!("names more than {DOCUMENTS_MAX} documents"));
    }
    let documents = done.documents.iter().take(DOCUMENTS_MAX).enumerate();
    let documents: Vec<Option<Staged>> = documents
        .map(|(at, staged)| wrong.item("documents", at, |wrong| document(wrong, staged)))
        .collect();
    let documents: Option<Vec<Staged>> = documents.into_iter().collect();
    let mut kept = |text: String| (!text.is_empty()).then(|| texts.plain(&text));
    Some(Work {
        summary: kept(summary?),
        answer: kept(answer?),
        documents: documents?,
        how: done.how,
        steps: done.steps,
        model_tokens: model_tokens?,
        model: model?,
        model_embedded: done.model_embedded,
        plan: None,
    })
}

fn document(wrong: &mut Violations, staged: &pb::StagedDocument) -> Option<Staged> {
    let document: Option<DocumentId> = wrong.parse("document_id", &staged.document_id);
    let hash = convert::hash(wrong, "hash", &staged.hash);
    Some(Staged { document: document?.to_string(), hash: hash? })
}
