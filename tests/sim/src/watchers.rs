//! Who watches the queue's log: some look often, some seldom, all lose their watch at times and go on
//! behind the last row they saw.

use rand::RngExt as _;
use vivarium_harness::history::Row;
use vivarium_ledger::watch::Watch;

use crate::check::recorded;
use crate::world::{Happening, World};

/// How many watch.
pub(crate) const COUNT: usize = 2;
/// Least and longest pause between two looks of each, in milliseconds.
const PAUSES: [(u64, u64); COUNT] = [(1, 500), (1_000, 60_000)];

/// Somebody who watches.
#[derive(Debug, Default)]
pub(crate) struct Watcher {
    watch: Option<Watch>,
    seen: Vec<Row>,
}

impl Watcher {
    /// Everything that was seen, as it came.
    pub(crate) fn seen(&self) -> &[Row] {
        &self.seen
    }
}

impl World {
    /// A watcher looks what is new.
    pub(crate) fn look(&mut self, number: usize) {
        let (least, most) = PAUSES[number];
        let pause = self.millis(least, most);
        self.plan(pause, Happening::Look(number));
        if self.mishap(20) {
            self.watchers[number].watch = None;
        }
        let deliveries = self.rng.random_range(1..=2);
        self.take_rows(number, deliveries);
    }

    fn take_rows(&mut self, number: usize, deliveries: u32) {
        let Some(server) = &self.server else { return };
        let watcher = &mut self.watchers[number];
        let watch = watcher.watch.get_or_insert_with(|| {
            let after = watcher.seen.last().map_or(0, |row| row.sequence);
            self.counts.resumed += u64::from(after > 0);
            server.ledger().watch(after)
        });
        for _ in 0..deliveries {
            let rows = watch.take_by_hand().expect("memory can be read");
            if rows.is_empty() {
                return;
            }
            watcher.seen.extend(rows.iter().map(|row| recorded(row)));
        }
    }

    /// The queue's process ends: some were told its last words, and every watch is lost.
    pub(crate) fn lose_watches(&mut self) {
        for number in 0..COUNT {
            if self.watchers[number].watch.is_some() && self.rng.random_ratio(1, 2) {
                self.take_rows(number, 1);
            }
            self.watchers[number].watch = None;
        }
    }

    /// At the end everybody sees what is left.
    pub(crate) fn look_to_the_end(&mut self) {
        for number in 0..COUNT {
            self.take_rows(number, u32::MAX);
        }
    }
}
