//! Submissions: what a resident puts up for review, and what was said about it.

use vivarium_types::Timestamp;

use super::tone::Tone;

/// Where a submission stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum State {
    /// Its checks run.
    #[default]
    Checking,
    /// A critic reads it.
    Critique,
    /// A person must decide.
    AwaitingHuman,
    /// It has a verdict.
    Decided,
}

impl State {
    /// What a badge says, and its colour.
    pub(crate) const fn badge(self) -> (&'static str, Tone) {
        match self {
            Self::Checking => ("Checks run", Tone::Review),
            Self::Critique => ("A critic reads it", Tone::Review),
            Self::AwaitingHuman => ("Waits for you", Tone::You),
            Self::Decided => ("Decided", Tone::Plain),
        }
    }
}

/// How grave a finding is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Gravity {
    /// Nothing was found.
    #[default]
    Clean,
    /// Something small.
    Minor,
    /// Something a person must see.
    Hold,
    /// Something that rejects.
    Blocking,
}

impl Gravity {
    /// What a badge says, and its colour.
    pub(crate) const fn badge(self) -> (&'static str, Tone) {
        match self {
            Self::Clean => ("clean", Tone::Good),
            Self::Minor => ("minor", Tone::Waiting),
            Self::Hold => ("look here", Tone::You),
            Self::Blocking => ("blocking", Tone::Bad),
        }
    }
}

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Finding {
    /// The check's name.
    pub(crate) check: String,
    /// How grave.
    pub(crate) gravity: Gravity,
    /// What is wrong.
    pub(crate) text: String,
}

/// What a critic said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Critique {
    /// The model.
    pub(crate) model: String,
    /// Whether it only advises.
    pub(crate) embedded: bool,
    /// 0 to 4 each, by the rubric's names.
    pub(crate) scores: Vec<(String, u32)>,
    /// What is wrong.
    pub(crate) issues: Vec<String>,
    /// What would be better.
    pub(crate) suggestions: Vec<String>,
    /// What it cost, in micro-dollars.
    pub(crate) cost: i64,
    /// Why there is none. Empty: there is one.
    pub(crate) missing: String,
}

/// Review's answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Value {
    /// Accepted.
    Approve,
    /// Accepted with small findings.
    MinorIssues,
    /// Rejected.
    #[default]
    Reject,
}

impl Value {
    /// What a badge says, and its colour.
    pub(crate) const fn badge(self) -> (&'static str, Tone) {
        match self {
            Self::Approve => ("Approved", Tone::Good),
            Self::MinorIssues => ("Approved, small findings", Tone::Good),
            Self::Reject => ("Rejected", Tone::Bad),
        }
    }
}

/// A verdict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// The answer.
    pub(crate) value: Value,
    /// In thousandths.
    pub(crate) confidence_permille: u32,
    /// Who decided: checks, a critic, you.
    pub(crate) decider: &'static str,
    /// Reasons for the next attempt, or a comment.
    pub(crate) reasons: Vec<String>,
    /// When.
    pub(crate) time: Timestamp,
    /// What was not held. Empty: nothing.
    pub(crate) note: String,
    /// Tip in tokens.
    pub(crate) tip: i64,
}

/// A document under review.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Document {
    /// Where it shall be published.
    pub(crate) path: String,
    /// Its title.
    pub(crate) title: String,
    /// Its Markdown.
    pub(crate) body: String,
    /// Its characters.
    pub(crate) length: u32,
    /// Its tags.
    pub(crate) tags: Vec<String>,
}

/// A submission. Lists leave texts out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Submission {
    /// `sub_…`.
    pub(crate) id: String,
    /// Its task.
    pub(crate) task: String,
    /// The task's title.
    pub(crate) title: String,
    /// What was asked for.
    pub(crate) instruction: String,
    /// Who did the work. Empty: a tool.
    pub(crate) resident: String,
    /// The attempt's number.
    pub(crate) attempt: u32,
    /// Its cycle.
    pub(crate) cycle: String,
    /// Where it stands.
    pub(crate) state: State,
    /// What was staged.
    pub(crate) documents: Vec<Document>,
    /// The answer. Empty: none.
    pub(crate) answer: String,
    /// The resident's words about it.
    pub(crate) summary: String,
    /// What the checks found.
    pub(crate) findings: Vec<Finding>,
    /// What the critic said.
    pub(crate) critique: Option<Critique>,
    /// The verdict.
    pub(crate) verdict: Option<Verdict>,
    /// What a person decides about; passed back with the decision.
    pub(crate) payload_hash: Vec<u8>,
    /// When it was opened.
    pub(crate) opened: Timestamp,
    /// What the attempt cost, in micro-dollars.
    pub(crate) cost: i64,
    /// The model that wrote it. Empty: a tool.
    pub(crate) model: String,
    /// Whether that is a small local one.
    pub(crate) embedded: bool,
    /// Why a person must decide, as the world's words.
    pub(crate) because: Vec<String>,
    /// How the cycle ended: finished, `finished_as_prose` or `finished_by_limit`.
    pub(crate) how: String,
}

/// Why a person is asked, as a sentence.
pub(crate) fn because_sentence(word: &str) -> String {
    match word {
        "embedded_critic" => "a small local model may advise, not decide".into(),
        "critic_missing" => "there was no critic".into(),
        "findings" => "the checks found something".into(),
        "hold" => "a check wants a person to look".into(),
        "confidence" => "review is not sure enough".into(),
        "local_result" => "a tool's result always needs a person".into(),
        "required" => "every result of this world needs a person".into(),
        other => crate::format::words(other),
    }
}

/// How a cycle ended, when that says something about the text.
pub(crate) fn how_sentence(how: &str) -> Option<&'static str> {
    match how {
        "finished_as_prose" => {
            Some("The model wrote plain text instead of actions; that text became the document.")
        }
        "finished_by_limit" => Some("The attempt ended at a limit, so the text may be unfinished."),
        _ => None,
    }
}

/// The order and the words of the rubric.
pub(crate) const RUBRIC: [(&str, &str); 5] = [
    ("answers_request", "Answers the request"),
    ("correct", "Correct and supported"),
    ("complete", "Complete"),
    ("clear", "Clear"),
    ("fits_constraints", "Fits the constraints"),
];

impl Critique {
    /// The scores in the order of the rubric: words and 0 to 4.
    pub(crate) fn rubric(&self) -> Vec<(&'static str, u32)> {
        let score = |name: &str| self.scores.iter().find(|(own, _)| own == name).map(|(_, n)| *n);
        RUBRIC.iter().filter_map(|(name, words)| Some((*words, score(name)?.min(4)))).collect()
    }
}

impl Submission {
    /// Findings with something to say, gravest first.
    pub(crate) fn troubles(&self) -> Vec<&Finding> {
        let found = |finding: &&Finding| finding.gravity != Gravity::Clean;
        let mut found: Vec<_> = self.findings.iter().filter(found).collect();
        found.sort_by_key(|finding| std::cmp::Reverse(finding.gravity));
        found
    }

    /// How many checks found nothing.
    pub(crate) fn clean_count(&self) -> usize {
        self.findings.iter().filter(|finding| finding.gravity == Gravity::Clean).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gravest_finding_comes_first_and_clean_ones_are_counted() {
        let finding = |gravity| Finding { gravity, ..Finding::default() };
        let submission = Submission {
            findings: vec![
                finding(Gravity::Minor),
                finding(Gravity::Clean),
                finding(Gravity::Blocking),
            ],
            ..Submission::default()
        };
        let gravities: Vec<_> = submission.troubles().iter().map(|f| f.gravity).collect();
        assert_eq!(gravities, [Gravity::Blocking, Gravity::Minor]);
        assert_eq!(submission.clean_count(), 1);
    }

    #[test]
    fn the_rubric_has_its_own_order_and_no_score_above_four() {
        let scores = vec![("clear".into(), 9), ("answers_request".into(), 3)];
        let critique = Critique { scores, ..Critique::default() };
        assert_eq!(critique.rubric(), [("Answers the request", 3), ("Clear", 4)]);
    }
}
