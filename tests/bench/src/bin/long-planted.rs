//! Every bug that can be planted, looked for by the simulation.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use vivarium_ledger::planted::{Bug, plant};
use vivarium_sim::find;

/// Plants one bug after the other and plays seeds until it is found.
///
/// Prints the seed and what broke; ends with 1 if one is not found within its seeds. A simulation
/// that misses a bug proves nothing where it finds nothing.
#[derive(Debug, Parser)]
struct Args {
    /// Seeds for each bug.
    #[arg(long, default_value_t = 2_000)]
    seeds: u64,
    /// Only this bug, in its words, such as "skip the fence".
    #[arg(long)]
    bug: Option<String>,
}

#[expect(clippy::print_stdout, reason = "a suite prints its figures")]
fn main() -> ExitCode {
    let args = Args::parse();
    // A bug may make the queue panic: that finds it, and needs no words.
    std::panic::set_hook(Box::new(|_| {}));
    let wanted = |bug: &&Bug| args.bug.as_ref().is_none_or(|words| bug.words() == words);
    let mut lines = Vec::new();
    let mut missed = Vec::new();
    for bug in Bug::ALL.iter().filter(wanted) {
        plant(Some(*bug));
        let found = (1..=args.seeds).find_map(|seed| Some((seed, find(seed)?)));
        plant(None);
        let line = match &found {
            Some((seed, breach)) => format!("{}: seed {seed}: {breach}", bug.words()),
            None => format!("{}: not found", bug.words()),
        };
        println!("{line}");
        lines.push(line);
        if found.is_none() {
            missed.push(bug.words());
        }
    }
    let version = env!("CARGO_PKG_VERSION");
    let result = format!(
        "cargo xtask long planted -- --seeds {}\nversion {version}\n{} bugs planted, {} missed: \
         {missed:?}\n{}\n",
        args.seeds,
        lines.len(),
        missed.len(),
        lines.join("\n")
    );
    if let Some(folder) = std::env::var_os("VIVARIUM_RESULTS") {
        let path = PathBuf::from(folder).join("planted.txt");
        let kept = fs::create_dir_all(path.parent().unwrap_or(&path))
            .and_then(|()| fs::write(&path, result));
        if let Err(error) = kept {
            println!("the result could not be kept in {}: {error}", path.display());
            return ExitCode::FAILURE;
        }
    }
    if missed.is_empty() && !lines.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
