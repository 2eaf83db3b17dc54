//! The agenda: what will happen when, in one order that the seed decides.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use vivarium_types::ids::{InstanceId, LeaseId, SubmissionId};
use vivarium_types::{Clock, IdSource, Timestamp};

use crate::disk::{Disk, Lie};
use crate::network::Network;
use crate::peers::Peers;
use crate::people::{Call, People, Reply};
use crate::runners::{Runner, Said, Told};
use crate::server::Server;
use crate::watchers::{self, Watcher};
use crate::{Counts, network};

/// When every world begins: 2026-11-23, 12:00 UTC.
const BEGIN: Timestamp = Timestamp::from_millis(1_795_435_200_000);
/// How long the faults go on, and how long where hands are scarce: long enough for tasks to age.
const STORM: Duration = Duration::from_mins(10);
const SCARCE_STORM: Duration = Duration::from_mins(40);
/// One world in so many has one pair of hands.
const SCARCE_ONE_IN: u32 = 6;
/// Happenings of one history; a sound one has far fewer.
const HAPPENINGS_MAX: u64 = 500_000;
/// How long a calm world may take to bring everything to its end.
const CALM_MAX: Duration = Duration::from_hours(24);

/// Something that will happen.
#[derive(Debug, Clone)]
pub(crate) enum Happening {
    /// The queue takes a turn.
    Turn,
    /// The queue's process is killed.
    Crash,
    /// It is started again.
    Restart,
    /// Someone thinks of something to ask.
    Think(usize),
    /// A call reaches the queue.
    Ask(Call),
    /// An answer reaches who asked.
    Answered { client: usize, id: String, reply: Reply },
    /// Who asked has waited long enough.
    Impatient { client: usize, id: String, tries: u32 },
    /// A runner's process starts.
    Birth(usize),
    /// It is killed.
    Death(usize),
    /// The supervisor tells the queue.
    ExitReported(usize, InstanceId),
    /// It hangs for a while.
    Stall(usize),
    /// It looks for the queue.
    Connect(usize, InstanceId),
    /// Its stream reaches the queue.
    Open(u64),
    /// It has waited long enough for a welcome.
    NoWelcome(u64),
    /// It says that it lives.
    Beat(usize, InstanceId),
    /// It has done the work of a lease.
    Done(usize, InstanceId, LeaseId),
    /// Its words reach the queue.
    ToServer(u64, Said),
    /// The queue's words reach it.
    ToRunner(u64, Told),
    /// The queue learns that a stream is broken.
    ServerNotices(u64),
    /// The runner learns that a stream is broken.
    RunnerNotices(u64),
    /// Review reads the queue's log.
    Review,
    /// Review has an opinion.
    Judge(SubmissionId),
    /// The queue reads a peer's log.
    Follow(usize),
    /// Society or the executor has news.
    News,
    /// A host is cut off.
    Partition,
    /// A watcher looks what is new.
    Look(usize),
}

/// Simulated time: moves from one happening to the next.
#[derive(Debug)]
pub(crate) struct SimClock(AtomicI64);

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::Relaxed))
    }
}

/// A simulated world.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) rng: ChaCha8Rng,
    pub(crate) ids: IdSource,
    pub(crate) clock: Arc<SimClock>,
    pub(crate) disk: Disk,
    pub(crate) server: Option<Server>,
    pub(crate) lives: u64,
    pub(crate) people: People,
    pub(crate) runners: Vec<Runner>,
    pub(crate) peers: Peers,
    pub(crate) network: Network,
    pub(crate) watchers: [Watcher; watchers::COUNT],
    pub(crate) counts: Counts,
    pub(crate) breaches: Vec<String>,
    /// Leases of which a runner said that it has done with them.
    pub(crate) said: BTreeSet<String>,
    pub(crate) finished: bool,
    /// Whether there is more to do than hands to do it.
    pub(crate) scarce: bool,
    agenda: BTreeMap<(Timestamp, u64), Happening>,
    planned: u64,
}

impl World {
    pub(crate) fn new(seed: u64, lie: Option<Lie>) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut ids = IdSource::seeded(rng.random());
        let scarce = rng.random_ratio(1, SCARCE_ONE_IN);
        Self {
            seed,
            clock: Arc::new(SimClock(AtomicI64::new(BEGIN.as_micros()))),
            disk: Disk::new(lie),
            server: None,
            lives: 0,
            people: People::new(&mut rng, scarce),
            runners: Runner::all(&mut rng, scarce),
            peers: Peers::new(&mut ids, BEGIN),
            network: Network::default(),
            watchers: <[Watcher; watchers::COUNT]>::default(),
            counts: Counts::default(),
            breaches: Vec::new(),
            said: BTreeSet::new(),
            finished: false,
            scarce,
            agenda: BTreeMap::new(),
            planned: 0,
            rng,
            ids,
        }
    }

    /// Plays until everything that was accepted has come to its end.
    pub(crate) fn play(&mut self) {
        self.begin();
        while !self.finished && self.breaches.is_empty() {
            if self.planned > HAPPENINGS_MAX {
                let open = self.unfinished();
                self.breaches.push(format!("there is no end of happenings: {open:?}"));
                return;
            }
            let Some(((moment, _), happening)) = self.agenda.pop_first() else {
                self.breaches.push("nothing will ever happen again".into());
                return;
            };
            if moment > self.storm_ends() + CALM_MAX {
                let open = self.unfinished();
                self.breaches.push(format!("not done after a calm day: {open:?}"));
                return;
            }
            self.clock.0.store(moment.as_micros(), Ordering::Relaxed);
            self.happen(happening);
        }
        self.look_to_the_end();
    }

    fn begin(&mut self) {
        self.peers.settle_in();
        self.plan(Duration::ZERO, Happening::Restart);
        for client in 0..self.people.clients.len() {
            self.plan_within(5_000, Happening::Think(client));
        }
        for runner in 0..self.runners.len() {
            self.plan_within(2_000, Happening::Birth(runner));
        }
        for peer in 0..Peers::COUNT {
            self.plan_within(500, Happening::Follow(peer));
        }
        self.plan_within(500, Happening::Review);
        self.plan_within(60_000, Happening::News);
        for trouble in [Happening::Crash, Happening::Partition] {
            self.plan_within(90_000, trouble);
        }
        for watcher in 0..watchers::COUNT {
            self.plan_within(500, Happening::Look(watcher));
        }
        for runner in 0..self.runners.len() {
            self.plan_within(200_000, Happening::Death(runner));
            self.plan_within(200_000, Happening::Stall(runner));
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Turn => self.turn(),
            Happening::Crash => self.crash_and_plan_next(),
            Happening::Restart => self.restart(),
            Happening::Think(client) => self.think(client),
            Happening::Ask(call) => self.asked(call),
            Happening::Answered { client, id, reply } => self.answered(client, &id, reply),
            Happening::Impatient { client, id, tries } => self.impatient(client, &id, tries),
            Happening::Birth(runner) => self.birth(runner),
            Happening::Death(runner) => self.death(runner),
            Happening::ExitReported(runner, instance) => self.exit_reported(runner, instance),
            Happening::Stall(runner) => self.stall(runner),
            Happening::Connect(runner, instance) => self.connect(runner, instance),
            Happening::Open(stream) => self.open(stream),
            Happening::NoWelcome(stream) => self.no_welcome(stream),
            Happening::Beat(runner, instance) => self.beat(runner, instance),
            Happening::Done(runner, instance, lease) => self.done(runner, instance, lease),
            Happening::ToServer(stream, said) => self.hear(stream, said),
            Happening::ToRunner(stream, told) => self.told(stream, told),
            Happening::ServerNotices(stream) => self.server_notices(stream),
            Happening::RunnerNotices(stream) => self.runner_notices(stream),
            Happening::Review => self.review(),
            Happening::Judge(submission) => self.judge(submission),
            Happening::Follow(peer) => self.follow(peer),
            Happening::News => self.news(),
            Happening::Partition => self.partition(),
            Happening::Look(watcher) => self.look(watcher),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Whether the time of faults goes on.
    pub(crate) fn storm(&self) -> bool {
        self.now() < self.storm_ends()
    }

    fn storm_ends(&self) -> Timestamp {
        BEGIN + if self.scarce { SCARCE_STORM } else { STORM }
    }

    /// Once in `times`, while the storm goes on.
    pub(crate) fn mishap(&mut self, times: u32) -> bool {
        self.storm() && self.rng.random_ratio(1, times)
    }

    pub(crate) fn millis(&mut self, from: u64, until: u64) -> Duration {
        Duration::from_millis(self.rng.random_range(from..=until))
    }

    pub(crate) fn plan(&mut self, after: Duration, happening: Happening) {
        self.plan_at(self.now() + after, happening);
    }

    pub(crate) fn plan_within(&mut self, millis: u64, happening: Happening) {
        let after = self.millis(1, millis);
        self.plan(after, happening);
    }

    pub(crate) fn plan_at(&mut self, moment: Timestamp, happening: Happening) {
        self.planned += 1;
        self.agenda.insert((moment, self.planned), happening);
    }

    /// Cuts one host off for a while.
    fn partition(&mut self) {
        if !self.storm() {
            return;
        }
        let host = network::Host::any(&mut self.rng, self.people.clients.len(), self.runners.len());
        let until = self.now() + self.millis(500, 60_000);
        self.network.cut_off(host, until);
        self.plan_within(120_000, Happening::Partition);
    }
}
