//! What can become of a task.

use super::*;

#[test]
fn line_02_a_task_passes_each_state_once_on_its_way_to_approval() {
    let mut stand = Stand::new();
    let task = stand.add(spec());
    assert_eq!(stand.state(task), State::Leased);
    stand.finish(task);
    assert_eq!(stand.state(task), State::InReview);
    let submission = stand.queue.tasks[&task].submission.expect("it has one");
    stand.run(Command::AskHuman { submission, task });
    assert_eq!(
        (stand.state(task), stand.awaits(task)),
        (State::AwaitingHuman, Some(Awaits::Approval))
    );
    stand.verdict(task, true, 0);
    assert_eq!(stand.state(task), State::Approved);
    let kinds: Vec<_> = stand.log.iter().map(|(event, _)| event.kind()).collect();
    let course =
        ["task_added", "lease_granted", "attempt_finished", "task_awaits_human", "task_approved"];
    for kind in course {
        assert_eq!(kinds.iter().filter(|k| **k == kind).count(), 1, "{kind}");
    }
}

#[test]
fn line_08_a_dependent_starts_when_its_dependency_is_approved_and_not_before() {
    let mut stand = Stand::new();
    let tasks = stand.add_all(vec![named("b", &["a"]), named("a", &[])]);
    let (second, first) = (tasks[0], tasks[1]);
    assert_eq!(
        (stand.state(second), stand.waits(second)),
        (State::Blocked, Some(WaitReason::Dependency))
    );
    stand.finish(first);
    let submission = stand.queue.tasks[&first].submission.expect("it has one");
    stand.run(Command::AskHuman { submission, task: first });
    assert_eq!(stand.state(second), State::Blocked, "a result that awaits a human is not approved");
    stand.verdict(first, true, 0);
    assert_eq!(stand.state(second), State::Leased);
    let third = stand.add(named("c", &["a"]));
    assert_ne!(stand.state(third), State::Blocked, "an approved dependency is no obstacle");
}

#[test]
fn line_10_a_failed_dependency_holds_cancels_or_is_run_past() {
    let mut stand = Stand::new();
    let with = |key: &str, on: &str, on_failure| Spec { on_failure, ..named(key, &[on]) };
    let tasks = stand.add_all(vec![
        Spec { mode: Mode::Local, command: vec!["ls".into()], ..named("root", &[]) },
        with("hold", "root", OnFailure::Hold),
        with("cancel", "root", OnFailure::Cancel),
        with("cancel-too", "cancel", OnFailure::Cancel),
        with("anyway", "root", OnFailure::RunAnyway),
    ]);
    stand.fail(tasks[0]);
    assert_eq!(stand.state(tasks[1]), State::Blocked);
    assert_eq!(stand.waits(tasks[1]), Some(WaitReason::DependencyFailed));
    assert_eq!(stand.state(tasks[2]), State::Cancelled);
    assert_eq!(stand.state(tasks[3]), State::Cancelled, "and what depends on it");
    assert_eq!(stand.state(tasks[4]), State::Leased);
    stand.run(Command::Requeue { task: "root".into() });
    assert_eq!(stand.waits(tasks[1]), Some(WaitReason::Dependency));
    stand.approve(tasks[0]);
    assert_eq!(
        stand.state(tasks[1]),
        State::Leased,
        "it runs once the other is approved after all"
    );
}

#[test]
fn line_09_faults_of_dependencies_keys_and_limits_each_refuse_the_add_by_name() {
    let mut stand = Stand::new();
    stand.add(named("used", &[]));
    let chain = |n: usize| {
        let name = |n: usize| format!("link-{n}");
        (0..n).map(move |at| match at {
            0 => named(&name(0), &[]),
            at => named(&name(at), &[&name(at - 1)]),
        })
    };
    let cases = [
        (vec![named("a", &["b"])], Rejection::DependencyUnknown { dependency: "b".into() }),
        (vec![named("a", &["a"])], Rejection::DependencySelf { task: "a".into() }),
        (
            vec![named("a", &["c"]), named("b", &["a"]), named("c", &["b"])],
            Rejection::DependencyCycle { task: "a".into() },
        ),
        (vec![named("used", &[])], Rejection::KeyTaken { key: "used".into() }),
        (vec![named("a", &[]), named("a", &[])], Rejection::KeyTaken { key: "a".into() }),
        (chain(65).collect(), Rejection::TooDeep { max: 64 }),
    ];
    for (specs, expected) in cases {
        let proposals: Vec<_> = specs.into_iter().map(proposal).collect();
        assert_eq!(stand.refused(Command::Add { proposals, open_max: 100 }), expected);
    }
    let proposals = vec![proposal(spec())];
    assert_eq!(stand.refused(Command::Add { proposals, open_max: 1 }), Rejection::Full { max: 1 });
    let deepest = *stand.add_all(chain(64).collect()).last().expect("there are some");
    let below = Spec { depends_on: vec![deepest.to_string()], ..spec() };
    let proposals = vec![proposal(below)];
    let refused = stand.refused(Command::Add { proposals, open_max: 100 });
    assert_eq!(refused, Rejection::TooDeep { max: 64 }, "the chain counts across requests");
}

#[test]
fn line_18_each_failure_class_retries_to_its_limit_and_then_fails_with_its_name() {
    for (class, retries) in [
        (Class::Transient, 5),
        (Class::RateLimited, 10),
        (Class::InvalidOutput, 2),
        (Class::Internal, 2),
        (Class::CommandFailed, 0),
    ] {
        let mut stand = Stand::new();
        let task = stand.add(spec());
        for _ in 0..retries {
            stand.end(task, failed(class));
            assert_eq!(stand.state(task), State::Queued, "{class:?}");
            assert_eq!(stand.waits(task), Some(WaitReason::BackOff));
            stand.advance_until(task, State::Leased);
        }
        stand.end(task, failed(class));
        assert_eq!(stand.state(task), State::Failed, "{class:?}");
        let failure = stand.queue.tasks[&task].failure.clone().expect("it says why");
        assert_eq!((failure.class, failure.message.as_str()), (class, "it broke"));
    }
}

#[test]
fn rule_3_5_a_lost_lease_retries_five_times() {
    let mut stand = Stand::new();
    let task = stand.add(spec());
    // The first loss is repeated at once, the others after a delay.
    for _ in 0..4 {
        stand.advance_until(task, State::Queued);
        stand.advance_until(task, State::Leased);
    }
    stand.advance_until(task, State::Failed);
    let numbers: Vec<u32> = stand.grants().iter().map(|grant| grant.attempt_number).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6]);
}

#[test]
fn line_18_an_announced_delay_is_kept() {
    let mut stand = Stand::new();
    let task = stand.add(spec());
    let retry_after = Some(SECOND * 100);
    stand.end(
        task,
        Outcome::Failed { class: Class::RateLimited, message: "429".into(), retry_after },
    );
    stand.advance(SECOND * 99);
    assert_eq!(stand.state(task), State::Queued);
    stand.advance(SECOND * 51);
    assert_eq!(stand.state(task), State::Leased);
}

#[test]
fn rule_3_2_some_ends_go_to_the_human_and_a_release_frees_the_task() {
    for (outcome, why) in [
        (failed(Class::InputTooLarge), Awaits::InputTooLarge),
        (failed(Class::Budget), Awaits::Budget),
        (
            Outcome::Blocked {
                rule: "network".into(),
                held: true,
                hash: Hash::default(),
                program: None,
            },
            Awaits::Held,
        ),
        (Outcome::Waits("let_1".into()), Awaits::Question),
    ] {
        let mut stand = Stand::new();
        let task = stand.add(spec());
        stand.end(task, outcome);
        assert_eq!((stand.state(task), stand.awaits(task)), (State::AwaitingHuman, Some(why)));
        stand.run(Command::Requeue { task: task.to_string() });
        assert_eq!(stand.state(task), State::Leased);
        assert_eq!(stand.queue.tasks[&task].series, 2);
    }
}

#[test]
fn rule_3_2_a_block_by_the_safety_policy_fails_at_once() {
    let mut stand = Stand::new();
    let task = stand.add(spec());
    stand.end(
        task,
        Outcome::Blocked {
            rule: "network".into(),
            held: false,
            hash: Hash::default(),
            program: None,
        },
    );
    let failure = stand.queue.tasks[&task].failure.clone().expect("it says why");
    assert_eq!(failure.class, Class::Safety);
    assert!(failure.message.contains("network"), "{}", failure.message);
}

#[test]
fn rule_3_2_an_answer_frees_the_task_that_waits_for_it_and_no_other() {
    let mut stand = Stand::new();
    let task = stand.add(spec());
    stand.end(task, Outcome::Waits("let_1".into()));
    assert_eq!(stand.refused(Command::Answered { letter: "let_2".into() }), Rejection::Stale);
    stand.run(Command::Answered { letter: "let_1".into() });
    assert_eq!(stand.state(task), State::Leased);
    assert_eq!(stand.queue.tasks[&task].series, 1, "an answer is no reopening");
    assert_eq!(stand.refused(Command::Answered { letter: "let_1".into() }), Rejection::Stale);
}

#[test]
fn rule_3_2_an_answer_that_comes_while_its_task_is_set_aside_is_kept() {
    let mut stand = Stand::new();
    let task = stand.add(spec());
    stand.end(task, Outcome::Waits("let_1".into()));
    stand.run(Command::Pause { task: task.to_string() });
    stand.run(Command::Answered { letter: "let_1".into() });
    assert_eq!(stand.state(task), State::Paused);
    stand.run(Command::ResumeTask { task: task.to_string() });
    assert_eq!(stand.state(task), State::Leased);
}

#[test]
fn rule_3_5_what_is_given_back_waits_as_announced_and_counts_for_nothing() {
    let mut stand = Stand::new();
    let task = stand.add(spec());
    for (why, waits) in [
        (ReturnedFor::Budget, WaitReason::Budget),
        (ReturnedFor::Rate, WaitReason::Rate),
        (ReturnedFor::NoProvider, WaitReason::NoProvider),
    ] {
        stand.end(task, Outcome::Returned { why, scope: "world_day".into(), retry_after: None });
        assert_eq!((stand.state(task), stand.waits(task)), (State::Queued, Some(waits)));
        stand.advance(SECOND * 59);
        assert_eq!(stand.state(task), State::Queued);
        stand.advance(SECOND);
        assert_eq!(stand.state(task), State::Leased);
    }
    assert_eq!(stand.queue.tasks[&task].counted, 0);
    assert_eq!(stand.queue.tasks[&task].attempt_count, 4);
}

#[test]
fn rule_3_5_what_is_given_back_for_its_own_budget_goes_to_the_human() {
    let mut stand = Stand::new();
    let task = stand.add(spec());
    let (why, scope) = (ReturnedFor::Budget, "task".to_owned());
    stand.end(task, Outcome::Returned { why, scope, retry_after: None });
    assert_eq!(
        (stand.state(task), stand.awaits(task)),
        (State::AwaitingHuman, Some(Awaits::Budget))
    );
    stand.advance(SECOND * 100);
    assert_eq!(stand.state(task), State::AwaitingHuman);
}

#[test]
fn line_22_a_task_is_not_offered_again_to_who_declined_it_and_goes_to_the_human_behind_the_last() {
    let mut stand = Stand::new();
    let task = stand.add(spec());
    stand.end(task, Outcome::Declined(text("why")));
    assert_eq!(stand.state(task), State::Leased, "the other resident takes it");
    let who: Vec<_> = stand.grants().iter().map(|grant| grant.resident).collect();
    assert_ne!(who[0], who[1]);
    stand.end(task, Outcome::Declined(text("why")));
    assert_eq!(
        (stand.state(task), stand.awaits(task)),
        (State::AwaitingHuman, Some(Awaits::AllDeclined))
    );
    let pinned = stand.add(Spec { resident: who[0], ..spec() });
    stand.end(pinned, Outcome::Declined(text("why")));
    assert_eq!(stand.awaits(pinned), Some(Awaits::AllDeclined), "a pinned task has nobody else");
}

#[test]
fn line_20_two_rejections_requeue_and_the_third_fails_with_the_count_in_its_message() {
    let mut stand = Stand::new();
    let task = stand.add(spec());
    for round in 1..=2 {
        stand.finish(task);
        stand.verdict(task, false, round);
        assert_eq!(stand.state(task), State::Requeued);
        stand.advance_until(task, State::Leased);
    }
    stand.finish(task);
    stand.verdict(task, false, 3);
    let failure = stand.queue.tasks[&task].failure.clone().expect("it says why");
    assert_eq!(failure.class, Class::ReviewRejected);
    assert!(failure.message.contains('3'), "{}", failure.message);
    assert_eq!(stand.queue.tasks[&task].feedback.len(), 3);
    let who: Vec<_> = stand.grants().iter().map(|grant| grant.resident).collect();
    assert_eq!(who[0], who[1], "a requeued task goes first to its last resident");
    assert_ne!(who[1], who[2], "after the second rejection first to another");
}

#[test]
fn line_21_two_equal_submissions_in_a_row_are_no_progress() {
    let mut stand = Stand::new();
    let task = stand.add(spec());
    stand.finish(task);
    stand.verdict(task, false, 7);
    stand.advance_until(task, State::Leased);
    stand.finish(task);
    stand.verdict(task, false, 7);
    assert_eq!(
        (stand.state(task), stand.awaits(task)),
        (State::AwaitingHuman, Some(Awaits::NoProgress))
    );
    assert_eq!(stand.queue.tasks[&task].feedback.len(), 2, "the feedback is kept");
}

#[test]
fn line_21_twenty_counted_attempts_end_a_series() {
    let mut stand = Stand::new();
    let task = stand.add(Spec { budget_max: MicroUsd::new(50_000_000), ..spec() });
    let classes = [
        (Class::RateLimited, 10),
        (Class::Transient, 5),
        (Class::InvalidOutput, 2),
        (Class::Internal, 2),
    ];
    for class in classes.into_iter().flat_map(|(class, n)| std::iter::repeat_n(class, n)) {
        stand.end(task, failed(class));
        stand.advance_until(task, State::Leased);
    }
    stand.advance(SECOND * 30);
    assert_eq!(
        (stand.state(task), stand.awaits(task)),
        (State::AwaitingHuman, Some(Awaits::AttemptLimit))
    );
}

#[test]
fn rule_3_1_a_spent_budget_goes_to_the_human_instead_of_another_attempt() {
    let mut stand = Stand::new();
    let task = stand.add(spec());
    stand.end_at_cost(task, failed(Class::Transient), 60_000);
    stand.advance(SECOND * 60);
    assert_eq!(
        (stand.state(task), stand.awaits(task)),
        (State::AwaitingHuman, Some(Awaits::Budget))
    );
    stand.run(Command::Requeue { task: task.to_string() });
    assert_eq!(stand.state(task), State::Leased, "a release gives a new series its budget");
    assert_eq!(stand.queue.tasks[&task].cost, MicroUsd::new(60_000));
}

#[test]
fn rule_3_1_a_deadline_sends_a_task_that_does_not_run_to_the_human_once() {
    let mut stand = Stand::new();
    let deadline = Some(stand.now + SECOND * 100);
    let waiting =
        stand.add(Spec { deadline, not_before: Some(stand.now + SECOND * 500), ..spec() });
    let running = stand.add(Spec { deadline, ..spec() });
    assert_eq!(stand.waits(waiting), Some(WaitReason::NotBefore));
    let held = stand.held(running);
    for _ in 0..10 {
        stand.advance(SECOND * 11);
        stand.turn(move |queue| drop(queue.beat(InstanceId::from_number(1), &[held])));
    }
    assert_eq!(stand.awaits(waiting), Some(Awaits::Deadline));
    assert_eq!(stand.state(running), State::Leased, "a running one may finish");
    stand.end(running, failed(Class::Transient));
    assert_eq!(stand.awaits(running), Some(Awaits::Deadline));
    stand.run(Command::Requeue { task: waiting.to_string() });
    assert_eq!(stand.state(waiting), State::Queued);
    stand.advance(SECOND * 500);
    assert_eq!(stand.state(waiting), State::Leased, "the deadline does not stop it twice");
}

#[test]
fn line_23_cancel_is_for_good_and_ends_the_live_attempt() {
    let mut stand = Stand::new();
    let task = stand.add(named("it", &[]));
    let held = stand.held(task);
    stand.run(Command::Cancel { task: "it".into(), reason: None });
    assert_eq!(stand.state(task), State::Cancelled);
    assert_eq!(
        stand.refused(finish(held, failed(Class::Transient), 0)),
        Rejection::LeaseLost(held.lease)
    );
    let refused = |request| Rejection::Transition { state: State::Cancelled, request };
    assert_eq!(
        stand.refused(Command::Cancel { task: "it".into(), reason: None }),
        refused("cancel")
    );
    assert_eq!(stand.refused(Command::Pause { task: "it".into() }), refused("pause"));
    assert_eq!(stand.refused(Command::ResumeTask { task: "it".into() }), refused("resume"));
    assert_eq!(stand.refused(Command::Requeue { task: "it".into() }), refused("requeue"));
    let unknown = Rejection::TaskNotFound { task: "nobody".into() };
    assert_eq!(stand.refused(Command::Pause { task: "nobody".into() }), unknown);
}

#[test]
fn line_23_pause_and_resume_return_to_what_the_facts_give() {
    let mut stand = Stand::new();
    let pause = |task: TaskId| Command::Pause { task: task.to_string() };
    let resume = |task: TaskId| Command::ResumeTask { task: task.to_string() };
    let leased = stand.add(spec());
    stand.run(pause(leased));
    assert_eq!((stand.state(leased), stand.queue.leases.len()), (State::Paused, 0));
    assert_eq!(stand.queue.tasks[&leased].counted, 0, "a revoked attempt does not count");
    stand.turn(|queue| queue.credit("executor", 1, 1));
    stand.run(resume(leased));
    assert_eq!(stand.state(leased), State::Leased);
    let submission = stand.finish(leased);
    stand.run(pause(leased));
    stand.run(Command::AskHuman { submission, task: leased });
    assert_eq!(stand.state(leased), State::Paused);
    stand.run(resume(leased));
    assert_eq!(stand.awaits(leased), Some(Awaits::Approval), "the submission is kept");
    stand.run(pause(leased));
    stand.verdict(leased, false, 1);
    assert_eq!(stand.state(leased), State::Paused, "a rejection does not wake it");
    stand.run(resume(leased));
    assert_eq!(stand.state(leased), State::Requeued);
    let blocked = stand.add(Spec { depends_on: vec![leased.to_string()], ..spec() });
    stand.run(pause(blocked));
    let refused = Rejection::Transition { state: State::Paused, request: "pause" };
    assert_eq!(stand.refused(pause(blocked)), refused);
    stand.run(resume(blocked));
    assert_eq!(stand.state(blocked), State::Blocked);
}

#[test]
fn rule_3_2_what_review_says_of_another_submission_or_of_a_task_that_is_over_does_not_fit() {
    let mut stand = Stand::new();
    let task = stand.add(spec());
    let submission = stand.finish(task);
    let other = SubmissionId::from_number(99);
    assert_eq!(stand.refused(Command::Verdict(verdict(task, other, true, 0))), Rejection::Stale);
    stand.verdict(task, true, 0);
    assert_eq!(
        stand.refused(Command::Verdict(verdict(task, submission, false, 0))),
        Rejection::Stale
    );
    assert_eq!(stand.refused(Command::AskHuman { submission, task }), Rejection::Stale);
    assert_eq!(stand.refused(Command::AskCritique { submission, task }), Rejection::Stale);
}

#[test]
fn halts_and_returns_of_a_critique_do_not_count_as_losses() {
    let mut stand = Stand::new();
    let task = stand.add(spec());
    let submission = stand.finish(task);
    stand.run(Command::AskCritique { submission, task });
    for _ in 0..6 {
        stand.run(Command::SetHalt { reason: text("stop") });
        stand.turn(|queue| queue.credit("executor", 1, 1));
        stand.run(Command::EndHalt { reason: text("go on") });
        assert_eq!(stand.queue.leases.len(), 1, "it is granted again");
    }
    stand.advance(SECOND * 30);
    assert_eq!(stand.queue.leases.len(), 1, "a first loss is repeated at once");
    for loss in 0..4 {
        stand.advance(SECOND * 30);
        assert_eq!(stand.queue.leases.len(), 0, "it is lost");
        stand.turn(|queue| queue.credit("executor", 1, 1));
        stand.advance(SECOND * (1 << loss));
        assert_eq!(stand.queue.leases.len(), 1, "a lost critique is tried again");
    }
    stand.advance(SECOND * 30);
    assert!(stand.queue.critiques.is_empty(), "the sixth loss is the last");
}

#[test]
fn a_critique_is_leased_retried_when_lost_and_dropped_when_nobody_waits_for_it() {
    let mut stand = Stand::new();
    let task = stand.add(spec());
    let submission = stand.finish(task);
    stand.run(Command::AskCritique { submission, task });
    stand.run(Command::AskCritique { submission, task });
    assert_eq!(stand.queue.leases.len(), 1, "asking twice is one critique");
    stand.advance(SECOND * 32);
    assert_eq!(stand.queue.leases.len(), 1, "a lost critique is tried again");
    stand.advance(Duration::from_millis(28_500));
    assert_eq!(stand.queue.leases.len(), 0, "it is lost again, and waits");
    stand.run(Command::AskHuman { submission, task });
    assert!(stand.queue.critiques.is_empty(), "the human decides without it");
    stand.advance(SECOND * 60);
    assert_eq!(stand.queue.leases.len(), 0);
}
