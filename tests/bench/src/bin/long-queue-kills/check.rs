//! What the record says, held against what the callers and the runner know.

use std::collections::BTreeMap;

use anyhow::Result;
use vivarium_bench::alone::Alone;
use vivarium_harness::history::History;
use vivarium_ledger::audit;
use vivarium_ledger::store::sqlite::Sqlite;

use crate::load::Load;

/// Broken promises; all well when nothing but `rows` is counted.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// Rows that were read.
    pub(crate) rows: u64,
    /// Acknowledged, and not there.
    pub(crate) lost: u64,
    /// There more than once, or under another id than acknowledged.
    pub(crate) doubled: u64,
    /// There, and nobody asked for it.
    pub(crate) unasked: u64,
    /// Rules of the record that are broken, breaks of its chain, strange answers.
    pub(crate) findings: Vec<String>,
}

impl Faults {
    pub(crate) fn any(&self) -> bool {
        self.lost + self.doubled + self.unasked > 0 || !self.findings.is_empty()
    }
}

/// Reads the whole record while nothing runs.
pub(crate) fn record(stand: &Alone, load: &Load, faults: &mut Faults) -> Result<()> {
    let history = History::read_of(stand.root(), &["queue"]);
    let rows = history.of("queue");
    faults.rows = rows.len() as u64;
    let (mut added, mut finished) = (BTreeMap::new(), BTreeMap::<&str, u64>::new());
    let mut effects = BTreeMap::<&str, u64>::new();
    for row in rows {
        match row.kind.as_str() {
            "task_added" => {
                let key = row.event["spec"]["key"].as_str().unwrap_or_default();
                if added.insert(key, row.word("taskId")).is_some() {
                    faults.doubled += 1;
                }
            }
            "effect_recorded" => *effects.entry(row.word("leaseId")).or_default() += 1,
            "attempt_finished" => *finished.entry(row.word("leaseId")).or_default() += 1,
            _ => {}
        }
    }
    let known = load.known();
    for (key, id) in &known.added {
        match added.get(key.as_str()) {
            None => faults.lost += 1,
            Some(there) if *there != id => faults.doubled += 1,
            Some(_) => {}
        }
    }
    faults.unasked += added.keys().filter(|key| !known.asked.contains(**key)).count() as u64;
    let not_there = |lease: &&String| !finished.contains_key(lease.as_str());
    faults.lost += known.finished.iter().filter(not_there).count() as u64;
    let forgotten = |lease: &&String| !effects.contains_key(lease.as_str());
    faults.lost += known.effects.iter().filter(forgotten).count() as u64;
    faults.doubled += effects.values().filter(|count| **count > 1).count() as u64;
    faults.doubled += finished.values().filter(|count| **count > 1).count() as u64;
    faults.findings.extend(known.strange.iter().cloned());
    faults.findings.extend(history.breaches());
    let report = audit::verify(&*Sqlite::read_only(&stand.ledger()), &[], &|_| true, &mut |_| {})?;
    faults.findings.extend(report.findings.iter().map(ToString::to_string));
    Ok(())
}
