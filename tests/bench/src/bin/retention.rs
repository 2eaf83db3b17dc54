//! What a finished task takes on the disk, and whether the hot file stops growing under retention.
//!
//! Tasks go their whole way on the queue's engine, round after round. First all rows stay, which gives
//! the bytes of a task in the hot file; then older rows leave in closed segments.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Parser;
use rusqlite::Connection;
use vivarium_bench::course::{self, Course};
use vivarium_bench::place;
use vivarium_ledger::Retention;

/// Prints the bytes of a finished task hot, in a segment and in the read model, and the sizes of all
/// files behind each round.
#[derive(Debug, Parser)]
struct Args {
    /// Rounds with retention.
    #[arg(long, default_value_t = 12)]
    rounds: u64,
    /// Tasks of a round.
    #[arg(long, default_value_t = 5_000)]
    tasks: usize,
    /// Rows that stay.
    #[arg(long, default_value_t = 20_000)]
    keep_rows: u64,
    /// Rows of one segment.
    #[arg(long, default_value_t = 5_000)]
    segment_rows: u64,
    /// Where to write: a disk, not memory. Default: beside this program.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

/// Bytes of the files of one ledger.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    rows: u64,
    hot: u64,
    segments: u64,
    views: u64,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let folder = place::folder(args.folder.as_deref())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (told, rounds) = runtime.block_on(measure(&args, folder.path()))?;
    let told = place::versions(folder.path()) + "\n" + &told;
    write!(std::io::stdout(), "{told}")?;
    place::keep("retention.txt", &told)?;
    let third = rounds.len() / 3;
    let (early, late) = (rounds[third].hot, rounds.iter().skip(third).map(|at| at.hot).max());
    ensure!(late <= Some(early + early / 10), "the hot file goes on growing");
    Ok(())
}

async fn measure(args: &Args, folder: &Path) -> Result<(String, Vec<Sizes>)> {
    let tasks = args.tasks as u64;
    let file = folder.join("whole.db");
    let course = Course::open(&file).await?;
    round(&course, args.tasks).await?;
    let whole = sizes(&file, course.events())?;
    course.close()?;

    let file = folder.join("kept.db");
    let keep = Retention {
        keep_for: Duration::ZERO,
        keep_rows: args.keep_rows,
        segment_rows: args.segment_rows,
    };
    let course = Course::open_keeping(&file, Some(keep)).await?;
    let mut rounds = Vec::new();
    for _ in 0..args.rounds {
        round(&course, args.tasks).await?;
        let closed = course.events().saturating_sub(args.keep_rows) / args.segment_rows;
        course.begins_at((closed.saturating_sub(1) * args.segment_rows).max(1)).await?;
        rounds.push(sizes(&file, course.events())?);
    }
    course.close()?;

    let last = rounds[rounds.len() - 1];
    let closed = last.rows.saturating_sub(args.keep_rows) / args.segment_rows * args.segment_rows;
    let mut told = String::new();
    let events = hundredths(whole.rows * 100 / tasks);
    writeln!(told, "a finished task: {events} events, an instruction of 256 characters")?;
    writeln!(told, "  hot file    {:>6} bytes", whole.hot / tasks)?;
    let cold = last.segments * whole.rows / (closed.max(1) * tasks);
    writeln!(told, "  segments    {cold:>6} bytes")?;
    writeln!(told, "  read model  {:>6} bytes", whole.views / tasks)?;
    writeln!(
        told,
        "\nrounds of {tasks} tasks, {} rows stay, segments of {} rows; MiB:",
        args.keep_rows, args.segment_rows
    )?;
    writeln!(told, "{:>5} {:>9} {:>9} {:>9} {:>9}", "round", "rows", "hot", "segments", "views")?;
    for (at, number) in rounds.iter().zip(1..) {
        let mib = |bytes: u64| hundredths((bytes * 100) >> 20);
        let (hot, segments, views) = (mib(at.hot), mib(at.segments), mib(at.views));
        writeln!(told, "{number:>5} {:>9} {hot:>9} {segments:>9} {views:>9}", at.rows)?;
    }
    Ok((told, rounds))
}

fn hundredths(number: u64) -> String {
    format!("{}.{:02}", number / 100, number % 100)
}

async fn round(course: &Course, tasks: usize) -> Result<()> {
    course.add(tasks, |_| course::plain()).await?;
    course.finish(tasks as u64).await
}

/// What lies in the files themselves: the write-ahead logs are folded in first.
fn sizes(file: &Path, rows: u64) -> Result<Sizes> {
    let length = |file: &Path| std::fs::metadata(file).map(|metadata| metadata.len());
    let database = |file: &Path| -> Result<u64> {
        let fold = "PRAGMA wal_checkpoint(PASSIVE)";
        Connection::open(file)?.query_row(fold, [], |row| row.get::<_, i64>(0))?;
        Ok(length(file)?)
    };
    let mut segments = 0;
    for entry in std::fs::read_dir(file.with_extension("segments")).into_iter().flatten() {
        segments += length(&entry?.path())?;
    }
    let (hot, views) = (database(file)?, database(&file.with_extension("views.db"))?);
    Ok(Sizes { rows, hot, segments, views })
}
