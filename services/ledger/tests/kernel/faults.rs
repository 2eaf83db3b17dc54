//! A thread of the ledger that panics has failed like its store: the process is told, so that it does
//! not go on without it.

use std::error::Error as _;
use std::sync::Arc;

use rusqlite::Connection;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use vivarium_ledger::aggregate::Meta;
use vivarium_ledger::ledger::Running;
use vivarium_ledger::store;
use vivarium_ledger::store::memory::Memory;
use vivarium_ledger::view::{TextLookup, View};
use vivarium_ledger::writer::Parts;
use vivarium_ledger::{Ledger, Options};
use vivarium_types::{IdSource, ManualClock};

use crate::counter::{Counters, Event};
use crate::world::{Totals, add};

/// A ledger, and what its process is told.
fn open(view: Box<dyn View<Counters>>) -> (Ledger<Counters>, Running, UnboundedReceiver<String>) {
    let parts = Parts {
        clock: Arc::new(ManualClock::default()),
        ids: IdSource::seeded(1),
        views: vec![view],
        keys: None,
    };
    let (tell, told) = unbounded_channel();
    let on_fault = Arc::new(move |error: &store::Error| {
        let source = error.source().map(ToString::to_string).unwrap_or_default();
        drop(tell.send(source));
    });
    let store = Memory::default();
    let opened = Ledger::open(store, parts, None, Options::default(), on_fault);
    let (ledger, running) = opened.expect("a ledger opens");
    (ledger, running, told)
}

/// A read model with a bug.
struct Panics;

impl View<Counters> for Panics {
    fn name(&self) -> &'static str {
        "panics"
    }

    fn version(&self) -> u32 {
        1
    }

    fn create(&self, _: &Connection) -> rusqlite::Result<()> {
        Ok(())
    }

    fn project(
        &self,
        _: &Connection,
        _: &Event,
        meta: &Meta,
        _: &dyn TextLookup,
    ) -> rusqlite::Result<()> {
        assert_eq!(meta.sequence, 0, "a bug of a read model");
        Ok(())
    }
}

#[tokio::test]
async fn the_process_is_told_of_a_writer_that_panics() {
    let (ledger, running, mut told) = open(Box::new(Totals));
    let with_a_bug = add(1).answering(|_, _| -> () { panic!("a bug of an answer") });
    ledger.submit(with_a_bug).await.expect_err("nobody answers");
    assert_eq!(told.recv().await.as_deref(), Some("its thread panicked"));
    running.join().expect_err("it ended badly");
}

#[tokio::test]
async fn the_process_is_told_of_a_read_model_that_panics() {
    let (ledger, _running, mut told) = open(Box::new(Panics));
    ledger.submit(add(1)).await.expect("it is on disk");
    assert_eq!(told.recv().await.as_deref(), Some("its thread panicked"));
    ledger.view(|_| Ok(())).await.expect_err("it says nothing that is not true");
}
