//! Deterministic simulation: one queue, its callers and its peers, a network that delays, loses,
//! repeats and breaks, and crashes at every moment that matters, all from one seed.
//!
//! The queue is the real one: its domain and the ledger's kernel, over a store in memory that
//! survives a crash. What surrounds it is played: submitters, an operator, runners that stall and
//! die, review and its verdicts. Nothing runs beside anything else, so a seed always gives the same
//! record to the last byte. Decision record 8 says why there is no socket in it.
//!
//! Reading order: [`run`] → [`world`] (the agenda) → [`disk`] → [`server`], [`sessions`] → [`people`],
//! [`runners`], [`peers`], [`watchers`] (who acts) → [`check`], [`rules`] (what must hold).
//!
//! [`money`] is another one: the executor's budget under every order of events.

mod check;
pub mod disk;
pub mod money;
mod network;
mod peers;
mod people;
mod proposal;
mod rules;
mod runners;
mod server;
mod sessions;
mod watchers;
mod world;

pub use disk::Lie;
use vivarium_types::source::Hash;

/// How one history went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The seed it came from.
    pub seed: u64,
    /// The hash of the last event: two runs of a seed agree in it or the simulation is at fault.
    pub hash: Hash,
    /// What happened, to see that a run was worth its while.
    pub counts: Counts,
    /// Every rule that was broken, in words; empty is well.
    pub breaches: Vec<String>,
}

/// How often what happened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Events in the queue's log.
    pub events: u64,
    /// Tasks whose adding was answered.
    pub tasks: u64,
    /// Leases granted.
    pub leases: u64,
    /// Crashes of the queue.
    pub crashes: u64,
    /// Of these with commands in flight.
    pub crashes_in_flight: u64,
    /// Messages lost.
    pub lost: u64,
    /// Messages delivered twice.
    pub repeated: u64,
    /// Streams that broke.
    pub broken: u64,
    /// Runners that died.
    pub deaths: u64,
    /// Runners that stalled.
    pub stalls: u64,
    /// Words about a lease that came too late and were refused.
    pub fenced: u64,
    /// Watchers that went on behind the last row they had seen.
    pub resumed: u64,
}

impl Counts {
    /// Adds what happened in another history.
    pub const fn add(&mut self, other: &Self) {
        self.events += other.events;
        self.tasks += other.tasks;
        self.leases += other.leases;
        self.crashes += other.crashes;
        self.crashes_in_flight += other.crashes_in_flight;
        self.lost += other.lost;
        self.repeated += other.repeated;
        self.broken += other.broken;
        self.deaths += other.deaths;
        self.stalls += other.stalls;
        self.fenced += other.fenced;
        self.resumed += other.resumed;
    }

    /// Kinds of trouble that never came: a simulation without them proves nothing.
    pub fn missing(&self) -> Vec<&'static str> {
        let kinds = [
            ("tasks", self.tasks),
            ("leases", self.leases),
            ("crashes in flight", self.crashes_in_flight),
            ("lost messages", self.lost),
            ("repeated messages", self.repeated),
            ("broken streams", self.broken),
            ("deaths", self.deaths),
            ("stalls", self.stalls),
            ("late words", self.fenced),
            ("resumed watches", self.resumed),
        ];
        kinds.into_iter().filter(|(_, count)| *count == 0).map(|(what, _)| what).collect()
    }
}

/// Plays the history of `seed` twice: the first thing that is wrong with it, if anything is.
pub fn find(seed: u64) -> Option<String> {
    let caught = |seed| std::panic::catch_unwind(|| run(seed, None));
    let Ok(first) = caught(seed) else { return Some("the queue panicked".into()) };
    if let Some(breach) = first.breaches.first() {
        return Some(breach.clone());
    }
    let again = caught(seed);
    let same = again.is_ok_and(|again| again.hash == first.hash);
    (!same).then(|| "two runs of one seed differ".into())
}

/// Plays the history of `seed` to its end and checks its record. With a [`Lie`] the store breaks a
/// promise, which the check must find.
pub fn run(seed: u64, lie: Option<Lie>) -> Outcome {
    let mut world = world::World::new(seed, lie);
    world.play();
    check::check(world)
}
