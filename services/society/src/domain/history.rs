//! What happened in another world before it was taken over: kept to be read, and nothing follows from
//! it. It lies in the log and the read models alone.

use vivarium_ledger::TextRef;
use vivarium_types::Timestamp;
use vivarium_types::ids::ResidentId;

/// What an entry tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A task that was over there.
    Task,
    /// One line of the log about a task.
    Status,
    /// A bounty that was over there.
    Bounty,
    /// Something that somebody did over there.
    Action,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Task, Self::Status, Self::Bounty, Self::Action];

    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Status => "status",
            Self::Bounty => "bounty",
            Self::Action => "action",
        }
    }
}

/// How something ended over there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Done,
    /// It failed.
    Failed,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Done, Self::Failed];

    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

/// Something that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// What it tells of.
    pub kind: Kind,
    /// How it ended, where it tells of an end.
    pub outcome: Option<Outcome>,
    /// Its status in the word used over there; empty when it is not known.
    pub status: String,
    /// The id of what it is about, over there.
    pub subject: String,
    /// A line about it.
    pub title: TextRef,
    /// What was told of it.
    pub text: Option<TextRef>,
    /// The resident it was about.
    pub resident: Option<ResidentId>,
}

/// The same as the log keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// What it is known by over there.
    pub key: String,
    /// When it happened over there.
    pub time: Option<Timestamp>,
    /// What it was.
    pub past: Past,
}
