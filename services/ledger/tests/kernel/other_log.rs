//! The read models of a ledger on a server lie in a file of their own: what of the log they hold is
//! known, and models of a log that is not there any more are made anew.

use std::path::Path;
use std::sync::Arc;

use crate::counter::Counters;
use crate::world::{Totals, add, close};
use vivarium_harness::postgres::Postgres as Server;
use vivarium_ledger::ledger::Running;
use vivarium_ledger::store::postgres::Postgres;
use vivarium_ledger::writer::Parts;
use vivarium_ledger::{Ledger, Options};
use vivarium_types::{IdSource, ManualClock};

fn open(schema: &str, views: &Path) -> (Ledger<Counters>, Running) {
    let schema = format!("{schema}_{}", std::process::id());
    let config = Server::shared().parse().expect("it reads");
    let store = Postgres::at(&config, &schema, views).expect("it opens");
    let parts = Parts {
        clock: Arc::new(ManualClock::default()),
        ids: IdSource::seeded(schema.len() as u64),
        views: vec![Box::new(Totals)],
        keys: None,
    };
    Ledger::open(store, parts, None, Options::default(), Arc::new(|_| {})).expect("it opens")
}

async fn total(ledger: &Ledger<Counters>) -> i64 {
    let read = |db: &rusqlite::Connection| {
        db.query_row("SELECT coalesce(sum(total), 0) FROM totals", [], |row| row.get(0))
    };
    ledger.view(read).await.expect("the view can be read")
}

#[tokio::test]
async fn models_of_another_log_are_made_anew() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let views = folder.path().join("views.db");
    for (schema, by, wanted) in [("one", 3, 3), ("another", 5, 5), ("one", 1, 4)] {
        let (ledger, running) = open(schema, &views);
        ledger.submit(add(by)).await.expect("it is accepted");
        assert_eq!(total(&ledger).await, wanted, "{schema}");
        close(ledger, running);
    }
}

#[tokio::test]
async fn models_of_a_log_that_was_set_back_are_made_anew() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let views = folder.path().join("views.db");
    let (ledger, running) = open("back", &views);
    for by in [3, 5] {
        ledger.submit(add(by)).await.expect("it is accepted");
    }
    close(ledger, running);
    // As a backup from before the second row would be.
    let schema = format!("back_{}", std::process::id());
    Server::shared_query(&format!(
        "DELETE FROM {schema}.events WHERE sequence = 2; UPDATE {schema}.owner SET sequence = 1"
    ));
    let (ledger, running) = open("back", &views);
    assert_eq!(total(&ledger).await, 3);
    close(ledger, running);
}

#[tokio::test]
async fn models_that_were_lost_are_made_anew() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let (ledger, running) = open("lost", &folder.path().join("views.db"));
    ledger.submit(add(3)).await.expect("it is accepted");
    close(ledger, running);
    let (ledger, running) = open("lost", &folder.path().join("elsewhere.db"));
    assert_eq!(total(&ledger).await, 3);
    close(ledger, running);
}
