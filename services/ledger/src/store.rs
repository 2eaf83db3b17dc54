//! Where a ledger lies: one trait, a handful of methods. Default: SQLite; for tests: memory; for
//! worlds whose ledgers must survive a machine: PostgreSQL, behind the feature `postgres`.
//!
//! A store knows rows, texts and side rows; it decides nothing. Everything of one [`Batch`] becomes
//! durable together or not at all.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use vivarium_types::ids::LedgerId;
use vivarium_types::place::{Error as PlaceError, Standing};
use vivarium_types::reason::Coded;
use vivarium_types::source::{Checkpoint, Cursor, Hash, Row};
use vivarium_types::{Reason, Timestamp};

use crate::aggregate::Claimed;
use crate::segment::{self, Segment, Shelf};
use view_file::ViewFile;

#[cfg(feature = "postgres")]
pub mod carry;
#[cfg(feature = "postgres")]
mod contents;
pub mod memory;
#[cfg(feature = "postgres")]
mod place;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod sqlite;
pub mod view_file;

#[cfg(feature = "postgres")]
pub use place::{look, open, open_in_turn, reader, shown};

/// What went wrong in a store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another writer owns the ledger, or appended to it: this one must stop.
    #[error("another writer owns this ledger")]
    Conflict,
    /// The store cannot be read or written.
    #[error("the store cannot be used")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What is stored fails its check.
    #[error("{what}")]
    Corrupt {
        /// What was being read.
        what: String,
        /// Says so to whoever knows no store.
        source: Coded,
    },
    /// What is wanted lies in a segment file that is not in its place.
    #[error("the file {file} with rows {first} to {last} is not in its place")]
    Away {
        /// The file.
        file: String,
        /// The first row of its segment.
        first: u64,
        /// The last one: what is behind it can be had.
        last: u64,
        /// Says so to whoever knows no store.
        source: Coded,
    },
}

impl Error {
    /// Something stored that does not read back.
    pub fn corrupt(what: impl fmt::Display) -> Self {
        Self::Corrupt { what: what.to_string(), source: Coded::new(Reason::StoreCorrupt) }
    }

    /// A file of a segment that is not in its place.
    pub(crate) fn away(file: &str, segment: &Segment) -> Self {
        let source = Coded::new(Reason::LedgerSegmentAway);
        Self::Away { file: file.to_owned(), first: segment.first(), last: segment.last(), source }
    }
}

impl From<PlaceError> for Error {
    fn from(error: PlaceError) -> Self {
        Self::Unavailable(Box::new(error))
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{
            CannotOpen, DatabaseCorrupt, DiskFull, NotADatabase, PermissionDenied, ReadOnly,
        };
        // The index of the write-ahead log has no room: SQLite calls that an error of the disk.
        let no_index = error
            .sqlite_error()
            .is_some_and(|told| told.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE);
        let reason = match error.sqlite_error_code() {
            Some(DatabaseCorrupt | NotADatabase) => return Self::corrupt(error),
            Some(DiskFull) => Some(Reason::StoreFull),
            Some(ReadOnly | CannotOpen | PermissionDenied) => Some(Reason::StoreReadOnly),
            _ => no_index.then_some(Reason::StoreFull),
        };
        match reason {
            Some(reason) => Self::Unavailable(Box::new(Coded::because(reason, error))),
            None => Self::Unavailable(Box::new(error)),
        }
    }
}

/// A ledger's last row and who may write behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Which ledger.
    pub ledger: LedgerId,
    /// The owner's number; raised by each open, so that an older owner is refused.
    pub writer_epoch: u64,
    /// The last row, 0 in an empty ledger.
    pub sequence: u64,
    /// Its hash, or the genesis hash.
    pub hash: Hash,
    /// Its time.
    pub time: Timestamp,
}

/// How an event names an authored text that lies beside the log.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TextRef {
    /// The text's id, `txt_…`.
    pub id: String,
    /// SHA-256 of the exact stored bytes (of the sealed bytes when sealed).
    pub hash: Hash,
    /// Characters of the text as it was authored.
    pub length: u32,
    /// Whether the bytes are sealed under a key of their own.
    pub sealed: bool,
}

/// An authored text beside the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextRow {
    /// The text's id, `txt_…`.
    pub id: String,
    /// UTF-8, or what [`crate::seal`] made of it.
    pub bytes: Vec<u8>,
    /// Whether the bytes are sealed.
    pub sealed: bool,
}

/// Who asked what under which id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestKey {
    /// The caller, as [`vivarium_types::Actor`] prints.
    pub actor: String,
    /// The method, such as `/vivarium.queue.v1.TaskService/AddTasks`.
    pub method: String,
    /// The caller's `request_id`.
    pub request_id: String,
}

/// The first answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// SHA-256 of the request as it was parsed.
    pub digest: Hash,
    /// The encoded answer.
    pub bytes: Vec<u8>,
    /// The last sequence of its effect.
    pub sequence: u64,
}

/// Everything that one turn makes durable.
#[derive(Default)]
pub struct Batch<'a> {
    /// The sequence that the store must stand at.
    pub expected_sequence: u64,
    /// The epoch that must still own the ledger.
    pub writer_epoch: u64,
    /// The turn's time.
    pub time: Timestamp,
    /// New rows, in order.
    pub rows: &'a [Row],
    /// New texts.
    pub texts: &'a [TextRow],
    /// Business keys and the rows that use them.
    pub claims: &'a [(String, u64)],
    /// Answers to remember.
    pub answers: &'a [(RequestKey, Answered)],
    /// Cursors by follower.
    pub cursors: &'a [(String, Cursor)],
    /// Peers' checkpoints by service name.
    pub checkpoints: &'a [(String, Checkpoint)],
    /// Texts whose bytes are to be erased: gone from reading with the commit, from the disk when
    /// [`Store::finish_erasures`] has run.
    pub erasures: &'a [String],
    /// Segments that its rows say are closed; their files are there.
    pub segments: &'a [Segment],
    /// What closed segments hold and the hot file need not keep.
    pub leaving: Leaving<'a>,
}

/// Rows and texts that leave the hot file, because closed segments hold them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Leaving<'a> {
    /// All rows up to this one; 0 for none.
    pub rows_to: u64,
    /// Texts by their ids.
    pub texts: &'a [String],
}

impl fmt::Debug for Batch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("expected_sequence", &self.expected_sequence)
            .field("rows", &self.rows.len())
            .finish_non_exhaustive()
    }
}

/// A ledger's durable place, as its one writer sees it.
pub trait Store: Send + 'static {
    /// Becomes the owner: raises the epoch, and makes the ledger on first use with `fresh` as id.
    fn open(&mut self, fresh: LedgerId) -> Result<Head, Error>;
    /// Makes a batch durable, if the ledger still stands where the writer believes.
    fn append(&mut self, batch: &Batch<'_>) -> Result<(), Error>;
    /// Earlier uses of business keys; keys never used are absent from the answer.
    fn claimed(&mut self, keys: &[String]) -> Result<BTreeMap<String, Claimed>, Error>;
    /// The first answer to a request, if it is still remembered.
    fn answered(&mut self, key: &RequestKey) -> Result<Option<Answered>, Error>;
    /// The first answers to many requests; those not remembered are absent. A store that is far
    /// away answers all of them at once.
    fn answered_all(
        &mut self,
        keys: &[RequestKey],
    ) -> Result<BTreeMap<RequestKey, Answered>, Error> {
        let mut found = BTreeMap::new();
        for key in keys {
            found.extend(self.answered(key)?.map(|answer| (key.clone(), answer)));
        }
        Ok(found)
    }
    /// Forgets answers older than `before`; at most `limit` of them a call.
    fn forget_answers(&mut self, before: Timestamp, limit: u32) -> Result<u32, Error>;
    /// All cursors by follower.
    fn cursors(&mut self) -> Result<BTreeMap<String, Cursor>, Error>;
    /// Texts whose erasure was committed and not finished: after a crash, all of them again.
    fn pending_erasures(&mut self) -> Result<Vec<String>, Error>;
    /// Makes sure that no file of the store holds the bytes of erased texts any more.
    fn finish_erasures(&mut self, ids: &[String]) -> Result<(), Error>;
    /// Where the read models are written.
    fn views(&self) -> Result<ViewFile, Error>;
    /// Reading beside the writer.
    fn reader(&self) -> Arc<dyn Reader>;
    /// Where snapshots are kept.
    fn snapshots(&self) -> Arc<dyn Snapshots>;
}

impl<S: Store + ?Sized> Store for Box<S> {
    fn open(&mut self, fresh: LedgerId) -> Result<Head, Error> {
        (**self).open(fresh)
    }
    fn append(&mut self, batch: &Batch<'_>) -> Result<(), Error> {
        (**self).append(batch)
    }
    fn claimed(&mut self, keys: &[String]) -> Result<BTreeMap<String, Claimed>, Error> {
        (**self).claimed(keys)
    }
    fn answered(&mut self, key: &RequestKey) -> Result<Option<Answered>, Error> {
        (**self).answered(key)
    }
    fn answered_all(
        &mut self,
        keys: &[RequestKey],
    ) -> Result<BTreeMap<RequestKey, Answered>, Error> {
        (**self).answered_all(keys)
    }
    fn forget_answers(&mut self, before: Timestamp, limit: u32) -> Result<u32, Error> {
        (**self).forget_answers(before, limit)
    }
    fn cursors(&mut self) -> Result<BTreeMap<String, Cursor>, Error> {
        (**self).cursors()
    }
    fn pending_erasures(&mut self) -> Result<Vec<String>, Error> {
        (**self).pending_erasures()
    }
    fn finish_erasures(&mut self, ids: &[String]) -> Result<(), Error> {
        (**self).finish_erasures(ids)
    }
    fn views(&self) -> Result<ViewFile, Error> {
        (**self).views()
    }
    fn reader(&self) -> Arc<dyn Reader> {
        (**self).reader()
    }
    fn snapshots(&self) -> Arc<dyn Snapshots> {
        (**self).snapshots()
    }
}

/// Reading beside the writer, from any thread. Blocks on the disk: call it off the async threads.
pub trait Reader: Send + Sync + 'static {
    /// The ledger's last row.
    fn head(&self) -> Result<Head, Error>;
    /// At most `limit` rows behind `after`, in order, of those that lie in the hot file.
    fn hot_rows(&self, after: u64, limit: usize) -> Result<Vec<Row>, Error>;
    /// A text of the hot file, or `None`.
    fn hot_text(&self, id: &str) -> Result<Option<TextRow>, Error>;
    /// Whether the erasure of a text was committed and is not finished.
    fn is_erasing(&self, id: &str) -> Result<bool, Error>;
    /// The first row of the hot file; 0 when there is none.
    fn hot_from(&self) -> Result<u64, Error>;
    /// The closed segments, in order.
    fn segments(&self) -> Result<Vec<Segment>, Error>;
    /// Where the segments' files lie.
    fn shelf(&self) -> &Shelf;
    /// At most `limit` rows behind `after`, in order, wherever they lie.
    fn rows(&self, after: u64, limit: usize) -> Result<Vec<Row>, Error> {
        segment::rows(self, after, limit)
    }
    /// A text, wherever it lies, or `None` when there is none or it was erased.
    fn text(&self, id: &str) -> Result<Option<TextRow>, Error> {
        segment::text(self, id)
    }
    /// The latest checkpoint of each peer, by service name.
    fn checkpoints(&self) -> Result<Vec<(String, Checkpoint)>, Error>;
    /// Runs `query` on the read models.
    fn view(&self, query: view_file::Work<'_>) -> Result<(), Error>;
}

/// Hears how this process stands to a ledger that several could own. Told that it is fenced, it must
/// not let the process go on.
pub type Tell = Arc<dyn Fn(Standing) + Send + Sync>;

/// A place for segment files. What lies there is written once and read seldom.
pub trait Segments: fmt::Debug + Send + Sync + 'static {
    /// Keeps a file, whole or not at all, in place of what had this name.
    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), Error>;
    /// A file by its name; `None` when it is not there.
    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, Error>;
    /// Removes a file, if it is there.
    fn remove(&self, name: &str) -> Result<(), Error>;
    /// The names of all files, in any order.
    fn names(&self) -> Result<Vec<String>, Error>;
}

/// A place for snapshots of a ledger's state. A snapshot is a cache: losing one costs time only.
pub trait Snapshots: Send + Sync + 'static {
    /// Keeps a snapshot taken behind row `sequence`, and drops all but the two newest.
    fn put(&self, sequence: u64, bytes: &[u8]) -> Result<(), Error>;
    /// The newest snapshot at or before `limit`.
    fn latest(&self, limit: u64) -> Result<Option<(u64, Vec<u8>)>, Error>;
}
