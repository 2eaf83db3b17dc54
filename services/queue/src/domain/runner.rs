//! Runners, and what the queue knows of them beside the log: connections, credit, heartbeats.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use vivarium_types::Timestamp;
use vivarium_types::ids::{InstanceId, LeaseId};

/// A runner process that said hello.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runner {
    /// This start of it.
    pub instance: InstanceId,
    /// Cycles it can run at once.
    pub slots: u32,
}

/// Why a runner is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// Its stream ended and no other came.
    Disconnected,
    /// The supervisor reported its exit.
    Exited,
    /// A new start of it said hello.
    Replaced,
}

impl Left {
    /// The word in the contract.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Disconnected => "disconnected",
            Self::Exited => "exited",
            Self::Replaced => "replaced",
        }
    }
}

/// A runner's stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// The start of the runner that opened it.
    pub instance: InstanceId,
    /// Tells streams of one runner apart.
    pub stream: u64,
    /// Grants that may still be sent.
    pub credit: u32,
}

/// Times that the configuration gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// How long a lease lives without a heartbeat.
    pub lease_ttl: Duration,
    /// How long a process that exited may take to say hello again.
    pub exit_grace: Duration,
    /// Open tasks that a world may have: a recurrence does not fire beyond them.
    pub open_tasks_max: u64,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            lease_ttl: Duration::from_secs(30),
            exit_grace: Duration::from_millis(50),
            open_tasks_max: 2_048,
        }
    }
}

/// What lives only as long as this process: changed through `Ledger::touch` and by `tick`, never by
/// rows alone, and never part of a snapshot. It steers *when* events come; the events say *what*.
#[derive(Debug, Clone, Default)]
pub struct Volatile {
    /// Whether this process has taken up its work: nothing expires and nothing is granted before.
    pub started: bool,
    /// Configured times.
    pub times: Times,
    /// When the clock was looked at last.
    pub read_at: Option<Timestamp>,
    /// World time since it was noted last, in microseconds.
    pub since_note_us: i64,
    /// When each live lease ends without a heartbeat.
    pub until: BTreeMap<LeaseId, Timestamp>,
    /// Open streams by the runner's name.
    pub connections: BTreeMap<String, Connection>,
    /// When a runner without a stream counts as gone.
    pub missing: BTreeMap<String, Timestamp>,
    /// Reported exits: the start that ended, and when its leases are free.
    pub exits: BTreeMap<String, (InstanceId, Timestamp)>,
}
