//! What is appended comes back as it was.

use super::desk::{Desk, ODD_WORDS, row};
use crate::world::World;
use vivarium_ledger::store::Batch;
use vivarium_types::Timestamp;

crate::world::on_every_store!(
    a_row_comes_back_as_it_was,
    rows_come_back_in_order,
    a_whole_turn_is_one_append,
    a_batch_without_anything_leaves_the_head,
    an_append_moves_the_head,
    the_rows_of_two_batches_follow_each_other,
    a_payload_of_eight_mebibytes_comes_back,
    payloads_beyond_one_statement_come_back,
    a_payload_of_every_byte_comes_back,
    an_empty_payload_comes_back,
    odd_words_come_back_in_a_row,
    every_time_comes_back,
    the_largest_schema_number_comes_back,
);

async fn a_row_comes_back_as_it_was(world: World) {
    let mut desk = Desk::open(world);
    let rows = desk.chained(vec![row("operator:ada", "added", b"{\"by\":1}".to_vec())]);
    desk.append_rows(&rows);
    assert_eq!(desk.log(), rows);
}

async fn rows_come_back_in_order(world: World) {
    let mut desk = Desk::open(world);
    desk.append_rows(&desk.rows(300));
    let sequences: Vec<u64> = desk.log().iter().map(|row| row.sequence).collect();
    assert_eq!(sequences, (1..=300).collect::<Vec<u64>>());
}

async fn a_whole_turn_is_one_append(world: World) {
    let mut desk = Desk::open(world);
    let rows = desk.rows(4_096);
    desk.append_rows(&rows);
    assert_eq!(desk.log(), rows);
}

async fn a_batch_without_anything_leaves_the_head(world: World) {
    let mut desk = Desk::open(world);
    desk.append_rows(&desk.rows(2));
    let head = desk.head;
    desk.append(&desk.batch()).expect("it is appended");
    assert_eq!(desk.reader().head().expect("readable"), head);
    desk.append_rows(&desk.rows(1));
    assert_eq!(desk.log().len(), 3);
}

async fn an_append_moves_the_head(world: World) {
    let mut desk = Desk::open(world);
    for expected in 1..=3 {
        let rows = desk.rows(1);
        desk.append_rows(&rows);
        let head = desk.reader().head().expect("readable");
        assert_eq!((head.sequence, head.hash, head.time), (expected, rows[0].hash, rows[0].time));
    }
}

async fn the_rows_of_two_batches_follow_each_other(world: World) {
    let mut desk = Desk::open(world);
    let first = desk.rows(3);
    desk.append_rows(&first);
    let second = desk.rows(4);
    desk.append_rows(&second);
    assert_eq!(desk.log(), [first, second].concat());
}

/// Appends rows of these payloads and reads them back.
fn payloads_come_back(world: World, payloads: Vec<Vec<u8>>) {
    let mut desk = Desk::open(world);
    let rows = payloads.into_iter().map(|payload| row("rule:test", "added", payload)).collect();
    let rows = desk.chained(rows);
    desk.append_rows(&rows);
    assert!(desk.log() == rows, "they are not the same");
}

async fn a_payload_of_eight_mebibytes_comes_back(world: World) {
    payloads_come_back(world, vec![(0..8 << 20).map(|at: u32| at.to_le_bytes()[1]).collect()]);
}

async fn payloads_beyond_one_statement_come_back(world: World) {
    payloads_come_back(world, (0..5).map(|fill| vec![fill; 9 << 20]).collect());
}

async fn a_payload_of_every_byte_comes_back(world: World) {
    payloads_come_back(world, vec![(0..=255).collect(), (0..=255).rev().collect()]);
}

async fn an_empty_payload_comes_back(world: World) {
    payloads_come_back(world, vec![Vec::new()]);
}

async fn odd_words_come_back_in_a_row(world: World) {
    let mut desk = Desk::open(world);
    let rows = ODD_WORDS.map(|word| row(word, word, word.as_bytes().to_vec()));
    let rows = desk.chained(rows.into());
    desk.append_rows(&rows);
    assert_eq!(desk.log(), rows);
}

async fn every_time_comes_back(world: World) {
    let mut desk = Desk::open(world);
    let times = [i64::MIN, -1, 0, 1, i64::MAX].map(Timestamp::from_micros);
    for time in times {
        let rows = desk.chained(vec![vivarium_ledger::Row { time, ..row("a", "b", Vec::new()) }]);
        let batch = Batch { rows: &rows, time, ..desk.batch() };
        desk.append(&batch).expect("it is appended");
        assert_eq!(desk.reader().head().expect("readable").time, time);
    }
    let back: Vec<_> = desk.log().iter().map(|row| row.time).collect();
    assert_eq!(back, times);
}

async fn the_largest_schema_number_comes_back(world: World) {
    let mut desk = Desk::open(world);
    let rows =
        desk.chained(vec![vivarium_ledger::Row { schema: u32::MAX, ..row("a", "b", Vec::new()) }]);
    desk.append_rows(&rows);
    assert_eq!(desk.log()[0].schema, u32::MAX);
}
