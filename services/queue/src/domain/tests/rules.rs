//! Rules of tasks, one test a rule, named after it: `docs/testing.md` has the list.

use super::super::volatile::Beat;
use super::*;

const STATES: [State; 13] = [
    State::Proposed,
    State::Blocked,
    State::Queued,
    State::Ready,
    State::Leased,
    State::InReview,
    State::AwaitingHuman,
    State::Requeued,
    State::Paused,
    State::Split,
    State::Approved,
    State::Failed,
    State::Cancelled,
];
const REQUESTS: [&str; 6] = ["cancel", "pause", "resume", "requeue", "redrive", "edit"];

/// A world with one task, which stands in `state`.
fn with_task_in(state: State) -> (Stand, TaskId) {
    let mut stand = Stand::new();
    let name = || "it".to_owned();
    let it = || named("it", &[]);
    let task = match state {
        State::Blocked => {
            stand.add(named("first", &[]));
            stand.add(named("it", &["first"]))
        }
        State::Queued => stand.add(Spec { not_before: Some(stand.now + SECOND), ..it() }),
        State::Proposed => {
            let at_work = stand.add(spec());
            stand.propose(at_work, it())
        }
        State::Ready => stand.add(Spec { resident: Some(ResidentId::from_number(77)), ..it() }),
        State::Leased
        | State::InReview
        | State::AwaitingHuman
        | State::Requeued
        | State::Paused
        | State::Split
        | State::Approved
        | State::Failed
        | State::Cancelled => stand.add(it()),
    };
    match state {
        State::Proposed | State::Blocked | State::Queued | State::Ready | State::Leased => {}
        State::InReview => drop(stand.finish(task)),
        State::AwaitingHuman => stand.end(task, failed(Class::InputTooLarge)),
        State::Requeued => {
            stand.finish(task);
            stand.verdict(task, false, 1);
        }
        State::Paused => drop(stand.run(Command::Pause { task: name() })),
        State::Split => drop(stand.halves(task)),
        State::Approved => stand.approve(task),
        State::Failed => stand.fail(task),
        State::Cancelled => drop(stand.run(Command::Cancel { task: name(), reason: None })),
    }
    assert_eq!(stand.state(task), state);
    (stand, task)
}

fn asked(stand: &Stand, task: TaskId, request: &str) -> Command {
    let name = "it".to_owned();
    match request {
        "cancel" => Command::Cancel { task: name, reason: None },
        "pause" => Command::Pause { task: name },
        "resume" => Command::ResumeTask { task: name },
        "requeue" => Command::Requeue { task: name },
        "redrive" => Command::Redrive(super::super::steer::Redrive {
            tasks: vec![name],
            class: None,
            limit: 1,
        }),
        _ => edit(stand, task, &["tags"], named("it", &[])),
    }
}

/// What a person may ask of a task in `state`.
fn may(state: State, request: &str) -> bool {
    match request {
        "cancel" => !state.is_final(),
        "pause" => !state.is_final() && state != State::Paused,
        "resume" => state == State::Paused,
        "requeue" => matches!(state, State::Failed | State::AwaitingHuman),
        "redrive" => state == State::Failed,
        _ => !state.is_final() && !matches!(state, State::Leased | State::InReview),
    }
}

#[test]
fn rule_3_2_every_pair_that_is_not_named_is_refused_by_state_and_request() {
    for state in STATES {
        for request in REQUESTS {
            let (mut stand, task) = with_task_in(state);
            let command = asked(&stand, task, request);
            let actor = Actor::Operator("test".into());
            let answer = stand.try_run(&actor, command).map(drop);
            let refused = Err(Rejection::Transition { state, request });
            let expected = if may(state, request) { Ok(()) } else { refused };
            assert_eq!(answer, expected, "{request} in {}", state.word());
        }
    }
}

#[test]
fn rule_3_2_final_is_for_ever_and_only_a_person_opens_what_failed() {
    for state in [State::Approved, State::Failed, State::Cancelled] {
        let (mut stand, task) = with_task_in(state);
        stand.advance(SECOND * 10_000);
        assert_eq!(stand.state(task), state);
    }
    let (mut stand, task) = with_task_in(State::Failed);
    stand.run(asked(&stand, task, "requeue"));
    let known = &stand.queue.tasks[&task];
    assert_eq!((known.series, known.counted, known.state), (2, 0, State::Leased));
}

#[test]
fn rule_3_1_a_key_is_used_for_ever() {
    for state in [State::Approved, State::Cancelled, State::Failed] {
        let (mut stand, _) = with_task_in(state);
        let proposals = vec![proposal(named("it", &[]))];
        let refused = stand.refused(Command::Add { proposals, open_max: 100 });
        assert_eq!(refused, Rejection::KeyTaken { key: "it".into() });
    }
}

#[test]
fn line_12_a_late_heartbeat_renews_nothing() {
    let (mut stand, task) = with_task_in(State::Leased);
    let old = stand.held(task);
    stand.advance_until(task, State::Queued);
    stand.advance_until(task, State::Leased);
    let new = stand.held(task);
    assert!(new.token > old.token);
    let stale = Held { token: old.token, ..new };
    let mut beats = Vec::new();
    stand.turn(|queue| beats = queue.beat(InstanceId::from_number(1), &[old, stale, new]));
    assert!(matches!(beats[..], [Beat::Lost(_), Beat::Lost(_), Beat::Renewed(..)]), "{beats:?}");
}

#[test]
fn line_14_the_lease_of_a_hung_runner_is_free_at_its_ttl_and_not_before() {
    let (mut stand, task) = with_task_in(State::Leased);
    let held = stand.held(task);
    stand.advance(Duration::from_micros(29_999_999));
    assert_eq!(stand.held(task), held);
    stand.advance(Duration::from_micros(1));
    assert!(stand.held(task).token > held.token, "it was granted again");
}

#[test]
fn line_19_a_failing_local_command_fails_and_puts_nothing_up() {
    let mut stand = Stand::new();
    let local = Spec { mode: Mode::Local, command: vec!["ls".into()], ..spec() };
    let task = stand.add(local);
    assert_eq!(stand.grants()[0].resident, None, "no resident is paid for it");
    stand.end(task, failed(Class::CommandFailed));
    assert_eq!(stand.state(task), State::Failed);
    let known = &stand.queue.tasks[&task];
    assert_eq!(known.failure.as_ref().map(|why| why.class), Some(Class::CommandFailed));
    assert_eq!((known.submission, known.under_review), (None, false));
    stand.advance(SECOND * 1_000);
    assert_eq!(stand.grants().len(), 1, "and it is not tried again");
}

#[test]
fn line_31_after_a_resume_each_interrupted_task_runs_again_uncounted() {
    let mut stand = Stand::new();
    let tasks = stand.add_all(vec![spec(), spec()]);
    for _ in 0..25 {
        stand.run(Command::SetHalt { reason: text("stop") });
        assert!(tasks.iter().all(|task| stand.state(*task) == State::Ready));
        stand.turn(|queue| queue.credit("executor", 1, 8));
        stand.run(Command::EndHalt { reason: text("on") });
        assert!(tasks.iter().all(|task| stand.state(*task) == State::Leased));
    }
    for task in tasks {
        let known = &stand.queue.tasks[&task];
        assert_eq!((known.counted, known.attempt_count, known.failures.len()), (0, 26, 0));
        stand.approve(task);
    }
}

#[test]
fn rule_3_4_a_token_is_the_sequence_of_its_grant_and_attempts_never_decrease() {
    let (mut stand, task) = with_task_in(State::Leased);
    for _ in 0..3 {
        stand.end(task, failed(Class::CommandFailed));
        stand.run(Command::Requeue { task: "it".into() });
    }
    let told: Vec<(u64, u32)> = stand
        .log
        .iter()
        .filter_map(|(event, meta)| {
            let Event::LeaseGranted(granted) = event else { return None };
            Some((meta.sequence, granted.attempt_number))
        })
        .collect();
    assert_eq!(stand.held(task).token, told[3].0);
    assert!(told.windows(2).all(|pair| pair[0] < pair[1]), "{told:?}");
    assert_eq!(told.iter().map(|(_, number)| *number).collect::<Vec<_>>(), [1, 2, 3, 4]);
}

#[test]
fn rule_3_5_what_is_no_failure_counts_for_nothing() {
    let mut stand = Stand::new();
    let task = stand.add(named("it", &[]));
    let open = |stand: &mut Stand| stand.turn(|queue| queue.credit("executor", 1, 1));
    stand.end(task, Outcome::Declined(text("no")));
    stand.run(Command::Pause { task: "it".into() });
    open(&mut stand);
    stand.run(Command::ResumeTask { task: "it".into() });
    stand.end(task, Outcome::Waits("let_1".into()));
    stand.run(Command::Answered { letter: "let_1".into() });
    stand.end(task, Outcome::Halted);
    let (why, scope) = (ReturnedFor::Rate, String::new());
    stand.end(task, Outcome::Returned { why, scope, retry_after: None });
    let known = &stand.queue.tasks[&task];
    assert_eq!((known.counted, known.failures.len(), known.attempt_count), (0, 0, 5));
}

#[test]
fn rule_3_5_feedback_stands_newest_first() {
    let mut stand = Stand::new();
    let task = stand.add(spec());
    for (round, words) in (1..).zip(["first", "second"]) {
        let submission = stand.finish(task);
        let feedback = vec![text(words)];
        let reasons = Verdict { feedback, ..verdict(task, submission, false, round) };
        stand.run(Command::Verdict(reasons));
        stand.advance_until(task, State::Leased);
    }
    let told: Vec<_> = stand.queue.tasks[&task].feedback.iter().map(|text| &text.id).collect();
    assert_eq!(told, ["second", "first"]);
}
