//! Running what was accepted, without a sandbox but harmlessly: as nobody, without environment, with
//! an end.

use std::io::Read;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, geteuid};

/// Most bytes of a stream; more is endless.
const STREAM_BYTES_MAX: u64 = 1 << 20;
/// The user that attacks run as, where tests run as root.
const NOBODY: u32 = 65_534;

/// What to run.
#[derive(Debug)]
pub(crate) struct Launch {
    /// The file.
    pub(crate) program: PathBuf,
    /// Its arguments, without its name.
    pub(crate) args: Vec<String>,
    /// Where it starts.
    pub(crate) folder: PathBuf,
    /// How long it may take before it counts as endless.
    pub(crate) limit: Duration,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Its output.
    pub(crate) out: Vec<u8>,
    /// Its errors.
    pub(crate) errors: Vec<u8>,
    /// Its code, if it ended by itself.
    pub(crate) code: Option<i32>,
    /// Whether it had to be ended, or writes without end.
    pub(crate) endless: bool,
}

enum Heard {
    Out(Vec<u8>),
    Errors(Vec<u8>),
    Ended(Option<i32>),
}

/// Runs it; nothing where it cannot be started.
pub(crate) fn run(launch: &Launch) -> Option<Outcome> {
    let mut command = Command::new(&launch.program);
    command.args(&launch.args).env_clear().current_dir(&launch.folder).process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    if geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    let mut child = command.spawn().ok()?;
    let group = Pid::from_raw(i32::try_from(child.id()).expect("process ids are small"));
    let (say, heard) = sync_channel(3);
    listen(child.stdout.take(), Heard::Out, &say);
    listen(child.stderr.take(), Heard::Errors, &say);
    thread::spawn(move || {
        let code = child.wait().ok().and_then(|status| status.code());
        drop(say.send(Heard::Ended(code)));
    });
    let mut outcome = Outcome::default();
    let all = collect(&heard, launch.limit, &mut outcome);
    let most = usize::try_from(STREAM_BYTES_MAX).expect("it fits");
    outcome.endless = !all || outcome.out.len() >= most || outcome.errors.len() >= most;
    let _all_had_ended = killpg(group, Signal::SIGKILL).is_err();
    Some(outcome)
}

fn listen(
    source: Option<impl Read + Send + 'static>,
    which: fn(Vec<u8>) -> Heard,
    say: &SyncSender<Heard>,
) {
    let say = say.clone();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(source) = source {
            drop(source.take(STREAM_BYTES_MAX).read_to_end(&mut bytes));
        }
        drop(say.send(which(bytes)));
    });
}

/// Takes both streams and the end; false where one of them does not come in time.
fn collect(heard: &Receiver<Heard>, limit: Duration, outcome: &mut Outcome) -> bool {
    for _ in 0..3 {
        match heard.recv_timeout(limit) {
            Ok(Heard::Out(bytes)) => outcome.out = bytes,
            Ok(Heard::Errors(bytes)) => outcome.errors = bytes,
            Ok(Heard::Ended(code)) => outcome.code = code,
            Err(_) => return false,
        }
    }
    true
}

/// SHA-256 of a file, as the machine's own program tells it.
pub(crate) fn fingerprint(path: &Path) -> String {
    let told = Command::new("sha256sum").arg(path).output().expect("coreutils are here");
    let told = String::from_utf8(told.stdout).expect("it is plain text");
    told.split(' ').next().expect("a text has a first part").to_owned()
}
