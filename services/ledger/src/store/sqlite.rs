//! The default store: one SQLite file per ledger, in WAL mode with `synchronous=FULL`.
//!
//! Anyone can open it with `sqlite3` and read it. The writer has one connection of its own; readers
//! share a small pool. Deleted texts are overwritten (`secure_delete`) and the WAL is truncated.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Transaction, params};
use vivarium_types::Timestamp;
use vivarium_types::ids::LedgerId;
use vivarium_types::source::{Checkpoint, Cursor, Hash, Row};

use super::view_file::{ViewFile, Work, has_table};
use super::{Answered, Batch, Error, Head, Reader, RequestKey, Snapshots, Store, TextRow};
use crate::aggregate::Claimed;
use crate::chain;
use crate::segment::{Segment, Shelf};

#[cfg(feature = "postgres")]
mod contents;
mod segments;

/// Connections that readers keep; who finds none idle makes one, which costs as much as a hundred
/// queries: SQLite reads the schema anew.
const READERS_KEPT: usize = 16;
/// Statements that each of them keeps, so that none is parsed twice.
const STATEMENTS_KEPT: usize = 64;

/// Pages of 4 KiB after which the write-ahead log is folded into the file: four times SQLite's own
/// choice, because under load most pages are written anew in each commit and folded in only once.
const WAL_PAGES: u32 = 4_000;

/// Version of the tables below, in `PRAGMA user_version`. Tables are only ever added to.
const TABLES_VERSION: i64 = 3;
/// The last version that had the read models in the same file.
const WITH_VIEWS: i64 = 1;

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS owner (
  one INTEGER PRIMARY KEY CHECK (one = 1), ledger TEXT NOT NULL, writer_epoch INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS events (
  sequence INTEGER PRIMARY KEY, time_us INTEGER NOT NULL, actor TEXT NOT NULL, kind TEXT NOT NULL,
  schema INTEGER NOT NULL, payload BLOB NOT NULL, hash BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS texts (
  id TEXT PRIMARY KEY, sealed INTEGER NOT NULL, bytes BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS erasures (id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS claims (
  key TEXT PRIMARY KEY, sequence INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answers (
  actor TEXT NOT NULL, method TEXT NOT NULL, request_id TEXT NOT NULL, digest BLOB NOT NULL,
  bytes BLOB NOT NULL, sequence INTEGER NOT NULL, time_us INTEGER NOT NULL,
  PRIMARY KEY (request_id, method, actor)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS answers_by_time ON answers (time_us);
CREATE TABLE IF NOT EXISTS cursors (
  follower TEXT PRIMARY KEY, ledger TEXT NOT NULL, sequence INTEGER NOT NULL, hash BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS checkpoints (
  peer TEXT PRIMARY KEY, ledger TEXT NOT NULL, sequence INTEGER NOT NULL, hash BLOB NOT NULL,
  time_us INTEGER NOT NULL, key_id TEXT NOT NULL, signature BLOB NOT NULL);
";

/// A ledger in a SQLite file.
#[derive(Debug)]
pub struct Sqlite {
    connection: Connection,
    reader: Arc<LedgerReader>,
    views: PathBuf,
    snapshots: Arc<SnapshotFolder>,
}

impl Sqlite {
    /// Opens or makes the ledger file `path`. Beside it lie the read models, for `queue.db` in
    /// `queue.views.db`, and the snapshots in a folder.
    pub fn at(path: &Path) -> Result<Self, Error> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection.pragma_update(None, "wal_autocheckpoint", WAL_PAGES)?;
        connection.pragma_update(None, "secure_delete", true)?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.set_prepared_statement_cache_capacity(64);
        steady(&connection)?;
        let version: i64 = connection.pragma_query_value(None, "user_version", |r| r.get(0))?;
        if version > TABLES_VERSION {
            return Err(Error::corrupt(format!("tables of version {version}, newer than ours")));
        }
        if version == WITH_VIEWS {
            drop_views(&connection)?;
        }
        connection.execute_batch(TABLES)?;
        connection.execute_batch(segments::TABLE)?;
        connection.pragma_update(None, "user_version", TABLES_VERSION)?;
        Ok(Self {
            connection,
            reader: Arc::new(LedgerReader::at(path)),
            views: view_path(path),
            snapshots: Arc::new(SnapshotFolder { folder: path.with_extension("snapshots") }),
        })
    }

    /// A ledger file whose commits are not synced: what a test of power cuts must find out.
    #[cfg(feature = "planted")]
    pub fn unsynced(path: &Path) -> Result<Self, Error> {
        let store = Self::at(path)?;
        store.connection.pragma_update(None, "synchronous", "off")?;
        Ok(store)
    }

    /// A reader of a ledger file that no process needs to have open: for audits.
    pub fn read_only(path: &Path) -> Arc<dyn Reader> {
        Arc::new(LedgerReader::at(path))
    }
}

/// Where the read models of the ledger file `path` lie.
fn view_path(path: &Path) -> PathBuf {
    path.with_extension("views.db")
}

/// Drops the read models that a ledger file held in earlier versions: they are made anew beside it.
fn drop_views(connection: &Connection) -> Result<(), Error> {
    const OURS: [&str; 9] = [
        "owner",
        "events",
        "texts",
        "erasures",
        "claims",
        "answers",
        "cursors",
        "checkpoints",
        "segments",
    ];
    let names = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'
                 ORDER BY sql LIKE 'CREATE VIRTUAL%' DESC";
    let mut query = connection.prepare(names)?;
    let names = query.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
    for name in names.iter().filter(|name| !OURS.contains(&name.as_str())) {
        // A virtual table takes the tables behind it along.
        if has_table(connection, name)? {
            connection.execute_batch(&format!("DROP TABLE \"{name}\""))?;
        }
    }
    Ok(())
}

impl Store for Sqlite {
    fn open(&mut self, fresh: LedgerId) -> Result<Head, Error> {
        let transaction = self.connection.transaction()?;
        transaction.execute(
            "INSERT INTO owner VALUES (1, ?1, 1)
             ON CONFLICT (one) DO UPDATE SET writer_epoch = writer_epoch + 1",
            [fresh.to_string()],
        )?;
        transaction.commit()?;
        head(&self.connection)
    }

    fn append(&mut self, batch: &Batch<'_>) -> Result<(), Error> {
        let transaction =
            self.connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let (epoch, sequence): (u64, u64) = transaction
            .prepare_cached(
                "SELECT writer_epoch, (SELECT coalesce(max(sequence), 0) FROM events) FROM owner",
            )?
            .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        if (epoch, sequence) != (batch.writer_epoch, batch.expected_sequence) {
            return Err(Error::Conflict);
        }
        insert_rows(&transaction, batch).map_err(refused)?;
        insert_side_rows(&transaction, batch).map_err(refused)?;
        segments::close(&transaction, batch).map_err(refused)?;
        transaction.commit()?;
        Ok(())
    }

    fn claimed(&mut self, keys: &[String]) -> Result<BTreeMap<String, Claimed>, Error> {
        let mut query = self.connection.prepare_cached(
            "SELECT claims.sequence, coalesce(kind, '') FROM claims
             LEFT JOIN events ON events.sequence = claims.sequence WHERE key = ?1",
        )?;
        let mut found = BTreeMap::new();
        for key in keys {
            let earlier = query
                .query_row([key], |row| Ok(Claimed { sequence: row.get(0)?, kind: row.get(1)? }))
                .optional()?;
            found.extend(earlier.map(|earlier| (key.clone(), earlier)));
        }
        Ok(found)
    }

    fn answered(&mut self, key: &RequestKey) -> Result<Option<Answered>, Error> {
        let mut query = self.connection.prepare_cached(
            "SELECT digest, bytes, sequence FROM answers
             WHERE request_id = ?1 AND method = ?2 AND actor = ?3",
        )?;
        let found = query.query_row(params![key.request_id, key.method, key.actor], |row| {
            Ok(Answered { digest: hash(row, 0)?, bytes: row.get(1)?, sequence: row.get(2)? })
        });
        Ok(found.optional()?)
    }

    fn forget_answers(&mut self, before: Timestamp, limit: u32) -> Result<u32, Error> {
        let count = self.connection.execute(
            "DELETE FROM answers WHERE (request_id, method, actor) IN (
               SELECT request_id, method, actor FROM answers WHERE time_us < ?1 LIMIT ?2)",
            params![before.as_micros(), limit],
        )?;
        Ok(u32::try_from(count).unwrap_or(limit))
    }

    fn cursors(&mut self) -> Result<BTreeMap<String, Cursor>, Error> {
        let mut query =
            self.connection.prepare("SELECT follower, ledger, sequence, hash FROM cursors")?;
        let rows = query.query_map([], |row| {
            let cursor =
                Cursor { ledger: Some(id(row, 1)?), sequence: row.get(2)?, hash: hash(row, 3)? };
            Ok((row.get(0)?, cursor))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn pending_erasures(&mut self) -> Result<Vec<String>, Error> {
        let mut query = self.connection.prepare_cached("SELECT id FROM erasures")?;
        let ids = query.query_map([], |row| row.get(0))?;
        Ok(ids.collect::<Result<_, _>>()?)
    }

    fn finish_erasures(&mut self, ids: &[String]) -> Result<(), Error> {
        let gone = self.reader.shelf.erase(&self.reader.segments()?, ids)?;
        // The WAL still holds the pages as they were written first: empty it before saying so.
        truncate_wal(&self.connection)?;
        let mut forget = self.connection.prepare_cached("DELETE FROM erasures WHERE id = ?1")?;
        for id in gone {
            forget.execute([id])?;
        }
        Ok(())
    }

    fn views(&self) -> Result<ViewFile, Error> {
        ViewFile::at(&self.views)
    }

    fn reader(&self) -> Arc<dyn Reader> {
        Arc::<LedgerReader>::clone(&self.reader)
    }

    fn snapshots(&self) -> Arc<dyn Snapshots> {
        Arc::<SnapshotFolder>::clone(&self.snapshots)
    }
}

/// Keeps statements as they were prepared. Otherwise SQLite looks at the values that are bound, such as that
/// of a LIMIT, and prepares a statement anew whenever they change.
pub(crate) fn steady(connection: &Connection) -> Result<(), Error> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

/// Copies the whole WAL into the database file and cuts it to nothing.
///
/// A reader in the middle of a query makes SQLite answer busy; the connection's busy time-out
/// waits for it, and a reader that stays longer is an error rather than a silent remainder.
pub(crate) fn truncate_wal(connection: &Connection) -> Result<(), Error> {
    let busy: i64 =
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if busy != 0 {
        return Err(Error::Unavailable("a reader kept the write-ahead log from being cut".into()));
    }
    Ok(())
}

/// A row that is there already was written by somebody else.
fn refused(error: rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::ConstraintViolation) => Error::Conflict,
        _ => error.into(),
    }
}

fn insert_rows(transaction: &Transaction<'_>, batch: &Batch<'_>) -> rusqlite::Result<()> {
    let mut insert =
        transaction.prepare_cached("INSERT INTO events VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
    for row in batch.rows {
        insert.execute(params![
            row.sequence,
            row.time.as_micros(),
            row.actor,
            row.kind,
            row.schema,
            row.payload,
            row.hash.0,
        ])?;
    }
    let mut insert = transaction.prepare_cached("INSERT INTO texts VALUES (?1, ?2, ?3)")?;
    for text in batch.texts {
        insert.execute(params![text.id, text.sealed, text.bytes])?;
    }
    let mut erase = transaction.prepare_cached("DELETE FROM texts WHERE id = ?1")?;
    let mut pend = transaction.prepare_cached("INSERT OR IGNORE INTO erasures VALUES (?1)")?;
    for id in batch.erasures {
        erase.execute([id])?;
        pend.execute([id])?;
    }
    Ok(())
}

fn insert_side_rows(transaction: &Transaction<'_>, batch: &Batch<'_>) -> rusqlite::Result<()> {
    let mut insert = transaction.prepare_cached("INSERT INTO claims VALUES (?1, ?2)")?;
    for (key, sequence) in batch.claims {
        insert.execute(params![key, sequence])?;
    }
    let mut insert =
        transaction.prepare_cached("INSERT INTO answers VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
    for (key, answer) in batch.answers {
        insert.execute(params![
            key.actor,
            key.method,
            key.request_id,
            answer.digest.0,
            answer.bytes,
            answer.sequence,
            batch.time.as_micros(),
        ])?;
    }
    let mut insert =
        transaction.prepare_cached("INSERT OR REPLACE INTO cursors VALUES (?1, ?2, ?3, ?4)")?;
    for (follower, cursor) in batch.cursors {
        let Some(ledger) = cursor.ledger else { continue };
        insert.execute(params![follower, ledger.to_string(), cursor.sequence, cursor.hash.0])?;
    }
    let mut insert = transaction
        .prepare_cached("INSERT OR REPLACE INTO checkpoints VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
    for (peer, checkpoint) in batch.checkpoints {
        insert.execute(params![
            peer,
            checkpoint.ledger.to_string(),
            checkpoint.sequence,
            checkpoint.hash.0,
            checkpoint.time.as_micros(),
            checkpoint.key_id,
            checkpoint.signature,
        ])?;
    }
    Ok(())
}

fn head(connection: &Connection) -> Result<Head, Error> {
    let (ledger, epoch): (LedgerId, u64) = connection
        .query_row("SELECT ledger, writer_epoch FROM owner", [], |r| Ok((id(r, 0)?, r.get(1)?)))
        .optional()?
        .ok_or_else(|| Error::corrupt("a ledger file without its owner row"))?;
    let last = connection
        .query_row(
            "SELECT sequence, hash, time_us FROM events ORDER BY sequence DESC LIMIT 1",
            [],
            |row| Ok((row.get(0)?, hash(row, 1)?, Timestamp::from_micros(row.get(2)?))),
        )
        .optional()?;
    let (sequence, hash, time) =
        last.unwrap_or_else(|| (0, chain::genesis(ledger), Timestamp::EPOCH));
    Ok(Head { ledger, writer_epoch: epoch, sequence, hash, time })
}

fn hash(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Hash> {
    row.get(column).map(Hash)
}

fn id(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<LedgerId> {
    row.get_ref(column)?.as_str()?.parse().map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(
            column,
            rusqlite::types::Type::Text,
            Box::<vivarium_types::ids::NotAnId>::new(error),
        )
    })
}

/// Reads a ledger file and the read models beside it.
#[derive(Debug)]
struct LedgerReader {
    log: FileReader,
    views: FileReader,
    shelf: Shelf,
}

impl LedgerReader {
    fn at(path: &Path) -> Self {
        let shelf = segments::shelf(path);
        Self { log: FileReader::at(path), views: FileReader::at(&view_path(path)), shelf }
    }
}

/// Read connections to one file.
#[derive(Debug)]
pub(super) struct FileReader {
    path: PathBuf,
    /// Idle connections; taken for one query and put back behind it.
    kept: Mutex<Vec<Connection>>,
}

impl FileReader {
    pub(super) fn at(path: &Path) -> Self {
        Self { path: path.to_owned(), kept: Mutex::default() }
    }

    fn with<T>(&self, work: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        let idle = self.kept.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.connect()?,
        };
        let result = work(&connection);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // One that could not end its transaction is of no use to the next.
        if kept.len() < READERS_KEPT && connection.is_autocommit() {
            kept.push(connection);
        }
        result
    }

    /// Runs `query` on one state of the file, however many statements it has.
    pub(super) fn query(&self, query: Work<'_>) -> Result<(), Error> {
        self.with(|connection| {
            // By statements that are kept: rusqlite's own transactions are parsed anew each time.
            connection.prepare_cached("BEGIN")?.execute([])?;
            let found = query(connection);
            let end = if found.is_ok() { "COMMIT" } else { "ROLLBACK" };
            connection.prepare_cached(end)?.execute([])?;
            Ok(found?)
        })
    }

    fn connect(&self) -> Result<Connection, Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        // A WAL database needs write access to its shared-memory file even to be read; where the
        // file itself may not be written, SQLite falls back to reading only.
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.pragma_update(None, "query_only", true)?;
        steady(&connection)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
        Ok(connection)
    }
}

impl Reader for LedgerReader {
    fn head(&self) -> Result<Head, Error> {
        self.log.with(head)
    }

    fn hot_rows(&self, after: u64, limit: usize) -> Result<Vec<Row>, Error> {
        // Whatever is beyond every number that SQLite has bounds nothing.
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.log.with(|connection| {
            let mut query = connection.prepare_cached(
                "SELECT sequence, time_us, actor, kind, schema, payload, hash FROM events
                 WHERE sequence > ?1 ORDER BY sequence LIMIT ?2",
            )?;
            let rows = query.query_map(params![after, limit], |row| {
                Ok(Row {
                    sequence: row.get(0)?,
                    time: Timestamp::from_micros(row.get(1)?),
                    actor: row.get(2)?,
                    kind: row.get(3)?,
                    schema: row.get(4)?,
                    payload: row.get(5)?,
                    hash: hash(row, 6)?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    fn hot_text(&self, id: &str) -> Result<Option<TextRow>, Error> {
        self.log.with(|connection| {
            let mut query =
                connection.prepare_cached("SELECT id, bytes, sealed FROM texts WHERE id = ?1")?;
            let found = query.query_row([id], |row| {
                Ok(TextRow { id: row.get(0)?, bytes: row.get(1)?, sealed: row.get(2)? })
            });
            Ok(found.optional()?)
        })
    }

    fn is_erasing(&self, id: &str) -> Result<bool, Error> {
        self.log.with(|connection| segments::is_erasing(connection, id))
    }

    fn hot_from(&self) -> Result<u64, Error> {
        self.log.with(segments::hot_from)
    }

    fn segments(&self) -> Result<Vec<Segment>, Error> {
        self.log.with(segments::all)
    }

    fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    fn checkpoints(&self) -> Result<Vec<(String, Checkpoint)>, Error> {
        self.log.with(|connection| {
            let mut query = connection.prepare_cached(
                "SELECT peer, ledger, sequence, hash, time_us, key_id, signature FROM checkpoints
                 ORDER BY peer",
            )?;
            let rows = query.query_map([], |row| {
                let checkpoint = Checkpoint {
                    ledger: id(row, 1)?,
                    sequence: row.get(2)?,
                    hash: hash(row, 3)?,
                    time: Timestamp::from_micros(row.get(4)?),
                    key_id: row.get(5)?,
                    signature: row.get(6)?,
                };
                Ok((row.get(0)?, checkpoint))
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    fn view(&self, query: Work<'_>) -> Result<(), Error> {
        self.views.query(query)
    }
}

/// Snapshots as files `<sequence>.snapshot` in a folder of their own.
#[derive(Debug)]
struct SnapshotFolder {
    folder: PathBuf,
}

impl SnapshotFolder {
    fn sequences(&self) -> Result<Vec<u64>, Error> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::Unavailable(Box::new(error))),
        };
        let mut sequences: Vec<u64> = entries
            .flatten()
            .filter_map(|entry| {
                let name = entry.file_name();
                name.to_str()?.strip_suffix(".snapshot")?.parse().ok()
            })
            .collect();
        sequences.sort_unstable();
        Ok(sequences)
    }

    fn path(&self, sequence: u64) -> PathBuf {
        self.folder.join(format!("{sequence}.snapshot"))
    }

    fn write(&self, sequence: u64, bytes: &[u8]) -> std::io::Result<()> {
        /// Two threads may write a snapshot of one row at once.
        static WRITTEN: AtomicU64 = AtomicU64::new(0);
        fs::create_dir_all(&self.folder)?;
        let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
        let partial = self.folder.join(format!("{sequence}.{number}.partial"));
        let mut file = fs::File::create(&partial)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&partial, self.path(sequence))?;
        fs::File::open(&self.folder)?.sync_all()
    }
}

impl Snapshots for SnapshotFolder {
    fn put(&self, sequence: u64, bytes: &[u8]) -> Result<(), Error> {
        self.write(sequence, bytes).map_err(|error| Error::Unavailable(Box::new(error)))?;
        let sequences = self.sequences()?;
        for old in sequences.iter().rev().skip(2) {
            if let Err(error) = fs::remove_file(self.path(*old)) {
                tracing::debug!(sequence = *old, %error, "an old snapshot stays");
            }
        }
        Ok(())
    }

    fn latest(&self, limit: u64) -> Result<Option<(u64, Vec<u8>)>, Error> {
        let newest = self.sequences()?.into_iter().rfind(|sequence| *sequence <= limit);
        newest
            .map(|sequence| match fs::read(self.path(sequence)) {
                Ok(bytes) => Ok((sequence, bytes)),
                Err(error) => Err(Error::Unavailable(Box::new(error))),
            })
            .transpose()
    }
}
