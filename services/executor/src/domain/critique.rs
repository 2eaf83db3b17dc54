//! Critiques: a rubric's scores with issues and suggestions, and who gave them.

use vivarium_ledger::TextRef;
use vivarium_types::amount::MicroUsd;
use vivarium_types::ids::{CycleId, SubmissionId, TaskId};

use super::provider::Class;

/// The most a criterion can have.
pub const SCORE_MAX: u32 = 4;
/// The most issues, and the most suggestions.
pub const REMARKS_MAX: usize = 10;

/// The rubric: 0 (not at all) to 4 (fully) each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scores {
    /// Does it answer the request.
    pub answers_request: u32,
    /// Is it correct and supported.
    pub correct: u32,
    /// Is it complete.
    pub complete: u32,
    /// Is it clear.
    pub clear: u32,
    /// Does it fit the constraints.
    pub fits_constraints: u32,
}

/// A critic judged a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Critique {
    /// The submission.
    pub submission: SubmissionId,
    /// Its task.
    pub task: TaskId,
    /// The cycle of the critique.
    pub cycle: CycleId,
    /// The model.
    pub model: String,
    /// The provider.
    pub provider: String,
    /// The provider's class; an embedded critic only advises.
    pub class: Class,
    /// Whether this critique may decide.
    pub may_judge: bool,
    /// The scores.
    pub scores: Scores,
    /// What is wrong.
    pub issues: Vec<TextRef>,
    /// What would be better.
    pub suggestions: Vec<TextRef>,
    /// What it cost.
    pub cost: MicroUsd,
    /// Hexadecimal SHA-256 of the payload that was read.
    pub payload_hash: String,
}

/// No critique came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The submission.
    pub submission: SubmissionId,
    /// Its task.
    pub task: TaskId,
    /// The cycle of the critique.
    pub cycle: CycleId,
    /// Why.
    pub reason: String,
    /// What the tries cost.
    pub cost: MicroUsd,
    /// Whether another lease may succeed.
    pub retryable: bool,
}
