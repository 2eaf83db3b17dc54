//! One run of the llama.cpp server: started, watched, killed. It never outlives this process: its
//! standard input is its life line, and it is killed when its handle is dropped.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::Url;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use vivarium_chassis::task::Tasks;
use vivarium_chassis::{clock, world};
use vivarium_types::{Reason, Secret};

use super::super::error::ModelError;
use super::super::http;
use super::super::openai::Key;
use super::super::profile;
use super::installed::Installed;

const STARTER: &str = include_str!("starter.py");
const STARTER_FILE: &str = "starter.py";
const KEY_FILE: &str = "key";
/// How long loading a model may take: minutes on a slow disk.
const START: Duration = Duration::from_mins(3);
/// How long the server may take to end by itself.
const STOP: Duration = Duration::from_secs(2);
/// Lines of its log that are kept for an explanation.
const LINES: usize = 20;
const LINE_CHARS: usize = 300;

/// What is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) runtime: PathBuf,
    pub(super) model: Installed,
    pub(super) window_tokens: u32,
    pub(super) threads: usize,
}

impl Plan {
    fn python(&self) -> PathBuf {
        python(&self.runtime)
    }
}

/// The interpreter of the engine's own environment.
pub(super) fn python(runtime: &Path) -> PathBuf {
    runtime.join("venv").join("bin").join("python")
}

/// A running server.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    /// Read until the server is ready, and kept so that it can write to it.
    stdout: BufReader<ChildStdout>,
    pub(super) base_url: Url,
    pub(super) key: Key,
    log: Log,
}

/// The last lines that the server wrote.
#[derive(Debug, Clone, Default)]
struct Log {
    /// Written by the task that reads standard error.
    lines: Arc<Mutex<VecDeque<String>>>,
}

impl Log {
    fn add(&self, line: &str) {
        tracing::debug!(line, "model server");
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == LINES {
            lines.pop_front();
        }
        lines.push_back(line.chars().take(LINE_CHARS).collect());
    }

    /// The last line that says something.
    fn last(&self) -> String {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().rev().find(|line| !line.trim().is_empty()).cloned().unwrap_or_default()
    }
}

impl Server {
    /// Starts a server and waits until it answers. Dropping the future kills it.
    pub(super) async fn start(plan: &Plan, tasks: &Tasks) -> Result<Self, ModelError> {
        let secret: [u8; 32] = clock::random();
        let key = Arc::new(Secret::new(hex::encode(secret)));
        let mut server = Self::spawn(plan, key, tasks)
            .map_err(|error| failed(format!("the embedded engine does not start: {error}")))?;
        match tokio::time::timeout(START, server.ready()).await {
            Ok(ready) => ready?,
            Err(_) => return Err(failed("the embedded engine takes too long to start".to_owned())),
        }
        Ok(server)
    }

    fn spawn(plan: &Plan, key: Key, tasks: &Tasks) -> std::io::Result<Self> {
        let (starter, key_file) = (plan.runtime.join(STARTER_FILE), plan.runtime.join(KEY_FILE));
        world::replace(&starter, STARTER.as_bytes())?;
        world::replace(&key_file, key.expose().as_bytes())?;
        let mut child = Command::new(plan.python())
            // Isolated: no user site, no PYTHON* of ours, nothing of the current folder.
            .args(["-I", "-B", "-u"])
            .args([&starter, &plan.model.file, &key_file])
            .args([plan.window_tokens.to_string(), plan.threads.to_string()])
            .arg(&plan.model.name)
            .env_clear()
            .env("OMP_WAIT_POLICY", "passive")
            .env("OMP_NUM_THREADS", plan.threads.to_string())
            .current_dir(&plan.runtime)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let log = Log::default();
        if let Some(stderr) = child.stderr.take() {
            tasks.spawn("read the model server's log", keep_lines(stderr, log.clone()));
        }
        let stdout = child.stdout.take().ok_or(std::io::ErrorKind::BrokenPipe)?;
        let base_url =
            profile::address("http://127.0.0.1/v1").expect("this address is well formed");
        Ok(Self { child, stdout: BufReader::new(stdout), base_url, key, log })
    }

    /// Waits for the line READY and for a sound answer.
    async fn ready(&mut self) -> Result<(), ModelError> {
        let mut line = String::new();
        let address = loop {
            line.clear();
            let count = self.stdout.read_line(&mut line).await.unwrap_or(0);
            if count == 0 {
                let status = self.child.wait().await.ok();
                return Err(failed(self.epitaph(status)));
            }
            if let Some(address) = line.trim().strip_prefix("READY ") {
                break address.to_owned();
            }
        };
        let unsound = || failed(format!("the embedded engine listens at {address}"));
        self.base_url = profile::address(&format!("{address}/v1")).map_err(|_| unsound())?;
        if !profile::is_loopback(&self.base_url) {
            return Err(unsound());
        }
        let client = http::client(&self.base_url, STOP)?;
        let health = client.get(format!("{address}/health")).send().await;
        match health {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => Err(failed(format!("the embedded engine answers {}", answer.status()))),
            Err(error) => Err(failed(format!("the embedded engine: {}", http::words(&error)))),
        }
    }

    /// `None` while it lives; afterwards why it does not.
    pub(super) fn died(&mut self) -> Option<String> {
        match self.child.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) => Some(self.epitaph(Some(status))),
            Err(error) => Some(error.to_string()),
        }
    }

    /// The process, while it lives.
    pub(super) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Ends it: by its life line, and by force if that does not help.
    pub(super) async fn stop(mut self) {
        drop(self.child.stdin.take());
        if tokio::time::timeout(STOP, self.child.wait()).await.is_err() {
            self.kill();
            drop(self.child.wait().await);
        }
    }

    fn kill(&self) {
        // Only while it was not waited for: afterwards the number may be somebody else's.
        let id = self.child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        if let Some(error) = id.and_then(|id| kill_process_group(id, Signal::KILL).err()) {
            tracing::debug!(%error, "the model server was gone already");
        }
    }

    fn epitaph(&self, status: Option<ExitStatus>) -> String {
        let status = status.map_or_else(String::new, |status| format!(" ({status})"));
        format!("the embedded engine ended{status}: {}", self.log.last())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn failed(message: String) -> ModelError {
    ModelError::Unusable { reason: Reason::ModelEngineFailed, message }
}

async fn keep_lines(source: impl AsyncRead + Unpin, log: Log) {
    let mut source = BufReader::new(source);
    let mut line = Vec::new();
    while source.read_until(b'\n', &mut line).await.is_ok_and(|count| count > 0) {
        log.add(String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
}
