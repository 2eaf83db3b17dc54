//! The system's clock and randomness: the only place that reads either.
#![expect(
    clippy::disallowed_methods,
    reason = "this is the one place that they are disallowed for"
)]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;
use vivarium_types::{Clock, IdSource, Timestamp};

/// The clock of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }
}

/// A moment to measure from and to wait until, on tokio's clock. It names no time of day.
pub fn instant() -> Instant {
    Instant::now()
}

/// Random bytes from the operating system.
///
/// # Panics
/// If the operating system has none: then nothing here may go on.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// A source of ids that no other process shares.
pub fn ids() -> IdSource {
    IdSource::seeded(u64::from_le_bytes(random()))
}

/// `span` and up to `permille` thousandths of it more, so that equal timers do not fire together.
pub fn jittered(span: Duration, permille: u32) -> Duration {
    let share = u32::from_le_bytes(random()) % (permille + 1);
    span + span / 1_000 * share
}
