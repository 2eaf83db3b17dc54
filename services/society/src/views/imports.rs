//! What was taken over from another world: what each key became here.

use rusqlite::{Connection, OptionalExtension as _};
use vivarium_ledger::view::TextLookup;
use vivarium_ledger::{Meta, View};

use crate::domain::{Event, Society};

/// One row for each thing taken over.
#[derive(Debug)]
pub struct Imports;

impl View<Society> for Imports {
    fn name(&self) -> &'static str {
        "imports"
    }

    fn version(&self) -> u32 {
        1
    }

    fn create(&self, db: &Connection) -> rusqlite::Result<()> {
        db.execute_batch(
            "DROP TABLE IF EXISTS imports;
             CREATE TABLE imports (key TEXT PRIMARY KEY, made TEXT NOT NULL) WITHOUT ROWID;",
        )
    }

    fn project(
        &self,
        db: &Connection,
        event: &Event,
        _meta: &Meta,
        _texts: &dyn TextLookup,
    ) -> rusqlite::Result<()> {
        if let Event::ItemImported(imported) = event {
            db.prepare_cached("INSERT INTO imports VALUES (?1, ?2)")?
                .execute([&imported.key, &imported.made])?;
        }
        Ok(())
    }
}

/// What a key became, if it was taken over.
pub fn made(db: &Connection, key: &str) -> rusqlite::Result<Option<String>> {
    db.prepare_cached("SELECT made FROM imports WHERE key = ?1")?
        .query_row([key], |row| row.get(0))
        .optional()
}
