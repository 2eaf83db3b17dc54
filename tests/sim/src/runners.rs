//! Runners: they take leases, work, beat, hang, die, and say what came of it, at times too late.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use vivarium_queue::domain::control::Hello;
use vivarium_queue::domain::event::{ReturnedFor, Work};
use vivarium_queue::domain::finish::Outcome;
use vivarium_queue::domain::lease::Held;
use vivarium_queue::domain::retry::Class;
use vivarium_queue::domain::split::{Part, Plan};
use vivarium_types::Timestamp;
use vivarium_types::ids::{InstanceId, LeaseId};
use vivarium_types::source::Hash;

use crate::network::Host;
use crate::proposal::text;
use crate::world::{Happening, World};

/// How often a runner says that it lives: a third of a lease's ttl.
const BEAT_EVERY: Duration = Duration::from_secs(10);
/// How long a runner waits for a welcome.
const WELCOME_MAX: Duration = Duration::from_secs(5);

/// What a runner says.
#[derive(Debug, Clone)]
pub(crate) enum Said {
    Credit(u32),
    Beat(Vec<Held>),
    Finish(Held, Box<Outcome>),
    Stopped { control_epoch: u64 },
}

/// What a runner is told.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Told {
    Welcome { halted: Option<u64> },
    Controls { halted: Option<u64> },
    Granted { lease: LeaseId, token: u64, critique: bool, splits: bool },
    Over { lease: LeaseId },
}

/// A runner's process, dead or alive.
#[derive(Debug)]
pub(crate) struct Runner {
    name: String,
    slots: u32,
    instance: Option<InstanceId>,
    stream: Option<u64>,
    welcome: bool,
    held: BTreeMap<LeaseId, Doing>,
    stalled: Timestamp,
}

/// Work under a lease.
#[derive(Debug)]
struct Doing {
    token: u64,
    critique: bool,
    /// Whether it may end with a plan.
    splits: bool,
    outcome: Option<Outcome>,
}

impl Runner {
    /// One or two of them; with a single slot where hands are scarce.
    pub(crate) fn all(rng: &mut ChaCha8Rng, scarce: bool) -> Vec<Self> {
        let (count, slots) = if scarce { (1, 1) } else { (rng.random_range(1..=2), 4) };
        let names = ["executor", "executor-2"].into_iter().take(count);
        names
            .map(|name| Self {
                name: name.to_owned(),
                slots: rng.random_range(1..=slots),
                instance: None,
                stream: None,
                welcome: false,
                held: BTreeMap::new(),
                stalled: Timestamp::EPOCH,
            })
            .collect()
    }

    fn all_held(&self) -> Vec<Held> {
        let held = |(lease, doing): (&LeaseId, &Doing)| Held { lease: *lease, token: doing.token };
        self.held.iter().map(held).collect()
    }
}

impl World {
    /// The runner, if this very start of it lives and does not hang; what is for one that hangs
    /// comes when it goes on.
    fn awake(&mut self, number: usize, instance: InstanceId, later: &Happening) -> bool {
        let (now, runner) = (self.now(), &self.runners[number]);
        if runner.instance != Some(instance) {
            return false;
        }
        let stalled = runner.stalled;
        if stalled > now {
            self.plan_at(stalled, later.clone());
        }
        stalled <= now
    }

    pub(crate) fn birth(&mut self, number: usize) {
        let instance = self.ids.mint(self.now());
        self.runners[number].instance = Some(instance);
        self.plan_within(500, Happening::Connect(number, instance));
        self.plan(BEAT_EVERY, Happening::Beat(number, instance));
    }

    pub(crate) fn death(&mut self, number: usize) {
        if !self.storm() {
            return;
        }
        self.plan_within(200_000, Happening::Death(number));
        let runner = &mut self.runners[number];
        let Some(instance) = runner.instance.take() else { return };
        runner.held.clear();
        runner.welcome = false;
        let stream = runner.stream.take();
        self.counts.deaths += 1;
        if let Some(stream) = stream {
            self.break_stream(stream);
        }
        if !self.mishap(5) {
            // The queue may be down meanwhile; then the report comes when the next start is at work.
            let most = if self.mishap(10) { 60_000 } else { 500 };
            self.plan_within(most, Happening::ExitReported(number, instance));
        }
        self.plan_within(20_000, Happening::Birth(number));
    }

    pub(crate) fn exit_reported(&mut self, number: usize, instance: InstanceId) {
        let name = self.runners[number].name.clone();
        if let Some(server) = &self.server {
            server.touch(move |queue| queue.exited(&name, instance));
            self.plan_turn_soon();
        }
    }

    pub(crate) fn stall(&mut self, number: usize) {
        if self.storm() {
            let until = self.now() + self.millis(1_000, 90_000);
            self.runners[number].stalled = until;
            self.counts.stalls += 1;
            self.plan_within(200_000, Happening::Stall(number));
        }
    }

    pub(crate) fn connect(&mut self, number: usize, instance: InstanceId) {
        let again = Happening::Connect(number, instance);
        if !self.awake(number, instance, &again) || self.runners[number].stream.is_some() {
            return;
        }
        if self.server.is_none() || self.is_cut_off(Host::Runner(number)) {
            return self.plan_within(2_000, again);
        }
        let (now, runner) = (self.now(), &mut self.runners[number]);
        let hello = Hello {
            runner: runner.name.clone(),
            instance,
            slots: runner.slots,
            resumes: runner.all_held(),
            runners_max: 4,
        };
        let stream = self.network.stream(number, hello, now);
        runner.stream = Some(stream);
        runner.welcome = false;
        let delay = self.delay();
        self.plan(delay, Happening::Open(stream));
        self.plan(WELCOME_MAX, Happening::NoWelcome(stream));
    }

    pub(crate) fn no_welcome(&mut self, stream: u64) {
        let Some(number) = self.network.streams.get(&stream).map(|stream| stream.runner) else {
            return;
        };
        let runner = &self.runners[number];
        if runner.stream == Some(stream) && !runner.welcome {
            self.break_stream(stream);
            self.runner_notices(stream);
        }
    }

    pub(crate) fn runner_notices(&mut self, stream: u64) {
        let Some(number) = self.network.streams.get(&stream).map(|stream| stream.runner) else {
            return;
        };
        let runner = &mut self.runners[number];
        if runner.stream == Some(stream) {
            runner.stream = None;
            runner.welcome = false;
            if let Some(instance) = runner.instance {
                self.plan_within(1_000, Happening::Connect(number, instance));
            }
        }
    }

    pub(crate) fn beat(&mut self, number: usize, instance: InstanceId) {
        let again = Happening::Beat(number, instance);
        if self.awake(number, instance, &again) {
            let held = self.runners[number].all_held();
            self.send(number, Said::Beat(held));
            self.plan(BEAT_EVERY, again);
        }
    }

    fn send(&mut self, number: usize, said: Said) {
        if let Said::Finish(held, _) = &said {
            self.said.insert(held.lease.to_string());
        }
        let runner = &self.runners[number];
        if let Some(stream) = runner.stream.filter(|_| runner.welcome) {
            self.say(stream, said);
        }
    }

    /// The queue has spoken.
    pub(crate) fn told(&mut self, stream: u64, told: Told) {
        let Some(number) = self.network.streams.get(&stream).map(|stream| stream.runner) else {
            return;
        };
        let runner = &self.runners[number];
        let Some(instance) = runner.instance.filter(|_| runner.stream == Some(stream)) else {
            return;
        };
        if !self.network.is_open(stream) {
            return;
        }
        let later = Happening::ToRunner(stream, told);
        if self.awake(number, instance, &later) {
            self.obey(number, instance, told);
        }
    }

    fn obey(&mut self, number: usize, instance: InstanceId, told: Told) {
        match told {
            Told::Welcome { halted } => {
                let runner = &mut self.runners[number];
                runner.welcome = true;
                let free =
                    runner.slots.saturating_sub(u32::try_from(runner.held.len()).unwrap_or(0));
                if free > 0 {
                    self.send(number, Said::Credit(free));
                }
                self.say_again(number);
                self.heed(number, halted);
            }
            Told::Controls { halted } => self.heed(number, halted),
            Told::Granted { lease, token, critique, splits } => {
                let doing = Doing { token, critique, splits, outcome: None };
                self.runners[number].held.insert(lease, doing);
                let long = self.rng.random_ratio(1, if self.scarce { 2 } else { 8 });
                let work = self.millis(100, if long { 90_000 } else { 8_000 });
                self.plan(work, Happening::Done(number, instance, lease));
            }
            Told::Over { lease } => {
                if self.runners[number].held.remove(&lease).is_some() {
                    self.send(number, Said::Credit(1));
                }
            }
        }
    }

    /// Obeys a halt: nothing of this runner goes on.
    fn heed(&mut self, number: usize, halted: Option<u64>) {
        let Some(control_epoch) = halted else { return };
        let runner = &mut self.runners[number];
        let free = u32::try_from(runner.held.len()).unwrap_or(0);
        runner.held.clear();
        if free > 0 {
            self.send(number, Said::Credit(free));
        }
        self.send(number, Said::Stopped { control_epoch });
    }

    /// What was done while nobody listened.
    fn say_again(&mut self, number: usize) {
        let done = self.runners[number].held.iter().filter_map(|(lease, doing)| {
            let outcome = doing.outcome.clone()?;
            Some((Held { lease: *lease, token: doing.token }, Box::new(outcome)))
        });
        for (held, outcome) in done.collect::<Vec<_>>() {
            self.send(number, Said::Finish(held, outcome));
        }
    }

    pub(crate) fn done(&mut self, number: usize, instance: InstanceId, lease: LeaseId) {
        if !self.awake(number, instance, &Happening::Done(number, instance, lease)) {
            return;
        }
        let outcome = self.outcome(lease);
        let Some(doing) = self.runners[number].held.get_mut(&lease) else { return };
        if doing.outcome.is_some() {
            return;
        }
        let planned = matches!(&outcome, Outcome::Finished(work) if work.plan.is_some());
        let plain = doing.critique || planned && !doing.splits;
        let outcome = if plain { finished() } else { outcome };
        doing.outcome = Some(outcome.clone());
        let held = Held { lease, token: doing.token };
        self.send(number, Said::Finish(held, Box::new(outcome)));
    }

    fn outcome(&mut self, lease: LeaseId) -> Outcome {
        if !self.storm() {
            return finished();
        }
        match self.rng.random_range(0..20) {
            0 => Outcome::Declined(text()),
            1 => Outcome::Waits(format!("let_{lease}")),
            2 | 3 => Outcome::Returned {
                why: ReturnedFor::Rate,
                scope: String::new(),
                retry_after: Some(Duration::from_secs(5)),
            },
            4 => Outcome::Returned {
                why: ReturnedFor::Budget,
                scope: "task".into(),
                retry_after: None,
            },
            5 => Outcome::Blocked {
                rule: "r".into(),
                held: true,
                hash: Hash::default(),
                program: None,
            },
            6 | 7 => Outcome::Failed {
                class: Class::Transient,
                message: String::new(),
                retry_after: None,
            },
            8 | 9 => planned(self.rng.random_range(2..=3)),
            _ => finished(),
        }
    }
}

/// A plan of parts that follow each other.
fn planned(count: u32) -> Outcome {
    let shares: &[u32] = if count == 2 { &[50, 50] } else { &[40, 30, 30] };
    let part = |(at, share): (usize, &u32)| Part {
        title: text(),
        instruction: text(),
        after: at.checked_sub(2).into_iter().collect(),
        share: *share,
    };
    let parts = shares.iter().enumerate().map(part).collect();
    let plan = Some(Box::new(Plan { reason: text(), parts }));
    Outcome::Finished(Work { how: "split".into(), plan, ..Work::default() })
}

fn finished() -> Outcome {
    Outcome::Finished(Work { how: "finished".into(), ..Work::default() })
}
