//! The helper: one process for one command, between `executor` and the sandbox.
//!
//! It reads a request, gives up root and every connection, starts bubblewrap with [`crate::stage`]
//! inside, watches time and output, and answers with one line. It ends the command, and with it the
//! whole tree below (a process namespace), when its input closes: so an executor that dies by
//! whatever means leaves nothing behind.

mod bwrap;
mod user;

use std::io::{BufRead as _, BufReader, Read};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

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
/// Most bytes of one word of the stage.
const WORD_BYTES_MAX: u64 = 16 << 10;

/// A command that a helper runs.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stopper: Option<Stopper>,
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
        let mut command = Command::new(helper);
        command.arg("run").env_clear().current_dir("/");
        for (name, value) in std::env::vars().filter(|(name, _)| name == "VIVARIUM_WITHOUT") {
            command.env(name, value);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        let mut input = child.stdin.take().ok_or_else(|| std::io::Error::other("no input"))?;
        let line = serde_json::to_string(request)?;
        input.write_all(format!("{line}\n").as_bytes())?;
        Ok(Self { child, stopper: Some(Stopper { _input: input }) })
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
        sha256: bwrap::fingerprint(helper).unwrap_or_default(),
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

/// The helper's file beside the program that asks.
pub fn beside_me() -> Option<PathBuf> {
    let me = std::env::current_exe().ok()?;
    Some(me.parent()?.join(PROGRAM))
}

/// The helper's work: one request from `input`, one answer.
pub fn answer(input: impl Read + Send + 'static) -> Outcome {
    let mut input = BufReader::new(input);
    let mut line = String::new();
    let request = match input.read_line(&mut line).map(|_| serde_json::from_str(&line)) {
        Ok(Ok(request)) => request,
        Ok(Err(error)) => return Outcome::refused(format!("request: {error}"), Report::default()),
        Err(error) => return Outcome::refused(format!("request: {error}"), Report::default()),
    };
    let mut report = Report::default();
    match start(&request, &mut report) {
        Ok(child) => watch(child, &request, report, input),
        Err((layer, why)) => {
            report.note(layer, Err(why.clone()));
            Outcome::refused(format!("{}: {why}", layer.name()), report)
        }
    }
}

fn start(request: &Request, report: &mut Report) -> Result<Child, (Layer, String)> {
    let is_root = user::leave().map_err(|why| (Layer::User, why))?;
    let places = bwrap::places(request).map_err(|why| (Layer::Namespaces, why))?;
    let (places, told) = user::drop_root(places, is_root).map_err(|why| (Layer::User, why))?;
    report.note(Layer::User, Ok(told));
    no_connections().map_err(|why| (Layer::Helper, why))?;
    report.note(Layer::Helper, Ok(format!("process {}, no connections", std::process::id())));
    let mut command = bwrap::command(request, &places).map_err(|why| (Layer::Namespaces, why))?;
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().map_err(|error| (Layer::Namespaces, format!("{}: {error}", bwrap::PROGRAM)))
}

/// What the watching thread hears of.
enum Heard {
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
    mut report: Report,
    input: impl Read + Send + 'static,
) -> Outcome {
    let begun = now();
    let until = begun + Duration::from_millis(request.limits.wall_ms);
    let mut errors = child.stderr.take().map(BufReader::new);
    let ended = match errors.as_mut().map(|errors| hear_stage(errors, &mut report)) {
        Some(Ok(())) => None,
        Some(Err(why)) => Some(why),
        None => Some("namespaces: it has no output".to_owned()),
    };
    if let Some(why) = ended {
        end(&mut child);
        drop(child.wait());
        return Outcome::refused(why, report);
    }
    let (say, heard) = sync_channel(PARTS_WAITING);
    let most = request.limits.output_bytes;
    listen(Which::Out, child.stdout.take(), most, &say);
    listen(Which::Errors, errors, most, &say);
    listen_end(child.id(), &say);
    thread::spawn(move || {
        drop(std::io::copy(&mut { input }, &mut std::io::sink()));
        drop(say.send(Heard::Stop));
    });
    let mut kept = Kept::default();
    let cut = collect(&heard, &mut kept, until, most);
    if cut.is_some() {
        end(&mut child);
    }
    let status = child.wait();
    let (out, errors) = (text(&kept.out), text(&kept.errors));
    let end = match (cut, status) {
        (Some(cut), _) => cut,
        (None, Ok(status)) => told(status),
        (None, Err(error)) => End::Refused(format!("namespaces: {error}")),
    };
    let end = match late_refusal(&errors) {
        Some(why) if matches!(end, End::Exited(code) if code != 0) => End::Refused(why),
        _ => end,
    };
    let cpu = getrusage(UsageWho::RUSAGE_CHILDREN).map_or(Duration::ZERO, |used| {
        let micros = |time: nix::sys::time::TimeVal| {
            use nix::sys::time::TimeValLike as _;
            u64::try_from(time.num_microseconds()).unwrap_or(0)
        };
        Duration::from_micros(micros(used.user_time()) + micros(used.system_time()))
    });
    Outcome { end, stdout: out, stderr: errors, wall: begun.elapsed(), cpu, report }
}

/// Reads the words of the stage until the program takes over. What bubblewrap says comes the same way.
fn hear_stage(errors: &mut impl std::io::BufRead, report: &mut Report) -> Result<(), String> {
    let mut said = String::new();
    loop {
        let mut line = String::new();
        let read = errors.take(WORD_BYTES_MAX).read_line(&mut line);
        if !matches!(read, Ok(1..)) {
            let layer = Layer::Namespaces;
            let why = if said.is_empty() { "it ended at once" } else { said.trim() };
            report.note(layer, Err(why.to_owned()));
            return Err(format!("{}: {why}", layer.name()));
        }
        match serde_json::from_str(&line) {
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
fn late_refusal(errors: &str) -> Option<String> {
    match serde_json::from_str(errors.trim()) {
        Ok(Word::Missing(layer, why)) => Some(format!("{}: {why}", layer.name())),
        Ok(Word::NoProgram(why)) => Some(format!("program: {why}")),
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
            Ok(Heard::Closed) => kept.closed += 1,
            Ok(Heard::Stop) => return Some(End::Stopped),
            Err(RecvTimeoutError::Timeout) => return Some(End::TimedOut),
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
    None
}

/// Kills the tree: bubblewrap dies, and with it the first process of the namespace and all others.
fn end(child: &mut Child) {
    // An error means that it is gone already.
    drop(child.kill());
}

/// Bubblewrap tells a signal as 128 and its number.
fn told(status: ExitStatus) -> End {
    match (status.code(), status.signal()) {
        (Some(code), _) if code > 128 => End::Signalled(code - 128),
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

/// Whether the namespaces are asked for.
pub(crate) fn with_namespaces() -> bool {
    planted::holds(Control::Namespaces)
}
