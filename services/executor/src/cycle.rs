//! Runs what a lease is for: a resident's cycle, a critique, a local task.
//!
//! Reading order: [`task`] (the loop) → [`briefing`] → [`prompt`] → [`call`] → [`reply`] →
//! [`actions`] → [`tools`]; beside it [`critique`] and [`local`].

use std::sync::{Arc, Mutex, PoisonError};

use vivarium_ledger::{Error, Ledger, Submission, TextRef, TextRow, Texts};
use vivarium_types::ids::{Id, InstanceId, SubmissionId};
use vivarium_types::{Actor, Clock, IdSource, MicroUsd};

use crate::config::Config;
use crate::domain::budget::Scope;
use crate::domain::call::Usage;
use crate::domain::cycle::{End, Ended, Staged};
use crate::domain::{Command, Rejection, State};
use crate::lease::{FailureClass, Finish, Grant, Held, How, Outcome, Purpose, Stop};
use crate::metrics::Counters;
use crate::model::price::Tier;
use crate::output::Hub;
use crate::policy::Policy;
use crate::providers::{Chosen, Providers};
use crate::replay::{Given, Replay};
use crate::rpc::peers::Refused;
use crate::rpc::peers::queue::Queue;
use crate::rpc::peers::review::{self, Review};
use crate::rpc::peers::society::Society;

pub mod limits;

mod actions;
mod briefing;
mod call;
mod critique;
mod hat;
mod local;
mod program;
mod prompt;
mod reply;
mod task;
mod tools;

/// Everything cycles share.
#[derive(Debug, Clone)]
pub struct Engine {
    /// The record.
    pub ledger: Ledger<State>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Ids of calls and reservations.
    pub ids: Arc<Mutex<IdSource>>,
    /// This start of the process.
    pub instance: InstanceId,
    /// Language models.
    pub providers: Arc<Providers>,
    /// The safety policy.
    pub policy: Arc<Policy>,
    /// Words, prices, quotas and limits of actions.
    pub actions: Arc<limits::Actions>,
    /// Takes secrets out of texts.
    pub redactor: Arc<crate::redact::Redactor>,
    /// Programs that may be run, and the sandbox.
    pub commands: crate::commands::Shared,
    /// Society.
    pub society: Society,
    /// Review.
    pub review: Review,
    /// The queue, for what a cycle asks of it.
    pub queue: Queue,
    /// What running calls write.
    pub hub: Arc<Hub>,
    /// The library's folder.
    pub library: std::path::PathBuf,
    /// Settings.
    pub config: Config,
    /// Counts.
    pub counters: Counters,
    /// Runs a recorded cycle again: then nothing is asked of anybody and nothing is recorded.
    pub replay: Option<Arc<Replay>>,
}

/// Why a cycle ends before its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Halt, cancellation, a lost lease.
    Stopped,
    /// A failure of this class.
    Failed(FailureClass, String, Option<std::time::Duration>),
    /// The reservation was refused by this scope.
    Budget(Scope),
    /// No provider is usable, for this reason.
    NoProvider(String),
    /// The attempt's time is up.
    TimeUp,
}

impl Exit {
    pub(crate) fn failed(class: FailureClass, message: impl Into<String>) -> Self {
        Self::Failed(class, message.into(), None)
    }

    fn fault(error: impl std::fmt::Display) -> Self {
        tracing::error!(error = %error, "a cycle met a fault of ours");
        Self::failed(FailureClass::Internal, "the executor failed")
    }
}

/// What a cycle has come to so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    pub(crate) steps: u32,
    pub(crate) actions: u32,
    pub(crate) usage: Usage,
    pub(crate) cost: MicroUsd,
    pub(crate) documents: Vec<Staged>,
    pub(crate) model: String,
}

impl Engine {
    /// Runs what a lease is for, to its end. Stops at once when the lease is stopped.
    pub async fn run(&self, grant: &Grant, held: &Held) -> Finish {
        self.counters.cycles_started.inc();
        let finish = match grant.purpose {
            Purpose::Task => self.run_task(grant, held).await,
            Purpose::Local => self.run_local(grant, held).await,
            Purpose::Critique(submission) => self.run_critique(grant, held, submission).await,
        };
        tracing::info!(
            lease = %grant.lease,
            cycle = %grant.cycle,
            task = %grant.task.id,
            outcome = outcome_word(&finish.outcome),
            cost = %finish.cost,
            "cycle ended"
        );
        finish
    }

    pub(crate) fn mint<I: Id>(&self) -> I {
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        ids.mint(self.clock.now())
    }

    /// What may be read, before anything of a cycle is there.
    pub(crate) fn roots(&self) -> tools::Roots {
        let workspaces = self.config.workspaces.clone();
        tools::Roots { library: self.library.clone(), workspaces, ..tools::Roots::default() }
    }

    /// A model for a task, or the one that the record has.
    pub(crate) fn choose(&self, wanted: &str, tier: Tier) -> Result<Chosen, String> {
        match &self.replay {
            Some(replay) => Ok(Chosen::recorded(replay.terms())),
            None => self.providers.choose(wanted, tier),
        }
    }

    /// A submission as review has it; `what` names it where it is not to be had.
    pub(crate) async fn submitted(
        &self,
        held: &Held,
        id: SubmissionId,
        what: &str,
    ) -> Result<review::Submission, Exit> {
        let work = tokio::select! {
            biased;
            () = held.stopped() => return Err(Exit::Stopped),
            work = self.review.submission(id) => work,
        };
        work.map_err(|refused| {
            let (Refused::Rule { reason, .. } | Refused::Failed { reason, .. }) = refused;
            Exit::failed(FailureClass::Transient, format!("no {what}: {reason}"))
        })
    }

    /// What a cycle is given, for the record.
    pub(crate) fn given(grant: &Grant, chosen: &Chosen, texts: &mut Texts<'_, State>) -> TextRef {
        let given = Given { grant: grant.clone(), terms: chosen.terms() };
        texts.plain(&serde_json::to_string(&given).unwrap_or_default())
    }

    /// A private text for the record. A replay keeps none, and makes no key for it.
    pub(crate) fn sealed(&self, texts: &mut Texts<'_, State>, text: &str) -> Result<TextRef, Exit> {
        match &self.replay {
            Some(_) => Ok(TextRef { sealed: true, ..texts.plain(text) }),
            None => texts.sealed(text).map_err(Exit::fault),
        }
    }

    /// Makes a command durable on the executor's own account.
    pub(crate) async fn record(
        &self,
        command: Command,
        texts: Vec<TextRow>,
    ) -> Result<(), Error<Rejection>> {
        self.record_as(Actor::service("executor"), command, texts).await
    }

    pub(crate) async fn record_as(
        &self,
        actor: Actor,
        command: Command,
        texts: Vec<TextRow>,
    ) -> Result<(), Error<Rejection>> {
        if let Some(replay) = &self.replay {
            replay.decide(command);
            return Ok(());
        }
        self.ledger.submit(Submission::new(actor, command).texts(texts)).await.map(|_| ())
    }

    /// The outcome of a cycle that did not come to its own end.
    pub(crate) fn outcome_of(&self, exit: Exit, held: &Held, steps: u32) -> Outcome {
        match exit {
            Exit::Stopped => {
                let why = held.why_stopped().cloned();
                Outcome::Stopped(why.unwrap_or_else(|| Stop::Revoked("stopped".to_owned())))
            }
            Exit::Failed(class, message, retry_after) => {
                Outcome::Failed { class, message, retry_after }
            }
            Exit::Budget(Scope::Task(_)) => Outcome::Failed {
                class: FailureClass::Budget,
                message: "the task's own budget does not allow another call".to_owned(),
                retry_after: None,
            },
            Exit::Budget(scope) if steps <= 1 => Outcome::Returned {
                reason: "budget",
                scope: scope.word(),
                retry_after: self.config.budget_wait,
            },
            Exit::Budget(scope) => Outcome::Failed {
                class: FailureClass::RateLimited,
                message: format!("the budget of {} does not allow another call", scope.word()),
                retry_after: Some(self.config.budget_wait),
            },
            Exit::TimeUp => Outcome::Failed {
                class: FailureClass::Transient,
                message: "the attempt's time is up".to_owned(),
                retry_after: None,
            },
            Exit::NoProvider(_) => Outcome::Returned {
                reason: "no_provider",
                scope: "",
                retry_after: self.config.no_provider_wait,
            },
        }
    }

    /// Records the end of a cycle and gives it back as the attempt's finish.
    pub(crate) async fn close(&self, grant: &Grant, tally: Tally, outcome: Outcome) -> Finish {
        let mut texts = self.ledger.texts();
        let summary = match &outcome {
            Outcome::Finished(evidence) if !evidence.summary.is_empty() => Some(&evidence.summary),
            Outcome::Finished(evidence) if !evidence.answer.is_empty() => Some(&evidence.answer),
            Outcome::Declined { reason } => Some(reason),
            Outcome::Finished(_)
            | Outcome::Waits { .. }
            | Outcome::Failed { .. }
            | Outcome::Returned { .. }
            | Outcome::Blocked { .. }
            | Outcome::Stopped(_) => None,
        };
        let summary = summary.map(|summary| texts.plain(summary));
        let (end, failure_class, reason) = told(&outcome);
        let cost = tally.cost;
        let ended = Ended {
            cycle: grant.cycle,
            end,
            failure_class: failure_class.to_owned(),
            reason,
            steps: tally.steps,
            actions: tally.actions,
            documents: tally.documents,
            usage: tally.usage,
            cost,
            summary,
            task: Some(grant.task.id),
            resident: grant.resident,
        };
        let rows = texts.into_rows();
        if let Err(error) = self.record(Command::EndCycle(Box::new(ended)), rows).await {
            // The lease's end settles what is left, and the next start ends the cycle.
            tracing::warn!(%error, cycle = %grant.cycle, "the end of a cycle was not recorded");
        }
        Finish { outcome, cost }
    }
}

fn told(outcome: &Outcome) -> (End, &'static str, String) {
    match outcome {
        Outcome::Finished(evidence) => match evidence.how {
            How::Finished => (End::Finished, "", String::new()),
            How::AsProse => (End::FinishedAsProse, "", String::new()),
            How::ByLimit => (End::FinishedByLimit, "", String::new()),
            How::Split => (End::Split, "", String::new()),
        },
        Outcome::Declined { .. } => (End::Declined, "", String::new()),
        Outcome::Waits { .. } => (End::Waits, "", String::new()),
        Outcome::Failed { class, message, .. } => (End::Failed, class.word(), message.clone()),
        Outcome::Returned { reason, .. } => (End::Returned, "", (*reason).to_owned()),
        Outcome::Blocked { rule, held, .. } => {
            (if *held { End::Held } else { End::Blocked }, "", rule.clone())
        }
        Outcome::Stopped(Stop::Halted(_)) => (End::Revoked, "", "halted".to_owned()),
        Outcome::Stopped(Stop::Revoked(why)) => (End::Revoked, "", why.clone()),
    }
}

const fn outcome_word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Finished(evidence) => evidence.how.word(),
        Outcome::Declined { .. } => "declined",
        Outcome::Waits { .. } => "waits",
        Outcome::Failed { class, .. } => class.word(),
        Outcome::Returned { reason, .. } => reason,
        Outcome::Blocked { held: true, .. } => "held",
        Outcome::Blocked { held: false, .. } => "blocked",
        Outcome::Stopped(_) => "stopped",
    }
}
