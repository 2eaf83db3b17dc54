//! The runners' streams as the queue sees them: what `rpc/runner.rs` does over gRPC.

use std::collections::BTreeSet;

use vivarium_ledger::{Row, Submission};
use vivarium_queue::domain::Command;
use vivarium_queue::domain::event::{CritiqueOutcome, Event, HaltAck, Wire};
use vivarium_queue::domain::lease::Purpose;
use vivarium_queue::domain::retry::Class;
use vivarium_queue::domain::volatile::Beat;
use vivarium_types::ids::{InstanceId, LeaseId};
use vivarium_types::{Actor, MicroUsd};

use crate::runners::{Said, Told};
use crate::server::Whose;
use crate::world::World;

/// One stream of a runner.
#[derive(Debug)]
pub(crate) struct Session {
    runner: String,
    instance: InstanceId,
    held: BTreeSet<LeaseId>,
    /// The last row the runner was told of.
    after: u64,
}

impl World {
    /// A runner's stream has reached the queue.
    pub(crate) fn open(&mut self, stream: u64) {
        let opened = self.network.streams.get(&stream).map(|opened| opened.hello.clone());
        match (&mut self.server, opened) {
            (Some(server), Some(hello)) => {
                let actor = Actor::service(&hello.runner);
                let submission = Submission::new(actor, Command::Hello(hello));
                server.submit(submission, Whose::Hello { stream });
                self.plan_turn_soon();
            }
            (None, _) | (_, None) => self.break_stream(stream),
        }
    }

    /// The queue has taken a runner's hello, or refused it.
    pub(crate) fn welcome(&mut self, stream: u64, taken: Option<u64>) {
        let hello = self.network.streams.get(&stream).map(|opened| opened.hello.clone());
        let (Some(after), Some(hello)) = (taken, hello) else { return self.break_stream(stream) };
        let Some(server) = &mut self.server else { return };
        let (name, instance) = (hello.runner.clone(), hello.instance);
        server.touch(move |queue| queue.connect(&name, instance, stream));
        let held = hello.resumes.iter().map(|held| held.lease).collect();
        let session = Session { runner: hello.runner.clone(), instance, held, after };
        server.sessions.insert(stream, session);
        let older = server
            .sessions
            .iter()
            .filter(|(other, session)| **other != stream && session.runner == hello.runner);
        let older: Vec<u64> = older.map(|(other, _)| *other).collect();
        let halted = server.halted();
        for other in older {
            self.end_session(other);
            self.break_stream(other);
        }
        self.tell(stream, Told::Welcome { halted });
        self.plan_turn_soon();
    }

    /// What a runner says.
    pub(crate) fn hear(&mut self, stream: u64, said: Said) {
        if !self.network.is_open(stream) {
            return;
        }
        let Some(server) = &mut self.server else { return };
        let Some(session) = server.sessions.get(&stream) else { return };
        let (runner, instance) = (session.runner.clone(), session.instance);
        let actor = Actor::service(&runner);
        match said {
            Said::Credit(grants) => {
                server.touch(move |queue| queue.credit(&runner, stream, grants));
            }
            Said::Beat(held) => server.beat(stream, instance, held),
            Said::Finish(held, outcome) => {
                let cost = MicroUsd::ZERO;
                let command = Command::Finish { held, instance, cost, outcome };
                let whose = Whose::Finish { stream, lease: held.lease };
                server.submit(Submission::new(actor, command), whose);
            }
            Said::Stopped { control_epoch } => {
                let stopped = server.ledger().now();
                let (calls_cancelled, processes_ended) = (0, 0);
                let ack =
                    HaltAck { control_epoch, runner, calls_cancelled, processes_ended, stopped };
                let command = Command::AcknowledgeHalt(ack);
                server.submit(Submission::new(actor, command), Whose::Nobody);
            }
        }
        self.plan_turn_soon();
    }

    pub(crate) fn beaten(&mut self, stream: u64, beats: Vec<Beat>) {
        for beat in beats {
            if let Beat::Lost(held) = beat {
                self.acknowledge(stream, held.lease);
            }
        }
    }

    /// Tells a runner that a lease is over.
    pub(crate) fn acknowledge(&mut self, stream: u64, lease: LeaseId) {
        let session = self.server.as_mut().and_then(|server| server.sessions.get_mut(&stream));
        if let Some(session) = session {
            session.held.remove(&lease);
            self.tell(stream, Told::Over { lease });
        }
    }

    /// The queue learns that a stream is broken.
    pub(crate) fn server_notices(&mut self, stream: u64) {
        self.end_session(stream);
        self.plan_turn_soon();
    }

    fn end_session(&mut self, stream: u64) {
        let Some(server) = &mut self.server else { return };
        if let Some(session) = server.sessions.remove(&stream) {
            server.touch(move |queue| queue.disconnect(&session.runner, stream));
        }
    }

    /// Tells every runner what the log says to it.
    pub(crate) fn tell_runners(&mut self) {
        let Some(server) = &mut self.server else { return };
        let Some(after) = server.sessions.values().map(|session| session.after).min() else {
            return;
        };
        let rows = server.rows(after);
        let halted = server.halted();
        let mut words = Vec::new();
        for row in &rows {
            let event = event(row);
            let splits = server.may_split(&event);
            for (stream, session) in &mut server.sessions {
                if row.sequence > session.after {
                    session.after = row.sequence;
                    let told = session.told(&event, row, (halted, splits));
                    words.extend(told.map(|told| (*stream, told)));
                }
            }
        }
        for (stream, told) in words {
            self.counts.leases += u64::from(matches!(told, Told::Granted { .. }));
            self.tell(stream, told);
        }
    }
}

impl Session {
    fn told(
        &mut self,
        event: &Event,
        row: &Row,
        (halted, splits): (Option<u64>, bool),
    ) -> Option<Told> {
        if let Event::LeaseGranted(granted) = event {
            if granted.runner != self.runner || granted.instance != self.instance {
                return None;
            }
            self.held.insert(granted.lease);
            let critique = granted.purpose == Purpose::Critique;
            let (lease, token) = (granted.lease, row.sequence);
            return Some(Told::Granted { lease, token, critique, splits });
        }
        if matches!(event, Event::HaltSet { .. } | Event::Resumed { .. }) {
            return Some(Told::Controls { halted });
        }
        let lease = ended_here(event).filter(|lease| self.held.remove(lease))?;
        Some(Told::Over { lease })
    }
}

/// The lease that an event ended without its holder's word.
fn ended_here(event: &Event) -> Option<LeaseId> {
    if let Event::CritiqueEnded { lease, outcome, .. } = event {
        let ours = matches!(outcome, CritiqueOutcome::Halted | CritiqueOutcome::Lost);
        return ours.then_some(*lease);
    }
    let ending = event.ending()?;
    let ours = matches!(event, Event::AttemptRevoked { .. } | Event::AttemptHalted { .. })
        || ending.class == Some(Class::Lost);
    ours.then_some(ending.end.lease)
}

/// A row as the event it holds.
pub(crate) fn event(row: &Row) -> Event {
    let wire: Wire = serde_json::from_slice(&row.payload).expect("a row is an event");
    Event::try_from(wire).expect("a row is an event of the queue")
}
