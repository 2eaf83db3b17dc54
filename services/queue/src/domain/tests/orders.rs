//! Who is next, and what keeps a task from being granted.

use std::collections::{BTreeMap, BTreeSet};

use super::super::order::RECENT_MAX;
use super::*;

fn order(stand: &Stand) -> Vec<TaskId> {
    stand.grants().iter().map(|grant| grant.task).collect()
}

/// A world that is paused until its tasks are there.
fn paused() -> Stand {
    let mut stand = Stand::new();
    for number in 3..=9 {
        stand.resident(number, &[]);
    }
    stand.run(Command::SetPace { pace: Pace::Paused, reason: None });
    stand
}

fn go(stand: &mut Stand) {
    stand.run(Command::SetPace { pace: Pace::Wait(0), reason: None });
}

#[test]
fn line_16_order_is_priority_then_age() {
    let mut stand = paused();
    let low = stand.add(Spec { priority: 1, ..spec() });
    let first = stand.add(spec());
    stand.advance(SECOND);
    let second = stand.add(spec());
    let high = stand.add(Spec { priority: 9, ..spec() });
    go(&mut stand);
    assert_eq!(order(&stand), [high, first, second, low]);
}

#[test]
fn line_16_a_low_task_overtakes_by_ageing() {
    let mut stand = Stand::empty();
    stand.resident(1, &[]);
    stand.connect(1);
    let low = stand.add(Spec { priority: 4, ..spec() });
    stand.end(low, failed(Class::CommandFailed));
    let busy = stand.add(spec());
    stand.advance(SECOND * 2);
    let old = stand.add(Spec { priority: 4, ..spec() });
    let held = stand.held(busy);
    for _ in 0..130 {
        stand.advance(SECOND * 10);
        stand.turn(move |queue| drop(queue.beat(InstanceId::from_number(1), &[held])));
    }
    let young = stand.add(Spec { priority: 5, ..spec() });
    stand.finish(busy);
    stand.advance(SECOND * 2);
    assert_eq!(order(&stand).last(), Some(&old), "twenty minutes are worth two");
    assert_eq!(stand.state(young), State::Ready);
}

#[test]
fn line_16_a_thousand_tasks_of_one_submitter_delay_anothers_by_alternation_alone() {
    let mut stand = paused();
    let many = (0..1_000).map(|_| proposal(spec())).collect();
    stand.run(Command::Add { proposals: many, open_max: 2_048 });
    let other = Actor::Operator("other".into());
    stand.advance(SECOND);
    let two = Command::Add { proposals: vec![proposal(spec()), proposal(spec())], open_max: 2_048 };
    stand.try_run(&other, two).expect("it is added");
    go(&mut stand);
    let mine: Vec<bool> = stand
        .grants()
        .iter()
        .map(|grant| stand.queue.tasks[&grant.task].added.submitter == "operator:other")
        .collect();
    assert_eq!(mine[..4], [false, true, false, true], "{mine:?}");
}

#[test]
fn rule_3_3_among_more_submitters_than_are_remembered_each_has_its_turn_before_anybody_has_two() {
    let mut stand = paused();
    let submitters = RECENT_MAX + 20;
    for number in 0..submitters {
        let two = Command::Add { proposals: vec![proposal(spec()); 2], open_max: 2_048 };
        stand.try_run(&Actor::Operator(format!("s{number}")), two).expect("it is added");
    }
    go(&mut stand);
    while stand.grants().len() < 2 * submitters {
        let leased: Vec<TaskId> = stand.queue.leases.values().map(|l| l.granted.task).collect();
        for task in leased {
            stand.approve(task);
        }
        stand.turn(|queue| queue.credit("executor", 1, 8));
    }
    let added = stand.log.iter().filter_map(|(event, _)| {
        let Event::TaskAdded(added) = event else { return None };
        Some((added.task, &added.submitter))
    });
    let added: BTreeMap<TaskId, &String> = added.collect();
    let turns: Vec<&String> = stand.grants().iter().map(|grant| added[&grant.task]).collect();
    for round in turns.chunks(submitters) {
        let served: BTreeSet<&&String> = round.iter().collect();
        assert_eq!(served.len(), submitters, "everybody once a round");
    }
}

#[test]
fn line_17_a_pinned_task_is_taken_by_nobody_else_and_says_why_it_waits() {
    let mut stand = Stand::new();
    let (mine, stranger) = (ResidentId::from_number(1), ResidentId::from_number(77));
    let first = stand.add(Spec { resident: Some(mine), ..spec() });
    let second = stand.add(Spec { resident: Some(mine), ..spec() });
    let nobody = stand.add(Spec { resident: Some(stranger), ..spec() });
    let free = stand.add(spec());
    assert_eq!(stand.state(first), State::Leased);
    assert_eq!(stand.waits(second), Some(WaitReason::ResidentBusy));
    assert_eq!(stand.waits(nobody), Some(WaitReason::NoResident));
    assert_eq!(stand.state(free), State::Leased, "the other resident is free");
    stand.run(Command::NoteResident { resident: mine, active: false, words: Vec::new() });
    stand.approve(first);
    assert_eq!(
        stand.waits(second),
        Some(WaitReason::NoResident),
        "an absent resident takes nothing"
    );
    stand.resident(1, &[]);
    assert_eq!(stand.state(second), State::Leased);
}

#[test]
fn rule_3_3_affinity_then_fewest_cycles_decide_who_works() {
    let mut stand = Stand::empty();
    stand.run(Command::SetPace { pace: Pace::Wait(0), reason: None });
    stand.resident(1, &["fire", "stone"]);
    stand.resident(2, &["water", "pond"]);
    stand.connect(8);
    let task = stand.add(Spec { tags: vec!["deep-water".into()], ..spec() });
    assert_eq!(stand.grants()[0].resident, Some(ResidentId::from_number(2)));
    stand.approve(task);
    stand.add(spec());
    assert_eq!(stand.grants()[1].resident, Some(ResidentId::from_number(1)), "fewer cycles today");
}

#[test]
fn line_15_a_task_that_must_run_alone_waits_holds_back_what_is_behind_and_runs_alone() {
    let mut stand = paused();
    let first = stand.add(spec());
    stand.advance(SECOND);
    let alone = stand.add(Spec { parallel_safe: false, ..spec() });
    stand.advance(SECOND);
    let behind = stand.add(spec());
    go(&mut stand);
    assert_eq!(order(&stand), [first]);
    assert_eq!(stand.waits(alone), Some(WaitReason::Exclusive));
    stand.approve(first);
    assert_eq!(order(&stand), [first, alone]);
    assert_eq!(stand.waits(behind), Some(WaitReason::Exclusive));
    stand.approve(alone);
    assert_eq!(order(&stand), [first, alone, behind]);
}

#[test]
fn line_15_a_key_has_its_places_and_one_for_tasks_that_are_not_safe_beside_others() {
    let mut stand = paused();
    let keyed = |parallel_safe| Spec {
        concurrency_key: Some("db".into()),
        concurrency_limit: 2,
        parallel_safe,
        ..spec()
    };
    let tasks = stand.add_all(vec![keyed(true), keyed(true), keyed(true), keyed(false), spec()]);
    go(&mut stand);
    assert_eq!(stand.queue.leases.len(), 3, "two under the key and one without");
    assert_eq!(stand.waits(tasks[2]), Some(WaitReason::ConcurrencyKey));
    stand.approve(tasks[0]);
    assert_eq!(stand.state(tasks[2]), State::Leased);
    stand.approve(tasks[1]);
    assert_eq!(stand.waits(tasks[3]), Some(WaitReason::ConcurrencyKey), "it needs the key alone");
    stand.approve(tasks[2]);
    assert_eq!(stand.state(tasks[3]), State::Leased);
}

#[test]
fn rule_3_3_without_a_provider_local_tasks_run_and_others_wait() {
    let mut stand = Stand::new();
    stand.run(Command::NoteProvider { usable: false });
    let model = stand.add(spec());
    let local = stand.add(Spec { mode: Mode::Local, command: vec!["pwd".into()], ..spec() });
    assert_eq!(stand.waits(model), Some(WaitReason::NoProvider));
    assert_eq!(stand.state(local), State::Leased);
    assert_eq!(stand.grants()[0].resident, None);
    stand.run(Command::NoteProvider { usable: true });
    assert_eq!(stand.state(model), State::Leased);
}

#[test]
fn without_a_runner_nothing_is_granted_and_no_time_passes() {
    let mut stand = Stand::empty();
    stand.resident(1, &[]);
    let task = stand.add(spec());
    assert_eq!(stand.waits(task), Some(WaitReason::NoRunner));
    assert!(!stand.queue.moving());
    let before = stand.log.len();
    stand.advance(SECOND * 10_000);
    assert_eq!((stand.log.len(), stand.queue.next_wake()), (before, None));
}
