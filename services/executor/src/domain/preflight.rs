//! What the safety policy found in a task before its cycle began.

use vivarium_ledger::TextRef;
use vivarium_types::ids::{CycleId, TaskId};

/// What follows from a match, or from all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// The cycle goes on.
    Pass,
    /// The task waits for the human.
    Hold,
    /// The task is blocked.
    Block,
}

/// One match of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule.
    pub rule: String,
    /// Where, such as `instruction`.
    pub place: String,
    /// What this match alone calls for.
    pub outcome: Outcome,
}

/// A recorded preflight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// The cycle.
    pub cycle: CycleId,
    /// Its task.
    pub task: TaskId,
    /// What follows.
    pub outcome: Outcome,
    /// Every finding.
    pub findings: Vec<Finding>,
    /// SHA-256 of the text that was looked at.
    pub subject_hash: [u8; 32],
    /// SHA-256 of the rule set's file, in hexadecimal; empty when there is none.
    pub rules_hash: String,
    /// What the cycle was given.
    pub given: Option<TextRef>,
}
