//! Becoming the owner.

use super::desk::{Desk, fresh};
use crate::world::World;
use vivarium_ledger::chain;
use vivarium_types::Timestamp;

crate::world::on_every_store!(
    a_fresh_ledger_takes_the_id_it_is_given,
    a_fresh_ledger_begins_at_its_genesis,
    a_second_opening_keeps_the_id,
    each_opening_raises_the_epoch,
    an_opening_finds_the_last_row,
    an_opening_writes_no_row,
    a_reader_sees_the_head_that_the_owner_got,
    a_ledger_that_was_never_opened_has_no_head,
);

async fn a_fresh_ledger_takes_the_id_it_is_given(world: World) {
    assert_eq!(Desk::open(world).head.ledger, fresh(7));
}

async fn a_fresh_ledger_begins_at_its_genesis(world: World) {
    let head = Desk::open(world).head;
    assert_eq!((head.sequence, head.hash), (0, chain::genesis(fresh(7))));
    assert_eq!(head.time, Timestamp::EPOCH);
}

async fn a_second_opening_keeps_the_id(world: World) {
    let mut desk = Desk::open(world);
    let again = desk.store.open(fresh(8)).expect("it opens");
    assert_eq!(again.ledger, fresh(7));
    let other = desk.world.place.store().open(fresh(9)).expect("it opens");
    assert_eq!(other.ledger, fresh(7));
}

async fn each_opening_raises_the_epoch(world: World) {
    let mut desk = Desk::open(world);
    let mut before = desk.head.writer_epoch;
    for _ in 0..3 {
        desk = desk.reopened();
        assert!(desk.head.writer_epoch > before);
        before = desk.head.writer_epoch;
    }
}

async fn an_opening_finds_the_last_row(world: World) {
    let mut desk = Desk::open(world);
    desk.append_rows(&desk.rows(5));
    let left = desk.head;
    let found = desk.reopened().head;
    assert_eq!((found.sequence, found.hash, found.time), (left.sequence, left.hash, left.time));
}

async fn an_opening_writes_no_row(world: World) {
    let desk = Desk::open(world).reopened();
    assert_eq!(desk.log(), []);
}

async fn a_reader_sees_the_head_that_the_owner_got(world: World) {
    let mut desk = Desk::open(world);
    assert_eq!(desk.reader().head().expect("readable"), desk.head);
    desk.append_rows(&desk.rows(2));
    assert_eq!(desk.reader().head().expect("readable"), desk.head);
}

async fn a_ledger_that_was_never_opened_has_no_head(world: World) {
    let head = world.place.store().reader().head();
    assert!(matches!(head, Err(vivarium_ledger::store::Error::Corrupt { .. })), "{head:?}");
}
