//! The one stream to the world: whether it is alive, and when it is tried again.

use std::time::Duration;

use vivarium_types::Timestamp;

/// Without a word for this long (the gateway says something every 10 s) the stream is dead.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(25);
const WAIT_MIN: Duration = Duration::from_millis(500);
const WAIT_MAX: Duration = Duration::from_secs(15);

/// How the stream is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Link {
    /// It was never there yet.
    #[default]
    Starting,
    /// It is alive.
    Live,
    /// It broke.
    Broken {
        /// What is shown is as of this moment.
        since: Timestamp,
        /// When it is tried again.
        retry: Timestamp,
    },
    /// The session is gone.
    SignedOut,
}

impl Link {
    /// Whether what is shown may be out of date.
    pub(crate) const fn is_stale(&self) -> bool {
        matches!(self, Self::Broken { .. } | Self::SignedOut)
    }
}

/// How long to wait before try `n` (from 0). `spread` (0 to 255) adds up to a quarter, so that many
/// tabs do not all come at once.
pub(crate) fn wait(tries: u32, spread: u8) -> Duration {
    let base = WAIT_MIN.saturating_mul(1 << tries.min(10)).min(WAIT_MAX);
    base + base * u32::from(spread) / 1_020
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_its_limit_and_is_spread() {
        let millis = |tries, spread| wait(tries, spread).as_millis();
        assert_eq!([millis(0, 0), millis(1, 0), millis(3, 0)], [500, 1_000, 4_000]);
        assert_eq!(millis(5, 0), 15_000);
        assert_eq!(millis(99, 255), 18_750);
    }
}
