//! The last step before the program, inside the namespaces: limits, no new rights, closed files,
//! Landlock, seccomp, in this order, then the program itself by its open file.
//!
//! It tells the helper what is in force, a line each, where the program's errors come later.

mod landlock;
mod seccomp;
mod start;

pub(crate) use landlock::LIBRARIES;
pub(crate) use seccomp::no_connections;

use std::convert::Infallible;
use std::ffi::CString;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::errno::Errno;
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::process::{Resource, Rlimit, setrlimit};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::layer::Layer;
use crate::planted::{self, Control};
use crate::request::Limits;
use start::Start;

/// Where the stage finds the program.
pub const PROGRAM: &str = "/run/program";
/// The first file that is neither input, output nor errors.
const FIRST_FILE: libc::c_uint = 3;
/// A process namespace of its own begins to count anew.
const FEW_PROCESSES: u32 = 9;
/// The whole environment of a program (domain.md, section 10).
const ENVIRONMENT: [&str; 3] = ["PATH=/usr/bin", "LANG=C.UTF-8", "LC_ALL=C.UTF-8"];

/// What the stage is told, as its only argument.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Order {
    /// The whole argument vector.
    pub argv: Vec<String>,
    /// Folders that may be read.
    pub roots: Vec<String>,
    /// Whether further processes may be started.
    pub children: bool,
    /// What may be used.
    pub limits: Limits,
    /// SHA-256 of the program; another one is not run.
    pub sha256: String,
    /// Stands before a word behind [`Word::Go`], so that the program cannot speak for the stage.
    pub sign: String,
}

/// One word of the stage to the helper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// A layer is in force, in this form.
    Layer(Layer, String),
    /// A layer could not be installed; nothing runs.
    Missing(Layer, String),
    /// The program could not be started.
    NoProgram(String),
    /// The program is about to take over.
    Go,
}

/// Installs the layers and becomes the program. Comes back only with what failed.
pub fn enter(order: &Order) -> Word {
    match installed(order) {
        Ok(never) => match never {},
        Err(word) => word,
    }
}

fn installed(order: &Order) -> Result<Infallible, Word> {
    let program = open(Path::new(PROGRAM))
        .map_err(|error| Word::NoProgram(format!("it cannot be opened: {error}")))?;
    let found = fingerprint(Path::new(PROGRAM))
        .map_err(|error| Word::NoProgram(format!("it cannot be read: {error}")))?;
    if found != order.sha256 && planted::holds(Control::Pinned) {
        return Err(Word::NoProgram("it is not the program that was listed".to_owned()));
    }
    let texts = |texts: &[String]| -> Result<Vec<CString>, Word> {
        let made = texts.iter().map(|text| CString::new(text.as_str())).collect::<Result<_, _>>();
        made.map_err(|_| Word::NoProgram("an argument holds a NUL".to_owned()))
    };
    let say = |word: &Word| say(word).map_err(|_| Word::NoProgram("nobody hears".to_owned()));
    if planted::holds(Control::Namespaces) {
        let own = std::process::id();
        if own > FEW_PROCESSES {
            let why = format!("it is process {own} of them all, not of its own namespace");
            return Err(Word::Missing(Layer::Namespaces, why));
        }
        say(&Word::Layer(Layer::Namespaces, "bubblewrap".to_owned()))?;
    }
    let (argv, environment) = (texts(&order.argv)?, environment());
    if planted::holds(Control::Rlimits) {
        limit(&order.limits).map_err(|error| missing(Layer::Limits, &error))?;
        say(&Word::Layer(Layer::Limits, told(&order.limits)))?;
    }
    rustix::thread::set_no_new_privs(true)
        .map_err(|error| missing(Layer::NoNewPrivileges, &error))?;
    say(&Word::Layer(Layer::NoNewPrivileges, "set".to_owned()))?;
    if planted::holds(Control::ClosedFiles) {
        close_inherited().map_err(|error| missing(Layer::Files, &error))?;
        say(&Word::Layer(Layer::Files, "all but input, output and errors".to_owned()))?;
    }
    if planted::holds(Control::Landlock) {
        let form =
            landlock::restrict(&order.roots).map_err(|why| Word::Missing(Layer::Landlock, why))?;
        say(&Word::Layer(Layer::Landlock, form))?;
    }
    let start =
        Start::new(program, argv, environment).map_err(|error| missing(Layer::Seccomp, &error))?;
    let filters = seccomp::filters(order.children, &start)
        .map_err(|why| Word::Missing(Layer::Seccomp, why))?;
    if planted::holds(Control::Seccomp) {
        let calls = filters.calls;
        say(&Word::Layer(Layer::Seccomp, format!("{calls} system calls")))?;
        say(&Word::Go)?;
        filters.install().map_err(|why| Word::Missing(Layer::Seccomp, why))?;
    } else {
        say(&Word::Go)?;
    }
    Err(Word::NoProgram(start.now().to_string()))
}

/// SHA-256 of a file, in hexadecimal.
pub(crate) fn fingerprint(path: &Path) -> std::io::Result<String> {
    let (mut file, mut hash) = (File::open(path)?, Sha256::new());
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok(hex::encode(hash.finalize()));
        }
        hash.update(buffer.get(..count).unwrap_or_default());
    }
}

fn missing(layer: Layer, error: &dyn std::fmt::Display) -> Word {
    Word::Missing(layer, error.to_string())
}

fn environment() -> Vec<CString> {
    let own = ENVIRONMENT.iter().map(|entry| (*entry).to_owned());
    let inherited = std::env::vars().map(|(name, value)| format!("{name}={value}"));
    let entries: Vec<String> =
        if planted::holds(Control::Environment) { own.collect() } else { inherited.collect() };
    entries.into_iter().filter_map(|entry| CString::new(entry).ok()).collect()
}

fn open(path: &Path) -> rustix::io::Result<OwnedFd> {
    openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
}

/// Tells the helper, as one line of the errors; behind [`Word::Go`] they are the program's.
///
/// Where the helper is gone nobody hears, and nothing may run.
pub fn say(word: &Word) -> std::io::Result<()> {
    say_signed("", word)
}

/// The same behind [`Word::Go`].
pub fn say_signed(sign: &str, word: &Word) -> std::io::Result<()> {
    let line = serde_json::to_string(word)?;
    std::io::stderr().write_all(format!("{sign}{line}\n").as_bytes())
}

fn told(limits: &Limits) -> String {
    format!(
        "{} MiB of memory, {} s of processor time, {} processes, files of {} MiB",
        limits.memory_bytes >> 20,
        limits.cpu_seconds,
        limits.processes,
        limits.file_bytes >> 20
    )
}

fn limit(limits: &Limits) -> rustix::io::Result<()> {
    let all = [
        (Resource::As, limits.memory_bytes),
        (Resource::Cpu, limits.cpu_seconds),
        (Resource::Fsize, limits.file_bytes),
        (Resource::Nproc, limits.processes),
        (Resource::Nofile, limits.open_files),
        (Resource::Core, 0),
        (Resource::Memlock, 0),
        (Resource::Msgqueue, 0),
        (Resource::Sigpending, 64),
        (Resource::Stack, 8 << 20),
    ];
    for (resource, most) in all {
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?;
    }
    Ok(())
}

/// Marks every file but input, output and errors to close when the program takes over.
fn close_inherited() -> Result<(), Errno> {
    let (first, last, flags) = (FIRST_FILE, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC);
    #[expect(unsafe_code, reason = "the system call has no wrapper; it touches no memory of ours")]
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) };
    Errno::result(result).map(drop)
}
