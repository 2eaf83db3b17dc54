//! `cargo xtask bypass`: the attacks on what may be run and on the sandbox, with their figures.

use std::process::Command;

use anyhow::Result;

use crate::house::House;
use crate::step;
use crate::tools::{self, Installing};

/// Attacks the table of programs and the sandbox, and prints what came of it.
///
/// The same suites run within `cargo xtask test`; here they run alone and show their tables: cases
/// of argument injection and escape against the table of programs, raw system calls against every
/// layer of the sandbox, programs that try to outlive their end, everyday calls that must pass, and
/// each control taken away to see that its suite notices. As root everything runs; as another user
/// what needs root is named and left out.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Only tests whose name contains this text, such as kernel, policy or orphans.
    filter: Option<String>,
    /// Install nothing: stop and say what is missing.
    #[arg(long)]
    no_install: bool,
}

/// Does it.
pub(crate) fn run(house: &House, args: &Args) -> Result<()> {
    let installing = Installing::unless(args.no_install);
    let nextest = tools::nextest(house, installing)?;
    tools::bubblewrap(installing)?;
    let packages = ["-p", "vivarium-bypass", "-p", "vivarium-sandbox"];
    let mut build = step::cargo();
    build.current_dir(&house.top).args(["build", "--bins", "--tests"]).args(packages);
    step::command("build the attacks and the sandbox", &mut build)?;
    let mut tests = Command::new(nextest);
    step::forget_ourselves(&mut tests);
    tests.current_dir(&house.top).args(["nextest", "run", "--no-capture"]).args(packages);
    tests.args(args.filter.as_deref());
    step::command("attack", &mut tests)
}
