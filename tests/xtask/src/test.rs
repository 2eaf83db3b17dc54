//! `cargo xtask test`: installs what the tests need and runs them, the quick ones first.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::house::House;
use crate::tools::{self, Installing};
use crate::{fuzz, panel, say, step};

/// Sets up and runs every test.
///
/// On a machine that has only Rust, Node, Python and a C compiler this is the one command. In
/// order: the workspace under cargo-nextest (unit, property, conversion, RPC, store, simulation,
/// end to end with real processes), the examples in the documentation, a fuzzer for 20 seconds a
/// target, the panel compiled to WASM within its size budget, and the journeys of tests/panel in
/// Chromium.
///
/// What is missing is installed and named: cargo-nextest, grpcurl and cargo-fuzz into the target folder,
/// Chromium, PostgreSQL, bubblewrap and a C++ compiler from Debian's packages, playwright-core into tests/panel.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Only the workspace's tests: no examples, no fuzzer, no WASM, no browser.
    #[arg(long)]
    quick: bool,
    /// Only tests whose name contains this text; implies --quick.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Install nothing: stop and say what is missing.
    #[arg(long)]
    no_install: bool,
}

/// Does it.
pub(crate) fn run(house: &House, args: &Args) -> Result<()> {
    let installing = Installing::unless(args.no_install);
    let nextest = tools::nextest(house, installing)?;
    let grpcurl = tools::grpcurl(house, installing)?;
    tools::postgres(house, installing)?;
    tools::bubblewrap(installing)?;
    let with_tools = |command: &mut Command| {
        command.current_dir(&house.top);
        if let Some(program) = &grpcurl {
            command.env("VIVARIUM_GRPCURL", program);
        }
    };

    // End-to-end tests start real programs, which a test build of other crates does not make.
    step::command("build the programs and the tests", &mut programs(house))?;

    let mut tests = Command::new(nextest);
    step::forget_ourselves(&mut tests);
    with_tools(&mut tests);
    tests.args([
        "nextest",
        "run",
        "--workspace",
        "--profile",
        if house.ci { "ci" } else { "default" },
    ]);
    tests.args(locked(house)).args(args.filter.as_deref());
    step::command("run the workspace's tests", &mut tests)?;
    if args.quick || args.filter.is_some() {
        return Ok(());
    }

    let mut examples = step::cargo();
    with_tools(&mut examples);
    examples.args(["test", "--quiet", "--workspace", "--doc"]).args(locked(house));
    step::command("run the documentation's examples", &mut examples)?;
    fuzz::run(house, &fuzz::Args::all(args.no_install))?;
    panel::run(house, &panel::Args { dev: false, no_install: args.no_install, top: None })?;
    browser(house, installing, grpcurl.as_deref())
}

/// The journeys of a person, in a real browser; none until `tests/panel` has its package.
fn browser(house: &House, installing: Installing, grpcurl: Option<&Path>) -> Result<()> {
    let folder = house.top.join("tests/panel");
    if !folder.join("package.json").is_file() {
        say::note("no browser journeys yet: tests/panel has no package.json");
        return Ok(());
    }
    let chromium = tools::chromium(installing)?;
    let npm = || {
        let mut npm = Command::new("npm");
        npm.current_dir(&folder);
        npm
    };
    if installing == Installing::Allowed {
        let verb = if folder.join("package-lock.json").is_file() { "ci" } else { "install" };
        let mut install = npm();
        install.args([verb, "--loglevel=error", "--no-audit", "--no-fund", "--ignore-scripts"]);
        step::command("install playwright-core", &mut install)?;
    }
    // The gateway takes the panel's files in when it is compiled, and they are new.
    step::command("build the programs with the panel", &mut programs(house))?;
    let mut journeys = npm();
    step::forget_ourselves(&mut journeys);
    journeys
        .args(["test"])
        .env("VIVARIUM_CHROMIUM", chromium)
        .env("VIVARIUM_BIN", house.programs("debug"));
    if let Some(program) = grpcurl {
        journeys.env("VIVARIUM_GRPCURL", program);
    }
    step::command("walk the panel's journeys in Chromium", &mut journeys)
        .context("see docs/testing.md")
}

/// Programs together with tests: built apart, the dependencies that both share would be compiled
/// twice, with other features.
fn programs(house: &House) -> Command {
    let mut cargo = step::cargo();
    cargo.current_dir(&house.top).args(["build", "--workspace", "--bins", "--tests"]);
    cargo.args(locked(house));
    cargo
}

fn locked(house: &House) -> &'static [&'static str] {
    if house.ci { &["--locked"] } else { &[] }
}
