//! A store in memory: for tests and for the simulation. It keeps the promises of the trait but the
//! one about power cuts; [`Memory::handle`] opens the same content again, as a restart would.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vivarium_types::Timestamp;
use vivarium_types::ids::LedgerId;
use vivarium_types::source::{Checkpoint, Cursor, Row};

use super::view_file::{ViewFile, Work};
use super::{
    Answered, Batch, Error, Head, Reader, RequestKey, Segments, Snapshots, Store, TextRow,
};
use crate::aggregate::Claimed;
use crate::chain;
use crate::segment::{Segment, Shelf};

/// A ledger in memory.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Written by the one writer; read by readers.
    content: Mutex<Content>,
    /// The read models; made on first use.
    views: Mutex<Option<ViewFile>>,
    shelf: Shelf,
}

/// Segment files by their names.
#[derive(Debug, Default)]
struct Files(Mutex<BTreeMap<String, Vec<u8>>>);

impl Default for Shelf {
    fn default() -> Self {
        Self::new(Box::new(Files::default()))
    }
}

impl Files {
    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Segments for Files {
    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        self.all().insert(name.to_owned(), bytes.to_vec());
        Ok(())
    }

    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.all().get(name).cloned())
    }

    fn remove(&self, name: &str) -> Result<(), Error> {
        self.all().remove(name);
        Ok(())
    }

    fn names(&self) -> Result<Vec<String>, Error> {
        Ok(self.all().keys().cloned().collect())
    }
}

#[derive(Debug, Default)]
struct Content {
    ledger: Option<LedgerId>,
    epoch: u64,
    /// The hot file: all rows but those that have left it.
    rows: BTreeMap<u64, Row>,
    segments: Vec<Segment>,
    texts: BTreeMap<String, TextRow>,
    claims: BTreeMap<String, u64>,
    answers: BTreeMap<RequestKey, (Answered, Timestamp)>,
    cursors: BTreeMap<String, Cursor>,
    checkpoints: BTreeMap<String, Checkpoint>,
    erasures: BTreeSet<String>,
    snapshots: BTreeMap<u64, Vec<u8>>,
}

impl Memory {
    /// A second handle to the same content.
    #[must_use]
    pub fn handle(&self) -> Self {
        self.clone()
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.shared.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn view_file(&self) -> Result<ViewFile, Error> {
        let mut views = self.shared.views.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(match views.as_ref() {
            Some(views) => views.clone(),
            None => views.insert(ViewFile::in_memory()?).clone(),
        })
    }
}

impl Content {
    fn head(&self) -> Result<Head, Error> {
        let ledger = self.ledger.ok_or_else(|| Error::corrupt("a ledger that was never opened"))?;
        let last = self.rows.last_key_value().map(|(_, row)| row);
        Ok(Head {
            ledger,
            writer_epoch: self.epoch,
            sequence: self.last(),
            hash: last.map_or_else(|| chain::genesis(ledger), |row| row.hash),
            time: last.map_or(Timestamp::EPOCH, |row| row.time),
        })
    }

    /// The last row.
    fn last(&self) -> u64 {
        self.rows.last_key_value().map_or(0, |(sequence, _)| *sequence)
    }

    /// Whether the batch claims, writes or answers what was claimed, written or answered before, or
    /// does so twice itself.
    fn holds_some_of(&self, batch: &Batch<'_>) -> bool {
        let claims: BTreeSet<_> = batch.claims.iter().map(|(key, _)| key).collect();
        let texts: BTreeSet<_> = batch.texts.iter().map(|text| &text.id).collect();
        let answers: BTreeSet<_> = batch.answers.iter().map(|(key, _)| key).collect();
        let told = (batch.claims.len(), batch.texts.len(), batch.answers.len());
        told != (claims.len(), texts.len(), answers.len())
            || claims.iter().any(|key| self.claims.contains_key(*key))
            || texts.iter().any(|id| self.texts.contains_key(*id))
            || answers.iter().any(|key| self.answers.contains_key(*key))
    }
}

impl Store for Memory {
    fn open(&mut self, fresh: LedgerId) -> Result<Head, Error> {
        let mut content = self.content();
        content.ledger.get_or_insert(fresh);
        content.epoch += 1;
        content.head()
    }

    fn append(&mut self, batch: &Batch<'_>) -> Result<(), Error> {
        let mut content = self.content();
        let stands_at = content.last();
        if content.epoch != batch.writer_epoch
            || stands_at != batch.expected_sequence
            || content.holds_some_of(batch)
        {
            return Err(Error::Conflict);
        }
        content.rows.extend(batch.rows.iter().map(|row| (row.sequence, row.clone())));
        content.texts.extend(batch.texts.iter().map(|text| (text.id.clone(), text.clone())));
        for id in batch.erasures {
            content.texts.remove(id);
            content.erasures.insert(id.clone());
        }
        content.claims.extend(batch.claims.iter().cloned());
        let answers = batch.answers.iter().cloned();
        content.answers.extend(answers.map(|(key, answer)| (key, (answer, batch.time))));
        let cursors = batch.cursors.iter().filter(|(_, cursor)| cursor.ledger.is_some());
        content.cursors.extend(cursors.cloned());
        content.checkpoints.extend(batch.checkpoints.iter().cloned());
        content.segments.extend_from_slice(batch.segments);
        content.rows.retain(|sequence, _| *sequence > batch.leaving.rows_to);
        for id in batch.leaving.texts {
            content.texts.remove(id);
        }
        Ok(())
    }

    fn claimed(&mut self, keys: &[String]) -> Result<BTreeMap<String, Claimed>, Error> {
        let content = self.content();
        let found = keys.iter().filter_map(|key| {
            let sequence = *content.claims.get(key)?;
            let row = content.rows.get(&sequence);
            let kind = row.map(|row| row.kind.clone()).unwrap_or_default();
            Some((key.clone(), Claimed { sequence, kind }))
        });
        Ok(found.collect())
    }

    fn answered(&mut self, key: &RequestKey) -> Result<Option<Answered>, Error> {
        Ok(self.content().answers.get(key).map(|(answer, _)| answer.clone()))
    }

    fn forget_answers(&mut self, before: Timestamp, limit: u32) -> Result<u32, Error> {
        let mut content = self.content();
        let old: Vec<RequestKey> = content
            .answers
            .iter()
            .filter(|(_, (_, time))| *time < before)
            .map(|(key, _)| key.clone())
            .take(limit as usize)
            .collect();
        for key in &old {
            content.answers.remove(key);
        }
        Ok(u32::try_from(old.len()).unwrap_or(limit))
    }

    fn cursors(&mut self) -> Result<BTreeMap<String, Cursor>, Error> {
        Ok(self.content().cursors.clone())
    }

    fn pending_erasures(&mut self) -> Result<Vec<String>, Error> {
        Ok(self.content().erasures.iter().cloned().collect())
    }

    fn finish_erasures(&mut self, ids: &[String]) -> Result<(), Error> {
        let gone = self.shared.shelf.erase(&self.segments()?, ids)?;
        let mut content = self.content();
        for id in gone {
            content.erasures.remove(id);
        }
        Ok(())
    }

    fn views(&self) -> Result<ViewFile, Error> {
        self.view_file()
    }

    fn reader(&self) -> Arc<dyn Reader> {
        Arc::new(self.clone())
    }

    fn snapshots(&self) -> Arc<dyn Snapshots> {
        Arc::new(self.clone())
    }
}

impl Reader for Memory {
    fn head(&self) -> Result<Head, Error> {
        self.content().head()
    }

    fn hot_rows(&self, after: u64, limit: usize) -> Result<Vec<Row>, Error> {
        let behind = (Bound::Excluded(after), Bound::Unbounded);
        Ok(self.content().rows.range(behind).take(limit).map(|(_, row)| row.clone()).collect())
    }

    fn hot_text(&self, id: &str) -> Result<Option<TextRow>, Error> {
        Ok(self.content().texts.get(id).cloned())
    }

    fn is_erasing(&self, id: &str) -> Result<bool, Error> {
        Ok(self.content().erasures.contains(id))
    }

    fn hot_from(&self) -> Result<u64, Error> {
        Ok(self.content().rows.first_key_value().map_or(0, |(sequence, _)| *sequence))
    }

    fn segments(&self) -> Result<Vec<Segment>, Error> {
        Ok(self.content().segments.clone())
    }

    fn shelf(&self) -> &Shelf {
        &self.shared.shelf
    }

    fn checkpoints(&self) -> Result<Vec<(String, Checkpoint)>, Error> {
        Ok(self.content().checkpoints.clone().into_iter().collect())
    }

    fn view(&self, query: Work<'_>) -> Result<(), Error> {
        self.view_file()?.read(query)
    }
}

impl Snapshots for Memory {
    fn put(&self, sequence: u64, bytes: &[u8]) -> Result<(), Error> {
        let mut content = self.content();
        content.snapshots.insert(sequence, bytes.to_vec());
        while content.snapshots.len() > 2 {
            content.snapshots.pop_first();
        }
        Ok(())
    }

    fn latest(&self, limit: u64) -> Result<Option<(u64, Vec<u8>)>, Error> {
        let content = self.content();
        let newest = content.snapshots.range(..=limit).next_back();
        Ok(newest.map(|(sequence, bytes)| (*sequence, bytes.clone())))
    }
}
