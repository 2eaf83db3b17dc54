//! Cursors of followers and the words of peers.

use super::desk::{Desk, ODD_WORDS, checkpoint, cursor};
use crate::world::World;
use vivarium_ledger::store::Batch;
use vivarium_ledger::{Checkpoint, Cursor};

crate::world::on_every_store!(
    nobody_is_followed_at_first,
    a_cursor_comes_back_as_it_was,
    a_later_cursor_replaces_the_earlier,
    a_cursor_that_stands_nowhere_is_not_kept,
    of_two_cursors_in_a_batch_the_later_counts,
    each_follower_has_its_own_cursor,
    cursors_survive_a_restart,
    a_batch_of_cursors_alone_is_kept,
    no_peer_has_spoken_at_first,
    a_checkpoint_comes_back_as_it_was,
    a_later_checkpoint_replaces_the_earlier,
    of_two_checkpoints_in_a_batch_the_later_counts,
    peers_come_in_the_order_of_their_bytes,
    checkpoints_survive_a_restart,
);

impl Desk {
    fn follow(&mut self, cursors: &[(&str, Cursor)]) {
        let cursors: Vec<_> =
            cursors.iter().map(|(name, cursor)| ((*name).to_owned(), *cursor)).collect();
        let batch = Batch { cursors: &cursors, ..self.batch() };
        self.append(&batch).expect("it is appended");
    }

    fn hear(&mut self, checkpoints: &[(&str, Checkpoint)]) {
        let checkpoints: Vec<_> =
            checkpoints.iter().map(|(name, word)| ((*name).to_owned(), word.clone())).collect();
        let batch = Batch { checkpoints: &checkpoints, ..self.batch() };
        self.append(&batch).expect("it is appended");
    }

    fn heard(&self) -> Vec<(String, Checkpoint)> {
        self.reader().checkpoints().expect("readable")
    }
}

async fn nobody_is_followed_at_first(world: World) {
    assert!(Desk::open(world).store.cursors().expect("readable").is_empty());
}

async fn a_cursor_comes_back_as_it_was(world: World) {
    let mut desk = Desk::open(world);
    let far = Cursor { sequence: u64::MAX >> 1, ..cursor(1) };
    desk.follow(&[("queue", far)]);
    assert_eq!(desk.store.cursors().expect("readable")["queue"], far);
}

async fn a_later_cursor_replaces_the_earlier(world: World) {
    let mut desk = Desk::open(world);
    desk.follow(&[("queue", cursor(1))]);
    desk.follow(&[("queue", cursor(2))]);
    let all = desk.store.cursors().expect("readable");
    assert_eq!((all.len(), all["queue"]), (1, cursor(2)));
}

async fn a_cursor_that_stands_nowhere_is_not_kept(world: World) {
    let mut desk = Desk::open(world);
    desk.follow(&[("queue", cursor(1)), ("review", Cursor::START)]);
    desk.follow(&[("queue", Cursor::START)]);
    let all = desk.store.cursors().expect("readable");
    assert_eq!((all.len(), all["queue"]), (1, cursor(1)));
}

async fn of_two_cursors_in_a_batch_the_later_counts(world: World) {
    let mut desk = Desk::open(world);
    desk.follow(&[("queue", cursor(1)), ("queue", cursor(3)), ("queue", cursor(2))]);
    assert_eq!(desk.store.cursors().expect("readable")["queue"], cursor(2));
}

async fn each_follower_has_its_own_cursor(world: World) {
    let mut desk = Desk::open(world);
    let names: Vec<_> = ODD_WORDS.into_iter().zip((1..).map(cursor)).collect();
    desk.follow(&names);
    let all = desk.store.cursors().expect("readable");
    assert_eq!(all.len(), ODD_WORDS.len());
    assert!(names.iter().all(|(name, cursor)| all[*name] == *cursor));
}

async fn cursors_survive_a_restart(world: World) {
    let mut desk = Desk::open(world);
    desk.follow(&[("queue", cursor(1))]);
    assert_eq!(desk.reopened().store.cursors().expect("readable")["queue"], cursor(1));
}

async fn a_batch_of_cursors_alone_is_kept(world: World) {
    let mut desk = Desk::open(world);
    desk.append_rows(&desk.rows(2));
    let head = desk.head;
    desk.follow(&[("queue", cursor(1))]);
    let desk = desk.reopened();
    assert_eq!((desk.head.sequence, desk.head.hash), (head.sequence, head.hash));
}

async fn no_peer_has_spoken_at_first(world: World) {
    assert!(Desk::open(world).heard().is_empty());
}

async fn a_checkpoint_comes_back_as_it_was(world: World) {
    let mut desk = Desk::open(world);
    desk.hear(&[("queue", checkpoint(5))]);
    assert_eq!(desk.heard(), [("queue".to_owned(), checkpoint(5))]);
}

async fn a_later_checkpoint_replaces_the_earlier(world: World) {
    let mut desk = Desk::open(world);
    desk.hear(&[("queue", checkpoint(5))]);
    let later = Checkpoint { key_id: "key-2".into(), signature: vec![1], ..checkpoint(6) };
    desk.hear(&[("queue", later.clone())]);
    assert_eq!(desk.heard(), [("queue".to_owned(), later)]);
}

async fn of_two_checkpoints_in_a_batch_the_later_counts(world: World) {
    let mut desk = Desk::open(world);
    desk.hear(&[("queue", checkpoint(6)), ("queue", checkpoint(5))]);
    assert_eq!(desk.heard(), [("queue".to_owned(), checkpoint(5))]);
}

async fn peers_come_in_the_order_of_their_bytes(world: World) {
    let mut desk = Desk::open(world);
    let mut names = ODD_WORDS;
    desk.hear(&names.map(|name| (name, checkpoint(1))));
    names.sort_unstable();
    assert_eq!(desk.heard().into_iter().map(|(name, _)| name).collect::<Vec<_>>(), names);
}

async fn checkpoints_survive_a_restart(world: World) {
    let mut desk = Desk::open(world);
    desk.hear(&[("queue", checkpoint(5))]);
    assert_eq!(desk.reopened().heard().len(), 1);
}
