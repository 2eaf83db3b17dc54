//! What tests plant into programs that are built for them: crash points and bugs, by name.
//!
//! A bug is chosen at run time in one build: the simulation must find each of [`Bug::ALL`], or it
//! proves nothing where it finds none. Without the feature `planted` none of this exists.
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

/// A segment's texts are in their place, and its rows are not.
pub const TEXTS_WRITTEN: &str = "texts-written";
/// A segment's files are in their place, and no event names them.
pub const SEGMENT_WRITTEN: &str = "segment-written";
/// Some of a segment has left the hot file.
pub const PARTLY_LEFT: &str = "partly-left";

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

macro_rules! bugs {
    ($($name:ident $words:literal,)*) => {
        /// A bug that can be planted.
        #[expect(missing_docs, reason = "its words say what it is")]
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Bug { $($name,)* }

        impl Bug {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// What is wrong, in words.
            pub const fn words(self) -> &'static str {
                match self { $(Self::$name => $words,)* }
            }
        }
    };
}

bugs! {
    SkipFence "skip the fence",
    FinishAfterExpiry "accept a finish after expiry",
    AnswerBeforeCommit "answer before commit",
    LoseSlotOnCancel "lose a slot on cancel",
    LeakKeyOnExpiry "leak a concurrency key on expiry",
    LeaseOffByOne "lease off by one tick",
    TwoGrantsInOneTurn "two grants in one turn",
    GrantWhileHalted "grant while halted",
    GrantWhilePaused "grant while paused",
    StepBuysTwo "step buys two",
    IgnoreParallelSafe "ignore parallel_safe",
    ReleaseOnFinish "release dependants on finish instead of approval",
    ReleaseOnFirst "release on the first of two dependencies",
    MissDependency "miss a dependency that finished during add",
    MissBatchEdge "cycle check misses a batch-internal edge",
    LoseFeedback "requeue loses feedback",
    ResetRejections "rejection counter resets on lost attempt",
    RetryAtOnce "retry without backoff",
    JitterFromClock "jitter from the wall clock",
    AnswerAnother "idempotent repeat answers another caller",
    OneMethodOnly "request id kept by one method only",
    CursorBeforeEffect "cursor advanced before effect",
    EffectTwice "effect twice after follower restart",
    SnapshotMissesLast "snapshot misses the last event",
    CalendarWhilePaused "calendar moves while paused",
    DayTwice "day event twice after a restart",
    EditWhileLeased "edit accepted while leased",
    CancelLeavesAttempt "cancel leaves an attempt running",
    TwoOpenInstances "a recurrence fires beside its open task",
    AgeingNeverFires "ageing never fires",
    StarveTheQuiet "starve the quiet submitter",
    PublishBeforeCommit "publish before commit",
    ReplayRefused "replay applies a refused command",
    WatchSkipsAtSeam "watch skips one event at the disk-to-memory seam",
    WatchRepeatsOnResume "watch repeats one on resume",
    CancelLeavesChild "cancel leaves a child running",
    AnySpecialist "grant to who lacks the specialization",
    IntegrateEarly "a split task is put together before its last child is approved",
    ExitByName "the late report of an exit counts for the next start",
}

/// Which one is planted: its place in the list from 1, or 0.
#[cfg(feature = "planted")]
static PLANTED: std::sync::atomic::AtomicU8 = std::sync::atomic::AtomicU8::new(0);

/// Plants one bug in this process, or none.
#[cfg(feature = "planted")]
pub fn plant(bug: Option<Bug>) {
    let place = bug.map_or(0, |bug| bug as u8 + 1);
    PLANTED.store(place, std::sync::atomic::Ordering::Relaxed);
}

/// Whether this bug is planted.
#[cfg(feature = "planted")]
pub fn has(bug: Bug) -> bool {
    PLANTED.load(std::sync::atomic::Ordering::Relaxed) == bug as u8 + 1
}

/// Never: the feature `planted` is off.
#[cfg(not(feature = "planted"))]
pub const fn has(_bug: Bug) -> bool {
    false
}

/// What holds and can be taken away, so that the suite about it shows that it looks: a loop of the zoo
/// must then run on, a halt must leave something alive, a key must be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// The same action again in a cycle with nothing changed.
    Repeat,
    /// A pair that goes on and on in one room.
    Conversation,
    /// A message like an earlier one of its author.
    Echo,
    /// A proposal for what was asked for above it, or is proposed already.
    Duplicate,
    /// A proposal within a proposal within a proposal.
    Depth,
    /// The third rejection of a series.
    Rejections,
    /// The same submission a second time.
    NoProgress,
    /// A task is not offered again to who declined it.
    Declined,
    /// What is left of a day.
    Quota,
    /// What runs is ended by a halt.
    HaltEnds,
    /// The file `HALT` is obeyed.
    HaltFile,
    /// Keys are taken out of what leaves or is kept.
    Redactor,
    /// What may be done under a lease is looked at before a program runs.
    Level,
    /// A person allows a program that is asked for after others' texts.
    Taint,
}

/// Those that a process is started without, by the names in `VIVARIUM_GUARDS_AWAY`, divided by commas.
#[cfg(feature = "planted")]
const OF_PROCESSES: [Guard; 5] =
    [Guard::HaltEnds, Guard::HaltFile, Guard::Redactor, Guard::Level, Guard::Taint];

#[cfg(feature = "planted")]
fn away_from_the_start() -> u16 {
    static AWAY: std::sync::OnceLock<u16> = std::sync::OnceLock::new();
    *AWAY.get_or_init(|| {
        let names = std::env::var("VIVARIUM_GUARDS_AWAY").unwrap_or_default();
        let is_away = |guard: &Guard| names.split(',').any(|name| name == format!("{guard:?}"));
        let away = OF_PROCESSES.into_iter().filter(is_away);
        away.fold(0, |bits, guard| bits | 1 << guard as u16)
    })
}

/// Which are away, as bits.
#[cfg(feature = "planted")]
static AWAY: std::sync::atomic::AtomicU16 = std::sync::atomic::AtomicU16::new(0);

/// Takes these guards away in this process, and puts all others back.
#[cfg(feature = "planted")]
pub fn without(guards: &[Guard]) {
    let away = guards.iter().fold(0, |bits, guard| bits | 1 << *guard as u16);
    AWAY.store(away, std::sync::atomic::Ordering::Relaxed);
}

/// Whether this guard is in its place.
#[cfg(feature = "planted")]
pub fn stands(guard: Guard) -> bool {
    let away = AWAY.load(std::sync::atomic::Ordering::Relaxed) | away_from_the_start();
    away & 1 << guard as u16 == 0
}

/// Always: the feature `planted` is off.
#[cfg(not(feature = "planted"))]
pub const fn stands(_guard: Guard) -> bool {
    true
}

/// A number that no seed decides, for a bug that looks at the wall clock.
#[cfg(feature = "planted")]
#[expect(clippy::disallowed_methods, reason = "the bug is that it looks at this clock")]
pub fn wall_clock() -> u32 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| now.subsec_nanos())
}

/// Nothing: the feature `planted` is off.
#[cfg(not(feature = "planted"))]
pub const fn wall_clock() -> u32 {
    0
}
