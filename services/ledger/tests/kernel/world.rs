//! Where the kernel's tests happen: a ledger of counters in memory or in a file, opened and closed.

use std::sync::Arc;

use crate::counter::{Command, Counters, Event};
use vivarium_ledger::ledger::Running;
use vivarium_ledger::seal::KeyFile;
use vivarium_ledger::store::memory::Memory;
use vivarium_ledger::store::sqlite::Sqlite;
use vivarium_ledger::store::{Reader, Snapshots};
use vivarium_ledger::writer::Parts;
use vivarium_ledger::{Ledger, Meta, Options, Store, Submission, View};
use vivarium_types::{Actor, IdSource, ManualClock, Timestamp};

/// A place that survives a restart of the ledger in it.
pub(crate) enum Place {
    Memory(Memory),
    Sqlite(tempfile::TempDir),
}

pub(crate) struct World {
    pub(crate) place: Place,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) keys: Arc<KeyFile>,
    seed: u64,
}

impl World {
    pub(crate) fn all() -> Vec<Self> {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        [Place::Memory(Memory::default()), Place::Sqlite(folder)].map(Self::at).into()
    }

    pub(crate) fn at(place: Place) -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_795_406_400_000)));
        let keys = match &place {
            Place::Memory(_) => KeyFile::in_memory(),
            Place::Sqlite(folder) => KeyFile::at(&folder.path().join("counters.keys")),
        };
        Self { place, clock, keys: Arc::new(keys.expect("a key file opens")), seed: 1 }
    }

    pub(crate) fn open(&mut self) -> (Ledger<Counters>, Running) {
        self.open_with(Options::default())
    }

    pub(crate) fn open_with(&mut self, options: Options) -> (Ledger<Counters>, Running) {
        self.seed += 1;
        match &self.place {
            Place::Memory(memory) => self.start(memory.handle(), options),
            Place::Sqlite(folder) => {
                let store = Sqlite::at(&folder.path().join("counters.db")).expect("it opens");
                self.start(store, options)
            }
        }
    }

    /// The snapshots of a world whose ledger is closed.
    pub(crate) fn snapshots(&self) -> Arc<dyn Snapshots> {
        match &self.place {
            Place::Memory(memory) => memory.snapshots(),
            Place::Sqlite(folder) => {
                Sqlite::at(&folder.path().join("counters.db")).expect("it opens").snapshots()
            }
        }
    }

    /// A reader of its own for a world whose ledger is closed.
    pub(crate) fn reader(&self) -> Arc<dyn Reader> {
        match &self.place {
            Place::Memory(memory) => memory.reader(),
            Place::Sqlite(folder) => Sqlite::read_only(&folder.path().join("counters.db")),
        }
    }

    fn start(&self, store: impl Store, options: Options) -> (Ledger<Counters>, Running) {
        let parts = Parts {
            clock: Arc::<ManualClock>::clone(&self.clock),
            ids: IdSource::seeded(self.seed),
            views: vec![Box::new(Totals)],
            keys: Some(Arc::clone(&self.keys)),
        };
        Ledger::open(store, parts, None, options, Box::new(|_| {})).expect("a ledger opens")
    }
}

/// A read model: the totals by name.
pub(crate) struct Totals;

impl View<Counters> for Totals {
    fn name(&self) -> &'static str {
        "totals"
    }
    fn version(&self) -> u32 {
        1
    }
    fn create(&self, db: &rusqlite::Connection) -> rusqlite::Result<()> {
        db.execute_batch(
            "DROP TABLE IF EXISTS totals; CREATE TABLE totals (name TEXT PRIMARY KEY, total INTEGER)",
        )
    }
    fn project(
        &self,
        db: &rusqlite::Connection,
        event: &Event,
        _meta: &Meta,
        _texts: &dyn vivarium_ledger::view::TextLookup,
    ) -> rusqlite::Result<()> {
        if let Event::Added { name, by } = event {
            db.execute(
                "INSERT INTO totals VALUES (?1, ?2)
                 ON CONFLICT (name) DO UPDATE SET total = total + ?2",
                (name, by),
            )?;
        }
        Ok(())
    }
}

pub(crate) fn operator() -> Actor {
    Actor::Operator("test".into())
}

pub(crate) fn add(by: i64) -> Submission<Counters> {
    Submission::new(operator(), Command::Add { name: "a".into(), by })
}

pub(crate) fn close(ledger: Ledger<Counters>, running: Running) {
    ledger.close();
    drop(ledger);
    running.join().expect("the writer ends well");
}
