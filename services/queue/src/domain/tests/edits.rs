//! Changing what is asked for, before and between attempts, and opening failed tasks again.

use super::super::steer::Redrive;
use super::*;

#[test]
fn rule_3_1_an_edit_raises_the_revision_and_an_older_one_is_refused() {
    let mut stand = Stand::empty();
    let task = stand.add(spec());
    let late = edit(&stand, task, &["tags"], Spec { tags: vec!["late".into()], ..spec() });
    stand.run(edit(&stand, task, &["tags"], Spec { tags: vec!["first".into()], ..spec() }));
    assert_eq!(stand.queue.tasks[&task].revision, 2);
    assert_eq!(stand.refused(late), Rejection::EtagStale { etag: 2 });
    assert_eq!(stand.queue.tasks[&task].spec().tags, ["first"]);
}

#[test]
fn rule_3_1_an_edit_is_refused_while_the_task_is_leased_in_review_or_final() {
    let mut stand = Stand::new();
    let task = stand.add(spec());
    let changed = || Spec { tags: vec!["new".into()], ..spec() };
    let refused = |state| Rejection::Transition { state, request: "edit" };
    assert_eq!(stand.refused(edit(&stand, task, &["tags"], changed())), refused(State::Leased));
    stand.finish(task);
    assert_eq!(stand.refused(edit(&stand, task, &["tags"], changed())), refused(State::InReview));
    stand.run(Command::Pause { task: task.to_string() });
    assert_eq!(stand.refused(edit(&stand, task, &["tags"], changed())), refused(State::Paused));
    stand.run(Command::ResumeTask { task: task.to_string() });
    stand.verdict(task, true, 0);
    assert_eq!(stand.refused(edit(&stand, task, &["tags"], changed())), refused(State::Approved));
}

#[test]
fn rule_3_1_the_priority_changes_in_every_state_that_is_not_final() {
    let mut stand = Stand::new();
    let task = stand.add(spec());
    stand.run(edit(&stand, task, &["priority"], Spec { priority: 9, ..spec() }));
    assert_eq!((stand.state(task), stand.queue.tasks[&task].spec().priority), (State::Leased, 9));
    stand.finish(task);
    stand.run(edit(&stand, task, &["priority"], Spec { priority: 1, ..spec() }));
    assert_eq!((stand.state(task), stand.queue.tasks[&task].spec().priority), (State::InReview, 1));
    stand.verdict(task, true, 0);
    let late = edit(&stand, task, &["priority"], spec());
    assert!(matches!(stand.refused(late), Rejection::Transition { .. }));
}

#[test]
fn rule_3_3_a_task_that_is_raised_goes_first_and_keeps_its_age() {
    let mut stand = Stand::new();
    stand.run(Command::SetPace { pace: Pace::Paused, reason: None });
    let first = stand.add(spec());
    stand.advance(SECOND);
    let second = stand.add(spec());
    let since = stand.queue.tasks[&first].ready_since;
    stand.run(edit(&stand, first, &["priority"], Spec { priority: 1, ..spec() }));
    stand.run(edit(&stand, first, &["priority"], Spec { priority: 9, ..spec() }));
    assert_eq!(stand.queue.tasks[&first].ready_since, since);
    stand.run(edit(&stand, second, &["priority"], Spec { priority: 9, ..spec() }));
    stand.run(Command::SetPace { pace: Pace::Wait(0), reason: None });
    let order: Vec<_> = stand.grants().iter().map(|grant| grant.task).collect();
    assert_eq!(order, [first, second]);
}

#[test]
fn rule_3_2_an_edit_frees_a_task_that_awaits_a_human_and_forgets_who_declined() {
    let mut stand = Stand::new();
    let task = stand.add(spec());
    let resident = stand.grants()[0].resident.expect("somebody works");
    stand.end(task, Outcome::Declined(text("no")));
    assert!(stand.queue.tasks[&task].declined.contains(&resident));
    stand.end(task, Outcome::Declined(text("no")));
    assert_eq!(stand.awaits(task), Some(Awaits::AllDeclined));
    stand.turn(|queue| queue.credit("executor", 1, 1));
    stand.run(edit(&stand, task, &["tags"], Spec { tags: vec!["easier".into()], ..spec() }));
    assert_eq!(stand.state(task), State::Leased, "it is offered to everybody again");
    assert!(stand.queue.tasks[&task].declined.is_empty());
}

#[test]
fn line_09_new_dependencies_are_checked_like_an_add() {
    let mut stand = Stand::empty();
    let tasks = stand.add_all(vec![named("a", &[]), named("b", &["a"]), named("c", &["b"])]);
    let [a, b, c] = tasks[..] else { panic!("three tasks") };
    let on = |on: &str| named("a", &[on]);
    let fields = ["depends_on"];
    let cycle = stand.refused(edit(&stand, a, &fields, on("c")));
    assert_eq!(cycle, Rejection::DependencyCycle { task: "a".into() });
    let own = stand.refused(edit(&stand, a, &fields, on("a")));
    assert_eq!(own, Rejection::DependencySelf { task: "a".into() });
    let unknown = stand.refused(edit(&stand, a, &fields, on("nobody")));
    assert_eq!(unknown, Rejection::DependencyUnknown { dependency: "nobody".into() });
    // What was a circle is none once the chain is cut.
    stand.run(edit(&stand, b, &fields, named("b", &[])));
    assert_eq!(stand.state(b), State::Ready);
    stand.run(edit(&stand, a, &fields, on("c")));
    assert_eq!((stand.state(a), stand.state(c)), (State::Blocked, State::Blocked));
}

#[test]
fn line_09_a_chain_that_an_edit_would_make_too_deep_is_refused() {
    let mut stand = Stand::empty();
    let chain = |prefix: &str, count: usize| -> Vec<Spec> {
        let key = |n: usize| format!("{prefix}-{n}");
        let specs = (0..count).map(|n| match n {
            0 => named(&key(0), &[]),
            n => named(&key(n), &[&key(n - 1)]),
        });
        specs.collect()
    };
    let low = stand.add_all(chain("low", 40));
    let high = stand.add_all(chain("high", 25));
    let wanted = |on: usize| named("high-0", &[&format!("low-{on}")]);
    let deep = stand.refused(edit(&stand, high[0], &["depends_on"], wanted(39)));
    assert_eq!(deep, Rejection::TooDeep { max: 64 });
    stand.run(edit(&stand, high[0], &["depends_on"], wanted(38)));
    // The whole chain above has become deeper with it.
    let one_more = vec![proposal(named("top", &["high-24"]))];
    let refused = stand.refused(Command::Add { proposals: one_more, open_max: 1_000 });
    assert_eq!(refused, Rejection::TooDeep { max: 64 });
    assert_eq!(stand.state(low[0]), State::Ready);
}

#[test]
fn rule_3_1_a_start_that_is_set_later_is_waited_for_and_one_that_is_removed_is_not() {
    let mut stand = Stand::empty();
    let task = stand.add(spec());
    let later = Some(stand.now + SECOND * 100);
    let fields = ["not_before_time"];
    stand.run(edit(&stand, task, &fields, Spec { not_before: later, ..spec() }));
    assert_eq!(stand.state(task), State::Queued);
    assert_eq!(stand.waits(task), Some(WaitReason::NotBefore));
    stand.run(edit(&stand, task, &fields, spec()));
    assert_eq!(stand.state(task), State::Ready);
}

#[test]
fn rule_3_5_a_redrive_opens_the_dead_letter_by_class_and_by_name() {
    let mut stand = Stand::new();
    let tasks = stand.add_all(vec![spec(), spec(), spec()]);
    stand.fail(tasks[0]);
    stand.end(
        tasks[1],
        Outcome::Blocked { rule: "r".into(), held: false, hash: Hash([0; 32]), program: None },
    );
    stand.turn(|queue| queue.credit("executor", 1, 8));
    stand.fail(tasks[2]);
    let all = |class, limit| Redrive { tasks: Vec::new(), class, limit };
    let safety = all(Some(Class::Safety), 10);
    assert_eq!(stand.queue.redrivable(&safety), 1);
    let opened = |events: Vec<Event>| {
        let tasks = events.into_iter().filter_map(|event| {
            let Event::TaskReopened { task, series, .. } = event else { return None };
            Some((task, series))
        });
        tasks.collect::<Vec<_>>()
    };
    assert_eq!(opened(stand.run(Command::Redrive(safety))), [(tasks[1], 2)]);
    assert_eq!(opened(stand.run(Command::Redrive(all(None, 1)))), [(tasks[0], 2)]);
    assert_eq!(stand.queue.redrivable(&all(None, 1)), 1);
    let named = |task: TaskId| Redrive { tasks: vec![task.to_string()], class: None, limit: 10 };
    let refused = stand.refused(Command::Redrive(named(tasks[1])));
    assert!(matches!(refused, Rejection::Transition { request: "redrive", .. }));
    assert_eq!(opened(stand.run(Command::Redrive(named(tasks[2])))), [(tasks[2], 2)]);
    assert_eq!(opened(stand.run(Command::Redrive(all(None, 10)))), []);
}
