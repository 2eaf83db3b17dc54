//! PostgreSQL for tests: found or fetched, started in a folder of its own, and gone when the test is.
//!
//! A server listens on a Unix socket in its folder and nowhere else. Beside it stands a shell that
//! waits for the test's end, however it ends, stops the server and removes the folder.

mod programs;
mod shared;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

use crate::process::wait_until;
use programs::Programs;

/// The account and the database that every server has.
const NAME: &str = "vivarium";
/// What a stand-by is called, so that its primary can wait for it.
const STANDBY: &str = "standby";

/// Settings of every server. It says off where a ledger must say on by itself.
const SETTINGS: [&str; 9] = [
    "listen_addresses=",
    "fsync=on",
    "full_page_writes=on",
    "synchronous_commit=off",
    "shared_buffers=64MB",
    "max_connections=300",
    "max_wal_senders=4",
    "jit=off",
    "log_min_messages=warning",
];

/// Starts a server and waits beside it until standard input ends, which is when the test does.
const BESIDE: &str = r#"
trap '' INT TERM HUP
folder=$1; shift
"$@" </dev/null >>"$folder/log" 2>&1 &
server=$!
read -r _
kill -QUIT "$server" 2>/dev/null
wait "$server"
cd / && rm -rf "$folder"
"#;

/// A running server of our own.
#[derive(Debug)]
pub struct Postgres {
    programs: Programs,
    folder: PathBuf,
    /// The shell beside it; its standard input is what it waits on.
    beside: Child,
}

impl Postgres {
    /// Starts a fresh server.
    pub fn start() -> Self {
        let programs = Programs::find();
        let folder = programs::folder();
        programs.make(&folder);
        Self::run(programs, folder)
    }

    /// The server that all tests of this run share; it ends some seconds after the last of them.
    pub fn shared() -> &'static str {
        shared::connection()
    }

    /// What the shared server answers, as plain text.
    pub fn shared_query(sql: &str) -> String {
        Programs::find().query(Self::shared(), sql)
    }

    /// A stand-by of this server, which from now on answers a commit when the stand-by has it too.
    #[must_use]
    pub fn standby(&self) -> Self {
        let folder = programs::folder();
        let source = format!("{} application_name={STANDBY}", self.connection());
        let mut copy = self.programs.command("pg_basebackup");
        copy.args(["--checkpoint=fast", "--wal-method=stream", "--write-recovery-conf"]);
        copy.arg("--pgdata").arg(folder.join("data")).arg("--dbname").arg(source);
        programs::succeed(&mut copy);
        let standby = Self::run(self.programs.clone(), folder);
        self.query(&format!("ALTER SYSTEM SET synchronous_standby_names = '{STANDBY}'"));
        self.query("SELECT pg_reload_conf()");
        wait_until("the stand-by is in step", || {
            self.query("SELECT sync_state FROM pg_stat_replication") == "sync"
        });
        standby
    }

    /// Makes this stand-by the server that takes writes.
    pub fn promote(&self) {
        self.query("SELECT pg_promote()");
    }

    /// Ends every process of the server by SIGKILL, as the loss of its machine would.
    pub fn kill9(&self) {
        let first = fs::read_to_string(self.folder.join("data/postmaster.pid"));
        let first = first.expect("a running server names its process");
        let first: i32 = first
            .lines()
            .next()
            .and_then(|pid| pid.parse().ok())
            .expect("a number in its first line");
        // The first process is ended first, so that it starts no others in their place.
        let rest = children(first);
        for pid in std::iter::once(first).chain(rest) {
            let pid = Pid::from_raw(pid).expect("no process has the number 0");
            let ended = kill_process(pid, Signal::KILL);
            // A process that has ended meanwhile needs no end.
            assert!(matches!(ended, Ok(()) | Err(Errno::SRCH)), "{ended:?}");
        }
    }

    /// How to reach it: `host=… user=… dbname=…`.
    pub fn connection(&self) -> String {
        format!("host={} user={NAME} dbname={NAME}", self.folder.display())
    }

    /// How to reach whichever of the two takes writes.
    pub fn connection_or(&self, other: &Self) -> String {
        let (one, two) = (self.folder.display(), other.folder.display());
        format!("host={one},{two} user={NAME} dbname={NAME} target_session_attrs=read-write")
    }

    /// What the server answers, as plain text.
    ///
    /// # Panics
    /// When it refuses.
    pub fn query(&self, sql: &str) -> String {
        self.programs.query(&self.connection(), sql)
    }

    /// Where its tables lie.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn run(programs: Programs, folder: PathBuf) -> Self {
        let mut beside = programs.shell(BESIDE);
        beside.arg(&folder).args(programs.server(&folder));
        let beside = beside.stdin(Stdio::piped()).spawn().expect("a shell starts");
        let server = Self { programs, folder, beside };
        wait_until("PostgreSQL takes calls", || server.programs.answers(&server.connection()));
        server
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.beside.stdin.take());
        if let Err(error) = self.beside.wait() {
            panic!("the shell beside PostgreSQL: {error}");
        }
    }
}

/// The processes that `parent` has started.
fn children(parent: i32) -> Vec<i32> {
    let processes = fs::read_dir("/proc").expect("processes can be listed").flatten();
    processes
        .filter_map(|process| {
            let status = fs::read_to_string(process.path().join("status")).ok()?;
            let of: i32 =
                status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()?;
            (of == parent).then(|| process.file_name().to_str()?.parse().ok())?
        })
        .collect()
}

/// A folder that the server's account owns and everybody may enter.
fn owned_folder(path: &Path, account: Option<u32>) {
    fs::create_dir(path).expect("a folder can be made among the temporary files");
    fs::set_permissions(path, fs::Permissions::from_mode(0o711)).expect("it is ours");
    chown(path, account, account).expect("it can be given away by root, and else it stays ours");
}
