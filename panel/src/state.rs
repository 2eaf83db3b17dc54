//! What the panel knows, as plain data, and the pure functions that change it.
//!
//! Nothing here reads a clock, fetches or touches the page: everything is tested natively.

pub(crate) mod bounty;
pub(crate) mod cycle;
pub(crate) mod deed;
pub(crate) mod edit;
pub(crate) mod event;
pub(crate) mod feed;
pub(crate) mod form;
pub(crate) mod graph;
pub(crate) mod history;
pub(crate) mod library;
pub(crate) mod link;
pub(crate) mod mail;
pub(crate) mod model;
pub(crate) mod names;
pub(crate) mod needs;
pub(crate) mod output;
pub(crate) mod problem;
pub(crate) mod recurrence;
pub(crate) mod resident;
pub(crate) mod ribbon;
pub(crate) mod room;
pub(crate) mod safety;
pub(crate) mod scale;
pub(crate) mod seen;
pub(crate) mod spend;
pub(crate) mod submission;
pub(crate) mod task;
pub(crate) mod telling;
pub(crate) mod tone;
pub(crate) mod view;
pub(crate) mod window;
pub(crate) mod world;

/// The services that keep a ledger, in the order in which they are shown.
pub(crate) const LEDGERS: [&str; 4] = ["queue", "executor", "society", "review"];

/// A place in one ledger, from a mutating answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Position {
    /// The service whose ledger it is.
    pub(crate) ledger: String,
    /// The last row of the effect.
    pub(crate) sequence: u64,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page<T> {
    /// The rows.
    pub(crate) rows: Vec<T>,
    /// For the next page. Empty: there is none.
    pub(crate) next: String,
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), next: String::new() }
    }
}
