//! How long the queue's process takes to be healthy behind a million events, and the disk a task takes.
//!
//! The events are those of real tasks on the real engine, from their adding to their verdict.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Parser;
use vivarium_bench::alone::Alone;
use vivarium_bench::course::{self, Course};
use vivarium_bench::place;

/// Tasks that are added before any of them is run.
const LAP: u64 = 10_000;
/// A start that takes longer is none.
const START_MAX: Duration = Duration::from_mins(5);

/// Writes events through the real domain, then starts the real queue process over them several times.
#[derive(Debug, Parser)]
struct Args {
    /// How many events.
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    /// How many starts, each behind a kill.
    #[arg(long, default_value_t = 5)]
    starts: u32,
    /// Where to write: a disk, not memory. Default: beside this program.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let folder = place::folder(args.folder.as_deref())?;
    let mut told = place::versions(folder.path());
    told.push('\n');
    let mut alone = Alone::prepare(folder.path())?;
    let file = alone.ledger();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (events, tasks) = runtime.block_on(fill(&file, args.events))?;
    let bytes = std::fs::metadata(&file)?.len();
    writeln!(told, "{events} events of {tasks} tasks, {} MiB in the file", bytes >> 20)?;
    writeln!(told, "{} bytes on disk for each task", bytes / tasks.max(1))?;
    for number in 1..=args.starts {
        let took = alone.start(START_MAX)?.context("the queue is not ready in time")?;
        writeln!(told, "start {number}: healthy after {} ms", took.as_millis())?;
        alone.kill()?;
    }
    print(&told);
    place::keep("start.txt", &told)?;
    Ok(())
}

/// Runs tasks until there are so many events.
async fn fill(file: &Path, events: u64) -> Result<(u64, u64)> {
    let course = Course::open(file).await?;
    let mut tasks = 0;
    while course.events() < events {
        course.add(usize::try_from(LAP)?, |_| course::plain()).await?;
        course.finish(LAP).await?;
        tasks += LAP;
    }
    let events = course.events();
    course.close()?;
    Ok((events, tasks))
}

#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
fn print(text: &str) {
    print!("{text}");
}
