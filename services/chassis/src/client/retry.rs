//! When to repeat a call: pauses that grow and differ, and a budget that keeps repeats a small part
//! of all calls, so that a struggling peer is not drowned.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock;

const PAUSE_FIRST: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// Up to as much again is added at random.
const JITTER_PERMILLE: u32 = 1_000;

/// Hundredths of a repeat that one call earns: repeats stay below a fifth of all calls.
const EARNED: u32 = 20;
const COST: u32 = 100;
/// What is there at the start and at most: room for one restart under little load.
const SAVED_MAX: u32 = 20 * COST;

/// The pauses of one call.
#[derive(Debug, Default)]
pub(super) struct Pause {
    taken: u32,
}

impl Pause {
    /// The next pause, at least as long as the peer asked for.
    pub(super) fn next(&mut self, asked: Option<Duration>) -> Duration {
        let grown = PAUSE_FIRST.saturating_mul(1 << self.taken.min(10)).min(PAUSE_MAX);
        self.taken += 1;
        let pause = clock::jittered(grown, JITTER_PERMILLE);
        asked.map_or(pause, |asked| pause.max(asked.min(PAUSE_MAX)))
    }
}

/// What one peer's repeats may cost.
#[derive(Debug)]
pub(super) struct Budget {
    /// Written by every call and every repeat.
    saved: Mutex<u32>,
}

impl Default for Budget {
    fn default() -> Self {
        Self { saved: Mutex::new(SAVED_MAX) }
    }
}

impl Budget {
    /// A call was made.
    pub(super) fn deposit(&self) {
        let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        *saved = (*saved + EARNED).min(SAVED_MAX);
    }

    /// Whether a repeat can be paid for; then it is.
    pub(super) fn withdraw(&self) -> bool {
        let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        let left = saved.checked_sub(COST);
        if let Some(left) = left {
            *saved = left;
        }
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_stay_a_fifth_of_all_calls() {
        let budget = Budget::default();
        while budget.withdraw() {}
        let repeats = (0..1_000).filter(|_| {
            budget.deposit();
            budget.withdraw()
        });
        assert_eq!(repeats.count(), 200);
    }

    #[test]
    fn pauses_grow_to_a_limit_and_heed_the_peer() {
        let mut pause = Pause::default();
        assert!(pause.next(Some(Duration::from_secs(1))) >= Duration::from_secs(1));
        let last = (0..50).map(|_| pause.next(None)).last().expect("there are some");
        assert!((PAUSE_MAX..=PAUSE_MAX * 2).contains(&last));
    }
}
