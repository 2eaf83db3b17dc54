//! Files exchanged while they are opened, and trees of processes ended, thousands of times.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result};
use clap::Parser;
use vivarium_bench::place;

/// Which tests of `tests/bypass/tests/kernel.rs`.
const SUITES: [&str; 2] = ["exchange::", "orphans::"];
/// What their lines of figures have in common.
const FIGURES: [&str; 4] = ["test ", " trees, ", " openings within, ", " were refused, "];

/// Runs the suites on exchanged files and on orphans many times the size that the gate runs.
///
/// Sixteen times are 120,000 openings within the sandbox, in three ways to exchange what is opened, and
/// 5,120 trees of processes in four shapes, ended in four ways. Nothing of what lies outside may be read,
/// and two seconds later nothing may be left. Needs `cargo build --release --workspace --bins`.
#[derive(Debug, Parser)]
struct Args {
    /// How many times.
    #[arg(long, default_value_t = 16)]
    times: usize,
}

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let own = std::env::var_os("CARGO_MANIFEST_DIR");
    let own = own.context("start this with cargo xtask long sandbox")?;
    let manifest = Path::new(&own).with_file_name("bypass").join("Cargo.toml");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["test", "--release", "--test", "kernel", "--manifest-path"]).arg(manifest);
    cargo.arg("--").args(SUITES).args(["--nocapture", "--test-threads", "1"]);
    let mut text = format!(
        "cargo xtask long sandbox -- --times {}\n{}\n",
        args.times,
        place::versions(&std::env::temp_dir())
    );
    let mut child = cargo.env("TIMES", args.times.to_string()).stdout(Stdio::piped()).spawn()?;
    for line in BufReader::new(child.stdout.take().context("it is piped")?).lines() {
        let line = line?;
        tell(&line);
        if FIGURES.iter().any(|figures| line.contains(figures)) {
            text.push_str(&line);
            text.push('\n');
        }
    }
    if !child.wait()?.success() {
        return Ok(ExitCode::FAILURE);
    }
    place::keep("sandbox.txt", &text)?;
    Ok(ExitCode::SUCCESS)
}

#[expect(clippy::print_stdout, reason = "a suite prints its figures")]
fn tell(text: &str) {
    println!("{text}");
}
