//! What a task costs on the engine beside few and many others, queued or finished, in chains and fans.
//!
//! A cost is time of add, grant, finish and verdict, with the read models brought up, divided by the
//! tasks; of several laps the shortest counts, because other work on the machine only ever adds to
//! it. Lines differ in size and shape alone: every lap has some 65,000 tasks, because a short one would
//! end before the read models bear on it, and every task has a key, because who depends on others
//! names them by their keys.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use vivarium_bench::course::{self, Course};
use vivarium_bench::place;
use vivarium_chassis::clock;
use vivarium_queue::domain::task::Spec;

/// Plain tasks that are added together and then finished.
const PIECE: usize = 5_120;
/// Pieces of a lap: as many tasks as a lap of chains has.
const PIECES: usize = 13;
/// Laps of one measurement.
const LAPS: u32 = 3;
/// Longest chain, and width of a fan-in.
const LINK: usize = 64;
/// Width of the fan-out.
const FAN: usize = 10_000;
/// Fans of a lap, one after another.
const FANS: usize = 6;
/// More than this times the smallest cost is growth.
const MOST_PERMILLE: u64 = 1_500;

/// Measures the engine beside 10 k, 100 k and 1 M queued and 1 M finished tasks, and over a chain of
/// 64, a fan-in of 64 and a fan-out of 10,000.
#[derive(Debug, Parser)]
struct Args {
    /// The largest number of other tasks.
    #[arg(long, default_value_t = 1_000_000)]
    most: usize,
    /// Leaves the finished ones out.
    #[arg(long)]
    queued_only: bool,
    /// Where to write: a disk, not memory. Default: beside this program.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

/// One line of the table: nanoseconds a task.
struct Line {
    name: String,
    add: u64,
    run: u64,
}

impl Line {
    const fn cost(&self) -> u64 {
        self.add + self.run
    }
}

fn main() -> Result<()> {
    let args = Args::parse();
    let folder = place::folder(args.folder.as_deref())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let lines = runtime.block_on(measure(&args, folder.path()))?;
    let told = place::versions(folder.path()) + "\n" + &table(&lines);
    print(&told);
    place::keep("growth.txt", &told)?;
    Ok(())
}

async fn measure(args: &Args, folder: &Path) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    let queued = Course::open(&folder.join("queued.db")).await?;
    let mut there = 0;
    for size in [10_000, 100_000, 1_000_000].into_iter().filter(|size| *size <= args.most) {
        queued.add_in(there..size, course::BATCH, |number| alone("queued", 0, number)).await?;
        there = size;
        let spec = |lap, number| alone(&size.to_string(), lap, number);
        lines.push(laps(&queued, format!("{size} queued"), PIECES, PLAIN, spec).await?);
    }
    queued.close()?;
    lines.extend(shapes(folder).await?);
    if !args.queued_only {
        let finished = Course::open(&folder.join("finished.db")).await?;
        for first in (0..args.most).step_by(10_000) {
            let numbers = first..first + 10_000;
            finished.add_in(numbers, course::BATCH, |number| alone("finished", 0, number)).await?;
            finished.finish(10_000).await?;
        }
        let name = format!("{} finished", args.most);
        let spec = |lap, number| alone("beside", lap, number);
        lines.push(laps(&finished, name, PIECES, PLAIN, spec).await?);
        finished.close()?;
    }
    Ok(lines)
}

/// Chains and fans, each in an empty queue. There are twice as many groups as leases in flight: half of
/// them wait for their verdict, as other tasks do, so that the order within a group costs what it
/// costs, and nobody waits for the disk in its stead.
async fn shapes(folder: &Path) -> Result<Vec<Line>> {
    let course = Course::open(&folder.join("shapes.db")).await?;
    let groups = 2 * usize::try_from(course::FLIGHT)?;
    let mut lines = Vec::new();
    let chain = |lap, number: usize| {
        let before = (!number.is_multiple_of(LINK)).then(|| number - 1);
        linked("chain", lap, number, before.into_iter())
    };
    let size = Size { first: 0, count: groups * LINK, batch: LINK };
    lines.push(laps(&course, format!("chains of {LINK}"), 1, size, chain).await?);
    let fan_in = |lap, number: usize| {
        let last = number % (LINK + 1) == LINK;
        linked("in", lap, number, if last { number - LINK..number } else { 0..0 })
    };
    let size = Size { first: 0, count: groups * (LINK + 1), batch: LINK + 1 };
    lines.push(laps(&course, format!("fan-in of {LINK}"), 1, size, fan_in).await?);
    let fan_out = |lap, number: usize| {
        let root = number - number % (FAN + 1);
        linked("out", lap, number, if number > root { root..root + 1 } else { 0..0 })
    };
    let size = Size { first: 1, count: FAN + 1, batch: course::BATCH };
    lines.push(laps(&course, format!("fan-out of {FAN}"), FANS, size, fan_out).await?);
    course.close()?;
    Ok(lines)
}

/// A task of a lap that waits for nothing.
fn alone(kind: &str, lap: u32, number: usize) -> Spec {
    linked(kind, lap, number, std::iter::empty())
}

/// A task of a lap that waits for others of the same lap.
fn linked(kind: &str, lap: u32, number: usize, others: impl Iterator<Item = usize>) -> Spec {
    let key = |number: usize| format!("{kind}-{lap}-{number}");
    Spec { key: Some(key(number)), depends_on: others.map(key).collect(), ..course::plain() }
}

/// The tasks of a lap.
#[derive(Debug, Clone, Copy)]
struct Size {
    /// So many are added alone and first.
    first: usize,
    /// So many in all.
    count: usize,
    /// So many in a batch.
    batch: usize,
}

/// A piece of tasks that wait for nothing.
const PLAIN: Size = Size { first: 0, count: PIECE, batch: course::BATCH };

/// Laps of as many pieces and so many tasks a piece; the shortest times count.
async fn laps(
    course: &Course,
    name: String,
    pieces: usize,
    size: Size,
    spec: impl Fn(u32, usize) -> Spec,
) -> Result<Line> {
    let Size { first, count, batch } = size;
    let (mut add, mut run) = (u64::MAX, u64::MAX);
    for lap in 0..LAPS {
        let (mut adding, mut running) = (Duration::ZERO, Duration::ZERO);
        for piece in 0..pieces {
            let spec = |number| spec(lap, piece * count + number);
            let begun = clock::instant();
            course.add_in(0..first, batch, spec).await?;
            course.add_in(first..count, batch, spec).await?;
            course.shown().await?;
            adding += begun.elapsed();
            let begun = clock::instant();
            course.finish(count as u64).await?;
            course.shown().await?;
            running += begun.elapsed();
        }
        add = add.min(each(adding, pieces * count));
        run = run.min(each(running, pieces * count));
    }
    Ok(Line { name, add, run })
}

/// Nanoseconds a task.
fn each(whole: Duration, tasks: usize) -> u64 {
    u64::try_from(whole.as_nanos() / tasks as u128).unwrap_or(u64::MAX)
}

fn table(lines: &[Line]) -> String {
    let smallest = lines.iter().map(Line::cost).min().unwrap_or(1).max(1);
    let mut text = format!(
        "{:<22} {:>12} {:>12} {:>12} {:>12}\n",
        "beside / as", "add us", "run us", "together us", "of smallest"
    );
    for line in lines {
        let permille = line.cost() * 1_000 / smallest;
        let grown = if permille > MOST_PERMILLE { "  grows" } else { "" };
        let micros = |nanos: u64| format!("{}.{}", nanos / 1_000, nanos / 100 % 10);
        let row = writeln!(
            text,
            "{:<22} {:>12} {:>12} {:>12} {:>8}.{:02}{grown}",
            line.name,
            micros(line.add),
            micros(line.run),
            micros(line.cost()),
            permille / 1_000,
            permille / 10 % 100,
        );
        row.expect("text takes every line");
    }
    text
}

#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
fn print(text: &str) {
    print!("{text}");
}
