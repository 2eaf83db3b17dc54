//! Older events leave the queue's hot file while the world is at work and its processes are killed.

use std::path::PathBuf;

use vivarium_chassis::{Problem, Service};
use vivarium_harness::history::{History, tally};
use vivarium_harness::process::{World, alive, signal, wait_until};
use vivarium_proto::ledger::v1 as ledger;
use vivarium_proto::ledger::v1::ledger_service_client::LedgerServiceClient;
use vivarium_proto::queue::v1 as queue;
use vivarium_proto::queue::v1::task_service_client::TaskServiceClient;
use vivarium_types::Reason;

/// Small enough that some hundred tasks fill several segments.
const SETTINGS: [(&str, &str); 1] =
    [("ledger", "retention = true\nkeep_for = \"0s\"\nkeep_rows = 100\nsegment_rows = 100\n")];
/// Tasks of one request.
const BATCH: usize = 20;

/// Adds a batch of tasks and cancels them again, however often the queue is away meanwhile.
fn come_and_go(world: &World, number: usize) {
    let task = |of: usize| queue::TaskSpec {
        key: format!("pebble-{number}-{of}"),
        instruction: format!("Describe pebble {of} of heap {number}"),
        ..Default::default()
    };
    let request = queue::AddTasksRequest {
        request_id: format!("add-{number}"),
        tasks: (0..BATCH).map(task).collect(),
    };
    let mut added = None;
    wait_until("the tasks are added", || {
        let answer = world.call(async |peers| {
            let mut tasks = TaskServiceClient::new(peers.to(Service::Queue).calls());
            tasks.add_tasks(request.clone()).await
        });
        added = answer.ok();
        added.is_some()
    });
    let ids = added.expect("they are added").into_inner().task_ids;
    for id in ids {
        let cancel = queue::CancelTaskRequest {
            request_id: format!("cancel-{id}"),
            task: id,
            ..Default::default()
        };
        wait_until("the task is cancelled", || {
            let answer = world.call(async |peers| {
                let mut tasks = TaskServiceClient::new(peers.to(Service::Queue).calls());
                tasks.cancel_task(cancel.clone()).await
            });
            answer.is_ok()
        });
    }
}

/// The row with which the queue's hot file begins.
fn hot_from(world: &World) -> u64 {
    let status = world.ask(&["status"]);
    let shares = status["disk"].as_array().expect("a list");
    let share = shares.iter().find(|share| share["ledger"] == "queue");
    share.and_then(|share| share["hotFrom"].as_u64()).unwrap_or_default()
}

/// What `vivarium audit verify` says of the queue, and whether all is sound.
fn audited(world: &World) -> (serde_json::Value, bool) {
    let report = world.ask(&["audit", "verify"]);
    let ledgers = report["ledgers"].as_array().expect("a list");
    let of_queue = ledgers.iter().find(|ledger| ledger["ledger"] == "queue");
    (of_queue.expect("the queue has a ledger").clone(), report["sound"] == true)
}

/// Every task that was added is there once and over, the history holds, and so does the chain.
fn nothing_is_lost(world: &World, batches: usize) {
    let tasks = (batches * BATCH) as u64;
    let tally = tally(world.root(), "queue");
    assert_eq!((tally["task_added"], tally["task_cancelled"]), (tasks, tasks));
    assert_eq!(History::read(world.root()).breaches(), [""; 0]);
    let (report, sound) = audited(world);
    assert!(sound, "{report}");
    assert!(report["segments"].as_u64() > Some(0), "{report}");
    assert_eq!((&report["vouchedFrom"], &report["textsErased"]), (&1.into(), &0.into()));
    let counted = world.ask(&["tasks", "--limit", "1000"]);
    assert_eq!(counted["tasks"].as_array().map(Vec::len), Some(batches * BATCH));
}

fn segments(world: &World) -> PathBuf {
    world.root().join("mutable/ledgers/queue.segments")
}

fn first_rows(world: &World) -> Result<Vec<ledger::Row>, Reason> {
    let answer = world.call(async |peers| {
        let mut log = LedgerServiceClient::new(peers.to(Service::Queue).calls());
        log.read_rows(ledger::ReadRowsRequest::default()).await
    });
    match answer {
        Ok(rows) => Ok(rows.into_inner().rows),
        Err(status) => Err(Problem::from(status).reason.expect("a reason")),
    }
}

#[test]
fn older_events_leave_the_hot_file_through_kills_and_nothing_is_lost() {
    let mut world = World::start_with(&SETTINGS);
    world.ask(&["pace", "paused"]);
    let mut batches = 0;
    while batches < 24 || hot_from(&world) < 500 {
        if batches % 4 == 3 {
            let victim = world.pid("queue").expect("it runs");
            signal(victim, "KILL");
            wait_until("it is gone", || !alive(victim));
            world.ask(&["restart", "queue"]);
        }
        come_and_go(&world, batches);
        batches += 1;
    }
    nothing_is_lost(&world, batches);
    // The first task's words lie in a segment, and time travel goes back behind the hot file.
    assert_eq!(first_rows(&world).expect("they lie in a segment")[0].sequence, 1);

    // Taken away, it says so, and everything else goes on.
    let aside = world.root().join("aside");
    std::fs::create_dir(&aside).expect("a folder can be made");
    let oldest = ["1-100.jsonl.zst", "1-100.texts.zst"];
    for name in oldest {
        std::fs::rename(segments(&world).join(name), aside.join(name)).expect("it is there");
    }
    assert_eq!(world.stop(), Some(0));
    world.up();
    assert_eq!(first_rows(&world), Err(Reason::LedgerSegmentAway));
    let (report, sound) = audited(&world);
    assert!(sound, "{report}");
    assert_eq!(
        (&report["vouchedFrom"], &report["segmentsAway"][0]),
        (&101.into(), &oldest[0].into())
    );
    come_and_go(&world, batches);

    // Changed, it is damage, by its name.
    let third = segments(&world).join("201-300.jsonl.zst");
    let kept = std::fs::read(&third).expect("it is there");
    std::fs::write(&third, &kept[..kept.len() - 1]).expect("it is written");
    let told = world.run(&["audit", "verify"]);
    assert_eq!(told.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&told.stdout).contains("201-300.jsonl.zst"));
    std::fs::write(&third, kept).expect("it is written");

    for name in oldest {
        std::fs::rename(aside.join(name), segments(&world).join(name)).expect("it is put back");
    }
    nothing_is_lost(&world, batches + 1);
    world.stop();
}

/// A process ends between two steps of closing a segment, and the next life goes on from there.
fn ends_at(point: &str) {
    let mut world = World::start_crashing_with(&SETTINGS, point);
    world.ask(&["pace", "paused"]);
    let mut batches = 0;
    while !world.has_crashed() || hot_from(&world) < 300 {
        come_and_go(&world, batches);
        batches += 1;
    }
    nothing_is_lost(&world, batches);
    world.stop();
}

#[test]
fn a_segment_whose_texts_alone_were_written_is_written_again() {
    ends_at("texts-written");
}

#[test]
fn a_segment_that_was_written_and_that_no_event_names_is_written_again() {
    ends_at("segment-written");
}

#[test]
fn a_segment_that_was_decided_and_not_committed_is_closed_once() {
    ends_at("decided-not-committed@segment_closed");
}

#[test]
fn what_is_closed_and_has_not_left_leaves_in_the_next_life() {
    ends_at("committed-not-answered@segment_closed");
}

#[test]
fn what_has_left_in_part_leaves_wholly_in_the_next_life() {
    ends_at("partly-left");
}
