//! Residents, their wallets and memories.

use vivarium_types::Timestamp;

use super::tone::Tone;

/// A resident. Lists leave the profile out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Resident {
    /// `res_…`.
    pub(crate) id: String,
    /// Its handle.
    pub(crate) handle: String,
    /// Its name.
    pub(crate) name: String,
    /// What it is, in a few sentences.
    pub(crate) summary: String,
    /// What it says of itself: a label and the words.
    pub(crate) about: Vec<(&'static str, String)>,
    /// Its traits and values.
    pub(crate) traits: Vec<String>,
    /// Its profile, Markdown.
    pub(crate) display: String,
    /// Facets of its profile.
    pub(crate) facets: Vec<(String, String)>,
    /// Whether it takes part, and the colour of that.
    pub(crate) status: (&'static str, Tone),
    /// Days on which it did something.
    pub(crate) sessions: u32,
    /// When it joined.
    pub(crate) joined: Timestamp,
    /// Accepted and rejected submissions.
    pub(crate) approved: u32,
    /// See `approved`.
    pub(crate) rejected: u32,
    /// Live memories.
    pub(crate) memories: u32,
    /// Tokens for anything.
    pub(crate) free: i64,
    /// Tokens for journals first.
    pub(crate) journal: i64,
}

/// What a resident has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wallet {
    /// For anything.
    pub(crate) free: i64,
    /// For journals first.
    pub(crate) journal: i64,
    /// Where the first overflows.
    pub(crate) free_cap: i64,
    /// Where the second overflows.
    pub(crate) journal_cap: i64,
    /// All it ever received.
    pub(crate) received: i64,
    /// All it ever gave.
    pub(crate) spent: i64,
}

/// A posting.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Posting {
    /// Its row in society's ledger.
    pub(crate) sequence: u64,
    /// What for, one word.
    pub(crate) cause: String,
    /// What it is about. Empty: nothing.
    pub(crate) subject: String,
    /// From, to, how many tokens.
    pub(crate) transfers: Vec<(String, String, i64)>,
    /// When.
    pub(crate) time: Timestamp,
    /// The day of the world.
    pub(crate) day: u64,
    /// What it changed for whom was asked about.
    pub(crate) change: i64,
}

impl Posting {
    /// All that moved.
    pub(crate) fn total(&self) -> i64 {
        self.transfers.iter().map(|(_, _, tokens)| tokens).sum()
    }
}

/// What for, in words.
pub(crate) fn cause_words(cause: &str) -> &str {
    match cause {
        "allowance" => "daily allowance",
        "sunday" => "Sunday allowance",
        "wage" => "wage",
        "saving" => "reward for saving",
        "quality" => "reward for quality",
        "tip" => "your tip",
        "letter" => "a letter to you",
        "price" => "price of an action",
        "welcome" => "welcome",
        "import" => "brought along",
        "bounty" => "prize of a bounty",
        "undo" => "undone",
        other => other,
    }
}

/// All tokens there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "it is called as in the contract")]
pub(crate) struct Supply {
    /// What somebody has.
    pub(crate) supply: i64,
    /// In wallets.
    pub(crate) wallets: i64,
    /// What belongs to all.
    pub(crate) commons: i64,
    /// Held until something is decided.
    pub(crate) escrow: i64,
    /// Made today.
    pub(crate) minted_today: i64,
    /// Destroyed today.
    pub(crate) burnt_today: i64,
}

/// A memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    /// `mem_…`.
    pub(crate) id: String,
    /// What kind, in a word.
    pub(crate) kind: &'static str,
    /// The text. Empty: forgotten.
    pub(crate) text: String,
    /// Its tags.
    pub(crate) tags: Vec<String>,
    /// 1 to 5.
    pub(crate) importance: u32,
    /// When it was kept.
    pub(crate) kept: Timestamp,
    /// Whether it is set aside as a sign of an injection.
    pub(crate) quarantined: bool,
}

/// A journal entry, without its text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Journal {
    /// `jrn_…`.
    pub(crate) id: String,
    /// What it is, in a word.
    pub(crate) kind: &'static str,
    /// Whether its key is destroyed.
    pub(crate) erased: bool,
    /// The day of the world.
    pub(crate) day: u64,
    /// When it was written.
    pub(crate) written: Timestamp,
    /// Characters.
    pub(crate) length: u32,
}
