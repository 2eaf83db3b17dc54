//! A network that delays, loses and repeats calls, and breaks streams.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use vivarium_queue::domain::control::Hello;
use vivarium_types::Timestamp;

use crate::peers::Peers;
use crate::runners::{Said, Told};
use crate::world::{Happening, World};

/// Who talks with the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Host {
    Client(usize),
    Runner(usize),
    Peer(usize),
}

impl Host {
    pub(crate) fn any(rng: &mut ChaCha8Rng, clients: usize, runners: usize) -> Self {
        match rng.random_range(0..3) {
            0 => Self::Client(rng.random_range(0..clients)),
            1 => Self::Runner(rng.random_range(0..runners)),
            _ => Self::Peer(rng.random_range(0..Peers::COUNT)),
        }
    }
}

/// A runner's stream: in each direction words arrive in order, or not at all.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) runner: usize,
    pub(crate) hello: Hello,
    open: bool,
    server_heard: Timestamp,
    runner_heard: Timestamp,
}

/// What is on the way, and what is cut.
#[derive(Debug, Default)]
pub(crate) struct Network {
    pub(crate) streams: BTreeMap<u64, Stream>,
    last_stream: u64,
    cut: BTreeMap<Host, Timestamp>,
}

impl Network {
    pub(crate) fn cut_off(&mut self, host: Host, until: Timestamp) {
        self.cut.insert(host, until);
    }

    /// A new stream of a runner, on its way to the queue.
    pub(crate) fn stream(&mut self, runner: usize, hello: Hello, now: Timestamp) -> u64 {
        self.last_stream += 1;
        let stream = Stream { runner, hello, open: true, server_heard: now, runner_heard: now };
        self.streams.insert(self.last_stream, stream);
        self.last_stream
    }

    pub(crate) fn is_open(&self, stream: u64) -> bool {
        self.streams.get(&stream).is_some_and(|stream| stream.open)
    }
}

impl World {
    /// Whether a host cannot reach the queue.
    pub(crate) fn is_cut_off(&self, host: Host) -> bool {
        self.storm() && self.network.cut.get(&host).is_some_and(|until| *until > self.now())
    }

    pub(crate) fn delay(&mut self) -> Duration {
        if self.mishap(30) { self.millis(100, 5_000) } else { self.millis(1, 40) }
    }

    fn loses(&mut self, host: Host) -> bool {
        let lost = self.is_cut_off(host) || self.mishap(40);
        self.counts.lost += u64::from(lost);
        lost
    }

    /// Carries a call or its answer: late, never, or twice.
    pub(crate) fn carry(&mut self, host: Host, happening: &Happening) {
        if self.loses(host) {
            return;
        }
        let delay = self.delay();
        self.plan(delay, happening.clone());
        if self.mishap(40) {
            self.counts.repeated += 1;
            let delay = self.delay();
            self.plan(delay, happening.clone());
        }
    }

    /// Sends a runner's word to the queue.
    pub(crate) fn say(&mut self, stream: u64, said: Said) {
        let Some(moment) = self.arrival(stream, |stream| &mut stream.server_heard) else { return };
        self.plan_at(moment, Happening::ToServer(stream, said));
    }

    /// Sends the queue's word to a runner.
    pub(crate) fn tell(&mut self, stream: u64, told: Told) {
        let Some(moment) = self.arrival(stream, |stream| &mut stream.runner_heard) else { return };
        self.plan_at(moment, Happening::ToRunner(stream, told));
    }

    fn arrival(
        &mut self,
        stream: u64,
        heard: impl Fn(&mut Stream) -> &mut Timestamp,
    ) -> Option<Timestamp> {
        let runner = self.network.streams.get(&stream).filter(|stream| stream.open)?.runner;
        if self.is_cut_off(Host::Runner(runner)) || self.mishap(400) {
            self.break_stream(stream);
            return None;
        }
        let moment = self.now() + self.delay();
        let last = heard(self.network.streams.get_mut(&stream)?);
        *last = moment.max(*last + Duration::from_micros(1));
        Some(*last)
    }

    /// Breaks a stream; each end learns of it in its own time.
    pub(crate) fn break_stream(&mut self, stream: u64) {
        let Some(broken) = self.network.streams.get_mut(&stream) else { return };
        if std::mem::replace(&mut broken.open, false) {
            self.counts.broken += 1;
            self.plan_within(20_000, Happening::ServerNotices(stream));
            self.plan_within(20_000, Happening::RunnerNotices(stream));
        }
    }
}
