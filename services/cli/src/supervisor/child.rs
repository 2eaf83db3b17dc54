//! The children: one keeper each, which starts its service, waits for its end, and starts it again.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use command_fds::{CommandFdExt as _, FdMapping};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{mpsc, watch};
use vivarium_chassis::task::Tasks;
use vivarium_chassis::{Peers, Service, World, clock, world};
use vivarium_proto::queue::v1::ReportExitRequest;
use vivarium_proto::queue::v1::world_service_client::WorldServiceClient;
use vivarium_types::ids::InstanceId;
use vivarium_types::{Clock as _, Reason};

use super::log;
use crate::console::request_id;
use crate::render;

/// The first file descriptor that a process takes as an inherited listener.
const LISTEN_FD_FIRST: i32 = 3;
/// First wait before a service that ended is started again; doubles up to [`BACK_OFF_MAX`].
const BACK_OFF_MIN: Duration = Duration::from_millis(100);
/// Longest wait before a service is started again.
const BACK_OFF_MAX: Duration = Duration::from_secs(10);
/// A service that lived this long was well: its next end starts with the first wait.
const WELL_AFTER: Duration = Duration::from_secs(30);
/// What a service has for its drain before it is killed.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(7);
/// Words that may wait for a keeper.
const WORDS_WAITING: usize = 16;
/// Services in the order they are stopped: first who calls, last who is called.
const STOP_ORDER: [Service; 5] =
    [Service::Gateway, Service::Executor, Service::Society, Service::Review, Service::Queue];

/// The services of one world. Clones are the same children.
#[derive(Debug, Clone)]
pub(crate) struct Children {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    world: World,
    binaries: PathBuf,
    listeners: BTreeMap<&'static str, Vec<TcpListener>>,
    /// Services of which a second process stands by.
    standbys: Vec<Service>,
    /// For the report of an end to the queue.
    reporter: Option<Peers>,
    /// Written by the keepers.
    states: Mutex<BTreeMap<&'static str, State>>,
    /// Told by the keepers whenever a state changes.
    changed: watch::Sender<u64>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    pid: Option<u32>,
    restarts: u32,
    last_exit: Option<String>,
    words: mpsc::Sender<Word>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Starting,
    StandingBy,
    Ready,
    BackingOff,
    Stopping,
    Stopped,
}

/// What a keeper is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Reload,
    Restart,
    Stop,
}

/// How one service is, for `vivarium status`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Its name.
    pub(crate) service: String,
    /// starting, standing by, ready, waiting, stopping or stopped.
    pub(crate) state: String,
    /// Its process.
    pub(crate) pid: Option<u32>,
    /// How often it was started again.
    pub(crate) restarts: u32,
    /// How it ended last.
    pub(crate) last_exit: Option<String>,
}

/// The file name of a service's program.
pub(super) fn program(service: Service) -> String {
    format!("vivarium-{}", service.name())
}

impl Children {
    pub(super) fn new(
        world: &World,
        binaries: PathBuf,
        listeners: Vec<(Service, Vec<TcpListener>)>,
        standbys: Vec<Service>,
        reporter: Option<Peers>,
    ) -> Self {
        let listeners = listeners.into_iter().map(|(service, bound)| (service.name(), bound));
        let shared = Shared {
            world: world.clone(),
            binaries,
            listeners: listeners.collect(),
            standbys,
            reporter,
            states: Mutex::default(),
            changed: watch::Sender::new(0),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Starts a keeper for each service.
    pub(super) fn start(&self, tasks: &Tasks) {
        for seat in self.seats() {
            let (words, heard) = mpsc::channel(WORDS_WAITING);
            let state =
                State { phase: Phase::Starting, pid: None, restarts: 0, last_exit: None, words };
            self.states().insert(seat.name, state);
            let keeper = Keeper {
                seat,
                children: self.clone(),
                tasks: tasks.clone(),
                words: heard,
                instance: fresh_instance(),
            };
            tasks.spawn("keep a service", keeper.keep());
        }
    }

    /// Waits until one process of every service has said that it is ready.
    pub(super) async fn all_ready(&self) {
        let seats: Vec<Seat> = self.seats().collect();
        let ready = |states: &BTreeMap<&str, State>, service| {
            let mut own = seats.iter().filter(|seat| seat.service == service);
            own.any(|seat| states.get(seat.name).is_some_and(|state| state.phase == Phase::Ready))
        };
        self.until(|states| Service::ALL.into_iter().all(|service| ready(states, service))).await;
    }

    /// The places of processes: one for each service, and a second one where one stands by.
    fn seats(&self) -> impl Iterator<Item = Seat> + '_ {
        let first = |service: Service| Seat { service, name: service.name() };
        let second = |service: &Service| Seat { service: *service, name: second_name(*service) };
        let standbys = self.shared.standbys.iter().map(second);
        Service::ALL.into_iter().map(first).chain(standbys)
    }

    /// Restarts one service and waits until it is ready again.
    pub(super) async fn restart(&self, service: Service) {
        let seats: Vec<Seat> = self.seats().filter(|seat| seat.service == service).collect();
        for Seat { name, .. } in seats {
            let before = self.states().get(name).map_or(0, |state| state.restarts);
            self.say(name, Word::Restart);
            let up = |phase| matches!(phase, Phase::Ready | Phase::StandingBy);
            self.until(move |states| {
                states.get(name).is_none_or(|s| s.restarts > before && up(s.phase))
            })
            .await;
        }
    }

    /// Stops all services, callers first.
    pub(super) async fn stop(&self) {
        for service in STOP_ORDER {
            let seats: Vec<Seat> = self.seats().filter(|seat| seat.service == service).collect();
            for seat in &seats {
                self.say(seat.name, Word::Stop);
            }
            self.until(move |states| {
                let stopped = |state: &State| state.phase == Phase::Stopped;
                seats.iter().all(|seat| states.get(seat.name).is_none_or(stopped))
            })
            .await;
        }
    }

    /// Says a line to every running service.
    pub(super) fn say_to_all(&self, line: &str) {
        if line == "reload" {
            for seat in self.seats() {
                self.say(seat.name, Word::Reload);
            }
        }
    }

    /// How the services are.
    pub(super) fn report(&self) -> Vec<Report> {
        let states = self.states();
        let report = |seat: Seat| {
            let state = states.get(seat.name)?;
            Some(Report {
                service: seat.name.to_owned(),
                state: state.phase.word().to_owned(),
                pid: state.pid,
                restarts: state.restarts,
                last_exit: state.last_exit.clone(),
            })
        };
        self.seats().filter_map(report).collect()
    }

    fn say(&self, seat: &'static str, word: Word) {
        if let Some(state) = self.states().get(seat)
            && state.words.try_send(word).is_err()
        {
            tracing::debug!(service = seat, ?word, "its keeper does not hear");
        }
    }

    async fn until(&self, met: impl Fn(&BTreeMap<&'static str, State>) -> bool) {
        let mut changed = self.shared.changed.subscribe();
        while !met(&self.states()) {
            if changed.changed().await.is_err() {
                return;
            }
        }
    }

    fn set(&self, seat: Seat, change: impl FnOnce(&mut State)) {
        if let Some(state) = self.states().get_mut(seat.name) {
            change(state);
        }
        self.shared.changed.send_modify(|count| *count += 1);
    }

    fn states(&self) -> MutexGuard<'_, BTreeMap<&'static str, State>> {
        self.shared.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Phase {
    const fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::StandingBy => "standing by",
            Self::Ready => "ready",
            Self::BackingOff => "waiting",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
        }
    }
}

/// The place of one process.
#[derive(Debug, Clone, Copy)]
struct Seat {
    service: Service,
    /// Under which it is reported, and its log kept.
    name: &'static str,
}

/// The name of a service's second process.
const fn second_name(service: Service) -> &'static str {
    match service {
        Service::Queue => "queue-2",
        Service::Executor => "executor-2",
        Service::Society => "society-2",
        Service::Review => "review-2",
        Service::Gateway => "gateway-2",
    }
}

/// Keeps one process of a service running.
struct Keeper {
    seat: Seat,
    children: Children,
    tasks: Tasks,
    words: mpsc::Receiver<Word>,
    /// The start at work.
    instance: InstanceId,
}

/// Why a service's process is no more.
enum Ended {
    /// It ended by itself.
    Alone(String),
    /// It was told to restart.
    Restarted(String),
    /// It was told to stop for good.
    Stopped,
}

impl Keeper {
    async fn keep(mut self) {
        let mut wait = BACK_OFF_MIN;
        loop {
            let begun = clock::instant();
            self.instance = fresh_instance();
            let ended = match self.spawn() {
                Ok(child) => self.watch(child).await,
                Err(error) => {
                    log("a service cannot be started", &error);
                    Ended::Alone(error.to_string())
                }
            };
            let exit = match ended {
                Ended::Stopped => {
                    self.children.set(self.seat, |state| {
                        state.phase = Phase::Stopped;
                        state.pid = None;
                    });
                    return;
                }
                Ended::Restarted(exit) => {
                    wait = Duration::ZERO;
                    exit
                }
                Ended::Alone(exit) => {
                    if begun.elapsed() >= WELL_AFTER {
                        wait = BACK_OFF_MIN;
                    }
                    tracing::warn!(service = self.seat.name, exit, "a service ended");
                    self.tell(&exit);
                    exit
                }
            };
            let mut owned = false;
            self.children.set(self.seat, |state| {
                owned = state.phase != Phase::StandingBy;
                state.phase = Phase::BackingOff;
                state.pid = None;
                state.last_exit = Some(exit.clone());
            });
            // Who only stood by held nothing that could be set free.
            if owned {
                self.report(exit);
            }
            if !self.rest(wait).await {
                self.children.set(self.seat, |state| state.phase = Phase::Stopped);
                return;
            }
            wait = (wait * 2).clamp(BACK_OFF_MIN, BACK_OFF_MAX);
            self.children.set(self.seat, |state| {
                state.phase = Phase::Starting;
                state.restarts += 1;
            });
        }
    }

    /// Tells the person at the terminal, with the last word of the service itself.
    fn tell(&self, exit: &str) {
        let name = self.seat.name;
        let log = self.children.shared.world.logs().join(format!("{name}.log"));
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        let last = text.lines().rfind(|line| line.starts_with("error: ")).unwrap_or_default();
        let line = format!("{name} ended ({exit}) and is started again: see {}", log.display());
        let told = render::notice(&line).and_then(|()| {
            if last.is_empty() { Ok(()) } else { render::notice(&format!("  {last}")) }
        });
        if told.is_err() {
            tracing::debug!("nobody reads what the supervisor says");
        }
    }

    /// Waits before the next start. `false`: told to stop meanwhile.
    async fn rest(&mut self, wait: Duration) -> bool {
        let sleep = tokio::time::sleep(wait);
        tokio::pin!(sleep);
        loop {
            tokio::select! {
                () = &mut sleep => return true,
                word = self.words.recv() => match word {
                    Some(Word::Stop) | None => return false,
                    Some(Word::Restart) => return true,
                    Some(Word::Reload) => {}
                },
            }
        }
    }

    fn spawn(&self) -> std::io::Result<Child> {
        let shared = &self.children.shared;
        let name = self.seat.name;
        let listeners =
            shared.listeners.get(self.seat.service.name()).map_or(&[][..], Vec::as_slice);
        let mappings = listeners
            .iter()
            .zip(LISTEN_FD_FIRST..)
            .map(|(listener, child_fd)| {
                let parent_fd: OwnedFd = listener.as_fd().try_clone_to_owned()?;
                Ok(FdMapping { parent_fd, child_fd })
            })
            .collect::<std::io::Result<Vec<_>>>()?;
        let log = world::private_append(&shared.world.logs().join(format!("{name}.log")))?;
        let mut command =
            std::process::Command::new(shared.binaries.join(program(self.seat.service)));
        command
            .arg("--world")
            .arg(shared.world.root())
            .arg("--instance")
            .arg(self.instance.to_string())
            .env("LISTEN_FDS", listeners.len().to_string())
            .env_remove("LISTEN_PID")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log);
        command.fd_mappings(mappings).map_err(std::io::Error::other)?;
        let mut command = Command::from(command);
        // A group of its own: Ctrl-C reaches the supervisor alone, which stops them in order.
        command.process_group(0);
        command.spawn()
    }

    /// From the start of a process to its end.
    async fn watch(&mut self, mut child: Child) -> Ended {
        self.children.set(self.seat, |state| state.pid = child.id());
        let mut stdin = child.stdin.take();
        let mut lines = child.stdout.take().map(|stdout| BufReader::new(stdout).lines());
        loop {
            tokio::select! {
                status = child.wait() => return Ended::Alone(told(status)),
                phase = told_phase(&mut lines) => {
                    self.children.set(self.seat, |state| state.phase = phase);
                }
                word = self.words.recv() => match word {
                    Some(Word::Reload) => say(&mut stdin, "reload\n").await,
                    Some(Word::Restart) => {
                        let exit = self.drain(child, stdin).await;
                        return Ended::Restarted(exit);
                    }
                    Some(Word::Stop) | None => {
                        self.drain(child, stdin).await;
                        return Ended::Stopped;
                    }
                },
            }
        }
    }

    /// Lets a process end by itself, and ends it when it does not.
    async fn drain(&self, mut child: Child, stdin: Option<ChildStdin>) -> String {
        self.children.set(self.seat, |state| state.phase = Phase::Stopping);
        // The end of the control pipe is the word to drain.
        drop(stdin);
        let waited = tokio::time::timeout(DRAIN_TIMEOUT, child.wait()).await;
        if let Ok(status) = waited {
            return told(status);
        }
        tracing::warn!(service = self.seat.name, "did not drain in time and is killed");
        let group = child.id().and_then(|pid| i32::try_from(pid).ok());
        if let Some(group) = group
            && let Err(error) = kill(Pid::from_raw(-group), Signal::SIGKILL)
        {
            log("a service cannot be killed", &error);
        }
        told(child.wait().await)
    }

    /// Tells the queue, so that the leases of a dead executor are free at once.
    fn report(&self, detail: String) {
        let Some(peers) = &self.children.shared.reporter else { return };
        if self.seat.service == Service::Queue {
            return;
        }
        let calls = peers.to(Service::Queue).calls();
        let service = self.seat.service.name().to_owned();
        let request = ReportExitRequest {
            request_id: request_id(),
            service,
            detail,
            instance_id: self.instance.to_string(),
        };
        self.tasks.spawn("report an exit", async move {
            if let Err(status) = WorldServiceClient::new(calls).report_exit(request).await {
                tracing::debug!(%status, "the queue was not told");
            }
        });
    }
}

fn fresh_instance() -> InstanceId {
    clock::ids().mint(clock::SystemClock.now())
}

/// Resolves when the process says how it is; goes on reading so that it never blocks.
async fn told_phase(lines: &mut Option<Lines<BufReader<ChildStdout>>>) -> Phase {
    while let Some(open) = lines {
        match open.next_line().await {
            Ok(Some(line)) if line.starts_with("ready ") => return Phase::Ready,
            Ok(Some(line)) if line == "standby" => return Phase::StandingBy,
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => *lines = None,
        }
    }
    std::future::pending().await
}

async fn say(stdin: &mut Option<ChildStdin>, line: &str) {
    let Some(pipe) = stdin else { return };
    if let Err(error) = pipe.write_all(line.as_bytes()).await {
        tracing::debug!(%error, "a service does not hear");
    }
}

/// How a process ended; where its exit code is a reason, with that.
fn told(status: std::io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => match status.code().and_then(Reason::of_exit_code) {
            Some(reason) => format!("{status} ({reason}: {})", reason.sentence()),
            None => status.to_string(),
        },
        Err(error) => error.to_string(),
    }
}
