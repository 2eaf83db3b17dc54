//! Starting, restarting, killing and stopping: nothing is orphaned, nobody else is disturbed.

use vivarium_harness::process::{SERVICES, World, alive, signal, wait_until};

#[test]
fn a_world_comes_up_whole_and_goes_down_without_a_trace() {
    let mut world = World::start();
    let pids = world.pids();
    assert_eq!(pids.len(), SERVICES.len());
    assert!(pids.iter().all(|(_, pid)| alive(*pid)));
    assert_eq!(world.stop(), Some(0));
    assert!(!pids.iter().any(|(_, pid)| alive(*pid)), "a service outlived its world");
    let output = world.run(&["status"]);
    assert_eq!(output.status.code(), Some(69));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("no world runs"), "{told}");
    world.up();
}

#[test]
fn a_second_supervisor_of_one_world_is_refused() {
    let world = World::start();
    let output = world.run(&["up"]);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("runs already"), "{told}");
}

#[test]
fn a_killed_service_comes_back_alone_and_the_status_says_why() {
    let world = World::start();
    for service in SERVICES {
        let before = world.pids();
        let victim = world.pid(service).expect("it runs");
        signal(victim, "KILL");
        wait_until("it runs again", || {
            world.pid(service).is_some_and(|pid| pid != victim && alive(pid))
        });
        let others = |pids: Vec<(String, u32)>| -> Vec<_> {
            pids.into_iter().filter(|(name, _)| name != service).collect()
        };
        assert_eq!(others(before), others(world.pids()), "another one restarted with {service}");
        let status = world.ask(&["status"]);
        let services = status["services"].as_array().expect("a list");
        let told = services.iter().find(|told| told["service"] == service).expect("it is listed");
        assert_eq!(told["restarts"], 1);
        let exit = told["last_exit"].as_str().expect("it ended once");
        assert!(exit.contains("signal: 9"), "{exit}");
    }
}

#[test]
fn a_restart_on_request_replaces_one_process() {
    let world = World::start();
    let before = world.pid("review").expect("it runs");
    world.ask(&["restart", "review"]);
    let after = world.pid("review").expect("it runs");
    assert_ne!(before, after);
    wait_until("the old one is gone", || !alive(before));
    let output = world.run(&["restart", "nobody"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_killed_supervisor_leaves_no_orphan_and_the_world_starts_again() {
    let mut world = World::start();
    let pids = world.pids();
    world.kill_supervisor();
    wait_until("every service has ended", || !pids.iter().any(|(_, pid)| alive(*pid)));
    world.up();
    assert_eq!(world.pids().len(), SERVICES.len());
}

#[test]
fn the_word_down_stops_a_world() {
    let world = World::start();
    let pids = world.pids();
    world.ask(&["down"]);
    wait_until("every service has ended", || !pids.iter().any(|(_, pid)| alive(*pid)));
}
