//! The read models of a ledger that lies elsewhere: a SQLite file on this machine.
//!
//! The file is a cache. Beside the models it names the row whose effect it holds; when that row is
//! not in the log, because the log is another one or was set back, the models are made anew.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, params};
use vivarium_types::source::Hash;

use crate::store::sqlite::truncate_wal;
use crate::store::{Error, Head, Project};

const PLACE: &str = "
CREATE TABLE IF NOT EXISTS place (
  one INTEGER PRIMARY KEY CHECK (one = 1), ledger TEXT NOT NULL, writer_epoch INTEGER NOT NULL,
  sequence INTEGER NOT NULL, hash BLOB NOT NULL)";

/// The row whose effect the models hold; the rows behind it may have had theirs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) ledger: String,
    pub(super) sequence: u64,
    pub(super) hash: Hash,
}

/// The writer's connection to the read models.
#[derive(Debug)]
pub(super) struct Views {
    connection: Connection,
}

impl Views {
    pub(super) fn at(path: &Path) -> Result<Self, Error> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        // What a power cut takes is made again from the log.
        connection.pragma_update(None, "synchronous", "normal")?;
        connection.pragma_update(None, "secure_delete", true)?;
        connection.set_prepared_statement_cache_capacity(64);
        connection.execute_batch(PLACE)?;
        Ok(Self { connection })
    }

    /// Where the models stand; `None` in a new file.
    pub(super) fn place(&self) -> Result<Option<Place>, Error> {
        let found =
            self.connection.query_row("SELECT ledger, sequence, hash FROM place", [], |row| {
                let (ledger, sequence, hash) = (row.get(0)?, row.get(1)?, Hash(row.get(2)?));
                Ok(Place { ledger, sequence, hash })
            });
        Ok(found.optional()?)
    }

    /// Lets every model be made anew when the ledger is next brought up.
    pub(super) fn distrust(&self) -> Result<(), Error> {
        let known = "SELECT 1 FROM sqlite_master WHERE name = 'views'";
        if self.connection.query_row(known, [], |_| Ok(())).optional()?.is_some() {
            self.connection.execute("DELETE FROM views", [])?;
        }
        Ok(())
    }

    /// From now on the models follow this owner. They are about to be brought up to its head.
    pub(super) fn belong_to(&self, head: &Head) -> Result<(), Error> {
        self.connection.execute(
            "INSERT OR REPLACE INTO place VALUES (1, ?1, ?2, ?3, ?4)",
            params![head.ledger.to_string(), head.writer_epoch, head.sequence, head.hash.0],
        )?;
        Ok(())
    }

    /// Runs `work` in one transaction.
    pub(super) fn with(
        &mut self,
        work: &mut dyn FnMut(&Connection) -> rusqlite::Result<()>,
    ) -> Result<(), Error> {
        let transaction = self.connection.transaction()?;
        work(&transaction)?;
        transaction.commit()?;
        Ok(())
    }

    /// Takes a batch in that the log holds. A later owner on this machine has read it there and
    /// taken it in already: then nothing may happen twice.
    pub(super) fn project(
        &mut self,
        writer_epoch: u64,
        last: Option<(u64, Hash)>,
        project: Project<'_>,
    ) -> Result<(), Error> {
        let immediate = rusqlite::TransactionBehavior::Immediate;
        let transaction = self.connection.transaction_with_behavior(immediate)?;
        let owner: Option<u64> = transaction
            .prepare_cached("SELECT writer_epoch FROM place")?
            .query_row([], |row| row.get(0))
            .optional()?;
        if owner != Some(writer_epoch) {
            return Err(Error::Conflict);
        }
        project(&transaction)?;
        if let Some((sequence, hash)) = last {
            transaction
                .prepare_cached("UPDATE place SET sequence = ?1, hash = ?2")?
                .execute(params![sequence, hash.0])?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// Empties the write-ahead log of what was deleted.
    pub(super) fn tidy(&self) -> Result<(), Error> {
        truncate_wal(&self.connection)
    }
}
