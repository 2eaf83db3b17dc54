//! Two queue processes on one world: one writes, the other takes over, nothing is lost or doubled.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use vivarium_chassis::Service;
use vivarium_harness::answers;
use vivarium_harness::history::History;
use vivarium_harness::model_server::Script;
use vivarium_harness::postgres::Postgres;
use vivarium_harness::process::{Model, World, alive, signal, wait_until};
use vivarium_proto::queue::v1 as pb;
use vivarium_proto::queue::v1::world_service_client::WorldServiceClient;

use crate::restart::load;

/// Kills of the owner in a row.
const KILLS: usize = 10;
/// Goal Q15: another serves within this time.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(3);

/// A world in a database, with a second queue.
struct Pair {
    server: Postgres,
    _model: Model,
    world: World,
}

impl Pair {
    fn start() -> Self {
        let server = Postgres::start();
        let model = Model::start(Script::answering(answers::diligent));
        let ledger = format!(
            "store = \"postgres\"\nurl = \"{}\"\nstandbys = [\"queue\"]\n",
            server.connection()
        );
        let executor = model.settings("remote");
        let world = World::start_with(&[("ledger", &ledger), ("executor", &executor)]);
        world.ask(&["pace", "0"]);
        Self { server, _model: model, world }
    }

    /// The process of the queue that is in this state.
    fn queue(&self, state: &str) -> Option<u32> {
        let status = self.world.ask(&["status"]);
        let services = status["services"].as_array().expect("a list of services");
        let queues = services
            .iter()
            .filter(|one| one["service"].as_str().is_some_and(|name| name.starts_with("queue")));
        let mut wanted = queues.filter(|one| one["state"] == state);
        u32::try_from(wanted.next()?["pid"].as_u64()?).ok()
    }

    /// Waits until one queue serves and the other stands by; the one that serves.
    fn owner(&self) -> u32 {
        wait_until("a queue stands by", || {
            self.queue("ready").is_some() && self.queue("standing by").is_some()
        });
        self.queue("ready").expect("one is ready")
    }

    fn answers(&self) -> bool {
        let request = pb::GetControlsRequest::default();
        self.world.call(async |peers| {
            let calls = peers.to(Service::Queue).calls().within(Duration::from_millis(500));
            WorldServiceClient::new(calls).get_controls(request).await.is_ok()
        })
    }

    /// Every task that was acknowledged ends once, and the chains hold.
    fn end(self, added: usize) {
        let read = || History::read_server(&self.server, "vivarium");
        wait_until("every task is over", || read().count("queue", "task_approved") == added);
        wait_until("everything is paid", || read().owed().is_empty());
        let history = read();
        assert_eq!(history.count("queue", "task_added"), added, "each was added once");
        assert_eq!(history.breaches(), [""; 0]);
        let report = self.world.ask(&["audit", "verify"]);
        assert_eq!(report["sound"], true, "{report}");
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "what is measured is the machine's own time")]
fn the_second_queue_takes_over_from_a_killed_one_and_nothing_is_lost_or_doubled() {
    let pair = Pair::start();
    let stop = AtomicBool::new(false);
    let mut taken = Vec::new();
    let added = std::thread::scope(|threads| {
        let adding = threads.spawn(|| load(&pair.world, &stop));
        for _ in 0..KILLS {
            let owner = pair.owner();
            let begun = Instant::now();
            signal(owner, "KILL");
            wait_until("it is gone", || !alive(owner));
            wait_until("another serves", || pair.answers());
            taken.push(begun.elapsed());
        }
        stop.store(true, Ordering::Relaxed);
        adding.join().expect("no call failed")
    });
    taken.sort_unstable();
    let (median, longest) = (taken[KILLS / 2], taken[KILLS - 1]);
    println!(
        "{KILLS} owners killed under load: another served after {median:?} (median), {longest:?} (longest)"
    );
    assert!(longest <= TAKEN_OVER_WITHIN, "{taken:?}");
    pair.end(added);
}

#[test]
fn an_owner_that_lost_its_turn_stops_and_the_other_one_serves() {
    let pair = Pair::start();
    let stop = AtomicBool::new(false);
    let added = std::thread::scope(|threads| {
        let adding = threads.spawn(|| load(&pair.world, &stop));
        let owner = pair.owner();
        let standby = pair.queue("standing by").expect("it stands by");
        // The session alone ends that says whose turn it is; the process lives.
        pair.server.query(
            "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_stat_activity USING (pid) \
             WHERE locktype = 'advisory' AND granted AND application_name LIKE '%_queue'",
        );
        wait_until("the first one has ended", || !alive(owner));
        wait_until("the second one serves", || pair.queue("ready") == Some(standby));
        pair.owner();
        stop.store(true, Ordering::Relaxed);
        adding.join().expect("no call failed")
    });
    pair.end(added);
}

#[test]
fn a_world_with_a_second_queue_goes_down_cleanly_and_restarts_on_request() {
    let mut pair = Pair::start();
    let owner = pair.owner();
    pair.world.ask(&["restart", "queue"]);
    assert_ne!(pair.owner(), owner);
    let both = [pair.queue("ready"), pair.queue("standing by")];
    assert_eq!(pair.world.stop(), Some(0));
    assert!(!both.into_iter().flatten().any(alive), "a queue outlived its world");
}
