//! Named crash points, so that tests can kill a process at a chosen moment.
//!
//! `VIVARIUM_CRASH_AT` names a file that says where, such as `committed-not-answered@task_added:3`: the
//! process ends with SIGABRT at the third passing of that point with such an event in the turn (any
//! event, if none is named). It removes the file first, so that the next life goes on. Without the feature `planted` a point is
//! nothing at all.

use vivarium_types::source::Row;

/// Decided, applied in memory, not committed.
pub const DECIDED_NOT_COMMITTED: &str = "decided-not-committed";
/// On disk, and no caller knows.
pub const COMMITTED_NOT_ANSWERED: &str = "committed-not-answered";

/// Ends the process here when the environment asks for it.
#[cfg(feature = "planted")]
pub fn point(name: &str, rows: &[Row]) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static WANTED: OnceLock<Option<Wanted>> = OnceLock::new();
    static PASSED: AtomicU64 = AtomicU64::new(0);
    let Some(wanted) = WANTED.get_or_init(Wanted::read) else { return };
    if wanted.point == name
        && wanted.kind.as_ref().is_none_or(|kind| rows.iter().any(|row| row.kind == *kind))
        && PASSED.fetch_add(1, Ordering::SeqCst) + 1 == wanted.count
        && std::fs::remove_file(&wanted.file).is_ok()
    {
        std::process::abort();
    }
}

/// What the file asks for.
#[cfg(feature = "planted")]
struct Wanted {
    file: std::path::PathBuf,
    point: String,
    kind: Option<String>,
    count: u64,
}

#[cfg(feature = "planted")]
impl Wanted {
    fn read() -> Option<Self> {
        let file = std::path::PathBuf::from(std::env::var_os("VIVARIUM_CRASH_AT")?);
        let text = std::fs::read_to_string(&file).ok()?;
        let (place, count) = text.trim().split_once(':').unwrap_or((text.trim(), "1"));
        let (point, kind) = match place.split_once('@') {
            Some((point, kind)) => (point.to_owned(), Some(kind.to_owned())),
            None => (place.to_owned(), None),
        };
        Some(Self { count: count.parse().ok()?, file, point, kind })
    }
}

/// Nothing: the feature `planted` is off.
#[cfg(not(feature = "planted"))]
pub const fn point(_name: &str, _rows: &[Row]) {}
