//! The read models' SQLite, wherever the log lies.

use super::desk::Desk;
use crate::world::World;
use rusqlite::Connection;
use vivarium_ledger::store::Batch;

crate::world::on_every_store!(
    what_a_batch_projects_is_seen_by_readers,
    work_on_the_models_is_done_whole,
    work_on_the_models_that_fails_leaves_nothing,
    a_projection_that_fails_is_an_error,
    the_models_survive_a_restart,
    a_query_that_fails_is_an_error,
    a_reader_cannot_change_the_models,
);

/// A desk with a model of one column.
fn with_model(world: World) -> Desk {
    let mut desk = Desk::open(world);
    let make = "CREATE TABLE seen (number INTEGER)";
    desk.store.with_views(&mut |db| db.execute_batch(make)).expect("it is made");
    desk
}

fn note(db: &Connection) -> rusqlite::Result<()> {
    db.execute_batch("INSERT INTO seen VALUES (1)")
}

fn seen(desk: &Desk) -> u64 {
    let mut count = 0;
    let mut query = |db: &Connection| {
        count = db.query_row("SELECT count(*) FROM seen", [], |row| row.get(0))?;
        Ok(())
    };
    desk.reader().view(&mut query).expect("readable");
    count
}

async fn what_a_batch_projects_is_seen_by_readers(world: World) {
    let mut desk = with_model(world);
    for count in 1..=3 {
        let batch = Batch { rows: &desk.rows(1), project: Some(&note), ..desk.batch() };
        desk.append(&batch).expect("it is appended");
        assert_eq!(seen(&desk), count);
    }
}

async fn work_on_the_models_is_done_whole(world: World) {
    let mut desk = with_model(world);
    let mut twice = |db: &Connection| note(db).and_then(|()| note(db));
    desk.store.with_views(&mut twice).expect("it is done");
    assert_eq!(seen(&desk), 2);
}

async fn work_on_the_models_that_fails_leaves_nothing(world: World) {
    let mut desk = with_model(world);
    let mut half = |db: &Connection| note(db).and(Err(rusqlite::Error::InvalidQuery));
    assert!(desk.store.with_views(&mut half).is_err());
    assert_eq!(seen(&desk), 0);
}

async fn a_projection_that_fails_is_an_error(world: World) {
    let mut desk = with_model(world);
    let half = |db: &Connection| note(db).and(Err(rusqlite::Error::InvalidQuery));
    let batch = Batch { rows: &desk.rows(1), project: Some(&half), ..desk.batch() };
    assert!(desk.append(&batch).is_err());
    assert_eq!(seen(&desk), 0);
}

async fn the_models_survive_a_restart(world: World) {
    let mut desk = with_model(world);
    let batch = Batch { rows: &desk.rows(1), project: Some(&note), ..desk.batch() };
    desk.append(&batch).expect("it is appended");
    assert_eq!(seen(&desk.reopened()), 1);
}

async fn a_query_that_fails_is_an_error(world: World) {
    let desk = with_model(world);
    let mut query = |db: &Connection| db.execute_batch("SELECT * FROM nowhere");
    assert!(desk.reader().view(&mut query).is_err());
    assert_eq!(seen(&desk), 0);
}

async fn a_reader_cannot_change_the_models(world: World) {
    let desk = with_model(world);
    let mut query = |db: &Connection| note(db);
    assert!(desk.reader().view(&mut query).is_err());
    assert_eq!(seen(&desk), 0);
}
