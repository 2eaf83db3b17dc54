//! Any service can be restarted under load: whoever repeats a call with its id sees no error.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use vivarium_chassis::Service;
use vivarium_harness::answers;
use vivarium_harness::history::History;
use vivarium_harness::model_server::Script;
use vivarium_harness::process::{Model, SERVICES, World, wait_until};
use vivarium_proto::queue::v1 as pb;
use vivarium_proto::queue::v1::task_service_client::TaskServiceClient;

/// Most time that a call may take with all its repeats.
const DEADLINE: Duration = Duration::from_secs(10);

/// Adds tasks without a pause until told to stop; how many were added.
pub(crate) fn load(world: &World, stop: &AtomicBool) -> usize {
    world.call(async |peers| {
        let mut added = 0;
        while !stop.load(Ordering::Relaxed) {
            added += 1;
            let spec = pb::TaskSpec {
                instruction: format!("Describe stone number {added} of a wall"),
                ..Default::default()
            };
            let request =
                pb::AddTasksRequest { request_id: format!("stone-{added}"), tasks: vec![spec] };
            let calls = peers.to(Service::Queue).calls().within(DEADLINE);
            let answer = calls
                .retrying(|calls| {
                    let request = request.clone();
                    async move { TaskServiceClient::new(calls).add_tasks(request).await }
                })
                .await;
            assert!(answer.is_ok(), "an idempotent call failed: {answer:?}");
            // One at a time is load enough; a hundred a second would only fill the queue.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        added
    })
}

#[test]
fn line_14_restarts_under_load_show_no_error_to_a_caller_that_repeats_itself() {
    let model = Model::start(Script::answering(answers::diligent));
    let world = World::start_on(&model);
    world.ask(&["pace", "0"]);
    let stop = AtomicBool::new(false);
    let added = std::thread::scope(|threads| {
        let adding = threads.spawn(|| load(&world, &stop));
        for service in SERVICES {
            let others = |pids: Vec<(String, u32)>| -> Vec<_> {
                pids.into_iter().filter(|(name, _)| name != service).collect()
            };
            let before = others(world.pids());
            world.ask(&["restart", service]);
            assert_eq!(before, others(world.pids()), "another one restarted with {service}");
        }
        stop.store(true, Ordering::Relaxed);
        adding.join().expect("no call failed")
    });
    wait_until("every task is over", || {
        History::read(world.root()).count("queue", "task_approved") == added
    });
    let history = History::read(world.root());
    assert_eq!(history.count("queue", "task_added"), added, "each was added once");
    assert_eq!(history.breaches(), [""; 0]);
}
