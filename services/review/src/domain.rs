//! Review's state machine: drafts are staged under leases, a finished attempt becomes a submission,
//! checks and a critique judge it, and exactly one verdict ends it.
//!
//! It fails closed: whatever is missing leads to the human and nothing but a person or a critic that
//! may judge leads to an approval.

use serde::{Deserialize, Serialize};
use vivarium_ledger::{Aggregate, Context, FactNote, Meta, SegmentNote};
use vivarium_types::ids::{DocumentId, SubmissionId, TaskId};
use vivarium_types::source::Hash;
use vivarium_types::{Permille, Tokens};

pub mod draft;
pub mod event;
pub mod submission;
pub mod verdict;

use draft::{Drafts, Stage};
pub use event::Event;
use submission::{Critique, Open, Submissions};
use vivarium_ledger::TextRef;

/// Everything review knows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// What is staged.
    pub drafts: Drafts,
    /// What was put up for review.
    pub submissions: Submissions,
    /// Peers' facts that wait for a person, newest last.
    pub parked: Vec<String>,
}

/// What review may be asked for.
#[derive(Debug, Clone)]
pub enum Command {
    /// Stage, replace or extend a draft.
    Stage(Box<Stage>),
    /// Put a finished attempt up for review.
    Open(Box<Open>),
    /// The checks of a submission have run.
    RecordChecks {
        /// The submission.
        submission: SubmissionId,
        /// All of them, in order.
        results: Vec<CheckResult>,
    },
    /// A critique came, or there will be none.
    TakeCritique {
        /// The submission.
        submission: SubmissionId,
        /// What was said; the reason when there is none.
        critique: Result<Box<Critique>, String>,
    },
    /// A human approves.
    Approve {
        /// Which submission.
        target: Target,
        /// The payload that was read.
        payload_hash: Hash,
        /// A tip for the author.
        tip: Tokens,
        /// A word to the author.
        comment: Option<TextRef>,
    },
    /// A human rejects.
    Reject {
        /// Which submission.
        target: Target,
        /// The payload that was read.
        payload_hash: Hash,
        /// What to do better.
        feedback: TextRef,
    },
    /// The task was cancelled.
    Withdraw {
        /// The task.
        task: TaskId,
    },
}

/// How a person names a submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// By its id.
    Submission(SubmissionId),
    /// The newest of a task.
    Task(TaskId),
}

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckResult {
    /// The check's name.
    pub check: String,
    /// How grave.
    pub outcome: Outcome,
    /// What is wrong; unset when clean.
    pub text: Option<TextRef>,
}

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Outcome {
    /// Nothing was found.
    Clean,
    /// Something small.
    Minor,
    /// A human must see it.
    Hold,
    /// It rejects.
    Blocking,
}

/// Why a command was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// A later lease of the same task was seen, or this one has ended.
    LeaseLost,
    /// The draft changed since it was read.
    DraftStale,
    /// More drafts in the cycle than the world allows.
    TooManyDocuments {
        /// The limit.
        max: usize,
    },
    /// The attempt names drafts that are not staged with these digests.
    DraftsDiffer,
    /// The submission was opened before.
    AlreadyOpen,
    /// There is no such submission.
    NotFound,
    /// The submission is in a state that does not allow it.
    NotPending {
        /// The state, as a word.
        state: &'static str,
    },
    /// Another payload is there than the one that was read.
    Stale,
}

impl Aggregate for Review {
    const NAME: &'static str = "review";
    const SCHEMA: u32 = 1;
    const STATE_VERSION: u32 = 3;

    type Command = Command;
    type Event = Event;
    type Wire = event::Wire;
    type Rejection = Refused;

    fn decide(&self, command: Command, cx: &Context<'_>) -> Result<Vec<Event>, Refused> {
        match command {
            Command::Stage(stage) => self.drafts.stage(*stage, cx),
            Command::Open(open) => self.submissions.open(&self.drafts, *open),
            Command::RecordChecks { submission, results } => {
                self.submissions.record_checks(submission, results, cx)
            }
            Command::TakeCritique { submission, critique } => {
                self.submissions.take_critique(submission, critique, cx)
            }
            Command::Approve { target, payload_hash, tip, comment } => {
                let comment = comment.into_iter().collect();
                self.submissions.approve(target, payload_hash, tip, comment, cx)
            }
            Command::Reject { target, payload_hash, feedback } => {
                self.submissions.reject(target, payload_hash, vec![feedback], cx)
            }
            Command::Withdraw { task } => Ok(self.submissions.withdraw(task)),
        }
    }

    fn apply(&mut self, event: &Event, meta: &Meta) {
        match event {
            Event::DraftStaged(draft) => self.drafts.apply_staged(draft),
            Event::SubmissionOpened(opened) => {
                self.drafts.apply_submitted(opened.cycle);
                self.submissions.apply_opened(opened, meta.time);
            }
            Event::ChecksEnded { submission, results } => {
                self.submissions.apply_checks(*submission, results);
            }
            Event::CritiqueAsked { submission, .. } => self.submissions.apply_asked(*submission),
            Event::CritiqueReceived { submission, critique } => {
                self.submissions.apply_critique(*submission, critique);
            }
            Event::HumanAsked { submission, because, .. } => {
                self.submissions.apply_human_asked(*submission, because);
            }
            Event::VerdictReached(verdict) => {
                self.submissions.apply_verdict(verdict, meta.time);
            }
            Event::SubmissionWithdrawn { submission } => {
                self.submissions.apply_withdrawn(*submission, meta.time);
            }
            Event::FactIgnored(_) | Event::SegmentClosed(_) => {}
            Event::FactParked(note) => {
                self.parked.push(format!("{}#{}", note.source, note.sequence));
            }
        }
    }

    fn kind(event: &Event) -> &'static str {
        event.kind()
    }

    fn claims(event: &Event) -> Vec<String> {
        match event {
            Event::SubmissionOpened(opened) => vec![format!("open:{}", opened.submission)],
            Event::VerdictReached(verdict) => vec![format!("verdict:{}", verdict.submission)],
            Event::DraftStaged(_)
            | Event::ChecksEnded { .. }
            | Event::CritiqueAsked { .. }
            | Event::CritiqueReceived { .. }
            | Event::HumanAsked { .. }
            | Event::SubmissionWithdrawn { .. }
            | Event::FactIgnored(_)
            | Event::FactParked(_)
            | Event::SegmentClosed(_) => Vec::new(),
        }
    }

    fn fact_ignored(note: FactNote) -> Event {
        Event::FactIgnored(note)
    }

    fn fact_parked(note: FactNote) -> Event {
        Event::FactParked(note)
    }

    fn segment_closed(note: SegmentNote) -> Event {
        Event::SegmentClosed(Box::new(note))
    }

    fn reason(refused: &Refused) -> String {
        match refused {
            Refused::LeaseLost => "lease_lost".into(),
            Refused::DraftStale => "draft_stale".into(),
            Refused::TooManyDocuments { .. } => "too_many_documents".into(),
            Refused::DraftsDiffer => "drafts_differ".into(),
            Refused::AlreadyOpen => "already_open".into(),
            Refused::NotFound => "not_found".into(),
            Refused::NotPending { state } => format!("not_pending:{state}"),
            Refused::Stale => "stale".into(),
        }
    }
}

/// A document by its digest, as the queue accepted it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest {
    /// The document.
    pub document: DocumentId,
    /// The hash of its text.
    pub hash: Hash,
}

/// A submission's rubric and confidence in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Score {
    /// Mean of the critic's five scores times 250.
    pub rubric: Permille,
    /// The lesser of what checks and critic allow.
    pub confidence: Permille,
}
