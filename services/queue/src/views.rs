//! The queue's read model: every task with its texts, its attempts, and words to search for.
//!
//! A task's row holds the same [`Task`] that the aggregate works on, moved on by the same
//! [`Task::apply`]; what is over lives here alone. Beside it stands which rows of the log are about
//! which task, and the state behind each: that is how [`past`] finds what was known at a moment.
//!
//! Under load one transaction takes in most of a task's course: [`gather`] writes each of its rows
//! once, as it stands at the end.

use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, OptionalExtension as _, Row, ToSql};
use vivarium_ledger::view::TextLookup;
use vivarium_ledger::{Aggregate as _, Meta, View};
use vivarium_types::Timestamp;
use vivarium_types::ids::TaskId;

use crate::domain::Queue;
use crate::domain::event::Event;
use crate::domain::retry::Class;
use crate::domain::task::{self, Added, Edited, Spec, State, Task};

mod gather;
pub mod list;
pub mod past;

use gather::{Gathered, Texts};

/// Attempts of one task that are shown, the newest of them.
const ATTEMPTS_SHOWN: u32 = 200;
/// A place in the log that lies behind every row there is.
pub const NOW: u64 = u64::MAX >> 1;
/// Words of a search that count.
const WORDS_MAX: usize = 12;

/// Raised when the tables or their meaning change.
///
/// Conditions of the partial indexes name no list: SQLite makes the table behind an `IN` anew for each
/// row that is written.
const VERSION: u32 = 5;

/// The read model.
#[derive(Debug, Default)]
pub struct Tasks {
    /// Locked for one event, or for the end of a transaction.
    gathered: Mutex<Gathered>,
}

/// A task with its texts.
#[derive(Debug, Clone)]
pub struct Record {
    /// The row of its addition: newer tasks have higher ones.
    pub sequence: u64,
    /// The task.
    pub task: Task,
    /// Its title.
    pub title: String,
    /// Its instruction.
    pub instruction: String,
    /// Constraints, preferences, anti-goals and metadata, as JSON; empty when it has none.
    pub intent: String,
}

/// One attempt.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// `att_…`
    pub id: String,
    /// From 1.
    pub number: u32,
    /// `lea_…`
    pub lease: String,
    /// `cyc_…`
    pub cycle: String,
    /// `res_…`, or empty.
    pub resident: String,
    /// When it was granted.
    pub start: Timestamp,
    /// When it ended.
    pub end: Option<Timestamp>,
    /// How it ended; empty while it runs.
    pub outcome: String,
    /// The failure class when it failed.
    pub class: String,
    /// Settled cost in micro-dollars.
    pub cost_micro_usd: i64,
    /// What it put up for review.
    pub submission: String,
    /// The fencing token.
    pub token: u64,
}

impl Attempt {
    /// The attempt while it ran.
    fn at_work(self) -> Self {
        let (outcome, class, submission) = (String::new(), String::new(), String::new());
        Self { end: None, outcome, class, cost_micro_usd: 0, submission, ..self }
    }
}

/// Which tasks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only these states; empty for all.
    pub states: Vec<State>,
    /// Only tasks this resident worked on; empty for all.
    pub resident: String,
    /// Only with this tag; empty for all.
    pub tag: String,
    /// Only with words that begin like these; empty for all.
    pub text: String,
    /// Only what failed with this class.
    pub class: Option<Class>,
    /// Only what this one asked for; empty for all.
    pub submitter: String,
    /// Only what this recurrence fired; empty for all.
    pub recurrence: String,
}

impl View<Queue> for Tasks {
    fn name(&self) -> &'static str {
        "tasks"
    }

    fn version(&self) -> u32 {
        // A row holds a task in the form that snapshots have, so it changes with them.
        VERSION * 1_000 + Queue::STATE_VERSION
    }

    fn create(&self, db: &Connection) -> rusqlite::Result<()> {
        db.execute_batch(
            "DROP TABLE IF EXISTS tasks;
             DROP TABLE IF EXISTS task_tags;
             DROP TABLE IF EXISTS task_dependencies;
             DROP TABLE IF EXISTS attempts;
             DROP TABLE IF EXISTS task_steps;
             DROP TABLE IF EXISTS task_words;
             CREATE TABLE tasks (
               sequence INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, key TEXT UNIQUE,
               state TEXT NOT NULL, body BLOB NOT NULL, title TEXT NOT NULL,
               instruction TEXT NOT NULL, intent TEXT NOT NULL, class TEXT NOT NULL,
               submitter TEXT NOT NULL, recurrence TEXT NOT NULL, priority INTEGER NOT NULL);
             CREATE INDEX tasks_by_age ON tasks (sequence);
             CREATE INDEX tasks_by_state ON tasks (state, sequence);
             CREATE INDEX tasks_by_submitter ON tasks (submitter, sequence);
             CREATE INDEX tasks_by_priority ON tasks (state, priority, sequence)
               WHERE state = 'approved' OR state = 'failed' OR state = 'cancelled';
             CREATE INDEX tasks_by_class ON tasks (class, sequence) WHERE class <> '';
             CREATE INDEX tasks_by_recurrence ON tasks (recurrence, sequence)
               WHERE recurrence <> '';
             CREATE TABLE task_steps (
               task INTEGER NOT NULL, sequence INTEGER NOT NULL, state TEXT NOT NULL,
               PRIMARY KEY (task, sequence)) WITHOUT ROWID;
             CREATE TABLE task_tags (
               tag TEXT NOT NULL, task INTEGER NOT NULL, PRIMARY KEY (tag, task)) WITHOUT ROWID;
             CREATE TABLE task_dependencies (
               on_task TEXT NOT NULL, task INTEGER NOT NULL, PRIMARY KEY (on_task, task)
             ) WITHOUT ROWID;
             CREATE TABLE attempts (
               id TEXT PRIMARY KEY, task INTEGER NOT NULL, number INTEGER NOT NULL,
               lease TEXT NOT NULL, cycle TEXT NOT NULL, resident TEXT NOT NULL,
               start_us INTEGER NOT NULL, end_us INTEGER, end_sequence INTEGER,
               outcome TEXT NOT NULL DEFAULT '',
               class TEXT NOT NULL DEFAULT '', cost INTEGER NOT NULL DEFAULT 0,
               submission TEXT NOT NULL DEFAULT '', token INTEGER NOT NULL) WITHOUT ROWID;
             CREATE INDEX attempts_by_task ON attempts (task, number);
             CREATE INDEX attempts_by_resident ON attempts (resident, task);
             CREATE VIRTUAL TABLE task_words USING fts5 (
               key, title, instruction, content = '', tokenize = 'unicode61 remove_diacritics 2');",
        )
    }

    fn project(
        &self,
        db: &Connection,
        event: &Event,
        meta: &Meta,
        texts: &dyn TextLookup,
    ) -> rusqlite::Result<()> {
        let mut gathered = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        if let Event::TaskAdded(added) = event {
            let task = Task::new(added, meta);
            return add(db, &mut gathered, added, task, meta, texts);
        }
        if let Event::TaskProposed(proposed) = event {
            let task = Task::proposed(proposed, meta);
            return add(db, &mut gathered, &proposed.added, task, meta, texts);
        }
        let Some(id) = task::of(event) else { return Ok(()) };
        let Some(known) = gathered.task(db, id)? else { return Ok(()) };
        known.task.apply(event, meta);
        known.changed = true;
        let sequence = known.sequence;
        step(db, sequence, &known.task, meta)?;
        if let Event::TaskEdited(edited) = event {
            known.write(db)?;
            return edit(db, sequence, edited, texts);
        }
        if let Event::LeaseGranted(granted) = event {
            gathered.begin(sequence, granted, meta);
        }
        event.ending().map_or(Ok(()), |ending| gathered.end(db, &ending, meta))
    }

    fn settle(&self, db: &Connection) -> rusqlite::Result<()> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner).settle(db)
    }
}

fn add(
    db: &Connection,
    gathered: &mut Gathered,
    added: &Added,
    task: Task,
    meta: &Meta,
    texts: &dyn TextLookup,
) -> rusqlite::Result<()> {
    let text = |id: &str| texts.text(id).unwrap_or_default();
    let (title, instruction) = (text(&added.title.id), text(&added.instruction.id));
    let intent = added.intent.as_ref().map(|intent| text(&intent.id)).unwrap_or_default();
    db.prepare_cached(
        "INSERT INTO task_words (rowid, key, title, instruction) VALUES (?1, ?2, ?3, ?4)",
    )?
    .execute((
        meta.sequence,
        added.spec.key.as_deref().unwrap_or_default(),
        &title,
        &instruction,
    ))?;
    step(db, meta.sequence, &task, meta)?;
    gathered.add(meta.sequence, task, Texts { title, instruction, intent });
    enter(db, meta.sequence, &added.spec, &added.dependencies)
}

/// What is looked up by tag or dependency.
fn enter(
    db: &Connection,
    sequence: u64,
    spec: &Spec,
    dependencies: &[TaskId],
) -> rusqlite::Result<()> {
    for tag in &spec.tags {
        db.prepare_cached("INSERT OR IGNORE INTO task_tags VALUES (?1, ?2)")?
            .execute((tag, sequence))?;
    }
    for on in dependencies {
        db.prepare_cached("INSERT OR IGNORE INTO task_dependencies VALUES (?1, ?2)")?
            .execute((on.to_string(), sequence))?;
    }
    Ok(())
}

fn edit(
    db: &Connection,
    sequence: u64,
    edited: &Edited,
    texts: &dyn TextLookup,
) -> rusqlite::Result<()> {
    let text = |id: &str| texts.text(id).unwrap_or_default();
    let (title, instruction) = (text(&edited.title.id), text(&edited.instruction.id));
    let intent = edited.intent.as_ref().map(|intent| text(&intent.id)).unwrap_or_default();
    // An index without content of its own forgets words only by being told which.
    db.prepare_cached(
        "INSERT INTO task_words (task_words, rowid, key, title, instruction)
         SELECT 'delete', sequence, coalesce(key, ''), title, instruction FROM tasks
         WHERE sequence = ?1",
    )?
    .execute([sequence])?;
    db.prepare_cached(
        "UPDATE tasks SET title = ?2, instruction = ?3, intent = ?4, priority = ?5
         WHERE sequence = ?1",
    )?
    .execute((sequence, &title, &instruction, &intent, edited.spec.priority))?;
    db.prepare_cached(
        "INSERT INTO task_words (rowid, key, title, instruction) VALUES (?1, ?2, ?3, ?4)",
    )?
    .execute((
        sequence,
        edited.spec.key.as_deref().unwrap_or_default(),
        &title,
        &instruction,
    ))?;
    db.prepare_cached("DELETE FROM task_tags WHERE task = ?1")?.execute([sequence])?;
    db.prepare_cached("DELETE FROM task_dependencies WHERE task = ?1")?.execute([sequence])?;
    enter(db, sequence, &edited.spec, &edited.dependencies)
}

/// Remembers that a row of the log is about a task, and how it stood behind it.
fn step(db: &Connection, task: u64, after: &Task, meta: &Meta) -> rusqlite::Result<()> {
    db.prepare_cached("INSERT OR REPLACE INTO task_steps VALUES (?1, ?2, ?3)")?.execute((
        task,
        meta.sequence,
        after.state.word(),
    ))?;
    Ok(())
}

const COLUMNS: &str = "sequence, body, title, instruction, intent";

/// The task of this id or key.
pub fn find(db: &Connection, name: &str) -> rusqlite::Result<Option<Record>> {
    let sql = if name.parse::<TaskId>().is_ok() {
        format!("SELECT {COLUMNS} FROM tasks WHERE id = ?1")
    } else {
        format!("SELECT {COLUMNS} FROM tasks WHERE key = ?1")
    };
    db.prepare_cached(&sql)?.query_row([name], record).optional()
}

/// Whether a task matches now.
pub fn matches(db: &Connection, filter: &Filter, sequence: u64) -> rusqlite::Result<bool> {
    let mut sql = "SELECT EXISTS (SELECT 1 FROM tasks WHERE sequence = ?".to_owned();
    let mut values: Vec<Box<dyn ToSql>> = vec![Box::new(sequence)];
    narrow(&mut sql, &mut values, filter);
    sql.push(')');
    let mut query = db.prepare_cached(&sql)?;
    query.query_row(rusqlite::params_from_iter(values.iter()), |row| row.get(0))
}

fn narrow(sql: &mut String, values: &mut Vec<Box<dyn ToSql>>, filter: &Filter) {
    narrow_by_states(sql, values, filter, "state");
    if let Some(class) = filter.class {
        sql.push_str(" AND class = ?");
        values.push(Box::new(class.word()));
    }
    narrow_by_rest(sql, values, filter);
}

fn narrow_by_states(
    sql: &mut String,
    values: &mut Vec<Box<dyn ToSql>>,
    filter: &Filter,
    state: &str,
) {
    if !filter.states.is_empty() {
        let marks = vec!["?"; filter.states.len()].join(", ");
        sql.extend([" AND ", state, " IN (", &marks, ")"]);
        let words = filter.states.iter().map(|state| state.word());
        values.extend(words.map(|word| Box::new(word) as Box<dyn ToSql>));
    }
}

/// Narrows by what does not change with a task's course.
fn narrow_by_rest(sql: &mut String, values: &mut Vec<Box<dyn ToSql>>, filter: &Filter) {
    let plain = [("submitter", &filter.submitter), ("recurrence", &filter.recurrence)];
    for (column, wanted) in plain.into_iter().filter(|(_, wanted)| !wanted.is_empty()) {
        sql.extend([" AND ", column, " = ?"]);
        values.push(Box::new(wanted.clone()));
    }
    if !filter.resident.is_empty() {
        sql.push_str(" AND sequence IN (SELECT task FROM attempts WHERE resident = ?)");
        values.push(Box::new(filter.resident.clone()));
    }
    if !filter.tag.is_empty() {
        sql.push_str(" AND sequence IN (SELECT task FROM task_tags WHERE tag = ?)");
        values.push(Box::new(filter.tag.clone()));
    }
    if let Some(words) = words(&filter.text) {
        sql.push_str(" AND sequence IN (SELECT rowid FROM task_words WHERE task_words MATCH ?)");
        values.push(Box::new(words));
    }
}

/// A search for all words of a text, each as a beginning: nothing a person types is syntax.
fn words(text: &str) -> Option<String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let quoted: Vec<String> = words.take(WORDS_MAX).map(|word| format!("\"{word}\"*")).collect();
    let nothing = quoted.is_empty() && !text.trim().is_empty();
    // Text without a word matches nothing, not everything.
    if nothing {
        Some("\"\u{fffd}\"".to_owned())
    } else {
        (!quoted.is_empty()).then(|| quoted.join(" "))
    }
}

/// The attempts of a task as they stood behind a row of the log, oldest first.
pub fn attempts(db: &Connection, task: u64, place: u64) -> rusqlite::Result<Vec<Attempt>> {
    let mut query = db.prepare_cached(
        "SELECT id, number, lease, cycle, resident, start_us, end_us, outcome, class, cost,
                submission, token, end_sequence
         FROM attempts WHERE task = ?1 AND token <= ?2 ORDER BY number DESC LIMIT ?3",
    )?;
    let rows = query.query_map((task, place, ATTEMPTS_SHOWN), |row| {
        let (attempt, end) = attempt(row)?;
        let ended = end.is_some_and(|sequence| sequence <= place);
        Ok(if ended { attempt } else { attempt.at_work() })
    })?;
    let mut attempts = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    attempts.reverse();
    Ok(attempts)
}

/// The first attempt there was at a task, with the row of the log that ended it. Numbers begin anew
/// when a task is opened again, tokens never do.
pub fn first_attempt(
    db: &Connection,
    task: TaskId,
) -> rusqlite::Result<Option<(Attempt, Option<u64>)>> {
    let mut query = db.prepare_cached(
        "SELECT attempts.id, number, lease, cycle, resident, start_us, end_us, outcome,
                attempts.class, cost, submission, token, end_sequence
         FROM attempts JOIN tasks ON task = tasks.sequence WHERE tasks.id = ?1
         ORDER BY token LIMIT 1",
    )?;
    query.query_row([task.to_string()], attempt).optional()
}

fn attempt(row: &Row<'_>) -> rusqlite::Result<(Attempt, Option<u64>)> {
    let attempt = Attempt {
        id: row.get(0)?,
        number: row.get(1)?,
        lease: row.get(2)?,
        cycle: row.get(3)?,
        resident: row.get(4)?,
        start: Timestamp::from_micros(row.get(5)?),
        end: row.get::<_, Option<i64>>(6)?.map(Timestamp::from_micros),
        outcome: row.get(7)?,
        class: row.get(8)?,
        cost_micro_usd: row.get(9)?,
        submission: row.get(10)?,
        token: row.get(11)?,
    };
    Ok((attempt, row.get(12)?))
}

/// Ids of the tasks that depend on one, oldest first.
pub fn dependents(db: &Connection, id: TaskId) -> rusqlite::Result<Vec<String>> {
    let mut query = db.prepare_cached(
        "SELECT id FROM tasks JOIN task_dependencies ON task = sequence WHERE on_task = ?1
         ORDER BY sequence",
    )?;
    let rows = query.query_map([id.to_string()], |row| row.get(0))?;
    rows.collect()
}

fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    Ok(Record {
        sequence: row.get(0)?,
        task: body(row, 1)?,
        title: row.get(2)?,
        instruction: row.get(3)?,
        intent: row.get(4)?,
    })
}

fn body(row: &Row<'_>, column: usize) -> rusqlite::Result<Task> {
    let bytes = row.get_ref(column)?.as_blob()?;
    postcard::from_bytes(bytes).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(
            column,
            rusqlite::types::Type::Blob,
            Box::new(error),
        )
    })
}
