//! What a cycle costs over a scripted model: cycles a second, CPU, memory, beside other frameworks.
#![expect(
    clippy::disallowed_methods,
    reason = "a load generator has tasks of its own and waits by the clock"
)]

mod model;
mod ours;
mod peers;
mod row;
mod seed;

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use vivarium_bench::place;
use vivarium_proto::review::v1::Profile;

use model::Model;
use ours::Ours;
use peers::Peers;
use row::{Cell, Row};

/// Our names among the peers, with what reviews the work.
const OURS: [(&str, Profile); 2] =
    [("vivarium", Profile::Checks), ("vivarium-critic", Profile::Standard)];

/// Runs whole cycles in worlds of real processes over mTLS, and in other frameworks, over one scripted
/// model that answers in a process of its own.
///
/// A cycle of ours goes from the grant through briefing, model call, document, checks, verdict and
/// publication to the file in the library, all of it durable; CPU is that of all processes of the world,
/// with the adding of its task. With a critic a second model call, the critique, comes before the
/// verdict. A cycle of a peer is a briefing, one model call, a document in a file, a check and a verdict
/// in one process: langgraph keeps each step in SQLite before the next one begins, agent-framework keeps
/// nothing.
///
/// The figures go to docs/results/cycle.txt; a run with --only or --quick just prints. Figures of a
/// busy machine are worth nothing, ratios a little.
#[derive(Debug, Parser)]
struct Args {
    /// A tenth of the cycles.
    #[arg(long)]
    quick: bool,
    /// Only these, by name: vivarium, vivarium-critic, langgraph, agent-framework.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    only: Vec<String>,
    /// Only cells of so many residents.
    #[arg(long, value_delimiter = ',', value_name = "COUNTS")]
    residents: Vec<usize>,
    /// So many cycles in each cell.
    #[arg(long, value_name = "COUNT")]
    cycles: Option<usize>,
    /// Takes the programs as they are, without building them.
    #[arg(long)]
    built: bool,
    /// Says which processes are measured while they are.
    #[arg(long)]
    pids: bool,
    /// Where to write: a disk, not memory. Default: beside this program.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Serves as the model, for the measuring process, with this latency.
    #[arg(long, hide = true, value_name = "MS")]
    serve_model: Option<u64>,
}

impl Args {
    fn cells(&self) -> Vec<Cell> {
        let all = [
            Cell::new(1, 0, 500),
            Cell::new(10, 0, 2_000),
            Cell::new(100, 0, 4_000),
            Cell::new(1_000, 0, 4_000),
            Cell::new(50, 500, 2_000),
            Cell::new(500, 500, 10_000),
        ];
        let cycles = |cell: Cell| match self.cycles {
            Some(cycles) => cycles,
            None if self.quick => (cell.cycles / 10).max(cell.residents),
            None => cell.cycles,
        };
        let wanted =
            |residents: usize| self.residents.is_empty() || self.residents.contains(&residents);
        let wanted = all.into_iter().filter(|cell| wanted(cell.residents));
        wanted.map(|cell| Cell { cycles: cycles(cell), ..cell }).collect()
    }

    fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == name)
    }

    fn is_whole(&self) -> bool {
        let some = self.only.is_empty() && self.residents.is_empty();
        some && !self.quick && self.cycles.is_none()
    }
}

fn main() -> Result<()> {
    let args = Args::parse();
    if let Some(latency_ms) = args.serve_model {
        return model::serve(Duration::from_millis(latency_ms));
    }
    let top = top()?;
    if !args.built {
        build(&top)?;
    }
    let place = place::folder(args.folder.as_deref())?;
    let peers = peers::ALL.iter().any(|(name, _)| args.wants(name)).then(|| {
        let scripts = top.join("tests/bench/peers/cycle");
        Peers::install(scripts, &target().join("peers/cycle-venv"))
    });
    // Some file systems look for room among files that were just deleted: nothing goes before the end.
    let (mut worlds, mut folders) = (Vec::new(), Vec::new());
    let mut rows = Vec::new();
    for cell in args.cells() {
        let model = Model::start(cell.latency)?;
        for (name, review) in OURS.into_iter().filter(|(name, _)| args.wants(name)) {
            let ours = Ours { name, review, tells_pids: args.pids };
            let (row, world) = ours.run(cell, place.path(), &model)?;
            rows.push(row);
            worlds.push(world);
        }
        for (name, script) in peers::ALL.into_iter().filter(|(name, _)| args.wants(name)) {
            let folder = tempfile::Builder::new().prefix("peer-").tempdir_in(place.path())?;
            let run = match &peers {
                Some(Ok(peers)) => peers.run(script, cell, folder.path(), &model),
                Some(Err(error)) => Err(anyhow::anyhow!("{error:#}")),
                None => continue,
            };
            rows.push(run.unwrap_or_else(|error| Row::without(name, cell, format!("{error:#}"))));
            folders.push(folder);
        }
        print(&row::told(&rows));
    }
    let told = format!("{}\n{}", place::versions(place.path()), row::told(&rows));
    print(&told);
    if args.is_whole() {
        std::fs::write(top.join("docs/results/cycle.txt"), &told)?;
    }
    Ok(())
}

/// The top of the tree, as `cargo run` tells it.
fn top() -> Result<PathBuf> {
    let own =
        env::var_os("CARGO_MANIFEST_DIR").context("start this with cargo xtask bench cycle")?;
    let top = Path::new(&own).ancestors().nth(2).context("tests/bench lies two below the top")?;
    Ok(top.to_owned())
}

/// Where this program was built.
fn target() -> PathBuf {
    let own = env::current_exe().unwrap_or_default();
    own.ancestors().nth(2).unwrap_or(Path::new("target")).to_owned()
}

/// The measured processes, built as this program was.
fn build(top: &Path) -> Result<()> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in env::vars_os() {
        let ours = name.to_string_lossy();
        if ours.starts_with("CARGO_PKG_") || ours.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&name);
        }
    }
    cargo.args(["build", "--release", "--workspace", "--bins", "--target-dir"]).arg(target());
    let status = cargo.current_dir(top).status()?;
    if !status.success() {
        bail!("the services do not build");
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
fn print(text: &str) {
    print!("{text}");
}
