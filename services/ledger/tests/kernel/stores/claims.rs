//! Business keys and the rows that used them.

use super::desk::{Desk, ODD_WORDS};
use crate::world::World;

crate::world::on_every_store!(
    a_claimed_key_names_its_row_and_its_kind,
    keys_never_used_are_absent,
    many_keys_are_asked_about_at_once,
    asking_about_no_key_finds_none,
    odd_keys_are_different_keys,
    claims_survive_a_restart,
);

fn keys(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

async fn a_claimed_key_names_its_row_and_its_kind(world: World) {
    let mut desk = Desk::open(world);
    desk.claim(&["one", "two"]);
    let found = desk.store.claimed(&keys(&["two"])).expect("readable");
    assert_eq!(found.len(), 1);
    assert_eq!((found["two"].sequence, found["two"].kind.as_str()), (2, "added"));
}

async fn keys_never_used_are_absent(world: World) {
    let mut desk = Desk::open(world);
    desk.claim(&["one"]);
    let found = desk.store.claimed(&keys(&["two", "one", "three"])).expect("readable");
    assert_eq!(found.into_keys().collect::<Vec<_>>(), ["one"]);
}

async fn many_keys_are_asked_about_at_once(world: World) {
    let mut desk = Desk::open(world);
    let names: Vec<String> = (0..2_000).map(|number| format!("key:{number}")).collect();
    desk.claim(&names.iter().step_by(2).map(String::as_str).collect::<Vec<_>>());
    let found = desk.store.claimed(&names).expect("readable");
    assert_eq!(found.len(), 1_000);
    assert_eq!(found["key:1998"].sequence, 1_000);
}

async fn asking_about_no_key_finds_none(world: World) {
    let mut desk = Desk::open(world);
    desk.claim(&["one"]);
    assert!(desk.store.claimed(&[]).expect("readable").is_empty());
}

async fn odd_keys_are_different_keys(world: World) {
    let mut desk = Desk::open(world);
    desk.claim(&ODD_WORDS);
    let found = desk.store.claimed(&keys(&ODD_WORDS)).expect("readable");
    for (word, sequence) in ODD_WORDS.iter().zip(1..) {
        assert_eq!(found[*word].sequence, sequence, "{word:?}");
    }
}

async fn claims_survive_a_restart(world: World) {
    let mut desk = Desk::open(world);
    desk.claim(&["one"]);
    let mut desk = desk.reopened();
    assert_eq!(desk.store.claimed(&keys(&["one"])).expect("readable").len(), 1);
}
