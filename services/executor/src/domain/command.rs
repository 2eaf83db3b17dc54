//! Programs of the sandbox as the log knows them: before the start and behind the end.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use vivarium_ledger::TextRef;
use vivarium_types::ids::{CycleId, ResidentId};

/// Programs that a resident may run on one day of the world (domain.md, section 5).
pub const DAY_MAX: u32 = 20;

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
    /// Who asked for it; nobody for a local task.
    pub resident: Option<ResidentId>,
    /// The world's day, from 1.
    pub day: u64,
}

/// Programs that residents have begun, on the last day on which each of them did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Programs(BTreeMap<ResidentId, (u64, u32)>);

impl Programs {
    /// Whether what is about to begin is within its resident's day.
    pub fn has_room(&self, begun: &Begun) -> bool {
        let spent = begun.resident.and_then(|resident| self.0.get(&resident));
        spent.is_none_or(|(day, count)| *day < begun.day || *count < DAY_MAX)
    }

    pub(super) fn on_begun(&mut self, begun: &Begun) {
        let Some(resident) = begun.resident else { return };
        let spent = self.0.entry(resident).or_default();
        let before = if spent.0 < begun.day { 0 } else { spent.1 };
        *spent = (spent.0.max(begun.day), before.saturating_add(1));
    }
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
