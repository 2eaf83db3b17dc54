//! Bugs that are planted by name must be found: a simulation that misses them proves nothing where it
//! finds nothing. `cargo xtask long planted` looks for all of them, within 2,000 seeds each.

use vivarium_ledger::planted::{Bug, plant};
use vivarium_sim::find;

/// Seeds that the gate spends on one bug.
const SEEDS: u64 = 300;
/// The bugs of the gate, of every kind there is.
const GATE: [Bug; 10] = [
    Bug::SkipFence,
    Bug::AnswerBeforeCommit,
    Bug::GrantWhileHalted,
    Bug::IgnoreParallelSafe,
    Bug::ReleaseOnFinish,
    Bug::StarveTheQuiet,
    Bug::WatchSkipsAtSeam,
    Bug::CursorBeforeEffect,
    Bug::SnapshotMissesLast,
    Bug::TwoOpenInstances,
];

fn look_for(bug: Bug) -> Option<(u64, String)> {
    plant(Some(bug));
    let found = (1..=SEEDS).find_map(|seed| Some((seed, find(seed)?)));
    plant(None);
    found
}

#[test]
fn ten_planted_bugs_are_found() {
    for bug in GATE {
        let found = look_for(bug);
        println!("{}: {found:?}", bug.words());
        assert!(found.is_some(), "{:?} was not found in {SEEDS} seeds", bug.words());
    }
}
