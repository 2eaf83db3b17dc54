//! Decisions about the world's controls, and about who runs in it.

use std::time::Duration;

use vivarium_ledger::{Context, TextRef};
use vivarium_types::Timestamp;
use vivarium_types::ids::InstanceId;

use super::event::{Event, HaltAck};
use super::lease::Held;
use super::limits::Limit;
use super::runner::Left;
use super::world::{Mode, Pace, STEPS_MAX};
use super::{Queue, Rejection};

/// A runner process that introduces itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// Its name.
    pub runner: String,
    /// This start of it.
    pub instance: InstanceId,
    /// Cycles it can run at once.
    pub slots: u32,
    /// Leases it goes on with.
    pub resumes: Vec<Held>,
    /// Runners that a world may have.
    pub runners_max: u32,
}

impl Queue {
    pub(super) fn hello(&self, hello: Hello, cx: &Context<'_>) -> Result<Vec<Event>, Rejection> {
        let Hello { runner, instance, slots, resumes, runners_max } = hello;
        let runners_max = self.limit(Limit::Runners, u64::from(runners_max));
        let known = self.runners.get(&runner);
        let open = self.volatile.connections.get(&runner);
        if open.is_some_and(|open| open.instance > instance) {
            return Err(Rejection::RunnerReplaced { runner });
        }
        if known.is_none() && self.runners.len() as u64 >= runners_max {
            return Err(Rejection::RunnersFull { max: runners_max });
        }
        let resumed = |lease: &super::lease::Lease| {
            let held = Held { lease: lease.granted.lease, token: lease.token };
            resumes.contains(&held)
        };
        let own = self.leases.values().filter(|lease| lease.granted.runner == runner);
        let released = own.filter(|lease| !resumed(lease));
        let mut events: Vec<Event> = released
            .flat_map(|lease| self.lose(lease, "the runner began anew without it", cx.now()))
            .collect();
        if let Some(old) = known.filter(|known| known.instance != instance) {
            let (instance, why) = (old.instance, Left::Replaced);
            events.push(Event::RunnerLeft { runner: runner.clone(), instance, why });
        }
        if known.is_none_or(|known| known.instance != instance || known.slots != slots) {
            events.push(Event::RunnerJoined { runner, instance, slots });
        }
        Ok(events)
    }

    pub(super) fn set_halt(&self, reason: TextRef, now: Timestamp) -> Vec<Event> {
        if self.world.halted() {
            return Vec::new();
        }
        let control_epoch = self.world.control_epoch + 1;
        let runners = self.runners.keys().cloned().collect();
        let halt = Event::HaltSet { control_epoch, reason, runners };
        let leases = self.leases.values();
        let ended = leases.flat_map(|lease| self.halt_lease(lease, control_epoch, now));
        std::iter::once(halt).chain(ended).collect()
    }

    pub(super) fn end_halt(&self, reason: TextRef) -> Result<Vec<Event>, Rejection> {
        if !self.world.halted() {
            return Err(Rejection::NotHalted);
        }
        let control_epoch = self.world.control_epoch + 1;
        Ok(vec![Event::Resumed { control_epoch, reason: Some(reason) }])
    }

    pub(super) fn acknowledge_halt(&self, ack: HaltAck) -> Vec<Event> {
        let last = self.world.last_halt.as_ref().map(|(halt, _)| halt);
        let mut known = self.world.halt.iter().chain(last);
        let asked = known.any(|halt| {
            let first = halt.runners.get(&ack.runner).is_none_or(Option::is_none);
            halt.control_epoch == ack.control_epoch && first
        });
        if asked { vec![Event::HaltAcknowledged(ack)] } else { Vec::new() }
    }

    pub(super) fn set_pace(&self, pace: Pace, reason: Option<TextRef>) -> Vec<Event> {
        if self.world.pace == pace {
            return Vec::new();
        }
        let control_epoch = self.world.control_epoch + 1;
        vec![Event::PaceSet { control_epoch, pace, reason }]
    }

    pub(super) fn step(&self, count: u32) -> Result<Vec<Event>, Rejection> {
        if self.world.pace != Pace::Step {
            return Err(Rejection::NotStep);
        }
        let steps_left = self.world.steps_left.saturating_add(count).min(STEPS_MAX);
        if steps_left == self.world.steps_left {
            return Ok(Vec::new());
        }
        let control_epoch = self.world.control_epoch + 1;
        Ok(vec![Event::StepsBought { control_epoch, steps_left }])
    }

    pub(super) fn set_mode(&self, mode: Mode, reason: TextRef) -> Result<Vec<Event>, Rejection> {
        built(mode)?;
        if self.world.mode == mode {
            return Ok(Vec::new());
        }
        let control_epoch = self.world.control_epoch + 1;
        Ok(vec![Event::ModeSet { control_epoch, mode, reason: Some(reason) }])
    }

    pub(super) fn set_calendar(
        &self,
        day_length: Option<Duration>,
        rest_day_on: Option<bool>,
        reason: TextRef,
    ) -> Vec<Event> {
        let calendar = &self.world.calendar;
        let day_length = day_length.unwrap_or(calendar.next_day_length);
        let rest_day_on = rest_day_on.unwrap_or(calendar.rest_day_on);
        if day_length == calendar.next_day_length && rest_day_on == calendar.rest_day_on {
            return Vec::new();
        }
        let control_epoch = self.world.control_epoch + 1;
        let reason = Some(reason);
        vec![Event::CalendarSet { control_epoch, day_length, rest_day_on, reason }]
    }
}

/// Refuses a level that nothing stands behind yet.
pub(super) const fn built(mode: Mode) -> Result<(), Rejection> {
    match mode {
        Mode::DocsOnly | Mode::RunSandboxed => Ok(()),
        Mode::ProposeChanges | Mode::ApplyApproved => Err(Rejection::ModeUnavailable { mode }),
    }
}
