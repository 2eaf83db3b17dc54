//! What all tests stand on: the attacker where everybody may run it, the helper, and how a request is
//! put to it with controls taken away.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use tempfile::TempDir;
use vivarium_sandbox::request::{Limits, Mount, Outcome, Request};
use vivarium_sandbox::run::PROGRAM;
use vivarium_sandbox::run::cgroup::Cgroup;

/// The user that attacks without the sandbox, as those within.
pub(crate) const NOBODY: u32 = 65_534;

/// The attacker and the helper.
#[derive(Debug)]
pub(crate) struct Ground {
    /// A folder outside of `/tmp`, which the sandbox has one of its own for.
    pub(crate) folder: TempDir,
    /// The attacker's file.
    pub(crate) attacker: PathBuf,
    /// The helper's file.
    pub(crate) helper: PathBuf,
    sha256: String,
}

impl Ground {
    /// Makes it.
    pub(crate) fn make() -> Self {
        let folder = tempfile::Builder::new().prefix("kernel-").tempdir_in("/var/tmp").unwrap();
        open_to_all(folder.path(), 0o755);
        let attacker = folder.path().join("attacker");
        fs::copy(env!("CARGO_BIN_EXE_attacker"), &attacker).unwrap();
        open_to_all(&attacker, 0o755);
        let sha256 = fingerprint(&attacker);
        Self { folder, attacker, helper: helper(), sha256 }
    }

    /// A request to run the attacker with these words.
    pub(crate) fn request(&self, words: &[&str]) -> Request {
        let argv = std::iter::once("attacker").chain(words.iter().copied());
        Request {
            program: self.attacker.clone(),
            sha256: self.sha256.clone(),
            argv: argv.map(str::to_owned).collect(),
            mounts: Vec::new(),
            folder: "/".to_owned(),
            children: false,
            limits: Limits { wall_ms: 20_000, cpu_seconds: 2, ..Limits::default() },
        }
    }

    /// The answer of the helper to a request.
    pub(crate) fn ask(&self, request: &Request) -> Outcome {
        self.ask_without(&[], request)
    }

    /// The same, with controls taken away.
    pub(crate) fn ask_without(&self, without: &[&str], request: &Request) -> Outcome {
        let group = Cgroup::make(&request.limits);
        let mut command = Command::new(&self.helper);
        command.env_clear().env("VIVARIUM_WITHOUT", without.join(","));
        ask(command.arg("run").arg(given(&group)), request)
    }

    /// The attacker without the sandbox, as a user without rights.
    pub(crate) fn plain(&self, user: u32, words: &[&str]) -> Command {
        let mut command = Command::new(&self.attacker);
        command.args(words).env_clear().current_dir("/").stdin(Stdio::null());
        if is_root() {
            command.uid(user).gid(user);
        }
        command
    }
}

/// A folder that a request mounts as the library.
pub(crate) fn library(host: &Path) -> Mount {
    Mount { host: host.to_owned(), inside: "/library".to_owned() }
}

/// Puts a request to a helper; its input stays open until it has answered.
pub(crate) fn ask(helper: &mut Command, request: &Request) -> Outcome {
    let (child, input) = begin(helper, request);
    let outcome = answer(child);
    drop(input);
    outcome
}

/// Starts a helper on a request. Its input ends the run when it is dropped.
pub(crate) fn begin(helper: &mut Command, request: &Request) -> (Child, ChildStdin) {
    helper.current_dir("/").stdin(Stdio::piped());
    helper.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = helper.spawn().expect("the helper starts");
    let mut input = child.stdin.take().unwrap();
    let line = serde_json::to_string(request).unwrap();
    input.write_all(format!("{line}\n").as_bytes()).unwrap();
    (child, input)
}

/// What a helper answers.
pub(crate) fn answer(mut child: Child) -> Outcome {
    let mut answer = String::new();
    child.stdout.take().unwrap().read_to_string(&mut answer).unwrap();
    child.wait().unwrap();
    serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
}

/// Whether this process is root.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The group that a command would be put in here, or why there is none.
pub(crate) fn group() -> Result<Cgroup, String> {
    Cgroup::make(&Limits::default())
}

/// What a helper is told of a group.
pub(crate) fn given(group: &Result<Cgroup, String>) -> String {
    serde_json::to_string(&Cgroup::given(group)).unwrap()
}

/// Says, where everybody sees it, that something needs root and is left out.
pub(crate) fn left_out(what: &str) {
    println!("LEFT OUT, needs root: {what}");
}

/// Sets who may use a file.
pub(crate) fn open_to_all(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// SHA-256 of a file, by the program that everybody trusts for it.
pub(crate) fn fingerprint(path: &Path) -> String {
    let told = Command::new("sha256sum").arg(path).output().expect("sha256sum is there");
    String::from_utf8(told.stdout).unwrap().chars().take(64).collect()
}

/// The helper, which the build puts beside this test.
fn helper() -> PathBuf {
    let me = std::env::current_exe().unwrap();
    let found = me.parent().and_then(Path::parent).unwrap().join(PROGRAM);
    assert!(
        found.is_file(),
        "{} is missing: build it with `cargo build -p vivarium-sandbox --features planted`",
        found.display()
    );
    found
}
