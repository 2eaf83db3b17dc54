//! Time in these tests: waiting for a condition, and measuring.

use std::time::{Duration, Instant};

/// Waits until something is so; tells whether it came to be.
pub(crate) fn until(most: Duration, mut is_so: impl FnMut() -> bool) -> bool {
    let end = now() + most;
    loop {
        if is_so() {
            return true;
        }
        if now() >= end {
            return false;
        }
        step(Duration::from_millis(4));
    }
}

/// One small step of a loop that waits for a condition.
#[expect(clippy::disallowed_methods, reason = "other processes give no signal to wait for")]
pub(crate) fn step(length: Duration) {
    std::thread::sleep(length);
}

/// The moment on the machine's clock.
#[expect(clippy::disallowed_methods, reason = "the machine's own time is what is measured")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// How many times the gate's size is run; `TIMES` in the environment says so.
pub(crate) fn times() -> usize {
    std::env::var("TIMES").ok().and_then(|many| many.parse().ok()).unwrap_or(1)
}
