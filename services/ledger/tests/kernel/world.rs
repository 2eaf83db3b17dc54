//! Where the kernel's tests happen: a ledger of counters in memory, in a file or on a server, opened
//! and closed.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::counter::{Command, Counters, Event};
use vivarium_harness::postgres::Postgres as Server;
use vivarium_ledger::ledger::Running;
use vivarium_ledger::seal::KeyFile;
use vivarium_ledger::store::memory::Memory;
use vivarium_ledger::store::postgres::Postgres;
use vivarium_ledger::store::sqlite::Sqlite;
use vivarium_ledger::store::{self, Reader, Snapshots};
use vivarium_ledger::writer::Parts;
use vivarium_ledger::{Ledger, Meta, Options, Store, Submission, View};
use vivarium_types::{Actor, IdSource, ManualClock, Timestamp};

/// A place that survives a restart of the ledger in it.
pub(crate) enum Place {
    Memory(Memory),
    Sqlite(tempfile::TempDir),
    Postgres(Schema),
}

/// A schema of the server that all tests share, and a folder for what lies beside it.
pub(crate) struct Schema {
    name: String,
    pub(crate) folder: tempfile::TempDir,
}

impl Schema {
    fn fresh() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        Self { name: format!("t{}_{number}", std::process::id()), folder: folder() }
    }

    fn store(&self) -> Postgres {
        let config = Server::shared().parse().expect("a connection string");
        Postgres::at(&config, &self.name, &self.folder.path().join("views.db")).expect("it opens")
    }
}

impl Place {
    fn folder(&self) -> Option<&Path> {
        match self {
            Self::Memory(_) => None,
            Self::Sqlite(folder) => Some(folder.path()),
            Self::Postgres(schema) => Some(schema.folder.path()),
        }
    }

    /// The store in this place, as a process that starts would open it.
    pub(crate) fn store(&self) -> Box<dyn Store> {
        match self {
            Self::Memory(memory) => Box::new(memory.handle()),
            Self::Sqlite(folder) => {
                Box::new(Sqlite::at(&folder.path().join("counters.db")).expect("it opens"))
            }
            Self::Postgres(schema) => Box::new(schema.store()),
        }
    }
}

pub(crate) struct World {
    pub(crate) place: Place,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) keys: Arc<KeyFile>,
    seed: u64,
}

impl World {
    pub(crate) fn memory() -> Self {
        Self::at(Place::Memory(Memory::default()))
    }

    pub(crate) fn sqlite() -> Self {
        Self::at(Place::Sqlite(folder()))
    }

    pub(crate) fn postgres() -> Self {
        Self::at(Place::Postgres(Schema::fresh()))
    }

    pub(crate) fn at(place: Place) -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_795_406_400_000)));
        let keys = match place.folder() {
            None => KeyFile::in_memory(),
            Some(folder) => KeyFile::at(&folder.join("counters.keys")),
        };
        Self { place, clock, keys: Arc::new(keys.expect("a key file opens")), seed: 1 }
    }

    pub(crate) fn open(&mut self) -> (Ledger<Counters>, Running) {
        self.open_with(Options::default())
    }

    pub(crate) fn open_with(&mut self, options: Options) -> (Ledger<Counters>, Running) {
        self.open_viewing(options, Box::new(Totals))
    }

    pub(crate) fn open_viewing(
        &mut self,
        options: Options,
        view: Box<dyn View<Counters>>,
    ) -> (Ledger<Counters>, Running) {
        self.open_with_views(options, vec![view])
    }

    pub(crate) fn open_with_views(
        &mut self,
        options: Options,
        views: Vec<Box<dyn View<Counters>>>,
    ) -> (Ledger<Counters>, Running) {
        self.seed += 1;
        let parts = Parts {
            clock: Arc::<ManualClock>::clone(&self.clock),
            ids: IdSource::seeded(self.seed),
            views,
            keys: Some(Arc::clone(&self.keys)),
        };
        let nothing = Arc::new(|_: &store::Error| {});
        let opened = match &self.place {
            Place::Memory(memory) => Ledger::open(memory.handle(), parts, None, options, nothing),
            Place::Sqlite(folder) => {
                let store = Sqlite::at(&folder.path().join("counters.db")).expect("it opens");
                Ledger::open(store, parts, None, options, nothing)
            }
            Place::Postgres(schema) => Ledger::open(schema.store(), parts, None, options, nothing),
        };
        opened.expect("a ledger opens")
    }

    /// Opens the ledger with a hand on its turns: dropping both is a crash between two of them.
    pub(crate) fn open_by_hand(
        &mut self,
        options: Options,
    ) -> (Ledger<Counters>, vivarium_ledger::ledger::ByHand<Counters>) {
        self.seed += 1;
        let parts = Parts {
            clock: Arc::<ManualClock>::clone(&self.clock),
            ids: IdSource::seeded(self.seed),
            views: vec![Box::new(Totals)],
            keys: Some(Arc::clone(&self.keys)),
        };
        Ledger::open_by_hand(self.place.store(), parts, None, options).expect("a ledger opens")
    }

    /// The snapshots of a world whose ledger is closed.
    pub(crate) fn snapshots(&self) -> Arc<dyn Snapshots> {
        self.place.store().snapshots()
    }

    /// A reader of its own for a world whose ledger is closed.
    pub(crate) fn reader(&self) -> Arc<dyn Reader> {
        match &self.place {
            Place::Sqlite(folder) => Sqlite::read_only(&folder.path().join("counters.db")),
            Place::Memory(_) | Place::Postgres(_) => self.place.store().reader(),
        }
    }
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder can be made")
}

/// Makes of each `async fn NAME(world: World)` three tests, one for every store.
macro_rules! on_every_store {
    (@ $store:ident: $($case:ident),*) => {
        mod $store {
            $(#[tokio::test]
            async fn $case() {
                super::$case(crate::world::World::$store()).await;
            })*
        }
    };
    ($($case:ident),* $(,)?) => {
        crate::world::on_every_store!(@ memory: $($case),*);
        crate::world::on_every_store!(@ sqlite: $($case),*);
        crate::world::on_every_store!(@ postgres: $($case),*);
    };
}
pub(crate) use on_every_store;

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
