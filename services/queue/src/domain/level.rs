//! What residents may do beyond documents: by a person's consent, for a time, and program by program
//! where a cycle has seen others' texts.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use vivarium_ledger::TextRef;
use vivarium_types::Timestamp;
use vivarium_types::ids::ResidentId;
use vivarium_types::source::Hash;

use super::event::Event;
use super::lease::Granted;
use super::task::{Awaits, State};
use super::world::Mode;
use super::{Queue, Rejection, control};

/// Days of 24 hours that a consent lasts at the most (domain.md, section 2).
pub const DAYS_MAX: u32 = 28;

/// A person's consent to a resident's level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// The level.
    pub level: Mode,
    /// When it ends.
    pub end: Timestamp,
    /// Whether programs may run in cycles that have seen others' texts too.
    pub after_texts: bool,
}

/// What is asked for about a resident's level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Who.
    pub resident: ResidentId,
    /// The level; the lowest takes a consent back.
    pub level: Mode,
    /// How many days it shall hold.
    pub days: u32,
    /// Whether programs may run in cycles that have seen others' texts too.
    pub after_texts: bool,
    /// Why.
    pub reason: TextRef,
}

/// A program that a task is held for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldProgram {
    /// Its digest.
    pub hash: Hash,
    /// The program, word for word.
    pub text: TextRef,
}

impl Queue {
    /// What a resident may do at the most, now.
    pub fn level_of(&self, resident: ResidentId, now: Timestamp) -> Mode {
        self.consent(resident, now).map_or(Mode::DocsOnly, |consent| consent.level)
    }

    /// The consent that holds for a resident now.
    pub fn consent(&self, resident: ResidentId, now: Timestamp) -> Option<Consent> {
        let known = self.residents.get(&resident)?;
        known.consent.filter(|consent| now < consent.end)
    }

    /// What may be done under a lease now: what was granted, unless it was lowered since.
    pub fn level_now(&self, granted: &Granted, now: Timestamp) -> Mode {
        let own = granted.resident.map(|resident| match self.consent(resident, now) {
            // What was granted as unfenced is not what is consented to any more.
            Some(consent) if granted.after_texts && !consent.after_texts => Mode::DocsOnly,
            Some(consent) => consent.level,
            None => Mode::DocsOnly,
        });
        Mode::in_force(self.world.mode, own, granted.level)
    }

    pub(super) fn set_level(
        &self,
        wanted: Wanted,
        now: Timestamp,
    ) -> Result<Vec<Event>, Rejection> {
        let Wanted { resident, level, days, after_texts, reason } = wanted;
        control::built(level)?;
        if !self.residents.contains_key(&resident) {
            return Err(Rejection::ResidentNotFound { resident });
        }
        if level == Mode::DocsOnly && self.consent(resident, now).is_none() {
            return Ok(Vec::new());
        }
        let end = now + Duration::from_hours(24) * days.min(DAYS_MAX);
        let control_epoch = self.world.control_epoch + 1;
        let consent = Consent { level, end, after_texts };
        Ok(vec![Event::ResidentLevelSet { control_epoch, resident, consent, reason }])
    }

    /// A person decides about the program that a task is held for, as it was read.
    pub(super) fn decide_program(
        &self,
        name: &str,
        hash: Hash,
        allowed: bool,
        feedback: Option<TextRef>,
        now: Timestamp,
    ) -> Result<Vec<Event>, Rejection> {
        let request = "decide about a program";
        let task = self.open_task(name, request)?;
        let held = task.held_program.as_ref();
        let held = held
            .filter(|_| task.state == State::AwaitingHuman && task.awaits == Some(Awaits::Held));
        let Some(held) = held else {
            return Err(Rejection::Transition { state: task.state, request });
        };
        if held.hash != hash {
            return Err(Rejection::ProposalStale);
        }
        let state = self.fresh_state(task, now);
        Ok(vec![Event::ProgramDecided { task: task.id(), state, hash, allowed, feedback }])
    }
}
