//! The way of a task: from the adding to a published document, a wage and a post.

use vivarium_chassis::Service;
use vivarium_harness::answers;
use vivarium_harness::history::History;
use vivarium_harness::model_server::Script;
use vivarium_harness::process::{Model, World, wait_until};
use vivarium_proto::identity::v1 as identity;
use vivarium_proto::identity::v1::wallet_service_client::WalletServiceClient;
use vivarium_proto::queue::v1 as queue;
use vivarium_proto::queue::v1::task_service_client::TaskServiceClient;
use vivarium_proto::review::v1 as review;
use vivarium_proto::review::v1::review_service_client::ReviewServiceClient;
use vivarium_proto::social::v1 as social;
use vivarium_proto::social::v1::library_service_client::LibraryServiceClient;
use vivarium_proto::social::v1::room_service_client::RoomServiceClient;

/// The state of a task, as `vivarium show` tells it.
pub(crate) fn state(world: &World, task: &str) -> String {
    let shown = world.ask(&["show", task]);
    let state = shown["task"]["state"].as_str().expect("a task has a state");
    state.trim_start_matches("TASK_STATE_").to_lowercase()
}

/// Adds a task on the command line.
pub(crate) fn add(world: &World, instruction: &str) -> String {
    let added = world.ask(&["add", instruction]);
    added["taskIds"][0].as_str().expect("an id is printed").to_owned()
}

/// Adds tasks as a program does.
pub(crate) fn add_many(world: &World, request_id: &str, instructions: &[String]) -> Vec<String> {
    let task = |instruction: &String| queue::TaskSpec {
        instruction: instruction.clone(),
        ..Default::default()
    };
    let tasks = instructions.iter().map(task).collect();
    let request = queue::AddTasksRequest { request_id: request_id.to_owned(), tasks };
    let added = world.call(async |peers| {
        TaskServiceClient::new(peers.to(Service::Queue).calls()).add_tasks(request).await
    });
    added.expect("they are added").into_inner().task_ids
}

/// Waits until a task is in a state.
#[track_caller]
pub(crate) fn wait_for(world: &World, task: &str, wanted: &str) {
    wait_until(&format!("{task} is {wanted}"), || state(world, task) == wanted);
}

fn messages(world: &World, room: &str) -> Vec<social::Message> {
    let request = social::ListMessagesRequest { room: room.to_owned(), ..Default::default() };
    let listed = world.call(async |peers| {
        RoomServiceClient::new(peers.to(Service::Society).calls()).list_messages(request).await
    });
    listed.expect("the room is there").into_inner().messages
}

fn documents(world: &World, task: &str) -> Vec<social::LibraryDocument> {
    let request = social::ListDocumentsRequest { task_id: task.to_owned(), ..Default::default() };
    let listed = world.call(async |peers| {
        LibraryServiceClient::new(peers.to(Service::Society).calls()).list_documents(request).await
    });
    listed.expect("the library is there").into_inner().documents
}

fn wages(world: &World) -> Vec<identity::Entry> {
    let request = identity::ListEntriesRequest { page_size: 1_000, ..Default::default() };
    let listed = world.call(async |peers| {
        WalletServiceClient::new(peers.to(Service::Society).calls()).list_entries(request).await
    });
    let postings = listed.expect("there are postings").into_inner().postings;
    let entries = postings.into_iter().filter_map(|posting| posting.entry);
    entries.filter(|entry| entry.business_key.starts_with("wage:")).collect()
}

fn approve(world: &World, task: &str) {
    let submission = task.to_owned();
    let read = review::GetSubmissionRequest { submission: submission.clone(), min_position: None };
    let approved = world.call(async |peers| {
        let mut reviews = ReviewServiceClient::new(peers.to(Service::Review).calls());
        let read = reviews.get_submission(read).await?.into_inner().submission.unwrap_or_default();
        let request = review::ApproveSubmissionRequest {
            request_id: format!("approve-{task}"),
            submission,
            payload_hash: read.payload_hash,
            ..Default::default()
        };
        reviews.approve_submission(request).await
    });
    approved.expect("it is approved");
}

#[test]
fn line_01_a_task_goes_from_the_adding_to_a_published_document_a_wage_and_a_post() {
    let model = Model::start(Script::answering(answers::diligent));
    let world = World::start_advised_by(&model);
    world.ask(&["pace", "0"]);
    let by_hand = add(&world, "Describe the tides of a small harbour");
    let by_program = add_many(&world, "one", &["Describe the winds of a small harbour".to_owned()]);
    let by_program = by_program.first().expect("one was added").clone();
    for task in [&by_hand, &by_program] {
        wait_for(&world, task, "awaiting_human");
        assert_eq!(documents(&world, task), [], "nothing is public before the approval");
    }
    world.ask(&["approve", &by_hand]);
    approve(&world, &by_program);
    for task in [&by_hand, &by_program] {
        wait_for(&world, task, "approved");
        wait_until("it is published", || documents(&world, task).len() == 1);
        let document = documents(&world, task).remove(0);
        assert!(document.cost_micro_usd > 0, "{document:?}");
        let file = world.root().join("library").join(&document.path);
        wait_until("the file lies in the library", || file.is_file());
        let text = std::fs::read_to_string(&file).expect("it is text");
        for line in
            ["author: res_", &format!("task: {task}"), "decided_by: human", "cost_micro_usd: "]
        {
            assert!(text.contains(line), "{line} in {text}");
        }
        wait_until("town_hall knows", || {
            messages(&world, "town_hall").iter().any(|message| message.task_id == *task)
        });
    }
    wait_until("both are paid", || wages(&world).len() == 2);
    let history = History::read(world.root());
    assert_eq!(history.breaches(), [""; 0]);
    assert_eq!(history.owed(), [""; 0]);
    assert_eq!(world.ask(&["audit", "verify"])["sound"], true);
}

#[test]
fn a_task_that_depends_on_another_waits_for_its_approval() {
    let model = Model::start(Script::answering(answers::diligent));
    let world = World::start_advised_by(&model);
    world.ask(&["pace", "0"]);
    let first = add(&world, "Describe the soil of a small garden");
    let second = world.ask(&["add", "Describe the plants of a small garden", "--after", &first]);
    let second = second["taskIds"][0].as_str().expect("an id").to_owned();
    wait_for(&world, &first, "awaiting_human");
    assert_eq!(state(&world, &second), "blocked");
    world.ask(&["approve", &first]);
    wait_for(&world, &second, "awaiting_human");
}

#[test]
fn a_cancelled_task_is_never_run() {
    let model = Model::start(Script::answering(answers::diligent));
    let world = World::start_advised_by(&model);
    world.ask(&["pace", "paused"]);
    let task = add(&world, "Describe the walls of a small house");
    world.ask(&["cancel", &task]);
    world.ask(&["pace", "0"]);
    let other = add(&world, "Describe the roof of a small house");
    wait_for(&world, &other, "awaiting_human");
    assert_eq!(state(&world, &task), "cancelled");
    assert!(model.asked().iter().all(|asked| !answers::task(asked).contains("walls")));
}

#[test]
fn without_a_model_a_task_waits_and_says_for_what() {
    let world = World::start_with(&[("executor", "[model]\norder = []\n")]);
    world.ask(&["pace", "0"]);
    let task = add(&world, "Describe a day without a model");
    wait_until("it says why it waits", || {
        world.ask(&["show", &task])["task"]["waitReason"] == "WAIT_REASON_NO_PROVIDER"
    });
}

#[test]
fn a_script_runs_a_task_to_its_end_with_one_command() {
    let model = Model::start(Script::answering(answers::diligent));
    let world = World::start_on(&model);
    world.ask(&["pace", "paused"]);
    let waited = world.run(&["run", "--wait", "1", "--local", "echo", "too early"]);
    let said = String::from_utf8_lossy(&waited.stderr).into_owned();
    assert_eq!(waited.status.code(), Some(75), "{said}");
    assert!(said.contains("not done after 1 s") && said.contains("vivarium why tsk_"), "{said}");
    world.ask(&["pace", "0"]);
    let ran = world.run(&["run", "Describe the lake in spring"]);
    let (work, said) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{said}");
    assert!(work.starts_with('#') && work.contains("lake"), "the work and nothing else: {work}");
    assert!(said.contains("added tsk_"), "{said}");
    let told = world.ask(&["run", "--local", "echo", "the tide is high"]);
    assert_eq!(told["submission"]["answer"], "the tide is high", "{told}");
    let failed = world.run(&["run", "--local", "cat", "no/such/file.md"]);
    let said = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert_eq!((failed.status.code(), failed.stdout.len()), (Some(1), 0), "{said}");
    assert!(said.contains("is failed"), "{said}");
    // It waits for a person, but not with work that could be approved.
    let poor = world.run(&["run", "Describe the river in spring", "--budget-max", "1"]);
    let said = String::from_utf8_lossy(&poor.stderr).into_owned();
    assert_eq!((poor.status.code(), poor.stdout.len()), (Some(1), 0), "{said}");
    assert!(said.contains("budget"), "{said}");
}

/// Runs one cycle, or leaves at the first word of it.
fn cycle(
    world: &World,
    request_id: &str,
    task: &queue::TaskSpec,
    leave: bool,
) -> queue::RunCycleResponse {
    let request =
        queue::RunCycleRequest { request_id: request_id.to_owned(), task: Some(task.clone()) };
    world.call(async |peers| {
        let calls = peers.to(Service::Queue).calls();
        let answer = TaskServiceClient::new(calls).run_cycle(request).await;
        let mut told = answer.expect("it is followed").into_inner();
        let mut last = told.message().await.expect("it speaks").expect("it goes on");
        while !leave && let Some(next) = told.message().await.expect("it speaks") {
            last = next;
        }
        last
    })
}

#[test]
fn a_script_runs_one_cycle_with_one_call() {
    let model = Model::start(Script::answering(answers::diligent));
    let world = World::start_on(&model);
    let local = queue::TaskSpec {
        mode: queue::TaskMode::Local.into(),
        command: ["echo", "the tide is high"].map(str::to_owned).to_vec(),
        ..Default::default()
    };
    // A halt holds it like everything else.
    world.ask(&["halt", "-m", "not yet"]);
    let held = cycle(&world, "tide", &local, true).task.expect("it is whole");
    assert_eq!(held.wait_reason(), queue::WaitReason::Halted, "{held:?}");
    world.ask(&["resume", "-m", "go on"]);
    let ended = cycle(&world, "tide", &local, false);
    assert_eq!(ended.task.map(|task| task.task_id), Some(held.task_id));
    assert_eq!(ended.result.expect("it has ended").answer, "the tide is high");
    let instruction = "Describe the lake in winter".to_owned();
    let lake = queue::TaskSpec { instruction, ..Default::default() };
    let ended = cycle(&world, "lake", &lake, false);
    let attempt = ended.result.and_then(|result| result.attempt).expect("it has ended");
    assert_eq!(attempt.outcome, "finished", "{attempt:?}");
    let task = ended.task.expect("it is whole").task_id;
    wait_until("the work is with review", || !world.ask(&["show", &task])["submission"].is_null());
    let work = &world.ask(&["show", &task])["submission"];
    assert_eq!(work["submissionId"], attempt.submission_id, "{work}");
    // The same guards: a budget that allows no call lets none happen.
    let poor =
        queue::TaskSpec { budget_max_micro_usd: Some(1), budget_min_micro_usd: Some(1), ..lake };
    let ended = cycle(&world, "poor", &poor, false);
    let attempt = ended.result.and_then(|result| result.attempt).expect("it has ended");
    assert_eq!((attempt.failure_class.as_str(), attempt.cost_micro_usd), ("budget", 0));
}
