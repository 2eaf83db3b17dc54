//! Letters, both ways, without their words.

use rusqlite::{Connection, OptionalExtension as _, Row, named_params};
use vivarium_ledger::view::TextLookup;
use vivarium_ledger::{Meta, View};
use vivarium_types::Timestamp;
use vivarium_types::ids::{LetterId, ResidentId};

use super::{Slice, moment, moment_if, optional, parsed};
use crate::domain::mail::{Kind, Side, Waits};
use crate::domain::{Event, Society};

/// One row for each letter.
#[derive(Debug)]
pub struct Letters;

/// A letter.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "it is called as in the contract")]
pub struct Letter {
    /// The row that holds it.
    pub sequence: u64,
    /// Which.
    pub letter: LetterId,
    /// Whose thread.
    pub resident: ResidentId,
    /// Who wrote it.
    pub from: Side,
    /// What it is.
    pub kind: Kind,
    /// The sealed text's id.
    pub text_id: String,
    /// The task it is about.
    pub task: String,
    /// Whether that task waits.
    pub waits: bool,
    /// What it answers.
    pub reply_to: String,
    /// When it was sent.
    pub sent: Timestamp,
    /// When it was read.
    pub opened: Option<Timestamp>,
    /// When it was first answered.
    pub answered: Option<Timestamp>,
    /// The day.
    pub day: u64,
    /// The cycle it was written in.
    pub cycle: String,
}

/// Which letters a page holds.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Only this thread.
    pub resident: Option<ResidentId>,
    /// Only what the human has neither read nor answered.
    pub unread: bool,
    /// Only about this task.
    pub task: Option<String>,
}

impl View<Society> for Letters {
    fn name(&self) -> &'static str {
        "letters"
    }

    fn version(&self) -> u32 {
        1
    }

    fn create(&self, db: &Connection) -> rusqlite::Result<()> {
        db.execute_batch(
            "DROP TABLE IF EXISTS letters;
             CREATE TABLE letters (
               sequence INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, resident TEXT NOT NULL,
               from_human INTEGER NOT NULL, kind TEXT NOT NULL, text_id TEXT NOT NULL,
               task TEXT NOT NULL, waits INTEGER NOT NULL, reply_to TEXT NOT NULL,
               sent INTEGER NOT NULL, opened INTEGER, answered INTEGER, day INTEGER NOT NULL,
               cycle TEXT NOT NULL);
             CREATE INDEX letters_by_resident ON letters (resident, sequence);",
        )
    }

    fn project(
        &self,
        db: &Connection,
        event: &Event,
        meta: &Meta,
        _texts: &dyn TextLookup,
    ) -> rusqlite::Result<()> {
        let now = meta.time.as_micros();
        if let Event::LetterSent(sent) = event {
            db.prepare_cached(
                "INSERT INTO letters VALUES (:sequence, :id, :resident, :from_human, :kind,
                   :text_id, :task, :waits, :reply_to, :sent, NULL, NULL, :day, :cycle)",
            )?
            .execute(named_params! {
                ":sequence": meta.sequence,
                ":id": sent.letter.to_string(),
                ":resident": sent.resident.to_string(),
                ":from_human": sent.from == Side::Human,
                ":kind": sent.kind.word(),
                ":text_id": sent.text.id,
                ":task": optional(sent.task),
                ":waits": sent.waits == Waits::Task,
                ":reply_to": optional(sent.reply_to),
                ":sent": now,
                ":day": sent.day,
                ":cycle": optional(sent.cycle),
            })?;
            db.prepare_cached(
                "UPDATE letters SET answered = coalesce(answered, ?2) WHERE id = ?1",
            )?
            .execute((optional(sent.reply_to), now))?;
        } else if let Event::LetterOpened { letter, .. } = event {
            db.prepare_cached("UPDATE letters SET opened = coalesce(opened, ?2) WHERE id = ?1")?
                .execute((letter.to_string(), now))?;
        }
        Ok(())
    }
}

/// A page, newest first.
pub fn page(db: &Connection, wanted: &Wanted, slice: Slice) -> rusqlite::Result<Vec<Letter>> {
    let mut query = db.prepare_cached(
        "SELECT * FROM letters
         WHERE sequence < ?1 AND (?2 = '' OR resident = ?2) AND (?3 = '' OR task = ?3)
           AND (NOT ?4 OR (NOT from_human AND opened IS NULL AND answered IS NULL))
         ORDER BY sequence DESC LIMIT ?5",
    )?;
    let task = wanted.task.clone().unwrap_or_default();
    let rows = query.query_map(
        (slice.before, optional(wanted.resident), task, wanted.unread, slice.limit),
        read,
    )?;
    rows.collect()
}

/// One letter.
pub fn find(db: &Connection, letter: &str) -> rusqlite::Result<Option<Letter>> {
    let mut query = db.prepare_cached("SELECT * FROM letters WHERE id = ?1")?;
    query.query_row([letter], read).optional()
}

/// The human's letters that a resident has to see: unread ones, and answers about `task`; oldest
/// first.
pub fn to_resident(
    db: &Connection,
    resident: ResidentId,
    task: &str,
    count: u32,
) -> rusqlite::Result<Vec<Letter>> {
    let mut query = db.prepare_cached(
        "SELECT * FROM letters
         WHERE resident = ?1 AND from_human AND (opened IS NULL OR (?2 <> '' AND task = ?2))
         ORDER BY sequence LIMIT ?3",
    )?;
    query.query_map((resident.to_string(), task, count), read)?.collect()
}

fn read(row: &Row<'_>) -> rusqlite::Result<Letter> {
    let (kind, from_human): (String, bool) = (row.get("kind")?, row.get("from_human")?);
    Ok(Letter {
        sequence: row.get("sequence")?,
        letter: parsed(row, "id")?,
        resident: parsed(row, "resident")?,
        from: if from_human { Side::Human } else { Side::Resident },
        kind: Kind::of_word(&kind).unwrap_or(Kind::Message),
        text_id: row.get("text_id")?,
        task: row.get("task")?,
        waits: row.get("waits")?,
        reply_to: row.get("reply_to")?,
        sent: moment(row, "sent")?,
        opened: moment_if(row, "opened")?,
        answered: moment_if(row, "answered")?,
        day: row.get("day")?,
        cycle: row.get("cycle")?,
    })
}

/// The letter that a row holds.
pub fn at(db: &Connection, sequence: u64) -> rusqlite::Result<Option<Letter>> {
    let mut query = db.prepare_cached("SELECT * FROM letters WHERE sequence = ?1")?;
    query.query_row([sequence], read).optional()
}
