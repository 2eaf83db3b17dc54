//! Random arguments for every program of the table, a thousand million of them in all.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use clap::Parser;
use vivarium_bench::runs::Runs;
use vivarium_bypass::calls::{Chance, Judge, Judged};
use vivarium_bypass::table;

/// Calls that a thread makes between two looks at the others.
const PIECE: u64 = 10_000;
/// Calls between two lines that tell how far it is.
const TOLD_EVERY: u64 = 10_000_000;

/// Judges random arguments for every program of the table and looks at what is accepted.
///
/// Whatever the rules accept must have only flags of its rule, with values of their form, and only
/// paths of ordinary files beneath the root, in a folder full of links, second names and pipes. Runs add
/// up: each adds a line to the results, and the sum stands below them. Ends with 1 at the first call
/// that is accepted and must not be, and shows it.
#[derive(Debug, Parser)]
struct Args {
    /// How many calls.
    #[arg(long, default_value_t = 1_000_000_000)]
    calls: u64,
    /// How many threads make them. Unset: one a core.
    #[arg(long)]
    threads: Option<u64>,
    /// What chooses the arguments; another one each time unless it is given.
    #[arg(long)]
    seed: Option<u64>,
}

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let seed = args.seed.unwrap_or_else(|| u64::from_le_bytes(vivarium_chassis::clock::random()));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = args.threads.unwrap_or_else(|| u64::try_from(cores).unwrap_or(1));
    let runs = Runs::of("arguments");
    let (done, accepted) = (AtomicU64::new(0), AtomicU64::new(0));
    let (stop, wrong) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    let found = || wrong.lock().unwrap_or_else(PoisonError::into_inner);
    let counts = |calls: u64| {
        let violations = u64::try_from(found().len()).unwrap_or(u64::MAX);
        let accepted = accepted.load(Ordering::Relaxed);
        [("calls", calls), ("accepted", accepted), ("violations", violations)]
    };
    let judge = |number: u64| -> Result<()> {
        let judge = Judge::over(table::rules().context("the table of programs")?);
        let mut chance = Chance::seeded(seed.wrapping_add(number));
        while !stop.load(Ordering::Relaxed) && done.load(Ordering::Relaxed) < args.calls {
            for _ in 0..PIECE {
                match judge.judge(&mut chance) {
                    Judged::Refused => {}
                    Judged::Accepted => drop(accepted.fetch_add(1, Ordering::Relaxed)),
                    Judged::Wrong(fault) => {
                        stop.store(true, Ordering::Relaxed);
                        found().push(fault);
                    }
                }
            }
            let so_far = done.fetch_add(PIECE, Ordering::Relaxed) + PIECE;
            if so_far.is_multiple_of(TOLD_EVERY) {
                // Kept as it goes, so that a run that is ended counts as far as it came.
                tell(&runs.keep(seed, &counts(so_far))?);
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| -> Result<()> {
        let all: Vec<_> = (0..threads)
            .map(|number| {
                scope.spawn({
                    let judge = &judge;
                    move || judge(number)
                })
            })
            .collect();
        all.into_iter().try_for_each(|one| one.join().expect("no thread panics"))
    })?;
    for fault in found().iter() {
        tell(fault);
    }
    tell(&runs.keep(seed, &counts(done.load(Ordering::Relaxed)))?);
    Ok(if found().is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[expect(clippy::print_stdout, reason = "a suite prints its figures")]
fn tell(text: &str) {
    println!("{text}");
}
