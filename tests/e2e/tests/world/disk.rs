//! A disk that is full, that may not be written, and a page that is damaged: each ends in a state that
//! says what it is, nothing acknowledged is lost, and work goes on when the disk is well again.

use std::fs::DirBuilder;
use std::os::unix::fs::{DirBuilderExt as _, symlink};
use std::path::Path;

use vivarium_chassis::Service;
use vivarium_harness::answers;
use vivarium_harness::disk::Disk;
use vivarium_harness::model_server::Script;
use vivarium_harness::process::{Model, World, alive, signal, wait_until};
use vivarium_proto::queue::v1 as queue;
use vivarium_proto::queue::v1::task_service_client::TaskServiceClient;

use crate::way::{add as add_task, wait_for};

/// Tasks of one request.
const BATCH: usize = 20;
/// Bytes of a page of the ledger's file.
const PAGE: usize = 4_096;

/// One request to add tasks; the same number is the same request.
fn request(number: usize) -> queue::AddTasksRequest {
    let task = |of: usize| queue::TaskSpec {
        key: format!("fill-{number}-{of}"),
        instruction: "Describe one pebble. ".repeat(150),
        ..Default::default()
    };
    queue::AddTasksRequest {
        request_id: format!("fill-{number}"),
        tasks: (0..BATCH).map(task).collect(),
    }
}

/// Adds tasks under one request id, and tells their ids if that was acknowledged.
fn add(world: &World, number: usize) -> Option<Vec<String>> {
    let added = world.call(async |peers| {
        TaskServiceClient::new(peers.to(Service::Queue).calls()).add_tasks(request(number)).await
    });
    added.ok().map(|added| added.into_inner().task_ids)
}

/// Everything that was acknowledged is there, once, and the chain holds.
fn all_are_there(world: &World, acknowledged: &[Vec<String>]) {
    let there = there_beside(world, acknowledged);
    assert_eq!(there, acknowledged.iter().map(Vec::len).sum::<usize>(), "none came twice");
}

/// Everything that was acknowledged is there, and the chain holds; how many tasks there are in all.
fn there_beside(world: &World, acknowledged: &[Vec<String>]) -> usize {
    for (number, ids) in acknowledged.iter().enumerate() {
        for (of, id) in ids.iter().enumerate() {
            let shown = world.call(async |peers| {
                let task = format!("fill-{number}-{of}");
                let request = queue::GetTaskRequest { task, ..Default::default() };
                TaskServiceClient::new(peers.to(Service::Queue).calls()).get_task(request).await
            });
            let task = shown.expect("it is there").into_inner().task.expect("a task");
            assert_eq!(task.task_id, *id);
        }
    }
    let counted = world.ask(&["tasks", "--limit", "1000"]);
    assert_eq!(world.ask(&["audit", "verify"])["sound"], true);
    counted["tasks"].as_array().map_or(0, Vec::len)
}

/// Waits until the queue works again.
fn wait_for_queue(world: &World) {
    wait_until("the queue answers again", || world.run(&["tasks"]).status.success());
}

fn says(world: &World, reason: &str) {
    wait_until(&format!("the status says {reason}"), || world.last_exit("queue").contains(reason));
    let explained = world.ask(&["explain", reason]);
    assert!(explained["page"].is_string(), "{reason} has a page");
}

#[test]
fn a_full_disk_is_told_and_nothing_acknowledged_is_lost() {
    let mut world = World::prepared();
    let ledgers = world.root().join("mutable/ledgers");
    let Some(disk) = Disk::in_memory(&ledgers, 5) else {
        println!("nobody may mount a disk here");
        return;
    };
    world.up();
    world.ask(&["pace", "paused"]);
    let mut acknowledged = Vec::new();
    // A disk of five MiB takes some hundred tasks with their texts.
    let lost = loop {
        match add(&world, acknowledged.len()) {
            Some(ids) => acknowledged.push(ids),
            None => break acknowledged.len(),
        }
        assert!(acknowledged.len() < 50, "the disk is never full");
    };
    assert!(lost > 0, "some fit");
    says(&world, "STORE_FULL");
    disk.grow(64);
    wait_for_queue(&world);
    // The request without an answer was taken whole, or not at all.
    let beside = there_beside(&world, &acknowledged) - lost * BATCH;
    assert!(beside == 0 || beside == BATCH, "{beside} of its tasks are there");
    // The same request again: whatever became of it, it is there once.
    acknowledged.push(add(&world, lost).expect("there is room now"));
    all_are_there(&world, &acknowledged);
    world.stop();
}

#[test]
fn a_disk_that_may_not_be_written_is_told_and_work_goes_on_when_it_may() {
    let mut world = World::start();
    world.ask(&["pace", "paused"]);
    let acknowledged = vec![add(&world, 0).expect("it is added")];
    let Some(disk) = Disk::read_only(&world.root().join("mutable/ledgers")) else {
        println!("nobody may mount a disk here");
        return;
    };
    let queue = world.pid("queue").expect("it runs");
    signal(queue, "KILL");
    wait_until("it is gone", || !alive(queue));
    says(&world, "STORE_READ_ONLY");
    drop(disk);
    wait_for_queue(&world);
    all_are_there(&world, &acknowledged);
    world.stop();
}

/// Where the bytes of an event lie in a closed ledger's file.
fn place_of_event(file: &Path) -> usize {
    let connection = rusqlite::Connection::open(file).expect("a ledger");
    let payload: Vec<u8> = connection
        .query_row(
            "SELECT payload FROM events WHERE kind = 'task_added' ORDER BY sequence LIMIT 1",
            [],
            |row| row.get(0),
        )
        .expect("a task was added");
    drop(connection);
    let bytes = std::fs::read(file).expect("a file");
    // Long payloads go on in further pages: their beginning is enough.
    let start = &payload[..payload.len().min(64)];
    let found = bytes.windows(start.len()).position(|window| window == start);
    found.expect("its bytes lie in the file") + start.len() / 2
}

/// Damages the queue's file while the world stands still, and looks at what becomes of it.
fn damaged(harm: impl FnOnce(&mut Vec<u8>, usize)) {
    let mut world = World::start();
    world.ask(&["pace", "paused"]);
    let acknowledged = vec![add(&world, 0).expect("it is added")];
    assert_eq!(world.stop(), Some(0));
    let file = world.root().join("mutable/ledgers/queue.db");
    let sound = std::fs::read(&file).expect("a ledger");
    let place = place_of_event(&file);
    let mut bytes = sound.clone();
    harm(&mut bytes, place);
    std::fs::write(&file, bytes).expect("it can be written");
    world.begin();
    says(&world, "STORE_CORRUPT");
    world.stop();
    std::fs::write(&file, sound).expect("it can be written");
    world.up();
    all_are_there(&world, &acknowledged);
    world.stop();
}

#[test]
fn a_flipped_byte_of_an_event_is_told_before_anything_is_served() {
    damaged(|bytes, place| bytes[place] ^= 1);
}

#[test]
fn a_lost_page_is_told_before_anything_is_served() {
    damaged(|bytes, place| {
        let page = place / PAGE * PAGE;
        bytes[page..page + PAGE].fill(0xa5);
    });
}

#[test]
fn logs_that_take_no_line_stop_nobody() {
    let model = Model::start(Script::answering(answers::diligent));
    let mut world = World::prepared_with(&[("executor", &model.settings("remote"))]);
    let folder = world.root().join("mutable");
    for made in [&folder, &folder.join("logs")] {
        DirBuilder::new().mode(0o700).create(made).expect("a folder can be made");
    }
    // What is written there finds no room, as on a full disk.
    for service in ["queue", "executor", "society", "review", "gateway"] {
        let log = folder.join("logs").join(service).with_extension("log");
        symlink("/dev/full", log).expect("a link can be made");
    }
    world.up();
    world.ask(&["pace", "0"]);
    let task = add_task(&world, "Describe the lake in spring");
    wait_for(&world, &task, "approved");
}
