//! Why a task does not run: what stands in its way, and until when.

use super::super::explain::Explanation;
use super::*;

fn explained(stand: &Stand, task: TaskId) -> Explanation {
    stand.queue.explain(&[task], stand.now).remove(0)
}

fn reason(stand: &Stand, task: TaskId) -> Option<WaitReason> {
    explained(stand, task).reason
}

#[test]
fn rule_3_3_a_dependency_is_named_and_so_is_one_that_failed() {
    let mut stand = Stand::new();
    let tasks = stand.add_all(vec![named("a", &[]), named("b", &["a"])]);
    let waits = explained(&stand, tasks[1]);
    assert_eq!(waits.reason, Some(WaitReason::Dependency));
    assert_eq!(waits.blocking, [tasks[0]]);
    assert_eq!(waits.sentence(), "the task it depends on is not approved yet");
    stand.fail(tasks[0]);
    let waits = explained(&stand, tasks[1]);
    assert_eq!(waits.reason, Some(WaitReason::DependencyFailed));
    assert_eq!(waits.blocking, [tasks[0]]);
}

#[test]
fn rule_3_3_the_holders_of_a_key_are_named() {
    let mut stand = Stand::new();
    let keyed = || Spec { concurrency_key: Some("k".into()), ..spec() };
    let (first, second) = (stand.add(keyed()), stand.add(keyed()));
    let waits = explained(&stand, second);
    assert_eq!((waits.reason, waits.blocking), (Some(WaitReason::ConcurrencyKey), vec![first]));
}

#[test]
fn rule_3_3_what_waits_behind_a_task_that_must_run_alone_says_so() {
    let mut stand = Stand::new();
    let running = stand.add(spec());
    let alone = stand.add(Spec { parallel_safe: false, ..spec() });
    let waits = explained(&stand, alone);
    assert_eq!((waits.reason, waits.blocking), (Some(WaitReason::Exclusive), vec![running]));
    let behind = stand.add(spec());
    let waits = explained(&stand, behind);
    assert_eq!((waits.reason, waits.blocking), (Some(WaitReason::Exclusive), vec![alone]));
    let before = stand.add(Spec { priority: 9, ..spec() });
    assert_eq!(stand.state(before), State::Leased, "what is first in order does not wait for it");
    stand.approve(running);
    stand.approve(before);
    assert_eq!(stand.state(alone), State::Leased);
    let waits = explained(&stand, behind);
    assert_eq!((waits.reason, waits.blocking), (Some(WaitReason::Exclusive), vec![alone]));
}

#[test]
fn rule_3_3_time_is_told_where_time_alone_decides() {
    let mut stand = Stand::new();
    let later = stand.now + SECOND * 100;
    let task = stand.add(Spec { not_before: Some(later), ..spec() });
    let waits = explained(&stand, task);
    assert_eq!((waits.reason, waits.until), (Some(WaitReason::NotBefore), Some(later)));
    let failing = stand.add(spec());
    stand.end(failing, failed(Class::Transient));
    let waits = explained(&stand, failing);
    let start = stand.queue.tasks[&failing].start.expect("it waits").0;
    assert_eq!((waits.reason, waits.until), (Some(WaitReason::BackOff), Some(start)));
}

#[test]
fn rule_3_3_controls_residents_and_runners_are_told_apart() {
    let mut stand = Stand::empty();
    let pinned = Spec { resident: Some(ResidentId::from_number(9)), ..spec() };
    let pinned = stand.add(pinned);
    let free = stand.add(spec());
    assert_eq!(reason(&stand, free), Some(WaitReason::NoResident));
    stand.resident(1, &[]);
    assert_eq!(reason(&stand, pinned), Some(WaitReason::NoResident));
    assert_eq!(reason(&stand, free), Some(WaitReason::NoRunner));
    stand.run(Command::NoteProvider { usable: false });
    assert_eq!(reason(&stand, free), Some(WaitReason::NoProvider));
    stand.run(Command::NoteProvider { usable: true });
    stand.run(Command::SetPace { pace: Pace::Paused, reason: None });
    assert_eq!(reason(&stand, free), Some(WaitReason::Paused));
    stand.run(Command::SetHalt { reason: text("why") });
    assert_eq!(reason(&stand, free), Some(WaitReason::Halted));
    stand.run(Command::EndHalt { reason: text("why") });
    stand.run(Command::SetPace { pace: Pace::Wait(0), reason: None });
    stand.connect(8);
    assert_eq!((stand.state(free), reason(&stand, free)), (State::Leased, None));
    let busy = stand.add(spec());
    let waits = explained(&stand, busy);
    assert_eq!((waits.reason, waits.blocking), (Some(WaitReason::ResidentBusy), vec![free]));
}

#[test]
fn what_does_not_wait_says_where_it_stands() {
    let mut stand = Stand::new();
    let task = stand.add(spec());
    assert_eq!(explained(&stand, task).sentence(), "it is being worked on");
    stand.finish(task);
    assert_eq!(explained(&stand, task).sentence(), "it is in review");
    stand.verdict(task, true, 0);
    assert_eq!(explained(&stand, task).sentence(), "it is approved");
}

#[test]
fn what_waits_is_listed_page_after_page() {
    let mut stand = Stand::empty();
    let tasks = stand.add_all((0..7).map(|_| spec()).collect());
    let first = stand.queue.waiting(None, 4);
    let second = stand.queue.waiting(first.last().copied(), 4);
    assert_eq!([first, second].concat(), tasks);
}
