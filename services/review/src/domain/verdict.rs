//! The verdict: what decides, and when only a human may.

use serde::{Deserialize, Serialize};
use vivarium_ledger::{Context, TextRef};
use vivarium_types::ids::{ResidentId, SubmissionId, TaskId, VerdictId};
use vivarium_types::source::Hash;
use vivarium_types::{MicroUsd, Permille, Tokens};

use super::submission::{Critique, Document, Kind, Submission, asks_human};
use super::{Event, Outcome, Score};

/// The rubric of every kind of work: each 0 to 4 (`domain.md` 9.3).
pub const RUBRIC: [&str; 5] =
    ["answers_request", "correct", "complete", "clear", "fits_constraints"];
/// Below this rubric a critic that may judge rejects.
const REJECT_BELOW: Permille = Permille(500);
/// From this confidence on a clean submission needs no human.
const AUTO_APPROVE_FROM: Permille = Permille(900);
/// What clean checks allow.
const CONFIDENCE_CLEAN: Permille = Permille(950);
/// Children of a plan that no human need look at.
const PARTS_UNASKED_MAX: u32 = 3;
/// What checks with minor findings allow.
const CONFIDENCE_MINOR: Permille = Permille(750);
/// How sure a rejection by a blocking check is.
const CONFIDENCE_BLOCKED: Permille = Permille(900);

/// How thorough a review is. There are no juries yet: what asks for one and for no human has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Profile {
    /// Checks alone: clean work is accepted, and a human decides about all else.
    Checks,
    /// Checks, a critic, and a human unless all is well.
    Light,
    /// The same, and always a human.
    Strict,
}

impl Profile {
    /// What every verdict says of the juries that do not exist yet.
    pub const fn note(self) -> &'static str {
        match self {
            Self::Checks => "profile checks: nobody read it, as its task asked for",
            Self::Light => "profile light: no jury was held, because juries do not exist yet",
            Self::Strict => "profile strict: no jury was held, because juries do not exist yet",
        }
    }
}

/// Review's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Value {
    /// Accepted.
    Approve,
    /// Accepted with small findings.
    MinorIssues,
    /// Rejected.
    Reject,
}

/// Who decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decider {
    /// The checks: a blocking one, or all of them clean where nobody else is asked.
    Checks,
    /// The rubric of a critic that may judge.
    Critic,
    /// A human.
    Human,
}

#[expect(clippy::struct_field_names, reason = "the verdict's id is called as in the contract")]
/// One submission's verdict, with all that others need to act on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The verdict.
    pub verdict: VerdictId,
    /// What it is about.
    pub submission: SubmissionId,
    /// The task.
    pub task: TaskId,
    /// Who did the work.
    pub resident: Option<ResidentId>,
    /// The answer.
    pub value: Value,
    /// How sure.
    pub confidence: Permille,
    /// Who decided.
    pub decider: Decider,
    /// Reasons for the next attempt, or a comment.
    pub reasons: Vec<TextRef>,
    /// Tip of the human.
    pub tip: Tokens,
    /// What is to be published; empty unless accepted.
    pub documents: Vec<Document>,
    /// The attempt's number.
    pub attempt: u32,
    /// The critic's rubric; 0 without one.
    pub rubric: Permille,
    /// What attempt and review cost.
    pub cost: MicroUsd,
    /// The model that wrote the work.
    pub model: String,
    /// Whether it is an embedded one.
    pub model_embedded: bool,
    /// The task's title.
    pub task_title: TextRef,
    /// The task's key.
    pub task_key: String,
    /// Digest of what was submitted.
    pub content_hash: Hash,
    /// Whether it is about a plan to split the task.
    pub plan: bool,
    /// How thorough the review was.
    pub profile: Profile,
}

/// The verdict's event.
pub(super) fn reached(
    submission: &Submission,
    value: Value,
    decider: Decider,
    reasons: Vec<TextRef>,
    tip: Tokens,
    cx: &Context<'_>,
) -> Event {
    let opened = &submission.opened;
    let critique = judging(submission);
    let score = score(submission);
    let confidence = match decider {
        Decider::Checks if value == Value::Reject => CONFIDENCE_BLOCKED,
        Decider::Checks | Decider::Critic => score.confidence,
        Decider::Human => Permille(1_000),
    };
    let documents = match value {
        Value::Approve | Value::MinorIssues => opened.documents.clone(),
        Value::Reject => Vec::new(),
    };
    let review_cost = critique.map_or(MicroUsd::ZERO, |critique| critique.cost);
    Event::VerdictReached(Box::new(Verdict {
        verdict: cx.mint(),
        submission: opened.submission,
        task: opened.task,
        resident: opened.resident,
        value,
        confidence,
        decider,
        reasons,
        tip,
        documents,
        attempt: opened.attempt,
        rubric: score.rubric,
        cost: opened.cost.plus(review_cost).unwrap_or(opened.cost),
        model: opened.model.clone(),
        model_embedded: opened.model_embedded,
        task_title: opened.task_title.clone(),
        task_key: opened.task_key.clone(),
        content_hash: submission.content_hash(),
        plan: opened.kind == Kind::Split,
        profile: opened.profile,
    }))
}

/// What follows from checks and critique, if one is asked for: a verdict where nothing speaks for a human, else the
/// question to the human with every reason for it.
pub(super) fn without_human(submission: &Submission, cx: &Context<'_>) -> Event {
    let because = because(submission);
    let score = score(submission);
    let may_judge =
        judging(submission).is_some_and(|critique| critique.may_judge && !critique.embedded);
    if may_judge && score.rubric < REJECT_BELOW {
        let reasons = judging(submission).map(|critique| critique.issues.clone());
        let reasons = reasons.unwrap_or_default();
        return reached(submission, Value::Reject, Decider::Critic, reasons, Tokens::ZERO, cx);
    }
    if because.is_empty() {
        let decider = match submission.opened.profile {
            Profile::Checks => Decider::Checks,
            Profile::Light | Profile::Strict => Decider::Critic,
        };
        return reached(submission, Value::Approve, decider, Vec::new(), Tokens::ZERO, cx);
    }
    asks_human(submission, because)
}

/// Why a human must decide; empty when nothing speaks for it.
fn because(submission: &Submission) -> Vec<String> {
    let mut because = Vec::new();
    match judging(submission) {
        _ if submission.opened.profile == Profile::Checks => {}
        None => because.push("critic_missing"),
        Some(critique) if critique.embedded || !critique.may_judge => {
            because.push("embedded_critic");
        }
        Some(_) => {}
    }
    match submission.gravest() {
        Outcome::Clean => {}
        Outcome::Minor | Outcome::Blocking => because.push("findings"),
        Outcome::Hold => because.push("hold"),
    }
    if submission.opened.kind == Kind::Local {
        because.push("local_result");
    }
    if submission.opened.profile == Profile::Strict {
        because.push("required");
    }
    if submission.opened.parts > PARTS_UNASKED_MAX {
        because.push("many_parts");
    }
    if score(submission).confidence < AUTO_APPROVE_FROM {
        because.push("confidence");
    }
    because.into_iter().map(str::to_owned).collect()
}

/// Rubric = mean × 250; confidence = min(checks, rubric), or what checks allow when they decide alone.
/// Without a jury the rubric stands alone.
pub(super) fn score(submission: &Submission) -> Score {
    let checks = match submission.gravest() {
        Outcome::Clean | Outcome::Hold => CONFIDENCE_CLEAN,
        Outcome::Minor => CONFIDENCE_MINOR,
        Outcome::Blocking => Permille(0),
    };
    let rubric = judging(submission).map_or(Permille(0), |critique| {
        let sum: u32 = RUBRIC.iter().filter_map(|name| critique.scores.get(*name)).sum();
        Permille(sum * 250 / 5)
    });
    let confidence = match submission.opened.profile {
        Profile::Checks => checks,
        Profile::Light | Profile::Strict => rubric.min(checks),
    };
    Score { rubric, confidence }
}

/// The critique, if there is a complete one: a score from 0 to 4 for each line of the rubric.
fn judging(submission: &Submission) -> Option<&Critique> {
    let critique = submission.critique.as_ref()?.as_ref().ok()?;
    let complete =
        RUBRIC.iter().all(|name| critique.scores.get(*name).is_some_and(|score| *score <= 4));
    complete.then_some(critique)
}

#[cfg(test)]
mod tests {
    use vivarium_types::Timestamp;
    use vivarium_types::ids::Id as _;

    use super::super::CheckResult;
    use super::super::submission::{Opened, State};
    use super::*;

    fn text() -> TextRef {
        TextRef { id: "txt".into(), hash: Hash::default(), length: 1, sealed: false }
    }

    /// Work of which critic and checks have nothing but good to say.
    fn praised(profile: Profile) -> Submission {
        let scores = RUBRIC.iter().map(|name| ((*name).to_owned(), 4)).collect();
        let critique = Critique {
            model: "large".into(),
            embedded: false,
            may_judge: true,
            scores,
            issues: Vec::new(),
            suggestions: Vec::new(),
            cost: MicroUsd::ZERO,
        };
        let opened = Opened {
            submission: SubmissionId::from_number(1),
            task: TaskId::from_number(2),
            task_key: String::new(),
            task_title: text(),
            task_instruction: text(),
            resident: Some(ResidentId::from_number(3)),
            attempt: 1,
            cycle: vivarium_types::ids::CycleId::from_number(4),
            documents: Vec::new(),
            answer: Some(text()),
            summary: None,
            kind: Kind::Answer,
            parts: 0,
            profile,
            payload_hash: Hash::default(),
            cost: MicroUsd::ZERO,
            model: "large".into(),
            model_embedded: false,
            how: "finished".into(),
        };
        Submission {
            opened,
            opened_time: Timestamp::EPOCH,
            state: State::Critique,
            results: Vec::new(),
            critique: Some(Ok(critique)),
            human_because: Vec::new(),
            verdict: None,
            ended_time: None,
        }
    }

    #[test]
    fn rule_9_1_checks_alone_accept_what_is_clean_and_nothing_else() {
        let mut unread = praised(Profile::Checks);
        unread.critique = None;
        assert_eq!(because(&unread), [""; 0], "nothing speaks for a human");
        assert_eq!(score(&unread).confidence, CONFIDENCE_CLEAN);
        let found = |outcome| CheckResult { check: "any".into(), outcome, text: Some(text()) };
        unread.results = vec![found(Outcome::Hold)];
        assert_eq!(because(&unread), ["hold"]);
        unread.results = vec![found(Outcome::Minor)];
        assert_eq!(because(&unread), ["findings", "confidence"]);
        unread.results.clear();
        (unread.opened.kind, unread.opened.parts) = (Kind::Split, PARTS_UNASKED_MAX + 1);
        assert_eq!(because(&unread), ["many_parts"]);
    }

    #[test]
    fn rule_3_1_a_strict_review_ends_at_a_human_whatever_the_critic_says() {
        assert_eq!(because(&praised(Profile::Light)), [""; 0], "nothing speaks for a human");
        assert_eq!(because(&praised(Profile::Strict)), ["required"]);
        let mut split = praised(Profile::Strict);
        (split.opened.kind, split.opened.parts) = (Kind::Split, 2);
        assert_eq!(because(&split), ["required"], "a plan as well");
    }
}
