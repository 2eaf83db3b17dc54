//! What people do to tasks beside adding them: edit, redrive, explain, look back, repeat.

#[path = "support/stand.rs"]
mod support;

use std::time::Duration;

use support::{Stand, reason, spec};
use vivarium_proto::queue::v1 as pb;
use vivarium_proto::queue::v1::as_of::Moment;
use vivarium_proto::queue::v1::finish_attempt::Outcome;
use vivarium_proto::wkt;
use vivarium_types::Reason;
use vivarium_types::ids::{Id as _, LetterId};

fn mask(fields: &[&str]) -> wkt::FieldMask {
    wkt::FieldMask { paths: fields.iter().map(ToString::to_string).collect() }
}

async fn edit(
    stand: &Stand,
    task: &pb::Task,
    spec: pb::TaskSpec,
    fields: &[&str],
) -> Result<pb::EditTaskResponse, tonic::Status> {
    let request = pb::EditTaskRequest {
        request_id: stand.request_id(),
        task: task.task_id.clone(),
        etag: task.etag.clone(),
        spec: Some(spec),
        update_mask: Some(mask(fields)),
    };
    stand.tasks().edit_task(request).await.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn an_edit_changes_what_it_names_and_nothing_else() {
    let stand = Stand::new().await;
    let id = stand
        .add(pb::TaskSpec {
            constraints: vec!["stay short".into()],
            tags: vec!["water".into()],
            budget_max_micro_usd: Some(70_000),
            ..spec("write about ponds")
        })
        .await;
    let before = stand.task(&id).await;
    let wanted = pb::TaskSpec {
        instruction: "write about lakes".into(),
        tags: vec!["lake".into()],
        priority: Some(9),
        ..Default::default()
    };
    let answer = edit(&stand, &before, wanted, &["instruction", "tags"]).await.expect("edited");
    let after = stand.task(&id).await;
    assert_eq!((answer.etag.as_str(), after.revision), ("2", 2));
    let mut expected = before.spec.clone().expect("a spec");
    expected.instruction = "write about lakes".into();
    expected.tags = vec!["lake".into()];
    assert_eq!(after.spec, Some(expected), "the priority was not in the mask");
    let words = |text: &str| pb::TaskFilter { text: text.into(), ..Default::default() };
    assert_eq!(stand.list(words("lakes")).await.len(), 1, "the new words are found");
    let tag = |tag: &str| pb::TaskFilter { tag: tag.into(), ..Default::default() };
    assert_eq!(stand.list(tag("water")).await.len(), 0, "the old tag is not");
    assert_eq!(stand.list(tag("lake")).await.len(), 1);
    let runner_gets = {
        let mut runner = stand.runner(1).await;
        runner.credit(1).await;
        runner.granted().await.task.and_then(|task| task.spec).expect("a spec")
    };
    assert_eq!(runner_gets.instruction, "write about lakes", "the attempt is told the new text");
    assert_eq!(runner_gets.constraints, ["stay short"]);
}

#[tokio::test]
async fn a_field_that_is_named_and_not_set_goes_back_to_its_default() {
    let stand = Stand::new().await;
    let id = stand
        .add(pb::TaskSpec {
            priority: Some(8),
            constraints: vec!["stay short".into()],
            metadata: [("k".to_owned(), "v".to_owned())].into(),
            ..spec("write about ponds")
        })
        .await;
    let task = stand.task(&id).await;
    let fields = ["priority", "constraints", "title"];
    let wanted = pb::TaskSpec::default();
    edit(&stand, &task, wanted, &fields).await.expect("edited");
    let after = stand.task(&id).await.spec.expect("a spec");
    assert_eq!((after.priority, after.title.as_str()), (Some(5), "write about ponds"));
    assert!(after.constraints.is_empty());
    assert_eq!(after.metadata["k"], "v");
}

#[tokio::test]
async fn rule_3_1_a_faulty_edit_names_every_field_and_changes_nothing() {
    let stand = Stand::new().await;
    let id = stand.add(spec("write about ponds")).await;
    let (task, head) = (stand.task(&id).await, stand.head().await);
    let wanted = pb::TaskSpec { priority: Some(10), tags: vec!["NO".into()], ..Default::default() };
    let refused = edit(&stand, &task, wanted, &["priority", "tags", "instruction"]).await;
    let refused = refused.expect_err("three things are wrong");
    let problem = vivarium_chassis::Problem::from(&refused);
    let mut fields: Vec<_> = problem.fields.iter().map(|field| field.field.clone()).collect();
    fields.sort();
    assert_eq!(fields, ["spec.instruction", "spec.priority", "spec.tags[0]"]);
    for fields in [&[][..], &["key"], &["state"], &["spec.priority"]] {
        let refused = edit(&stand, &task, spec("x"), fields).await.expect_err("a bad mask");
        assert_eq!(reason(&refused), Some(Reason::RequestInvalid), "{fields:?}");
    }
    assert_eq!(stand.head().await, head);
}

#[tokio::test]
async fn of_two_edits_of_one_revision_the_later_is_told_and_a_repeat_gets_the_first_answer() {
    let stand = Stand::new().await;
    let id = stand.add(spec("write about ponds")).await;
    let task = stand.task(&id).await;
    let request = pb::EditTaskRequest {
        request_id: "one".into(),
        task: id.clone(),
        etag: task.etag.clone(),
        spec: Some(pb::TaskSpec { priority: Some(9), ..Default::default() }),
        update_mask: Some(mask(&["priority"])),
    };
    let first = stand.tasks().edit_task(request.clone()).await.expect("edited").into_inner();
    let again = stand.tasks().edit_task(request.clone()).await.expect("a repeat").into_inner();
    assert_eq!(first, again);
    let late = pb::EditTaskRequest { request_id: "two".into(), ..request };
    let refused = stand.tasks().edit_task(late).await.expect_err("it is out of date");
    assert_eq!(reason(&refused), Some(Reason::QueueEtagStale));
    let problem = vivarium_chassis::Problem::from(&refused);
    assert_eq!(problem.metadata.get("etag").map(String::as_str), Some("2"));
}

#[tokio::test]
async fn rule_3_5_failed_tasks_are_found_by_class_and_opened_again() {
    let stand = Stand::new().await;
    stand.pace(0).await;
    let mut ids = Vec::new();
    let mut runner = stand.runner(1).await;
    for n in 0..3 {
        ids.push(stand.add(spec(&format!("write about pond {n}"))).await);
        runner.credit(1).await;
        let grant = runner.granted().await;
        let outcome = Outcome::Failed(pb::Failed {
            failure_class: pb::FailureClass::CommandFailed.into(),
            message: "it broke".into(),
            retry_after: None,
        });
        runner.finish(&grant, outcome).await;
    }
    let class = |word: &str| pb::TaskFilter { failure_class: word.into(), ..Default::default() };
    assert_eq!(stand.list(class("command_failed")).await.len(), 3);
    assert_eq!(stand.list(class("transient")).await.len(), 0);
    let redrive = |tasks: &[&str], limit| pb::RedriveTasksRequest {
        request_id: stand.request_id(),
        tasks: tasks.iter().map(ToString::to_string).collect(),
        failure_class: "command_failed".into(),
        limit,
    };
    let request = redrive(&[], 2);
    let answer = stand.tasks().redrive_tasks(request.clone()).await.expect("done").into_inner();
    assert_eq!((&answer.task_ids[..], answer.left_count), (&ids[..2], 1));
    let again = stand.tasks().redrive_tasks(request).await.expect("a repeat").into_inner();
    assert_eq!(again, answer, "a repeat opens no third task");
    let refused = stand.tasks().redrive_tasks(redrive(&[&ids[2], &ids[0]], 0)).await;
    let refused = refused.expect_err("the first one is open already");
    assert_eq!(reason(&refused), Some(Reason::QueueTransitionRefused));
    assert_eq!(stand.state(&ids[2]).await, pb::TaskState::Failed);
    let answer = stand.tasks().redrive_tasks(redrive(&[&ids[2]], 0)).await.expect("done");
    assert_eq!(answer.into_inner().left_count, 0);
}

#[tokio::test]
async fn one_call_tells_why_every_waiting_task_waits() {
    let stand = Stand::new().await;
    let first = stand.add(pb::TaskSpec { key: "first".into(), ..spec("one") }).await;
    let on = vec!["first".to_owned()];
    stand.add(pb::TaskSpec { depends_on: on, ..spec("two") }).await;
    let later = wkt::Timestamp { seconds: 4_000_000_000, nanos: 0 };
    stand.add(pb::TaskSpec { not_before_time: Some(later), ..spec("three") }).await;
    let ask = |page_size, page_token: String| pb::ExplainTasksRequest {
        page_size,
        page_token,
        ..Default::default()
    };
    let page = stand.tasks().explain_tasks(ask(2, String::new())).await.expect("told");
    let page = page.into_inner();
    let told: Vec<_> = page.explanations.iter().map(pb::Explanation::wait_reason).collect();
    assert_eq!(told, [pb::WaitReason::NoRunner, pb::WaitReason::Dependency]);
    assert_eq!(page.explanations[1].blocking_task_ids, [first]);
    let rest = stand.tasks().explain_tasks(ask(2, page.next_page_token)).await.expect("told");
    let rest = rest.into_inner();
    assert_eq!(rest.explanations[0].wait_reason(), pb::WaitReason::NotBefore);
    assert_eq!(rest.explanations[0].until_time.map(|time| time.seconds), Some(later.seconds));
    assert!(rest.next_page_token.is_empty());
    let named = pb::ExplainTasksRequest { tasks: vec!["nobody".into()], ..Default::default() };
    let refused = stand.tasks().explain_tasks(named).await.expect_err("no such task");
    assert_eq!(reason(&refused), Some(Reason::QueueTaskNotFound));
}

#[tokio::test]
async fn a_task_can_be_read_as_it_was_behind_any_row_and_at_any_moment() {
    let stand = Stand::new().await;
    let id = stand.add(spec("write about ponds")).await;
    let (added, added_time) = (stand.head().await, stand.now());
    stand.advance(Duration::from_secs(10)).await;
    let mut runner = stand.runner(1).await;
    runner.credit(1).await;
    let grant = runner.granted().await;
    let leased = stand.head().await;
    let ack = runner.finish(&grant, support::finished()).await;
    stand.verdict(&id, &ack.submission_id, true).await;
    let get = async |moment: Moment| {
        let as_of = Some(pb::AsOf { moment: Some(moment) });
        let request = pb::GetTaskRequest { task: id.clone(), as_of, min_position: None };
        stand.tasks().get_task(request).await.map(|answer| answer.into_inner().task)
    };
    let then = get(Moment::Sequence(added)).await.expect("read").expect("a task");
    assert_eq!((then.state(), then.attempts.len()), (pb::TaskState::Ready, 0));
    assert_eq!(then.spec.expect("a spec").instruction, "write about ponds");
    let then = get(Moment::Sequence(leased)).await.expect("read").expect("a task");
    assert_eq!(then.state(), pb::TaskState::Leased);
    assert_eq!((then.attempts.len(), then.attempts[0].outcome.as_str()), (1, ""));
    let (seconds, nanos) = added_time.as_seconds_and_nanos();
    let then = get(Moment::Time(wkt::Timestamp { seconds, nanos })).await.expect("read");
    assert_eq!(then.expect("a task").state(), pb::TaskState::Ready);
    let before = get(Moment::Sequence(1)).await.expect_err("it was not there yet");
    assert_eq!(reason(&before), Some(Reason::QueueTaskNotFound));
    let beyond = get(Moment::Sequence(u64::MAX)).await.expect_err("nobody knows the future");
    assert_eq!(reason(&beyond), Some(Reason::RequestInvalid));
    assert_eq!(stand.state(&id).await, pb::TaskState::Approved, "today is as it was");
}

#[tokio::test]
async fn a_list_can_be_read_as_it_was() {
    let stand = Stand::new().await;
    let ids = [stand.add(spec("one")).await, stand.add(spec("two")).await];
    let both = stand.head().await;
    stand.cancel(&ids[0]).await;
    stand.add(spec("three")).await;
    let list = async |states: &[pb::TaskState], sequence| {
        let states = states.iter().map(|state| (*state).into()).collect();
        let request = pb::ListTasksRequest {
            filter: Some(pb::TaskFilter { states, ..Default::default() }),
            as_of: Some(pb::AsOf { moment: Some(Moment::Sequence(sequence)) }),
            page_size: 1,
            ..Default::default()
        };
        let mut found = Vec::new();
        let mut token = String::new();
        loop {
            let page = pb::ListTasksRequest { page_token: token, ..request.clone() };
            let page = stand.tasks().list_tasks(page).await.expect("a page").into_inner();
            found.extend(page.tasks.into_iter().map(|task| (task.task_id.clone(), task.state())));
            token = page.next_page_token;
            if token.is_empty() {
                return found;
            }
        }
    };
    let ready = pb::TaskState::Ready;
    let then = list(&[ready], both).await;
    assert_eq!(then, [(ids[1].clone(), ready), (ids[0].clone(), ready)]);
    assert_eq!(list(&[pb::TaskState::Cancelled], both).await, []);
    let now = stand.head().await;
    assert_eq!(list(&[], now).await.len(), 3);
    assert_eq!(list(&[pb::TaskState::Cancelled], now).await.len(), 1);
}

#[tokio::test]
async fn rule_3_6_a_recurrence_is_created_fires_is_steered_and_survives_a_restart() {
    let mut stand = Stand::new().await;
    let request = pb::CreateRecurrenceRequest {
        request_id: "c".into(),
        spec: Some(pb::TaskSpec { key: "report".into(), ..spec("write the report") }),
        schedule: Some(pb::Schedule {
            schedule: Some(pb::schedule::Schedule::Cron("0 * * * *".into())),
        }),
    };
    let created = stand.recurrences().create_recurrence(request).await.expect("created");
    let created = created.into_inner().recurrence.expect("it is shown");
    assert_eq!(created.state(), pb::RecurrenceState::Active);
    assert_eq!(created.spec.as_ref().map(|spec| spec.rest_day_ok), Some(Some(false)));
    assert!(created.next_time.is_some());
    stand.restart().await;
    stand.advance(Duration::from_hours(1)).await;
    let by = pb::TaskFilter { recurrence: "report".into(), ..Default::default() };
    support::until("it fires", async || stand.list(by.clone()).await.len() == 1).await;
    let task = stand.task("report-1").await;
    assert_eq!((task.recurrence.as_str(), task.submitter.as_str()), ("report", "operator:test"));
    let (request_id, key) = (stand.request_id(), "report".to_owned());
    let request = pb::PauseRecurrenceRequest { request_id, key: key.clone() };
    stand.recurrences().pause_recurrence(request).await.expect("paused");
    let request = pb::EndRecurrenceRequest { request_id: stand.request_id(), key: key.clone() };
    stand.recurrences().end_recurrence(request).await.expect("ended");
    let request = pb::ResumeRecurrenceRequest { request_id: stand.request_id(), key };
    let refused = stand.recurrences().resume_recurrence(request).await.expect_err("it is over");
    assert_eq!(reason(&refused), Some(Reason::QueueTransitionRefused));
    let list = async |show_ended| {
        let request = pb::ListRecurrencesRequest { show_ended, ..Default::default() };
        let answer = stand.recurrences().list_recurrences(request).await.expect("a list");
        answer.into_inner().recurrences
    };
    assert_eq!(list(false).await, []);
    let ended = list(true).await;
    assert_eq!((ended[0].state(), ended[0].fired_count), (pb::RecurrenceState::Ended, 1));
}

#[tokio::test]
async fn a_faulty_recurrence_names_every_field() {
    let stand = Stand::new().await;
    let request = pb::CreateRecurrenceRequest {
        request_id: "c".into(),
        spec: Some(pb::TaskSpec {
            depends_on: vec!["a".into()],
            deadline_time: Some(wkt::Timestamp { seconds: 4_000_000_000, nanos: 0 }),
            ..spec("write the report")
        }),
        schedule: Some(pb::Schedule {
            schedule: Some(pb::schedule::Schedule::Cron("0 0 30 2 *".into())),
        }),
    };
    let refused = stand.recurrences().create_recurrence(request).await.expect_err("it is faulty");
    let problem = vivarium_chassis::Problem::from(&refused);
    let mut fields: Vec<_> = problem.fields.iter().map(|field| field.field.clone()).collect();
    fields.sort();
    assert_eq!(fields, ["schedule.cron", "spec.deadline_time", "spec.depends_on", "spec.key"]);
    let unknown = pb::PauseRecurrenceRequest { request_id: "p".into(), key: "nobody".into() };
    let refused = stand.recurrences().pause_recurrence(unknown).await.expect_err("unknown");
    assert_eq!(reason(&refused), Some(Reason::QueueRecurrenceNotFound));
}

#[tokio::test]
async fn a_retry_reads_what_the_attempt_before_it_did_and_a_stale_token_reads_and_records_nothing()
{
    let stand = Stand::new().await;
    stand.add(spec("two model calls")).await;
    let mut runner = stand.runner(1).await;
    runner.credit(1).await;
    let first = runner.granted().await;
    let record = |grant: &pb::Granted, key: &str, result: &str| pb::RecordEffectRequest {
        lease: Some(support::held(grant)),
        key: key.into(),
        result: result.into(),
    };
    let read = |grant: &pb::Granted, key: &str| pb::GetEffectRequest {
        lease: Some(support::held(grant)),
        key: key.into(),
    };
    let mut runners = stand.runners();
    let told = runners.record_effect(record(&first, "call:1", "tides")).await.expect("it is kept");
    let told = told.into_inner();
    assert_eq!((told.repeated, told.effect.expect("it is told").result.as_str()), (false, "tides"));
    let again = runners.record_effect(record(&first, "call:1", "other")).await.expect("a repeat");
    let again = again.into_inner();
    assert_eq!((again.repeated, again.effect.expect("the first").result.as_str()), (true, "tides"));

    stand.advance(Duration::from_secs(31)).await;
    runner.revoked().await;
    stand.advance(Duration::from_secs(2)).await;
    runner.credit(1).await;
    let second = runner.granted().await;
    let known = runners.get_effect(read(&second, "call:1")).await.expect("it may ask").into_inner();
    let known = known.effect.expect("the first attempt did it");
    assert_eq!((known.result.as_str(), known.attempt_number), ("tides", 1));
    let nothing = runners.get_effect(read(&second, "call:2")).await.expect("it may ask");
    assert!(nothing.into_inner().effect.is_none());

    let before = stand.head().await;
    let stale = runners.get_effect(read(&first, "call:1")).await.expect_err("it is fenced off");
    assert_eq!(reason(&stale), Some(Reason::QueueLeaseLost));
    let stale = runners.record_effect(record(&first, "call:2", "late")).await;
    assert_eq!(reason(&stale.expect_err("it is fenced off")), Some(Reason::QueueLeaseLost));
    let wrong = runners.record_effect(record(&second, "a key", &"x".repeat(64_001))).await;
    let wrong = vivarium_chassis::Problem::from(&wrong.expect_err("both are out of bounds"));
    let fields: Vec<_> = wrong.fields.iter().map(|field| field.field.as_str()).collect();
    assert_eq!(fields, ["key", "result"]);
    assert_eq!(stand.head().await, before, "what is refused leaves no trace");
}

#[tokio::test]
async fn what_an_attempt_did_is_known_to_the_next_behind_a_restart_of_the_queue() {
    let mut stand = Stand::new().await;
    stand.add(spec("one model call")).await;
    let mut runner = stand.runner(1).await;
    runner.credit(1).await;
    let first = runner.granted().await;
    let record = |grant: &pb::Granted, result: &str| pb::RecordEffectRequest {
        lease: Some(support::held(grant)),
        key: "call:1".into(),
        result: result.into(),
    };
    stand.runners().record_effect(record(&first, "tides")).await.expect("it is kept");
    drop(runner);
    stand.restart().await;
    let again = stand.runners().record_effect(record(&first, "other")).await.expect("a repeat");
    let again = again.into_inner();
    assert_eq!((again.repeated, again.effect.expect("the first").result.as_str()), (true, "tides"));
    // Nobody resumes the lease: its ttl ends, and another attempt asks before it calls.
    stand.advance(Duration::from_secs(31)).await;
    let mut runner = stand.runner(1).await;
    stand.advance(Duration::from_secs(2)).await;
    runner.credit(1).await;
    let second = runner.granted().await;
    assert_eq!(second.attempt_number, 2);
    let read = pb::GetEffectRequest { lease: Some(support::held(&second)), key: "call:1".into() };
    let known = stand.runners().get_effect(read).await.expect("it may ask").into_inner().effect;
    let known = known.expect("the first attempt did it");
    assert_eq!((known.result.as_str(), known.attempt_number), ("tides", 1));
}

#[tokio::test]
async fn a_limit_is_set_by_a_person_holds_for_what_is_made_then_and_survives_a_restart() {
    let mut stand = Stand::new().await;
    let request = |id: &str, limits, paths: &[&str]| pb::SetLimitsRequest {
        request_id: id.into(),
        limits: Some(limits),
        update_mask: (!paths.is_empty()).then(|| mask(paths)),
        reason: "a large import".into(),
    };
    let longer = pb::Limits { instruction_chars: Some(5_000), ..pb::Limits::default() };
    let long = || spec(&"x".repeat(4_500));
    stand.try_add(vec![long()]).await.expect_err("the file allows less");
    let before = stand.controls().await;
    assert_eq!(before.limits.and_then(|limits| limits.instruction_chars), Some(4_000));
    let told = stand.worlds().set_limits(request("l1", longer, &[])).await.expect("it is set");
    let told = told.into_inner();
    assert_eq!(told.control_epoch, before.control_epoch + 1);
    assert_eq!(told.limits, stand.controls().await.limits);
    stand.restart().await;
    assert_eq!(told.limits, stand.controls().await.limits);
    stand.add(long()).await;
    let back = request("l2", pb::Limits::default(), &["instruction_chars"]);
    stand.worlds().set_limits(back).await.expect("it is given back");
    stand.try_add(vec![long()]).await.expect_err("the file allows less");

    let none = pb::Limits { open_tasks: Some(0), runners: Some(5_000), ..pb::Limits::default() };
    let wrong = stand.worlds().set_limits(request("l3", none, &["speed"])).await;
    let wrong = vivarium_chassis::Problem::from(&wrong.expect_err("all of it is wrong"));
    let fields: Vec<_> = wrong.fields.iter().map(|field| field.field.as_str()).collect();
    assert_eq!(fields, ["limits.open_tasks", "limits.runners", "update_mask.paths[0]", "limits"]);
}

type Cycle = tonic::Streaming<pb::RunCycleResponse>;

fn once(stand: &Stand, task: pb::TaskSpec) -> pb::RunCycleRequest {
    pb::RunCycleRequest { request_id: stand.request_id(), task: Some(task) }
}

async fn follow(stand: &Stand, request: pb::RunCycleRequest) -> Cycle {
    stand.tasks().run_cycle(request).await.expect("it is followed").into_inner()
}

async fn told(cycle: &mut Cycle) -> pb::RunCycleResponse {
    cycle.message().await.expect("it speaks").expect("it goes on")
}

/// What came of it, and that nothing follows.
async fn end(cycle: &mut Cycle) -> pb::RunCycleResponse {
    let mut last = told(cycle).await;
    while let Some(next) = cycle.message().await.expect("it speaks") {
        assert_eq!(last.result, None, "the result comes last");
        last = next;
    }
    last
}

#[tokio::test]
async fn a_script_follows_one_cycle_to_its_end() {
    let stand = Stand::new().await;
    let request = once(&stand, pb::TaskSpec { key: "tides".into(), ..spec("Explain the tides") });
    let mut cycle = follow(&stand, request.clone()).await;
    let first = told(&mut cycle).await;
    let task = first.task.expect("it is whole");
    assert_eq!(task.spec.as_ref().map(|spec| spec.key.as_str()), Some("tides"));
    assert_eq!(task.wait_reason(), pb::WaitReason::NoRunner);
    let mut runner = stand.runner(1).await;
    runner.credit(1).await;
    let grant = runner.granted().await;
    let begun = told(&mut cycle).await.task.expect("it is whole");
    assert_eq!((begun.state(), begun.attempts.len()), (pb::TaskState::Leased, 1));
    assert_eq!(begun.attempts[0].cycle_id, grant.cycle_id);
    let work = pb::Finished {
        summary: "it is done".into(),
        answer: "twice a day".into(),
        how: "finished".into(),
        steps: 1,
        ..Default::default()
    };
    let ack = runner.finish(&grant, Outcome::Finished(work)).await;
    let ended = end(&mut cycle).await;
    let result = ended.result.clone().expect("it has ended");
    let attempt = result.attempt.expect("it was one");
    assert_eq!((attempt.cycle_id, attempt.outcome), (grant.cycle_id, "finished".into()));
    assert_eq!(attempt.submission_id, ack.submission_id);
    assert_eq!((result.summary.as_str(), result.answer.as_str()), ("it is done", "twice a day"));
    // Whoever asks again gets the same cycle, whatever came of its task, and nothing is added.
    stand.reject(&task.task_id, &ack.submission_id, "too short", 1).await;
    let again = end(&mut follow(&stand, request.clone()).await).await;
    assert_eq!(again.result, ended.result);
    assert_eq!(stand.list(pb::TaskFilter::default()).await.len(), 1);
    let other = pb::RunCycleRequest { task: Some(spec("Explain the moon")), ..request };
    let refused = stand.tasks().run_cycle(other).await.expect_err("another request");
    assert_eq!(reason(&refused), Some(Reason::RequestIdReused));
}

#[tokio::test]
async fn a_cycle_that_brings_nothing_says_why() {
    let stand = Stand::new().await;
    stand.pace(0).await;
    let mut runner = stand.runner(1).await;
    let declined = pb::Declined { reason: "not for me".into() };
    let failed = pb::Failed {
        failure_class: pb::FailureClass::CommandFailed.into(),
        message: "no such file".into(),
        retry_after: None,
    };
    let blocked = pb::Blocked {
        rule: "constitution.weapons".into(),
        held: true,
        hash: vec![7; 32],
        ..Default::default()
    };
    let returned = pb::Returned {
        reason: "budget".into(),
        scope: "world_day".into(),
        retry_after: Some(wkt::Duration { seconds: 60, nanos: 0 }),
    };
    let letter = LetterId::from_number(7).to_string();
    let waits = pb::Waits { letter_id: letter.clone() };
    for (outcome, word, why) in [
        (Outcome::Declined(declined), "declined", "not for me"),
        (Outcome::Failed(failed), "failed", "no such file"),
        (Outcome::Blocked(blocked), "held", "constitution.weapons"),
        (Outcome::Waits(waits), "waits", letter.as_str()),
        (Outcome::Returned(returned), "returned", "budget: world_day"),
    ] {
        let mut cycle = follow(&stand, once(&stand, spec("Explain the tides"))).await;
        runner.credit(1).await;
        let grant = runner.granted().await;
        let ack = runner.finish(&grant, outcome).await;
        assert!(ack.accepted, "{ack:?}");
        let ended = end(&mut cycle).await;
        let result = ended.result.expect("it has ended");
        let outcome = result.attempt.map(|attempt| attempt.outcome);
        assert_eq!((outcome.as_deref(), result.why.as_str()), (Some(word), why));
        // Only what has not ended by itself can be cancelled.
        let task = grant.task.expect("it is whole").task_id;
        if stand.state(&task).await != pb::TaskState::Failed {
            stand.cancel(&task).await;
        }
    }
    let mut cycle = follow(&stand, once(&stand, spec("Explain the tides"))).await;
    runner.credit(1).await;
    let grant = runner.granted().await;
    stand.pause(&grant.task.expect("it is whole").task_id).await;
    let result = end(&mut cycle).await.result.expect("it has ended");
    let outcome = result.attempt.map(|attempt| attempt.outcome);
    assert_eq!((outcome.as_deref(), result.why.as_str()), (Some("revoked"), "paused"));
}

#[tokio::test]
async fn a_cycle_that_nothing_begins_by_itself_ends_without_one() {
    let stand = Stand::new().await;
    for (request, state) in [("cancel", pb::TaskState::Cancelled), ("pause", pb::TaskState::Paused)]
    {
        let mut cycle = follow(&stand, once(&stand, spec("Explain the ebb"))).await;
        let id = told(&mut cycle).await.task.expect("it is whole").task_id;
        if request == "pause" {
            stand.pause(&id).await;
        } else {
            stand.cancel(&id).await;
        }
        let ended = end(&mut cycle).await;
        assert_eq!((ended.task.map(|task| task.state()), ended.result), (Some(state), None));
    }
    let other = stand.add(spec("comes first")).await;
    let waits = pb::TaskSpec { depends_on: vec![other.clone()], ..spec("Explain the flood") };
    let mut cycle = follow(&stand, once(&stand, waits)).await;
    let first = told(&mut cycle).await.task.expect("it is whole");
    assert_eq!(first.wait_reason(), pb::WaitReason::Dependency);
    stand.cancel(&other).await;
    let ended = end(&mut cycle).await;
    let task = ended.task.expect("it is whole");
    assert_eq!((task.wait_reason(), ended.result), (pb::WaitReason::DependencyFailed, None));
}

#[tokio::test]
async fn a_cycle_is_followed_again_behind_a_restart() {
    let mut stand = Stand::new().await;
    let request = once(&stand, spec("Explain the tides"));
    let mut cycle = follow(&stand, request.clone()).await;
    let id = told(&mut cycle).await.task.expect("it is whole").task_id;
    stand.restart().await;
    let broken = loop {
        match cycle.message().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("a cycle that did not end is not told as one that did"),
            Err(status) => break status,
        }
    };
    assert_eq!(broken.code(), tonic::Code::Unavailable, "{broken:?}");
    let mut cycle = follow(&stand, request).await;
    assert_eq!(told(&mut cycle).await.task.expect("it is whole").task_id, id);
    let mut runner = stand.runner(1).await;
    runner.credit(1).await;
    let grant = runner.granted().await;
    runner.finish(&grant, support::finished()).await;
    let result = end(&mut cycle).await.result.expect("it has ended");
    assert_eq!(result.attempt.map(|attempt| attempt.cycle_id), Some(grant.cycle_id));
}

#[tokio::test]
async fn a_cycle_that_is_asked_for_badly_adds_nothing() {
    let stand = Stand::new().await;
    for (request, field) in [
        (pb::RunCycleRequest { request_id: "a".into(), task: None }, "task"),
        (pb::RunCycleRequest { request_id: String::new(), task: Some(spec("x y")) }, "request_id"),
        (once(&stand, spec("")), "task.instruction"),
    ] {
        let refused = stand.tasks().run_cycle(request).await.expect_err(field);
        let problem = vivarium_chassis::Problem::from(&refused);
        assert!(problem.is(Reason::RequestInvalid), "{problem:?}");
        assert!(problem.fields.iter().any(|wrong| wrong.field == field), "{problem:?}");
    }
    assert_eq!(stand.list(pb::TaskFilter::default()).await.len(), 0);
}
