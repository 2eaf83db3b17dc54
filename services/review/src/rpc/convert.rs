//! Wire to domain and back: every violation is collected with its dotted path.

use std::collections::BTreeMap;
use std::str::FromStr;

use vivarium_chassis::{Lease, Refusal, Violations};
use vivarium_ledger::TextRef;
use vivarium_proto::review::v1 as pb;
use vivarium_proto::wkt;
use vivarium_types::ids::{CycleId, DocumentId, SubmissionId, TaskId};
use vivarium_types::library::LibraryPath;
use vivarium_types::limits;
use vivarium_types::source::Hash;
use vivarium_types::{Timestamp, Tokens};

use crate::domain::draft::{Basis, Stage};
use crate::domain::submission::{Critique, Document, State, Submission};
use crate::domain::verdict::{Decider, Value, Verdict};
use crate::domain::{Outcome, Target, event};
use crate::views::Wanted;

/// Most characters of a document (`domain.md` section 2).
const BODY_LENGTH_MAX: usize = 64_000;
/// Most characters of feedback to the author.
const FEEDBACK_LENGTH_MAX: usize = 2_000;
/// Most characters of a comment to the author.
const COMMENT_LENGTH_MAX: usize = 1_000;
/// Most tokens of a tip.
const TIP_MAX: i64 = 5_000;
/// Most tags of a document.
const TAGS_MAX: usize = 8;

/// A parsed request to stage a document.
pub(super) struct Staged {
    pub(super) path: LibraryPath,
    pub(super) title: String,
    pub(super) body: String,
    tags: Vec<String>,
    base_version: u32,
    pub(super) append: bool,
}

impl Staged {
    pub(super) fn command(
        self,
        lease: &Lease,
        title: TextRef,
        body: TextRef,
        basis: Basis,
    ) -> Stage {
        Stage {
            cycle: lease.cycle,
            lease: lease.lease,
            token: lease.fencing_token,
            task: lease.task,
            resident: lease.resident,
            path: self.path.to_string(),
            title,
            body,
            tags: self.tags,
            base_version: self.base_version,
            basis,
        }
    }
}

pub(super) fn stage(wire: pb::StageDocumentRequest, lease: &Lease) -> Result<Staged, Refusal> {
    let mut wrong = Violations::new();
    request_id(&mut wrong, &wire.request_id);
    let path: Option<LibraryPath> = wrong.parse("path", &wire.path);
    if let Some(path) = &path
        && !path.writable_by(lease.resident)
    {
        wrong.add("path", "lies in another resident's folder");
    }
    let title = wrong.text("title", &wire.title, 3, 120);
    let body = wrong.text("body", &wire.body, 0, BODY_LENGTH_MAX);
    if wire.tags.len() > TAGS_MAX {
        wrong.add("tags", format!("has more than {TAGS_MAX} entries"));
    }
    for (index, tag) in wire.tags.iter().enumerate() {
        let formed = (2..=32).contains(&tag.len())
            && tag.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        if !formed {
            wrong.item("tags", index, |wrong| wrong.add("", "must be [a-z0-9-]{2,32}"));
        }
    }
    let append = match wire.mode() {
        pb::StageMode::Unspecified | pb::StageMode::Replace => false,
        pb::StageMode::Append => true,
    };
    if pb::StageMode::try_from(wire.mode).is_err() {
        wrong.add("mode", "is no value of this field");
    }
    let parsed = path.zip(title).zip(body).map(|((path, title), body)| Staged {
        path,
        title,
        body,
        tags: wire.tags,
        base_version: wire.base_version,
        append,
    });
    wrong.done(parsed)
}

/// Both parts of an appended draft, if together they stay within the bound.
pub(super) fn joined(before: &str, added: &str) -> Result<String, Refusal> {
    let whole = format!("{}\n\n{added}", before.trim_end());
    let mut wrong = Violations::new();
    let whole = wrong.text("body", &whole, 1, BODY_LENGTH_MAX);
    wrong.done(whole)
}

pub(super) fn cycle(id: &str) -> Result<CycleId, Refusal> {
    let mut wrong = Violations::new();
    let cycle = wrong.parse("cycle_id", id);
    wrong.done(cycle)
}

pub(super) fn target(named: &str) -> Result<Target, Refusal> {
    let mut wrong = Violations::new();
    let target = parse_target(&mut wrong, named);
    wrong.done(target)
}

pub(super) fn wanted(wire: &pb::ListSubmissionsRequest) -> Result<Wanted, Refusal> {
    let mut wrong = Violations::new();
    let mut states = Vec::new();
    for (index, state) in wire.states.iter().enumerate() {
        match pb::SubmissionState::try_from(*state) {
            Ok(pb::SubmissionState::Checking) => states.push(State::Checking),
            Ok(pb::SubmissionState::Critique) => states.push(State::Critique),
            Ok(pb::SubmissionState::AwaitingHuman) => states.push(State::AwaitingHuman),
            Ok(pb::SubmissionState::Decided) => {
                states.extend([State::Decided, State::Withdrawn]);
            }
            Ok(pb::SubmissionState::Unspecified) | Err(_) => {
                wrong.item("states", index, |wrong| wrong.add("", "is no state"));
            }
        }
    }
    let task: Option<TaskId> = wrong.parse_optional("task_id", &wire.task_id);
    let before: Option<SubmissionId> = wrong.parse_optional("page_token", &wire.page_token);
    let limit = match wire.page_size {
        0 => limits::PAGE_SIZE_DEFAULT,
        size => wrong.bounded("page_size", size, 1..=limits::PAGE_SIZE_MAX).unwrap_or(1),
    };
    wrong.finish()?;
    Ok(Wanted {
        states,
        task: task.map(|task| task.to_string()),
        before: before.map(|before| before.to_string()),
        limit,
    })
}

/// A parsed approval.
pub(super) struct Approval {
    pub(super) target: Target,
    pub(super) payload_hash: Hash,
    pub(super) tip: Tokens,
    pub(super) comment: Option<String>,
}

pub(super) fn approval(wire: &pb::ApproveSubmissionRequest) -> Result<Approval, Refusal> {
    let mut wrong = Violations::new();
    request_id(&mut wrong, &wire.request_id);
    let target = parse_target(&mut wrong, &wire.submission);
    let payload_hash = hash(&mut wrong, "payload_hash", &wire.payload_hash);
    let tip = wrong.bounded("tip_tokens", wire.tip_tokens, 0..=TIP_MAX);
    let comment = wrong.text("comment", &wire.comment, 0, COMMENT_LENGTH_MAX);
    let comment = comment.filter(|comment| !comment.trim().is_empty());
    let parsed = target.zip(payload_hash).zip(tip).map(|((target, payload_hash), tip)| Approval {
        target,
        payload_hash,
        tip: Tokens::new(tip),
        comment,
    });
    wrong.done(parsed)
}

/// A parsed rejection.
pub(super) struct Rejection {
    pub(super) target: Target,
    pub(super) payload_hash: Hash,
    pub(super) feedback: String,
}

pub(super) fn rejection(wire: &pb::RejectSubmissionRequest) -> Result<Rejection, Refusal> {
    let mut wrong = Violations::new();
    request_id(&mut wrong, &wire.request_id);
    let target = parse_target(&mut wrong, &wire.submission);
    let payload_hash = hash(&mut wrong, "payload_hash", &wire.payload_hash);
    let feedback = wrong.text("feedback", wire.feedback.trim(), 3, FEEDBACK_LENGTH_MAX);
    let parsed = target.zip(payload_hash).zip(feedback);
    let parsed = parsed.map(|((target, payload_hash), feedback)| Rejection {
        target,
        payload_hash,
        feedback,
    });
    wrong.done(parsed)
}

pub(super) fn fetch(wire: &pb::FetchDocumentRequest) -> Result<(DocumentId, Hash), Refusal> {
    let mut wrong = Violations::new();
    let id = wrong.parse("document_id", &wire.document_id);
    let hash = hash(&mut wrong, "hash", &wire.hash);
    wrong.done(id.zip(hash))
}

fn request_id(wrong: &mut Violations, id: &str) {
    let formed = (1..=limits::REQUEST_ID_LENGTH_MAX).contains(&id.len())
        && id.chars().all(|c| c.is_ascii_alphanumeric() || "._:/-".contains(c));
    if !formed {
        wrong.add(
            "request_id",
            "must be 1 to 64 of A-Z, a-z, 0-9, dot, dash, colon, slash, underscore",
        );
    }
}

fn parse_target(wrong: &mut Violations, named: &str) -> Option<Target> {
    let target = SubmissionId::from_str(named)
        .map(Target::Submission)
        .or_else(|_| TaskId::from_str(named).map(Target::Task));
    if target.is_err() {
        wrong.add("submission", "must be the id of a submission (sub_…) or of a task (tsk_…)");
    }
    target.ok()
}

fn hash(wrong: &mut Violations, field: &str, bytes: &[u8]) -> Option<Hash> {
    let hash = Hash::try_from(bytes).ok();
    if hash.is_none() {
        wrong.add(field, "must have 32 bytes");
    }
    hash
}

/// Texts by id.
type Known = BTreeMap<String, String>;

fn told(texts: &Known, text: &TextRef) -> String {
    texts.get(&text.id).cloned().unwrap_or_default()
}

/// The texts that a row of a list shows.
pub(super) fn texts_of_a_row(submission: &Submission) -> impl Iterator<Item = &TextRef> {
    let titles = submission.opened.documents.iter().map(|document| &document.title);
    titles.chain([&submission.opened.task_title])
}

/// Every text of a submission.
pub(super) fn texts_of_all(submission: &Submission) -> Vec<&TextRef> {
    let opened = &submission.opened;
    let mut named: Vec<&TextRef> = texts_of_a_row(submission).collect();
    named.push(&opened.task_instruction);
    named.extend(opened.answer.iter().chain(&opened.summary));
    named.extend(opened.documents.iter().map(|document| &document.body));
    named.extend(submission.results.iter().filter_map(|result| result.text.as_ref()));
    if let Some(Ok(critique)) = &submission.critique {
        named.extend(critique.issues.iter().chain(&critique.suggestions));
    }
    if let Some(verdict) = &submission.verdict {
        named.extend(&verdict.reasons);
    }
    named
}

/// A submission as a list shows it.
pub(super) fn row(submission: &Submission, texts: &Known) -> pb::Submission {
    let opened = &submission.opened;
    pb::Submission {
        submission_id: opened.submission.to_string(),
        task_id: opened.task.to_string(),
        task_key: opened.task_key.clone(),
        task_title: told(texts, &opened.task_title),
        resident_id: opened.resident.map(|resident| resident.to_string()).unwrap_or_default(),
        attempt_number: opened.attempt,
        cycle_id: opened.cycle.to_string(),
        state: state(submission.state).into(),
        documents: opened
            .documents
            .iter()
            .map(|document| self::document(document, texts))
            .collect(),
        payload_hash: opened.payload_hash.0.to_vec(),
        opened_time: Some(moment(submission.opened_time)),
        cost_micro_usd: opened.cost.get(),
        model: opened.model.clone(),
        model_embedded: opened.model_embedded,
        human_because: submission.human_because.clone(),
        profile: event::profile(opened.profile).into(),
        how: opened.how.clone(),
        verdict: submission.verdict.as_ref().map(|verdict| {
            self::verdict(verdict, submission.ended_time.unwrap_or_default(), texts)
        }),
        ..pb::Submission::default()
    }
}

/// A submission with everything that was said about it.
pub(super) fn whole(submission: &Submission, texts: &Known) -> pb::Submission {
    let opened = &submission.opened;
    let findings = submission.results.iter().map(|result| pb::Finding {
        check: result.check.clone(),
        outcome: outcome(result.outcome).into(),
        text: result.text.as_ref().map(|text| told(texts, text)).unwrap_or_default(),
    });
    pb::Submission {
        task_instruction: told(texts, &opened.task_instruction),
        documents: opened.documents.iter().map(|d| document_with_body(d, texts)).collect(),
        answer: opened.answer.as_ref().map(|text| told(texts, text)).unwrap_or_default(),
        summary: opened.summary.as_ref().map(|text| told(texts, text)).unwrap_or_default(),
        findings: findings.collect(),
        critique: submission.critique.as_ref().map(|critique| self::critique(critique, texts)),
        ..row(submission, texts)
    }
}

/// A document without its text.
pub(super) fn document(document: &Document, texts: &Known) -> pb::Document {
    pb::Document {
        document_id: document.document.to_string(),
        path: document.path.clone(),
        title: told(texts, &document.title),
        hash: document.body.hash.0.to_vec(),
        length: document.body.length,
        body: String::new(),
        tags: document.tags.clone(),
    }
}

/// A document with its text.
pub(super) fn document_with_body(document: &Document, texts: &Known) -> pb::Document {
    pb::Document { body: told(texts, &document.body), ..self::document(document, texts) }
}

fn critique(critique: &Result<Critique, String>, texts: &Known) -> pb::Critique {
    match critique {
        Err(missing) => pb::Critique { missing: missing.clone(), ..Default::default() },
        Ok(critique) => pb::Critique {
            model: critique.model.clone(),
            embedded: critique.embedded,
            scores: critique.scores.clone().into_iter().collect(),
            issues: critique.issues.iter().map(|text| told(texts, text)).collect(),
            suggestions: critique.suggestions.iter().map(|text| told(texts, text)).collect(),
            cost_micro_usd: critique.cost.get(),
            missing: String::new(),
        },
    }
}

fn verdict(verdict: &Verdict, time: Timestamp, texts: &Known) -> pb::Verdict {
    let value = match verdict.value {
        Value::Approve => pb::VerdictValue::Approve,
        Value::MinorIssues => pb::VerdictValue::MinorIssues,
        Value::Reject => pb::VerdictValue::Reject,
    };
    let decider = match verdict.decider {
        Decider::Checks => pb::Decider::Checks,
        Decider::Critic => pb::Decider::Critic,
        Decider::Human => pb::Decider::Human,
    };
    pb::Verdict {
        verdict_id: verdict.verdict.to_string(),
        value: value.into(),
        confidence_permille: verdict.confidence.0,
        decider: decider.into(),
        reasons: verdict.reasons.iter().map(|text| told(texts, text)).collect(),
        verdict_time: Some(moment(time)),
        profile: event::profile(verdict.profile).into(),
        note: verdict.profile.note().to_owned(),
        tip_tokens: verdict.tip.get(),
    }
}

const fn state(state: State) -> pb::SubmissionState {
    match state {
        State::Checking => pb::SubmissionState::Checking,
        State::Critique => pb::SubmissionState::Critique,
        State::AwaitingHuman => pb::SubmissionState::AwaitingHuman,
        State::Decided | State::Withdrawn => pb::SubmissionState::Decided,
    }
}

const fn outcome(outcome: Outcome) -> pb::CheckOutcome {
    match outcome {
        Outcome::Clean => pb::CheckOutcome::Clean,
        Outcome::Minor => pb::CheckOutcome::Minor,
        Outcome::Hold => pb::CheckOutcome::Hold,
        Outcome::Blocking => pb::CheckOutcome::Blocking,
    }
}

fn moment(moment: Timestamp) -> wkt::Timestamp {
    let (seconds, nanos) = moment.as_seconds_and_nanos();
    wkt::Timestamp { seconds, nanos }
}
