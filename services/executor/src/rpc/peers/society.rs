//! Society: its part of a briefing, and the actions it owns.

use vivarium_chassis::Calls;
use vivarium_chassis::client::Peer;
use vivarium_proto::executor::v1 as own;
use vivarium_proto::social::v1 as pb;
use vivarium_proto::social::v1::act_service_client::ActServiceClient;
use vivarium_proto::social::v1::briefing_service_client::BriefingServiceClient;
use vivarium_types::ids::{LetterId, ResidentId, TaskId};
use vivarium_types::{Actor, Tokens};

use super::{CALL_LIMIT, Refused, place};
use crate::domain::action::Action;
use crate::domain::cycle::{Kind, Label, Place, ReceiptStatus, Slot};
use crate::domain::event;

/// One labelled part of a briefing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The section it belongs to.
    pub section: String,
    /// Where it comes from.
    pub source: String,
    /// How far it is to be trusted.
    pub label: Label,
    /// How it stands before the model.
    pub slot: Slot,
    /// Its text.
    pub text: String,
    /// Whether it is kept sealed.
    pub private: bool,
}

/// What a part of a briefing is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Whose.
    pub resident: ResidentId,
    /// Why the cycle runs.
    pub kind: Kind,
    /// The task.
    pub task: TaskId,
    /// What memories are recalled for.
    pub query: &'a str,
    /// Whether only little fits.
    pub terse: bool,
}

/// What became of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acted {
    /// Done or pending.
    pub status: ReceiptStatus,
    /// What it waits for; empty when done.
    pub reason: String,
    /// What came of it.
    pub result: String,
    /// What it cost.
    pub price: Tokens,
    /// Free tokens afterwards.
    pub balance: Option<Tokens>,
    /// The event it caused.
    pub place: Option<Place>,
    /// The letter it made.
    pub letter: Option<LetterId>,
}

/// Under whose lease and why something is done.
#[derive(Debug, Clone, Copy)]
pub struct Under<'a> {
    /// The resident.
    pub resident: ResidentId,
    /// The lease's capability.
    pub capability: &'a str,
    /// The action's key.
    pub key: &'a str,
    /// The worst label the cycle has seen.
    pub label: Label,
    /// The task.
    pub task: TaskId,
}

/// Society, as the executor calls it.
#[derive(Debug, Clone)]
pub struct Society {
    peer: Peer,
}

impl Society {
    /// Society behind `peer`.
    pub const fn new(peer: Peer) -> Self {
        Self { peer }
    }

    /// Society's part of a briefing.
    pub async fn briefing(&self, asked: Asked<'_>, capability: &str) -> Result<Vec<Part>, Refused> {
        let request = pb::GetBriefingRequest {
            min_position: None,
            resident_id: asked.resident.to_string(),
            kind: event::kind_out(asked.kind).into(),
            task_id: asked.task.to_string(),
            query: asked.query.to_owned(),
            memory_count: 0,
            terse: asked.terse,
        };
        let calls = self.calls(asked.resident, capability);
        let answer = calls.retrying(|calls| {
            let request = request.clone();
            async move { BriefingServiceClient::new(calls).get_briefing(request).await }
        });
        let fragments = answer.await?.into_inner().fragments;
        Ok(fragments.into_iter().filter_map(part).collect())
    }

    /// Performs an action that society owns; `None` for one it does not own.
    pub async fn act(&self, action: &Action, under: Under<'_>) -> Option<Result<Acted, Refused>> {
        let request = pb::ActRequest {
            request_id: under.key.to_owned(),
            label: event::label_out(under.label).into(),
            task_id: under.task.to_string(),
            action: Some(wire(action)?),
        };
        let answer = self.calls(under.resident, under.capability).retrying(|calls| {
            let request = request.clone();
            async move { ActServiceClient::new(calls).act(request).await }
        });
        Some(answer.await.map_err(Refused::from).map(|answer| acted(answer.into_inner())))
    }

    fn calls(&self, resident: ResidentId, capability: &str) -> Calls {
        self.peer.acting_as(&Actor::Resident(resident)).under(capability).within(CALL_LIMIT)
    }
}

fn part(fragment: pb::Fragment) -> Option<Part> {
    let (label, slot) = (event::label_in(fragment.label)?, event::slot_in(fragment.slot)?);
    let pb::Fragment { section, source, text, private, .. } = fragment;
    Some(Part { section, source, label, slot, text, private })
}

fn acted(answer: pb::ActResponse) -> Acted {
    Acted {
        status: event::receipt_in(answer.status).unwrap_or(ReceiptStatus::Done),
        reason: answer.reason,
        result: answer.result,
        price: Tokens::new(answer.price_tokens),
        balance: answer.balance_tokens.map(Tokens::new),
        place: place(answer.position),
        letter: answer.made_id.parse().ok(),
    }
}

fn wire(action: &Action) -> Option<pb::act_request::Action> {
    use pb::act_request::Action as Wire;
    match action.clone() {
        Action::Post { room, text, mood, importance, reply_to, mentions } => {
            Some(Wire::PostMessage(own::PostMessage {
                room,
                text,
                mood,
                importance,
                reply_to,
                mentions,
            }))
        }
        Action::Remember { text, kind, tags, importance, about, supersedes } => {
            Some(Wire::Remember(own::Remember { text, kind, tags, importance, about, supersedes }))
        }
        Action::Recall { query, count } => Some(Wire::Recall(own::Recall { query, k: count })),
        Action::Letter { kind, text, task, waits } => {
            Some(Wire::MessageHuman(own::MessageHuman { r#type: kind, text, task_id: task, waits }))
        }
        Action::Journal { kind, text, share_with_human } => {
            Some(Wire::WriteJournal(own::WriteJournal {
                r#type: kind,
                text,
                submit: false,
                share_with_human,
            }))
        }
        Action::Finish { .. }
        | Action::Decline { .. }
        | Action::Write(_)
        | Action::Append(_)
        | Action::Split(_)
        | Action::Propose { .. }
        | Action::Run(_)
        | Action::Tool(_) => None,
    }
}
