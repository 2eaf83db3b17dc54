//! Cycles as the log knows them: from a briefing to an end.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vivarium_ledger::TextRef;
use vivarium_types::amount::{MicroUsd, Tokens};
use vivarium_types::ids::{
    AttemptId, CycleId, DocumentId, InstanceId, LeaseId, ResidentId, SubmissionId, TaskId,
};

use super::call::Usage;
use super::provider::Class;

/// Why a cycle runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// A task of the queue.
    Task,
    /// Letters of the human.
    Mail,
    /// Mentions and direct messages.
    Social,
    /// Free time it booked.
    FreeTime,
    /// Consolidating memories.
    Reflection,
    /// A critique, without a resident.
    Critique,
    /// A local task, without resident and model.
    Local,
    /// Ballots it is drawn for.
    Ballot,
}

impl Kind {
    /// Whether the review budget pays for it.
    pub const fn is_review(self) -> bool {
        match self {
            Self::Critique | Self::Ballot => true,
            Self::Task
            | Self::Mail
            | Self::Social
            | Self::FreeTime
            | Self::Reflection
            | Self::Local => false,
        }
    }
}

/// How far a fragment is to be trusted, most trusted first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Label {
    /// The rules of the world.
    System,
    /// The human.
    Operator,
    /// The resident's own words.
    Own,
    /// Another resident's words.
    Peer,
    /// A tool's output.
    Tool,
    /// Text from outside.
    Web,
}

impl Label {
    /// The word in the briefing.
    pub const fn word(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Operator => "operator",
            Self::Own => "self",
            Self::Peer => "peer",
            Self::Tool => "tool",
            Self::Web => "web",
        }
    }
}

/// How a fragment stands before the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Slot {
    /// To be followed.
    Instruction,
    /// Who the resident is.
    Persona,
    /// To be read, never to be followed.
    Data,
}

/// One labelled part of a briefing, as recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragment {
    /// The section it belongs to.
    pub section: String,
    /// Where it comes from.
    pub source: String,
    /// How far it is to be trusted.
    pub label: Label,
    /// How it stands before the model.
    pub slot: Slot,
    /// Its text.
    pub text: TextRef,
    /// Its size in model tokens, estimated.
    pub size_tokens: u32,
    /// Whether it was shortened or left out to fit.
    pub cut: bool,
    /// Whether it was left out because it bore signs of an injection.
    pub quarantined: bool,
}

/// A cycle began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// The cycle.
    pub cycle: CycleId,
    /// Its lease.
    pub lease: LeaseId,
    /// The lease's fencing token.
    pub fencing_token: u64,
    /// The state of the world's controls.
    pub control_epoch: u64,
    /// The start of the process that runs it.
    pub instance: InstanceId,
    /// Why it runs.
    pub kind: Kind,
    /// Its task.
    pub task: Option<TaskId>,
    /// Its attempt.
    pub attempt: Option<AttemptId>,
    /// The attempt's number, from 1; 0 without one.
    pub attempt_number: u32,
    /// Its resident.
    pub resident: Option<ResidentId>,
    /// The submission of a critique.
    pub submission: Option<SubmissionId>,
    /// The provider; empty without a model.
    pub provider: String,
    /// The provider's class.
    pub class: Option<Class>,
    /// The model; empty without one.
    pub model: String,
    /// What the resident sees, in order.
    pub fragments: Vec<Fragment>,
    /// SHA-256 of the briefing as sent, in hexadecimal.
    pub briefing_hash: String,
    /// The level in force.
    pub mode: String,
    /// What it was given, so that it can be run again; unset without a model.
    pub given: Option<TextRef>,
}

/// How an action ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReceiptStatus {
    /// It took effect.
    Done,
    /// A rule refused it.
    Refused,
    /// It waits for somebody.
    Pending,
    /// Its owner could not be reached or failed.
    Failed,
}

impl ReceiptStatus {
    /// Whether it took effect, or will when somebody has decided.
    pub const fn is_accepted(self) -> bool {
        matches!(self, Self::Done | Self::Pending)
    }

    /// The word in a receipt.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Pending => "pending",
            Self::Failed => "failed",
        }
    }
}

/// A place in another service's ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The service.
    pub ledger: String,
    /// The row.
    pub sequence: u64,
}

/// An action was performed or refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Performed {
    /// The cycle.
    pub cycle: CycleId,
    /// The step, from 1.
    pub step: u32,
    /// Its place in the step, from 0.
    pub index: u32,
    /// Its name.
    pub action: String,
    /// What it is about.
    pub target: String,
    /// SHA-256 of its normalised arguments, in hexadecimal.
    pub arguments_hash: String,
    /// Its id in the reply.
    pub action_id: String,
    /// How it ended.
    pub status: ReceiptStatus,
    /// Why it was refused or failed.
    pub reason: String,
    /// What came of it; unset when nothing or private.
    pub result: Option<TextRef>,
    /// What it cost.
    pub price: Tokens,
    /// Free tokens afterwards.
    pub balance: Option<Tokens>,
    /// The event it caused at its owner.
    pub place: Option<Place>,
}

/// A document that a cycle staged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staged {
    /// The draft.
    pub document: DocumentId,
    /// Where it shall be published.
    pub path: String,
    /// SHA-256 of its whole text.
    pub digest: [u8; 32],
}

/// How a cycle ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// By `finish`, or a local task or critique by its result.
    Finished,
    /// Its prose became the document.
    FinishedAsProse,
    /// By a limit, with what was staged.
    FinishedByLimit,
    /// The resident declined.
    Declined,
    /// It asked the human and waits.
    Waits,
    /// By an error.
    Failed,
    /// By halt, cancellation or a lost lease.
    Revoked,
    /// Given back before the first call.
    Returned,
    /// Preflight blocked it.
    Blocked,
    /// Preflight holds it for the human.
    Held,
    /// The process that ran it died.
    Lost,
    /// By a plan to split its task.
    Split,
}

/// A cycle ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The cycle.
    pub cycle: CycleId,
    /// How.
    pub end: End,
    /// The class of a failure in the queue's words; empty otherwise.
    pub failure_class: String,
    /// The reason; empty when it finished.
    pub reason: String,
    /// Steps it took.
    pub steps: u32,
    /// Actions it asked for.
    pub actions: u32,
    /// Documents it staged.
    pub documents: Vec<Staged>,
    /// Model tokens of all its calls.
    pub usage: Usage,
    /// Cost of all its calls.
    pub cost: MicroUsd,
    /// What the resident says it did, or the answer of a local task.
    pub summary: Option<TextRef>,
    /// The task.
    pub task: Option<TaskId>,
    /// The resident.
    pub resident: Option<ResidentId>,
}

/// A cycle that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Live {
    /// Its lease.
    pub lease: LeaseId,
    /// The process that runs it.
    pub instance: InstanceId,
    /// Its task.
    pub task: Option<TaskId>,
    /// Its resident.
    pub resident: Option<ResidentId>,
    /// Its steps so far.
    pub steps: u32,
    /// Its actions so far.
    pub actions: u32,
    /// Its model tokens so far.
    pub usage: Usage,
    /// Its cost so far.
    pub cost: MicroUsd,
}

/// The cycles that run. Ended ones lie only in the read model.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Cycles {
    live: BTreeMap<CycleId, Live>,
}

impl Cycles {
    /// A cycle that runs.
    pub fn live(&self, cycle: CycleId) -> Option<&Live> {
        self.live.get(&cycle)
    }

    /// How many run.
    pub fn count(&self) -> usize {
        self.live.len()
    }

    /// The cycles of processes other than `instance`.
    pub fn of_others(&self, instance: InstanceId) -> impl Iterator<Item = (CycleId, &Live)> {
        let others = self.live.iter().filter(move |(_, live)| live.instance != instance);
        others.map(|(cycle, live)| (*cycle, live))
    }

    /// The end of a cycle whose process died.
    pub fn lost(cycle: CycleId, live: &Live) -> Ended {
        Ended {
            cycle,
            end: End::Lost,
            failure_class: "lost".to_owned(),
            reason: "PROCESS_DIED".to_owned(),
            steps: live.steps,
            actions: live.actions,
            documents: Vec::new(),
            usage: live.usage,
            cost: live.cost,
            summary: None,
            task: live.task,
            resident: live.resident,
        }
    }

    pub(super) fn on_started(&mut self, started: &Started) {
        let live = Live {
            lease: started.lease,
            instance: started.instance,
            task: started.task,
            resident: started.resident,
            steps: 0,
            actions: 0,
            usage: Usage::default(),
            cost: MicroUsd::ZERO,
        };
        self.live.insert(started.cycle, live);
    }

    pub(super) fn on_called(&mut self, cycle: CycleId, step: u32, usage: Usage, cost: MicroUsd) {
        if let Some(live) = self.live.get_mut(&cycle) {
            live.steps = live.steps.max(step);
            live.usage = live.usage.plus(usage);
            live.cost = live.cost.plus(cost).unwrap_or(live.cost);
        }
    }

    pub(super) fn on_performed(&mut self, cycle: CycleId) {
        if let Some(live) = self.live.get_mut(&cycle) {
            live.actions += 1;
        }
    }

    pub(super) fn on_ended(&mut self, cycle: CycleId) {
        self.live.remove(&cycle);
    }
}
