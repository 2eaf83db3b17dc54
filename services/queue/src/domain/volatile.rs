//! Changes of what is known beside the log: through `Ledger::touch` by the runners' streams, and by
//! `apply` where a row makes such knowledge void.

use vivarium_ledger::planted::{self, Bug};
use vivarium_types::Timestamp;
use vivarium_types::ids::InstanceId;

use super::Queue;
use super::lease::{Granted, Held, Lease};
use super::runner::{Connection, Times, Volatile};
use super::world::Mode;

/// A lease that was heard of in time, or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Beat {
    /// It goes on, and so much may be done under it now.
    Renewed(Box<Lease>, Mode),
    /// It has ended.
    Lost(Held),
}

impl Queue {
    /// Takes up work after a start of the process: every live lease gets one full ttl, and so does
    /// every runner to come back.
    pub fn start(&mut self, times: Times) {
        let now = self.volatile.read_at.unwrap_or_default();
        self.volatile.started = true;
        self.volatile.times = times;
        let until = now + times.lease_ttl;
        self.volatile.until = self.leases.keys().map(|lease| (*lease, until)).collect();
        self.volatile.missing = self.runners.keys().map(|name| (name.clone(), until)).collect();
    }

    /// A runner's stream is open; its `Hello` was taken.
    pub fn connect(&mut self, runner: &str, instance: InstanceId, stream: u64) {
        let until = self.lease_end();
        for lease in self.leases.values().filter(|lease| lease.granted.runner == runner) {
            self.volatile.until.insert(lease.granted.lease, until);
        }
        self.volatile.missing.remove(runner);
        self.volatile.exits.remove(runner);
        let connection = Connection { instance, stream, credit: 0 };
        self.volatile.connections.insert(runner.to_owned(), connection);
    }

    /// A runner's stream has ended; another one may have taken its place already.
    pub fn disconnect(&mut self, runner: &str, stream: u64) {
        let open = self.volatile.connections.get(runner);
        if open.is_none_or(|open| open.stream != stream) {
            return;
        }
        self.volatile.connections.remove(runner);
        if self.runners.contains_key(runner) {
            let until = self.lease_end();
            self.volatile.missing.insert(runner.to_owned(), until);
        }
    }

    /// A runner takes more grants; never more than it has slots.
    pub fn credit(&mut self, runner: &str, stream: u64, grants: u32) {
        let slots = self.runners.get(runner).map_or(0, |runner| runner.slots);
        let open = self.volatile.connections.get_mut(runner);
        if let Some(open) = open.filter(|open| open.stream == stream) {
            open.credit = open.credit.saturating_add(grants).min(slots);
        }
    }

    /// A runner says that it goes on with these leases.
    pub fn beat(&mut self, instance: InstanceId, leases: &[Held]) -> Vec<Beat> {
        let until = self.lease_end();
        let now = self.volatile.read_at.unwrap_or_default();
        let beats = leases.iter().map(|held| {
            let live = self
                .leases
                .get(&held.lease)
                .filter(|lease| lease.token == held.token && lease.granted.instance == instance);
            let Some(lease) = live else { return Beat::Lost(*held) };
            let level = self.level_now(&lease.granted, now);
            self.volatile.until.insert(held.lease, until);
            Beat::Renewed(Box::new(lease.clone()), level)
        });
        beats.collect()
    }

    /// The supervisor says that this start of a process has ended. The word may come late: a start
    /// that another one has replaced is nobody's any more.
    pub fn exited(&mut self, service: &str, instance: InstanceId) {
        let now = self.volatile.read_at.unwrap_or_default();
        let known = self.runners.get(service);
        if known.is_some_and(|r| r.instance == instance || planted::has(Bug::ExitByName)) {
            let due = now + self.volatile.times.exit_grace;
            self.volatile.exits.insert(service.to_owned(), (instance, due));
        }
    }

    fn lease_end(&self) -> Timestamp {
        self.volatile.read_at.unwrap_or_default() + self.volatile.times.lease_ttl
    }
}

impl Volatile {
    pub(super) fn granted(&mut self, granted: &Granted, now: Timestamp) {
        self.until.insert(granted.lease, now + granted.ttl);
        if let Some(open) = self.connections.get_mut(&granted.runner) {
            open.credit = open.credit.saturating_sub(1);
        }
    }

    pub(super) fn left(&mut self, runner: &str, instance: InstanceId) {
        self.missing.remove(runner);
        if self.exits.get(runner).is_some_and(|(exited, _)| *exited == instance) {
            self.exits.remove(runner);
        }
        if self.connections.get(runner).is_some_and(|open| open.instance == instance) {
            self.connections.remove(runner);
        }
    }
}
