//! Tasks that residents split or propose, over the wire.

#[path = "support/stand.rs"]
mod support;

use support::{Runner, Stand, reason, spec};
use vivarium_proto::queue::v1 as pb;
use vivarium_proto::queue::v1::finish_attempt::Outcome;
use vivarium_types::Reason;

const ASKED: &str = "Write a guide to the sea, with maps";

fn part(title: &str, instruction: &str, share: u32, after: &[u32]) -> pb::PlanPart {
    let (title, instruction) = (title.to_owned(), instruction.to_owned());
    pb::PlanPart { title, instruction, after: after.to_vec(), share }
}

fn parts() -> Vec<pb::PlanPart> {
    let first = part("Tides", "Explain the tides", 60, &[]);
    vec![first, part("Waves", "Explain the waves", 40, &[1])]
}

fn planned(parts: Vec<pb::PlanPart>) -> Outcome {
    let plan = Some(pb::Plan { reason: "These are two things.".into(), parts });
    Outcome::Finished(pb::Finished { how: "split".into(), plan, ..pb::Finished::default() })
}

/// The next grant, which is of this task.
async fn granted(runner: &mut Runner, task: &str) -> pb::Granted {
    runner.credit(1).await;
    let granted = runner.granted().await;
    assert_eq!(granted.task.as_ref().map(|task| task.task_id.as_str()), Some(task));
    granted
}

async fn approve(stand: &Stand, runner: &mut Runner, grant: &pb::Granted) {
    let task = grant.task.as_ref().expect("it has a task").task_id.clone();
    let ack = runner.finish(grant, support::finished()).await;
    assert!(ack.accepted, "{}", ack.reason);
    stand.verdict(&task, &ack.submission_id, true).await;
}

#[tokio::test]
async fn a_task_is_split_its_parts_are_done_and_its_second_attempt_gets_what_they_have_come_to() {
    let stand = Stand::new().await;
    stand.pace(0).await;
    let task = stand.add(spec(ASKED)).await;
    let mut runner = stand.runner(1).await;
    let first = granted(&mut runner, &task).await;
    assert!(first.may_split && first.root_instruction.is_empty() && first.parts_done.is_empty());
    let ack = runner.finish(&first, planned(parts())).await;
    assert!(ack.accepted, "{}", ack.reason);
    stand.verdict(&task, &ack.submission_id, true).await;
    let split = stand.task(&task).await;
    assert_eq!(split.state(), pb::TaskState::Split);
    let children = split.child_ids;
    let shown = stand.task(&children[1]).await;
    assert_eq!((shown.parent_id.as_str(), shown.depth), (task.as_str(), 1));
    assert_eq!(shown.dependency_ids, children[..1]);
    let asked = shown.spec.expect("it has a spec");
    assert_eq!((asked.title.as_str(), asked.instruction.as_str()), ("Waves", "Explain the waves"));

    for child in &children {
        let grant = granted(&mut runner, child).await;
        assert_eq!(grant.root_instruction, ASKED, "the human's words are the instruction");
        approve(&stand, &mut runner, &grant).await;
    }
    let second = granted(&mut runner, &task).await;
    assert!(!second.may_split, "it is split once");
    let titles: Vec<&str> = second.parts_done.iter().map(|part| part.title.as_str()).collect();
    assert_eq!(titles, ["Tides", "Waves"]);
    for part in &second.parts_done {
        let child = stand.task(&part.task_id).await;
        assert_eq!(part.submission_id, child.submission_id, "what review approved");
    }
    approve(&stand, &mut runner, &second).await;
    assert_eq!(stand.state(&task).await, pb::TaskState::Approved);
}

#[tokio::test]
async fn plans_that_cannot_become_tasks_are_refused_by_field_or_reason_and_change_nothing() {
    let stand = Stand::new().await;
    let task = stand.add(spec(ASKED)).await;
    let mut runner = stand.runner(1).await;
    let grant = granted(&mut runner, &task).await;
    let before = stand.head().await;
    let with = |change: &dyn Fn(&mut Vec<pb::PlanPart>)| {
        let mut parts = parts();
        change(&mut parts);
        planned(parts)
    };
    let invalid = "REQUEST_INVALID";
    let duplicate = "QUEUE_TASK_DUPLICATE";
    for (outcome, expected) in [
        (with(&|parts| parts.truncate(1)), invalid),
        (with(&|parts| parts[0].share = 61), invalid),
        (with(&|parts| parts[0].after = vec![2]), invalid),
        (with(&|parts| parts[0].after = vec![0]), invalid),
        (with(&|parts| parts[0].instruction = "short".into()), invalid),
        (with(&|parts| parts[1].instruction = "explain THE tides!".into()), duplicate),
        (with(&|parts| parts[0].instruction = ASKED.to_lowercase()), duplicate),
    ] {
        let ack = runner.finish(&grant, outcome).await;
        assert_eq!((ack.accepted, ack.reason.as_str()), (false, expected));
    }
    assert_eq!(stand.head().await, before, "what is refused leaves no trace");
    assert!(runner.finish(&grant, planned(parts())).await.accepted);
}

fn wish(grant: &pb::Granted, instruction: &str) -> pb::ProposeTaskRequest {
    pb::ProposeTaskRequest {
        request_id: instruction.replace(|c: char| !c.is_ascii_alphanumeric(), "."),
        lease: Some(support::held(grant)),
        title: "A map of the sea".into(),
        instruction: instruction.into(),
        why: "Everybody gets lost.".into(),
    }
}

#[tokio::test]
async fn a_proposal_waits_for_a_human_who_admits_what_was_read_or_refuses_it() {
    let stand = Stand::new().await;
    let task = stand.add(spec(ASKED)).await;
    let mut runner = stand.runner(1).await;
    let grant = granted(&mut runner, &task).await;
    let asked = wish(&grant, "Draw a map");
    let proposed = stand.runners().propose_task(asked.clone()).await.expect("it is proposed");
    let id = proposed.into_inner().task_id;
    let again = stand.runners().propose_task(asked).await.expect("a repeat").into_inner();
    assert_eq!(again.task_id, id, "a repeat proposes nothing new");
    let shown = stand.task(&id).await;
    assert_eq!(shown.state(), pb::TaskState::Proposed);
    assert_eq!(shown.submitter, format!("resident:{}", grant.resident_id));
    assert_eq!(shown.why, "Everybody gets lost.");
    assert_eq!(shown.spec.as_ref().and_then(|spec| spec.rest_day_ok), Some(false));
    let states = vec![pb::TaskState::Proposed.into()];
    let listed = stand.list(pb::TaskFilter { states, ..Default::default() }).await;
    assert_eq!(listed.len(), 1);

    let request = |hash: &[u8]| pb::AdmitTaskRequest {
        request_id: stand.request_id(),
        task: id.clone(),
        proposal_hash: hash.to_vec(),
    };
    let stale = stand.tasks().admit_task(request(&[7; 32])).await.expect_err("another hash");
    assert_eq!(reason(&stale), Some(Reason::ApprovalStale));
    let wrong = stand.tasks().admit_task(request(&[7; 3])).await.expect_err("no hash");
    assert_eq!(reason(&wrong), Some(Reason::RequestInvalid));
    stand.tasks().admit_task(request(&shown.proposal_hash)).await.expect("it is admitted");
    let admitted = stand.task(&id).await;
    assert_eq!(admitted.state(), pb::TaskState::Ready);
    assert!(admitted.proposal_hash.is_empty(), "it is no proposal any more");
    let again = stand.tasks().admit_task(request(&shown.proposal_hash)).await;
    let again = again.expect_err("it is admitted already");
    assert_eq!(reason(&again), Some(Reason::QueueTransitionRefused));

    let other = stand.runners().propose_task(wish(&grant, "Draw another map")).await;
    let other = other.expect("it is proposed").into_inner().task_id;
    let proposal_hash = stand.task(&other).await.proposal_hash;
    let request = pb::RefuseTaskRequest {
        request_id: stand.request_id(),
        task: other.clone(),
        proposal_hash,
        reason: "one map is enough".into(),
    };
    stand.tasks().refuse_task(request).await.expect("it is refused");
    assert_eq!(stand.state(&other).await, pb::TaskState::Cancelled);
}

#[tokio::test]
async fn a_proposal_can_be_read_as_it_was_and_tells_what_feedback_it_brought() {
    let stand = Stand::new().await;
    let proposed = pb::ProposedTask {
        spec: Some(spec("Draw a map")),
        why: "moving house".into(),
        feedback: vec!["too small".into(), "no scale".into()],
    };
    let request = pb::ProposeTasksRequest { request_id: stand.request_id(), tasks: vec![proposed] };
    let answer = stand.tasks().propose_tasks(request).await.expect("it is proposed");
    let id = answer.into_inner().task_ids.remove(0);
    let sequence = stand.head().await;
    let proposal_hash = stand.task(&id).await.proposal_hash;
    let request =
        pb::AdmitTaskRequest { request_id: stand.request_id(), task: id.clone(), proposal_hash };
    stand.tasks().admit_task(request).await.expect("it is admitted");
    let mut runner = stand.runner(1).await;
    let grant = granted(&mut runner, &id).await;
    assert_eq!(grant.task.as_ref().map(|task| task.feedback_brought), Some(2));
    let ack = runner.finish(&grant, support::finished()).await;
    stand.reject(&id, &ack.submission_id, "still no scale", 1).await;
    let now = stand.task(&id).await;
    assert_eq!((now.feedback.len(), now.feedback_brought), (3, 2), "the last ones were brought");

    let as_of = Some(pb::AsOf { moment: Some(pb::as_of::Moment::Sequence(sequence)) });
    let request = pb::GetTaskRequest { task: id.clone(), as_of, min_position: None };
    let then = stand.tasks().get_task(request).await.expect("it was there").into_inner();
    let then = then.task.expect("a task");
    assert_eq!((then.state(), then.why.as_str()), (pb::TaskState::Proposed, "moving house"));
    assert_eq!(then.feedback, ["too small", "no scale"]);
}

#[tokio::test]
async fn proposals_that_repeat_themselves_or_come_too_often_are_refused_by_reason() {
    let stand = Stand::new().await;
    let task = stand.add(spec(ASKED)).await;
    let mut runner = stand.runner(1).await;
    let grant = granted(&mut runner, &task).await;
    let propose = async |wish| stand.runners().propose_task(wish).await;
    let same = propose(wish(&grant, &ASKED.to_uppercase())).await.expect_err("its own task");
    assert_eq!(reason(&same), Some(Reason::QueueTaskDuplicate));
    let short = pb::ProposeTaskRequest { why: "x".into(), ..wish(&grant, "short") };
    let short = vivarium_chassis::Problem::from(&propose(short).await.expect_err("too short"));
    let fields: Vec<_> = short.fields.iter().map(|field| field.field.as_str()).collect();
    assert_eq!(fields, ["why", "instruction"]);
    for number in 0..3 {
        propose(wish(&grant, &format!("Draw map {number}"))).await.expect("one of three");
    }
    let twice = pb::ProposeTaskRequest { request_id: "x".into(), ..wish(&grant, "draw map 2") };
    let twice = propose(twice).await.expect_err("an open proposal asks for it");
    assert_eq!(reason(&twice), Some(Reason::QueueTaskDuplicate));
    let fourth = propose(wish(&grant, "Draw map 4")).await.expect_err("a fourth");
    assert_eq!(reason(&fourth), Some(Reason::ActionQuotaSpent));
    assert!(runner.finish(&grant, support::finished()).await.accepted);
    let late = propose(wish(&grant, "Draw map 5")).await.expect_err("its lease has ended");
    assert_eq!(reason(&late), Some(Reason::QueueLeaseLost));
}

#[tokio::test]
async fn line_25_split_signals_are_told_when_a_task_is_added_and_shown_and_split_nothing() {
    let stand = Stand::new().await;
    let asked = "Collect facts, write a summary, and publish it in the hall";
    let tasks = vec![spec(asked), spec("Describe the sea")];
    let request = pb::AddTasksRequest { request_id: "several".into(), tasks };
    let answer = stand.tasks().add_tasks(request).await.expect("they are added").into_inner();
    let counts: Vec<u32> = answer.split_hints.iter().map(|hint| hint.signal_count).collect();
    assert_eq!(counts, [2, 0]);
    let shown = stand.task(&answer.task_ids[0]).await;
    assert_eq!(shown.split_hint, answer.split_hints.first().cloned());
    assert_eq!(shown.split_hint.expect("a hint").parts[2], "publish it in the hall");
    assert_eq!(stand.list(pb::TaskFilter::default()).await.len(), 2, "nothing is split by itself");
}

#[tokio::test]
async fn rule_4_4_delegation_is_refused_by_name_when_it_comes_round_or_goes_too_deep() {
    let mut stand = Stand::new().await;
    stand.pace(0).await;
    let mut task = stand.add(spec(ASKED)).await;
    let mut runner = stand.runner(1).await;
    let mut grant = granted(&mut runner, &task).await;
    for asked in ["Draw a map", "Print the map"] {
        let proposed = stand.runners().propose_task(wish(&grant, asked)).await;
        let proposed = proposed.expect("it is proposed").into_inner().task_id;
        approve(&stand, &mut runner, &grant).await;
        let request = pb::AdmitTaskRequest {
            request_id: stand.request_id(),
            proposal_hash: stand.task(&proposed).await.proposal_hash,
            task: proposed.clone(),
        };
        stand.tasks().admit_task(request).await.expect("it is admitted");
        task = proposed;
        grant = granted(&mut runner, &task).await;
    }
    assert_eq!(stand.task(&task).await.depth, 2);
    assert!(!grant.may_split, "a part would lie too deep");
    // What stands above is known from the log.
    stand.restart().await;
    let mut runner = stand.runner_again(&runner, &[&grant]).await;
    let refused = async |asked: &str| {
        let refused = stand.runners().propose_task(wish(&grant, asked)).await;
        reason(&refused.expect_err("it is refused"))
    };
    for asked in [ASKED, "draw a MAP!", "print the map"] {
        assert_eq!(refused(asked).await, Some(Reason::QueueTaskDuplicate), "{asked}");
    }
    assert_eq!(refused("Frame the map").await, Some(Reason::QueueTaskTooDeep));
    approve(&stand, &mut runner, &grant).await;
}

#[tokio::test]
async fn rule_4_4_a_plan_does_not_ask_for_what_its_task_was_proposed_out_of() {
    let stand = Stand::new().await;
    stand.pace(0).await;
    let first = stand.add(spec(ASKED)).await;
    let mut runner = stand.runner(1).await;
    let grant = granted(&mut runner, &first).await;
    let proposed = stand.runners().propose_task(wish(&grant, "Draw a map")).await;
    let task = proposed.expect("it is proposed").into_inner().task_id;
    approve(&stand, &mut runner, &grant).await;
    let request = pb::AdmitTaskRequest {
        request_id: stand.request_id(),
        proposal_hash: stand.task(&task).await.proposal_hash,
        task: task.clone(),
    };
    stand.tasks().admit_task(request).await.expect("it is admitted");
    let grant = granted(&mut runner, &task).await;
    assert!(grant.may_split);
    let mut round = parts();
    round[1].instruction = ASKED.to_uppercase();
    let ack = runner.finish(&grant, planned(round)).await;
    assert_eq!((ack.accepted, ack.reason.as_str()), (false, "QUEUE_TASK_DUPLICATE"));
    assert!(runner.finish(&grant, planned(parts())).await.accepted);
}
