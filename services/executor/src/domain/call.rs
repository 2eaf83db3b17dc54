//! Model calls as the log knows them.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use vivarium_ledger::TextRef;
use vivarium_types::amount::MicroUsd;
use vivarium_types::ids::{
    CallId, CycleId, InstanceId, LeaseId, ReservationId, ResidentId, TaskId,
};

use super::budget::Reserved;
use super::cycle::Kind;
use super::provider::Class;

/// Whose call it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The cycle.
    pub cycle: CycleId,
    /// The lease.
    pub lease: LeaseId,
    /// The task.
    pub task: Option<TaskId>,
    /// The resident.
    pub resident: Option<ResidentId>,
    /// What the call is for.
    pub purpose: Kind,
    /// The step, from 1.
    pub step: u32,
    /// The start of the process that calls.
    pub instance: InstanceId,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The provider answered.
    Answered,
    /// The provider refused or failed.
    Failed,
    /// It was cancelled here.
    Cancelled,
    /// The process that called died before it was settled.
    Lost,
}

/// Model tokens of one or several calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Of the prompts.
    pub input_tokens: u64,
    /// Of the completions.
    pub output_tokens: u64,
    /// How many calls.
    pub calls: u32,
    /// Whether any part is our estimate.
    pub estimated: bool,
}

impl Usage {
    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            input_tokens: self.input_tokens.saturating_add(other.input_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
            calls: self.calls.saturating_add(other.calls),
            estimated: self.estimated || other.estimated,
        }
    }
}

/// A settled call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Called {
    /// The call.
    pub call: CallId,
    /// The reservation it settles.
    pub reservation: ReservationId,
    /// Whose call.
    pub owner: Owner,
    /// How it ended.
    pub outcome: Outcome,
    /// The provider.
    pub provider: String,
    /// The provider's class; unset when the process that knew it died.
    pub class: Option<Class>,
    /// The model.
    pub model: String,
    /// Model tokens.
    pub usage: Usage,
    /// What it cost.
    pub cost: MicroUsd,
    /// SHA-256 of the request, in hexadecimal; empty when nobody knows it any more.
    pub request_hash: String,
    /// What came back, private texts left out.
    pub response: Option<TextRef>,
    /// Whether that is less than what came back, or its words written otherwise.
    pub left_out: bool,
    /// The provider's word why it ended.
    pub finish_reason: String,
    /// From sending to the first piece of text.
    pub first_token: Option<Duration>,
    /// From sending to the end.
    pub total: Duration,
    /// Why it failed, as a reason; empty when it answered.
    pub failure: String,
    /// Secrets taken out of the prompt.
    pub redactions: u32,
    /// How often it was sent.
    pub tries: u32,
}

impl Called {
    /// The settlement of a call whose process died: it may have reached the provider, so it costs
    /// its worst case.
    pub fn lost(reserved: &Reserved) -> Self {
        Self {
            call: reserved.call,
            reservation: reserved.reservation,
            owner: reserved.owner.clone(),
            outcome: Outcome::Lost,
            provider: reserved.provider.clone(),
            class: None,
            model: reserved.model.clone(),
            usage: Usage {
                input_tokens: reserved.input_tokens_max,
                output_tokens: reserved.output_tokens_max,
                calls: 1,
                estimated: true,
            },
            cost: reserved.worst_case,
            request_hash: String::new(),
            response: None,
            left_out: false,
            finish_reason: String::new(),
            first_token: None,
            total: Duration::ZERO,
            failure: "PROCESS_DIED".to_owned(),
            redactions: 0,
            tries: 0,
        }
    }
}
