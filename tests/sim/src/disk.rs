//! A store in memory that survives a crash, fails when it is told to, and lies when a test wants to
//! know whether lies are found.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use vivarium_ledger::aggregate::Claimed;
use vivarium_ledger::store::memory::Memory;
use vivarium_ledger::store::view_file::ViewFile;
use vivarium_ledger::store::{Answered, Batch, Error, Head, Reader, RequestKey, Snapshots, Store};
use vivarium_types::Timestamp;
use vivarium_types::ids::LedgerId;
use vivarium_types::source::Cursor;

/// A broken promise of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// Says of one commit that it is on disk when it is not.
    LosesACommit,
    /// Forgets under which ids it was asked.
    ForgetsAnswers,
    /// Forgets how far the followers came.
    ForgetsCursors,
}

impl Lie {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::LosesACommit, Self::ForgetsAnswers, Self::ForgetsCursors];
}

/// How the next commit fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failing {
    Not,
    /// Nothing of it reaches the disk.
    Before,
    /// All of it is on the disk, and the writer does not learn of it.
    Behind,
}

/// The disk of the simulated queue. Clones are the same disk.
#[derive(Debug, Clone)]
pub struct Disk {
    memory: Memory,
    lie: Option<Lie>,
    failing: Arc<AtomicU8>,
    commits: Arc<AtomicU64>,
}

/// The commit that [`Lie::LosesACommit`] loses.
const LOST_COMMIT: u64 = 40;

impl Disk {
    pub(crate) fn new(lie: Option<Lie>) -> Self {
        Self { memory: Memory::default(), lie, failing: Arc::default(), commits: Arc::default() }
    }

    /// Makes the next commit fail.
    pub(crate) fn fail_next(&self, failing: Failing) {
        self.failing.store(failing as u8, Ordering::Relaxed);
    }

    fn lies(&self, lie: Lie) -> bool {
        self.lie == Some(lie)
    }
}

fn pulled() -> Error {
    Error::Unavailable("the plug was pulled".into())
}

impl Store for Disk {
    fn open(&mut self, fresh: LedgerId) -> Result<Head, Error> {
        self.memory.open(fresh)
    }

    fn append(&mut self, batch: &Batch<'_>) -> Result<(), Error> {
        let failing = self.failing.swap(Failing::Not as u8, Ordering::Relaxed);
        if failing == Failing::Before as u8 {
            return Err(pulled());
        }
        let commit = self.commits.fetch_add(1, Ordering::Relaxed);
        if self.lies(Lie::LosesACommit) && commit == LOST_COMMIT {
            // The writer goes on as if it were there: from now on it is ahead of its disk.
            return Ok(());
        }
        let batch = Batch {
            expected_sequence: batch.expected_sequence,
            writer_epoch: batch.writer_epoch,
            time: batch.time,
            rows: batch.rows,
            texts: batch.texts,
            claims: batch.claims,
            answers: if self.lies(Lie::ForgetsAnswers) { &[] } else { batch.answers },
            cursors: if self.lies(Lie::ForgetsCursors) { &[] } else { batch.cursors },
            checkpoints: batch.checkpoints,
            erasures: batch.erasures,
            segments: batch.segments,
            leaving: batch.leaving,
        };
        self.memory.append(&batch)?;
        if failing == Failing::Behind as u8 { Err(pulled()) } else { Ok(()) }
    }

    fn claimed(&mut self, keys: &[String]) -> Result<BTreeMap<String, Claimed>, Error> {
        self.memory.claimed(keys)
    }

    fn answered(&mut self, key: &RequestKey) -> Result<Option<Answered>, Error> {
        self.memory.answered(key)
    }

    fn forget_answers(&mut self, before: Timestamp, limit: u32) -> Result<u32, Error> {
        self.memory.forget_answers(before, limit)
    }

    fn cursors(&mut self) -> Result<BTreeMap<String, Cursor>, Error> {
        self.memory.cursors()
    }

    fn pending_erasures(&mut self) -> Result<Vec<String>, Error> {
        self.memory.pending_erasures()
    }

    fn finish_erasures(&mut self, ids: &[String]) -> Result<(), Error> {
        self.memory.finish_erasures(ids)
    }

    fn views(&self) -> Result<ViewFile, Error> {
        self.memory.views()
    }

    fn reader(&self) -> Arc<dyn Reader> {
        self.memory.reader()
    }

    fn snapshots(&self) -> Arc<dyn Snapshots> {
        self.memory.snapshots()
    }
}
