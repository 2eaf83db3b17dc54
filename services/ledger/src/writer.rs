//! The one writer: drain, decide, commit, answer, publish.
//!
//! [`Writer::turn`] is a plain function. Production drives it on a thread of its own ([`run`]), the
//! simulation inline. A turn's events become durable in one transaction before anyone is answered;
//! a failed commit ends the process, because memory is then ahead of the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};
use tokio::sync::oneshot;
use vivarium_types::ids::LedgerId;
use vivarium_types::source::{Checkpoint, Cursor, Hash, Row};
use vivarium_types::{Actor, Clock, IdSource, Timestamp};

use crate::aggregate::{Aggregate, Claimed, Context, FactNote, Meta};
use crate::chain;
use crate::codec;
use crate::ledger::{Answer, Decided, Error, OnFault, Options, Submission};
use crate::planted::{self, Bug};
use crate::projector::{Committed, Projecting, Projector};
use crate::retain::Retaining;
use crate::seal::KeyFile;
use crate::segment::Segment;
use crate::snapshot;
use crate::store::{self, Answered, Batch, Head, Leaving, RequestKey, Store, TextRow};
use crate::view;
use crate::watch::Hub;

/// Rounds of `after_batch` in one turn. A domain that needs more is going round in a circle.
const AFTER_BATCH_ROUNDS_MAX: u32 = 64;
/// Least sleep when `next_wake` is due and yet nothing came of it.
const IDLE_SLEEP_MIN: Duration = Duration::from_millis(5);
/// How long a lazily kept cursor may wait for a commit to travel with.
const CURSOR_DELAY: Duration = Duration::from_secs(1);
/// How often old answers are looked for.
const FORGET_EVERY: Duration = Duration::from_hours(1);
/// The lowest priority that a thread can have, from `nice(2)`; on Linux it is a thread's own.
const LEAST_URGENT: i32 = 19;
/// Old answers forgotten at a time.
const FORGET_LIMIT: u32 = 10_000;

/// A question to the committed state; it keeps its own answer.
pub(crate) type Ask<A> = Box<dyn FnOnce(&A) + Send>;

type Reply<R> = oneshot::Sender<Result<Answer, Error<R>>>;

/// What reaches the writer.
pub(crate) enum Job<A: Aggregate> {
    /// A command with its caller.
    Submit(Box<Submission<A>>, Reply<A::Rejection>),
    /// What a follower made of a peer's row; its effect and the cursor commit together.
    Fact(Box<Fact<A>>, oneshot::Sender<()>),
    /// A cursor that moved over rows without consequence.
    Note(Box<Note>),
    /// A question to the committed state.
    Ask(Ask<A>),
    /// A change of what is not derived from the log.
    Touch(Box<dyn FnOnce(&mut A) + Send>),
    /// The clock was moved by hand.
    Tick,
    /// Finish what is queued, keep the cursors, end.
    Stop,
}

/// A peer's row on its way to an effect.
pub(crate) struct Fact<A: Aggregate> {
    pub(crate) note: Note,
    pub(crate) kind: String,
    pub(crate) effect: Effect<A>,
}

/// What a peer's row calls for.
pub(crate) enum Effect<A: Aggregate> {
    Command { actor: Actor, command: A::Command, texts: Vec<TextRow> },
    Park { reason: String },
}

/// How far a follower has come.
pub(crate) struct Note {
    pub(crate) follower: String,
    pub(crate) cursor: Cursor,
    pub(crate) checkpoint: Option<Checkpoint>,
}

/// The owner of a ledger: its state, its head, its store.
pub struct Writer<A: Aggregate> {
    store: Box<dyn Store>,
    state: A,
    head: Head,
    ids: IdSource,
    clock: Arc<dyn Clock>,
    projecting: Projecting<A>,
    keys: Option<Arc<KeyFile>>,
    hub: Arc<Hub>,
    options: Options,
    /// Where each follower stands, on disk or on its way there.
    cursors: BTreeMap<String, Cursor>,
    /// Cursors and checkpoints that no commit has carried yet.
    unkept: BTreeMap<String, Cursor>,
    unkept_checkpoints: BTreeMap<String, Checkpoint>,
    unkept_since: Option<Timestamp>,
    snapshot_at: u64,
    /// Bytes of the newest snapshot; written by the thread that takes it.
    snapshot_bytes: Arc<AtomicU64>,
    snapshot_running: Option<std::thread::JoinHandle<()>>,
    forgot_at: Timestamp,
    retaining: Retaining,
}

impl<A: Aggregate> std::fmt::Debug for Writer<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("head", &self.head).finish_non_exhaustive()
    }
}

/// What one turn has gathered so far.
struct Turn<A: Aggregate> {
    now: Timestamp,
    actor: Actor,
    rows: Vec<Row>,
    events: Vec<(A::Event, Meta)>,
    texts: Vec<TextRow>,
    claims: Vec<(String, u64)>,
    facts: BTreeMap<String, Claimed>,
    /// Business keys that the store was asked about: what is not in `facts` was not used before.
    asked: BTreeSet<String>,
    /// What was answered before this turn, of all that it is asked.
    earlier: BTreeMap<RequestKey, Answered>,
    answers: BTreeMap<RequestKey, Answered>,
    erasures: Vec<String>,
    segments: Vec<Segment>,
    replies: Vec<(Reply<A::Rejection>, Answer)>,
    taken: Vec<oneshot::Sender<()>>,
    asks: Vec<Ask<A>>,
}

impl<A: Aggregate> Turn<A> {
    /// Answers all callers.
    fn answer(&mut self) {
        for (reply, answer) in self.replies.drain(..) {
            // A caller that left keeps its effect: the answer is remembered under its request id.
            drop(reply.send(Ok(answer)));
        }
    }
}

/// Why a command had no effect, inside a turn.
enum Failure<R> {
    Refused(R),
    Panicked,
    Claimed(String),
    Store(store::Error),
}

impl<A: Aggregate> Writer<A> {
    /// Becomes the owner of the ledger in `store` and brings the state up to its last row.
    pub(crate) fn open(
        mut store: Box<dyn Store>,
        parts: Parts<A>,
        options: Options,
    ) -> Result<Self, store::Error> {
        let Parts { clock, mut ids, views, keys } = parts;
        let fresh: LedgerId = ids.mint(clock.now());
        let head = store.open(fresh)?;
        let reader = store.reader();
        let snapshots = store.snapshots();
        let replayed = snapshot::replay::<A>(&*reader, Some(&*snapshots), u64::MAX)?;
        let projector = Projector::open(views, store.views()?, Arc::clone(&reader), &head)?;
        let cursors = store.cursors()?;
        let retaining = Retaining::open(options.retention, &*reader)?;
        let mut writer = Self {
            state: replayed.state,
            head,
            ids,
            clock,
            projecting: Projecting::Inline(projector),
            keys,
            hub: Arc::new(Hub::new(head.sequence)),
            cursors,
            unkept: BTreeMap::new(),
            unkept_checkpoints: BTreeMap::new(),
            unkept_since: None,
            // Rows of earlier lives count: a process that is often restarted must not replay for ever.
            snapshot_at: replayed.snapshot,
            snapshot_bytes: Arc::new(AtomicU64::new(replayed.snapshot_bytes)),
            snapshot_running: None,
            forgot_at: Timestamp::EPOCH,
            retaining,
            store,
            options,
        };
        // An erasure that a crash cut short is finished before anyone can read.
        let pending = writer.store.pending_erasures()?;
        if !pending.is_empty() {
            writer.view_inline()?;
            writer.erase(&pending)?;
        }
        Ok(writer)
    }

    /// Brings the read models up here and now, and from now on in every turn.
    pub(crate) fn view_inline(&mut self) -> Result<(), store::Error> {
        match &mut self.projecting {
            Projecting::Inline(projector) => projector.catch_up(&self.hub),
            Projecting::Behind(_) => Ok(()),
        }
    }

    /// Lets a thread of its own bring the read models up from now on.
    pub(crate) fn view_behind(&mut self, on_fault: OnFault) -> Result<(), store::Error> {
        let inline = std::mem::replace(&mut self.projecting, Projecting::Behind(None));
        if let Projecting::Inline(projector) = inline {
            self.projecting = Projecting::behind(projector, Arc::clone(&self.hub), on_fault)?;
        }
        Ok(())
    }

    /// One turn: everything in `jobs` is decided, made durable together, answered and published.
    pub(crate) fn turn(&mut self, jobs: Vec<Job<A>>) -> Result<(), store::Error> {
        let mut turn = self.begin(&jobs)?;
        self.state.tick(turn.now);
        for job in jobs {
            match job {
                Job::Submit(submission, reply) => self.submit(&mut turn, *submission, reply)?,
                Job::Fact(fact, taken) => self.fact(&mut turn, *fact, taken)?,
                Job::Note(note) => self.note(turn.now, *note),
                Job::Ask(ask) => turn.asks.push(ask),
                Job::Touch(touch) => touch(&mut self.state),
                Job::Tick | Job::Stop => {}
            }
        }
        self.close_segment(&mut turn)?;
        self.after_batch(&mut turn)?;
        if planted::has(Bug::AnswerBeforeCommit) {
            turn.answer();
        }
        let early = planted::has(Bug::PublishBeforeCommit);
        if early {
            self.hub.publish(turn.rows.clone());
        }
        self.commit(&mut turn)?;
        self.project(&mut turn)?;
        if !early {
            self.hub.publish(std::mem::take(&mut turn.rows));
        }
        turn.answer();
        for taken in turn.taken {
            if taken.send(()).is_err() {
                tracing::debug!("a follower left before its effect was confirmed");
            }
        }
        for ask in turn.asks {
            ask(&self.state);
        }
        Ok(())
    }

    /// How long nothing can happen without a job; `None` when only a job can change anything.
    pub(crate) fn sleep(&self) -> Option<Duration> {
        self.clock.sleep_until(self.next_wake()?).map(|sleep| sleep.max(IDLE_SLEEP_MIN))
    }

    /// The next moment at which something can happen without a job.
    pub(crate) fn next_wake(&self) -> Option<Timestamp> {
        let keep = self.unkept_since.map(|since| since + CURSOR_DELAY);
        let leave = self.retaining.is_leaving().then_some(self.head.time);
        [self.state.next_wake(), keep, leave].into_iter().flatten().min()
    }

    pub(crate) const fn state(&self) -> &A {
        &self.state
    }

    /// Keeps the cursors and the state for the next start.
    pub(crate) fn close(&mut self) -> Result<(), store::Error> {
        self.unkept_since = self.unkept_since.map(|_| Timestamp::EPOCH);
        self.turn(Vec::new())?;
        if let Some(snapshot) = self.snapshot_running.take()
            && snapshot.join().is_err()
        {
            tracing::error!("the snapshot thread panicked");
        }
        self.retaining.close();
        let viewed = self.projecting.close();
        self.hub.close();
        viewed
    }

    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    pub(crate) const fn head(&self) -> Head {
        self.head
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &*self.store
    }

    pub(crate) fn cursor(&self, follower: &str) -> Cursor {
        self.cursors.get(follower).copied().unwrap_or(Cursor::START)
    }

    pub(crate) fn all_cursors(&self) -> BTreeMap<String, Cursor> {
        self.cursors.clone()
    }

    pub(crate) fn fork_ids(&mut self) -> IdSource {
        self.ids.fork()
    }

    fn begin(&mut self, jobs: &[Job<A>]) -> Result<Turn<A>, store::Error> {
        let (mut wanted, mut requests) = (Vec::new(), Vec::new());
        for job in jobs {
            match job {
                Job::Submit(submission, _) => {
                    wanted.extend(A::needs(&submission.command));
                    let request = submission.request.as_ref();
                    requests.extend(request.map(|request| request.key(&submission.actor)));
                }
                Job::Fact(fact, _) => {
                    if let Effect::Command { command, .. } = &fact.effect {
                        wanted.extend(A::needs(command));
                    }
                }
                Job::Note(_) | Job::Ask(_) | Job::Touch(_) | Job::Tick | Job::Stop => {}
            }
        }
        if planted::has(Bug::ReplayRefused) {
            // The domain does not learn what is used, so that the kernel refuses it.
            wanted.clear();
        }
        let facts =
            if wanted.is_empty() { BTreeMap::new() } else { self.store.claimed(&wanted)? };
        let earlier = if requests.is_empty() {
            BTreeMap::new()
        } else {
            self.store.answered_all(&requests)?
        };
        Ok(Turn {
            earlier,
            now: self.head.time.max(self.clock.now()),
            actor: Actor::service(A::NAME),
            rows: Vec::new(),
            events: Vec::new(),
            texts: Vec::new(),
            claims: Vec::new(),
            facts,
            asked: wanted.into_iter().collect(),
            answers: BTreeMap::new(),
            erasures: Vec::new(),
            segments: Vec::new(),
            replies: Vec::new(),
            taken: Vec::new(),
            asks: Vec::new(),
        })
    }

    fn submit(
        &mut self,
        turn: &mut Turn<A>,
        submission: Submission<A>,
        reply: Reply<A::Rejection>,
    ) -> Result<(), store::Error> {
        let Submission { actor, command, texts, erasures, request, answer } = submission;
        let key = request.as_ref().map(|request| request.key(&actor));
        if let (Some(key), Some(request)) = (&key, &request)
            && let Some(first) = first_answer(turn, key)
        {
            if first.digest == request.digest {
                turn.replies.push((reply, Answer::repeat(first)));
            } else {
                drop(reply.send(Err(Error::RequestReused)));
            }
            return Ok(());
        }
        let first = turn.events.len();
        if let Err(failure) = self.decide(turn, &actor, command) {
            return match failure {
                Failure::Store(error) => Err(error),
                failure @ (Failure::Refused(_) | Failure::Panicked | Failure::Claimed(_)) => {
                    drop(reply.send(Err(failure.into())));
                    Ok(())
                }
            };
        }
        turn.texts.extend(texts);
        turn.erasures.extend(erasures);
        let sequence = self.head.sequence;
        let decided = Decided { events: &turn.events[first..], sequence, time: turn.now };
        let bytes = answer(&self.state, &decided);
        let kept =
            |key: &RequestKey| !planted::has(Bug::OneMethodOnly) || key.method.ends_with("Steer");
        if let (Some(key), Some(request)) = (key.filter(kept), request) {
            let answered = Answered { digest: request.digest, bytes: bytes.clone(), sequence };
            turn.answers.insert(key, answered);
        }
        turn.replies.push((reply, Answer { bytes, sequence, repeated: false }));
        Ok(())
    }

    fn fact(
        &mut self,
        turn: &mut Turn<A>,
        fact: Fact<A>,
        taken: oneshot::Sender<()>,
    ) -> Result<(), store::Error> {
        let Fact { note, kind, effect } = fact;
        let source = note.follower.clone();
        let sequence = note.cursor.sequence;
        if planted::has(Bug::CursorBeforeEffect) && sequence.is_multiple_of(4) {
            // The effect is left to a later turn that never comes.
            self.note(turn.now, note);
            turn.taken.push(taken);
            return Ok(());
        }
        // A row whose effect is already here had it exactly once.
        if sequence > self.cursor(&source).sequence {
            let outcome = match effect {
                Effect::Command { actor, command, texts } => {
                    let outcome = self.decide(turn, &actor, command);
                    if outcome.is_ok() {
                        turn.texts.extend(texts);
                    }
                    outcome
                }
                Effect::Park { reason } => {
                    let parked =
                        FactNote { source: source.clone(), sequence, kind: kind.clone(), reason };
                    let own = turn.actor.clone();
                    self.accept(turn, &own, vec![A::fact_parked(parked)])
                }
            };
            if let Err(failure) = outcome {
                let event = failure.into_event::<A>(source, sequence, kind)?;
                let own = turn.actor.clone();
                self.accept(turn, &own, vec![event]).map_err(Failure::into_store)?;
            }
        }
        self.note(turn.now, note);
        turn.taken.push(taken);
        Ok(())
    }

    fn note(&mut self, now: Timestamp, note: Note) {
        let Note { follower, cursor, checkpoint } = note;
        if let Some(checkpoint) = checkpoint {
            self.unkept_checkpoints.insert(follower.clone(), checkpoint);
            self.unkept_since.get_or_insert(now);
        }
        if cursor.sequence > self.cursor(&follower).sequence {
            self.cursors.insert(follower.clone(), cursor);
            self.unkept.insert(follower, cursor);
            self.unkept_since.get_or_insert(now);
        }
    }

    fn decide(
        &mut self,
        turn: &mut Turn<A>,
        actor: &Actor,
        command: A::Command,
    ) -> Result<(), Failure<A::Rejection>> {
        let next = self.head.sequence + 1;
        let context = Context::new(turn.now, actor, next, &mut self.ids, &turn.facts);
        // `decide` cannot leave anything half done: it only reads. So a panic fails one command.
        let decided = catch_unwind(AssertUnwindSafe(|| self.state.decide(command, &context)));
        let events = match decided {
            Ok(decided) => decided.map_err(Failure::Refused)?,
            Err(_) => return Err(Failure::Panicked),
        };
        self.accept(turn, actor, events)
    }

    /// Makes events part of the turn and of the state: all of them, or none.
    fn accept(
        &mut self,
        turn: &mut Turn<A>,
        actor: &Actor,
        events: Vec<A::Event>,
    ) -> Result<(), Failure<A::Rejection>> {
        let claims: Vec<Vec<String>> = events.iter().map(A::claims).collect();
        let checked = self.check_claims(turn, &claims);
        if checked.is_err() && planted::has(Bug::ReplayRefused) {
            self.leave_behind(turn, actor, &events);
        }
        checked?;
        let payloads = events
            .iter()
            .map(codec::encode::<A>)
            .collect::<Result<Vec<_>, _>>()
            .map_err(Failure::Store)?;
        for ((event, payload), claims) in events.into_iter().zip(payloads).zip(claims) {
            let row = self.row(turn.now, actor, A::kind(&event), payload);
            let sequence = row.sequence;
            let meta = Meta { sequence, time: row.time, actor: actor.clone() };
            self.state.apply(&event, &meta);
            self.head.sequence = sequence;
            self.head.hash = row.hash;
            self.head.time = row.time;
            for key in claims {
                turn.facts.insert(key.clone(), Claimed { sequence, kind: row.kind.clone() });
                turn.claims.push((key, sequence));
            }
            turn.rows.push(row);
            turn.events.push((event, meta));
        }
        Ok(())
    }

    /// A bug: the rows of a refused command stay in the turn, where only a replay applies them.
    fn leave_behind(&mut self, turn: &mut Turn<A>, actor: &Actor, events: &[A::Event]) {
        for event in events {
            let Ok(payload) = codec::encode::<A>(event) else { return };
            let row = self.row(turn.now, actor, A::kind(event), payload);
            self.head.sequence = row.sequence;
            self.head.hash = row.hash;
            turn.rows.push(row);
        }
    }

    fn check_claims(
        &mut self,
        turn: &Turn<A>,
        claims: &[Vec<String>],
    ) -> Result<(), Failure<A::Rejection>> {
        let mut wanted: Vec<String> = claims.iter().flatten().cloned().collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let count = wanted.len();
        wanted.sort_unstable();
        wanted.dedup();
        let mut taken = wanted.iter().find(|key| turn.facts.contains_key(*key)).cloned();
        if taken.is_none() {
            let news = wanted.iter().filter(|key| !turn.asked.contains(*key)).cloned();
            let news: Vec<String> = news.collect();
            if !news.is_empty() {
                let earlier = self.store.claimed(&news).map_err(Failure::Store)?;
                taken = earlier.into_keys().next();
            }
        }
        if taken.is_none() && wanted.len() < count {
            taken = wanted.into_iter().next();
        }
        taken.map_or(Ok(()), |key| Err(Failure::Claimed(key)))
    }

    fn row(&self, now: Timestamp, actor: &Actor, kind: &str, payload: Vec<u8>) -> Row {
        let mut row = Row {
            sequence: self.head.sequence + 1,
            time: now,
            actor: actor.to_string(),
            kind: kind.to_owned(),
            schema: A::SCHEMA,
            payload,
            hash: Hash::default(),
        };
        row.hash = chain::link(self.head.hash, self.head.ledger, &row);
        row
    }

    fn after_batch(&mut self, turn: &mut Turn<A>) -> Result<(), store::Error> {
        let own = turn.actor.clone();
        for _ in 0..AFTER_BATCH_ROUNDS_MAX {
            let next = self.head.sequence + 1;
            let context = Context::new(turn.now, &own, next, &mut self.ids, &turn.facts);
            let events = self.state.after_batch(&context);
            if events.is_empty() {
                return Ok(());
            }
            self.accept(turn, &own, events).map_err(Failure::into_store)?;
        }
        tracing::error!(ledger = A::NAME, "after_batch goes round in a circle");
        Ok(())
    }

    fn commit(&mut self, turn: &mut Turn<A>) -> Result<(), store::Error> {
        let due = self.unkept_since.is_some_and(|since| turn.now >= since + CURSOR_DELAY);
        let nothing = turn.rows.is_empty()
            && turn.answers.is_empty()
            && turn.texts.is_empty()
            && turn.erasures.is_empty();
        if nothing && !due && !self.retaining.is_leaving() {
            return Ok(());
        }
        planted::point(planted::DECIDED_NOT_COMMITTED, &turn.rows);
        let mut cursors: Vec<_> = std::mem::take(&mut self.unkept).into_iter().collect();
        if planted::has(Bug::EffectTwice) && !turn.rows.is_empty() {
            cursors.clear();
        }
        let checkpoints: Vec<_> =
            std::mem::take(&mut self.unkept_checkpoints).into_iter().collect();
        let answers: Vec<_> = std::mem::take(&mut turn.answers).into_iter().collect();
        // What this very turn closes leaves with later ones: its event must be on disk first.
        let leaving = if turn.segments.is_empty() {
            self.retaining.next(turn.rows.len())
        } else {
            Leaving::default()
        };
        let batch = Batch {
            expected_sequence: self.head.sequence - turn.rows.len() as u64,
            writer_epoch: self.head.writer_epoch,
            time: turn.now,
            rows: &turn.rows,
            texts: &turn.texts,
            claims: &turn.claims,
            answers: &answers,
            cursors: &cursors,
            checkpoints: &checkpoints,
            erasures: &turn.erasures,
            segments: &turn.segments,
            leaving,
        };
        self.store.append(&batch)?;
        let (rows_to, texts) = (leaving.rows_to, leaving.texts.len());
        if rows_to > 0 || texts > 0 {
            planted::point(planted::PARTLY_LEFT, &turn.rows);
        }
        self.retaining.has_left(rows_to, texts);
        self.unkept_since = None;
        planted::point(planted::COMMITTED_NOT_ANSWERED, &turn.rows);
        self.house_keeping(turn.now);
        Ok(())
    }

    /// Logs that a segment is closed, once its files are in their place.
    fn close_segment(&mut self, turn: &mut Turn<A>) -> Result<(), store::Error> {
        let reader = self.store.reader();
        let Some(built) = self.retaining.built(turn.now, &turn.erasures, &*reader) else {
            return Ok(());
        };
        let (own, segment) = (turn.actor.clone(), self.retaining.closing(built));
        let event = A::segment_closed(segment.note.clone());
        self.accept(turn, &own, vec![event]).map_err(Failure::into_store)?;
        turn.segments.push(segment);
        Ok(())
    }

    /// Lets the read models follow what was committed, and finishes its erasures behind them.
    fn project(&mut self, turn: &mut Turn<A>) -> Result<(), store::Error> {
        let (events, texts) = (std::mem::take(&mut turn.events), std::mem::take(&mut turn.texts));
        self.hub.texts.keep(&texts);
        self.hub.texts.forget(&turn.erasures);
        if !events.is_empty() {
            let committed = Committed { events, texts, hash: self.head.hash };
            self.projecting.take(committed, &self.hub)?;
        }
        let erasures = std::mem::take(&mut turn.erasures);
        self.erase(&erasures)
    }

    /// Makes sure that erased texts are on no disk: keys first, because they open every copy.
    fn erase(&mut self, ids: &[String]) -> Result<(), store::Error> {
        if ids.is_empty() {
            return Ok(());
        }
        if let Some(keys) = &self.keys {
            keys.erase(ids)?;
        }
        self.retaining.erased(ids, &*self.store.reader());
        self.projecting.tidy()?;
        self.store.finish_erasures(ids)
    }

    /// Work that may be late or lost: old answers, a snapshot, a segment.
    fn house_keeping(&mut self, now: Timestamp) {
        if now >= self.forgot_at + FORGET_EVERY {
            self.forgot_at = now;
            match self.store.forget_answers(now - self.options.answers_kept, FORGET_LIMIT) {
                Ok(count) => tracing::debug!(count, "old answers forgotten"),
                Err(error) => tracing::warn!(%error, "old answers stay"),
            }
        }
        let running = self.snapshot_running.as_ref().is_some_and(|thread| !thread.is_finished());
        let worth = snapshot::rows_worth(self.snapshot_bytes.load(Ordering::Relaxed));
        let every = self.options.snapshot_every.max(worth);
        if !running && self.head.sequence >= self.snapshot_at + every {
            self.snapshot_at = self.head.sequence;
            let kept_bytes = Arc::clone(&self.snapshot_bytes);
            let (reader, kept) = (self.store.reader(), self.store.snapshots());
            let spawned = std::thread::Builder::new().name("snapshot".into()).spawn(move || {
                yield_to_others();
                match snapshot::take::<A>(&*reader, &*kept) {
                    Ok((sequence, bytes)) => {
                        kept_bytes.store(bytes, Ordering::Relaxed);
                        tracing::info!(sequence, bytes, "snapshot taken");
                    }
                    Err(error) => tracing::warn!(%error, "no snapshot taken"),
                }
            });
            self.snapshot_running = spawned.ok();
        }
        let store = &self.store;
        let places = || (store.reader(), store.snapshots());
        self.retaining.begin::<A>(now, self.head.sequence, places);
    }
}

/// Lets this thread work only when nobody else wants to: a snapshot saves time at some later start,
/// and callers wait now.
fn yield_to_others() {
    if let Err(error) = rustix::process::nice(LEAST_URGENT) {
        tracing::debug!(%error, "the snapshot's thread keeps its priority");
    }
}

/// The first answer to a request: of this very turn, or remembered on disk.
fn first_answer<A: Aggregate>(turn: &Turn<A>, key: &RequestKey) -> Option<Answered> {
    turn.answers.get(key).or_else(|| turn.earlier.get(key)).cloned()
}

impl<R> Failure<R> {
    /// Inside the kernel's own events nothing can be refused: what is left is the store.
    fn into_store(self) -> store::Error {
        match self {
            Self::Store(error) => error,
            Self::Claimed(key) => store::Error::corrupt(format!("the key {key} is claimed twice")),
            Self::Refused(_) | Self::Panicked => store::Error::corrupt("an event that was refused"),
        }
    }

    /// The event that says why a peer's fact had no effect.
    fn into_event<A: Aggregate<Rejection = R>>(
        self,
        source: String,
        sequence: u64,
        kind: String,
    ) -> Result<A::Event, store::Error> {
        let note = |reason| FactNote { source, sequence, kind, reason };
        match self {
            Self::Store(error) => Err(error),
            Self::Refused(rejection) => Ok(A::fact_ignored(note(A::reason(&rejection)))),
            Self::Claimed(key) => Ok(A::fact_ignored(note(format!("claimed:{key}")))),
            Self::Panicked => Ok(A::fact_parked(note("decide_failed".into()))),
        }
    }
}

impl<R> From<Failure<R>> for Error<R> {
    fn from(failure: Failure<R>) -> Self {
        match failure {
            Failure::Refused(rejection) => Self::Refused(rejection),
            Failure::Claimed(key) => Self::KeyClaimed(key),
            Failure::Panicked => Self::Fault,
            Failure::Store(error) => Self::Store(error),
        }
    }
}

/// What a writer is made of beside its store.
pub struct Parts<A: Aggregate> {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where ids come from.
    pub ids: IdSource,
    /// The read models.
    pub views: Vec<Box<dyn view::View<A>>>,
    /// Keys of sealed texts; `None` for a ledger that seals nothing.
    pub keys: Option<Arc<KeyFile>>,
}

impl<A: Aggregate> std::fmt::Debug for Parts<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").field("views", &self.views.len()).finish_non_exhaustive()
    }
}

/// Drives a writer until it is told to stop or its store fails.
pub(crate) fn run<A: Aggregate>(
    mut writer: Writer<A>,
    inbox: &Receiver<Job<A>>,
) -> Result<(), store::Error> {
    loop {
        let first = match writer.sleep() {
            Some(sleep) => inbox.recv_timeout(sleep),
            None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        let mut jobs = match first {
            Ok(job) => vec![job],
            Err(RecvTimeoutError::Timeout) => Vec::new(),
            Err(RecvTimeoutError::Disconnected) => return writer.close(),
        };
        jobs.extend(inbox.try_iter().take(writer.options.turn_jobs));
        let stop = jobs.iter().any(|job| matches!(job, Job::Stop));
        writer.turn(jobs)?;
        if stop {
            return writer.close();
        }
    }
}
