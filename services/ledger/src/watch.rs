//! From a sequence on disk to live, without gap and without repeat.
//!
//! A watcher *pulls*: rows that are still in the recent-rows ring come from memory, older ones from
//! disk, and when there is nothing newer it waits for the next commit. So a slow watcher costs no
//! memory: it falls back to the disk by itself.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use vivarium_types::source::Row;

use crate::planted::{self, Bug};
use crate::recent::RecentTexts;
use crate::store::{Error, Reader};

/// Most rows of one delivery.
pub const DELIVERY_ROWS_MAX: usize = 256;
/// Most payload bytes the ring of recent rows holds.
const RING_BYTES_MAX: usize = 8 << 20;
/// Most rows the ring of recent rows holds.
const RING_ROWS_MAX: usize = 8_192;

/// Where the writer publishes and watchers wait.
#[derive(Debug)]
pub(crate) struct Hub {
    /// Written by the writer behind each commit and when it ends.
    progress: watch::Sender<Progress>,
    /// Written by the projector.
    viewed: watch::Sender<Viewed>,
    /// Written by the writer behind each commit, before `progress`.
    ring: Mutex<Ring>,
    /// Texts of the same commits.
    pub(crate) texts: RecentTexts,
}

/// How far the log has come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Progress {
    /// The last committed row.
    pub(crate) committed: u64,
    /// Whether the writer has ended: nothing will follow.
    pub(crate) closed: bool,
}

/// How far the read models have come.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Viewed {
    /// The last row that every one of them holds; 0 until they are brought up.
    pub(crate) sequence: u64,
    /// Whether they can no longer be brought up.
    pub(crate) failed: bool,
}

#[derive(Debug, Default)]
struct Ring {
    rows: VecDeque<Arc<Row>>,
    bytes: usize,
}

impl Hub {
    pub(crate) fn new(sequence: u64) -> Self {
        let progress = Progress { committed: sequence, closed: false };
        Self {
            progress: watch::Sender::new(progress),
            viewed: watch::Sender::default(),
            ring: Mutex::default(),
            texts: RecentTexts::default(),
        }
    }

    /// Makes committed rows visible.
    pub(crate) fn publish(&self, rows: Vec<Row>) {
        let Some(last) = rows.last().map(|row| row.sequence) else { return };
        {
            let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
            for row in rows {
                ring.bytes += row.payload.len();
                ring.rows.push_back(Arc::new(row));
            }
            while ring.rows.len() > RING_ROWS_MAX || ring.bytes > RING_BYTES_MAX {
                let Some(oldest) = ring.rows.pop_front() else { break };
                ring.bytes -= oldest.payload.len();
            }
        }
        self.progress.send_modify(|progress| progress.committed = last);
    }

    /// Tells every watcher that nothing will follow.
    pub(crate) fn close(&self) {
        self.progress.send_modify(|progress| progress.closed = true);
    }

    /// The read models hold everything up to row `sequence`.
    pub(crate) fn viewed(&self, sequence: u64) {
        self.viewed.send_modify(|viewed| viewed.sequence = viewed.sequence.max(sequence));
    }

    /// Tells every query that the read models will not follow.
    pub(crate) fn fail_views(&self) {
        self.viewed.send_modify(|viewed| viewed.failed = true);
    }

    pub(crate) fn committed(&self) -> u64 {
        self.progress.borrow().committed
    }

    pub(crate) fn views(&self) -> watch::Receiver<Viewed> {
        self.viewed.subscribe()
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Rows behind `after` if the ring still holds the first of them.
    fn recent(&self, after: u64) -> Option<Vec<Arc<Row>>> {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let first = ring.rows.front()?.sequence;
        let skip = usize::try_from((after + 1).checked_sub(first)?).ok()?;
        let skip = skip + usize::from(skip == 0 && planted::has(Bug::WatchSkipsAtSeam));
        let rows: Vec<_> =
            ring.rows.iter().skip(skip).take(DELIVERY_ROWS_MAX).map(Arc::clone).collect();
        (!rows.is_empty()).then_some(rows)
    }
}

/// A place in a log that moves forward as rows are taken.
pub struct Watch {
    hub: Arc<Hub>,
    reader: Arc<dyn Reader>,
    progress: watch::Receiver<Progress>,
    after: u64,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").field("after", &self.after).finish_non_exhaustive()
    }
}

impl Watch {
    pub(crate) fn new(hub: Arc<Hub>, reader: Arc<dyn Reader>, after: u64) -> Self {
        let again = u64::from(planted::has(Bug::WatchRepeatsOnResume));
        Self { progress: hub.subscribe(), hub, reader, after: after.saturating_sub(again) }
    }

    /// The sequence of the last row that was taken.
    pub const fn after(&self) -> u64 {
        self.after
    }

    /// The next rows, at most [`DELIVERY_ROWS_MAX`]; waits while there are none. `None` when the
    /// ledger was closed. Cancel-safe: what was not returned is returned next time.
    pub async fn next(&mut self) -> Option<Result<Vec<Arc<Row>>, Error>> {
        let after = self.after;
        let seen = self.progress.wait_for(|at| at.committed > after || at.closed).await;
        // Closing is not a reason to hide rows that were committed before it.
        if seen.map_or(true, |at| at.committed <= after) {
            return None;
        }
        Some(self.take().await)
    }

    /// The next rows that exist now; empty at the end of the log.
    pub async fn take(&mut self) -> Result<Vec<Arc<Row>>, Error> {
        let committed = self.hub.committed();
        if committed <= self.after {
            return Ok(Vec::new());
        }
        let rows = if let Some(rows) = self.hub.recent(self.after) {
            rows
        } else {
            let (reader, after) = (Arc::clone(&self.reader), self.after);
            let read = move || from_disk(&*reader, after, committed);
            let rows = tokio::task::spawn_blocking(read).await;
            rows.map_err(|error| Error::Unavailable(Box::new(error)))??
        };
        self.move_on(&rows);
        Ok(rows)
    }

    /// As [`Self::take`], reading the disk on the caller's thread: what the simulation uses.
    pub fn take_by_hand(&mut self) -> Result<Vec<Arc<Row>>, Error> {
        let committed = self.hub.committed();
        if committed <= self.after {
            return Ok(Vec::new());
        }
        let rows = match self.hub.recent(self.after) {
            Some(rows) => rows,
            None => from_disk(&*self.reader, self.after, committed)?,
        };
        self.move_on(&rows);
        Ok(rows)
    }

    fn move_on(&mut self, taken: &[Arc<Row>]) {
        if let Some(last) = taken.last() {
            self.after = last.sequence;
        }
    }
}

fn from_disk(reader: &dyn Reader, after: u64, committed: u64) -> Result<Vec<Arc<Row>>, Error> {
    let mut rows = reader.rows(after, DELIVERY_ROWS_MAX)?;
    // The disk may be ahead of what was published: whoever sees a row may rely on `committed`.
    rows.retain(|row| row.sequence <= committed);
    Ok(rows.into_iter().map(Arc::new).collect())
}
