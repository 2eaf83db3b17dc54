//! The queue's methods: parse, submit, answer.
//!
//! [`tasks`] adds, shows and steers tasks, [`edit`] is its part that changes one, [`list`] its pages,
//! [`cycle`] adds one and follows it to the end of its first cycle;
//! [`proposals`] are tasks that residents ask for, [`recurrences`] are templates of tasks; [`runner`] holds the stream of a runner, [`effects`] what
//! attempts did; [`worlds`] reads and changes the controls. [`convert`] reads requests, [`show`] writes
//! answers, [`past`] says how things were.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use vivarium_chassis::task::Tasks as Background;
use vivarium_chassis::{Refusal, Violations};
use vivarium_ledger::{Error, Ledger, store};
use vivarium_proto::ledger::v1::Position;
use vivarium_proto::queue::v1 as pb;
use vivarium_types::{Reason, Timestamp};

use crate::config::Config;
use crate::domain::event::write;
use crate::domain::limits::{Limit, Limits};
use crate::domain::order::WaitReason;
use crate::domain::signals;
use crate::domain::{Queue, Rejection};
use crate::views::{self, Record};
use convert::Bounds;

pub(crate) mod convert;
mod cycle;
mod edit;
mod effects;
mod list;
mod past;
mod proposals;
pub mod recurrences;
pub mod runner;
mod show;
pub mod tasks;
pub mod worlds;

/// How long a read waits for a place of the log to become visible.
const REACH_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a refused caller should wait before it asks a busy service again.
const BUSY_WAIT: Duration = Duration::from_millis(200);

/// What all handlers share.
#[derive(Debug, Clone)]
pub struct Desk {
    /// The ledger.
    pub ledger: Ledger<Queue>,
    /// The settings.
    pub config: Arc<Config>,
    /// Limits that the log sets over those of the settings.
    pub limits: Arc<RwLock<Limits>>,
    /// Work in the background.
    pub background: Background,
    /// The file that halts the world while this service is dead.
    pub halt_file: std::path::PathBuf,
}

impl Desk {
    /// The limits in force, every one of them.
    fn limits(&self) -> Limits {
        let set = self.limits.read().unwrap_or_else(PoisonError::into_inner).clone();
        self.config.limits().into_iter().chain(set).collect()
    }

    /// A limit in force, of those that bound a request.
    fn limit(&self, limit: Limit) -> usize {
        let value = self.limits().get(&limit).copied().unwrap_or_default();
        usize::try_from(value).unwrap_or(usize::MAX)
    }

    /// What bounds the tasks of a request.
    fn bounds(&self) -> Bounds {
        Bounds {
            instruction_chars: self.limit(Limit::InstructionChars),
            metadata_keys: self.limit(Limit::MetadataKeys),
            metadata_bytes: self.limit(Limit::MetadataBytes),
            dependencies: self.limit(Limit::Dependencies),
        }
    }

    /// Takes the limits over that the log sets.
    pub(crate) async fn read_limits(&self) -> Result<(), Refusal> {
        let asked = self.ledger.ask(|queue| queue.world.limits.clone());
        let set = asked.await.map_err(refusal)?;
        *self.limits.write().unwrap_or_else(PoisonError::into_inner) = set;
        Ok(())
    }

    /// Waits until a place of this log is visible.
    async fn reached(&self, position: Option<Position>) -> Result<(), Refusal> {
        let Some(Position { ledger, sequence }) = position else { return Ok(()) };
        if !ledger.is_empty() && ledger != "queue" {
            let mut wrong = Violations::new();
            wrong.add("min_position.ledger", "must be queue");
            return wrong.finish();
        }
        match tokio::time::timeout(REACH_TIMEOUT, self.ledger.reached(sequence)).await {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(Refusal::new(Reason::LedgerNotReached)),
        }
    }

    /// A task by id or key, whole.
    async fn task(&self, name: &str) -> Result<Option<pb::Task>, Refusal> {
        let wanted = name.to_owned();
        let found = self
            .ledger
            .view(move |db| {
                let Some(record) = views::find(db, &wanted)? else { return Ok(None) };
                let attempts = views::attempts(db, record.sequence, views::NOW)?;
                let dependents = views::dependents(db, record.task.id())?;
                Ok(Some((record, attempts, dependents)))
            })
            .await
            .map_err(broken)?;
        let Some((record, attempts, dependents)) = found else { return Ok(None) };
        let mut feedback = Vec::new();
        for text in &record.task.feedback {
            feedback.extend(self.ledger.text(&text.id).await.map_err(broken)?);
        }
        let why = match &record.task.why {
            Some(why) => self.text(&why.id).await?,
            None => String::new(),
        };
        let waits = self.wait_reasons(std::slice::from_ref(&record)).await?;
        let hint = signals::split_signals(&record.instruction);
        let held = record.task.held_program.clone();
        let mut task = show::record(record, waits.first().copied().flatten());
        task.split_hint = hint.map(show::split_hint);
        task.attempts = attempts.into_iter().map(show::attempt).collect();
        task.dependent_ids = dependents;
        task.feedback = feedback;
        task.why = why;
        if !task.held_program_hash.is_empty()
            && let Some(held) = held
        {
            task.held_program = self.text(&held.text.id).await?;
        }
        Ok(Some(task))
    }

    /// Why each of these tasks does not run now.
    async fn wait_reasons(&self, records: &[Record]) -> Result<Vec<Option<WaitReason>>, Refusal> {
        if !records.iter().any(|record| record.task.waits()) {
            return Ok(vec![None; records.len()]);
        }
        let tasks: Vec<_> = records.iter().map(|record| record.task.id()).collect();
        let now = self.ledger.now();
        let asked = self.ledger.ask(move |queue| queue.wait_reasons(tasks, now));
        asked.await.map_err(refusal)
    }

    async fn text(&self, id: &str) -> Result<String, Refusal> {
        Ok(self.ledger.text(id).await.map_err(broken)?.unwrap_or_default())
    }

    /// The controls in force, and the moment they were read at.
    async fn controls(&self) -> Result<pb::Controls, Refusal> {
        let asked = self.ledger.ask(|queue| {
            let reason = queue.world.halt.as_ref().map(|halt| halt.reason.id.clone());
            (show::controls(&queue.world), reason)
        });
        let (mut controls, reason) = asked.await.map_err(refusal)?;
        if let (Some(halt), Some(reason)) = (&mut controls.halt, reason) {
            halt.reason = self.text(&reason).await?;
        }
        controls.limits = Some(write::limits(&self.limits()));
        Ok(controls)
    }
}

/// A place in this log.
fn position(sequence: u64) -> Position {
    Position { ledger: "queue".to_owned(), sequence }
}

/// A moment in an answer.
fn wire_time(moment: Timestamp) -> vivarium_proto::wkt::Timestamp {
    write::moment(moment)
}

/// The ledger's answer as a refusal.
pub(crate) fn refusal(error: Error<Rejection>) -> Refusal {
    match error {
        Error::Refused(rejection) => refused(&rejection),
        Error::RequestReused => Refusal::new(Reason::RequestIdReused),
        Error::KeyClaimed(key) => {
            let key = key.split_once(':').map_or(key.as_str(), |(_, key)| key).to_owned();
            refused(&Rejection::KeyTaken { key })
        }
        Error::Full => {
            Refusal::new(Reason::LedgerInboxFull).with("service", "queue").retry_after(BUSY_WAIT)
        }
        Error::Closed => Refusal::new(Reason::ServiceDraining).with("service", "queue"),
        Error::Fault => Refusal::fault("a command could not be decided"),
        Error::Store(error) => broken(error),
    }
}

/// A read that failed.
fn broken(error: store::Error) -> Refusal {
    let reason = match &error {
        store::Error::Corrupt { .. } => Reason::StoreCorrupt,
        store::Error::Away { .. } => Reason::LedgerSegmentAway,
        store::Error::Conflict | store::Error::Unavailable(_) => Reason::StoreBusy,
    };
    Refusal::new(reason).retry_after(BUSY_WAIT).because(error)
}

fn refused(rejection: &Rejection) -> Refusal {
    let refusal = Refusal::new(rejection.reason());
    match rejection {
        Rejection::KeyTaken { key } => refusal.with("key", key).resource("task", key),
        Rejection::DependencyUnknown { dependency } => {
            refusal.with("dependency", dependency).resource("task", dependency)
        }
        Rejection::TaskNotFound { task }
        | Rejection::Duplicate { task }
        | Rejection::DependencySelf { task }
        | Rejection::DependencyCycle { task } => refusal.with("task", task).resource("task", task),
        Rejection::TooDeep { max } => refusal.with("max", max),
        Rejection::Full { max } => refusal.with("max", max).resource("limit", "open_tasks"),
        Rejection::Transition { state, request } => {
            refusal.with("state", state.word()).with("request", request)
        }
        Rejection::EtagStale { etag } => refusal.with("etag", etag),
        Rejection::RecurrenceNotFound { key } => {
            refusal.with("key", key).resource("recurrence", key)
        }
        Rejection::RecurrenceTransition { standing, request } => {
            refusal.with("state", standing.word()).with("request", request)
        }
        Rejection::RecurrencesFull { max } => {
            refusal.with("max", max).resource("limit", "recurrences")
        }
        Rejection::EffectsFull { max } => refusal.with("max", max).resource("limit", "effects"),
        Rejection::LeaseLost(lease) => refusal.with("lease", lease),
        Rejection::ModeUnavailable { mode } => refusal.with("mode", mode.word()),
        Rejection::RunnerReplaced { .. } => {
            refusal.field("hello.instance_id", "a later start of this runner is connected")
        }
        Rejection::RunnersFull { max } => {
            refusal.field("hello.name", format!("this world has its limit of {max} runners"))
        }
        Rejection::PlanRefused { why } => refusal.field("finish.finished.plan", *why),
        Rejection::ProposalsSpent { max } => refusal
            .with("max", max)
            .with("action", "propose_task")
            .resource("limit", "propose_task"),
        Rejection::ResidentNotFound { resident } => {
            refusal.with("resident", resident).resource("resident", resident)
        }
        Rejection::NotHalted | Rejection::NotStep | Rejection::ProposalStale => refusal,
        Rejection::Stale => refusal.with("state", "over").with("request", "change"),
    }
}
