//! One measured cell, as it is kept: the same fields for us and for every peer.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use vivarium_bench::times::Times;

use crate::probe::Probe;

/// Cells whose syncs are counted.
const SYNCING: [&str; 7] =
    ["single", "bulk", "drain", "ping", "lifecycle", "engine", "engine-postgres"];

/// Us, in the column of peers.
pub(crate) const OURS: &str = "vivarium";

/// One cell of one peer in one round.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Row {
    pub(crate) peer: String,
    pub(crate) cell: String,
    pub(crate) round: u32,
    /// Tasks.
    pub(crate) n: u64,
    pub(crate) seconds: Option<f64>,
    pub(crate) per_second: Option<f64>,
    pub(crate) p50_ms: Option<f64>,
    pub(crate) p99_ms: Option<f64>,
    /// Times that something was handed to the disk for good.
    pub(crate) fsyncs: Option<u64>,
    /// Bytes that were handed to the disk.
    pub(crate) written: Option<u64>,
    pub(crate) version: String,
    pub(crate) settings: String,
    /// Why there is no figure, or why it does not count.
    pub(crate) skipped: Option<String>,
    /// The bare disk just before.
    pub(crate) probe: Option<Probe>,
    /// What only this cell has.
    #[serde(flatten)]
    pub(crate) more: BTreeMap<String, Value>,
}

impl Row {
    /// A row of ours: `n` tasks, and the calls they took.
    pub(crate) fn ours(cell: &str, n: u64, mut times: Times) -> Self {
        let seconds = times.whole.as_secs_f64();
        Self {
            peer: OURS.to_owned(),
            cell: cell.to_owned(),
            n,
            seconds: Some(seconds),
            per_second: (seconds > 0.0).then(|| float(n) / seconds),
            p50_ms: times.micros_at(500).map(millis),
            p99_ms: times.micros_at(990).map(millis),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..Self::default()
        }
    }

    /// A cell that was not measured.
    pub(crate) fn without(peer: &str, cell: &str, why: impl Into<String>) -> Self {
        Self {
            peer: peer.to_owned(),
            cell: cell.to_owned(),
            skipped: Some(why.into()),
            ..Self::default()
        }
    }

    /// What was handed to the disk for each task.
    pub(crate) fn kib_a_task(&self) -> Option<f64> {
        Some(float(self.written?) / 1_024.0 / float(self.n.max(1)))
    }

    /// With how it was set.
    pub(crate) fn set(mut self, settings: impl Into<String>) -> Self {
        self.settings = settings.into();
        self
    }

    /// With something that only this cell has.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.more.insert(name.to_owned(), value.into());
        self
    }

    /// Discards a figure that was not durable: where each of `clients` waits for its own answer, one
    /// sync answers at most all of them.
    pub(crate) fn judged(mut self, clients: u64) -> Self {
        if self.skipped.is_some() || self.seconds.is_none() {
            return self;
        }
        let Some(fsyncs) = self.fsyncs else {
            if SYNCING.contains(&self.cell.as_str()) {
                self.more.insert("syncs_not_counted".to_owned(), true.into());
            }
            return self;
        };
        let enough = match self.cell.as_str() {
            "single" => fsyncs.saturating_mul(clients) >= self.n,
            "ping" => fsyncs >= self.n,
            _ => fsyncs > 0,
        };
        if !enough {
            let n = self.n;
            self.skipped =
                Some(format!("discarded: {fsyncs} syncs for {n} tasks cannot have been durable"));
        }
        self
    }
}

/// Microseconds as milliseconds.
fn millis(micros: u64) -> f64 {
    float(micros) / 1_000.0
}

/// A count as a figure; counts here are far below 2^52.
#[expect(clippy::cast_precision_loss, reason = "counts of a benchmark are far below 2^52")]
pub(crate) const fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cell: &str, n: u64, fsyncs: Option<u64>) -> Row {
        Row { cell: cell.to_owned(), n, fsyncs, seconds: Some(1.0), ..Row::default() }
    }

    #[test]
    fn a_figure_without_enough_syncs_is_discarded() {
        assert!(row("single", 6_400, Some(100)).judged(64).skipped.is_none());
        assert!(row("single", 6_400, Some(99)).judged(64).skipped.is_some());
        assert!(row("ping", 80, Some(79)).judged(64).skipped.is_some());
        assert!(row("drain", 80, Some(0)).judged(64).skipped.is_some());
    }

    #[test]
    fn a_figure_whose_syncs_nobody_counted_says_so() {
        let judged = row("drain", 80, None).judged(64);
        assert!(judged.skipped.is_none() && judged.more.contains_key("syncs_not_counted"));
    }
}
