//! The read models of a ledger: a SQLite file on this machine, wherever the log lies.
//!
//! The file is a cache. Beside the models it names the row whose effect it holds; when that row is
//! not in the log, because the log is another one or was set back, the models are made anew.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};
use vivarium_types::source::Hash;

use super::sqlite::{steady, truncate_wal};
use super::{Error, Head, Reader};

/// Pages of 4 KiB after which the write-ahead log is folded into the file. Models change in many places at
/// once, and what changes again before is folded in once.
const WAL_PAGES: u32 = 16_000;
/// Most KiB of pages that the writing connection keeps, taken as they are needed. One transaction under
/// load touches thousands of pages; those that find no room are written twice.
const CACHE_KIB: i64 = 32 << 10;

const PLACE: &str = "
CREATE TABLE IF NOT EXISTS place (
  one INTEGER PRIMARY KEY CHECK (one = 1), ledger TEXT NOT NULL, writer_epoch INTEGER NOT NULL,
  sequence INTEGER NOT NULL, hash BLOB NOT NULL)";

/// Work in one transaction on the read models; it keeps its own result.
pub type Work<'a> = &'a mut dyn FnMut(&Connection) -> rusqlite::Result<()>;

/// The row whose effect the models hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stand {
    /// Its place in the log; 0 before the first one.
    pub sequence: u64,
    /// Its hash.
    pub hash: Hash,
}

/// The connection that writes the read models.
#[derive(Debug, Clone)]
pub struct ViewFile {
    /// Used by the projector; in memory by readers too.
    connection: Arc<Mutex<Connection>>,
}

impl ViewFile {
    /// Opens or makes the file `path`.
    pub fn at(path: &Path) -> Result<Self, Error> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        // What a power cut takes is made again from the log.
        connection.pragma_update(None, "synchronous", "normal")?;
        connection.pragma_update(None, "wal_autocheckpoint", WAL_PAGES)?;
        connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
        connection.pragma_update(None, "secure_delete", true)?;
        Self::on(connection)
    }

    /// Read models that end with their last handle.
    pub fn in_memory() -> Result<Self, Error> {
        Self::on(Connection::open_in_memory()?)
    }

    fn on(connection: Connection) -> Result<Self, Error> {
        connection.set_prepared_statement_cache_capacity(64);
        steady(&connection)?;
        connection.execute_batch(PLACE)?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)) })
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on the models follow this owner. What they hold is kept if the log behind `reader`
    /// still has the row that they stand at; otherwise every model is made anew.
    pub(crate) fn belong_to(&self, head: &Head, reader: &dyn Reader) -> Result<(), Error> {
        let mut connection = self.connection();
        // The owner before this one may still be at work on this machine.
        let connection = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let found = connection.query_row("SELECT ledger, sequence, hash FROM place", [], |row| {
            let (ledger, sequence) = (row.get::<_, String>(0)?, row.get(1)?);
            Ok((ledger, Stand { sequence, hash: Hash(row.get(2)?) }))
        });
        let kept = match found.optional()? {
            Some((ledger, stand)) if ledger == head.ledger.to_string() => {
                is_in_log(stand, head, reader)?.then_some(stand)
            }
            Some(_) | None => None,
        };
        if kept.is_none() && has_table(&connection, "views")? {
            connection.execute("DELETE FROM views", [])?;
        }
        let stand = kept.unwrap_or_default();
        connection.execute(
            "INSERT OR REPLACE INTO place VALUES (1, ?1, ?2, ?3, ?4)",
            params![head.ledger.to_string(), head.writer_epoch, stand.sequence, stand.hash.0],
        )?;
        connection.commit()?;
        Ok(())
    }

    /// Runs `work` in one transaction, and notes where the models stand behind it. A later owner on
    /// this machine reads the same rows in the log and takes them in itself: then nothing may
    /// happen twice, and the work of the older one is refused.
    pub(crate) fn project(
        &self,
        writer_epoch: u64,
        stand: Option<Stand>,
        work: Work<'_>,
    ) -> Result<(), Error> {
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let owner: Option<u64> = transaction
            .prepare_cached("SELECT writer_epoch FROM place")?
            .query_row([], |row| row.get(0))
            .optional()?;
        if owner != Some(writer_epoch) {
            return Err(Error::Conflict);
        }
        work(&transaction)?;
        if let Some(stand) = stand {
            transaction
                .prepare_cached("UPDATE place SET sequence = ?1, hash = ?2")?
                .execute(params![stand.sequence, stand.hash.0])?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// Runs `query` without letting it write.
    pub(crate) fn read(&self, query: Work<'_>) -> Result<(), Error> {
        let connection = self.connection();
        connection.pragma_update(None, "query_only", true)?;
        let outcome = connection.unchecked_transaction().and_then(|transaction| {
            query(&transaction)?;
            transaction.finish()
        });
        connection.pragma_update(None, "query_only", false)?;
        Ok(outcome?)
    }

    /// Empties the write-ahead log of what was deleted.
    pub(crate) fn tidy(&self) -> Result<(), Error> {
        truncate_wal(&self.connection())
    }
}

fn is_in_log(stand: Stand, head: &Head, reader: &dyn Reader) -> Result<bool, Error> {
    let Some(before) = stand.sequence.checked_sub(1) else { return Ok(true) };
    if stand.sequence > head.sequence {
        return Ok(false);
    }
    Ok(reader.rows(before, 1)?.first().is_some_and(|row| row.hash == stand.hash))
}

/// Whether a database has a table of this name.
pub(in crate::store) fn has_table(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
    let known = "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?1)";
    connection.query_row(known, [name], |row| row.get(0))
}
