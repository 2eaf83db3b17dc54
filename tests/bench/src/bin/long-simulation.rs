//! The queue against a network and crashes that a seed decides, over many thousand seeds.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

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
}

#[expect(clippy::print_stdout, reason = "a suite prints its figures")]
fn main() -> ExitCode {
    let args = Args::parse();
    let mut all = Counts::default();
    let mut broken = Vec::new();
    for seed in args.first..args.first + args.seeds {
        let outcome = run(seed, None);
        all.add(&outcome.counts);
        if !outcome.breaches.is_empty() {
            println!("VIVARIUM_SEED={seed}: {:#?}", outcome.breaches);
            broken.push(seed);
        }
        let done = seed + 1 - args.first;
        if done.is_multiple_of(1_000) {
            println!("{done} of {} seeds, {} broken", args.seeds, broken.len());
        }
    }
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
