//! Erasing texts: gone from reading with the commit, pending until it is finished.

use super::desk::{Desk, ODD_WORDS, text};
use crate::world::World;
use vivarium_ledger::store::Batch;

crate::world::on_every_store!(
    an_erased_text_is_gone_with_the_commit,
    an_erasure_is_pending_until_it_is_finished,
    pending_erasures_survive_a_restart,
    a_finished_erasure_stays_finished,
    finishing_some_leaves_the_others_pending,
    other_texts_stay_behind_an_erasure,
    erasing_twice_is_erasing_once,
    erasing_again_after_finishing_is_pending_again,
    erasing_what_never_was_is_harmless,
    finishing_nothing_is_harmless,
    finishing_what_is_not_pending_is_harmless,
    a_text_written_and_erased_in_one_batch_is_gone,
    odd_ids_can_be_erased,
    texts_can_be_written_behind_a_finished_erasure,
    a_reader_reads_on_while_erasures_are_finished,
);

/// A desk with the texts `txt_1` to `txt_4`.
fn four_texts(world: World) -> Desk {
    let mut desk = Desk::open(world);
    let texts: Vec<_> =
        (1..=4_u8).map(|number| text(&format!("txt_{number}"), &[number])).collect();
    desk.append_texts(&texts);
    desk
}

fn left(desk: &Desk) -> Vec<u8> {
    let there =
        |number: &u8| desk.reader().text(&format!("txt_{number}")).expect("readable").is_some();
    (1..=4).filter(there).collect()
}

impl Desk {
    fn pending(&mut self) -> Vec<String> {
        let mut ids = self.store.pending_erasures().expect("readable");
        ids.sort_unstable();
        ids
    }

    fn finish(&mut self, ids: &[&str]) {
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        self.store.finish_erasures(&ids).expect("it is finished");
    }
}

async fn an_erased_text_is_gone_with_the_commit(world: World) {
    let mut desk = four_texts(world);
    desk.erase(&["txt_2"]);
    assert_eq!(left(&desk), [1, 3, 4]);
}

async fn an_erasure_is_pending_until_it_is_finished(world: World) {
    let mut desk = four_texts(world);
    assert!(desk.pending().is_empty());
    desk.erase(&["txt_2", "txt_3"]);
    assert_eq!(desk.pending(), ["txt_2", "txt_3"]);
    desk.finish(&["txt_2", "txt_3"]);
    assert!(desk.pending().is_empty());
}

async fn pending_erasures_survive_a_restart(world: World) {
    let mut desk = four_texts(world);
    desk.erase(&["txt_2"]);
    let mut desk = desk.reopened();
    assert_eq!(desk.pending(), ["txt_2"]);
    assert_eq!(left(&desk), [1, 3, 4]);
}

async fn a_finished_erasure_stays_finished(world: World) {
    let mut desk = four_texts(world);
    desk.erase(&["txt_2"]);
    desk.finish(&["txt_2"]);
    let mut desk = desk.reopened();
    assert!(desk.pending().is_empty());
    assert_eq!(left(&desk), [1, 3, 4]);
}

async fn finishing_some_leaves_the_others_pending(world: World) {
    let mut desk = four_texts(world);
    desk.erase(&["txt_1", "txt_2", "txt_3"]);
    desk.finish(&["txt_2"]);
    assert_eq!(desk.pending(), ["txt_1", "txt_3"]);
}

async fn other_texts_stay_behind_an_erasure(world: World) {
    let mut desk = four_texts(world);
    desk.erase(&["txt_1"]);
    desk.finish(&["txt_1"]);
    for number in 2..=4_u8 {
        let id = format!("txt_{number}");
        assert_eq!(desk.reader().text(&id).expect("readable"), Some(text(&id, &[number])));
    }
}

async fn erasing_twice_is_erasing_once(world: World) {
    let mut desk = four_texts(world);
    desk.erase(&["txt_1", "txt_1"]);
    desk.erase(&["txt_1"]);
    assert_eq!(desk.pending(), ["txt_1"]);
    desk.finish(&["txt_1"]);
    assert!(desk.pending().is_empty());
    assert_eq!(left(&desk), [2, 3, 4]);
}

async fn erasing_again_after_finishing_is_pending_again(world: World) {
    let mut desk = four_texts(world);
    desk.erase(&["txt_1"]);
    desk.finish(&["txt_1"]);
    desk.erase(&["txt_1"]);
    assert_eq!(desk.pending(), ["txt_1"]);
}

async fn erasing_what_never_was_is_harmless(world: World) {
    let mut desk = four_texts(world);
    desk.erase(&["txt_9"]);
    desk.finish(&["txt_9"]);
    assert_eq!(left(&desk), [1, 2, 3, 4]);
}

async fn finishing_nothing_is_harmless(world: World) {
    let mut desk = four_texts(world);
    desk.erase(&["txt_1"]);
    desk.finish(&[]);
    assert_eq!(desk.pending(), ["txt_1"]);
}

async fn finishing_what_is_not_pending_is_harmless(world: World) {
    let mut desk = four_texts(world);
    desk.finish(&["txt_1"]);
    assert_eq!(left(&desk), [1, 2, 3, 4]);
}

async fn a_text_written_and_erased_in_one_batch_is_gone(world: World) {
    let mut desk = Desk::open(world);
    let (texts, erasures) = ([text("txt_1", b"one")], ["txt_1".to_owned()]);
    let batch = Batch { texts: &texts, erasures: &erasures, ..desk.batch() };
    desk.append(&batch).expect("it is appended");
    assert_eq!(desk.reader().text("txt_1").expect("readable"), None);
    assert_eq!(desk.pending(), ["txt_1"]);
}

async fn odd_ids_can_be_erased(world: World) {
    let mut desk = Desk::open(world);
    desk.append_texts(&ODD_WORDS.map(|word| text(word, b"odd")));
    desk.erase(&ODD_WORDS);
    let mut wanted = ODD_WORDS;
    wanted.sort_unstable();
    assert_eq!(desk.pending(), wanted);
    desk.finish(&ODD_WORDS);
    assert!(desk.pending().is_empty());
    assert!(ODD_WORDS.iter().all(|id| desk.reader().text(id).expect("readable").is_none()));
}

async fn texts_can_be_written_behind_a_finished_erasure(world: World) {
    let mut desk = four_texts(world);
    for round in 0..3_u8 {
        desk.erase(&["txt_1"]);
        desk.finish(&["txt_1"]);
        desk.append_texts(&[text("txt_1", &[round])]);
        assert_eq!(desk.reader().text("txt_1").expect("readable"), Some(text("txt_1", &[round])));
    }
}

async fn a_reader_reads_on_while_erasures_are_finished(world: World) {
    let mut desk = four_texts(world);
    let (reader, kept) = (desk.reader(), Some(text("txt_4", &[4])));
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|threads| {
        let reading = threads.spawn(|| {
            while !over.load(std::sync::atomic::Ordering::Relaxed) {
                assert_eq!(reader.text("txt_4").expect("readable"), kept);
            }
        });
        for id in ["txt_1", "txt_2", "txt_3"] {
            desk.erase(&[id]);
            desk.finish(&[id]);
        }
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        reading.join().expect("the reader ends well");
    });
}
