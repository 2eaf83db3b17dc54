//! The model's log in a real store: every row is appended where it belongs, and a restart brings the
//! state back from what the store has.

use std::sync::atomic::{AtomicU32, Ordering};

use vivarium_harness::postgres::Postgres as Server;
use vivarium_ledger::store::memory::Memory;
use vivarium_ledger::store::postgres::Postgres;
use vivarium_ledger::store::sqlite::Sqlite;
use vivarium_ledger::store::{Batch, Head};
use vivarium_ledger::{Aggregate as _, Hash, Meta, Row, Store, chain, codec, snapshot};
use vivarium_queue::domain::Queue;
use vivarium_queue::domain::event::Event;
use vivarium_types::{IdSource, Timestamp};

/// Opens the same place again and again.
type Open = Box<dyn Fn() -> Box<dyn Store>>;

/// A log that is kept.
pub(crate) struct Kept {
    open: Open,
    store: Box<dyn Store>,
    head: Head,
    restarts: u32,
}

impl Kept {
    pub(crate) fn in_memory() -> Self {
        let memory = Memory::default();
        Self::at(Box::new(move || Box::new(memory.handle())))
    }

    pub(crate) fn in_a_file() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        Self::at(Box::new(move || {
            Box::new(Sqlite::at(&folder.path().join("queue.db")).expect("it opens"))
        }))
    }

    pub(crate) fn on_a_server() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let schema = format!("m{}_{number}", std::process::id());
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let config = Server::shared().parse().expect("a connection string");
        Self::at(Box::new(move || {
            let views = folder.path().join("views.db");
            Box::new(Postgres::at(&config, &schema, &views).expect("it opens"))
        }))
    }

    fn at(open: Open) -> Self {
        let mut store = open();
        let fresh = IdSource::seeded(7).mint(Timestamp::EPOCH);
        let head = store.open(fresh).expect("it has an owner");
        Self { open, store, head, restarts: 0 }
    }

    /// Appends events as one turn does.
    pub(crate) fn append(&mut self, events: &[(Event, Meta)]) {
        let expected_sequence = self.head.sequence;
        let rows: Vec<Row> = events.iter().map(|(event, meta)| self.row(event, meta)).collect();
        let Some(last) = rows.last() else { return };
        let (writer_epoch, time) = (self.head.writer_epoch, last.time);
        let batch =
            Batch { expected_sequence, writer_epoch, time, rows: &rows, ..Batch::default() };
        self.store.append(&batch).expect("it is appended");
    }

    /// The next row, linked to the one before.
    fn row(&mut self, event: &Event, meta: &Meta) -> Row {
        let mut row = Row {
            sequence: meta.sequence,
            time: meta.time,
            actor: meta.actor.to_string(),
            kind: Queue::kind(event).to_owned(),
            schema: Queue::SCHEMA,
            payload: codec::encode::<Queue>(event).expect("an event is JSON"),
            hash: Hash::default(),
        };
        let read = codec::decode::<Queue>(&row).expect("a row is an event");
        assert_eq!(read, *event, "an event reads back as it was");
        row.hash = chain::link(self.head.hash, self.head.ledger, &row);
        (self.head.sequence, self.head.hash) = (row.sequence, row.hash);
        row
    }

    /// Opens the place again, and makes the state of what lies there; every other time a snapshot was
    /// taken before.
    pub(crate) fn restart(&mut self) -> Queue {
        let (reader, snapshots) = (self.store.reader(), self.store.snapshots());
        self.restarts += 1;
        if self.restarts.is_multiple_of(2) {
            snapshot::take::<Queue>(&*reader, &*snapshots).expect("a snapshot is taken");
        }
        drop((reader, snapshots));
        self.store = (self.open)();
        let head = self.store.open(self.head.ledger).expect("it has an owner");
        assert_eq!((head.sequence, head.hash), (self.head.sequence, self.head.hash));
        assert!(head.writer_epoch > self.head.writer_epoch, "each open raises the epoch");
        self.head.writer_epoch = head.writer_epoch;
        let reader = self.store.reader();
        assert_eq!(reader.head().expect("it reads"), head);
        let kept = self.store.snapshots();
        snapshot::replay::<Queue>(&*reader, Some(&*kept), u64::MAX).expect("it replays").state
    }
}
