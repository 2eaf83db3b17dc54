//! The queue's process: the real domain over the real kernel, turn by turn, and the sessions of its
//! runners.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::channel::oneshot;
use rand::RngExt as _;
use vivarium_ledger::ledger::ByHand;
use vivarium_ledger::writer::Parts;
use vivarium_ledger::{Answer, Error, Ledger, Options, Request, Row, Submission, chain};
use vivarium_queue::domain::event::Event;
use vivarium_queue::domain::lease::Held;
use vivarium_queue::domain::runner::Times;
use vivarium_queue::domain::split;
use vivarium_queue::domain::volatile::Beat;
use vivarium_queue::domain::{Command, Queue, Rejection};
use vivarium_types::ids::{InstanceId, LeaseId};
use vivarium_types::{Clock, IdSource, Timestamp};

use crate::disk::Failing;
use crate::network::Host;
use crate::people::{self, Call, Reply};
use crate::sessions::Session;
use crate::world::{Happening, SimClock, World};

/// Rows told at a time.
const ROWS_MAX: usize = 10_000;
/// Rows behind which a snapshot is taken: histories are short.
const SNAPSHOT_EVERY: u64 = 60;

type Answering = Pin<Box<dyn Future<Output = Result<Answer, Error<Rejection>>>>>;

/// Who waits for a commit.
#[derive(Debug, Clone)]
pub(crate) enum Whose {
    Call { client: usize, id: String },
    Hello { stream: u64 },
    Finish { stream: u64, lease: LeaseId },
    Nobody,
}

/// A word to the writer that has not been answered.
enum Waiting {
    Submitted(Answering, Whose),
    Beating(oneshot::Receiver<Vec<Beat>>, u64),
}

/// One life of the queue.
pub(crate) struct Server {
    ledger: Ledger<Queue>,
    pub(crate) hand: ByHand<Queue>,
    pub(crate) sessions: BTreeMap<u64, Session>,
    waiting: Vec<Waiting>,
    next_turn: Option<Timestamp>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("waiting", &self.waiting.len()).finish_non_exhaustive()
    }
}

impl Server {
    pub(crate) fn submit(&mut self, submission: Submission<Queue>, whose: Whose) {
        let ledger = self.ledger.clone();
        let answering = Box::pin(async move { ledger.submit(submission).await });
        self.waiting.push(Waiting::Submitted(answering, whose));
        // The first look puts it into the inbox.
        let last = self.waiting.len() - 1;
        if let Some(Waiting::Submitted(answering, _)) = self.waiting.get_mut(last) {
            assert!(look(answering.as_mut()).is_none(), "the writer has an inbox");
        }
    }

    pub(crate) fn touch(&self, change: impl FnOnce(&mut Queue) + Send + 'static) {
        self.ledger.touch(change).expect("the writer has an inbox");
    }

    /// Asks for renewals; the answer comes with the turn.
    pub(crate) fn beat(&mut self, stream: u64, instance: InstanceId, held: Vec<Held>) {
        let (reply, beats) = oneshot::channel();
        self.touch(move |queue| drop(reply.send(queue.beat(instance, &held))));
        self.waiting.push(Waiting::Beating(beats, stream));
    }

    pub(crate) fn rows(&self, after: u64) -> Vec<Row> {
        self.ledger.reader().rows(after, ROWS_MAX).expect("memory can be read")
    }

    /// The control epoch of the halt that stands.
    pub(crate) fn halted(&self) -> Option<u64> {
        let world = &self.hand.state().world;
        world.halt.as_ref().map(|halt| halt.control_epoch)
    }

    /// Whether the attempt that an event grants may end with a plan.
    pub(crate) fn may_split(&self, event: &Event) -> bool {
        let Event::LeaseGranted(granted) = event else { return false };
        let queue = self.hand.state();
        queue.tasks.get(&granted.task).is_some_and(|task| split::may_split(task))
    }

    pub(crate) fn ledger(&self) -> &Ledger<Queue> {
        &self.ledger
    }
}

impl World {
    /// Starts the queue on what is on its disk.
    pub(crate) fn restart(&mut self) {
        if self.server.is_some() {
            return;
        }
        self.lives += 1;
        let parts = Parts {
            clock: Arc::<SimClock>::clone(&self.clock) as Arc<dyn Clock>,
            ids: IdSource::seeded(self.rng.random()),
            views: Vec::new(),
            keys: None,
        };
        let options = Options { snapshot_every: SNAPSHOT_EVERY, ..Options::default() };
        let opened = Ledger::open_by_hand(self.disk.clone(), parts, None, options);
        let (ledger, hand) = opened.expect("what is on the disk can be opened");
        let server = Server {
            ledger,
            hand,
            sessions: BTreeMap::new(),
            waiting: Vec::new(),
            next_turn: None,
        };
        server.touch(|queue| queue.start(Times::default()));
        self.server = Some(server);
        self.plan_turn_soon();
    }

    /// The end of a life: whatever is not on the disk is gone.
    pub(crate) fn crash(&mut self) {
        self.lose_watches();
        let Some(server) = self.server.take() else { return };
        self.counts.crashes += 1;
        self.counts.crashes_in_flight += u64::from(!server.waiting.is_empty());
        for stream in server.sessions.into_keys() {
            self.break_stream(stream);
        }
        self.disk.fail_next(Failing::Not);
        self.plan_within(5_000, Happening::Restart);
    }

    pub(crate) fn crash_and_plan_next(&mut self) {
        if self.storm() {
            self.crash();
            self.plan_within(90_000, Happening::Crash);
        }
    }

    /// Plans a turn, unless one comes first.
    pub(crate) fn plan_turn(&mut self, moment: Timestamp) {
        let Some(server) = &mut self.server else { return };
        if server.next_turn.is_none_or(|next| moment < next) {
            server.next_turn = Some(moment);
            self.plan_at(moment, Happening::Turn);
        }
    }

    /// Plans a turn for what has just come in; what comes in until then goes with it.
    pub(crate) fn plan_turn_soon(&mut self) {
        let soon = self.now() + self.millis(0, 2);
        self.plan_turn(soon);
    }

    /// One turn of the writer, which may be its last.
    pub(crate) fn turn(&mut self) {
        let now = self.now();
        let planned = self.server.as_mut().filter(|server| server.next_turn == Some(now));
        let Some(server) = planned else { return };
        server.next_turn = None;
        self.maybe_fail();
        let Some(server) = &mut self.server else { return };
        if server.hand.turn().is_ok() {
            self.after_turn();
        } else {
            self.deliver_last_words();
            self.crash();
        }
    }

    /// What a process said before it died has been said.
    fn deliver_last_words(&mut self) {
        let Some(server) = &mut self.server else { return };
        let mut said = Vec::new();
        for waiting in &mut server.waiting {
            if let Waiting::Submitted(answering, whose @ Whose::Call { .. }) = waiting
                && let Some(Ok(answer)) = look(answering.as_mut())
            {
                said.push((std::mem::replace(whose, Whose::Nobody), Ok(answer)));
            }
        }
        for (whose, answer) in said {
            self.answer(whose, answer);
        }
    }

    /// Now and then the next commit fails.
    pub(crate) fn maybe_fail(&mut self) {
        if self.mishap(150) {
            let failing = if self.mishap(2) { Failing::Before } else { Failing::Behind };
            self.disk.fail_next(failing);
        }
    }

    /// Answers who waited, tells the runners, and looks when to wake.
    pub(crate) fn after_turn(&mut self) {
        self.tell_runners();
        self.look_at_leases();
        let Some(server) = &mut self.server else { return };
        let mut answered = Vec::new();
        let mut beaten = Vec::new();
        for waiting in std::mem::take(&mut server.waiting) {
            match waiting {
                Waiting::Submitted(mut answering, whose) => match look(answering.as_mut()) {
                    Some(result) => answered.push((whose, result)),
                    None => server.waiting.push(Waiting::Submitted(answering, whose)),
                },
                Waiting::Beating(mut beats, stream) => match beats.try_recv() {
                    Ok(Some(beats)) => beaten.push((stream, beats)),
                    Ok(None) => server.waiting.push(Waiting::Beating(beats, stream)),
                    Err(_) => {}
                },
            }
        }
        for (stream, beats) in beaten {
            self.beaten(stream, beats);
        }
        for (whose, result) in answered {
            self.answer(whose, result);
        }
        if let Some(wake) = self.server.as_ref().and_then(|server| server.hand.next_wake()) {
            let soon = self.now() + Duration::from_millis(1);
            self.plan_turn(wake.max(soon));
        }
    }

    /// What has expired by now is not live any more.
    fn look_at_leases(&mut self) {
        let now = self.now();
        let Some(server) = &self.server else { return };
        let state = server.hand.state();
        let late =
            state.volatile.until.iter().find(|(_, until)| state.volatile.started && **until <= now);
        if let Some((lease, until)) = late {
            self.breaches.push(format!("{lease} is live at {now} and ran out at {until}"));
        }
    }

    fn answer(&mut self, whose: Whose, result: Result<Answer, Error<Rejection>>) {
        match whose {
            Whose::Call { client, id } => {
                let reply = match result {
                    Ok(answer) => Reply::Done(answer.message().expect("an answer is a message")),
                    Err(Error::Refused(why)) => Reply::Refused(why.reason().name()),
                    Err(Error::KeyClaimed(_)) => Reply::Refused("QUEUE_TASK_KEY_TAKEN"),
                    Err(_) => Reply::Unavailable,
                };
                let answered = Happening::Answered { client, id, reply };
                self.carry(Host::Client(client), &answered);
            }
            Whose::Hello { stream } => self.welcome(stream, result.ok().map(|a| a.sequence)),
            Whose::Finish { stream, lease } => {
                let accepted = result.is_ok();
                self.counts.fenced += u64::from(!accepted);
                self.acknowledge(stream, lease);
            }
            Whose::Nobody => {}
        }
    }

    /// A call has reached the queue.
    pub(crate) fn asked(&mut self, call: Call) {
        let Some(server) = &mut self.server else { return };
        let Call { client, id, actor, command } = call;
        let digest = chain::digest(format!("{command:?}").as_bytes());
        let adds = matches!(command, Command::Add { .. });
        let method = if adds { "/simulated/Add" } else { "/simulated/Steer" };
        let request = Request { method, id: id.clone(), digest };
        let submission = Submission::new(actor, command)
            .request(request)
            .answering(|_, decided| people::told(decided.events));
        server.submit(submission, Whose::Call { client, id });
        self.plan_turn_soon();
    }
}

/// The future's result, if it has one.
fn look<T>(future: Pin<&mut (dyn Future<Output = T> + '_)>) -> Option<T> {
    match future.poll(&mut Context::from_waker(futures::task::noop_waker_ref())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}
