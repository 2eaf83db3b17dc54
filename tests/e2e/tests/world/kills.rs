//! Whatever is killed, whenever: nothing accepted is lost and nothing happens twice.

use vivarium_harness::answers;
use vivarium_harness::history::{History, tally};
use vivarium_harness::model_server::{Asked, Script};
use vivarium_harness::process::{Model, SERVICES, World, alive, signal, wait_until};

use crate::way::add_many;

/// Tasks that are under way while processes die.
const TASKS: usize = 50;
/// Kills of the queue.
const QUEUE_KILLS: usize = 200;
/// Kills of each other service, of all at once, and of the supervisor.
const OTHER_KILLS: usize = 20;
/// How long a model takes between two pieces of an answer.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(5);

/// A world that is kept at work while its processes are killed.
struct Raid {
    _model: Model,
    world: World,
    tasks: usize,
    kills: usize,
    in_flight: usize,
}

impl Raid {
    fn begin() -> Self {
        let model = Model::start(Script::answering(|asked: &Asked| answers::slow(asked, PAUSE)));
        let world = World::start_on(&model);
        world.ask(&["pace", "0"]);
        Self { _model: model, world, tasks: 0, kills: 0, in_flight: 0 }
    }

    /// Kills something in the middle of the work, and counts whether it was.
    fn strike(&mut self, kill: impl FnOnce(&mut World)) {
        if over(&self.world) + TASKS / 2 > self.tasks {
            give_work(&self.world, self.tasks);
            self.tasks += TASKS;
        }
        self.wait_for_progress();
        kill(&mut self.world);
        self.kills += 1;
        self.in_flight += usize::from(leases(&self.world) > 0);
    }

    /// The next kill hits other work than the last.
    fn wait_for_progress(&self) {
        let rows = || tally(self.world.root(), "queue").values().sum::<u64>();
        let before = rows();
        wait_until("something happens", || rows() > before + 2 && leases(&self.world) > 0);
    }

    /// Kills one service and has it started again at once.
    fn kill(&mut self, service: &str) {
        self.strike(|world| {
            if let Some(victim) = world.pid(service) {
                signal(victim, "KILL");
                wait_until("it is gone", || !alive(victim));
            }
        });
        // The supervisor would do it by itself, each time after a longer rest.
        self.world.ask(&["restart", service]);
    }

    /// Every task ends once, everything is published and paid once, and the chains hold.
    #[expect(clippy::print_stdout, reason = "says how many kills were worth it")]
    fn end(self) {
        let (kills, in_flight) = (self.kills, self.in_flight);
        println!("{in_flight} of {kills} kills hit work in flight, among {} tasks", self.tasks);
        assert!(in_flight * 5 >= kills * 4, "{in_flight} of {kills} kills hit work in flight");
        everything_ended_once(&self.world, self.tasks);
    }
}

fn give_work(world: &World, from: usize) {
    let instructions: Vec<String> = (from..from + TASKS)
        .map(|number| format!("Describe bird number {number} of a garden"))
        .collect();
    let tasks = add_many(world, &format!("birds-{from}"), &instructions);
    assert_eq!(tasks.len(), TASKS);
}

fn over(world: &World) -> usize {
    let tally = tally(world.root(), "queue");
    let ended = ["task_approved", "task_failed"].map(|kind| tally.get(kind).copied().unwrap_or(0));
    usize::try_from(ended.iter().sum::<u64>()).expect("it fits")
}

/// Cycles that are under way: granted, and not ended.
fn leases(world: &World) -> u64 {
    let tally = tally(world.root(), "queue");
    let ends = |kind: &str| kind.starts_with("attempt_") || kind == "critique_ended";
    let ended: u64 = tally.iter().filter(|(kind, _)| ends(kind)).map(|(_, count)| count).sum();
    tally.get("lease_granted").copied().unwrap_or(0).saturating_sub(ended)
}

fn everything_ended_once(world: &World, tasks: usize) {
    wait_until("every task is over", || over(world) == tasks);
    wait_until("everything is published and paid", || {
        tally(world.root(), "society").get("document_published").copied() == Some(tasks as u64)
            && History::read(world.root()).owed().is_empty()
    });
    let history = History::read(world.root());
    assert_eq!(history.breaches(), [""; 0]);
    assert_eq!(history.count("queue", "task_approved"), tasks, "none was lost on the way");
    assert_eq!(history.count("society", "document_published"), tasks);
    let report = world.ask(&["audit", "verify"]);
    assert_eq!(report["sound"], true, "{report}");
}

#[test]
fn killing_the_queue_again_and_again_loses_nothing_and_repeats_nothing() {
    let mut raid = Raid::begin();
    for _ in 0..QUEUE_KILLS {
        raid.kill("queue");
    }
    raid.end();
}

#[test]
fn killing_each_other_service_in_turn_loses_nothing_and_repeats_nothing() {
    let mut raid = Raid::begin();
    let others: Vec<_> = SERVICES.iter().filter(|service| **service != "queue").collect();
    for service in others.iter().cycle().take(others.len() * OTHER_KILLS) {
        raid.kill(service);
    }
    raid.end();
}

#[test]
fn killing_all_services_at_once_loses_nothing_and_repeats_nothing() {
    let mut raid = Raid::begin();
    for _ in 0..OTHER_KILLS {
        raid.strike(|world| {
            let victims = world.pids();
            for (_, victim) in &victims {
                signal(*victim, "KILL");
            }
            wait_until("all are gone", || !victims.iter().any(|(_, victim)| alive(*victim)));
        });
        for service in SERVICES {
            raid.world.ask(&["restart", service]);
        }
    }
    raid.end();
}

#[test]
fn killing_the_supervisor_leaves_no_orphan_and_loses_nothing() {
    let mut raid = Raid::begin();
    for _ in 0..OTHER_KILLS {
        raid.strike(|world| {
            let pids = world.pids();
            world.kill_supervisor();
            wait_until("no service is left", || !pids.iter().any(|(_, pid)| alive(*pid)));
        });
        raid.world.up();
    }
    raid.end();
}

/// A process ends at a named point of its work, and nothing of it is lost or repeated.
fn ends_at(point: &str) {
    let model = Model::start(Script::answering(|asked: &Asked| answers::slow(asked, PAUSE)));
    let world = World::start_crashing(&model, point);
    world.ask(&["pace", "0"]);
    give_work(&world, 0);
    wait_until("the point is reached", || world.has_crashed());
    everything_ended_once(&world, TASKS);
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
