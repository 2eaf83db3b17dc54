//! An append that is refused leaves nothing, and says so.

use std::time::{Duration, Instant};

use super::desk::{Desk, answer, checkpoint, cursor, fresh, key, text};
use crate::world::World;
use vivarium_ledger::Row;
use vivarium_ledger::store::{Batch, Error};

/// A later owner has come by then, however busy the machine is.
const PATIENCE: Duration = Duration::from_mins(1);

crate::world::on_every_store!(
    an_older_epoch_is_refused,
    an_epoch_that_nobody_was_given_is_refused,
    a_sequence_that_is_behind_is_refused,
    a_sequence_that_is_ahead_is_refused,
    an_empty_batch_is_refused_like_any_other,
    what_is_refused_by_epoch_leaves_nothing,
    what_is_refused_by_sequence_leaves_nothing,
    a_claim_that_is_taken_refuses_the_whole_batch,
    a_claim_made_twice_refuses_the_whole_batch,
    a_text_that_is_there_refuses_the_whole_batch,
    an_answer_that_was_given_refuses_the_whole_batch,
    the_owner_goes_on_behind_a_refusal,
    an_older_owner_is_refused_for_ever,
    of_two_owners_at_once_only_the_later_appends,
);

fn refused(outcome: &Result<(), Error>) {
    assert!(matches!(outcome, Err(Error::Conflict)), "{outcome:?}");
}

async fn an_older_epoch_is_refused(world: World) {
    let mut desk = Desk::open(world).reopened();
    let rows = desk.rows(1);
    let writer_epoch = desk.head.writer_epoch - 1;
    refused(&desk.append(&Batch { rows: &rows, writer_epoch, ..desk.batch() }));
}

async fn an_epoch_that_nobody_was_given_is_refused(world: World) {
    let mut desk = Desk::open(world);
    let rows = desk.rows(1);
    let writer_epoch = desk.head.writer_epoch + 1;
    refused(&desk.append(&Batch { rows: &rows, writer_epoch, ..desk.batch() }));
}

async fn a_sequence_that_is_behind_is_refused(world: World) {
    let mut desk = Desk::open(world);
    desk.append_rows(&desk.rows(3));
    let rows = desk.rows(1);
    refused(&desk.append(&Batch { rows: &rows, expected_sequence: 2, ..desk.batch() }));
}

async fn a_sequence_that_is_ahead_is_refused(world: World) {
    let mut desk = Desk::open(world);
    desk.append_rows(&desk.rows(3));
    let rows = desk.rows(1);
    refused(&desk.append(&Batch { rows: &rows, expected_sequence: 4, ..desk.batch() }));
}

async fn an_empty_batch_is_refused_like_any_other(world: World) {
    let mut desk = Desk::open(world);
    refused(&desk.append(&Batch { expected_sequence: 1, ..desk.batch() }));
    refused(&desk.append(&Batch { writer_epoch: 99, ..desk.batch() }));
}

/// Tries a batch of everything, with rows, that `spoil` makes impossible; then looks for traces.
fn leaves_nothing(world: World, spoil: impl Fn(&mut Batch<'_>)) {
    let mut desk = Desk::open(world);
    desk.append_texts(&[text("txt_kept", b"kept")]);
    desk.claim(&["taken"]);
    desk.answer_at(&key("given"), &answer(b"first"), super::desk::NOON);
    let (head, rows) = (desk.head, desk.rows(2));
    let (claims, texts) = ([("key".to_owned(), 2)], [text("txt_new", b"new")]);
    let (answers, erasures) = ([(key("new"), answer(b"new"))], ["txt_kept".to_owned()]);
    let cursors = [("peer".to_owned(), cursor(5))];
    let checkpoints = [("peer".to_owned(), checkpoint(5))];
    let mut batch = Batch {
        rows: &rows,
        texts: &texts,
        claims: &claims,
        answers: &answers,
        cursors: &cursors,
        checkpoints: &checkpoints,
        erasures: &erasures,
        ..desk.batch()
    };
    spoil(&mut batch);
    refused(&desk.append(&batch));
    assert_eq!(desk.reader().head().expect("readable"), head);
    assert_eq!(desk.log().len() as u64, head.sequence);
    assert!(desk.store.claimed(&["key".into()]).expect("readable").is_empty());
    assert_eq!(desk.reader().text("txt_new").expect("readable"), None);
    assert!(desk.reader().text("txt_kept").expect("readable").is_some());
    assert_eq!(desk.store.answered(&key("new")).expect("readable"), None);
    assert!(desk.store.cursors().expect("readable").is_empty());
    assert!(desk.reader().checkpoints().expect("readable").is_empty());
    assert!(desk.store.pending_erasures().expect("readable").is_empty());
}

async fn what_is_refused_by_epoch_leaves_nothing(world: World) {
    leaves_nothing(world, |batch| batch.writer_epoch += 1);
}

async fn what_is_refused_by_sequence_leaves_nothing(world: World) {
    leaves_nothing(world, |batch| batch.expected_sequence += 1);
}

async fn a_claim_that_is_taken_refuses_the_whole_batch(world: World) {
    let claims = [("key".to_owned(), 2), ("taken".to_owned(), 3)];
    leaves_nothing(world, |batch| batch.claims = leaked(&claims));
}

async fn a_claim_made_twice_refuses_the_whole_batch(world: World) {
    let claims = [("key".to_owned(), 2), ("key".to_owned(), 3)];
    leaves_nothing(world, |batch| batch.claims = leaked(&claims));
}

async fn a_text_that_is_there_refuses_the_whole_batch(world: World) {
    let texts = [text("txt_new", b"new"), text("txt_kept", b"other")];
    leaves_nothing(world, |batch| batch.texts = leaked(&texts));
}

async fn an_answer_that_was_given_refuses_the_whole_batch(world: World) {
    let answers = [(key("new"), answer(b"new")), (key("given"), answer(b"second"))];
    leaves_nothing(world, |batch| batch.answers = leaked(&answers));
}

/// A batch of any lifetime can hold it.
fn leaked<T: Clone>(values: &[T]) -> &'static [T] {
    Vec::leak(values.to_vec())
}

async fn the_owner_goes_on_behind_a_refusal(world: World) {
    let mut desk = Desk::open(world);
    let rows = desk.rows(1);
    refused(&desk.append(&Batch { rows: &rows, expected_sequence: 1, ..desk.batch() }));
    desk.append_rows(&rows);
    assert_eq!(desk.log(), rows);
}

async fn an_older_owner_is_refused_for_ever(world: World) {
    let mut old = Desk::open(world);
    let mut new = old.world.place.store();
    new.open(fresh(8)).expect("it opens");
    let rows = old.rows(1);
    for _ in 0..3 {
        refused(&old.append(&Batch { rows: &rows, ..old.batch() }));
    }
    assert_eq!(old.log(), []);
}

async fn of_two_owners_at_once_only_the_later_appends(world: World) {
    let mut old = Desk::open(world);
    let mut new = old.world.place.store();
    let reader = old.reader();
    let (kept, later) = std::thread::scope(|threads| {
        let kept = threads.spawn(move || {
            let mut kept: Vec<Row> = Vec::new();
            let begun = Instant::now();
            while begun.elapsed() < PATIENCE {
                let rows = old.rows(1);
                match old.append(&Batch { rows: &rows, ..old.batch() }) {
                    Ok(()) => kept.extend(rows),
                    refusal => {
                        refused(&refusal);
                        return kept;
                    }
                }
                // Who waits for a locked file looks again now and then; without a pause it may never
                // find it free.
                std::thread::park_timeout(Duration::from_millis(1));
            }
            unreachable!("the later owner came and nothing was refused");
        });
        while reader.head().expect("readable").sequence < 5 {
            std::thread::yield_now();
        }
        let head = new.open(fresh(8)).expect("it opens");
        (kept.join().expect("the older owner ends well"), head)
    });
    // What the older owner was told is kept is there, and nothing behind what the later one saw.
    assert_eq!(later.sequence, kept.len() as u64);
    assert_eq!(reader.rows(0, usize::MAX).expect("readable"), kept);
}
