//! Cycles: one turn of a resident, with what it saw, asked for and cost.

use std::time::Duration;

use vivarium_types::Timestamp;

use super::tone::Tone;

/// A cycle without its parts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Cycle {
    /// `cyc_…`.
    pub(crate) id: String,
    /// Why it runs, in a word.
    pub(crate) kind: &'static str,
    /// Its task. Empty: none.
    pub(crate) task: String,
    /// The attempt's number, from 1; 0: none.
    pub(crate) attempt: u32,
    /// Its resident. Empty: none.
    pub(crate) resident: String,
    /// The model. Empty: none.
    pub(crate) model: String,
    /// Whether that is a small local one.
    pub(crate) embedded: bool,
    /// When it began.
    pub(crate) start: Timestamp,
    /// When it ended.
    pub(crate) end: Option<Timestamp>,
    /// How it ended, and the colour of that.
    pub(crate) outcome: Option<(&'static str, Tone)>,
    /// Why, as a reason. Empty: it finished.
    pub(crate) reason: String,
    /// Steps so far.
    pub(crate) steps: u32,
    /// Model tokens read and written.
    pub(crate) model_tokens: (u64, u64),
    /// What it cost, in micro-dollars.
    pub(crate) cost: i64,
    /// What the resident says it did.
    pub(crate) summary: String,
}

/// A part of a briefing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Fragment {
    /// The section it belongs to.
    pub(crate) section: String,
    /// Where it comes from.
    pub(crate) source: String,
    /// How far it is trusted, in a word.
    pub(crate) label: &'static str,
    /// Its text. Empty: private or erased.
    pub(crate) text: String,
    /// Whether it was shortened or left out to fit.
    pub(crate) cut: bool,
    /// Whether it was left out as a sign of an injection.
    pub(crate) quarantined: bool,
}

/// A model call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Call {
    /// The step.
    pub(crate) step: u32,
    /// What came back. Empty: nothing, private or erased.
    pub(crate) response: String,
    /// How long it took.
    pub(crate) total: Option<Duration>,
    /// Model tokens read and written.
    pub(crate) model_tokens: (u64, u64),
    /// What it cost, in micro-dollars.
    pub(crate) cost: i64,
    /// Why it failed. Empty: it answered.
    pub(crate) failure: String,
}

/// An action and its receipt.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Action {
    /// The step.
    pub(crate) step: u32,
    /// Its name.
    pub(crate) name: String,
    /// What it is about. Empty: nothing.
    pub(crate) target: String,
    /// How it ended, and the colour of that.
    pub(crate) status: (&'static str, Tone),
    /// Why it was refused or failed. Empty: done.
    pub(crate) reason: String,
    /// What came of it.
    pub(crate) result: String,
    /// What it cost its resident, in tokens.
    pub(crate) price: i64,
}

/// A cycle, whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Whole {
    /// The cycle.
    pub(crate) cycle: Cycle,
    /// The briefing in order.
    pub(crate) fragments: Vec<Fragment>,
    /// The calls in order.
    pub(crate) calls: Vec<Call>,
    /// The actions in order.
    pub(crate) actions: Vec<Action>,
}
