//! What leaves a ledger's hot file, and when.
//!
//! Settings are read by one crate and ledgers are kept by another; here they meet.

use std::time::Duration;

/// Which rows stay in a ledger's hot file. What is older leaves it in closed segments, and never less
/// than a whole segment at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Rows younger than this stay.
    pub keep_for: Duration,
    /// So many of the newest rows stay, however old they are.
    pub keep_rows: u64,
    /// Rows of one segment; fewer where they or their texts are large.
    pub segment_rows: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self { keep_for: Duration::from_hours(28 * 24), keep_rows: 100_000, segment_rows: 20_000 }
    }
}
