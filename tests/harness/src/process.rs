//! A world of real processes: its own folder, its own ports, real mTLS, the real supervisor.
//!
//! Nothing here knows more than a user does: it starts `vivarium up`, runs `vivarium` commands and
//! reads what they print, or calls a service as an operator's program does. A world that a failing test leaves behind stays on disk and is named.

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use vivarium_chassis::{Peers, World as Folder};

use crate::model_server::{Asked, ModelServer, Script};

/// How long a condition may take to come true before the test fails.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The file that names a planted point, in a world's folder.
const CRASH_AT: &str = "crash-at";

/// The services, as `vivarium status` names them.
pub const SERVICES: [&str; 5] = ["queue", "executor", "society", "review", "gateway"];

/// States in which the world still works on a task, as `vivarium tasks` names them.
pub const AT_WORK: [&str; 5] = ["ready", "queued", "leased", "in_review", "requeued"];

/// A scripted model server that runs beside the test.
#[derive(Debug)]
pub struct Model {
    server: ModelServer,
    runtime: tokio::runtime::Runtime,
}

impl Model {
    /// Starts a server that answers from a script.
    pub fn start(script: Script) -> Self {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
        let server = runtime.block_on(ModelServer::start(script));
        Self { server, runtime }
    }

    /// The executor's settings that make this the only language model, trusted as a `class`.
    pub fn settings(&self, class: &str) -> String {
        let base_url = self.server.base_url();
        format!(
            r#"
            budget_resident_day_micro_usd = 100_000_000
            budget_review_day_micro_usd = 100_000_000
            budget_world_day_micro_usd = 100_000_000
            budget_world_total_micro_usd = 100_000_000
            no_provider_wait = "1s"
            [model]
            order = ["scripted"]
            [model.provider.scripted]
            kind = "openai_compatible"
            class = "{class}"
            base_url = "{base_url}"
            key = ""
            model = "scripted"
            window_tokens = 32768
            calls_per_minute = 60000
            parallel_calls = 64
            input_micro_usd = 100000
            output_micro_usd = 200000
            "#
        )
    }

    /// Waits until the requests are as `wanted`.
    pub fn wait_until(&self, wanted: impl Fn(&[Asked]) -> bool) {
        self.runtime.block_on(self.server.wait_until(wanted));
    }
}

impl std::ops::Deref for Model {
    type Target = ModelServer;

    fn deref(&self) -> &ModelServer {
        &self.server
    }
}

/// A running world.
#[derive(Debug)]
pub struct World {
    root: PathBuf,
    supervisor: Option<Child>,
    /// Where the panel is served.
    pub panel: SocketAddr,
    /// The one-time link that `vivarium up` printed.
    pub link: String,
    /// The guard that its processes are without.
    away: &'static str,
}

impl World {
    /// Starts a fresh world without a language model and waits until it is up.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a fresh world whose only language model is this one. Its critiques decide.
    pub fn start_on(model: &Model) -> Self {
        Self::start_with(&[("executor", &model.settings("remote"))])
    }

    /// Starts a fresh world whose only language model is this one. Its critiques only advise, so a
    /// person decides.
    pub fn start_advised_by(model: &Model) -> Self {
        Self::start_with(&[("executor", &model.settings("embedded"))])
    }

    /// Starts a fresh world on a language model, in which the first process that comes to this planted
    /// point ends there, once.
    pub fn start_crashing(model: &Model, point: &str) -> Self {
        let root = tempfile::tempdir().expect("a temporary folder can be made").keep();
        std::fs::write(root.join(CRASH_AT), point).expect("a file can be written");
        Self::start_in(root, &[("executor", &model.settings("remote"))])
    }

    /// As [`Self::start_with`], in a world in which the first process that comes to this planted point
    /// ends there, once.
    pub fn start_crashing_with(settings: &[(&str, &str)], point: &str) -> Self {
        let root = tempfile::tempdir().expect("a temporary folder can be made").keep();
        std::fs::write(root.join(CRASH_AT), point).expect("a file can be written");
        Self::start_in(root, settings)
    }

    /// Whether the planted point was reached.
    pub fn has_crashed(&self) -> bool {
        !self.root.join(CRASH_AT).exists()
    }

    /// Starts a fresh world with these settings, by the name of their file.
    pub fn start_with(settings: &[(&str, &str)]) -> Self {
        let root = tempfile::tempdir().expect("a temporary folder can be made").keep();
        Self::start_in(root, settings)
    }

    fn start_in(root: PathBuf, settings: &[(&str, &str)]) -> Self {
        let mut world = Self::prepared_in(root, settings);
        world.up();
        world
    }

    /// A fresh world's folder with its settings; nothing runs yet.
    pub fn prepared() -> Self {
        Self::prepared_with(&[])
    }

    /// A fresh world's folder with these settings, by the name of their file; nothing runs yet.
    pub fn prepared_with(settings: &[(&str, &str)]) -> Self {
        let root = tempfile::tempdir().expect("a temporary folder can be made").keep();
        Self::prepared_in(root, settings)
    }

    /// A fresh world in this empty folder, with these settings; nothing runs yet. The folder goes with
    /// the world.
    pub fn prepared_at(root: PathBuf, settings: &[(&str, &str)]) -> Self {
        Self::prepared_in(root, settings)
    }

    fn prepared_in(root: PathBuf, settings: &[(&str, &str)]) -> Self {
        let (addresses, panel) = addresses();
        let config = root.join("config");
        std::fs::create_dir(&config).expect("a folder can be made");
        for (name, text) in settings.iter().chain([&("shared", addresses.as_str())]) {
            let file = config.join(name).with_extension("toml");
            std::fs::write(file, text).expect("settings can be written");
        }
        Self { root, supervisor: None, panel, link: String::new(), away: "" }
    }

    /// Takes this guard away from the processes that are started from now on, by its name in
    /// `services/ledger/src/planted.rs`.
    #[must_use]
    pub const fn without(mut self, guard: &'static str) -> Self {
        self.away = guard;
        self
    }

    /// Starts the supervisor and waits for nothing: a service may be unable to start.
    pub fn begin(&mut self) {
        let log = std::fs::File::create(self.root.join("supervisor.log")).expect("a log opens");
        let mut command = self.command(&["--json", "up"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.supervisor = Some(command.spawn().expect("`cargo build --bins` built vivarium"));
    }

    /// How a service ended last, as `vivarium status` tells it; empty while it never did.
    pub fn last_exit(&self, service: &str) -> String {
        let output = self.run(&["--json", "status"]);
        let status: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let services = status["services"].as_array().cloned().unwrap_or_default();
        let found = services.iter().find(|one| one["service"] == service);
        found.and_then(|one| one["last_exit"].as_str()).unwrap_or_default().to_owned()
    }

    /// Starts the supervisor of a stopped or killed world again.
    pub fn up(&mut self) {
        let mut command = self.command(&["--json", "up"]);
        let log = std::fs::File::create(self.root.join("supervisor.log")).expect("a log opens");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("`cargo build --bins` built vivarium");
        let stdout = child.stdout.take().expect("it is piped");
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).expect("its first line can be read");
        let Ok(told) = serde_json::from_str::<Value>(&line) else {
            let log = std::fs::read_to_string(self.root.join("supervisor.log"));
            panic!("the world did not come up: {line}{}", log.unwrap_or_default());
        };
        told["panel"].as_str().expect("it prints a link").clone_into(&mut self.link);
        self.supervisor = Some(child);
    }

    /// The world's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The supervisor's process id.
    pub fn supervisor(&self) -> u32 {
        self.supervisor.as_ref().expect("the world is up").id()
    }

    /// Runs a `vivarium` command.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("vivarium runs")
    }

    /// Runs a command that must succeed, with `--json`, and reads its answer.
    pub fn ask(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[&["--json"], arguments].concat());
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "vivarium {arguments:?}: {told}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_str(&told).expect("--json prints JSON")
    }

    /// Whether no task is in one of these states.
    pub fn has_none_in(&self, states: &[&str]) -> bool {
        let states = states.iter().flat_map(|state| ["--state", state]);
        let asked: Vec<&str> = std::iter::once("tasks").chain(states).collect();
        self.ask(&asked)["tasks"].as_array().is_none_or(Vec::is_empty)
    }

    /// Waits until the world has nothing more to do on any task.
    pub fn wait_until_at_rest(&self) {
        wait_until("every task has come to rest", || self.has_none_in(&AT_WORK));
    }

    /// Calls services as an operator's program does.
    ///
    /// # Panics
    /// If the world was never up.
    pub fn call<T>(&self, calling: impl AsyncFnOnce(Peers) -> T) -> T {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
        runtime.block_on(async {
            let peers = Peers::operator(&Folder::at(&self.root), "cli");
            calling(peers.expect("the operator has an identity")).await
        })
    }

    /// Process ids of the running services, by name.
    pub fn pids(&self) -> Vec<(String, u32)> {
        let status = self.ask(&["status"]);
        let services = status["services"].as_array().expect("a list of services");
        services
            .iter()
            .filter_map(|service| {
                let pid = u32::try_from(service["pid"].as_u64()?).ok()?;
                Some((service["service"].as_str()?.to_owned(), pid))
            })
            .collect()
    }

    /// The process id of one service.
    pub fn pid(&self, service: &str) -> Option<u32> {
        self.pids().into_iter().find(|(name, _)| name == service).map(|(_, pid)| pid)
    }

    /// Kills the supervisor without a word.
    pub fn kill_supervisor(&mut self) {
        if let Some(mut child) = self.supervisor.take() {
            child.kill().expect("it can be killed");
            child.wait().expect("it can be waited for");
        }
    }

    /// Ends the world as Ctrl-C does, and gives the supervisor's exit code.
    pub fn stop(&mut self) -> Option<i32> {
        let mut child = self.supervisor.take()?;
        signal(child.id(), "INT");
        let mut code = None;
        wait_until("the supervisor has ended", || {
            code = child.try_wait().expect("it can be waited for");
            code.is_some()
        });
        code.and_then(|status| status.code())
    }

    /// A `vivarium` command of this world.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program("vivarium"));
        command.arg("--world").arg(&self.root).args(arguments);
        command.env("VIVARIUM_CRASH_AT", self.root.join(CRASH_AT));
        command.env("VIVARIUM_GUARDS_AWAY", self.away);
        command.env_remove("VIVARIUM_WORLD");
        command
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop();
        if std::thread::panicking() {
            say(&format!("the world of the failed test stays in {}", self.root.display()));
        } else if let Err(error) = std::fs::remove_dir_all(&self.root) {
            say(&format!("{} stays: {error}", self.root.display()));
        }
    }
}

/// Where the programs lie: beside the test's own folder.
pub fn program(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a test has a path");
    let folder = own.ancestors().find(|folder| folder.join(name).is_file());
    folder.expect("`cargo build --bins` built the programs").join(name)
}

/// Sends a signal to one process.
pub fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).status();
    assert!(sent.is_ok(), "kill can be run");
}

/// Whether a process is alive: a zombie is not.
pub fn alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.trim().is_empty() && !rest.starts_with(" Z"))
}

/// Waits until a condition holds; fails when it does not within half a minute.
#[track_caller]
#[expect(clippy::disallowed_methods, reason = "a test of processes waits by the machine's clock")]
pub fn wait_until(what: &str, mut met: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !met() {
        assert!(begun.elapsed() < PATIENCE, "never came true: {what}");
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Free ports for every listener of a world, as its settings name them.
fn addresses() -> (String, SocketAddr) {
    // Held together, so that no two are the same; let go of before the supervisor binds them.
    let held: Vec<TcpListener> = (0..=SERVICES.len())
        .map(|_| TcpListener::bind("127.0.0.1:0").expect("a port is free"))
        .collect();
    let address = |index: usize| held[index].local_addr().expect("it is bound");
    let panel = address(SERVICES.len());
    let lines = SERVICES.iter().enumerate();
    let lines = lines.map(|(index, name)| format!("{name} = \"{}\"", address(index)));
    let lines: Vec<String> = lines.collect();
    let settings = format!("[addresses]\npanel = \"{panel}\"\n{}\n", lines.join("\n"));
    (settings, panel)
}

#[expect(clippy::print_stderr, reason = "a test tells the person who runs it")]
fn say(line: &str) {
    eprintln!("{line}");
}
