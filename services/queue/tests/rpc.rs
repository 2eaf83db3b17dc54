//! The queue through its generated clients: in memory, with a clock that moves when it is told to.

#[path = "support/stand.rs"]
mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::string::string_regex;
use proptest::test_runner::TestRunner;
use support::{Stand, reason, spec, until};
use tonic::Code;
use vivarium_chassis::Problem;
use vivarium_proto::ledger::v1::Position;
use vivarium_proto::queue::v1 as pb;
use vivarium_proto::queue::v1::finish_attempt::Outcome;
use vivarium_proto::wkt;
use vivarium_types::Reason;
use vivarium_types::ids::{Id as _, InstanceId, LetterId};

#[tokio::test]
async fn line_02_a_task_goes_from_add_to_grant_to_finish_to_approval() {
    let stand = Stand::new().await;
    let id = stand.add(pb::TaskSpec { key: "task-001".into(), ..spec("write about ponds") }).await;
    let mut runner = stand.runner(1).await;
    runner.credit(1).await;
    let grant = runner.granted().await;
    let task = grant.task.clone().expect("it is whole");
    assert_eq!((task.task_id.as_str(), grant.attempt_number), (id.as_str(), 1));
    let given = task.spec.expect("with its spec");
    assert_eq!(given.instruction, "write about ponds");
    assert_eq!((given.priority, given.budget_max_micro_usd), (Some(5), Some(100_000)));
    assert_eq!(grant.day, 1, "the first grant begins the first day");
    assert!(!grant.capability.is_empty() && grant.resident_id.starts_with("res_"));
    let ack = runner.finish(&grant, support::finished()).await;
    assert!(ack.accepted && ack.submission_id.starts_with("sub_"), "{ack:?}");
    assert_eq!(stand.state(&id).await, pb::TaskState::InReview);
    stand.ask_human(&id, &ack.submission_id).await;
    assert_eq!(stand.task(&id).await.awaits, "approval");
    stand.verdict(&id, &ack.submission_id, true).await;
    let task = stand.task("task-001").await;
    assert_eq!(task.state(), pb::TaskState::Approved);
    assert_eq!(task.attempts.len(), 1);
    assert_eq!(task.attempts[0].outcome, "finished");
    assert_eq!(task.attempts[0].fencing_token, grant.fencing_token);
}

#[tokio::test]
async fn line_02_a_task_with_only_an_instruction_gets_the_defaults() {
    let stand = Stand::new().await;
    let id = stand.add(spec("Write about ponds and what lives in them.")).await;
    let task = stand.task(&id).await;
    assert_eq!(task.state(), pb::TaskState::Ready);
    assert_eq!((task.attempt_count, task.revision, task.series), (0, 1, 1));
    let spec = task.spec.expect("with its spec");
    assert_eq!((spec.mode(), spec.kind()), (pb::TaskMode::Llm, pb::TaskKind::Docs));
    assert_eq!(spec.title, "Write about ponds and what lives in them.");
    assert_eq!(
        (spec.priority, spec.budget_min_micro_usd, spec.budget_max_micro_usd),
        (Some(5), Some(50_000), Some(100_000))
    );
    assert_eq!((spec.parallel_safe, spec.rest_day_ok), (Some(true), Some(true)));
    assert_eq!(spec.on_dependency_failure(), pb::DependencyFailure::Hold);
    assert_eq!(spec.run_limit.map(|limit| limit.seconds), Some(15 * 60));
}

#[tokio::test]
async fn line_06_any_key_and_text_within_bounds_is_taken_and_counted_and_no_other_key() {
    let stand = Stand::new().await;
    let mut runner = TestRunner::deterministic();
    // Letters that have one form alone: what has several is kept in one of them.
    const TEXT: &str = "[a-zé中🦀][a-zA-Z0-9 äßñΩжяあ中🦀,.;:!?'\"<>&{}()-]{1,300}[a-z0-9.]";
    let mut draw = |pattern: &str| {
        let any = string_regex(pattern).expect("a pattern");
        any.new_tree(&mut runner).expect("a value").current()
    };
    let mut added = BTreeSet::new();
    for _ in 0..5 {
        let drawn = (0..20).map(|_| {
            let key = draw("[a-z0-9][a-z0-9._-]{0,63}");
            pb::TaskSpec { key, ..spec(&draw(TEXT)) }
        });
        let fresh: Vec<_> = drawn.filter(|task| added.insert(task.key.clone())).collect();
        let wanted = fresh.clone();
        let ids = stand.try_add(fresh).await.expect("all of them are within bounds");
        for (id, wanted) in ids.iter().zip(wanted) {
            let kept = stand.task(id).await.spec.expect("with its spec");
            assert_eq!((kept.key, kept.instruction), (wanted.key, wanted.instruction));
        }
    }
    let filter = pb::TaskFilter { states: vec![pb::TaskState::Ready.into()], ..Default::default() };
    let request =
        pb::ListTasksRequest { filter: Some(filter), page_size: 100, ..Default::default() };
    let listed = stand.tasks().list_tasks(request).await.expect("a list").into_inner();
    assert_eq!(listed.tasks.len(), added.len());
    for key in ["a/../b", "../a", "Upper", "two words", ".hidden", "-dash", &"k".repeat(65)] {
        let task = pb::TaskSpec { key: key.into(), ..spec("with a key") };
        let refused = stand.try_add(vec![task]).await.expect_err(key);
        assert_eq!(Problem::from(&refused).fields[0].field, "tasks[0].key");
    }
}

#[tokio::test]
async fn line_04_the_task_behind_the_limit_of_open_ones_is_refused() {
    let stand = Stand::new().await;
    for count in std::iter::repeat_n(100, 20).chain([48]) {
        stand.try_add(vec![spec("one of many"); count]).await.expect("there is room");
    }
    let refused = stand.try_add(vec![spec("one too many")]).await.expect_err("it is full");
    let problem = Problem::from(&refused);
    assert_eq!((problem.code, problem.reason), (Code::ResourceExhausted, Some(Reason::QueueFull)));
    assert_eq!(problem.metadata.get("max").map(String::as_str), Some("2048"));
}

#[tokio::test]
async fn line_05_a_faulty_add_names_every_field_and_stores_nothing() {
    let stand = Stand::new().await;
    let bad = pb::TaskSpec {
        key: "../etc".into(),
        title: "ab".into(),
        kind: 99,
        priority: Some(10),
        budget_min_micro_usd: Some(-1),
        target: "/etc/passwd.md".into(),
        command: vec!["rm".into()],
        tags: vec!["UPPER".into()],
        resident_id: "me".into(),
        run_limit: Some(wkt::Duration { seconds: 1, nanos: 0 }),
        ..spec(&"x".repeat(4_001))
    };
    let request = pb::AddTasksRequest { request_id: "b".into(), tasks: vec![spec("fine"), bad] };
    let status = stand.tasks().add_tasks(request).await.expect_err("it is refused");
    let problem = Problem::from(&status);
    assert_eq!(problem.code, Code::InvalidArgument);
    let fields: Vec<&str> = problem.fields.iter().map(|field| field.field.as_str()).collect();
    for field in [
        "instruction",
        "key",
        "title",
        "kind",
        "priority",
        "budget_min_micro_usd",
        "target",
        "command",
        "tags[0]",
        "resident_id",
        "run_limit",
    ] {
        assert!(fields.contains(&format!("tasks[1].{field}").as_str()), "{field} in {fields:?}");
    }
    assert!(stand.list(pb::TaskFilter::default()).await.is_empty());
}

#[tokio::test]
async fn line_09_each_fault_of_a_dependency_has_its_own_reason() {
    let stand = Stand::new().await;
    let with = |key: &str, on: &[&str]| pb::TaskSpec {
        key: key.into(),
        depends_on: on.iter().map(ToString::to_string).collect(),
        ..spec("something")
    };
    for (tasks, reason) in [
        (vec![with("a", &["nobody"])], Reason::QueueDependencyUnknown),
        (vec![with("a", &["a"])], Reason::QueueDependencySelf),
        (vec![with("a", &["b"]), with("b", &["a"])], Reason::QueueDependencyCycle),
        (vec![with("a", &[]), with("a", &[])], Reason::QueueTaskKeyTaken),
    ] {
        let refused = stand.try_add(tasks).await.expect_err("it is refused");
        assert_eq!(support::reason(&refused), Some(reason));
    }
    let chain = |n: usize| {
        let name = |n: usize| format!("link-{n}");
        (0..n).map(move |at| {
            let on = if at == 0 { Vec::new() } else { vec![name(at - 1)] };
            pb::TaskSpec { key: name(at), depends_on: on, ..spec("a link") }
        })
    };
    let refused = stand.try_add(chain(65).collect()).await.expect_err("it is too deep");
    assert_eq!(reason(&refused), Some(Reason::QueueTaskTooDeep));
    assert!(stand.list(pb::TaskFilter::default()).await.is_empty(), "nothing was stored");
    let ids = stand.try_add(chain(64).collect()).await.expect("64 are not too many");
    assert_eq!(ids.len(), 64);
    assert_eq!(stand.state(&ids[63]).await, pb::TaskState::Blocked);
}

#[tokio::test]
async fn line_07_the_same_request_gets_the_same_answer_and_other_content_is_refused() {
    let mut stand = Stand::new().await;
    let request = |text: &str| pb::AddTasksRequest {
        request_id: "again".into(),
        tasks: vec![pb::TaskSpec {
            metadata: [("one".into(), "1".into()), ("two".into(), "2".into())].into(),
            ..spec(text)
        }],
    };
    let first = stand.tasks().add_tasks(request("a")).await.expect("it is added").into_inner();
    let again = stand.tasks().add_tasks(request("a")).await.expect("it is known").into_inner();
    assert_eq!(first, again);
    let other = stand.tasks().add_tasks(request("b")).await.expect_err("other content");
    assert_eq!(reason(&other), Some(Reason::RequestIdReused));
    stand.restart().await;
    let later = stand.tasks().add_tasks(request("a")).await.expect("it is known").into_inner();
    assert_eq!(first, later, "a restart forgets no answer");
    assert_eq!(stand.list(pb::TaskFilter::default()).await.len(), 1);
}

#[tokio::test]
async fn line_04_each_bound_of_a_task_is_refused_by_its_field_and_what_lies_within_is_taken() {
    let stand = Stand::new().await;
    let with = |change: &dyn Fn(&mut pb::TaskSpec)| {
        let mut task = spec("within bounds");
        change(&mut task);
        task
    };
    let keyed = |key: &str| pb::TaskSpec { key: key.into(), ..spec("with a key") };
    let local = |words: &[&str]| pb::TaskSpec {
        mode: pb::TaskMode::Local.into(),
        command: words.iter().map(ToString::to_string).collect(),
        ..Default::default()
    };
    let map = |keys: usize, bytes: usize| {
        (0..keys).map(|n| (format!("{n:04}"), "x".repeat(bytes - 4))).collect()
    };
    let moment = |seconds| Some(wkt::Timestamp { seconds, nanos: 0 });
    let names = |n: usize| (0..n).map(|n| format!("task-{n}")).collect::<Vec<_>>();
    let cases = [
        ("key", keyed("a/../b")),
        ("key", keyed("Upper")),
        ("key", keyed("two words")),
        ("key", keyed(&"k".repeat(65))),
        ("instruction", spec("")),
        ("instruction", spec("a bell \u{7}")),
        ("instruction", spec(&"x".repeat(1_000_000))),
        ("metadata", with(&|task| task.metadata = map(65, 5))),
        ("metadata", with(&|task| task.metadata = map(1, 16_385))),
        ("constraints", with(&|task| task.constraints = vec!["long enough".into(); 11])),
        ("anti_goals[0]", with(&|task| task.anti_goals = vec!["ab".into()])),
        ("tags", with(&|task| task.tags = vec!["tag".into(); 9])),
        ("mode", with(&|task| task.mode = 77)),
        ("on_dependency_failure", with(&|task| task.on_dependency_failure = -1)),
        ("depends_on", with(&|task| task.depends_on = names(65))),
        ("depends_on[1]", with(&|task| task.depends_on = vec!["same".into(); 2])),
        ("budget_max_micro_usd", with(&|task| task.budget_max_micro_usd = Some(50_000_001))),
        (
            "budget_max_micro_usd",
            with(&|task| {
                task.budget_min_micro_usd = Some(2);
                task.budget_max_micro_usd = Some(1);
            }),
        ),
        ("bonus_tokens", with(&|task| task.bonus_tokens = -1)),
        ("bonus_tokens", with(&|task| task.bonus_tokens = 5_001)),
        ("concurrency_key", with(&|task| task.concurrency_key = "A".into())),
        ("concurrency_limit", with(&|task| task.concurrency_limit = Some(2))),
        ("not_before_time", with(&|task| task.not_before_time = moment(-1))),
        (
            "deadline_time",
            with(&|task| {
                task.not_before_time = moment(10);
                task.deadline_time = moment(10);
            }),
        ),
        ("command", pb::TaskSpec { instruction: "by no tool".into(), ..local(&[]) }),
        ("command[0]", local(&["git", "status"])),
        ("command[0]", local(&["python3"])),
        ("command", local(&["echo"; 34])),
    ];
    for (field, task) in cases {
        let refused = stand.try_add(vec![spec("fine"), task]).await.expect_err(field);
        let problem = Problem::from(&refused);
        assert_eq!(problem.code, Code::InvalidArgument, "{field}");
        let fields: Vec<&str> = problem.fields.iter().map(|field| field.field.as_str()).collect();
        assert_eq!(fields, [format!("tasks[1].{field}")]);
    }
    let huge = stand.try_add(vec![spec(&"x".repeat(10_000_000))]).await.expect_err("too large");
    assert_eq!(
        (huge.code(), reason(&huge)),
        (Code::ResourceExhausted, Some(Reason::RequestTooLarge))
    );
    for count in [0, 101] {
        let refused = stand.try_add(vec![spec("one of them"); count]).await.expect_err("a batch");
        assert_eq!(Problem::from(&refused).fields[0].field, "tasks");
    }
    assert!(stand.list(pb::TaskFilter::default()).await.is_empty(), "nothing was stored");
    let widest = with(&|task| {
        task.key = format!("0._-{}", "k".repeat(60));
        task.instruction = "x".repeat(4_000);
        task.metadata = map(64, 256);
        task.tags = vec!["a-1".into(); 8];
        task.budget_max_micro_usd = Some(50_000_000);
        task.bonus_tokens = 5_000;
    });
    let mut batch = vec![widest, local(&["rg"; 33])];
    batch.resize(100, spec("one of them"));
    assert_eq!(stand.try_add(batch).await.expect("all of it fits").len(), 100);
}

#[tokio::test]
async fn line_12_a_silent_lease_is_granted_again_under_a_higher_token_and_its_late_finish_is_refused()
 {
    let stand = Stand::new().await;
    let id = stand.add(spec("anything")).await;
    let mut runner = stand.runner(1).await;
    runner.credit(1).await;
    let first = runner.granted().await;
    stand.advance(Duration::from_secs(31)).await;
    assert_eq!(runner.revoked().await, (first.lease_id.clone(), "expired".into()));
    assert_eq!(stand.state(&id).await, pb::TaskState::Ready);
    stand.advance(Duration::from_secs(2)).await;
    runner.credit(1).await;
    let second = runner.granted().await;
    assert!(second.fencing_token > first.fencing_token);
    assert_eq!(second.attempt_number, 2);
    let late = runner.finish(&first, support::finished()).await;
    assert_eq!((late.accepted, late.reason.as_str()), (false, "QUEUE_LEASE_LOST"));
    let stale =
        pb::HeldLease { fencing_token: first.fencing_token, lease_id: second.lease_id.clone() };
    let forged = runner.finish_held(stale, support::finished()).await;
    assert!(!forged.accepted, "the token counts, not the lease's name");
    assert!(runner.finish(&second, support::finished()).await.accepted);
    let again = runner.finish(&second, support::finished()).await;
    assert!(again.accepted, "a repeated finish gets its first answer: {again:?}");
}

#[tokio::test]
async fn line_13_heartbeats_keep_a_lease_for_twenty_times_its_ttl() {
    let stand = Stand::new().await;
    stand.add(spec("a long one")).await;
    let mut runner = stand.runner(1).await;
    runner.credit(1).await;
    let grant = runner.granted().await;
    let before = stand.head().await;
    for _ in 0..60 {
        stand.advance(Duration::from_secs(10)).await;
        let renewed = runner.beat(&grant).await;
        assert_eq!(renewed.len(), 1);
        assert_ne!(renewed[0].capability, grant.capability);
    }
    assert_eq!(stand.head().await, before, "a heartbeat writes nothing");
    assert!(runner.finish(&grant, support::finished()).await.accepted);
}

#[tokio::test]
async fn line_11_of_sixty_four_slots_one_task_takes_one() {
    let stand = Stand::new().await;
    stand.pace(0).await;
    let mut runner = stand.runner(64).await;
    runner.credit(64).await;
    stand.add(spec("the only one")).await;
    let grant = runner.granted().await;
    stand.add(spec("another")).await;
    let other = runner.granted().await;
    assert_ne!(grant.lease_id, other.lease_id);
    assert_ne!(grant.resident_id, other.resident_id, "a resident has one lease at a time");
    runner.quiet().await;
}

#[tokio::test]
async fn line_32_under_wait_two_starts_lie_apart_and_a_step_starts_exactly_one() {
    let stand = Stand::new().await;
    for n in 0..4 {
        stand.add(spec(&format!("number {n}"))).await;
    }
    let mut runner = stand.runner(8).await;
    runner.credit(8).await;
    runner.granted().await;
    runner.quiet().await;
    let waiting = stand.list(pb::TaskFilter::default()).await;
    let reasons: Vec<_> = waiting.iter().map(pb::Task::wait_reason).collect();
    assert_eq!(reasons.iter().filter(|r| **r == pb::WaitReason::Pace).count(), 3, "{reasons:?}");
    stand.advance(Duration::from_millis(1_999)).await;
    runner.quiet().await;
    stand.advance(Duration::from_millis(1)).await;
    runner.granted().await;
    stand.set_pace(pb::PaceKind::Step, 0).await;
    runner.controls().await;
    stand.advance(Duration::from_secs(20)).await;
    runner.quiet().await;
    stand.step(1).await;
    runner.controls().await;
    runner.granted().await;
    runner.quiet().await;
    let refused = stand.try_pace(pb::PaceKind::Wait, 301).await.expect_err("too slow");
    assert_eq!(reason(&refused), Some(Reason::RequestInvalid));
    stand.pace(300).await;
    let refused = stand.try_step(1).await.expect_err("not by steps");
    assert_eq!(reason(&refused), Some(Reason::QueuePaceNotStep));
}

#[tokio::test]
async fn line_32_a_wait_of_zero_to_three_hundred_is_kept_and_others_are_refused() {
    let stand = Stand::new().await;
    for wait in [0, 2, 300] {
        stand.pace(wait).await;
        let controls = stand.controls().await;
        assert_eq!((controls.pace(), controls.wait_seconds), (pb::PaceKind::Wait, wait));
    }
    for wait in [301, u32::MAX] {
        let refused = stand.try_pace(pb::PaceKind::Wait, wait).await.expect_err("too slow");
        assert_eq!(Problem::from(&refused).fields[0].field, "wait_seconds");
    }
    assert_eq!(stand.controls().await.wait_seconds, 300);
}

#[tokio::test]
async fn line_28_a_halt_revokes_grants_nothing_and_is_one_halt_until_it_is_ended() {
    let stand = Stand::new().await;
    stand.pace(0).await;
    let id = stand.add(spec("to be stopped")).await;
    let mut runner = stand.runner(2).await;
    runner.credit(2).await;
    let grant = runner.granted().await;
    let epoch = stand.halt("too hot").await;
    assert_eq!(stand.halt("again").await, epoch);
    let controls = runner.controls().await;
    assert!(controls.halted);
    let halt = controls.halt.expect("it says who and why");
    assert_eq!((halt.actor.as_str(), halt.reason.as_str()), ("operator:test", "too hot"));
    assert_eq!(runner.revoked().await, (grant.lease_id.clone(), "halted".into()));
    let task = stand.task(&id).await;
    assert_eq!((task.state(), task.wait_reason()), (pb::TaskState::Ready, pb::WaitReason::Halted));
    assert!(!stand.receipt().await.runners[0].confirmed);
    runner.halt_ack(epoch).await;
    until("the halt is confirmed", async || stand.receipt().await.runners[0].confirmed).await;
    assert_eq!(stand.receipt().await.revoked_lease_ids, std::slice::from_ref(&grant.lease_id));
    stand.add(spec("added while halted")).await;
    stand.advance(Duration::from_secs(5)).await;
    runner.quiet().await;
    let late = runner.finish(&grant, support::finished()).await;
    assert_eq!(late.reason, "QUEUE_LEASE_LOST");
    stand.resume().await;
    assert!(!runner.controls().await.halted);
    let again = runner.granted().await;
    assert_eq!(again.attempt_number, 2);
    let refused = stand.try_resume().await.expect_err("nothing is halted");
    assert_eq!(reason(&refused), Some(Reason::QueueNotHalted));
}

#[tokio::test]
async fn line_30_the_halt_file_halts_at_the_start_and_while_running_and_resume_removes_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let mutable = folder.path().join("mutable");
    std::fs::create_dir_all(&mutable).expect("it can be made");
    let file = mutable.join("HALT");
    std::fs::write(&file, r#"{"actor": "operator:cli", "reason": "the queue was dead"}"#)
        .expect("it is written");
    let stand = Stand::at(folder.path()).await;
    let controls = stand.controls().await;
    let halt = controls.halt.expect("it is halted from the start");
    assert_eq!((halt.actor.as_str(), halt.reason.as_str()), ("operator:cli", "the queue was dead"));
    stand.resume().await;
    assert!(!file.exists() && !stand.controls().await.halted);
    std::fs::write(&file, "by hand").expect("it is written");
    until("the file is seen", async || stand.controls().await.halted).await;
    assert_eq!(stand.controls().await.halt.expect("halted").reason, "by hand");
}

#[tokio::test]
async fn line_30_what_lies_in_place_of_the_halt_file_and_cannot_be_read_halts_as_well() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir_all(folder.path().join("mutable").join("HALT")).expect("it can be made");
    let stand = Stand::at(folder.path()).await;
    assert!(stand.controls().await.halted);
}

#[tokio::test]
async fn line_30_a_halt_survives_a_restart_of_the_queue() {
    let mut stand = Stand::new().await;
    let id = stand.add(spec("must not start")).await;
    let epoch = stand.halt("over night").await;
    stand.restart().await;
    let halt = stand.controls().await.halt.expect("it is halted");
    assert_eq!((halt.actor.as_str(), halt.reason.as_str()), ("operator:test", "over night"));
    assert_eq!(stand.halt("again").await, epoch, "it is the same halt");
    let mut runner = stand.runner(1).await;
    runner.credit(1).await;
    runner.quiet().await;
    stand.resume().await;
    assert_eq!(runner.granted().await.task.expect("it is whole").task_id, id);
}

#[tokio::test]
async fn line_14_a_restart_of_the_queue_ends_no_healthy_lease() {
    let mut stand = Stand::new().await;
    let id = stand.add(spec("through a restart")).await;
    let mut runner = stand.runner(1).await;
    runner.credit(1).await;
    let grant = runner.granted().await;
    stand.restart().await;
    assert_eq!(stand.state(&id).await, pb::TaskState::Leased);
    stand.advance(Duration::from_secs(29)).await;
    let mut runner = stand.runner_again(&runner, &[&grant]).await;
    assert_eq!(runner.beat(&grant).await.len(), 1, "it got one full ttl of grace");
    assert!(runner.finish(&grant, support::finished()).await.accepted);
}

#[tokio::test]
async fn line_14_leases_that_a_new_start_of_a_runner_does_not_resume_are_free_at_once() {
    let stand = Stand::new().await;
    stand.pace(0).await;
    let kept = stand.add(spec("kept")).await;
    let dropped = stand.add(spec("dropped")).await;
    let mut runner = stand.runner(2).await;
    runner.credit(2).await;
    let grants = [runner.granted().await, runner.granted().await];
    let of = |id: &str| {
        let found =
            grants.iter().find(|grant| grant.task.as_ref().is_some_and(|t| t.task_id == id));
        found.expect("it was granted").clone()
    };
    let mut next = stand.runner_resuming(2, &[&of(&kept)]).await;
    assert_eq!(stand.state(&kept).await, pb::TaskState::Leased);
    assert_eq!(stand.state(&dropped).await, pb::TaskState::Ready);
    assert!(next.finish(&of(&kept), support::finished()).await.accepted);
}

#[tokio::test]
async fn line_14_leases_of_an_exited_process_are_free_after_the_grace() {
    let stand = Stand::new().await;
    let id = stand.add(spec("its runner dies")).await;
    let mut runner = stand.runner(1).await;
    runner.credit(1).await;
    runner.granted().await;
    let instance = runner.instance.clone();
    stand.report_exit("gateway", &instance).await;
    stand.advance(Duration::from_secs(1)).await;
    assert_eq!(stand.state(&id).await, pb::TaskState::Leased, "another process' exit");
    let earlier = InstanceId::from_number(99).to_string();
    stand.report_exit("executor", &earlier).await;
    stand.advance(Duration::from_secs(1)).await;
    assert_eq!(stand.state(&id).await, pb::TaskState::Leased, "an earlier start's exit");
    stand.report_exit("executor", &instance).await;
    stand.advance(Duration::from_millis(49)).await;
    assert_eq!(stand.state(&id).await, pb::TaskState::Leased);
    stand.advance(Duration::from_millis(1)).await;
    assert_eq!(stand.state(&id).await, pb::TaskState::Ready);
}

#[tokio::test]
async fn line_20_feedback_of_a_rejection_stands_in_the_next_grant_and_the_third_one_fails() {
    let stand = Stand::new().await;
    let id = stand.add(spec("hard to please")).await;
    let mut runner = stand.runner(1).await;
    for round in 1..=3_u8 {
        runner.credit(1).await;
        let grant = runner.granted().await;
        let task = grant.task.clone().expect("it is whole");
        assert_eq!(task.rejection_count, u32::from(round) - 1);
        assert_eq!(
            task.feedback.len(),
            usize::from(round) - 1,
            "newest first: {:?}",
            task.feedback
        );
        if round > 1 {
            assert_eq!(task.feedback[0], format!("reason {}", round - 1));
        }
        let ack = runner.finish(&grant, support::finished()).await;
        stand.reject(&id, &ack.submission_id, &format!("reason {round}"), round).await;
        stand.advance(Duration::from_secs(30)).await;
    }
    let task = stand.task(&id).await;
    assert_eq!(
        (task.state(), task.failure_class.as_str()),
        (pb::TaskState::Failed, "review_rejected")
    );
    assert!(task.failure_message.contains('3'), "{}", task.failure_message);
    stand.requeue(&id).await;
    let task = stand.task(&id).await;
    assert_eq!((task.state(), task.series, task.rejection_count), (pb::TaskState::Ready, 2, 0));
    assert_eq!(task.feedback.len(), 3, "feedback is kept");
}

#[tokio::test]
async fn a_task_waits_with_its_reason_until_a_language_model_is_usable() {
    let stand = Stand::new().await;
    let mut runner = stand.runner(1).await;
    stand.provider(false).await;
    until("the queue knows", async || stand.count("provider_noted").await == 1).await;
    let id = stand.add(spec("needs a model")).await;
    runner.credit(1).await;
    runner.quiet().await;
    let task = stand.task(&id).await;
    assert_eq!(
        (task.state(), task.wait_reason()),
        (pb::TaskState::Ready, pb::WaitReason::NoProvider)
    );
    stand.provider(true).await;
    let grant = runner.granted().await;
    assert_eq!(grant.task.expect("it is whole").task_id, id);
}

#[tokio::test]
async fn the_answer_to_its_letter_wakes_the_task_that_waits_for_it() {
    let stand = Stand::new().await;
    stand.pace(0).await;
    let id = stand.add(spec("has a question")).await;
    let mut runner = stand.runner(1).await;
    runner.credit(1).await;
    let grant = runner.granted().await;
    let letter = |number| LetterId::from_number(number).to_string();
    let (asked, other) = (letter(1), letter(2));
    let waits = pb::Waits { letter_id: asked.clone() };
    assert!(runner.finish(&grant, Outcome::Waits(waits)).await.accepted);
    let task = stand.task(&id).await;
    assert_eq!((task.state(), task.awaits.as_str()), (pb::TaskState::AwaitingHuman, "question"));
    runner.credit(1).await;
    stand.answer_letter(&id, &other).await;
    until("the answer is refused", async || stand.count("fact_ignored").await == 1).await;
    assert_eq!(stand.state(&id).await, pb::TaskState::AwaitingHuman, "that was another letter");
    stand.answer_letter(&id, &asked).await;
    let again = runner.granted().await;
    assert_eq!((again.task.expect("it is whole").task_id, again.attempt_number), (id, 2));
}

#[tokio::test]
async fn a_critique_gets_a_lease_without_a_resident() {
    let stand = Stand::new().await;
    let id = stand.add(spec("to be judged")).await;
    let mut runner = stand.runner(1).await;
    runner.credit(1).await;
    let grant = runner.granted().await;
    let ack = runner.finish(&grant, support::finished()).await;
    stand.ask_critique(&id, &ack.submission_id).await;
    runner.credit(1).await;
    stand.advance(Duration::from_secs(2)).await;
    let critique = runner.granted().await;
    assert_eq!(critique.purpose(), pb::LeasePurpose::Critique);
    assert_eq!(critique.submission_id, ack.submission_id);
    assert!(critique.resident_id.is_empty() && critique.attempt_id.is_empty());
    assert_eq!(critique.task.clone().expect("whole").task_id, id);
    assert!(runner.finish(&critique, support::finished()).await.accepted);
    assert_eq!(stand.state(&id).await, pb::TaskState::InReview, "a critique decides nothing");
    stand.advance(Duration::from_mins(1)).await;
    runner.credit(1).await;
    runner.quiet().await;
}

#[tokio::test]
async fn tasks_are_found_by_state_tag_and_words_page_by_page() {
    let stand = Stand::new().await;
    for n in 0..5 {
        let tags = if n % 2 == 0 { vec!["water".into()] } else { Vec::new() };
        stand.add(pb::TaskSpec { tags, ..spec(&format!("Describe the Pönd number {n}")) }).await;
    }
    stand.add(spec("something else")).await;
    let by = |filter: pb::TaskFilter| stand.list(filter);
    let text = |text: &str| pb::TaskFilter { text: text.into(), ..pb::TaskFilter::default() };
    assert_eq!(by(text("pond")).await.len(), 5, "marks do not matter");
    assert_eq!(by(text("descr 3")).await.len(), 1, "all words, each as a beginning");
    assert_eq!(by(text("\" OR 1=1 --")).await.len(), 0, "nothing is syntax");
    let tagged = pb::TaskFilter { tag: "water".into(), ..pb::TaskFilter::default() };
    assert_eq!(by(tagged).await.len(), 3);
    let approved = pb::TaskFilter {
        states: vec![pb::TaskState::Approved.into()],
        ..pb::TaskFilter::default()
    };
    assert_eq!(by(approved).await.len(), 0);
    let mut seen = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = pb::ListTasksRequest { page_size: 4, page_token, ..Default::default() };
        let page = stand.tasks().list_tasks(request).await.expect("a page").into_inner();
        assert_eq!(page.counts.iter().map(|count| count.count).sum::<u64>(), 6);
        seen.extend(page.tasks.into_iter().map(|task| task.task_id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(seen.len(), 6);
    assert!(seen.is_sorted_by(|newer, older| newer > older), "newest first");
}

#[tokio::test]
async fn a_watch_shows_what_is_there_then_every_change() {
    let stand = Stand::new().await;
    let id = stand.add(spec("watched")).await;
    let request = pb::WatchTasksRequest::default();
    let mut watch = stand.tasks().watch_tasks(request).await.expect("it opens").into_inner();
    let snapshot = watch.message().await.expect("it speaks").expect("it goes on");
    assert!(snapshot.caught_up);
    assert_eq!(snapshot.tasks[0].task_id, id);
    stand.cancel(&id).await;
    let change = watch.message().await.expect("it speaks").expect("it goes on");
    assert_eq!(change.tasks[0].state(), pb::TaskState::Cancelled);
}

#[tokio::test]
async fn a_watch_of_named_tasks_tells_of_no_other() {
    let stand = Stand::new().await;
    let other = stand.add(spec("not watched")).await;
    let id = stand.add(pb::TaskSpec { key: "tides".into(), ..spec("watched") }).await;
    let request = pb::WatchTasksRequest { tasks: vec!["tides".into()], ..Default::default() };
    let mut watch = stand.tasks().watch_tasks(request).await.expect("it opens").into_inner();
    let mut told = async || watch.message().await.expect("it speaks").expect("it goes on").tasks;
    let ids = |tasks: &[pb::Task]| {
        tasks.iter().map(|task| task.task_id.clone()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(ids(&told().await), id);
    stand.cancel(&other).await;
    stand.cancel(&id).await;
    let changed = told().await;
    assert_eq!(ids(&changed), id);
    assert_eq!(changed[0].state(), pb::TaskState::Cancelled);
    let request = pb::WatchTasksRequest { tasks: vec!["nobody".into()], ..Default::default() };
    let refused = stand.tasks().watch_tasks(request).await.expect_err("it is not there");
    assert_eq!(reason(&refused), Some(Reason::QueueTaskNotFound));
}

#[tokio::test]
async fn a_read_waits_for_the_place_it_names() {
    let stand = Stand::new().await;
    let request = pb::AddTasksRequest { request_id: "p".into(), tasks: vec![spec("seen")] };
    let added = stand.tasks().add_tasks(request).await.expect("added").into_inner();
    let request = pb::GetTaskRequest {
        min_position: added.position.clone(),
        task: added.task_ids[0].clone(),
        as_of: None,
    };
    stand.tasks().get_task(request).await.expect("it is visible");
    let foreign = Position { ledger: "review".into(), sequence: 1 };
    let request = pb::GetTaskRequest {
        min_position: Some(foreign),
        task: added.task_ids[0].clone(),
        as_of: None,
    };
    let refused = stand.tasks().get_task(request).await.expect_err("another ledger");
    assert_eq!(reason(&refused), Some(Reason::RequestInvalid));
    let unknown = pb::GetTaskRequest { task: "nobody".into(), ..Default::default() };
    let refused = stand.tasks().get_task(unknown).await.expect_err("no such task");
    assert_eq!(reason(&refused), Some(Reason::QueueTaskNotFound));
}

#[tokio::test]
async fn line_33_an_idle_world_writes_nothing_and_its_days_stand_still() {
    let stand = Stand::new().await;
    let runner = stand.runner(4).await;
    runner.credit(4).await;
    let before = stand.head().await;
    for _ in 0..100 {
        stand.advance(Duration::from_secs(5)).await;
    }
    assert_eq!(stand.head().await, before);
    let calendar = stand.calendar().await;
    assert_eq!((calendar.day, calendar.moving), (0, false));
}

#[tokio::test]
async fn line_33_a_busy_day_lasts_its_length_and_a_long_sleep_counts_five_seconds() {
    let stand = Stand::new().await;
    stand.set_day_length(60).await;
    stand.add(spec("keeps the world busy")).await;
    let mut runner = stand.runner(1).await;
    runner.credit(1).await;
    let grant = runner.granted().await;
    assert_eq!(stand.calendar().await.day, 1);
    let tick = async |stand: &Stand, runner: &mut support::Runner| {
        stand.advance(Duration::from_secs(4)).await;
        runner.beat(&grant).await;
    };
    for _ in 0..14 {
        tick(&stand, &mut runner).await;
    }
    assert_eq!(stand.calendar().await.day, 1);
    tick(&stand, &mut runner).await;
    assert_eq!(stand.calendar().await.day, 2);
    stand.advance(Duration::from_hours(1)).await;
    let into = stand.calendar().await.into_day.expect("it is set");
    assert!(into.seconds <= 5, "an hour of sleep added {} s", into.seconds);
    for seconds in [59, 86_401] {
        let refused = stand.try_day_length(seconds).await.expect_err("out of bounds");
        assert_eq!(Problem::from(&refused).fields[0].field, "day_length");
    }
}

#[tokio::test]
async fn raising_the_mode_asks_for_its_name_and_what_is_not_built_is_refused() {
    let stand = Stand::new().await;
    let unnamed = stand.try_mode(pb::Mode::RunSandboxed, "").await.expect_err("not confirmed");
    assert_eq!(Problem::from(&unnamed).fields[0].field, "confirm");
    let named = stand.try_mode(pb::Mode::ApplyApproved, "apply_approved").await;
    assert_eq!(reason(&named.expect_err("not built")), Some(Reason::QueueModeUnavailable));
    stand.try_mode(pb::Mode::DocsOnly, "").await.expect("it is so already");
    stand.try_mode(pb::Mode::RunSandboxed, "run_sandboxed").await.expect("it is named");
    stand.try_mode(pb::Mode::DocsOnly, "").await.expect("lowering wants no name");
}

#[tokio::test]
async fn a_runner_that_breaks_the_rules_of_its_stream_is_told_so() {
    let stand = Stand::new().await;
    let status = stand.raw_run(pb::RunRequest { message: None }).await;
    assert_eq!(reason(&status), Some(Reason::RequestInvalid));
    let hello =
        pb::Hello { instance_id: "me".into(), name: "Exe Cutor".into(), ..Default::default() };
    let message = Some(pb::run_request::Message::Hello(hello));
    let problem = Problem::from(&stand.raw_run(pb::RunRequest { message }).await);
    let fields: Vec<_> = problem.fields.iter().map(|field| field.field.as_str()).collect();
    assert_eq!(fields, ["hello.instance_id", "hello.name", "hello.slots"]);
}

#[tokio::test]
async fn line_04_a_result_that_is_too_long_is_refused_and_the_lease_lives_on() {
    let stand = Stand::new().await;
    stand.add(spec("too much")).await;
    let mut runner = stand.runner(1).await;
    runner.credit(1).await;
    let grant = runner.granted().await;
    let long =
        pb::Finished { answer: "x".repeat(64_001), how: "finished".into(), ..Default::default() };
    let ack = runner.finish(&grant, Outcome::Finished(long)).await;
    assert_eq!((ack.accepted, ack.reason.as_str()), (false, "REQUEST_INVALID"));
    assert_eq!(runner.beat(&grant).await.len(), 1);
    stand.halt("and its end is told").await;
    assert_eq!(runner.revoked().await, (grant.lease_id.clone(), "halted".into()));
}
