//! `cargo xtask up`: from a fresh checkout to a running world with a sign-in link.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::house::House;
use crate::{panel, say, step};

/// The crates whose programs make up a running world.
const PROGRAMS: [&str; 7] = [
    "vivarium-queue",
    "vivarium-sandbox",
    "vivarium-executor",
    "vivarium-society",
    "vivarium-review",
    "vivarium-gateway",
    "vivarium-cli",
];

/// Builds everything, sets up a world and runs it.
///
/// On a machine that has only Rust this is the one command: it builds the panel (and installs a
/// WASM compiler if there is none), builds the services, fetches the embedded language model, and
/// then becomes `vivarium up`, which makes the world's keys, starts the services and prints a link
/// that signs a browser in. Ctrl-C stops the world; nothing in it is lost.
///
/// The world lies in `./world`; its ledgers, keys and logs in `./world/mutable`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// The folder of the world.
    #[arg(long, value_name = "DIR", default_value = "world")]
    world: PathBuf,
    /// Build without optimisation: faster to build, slower to run.
    #[arg(long)]
    dev: bool,
    /// Fetch no language model: use a key, a local server, or the one fetched before.
    #[arg(long)]
    no_model: bool,
    /// Install nothing: stop and say what is missing.
    #[arg(long)]
    no_install: bool,
    /// What else to hand to `vivarium up`.
    #[arg(last = true, value_name = "ARGS")]
    rest: Vec<String>,
}

/// Does it.
pub(crate) fn run(house: &House, args: &Args) -> Result<()> {
    // First, because the gateway takes the panel's files in when it is compiled.
    panel::run(house, &panel::Args { dev: args.dev, no_install: args.no_install, top: None })?;
    let mut build = step::cargo();
    build
        .current_dir(&house.top)
        .arg("build")
        .args(PROGRAMS.iter().flat_map(|name| ["--package", name]));
    if !args.dev {
        build.arg("--release");
    }
    if house.ci {
        build.arg("--locked");
    }
    step::command("build the services and the command line", &mut build)?;

    let program = house.programs(if args.dev { "debug" } else { "release" }).join("vivarium");
    if !program.is_file() {
        bail!("the build left no {}: is the command line built up yet?", program.display());
    }
    let world =
        std::path::absolute(house.top.join(&args.world)).context("the world has no path")?;
    std::fs::create_dir_all(&world).with_context(|| format!("cannot make {}", world.display()))?;
    if !args.no_model {
        let mut fetch = vivarium(&program, &world);
        // A world that has a model or a key is left as it is.
        fetch.args(["model", "fetch", "--if-missing"]);
        if let Err(error) = step::command("fetch the embedded model", &mut fetch) {
            // A world without a model is still a world: it says what is missing and waits for it.
            say::failure(&error);
            say::note(
                "going on without it; tasks for a model wait until `vivarium model fetch` succeeds",
            );
        }
    }
    say::begin(format_args!("vivarium up (the world in {})", world.display()));
    let failed = vivarium(&program, &world).arg("up").args(&args.rest).exec();
    Err(failed).with_context(|| format!("cannot become {}", program.display()))
}

fn vivarium(program: &Path, world: &Path) -> Command {
    let mut vivarium = Command::new(program);
    step::forget_ourselves(&mut vivarium);
    vivarium.arg("--world").arg(world);
    vivarium
}
