//! The executor's state machine: budgets, cycles, providers. Pure: no clock, no I/O, no randomness.
//!
//! Reading order: [`budget`] → [`call`] → [`cycle`] → [`provider`] → [`critique`] → [`event`].

use std::time::Duration;

use serde::{Deserialize, Serialize};
use vivarium_ledger::{Aggregate, Context, FactNote, Meta, SegmentNote, TextRef};
use vivarium_types::amount::MicroUsd;
use vivarium_types::ids::{CycleId, InstanceId, LeaseId, ReservationId};

pub mod action;
pub mod budget;
pub mod call;
pub mod command;
pub mod critique;
pub mod cycle;
pub mod event;
pub mod preflight;
pub mod provider;

pub use event::Event;

use budget::{Budget, Limited, Limits, Reserved, Scope, Wish};
use call::Called;
use critique::{Critique, Missing};
use cycle::{Cycles, Ended, Performed, Started};
use provider::{Consent, Health, Providers};

/// Everything the executor's log has said that still matters.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct State {
    budget: Budget,
    cycles: Cycles,
    providers: Providers,
    programs: command::Programs,
}

impl State {
    /// Money.
    pub const fn budget(&self) -> &Budget {
        &self.budget
    }

    /// The cycles that run.
    pub const fn cycles(&self) -> &Cycles {
        &self.cycles
    }

    /// Providers.
    pub const fn providers(&self) -> &Providers {
        &self.providers
    }
}

/// How a halt became known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HaltSource {
    /// The queue said so.
    Queue,
    /// The file HALT appeared.
    File,
    /// The queue was silent for one ttl.
    Silence,
}

/// A halt was obeyed: nothing of it runs any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obeyed {
    /// The control epoch; 0 when the queue did not name one.
    pub control_epoch: u64,
    /// How it became known.
    pub source: HaltSource,
    /// The cycles that were stopped, with their leases.
    pub stopped: Vec<(CycleId, LeaseId)>,
    /// Model calls that were cancelled.
    pub calls_cancelled: u32,
    /// Programs of the sandbox that were ended, each with all that it had started.
    pub processes_ended: u32,
    /// From knowing to nothing running.
    pub took: Duration,
}

/// Why a reservation was let go without a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotCalled {
    /// It was not sent.
    NotSent,
    /// Its lease ended before.
    LeaseEnded,
    /// The world was halted before.
    Halted,
}

/// What may be asked for.
#[derive(Debug)]
pub enum Command {
    /// A cycle begins.
    StartCycle(Box<Started>),
    /// A preflight is recorded.
    RecordPreflight(preflight::Decided),
    /// Money is set aside before a call.
    Reserve(Box<Wish>),
    /// A call is settled.
    Settle(Box<Called>),
    /// A reservation is let go without a call.
    Release(ReservationId, NotCalled),
    /// An action is recorded.
    RecordAction(Box<Performed>),
    /// A program is about to be started.
    BeginProgram(Box<command::Begun>),
    /// A program has ended.
    EndProgram(Box<command::Over>),
    /// A cycle ends.
    EndCycle(Box<Ended>),
    /// A critique is recorded.
    RecordCritique(Box<Critique>),
    /// The lack of a critique is recorded.
    MissCritique(Missing),
    /// A provider was looked at.
    NoteHealth(Health),
    /// A key was stored.
    SetKey {
        /// The provider.
        provider: String,
        /// The key's mask.
        masked: String,
    },
    /// A key was removed.
    ClearKey {
        /// The provider.
        provider: String,
    },
    /// A limit is set.
    SetLimit {
        /// Which.
        limited: Limited,
        /// How much.
        amount: MicroUsd,
        /// Why.
        reason: TextRef,
        /// The limits where the log sets none.
        defaults: Limits,
    },
    /// A human consents to a provider, or takes it back.
    Consent {
        /// The provider.
        provider: String,
        /// The word.
        consent: Consent,
    },
    /// A halt was obeyed.
    RecordHalt(Obeyed),
    /// A lease has ended at the queue.
    EndLease(LeaseId),
    /// This process has started: whatever others left open is settled at its worst case.
    Recover(InstanceId),
}

/// Why a command is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rejection {
    /// A scope does not allow the call.
    BudgetSpent(Scope),
    /// The reservation was settled or released before.
    ReservationGone(ReservationId),
    /// The cycle runs already or ran before.
    CycleKnown(CycleId),
    /// The cycle does not run.
    CycleGone(CycleId),
    /// A judging voice needs consent.
    JudgeWithoutConsent,
    /// The resident has run as many programs as it may in a day.
    ProgramsSpent,
}

impl Aggregate for State {
    const NAME: &'static str = "executor";
    const SCHEMA: u32 = 1;
    const STATE_VERSION: u32 = 2;

    type Command = Command;
    type Event = Event;
    type Wire = event::Wire;
    type Rejection = Rejection;

    fn needs(command: &Command) -> Vec<String> {
        match command {
            Command::StartCycle(started) => vec![cycle_key(started.cycle)],
            Command::RecordPreflight(_)
            | Command::Reserve(_)
            | Command::Settle(_)
            | Command::Release(..)
            | Command::RecordAction(_)
            | Command::BeginProgram(_)
            | Command::EndProgram(_)
            | Command::EndCycle(_)
            | Command::RecordCritique(_)
            | Command::MissCritique(_)
            | Command::NoteHealth(_)
            | Command::SetKey { .. }
            | Command::ClearKey { .. }
            | Command::SetLimit { .. }
            | Command::Consent { .. }
            | Command::RecordHalt(_)
            | Command::EndLease(_)
            | Command::Recover(_) => Vec::new(),
        }
    }

    fn decide(&self, command: Command, cx: &Context<'_>) -> Result<Vec<Event>, Rejection> {
        match command {
            Command::StartCycle(started) => self.start_cycle(*started, cx),
            Command::RecordPreflight(decided) => Ok(vec![Event::PreflightDecided(decided)]),
            Command::Reserve(wish) => self.reserve(*wish, cx),
            Command::Settle(called) => self.settle(*called),
            Command::Release(id, why) => self.release(id, why),
            Command::RecordAction(performed) => self.record_action(*performed),
            Command::BeginProgram(begun) => {
                self.running(begun.cycle)?;
                if !self.programs.has_room(&begun) {
                    return Err(Rejection::ProgramsSpent);
                }
                Ok(vec![Event::CommandStarted(begun)])
            }
            Command::EndProgram(over) => Ok(vec![Event::CommandEnded(over)]),
            Command::EndCycle(ended) => self.end_cycle(*ended),
            Command::RecordCritique(critique) => Ok(vec![Event::CritiqueMade(*critique)]),
            Command::MissCritique(missing) => Ok(vec![Event::CritiqueFailed(missing)]),
            Command::NoteHealth(health) => Ok(self.note_health(health)),
            Command::SetKey { provider, masked } => Ok(vec![Event::KeySet { provider, masked }]),
            Command::ClearKey { provider } => {
                let known = self.providers.key(&provider).is_some();
                Ok(known.then_some(Event::KeyCleared { provider }).into_iter().collect())
            }
            Command::SetLimit { limited, amount, reason, defaults } => {
                let previous = self.budget.limit(limited, &defaults);
                Ok(vec![Event::BudgetLimitSet { limited, amount, previous, reason }])
            }
            Command::Consent { provider, consent } => self.consent(provider, consent),
            Command::RecordHalt(obeyed) => Ok(vec![Event::HaltObeyed(obeyed)]),
            Command::EndLease(lease) => Ok(self.end_lease(lease)),
            Command::Recover(instance) => Ok(self.recover(instance)),
        }
    }

    fn apply(&mut self, event: &Event, meta: &Meta) {
        match event {
            Event::CycleStarted(started) => self.cycles.on_started(started),
            Event::BudgetReserved(reserved) => self.budget.on_reserved(reserved),
            Event::ModelCalled(called) => {
                self.budget.on_called(called);
                let Called { owner, usage, cost, .. } = &**called;
                self.cycles.on_called(owner.cycle, owner.step, *usage, *cost);
            }
            Event::ReservationReleased { reservation, .. } => self.budget.on_released(*reservation),
            Event::ActionPerformed(performed) => self.cycles.on_performed(performed.cycle),
            Event::CycleEnded(ended) => self.cycles.on_ended(ended.cycle),
            Event::ProviderHealthChanged { health, .. } => self.providers.noted(health, meta.time),
            Event::KeySet { provider, masked } => {
                self.providers.key_set(provider, masked, meta.time);
            }
            Event::KeyCleared { provider } => self.providers.key_cleared(provider),
            Event::BudgetLimitSet { limited, amount, .. } => {
                self.budget.on_limit_set(*limited, *amount);
            }
            Event::ProviderConsented { provider, consent } => {
                self.providers.consented(provider, *consent);
            }
            Event::CommandStarted(begun) => self.programs.on_begun(begun),
            Event::PreflightDecided(_)
            | Event::CommandEnded(_)
            | Event::CritiqueMade(_)
            | Event::CritiqueFailed(_)
            | Event::HaltObeyed(_)
            | Event::FactIgnored(_)
            | Event::FactParked(_)
            | Event::SegmentClosed(_) => {}
        }
    }

    fn kind(event: &Event) -> &'static str {
        event.kind()
    }

    fn claims(event: &Event) -> Vec<String> {
        match event {
            Event::CycleStarted(started) => vec![cycle_key(started.cycle)],
            Event::PreflightDecided(_)
            | Event::BudgetReserved(_)
            | Event::ModelCalled(_)
            | Event::ReservationReleased { .. }
            | Event::ActionPerformed(_)
            | Event::CommandStarted(_)
            | Event::CommandEnded(_)
            | Event::CycleEnded(_)
            | Event::CritiqueMade(_)
            | Event::CritiqueFailed(_)
            | Event::ProviderHealthChanged { .. }
            | Event::KeySet { .. }
            | Event::KeyCleared { .. }
            | Event::BudgetLimitSet { .. }
            | Event::ProviderConsented { .. }
            | Event::HaltObeyed(_)
            | Event::FactIgnored(_)
            | Event::FactParked(_)
            | Event::SegmentClosed(_) => Vec::new(),
        }
    }

    fn fact_ignored(note: FactNote) -> Event {
        Event::FactIgnored(note)
    }

    fn fact_parked(note: FactNote) -> Event {
        Event::FactParked(note)
    }

    fn segment_closed(note: SegmentNote) -> Event {
        Event::SegmentClosed(Box::new(note))
    }

    fn reason(rejection: &Rejection) -> String {
        match rejection {
            Rejection::BudgetSpent(_) => "BUDGET_SPENT",
            Rejection::ReservationGone(_) => "RESERVATION_GONE",
            Rejection::CycleKnown(_) => "CYCLE_KNOWN",
            Rejection::CycleGone(_) => "CYCLE_GONE",
            Rejection::JudgeWithoutConsent => "JUDGE_WITHOUT_CONSENT",
            Rejection::ProgramsSpent => "PROGRAMS_SPENT",
        }
        .to_owned()
    }
}

impl State {
    fn start_cycle(&self, started: Started, cx: &Context<'_>) -> Result<Vec<Event>, Rejection> {
        let known = cx.claimed(&cycle_key(started.cycle)).is_some();
        if known || self.cycles.live(started.cycle).is_some() {
            return Err(Rejection::CycleKnown(started.cycle));
        }
        Ok(vec![Event::CycleStarted(Box::new(started))])
    }

    fn reserve(&self, wish: Wish, cx: &Context<'_>) -> Result<Vec<Event>, Rejection> {
        self.running(wish.owner.cycle)?;
        let reserved = self.budget.reserve(wish, cx.now().utc_day());
        let reserved = reserved.map_err(Rejection::BudgetSpent)?;
        Ok(vec![Event::BudgetReserved(Box::new(reserved))])
    }

    fn settle(&self, called: Called) -> Result<Vec<Event>, Rejection> {
        self.open(called.reservation)?;
        Ok(vec![Event::ModelCalled(Box::new(called))])
    }

    fn release(&self, id: ReservationId, why: NotCalled) -> Result<Vec<Event>, Rejection> {
        self.open(id)?;
        Ok(vec![Event::ReservationReleased { reservation: id, why }])
    }

    fn open(&self, id: ReservationId) -> Result<&Reserved, Rejection> {
        self.budget.reservation(id).ok_or(Rejection::ReservationGone(id))
    }

    fn record_action(&self, performed: Performed) -> Result<Vec<Event>, Rejection> {
        self.running(performed.cycle)?;
        Ok(vec![Event::ActionPerformed(Box::new(performed))])
    }

    fn end_cycle(&self, ended: Ended) -> Result<Vec<Event>, Rejection> {
        let live = self.running(ended.cycle)?;
        // Nothing that a cycle began outlives it.
        let mut events = self.settle_lease(live.lease);
        events.push(Event::CycleEnded(Box::new(ended)));
        Ok(events)
    }

    fn running(&self, cycle: CycleId) -> Result<&cycle::Live, Rejection> {
        self.cycles.live(cycle).ok_or(Rejection::CycleGone(cycle))
    }

    fn note_health(&self, health: Health) -> Vec<Event> {
        if !self.providers.is_news(&health) {
            return Vec::new();
        }
        let any_usable = self.providers.any_usable_with(&health);
        vec![Event::ProviderHealthChanged { health, any_usable }]
    }

    fn consent(&self, provider: String, consent: Consent) -> Result<Vec<Event>, Rejection> {
        if consent.may_judge && !consent.given {
            return Err(Rejection::JudgeWithoutConsent);
        }
        let same = self.providers.consent(&provider) == consent;
        let event = Event::ProviderConsented { provider, consent };
        Ok((!same).then_some(event).into_iter().collect())
    }

    /// A lease that has ended holds no money. Its calls may have reached the provider.
    fn end_lease(&self, lease: LeaseId) -> Vec<Event> {
        self.settle_lease(lease)
    }

    fn settle_lease(&self, lease: LeaseId) -> Vec<Event> {
        let open = self.budget.of_lease(lease);
        open.map(|reserved| Event::ModelCalled(Box::new(Called::lost(reserved)))).collect()
    }

    fn recover(&self, instance: InstanceId) -> Vec<Event> {
        let calls = self.budget.of_others(instance);
        let calls = calls.map(|reserved| Event::ModelCalled(Box::new(Called::lost(reserved))));
        let mut events: Vec<_> = calls.collect();
        let mut after = self.clone();
        for event in &events {
            if let Event::ModelCalled(called) = event {
                after.cycles.on_called(
                    called.owner.cycle,
                    called.owner.step,
                    called.usage,
                    called.cost,
                );
            }
        }
        let ends = after.cycles.of_others(instance);
        events.extend(
            ends.map(|(cycle, live)| Event::CycleEnded(Box::new(Cycles::lost(cycle, live)))),
        );
        events
    }
}

/// A cycle runs once.
fn cycle_key(cycle: CycleId) -> String {
    format!("cycle:{cycle}")
}

#[cfg(test)]
mod tests;
