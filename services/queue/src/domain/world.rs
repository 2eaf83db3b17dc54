//! The world's controls: halt, pace, mode, calendar, limits, and the world's own time.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use vivarium_ledger::planted::{self, Bug};
use vivarium_ledger::{Meta, TextRef};
use vivarium_types::ids::LeaseId;
use vivarium_types::{Actor, Timestamp};

use super::event::{CritiqueOutcome, Event, HaltAck};
use super::limits::Limits;

/// Days of a week; the last is the day of rest.
pub const WEEK_DAYS: u64 = 7;
/// A gap between two looks at the clock counts at most this much.
pub const GAP_MAX: Duration = Duration::from_secs(5);
/// How often the clock is looked at while world time moves: well within [`GAP_MAX`].
pub const READ_EVERY: Duration = Duration::from_secs(4);
/// World time that one bought step moves.
const STEP_US: i64 = 2_000_000;
/// Seconds of pace at which world time runs like real time.
const PACE_NORMAL: u32 = 2;
/// World time of a day until another is set.
const DAY_LENGTH: Duration = Duration::from_mins(30);
/// Cycle starts that may be bought and unspent.
pub const STEPS_MAX: u32 = 100;

/// How fast cycles start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pace {
    /// At least this many seconds between two starts.
    Wait(u32),
    /// No cycle starts.
    Paused,
    /// Each bought step is one start.
    Step,
}

/// What residents may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Mode {
    /// Markdown into the library and nothing else.
    DocsOnly,
    /// Also propose diffs.
    ProposeChanges,
    /// Also run listed programs.
    RunSandboxed,
    /// The runtime applies approved diffs.
    ApplyApproved,
}

impl Mode {
    /// The level's name.
    pub const fn word(self) -> &'static str {
        match self {
            Self::DocsOnly => "docs_only",
            Self::ProposeChanges => "propose_changes",
            Self::RunSandboxed => "run_sandboxed",
            Self::ApplyApproved => "apply_approved",
        }
    }

    /// The level in force: the lowest of the world's, the resident's if one works, and the task's.
    pub fn in_force(world: Self, resident: Option<Self>, task: Self) -> Self {
        resident.into_iter().fold(world.min(task), Self::min)
    }
}

/// A halt in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Halt {
    /// The control epoch it began.
    pub control_epoch: u64,
    /// Who.
    pub actor: Actor,
    /// Why.
    pub reason: TextRef,
    /// When.
    pub time: Timestamp,
    /// What each runner that was there stopped; `None` while it is silent.
    pub runners: BTreeMap<String, Option<HaltAck>>,
    /// Leases it revoked.
    pub revoked: Vec<LeaseId>,
}

/// Days of the world.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calendar {
    /// World time of the present day.
    pub day_length: Duration,
    /// World time of the next day on.
    pub next_day_length: Duration,
    /// Whether Sunday is rest.
    pub rest_day_on: bool,
    /// From 1; 0 before the first day.
    pub day: u64,
    /// World time at which the present day began.
    pub day_began_us: i64,
}

impl Calendar {
    /// A day begins where the one before it ended.
    fn begin(&mut self, day: u64) {
        if self.day > 0 {
            self.day_began_us = self.day_ends_us();
        }
        self.day = day;
        self.day_length = self.next_day_length;
    }

    /// From 1.
    pub const fn week(&self) -> u64 {
        self.day.saturating_sub(1) / WEEK_DAYS + 1
    }

    /// 1 (Monday) to 7 (Sunday).
    pub const fn weekday(&self) -> u64 {
        weekday(self.day)
    }

    /// Whether nothing but what was asked for it runs today.
    pub const fn rest_day(&self) -> bool {
        self.rest_day_on && self.day > 0 && self.weekday() == WEEK_DAYS
    }

    /// World time at which the present day ends.
    pub fn day_ends_us(&self) -> i64 {
        self.day_began_us.saturating_add(micros(self.day_length))
    }
}

/// 1 (Monday) to 7 (Sunday).
pub const fn weekday(day: u64) -> u64 {
    day.saturating_sub(1) % WEEK_DAYS + 1
}

/// The controls as they are in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct World {
    /// Raised by every change; never falls.
    pub control_epoch: u64,
    /// The halt in force.
    pub halt: Option<Halt>,
    /// The halt before it, and when it ended.
    pub last_halt: Option<(Halt, Timestamp)>,
    /// How fast cycles start.
    pub pace: Pace,
    /// Cycle starts bought and not used.
    pub steps_left: u32,
    /// What residents may do.
    pub mode: Mode,
    /// The calendar.
    pub calendar: Calendar,
    /// Limits that the log sets.
    pub limits: Limits,
    /// World time as it was noted last, in microseconds.
    pub noted_us: i64,
    /// When a cycle was started last.
    pub last_start: Option<Timestamp>,
}

impl Default for World {
    fn default() -> Self {
        Self {
            control_epoch: 1,
            halt: None,
            last_halt: None,
            pace: Pace::Wait(PACE_NORMAL),
            steps_left: 0,
            mode: Mode::DocsOnly,
            calendar: Calendar {
                day_length: DAY_LENGTH,
                next_day_length: DAY_LENGTH,
                rest_day_on: true,
                day: 0,
                day_began_us: 0,
            },
            limits: Limits::new(),
            noted_us: 0,
            last_start: None,
        }
    }
}

impl World {
    /// Whether the world is halted.
    pub const fn halted(&self) -> bool {
        self.halt.is_some()
    }

    /// The moment from which the pace allows the next start; `None` when only a person does.
    pub fn next_start(&self) -> Option<Timestamp> {
        if self.halted() && !planted::has(Bug::GrantWhileHalted) {
            return None;
        }
        match self.pace {
            Pace::Paused if planted::has(Bug::GrantWhilePaused) => Some(Timestamp::EPOCH),
            Pace::Paused => None,
            Pace::Step if self.steps_left == 0 => None,
            Pace::Step => Some(Timestamp::EPOCH),
            Pace::Wait(seconds) => {
                Some(self.last_start.map_or(Timestamp::EPOCH, |last| {
                    last + Duration::from_secs(u64::from(seconds))
                }))
            }
        }
    }

    /// World time that passes in `real`, while it moves: 2 / max(2, n) of it at `wait n`.
    pub fn passing_us(&self, real: Duration) -> i64 {
        match self.pace {
            Pace::Wait(seconds) => {
                micros(real) * i64::from(PACE_NORMAL) / i64::from(seconds.max(PACE_NORMAL))
            }
            Pace::Paused if planted::has(Bug::CalendarWhilePaused) => micros(real),
            Pace::Paused | Pace::Step => 0,
        }
    }

    /// Real time in which `world_us` of world time pass, rounded up.
    pub fn lasting(&self, world_us: i64) -> Duration {
        let factor = match self.pace {
            Pace::Wait(seconds) => seconds.max(PACE_NORMAL),
            Pace::Paused | Pace::Step => PACE_NORMAL,
        };
        let real = (world_us.max(0) * i64::from(factor) + 1) / i64::from(PACE_NORMAL);
        Duration::from_micros(u64::try_from(real).unwrap_or(0))
    }

    /// Takes in what an event says about the controls.
    pub fn apply(&mut self, event: &Event, meta: &Meta) {
        match event {
            Event::HaltSet { control_epoch, reason, runners } => {
                self.control_epoch = *control_epoch;
                self.halt = Some(Halt {
                    control_epoch: *control_epoch,
                    actor: meta.actor.clone(),
                    reason: reason.clone(),
                    time: meta.time,
                    runners: runners.iter().map(|name| (name.clone(), None)).collect(),
                    revoked: Vec::new(),
                });
            }
            Event::Resumed { control_epoch, .. } => {
                self.control_epoch = *control_epoch;
                self.last_halt = self.halt.take().map(|halt| (halt, meta.time));
            }
            Event::HaltAcknowledged(ack) => {
                let last = self.last_halt.as_mut().map(|(halt, _)| halt);
                let known = self.halt.as_mut().into_iter().chain(last);
                for halt in known.filter(|halt| halt.control_epoch == ack.control_epoch) {
                    halt.runners.insert(ack.runner.clone(), Some(ack.clone()));
                }
            }
            Event::PaceSet { control_epoch, pace, .. } => {
                self.control_epoch = *control_epoch;
                self.pace = *pace;
                self.steps_left = 0;
            }
            Event::StepsBought { control_epoch, steps_left } => {
                self.control_epoch = *control_epoch;
                self.steps_left = *steps_left;
            }
            Event::ModeSet { control_epoch, mode, .. } => {
                self.control_epoch = *control_epoch;
                self.mode = *mode;
            }
            Event::ResidentLevelSet { control_epoch, .. } => self.control_epoch = *control_epoch,
            Event::CalendarSet { control_epoch, day_length, rest_day_on, .. } => {
                self.control_epoch = *control_epoch;
                self.calendar.next_day_length = *day_length;
                self.calendar.rest_day_on = *rest_day_on;
            }
            Event::LimitsSet { control_epoch, limits, .. } => {
                self.control_epoch = *control_epoch;
                self.limits.clone_from(limits);
            }
            Event::DayStarted(day) => self.calendar.begin(day.day),
            Event::WorldTimeNoted { world_time_us } => {
                self.noted_us = self.noted_us.max(*world_time_us);
            }
            Event::LeaseGranted(_) => {
                self.last_start = Some(meta.time);
                if self.pace == Pace::Step {
                    let free = planted::has(Bug::StepBuysTwo) && meta.sequence.is_multiple_of(2);
                    self.steps_left = self.steps_left.saturating_sub(u32::from(!free));
                    self.noted_us = self.noted_us.saturating_add(STEP_US);
                }
            }
            Event::AttemptHalted { end, .. } => self.revoked(end.lease),
            Event::CritiqueEnded { lease, outcome: CritiqueOutcome::Halted, .. } => {
                self.revoked(*lease);
            }
            Event::TaskAdded(_)
            | Event::TaskProposed(_)
            | Event::TaskAdmitted { .. }
            | Event::TaskSplit(_)
            | Event::TaskReady { .. }
            | Event::AttemptFinished(_)
            | Event::AttemptDeclined { .. }
            | Event::AttemptWaits { .. }
            | Event::AttemptFailed { .. }
            | Event::AttemptReturned { .. }
            | Event::AttemptBlocked { .. }
            | Event::AttemptRevoked { .. }
            | Event::TaskAwaitsHuman { .. }
            | Event::TaskApproved(_)
            | Event::TaskRequeued(_)
            | Event::TaskFailed(_)
            | Event::TaskPaused { .. }
            | Event::TaskResumed { .. }
            | Event::TaskCancelled { .. }
            | Event::TaskReopened { .. }
            | Event::ProgramDecided { .. }
            | Event::CritiqueQueued { .. }
            | Event::CritiqueEnded { .. }
            | Event::RunnerJoined { .. }
            | Event::RunnerLeft { .. }
            | Event::ResidentNoted { .. }
            | Event::SpecializationsNoted { .. }
            | Event::ProviderNoted { .. }
            | Event::TaskEdited(_)
            | Event::RecurrenceCreated(_)
            | Event::RecurrenceFired(_)
            | Event::RecurrenceSteered(_)
            | Event::EffectRecorded(_)
            | Event::FactIgnored(_)
            | Event::FactParked(_)
            | Event::SegmentClosed(_) => {}
        }
    }

    fn revoked(&mut self, lease: LeaseId) {
        if let Some(halt) = &mut self.halt {
            halt.revoked.push(lease);
        }
    }
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}
