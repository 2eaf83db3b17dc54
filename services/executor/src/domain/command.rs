//! Programs of the sandbox as the log knows them: before the start and behind the end.

use std::time::Duration;

use vivarium_ledger::TextRef;
use vivarium_types::ids::CycleId;

/// A program is about to be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begun {
    /// The cycle.
    pub cycle: CycleId,
    /// Its place in the cycle, from 1.
    pub number: u32,
    /// The program's id in the table.
    pub program: String,
    /// SHA-256 of the program's file, in hexadecimal.
    pub sha256: String,
    /// The whole argument vector, one argument a line.
    pub argv: TextRef,
    /// Where it starts, inside the sandbox.
    pub folder: String,
    /// Most time on the wall.
    pub run_limit: Duration,
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// By itself.
    Exited,
    /// By a signal.
    Signalled,
    /// Its time was up.
    TimedOut,
    /// It wrote more than it may.
    OutputFull,
    /// It was stopped.
    Stopped,
    /// It never began.
    Refused,
}

/// A program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Over {
    /// The cycle.
    pub cycle: CycleId,
    /// Its place in the cycle, from 1.
    pub number: u32,
    /// How.
    pub end: End,
    /// The exit code or the signal; 0 where there is none.
    pub code: i32,
    /// Time on the wall.
    pub wall: Duration,
    /// Processor time, with all that it started.
    pub cpu: Duration,
    /// What it wrote; unset when nothing.
    pub output: Option<TextRef>,
}
