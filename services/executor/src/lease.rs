//! A lease as the executor holds it: what was granted, whether it still counts, how it ended.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;
use vivarium_types::ids::{
    AttemptId, CycleId, LeaseId, LetterId, ResidentId, SubmissionId, TaskId,
};
use vivarium_types::{Hat, MicroUsd};

use crate::domain::action::Plan;
use crate::domain::cycle::Staged;

/// What may be done under a lease, each level adding to the one before. No other word is a level: it
/// allows what the lowest does.
const LEVELS: [&str; 4] = ["docs_only", "propose_changes", "run_sandboxed", "apply_approved"];
/// Characters of a fence's mark.
const FENCE_CHARS: usize = 16;

fn height(level: &str) -> usize {
    LEVELS.iter().position(|known| *known == level).unwrap_or(0)
}

/// Whether programs run at this level.
pub fn may_run(level: &str) -> bool {
    height(level) >= height("run_sandboxed")
}

/// What a lease is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// A resident works on a task.
    Task,
    /// One reading tool runs for a local task.
    Local,
    /// A critique of a submission.
    Critique(SubmissionId),
}

/// What a task must bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskKind {
    /// A Markdown document.
    Docs,
    /// A plan as a Markdown document.
    Plan,
    /// An answer in words.
    Answer,
}

impl TaskKind {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Docs => "docs",
            Self::Plan => "plan",
            Self::Answer => "answer",
        }
    }
}

/// A task as the grant tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// The name people type; empty when it has none.
    pub key: String,
    /// Its title.
    pub title: String,
    /// What to do.
    pub instruction: String,
    /// What must hold.
    pub constraints: Vec<String>,
    /// What would be nice.
    pub preferences: Vec<String>,
    /// What must not happen.
    pub anti_goals: Vec<String>,
    /// What must come out.
    pub kind: TaskKind,
    /// The words of a local task.
    pub command: Vec<String>,
    /// Where its document goes; empty for the default.
    pub target: String,
    /// The model it asks for; empty for any.
    pub model: String,
    /// What all its attempts together may cost.
    pub budget_max: MicroUsd,
    /// How long an attempt may run.
    pub run_limit: Duration,
    /// Feedback on earlier attempts, newest first.
    pub feedback: Vec<String>,
    /// How many entries of it, the last ones, came from elsewhere and were let pass by nobody yet.
    pub feedback_brought: usize,
    /// What its resident is for the cycle.
    pub hat: Option<Hat>,
}

/// What is above and below a task.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Family {
    /// Whether the attempt may end with a plan to split the task.
    pub may_split: bool,
    /// What the human asked for, of which the task is a part; empty when it was not split off.
    pub root_instruction: String,
    /// What came of its parts; the attempt puts it together.
    pub parts_done: Vec<PartDone>,
}

/// A part that is approved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartDone {
    /// Its title.
    pub title: String,
    /// What was approved.
    pub submission: SubmissionId,
}

/// A lease as the queue granted it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The lease.
    pub lease: LeaseId,
    /// Its fencing token.
    pub token: u64,
    /// The attempt.
    pub attempt: Option<AttemptId>,
    /// The attempt's number, from 1; 0 for critiques.
    pub attempt_number: u32,
    /// The cycle.
    pub cycle: CycleId,
    /// What for.
    pub purpose: Purpose,
    /// The task.
    pub task: Task,
    /// What is above and below it.
    pub family: Family,
    /// Who works.
    pub resident: Option<ResidentId>,
    /// How long it lasts without a heartbeat.
    pub ttl: Duration,
    /// The state of the world's controls.
    pub control_epoch: u64,
    /// The level in force at the grant, such as `docs_only`; [`Held::level`] knows of now.
    pub mode: String,
    /// Whether programs may run after others' texts too.
    #[serde(default)]
    pub after_texts: bool,
    /// Programs that a person allows attempts of the task to run, word for word.
    #[serde(default)]
    pub allowed_programs: Vec<String>,
    /// The world's day.
    pub day: u64,
    /// The mark of this cycle's fences: nobody can know it who does not hold the lease.
    pub fence: String,
    /// The signed capability at the grant. It is never kept.
    #[serde(skip)]
    pub capability: String,
}

/// The mark of a cycle's fences.
pub fn fence(cycle: CycleId, capability: &str) -> String {
    let mut digest = Sha256::new();
    digest.update(b"fence");
    digest.update(cycle.to_string());
    digest.update(capability);
    hex::encode(digest.finalize()).chars().take(FENCE_CHARS).collect()
}

/// Why a running cycle must stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// The world was halted, under this control epoch.
    Halted(u64),
    /// The queue took the lease back, for this reason.
    Revoked(String),
}

/// A live lease: shared by the runner, which renews and stops it, and the cycle, which asks.
#[derive(Debug)]
pub struct Held {
    /// Written by the runner at each renewal.
    capability: ArcSwap<String>,
    /// What may be done now. Written by the runner when the queue says so.
    level: ArcSwap<String>,
    stopped: CancellationToken,
    /// Written once, before `stopped` is cancelled.
    why: OnceLock<Stop>,
    /// Model calls that are on their way. Written by [`Live`] alone.
    calls: AtomicU32,
    /// Programs that run. Written by [`Live`] alone.
    programs: AtomicU32,
}

/// Something that runs under a lease, for as long as this is kept.
#[derive(Debug)]
pub struct Live<'a>(&'a AtomicU32);

impl<'a> Live<'a> {
    fn new(count: &'a AtomicU32) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Live<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Held {
    /// A lease with its first capability and the level that was granted.
    pub fn new(capability: String, level: &str) -> Arc<Self> {
        Arc::new(Self {
            capability: ArcSwap::from_pointee(capability),
            level: ArcSwap::from_pointee(level.to_owned()),
            stopped: CancellationToken::new(),
            why: OnceLock::new(),
            calls: AtomicU32::new(0),
            programs: AtomicU32::new(0),
        })
    }

    /// Counts a model call for as long as the answer is kept; none once it is stopped.
    pub fn calling(&self) -> Option<Live<'_>> {
        self.begin(&self.calls)
    }

    /// Counts a program for as long as the answer is kept; none once it is stopped.
    pub fn running(&self) -> Option<Live<'_>> {
        self.begin(&self.programs)
    }

    /// What runs under it now: model calls and programs.
    pub fn live(&self) -> (u32, u32) {
        (self.calls.load(Ordering::Relaxed), self.programs.load(Ordering::Relaxed))
    }

    fn begin<'a>(&'a self, count: &'a AtomicU32) -> Option<Live<'a>> {
        let live = Live::new(count);
        self.why.get().is_none().then_some(live)
    }

    /// The capability of the moment.
    pub fn capability(&self) -> Arc<String> {
        self.capability.load_full()
    }

    /// What may be done under it now, such as `docs_only`.
    pub fn level(&self) -> Arc<String> {
        self.level.load_full()
    }

    /// Takes over what may be done from now on. It never rises again: that binds the next cycle.
    pub fn lower(&self, level: &str) {
        if height(level) < height(&self.level.load()) {
            self.level.store(Arc::new(level.to_owned()));
        }
    }

    /// Takes a renewed capability.
    pub fn renew(&self, capability: String) {
        self.capability.store(Arc::new(capability));
    }

    /// Stops whatever runs under it. The first reason stays.
    pub fn stop(&self, why: Stop) {
        self.why.get_or_init(|| why);
        self.stopped.cancel();
    }

    /// Why it was stopped, if it was.
    pub fn why_stopped(&self) -> Option<&Stop> {
        self.why.get()
    }

    /// Resolves when it is stopped.
    pub async fn stopped(&self) {
        self.stopped.cancelled().await;
    }
}

/// The class of a failure, in the queue's words; it decides about retries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureClass {
    /// A provider's 5xx, a time-out, a broken connection.
    Transient,
    /// A rate limit inside a cycle.
    RateLimited,
    /// Nothing usable after one repair.
    InvalidOutput,
    /// Our own fault.
    Internal,
    /// Rules, task and feedback exceed the model's window.
    InputTooLarge,
    /// A local tool refused or failed.
    CommandFailed,
    /// The task's own budget is spent.
    Budget,
}

impl FailureClass {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::RateLimited => "rate_limited",
            Self::InvalidOutput => "invalid_output",
            Self::Internal => "internal",
            Self::InputTooLarge => "input_too_large",
            Self::CommandFailed => "command_failed",
            Self::Budget => "budget",
        }
    }
}

/// How a finished attempt came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// By `finish`.
    Finished,
    /// Its prose became the result.
    AsProse,
    /// By a limit, with what was staged.
    ByLimit,
    /// By a plan to split the task.
    Split,
}

impl How {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::AsProse => "finished_as_prose",
            Self::ByLimit => "finished_by_limit",
            Self::Split => "split",
        }
    }
}

/// A finished attempt's evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// What the resident says it did.
    pub summary: String,
    /// The answer of an answer or local task.
    pub answer: String,
    /// What was staged.
    pub documents: Vec<Staged>,
    /// How it came to its end.
    pub how: How,
    /// Steps of the cycle.
    pub steps: u32,
    /// Model tokens read and written.
    pub model_tokens: u64,
    /// The model that wrote it; empty for local tasks.
    pub model: String,
    /// Whether that model is an embedded one.
    pub embedded: bool,
    /// A plan to split the task instead of a result.
    pub plan: Option<Plan>,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// With a result.
    Finished(Box<Evidence>),
    /// The resident declined.
    Declined {
        /// Why.
        reason: String,
    },
    /// The resident asked the human and waits.
    Waits {
        /// The letter that asks.
        letter: LetterId,
    },
    /// It came to nothing.
    Failed {
        /// The class.
        class: FailureClass,
        /// What happened, in our own words.
        message: String,
        /// When to try again, if the provider said so.
        retry_after: Option<Duration>,
    },
    /// Given back before the first call.
    Returned {
        /// `budget`, `rate` or `no_provider`.
        reason: &'static str,
        /// The scope that refused; empty when there is none.
        scope: &'static str,
        /// When to try again.
        retry_after: Duration,
    },
    /// The safety policy does not let the task pass.
    Blocked {
        /// The rule.
        rule: String,
        /// Whether the human may release it.
        held: bool,
        /// SHA-256 of the text that was looked at.
        hash: [u8; 32],
        /// The program that a resident wants to run, word for word; empty where the task's own texts
        /// are held.
        program: String,
    },
    /// A halt or the queue ended it.
    Stopped(Stop),
}

/// The end of an attempt with its cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finish {
    /// How.
    pub outcome: Outcome,
    /// Settled cost.
    pub cost: MicroUsd,
}
