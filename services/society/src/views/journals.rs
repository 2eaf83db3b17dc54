//! Journal entries without their words: day, kind and state.

use rusqlite::{Connection, OptionalExtension as _, Row, named_params};
use vivarium_ledger::view::TextLookup;
use vivarium_ledger::{Meta, View};
use vivarium_types::Timestamp;
use vivarium_types::ids::{JournalId, ResidentId};

use super::{Slice, moment, optional, parsed};
use crate::domain::journal::{Kind, Readers};
use crate::domain::{Event, Society};

/// One row for each entry.
#[derive(Debug)]
pub struct Journals;

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "it is called as in the contract")]
pub struct Journal {
    /// The row that holds it.
    pub sequence: u64,
    /// Which.
    pub journal: JournalId,
    /// Whose.
    pub resident: ResidentId,
    /// What it is.
    pub kind: Kind,
    /// The sealed text's id.
    pub text_id: String,
    /// Characters.
    pub length: u32,
    /// Whether the human may read it.
    pub shared: bool,
    /// Whether its key is destroyed.
    pub erased: bool,
    /// The day.
    pub day: u64,
    /// When.
    pub time: Timestamp,
}

impl View<Society> for Journals {
    fn name(&self) -> &'static str {
        "journals"
    }

    fn version(&self) -> u32 {
        1
    }

    fn create(&self, db: &Connection) -> rusqlite::Result<()> {
        db.execute_batch(
            "DROP TABLE IF EXISTS journals;
             CREATE TABLE journals (
               sequence INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, resident TEXT NOT NULL,
               kind TEXT NOT NULL, text_id TEXT NOT NULL, length INTEGER NOT NULL,
               shared INTEGER NOT NULL, erased INTEGER NOT NULL, day INTEGER NOT NULL,
               time INTEGER NOT NULL);
             CREATE INDEX journals_by_resident ON journals (resident, sequence);",
        )
    }

    fn project(
        &self,
        db: &Connection,
        event: &Event,
        meta: &Meta,
        _texts: &dyn TextLookup,
    ) -> rusqlite::Result<()> {
        if let Event::JournalWritten(written) = event {
            db.prepare_cached(
                "INSERT INTO journals VALUES (:sequence, :id, :resident, :kind, :text_id, :length,
                   :shared, 0, :day, :time)",
            )?
            .execute(named_params! {
                ":sequence": meta.sequence,
                ":id": written.journal.to_string(),
                ":resident": written.resident.to_string(),
                ":kind": written.kind.word(),
                ":text_id": written.text.id,
                ":length": written.text.length,
                ":shared": written.readers == Readers::Human,
                ":day": written.day,
                ":time": meta.time.as_micros(),
            })?;
        } else if let Event::JournalErased { journal, .. } = event {
            db.prepare_cached("UPDATE journals SET erased = 1 WHERE id = ?1")?
                .execute([journal.to_string()])?;
        }
        Ok(())
    }
}

/// A page, newest first; of one resident or of all.
pub fn page(
    db: &Connection,
    resident: Option<ResidentId>,
    slice: Slice,
) -> rusqlite::Result<Vec<Journal>> {
    let mut query = db.prepare_cached(
        "SELECT * FROM journals WHERE sequence < ?1 AND (?2 = '' OR resident = ?2)
         ORDER BY sequence DESC LIMIT ?3",
    )?;
    query.query_map((slice.before, optional(resident), slice.limit), read)?.collect()
}

/// One entry.
pub fn find(db: &Connection, journal: &str) -> rusqlite::Result<Option<Journal>> {
    let mut query = db.prepare_cached("SELECT * FROM journals WHERE id = ?1")?;
    query.query_row([journal], read).optional()
}

fn read(row: &Row<'_>) -> rusqlite::Result<Journal> {
    let kind: String = row.get("kind")?;
    Ok(Journal {
        sequence: row.get("sequence")?,
        journal: parsed(row, "id")?,
        resident: parsed(row, "resident")?,
        kind: Kind::of_word(&kind).unwrap_or(Kind::Reflection),
        text_id: row.get("text_id")?,
        length: row.get("length")?,
        shared: row.get("shared")?,
        erased: row.get("erased")?,
        day: row.get("day")?,
        time: moment(row, "time")?,
    })
}
