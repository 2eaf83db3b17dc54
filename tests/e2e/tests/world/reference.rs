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
        {"id": "late-1", "prompt": "Done, though an older line comes behind"},
        {"id": "gr\u{f6}\u{df}e \u{1f30a}", "prompt": "W\u{e4}ves ".repeat(900)},
        {"id": "ring-a", "prompt": "One half of a ring", "depends_on": ["ring-b"]},
        {"id": "ring-b", "prompt": "The other half", "depends_on": ["ring-a"]},
        {"id": "orphan", "prompt": "Waits for nobody", "depends_on": ["nowhere"]},
        {"id": "danger", "command": "rm -rf /", "mode": "local"},
        {"id": "after-danger", "prompt": "Waits for danger", "depends_on": ["danger"]},
        {"id": "look", "command": "echo hello"},
        {"id": "empty"},
        "no object",
    ], "completed": [{"id": "old", "prompt": "Paint the buoy"}, {"name": "nameless"}],
       "failed": [{"id": "older", "title": "Raise the wreck", "errors": ["too deep"]}, {"id": "old"}]});
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
            "{\"task_id\": \"late-1\", \"status\": \"approved\", \"timestamp\": \"2025-02-02T00:00:00\", \"identity_id\": \"identity_ada\", \"result_summary\": \"L\u{e4}nge \u{1f4cf} gemessen\"}\n",
            "{\"task_id\": \"late-1\", \"status\": \"failed\", \"timestamp\": \"2025-02-01T00:00:00\"}\n",
            "{\"task_id\": \"late-1\", \"status\": \"failed\", \"timestamp\": \"2025-02-01T00:00:00\"}\n",
            "{\"task_id\": \"task-001\", \"status\": \"subtask_completed\"}\n",
            "{\"task_id\": \"task 002\", \"status\": \"vanished\"}\n",
            "7\n",
        ),
    );
    let huge = json!({"task_id": "done-1", "result_summary": "x".repeat(9_000)});
    append(root, "meta/audit/execution_log.jsonl", &format!("{huge}\n"));
    write(
        root,
        "meta/audit/action_log.jsonl",
        concat!(
            "{\"timestamp\": \"2025-03-01T09:00:00\", \"actor\": \"identity_ada\", \"action_type\": \"social\", \"action\": \"Rang the bell\", \"detail\": \"three times\"}\n",
            "{\"timestamp\": \"2025-03-01T09:00:00\", \"actor\": \"identity_ada\", \"action_type\": \"social\", \"action\": \"Rang the bell\", \"detail\": \"three times\"}\n",
            "{\"actor\": \"identity_bo\"}\n",
            "[]\n",
        ),
    );
    identities(root);
    bounties(root);
    talk(root);
    left_behind(root);
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

/// Adds to a file below a folder.
fn append(root: &Path, name: &str, text: &str) {
    let before = std::fs::read_to_string(root.join(name)).expect("it is there");
    write(root, name, &(before + text));
}

fn bounties(root: &Path) {
    let bounties = [
        json!({"id": "b1", "title": "A new plank", "description": "Mend the third plank of the pier.",
               "reward": 100, "status": "open"}),
        json!({"id": "b2", "title": "A song", "reward": 50, "status": "completed",
               "claimed_by": "identity_bo", "completed_at": "2025-01-05T00:00:00"}),
        json!({"id": "b1", "title": "The same id again"}),
        json!({"id": "b3", "title": "A lighthouse", "description": "Build it.", "reward": 9_000,
               "status": "claimed", "claimed_by": "identity_ada", "max_teams": 40}),
        json!({"title": "Without an id"}),
        json!({"id": "b4", "title": " "}),
        json!("no object"),
        json!({"id": "b\u{fc} \u{1f30a}", "title": "\u{dc}ber\u{202e}fahrt", "description": "\u{e9}".repeat(6_000)}),
    ];
    let lines: Vec<_> = bounties.iter().map(ToString::to_string).collect();
    write(root, "bounties.json", &format!("{{\"bounties\": [\n{}]}}", lines.join(",\n")));
}

/// What this world does not keep yet.
fn left_behind(root: &Path) {
    write(root, ".swarm/journals/identity_ada.jsonl", "{\"id\": \"j1\"}\n\n{\"id\": \"j2\"}\n");
    write(root, ".swarm/guilds.json", "{\"guilds\": []}");
    write(root, "library/community_library/swarm_docs/tides.md", "# Tides\n");
    write(root, "library/community_library/swarm_docs/deep/fog.md", "# Fog\n");
    write(root, "library/creative_works/shanty.json", "{}");
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
        "{\"id\": \"z1\", \"author_id\": \"identity_bo\", \"content\": \"To whom?\"}\n",
    );
    write(
        root,
        ".swarm/discussions/dm__identity_ada__identity_bo.jsonl",
        concat!(
            "{\"id\": \"d1\", \"author_id\": \"identity_bo\", \"recipient_id\": \"identity_ada\", \"content\": \"Between us: the keel is soft.\"}\n",
            "{\"id\": \"d2\", \"author_id\": \"identity_ada\", \"content\": \"Then we haul it out. \u{2693}\", \"reply_to\": \"d1\"}\n",
            "{\"id\": \"d1\", \"author_id\": \"identity_bo\", \"content\": \"Again\"}\n",
            "{\"id\": \"d3\", \"author_id\": \"identity_gone\", \"recipient_id\": \"identity_bo\", \"content\": \"Lost\"}\n",
            "{\"id\": \"d4\", \"author_id\": \"identity_bo\", \"recipient_id\": \"identity_bo\", \"content\": \"To myself\"}\n",
            "{torn\n",
        ),
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
        (ada.resident_id.clone(), "The fog is back.".to_owned()),
        (bo.resident_id.clone(), "I hear the horn.".to_owned()),
        ("human".to_owned(), "Well spotted.".to_owned()),
    ];
    assert_eq!(said, wanted);
    assert_eq!(hall[1].reply_to, hall[0].message_id);
    assert_eq!(hall[2].reply_to, hall[1].message_id);
    assert_eq!(messages(world, "import_old_pier").len(), 1);
    let between = world.call(async |peers| {
        let mut client = RoomServiceClient::new(peers.to(Service::Society).calls());
        client.list_rooms(social::ListRoomsRequest::default()).await
    });
    let rooms = between.expect("they are listed").into_inner().rooms;
    let direct: Vec<_> = rooms.into_iter().filter(|room| !room.member_ids.is_empty()).collect();
    assert_eq!(direct.len(), 1, "{direct:?}");
    let mut members = [ada.resident_id.clone(), bo.resident_id.clone()];
    members.sort();
    assert_eq!((direct[0].member_ids.as_slice(), direct[0].closed), (&members[..], true));
    let said = messages(world, &direct[0].room);
    let told: Vec<_> = said.iter().map(|it| (&it.author, it.hop, it.sender_unproven)).collect();
    assert_eq!(told, [(&bo.resident_id, 5, true), (&ada.resident_id, 5, true)]);
    assert_eq!(said[1].reply_to, said[0].message_id);
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
    assert_eq!(dry["taken"]["tasks"], 6, "what the queue refuses is not known yet: {dry}");
    assert_eq!(dry["dryRun"], true);
    assert_eq!(world.run(&["show", "task-001"]).status.code(), Some(1), "a dry run takes nothing");

    let first = import(&world, folder.path(), &["--utc-offset", "+02:00"]);
    let wanted = json!({"residents": 2, "memories": 2, "rooms": 1, "messages": 6, "letters": 3,
        "wallets": 2, "bounties": 3, "tasks": 4, "history": 15});
    assert_eq!(first["taken"], wanted, "{first:#}");
    the_people_are_here(&world);
    for (file, line, why) in [
        ("bounties.json", 4, "an earlier bounty has the id b1"),
        ("bounties.json", 6, "it has no id"),
        ("bounties.json", 7, "no title"),
        ("bounties.json", 8, "no JSON object"),
        ("execution_log.jsonl", 3, "no JSON"),
        ("execution_log.jsonl", 6, "no task_id"),
        ("execution_log.jsonl", 9, "an earlier line says the same"),
        ("execution_log.jsonl", 10, "a part of a task"),
        ("execution_log.jsonl", 12, "no JSON object"),
        ("action_log.jsonl", 2, "an earlier line says the same"),
        ("action_log.jsonl", 3, "no action"),
        ("action_log.jsonl", 4, "no JSON object"),
        ("identity_ada_copy.json", 1, "another place"),
        ("identity_worker.json", 1, "generic"),
        ("torn.json", 2, "no JSON"),
        ("town_hall.jsonl", 3, "same id"),
        ("town_hall.jsonl", 4, "identity_gone is not taken"),
        ("town_hall.jsonl", 5, "no JSON"),
        ("town_hall.jsonl", 7, "says nothing"),
        ("dm__a__b.jsonl", 1, "no recipient_id"),
        ("dm__identity_ada__identity_bo.jsonl", 3, "same id"),
        ("dm__identity_ada__identity_bo.jsonl", 4, "identity_gone is not taken"),
        ("dm__identity_ada__identity_bo.jsonl", 5, "wrote to itself"),
        ("dm__identity_ada__identity_bo.jsonl", 6, "no JSON"),
        ("journals/identity_ada.jsonl", 0, "not yet kept here"),
        ("guilds.json", 0, "not yet kept here"),
        ("community_library/swarm_docs", 0, "not yet kept here"),
        ("creative_works", 0, "not yet kept here"),
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
        "it is failed over there",
        "it has no id",
        "old is over already",
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
    the_past_can_be_read(&world);
    a_bounty_is_taken_back(&world);
    the_tasks_run(&world);
}

/// What was over there is found by words, kinds and residents, and changes nothing.
fn the_past_can_be_read(world: &World) {
    let titles = |options: &[&str]| -> Vec<String> {
        let listed = world.ask(&[&["history"], options].concat());
        let entries = listed["entries"].as_array().cloned().unwrap_or_default();
        let title = |entry: &Value| entry["title"].as_str().expect("a title").to_owned();
        entries.iter().map(title).collect()
    };
    let mut over = titles(&["--kind", "task"]);
    over.sort();
    let late = "Done, though an older line comes behind";
    let wanted = ["Done long ago", late, "Failed long ago", "Paint the buoy", "Raise the wreck"];
    assert_eq!(over, wanted);
    let mut failed = titles(&["--failed"]);
    failed.sort();
    assert_eq!(failed, ["Failed long ago", "Raise the wreck"]);
    // Newest first: the line that came late stands behind the one that it does not overrule.
    let lines = world.ask(&["history", "late-1", "--kind", "status"]);
    let status = |at: usize| lines["entries"][at]["status"].clone();
    assert_eq!((status(0), status(1)), (json!("approved"), json!("failed")), "{lines}");
    assert_eq!(titles(&["gemessen", "lange"]), [late, late], "words without their marks");
    assert_eq!(
        titles(&["--resident", "adalind_quillfeather", "--kind", "action"]),
        ["Rang the bell"]
    );
    assert_eq!(titles(&["--kind", "bounty", "--done"]), ["A song"]);
    assert_eq!(titles(&["nothing", "like", "it"]), [""; 0]);
    let refused = world.run(&["--json", "history", "--resident", "nobody"]);
    assert_eq!(refused.status.code(), Some(1));
    let problem = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(problem.contains("IDENTITY_RESIDENT_NOT_FOUND"), "{problem}");
}

fn supply(world: &World) -> identity::Supply {
    let supply = world.call(async |peers| {
        let mut client = WalletServiceClient::new(peers.to(Service::Society).calls());
        client.get_supply(identity::GetSupplyRequest::default()).await
    });
    supply.expect("there are tokens").into_inner().supply.expect("it is told")
}

/// Imported bounties hold their prizes until the human takes one back, which happens once.
fn a_bounty_is_taken_back(world: &World) {
    let listed = world.ask(&["bounties"]);
    let bounties = listed["bounties"].as_array().expect("a list").clone();
    let escrow = |bounty: &Value| bounty["escrowTokens"].as_str().expect("tokens").to_owned();
    let held: Vec<_> = bounties.iter().map(escrow).collect();
    assert_eq!(held, ["70", "7000", "140"], "newest first");
    let before = supply(world);
    assert_eq!(before.escrow_tokens, 7_210);
    let sum = before.wallet_tokens + before.commons_tokens + before.escrow_tokens;
    assert_eq!(sum, before.supply_tokens, "every token lies somewhere");
    let lighthouse = bounties[1]["bountyId"].as_str().expect("an id");
    let taken_back = world.ask(&["bounties", "cancel", lighthouse, "-m", "we have one"]);
    assert_eq!(taken_back["returnedTokens"], "7000");
    let after = supply(world);
    assert_eq!((after.escrow_tokens, after.supply_tokens), (210, before.supply_tokens - 7_000));
    let shown = world.ask(&["bounties", "show", lighthouse]);
    assert_eq!(shown["bounty"]["state"], "BOUNTY_STATE_CANCELLED");
    assert_eq!(shown["bounty"]["reason"], "we have one");
    assert_eq!(world.ask(&["bounties"])["bounties"].as_array().map(Vec::len), Some(2));
    assert_eq!(
        world.ask(&["bounties", "list", "--all"])["bounties"].as_array().map(Vec::len),
        Some(3)
    );
    for (id, reason) in
        [(lighthouse, "BOUNTY_NOT_OPEN"), ("bty_00000000000000000000000000", "BOUNTY_NOT_FOUND")]
    {
        let refused = world.run(&["--json", "bounties", "cancel", id]);
        assert_eq!(refused.status.code(), Some(1));
        let problem = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(problem.contains(reason), "{problem}");
    }
    assert_eq!(supply(world).escrow_tokens, 210, "a refusal moves nothing");
}

/// The imported tasks go the way of all tasks, in their order, once a person has admitted them.
fn the_tasks_run(world: &World) {
    let shown = world.ask(&["show", "task-001"]);
    assert_eq!(shown["task"]["feedback"], json!(["too short"]));
    assert_eq!(shown["task"]["spec"]["budgetMaxMicroUsd"], "50000000");
    world.ask(&["pace", "0"]);
    for task in ["task-001", "task_002", "look", "gr__e"] {
        assert_eq!(state(world, task), "proposed");
    }
    world.ask(&["refuse", "gr__e", "-m", "too many waves"]);
    let admitted = world.run(&["admit", "--imported"]);
    let told = String::from_utf8_lossy(&admitted.stdout).into_owned();
    assert_eq!(told, "admitted task-001\nadmitted look\nadmitted task_002\n");
    assert_eq!(state(world, "gr__e"), "cancelled");
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

#[test]
fn a_full_queue_keeps_out_tasks_alone_and_the_report_tells_what_was_taken() {
    let world = World::start();
    let folder = fixture();
    world.ask(&["limits", "open_tasks=1", "-m", "a small queue"]);
    let path = folder.path().to_str().expect("a path in words");
    let stopped = world.run(&["--json", "import", "reference", path]);
    assert!(!stopped.status.success());
    assert!(String::from_utf8_lossy(&stopped.stderr).contains("QUEUE_FULL"), "{stopped:?}");
    let report: Value = serde_json::from_slice(&stopped.stdout).expect("a report");
    assert!(report["taken"]["tasks"].as_u64() < Some(2), "{report}");
    assert!(report["taken"]["history"].as_u64() > Some(0), "{report}");
}
