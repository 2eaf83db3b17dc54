//! What society does about the queue's events.

use async_trait::async_trait;
use vivarium_chassis::Service;
use vivarium_ledger::{Handler, Ledger, Reaction, Row, Trouble};
use vivarium_proto::queue::v1 as pb;
use vivarium_proto::queue::v1::queue_event::Event;
use vivarium_types::ids::{LeaseId, ResidentId, SubmissionId};
use vivarium_types::{MicroUsd, Permille};

use super::{cause, decode, malformed, parse};
use crate::domain::day::Day;
use crate::domain::income::{Approved, Role};
use crate::domain::{Command, Society};

/// Follows the queue.
pub(super) struct OfQueue {
    ledger: Ledger<Society>,
}

impl OfQueue {
    pub(super) const fn new(ledger: Ledger<Society>) -> Self {
        Self { ledger }
    }
}

#[async_trait]
impl Handler<Society> for OfQueue {
    fn concerns(&self, kind: &str) -> bool {
        kind.starts_with("attempt_")
            || matches!(kind, "day_started" | "task_approved" | "lease_granted")
    }

    async fn react(&self, row: &Row) -> Result<Reaction<Society>, Trouble> {
        let event: pb::QueueEvent = decode(row)?;
        match event.event {
            Some(Event::DayStarted(day)) => {
                let pb::DayStarted { day, week, weekday, rest_day } = day;
                let command = Command::OpenDay(Day { day, week, weekday, rest_day });
                Ok(Reaction::command(cause(Service::Queue), command))
            }
            Some(Event::TaskApproved(approved)) => self.value(approved).await,
            Some(Event::LeaseGranted(granted)) => {
                // Without a resident there is nobody whose older leases it outruns.
                if let Ok(resident) = granted.resident_id.parse() {
                    self.granted(resident, row.sequence)?;
                }
                Ok(Reaction::Nothing)
            }
            Some(other) => {
                if let Some(lease) = ended(&other) {
                    self.ended(parse(lease, "lease_id")?)?;
                }
                Ok(Reaction::Nothing)
            }
            None => Ok(Reaction::Nothing),
        }
    }
}

impl OfQueue {
    async fn value(&self, approved: pb::TaskApproved) -> Result<Reaction<Society>, Trouble> {
        // Local tasks have no author and so no wage.
        if approved.resident_id.is_empty() || approved.mode() == pb::TaskMode::Local {
            return Ok(Reaction::Nothing);
        }
        let submission: SubmissionId = parse(&approved.submission_id, "submission_id")?;
        self.wait_for_verdict(submission).await?;
        let command = Command::Value(Box::new(Approved {
            task: parse(&approved.task_id, "task_id")?,
            resident: parse(&approved.resident_id, "resident_id")?,
            submission,
            cost: MicroUsd::new(approved.cost_micro_usd),
            budget_max: MicroUsd::new(approved.budget_max_micro_usd),
            bonus: bonus(approved.bonus_tokens)?,
            role: match (approved.integrated, approved.share) {
                (true, _) => Role::Integration,
                (false, 0) => Role::Whole,
                (false, share) => Role::Part(share.min(100)),
            },
            tags: approved.tags,
            confidence: Permille(approved.confidence_permille.min(1_000)),
        }));
        Ok(Reaction::command(cause(Service::Queue), command))
    }

    /// The wage depends on the rubric, which stands in review's log. The verdict was there before the
    /// task was approved; it only has to be followed first. One that was parked never comes.
    async fn wait_for_verdict(&self, submission: SubmissionId) -> Result<(), Trouble> {
        loop {
            // From before the question, so that no commit behind the answer is missed.
            let mut commits = self.ledger.watch(self.ledger.committed());
            let known = self.ledger.ask(move |society| {
                let parked = society.parked.iter().any(|fact| fact.starts_with("review#"));
                society.unpaid.knows(submission) || parked
            });
            match known.await {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(_) => return Err(Trouble::Unavailable("the ledger is closing".into())),
            }
            match commits.next().await {
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(Trouble::Unavailable(Box::new(error))),
                None => return Err(Trouble::Unavailable("the ledger is closing".into())),
            }
        }
    }

    /// Notes a grant beside the log: it makes older rights of the resident void.
    fn granted(&self, resident: ResidentId, token: u64) -> Result<(), Trouble> {
        let noted = self.ledger.touch(move |society| society.heard.granted(resident, token));
        noted.map_err(|_| Trouble::Unavailable("the ledger is busy or closing".into()))
    }

    /// Notes an end beside the log: nothing more is done under that lease.
    fn ended(&self, lease: LeaseId) -> Result<(), Trouble> {
        let noted = self.ledger.touch(move |society| society.heard.ended(lease));
        noted.map_err(|_| Trouble::Unavailable("the ledger is busy or closing".into()))
    }
}

/// The lease that an event ended.
fn ended(event: &Event) -> Option<&str> {
    match event {
        Event::AttemptFinished(it) => Some(&it.lease_id),
        Event::AttemptDeclined(it) => Some(&it.lease_id),
        Event::AttemptWaits(it) => Some(&it.lease_id),
        Event::AttemptFailed(it) => Some(&it.lease_id),
        Event::AttemptReturned(it) => Some(&it.lease_id),
        Event::AttemptBlocked(it) => Some(&it.lease_id),
        Event::AttemptHalted(it) => Some(&it.lease_id),
        Event::AttemptRevoked(it) => Some(&it.lease_id),
        Event::TaskAdded(_)
        | Event::TaskReady(_)
        | Event::LeaseGranted(_)
        | Event::TaskAwaitsHuman(_)
        | Event::TaskApproved(_)
        | Event::TaskRequeued(_)
        | Event::TaskFailed(_)
        | Event::TaskPaused(_)
        | Event::TaskResumed(_)
        | Event::TaskCancelled(_)
        | Event::TaskReopened(_)
        | Event::CritiqueQueued(_)
        | Event::CritiqueEnded(_)
        | Event::HaltSet(_)
        | Event::Resumed(_)
        | Event::HaltAcknowledged(_)
        | Event::PaceSet(_)
        | Event::StepsBought(_)
        | Event::ModeSet(_)
        | Event::ResidentLevelSet(_)
        | Event::ProgramDecided(_)
        | Event::CalendarSet(_)
        | Event::DayStarted(_)
        | Event::WorldTimeNoted(_)
        | Event::RunnerJoined(_)
        | Event::RunnerLeft(_)
        | Event::ResidentNoted(_)
        | Event::SpecializationsNoted(_)
        | Event::FactIgnored(_)
        | Event::FactParked(_)
        | Event::SegmentClosed(_)
        | Event::ProviderNoted(_)
        | Event::TaskEdited(_)
        | Event::RecurrenceCreated(_)
        | Event::RecurrenceFired(_)
        | Event::RecurrenceSteered(_)
        | Event::LimitsSet(_)
        | Event::EffectRecorded(_)
        | Event::TaskProposed(_)
        | Event::TaskAdmitted(_)
        | Event::TaskSplit(_) => None,
    }
}

fn bonus(tokens: i64) -> Result<i64, Trouble> {
    if (0..=5_000).contains(&tokens) { Ok(tokens) } else { Err(malformed("bonus_tokens")) }
}
