//! A world of the Python reference is taken over: once, with a word on all that is left.

use std::path::Path;

use serde_json::{Value, json};
use vivarium_chassis::Service;
use vivarium_harness::answers;
use vivarium_harness::history::History;
use vivarium_harness::model_server::Script;
use vivarium_harness::process::{Model, World, wait_until};
use vivarium_proto::identity::v1 as identity;
use vivarium_proto::identity::v1::memory_service_client::MemoryServiceClient;
use vivarium_proto::identity::v1::resident_service_client::ResidentServiceClient;
use vivarium_proto::identity::v1::wallet_service_client::WalletServiceClient;
use vivarium_proto::social::v1 as social;
use vivarium_proto::social::v1::mail_service_client::MailServiceClient;
use vivarium_proto::social::v1::room_service_client::RoomServiceClient;

use crate::way::{state, wait_for};

/// Writes a file below a folder.
fn write(root: &Path, name: &str, text: &str) {
    let path = root.join(name);
    std::fs::create_dir_all(path.parent().expect("it lies in a folder")).expect("a folder");
    std::fs::write(path, text).expect("a file");
}

/// A world as the reference writes it, with everything that can be wrong with one.
fn fixture() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    let tasks = json!({"version": "1", "tasks": [
        {"id": "task 002", "prompt": "", "description": "Describe the night of a small harbour",
         "depends_on": ["task-001", "done-1"], "min_budget": 0.05, "max_budget": 0.1,
         "identity_id": "identity_ada", "doc_path": "/etc/passwd", "model": "no/such-model"},
        {"id": "task-001", "prompt": "Describe the day of a small harbour", "title": "The day of a small harbour",
         "parallel_safe": true, "max_budget": 900.0},
        {"id": "task-001", "prompt": "The same id again"},
        {"id": "done-1", "prompt": "Done long ago"},
        {"id": "lost-1", "prompt": "Failed long ago"},
        {"id": "ring-a", "prompt": "One half of a ring", "depends_on": ["ring-b"]},
        {"id": "ring-b", "prompt": "The other half", "depends_on": ["ring-a"]},
        {"id": "orphan", "prompt": "Waits for nobody", "depends_on": ["nowhere"]},
        {"id": "danger", "command": "rm -rf /", "mode": "local"},
        {"id": "after-danger", "prompt": "Waits for danger", "depends_on": ["danger"]},
        {"id": "look", "command": "echo hello"},
        {"id": "empty"},
        "no object",
    ], "completed": [{"id": "old"}], "failed": []});
    write(root, "world/mutable/queue.json", &serde_json::to_string_pretty(&tasks).expect("JSON"));
    write(
        root,
        "meta/audit/execution_log.jsonl",
        concat!(
            "{\"task_id\": \"done-1\", \"status\": \"in_progress\", \"timestamp\": \"2025-01-01T00:00:00\"}\n",
            "{\"task_id\": \"done-1\", \"status\": \"approved\"}\n",
            "{broken\n",
            "{\"task_id\": \"lost-1\", \"status\": \"failed\", \"errors\": \"boom\"}\n",
            "{\"task_id\": \"task-001\", \"status\": \"requeue\", \"review_issues\": [\"too short\"]}\n",
            "{\"status\": \"approved\"}\n",
        ),
    );
    identities(root);
    write(
        root,
        "bounties.json",
        r#"{"bounties": [
        {"id": "b1", "title": "A prize", "reward": 100, "status": "open"},
        {"id": "b2", "title": "Another", "reward": 50, "status": "completed"}]}"#,
    );
    talk(root);
    write(
        root,
        "free_time_balances.json",
        r#"{
        "identity_ada": {"tokens": 730, "journal_tokens": 41.9, "free_time_cap": 900, "history": []},
        "identity_bo": {"tokens": -12, "journal_tokens": 7},
        "identity_gone": {"tokens": 5, "journal_tokens": 5},
        "broken": 7}"#,
    );
    write(root, "runtime_speed.json", r#"{"wait_seconds": 4}"#);
    folder
}

fn identities(root: &Path) {
    let ada = json!({"id": "identity_ada", "name": "Adalind Quillfeather",
        "summary": "Keeps the lists of the harbour.", "created_at": "2025-02-03T04:05:06.789",
        "attributes": {
            "core": {"personality_traits": ["patient"], "core_values": ["care"],
                     "identity_statement": "I count what others only see."},
            "mutable": {"likes": ["gulls", "rope"], "current_mood": "calm"},
            "profile": {"display": "# Adalind", "custom_css": "body {}"}},
        "sessions_participated": 4,
        "memories": ["The east pier creaks.", {"content": "Fog comes in October."},
                     "The east pier creaks.", ""]});
    let bo = json!({"id": "identity_bo", "name": "Bosun Driftwood", "summary": "x".repeat(700)});
    let worker = json!({"id": "identity_worker", "name": "Worker 3"});
    write(root, ".swarm/identities/identity_ada.json", &ada.to_string());
    write(root, ".swarm/identities/identity_bo.json", &bo.to_string());
    write(root, ".swarm/identities/identity_ada_copy.json", &ada.to_string());
    write(root, ".swarm/identities/identity_worker.json", &worker.to_string());
    write(root, ".swarm/identities/torn.json", "{\"id\": \"torn\",\n \"name\": ");
}

fn talk(root: &Path) {
    write(
        root,
        ".swarm/discussions/town_hall.jsonl",
        concat!(
            "{\"id\": \"m1\", \"author_id\": \"identity_ada\", \"content\": \"The fog is back.\", \"room\": \"town_hall\", \"mood\": \"calm\", \"importance\": 4, \"timestamp\": \"2025-03-01T10:00:00\"}\n",
            "{\"id\": \"m2\", \"author_id\": \"identity_bo\", \"content\": \"I hear the horn.\", \"reply_to\": \"m1\"}\n",
            "{\"id\": \"m2\", \"author_id\": \"identity_bo\", \"content\": \"I hear the horn.\"}\n",
            "{\"id\": \"m3\", \"author_id\": \"identity_gone\", \"content\": \"Who am I?\"}\n",
            "not json\n",
            "{\"id\": \"m4\", \"author_id\": \"human\", \"content\": \"Well spotted.\", \"reply_to\": \"m2\"}\n",
            "{\"id\": \"m5\", \"author_id\": \"identity_bo\", \"content\": \"\"}\n",
        ),
    );
    write(
        root,
        ".swarm/discussions/old_pier.jsonl",
        "{\"id\": \"p1\", \"author_id\": \"identity_bo\", \"content\": \"Mind the third plank.\"}\n",
    );
    write(
        root,
        ".swarm/discussions/dm__a__b.jsonl",
        "{\"id\": \"d1\", \"author_id\": \"identity_bo\", \"content\": \"Between us.\"}\n",
    );
    write(
        root,
        ".swarm/messages_to_human.jsonl",
        concat!(
            "{\"id\": \"l1\", \"from_id\": \"identity_ada\", \"content\": \"May I paint the boat?\", \"type\": \"question\", \"timestamp\": \"2025-03-02T10:00:00\"}\n",
            "{\"id\": \"l2\", \"from_id\": \"identity_bo\", \"content\": \"The rope is thin.\", \"type\": \"concern\"}\n",
            "{\"id\": \"l3\", \"from_id\": \"identity_gone\", \"content\": \"Hello?\", \"type\": \"greeting\"}\n",
            "{\"id\": \"l4\", \"from_id\": \"identity_bo\"\n",
        ),
    );
    write(
        root,
        ".swarm/messages_from_human.json",
        r#"{
        "l1": {"response": "Yes, in green.", "responded_at": "2025-03-02T11:00:00"},
        "l9": {"response": "To nobody."}}"#,
    );
}

fn import(world: &World, folder: &Path, options: &[&str]) -> Value {
    let folder = folder.to_str().expect("a path in words");
    world.ask(&[&["import", "reference", folder], options].concat())
}

/// Why things of a file are left, with their lines.
fn left(report: &Value, file: &str) -> Vec<(u64, String)> {
    let left = report["left"].as_array().expect("a list");
    let of_file = left.iter().filter(|it| it["file"].as_str().is_some_and(|it| it.ends_with(file)));
    let told = |it: &Value| {
        (it["line"].as_u64().expect("a line"), it["why"].as_str().expect("words").to_owned())
    };
    of_file.map(told).collect()
}

#[track_caller]
fn is_left(report: &Value, file: &str, line: u64, why: &str) {
    let found = left(report, file);
    assert!(
        found.iter().any(|it| it.0 == line && it.1.contains(why)),
        "{file}:{line} in {found:?}"
    );
}

fn resident(world: &World, origin: &str) -> identity::Resident {
    let listed = world.call(async |peers| {
        let mut client = ResidentServiceClient::new(peers.to(Service::Society).calls());
        client.list_residents(identity::ListResidentsRequest::default()).await
    });
    let residents = listed.expect("they are listed").into_inner().residents;
    let found = residents.into_iter().find(|resident| resident.origin == origin);
    found.expect("the resident came over")
}

fn messages(world: &World, room: &str) -> Vec<social::Message> {
    let request = social::ListMessagesRequest { room: room.to_owned(), ..Default::default() };
    let listed = world.call(async |peers| {
        RoomServiceClient::new(peers.to(Service::Society).calls()).list_messages(request).await
    });
    let mut messages = listed.expect("the room is there").into_inner().messages;
    messages.reverse();
    messages
}

/// Who came, what they own, remember, said and wrote.
fn the_people_are_here(world: &World) {
    let (ada, bo) = (resident(world, "import:identity_ada"), resident(world, "import:identity_bo"));
    assert_eq!(ada.handle, "adalind_quillfeather");
    assert_eq!(ada.creator, "operator:cli");
    let words = ada.identity.clone().expect("it has words");
    assert_eq!(words.mutable.expect("attributes").likes, "gulls, rope");
    assert_eq!(bo.identity.clone().expect("it has words").summary.chars().count(), 600);
    let memories = world.call(async |peers| {
        let request = identity::ListMemoriesRequest {
            resident: ada.resident_id.clone(),
            ..Default::default()
        };
        MemoryServiceClient::new(peers.to(Service::Society).calls()).list_memories(request).await
    });
    assert_eq!(memories.expect("they are listed").into_inner().memories.len(), 2);
    wallets_balance(world, &ada, &bo);
    let hall = messages(world, "town_hall");
    let said: Vec<_> = hall.iter().map(|it| (it.author.clone(), it.text.clone())).collect();
    let wanted = [
        (ada.resident_id, "The fog is back.".to_owned()),
        (bo.resident_id, "I hear the horn.".to_owned()),
        ("human".to_owned(), "Well spotted.".to_owned()),
    ];
    assert_eq!(said, wanted);
    assert_eq!(hall[1].reply_to, hall[0].message_id);
    assert_eq!(hall[2].reply_to, hall[1].message_id);
    assert_eq!(messages(world, "import_old_pier").len(), 1);
    let letters = world.call(async |peers| {
        let mut client = MailServiceClient::new(peers.to(Service::Society).calls());
        client.list_letters(social::ListLettersRequest::default()).await
    });
    let letters = letters.expect("they are listed").into_inner().letters;
    let unread: Vec<_> =
        letters.iter().filter(|it| it.answered_time.is_none() && !it.from_human).collect();
    assert_eq!(letters.len(), 3, "{letters:?}");
    assert_eq!(unread.len(), 1, "the one without an answer waits: {letters:?}");
    assert_eq!(unread[0].text, "The rope is thin.");
}

/// The wallets hold what was brought along, beside what every newcomer gets.
fn wallets_balance(world: &World, ada: &identity::Resident, bo: &identity::Resident) {
    let request = identity::ListEntriesRequest { page_size: 1_000, ..Default::default() };
    let listed = world.call(async |peers| {
        WalletServiceClient::new(peers.to(Service::Society).calls()).list_entries(request).await
    });
    let postings = listed.expect("there are postings").into_inner().postings;
    let mut entries: Vec<_> = postings.into_iter().filter_map(|posting| posting.entry).collect();
    entries.retain(|entry| entry.cause == "import");
    entries.sort_by_key(|entry| entry.transfers.len());
    let moved: Vec<Vec<_>> = entries
        .iter()
        .map(|entry| {
            let one = |it: &identity::Transfer| (it.from.clone(), it.to.clone(), it.amount_tokens);
            entry.transfers.iter().map(one).collect()
        })
        .collect();
    let mint = || "mint".to_owned();
    let (ada, bo) = (&ada.resident_id, &bo.resident_id);
    let wanted = vec![
        vec![(mint(), format!("journal:{bo}"), 7)],
        vec![(mint(), format!("free:{ada}"), 730), (mint(), format!("journal:{ada}"), 41)],
    ];
    assert_eq!(moved, wanted);
}

#[test]
fn a_world_of_the_reference_comes_over_once_and_its_tasks_run() {
    let model = Model::start(Script::answering(answers::diligent));
    let world = World::start_advised_by(&model);
    world.ask(&["pace", "paused"]);
    let folder = fixture();
    let dry = import(&world, folder.path(), &["--dry-run"]);
    assert_eq!(dry["taken"]["tasks"], 5, "what the queue refuses is not known yet: {dry}");
    assert_eq!(dry["dryRun"], true);
    assert_eq!(world.run(&["show", "task-001"]).status.code(), Some(1), "a dry run takes nothing");

    let first = import(&world, folder.path(), &["--utc-offset", "+02:00"]);
    let wanted = json!({"residents": 2, "memories": 2, "rooms": 1, "messages": 4, "letters": 3,
        "wallets": 2, "tasks": 3});
    assert_eq!(first["taken"], wanted, "{first:#}");
    the_people_are_here(&world);
    for (file, line, why) in [
        ("queue.json", 0, "`completed` is history"),
        ("bounties.json", 2, "no bounties yet (open)"),
        ("bounties.json", 3, "no bounties yet (completed)"),
        ("execution_log.jsonl", 3, "no JSON"),
        ("execution_log.jsonl", 6, "no task_id"),
        ("execution_log.jsonl", 0, "history"),
        ("identity_ada_copy.json", 1, "another place"),
        ("identity_worker.json", 1, "generic"),
        ("torn.json", 2, "no JSON"),
        ("town_hall.jsonl", 3, "same id"),
        ("town_hall.jsonl", 4, "identity_gone is not taken"),
        ("town_hall.jsonl", 5, "no JSON"),
        ("town_hall.jsonl", 7, "says nothing"),
        ("dm__a__b.jsonl", 0, "direct messages"),
        ("messages_to_human.jsonl", 3, "identity_gone is not taken"),
        ("messages_to_human.jsonl", 4, "no JSON"),
        ("messages_from_human.json", 3, "answers no letter"),
        ("free_time_balances.json", 4, "identity_gone is not taken"),
        ("runtime_speed.json", 0, "vivarium pace"),
    ] {
        is_left(&first, file, line, why);
    }
    let tasks: Vec<_> = left(&first, "queue.json").into_iter().map(|(_, why)| why).collect();
    for why in [
        "an earlier task has the id task-001",
        "it is approved over there",
        "it ended there as failed",
        "it depends on ring-b, which is left too",
        "it depends on nowhere, which is not taken",
        "the queue refuses it",
        "it depends on danger, which was refused",
        "it asks for nothing",
        "it is no JSON object",
    ] {
        assert!(tasks.iter().any(|told| told.contains(why)), "{why} in {tasks:#?}");
    }

    let second = import(&world, folder.path(), &["--utc-offset", "+02:00"]);
    assert!(second["taken"].as_object().expect("counts").values().all(|it| *it == 0), "{second:#}");
    assert_eq!(second["known"], wanted, "{second:#}");
    the_people_are_here(&world);
    the_tasks_run(&world);
}

/// The imported tasks go the way of all tasks, in their order.
fn the_tasks_run(world: &World) {
    let shown = world.ask(&["show", "task-001"]);
    assert_eq!(shown["task"]["spec"]["metadata"]["review_issues"], "too short");
    assert_eq!(shown["task"]["spec"]["budgetMaxMicroUsd"], "50000000");
    world.ask(&["pace", "0"]);
    wait_for(world, "task-001", "awaiting_human");
    assert_eq!(state(world, "task_002"), "blocked");
    world.ask(&["approve", "task-001"]);
    wait_for(world, "task_002", "awaiting_human");
    let shown = world.ask(&["show", "task_002"]);
    let ada = resident(world, "import:identity_ada").resident_id;
    assert_eq!(shown["task"]["attempts"][0]["residentId"], ada.as_str(), "{shown}");
    world.ask(&["approve", "task_002"]);
    wait_for(world, "task_002", "approved");
    wait_until("the local task is over", || {
        ["approved", "awaiting_human"].contains(&state(world, "look").as_str())
    });
    wait_until("everything is published and paid", || {
        History::read(world.root()).owed().is_empty()
    });
    assert_eq!(History::read(world.root()).breaches(), [""; 0]);
    assert_eq!(world.ask(&["audit", "verify"])["sound"], true);
}

#[test]
fn a_folder_that_is_no_world_of_the_reference_is_refused_with_a_hint() {
    let world = World::start();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_str().expect("a path in words");
    let refused = world.run(&["import", "reference", path]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("holds no file of a reference world")
    );
    write(folder.path(), "a/queue.json", r#"{"tasks": [{"id": "a", "prompt": "Of a"}]}"#);
    write(folder.path(), "b/queue.json", r#"{"tasks": [{"id": "b", "prompt": "Of b"}]}"#);
    let refused = world.run(&["import", "reference", path]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("a/queue.json, b/queue.json"));
    let taken = import(&world, folder.path(), &["--file", "b/queue.json"]);
    assert_eq!(taken["taken"]["tasks"], 1);
    assert_eq!(world.run(&["show", "b"]).status.code(), Some(0));
}
