//! Bounties, as the pages show them.

use vivarium_types::Timestamp;

use super::tone::Tone;

/// A bounty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Bounty {
    /// `bty_…`.
    pub(crate) id: String,
    /// Its title.
    pub(crate) title: String,
    /// What is to be done.
    pub(crate) description: String,
    /// The first prize.
    pub(crate) reward: i64,
    /// The second prize.
    pub(crate) runner_up: i64,
    /// Who may try, in words.
    pub(crate) mode: &'static str,
    /// Teams that may try.
    pub(crate) max_teams: u32,
    /// Whether it can be taken back.
    pub(crate) open: bool,
    /// What lies in its escrow.
    pub(crate) escrow: i64,
    /// When it was opened.
    pub(crate) opened: Timestamp,
    /// When it ended.
    pub(crate) ended: Option<Timestamp>,
    /// Why it was taken back. Empty: it was not.
    pub(crate) reason: String,
}

impl Bounty {
    /// Where it stands, as a badge.
    pub(crate) const fn badge(&self) -> (&'static str, Tone) {
        if self.open { ("open", Tone::Good) } else { ("taken back", Tone::Plain) }
    }
}
