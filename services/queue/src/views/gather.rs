//! What one transaction of the read model takes in, until its end: then each row is written once.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use rusqlite::{Connection, OptionalExtension as _, params};
use vivarium_ledger::Meta;
use vivarium_types::Timestamp;
use vivarium_types::ids::{AttemptId, TaskId};

use super::body;
use crate::domain::event::ending::Ending;
use crate::domain::lease::Granted;
use crate::domain::retry::Class;
use crate::domain::task::{State, Task};

/// Tasks with an attempt that is not decided yet that stay in memory between two transactions: most
/// events are about one of them, and none has to be read back.
const AT_WORK_MAX: usize = 4_096;

/// Rows that are not written yet, and tasks at work as they were last written. Who fails to commit
/// them must not go on.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// Boxed, because tasks are large and come and go with almost every event.
    tasks: BTreeMap<TaskId, Box<Known>>,
    /// Attempts that began in this transaction.
    attempts: BTreeMap<AttemptId, Attempt>,
}

/// A task and its row.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) sequence: u64,
    pub(super) task: Task,
    /// Whether the row is behind the task.
    pub(super) changed: bool,
    /// The texts of a task that has no row yet.
    fresh: Option<Texts>,
}

/// What a task's row says in words.
#[derive(Debug)]
pub(super) struct Texts {
    pub(super) title: String,
    pub(super) instruction: String,
    pub(super) intent: String,
}

#[derive(Debug)]
struct Attempt {
    task: u64,
    granted: Granted,
    start: Timestamp,
    token: u64,
    end: Option<Ended>,
}

#[derive(Debug)]
struct Ended {
    end: Timestamp,
    sequence: u64,
    outcome: &'static str,
    class: &'static str,
    cost: i64,
    submission: String,
}

impl Gathered {
    /// The task as it stands now; `None` when nobody ever added it.
    pub(super) fn task(
        &mut self,
        db: &Connection,
        id: TaskId,
    ) -> rusqlite::Result<Option<&mut Known>> {
        let place = match self.tasks.entry(id) {
            Entry::Occupied(known) => return Ok(Some(known.into_mut())),
            Entry::Vacant(place) => place,
        };
        let known = db
            .prepare_cached("SELECT sequence, body FROM tasks WHERE id = ?1")?
            .query_row([id.to_string()], |row| {
                let (sequence, task) = (row.get(0)?, body(row, 1)?);
                Ok(Known { sequence, task, changed: false, fresh: None })
            })
            .optional()?;
        Ok(known.map(|known| &mut **place.insert(Box::new(known))))
    }

    pub(super) fn add(&mut self, sequence: u64, task: Task, texts: Texts) {
        let known = Known { sequence, changed: true, fresh: Some(texts), task };
        self.tasks.insert(known.task.id(), Box::new(known));
    }

    pub(super) fn begin(&mut self, task: u64, granted: &Granted, meta: &Meta) {
        let Some(id) = granted.attempt else { return };
        let (granted, start, token) = (granted.clone(), meta.time, meta.sequence);
        self.attempts.insert(id, Attempt { task, granted, start, token, end: None });
    }

    pub(super) fn end(
        &mut self,
        db: &Connection,
        ending: &Ending,
        meta: &Meta,
    ) -> rusqlite::Result<()> {
        let (id, ended) = (ending.end.attempt, Ended::of(ending, meta));
        match self.attempts.get_mut(&id) {
            Some(attempt) => attempt.end = Some(ended),
            None => ended.write(db, id)?,
        }
        Ok(())
    }

    /// Writes what was gathered.
    pub(super) fn settle(&mut self, db: &Connection) -> rusqlite::Result<()> {
        for known in self.tasks.values_mut().filter(|known| known.changed) {
            known.write(db)?;
        }
        for (id, attempt) in std::mem::take(&mut self.attempts) {
            attempt.write(db, id)?;
        }
        let at_work = |task: &Task| matches!(task.state, State::Leased | State::InReview);
        self.tasks.retain(|_, known| at_work(&known.task));
        while self.tasks.len() > AT_WORK_MAX {
            self.tasks.pop_first();
        }
        Ok(())
    }
}

impl Known {
    /// Brings the row up to the task.
    pub(super) fn write(&mut self, db: &Connection) -> rusqlite::Result<()> {
        self.changed = false;
        let task = &self.task;
        let (state, body, class) = (task.state.word(), packed(task)?, class(task));
        let Some(texts) = self.fresh.take() else {
            db.prepare_cached(
                "UPDATE tasks SET state = ?2, body = ?3, class = ?4 WHERE sequence = ?1",
            )?
            .execute((self.sequence, state, body, class))?;
            return Ok(());
        };
        db.prepare_cached(
            "INSERT INTO tasks VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?
        .execute(params![
            self.sequence,
            task.id().to_string(),
            task.spec().key,
            state,
            body,
            texts.title,
            texts.instruction,
            texts.intent,
            class,
            task.added.submitter,
            task.added.recurrence.as_deref().unwrap_or_default(),
            task.spec().priority,
        ])?;
        Ok(())
    }
}

impl Attempt {
    fn write(&self, db: &Connection, id: AttemptId) -> rusqlite::Result<()> {
        let (granted, ended) = (&self.granted, self.end.as_ref());
        db.prepare_cached(
            "INSERT INTO attempts (id, task, number, lease, cycle, resident, start_us, token,
               end_us, end_sequence, outcome, class, cost, submission)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        )?
        .execute(params![
            id.to_string(),
            self.task,
            granted.attempt_number,
            granted.lease.to_string(),
            granted.cycle.to_string(),
            granted.resident.map(|resident| resident.to_string()).unwrap_or_default(),
            self.start.as_micros(),
            self.token,
            ended.map(|ended| ended.end.as_micros()),
            ended.map(|ended| ended.sequence),
            ended.map_or("", |ended| ended.outcome),
            ended.map_or("", |ended| ended.class),
            ended.map_or(0, |ended| ended.cost),
            ended.map_or("", |ended| &ended.submission),
        ])?;
        Ok(())
    }
}

impl Ended {
    fn of(ending: &Ending, meta: &Meta) -> Self {
        let Ending { end: _, outcome, class, cost, submission } = ending;
        Self {
            end: meta.time,
            sequence: meta.sequence,
            outcome,
            class: class.map(Class::word).unwrap_or_default(),
            cost: cost.get(),
            submission: submission.map(|submission| submission.to_string()).unwrap_or_default(),
        }
    }

    fn write(&self, db: &Connection, id: AttemptId) -> rusqlite::Result<()> {
        db.prepare_cached(
            "UPDATE attempts SET end_us = ?2, outcome = ?3, class = ?4, cost = ?5, submission = ?6,
               end_sequence = ?7
             WHERE id = ?1",
        )?
        .execute(params![
            id.to_string(),
            self.end.as_micros(),
            self.outcome,
            self.class,
            self.cost,
            self.submission,
            self.sequence,
        ])?;
        Ok(())
    }
}

/// The class with which a task failed; empty while it has not.
fn class(task: &Task) -> &'static str {
    let failed = task.failure.as_ref().filter(|_| task.state == State::Failed);
    failed.map(|failure| failure.class.word()).unwrap_or_default()
}

fn packed(task: &Task) -> rusqlite::Result<Vec<u8>> {
    postcard::to_stdvec(task)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}
