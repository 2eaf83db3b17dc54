//! The read models, wherever the log lies.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::counter::{Counters, Event};
use crate::world::{Totals, World, add, close};
use rusqlite::Connection;
use vivarium_ledger::view::TextLookup;
use vivarium_ledger::{Ledger, Meta, Options, View};

crate::world::on_every_store!(
    a_query_sees_what_was_committed_before_it,
    the_models_survive_a_restart_and_nothing_is_taken_in_twice,
    what_a_crash_left_out_of_the_models_is_taken_from_the_log,
    a_new_model_is_made_from_the_log_beside_an_old_one_that_stays,
    a_model_settles_behind_every_transaction,
    a_model_that_fails_is_an_error_to_whoever_asks,
    a_query_that_fails_is_an_error,
    a_reader_cannot_change_the_models,
);

/// Counts how often it was made, and how often it took events in and settled; notes what it knew when
/// it settled last.
struct Watched {
    name: &'static str,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    made: AtomicU64,
    projected: AtomicU64,
    settled_at: AtomicU64,
}

impl View<Counters> for Watched {
    fn name(&self) -> &'static str {
        self.name
    }
    fn version(&self) -> u32 {
        1
    }
    fn create(&self, _db: &Connection) -> rusqlite::Result<()> {
        self.counts.made.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
    fn project(
        &self,
        _db: &Connection,
        _event: &Event,
        _meta: &Meta,
        _texts: &dyn TextLookup,
    ) -> rusqlite::Result<()> {
        self.counts.projected.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
    fn settle(&self, _db: &Connection) -> rusqlite::Result<()> {
        let projected = self.counts.projected.load(Ordering::Relaxed);
        self.counts.settled_at.store(projected, Ordering::Relaxed);
        Ok(())
    }
}

fn watched(name: &'static str) -> (Box<dyn View<Counters>>, Arc<Counts>) {
    let counts = Arc::new(Counts::default());
    (Box::new(Watched { name, counts: Arc::clone(&counts) }), counts)
}

/// A model that takes nothing in.
struct Broken;

impl View<Counters> for Broken {
    fn name(&self) -> &'static str {
        "broken"
    }
    fn version(&self) -> u32 {
        1
    }
    fn create(&self, _db: &Connection) -> rusqlite::Result<()> {
        Ok(())
    }
    fn project(
        &self,
        _db: &Connection,
        _event: &Event,
        _meta: &Meta,
        _texts: &dyn TextLookup,
    ) -> rusqlite::Result<()> {
        Err(rusqlite::Error::InvalidQuery)
    }
}

fn total(db: &Connection) -> rusqlite::Result<i64> {
    db.query_row("SELECT coalesce(sum(total), 0) FROM totals", [], |row| row.get(0))
}

async fn read(ledger: &Ledger<Counters>) -> i64 {
    ledger.view(total).await.expect("the view can be read")
}

async fn a_query_sees_what_was_committed_before_it(mut world: World) {
    let (ledger, running) = world.open();
    for count in 1..=50 {
        ledger.submit(add(1)).await.expect("it is accepted");
        assert_eq!(read(&ledger).await, count);
    }
    close(ledger, running);
}

async fn the_models_survive_a_restart_and_nothing_is_taken_in_twice(mut world: World) {
    for restart in 1..=3 {
        let (view, counts) = watched("watched");
        let views: Vec<Box<dyn View<Counters>>> = vec![view, Box::new(Totals)];
        let (ledger, running) = world.open_with_views(Options::default(), views);
        ledger.submit(add(1)).await.expect("it is accepted");
        assert_eq!(read(&ledger).await, restart);
        assert_eq!(counts.made.load(Ordering::Relaxed), u64::from(restart == 1));
        assert_eq!(counts.projected.load(Ordering::Relaxed), 1);
        close(ledger, running);
    }
}

async fn what_a_crash_left_out_of_the_models_is_taken_from_the_log(mut world: World) {
    let (ledger, running) = world.open();
    ledger.submit(add(1)).await.expect("it is accepted");
    close(ledger, running);
    // An owner without models leaves them behind the log, as a crash does.
    let (ledger, running) = world.open_with_views(Options::default(), Vec::new());
    for _ in 0..10 {
        ledger.submit(add(1)).await.expect("it is accepted");
    }
    close(ledger, running);
    let (ledger, running) = world.open();
    assert_eq!(read(&ledger).await, 11);
    close(ledger, running);
}

async fn a_new_model_is_made_from_the_log_beside_an_old_one_that_stays(mut world: World) {
    let (ledger, running) = world.open();
    for _ in 0..3 {
        ledger.submit(add(1)).await.expect("it is accepted");
    }
    close(ledger, running);
    let (view, counts) = watched("new");
    let views: Vec<Box<dyn View<Counters>>> = vec![Box::new(Totals), view];
    let (ledger, running) = world.open_with_views(Options::default(), views);
    assert_eq!(read(&ledger).await, 3, "nothing is taken in twice");
    assert_eq!(counts.projected.load(Ordering::Relaxed), 3);
    close(ledger, running);
}

async fn a_model_settles_behind_every_transaction(mut world: World) {
    let (view, counts) = watched("watched");
    let views: Vec<Box<dyn View<Counters>>> = vec![view, Box::new(Totals)];
    let (ledger, running) = world.open_with_views(Options::default(), views);
    for count in 1..=5 {
        ledger.submit(add(1)).await.expect("it is accepted");
        read(&ledger).await;
        assert_eq!(counts.settled_at.load(Ordering::Relaxed), count);
    }
    close(ledger, running);
}

async fn a_model_that_fails_is_an_error_to_whoever_asks(mut world: World) {
    let views: Vec<Box<dyn View<Counters>>> = vec![Box::new(Totals), Box::new(Broken)];
    let (ledger, running) = world.open_with_views(Options::default(), views);
    ledger.submit(add(1)).await.expect("what is committed is answered");
    assert!(ledger.view(total).await.is_err());
    ledger.close();
    drop(ledger);
    assert!(running.join().is_err());
    // What was acknowledged is there for models that are well.
    let (ledger, running) = world.open();
    assert_eq!(read(&ledger).await, 1);
    close(ledger, running);
}

async fn a_query_that_fails_is_an_error(mut world: World) {
    let (ledger, running) = world.open();
    assert!(ledger.view(|db| db.execute_batch("SELECT * FROM nowhere")).await.is_err());
    assert_eq!(read(&ledger).await, 0);
    close(ledger, running);
}

async fn a_reader_cannot_change_the_models(mut world: World) {
    let (ledger, running) = world.open();
    assert!(ledger.view(|db| db.execute("DELETE FROM totals", [])).await.is_err());
    close(ledger, running);
}

#[tokio::test]
async fn a_ledger_file_of_an_earlier_version_loses_the_models_it_held_and_nothing_else() {
    let mut world = World::sqlite();
    let (ledger, running) = world.open();
    ledger.submit(add(3)).await.expect("it is accepted");
    close(ledger, running);
    let crate::world::Place::Sqlite(folder) = &world.place else { unreachable!("it is in a file") };
    let (file, views) =
        (folder.path().join("counters.db"), folder.path().join("counters.views.db"));
    let db = Connection::open(&file).expect("it opens");
    db.execute_batch(
        "CREATE TABLE views (name TEXT PRIMARY KEY, version INTEGER, sequence INTEGER);
         CREATE TABLE totals (name TEXT PRIMARY KEY, total INTEGER);
         INSERT INTO totals VALUES ('a', 3);
         CREATE VIRTUAL TABLE words USING fts5 (text, content = '');
         PRAGMA user_version = 1",
    )
    .expect("it is as it was");
    drop(db);
    std::fs::remove_file(views).expect("earlier versions had none");
    let (ledger, running) = world.open();
    assert_eq!(read(&ledger).await, 3);
    close(ledger, running);
    let db = Connection::open(&file).expect("it opens");
    let count: u64 = db
        .query_row("SELECT count(*) FROM sqlite_master WHERE type = 'table'", [], |row| row.get(0))
        .expect("readable");
    assert_eq!(count, 9);
}
