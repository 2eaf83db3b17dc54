//! Closed segments: noted with the commit that names them, and their files.

use super::desk::{Desk, text};
use crate::world::World;
use vivarium_ledger::segment::{self, Segment};
use vivarium_ledger::store::{self, Batch, Leaving};
use vivarium_ledger::{Row, SegmentNote, chain};

crate::world::on_every_store!(
    there_is_no_segment_at_first,
    a_segment_is_noted_with_its_batch_and_survives_a_restart,
    a_refused_batch_closes_no_segment_and_lets_nothing_leave,
    rows_that_leave_are_read_from_their_segment,
    the_place_of_the_last_row_stays_when_others_leave,
    texts_that_leave_are_gone_from_the_hot_file_alone,
    a_batch_without_rows_can_let_rows_leave,
    a_file_comes_back_as_it_was_and_a_later_one_replaces_it,
    a_large_file_comes_back,
    files_survive_a_restart,
);

#[tokio::test]
async fn an_owner_that_was_replaced_puts_in_and_takes_out_no_file_of_a_server() {
    let desk = Desk::open(World::postgres());
    let late = desk.reader();
    late.shelf().files().put("kept", b"bytes").expect("it owns the ledger");
    let desk = desk.reopened();
    let late = late.shelf().files();
    assert!(matches!(late.put("kept", b"other"), Err(store::Error::Conflict)));
    assert!(matches!(late.put("new", b"other"), Err(store::Error::Conflict)));
    assert!(matches!(late.remove("kept"), Err(store::Error::Conflict)));
    let reader = desk.reader();
    assert_eq!(reader.shelf().files().get("kept").expect("readable"), Some(b"bytes".to_vec()));
    assert_eq!(reader.shelf().files().names().expect("readable"), ["kept"]);
}

/// The first `count` rows of a desk as a segment whose file is in its place.
fn shelved(desk: &Desk, count: usize) -> Segment {
    let rows: Vec<Row> = desk.log().into_iter().take(count).collect();
    let file = segment::pack_rows(&rows).expect("it packs");
    let (first, last) = (&rows[0], &rows[count - 1]);
    let name = segment::rows_file(first.sequence, last.sequence);
    desk.reader().shelf().files().put(&name, &file).expect("it is kept");
    let note = SegmentNote {
        first: first.sequence,
        last: last.sequence,
        first_hash: first.hash,
        last_hash: last.hash,
        file: name,
        file_hash: chain::digest(&file),
        bytes: file.len() as u64,
    };
    Segment { note, texts: Some(("txt_\0a".into(), "txt_b".into())) }
}

fn with_rows(world: World, count: u64) -> Desk {
    let mut desk = Desk::open(world);
    desk.append_rows(&desk.rows(count));
    desk
}

fn leave(desk: &mut Desk, rows_to: u64) {
    let rows = desk.rows(1);
    let leaving = Leaving { rows_to, texts: &[] };
    let batch = Batch { rows: &rows, leaving, ..desk.batch() };
    desk.append(&batch).expect("it is appended");
}

async fn there_is_no_segment_at_first(world: World) {
    let desk = Desk::open(world);
    assert_eq!(desk.reader().segments().expect("readable"), []);
    assert_eq!(desk.reader().hot_from().expect("readable"), 0);
    assert!(desk.reader().shelf().files().names().expect("readable").is_empty());
}

async fn a_segment_is_noted_with_its_batch_and_survives_a_restart(world: World) {
    let mut desk = with_rows(world, 9);
    let segment = shelved(&desk, 4);
    let mut bare = segment.clone();
    (bare.note.first, bare.note.last, bare.texts) = (5, 6, None);
    let both = [segment, bare];
    let rows = desk.rows(1);
    let batch = Batch { rows: &rows, segments: &both, ..desk.batch() };
    desk.append(&batch).expect("it is appended");
    let desk = desk.reopened();
    assert_eq!(desk.reader().segments().expect("readable"), both);
}

async fn a_refused_batch_closes_no_segment_and_lets_nothing_leave(world: World) {
    let mut desk = with_rows(world, 9);
    let segments = [shelved(&desk, 4)];
    let leaving = Leaving { rows_to: 4, texts: &[] };
    let rows = desk.rows(1);
    let late = Batch { rows: &rows, segments: &segments, leaving, ..desk.batch() };
    let late = Batch { expected_sequence: 3, ..late };
    assert!(desk.append(&late).is_err());
    assert_eq!(desk.reader().segments().expect("readable"), []);
    assert_eq!(desk.reader().hot_from().expect("readable"), 1);
}

async fn rows_that_leave_are_read_from_their_segment(world: World) {
    let mut desk = with_rows(world, 9);
    let before = desk.log();
    let segments = [shelved(&desk, 4)];
    let batch = Batch { segments: &segments, ..desk.batch() };
    desk.append(&batch).expect("it is appended");
    // Some of them, then all of them.
    for rows_to in [2, 4] {
        leave(&mut desk, rows_to);
        assert_eq!(desk.reader().hot_from().expect("readable"), rows_to + 1);
        assert_eq!(desk.log()[..9], before);
        assert_eq!(desk.reader().rows(1, 5).expect("readable"), before[1..6]);
    }
    let hot = desk.reader().hot_rows(0, 1).expect("readable");
    assert_eq!(hot[0].sequence, 5);
}

async fn the_place_of_the_last_row_stays_when_others_leave(world: World) {
    let mut desk = with_rows(world, 9);
    leave(&mut desk, 9);
    let desk = desk.reopened();
    assert_eq!((desk.head.sequence, desk.reader().hot_from().expect("readable")), (10, 10));
}

async fn texts_that_leave_are_gone_from_the_hot_file_alone(world: World) {
    let mut desk = with_rows(world, 2);
    desk.append_texts(&[text("txt_a", b"a"), text("txt_\0", b"zero"), text("txt_b", b"b")]);
    let ids = ["txt_a".to_owned(), "txt_\0".to_owned(), "txt_none".to_owned()];
    let batch = Batch { leaving: Leaving { rows_to: 0, texts: &ids }, ..desk.batch() };
    desk.append(&batch).expect("it is appended");
    let left = |id: &str| desk.reader().hot_text(id).expect("readable").is_some();
    assert_eq!((left("txt_a"), left("txt_\0"), left("txt_b")), (false, false, true));
    // Leaving is no erasure.
    assert!(!desk.reader().is_erasing("txt_a").expect("readable"));
    assert!(desk.store.pending_erasures().expect("readable").is_empty());
}

async fn a_batch_without_rows_can_let_rows_leave(world: World) {
    let mut desk = with_rows(world, 9);
    let batch = Batch { leaving: Leaving { rows_to: 3, texts: &[] }, ..desk.batch() };
    desk.append(&batch).expect("it is appended");
    assert_eq!(desk.reader().hot_from().expect("readable"), 4);
    desk.append_rows(&desk.rows(1));
    assert_eq!(desk.reopened().head.sequence, 10);
}

async fn a_file_comes_back_as_it_was_and_a_later_one_replaces_it(world: World) {
    let desk = Desk::open(world);
    let reader = desk.reader();
    let files = reader.shelf().files();
    let every: Vec<u8> = (0..=255).collect();
    for bytes in [&every[..], b"", b"short"] {
        files.put("1-2.jsonl.zst", bytes).expect("it is kept");
        assert_eq!(files.get("1-2.jsonl.zst").expect("readable").as_deref(), Some(bytes));
    }
    assert_eq!(files.names().expect("readable"), ["1-2.jsonl.zst"]);
    files.remove("1-2.jsonl.zst").expect("it is removed");
    files.remove("1-2.jsonl.zst").expect("removing nothing is harmless");
    assert_eq!(files.get("1-2.jsonl.zst").expect("readable"), None);
}

async fn a_large_file_comes_back(world: World) {
    let desk = Desk::open(world);
    let large: Vec<u8> = (0..=9 << 20).map(|at: u32| at.to_le_bytes()[2]).collect();
    let reader = desk.reader();
    reader.shelf().files().put("large", &large).expect("it is kept");
    assert!(reader.shelf().files().get("large").expect("readable") == Some(large), "another");
}

async fn files_survive_a_restart(world: World) {
    let desk = Desk::open(world);
    desk.reader().shelf().files().put("file", b"bytes").expect("it is kept");
    let desk = desk.reopened();
    let reader = desk.reader();
    assert_eq!(reader.shelf().files().get("file").expect("readable"), Some(b"bytes".to_vec()));
}
