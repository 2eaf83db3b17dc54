//! Leases: the exclusive, timed right of one runner to run one cycle.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use vivarium_types::Timestamp;
use vivarium_types::ids::{
    AttemptId, CycleId, InstanceId, LeaseId, ResidentId, SubmissionId, TaskId,
};

use super::world::Mode;

/// What a lease is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Purpose {
    /// A resident works on a task.
    Task,
    /// A typed tool runs for a local task.
    Local,
    /// A critique of a submission.
    Critique,
}

/// A grant as it is logged. The row's sequence is the fencing token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Granted {
    /// The lease.
    pub lease: LeaseId,
    /// The attempt; none for critiques.
    pub attempt: Option<AttemptId>,
    /// From 1; 0 for critiques.
    pub attempt_number: u32,
    /// The cycle.
    pub cycle: CycleId,
    /// What for.
    pub purpose: Purpose,
    /// The task.
    pub task: TaskId,
    /// Who works.
    pub resident: Option<ResidentId>,
    /// The submission to criticise.
    pub submission: Option<SubmissionId>,
    /// The runner's name.
    pub runner: String,
    /// The runner's instance.
    pub instance: InstanceId,
    /// How long without a heartbeat.
    pub ttl: Duration,
    /// The control epoch in force.
    pub control_epoch: u64,
    /// The world's day.
    pub day: u64,
    /// What may be done under it.
    pub level: Mode,
    /// Whether programs may run under it after others' texts too.
    #[serde(default)]
    pub after_texts: bool,
}

/// A live lease.
///
/// Invariant: at most one exists for each task and for each resident (`tests/model.rs`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// As it was granted; `instance` follows a runner that went on with it after a restart.
    pub granted: Granted,
    /// The sequence of the grant: a later holder has a higher one.
    pub token: u64,
    /// When it was granted.
    pub since: Timestamp,
}

/// What a holder shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// The lease.
    pub lease: LeaseId,
    /// Its fencing token.
    pub token: u64,
}

/// How a finish was taken: kept for a while, so that a finish that is repeated because its answer
/// was lost gets the same answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// The lease that ended.
    pub lease: LeaseId,
    /// Its token.
    pub token: u64,
    /// The submission it put up.
    pub submission: Option<SubmissionId>,
}
