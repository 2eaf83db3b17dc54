//! Kills the queue's process under load again and again: nothing acknowledged is lost, nothing doubled.
//!
//! The real process over mTLS, with callers that add and a runner that finishes. There is no review:
//! what is finished waits for one.
#![expect(clippy::disallowed_methods, reason = "a load generator has tasks of its own")]

mod check;
mod load;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use vivarium_bench::alone::Alone;
use vivarium_bench::dice::Dice;
use vivarium_bench::place;
use vivarium_bench::times::Times;

use check::Faults;
use load::Load;

/// Kills between two looks at the whole record.
const CHECK_EVERY: u64 = 200;
/// Behind the chosen answer passes up to this time, so that a kill meets every part of a turn.
const LATER_MICROS: u64 = 3_000;
/// A start that takes longer has failed.
const START_MAX: Duration = Duration::from_secs(20);

/// Starts the queue, kills it at a random moment of its work, and starts it again.
///
/// Callers add tasks under request ids and repeat what got no answer; a runner takes grants, records
/// what it does under its fencing token, asks for that before it does it again, and finishes. Behind
/// the kills the record is read with SQLite: every acknowledged task, effect and finish is there once, nothing is there that nobody asked for, the rules of
/// leases hold and the chain verifies. Ends with 1 at the first broken promise.
#[derive(Debug, Parser)]
struct Args {
    /// How many kills.
    #[arg(long, default_value_t = 2_000)]
    cycles: u64,
    /// What chooses the moments; another one each time unless it is given.
    #[arg(long)]
    seed: Option<u64>,
    /// Callers at once.
    #[arg(long, default_value_t = 16)]
    callers: u32,
    /// Answers between two kills, on average.
    #[arg(long, default_value_t = 20)]
    answers: u64,
    /// Leases the runner holds at once.
    #[arg(long, default_value_t = 16)]
    leases: u32,
    /// Where to write: a disk, not memory. Default: beside this program.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

/// What came of it.
#[derive(Debug, Default)]
struct Figures {
    kills: u64,
    in_flight: u64,
    failed_starts: u64,
    checks: u64,
    starts: Times,
}

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let seed = args.seed.unwrap_or_else(|| u64::from_le_bytes(vivarium_chassis::clock::random()));
    let folder = place::folder(args.folder.as_deref())?;
    let mut head = place::versions(folder.path());
    let (cycles, callers, leases) = (args.cycles, args.callers, args.leases);
    writeln!(
        head,
        "\nseed {seed}, {cycles} kills, {callers} callers, {leases} leases, about {} answers a life",
        args.answers
    )?;
    print(&head);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let stand = Alone::prepare(folder.path())?;
    let (load, mut figures, faults) = runtime.block_on(kill_all(&args, stand, seed))?;
    runtime.shutdown_background();
    let told = table(&load, &mut figures, &faults);
    print(&told);
    if faults.any() || figures.failed_starts > 0 {
        print(&format!("the world is kept in {}\n", folder.keep().display()));
        return Ok(ExitCode::FAILURE);
    }
    place::keep("queue-kills.txt", &(head + &told))?;
    Ok(ExitCode::SUCCESS)
}

/// Kills and starts until the cycles are through or a promise is broken.
async fn kill_all(args: &Args, mut stand: Alone, seed: u64) -> Result<(Load, Figures, Faults)> {
    let mut dice = Dice::seeded(seed);
    let (mut figures, mut faults) = (Figures::default(), Faults::default());
    figures.starts.extend(stand.start(START_MAX)?);
    let load = Load::begin(&stand, args.callers, args.leases).await?;
    for cycle in 1..=args.cycles {
        // Every other life ends among finishes.
        match cycle % 2 {
            0 => load.finishes(1 + dice.below(args.answers)).await?,
            _ => load.answers(1 + dice.below(2 * args.answers)).await?,
        }
        tokio::time::sleep(Duration::from_micros(dice.below(LATER_MICROS))).await;
        figures.in_flight += u64::from(load.in_flight() > 0);
        stand.kill()?;
        figures.kills += 1;
        if cycle % CHECK_EVERY == 0 || cycle == args.cycles {
            figures.checks += 1;
            check::record(&stand, &load, &mut faults)?;
        }
        if faults.any() {
            break;
        }
        let took = stand.start(START_MAX)?;
        figures.failed_starts += u64::from(took.is_none());
        figures.starts.extend(took);
        if took.is_none() {
            break;
        }
    }
    Ok((load, figures, faults))
}

fn table(load: &Load, figures: &mut Figures, faults: &Faults) -> String {
    let mut text = String::new();
    let mut row = |name: &str, figure: u64| {
        let line = writeln!(text, "{name:<44} {figure:>10}");
        line.expect("text takes every line");
    };
    row("kills", figures.kills);
    row("kills with calls in flight", figures.in_flight);
    row("failed starts", figures.failed_starts);
    row("start to ready, median, microseconds", figures.starts.micros_at(500).unwrap_or(0));
    row("start to ready, longest, microseconds", figures.starts.micros_at(1_000).unwrap_or(0));
    row("tasks acknowledged", load.added());
    row("effects acknowledged", load.known().effects.len() as u64);
    row("finishes acknowledged", load.finished());
    row("events", faults.rows);
    row("looks at the whole record", figures.checks);
    row("lost", faults.lost);
    row("doubled", faults.doubled);
    row("nobody asked for", faults.unasked);
    row("broken rules and chain", faults.findings.len() as u64);
    for finding in &faults.findings {
        text.push_str(finding);
        text.push('\n');
    }
    text
}

#[expect(clippy::print_stdout, reason = "a load generator prints its figures")]
fn print(text: &str) {
    print!("{text}");
}
