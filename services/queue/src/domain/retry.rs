//! Failure classes: how often an attempt is repeated, and after which delay.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use vivarium_ledger::chain;
use vivarium_ledger::planted::{self, Bug};
use vivarium_types::ids::{Id as _, TaskId};

/// Longest announced delay that is believed.
const ANNOUNCED_MAX: Duration = Duration::from_hours(24);
/// Counted attempts of one series; then a human decides.
pub const ATTEMPTS_MAX: u32 = 20;
/// Rejections of one series; the last one fails the task.
pub const REJECTIONS_MAX: u32 = 3;
/// Delay of an attempt that was given back, when nobody says another.
pub const RETURNED_DELAY: Duration = Duration::from_mins(1);

/// Why an attempt came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Class {
    /// The lease expired or was released, or the executor died.
    Lost,
    /// A provider's 5xx, a time-out, a broken connection.
    Transient,
    /// A rate limit inside a cycle.
    RateLimited,
    /// Nothing usable after one repair.
    InvalidOutput,
    /// Our own fault.
    Internal,
    /// Rules, task and feedback exceed the model's window.
    InputTooLarge,
    /// A local tool refused or failed.
    CommandFailed,
    /// Blocked by the safety policy.
    Safety,
    /// The task's own budget is spent.
    Budget,
    /// Review rejected it for the third time.
    ReviewRejected,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Lost,
        Self::Transient,
        Self::RateLimited,
        Self::InvalidOutput,
        Self::Internal,
        Self::InputTooLarge,
        Self::CommandFailed,
        Self::Safety,
        Self::Budget,
        Self::ReviewRejected,
    ];

    /// The word in lists and messages.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Transient => "transient",
            Self::RateLimited => "rate_limited",
            Self::InvalidOutput => "invalid_output",
            Self::Internal => "internal",
            Self::InputTooLarge => "input_too_large",
            Self::CommandFailed => "command_failed",
            Self::Safety => "safety",
            Self::Budget => "budget",
            Self::ReviewRejected => "review_rejected",
        }
    }

    /// Whether a runner may report it; the others are the queue's own word.
    pub const fn is_for_runners(self) -> bool {
        !matches!(self, Self::Lost | Self::ReviewRejected)
    }
}

/// The retries of one class in a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    retries: u32,
    base: Duration,
    cap: Duration,
    announced: bool,
    /// Whether the first failure of a series is repeated without a delay.
    first_at_once: bool,
}

impl Policy {
    /// The policy of a class (`domain.md` 3.5). A first loss is repeated at once (decision 12).
    pub const fn of(class: Class) -> Self {
        match class {
            Class::Lost => Self { first_at_once: true, ..Self::growing(5, 1, 60, false) },
            Class::Transient => Self::growing(5, 2, 300, false),
            Class::RateLimited => Self::growing(10, 2, 300, true),
            Class::InvalidOutput => Self::growing(2, 1, 1, false),
            Class::Internal => Self::growing(2, 5, 5, false),
            Class::ReviewRejected => Self::growing(REJECTIONS_MAX - 1, 5, 60, false),
            Class::InputTooLarge | Class::CommandFailed | Class::Safety | Class::Budget => {
                Self::growing(0, 0, 0, false)
            }
        }
    }

    const fn growing(retries: u32, base: u64, cap: u64, announced: bool) -> Self {
        let (base, cap) = (Duration::from_secs(base), Duration::from_secs(cap));
        Self { retries, base, cap, announced, first_at_once: false }
    }

    /// The delay before the next attempt behind `earlier` failures of this class in the series;
    /// `None` when there is no further one.
    pub fn delay(self, earlier: u32, announced: Option<Duration>) -> Option<Duration> {
        if earlier >= self.retries {
            return None;
        }
        if planted::has(Bug::RetryAtOnce) {
            return Some(Duration::ZERO);
        }
        if let Some(announced) = announced.filter(|_| self.announced) {
            return Some(announced.min(ANNOUNCED_MAX));
        }
        let Some(doubled) = earlier.checked_sub(u32::from(self.first_at_once)) else {
            return Some(Duration::ZERO);
        };
        Some(self.base.saturating_mul(2_u32.saturating_pow(doubled)).min(self.cap))
    }
}

/// An announced delay within its bound, or the default of an attempt that was given back.
pub fn returned_delay(announced: Option<Duration>) -> Duration {
    announced.unwrap_or(RETURNED_DELAY).clamp(Duration::from_secs(1), ANNOUNCED_MAX)
}

/// `delay` and up to half of it more, the same for the same task and attempt: so that many failures
/// of one moment do not come back in one moment.
pub fn jittered(delay: Duration, task: TaskId, attempt: u32) -> Duration {
    let mut seed = task.number().to_be_bytes().to_vec();
    seed.extend_from_slice(&attempt.to_be_bytes());
    let drawn = spread(&seed);
    let drawn = if planted::has(Bug::JitterFromClock) { planted::wall_clock() } else { drawn };
    delay + delay / 2 * (drawn % 1_001) / 1_000
}

/// The first 32 bits of a hash: a number that is the same everywhere and otherwise arbitrary.
pub fn spread(seed: &[u8]) -> u32 {
    let hash = chain::digest(seed).0;
    u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(class: Class) -> Vec<u64> {
        let delays = (0..).map_while(|earlier| Policy::of(class).delay(earlier, None));
        delays.map(|delay| delay.as_secs()).collect()
    }

    #[test]
    fn rule_3_5_delays_double_up_to_their_cap_and_end_at_the_class_limit() {
        assert_eq!(seconds(Class::Lost), [0, 1, 2, 4, 8], "a first loss waits for nothing");
        assert_eq!(seconds(Class::Transient), [2, 4, 8, 16, 32]);
        assert_eq!(seconds(Class::RateLimited), [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(seconds(Class::InvalidOutput), [1, 1]);
        assert_eq!(seconds(Class::Internal), [5, 5]);
        assert_eq!(seconds(Class::ReviewRejected), [5, 10]);
        for class in [Class::InputTooLarge, Class::CommandFailed, Class::Safety, Class::Budget] {
            assert_eq!(seconds(class), [0; 0]);
        }
    }

    #[test]
    fn rule_3_5_an_announced_delay_counts_for_rate_limits_alone_and_within_a_day() {
        let announced = Some(Duration::from_secs(77));
        assert_eq!(Policy::of(Class::RateLimited).delay(3, announced), announced);
        assert_ne!(Policy::of(Class::Transient).delay(3, announced), announced);
        let years = Some(Duration::from_hours(100_000));
        assert_eq!(Policy::of(Class::RateLimited).delay(0, years), Some(ANNOUNCED_MAX));
        assert_eq!(returned_delay(None), RETURNED_DELAY);
        assert_eq!(returned_delay(years), ANNOUNCED_MAX);
    }

    #[test]
    fn rule_3_5_jitter_adds_at_most_half_and_is_the_same_again() {
        let delay = Duration::from_secs(10);
        let spread: std::collections::BTreeSet<_> = (0..200)
            .map(|n| {
                let one = jittered(delay, TaskId::from_number(n), 1);
                assert_eq!(one, jittered(delay, TaskId::from_number(n), 1));
                assert!((delay..=delay * 3 / 2).contains(&one));
                one
            })
            .collect();
        assert!(spread.len() > 100);
    }
}
