//! First answers, and forgetting them.

use std::time::Duration;

use super::desk::{Desk, NOON, ODD_WORDS, answer, key};
use crate::world::World;
use vivarium_ledger::store::{Answered, Batch, RequestKey};
use vivarium_types::Timestamp;

crate::world::on_every_store!(
    an_answer_comes_back_as_it_was,
    a_request_never_made_has_no_answer,
    requests_differ_by_each_of_their_parts,
    an_empty_answer_is_an_answer,
    a_large_answer_comes_back,
    odd_request_ids_are_different_requests,
    many_requests_are_asked_about_at_once,
    asking_about_no_request_finds_none,
    answers_survive_a_restart,
    older_answers_are_forgotten,
    an_answer_of_that_very_moment_is_kept,
    no_more_answers_are_forgotten_than_the_limit,
    a_limit_of_nothing_forgets_nothing,
    forgetting_ends,
    a_forgotten_request_can_be_answered_anew,
    forgetting_leaves_the_log,
);

async fn an_answer_comes_back_as_it_was(world: World) {
    let mut desk = Desk::open(world);
    let given = Answered { sequence: u64::MAX >> 1, ..answer(&(0..=255).collect::<Vec<u8>>()) };
    desk.answer_at(&key("one"), &given, NOON);
    assert_eq!(desk.store.answered(&key("one")).expect("readable"), Some(given));
}

async fn a_request_never_made_has_no_answer(world: World) {
    let mut desk = Desk::open(world);
    desk.answer_at(&key("one"), &answer(b"1"), NOON);
    assert_eq!(desk.store.answered(&key("two")).expect("readable"), None);
}

async fn requests_differ_by_each_of_their_parts(world: World) {
    let mut desk = Desk::open(world);
    let one = key("one");
    let keys = [
        RequestKey { actor: "operator:b".into(), ..one.clone() },
        RequestKey { method: "Test/Other".into(), ..one.clone() },
        RequestKey { request_id: "two".into(), ..one.clone() },
        one,
    ];
    for (key, number) in keys.iter().zip(0_u8..) {
        assert_eq!(desk.store.answered(key).expect("readable"), None);
        desk.answer_at(key, &answer(&[number]), NOON);
    }
    for (key, number) in keys.iter().zip(0_u8..) {
        let found = desk.store.answered(key).expect("readable");
        assert_eq!(found, Some(answer(&[number])));
    }
}

async fn an_empty_answer_is_an_answer(world: World) {
    let mut desk = Desk::open(world);
    desk.answer_at(&key("one"), &answer(b""), NOON);
    assert_eq!(desk.store.answered(&key("one")).expect("readable"), Some(answer(b"")));
}

async fn a_large_answer_comes_back(world: World) {
    let mut desk = Desk::open(world);
    let large = answer(&vec![7; 4 << 20]);
    desk.answer_at(&key("one"), &large, NOON);
    assert!(desk.store.answered(&key("one")).expect("readable") == Some(large));
}

async fn odd_request_ids_are_different_requests(world: World) {
    let mut desk = Desk::open(world);
    let answers = ODD_WORDS.map(|word| (key(word), answer(word.as_bytes())));
    let batch = Batch { answers: &answers, ..desk.batch() };
    desk.append(&batch).expect("it is appended");
    for (key, given) in answers {
        assert_eq!(desk.store.answered(&key).expect("readable"), Some(given), "{key:?}");
    }
}

async fn many_requests_are_asked_about_at_once(world: World) {
    let mut desk = Desk::open(world);
    let id = |number: u32| key(&format!("{number}"));
    let given: Vec<_> =
        (0..1_000).step_by(2).map(|number| (id(number), answer(&number.to_be_bytes()))).collect();
    let odd =
        ODD_WORDS.map(|word| (RequestKey { actor: word.into(), ..key(word) }, answer(b"odd")));
    for answers in [given.as_slice(), &odd] {
        desk.append(&Batch { answers, ..desk.batch() }).expect("it is appended");
    }
    let mut asked: Vec<_> = (0..1_000).map(id).collect();
    asked.extend(odd.iter().map(|(key, _)| key.clone()));
    asked.push(asked[0].clone());
    let found = desk.store.answered_all(&asked).expect("readable");
    assert_eq!(found, given.into_iter().chain(odd).collect());
}

async fn asking_about_no_request_finds_none(world: World) {
    let mut desk = Desk::open(world);
    desk.answer_at(&key("one"), &answer(b"1"), NOON);
    assert!(desk.store.answered_all(&[]).expect("readable").is_empty());
}

async fn answers_survive_a_restart(world: World) {
    let mut desk = Desk::open(world);
    desk.answer_at(&key("one"), &answer(b"1"), NOON);
    let mut desk = desk.reopened();
    assert_eq!(desk.store.answered(&key("one")).expect("readable"), Some(answer(b"1")));
}

/// A desk with answers `0..count`, a second apart from noon on.
fn answered(world: World, count: u64) -> Desk {
    let mut desk = Desk::open(world);
    for second in 0..count {
        desk.answer_at(&key(&second.to_string()), &answer(b"."), at(second));
    }
    desk
}

fn at(second: u64) -> Timestamp {
    NOON + Duration::from_secs(second)
}

fn left(desk: &mut Desk, count: u64) -> Vec<u64> {
    let there =
        |second: &u64| desk.store.answered(&key(&second.to_string())).expect("readable").is_some();
    (0..count).filter(there).collect()
}

async fn older_answers_are_forgotten(world: World) {
    let mut desk = answered(world, 5);
    assert_eq!(desk.store.forget_answers(at(3), 100).expect("it forgets"), 3);
    assert_eq!(left(&mut desk, 5), [3, 4]);
}

async fn an_answer_of_that_very_moment_is_kept(world: World) {
    let mut desk = answered(world, 1);
    assert_eq!(desk.store.forget_answers(at(0), 100).expect("it forgets"), 0);
    let later = Timestamp::from_micros(at(0).as_micros() + 1);
    assert_eq!(desk.store.forget_answers(later, 100).expect("it forgets"), 1);
}

async fn no_more_answers_are_forgotten_than_the_limit(world: World) {
    let mut desk = answered(world, 6);
    assert_eq!(desk.store.forget_answers(at(5), 2).expect("it forgets"), 2);
    let left = left(&mut desk, 6);
    assert_eq!(left.len(), 4);
    assert!(left.contains(&5));
}

async fn a_limit_of_nothing_forgets_nothing(world: World) {
    let mut desk = answered(world, 2);
    assert_eq!(desk.store.forget_answers(at(9), 0).expect("it forgets"), 0);
    assert_eq!(left(&mut desk, 2), [0, 1]);
}

async fn forgetting_ends(world: World) {
    let mut desk = answered(world, 5);
    let counts: Vec<u32> =
        (0..4).map(|_| desk.store.forget_answers(at(9), 2).expect("it forgets")).collect();
    assert_eq!(counts, [2, 2, 1, 0]);
}

async fn a_forgotten_request_can_be_answered_anew(world: World) {
    let mut desk = answered(world, 1);
    desk.store.forget_answers(at(1), 1).expect("it forgets");
    desk.answer_at(&key("0"), &answer(b"anew"), at(2));
    assert_eq!(desk.store.answered(&key("0")).expect("readable"), Some(answer(b"anew")));
}

async fn forgetting_leaves_the_log(world: World) {
    let mut desk = answered(world, 2);
    let rows = desk.rows(2);
    desk.append_rows(&rows);
    desk.store.forget_answers(Timestamp::FAR, 100).expect("it forgets");
    assert_eq!(desk.log(), rows);
}
