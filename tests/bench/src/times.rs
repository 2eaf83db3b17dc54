//! How long things took: the calls of one measurement, and what is told of them.

use std::time::Duration;

/// The calls of one measurement.
#[derive(Debug, Clone, Default)]
pub struct Times {
    calls: Vec<Duration>,
    /// The time that all of them took together.
    pub whole: Duration,
}

impl Times {
    /// The same calls, `whole` long together.
    #[must_use]
    pub fn lasting(self, whole: Duration) -> Self {
        Self { whole, ..self }
    }

    /// Takes more calls in.
    pub fn extend(&mut self, calls: impl IntoIterator<Item = Duration>) {
        self.calls.extend(calls);
    }

    /// How many calls there are.
    pub const fn count(&self) -> usize {
        self.calls.len()
    }

    /// The time within which `permille` thousandths of the calls ended, in microseconds; `None`
    /// without calls.
    pub fn micros_at(&mut self, permille: usize) -> Option<u64> {
        self.calls.sort_unstable();
        let last = self.calls.len().checked_sub(1)?;
        let call = self.calls.get(last * permille / 1_000)?;
        Some(u64::try_from(call.as_micros()).unwrap_or(u64::MAX))
    }
}

impl FromIterator<Duration> for Times {
    fn from_iter<I: IntoIterator<Item = Duration>>(calls: I) -> Self {
        Self { calls: calls.into_iter().collect(), whole: Duration::ZERO }
    }
}

/// How evenly `shares` are distributed, in thousandths: 1,000 when all are equal, 1,000 / n when one
/// has everything (Jain's index).
pub fn evenness_permille(shares: &[u64]) -> u64 {
    let sum: u128 = shares.iter().map(|share| u128::from(*share)).sum();
    let squares: u128 = shares.iter().map(|share| u128::from(*share).pow(2)).sum();
    let index = (sum * sum * 1_000).checked_div(squares * shares.len() as u128);
    index.and_then(|index| u64::try_from(index).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_calls() {
        let mut times: Times = (1..=100).rev().map(Duration::from_micros).collect();
        assert_eq!(times.micros_at(500), Some(50));
        assert_eq!(times.micros_at(990), Some(99));
        assert_eq!(Times::default().micros_at(500), None);
    }

    #[test]
    fn equal_shares_are_even_and_a_single_taker_is_not() {
        assert_eq!(evenness_permille(&[5, 5, 5, 5]), 1_000);
        assert_eq!(evenness_permille(&[8, 0, 0, 0]), 250);
        assert_eq!(evenness_permille(&[]), 0);
    }
}
