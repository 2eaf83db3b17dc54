//! What attempts did, for the attempts behind them; and the limits of the world's physics.

use std::collections::BTreeMap;

use super::super::effect::EFFECTS_MAX;
use super::super::limits::Limit;
use super::*;

fn record(held: Held, key: &str, result: &str) -> Command {
    Command::RecordEffect { held, key: key.into(), result: text(result) }
}

fn result(stand: &Stand, task: TaskId, key: &str) -> Option<(String, u32)> {
    let effect = stand.queue.effect(stand.held(task), key).expect("its lease lives");
    effect.map(|effect| (effect.result.id.clone(), effect.attempt_number))
}

#[test]
fn a_retry_is_told_what_the_attempt_before_it_did_and_the_first_record_stays() {
    let mut stand = Stand::new();
    let task = stand.add(spec());
    assert_eq!(stand.run(record(stand.held(task), "call:1", "txt_a")).len(), 1);
    assert!(stand.run(record(stand.held(task), "call:1", "txt_b")).is_empty());
    stand.end(task, failed(Class::Transient));
    stand.advance_until(task, State::Leased);
    assert_eq!(stand.queue.tasks[&task].attempt_count, 2);
    assert_eq!(result(&stand, task, "call:1"), Some(("txt_a".into(), 1)));
    assert!(stand.run(record(stand.held(task), "call:1", "txt_c")).is_empty());
    assert_eq!(result(&stand, task, "call:2"), None);
}

#[test]
fn an_effect_is_recorded_and_told_under_the_live_token_alone() {
    let mut stand = Stand::new();
    let task = stand.add(spec());
    let old = stand.held(task);
    stand.end(task, failed(Class::Transient));
    assert_eq!(stand.refused(record(old, "call:1", "txt_a")), Rejection::LeaseLost(old.lease));
    stand.advance_until(task, State::Leased);
    let live = stand.held(task);
    let forged = Held { token: live.token - 1, ..live };
    for held in [old, forged] {
        let lost = Rejection::LeaseLost(held.lease);
        assert_eq!(stand.refused(record(held, "call:1", "txt_a")), lost);
        assert_eq!(stand.queue.effect(held, "call:1"), Err(lost));
    }
}

#[test]
fn a_round_ends_with_a_rejection_an_edit_a_reopening_and_the_end_of_the_task() {
    let mut stand = Stand::new();
    let task = stand.add(spec());
    let round = |stand: &mut Stand, end: &dyn Fn(&mut Stand)| {
        stand.advance_until(task, State::Leased);
        assert_eq!(result(stand, task, "call:1"), None, "a new round knows nothing of the old one");
        stand.run(record(stand.held(task), "call:1", "txt_a"));
        end(stand);
    };
    round(&mut stand, &|stand| {
        stand.finish(task);
        stand.verdict(task, false, 1);
    });
    round(&mut stand, &|stand| {
        stand.end(task, failed(Class::Transient));
        stand.run(edit(stand, task, &["tags"], Spec { tags: vec!["new".into()], ..spec() }));
    });
    round(&mut stand, &|stand| {
        stand.fail(task);
        stand.run(Command::Requeue { task: task.to_string() });
    });
    round(&mut stand, &|stand| stand.approve(task));
    assert!(stand.queue.effects.is_empty(), "what is over keeps nothing in memory");
}

#[test]
fn a_critique_neither_records_nor_is_told_what_the_attempt_did() {
    let mut stand = Stand::new();
    let task = stand.add(spec());
    stand.run(record(stand.held(task), "call:1", "txt_a"));
    let submission = stand.finish(task);
    stand.run(Command::AskCritique { submission, task });
    let (lease, live) = stand.queue.leases.iter().next().expect("the critique has one");
    let held = Held { lease: *lease, token: live.token };
    assert_eq!(stand.queue.effect(held, "call:1"), Err(Rejection::LeaseLost(held.lease)));
    let refused = stand.refused(record(held, "call:2", "txt_b"));
    assert_eq!(refused, Rejection::LeaseLost(held.lease));
}

#[test]
fn a_round_has_a_bound_of_effects() {
    let mut stand = Stand::new();
    let task = stand.add(spec());
    for number in 0..EFFECTS_MAX {
        stand.run(record(stand.held(task), &format!("call:{number}"), "txt_a"));
    }
    let refused = stand.refused(record(stand.held(task), "one-more", "txt_a"));
    assert_eq!(refused, Rejection::EffectsFull { max: EFFECTS_MAX });
}

#[test]
fn a_limit_of_the_log_goes_before_that_of_the_file_until_it_is_given_back() {
    let mut stand = Stand::new();
    let set = |value| Command::SetLimits {
        changes: BTreeMap::from([(Limit::OpenTasks, value)]),
        reason: text("txt_why"),
    };
    let add = || Command::Add { proposals: vec![proposal(spec())], open_max: 2 };
    let before = stand.queue.world.control_epoch;
    assert_eq!(stand.run(set(Some(1))).len(), 1);
    assert!(stand.run(set(Some(1))).is_empty(), "what changes nothing is no event");
    assert_eq!(stand.queue.world.control_epoch, before + 1);
    stand.run(add());
    assert_eq!(stand.refused(add()), Rejection::Full { max: 1 });
    stand.run(set(Some(3)));
    stand.run(add());
    stand.run(add());
    stand.run(set(None));
    assert_eq!(stand.refused(add()), Rejection::Full { max: 2 });
}

#[test]
fn runners_keep_to_the_limits_of_the_log() {
    let mut stand = Stand::new();
    let changes = BTreeMap::from([(Limit::Runners, Some(1))]);
    stand.run(Command::SetLimits { changes, reason: text("txt_why") });
    let Command::Hello(mut other) = hello(9, &[]) else { panic!("it says hello") };
    other.runner = "another".into();
    assert_eq!(stand.refused(Command::Hello(other)), Rejection::RunnersFull { max: 1 });
}
