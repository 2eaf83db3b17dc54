//! The helper: one process for one command, between `executor` and the sandbox.
//!
//! It reads a request, gives up root and every connection, starts bubblewrap with [`crate::stage`]
//! inside, watches time and output, and answers with one line. It ends the command, and with it the
//! whole tree below (a process namespace), when its input closes: so an executor that dies by
//! whatever means leaves nothing behind.

mod bwrap;
pub mod cgroup;
mod user;

use std::io::{BufRead as _, BufReader, Read};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitOptions, kill_process, pidfd_open,
    pidfd_send_signal, waitid,
};

use self::cgroup::{Cgroup, Given};
use crate::layer::{Layer, Report};
use crate::planted::{self, Control};
use crate::request::{End, Outcome, Request};
use crate::stage::{Word, no_connections};

/// The helper's file name.
pub const PROGRAM: &str = "vivarium-sandbox";
/// Parts of output that may wait to be kept.
const PARTS_WAITING: usize = 16;
/// What comes to an end: two streams and the process.
const ENDS: u8 = 3;
/// Who dies first when memory runs out (`/proc/PID/oom_score_adj`, `proc_pid_oom_score_adj(5)`).
const FIRST_TO_DIE: &str = "1000";
const LIKE_OTHERS: &str = "0";
/// Most bytes of one word of the stage.
const WORD_BYTES_MAX: u64 = 16 << 10;

/// A command that a helper runs.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stopper: Option<Stopper>,
    /// Behind the child, so that it goes when the child has ended.
    _group: Result<Cgroup, String>,
}

/// Ends a running command when it is dropped.
#[derive(Debug)]
pub struct Stopper {
    _input: ChildStdin,
}

impl Running {
    /// Starts a helper for a request.
    pub fn start(helper: &Path, request: &Request) -> std::io::Result<Self> {
        use std::io::Write as _;
        let group = Cgroup::make(&request.limits);
        let mut command = Command::new(helper);
        command
            .arg("run")
            .arg(serde_json::to_string(&Cgroup::given(&group))?)
            .env_clear()
            .current_dir("/");
        planted::hand_on(&mut command);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        let line = serde_json::to_string(request)?;
        let mut input = child.stdin.take();
        let told = input.as_mut().map(|input| input.write_all(format!("{line}\n").as_bytes()));
        match (told, input) {
            (Some(Ok(())), Some(input)) => {
                Ok(Self { child, stopper: Some(Stopper { _input: input }), _group: group })
            }
            (told, input) => {
                // Without its input it ends at once.
                drop(input);
                child.wait()?;
                Err(told.and_then(Result::err).unwrap_or_else(|| std::io::Error::other("no input")))
            }
        }
    }

    /// What stops it. Whoever takes it has to keep it as long as the command may run.
    pub fn stopper(&mut self) -> Option<Stopper> {
        self.stopper.take()
    }

    /// The helper's process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the end. Blocks.
    pub fn wait(mut self) -> Outcome {
        let mut answer = String::new();
        if let Some(mut output) = self.child.stdout.take() {
            drop(output.read_to_string(&mut answer));
        }
        let status = self.child.wait();
        serde_json::from_str(&answer).unwrap_or_else(|_| {
            let why = match status {
                Ok(status) => format!("helper: it ended without an answer ({status})"),
                Err(error) => format!("helper: {error}"),
            };
            Outcome::refused(why, Report::default())
        })
    }
}

/// How the sandbox stands on this machine: a program runs in it, and each layer is told of.
pub fn probe(helper: &Path) -> Report {
    let argv = ["vivarium-sandbox", "nothing"].map(str::to_owned).to_vec();
    let request = Request {
        program: helper.to_owned(),
        sha256: crate::stage::fingerprint(helper).unwrap_or_default(),
        argv,
        mounts: Vec::new(),
        folder: "/".to_owned(),
        children: false,
        limits: crate::request::Limits::default(),
    };
    let outcome = match Running::start(helper, &request) {
        Ok(running) => running.wait(),
        Err(error) => {
            let mut report = Report::default();
            report.note(Layer::Helper, Err(format!("{}: {error}", helper.display())));
            return report;
        }
    };
    let mut report = outcome.report;
    if outcome.end != End::Exited(0) && report.is_complete() {
        let why =
            format!("a program that does nothing ended as {:?} {}", outcome.end, outcome.stderr);
        report.note(Layer::Seccomp, Err(why));
    }
    report
}

/// The helper's file beside the program that asks; no file at all where that program does not know
/// its own place, and never one that the PATH finds.
pub fn beside_me() -> PathBuf {
    std::env::current_exe().map(|me| me.with_file_name(PROGRAM)).unwrap_or_default()
}

/// The helper's work: one request from `input`, one answer. `group` is what it is told of its control
/// group, as JSON.
pub fn answer(input: impl Read + Send + 'static, group: Option<&str>) -> Outcome {
    let given = match group.map(serde_json::from_str) {
        Some(Ok(given)) => given,
        Some(Err(error)) => return Outcome::refused(format!("cgroup: {error}"), Report::default()),
        None => Given::None("none was asked for".to_owned()),
    };
    let mut input = BufReader::new(input);
    let mut line = String::new();
    let request = match input.read_line(&mut line).map(|_| serde_json::from_str(&line)) {
        Ok(Ok(request)) => request,
        Ok(Err(error)) => return Outcome::refused(format!("request: {error}"), Report::default()),
        Err(error) => return Outcome::refused(format!("request: {error}"), Report::default()),
    };
    let mut report = Report::default();
    let sign = sign();
    match start(&request, &given, &mut report, &sign) {
        Ok(child) => watch(child, &request, report, input, &sign),
        Err((layer, why)) => {
            report.note(layer, Err(why.clone()));
            Outcome::refused(format!("{}: {why}", layer.name()), report)
        }
    }
}

/// A word that nobody can guess.
fn sign() -> String {
    use std::hash::{BuildHasher as _, RandomState};
    format!("{:016x}{:016x} ", RandomState::new().hash_one(1), RandomState::new().hash_one(2))
}

fn start(
    request: &Request,
    given: &Given,
    report: &mut Report,
    sign: &str,
) -> Result<Child, (Layer, String)> {
    let entered = given.enter().map_err(|why| (Layer::Cgroup, why))?;
    report.note(Layer::Cgroup, entered);
    // Opened while it may be: below, another user owns it.
    let victim = std::fs::OpenOptions::new().write(true).open("/proc/self/oom_score_adj");
    let is_root = user::leave().map_err(|why| (Layer::User, why))?;
    let places = bwrap::places(request).map_err(|why| (Layer::Namespaces, why))?;
    let (places, told) = user::drop_root(places, is_root, request.limits.scratch_bytes)
        .map_err(|why| (Layer::User, why))?;
    report.note(Layer::User, Ok(told));
    no_connections().map_err(|why| (Layer::Helper, why))?;
    report.note(Layer::Helper, Ok(format!("process {}, no connections", std::process::id())));
    let mut command =
        bwrap::command(request, &places, sign, is_root).map_err(|why| (Layer::Namespaces, why))?;
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // What bubblewrap leaves comes to this process, which ends and counts it.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .map_err(|error| (Layer::Helper, error.to_string()))?;
    // Where memory runs out the command is to die, and this process to tell of it.
    prefer(victim.as_ref().ok(), FIRST_TO_DIE);
    let child = command.spawn();
    prefer(victim.as_ref().ok(), LIKE_OTHERS);
    child.map_err(|error| (Layer::Namespaces, format!("{}: {error}", bwrap::PROGRAM)))
}

/// Sets how readily the kernel ends this process, and what it starts from now on, when memory runs out.
fn prefer(victim: Option<&std::fs::File>, score: &str) {
    use std::io::Write as _;
    // A wish: without it the largest goes, which is the command as a rule.
    let _wished = victim.map(|mut victim| victim.write_all(score.as_bytes()));
}

/// What is left of the errors when the program takes over, and which layers are in force; or how it
/// ended before.
type Staged = Result<(BufReader<ChildStderr>, Report), (End, Report)>;

/// What the watching thread hears of.
enum Heard {
    Staged(Box<Staged>),
    Output(Which, Vec<u8>),
    /// A stream is at its end, or the process is.
    Closed,
    Stop,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    Out,
    Errors,
}

#[derive(Default)]
struct Kept {
    out: Vec<u8>,
    errors: Vec<u8>,
    closed: u8,
}

fn watch(
    mut child: Child,
    request: &Request,
    report: Report,
    input: impl Read + Send + 'static,
    sign: &str,
) -> Outcome {
    let begun = now();
    let until = begun + Duration::from_millis(request.limits.wall_ms);
    let most = request.limits.output_bytes;
    let (say, heard) = sync_channel(PARTS_WAITING);
    listen_stop(child.id(), input, &say);
    let (errors, mut report) = match stage(&mut child, report, sign, (&say, &heard), until) {
        Ok(staged) => staged,
        Err((why, report)) => {
            drop(end(&mut child));
            return Outcome { end: why, wall: begun.elapsed(), ..Outcome::refused("", report) };
        }
    };
    listen(Which::Out, child.stdout.take(), most, &say);
    listen(Which::Errors, Some(errors), most, &say);
    listen_end(child.id(), &say);
    let mut kept = Kept::default();
    let cut = collect(&heard, &mut kept, until, most);
    let status = end(&mut child);
    let (out, mut errors) = (text(&kept.out), text(&kept.errors));
    let end = match (cut, status) {
        (Some(cut), _) => cut,
        (None, Ok(status)) => told(status),
        (None, Err(error)) => End::Refused(format!("namespaces: {error}")),
    };
    let end = match late_refusal(&errors, sign) {
        Some((layer, why)) => {
            errors.clear();
            if let Some(layer) = layer {
                report.note(layer, Err(why.clone()));
            }
            End::Refused(format!("{}: {why}", layer.map_or("program", Layer::name)))
        }
        None => end,
    };
    Outcome { end, stdout: out, stderr: errors, wall: begun.elapsed(), cpu: cpu(), report }
}

/// Processor time of all that ran, which has been waited for.
fn cpu() -> Duration {
    use nix::sys::time::TimeValLike as _;
    getrusage(UsageWho::RUSAGE_CHILDREN).map_or(Duration::ZERO, |used| {
        let micros = |time: nix::sys::time::TimeVal| u64::try_from(time.num_microseconds());
        let all = [used.user_time(), used.system_time()].map(|time| micros(time).unwrap_or(0));
        Duration::from_micros(all.iter().sum())
    })
}

/// Hears the stage out, for as long as the run may take at all and nobody stops it.
fn stage(
    child: &mut Child,
    report: Report,
    sign: &str,
    (say, heard): (&SyncSender<Heard>, &Receiver<Heard>),
    until: Instant,
) -> Staged {
    let so_far = report.clone();
    let Some(errors) = child.stderr.take() else {
        return Err((End::Refused("namespaces: it has no output".to_owned()), report));
    };
    let (say, sign) = (say.clone(), sign.to_owned());
    thread::spawn(move || {
        let (mut errors, mut report) = (BufReader::new(errors), report);
        let staged = match hear_stage(&mut errors, &sign, &mut report) {
            Ok(()) => Ok((errors, report)),
            Err(why) => Err((End::Refused(why), report)),
        };
        drop(say.send(Heard::Staged(Box::new(staged))));
    });
    match heard.recv_timeout(until.saturating_duration_since(now())) {
        Ok(Heard::Staged(staged)) => *staged,
        Ok(Heard::Stop | Heard::Output(..) | Heard::Closed) => Err((End::Stopped, so_far)),
        Err(_) => Err((End::TimedOut, so_far)),
    }
}

/// Reads the words of the stage until the program takes over. What bubblewrap says comes the same way.
fn hear_stage(
    errors: &mut impl std::io::BufRead,
    sign: &str,
    report: &mut Report,
) -> Result<(), String> {
    let mut said = String::new();
    loop {
        let mut line = String::new();
        let read = errors.take(WORD_BYTES_MAX).read_line(&mut line);
        if !matches!(read, Ok(1..)) {
            let layer = Layer::Namespaces;
            let why = if said.is_empty() {
                "it ended at once".to_owned()
            } else {
                bwrap::advised(said.trim())
            };
            report.note(layer, Err(why.clone()));
            return Err(format!("{}: {why}", layer.name()));
        }
        match serde_json::from_str(line.strip_prefix(sign).unwrap_or(&line)) {
            Ok(Word::Layer(layer, form)) => report.note(layer, Ok(form)),
            Ok(Word::Missing(layer, why)) => {
                report.note(layer, Err(why.clone()));
                return Err(format!("{}: {why}", layer.name()));
            }
            Ok(Word::NoProgram(why)) => return Err(format!("program: {why}")),
            Ok(Word::Go) => break,
            Err(_) => said.push_str(&line),
        }
    }
    let unwatched = Control::ALL.into_iter().any(|control| !planted::holds(control));
    match report.missing() {
        Some(missing) if !unwatched => Err(missing),
        Some(_) | None => Ok(()),
    }
}

/// A refusal of the stage behind its last word: the filter was not installed, or the program not
/// found to be one.
fn late_refusal(errors: &str, sign: &str) -> Option<(Option<Layer>, String)> {
    match serde_json::from_str(errors.strip_prefix(sign)?) {
        Ok(Word::Missing(layer, why)) => Some((Some(layer), why)),
        Ok(Word::NoProgram(why)) => Some((None, why)),
        Ok(Word::Layer(..) | Word::Go) | Err(_) => None,
    }
}

/// Sends what a stream brings, up to one byte more than may be kept.
fn listen(
    which: Which,
    source: Option<impl Read + Send + 'static>,
    most: u64,
    say: &SyncSender<Heard>,
) {
    let say = say.clone();
    thread::spawn(move || {
        let mut source = source.map(|source| source.take(most.saturating_add(1)));
        let mut buffer = vec![0; 16 << 10];
        while let Some(Ok(count @ 1..)) = source.as_mut().map(|source| source.read(&mut buffer)) {
            let part = buffer.get(..count).unwrap_or_default().to_vec();
            if say.send(Heard::Output(which, part)).is_err() {
                return;
            }
        }
        drop(say.send(Heard::Closed));
    });
}

/// Tells when the process has ended, and leaves it to be waited for.
fn listen_end(process: u32, say: &SyncSender<Heard>) {
    let say = say.clone();
    let process = i32::try_from(process).ok().and_then(Pid::from_raw);
    thread::spawn(move || {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        // Whether it ends now or has ended before: it is at its end.
        let _ended = process.map(|process| waitid(WaitId::Pid(process), options));
        drop(say.send(Heard::Closed));
    });
}

/// Keeps the output until both streams and the process are at their end; or tells why it has to end before.
fn collect(heard: &Receiver<Heard>, kept: &mut Kept, until: Instant, most: u64) -> Option<End> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    while kept.closed < ENDS {
        match heard.recv_timeout(until.saturating_duration_since(now())) {
            Ok(Heard::Output(which, part)) => {
                let stream = if which == Which::Out { &mut kept.out } else { &mut kept.errors };
                stream.extend(part);
                if stream.len() > most {
                    stream.truncate(most);
                    return Some(End::OutputFull);
                }
            }
            Ok(Heard::Closed | Heard::Staged(_)) => kept.closed += 1,
            Ok(Heard::Stop) => return Some(End::Stopped),
            Err(RecvTimeoutError::Timeout) => return Some(End::TimedOut),
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
    None
}

/// Tells when the caller wants an end: its input closes. The tree is killed at once, also where
/// nobody hears of it yet.
fn listen_stop(process: u32, input: impl Read + Send + 'static, say: &SyncSender<Heard>) {
    let say = say.clone();
    let process = i32::try_from(process).ok().and_then(Pid::from_raw);
    let tree = process.and_then(|process| pidfd_open(process, PidfdFlags::empty()).ok());
    thread::spawn(move || {
        drop(std::io::copy(&mut { input }, &mut std::io::sink()));
        // Said first: what follows from the kill is the caller's doing.
        drop(say.send(Heard::Stop));
        // An error means that it is gone already.
        let _sent = tree.map(|tree| pidfd_send_signal(tree, Signal::KILL));
    });
}

/// Kills the tree and waits until nothing of it is left. Bubblewrap dies, and with it the first
/// process of the namespace and all others; whoever bubblewrap had not tied to itself yet has come to
/// this process meanwhile, and is killed here.
fn end(child: &mut Child) -> std::io::Result<ExitStatus> {
    // An error means that it is gone already.
    drop(child.kill());
    let status = child.wait();
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some(_)) => {}
            Ok(None) => {
                for child in children() {
                    // An error means that it is gone already.
                    let _sent = kill_process(child, Signal::KILL);
                }
                // Blocks until one of them has gone.
                let _gone = rustix::process::wait(WaitOptions::empty());
            }
            Err(_) => return status,
        }
    }
}

/// The children of this process, as the system tells.
fn children() -> impl Iterator<Item = Pid> {
    let own = std::process::id().to_string();
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let processes = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    processes.filter_map(move |process| {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        // A program's name may hold anything, and ends with the last bracket.
        let (_, fields) = stat.rsplit_once(") ")?;
        (fields.split(' ').nth(1)? == own).then(|| Pid::from_raw(process))?
    })
}

/// Bubblewrap tells a signal as 128 and its number. A program that ends with such a code by itself
/// cannot be told apart; above the last signal there are only codes.
fn told(status: ExitStatus) -> End {
    match (status.code(), status.signal()) {
        (Some(code), _) if (129..=192).contains(&code) => End::Signalled(code - 128),
        (Some(code), _) => End::Exited(code),
        (None, signal) => End::Signalled(signal.unwrap_or_default()),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a limit of time on the wall, in a process of its own"
)]
fn now() -> Instant {
    Instant::now()
}
