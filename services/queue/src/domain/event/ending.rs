//! How an attempt ended, read off the one event that ends it.

use vivarium_types::MicroUsd;
use vivarium_types::ids::SubmissionId;

use super::{End, Event};
use crate::domain::retry::Class;

/// The end of an attempt as every reader of the log sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// Which attempt.
    pub end: End,
    /// The word in lists.
    pub outcome: &'static str,
    /// The class, when it failed.
    pub class: Option<Class>,
    /// Settled cost.
    pub cost: MicroUsd,
    /// What it put up for review.
    pub submission: Option<SubmissionId>,
}

impl Ending {
    const fn plain(end: End, outcome: &'static str) -> Self {
        Self { end, outcome, class: None, cost: MicroUsd::ZERO, submission: None }
    }
}

impl Event {
    /// The end of an attempt that this event is, if it is one.
    pub fn ending(&self) -> Option<Ending> {
        let ending = match self {
            Self::AttemptFinished(done) => Ending {
                cost: done.cost,
                submission: Some(done.submission),
                ..Ending::plain(done.end, "finished")
            },
            Self::AttemptDeclined { end, cost, .. } => {
                Ending { cost: *cost, ..Ending::plain(*end, "declined") }
            }
            Self::AttemptWaits { end, cost, .. } => {
                Ending { cost: *cost, ..Ending::plain(*end, "waits") }
            }
            Self::AttemptFailed { end, class, cost, .. } => {
                Ending { class: Some(*class), cost: *cost, ..Ending::plain(*end, "failed") }
            }
            Self::AttemptReturned { end, .. } => Ending::plain(*end, "returned"),
            Self::AttemptBlocked { end, held, cost, .. } => {
                let word = if *held { "held" } else { "blocked" };
                Ending { cost: *cost, ..Ending::plain(*end, word) }
            }
            Self::AttemptHalted { end, .. } => Ending::plain(*end, "halted"),
            Self::AttemptRevoked { end, .. } => Ending::plain(*end, "revoked"),
            Self::TaskAdded(_)
            | Self::TaskReady { .. }
            | Self::LeaseGranted(_)
            | Self::TaskAwaitsHuman { .. }
            | Self::TaskApproved(_)
            | Self::TaskRequeued(_)
            | Self::TaskFailed(_)
            | Self::TaskPaused { .. }
            | Self::TaskResumed { .. }
            | Self::TaskCancelled { .. }
            | Self::TaskReopened { .. }
            | Self::CritiqueQueued { .. }
            | Self::CritiqueEnded { .. }
            | Self::HaltSet { .. }
            | Self::Resumed { .. }
            | Self::HaltAcknowledged(_)
            | Self::PaceSet { .. }
            | Self::StepsBought { .. }
            | Self::ModeSet { .. }
            | Self::ResidentLevelSet { .. }
            | Self::ProgramDecided { .. }
            | Self::CalendarSet { .. }
            | Self::LimitsSet { .. }
            | Self::EffectRecorded(_)
            | Self::DayStarted(_)
            | Self::WorldTimeNoted { .. }
            | Self::RunnerJoined { .. }
            | Self::RunnerLeft { .. }
            | Self::ResidentNoted { .. }
            | Self::SpecializationsNoted { .. }
            | Self::ProviderNoted { .. }
            | Self::TaskEdited(_)
            | Self::RecurrenceCreated(_)
            | Self::RecurrenceFired(_)
            | Self::RecurrenceSteered(_)
            | Self::TaskProposed(_)
            | Self::TaskAdmitted { .. }
            | Self::TaskSplit(_)
            | Self::FactIgnored(_)
            | Self::FactParked(_)
            | Self::SegmentClosed(_) => return None,
        };
        Some(ending)
    }
}
