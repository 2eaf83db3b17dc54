//! Named crash points, so that tests can kill a process at a chosen moment.
//!
//! `VIVARIUM_CRASH_AT=committed-not-answered:3` ends the process with SIGABRT at the third passing
//! of that point. Without the feature `planted` a point is nothing at all.

/// Decided, applied in memory, not committed.
pub const DECIDED_NOT_COMMITTED: &str = "decided-not-committed";
/// On disk, and no caller knows.
pub const COMMITTED_NOT_ANSWERED: &str = "committed-not-answered";

/// Ends the process here when the environment asks for it.
#[cfg(feature = "planted")]
pub fn point(name: &str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static WANTED: OnceLock<Option<(String, u64)>> = OnceLock::new();
    static PASSED: AtomicU64 = AtomicU64::new(0);
    let wanted = WANTED.get_or_init(|| {
        let text = std::env::var("VIVARIUM_CRASH_AT").ok()?;
        let (name, count) = text.split_once(':').unwrap_or((&text, "1"));
        Some((name.to_owned(), count.parse().ok()?))
    });
    if let Some((point, count)) = wanted
        && point == name
        && PASSED.fetch_add(1, Ordering::SeqCst) + 1 == *count
    {
        std::process::abort();
    }
}

/// Nothing: the feature `planted` is off.
#[cfg(not(feature = "planted"))]
pub const fn point(_name: &str) {}
