//! Reading beside the writer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::desk::{Desk, text};
use crate::world::World;
use vivarium_ledger::store::Batch;

crate::world::on_every_store!(
    rows_begin_behind_the_one_that_is_named,
    no_more_rows_come_than_the_limit,
    a_limit_of_no_rows_gives_none,
    behind_the_last_row_there_is_nothing,
    far_behind_the_last_row_there_is_nothing,
    a_page_after_the_other_gives_the_whole_log,
    a_commit_is_seen_at_once,
    readers_at_once_see_whole_batches_in_order,
    more_readers_than_connections_are_served,
    a_reader_outlives_its_store,
    a_reader_can_be_used_on_any_thread,
);

fn sequences(desk: &Desk, after: u64, limit: usize) -> Vec<u64> {
    let rows = desk.reader().rows(after, limit).expect("readable");
    rows.iter().map(|row| row.sequence).collect()
}

fn ten_rows(world: World) -> Desk {
    let mut desk = Desk::open(world);
    desk.append_rows(&desk.rows(10));
    desk
}

async fn rows_begin_behind_the_one_that_is_named(world: World) {
    assert_eq!(sequences(&ten_rows(world), 7, 100), [8, 9, 10]);
}

async fn no_more_rows_come_than_the_limit(world: World) {
    assert_eq!(sequences(&ten_rows(world), 2, 3), [3, 4, 5]);
}

async fn a_limit_of_no_rows_gives_none(world: World) {
    assert!(sequences(&ten_rows(world), 0, 0).is_empty());
}

async fn behind_the_last_row_there_is_nothing(world: World) {
    assert!(sequences(&ten_rows(world), 10, 100).is_empty());
}

async fn far_behind_the_last_row_there_is_nothing(world: World) {
    let desk = ten_rows(world);
    for after in [11, u64::MAX >> 1, (u64::MAX >> 1) + 1, u64::MAX] {
        assert!(sequences(&desk, after, usize::MAX).is_empty(), "{after}");
    }
}

async fn a_page_after_the_other_gives_the_whole_log(world: World) {
    let desk = ten_rows(world);
    let (mut seen, mut after) = (Vec::new(), 0);
    loop {
        let page = sequences(&desk, after, 3);
        let Some(last) = page.last() else { break };
        after = *last;
        seen.extend(page);
    }
    assert_eq!(seen, (1..=10).collect::<Vec<u64>>());
}

async fn a_commit_is_seen_at_once(world: World) {
    let mut desk = Desk::open(world);
    let reader = desk.reader();
    for number in 1..=20 {
        desk.append_rows(&desk.rows(1));
        assert_eq!(reader.head().expect("readable").sequence, number);
        assert_eq!(reader.rows(number - 1, 1).expect("readable").len(), 1);
    }
}

async fn readers_at_once_see_whole_batches_in_order(world: World) {
    let mut desk = Desk::open(world);
    let over = AtomicBool::new(false);
    std::thread::scope(|threads| {
        let reading: Vec<_> = (0..8)
            .map(|_| {
                let (reader, over) = (desk.reader(), &over);
                threads.spawn(move || {
                    let mut seen = 0;
                    while !over.load(Ordering::Relaxed) {
                        let rows = reader.rows(0, usize::MAX).expect("readable");
                        assert!(rows.iter().zip(1..).all(|(row, number)| row.sequence == number));
                        assert_eq!(rows.len() % 5, 0, "half a batch was seen");
                        assert!(rows.len() >= seen, "what was seen went");
                        seen = rows.len();
                    }
                })
            })
            .collect();
        for _ in 0..20 {
            desk.append_rows(&desk.rows(5));
        }
        over.store(true, Ordering::Relaxed);
        for reader in reading {
            reader.join().expect("a reader ends well");
        }
    });
    assert_eq!(desk.log().len(), 100);
}

async fn more_readers_than_connections_are_served(world: World) {
    let desk = ten_rows(world);
    let reader = desk.reader();
    std::thread::scope(|threads| {
        for _ in 0..32 {
            threads.spawn(|| assert_eq!(reader.rows(0, 100).expect("readable").len(), 10));
        }
    });
}

async fn a_reader_outlives_its_store(world: World) {
    let Desk { world: _place, store, .. } = ten_rows(world);
    let reader = store.reader();
    drop(store);
    assert_eq!(reader.rows(0, 100).expect("readable").len(), 10);
}

async fn a_reader_can_be_used_on_any_thread(world: World) {
    let mut desk = Desk::open(world);
    desk.append_texts(&[text("txt_1", b"one")]);
    let batch = Batch { rows: &desk.rows(1), ..desk.batch() };
    desk.append(&batch).expect("it is appended");
    let reader = desk.reader();
    // On the thread of the runtime itself, on one of its blocking threads, and on a plain one.
    assert_eq!(reader.head().expect("readable").sequence, 1);
    let same = Arc::clone(&reader);
    let text = tokio::task::spawn_blocking(move || same.text("txt_1")).await.expect("no panic");
    assert!(text.expect("readable").is_some());
    let rows = std::thread::spawn(move || reader.rows(0, 9)).join().expect("no panic");
    assert_eq!(rows.expect("readable").len(), 1);
}
