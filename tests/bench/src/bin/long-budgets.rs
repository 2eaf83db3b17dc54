//! Money under millions of orders of events: nobody overspends, nothing is forgotten or stays reserved.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::Result;
use clap::Parser;
use vivarium_bench::runs::Runs;
use vivarium_sim::money::{Played, play};

/// Schedules that are played from one seed.
const PIECE: u64 = 2_000;
/// Pieces between two lines that tell how far it is.
const TOLD_EVERY: u64 = 25;

/// Plays schedules of callers, leases, bills and deaths of the process, and looks at the money.
///
/// The executor's domain and the ledger's kernel are the real ones; shuttle chooses by a seed who goes
/// on at each place where one waits. In every scope what the provider has billed must never exceed the
/// limit, what was spent must never be less than what was billed, and in the end nothing may stay
/// reserved. Runs add up: each adds a line to the results, and the sum stands below them. Ends with 1
/// when something is broken, with the seed: `play(SEED, 2000, None)` plays it again.
#[derive(Debug, Parser)]
struct Args {
    /// How many schedules.
    #[arg(long, default_value_t = 5_000_000)]
    schedules: u64,
    /// How many threads play them. Unset: one a core.
    #[arg(long)]
    threads: Option<usize>,
    /// The first seed; another one each time unless it is given.
    #[arg(long)]
    seed: Option<u64>,
}

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let first = args.seed.unwrap_or_else(|| u64::from_le_bytes(vivarium_chassis::clock::random()));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let pieces = args.schedules.div_ceil(PIECE);
    let runs = Runs::of("budgets");
    let (next, all) = (AtomicU64::new(0), Mutex::new((0, Played::default())));
    let work = || -> Result<()> {
        loop {
            let piece = next.fetch_add(1, Ordering::Relaxed);
            if piece >= pieces {
                return Ok(());
            }
            let seed = first.wrapping_add(piece);
            let played = play(seed, PIECE, None);
            if !played.breaches.is_empty() {
                tell(&format!("seed {seed}: {:#?}", played.breaches));
            }
            let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
            all.0 += 1;
            all.1.add(played);
            if all.0 % TOLD_EVERY == 0 {
                // Kept as it goes, so that a run that is ended counts as far as it came.
                tell(&runs.keep(first, &counts(&all.1))?);
            }
        }
    };
    std::thread::scope(|scope| -> Result<()> {
        let threads = args.threads.unwrap_or(cores);
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        all.into_iter().try_for_each(|one| one.join().expect("no thread panics"))
    })?;
    let (_, all) = all.into_inner().unwrap_or_else(PoisonError::into_inner);
    tell(&runs.keep(first, &counts(&all))?);
    Ok(if all.breaches.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn counts(played: &Played) -> [(&'static str, u64); 9] {
    [
        ("schedules", played.schedules),
        ("reserved", played.reserved),
        ("refused", played.refused),
        ("settled", played.settled),
        ("unsent", played.unsent),
        ("lapsed", played.lapsed),
        ("deaths", played.deaths),
        ("late_bills", played.late_bills),
        ("breaches", u64::try_from(played.breaches.len()).unwrap_or(u64::MAX)),
    ]
}

#[expect(clippy::print_stdout, reason = "a suite prints its figures")]
fn tell(text: &str) {
    println!("{text}");
}
