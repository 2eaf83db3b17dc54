//! What people and review decide about a task: cancel, pause, resume, requeue, verdicts.

use std::time::Duration;

use vivarium_ledger::planted::{self, Bug, Guard};
use vivarium_ledger::{Context, TextRef};
use vivarium_types::Timestamp;
use vivarium_types::ids::{SubmissionId, TaskId};
use vivarium_types::source::Hash;

use super::event::{Approved, Event, Failed, Requeued, RevokedFor};
use super::finish;
use super::retry::{self, Class, Policy};
use super::task::{Awaits, State, Task};
use super::{Queue, Rejection, split};

/// What review decided about a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The submission.
    pub submission: SubmissionId,
    /// Its task.
    pub task: TaskId,
    /// Whether it is accepted.
    pub accepted: bool,
    /// In thousandths.
    pub confidence_permille: u32,
    /// Reasons, for the next attempt.
    pub feedback: Vec<TextRef>,
    /// Digest of what was submitted.
    pub content_hash: Option<Hash>,
}

/// Which failed tasks a person wants opened again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redrive {
    /// These, by id or key; all when it is empty.
    pub tasks: Vec<String>,
    /// Only those that failed with this class.
    pub class: Option<Class>,
    /// At most this many, oldest first.
    pub limit: usize,
}

impl Redrive {
    fn fits(&self, task: &Task) -> bool {
        let class = task.failure.as_ref().map(|failure| failure.class);
        task.state == State::Failed && self.class.is_none_or(|wanted| class == Some(wanted))
    }
}

impl Queue {
    /// Opens failed tasks again: the way out of the dead letter.
    pub(super) fn redrive(
        &self,
        redrive: &Redrive,
        now: Timestamp,
    ) -> Result<Vec<Event>, Rejection> {
        let named: Result<Vec<&Task>, Rejection> =
            redrive.tasks.iter().map(|name| self.failed_task(name)).collect();
        let mut named = named?;
        named.sort_unstable_by_key(|task| task.id());
        named.dedup_by_key(|task| task.id());
        let all = redrive.tasks.is_empty().then(|| self.tasks.values()).into_iter().flatten();
        let all = all.map(Box::as_ref);
        let fits = |task: &&Task| redrive.fits(task) && !self.orphaned(task);
        let found = named.into_iter().chain(all).filter(fits);
        let reopened = found.take(redrive.limit).map(|task| Event::TaskReopened {
            task: task.id(),
            state: self.fresh_state(task, now),
            series: task.series + 1,
        });
        Ok(reopened.collect())
    }

    /// How many failed tasks a redrive would still open.
    pub fn redrivable(&self, redrive: &Redrive) -> u64 {
        if redrive.tasks.is_empty() && redrive.class.is_none() {
            return self.counts.get(&State::Failed).copied().unwrap_or(0);
        }
        let named = |task: &Task| {
            let id = task.id();
            redrive.tasks.is_empty()
                || redrive.tasks.iter().any(|name| self.resolve(name) == Ok(id))
        };
        let fits = |task: &&Task| redrive.fits(task) && named(task) && !self.orphaned(task);
        self.tasks.values().map(Box::as_ref).filter(fits).count() as u64
    }

    fn failed_task(&self, name: &str) -> Result<&Task, Rejection> {
        let id = self.resolve(name)?;
        let task = self.tasks.get(&id).filter(|task| task.state == State::Failed);
        task.map(Box::as_ref).ok_or_else(|| refused(self.state_of(id), "redrive"))
    }

    pub(super) fn cancel(
        &self,
        name: &str,
        reason: Option<&TextRef>,
    ) -> Result<Vec<Event>, Rejection> {
        let task = self.open_task(name, "cancel")?;
        Ok(self.cancel_subtree(task, reason))
    }

    pub(super) fn pause(&self, name: &str) -> Result<Vec<Event>, Rejection> {
        let task = self.open_task(name, "pause")?;
        if task.state == State::Paused {
            return Err(refused(task.state, "pause"));
        }
        let below = self.subtree(task).into_iter().filter_map(|id| self.tasks.get(&id));
        let running = below.filter(|task| task.state != State::Paused);
        let paused = running.flat_map(|task| {
            let revoked = finish::revoked(task, RevokedFor::Paused);
            revoked.into_iter().chain([Event::TaskPaused { task: task.id() }])
        });
        Ok(paused.collect())
    }

    pub(super) fn resume(&self, name: &str, now: Timestamp) -> Result<Vec<Event>, Rejection> {
        let task = self.open_task(name, "resume")?;
        if task.state != State::Paused {
            return Err(refused(task.state, "resume"));
        }
        let below = self.subtree(task).into_iter().filter_map(|id| self.tasks.get(&id));
        let resumed = below.filter(|task| task.state == State::Paused).map(|task| {
            Event::TaskResumed { task: task.id(), state: self.state_by_facts(task, now) }
        });
        Ok(resumed.collect())
    }

    pub(super) fn requeue(&self, name: &str, now: Timestamp) -> Result<Vec<Event>, Rejection> {
        let id = self.resolve(name)?;
        let state = self.state_of(id);
        let task = self.tasks.get(&id).ok_or_else(|| refused(state, "requeue"))?;
        let waits = task.state == State::AwaitingHuman && task.awaits != Some(Awaits::Approval);
        if task.state != State::Failed && !waits || self.orphaned(task) {
            return Err(refused(task.state, "requeue"));
        }
        let mut events = self.stuck_children(task);
        let (state, series) = (self.fresh_state(task, now), task.series + 1);
        events.push(Event::TaskReopened { task: id, state, series });
        Ok(events)
    }

    /// The human has answered the letter that a task waits for.
    pub(super) fn answered(&self, letter: &str, now: Timestamp) -> Result<Vec<Event>, Rejection> {
        let waits = |task: &&Task| {
            task.question.as_deref() == Some(letter) && task.awaits == Some(Awaits::Question)
        };
        let task = self.tasks.values().map(Box::as_ref).find(waits).ok_or(Rejection::Stale)?;
        // A task that was set aside stays so, and has its answer when it is taken up again.
        let paused = task.state == State::Paused;
        let state = if paused { State::Paused } else { self.fresh_state(task, now) };
        Ok(vec![Event::TaskReady { task: task.id(), state }])
    }

    pub(super) fn ask_critique(
        &self,
        submission: SubmissionId,
        task: TaskId,
    ) -> Result<Vec<Event>, Rejection> {
        self.under_review(submission, task)?;
        let known = self.critiques.contains_key(&submission);
        Ok(if known { Vec::new() } else { vec![Event::CritiqueQueued { submission, task }] })
    }

    pub(super) fn ask_human(
        &self,
        submission: SubmissionId,
        task: TaskId,
    ) -> Result<Vec<Event>, Rejection> {
        let found = self.under_review(submission, task)?;
        let known = found.awaits == Some(Awaits::Approval);
        let why = Awaits::Approval;
        Ok(if known { Vec::new() } else { vec![Event::TaskAwaitsHuman { task, why }] })
    }

    pub(super) fn verdict(
        &self,
        verdict: Verdict,
        cx: &Context<'_>,
    ) -> Result<Vec<Event>, Rejection> {
        let now = cx.now();
        let task = self.under_review(verdict.submission, verdict.task)?;
        if verdict.accepted {
            return Ok(match &task.plan {
                Some(plan) => split::split(task, plan, verdict.submission, cx),
                None => vec![approved(task, &verdict)],
            });
        }
        let rejections = task.rejection_count + 1;
        let earlier = if planted::stands(Guard::Rejections) { task.rejection_count } else { 0 };
        let Some(delay) = Policy::of(Class::ReviewRejected).delay(earlier, None) else {
            return Ok(vec![rejected_for_good(task, verdict, rejections)]);
        };
        let same = verdict.content_hash.is_some() && verdict.content_hash == task.rejected_hash;
        let why = if same && planted::stands(Guard::NoProgress) {
            Some(Awaits::NoProgress)
        } else if task.counted >= retry::ATTEMPTS_MAX {
            Some(Awaits::AttemptLimit)
        } else {
            None
        };
        let awaits = why.map(|why| Event::TaskAwaitsHuman { task: task.id(), why });
        let requeued = requeued(task, verdict, rejections, now, delay);
        Ok(std::iter::once(requeued).chain(awaits).collect())
    }

    /// The state of a task that begins anew.
    pub(super) fn fresh_state(&self, task: &Task, now: Timestamp) -> State {
        if !self.all_met(task) {
            State::Blocked
        } else if !task.children.is_empty() {
            State::Split
        } else if task.spec().not_before.is_some_and(|moment| moment > now) {
            State::Queued
        } else {
            State::Ready
        }
    }

    pub(super) fn open_task(&self, name: &str, request: &'static str) -> Result<&Task, Rejection> {
        let id = self.resolve(name)?;
        let state = self.state_of(id);
        if state.is_final() {
            return Err(refused(state, request));
        }
        let task = self.tasks.get(&id).map(Box::as_ref);
        task.ok_or_else(|| Rejection::TaskNotFound { task: name.to_owned() })
    }

    /// The task whose present submission this is, while it has no verdict.
    fn under_review(&self, submission: SubmissionId, task: TaskId) -> Result<&Task, Rejection> {
        let found = self.tasks.get(&task).filter(|task| {
            task.under_review && task.submission == Some(submission) && !task.state.is_final()
        });
        found.map(Box::as_ref).ok_or(Rejection::Stale)
    }
}

fn refused(state: State, request: &'static str) -> Rejection {
    Rejection::Transition { state, request }
}

fn approved(task: &Task, verdict: &Verdict) -> Event {
    let spec = task.spec();
    Event::TaskApproved(Box::new(Approved {
        task: task.id(),
        submission: verdict.submission,
        resident: task.last_resident,
        attempt_number: task.attempt_count,
        cost: task.cost,
        budget_max: spec.budget_max,
        bonus_tokens: spec.bonus_tokens,
        tags: spec.tags.clone(),
        title: task.added.title.clone(),
        key: spec.key.clone(),
        mode: spec.mode,
        confidence_permille: verdict.confidence_permille,
        share: task.added.parent.as_ref().map_or(0, |parent| parent.share),
        integrated: !task.children.is_empty(),
    }))
}

fn rejected_for_good(task: &Task, verdict: Verdict, rejections: u32) -> Event {
    Event::TaskFailed(Box::new(Failed {
        task: task.id(),
        class: Class::ReviewRejected,
        message: format!("review rejected it {rejections} times"),
        submission: Some(verdict.submission),
        resident: task.last_resident,
        feedback: verdict.feedback,
    }))
}

fn requeued(
    task: &Task,
    verdict: Verdict,
    rejections: u32,
    now: Timestamp,
    delay: Duration,
) -> Event {
    Event::TaskRequeued(Box::new(Requeued {
        task: task.id(),
        submission: verdict.submission,
        feedback: if planted::has(Bug::LoseFeedback) { Vec::new() } else { verdict.feedback },
        rejection_count: rejections,
        start: now + retry::jittered(delay, task.id(), task.attempt_count),
        resident: task.last_resident,
        content_hash: verdict.content_hash,
    }))
}
