//! One server for all tests of a run, each of which may be a process of its own.
//!
//! Whoever needs it holds a shared lock on the file `users`. The shell beside it takes that lock for
//! itself when nobody is left, and stops the server while it has it: so nobody finds one that is
//! about to end.

use std::fs::{self, File, OpenOptions};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use super::programs::{Programs, account};
use super::{NAME, owned_folder};
use crate::process::wait_until;

/// Starts the server, then waits for the last user; gives the next one ten seconds to come.
const BESIDE: &str = r#"
trap '' INT TERM HUP
folder=$1; shift
"$@" </dev/null >>"$folder/log" 2>&1 &
server=$!
exec 9<"$folder/users"
while kill -0 "$server"; do
  flock -x 9; flock -u 9
  sleep 10
  if flock -xn 9; then
    kill -QUIT "$server"; wait "$server"
    rm -rf "$folder/data"
    exit
  fi
done
"#;

/// How to reach the shared server, which stays for as long as this process lives.
pub(super) fn connection() -> &'static str {
    static SHARED: OnceLock<(File, String)> = OnceLock::new();
    let (_user, connection) = SHARED.get_or_init(start);
    connection
}

fn start() -> (File, String) {
    let programs = Programs::find();
    let folder = folder();
    let open = |name: &str| {
        let mut options = OpenOptions::new();
        let file = options.create(true).truncate(false).write(true).open(folder.join(name));
        file.expect("the folder is ours")
    };
    let start = open("start");
    start.lock().expect("a file can be locked");
    let user = open("users");
    user.lock_shared().expect("a file can be locked");
    let connection = format!("host={} user={NAME} dbname={NAME}", folder.display());
    if !programs.answers(&connection) {
        // What is left here is of a server that was ended with its shell.
        if folder.join("data").exists() {
            fs::remove_dir_all(folder.join("data")).expect("the folder is ours");
        }
        programs.make(&folder);
        let mut beside = programs.shell(BESIDE);
        beside.arg(&folder).args(programs.server(&folder)).stdin(Stdio::null());
        outlive(&mut beside);
        wait_until("PostgreSQL takes calls", || programs.answers(&connection));
    }
    (user, connection)
}

/// It outlives this test.
#[expect(clippy::zombie_processes, reason = "it ends behind us, and then is nobody's child")]
fn outlive(beside: &mut Command) {
    beside.spawn().expect("a shell starts");
}

/// One folder for one user of one target folder.
fn folder() -> PathBuf {
    let mut place = DefaultHasher::new();
    std::env::current_exe().expect("a program knows its place").parent().hash(&mut place);
    rustix::process::geteuid().as_raw().hash(&mut place);
    let name = format!("vivarium-pg-shared-{:016x}", place.finish());
    let folder = std::env::temp_dir().join(name);
    if !folder.exists() {
        let fresh = std::env::temp_dir().join(format!("vivarium-pg-new-{}", std::process::id()));
        owned_folder(&fresh, account());
        // Of two that make it at once, the later finds it made.
        if fs::rename(&fresh, &folder).is_err() {
            fs::remove_dir(&fresh).expect("it is ours and empty");
        }
    }
    folder
}
