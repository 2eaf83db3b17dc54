//! The other services, as far as the queue hears of them: their logs, which it follows.

use std::collections::{BTreeMap, BTreeSet};

use rand::RngExt as _;
use vivarium_queue::domain::Command;
use vivarium_queue::domain::event::Event;
use vivarium_queue::domain::steer::Verdict;
use vivarium_types::ids::{Id as _, LedgerId, ResidentId, SubmissionId, TaskId};
use vivarium_types::source::{Cursor, Hash};
use vivarium_types::{Actor, IdSource, Timestamp};

use crate::network::Host;
use crate::proposal::{SKILL, text};
use crate::sessions;
use crate::world::{Happening, World};

/// Residents of the world.
const RESIDENTS: u128 = 4;
/// How many of a peer's rows the queue takes at a time.
const TAKEN_AT_A_TIME: u64 = 5;
/// The peers by their place in the list.
const REVIEW: usize = 0;
const SOCIETY: usize = 1;
const EXECUTOR: usize = 2;

/// A row of a peer's log.
#[derive(Debug, Clone)]
pub(crate) struct Fact {
    pub(crate) kind: &'static str,
    pub(crate) command: Command,
}

/// A service that the queue follows.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    ledger: LedgerId,
    pub(crate) log: Vec<Fact>,
}

/// What review has to say about a submission, step by step.
#[derive(Debug)]
struct Opinion {
    task: TaskId,
    steps: Vec<Step>,
    content: Hash,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    AskCritique,
    AskHuman,
    Verdict { accepted: bool },
}

/// The peers, and review's memory.
#[derive(Debug)]
pub(crate) struct Peers {
    pub(crate) all: [Peer; Self::COUNT],
    /// The last row of the queue that review read.
    read: u64,
    opinions: BTreeMap<SubmissionId, Opinion>,
    seen: BTreeSet<SubmissionId>,
}

impl Peers {
    pub(crate) const COUNT: usize = 3;

    pub(crate) fn new(ids: &mut IdSource, now: Timestamp) -> Self {
        let peer = |name| Peer { name, ledger: ids.mint(now), log: Vec::new() };
        let all = ["review", "society", "executor"].map(peer);
        Self { all, read: 0, opinions: BTreeMap::new(), seen: BTreeSet::new() }
    }

    /// Everyone is there, and there is a language model.
    pub(crate) fn settle_in(&mut self) {
        for number in 1..=RESIDENTS {
            self.all[SOCIETY].resident(number, true);
        }
        // One of them is good at something, whoever it was before.
        self.all[SOCIETY].skilled(RESIDENTS, true);
        self.all[EXECUTOR].provider(true);
    }
}

impl Peer {
    fn says(&mut self, kind: &'static str, command: Command) {
        self.log.push(Fact { kind, command });
    }

    fn resident(&mut self, number: u128, active: bool) {
        let resident = ResidentId::from_number(number);
        let command = Command::NoteResident { resident, active, words: Vec::new() };
        self.says("resident_changed", command);
    }

    fn skilled(&mut self, number: u128, skilled: bool) {
        let resident = ResidentId::from_number(number);
        let specializations = skilled.then(|| SKILL.to_owned()).into_iter().collect();
        let command = Command::NoteSpecializations { resident, specializations };
        self.says("specializations_set", command);
    }

    fn provider(&mut self, usable: bool) {
        self.says("provider_health_changed", Command::NoteProvider { usable });
    }
}

impl World {
    /// Review reads what the queue has committed, each row once.
    pub(crate) fn review(&mut self) {
        self.plan_within(500, Happening::Review);
        if self.is_cut_off(Host::Peer(REVIEW)) || self.mishap(10) {
            return;
        }
        let Some(server) = &self.server else { return };
        for row in server.rows(self.peers.read) {
            self.peers.read = row.sequence;
            let Event::AttemptFinished(done) = sessions::event(&row) else { continue };
            let (submission, task) = (done.submission, done.end.task);
            if self.peers.seen.insert(submission) {
                let steps = self.opinion();
                // The same work twice in a row is what a resident without a new idea brings.
                let same = self.mishap(6);
                let content = if same { 0 } else { row.sequence };
                let mut hash = Hash::default();
                hash.0[..8].copy_from_slice(&content.to_be_bytes());
                self.peers.opinions.insert(submission, Opinion { task, steps, content: hash });
                self.plan_within(8_000, Happening::Judge(submission));
            }
        }
    }

    fn opinion(&mut self) -> Vec<Step> {
        if !self.storm() {
            return vec![Step::Verdict { accepted: true }];
        }
        let verdict = Step::Verdict { accepted: !self.rng.random_ratio(1, 4) };
        match self.rng.random_range(0..10) {
            0 | 1 => vec![verdict, Step::AskCritique],
            2 => vec![verdict, Step::AskHuman],
            3 => vec![verdict, Step::AskHuman, Step::AskCritique],
            _ => vec![verdict],
        }
    }

    pub(crate) fn judge(&mut self, submission: SubmissionId) {
        let Some(opinion) = self.peers.opinions.get_mut(&submission) else { return };
        let Some(step) = opinion.steps.pop() else { return };
        let (task, content) = (opinion.task, opinion.content);
        let review = &mut self.peers.all[REVIEW];
        match step {
            Step::AskCritique => {
                review.says("critique_asked", Command::AskCritique { submission, task });
            }
            Step::AskHuman => review.says("human_asked", Command::AskHuman { submission, task }),
            Step::Verdict { accepted } => {
                let verdict = Verdict {
                    submission,
                    task,
                    accepted,
                    confidence_permille: 0,
                    feedback: if accepted { Vec::new() } else { vec![text()] },
                    content_hash: Some(content),
                };
                review.says("verdict_reached", Command::Verdict(verdict));
            }
        }
        self.plan_within(20_000, Happening::Judge(submission));
    }

    /// Society loses a resident or gets it back; the executor loses its model or finds it.
    pub(crate) fn news(&mut self) {
        if !self.storm() {
            self.peers.settle_in();
            return;
        }
        match self.rng.random_range(0..9) {
            0..=2 => {
                let usable = self.rng.random_ratio(2, 3);
                self.peers.all[EXECUTOR].provider(usable);
            }
            3..=4 => {
                let number = self.rng.random_range(1..=RESIDENTS);
                let skilled = self.rng.random_ratio(1, 2);
                self.peers.all[SOCIETY].skilled(number, skilled);
            }
            _ => {
                let number = self.rng.random_range(1..=RESIDENTS);
                let active = self.rng.random_ratio(2, 3);
                self.peers.all[SOCIETY].resident(number, active);
            }
        }
        self.plan_within(60_000, Happening::News);
    }

    /// The queue takes what a peer's log says behind its cursor, and at times some of it again.
    pub(crate) fn follow(&mut self, number: usize) {
        self.plan_within(300, Happening::Follow(number));
        if self.is_cut_off(Host::Peer(number)) || self.mishap(10) {
            return;
        }
        let name = self.peers.all[number].name;
        let Some(server) = &self.server else { return };
        let stands = server.hand.cursor(name).sequence;
        let back = if self.mishap(5) { self.rng.random_range(0..=3) } else { 0 };
        let from = stands.saturating_sub(back) + 1;
        let last = self.peers.all[number].log.len() as u64;
        for sequence in from..=last.min(stands + TAKEN_AT_A_TIME) {
            let peer = &self.peers.all[number];
            let Some(fact) = usize::try_from(sequence - 1).ok().and_then(|at| peer.log.get(at))
            else {
                return;
            };
            let (kind, cause) = (fact.kind, (Actor::service(peer.name), fact.command.clone()));
            let cursor = Cursor { ledger: Some(peer.ledger), sequence, hash: Hash::default() };
            self.maybe_fail();
            let Some(server) = &mut self.server else { return };
            match server.hand.take_fact(name, cursor, kind, cause) {
                Ok(()) => self.after_turn(),
                Err(_) => return self.crash(),
            }
        }
    }

    /// Whether the queue has heard everything the others said.
    pub(crate) fn peers_are_heard(&self) -> bool {
        let Some(server) = &self.server else { return false };
        let heard = |peer: &Peer| server.hand.cursor(peer.name).sequence == peer.log.len() as u64;
        self.peers.all.iter().all(heard) && self.peers.opinions.values().all(|o| o.steps.is_empty())
    }
}
