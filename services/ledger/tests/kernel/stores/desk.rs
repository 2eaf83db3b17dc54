//! A store that is open, and what is needed to append to it.

use std::sync::Arc;

use crate::world::World;
use vivarium_ledger::store::{
    Answered, Batch, Error, Head, Reader, RequestKey, Snapshots, Store, TextRow,
};
use vivarium_ledger::{Checkpoint, Cursor, Hash, Row, chain};
use vivarium_types::ids::LedgerId;
use vivarium_types::{IdSource, Timestamp};

/// Words that a careless store would change, cut, refuse or take for one another.
pub(crate) const ODD_WORDS: [&str; 14] = [
    "",
    " ",
    "a ",
    "A",
    "a",
    "é",
    "e\u{301}",
    "'; DROP TABLE events; --",
    "\"quoted\"",
    r"\0",
    "\0",
    "a\0b",
    "🦀\u{200d}\u{10ffff}\u{feff}",
    "line\nbreak\ttab",
];

/// An open store.
pub(crate) struct Desk {
    pub(crate) world: World,
    pub(crate) store: Box<dyn Store>,
    /// Where the ledger stands, as its owner knows.
    pub(crate) head: Head,
}

/// A moment of the tests.
pub(crate) const NOON: Timestamp = Timestamp::from_millis(1_795_406_400_000);

pub(crate) fn fresh(number: u64) -> LedgerId {
    IdSource::seeded(number).mint(NOON)
}

impl Desk {
    pub(crate) fn open(world: World) -> Self {
        let mut store = world.place.store();
        let head = store.open(fresh(7)).expect("it opens");
        Self { world, store, head }
    }

    /// The same ledger after a restart.
    pub(crate) fn reopened(self) -> Self {
        let Self { world, store, head: _ } = self;
        drop(store);
        Self::open(world)
    }

    pub(crate) fn reader(&self) -> Arc<dyn Reader> {
        self.store.reader()
    }

    pub(crate) fn snapshots(&self) -> Arc<dyn Snapshots> {
        self.store.snapshots()
    }

    /// An empty batch where the ledger stands.
    pub(crate) fn batch<'a>(&self) -> Batch<'a> {
        Batch {
            expected_sequence: self.head.sequence,
            writer_epoch: self.head.writer_epoch,
            time: NOON,
            ..Batch::default()
        }
    }

    /// Rows that may follow the last one.
    pub(crate) fn rows(&self, count: u64) -> Vec<Row> {
        let payloads = (0..count).map(|number| format!("{{\"number\":{number}}}").into_bytes());
        self.chained(payloads.map(|payload| row("rule:test", "added", payload)).collect())
    }

    /// `rows` with their places and their links.
    pub(crate) fn chained(&self, mut rows: Vec<Row>) -> Vec<Row> {
        let mut before = self.head.hash;
        for (row, sequence) in rows.iter_mut().zip(self.head.sequence + 1..) {
            row.sequence = sequence;
            row.hash = chain::link(before, self.head.ledger, row);
            before = row.hash;
        }
        rows
    }

    /// Appends, and on success takes the new head in.
    pub(crate) fn append(&mut self, batch: &Batch<'_>) -> Result<(), Error> {
        self.store.append(batch)?;
        if let Some(last) = batch.rows.last() {
            (self.head.sequence, self.head.hash, self.head.time) =
                (last.sequence, last.hash, last.time);
        }
        Ok(())
    }

    /// Appends rows and nothing else.
    pub(crate) fn append_rows(&mut self, rows: &[Row]) {
        let batch = Batch { rows, ..self.batch() };
        self.append(&batch).expect("it is appended");
    }

    pub(crate) fn append_texts(&mut self, texts: &[TextRow]) {
        let batch = Batch { texts, ..self.batch() };
        self.append(&batch).expect("it is appended");
    }

    pub(crate) fn erase(&mut self, ids: &[&str]) {
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        let batch = Batch { erasures: &ids, ..self.batch() };
        self.append(&batch).expect("it is appended");
    }

    pub(crate) fn answer_at(&mut self, key: &RequestKey, answer: &Answered, time: Timestamp) {
        let answers = [(key.clone(), answer.clone())];
        let batch = Batch { answers: &answers, time, ..self.batch() };
        self.append(&batch).expect("it is appended");
    }

    pub(crate) fn claim(&mut self, keys: &[&str]) {
        let rows = self.rows(keys.len() as u64);
        let claims: Vec<_> =
            keys.iter().zip(&rows).map(|(key, row)| ((*key).to_owned(), row.sequence)).collect();
        let batch = Batch { rows: &rows, claims: &claims, ..self.batch() };
        self.append(&batch).expect("it is appended");
    }

    /// The whole log.
    pub(crate) fn log(&self) -> Vec<Row> {
        self.reader().rows(0, usize::MAX).expect("readable")
    }
}

pub(crate) fn row(actor: &str, kind: &str, payload: Vec<u8>) -> Row {
    Row {
        sequence: 0,
        time: NOON,
        actor: actor.into(),
        kind: kind.into(),
        schema: 1,
        payload,
        hash: Hash::default(),
    }
}

pub(crate) fn text(id: &str, bytes: &[u8]) -> TextRow {
    TextRow { id: id.into(), bytes: bytes.into(), sealed: false }
}

pub(crate) fn key(id: &str) -> RequestKey {
    RequestKey { actor: "operator:a".into(), method: "Test/Add".into(), request_id: id.into() }
}

pub(crate) fn answer(bytes: &[u8]) -> Answered {
    Answered { digest: chain::digest(bytes), bytes: bytes.into(), sequence: 3 }
}

pub(crate) fn cursor(sequence: u64) -> Cursor {
    Cursor { ledger: Some(fresh(9)), sequence, hash: chain::digest(&sequence.to_be_bytes()) }
}

pub(crate) fn checkpoint(sequence: u64) -> Checkpoint {
    Checkpoint {
        ledger: fresh(9),
        sequence,
        hash: chain::digest(&sequence.to_be_bytes()),
        time: NOON,
        key_id: "key-1".into(),
        signature: (0..=255).collect(),
    }
}
