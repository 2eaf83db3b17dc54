//! What the helper is told, and what it answers: one line of JSON each.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::layer::Report;

/// A folder that a command may read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Where it lies.
    pub host: PathBuf,
    /// Where the command finds it: an absolute path.
    pub inside: String,
}

/// What one run may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Time on the wall, in milliseconds.
    pub wall_ms: u64,
    /// Processor time of one process, in seconds.
    pub cpu_seconds: u64,
    /// Address space of one process, in bytes.
    pub memory_bytes: u64,
    /// Bytes of output, of stdout and stderr each.
    pub output_bytes: u64,
    /// Bytes in `/tmp`, which is gone afterwards.
    pub scratch_bytes: u64,
    /// Bytes of one file.
    pub file_bytes: u64,
    /// Processes and threads.
    pub processes: u64,
    /// Open files.
    pub open_files: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            wall_ms: 30_000,
            cpu_seconds: 30,
            memory_bytes: 512 << 20,
            output_bytes: 256 << 10,
            scratch_bytes: 16 << 20,
            file_bytes: 16 << 20,
            processes: 16,
            open_files: 64,
        }
    }
}

/// One program to run, as the rules made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The program's file.
    pub program: PathBuf,
    /// SHA-256 of it, in hexadecimal. Another file is not run.
    pub sha256: String,
    /// The whole argument vector, the program's name first.
    pub argv: Vec<String>,
    /// What it may read.
    pub mounts: Vec<Mount>,
    /// Where it starts, inside.
    pub folder: String,
    /// Whether it may start further processes.
    pub children: bool,
    /// What it may use.
    pub limits: Limits,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// By itself, with this code.
    Exited(i32),
    /// By a signal: a limit of the kernel, or a system call that is not on the list.
    Signalled(i32),
    /// Its time was up.
    TimedOut,
    /// It wrote more than it may.
    OutputFull,
    /// The caller stopped it.
    Stopped,
    /// It never began: a layer could not be installed, or the program is not the pinned one.
    Refused(String),
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// What it wrote, at most the limit; bytes that are no UTF-8 are replaced.
    pub stdout: String,
    /// What it wrote as errors.
    pub stderr: String,
    /// Time on the wall.
    pub wall: Duration,
    /// Processor time of it and all its children.
    pub cpu: Duration,
    /// The layers that were in force.
    pub report: Report,
}

impl Outcome {
    /// A run that never began.
    pub(crate) fn refused(why: impl Into<String>, report: Report) -> Self {
        Self {
            end: End::Refused(why.into()),
            stdout: String::new(),
            stderr: String::new(),
            wall: Duration::ZERO,
            cpu: Duration::ZERO,
            report,
        }
    }

    /// A run that was stopped before it began.
    pub fn stopped() -> Self {
        Self { end: End::Stopped, ..Self::refused(String::new(), Report::default()) }
    }
}
