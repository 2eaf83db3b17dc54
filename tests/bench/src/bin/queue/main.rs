//! The queue over mTLS beside its peers: adds, whole courses, latency, recovery, in one run.
#![expect(
    clippy::disallowed_methods,
    reason = "a load generator has tasks and queues of its own and waits by the clock"
)]

mod adders;
mod cells;
mod engine;
mod peers;
mod probe;
mod report;
mod review;
mod row;
mod runner;
mod stand;

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use tokio::runtime::Runtime;
use vivarium_bench::place;
use vivarium_chassis::clock::SystemClock;
use vivarium_types::Clock as _;

use cells::Sizes;
use peers::Peers;
use report::Record;
use row::{OURS, Row};

/// Measures the real queue process beside other queues, on the same disk and in the same run.
///
/// Cells: single (64 clients add one by one), bulk, drain (a full queue to the last end state), ping
/// (an idle queue, from the call to the handler), rescue (a runner dies with 100 tasks); of ours also
/// lifecycle, engine (without the wire), engine-postgres (with the ledger in the peers' PostgreSQL),
/// depth, explain, fair and watch. Peers: PostgreSQL by hand (one by one
/// and in batches), graphile-worker (as it comes and with its local queue), pg-boss, awa, apalis on
/// PostgreSQL and on SQLite, `BullMQ`, NATS `JetStream`. Their servers run on loopback in a folder that
/// goes with the run; all of them sync before they answer, and the syncs are counted.
///
/// Each round measures a cell of ours, then the same cell of each peer, with `fdatasync` probed before
/// each, because a disk is not the same a minute later. Medians go to docs/benchmarks.md, everything
/// else to docs/results/queue-bench.json; a run with --only just prints. Figures of a busy machine
/// are worth nothing, ratios a little.
#[derive(Debug, Parser)]
struct Args {
    /// Smaller sizes and one round.
    #[arg(long)]
    quick: bool,
    /// Rounds.
    #[arg(long, value_name = "COUNT")]
    rounds: Option<u32>,
    /// Only these cells and peers, by name; `vivarium` is ours.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    only: Vec<String>,
    /// Measures nothing; writes the tables anew from the kept figures.
    #[arg(long)]
    tables: bool,
    /// Takes the programs as they are, without building them.
    #[arg(long)]
    built: bool,
    /// Leases of ours at once.
    #[arg(long, default_value_t = 1_024)]
    flight: u32,
    /// Runners of ours that share them.
    #[arg(long, default_value_t = 1)]
    runners: u32,
    /// Pending tasks of the deep queue, instead of what the size says.
    #[arg(long, value_name = "COUNT")]
    depth: Option<u64>,
    /// Where to write: a disk, not memory. Default: beside this program.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

impl Args {
    fn sizes(&self) -> Sizes {
        let (n, seconds, depth, backlog, pings) = if self.quick {
            (5_000, 2, 50_000, 5_000, 80)
        } else {
            (20_000, 4, 200_000, 100_000, 200)
        };
        let span = Duration::from_secs(seconds);
        Sizes {
            n,
            clients: 64,
            span,
            flight: self.flight,
            runners: self.runners,
            depth: self.depth.unwrap_or(depth),
            backlog,
            pings,
        }
    }

    fn wants(&self, cell: &str, peer: &str) -> bool {
        let named = |names: &[&str]| self.only.iter().any(|only| names.contains(&only.as_str()));
        let cells: Vec<&str> = peers::CELLS.into_iter().chain(cells::OWN).collect();
        let peers: Vec<&str> = peers::ALL.iter().map(|peer| peer.name).chain([OURS]).collect();
        (!named(&cells) || named(&[cell])) && (!named(&peers) || named(&[peer]))
    }
}

fn main() -> Result<()> {
    let args = Args::parse();
    let top = top()?;
    let (kept, page) = (top.join("docs/results/queue-bench.json"), top.join("docs/benchmarks.md"));
    if args.tables {
        return Record::read(&kept)?.show(&page);
    }
    let place = place::folder(args.folder.as_deref())?;
    let place = place.path();
    if !args.built {
        build_queue(&top)?;
    }
    let some_peer =
        peers::CELLS.iter().any(|cell| peers::ALL.iter().any(|peer| args.wants(cell, peer.name)))
            || args.wants("engine-postgres", OURS);
    let peers = some_peer.then(|| Peers::start(&top.join("tests/bench/peers"), place, args.built));
    let rows = measure(&args, place, peers.as_ref())?;
    let record = record(&args, place, peers.as_ref(), rows);
    print(&record.tables()?);
    if args.only.is_empty() {
        record.keep(&kept)?;
        record.show(&page)?;
    }
    Ok(())
}

/// All rounds: each cell of ours, then of each peer.
fn measure(args: &Args, place: &Path, peers: Option<&Peers>) -> Result<Vec<Row>> {
    let (sizes, runtime) = (args.sizes(), Runtime::new()?);
    let rounds = args.rounds.unwrap_or(if args.quick { 1 } else { 3 });
    let mut rows = Vec::new();
    let mut take = |round: u32, run: &dyn Fn() -> Row| -> Result<()> {
        let probe = probe::disk(place)?;
        let row = Row { round, probe: Some(probe), ..run() };
        print(&format!("{}\n", serde_json::to_string(&row)?));
        rows.push(row);
        Ok(())
    };
    for round in 1..=rounds {
        for cell in peers::CELLS.into_iter().chain(cells::OWN) {
            // What waits for time-outs is the same in every round.
            if cell == "rescue" && round > 1 {
                continue;
            }
            if args.wants(cell, OURS) {
                take(round, &|| match run(&runtime, cell, place, sizes, peers) {
                    Ok(row) => row.judged(sizes.clients as u64),
                    Err(error) => Row::without(OURS, cell, format!("failed: {error:#}")),
                })?;
            }
            let theirs = peers::ALL.into_iter().filter(|_| peers::CELLS.contains(&cell));
            for peer in theirs.filter(|peer| args.wants(cell, peer.name)) {
                let Some(peers) = peers else { continue };
                if cell == "rescue" && args.quick {
                    let why = "not run: --quick leaves out what waits for minutes";
                    take(round, &|| Row::without(peer.name, cell, why))?;
                    continue;
                }
                take(round, &|| peers.run(peer, cell, sizes))?;
            }
        }
    }
    Ok(rows)
}

fn run(
    runtime: &Runtime,
    cell: &str,
    place: &Path,
    sizes: Sizes,
    peers: Option<&Peers>,
) -> Result<Row> {
    let postgres = peers.and_then(Peers::postgres);
    runtime.block_on(cells::run(cell, place, sizes, postgres))
}

fn record(args: &Args, place: &Path, peers: Option<&Peers>, rows: Vec<Row>) -> Record {
    let sizes = args.sizes();
    let settings = [
        ("n", sizes.n.into()),
        ("clients", sizes.clients.into()),
        ("seconds", sizes.span.as_secs().into()),
        ("flight", sizes.flight.into()),
        ("runners", sizes.runners.into()),
        ("depth", sizes.depth.into()),
        ("quick", args.quick.into()),
        ("payload_bytes", 256.into()),
    ];
    let settings: BTreeMap<_, _> =
        settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let servers = peers.map(Peers::versions).unwrap_or_default();
    let date = SystemClock.now().to_string();
    Record { machine: place::versions(place), date, settings, servers, rows }
}

/// The top of the tree, as `cargo run` tells it.
fn top() -> Result<PathBuf> {
    let own =
        env::var_os("CARGO_MANIFEST_DIR").context("start this with cargo xtask bench queue")?;
    let top = Path::new(&own).ancestors().nth(2).context("tests/bench lies two below the top")?;
    Ok(top.to_owned())
}

/// Where this program was built.
fn target() -> PathBuf {
    let own = env::current_exe().unwrap_or_default();
    own.ancestors().nth(2).unwrap_or(Path::new("target")).to_owned()
}

/// The cargo that started this, without what it told about this package.
fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in env::vars_os() {
        let ours = name.to_string_lossy();
        if ours.starts_with("CARGO_PKG_") || ours.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&name);
        }
    }
    cargo
}

/// The measured process, built as this program was.
fn build_queue(top: &Path) -> Result<()> {
    let mut cargo = cargo();
    cargo.args(["build", "--release", "-p", "vivarium-queue", "--target-dir"]).arg(target());
    let status = cargo.current_dir(top).status()?;
    if !status.success() {
        bail!("the queue does not build");
    }
    Ok(())
}

/// Whether syncs can be counted.
fn has_perf() -> bool {
    Command::new("perf").arg("--version").output().is_ok_and(|output| output.status.success())
}

#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
fn print(text: &str) {
    print!("{text}");
}
