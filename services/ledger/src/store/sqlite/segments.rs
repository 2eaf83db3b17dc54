//! Closed segments of a SQLite ledger: a table of them in the file, their own files in a folder
//! beside it, for `queue.db` in `queue.segments`.
//!
//! The pages of what leaves the file are used again for what comes, so the file grows no more once as
//! much leaves as comes.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, Transaction, params};

use super::hash;
use crate::aggregate::SegmentNote;
use crate::segment::{Segment, Shelf};
use crate::store::view_file::has_table;
use crate::store::{Batch, Error, Segments};

pub(super) const TABLE: &str = "
CREATE TABLE IF NOT EXISTS segments (
  first INTEGER PRIMARY KEY, last INTEGER NOT NULL, first_hash BLOB NOT NULL,
  last_hash BLOB NOT NULL, file TEXT NOT NULL, file_hash BLOB NOT NULL, bytes INTEGER NOT NULL,
  text_first TEXT NOT NULL, text_last TEXT NOT NULL)";

/// Segment files in a folder of their own.
#[derive(Debug)]
struct SegmentFolder {
    folder: PathBuf,
}

/// The segment files of the ledger file `path`.
pub(super) fn shelf(path: &Path) -> Shelf {
    Shelf::new(Box::new(SegmentFolder { folder: path.with_extension("segments") }))
}

/// Notes the segments that a batch closes, and takes out what leaves with it.
pub(super) fn close(transaction: &Transaction<'_>, batch: &Batch<'_>) -> rusqlite::Result<()> {
    for segment in batch.segments {
        let (note, (least, most)) = (&segment.note, segment.texts.clone().unwrap_or_default());
        transaction
            .prepare_cached("INSERT INTO segments VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?
            .execute(params![
                note.first,
                note.last,
                note.first_hash.0,
                note.last_hash.0,
                note.file,
                note.file_hash.0,
                note.bytes,
                least,
                most,
            ])?;
    }
    if batch.leaving.rows_to > 0 {
        transaction
            .prepare_cached("DELETE FROM events WHERE sequence <= ?1")?
            .execute([batch.leaving.rows_to])?;
    }
    if !batch.leaving.texts.is_empty() {
        let mut leave = transaction.prepare_cached("DELETE FROM texts WHERE id = ?1")?;
        for id in batch.leaving.texts {
            leave.execute([id])?;
        }
    }
    Ok(())
}

/// All segments, in order. A file that no writer of this version has opened has none.
pub(super) fn all(connection: &Connection) -> Result<Vec<Segment>, Error> {
    if !has_table(connection, "segments")? {
        return Ok(Vec::new());
    }
    let mut query = connection.prepare_cached(
        "SELECT first, last, first_hash, last_hash, file, file_hash, bytes, text_first, text_last
         FROM segments ORDER BY first",
    )?;
    let segments = query.query_map([], |row| {
        let note = SegmentNote {
            first: row.get(0)?,
            last: row.get(1)?,
            first_hash: hash(row, 2)?,
            last_hash: hash(row, 3)?,
            file: row.get(4)?,
            file_hash: hash(row, 5)?,
            bytes: row.get(6)?,
        };
        let texts: (String, String) = (row.get(7)?, row.get(8)?);
        Ok(Segment { note, texts: (!texts.1.is_empty()).then_some(texts) })
    })?;
    Ok(segments.collect::<Result<_, _>>()?)
}

/// The first row of the file; 0 when it has none.
pub(super) fn hot_from(connection: &Connection) -> Result<u64, Error> {
    let first = "SELECT coalesce(min(sequence), 0) FROM events";
    Ok(connection.prepare_cached(first)?.query_row([], |row| row.get(0))?)
}

/// Whether the erasure of a text waits to be finished.
pub(super) fn is_erasing(connection: &Connection, id: &str) -> Result<bool, Error> {
    let pending = "SELECT EXISTS (SELECT 1 FROM erasures WHERE id = ?1)";
    Ok(connection.prepare_cached(pending)?.query_row([id], |row| row.get(0))?)
}

impl SegmentFolder {
    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        if !self.folder.is_dir() {
            fs::create_dir_all(&self.folder)?;
            let beside = self.folder.parent().filter(|parent| !parent.as_os_str().is_empty());
            fs::File::open(beside.unwrap_or_else(|| Path::new(".")))?.sync_all()?;
        }
        let partial = self.folder.join(format!("{name}.partial"));
        let mut file = fs::File::create(&partial)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&partial, self.folder.join(name))?;
        fs::File::open(&self.folder)?.sync_all()
    }
}

impl Segments for SegmentFolder {
    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        self.write(name, bytes).map_err(unavailable)
    }

    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        match fs::read(self.folder.join(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unavailable(error)),
        }
    }

    fn remove(&self, name: &str) -> Result<(), Error> {
        match fs::remove_file(self.folder.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unavailable(error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn names(&self) -> Result<Vec<String>, Error> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(unavailable(error)),
        };
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        Ok(names.collect())
    }
}

fn unavailable(error: io::Error) -> Error {
    Error::Unavailable(Box::new(error))
}
