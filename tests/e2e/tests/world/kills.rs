//! Whatever is killed, whenever: nothing accepted is lost and nothing happens twice.

use vivarium_harness::answers;
use vivarium_harness::history::History;
use vivarium_harness::model_server::{Asked, Script};
use vivarium_harness::process::{Model, SERVICES, World, alive, signal, wait_until};

use crate::way::add_many;

/// Tasks that are under way while processes die.
const TASKS: usize = 50;
/// Kills of each kind.
const ROUNDS: usize = 2;
/// How long a model takes between two pieces of an answer.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(5);

/// A world in which `TASKS` tasks are under way.
fn working() -> (Model, World) {
    let model = Model::start(Script::answering(|asked: &Asked| answers::slow(asked, PAUSE)));
    let world = World::start_on(&model);
    give_work(&world);
    (model, world)
}

fn give_work(world: &World) {
    world.ask(&["pace", "0"]);
    let instructions: Vec<String> =
        (0..TASKS).map(|number| format!("Describe bird number {number} of a garden")).collect();
    let tasks = add_many(world, "birds", &instructions);
    assert_eq!(tasks.len(), TASKS);
}

/// Waits for further progress, so that the next kill hits other work.
fn progress(world: &World) {
    let rows = |world: &World| History::read(world.root()).of("queue").len();
    let before = rows(world);
    wait_until("something happens", || over(world) == TASKS || rows(world) > before + 3);
}

fn over(world: &World) -> usize {
    let history = History::read(world.root());
    history.count("queue", "task_approved") + history.count("queue", "task_failed")
}

/// Every task ends once, everything is published and paid once, and the chains hold.
fn everything_ended_once(world: &World) {
    wait_until("every task is over", || over(world) == TASKS);
    wait_until("everything is published and paid", || {
        History::read(world.root()).owed().is_empty()
    });
    let history = History::read(world.root());
    assert_eq!(history.breaches(), [""; 0]);
    assert_eq!(history.count("queue", "task_approved"), TASKS, "none was lost on the way");
    assert_eq!(history.count("society", "document_published"), TASKS);
    let report = world.ask(&["audit", "verify"]);
    assert_eq!(report["sound"], true, "{report}");
}

#[test]
fn killing_each_service_in_turn_loses_nothing_and_repeats_nothing() {
    let (_model, world) = working();
    for service in SERVICES.iter().cycle().take(SERVICES.len() * ROUNDS) {
        progress(&world);
        if let Some(victim) = world.pid(service) {
            signal(victim, "KILL");
            wait_until("it is gone", || !alive(victim));
        }
    }
    everything_ended_once(&world);
}

#[test]
fn killing_all_services_at_once_loses_nothing_and_repeats_nothing() {
    let (_model, world) = working();
    for _ in 0..ROUNDS {
        progress(&world);
        let victims = world.pids();
        for (_, victim) in &victims {
            signal(*victim, "KILL");
        }
        wait_until("all are gone", || !victims.iter().any(|(_, victim)| alive(*victim)));
        wait_until("all are back", || world.pids().len() == SERVICES.len());
    }
    everything_ended_once(&world);
}

#[test]
fn killing_the_supervisor_leaves_no_orphan_and_loses_nothing() {
    let (_model, mut world) = working();
    for _ in 0..ROUNDS {
        progress(&world);
        let pids = world.pids();
        world.kill_supervisor();
        wait_until("no service is left", || !pids.iter().any(|(_, pid)| alive(*pid)));
        world.up();
    }
    everything_ended_once(&world);
}

/// A process ends at a named point of its work, and nothing of it is lost or repeated.
fn ends_at(point: &str) {
    let model = Model::start(Script::answering(|asked: &Asked| answers::slow(asked, PAUSE)));
    let world = World::start_crashing(&model, point);
    give_work(&world);
    wait_until("the point is reached", || world.has_crashed());
    everything_ended_once(&world);
    let status = world.ask(&["status"]);
    let services = status["services"].as_array().expect("a list");
    let restarts: u64 = services.iter().filter_map(|service| service["restarts"].as_u64()).sum();
    assert_eq!(restarts, 1, "one process ended, once: {status}");
}

#[test]
fn a_grant_that_was_decided_and_not_committed_is_made_again() {
    ends_at("decided-not-committed@lease_granted:5");
}

#[test]
fn a_finish_that_was_committed_and_not_answered_is_not_repeated() {
    ends_at("committed-not-answered@attempt_finished:5");
}

#[test]
fn an_approved_document_that_was_not_published_is_published_once() {
    ends_at("decided-not-committed@document_published:5");
}

#[test]
fn a_published_document_that_was_not_paid_for_is_paid_for_once() {
    ends_at("decided-not-committed@work_valued:5");
}

#[test]
fn money_that_was_reserved_and_not_settled_is_settled_once() {
    ends_at("reserved-not-settled:5");
}

#[test]
fn a_verdict_that_was_committed_and_not_answered_stands_once() {
    ends_at("committed-not-answered@verdict_reached:5");
}
