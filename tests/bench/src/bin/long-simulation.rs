//! The queue against a network and crashes that a seed decides, over many thousand seeds.

use std::fs;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use clap::Parser;
use vivarium_sim::{Counts, run};

/// Plays one simulated history a seed and checks its record.
///
/// Prints every seed that breaks a promise, with the promise, and ends with 1 if there is one. A
/// seed is played again with `VIVARIUM_SEED=SEED cargo nextest run -p vivarium-sim odd`.
#[derive(Debug, Parser)]
struct Args {
    /// How many seeds.
    #[arg(long, default_value_t = 50_000)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    first: u64,
    /// How many are played at a time. Unset: one a core.
    #[arg(long)]
    threads: Option<NonZeroUsize>,
}

/// What came of the seeds so far.
#[derive(Debug, Default)]
struct Played {
    done: u64,
    all: Counts,
    broken: Vec<u64>,
}

/// Plays every seed once; what happened in all of them, and the seeds that broke a promise.
#[expect(clippy::print_stdout, reason = "a suite prints its figures")]
fn play(args: &Args) -> (Counts, Vec<u64>) {
    let threads = args.threads.or_else(|| std::thread::available_parallelism().ok());
    let next = AtomicU64::new(args.first);
    let played = Mutex::new(Played::default());
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= args.first + args.seeds {
                return;
            }
            let outcome = run(seed, None);
            let mut played = played.lock().unwrap_or_else(PoisonError::into_inner);
            played.all.add(&outcome.counts);
            if !outcome.breaches.is_empty() {
                println!("VIVARIUM_SEED={seed}: {:#?}", outcome.breaches);
                played.broken.push(seed);
            }
            played.done += 1;
            if played.done.is_multiple_of(1_000) {
                println!("{} of {} seeds, {} broken", played.done, args.seeds, played.broken.len());
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads.map_or(1, NonZeroUsize::get) {
            scope.spawn(work);
        }
    });
    let Played { all, mut broken, .. } =
        played.into_inner().unwrap_or_else(PoisonError::into_inner);
    broken.sort_unstable();
    (all, broken)
}

#[expect(clippy::print_stdout, reason = "a suite prints its figures")]
fn main() -> ExitCode {
    let args = Args::parse();
    let (all, broken) = play(&args);
    let version = env!("CARGO_PKG_VERSION");
    let result = format!(
        "cargo xtask long simulation -- --seeds {} --first {}\nversion {version}\n\
         seeds that broke a promise: {broken:?}\n{all:#?}\n",
        args.seeds, args.first
    );
    println!("{result}");
    if let Some(folder) = std::env::var_os("VIVARIUM_RESULTS") {
        let path = PathBuf::from(folder).join("simulation.txt");
        let kept = fs::create_dir_all(path.parent().unwrap_or(&path))
            .and_then(|()| fs::write(&path, result));
        if let Err(error) = kept {
            println!("the result could not be kept in {}: {error}", path.display());
            return ExitCode::FAILURE;
        }
    }
    if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
