//! The domain by itself: every transition, every refusal, decided and applied without a ledger.

use std::time::Duration;

use vivarium_ledger::{Aggregate, Context, Meta, TextRef};
use vivarium_types::ids::{Id as _, InstanceId, ResidentId, SubmissionId, TaskId};
use vivarium_types::source::Hash;
use vivarium_types::{Actor, IdSource, MicroUsd, Timestamp};

use super::add::Proposal;
use super::control::Hello;
use super::event::{Event, HaltAck, ReturnedFor, Wire, Work};
use super::finish::Outcome;
use super::lease::{Granted, Held};
use super::order::WaitReason;
use super::retry::Class;
use super::runner::Times;
use super::steer::Verdict;
use super::task::{Awaits, Kind, Mode, OnFailure, Spec, State, Thoroughness};
use super::world::{self, Mode as Level, Pace};
use super::{Command, Queue, Rejection};
use super::{edit, recurrence};

/// A queue with a log in memory, a clock and one runner.
struct Stand {
    queue: Queue,
    /// The state again from the log alone, with a snapshot now and then.
    replayed: Queue,
    log: Vec<(Event, Meta)>,
    ids: IdSource,
    now: Timestamp,
}

impl Stand {
    /// A world at `wait 0` with two residents and a runner with eight free slots.
    fn new() -> Self {
        let mut stand = Self::empty();
        for number in 1..=2 {
            stand.resident(number, &[]);
        }
        stand.run(Command::SetPace { pace: Pace::Wait(0), reason: None });
        stand.connect(8);
        stand
    }

    fn empty() -> Self {
        let mut stand = Self {
            queue: Queue::default(),
            replayed: Queue::default(),
            log: Vec::new(),
            ids: IdSource::seeded(1),
            now: Timestamp::from_millis(1_795_406_400_000),
        };
        stand.turn(|queue| queue.start(Times::default()));
        stand
    }

    fn connect(&mut self, credit: u32) {
        self.run(hello(1, &[]));
        self.turn(move |queue| {
            queue.connect("executor", InstanceId::from_number(1), 1);
            queue.credit("executor", 1, credit);
        });
    }

    fn resident(&mut self, number: u128, words: &[&str]) {
        let words = words.iter().map(ToString::to_string).collect();
        let resident = ResidentId::from_number(number);
        self.run(Command::NoteResident { resident, active: true, words });
    }

    fn specialize(&mut self, number: u128, words: &[&str]) {
        let specializations = words.iter().map(ToString::to_string).collect();
        let resident = ResidentId::from_number(number);
        self.run(Command::NoteSpecializations { resident, specializations });
    }

    fn try_run(&mut self, actor: &Actor, command: Command) -> Result<Vec<Event>, Rejection> {
        self.queue.tick(self.now);
        let facts = self.facts();
        let next = self.log.len() as u64 + 1;
        let cx = Context::new(self.now, actor, next, &mut self.ids, &facts);
        let events = self.queue.decide(command, &cx)?;
        self.accept(actor, events.clone());
        self.settle();
        Ok(events)
    }

    fn run(&mut self, command: Command) -> Vec<Event> {
        self.try_run(&Actor::Operator("test".into()), command).expect("it is accepted")
    }

    fn refused(&mut self, command: Command) -> Rejection {
        let before = self.log.len();
        let actor = Actor::Operator("test".into());
        let refused = self.try_run(&actor, command).expect_err("it is refused");
        assert_eq!(self.log.len(), before, "a refusal changes nothing");
        refused
    }

    fn turn(&mut self, change: impl FnOnce(&mut Queue)) {
        self.queue.tick(self.now);
        change(&mut self.queue);
        self.settle();
    }

    /// Moves the clock as a process that is awake does: with a look at it whenever it is time.
    fn advance(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(wake) = self.queue.next_wake().filter(|wake| *wake <= end) {
            assert!(wake > self.now, "a wake lies ahead: {wake} after {}", self.now);
            self.now = wake;
            self.turn(|_| {});
        }
        self.now = end;
        self.turn(|_| {});
    }

    /// Gives the runner a free slot and goes on, second by second, until the task is in this state.
    fn advance_until(&mut self, task: TaskId, state: State) {
        self.turn(|queue| queue.credit("executor", 1, 1));
        for _ in 0..600 {
            if self.state(task) == state {
                return;
            }
            self.advance(SECOND);
        }
        panic!("it never became {}", state.word());
    }

    fn settle(&mut self) {
        let own = Actor::service("queue");
        for _ in 0..64 {
            let facts = self.facts();
            let next = self.log.len() as u64 + 1;
            let cx = Context::new(self.now, &own, next, &mut self.ids, &facts);
            let events = self.queue.after_batch(&cx);
            if events.is_empty() {
                return self.check_replay();
            }
            self.accept(&own, events);
        }
        panic!("after_batch goes round in a circle");
    }

    fn accept(&mut self, actor: &Actor, events: Vec<Event>) {
        for event in events {
            let wire: Wire = event.clone().into();
            let json = serde_json::to_vec(&wire).expect("an event is JSON");
            let back: Wire = serde_json::from_slice(&json).expect("and reads back");
            let back = Event::try_from(back).expect("as an event");
            assert_eq!(back, event, "an event survives its schema");
            let sequence = self.log.len() as u64 + 1;
            let meta = Meta { sequence, time: self.now, actor: actor.clone() };
            self.queue.apply(&event, &meta);
            self.replayed.apply(&event, &meta);
            if sequence.is_multiple_of(16) {
                let snapshot = bytes(&self.replayed);
                self.replayed = postcard::from_bytes(&snapshot).expect("a snapshot reads back");
            }
            self.log.push((event, meta));
        }
    }

    fn facts(&self) -> std::collections::BTreeMap<String, vivarium_ledger::aggregate::Claimed> {
        let claims = self.log.iter().flat_map(|(event, meta)| {
            let claimed = vivarium_ledger::aggregate::Claimed {
                sequence: meta.sequence,
                kind: event.kind().into(),
            };
            Queue::claims(event).into_iter().map(move |key| (key, claimed.clone()))
        });
        claims.collect()
    }

    fn add(&mut self, spec: Spec) -> TaskId {
        self.add_all(vec![spec])[0]
    }

    fn add_all(&mut self, specs: Vec<Spec>) -> Vec<TaskId> {
        let events = self.run(Command::Add {
            proposals: specs.into_iter().map(proposal).collect(),
            open_max: 2_048,
        });
        events
            .iter()
            .filter_map(|event| {
                let Event::TaskAdded(added) = event else { return None };
                Some(added.task)
            })
            .collect()
    }

    fn state(&self, task: TaskId) -> State {
        self.queue.state_of(task)
    }

    fn waits(&self, task: TaskId) -> Option<WaitReason> {
        self.queue.wait_reason(task, self.now)
    }

    fn awaits(&self, task: TaskId) -> Option<Awaits> {
        self.queue.tasks.get(&task).and_then(|task| task.awaits)
    }

    /// Grants so far, oldest first.
    fn grants(&self) -> Vec<Granted> {
        let grants = self.log.iter().filter_map(|(event, _)| {
            let Event::LeaseGranted(granted) = event else { return None };
            Some((**granted).clone())
        });
        grants.collect()
    }

    fn held(&self, task: TaskId) -> Held {
        let lease = self.queue.leases.values().find(|lease| lease.granted.task == task);
        let lease = lease.expect("it is leased");
        Held { lease: lease.granted.lease, token: lease.token }
    }

    fn end(&mut self, task: TaskId, outcome: Outcome) {
        self.end_at_cost(task, outcome, 0);
    }

    fn end_at_cost(&mut self, task: TaskId, outcome: Outcome, cost: i64) {
        let held = self.held(task);
        self.run(finish(held, outcome, cost));
        // A slot is free again.
        self.turn(|queue| queue.credit("executor", 1, 1));
    }

    fn finish(&mut self, task: TaskId) -> SubmissionId {
        self.end(task, Outcome::Finished(Work { how: "finished".into(), ..Work::default() }));
        self.queue.tasks[&task].submission.expect("it put something up")
    }

    fn verdict(&mut self, task: TaskId, accepted: bool, content: u8) {
        let submission = self.queue.tasks[&task].submission.expect("it has one");
        self.run(Command::Verdict(verdict(task, submission, accepted, content)));
    }

    fn approve(&mut self, task: TaskId) {
        self.finish(task);
        self.verdict(task, true, 0);
        assert_eq!(self.state(task), State::Approved);
    }

    fn fail(&mut self, task: TaskId) {
        self.end(task, failed(Class::CommandFailed));
        assert_eq!(self.state(task), State::Failed);
    }

    /// The log alone makes the state.
    fn check_replay(&self) {
        assert!(bytes(&self.replayed) == bytes(&self.queue), "the log alone makes the state");
    }
}

fn bytes(queue: &Queue) -> Vec<u8> {
    postcard::to_stdvec(queue).expect("a state is bytes")
}

fn hello(instance: u128, resumes: &[Held]) -> Command {
    Command::Hello(Hello {
        runner: "executor".into(),
        instance: InstanceId::from_number(instance),
        slots: 8,
        resumes: resumes.to_vec(),
        runners_max: 1,
    })
}

fn finish(held: Held, outcome: Outcome, cost: i64) -> Command {
    let (instance, cost) = (InstanceId::from_number(1), MicroUsd::new(cost));
    Command::Finish { held, instance, cost, outcome: Box::new(outcome) }
}

fn verdict(task: TaskId, submission: SubmissionId, accepted: bool, content: u8) -> Verdict {
    Verdict {
        submission,
        task,
        accepted,
        confidence_permille: 900,
        feedback: if accepted { Vec::new() } else { vec![text("feedback")] },
        content_hash: Some(Hash([content; 32])),
    }
}

fn failed(class: Class) -> Outcome {
    Outcome::Failed { class, message: "it broke".into(), retry_after: None }
}

fn text(id: &str) -> TextRef {
    TextRef { id: id.into(), hash: Hash::default(), length: 1, sealed: false }
}

fn proposal(spec: Spec) -> Proposal {
    Proposal { spec, title: text("title"), instruction: text("instruction"), intent: None }
}

fn spec() -> Spec {
    Spec {
        key: None,
        kind: Kind::Docs,
        mode: Mode::Llm,
        command: Vec::new(),
        target: None,
        depends_on: Vec::new(),
        on_failure: OnFailure::Hold,
        priority: 5,
        parallel_safe: true,
        concurrency_key: None,
        concurrency_limit: 1,
        not_before: None,
        deadline: None,
        budget_min: MicroUsd::new(50_000),
        budget_max: MicroUsd::new(100_000),
        model: None,
        resident: None,
        bonus_tokens: 0,
        run_limit: Duration::from_mins(15),
        tags: Vec::new(),
        rest_day_ok: true,
        specialization: None,
        review: Thoroughness::Standard,
        level_max: Level::DocsOnly,
        hat: None,
    }
}

/// An edit of `fields` of the task as it is now.
fn edit(stand: &Stand, task: TaskId, fields: &[&str], spec: Spec) -> Command {
    let revision = stand.queue.tasks.get(&task).map_or(1, |task| task.revision);
    let wanted = edit::Wanted {
        spec,
        fields: fields.iter().map(ToString::to_string).collect(),
        title: None,
        instruction: None,
        intent: edit::IntentEdit::Keep,
    };
    let (task, wanted) = (task.to_string(), Some(wanted));
    Command::Edit(Box::new(edit::Edit { task, revision, wanted }))
}

fn named(key: &str, on: &[&str]) -> Spec {
    let depends_on = on.iter().map(ToString::to_string).collect();
    Spec { key: Some(key.into()), depends_on, ..spec() }
}

const SECOND: Duration = Duration::from_secs(1);

mod controls;
mod courses;
mod edits;
mod effects;
mod explanations;
mod orders;
mod proposals;
mod recurrences;
mod rules;
mod splits;
mod terms;
