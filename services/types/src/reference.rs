//! The words by which another system, the reference, says where a task or a change stands.
//!
//! The queue tells them of its tasks, and the import reads them. A word that is not here is never told.

use std::str::FromStr;

macro_rules! statuses {
    ($($(#[doc = $what:literal])* $name:ident $word:literal,)*) => {
        /// A status word of the reference.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Status { $($(#[doc = $what])* $name,)* }

        impl Status {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The word.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
        }
    };
}

statuses! {
    /// It waits for its turn.
    Queued "queued",
    /// Somebody works on it, or on its parts.
    InProgress "in_progress",
    /// An attempt has finished.
    Completed "completed",
    /// It waits for a decision.
    PendingReview "pending_review",
    /// It was rejected, and is tried again.
    Requeue "requeue",
    /// It is approved.
    Approved "approved",
    /// It failed.
    Failed "failed",
    /// The safety policy does not let it pass.
    SafetyBlocked "safety_blocked",
    /// A part of a task is being worked on.
    SubtaskStarted "subtask_started",
    /// A part of a task is done.
    SubtaskCompleted "subtask_completed",
    /// A part of a task failed.
    SubtaskFailed "subtask_failed",
    /// A change waits for its first gate.
    NeedsQa "needs_qa",
    /// A change waits to be put together with others.
    NeedsIntegration "needs_integration",
    /// A change waits for its last gate.
    NeedsE2e "needs_e2e",
    /// A change has passed every gate.
    ReadyForMerge "ready_for_merge",
}

/// No status word of the reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unknown;

impl FromStr for Status {
    type Err = Unknown;

    fn from_str(word: &str) -> Result<Self, Unknown> {
        Self::ALL.iter().find(|status| status.word() == word).copied().ok_or(Unknown)
    }
}

/// How far a change has come through its gates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// Jurors vote on it.
    PendingVote,
    /// Its first gate is free.
    NeedsQa,
    /// Somebody is at its first gate.
    QaInProgress,
    /// It waits to be put together with others.
    NeedsIntegration,
    /// Its last gate is free.
    NeedsE2e,
    /// It has passed all of them.
    ReadyForMerge,
    /// It was voted down.
    Rejected,
    /// A gate stopped it.
    Blocked,
}

impl Gate {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::PendingVote,
        Self::NeedsQa,
        Self::QaInProgress,
        Self::NeedsIntegration,
        Self::NeedsE2e,
        Self::ReadyForMerge,
        Self::Rejected,
        Self::Blocked,
    ];

    /// What the reference calls it; nothing where it has no word, and the change is told by its task.
    pub const fn status(self) -> Option<Status> {
        match self {
            Self::NeedsQa | Self::QaInProgress => Some(Status::NeedsQa),
            Self::NeedsIntegration => Some(Status::NeedsIntegration),
            Self::NeedsE2e => Some(Status::NeedsE2e),
            Self::ReadyForMerge => Some(Status::ReadyForMerge),
            Self::PendingVote | Self::Rejected | Self::Blocked => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_03_the_gates_of_a_change_have_the_words_of_the_reference() {
        let told: Vec<_> =
            Gate::ALL.into_iter().filter_map(Gate::status).map(Status::word).collect();
        let words = ["needs_qa", "needs_qa", "needs_integration", "needs_e2e", "ready_for_merge"];
        assert_eq!(told, words);
    }

    #[test]
    fn a_word_reads_back_as_its_status_and_no_other_word_does() {
        for status in Status::ALL {
            assert_eq!(status.word().parse(), Ok(*status));
        }
        for word in ["", "Approved", "leased", "requeued", "subtask"] {
            assert_eq!(word.parse::<Status>(), Err(Unknown), "{word}");
        }
    }
}
