//! The queue's domain against a model of it, over many thousand random histories.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use clap::Parser;

/// The test that plays one history a case.
const TEST: &str = "no_history_breaks_the_invariants";

/// Plays random histories of commands, times and breaks, as the gate does with 256 of them.
///
/// Runs the test of `services/queue/tests/model.rs` with that many cases, optimised. Ends with 1 if
/// one breaks an invariant; the shortest that does is printed.
#[derive(Debug, Parser)]
struct Args {
    /// How many histories.
    #[arg(long, default_value_t = 100_000)]
    histories: u64,
}

#[expect(clippy::print_stdout, reason = "a suite prints its figures")]
fn main() -> ExitCode {
    let histories = Args::parse().histories;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut test = Command::new(cargo);
    test.args(["test", "--release", "-p", "vivarium-queue", "--test", "model", "--", TEST]);
    let held = match test.env("PROPTEST_CASES", histories.to_string()).status() {
        Ok(status) => status.success(),
        Err(error) => {
            println!("cargo cannot be run: {error}");
            return ExitCode::FAILURE;
        }
    };
    let version = env!("CARGO_PKG_VERSION");
    let verdict = if held { "no history broke an invariant" } else { "an invariant was broken" };
    let result = format!(
        "cargo xtask long model -- --histories {histories}\nversion {version}\n{TEST}: {histories} \
         random histories of 1 to 119 commands\n{verdict}\n"
    );
    println!("{result}");
    if let Some(folder) = std::env::var_os("VIVARIUM_RESULTS") {
        let path = PathBuf::from(folder).join("model.txt");
        let kept = fs::create_dir_all(path.parent().unwrap_or(&path))
            .and_then(|()| fs::write(&path, result));
        if let Err(error) = kept {
            println!("the result could not be kept in {}: {error}", path.display());
            return ExitCode::FAILURE;
        }
    }
    if held { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
