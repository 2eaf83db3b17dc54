//! Review's events and their published schema: the only file of the domain that knows `proto`.

use std::collections::BTreeMap;
use std::str::FromStr;

use vivarium_ledger::{FactNote, SegmentNote, TextRef};
use vivarium_proto::ledger::v1 as ledger_pb;
use vivarium_proto::review::v1 as pb;
use vivarium_proto::review::v1::review_event::Event as Kind;
use vivarium_types::ids::{SubmissionId, TaskId};
use vivarium_types::source::Hash;
use vivarium_types::{MicroUsd, Permille, Tokens};

use super::draft::Draft;
use super::submission::{self, Critique, Document, Opened};
use super::verdict::{Decider, Profile, Value, Verdict};
use super::{CheckResult, Outcome};

/// The published message of an event.
pub type Wire = pb::ReviewEvent;

/// What can have happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A draft was staged, replaced or extended.
    DraftStaged(Box<Draft>),
    /// A finished attempt was put up for review.
    SubmissionOpened(Box<Opened>),
    /// The checks have run.
    ChecksEnded {
        /// The submission.
        submission: SubmissionId,
        /// All of them, in order.
        results: Vec<CheckResult>,
    },
    /// A critique is asked for.
    CritiqueAsked {
        /// The submission.
        submission: SubmissionId,
        /// Its task.
        task: TaskId,
    },
    /// A critique came, or there will be none.
    CritiqueReceived {
        /// The submission.
        submission: SubmissionId,
        /// What was said; the reason when there is none.
        critique: Box<Result<Critique, String>>,
    },
    /// A human must decide.
    HumanAsked {
        /// The submission.
        submission: SubmissionId,
        /// Its task.
        task: TaskId,
        /// Why.
        because: Vec<String>,
    },
    /// A submission is decided.
    VerdictReached(Box<Verdict>),
    /// A submission's task was cancelled.
    SubmissionWithdrawn {
        /// The submission.
        submission: SubmissionId,
    },
    /// A peer's fact did not fit.
    FactIgnored(FactNote),
    /// A peer's fact waits for a person.
    FactParked(FactNote),
    /// Older rows have left the hot file.
    SegmentClosed(Box<SegmentNote>),
}

impl Event {
    /// The draft that was staged, if that is what happened.
    pub const fn staged(&self) -> Option<&Draft> {
        if let Self::DraftStaged(draft) = self { Some(draft) } else { None }
    }

    /// The verdict that was reached, if that is what happened.
    pub const fn verdict(&self) -> Option<&Verdict> {
        if let Self::VerdictReached(verdict) = self { Some(verdict) } else { None }
    }

    /// The event's name in the log.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::DraftStaged(_) => "draft_staged",
            Self::SubmissionOpened(_) => "submission_opened",
            Self::ChecksEnded { .. } => "checks_ended",
            Self::CritiqueAsked { .. } => "critique_asked",
            Self::CritiqueReceived { .. } => "critique_received",
            Self::HumanAsked { .. } => "human_asked",
            Self::VerdictReached(_) => "verdict_reached",
            Self::SubmissionWithdrawn { .. } => "submission_withdrawn",
            Self::FactIgnored(_) => "fact_ignored",
            Self::FactParked(_) => "fact_parked",
            Self::SegmentClosed(_) => "segment_closed",
        }
    }
}

/// A stored message that is no event of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the field {0} is missing or is not what it must be")]
pub struct NotAnEvent(&'static str);

impl From<Event> for Wire {
    fn from(event: Event) -> Self {
        let kind = match event {
            Event::DraftStaged(draft) => Kind::DraftStaged((*draft).into()),
            Event::SubmissionOpened(opened) => Kind::SubmissionOpened((*opened).into()),
            Event::ChecksEnded { submission, results } => Kind::ChecksEnded(pb::ChecksEnded {
                submission_id: submission.to_string(),
                results: results.into_iter().map(Into::into).collect(),
            }),
            Event::CritiqueAsked { submission, task } => Kind::CritiqueAsked(pb::CritiqueAsked {
                submission_id: submission.to_string(),
                task_id: task.to_string(),
            }),
            Event::CritiqueReceived { submission, critique } => {
                Kind::CritiqueReceived(received(submission, *critique))
            }
            Event::HumanAsked { submission, task, because } => Kind::HumanAsked(pb::HumanAsked {
                submission_id: submission.to_string(),
                task_id: task.to_string(),
                because,
            }),
            Event::VerdictReached(verdict) => Kind::VerdictReached((*verdict).into()),
            Event::SubmissionWithdrawn { submission } => {
                Kind::SubmissionWithdrawn(pb::SubmissionWithdrawn {
                    submission_id: submission.to_string(),
                })
            }
            Event::FactIgnored(note) => Kind::FactIgnored(ledger_pb::FactIgnored {
                source: note.source,
                sequence: note.sequence,
                kind: note.kind,
                reason: note.reason,
            }),
            Event::SegmentClosed(note) => Kind::SegmentClosed((*note).into()),
            Event::FactParked(note) => Kind::FactParked(ledger_pb::FactParked {
                source: note.source,
                sequence: note.sequence,
                kind: note.kind,
                reason: note.reason,
            }),
        };
        Self { event: Some(kind) }
    }
}

impl TryFrom<Wire> for Event {
    type Error = NotAnEvent;

    fn try_from(wire: Wire) -> Result<Self, NotAnEvent> {
        Ok(match wire.event.ok_or(NotAnEvent("event"))? {
            Kind::DraftStaged(draft) => Self::DraftStaged(Box::new(draft.try_into()?)),
            Kind::SubmissionOpened(opened) => Self::SubmissionOpened(Box::new(opened.try_into()?)),
            Kind::ChecksEnded(ended) => Self::ChecksEnded {
                submission: id(&ended.submission_id, "submission_id")?,
                results: all(ended.results)?,
            },
            Kind::CritiqueAsked(asked) => Self::CritiqueAsked {
                submission: id(&asked.submission_id, "submission_id")?,
                task: id(&asked.task_id, "task_id")?,
            },
            Kind::CritiqueReceived(critique) => Self::CritiqueReceived {
                submission: id(&critique.submission_id, "submission_id")?,
                critique: Box::new(heard(critique)?),
            },
            Kind::HumanAsked(asked) => Self::HumanAsked {
                submission: id(&asked.submission_id, "submission_id")?,
                task: id(&asked.task_id, "task_id")?,
                because: asked.because,
            },
            Kind::VerdictReached(verdict) => Self::VerdictReached(Box::new(verdict.try_into()?)),
            Kind::SubmissionWithdrawn(gone) => {
                Self::SubmissionWithdrawn { submission: id(&gone.submission_id, "submission_id")? }
            }
            Kind::FactIgnored(fact) => Self::FactIgnored(FactNote {
                source: fact.source,
                sequence: fact.sequence,
                kind: fact.kind,
                reason: fact.reason,
            }),
            Kind::SegmentClosed(closed) => {
                let note = closed.try_into().map_err(|_| NotAnEvent("segment_closed"))?;
                Self::SegmentClosed(Box::new(note))
            }
            Kind::FactParked(fact) => Self::FactParked(FactNote {
                source: fact.source,
                sequence: fact.sequence,
                kind: fact.kind,
                reason: fact.reason,
            }),
        })
    }
}

impl From<Draft> for pb::DraftStaged {
    fn from(draft: Draft) -> Self {
        Self {
            document_id: draft.document.to_string(),
            cycle_id: draft.cycle.to_string(),
            lease_id: draft.lease.to_string(),
            fencing_token: draft.token,
            task_id: optional(draft.task),
            resident_id: optional(draft.resident),
            path: draft.path,
            title: Some(text(draft.title)),
            body: Some(text(draft.body)),
            tags: draft.tags,
            base_version: draft.base_version,
        }
    }
}

impl TryFrom<pb::DraftStaged> for Draft {
    type Error = NotAnEvent;

    fn try_from(wire: pb::DraftStaged) -> Result<Self, NotAnEvent> {
        Ok(Self {
            document: id(&wire.document_id, "document_id")?,
            cycle: id(&wire.cycle_id, "cycle_id")?,
            lease: id(&wire.lease_id, "lease_id")?,
            token: wire.fencing_token,
            task: maybe(&wire.task_id, "task_id")?,
            resident: maybe(&wire.resident_id, "resident_id")?,
            path: wire.path,
            title: named(wire.title, "title")?,
            body: named(wire.body, "body")?,
            tags: wire.tags,
            base_version: wire.base_version,
        })
    }
}

impl From<Document> for pb::SubmittedDocument {
    fn from(document: Document) -> Self {
        Self {
            document_id: document.document.to_string(),
            path: document.path,
            title: Some(text(document.title)),
            body: Some(text(document.body)),
            tags: document.tags,
            base_version: document.base_version,
        }
    }
}

impl TryFrom<pb::SubmittedDocument> for Document {
    type Error = NotAnEvent;

    fn try_from(wire: pb::SubmittedDocument) -> Result<Self, NotAnEvent> {
        Ok(Self {
            document: id(&wire.document_id, "document_id")?,
            path: wire.path,
            title: named(wire.title, "title")?,
            body: named(wire.body, "body")?,
            tags: wire.tags,
            base_version: wire.base_version,
        })
    }
}

impl From<Opened> for pb::SubmissionOpened {
    fn from(opened: Opened) -> Self {
        Self {
            submission_id: opened.submission.to_string(),
            task_id: opened.task.to_string(),
            task_key: opened.task_key,
            task_title: Some(text(opened.task_title)),
            task_instruction: Some(text(opened.task_instruction)),
            resident_id: optional(opened.resident),
            attempt_number: opened.attempt,
            cycle_id: opened.cycle.to_string(),
            documents: opened.documents.into_iter().map(Into::into).collect(),
            answer: opened.answer.map(text),
            summary: opened.summary.map(text),
            kind: kind_word(opened.kind).to_owned(),
            payload_hash: opened.payload_hash.0.to_vec(),
            cost_micro_usd: opened.cost.get(),
            model: opened.model,
            model_embedded: opened.model_embedded,
            how: opened.how,
            profile: profile(opened.profile).into(),
            part_count: opened.parts,
        }
    }
}

impl TryFrom<pb::SubmissionOpened> for Opened {
    type Error = NotAnEvent;

    fn try_from(wire: pb::SubmissionOpened) -> Result<Self, NotAnEvent> {
        Ok(Self {
            submission: id(&wire.submission_id, "submission_id")?,
            task: id(&wire.task_id, "task_id")?,
            task_key: wire.task_key,
            task_title: named(wire.task_title, "task_title")?,
            task_instruction: named(wire.task_instruction, "task_instruction")?,
            resident: maybe(&wire.resident_id, "resident_id")?,
            attempt: wire.attempt_number,
            cycle: id(&wire.cycle_id, "cycle_id")?,
            documents: all(wire.documents)?,
            answer: wire.answer.map(reference).transpose()?,
            summary: wire.summary.map(reference).transpose()?,
            kind: kind_of(&wire.kind)?,
            parts: wire.part_count,
            profile: profile_of(wire.profile),
            payload_hash: hash(&wire.payload_hash, "payload_hash")?,
            cost: MicroUsd::new(wire.cost_micro_usd),
            model: wire.model,
            model_embedded: wire.model_embedded,
            how: wire.how,
        })
    }
}

impl From<CheckResult> for pb::CheckResult {
    fn from(result: CheckResult) -> Self {
        let outcome = match result.outcome {
            Outcome::Clean => pb::CheckOutcome::Clean,
            Outcome::Minor => pb::CheckOutcome::Minor,
            Outcome::Hold => pb::CheckOutcome::Hold,
            Outcome::Blocking => pb::CheckOutcome::Blocking,
        };
        Self { check: result.check, outcome: outcome.into(), text: result.text.map(text) }
    }
}

impl TryFrom<pb::CheckResult> for CheckResult {
    type Error = NotAnEvent;

    fn try_from(wire: pb::CheckResult) -> Result<Self, NotAnEvent> {
        let outcome = match wire.outcome() {
            pb::CheckOutcome::Clean => Outcome::Clean,
            pb::CheckOutcome::Minor => Outcome::Minor,
            pb::CheckOutcome::Hold => Outcome::Hold,
            pb::CheckOutcome::Blocking => Outcome::Blocking,
            pb::CheckOutcome::Unspecified => return Err(NotAnEvent("outcome")),
        };
        Ok(Self { check: wire.check, outcome, text: wire.text.map(reference).transpose()? })
    }
}

fn received(submission: SubmissionId, critique: Result<Critique, String>) -> pb::CritiqueReceived {
    let submission_id = submission.to_string();
    match critique {
        Err(missing) => pb::CritiqueReceived { submission_id, missing, ..Default::default() },
        Ok(critique) => pb::CritiqueReceived {
            submission_id,
            model: critique.model,
            embedded: critique.embedded,
            may_judge: critique.may_judge,
            scores: critique.scores.into_iter().collect(),
            issues: critique.issues.into_iter().map(text).collect(),
            suggestions: critique.suggestions.into_iter().map(text).collect(),
            cost_micro_usd: critique.cost.get(),
            missing: String::new(),
        },
    }
}

fn heard(wire: pb::CritiqueReceived) -> Result<Result<Critique, String>, NotAnEvent> {
    if !wire.missing.is_empty() {
        return Ok(Err(wire.missing));
    }
    Ok(Ok(Critique {
        model: wire.model,
        embedded: wire.embedded,
        may_judge: wire.may_judge,
        scores: wire.scores.into_iter().collect::<BTreeMap<_, _>>(),
        issues: wire.issues.into_iter().map(reference).collect::<Result<_, _>>()?,
        suggestions: wire.suggestions.into_iter().map(reference).collect::<Result<_, _>>()?,
        cost: MicroUsd::new(wire.cost_micro_usd),
    }))
}

impl From<Verdict> for pb::VerdictReached {
    fn from(verdict: Verdict) -> Self {
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
        Self {
            verdict_id: verdict.verdict.to_string(),
            submission_id: verdict.submission.to_string(),
            task_id: verdict.task.to_string(),
            resident_id: optional(verdict.resident),
            value: value.into(),
            confidence_permille: verdict.confidence.0,
            decider: decider.into(),
            reasons: verdict.reasons.into_iter().map(text).collect(),
            profile: profile(verdict.profile).into(),
            note: verdict.profile.note().to_owned(),
            tip_tokens: verdict.tip.get(),
            documents: verdict.documents.into_iter().map(Into::into).collect(),
            attempt_number: verdict.attempt,
            rubric_permille: verdict.rubric.0,
            cost_micro_usd: verdict.cost.get(),
            model: verdict.model,
            model_embedded: verdict.model_embedded,
            task_title: Some(text(verdict.task_title)),
            task_key: verdict.task_key,
            content_hash: verdict.content_hash.0.to_vec(),
            plan: verdict.plan,
        }
    }
}

impl TryFrom<pb::VerdictReached> for Verdict {
    type Error = NotAnEvent;

    fn try_from(wire: pb::VerdictReached) -> Result<Self, NotAnEvent> {
        let value = match wire.value() {
            pb::VerdictValue::Approve => Value::Approve,
            pb::VerdictValue::MinorIssues => Value::MinorIssues,
            pb::VerdictValue::Reject => Value::Reject,
            pb::VerdictValue::Unspecified => return Err(NotAnEvent("value")),
        };
        let decider = match wire.decider() {
            pb::Decider::Checks => Decider::Checks,
            pb::Decider::Critic => Decider::Critic,
            pb::Decider::Human => Decider::Human,
            pb::Decider::Unspecified => return Err(NotAnEvent("decider")),
        };
        Ok(Self {
            verdict: id(&wire.verdict_id, "verdict_id")?,
            submission: id(&wire.submission_id, "submission_id")?,
            task: id(&wire.task_id, "task_id")?,
            resident: maybe(&wire.resident_id, "resident_id")?,
            value,
            confidence: Permille(wire.confidence_permille),
            decider,
            reasons: wire.reasons.into_iter().map(reference).collect::<Result<_, _>>()?,
            tip: Tokens::new(wire.tip_tokens),
            documents: all(wire.documents)?,
            attempt: wire.attempt_number,
            rubric: Permille(wire.rubric_permille),
            cost: MicroUsd::new(wire.cost_micro_usd),
            model: wire.model,
            model_embedded: wire.model_embedded,
            task_title: named(wire.task_title, "task_title")?,
            task_key: wire.task_key,
            content_hash: hash(&wire.content_hash, "content_hash")?,
            plan: wire.plan,
            profile: profile_of(wire.profile),
        })
    }
}

/// A profile on the wire.
pub(crate) const fn profile(profile: Profile) -> pb::Profile {
    match profile {
        Profile::Checks => pb::Profile::Checks,
        Profile::Light => pb::Profile::Light,
        Profile::Strict => pb::Profile::Strict,
    }
}

fn profile_of(wire: i32) -> Profile {
    match pb::Profile::try_from(wire) {
        Ok(pb::Profile::Checks) => Profile::Checks,
        Ok(pb::Profile::Strict) => Profile::Strict,
        Ok(pb::Profile::Unspecified | pb::Profile::Light | pb::Profile::Standard) | Err(_) => {
            Profile::Light
        }
    }
}

const fn kind_word(kind: submission::Kind) -> &'static str {
    match kind {
        submission::Kind::Docs => "docs",
        submission::Kind::Plan => "plan",
        submission::Kind::Answer => "answer",
        submission::Kind::Local => "local",
        submission::Kind::Split => "split",
    }
}

fn kind_of(word: &str) -> Result<submission::Kind, NotAnEvent> {
    match word {
        "docs" => Ok(submission::Kind::Docs),
        "plan" => Ok(submission::Kind::Plan),
        "answer" => Ok(submission::Kind::Answer),
        "local" => Ok(submission::Kind::Local),
        "split" => Ok(submission::Kind::Split),
        _ => Err(NotAnEvent("kind")),
    }
}

fn text(text: TextRef) -> ledger_pb::TextRef {
    let TextRef { id, hash, length, sealed } = text;
    ledger_pb::TextRef { id, hash: hash.0.to_vec(), length, sealed }
}

fn reference(wire: ledger_pb::TextRef) -> Result<TextRef, NotAnEvent> {
    let ledger_pb::TextRef { id, hash: bytes, length, sealed } = wire;
    Ok(TextRef { id, hash: hash(&bytes, "hash")?, length, sealed })
}

fn named(wire: Option<ledger_pb::TextRef>, field: &'static str) -> Result<TextRef, NotAnEvent> {
    wire.ok_or(NotAnEvent(field)).and_then(reference)
}

fn hash(bytes: &[u8], field: &'static str) -> Result<Hash, NotAnEvent> {
    Hash::try_from(bytes).map_err(|_| NotAnEvent(field))
}

fn id<T: FromStr>(text: &str, field: &'static str) -> Result<T, NotAnEvent> {
    text.parse().map_err(|_| NotAnEvent(field))
}

fn maybe<T: FromStr>(text: &str, field: &'static str) -> Result<Option<T>, NotAnEvent> {
    if text.is_empty() { Ok(None) } else { id(text, field).map(Some) }
}

fn optional<T: ToString>(value: Option<T>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn all<W, T: TryFrom<W, Error = NotAnEvent>>(wire: Vec<W>) -> Result<Vec<T>, NotAnEvent> {
    wire.into_iter().map(T::try_from).collect()
}
