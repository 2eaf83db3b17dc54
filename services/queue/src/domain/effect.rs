//! Effects: what attempts did, on the record, so that a later attempt of the same round need not do it
//! again. A round ends when the task is approved, sent back, edited, reopened or over.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vivarium_ledger::TextRef;
use vivarium_ledger::planted::{self, Bug};
use vivarium_types::ids::{AttemptId, LeaseId, TaskId};

use super::event::Event;
use super::lease::{Held, Lease};
use super::task::{self, State};
use super::{Queue, Rejection};

/// Effects of one round.
pub const EFFECTS_MAX: usize = 256;

/// What an attempt did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// The number of the attempt.
    pub attempt_number: u32,
    /// What came of it.
    pub result: TextRef,
}

/// Effects by key.
pub type Effects = BTreeMap<String, Effect>;

/// An effect as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The task.
    pub task: TaskId,
    /// The attempt.
    pub attempt: AttemptId,
    /// Its lease.
    pub lease: LeaseId,
    /// Its key, unique within the round.
    pub key: String,
    /// What is known of it.
    pub effect: Effect,
}

impl Queue {
    pub(super) fn record_effect(
        &self,
        held: Held,
        key: String,
        result: TextRef,
    ) -> Result<Vec<Event>, Rejection> {
        let (lease, attempt) = self.attempt_of(held)?;
        let (task, attempt_number) = (lease.granted.task, lease.granted.attempt_number);
        let known = self.effects.get(&task);
        if known.is_some_and(|known| known.contains_key(&key)) {
            return Ok(Vec::new());
        }
        if known.is_some_and(|known| known.len() >= EFFECTS_MAX) {
            return Err(Rejection::EffectsFull { max: EFFECTS_MAX });
        }
        let effect = Effect { attempt_number, result };
        let recorded = Recorded { task, attempt, lease: held.lease, key, effect };
        Ok(vec![Event::EffectRecorded(Box::new(recorded))])
    }

    /// What an attempt of this round recorded under `key`, told to the attempt that is at work now.
    pub fn effect(&self, held: Held, key: &str) -> Result<Option<&Effect>, Rejection> {
        let (lease, _) = self.attempt_of(held)?;
        Ok(self.effects.get(&lease.granted.task).and_then(|known| known.get(key)))
    }

    /// The live lease of an attempt. A critique is none: it repeats nothing, and what an attempt did is
    /// not its business.
    fn attempt_of(&self, held: Held) -> Result<(&Lease, AttemptId), Rejection> {
        let lease = self.fenced(held)?;
        let attempt = lease.granted.attempt.ok_or(Rejection::LeaseLost(held.lease))?;
        Ok((lease, attempt))
    }

    /// The live lease under this very token.
    pub(super) fn fenced(&self, held: Held) -> Result<&Lease, Rejection> {
        let live = self.leases.get(&held.lease);
        let live = live.filter(|lease| lease.token == held.token || planted::has(Bug::SkipFence));
        live.ok_or(Rejection::LeaseLost(held.lease))
    }

    pub(super) fn apply_to_effects(&mut self, event: &Event) {
        if let Event::EffectRecorded(recorded) = event {
            let known = self.effects.entry(recorded.task).or_default();
            known.insert(recorded.key.clone(), recorded.effect.clone());
            return;
        }
        let Some(id) = task::of(event) else { return };
        let asks_anew = matches!(
            event,
            Event::TaskRequeued(_)
                | Event::TaskReopened { .. }
                | Event::TaskEdited(_)
                | Event::TaskSplit(_)
        );
        let over = |state: State| state.is_final();
        if asks_anew || self.effects.contains_key(&id) && over(self.state_of(id)) {
            self.effects.remove(&id);
        }
    }
}
