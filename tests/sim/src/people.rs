//! Who asks things of the queue: submitters, and an operator that disturbs and, when all is calm,
//! clears up. Each repeats a call under its request id until it is answered.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use vivarium_ledger::Meta;
use vivarium_queue::domain::Command;
use vivarium_queue::domain::edit::{Edit, IntentEdit, Wanted};
use vivarium_queue::domain::event::Event;
use vivarium_queue::domain::order::WaitReason;
use vivarium_queue::domain::recurrence::{Created, Next, Recurrence, Schedule, Standing};
use vivarium_queue::domain::task::{Awaits, Spec, State};
use vivarium_queue::domain::world::Pace;
use vivarium_types::Actor;
use vivarium_types::ids::TaskId;

use crate::network::Host;
use crate::proposal::{self, text};
use crate::world::{Happening, World};

/// How long a caller waits before it asks again.
const PATIENCE: Duration = Duration::from_secs(2);
/// The client that is the operator.
const OPERATOR: usize = 0;

/// A call under a request id.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) client: usize,
    pub(crate) id: String,
    pub(crate) actor: Actor,
    pub(crate) command: Command,
}

/// What a caller gets back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    Done(String),
    Refused(&'static str),
    Unavailable,
}

/// Someone who asks.
#[derive(Debug)]
pub(crate) struct Client {
    actor: Actor,
    left: u32,
    asked: u32,
    open: Option<(Call, u32)>,
    first: BTreeMap<String, String>,
}

/// All who ask, and what they know.
#[derive(Debug)]
pub(crate) struct People {
    pub(crate) clients: Vec<Client>,
    /// Tags of tasks that somebody tried to add.
    pub(crate) wanted: BTreeSet<String>,
    /// Tags of tasks whose adding was answered.
    pub(crate) added: BTreeMap<String, TaskId>,
}

impl People {
    /// An operator and up to three submitters; where hands are scarce one of them asks for much.
    pub(crate) fn new(rng: &mut ChaCha8Rng, scarce: bool) -> Self {
        let client = |(number, left)| Client {
            actor: Actor::Operator(format!("person-{number}")),
            left,
            asked: 0,
            open: None,
            first: BTreeMap::new(),
        };
        let submitters = rng.random_range(1..=3);
        let mut lefts: Vec<u32> = (0..=submitters).map(|_| rng.random_range(5..15)).collect();
        if scarce {
            lefts[1] += 20;
        }
        let clients = lefts.into_iter().enumerate().map(client).collect();
        Self { clients, wanted: BTreeSet::new(), added: BTreeMap::new() }
    }

    fn tasks(&self) -> Vec<TaskId> {
        self.added.values().copied().collect()
    }
}

/// What an answer says of the events that a call caused: the tasks it added.
pub(crate) fn told(events: &[(Event, Meta)]) -> String {
    let added = events.iter().filter_map(|(event, _)| {
        let Event::TaskAdded(added) = event else { return None };
        Some(format!("{}={}", added.spec.tags.join(","), added.task))
    });
    added.collect::<Vec<_>>().join(" ")
}

impl World {
    pub(crate) fn think(&mut self, number: usize) {
        let client = &self.people.clients[number];
        if client.open.is_some() {
            return;
        }
        let command = if number == OPERATOR {
            self.steering()
        } else if client.left > 0 {
            self.people.clients[number].left -= 1;
            Some(self.adding(number))
        } else {
            return;
        };
        let Some(command) = command else {
            return self.plan_within(5_000, Happening::Think(number));
        };
        let client = &mut self.people.clients[number];
        client.asked += 1;
        // Everybody counts alike: an id is one caller's own.
        let id = format!("call-{}", client.asked);
        let call = Call { client: number, id, actor: client.actor.clone(), command };
        client.open = Some((call, 0));
        self.ask(number);
    }

    fn adding(&mut self, number: usize) -> Command {
        let name = format!("t{number}-{}", self.people.clients[number].left);
        let (known, now) = (self.people.tasks(), self.now());
        let proposals = proposal::batch(&mut self.rng, &name, &known, now);
        let tags = proposals.iter().flat_map(|proposal| proposal.spec.tags.clone());
        self.people.wanted.extend(tags);
        Command::Add { proposals, open_max: 10_000 }
    }

    fn ask(&mut self, number: usize) {
        let Some((call, tries)) = self.people.clients[number].open.clone() else { return };
        let id = call.id.clone();
        self.carry(Host::Client(number), &Happening::Ask(call));
        self.plan(PATIENCE, Happening::Impatient { client: number, id, tries });
    }

    pub(crate) fn impatient(&mut self, number: usize, id: &str, tries: u32) {
        let open = self.people.clients[number].open.as_mut();
        if let Some((_, tried)) = open.filter(|(call, tried)| call.id == id && *tried == tries) {
            *tried += 1;
            self.ask(number);
        }
    }

    pub(crate) fn answered(&mut self, number: usize, id: &str, reply: Reply) {
        let client = &mut self.people.clients[number];
        if let Reply::Done(words) = &reply {
            let first = client.first.entry(id.to_owned()).or_insert_with(|| words.clone());
            if first != words {
                let breach = format!("the call {id} was answered {first:?} and then {words:?}");
                self.breaches.push(breach);
            }
        }
        let client = &mut self.people.clients[number];
        if client.open.as_ref().is_none_or(|(call, _)| call.id != id) || reply == Reply::Unavailable
        {
            return;
        }
        client.open = None;
        if let Reply::Done(words) = reply {
            for (tag, task) in words.split(' ').filter_map(|word| word.split_once('=')) {
                let task = task.parse().expect("an answer names a task");
                self.people.added.insert(tag.to_owned(), task);
                self.counts.tasks += 1;
            }
        }
        self.plan_within(20_000, Happening::Think(number));
    }

    /// What the operator does next: trouble in the storm, order behind it.
    fn steering(&mut self) -> Option<Command> {
        if self.storm() { self.meddling() } else { self.tidying() }
    }

    fn meddling(&mut self) -> Option<Command> {
        let tasks = self.people.tasks();
        let server = self.server.as_ref()?;
        if server.halted().is_some() && self.rng.random_ratio(2, 3) {
            return Some(Command::EndHalt { reason: text() });
        }
        if server.hand.state().world.calendar.next_day_length > Duration::from_mins(5) {
            return Some(self.short_days());
        }
        let task = match tasks.len() {
            0 => return None,
            count => tasks[self.rng.random_range(0..count)].to_string(),
        };
        Some(match self.rng.random_range(0..16) {
            15 => self.short_days(),
            12 | 13 => self.editing(task)?,
            14 => self.recurring(),
            0 => Command::SetHalt { reason: text() },
            1 => Command::SetPace { pace: Pace::Paused, reason: None },
            2 => Command::SetPace { pace: Pace::Step, reason: None },
            3 | 4 => {
                Command::SetPace { pace: Pace::Wait(self.rng.random_range(0..3)), reason: None }
            }
            5 => Command::Step { count: 2 },
            6 => Command::Cancel { task, reason: None },
            7 | 8 => Command::Pause { task },
            9 | 10 => Command::ResumeTask { task },
            _ => Command::Requeue { task },
        })
    }

    /// Days of which a storm has several.
    fn short_days(&mut self) -> Command {
        let day_length = Some(Duration::from_secs(self.rng.random_range(60..200)));
        Command::SetCalendar { day_length, rest_day_on: None, reason: text() }
    }

    /// Another place in the order, or another time that an attempt may take.
    fn editing(&mut self, task: String) -> Option<Command> {
        let id = task.parse().ok()?;
        let known = self.server.as_ref()?.hand.state().tasks.get(&id)?.clone();
        let (field, spec) = if self.rng.random_ratio(1, 2) {
            let priority = self.rng.random_range(0..10);
            ("priority", Spec { priority, ..known.spec().clone() })
        } else {
            let run_limit = Duration::from_mins(self.rng.random_range(1..60));
            ("run_limit", Spec { run_limit, ..known.spec().clone() })
        };
        let wanted = Wanted {
            spec,
            fields: BTreeSet::from([field.to_owned()]),
            title: None,
            instruction: None,
            intent: IntentEdit::Keep,
        };
        let (revision, wanted) = (known.revision, Some(wanted));
        Some(Command::Edit(Box::new(Edit { task, revision, wanted })))
    }

    /// A task every other minute, whose number nobody asked for by name.
    fn recurring(&mut self) -> Command {
        let key = format!("r{}", self.rng.random_range(0..2));
        self.people.wanted.insert(key.clone());
        let spec = Spec { tags: vec![key.clone()], key: None, ..proposal::plain() };
        Command::CreateRecurrence(Box::new(Created {
            key,
            spec,
            title: text(),
            instruction: text(),
            intent: None,
            schedule: Schedule::Cron("*/2 * * * *".into()),
            submitter: String::new(),
            next: Next::Never,
        }))
    }

    fn tidying(&mut self) -> Option<Command> {
        let server = self.server.as_ref()?;
        let queue = server.hand.state();
        let fires = |known: &&Recurrence| known.standing != Standing::Ended;
        if let Some(known) = queue.recurrences.values().find(fires) {
            let (key, standing) = (known.created.key.clone(), Standing::Ended);
            return Some(Command::SteerRecurrence { key, standing });
        }
        if queue.world.halted() {
            return Some(Command::EndHalt { reason: text() });
        }
        if queue.world.pace != Pace::Wait(0) {
            return Some(Command::SetPace { pace: Pace::Wait(0), reason: None });
        }
        let now = self.now();
        for task in queue.tasks.values() {
            let name = task.id().to_string();
            let gives_up = task.added.spec.tags.iter().any(|tag| tag.ends_with('0'));
            // What nobody may take, or nobody who may take it is good at.
            let stuck = matches!(
                queue.wait_reason(task.id(), now),
                Some(
                    WaitReason::DependencyFailed
                        | WaitReason::NoResident
                        | WaitReason::Specialization
                )
            );
            let next = match (task.state, task.awaits) {
                (State::Paused, _) => Command::ResumeTask { task: name },
                (State::Blocked | State::Ready, _) if stuck => {
                    Command::Cancel { task: name, reason: None }
                }
                (State::AwaitingHuman, Some(Awaits::Approval)) => continue,
                (State::AwaitingHuman, why) if gives_up || why == Some(Awaits::Deadline) => {
                    Command::Cancel { task: name, reason: None }
                }
                (State::AwaitingHuman, _) => Command::Requeue { task: name },
                (_, _) => continue,
            };
            return Some(next);
        }
        self.finished = self.is_finished();
        None
    }

    /// Whether nothing is left to happen: nobody asks, and every task has ended.
    fn is_finished(&self) -> bool {
        let mut submitters = self.people.clients.iter().skip(1);
        submitters.all(|client| client.left == 0 && client.open.is_none())
            && self.unfinished().is_empty()
            && self.peers_are_heard()
    }

    /// Tasks that have not come to their end.
    pub(crate) fn unfinished(&self) -> Vec<String> {
        let Some(server) = &self.server else { return vec!["the queue is down".into()] };
        let queue = server.hand.state();
        let open = queue.tasks.values().filter(|task| !task.state.is_final());
        open.map(|task| format!("{} {}", task.id(), task.state.word())).collect()
    }
}
