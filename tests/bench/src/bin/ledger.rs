//! Durable events a second, by callers at once, beside `fdatasync` and one transaction an event.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use tokio::task::JoinSet;
use tokio::time::Instant;
use vivarium_bench::numbers::{Note, Numbers};
use vivarium_bench::place;
use vivarium_chassis::clock::{self, SystemClock};
use vivarium_ledger::ledger::abort_on_fault;
use vivarium_ledger::store::sqlite::Sqlite;
use vivarium_ledger::writer::Parts;
use vivarium_ledger::{Ledger, Options, Submission};
use vivarium_types::Actor;

/// What the raw disk is given at a time.
const BLOCK: [u8; 4_096] = [0x5a; 4_096];
/// Blocks that the file has to begin with: about as many as a write-ahead log grows to.
const BLOCKS: u32 = 1_000;
/// As long as the payload of the ledger's events here.
const PAYLOAD: &[u8] = br#"{"caller":512,"number":123456}"#;
/// Not measured: the first calls of a run, while files grow and caches fill.
const WARM_UP: Duration = Duration::from_millis(300);

/// Measures how many events a second a ledger makes durable, and how long a caller waits for one.
///
/// Every caller submits a command under a request id, waits for the answer, which means that the
/// event is on disk, and submits the next. In the same run, on the same disk: 4 KiB and `fdatasync`,
/// and plain SQLite (WAL, synchronous=FULL) with one transaction an event. These are measured before
/// and behind, because a busy disk is not the same a minute later. A file that grows costs the file
/// system a journal entry as well, which a write-ahead log that is used again does not: so the bare
/// disk has two rows.
#[derive(Debug, Parser)]
struct Args {
    /// How long each row is measured.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Callers at once, one row each.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 8, 64, 512, 1_024])]
    callers: Vec<u32>,
    /// Where to write: a disk, not memory. Default: beside this program.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

/// How long each call took that began behind the warm-up, and the time they took together.
#[derive(Debug, Default)]
struct Times {
    calls: Vec<Duration>,
    whole: Duration,
}

impl Times {
    fn per_second(&self) -> u64 {
        let micros = u64::try_from(self.whole.as_micros()).unwrap_or(u64::MAX).max(1);
        self.calls.len() as u64 * 1_000_000 / micros
    }

    /// The time within which `permille` thousandths of the calls were answered, in microseconds.
    fn micros_at(&self, permille: usize) -> u128 {
        let last = self.calls.len().saturating_sub(1);
        self.calls.get(last * permille / 1_000).map_or(0, Duration::as_micros)
    }

    fn row(mut self, name: &str) -> String {
        self.calls.sort_unstable();
        let milli = |micros: u128| format!("{}.{:02}", micros / 1_000, micros % 1_000 / 10);
        format!(
            "{name:<42} {:>9} {:>9} {:>9}\n",
            self.per_second(),
            milli(self.micros_at(500)),
            milli(self.micros_at(990)),
        )
    }
}

fn main() -> Result<()> {
    let args = Args::parse();
    let folder = place::folder(args.folder.as_deref())?;
    let span = Duration::from_secs(args.seconds);
    let mut text = place::versions(folder.path());
    writeln!(text, "\n{} s a row, one request id and one event a call", args.seconds)?;
    writeln!(text, "{:<42} {:>9} {:>9} {:>9}", "", "a second", "p50 ms", "p99 ms")?;
    print(&text);
    let mut take = |row: String| {
        print(&row);
        text.push_str(&row);
    };
    for callers in std::iter::once(None).chain(args.callers.iter().map(Some)).chain([None]) {
        if let Some(callers) = callers {
            let name = format!("ledger, callers: {callers}");
            take(ledger(&folder.path().join(callers.to_string()), *callers, span)?.row(&name));
        } else {
            take(disk(folder.path(), Extent::Grows, span)?.row("append 4 KiB, fdatasync"));
            take(disk(folder.path(), Extent::Stays, span)?.row("overwrite 4 KiB, fdatasync"));
            take(sqlite(folder.path(), span)?.row("SQLite, one transaction an event"));
        }
    }
    place::keep("ledger.txt", &text)?;
    Ok(())
}

/// Does `work` again and again, alone.
fn repeat(span: Duration, mut work: impl FnMut() -> Result<()>) -> Result<Times> {
    let start = clock::instant() + WARM_UP;
    let mut times = Times::default();
    loop {
        let began = clock::instant();
        work()?;
        let ended = clock::instant();
        if began >= start {
            times.calls.push(ended - began);
        }
        if ended >= start + span {
            times.whole = ended - start;
            return Ok(times);
        }
    }
}

/// Whether a file is longer behind each write.
#[derive(Debug, Clone, Copy)]
enum Extent {
    Grows,
    Stays,
}

/// What the disk itself gives.
fn disk(folder: &Path, extent: Extent, span: Duration) -> Result<Times> {
    let mut file = File::create(folder.join("raw"))?;
    for _ in 0..BLOCKS {
        file.write_all(&BLOCK)?;
    }
    file.sync_all()?;
    let mut blocks = (0..BLOCKS).cycle();
    repeat(span, || {
        let next = blocks.next().filter(|_| matches!(extent, Extent::Stays));
        if next == Some(0) {
            file.rewind()?;
        }
        file.write_all(&BLOCK)?;
        Ok(file.sync_data()?)
    })
}

/// What a service without turns would get: a transaction for each event.
fn sqlite(folder: &Path, span: Duration) -> Result<Times> {
    let file = folder.join("plain.db");
    let connection = rusqlite::Connection::open(file)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS events (sequence INTEGER PRIMARY KEY, payload BLOB NOT NULL)",
    )?;
    let mut insert = connection.prepare("INSERT INTO events (payload) VALUES (?1)")?;
    repeat(span, || Ok(insert.execute([PAYLOAD]).map(drop)?))
}

/// A ledger under `callers` at once.
fn ledger(folder: &Path, callers: u32, span: Duration) -> Result<Times> {
    std::fs::create_dir_all(folder)?;
    let store = Sqlite::at(&folder.join("numbers.db"))?;
    let parts =
        Parts { clock: Arc::new(SystemClock), ids: clock::ids(), views: Vec::new(), keys: None };
    let (ledger, running) = Ledger::open(store, parts, None, Options::default(), abort_on_fault())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let times = runtime.block_on(async {
        let start = clock::instant() + WARM_UP;
        let mut calls = JoinSet::new();
        for caller in 0..callers {
            calls.spawn(call(ledger.clone(), caller, start, start + span));
        }
        let mut times = Times { calls: Vec::new(), whole: span };
        while let Some(call) = calls.join_next().await {
            times.calls.extend(call??);
        }
        anyhow::Ok(times)
    })?;
    ledger.close();
    running.join()?;
    Ok(times)
}

/// One caller. What is answered behind `end` is not counted.
async fn call(
    ledger: Ledger<Numbers>,
    caller: u32,
    start: Instant,
    end: Instant,
) -> Result<Vec<Duration>> {
    let mut times = Vec::new();
    for number in 1.. {
        let note = Note { caller, number };
        let began = clock::instant();
        let submission = Submission::new(Actor::rule("caller"), note).request(note.request());
        ledger.submit(submission).await?;
        let ended = clock::instant();
        if ended >= end {
            break;
        }
        if ended >= start {
            times.push(ended - began);
        }
    }
    Ok(times)
}

#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
fn print(text: &str) {
    print!("{text}");
}
