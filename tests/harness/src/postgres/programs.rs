//! Debian's programs of PostgreSQL, and how they are run: never as root, which they refuse.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use super::{NAME, SETTINGS, owned_folder};

/// Debian's `nobody`: what servers run as when the tests run as root.
const NOBODY: u32 = 65_534;

/// Where the programs are.
#[derive(Debug, Clone)]
pub(super) struct Programs {
    bin: PathBuf,
    /// Libraries that were unpacked with them, where they were unpacked.
    libraries: Option<PathBuf>,
}

impl Programs {
    /// Finds them, else lets `.ci/tools` fetch them.
    pub(super) fn find() -> Self {
        let tools = tools();
        let unpacked = tools.join("postgresql");
        if let Some(found) = Self::below(Path::new("/"), &unpacked) {
            return found;
        }
        // Tests of one run begin at the same time; one of them fetches.
        fs::create_dir_all(&tools).expect("the target folder is ours");
        let lock = File::create(tools.join("postgresql.lock")).expect("the target folder is ours");
        lock.lock().expect("a file can be locked");
        if let Some(found) = Self::below(Path::new("/"), &unpacked) {
            return found;
        }
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        succeed(Command::new("bash").arg(top.join(".ci/tools")).arg("postgres").arg(&tools));
        let found = Self::below(Path::new("/"), &unpacked);
        found.expect("PostgreSQL is missing: run `apt-get install postgresql` and try again")
    }

    fn below(machine: &Path, unpacked: &Path) -> Option<Self> {
        let newest = |root: &Path| {
            let versions = fs::read_dir(root.join("usr/lib/postgresql")).ok()?.flatten();
            let bins = versions.map(|version| version.path().join("bin"));
            bins.filter(|bin| bin.join("initdb").is_file()).max()
        };
        let installed = newest(machine).map(|bin| Self { bin, libraries: None });
        installed.or_else(|| {
            let libraries =
                unpacked.join("usr/lib").join(format!("{}-linux-gnu", std::env::consts::ARCH));
            Some(Self { bin: newest(unpacked)?, libraries: Some(libraries) })
        })
    }

    /// Makes an empty database in `folder`.
    pub(super) fn make(&self, folder: &Path) {
        let mut make = self.command("initdb");
        make.args(["--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C"]);
        make.args(["--username", NAME, "--pgdata"]).arg(folder.join("data"));
        succeed(&mut make);
        // In the place of a first start only to make the database.
        let mut single = self.command("postgres");
        single.args(["--single", "-D"]).arg(folder.join("data")).arg("postgres");
        single.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut single = single.spawn().expect("the programs were found");
        let mut input = single.stdin.take().expect("it was asked for");
        std::io::Write::write_all(&mut input, format!("CREATE DATABASE {NAME}\n").as_bytes())
            .expect("it reads its commands");
        drop(input);
        let output = single.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// The command line of the server in `folder`.
    pub(super) fn server(&self, folder: &Path) -> Vec<String> {
        let text = |path: &Path| path.to_str().expect("our paths are text").to_owned();
        let mut line =
            vec![text(&self.bin.join("postgres")), "-D".into(), text(&folder.join("data"))];
        line.extend(["-k".into(), text(folder)]);
        line.extend(SETTINGS.iter().flat_map(|setting| ["-c".into(), (*setting).to_owned()]));
        line
    }

    /// A program, run as somebody who is not root.
    pub(super) fn command(&self, program: &str) -> Command {
        self.lowered(&self.bin.join(program))
    }

    /// A shell that runs `script` with the arguments that follow.
    pub(super) fn shell(&self, script: &str) -> Command {
        let mut shell = self.lowered(Path::new("/bin/sh"));
        shell.args(["-c", script, "sh"]).stdout(Stdio::null()).stderr(Stdio::null());
        // Whoever ends this test's whole group must not end what tidies up behind it.
        shell.process_group(0);
        shell
    }

    fn lowered(&self, program: &Path) -> Command {
        let mut command = match account() {
            None => Command::new(program),
            Some(account) => {
                let mut command = Command::new("setpriv");
                command.arg(format!("--reuid={account}")).arg(format!("--regid={account}"));
                command.arg("--clear-groups").arg("--").arg(program);
                command
            }
        };
        command.current_dir("/");
        if let Some(libraries) = &self.libraries {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        command
    }

    /// Whether a server takes calls.
    pub(super) fn answers(&self, connection: &str) -> bool {
        let mut ready = self.command("pg_isready");
        ready.arg("--quiet").arg("--dbname").arg(connection);
        ready.status().is_ok_and(|status| status.success())
    }

    /// What a server answers.
    pub(super) fn query(&self, connection: &str, sql: &str) -> String {
        let mut psql = self.command("psql");
        psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"]);
        psql.args(["--set=ON_ERROR_STOP=1", "--command", sql, connection]);
        succeed(&mut psql).trim().to_owned()
    }
}

/// A new server's folder. Its name is short: a socket's path may have 107 bytes.
pub(super) fn folder() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("vivarium-pg-{}-{number}", process::id()));
    owned_folder(&folder, account());
    folder
}

/// Runs a command that must succeed; what it printed.
pub(super) fn succeed(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let failed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{said}{failed}", output.status);
    said
}

/// As whom servers run; `None`: as we do.
pub(super) fn account() -> Option<u32> {
    rustix::process::geteuid().is_root().then_some(NOBODY)
}

/// The folder of tools in the target folder, in which this very program lies.
fn tools() -> PathBuf {
    let program = std::env::current_exe().expect("a program knows its place");
    let above = program.ancestors().find(|folder| folder.join(".rustc_info.json").is_file());
    above.expect("cargo keeps what it knows of the compiler in its target folder").join("tools")
}
