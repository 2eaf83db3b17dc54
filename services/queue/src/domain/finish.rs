//! How an attempt ends: by its runner's word, by a halt, from here, or by silence.

use std::time::Duration;

use vivarium_ledger::planted::{self, Bug};
use vivarium_ledger::{Context, TextRef};
use vivarium_types::ids::InstanceId;
use vivarium_types::source::Hash;
use vivarium_types::{MicroUsd, Timestamp};

use super::event::{CritiqueOutcome, End, Event, Failed, Finished, ReturnedFor, RevokedFor, Work};
use super::lease::{Held, Lease, Purpose};
use super::retry::{self, Class, Policy};
use super::task::{Awaits, Task};
use super::{Queue, Rejection, split};

/// The executor's word for the budget of the task itself.
const OWN_SCOPE: &str = "task";

/// How a runner says an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// With a result.
    Finished(Work),
    /// The resident declined.
    Declined(TextRef),
    /// The resident waits for the answer to this letter.
    Waits(String),
    /// It came to nothing.
    Failed {
        /// The class.
        class: Class,
        /// What happened.
        message: String,
        /// When to try again, as the provider announced it.
        retry_after: Option<Duration>,
    },
    /// Given back before the first call.
    Returned {
        /// Why.
        why: ReturnedFor,
        /// The scope that refused.
        scope: String,
        /// When to try again.
        retry_after: Option<Duration>,
    },
    /// The safety policy blocks or holds it.
    Blocked {
        /// The rule's name.
        rule: String,
        /// Whether it is held for the human.
        held: bool,
        /// Digest of the text that was looked at.
        hash: Hash,
        /// The program that a resident wants to run; none where the task's own texts are held.
        program: Option<TextRef>,
    },
    /// A halt ended it.
    Halted,
}

/// Why an attempt came to nothing, and what it cost.
struct Fault {
    class: Class,
    message: String,
    /// When to try again, as the provider announced it.
    announced: Option<Duration>,
    cost: MicroUsd,
}

impl Queue {
    pub(super) fn finish(
        &self,
        held: Held,
        instance: InstanceId,
        cost: MicroUsd,
        outcome: Outcome,
        cx: &Context<'_>,
    ) -> Result<Vec<Event>, Rejection> {
        let live = self
            .leases
            .get(&held.lease)
            .filter(|lease| lease.token == held.token && lease.granted.instance == instance);
        let any = || self.leases.values().find(|lease| lease.granted.instance == instance);
        let live = live.or_else(|| if planted::has(Bug::SkipFence) { any() } else { None });
        let Some(lease) = live else {
            // A finish that was taken already is answered as it was the first time.
            let taken = self.taken(held).is_some();
            return if taken { Ok(Vec::new()) } else { Err(Rejection::LeaseLost(held.lease)) };
        };
        Ok(match lease.granted.purpose {
            Purpose::Critique => self.end_critique(lease, &outcome, cx.now()),
            Purpose::Task | Purpose::Local => match self.tasks.get(&lease.granted.task) {
                Some(task) => {
                    if let Outcome::Finished(Work { plan: Some(plan), .. }) = &outcome {
                        split::check_plan(task, plan)?;
                    }
                    self.end_attempt(lease, task, cost, outcome, cx)
                }
                None => Vec::new(),
            },
        })
    }

    fn end_attempt(
        &self,
        lease: &Lease,
        task: &Task,
        cost: MicroUsd,
        outcome: Outcome,
        cx: &Context<'_>,
    ) -> Vec<Event> {
        let Some(end) = end_of(lease) else { return Vec::new() };
        let (id, resident) = (task.id(), lease.granted.resident);
        let awaits = |why| Event::TaskAwaitsHuman { task: id, why };
        match outcome {
            Outcome::Finished(work) => {
                let submission = cx.mint();
                let finished = finished(lease, task, end, work);
                vec![Event::AttemptFinished(Box::new(Finished { submission, cost, ..finished }))]
            }
            Outcome::Declined(reason) => {
                let Some(resident) = resident else {
                    let message = "declined by nobody".to_owned();
                    let why = Fault { class: Class::Internal, message, announced: None, cost };
                    return self.fail(lease, why, cx.now());
                };
                let left = self.eligible(task).into_iter().any(|other| other != resident);
                let declined = Event::AttemptDeclined { end, resident, reason, cost };
                let last = (!left).then(|| awaits(Awaits::AllDeclined));
                std::iter::once(declined).chain(last).collect()
            }
            Outcome::Waits(letter) => {
                let waits = Event::AttemptWaits { end, resident, letter, cost };
                vec![waits, awaits(Awaits::Question)]
            }
            Outcome::Failed { class, message, retry_after } => {
                let why = Fault { class, message, announced: retry_after, cost };
                self.fail(lease, why, cx.now())
            }
            Outcome::Returned { why, scope, retry_after } => {
                let retry = cx.now() + retry::returned_delay(retry_after);
                // Shared scopes are renewed by time; a task's own is raised by a person alone.
                let own = why == ReturnedFor::Budget && scope == OWN_SCOPE;
                let returned = Event::AttemptReturned { end, why, scope, retry };
                std::iter::once(returned).chain(own.then(|| awaits(Awaits::Budget))).collect()
            }
            Outcome::Blocked { rule, held, hash, program } => {
                let message = format!("the safety rule {rule} blocks it");
                let follows =
                    if held { awaits(Awaits::Held) } else { failed(task, Class::Safety, &message) };
                vec![Event::AttemptBlocked { end, rule, held, hash, program, cost }, follows]
            }
            Outcome::Halted => {
                let control_epoch = self.world.control_epoch;
                vec![Event::AttemptHalted { end, control_epoch }]
            }
        }
    }

    /// Ends a live lease as a failure, and says what follows.
    fn fail(&self, lease: &Lease, why: Fault, now: Timestamp) -> Vec<Event> {
        let Fault { class, message, announced, cost } = why;
        let (Some(end), Some(task)) = (end_of(lease), self.tasks.get(&lease.granted.task)) else {
            return Vec::new();
        };
        let awaits = |why| Some(Event::TaskAwaitsHuman { task: task.id(), why });
        let again = task.retry(class, announced, now);
        let follows = match (class, again) {
            (Class::InputTooLarge, _) => awaits(Awaits::InputTooLarge),
            (Class::Budget, _) => awaits(Awaits::Budget),
            (_, None) => Some(failed(task, class, &message)),
            _ if task.counted + 1 >= retry::ATTEMPTS_MAX => awaits(Awaits::AttemptLimit),
            (_, Some(_)) => None,
        };
        let attempt = Event::AttemptFailed {
            end,
            resident: lease.granted.resident,
            class,
            message,
            retry: again.filter(|_| follows.is_none()),
            cost,
        };
        std::iter::once(attempt).chain(follows).collect()
    }

    /// Ends a lease whose holder is gone or silent.
    pub(super) fn lose(&self, lease: &Lease, message: &str, now: Timestamp) -> Vec<Event> {
        match lease.granted.purpose {
            Purpose::Critique => self.critique_ended(lease, CritiqueOutcome::Lost, now),
            Purpose::Task | Purpose::Local => {
                let (message, cost) = (message.to_owned(), MicroUsd::ZERO);
                self.fail(lease, Fault { class: Class::Lost, message, announced: None, cost }, now)
            }
        }
    }

    /// Ends a lease because the world is halted.
    pub(super) fn halt_lease(
        &self,
        lease: &Lease,
        control_epoch: u64,
        now: Timestamp,
    ) -> Vec<Event> {
        match (lease.granted.purpose, end_of(lease)) {
            (Purpose::Critique, _) | (_, None) => {
                self.critique_ended(lease, CritiqueOutcome::Halted, now)
            }
            (Purpose::Task | Purpose::Local, Some(end)) => {
                vec![Event::AttemptHalted { end, control_epoch }]
            }
        }
    }

    fn end_critique(&self, lease: &Lease, outcome: &Outcome, now: Timestamp) -> Vec<Event> {
        let ended = match outcome {
            Outcome::Finished(_) => CritiqueOutcome::Finished,
            Outcome::Returned { .. } => CritiqueOutcome::Returned,
            Outcome::Halted => CritiqueOutcome::Halted,
            Outcome::Failed { .. }
            | Outcome::Declined(_)
            | Outcome::Waits(_)
            | Outcome::Blocked { .. } => CritiqueOutcome::Failed,
        };
        let mut events = self.critique_ended(lease, ended, now);
        if let (Outcome::Returned { retry_after, .. }, Some(Event::CritiqueEnded { retry, .. })) =
            (outcome, events.first_mut())
        {
            *retry = Some(now + retry::returned_delay(*retry_after));
        }
        events
    }

    fn critique_ended(
        &self,
        lease: &Lease,
        outcome: CritiqueOutcome,
        now: Timestamp,
    ) -> Vec<Event> {
        let Some(submission) = lease.granted.submission else { return Vec::new() };
        let tries = self.critiques.get(&submission).map_or(0, |critique| critique.tries);
        let retry = match outcome {
            CritiqueOutcome::Lost => {
                Policy::of(Class::Lost).delay(tries, None).map(|delay| now + delay)
            }
            CritiqueOutcome::Halted | CritiqueOutcome::Returned => Some(now),
            CritiqueOutcome::Finished | CritiqueOutcome::Failed => None,
        };
        vec![Event::CritiqueEnded { submission, lease: lease.granted.lease, outcome, retry }]
    }
}

fn end_of(lease: &Lease) -> Option<End> {
    let granted = &lease.granted;
    Some(End { task: granted.task, attempt: granted.attempt?, lease: granted.lease })
}

/// The end from here of a task's live attempt, if it has one.
pub(super) fn revoked(task: &Task, why: RevokedFor) -> Option<Event> {
    let live = task.live.as_ref()?;
    let end = End { task: task.id(), attempt: live.attempt, lease: live.lease };
    Some(Event::AttemptRevoked { end, why })
}

/// The end of a task by a failure.
pub(super) fn failed(task: &Task, class: Class, message: &str) -> Event {
    Event::TaskFailed(Box::new(Failed {
        task: task.id(),
        class,
        message: message.to_owned(),
        submission: None,
        resident: task.last_resident,
        feedback: Vec::new(),
    }))
}

/// A finished attempt, but for its submission and cost.
fn finished(lease: &Lease, task: &Task, end: End, work: Work) -> Finished {
    let spec = task.spec();
    Finished {
        end,
        cycle: lease.granted.cycle,
        resident: lease.granted.resident,
        submission: vivarium_types::ids::Id::from_number(0),
        work,
        cost: MicroUsd::ZERO,
        attempt_number: lease.granted.attempt_number,
        kind: spec.kind,
        mode: spec.mode,
        title: task.added.title.clone(),
        instruction: task.added.instruction.clone(),
        target: spec.target.clone(),
        token: lease.token,
        key: spec.key.clone(),
        tags: spec.tags.clone(),
        review: spec.review,
    }
}
