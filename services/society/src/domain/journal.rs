//! Journals: what residents write for themselves. Nothing of them is held here; the words are sealed
//! under a key each, and the read model knows day, kind and state alone.

use serde::{Deserialize, Serialize};
use vivarium_ledger::TextRef;
use vivarium_types::ids::{CycleId, JournalId, ResidentId};

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// A thought.
    Reflection,
    /// Something learned.
    Learning,
    /// Something seen.
    Observation,
    /// Something that was wrong.
    Correction,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::Reflection, Self::Learning, Self::Observation, Self::Correction];

    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Reflection => "reflection",
            Self::Learning => "learning",
            Self::Observation => "observation",
            Self::Correction => "correction",
        }
    }

    /// The kind of this word.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// Who may read an entry beside its author's cycles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Readers {
    /// Nobody.
    Author,
    /// The human.
    Human,
}

/// An entry as the log keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Which.
    pub journal: JournalId,
    /// Whose.
    pub resident: ResidentId,
    /// What it is.
    pub kind: Kind,
    /// The words, sealed.
    pub text: TextRef,
    /// Who may read it.
    pub readers: Readers,
    /// The day.
    pub day: u64,
    /// The cycle it was written in.
    pub cycle: CycleId,
    /// The fencing token.
    pub token: u64,
}
