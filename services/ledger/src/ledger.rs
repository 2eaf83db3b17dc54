//! The handle that a service holds: submit, ask, watch, read.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};
use vivarium_types::ids::{LedgerId, TextId};
use vivarium_types::source::{Checkpoint, Cursor, Hash};
use vivarium_types::{Actor, Clock, IdSource, Reason, Retention, Timestamp};

use crate::aggregate::{Aggregate, Meta};
use crate::chain;
use crate::inbox::{Inbox, Jobs, NotSent, inbox};
use crate::planted::{self, Bug};
use crate::seal::KeyFile;
use crate::store::{self, Answered, Head, Reader, RequestKey, Snapshots, Store, TextRef, TextRow};
use crate::watch::{Hub, Watch};
use crate::writer::{self, Effect, Fact, Job, Note, Parts, Writer};

/// Bounds of a ledger's work.
#[derive(Debug, Clone)]
pub struct Options {
    /// Jobs that may wait for the writer; more are refused at once.
    pub inbox: usize,
    /// Jobs of one turn.
    pub turn_jobs: usize,
    /// Rows between two snapshots.
    pub snapshot_every: u64,
    /// How long answers are remembered for repeated requests.
    pub answers_kept: Duration,
    /// Which rows stay in the hot file; `None`: all of them.
    pub retention: Option<Retention>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            inbox: 8_192,
            turn_jobs: 2_048,
            snapshot_every: 50_000,
            answers_kept: Duration::from_hours(7 * 24),
            retention: None,
        }
    }
}

/// Signs a ledger's word about its own head.
pub trait Signer: Send + Sync + 'static {
    /// The public key's name in the world's trust file.
    fn key_id(&self) -> String;
    /// An Ed25519 signature over `bytes`.
    fn sign(&self, bytes: &[u8]) -> Vec<u8>;
}

/// Why a submission had no effect.
#[derive(Debug, thiserror::Error)]
pub enum Error<R> {
    /// The domain refused it.
    #[error("the command was refused")]
    Refused(R),
    /// The request id was used before with other content.
    #[error("the request id was used before with other content")]
    RequestReused,
    /// A business key of its events is used already, and the domain did not say so itself.
    #[error("the key {0} is used already")]
    KeyClaimed(String),
    /// More work waits than the writer may hold.
    #[error("the ledger has more work than it can take")]
    Full,
    /// The ledger is closed or closing.
    #[error("the ledger is closed")]
    Closed,
    /// The domain failed on this command; nothing else was harmed.
    #[error("the command could not be decided")]
    Fault,
    /// The store failed; the process is about to end.
    #[error("the store failed")]
    Store(#[source] store::Error),
}

/// Who asks under which id, so that a repeat gets the first answer.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method's full name.
    pub method: &'static str,
    /// The caller's `request_id`.
    pub id: String,
    /// SHA-256 of the request's content.
    pub digest: Hash,
}

impl Request {
    /// The identity of a request message under `method`.
    pub fn of(method: &'static str, id: &str, message: &impl prost::Message) -> Self {
        Self { method, id: id.to_owned(), digest: chain::digest(&message.encode_to_vec()) }
    }

    pub(crate) fn key(&self, actor: &Actor) -> RequestKey {
        let anyone = planted::has(Bug::AnswerAnother);
        RequestKey {
            actor: if anyone { String::new() } else { actor.to_string() },
            method: self.method.to_owned(),
            request_id: self.id.clone(),
        }
    }
}

/// What a command caused, for the answer.
#[derive(Debug)]
pub struct Decided<'a, A: Aggregate> {
    /// The command's own events.
    pub events: &'a [(A::Event, Meta)],
    /// The ledger's last sequence behind them.
    pub sequence: u64,
    /// The turn's time.
    pub time: Timestamp,
}

type AnswerWith<A> = Box<dyn FnOnce(&A, &Decided<'_, A>) -> Vec<u8> + Send>;

/// A command on its way to the writer.
pub struct Submission<A: Aggregate> {
    /// Who asks.
    pub actor: Actor,
    /// What is asked for.
    pub command: A::Command,
    /// Texts that its events name.
    pub texts: Vec<TextRow>,
    /// Ids of texts to erase with its commit.
    pub erasures: Vec<String>,
    /// For idempotency; `None` for what nobody repeats.
    pub request: Option<Request>,
    /// Makes the answer from the state behind the command. Must hold no sealed text.
    pub answer: AnswerWith<A>,
}

impl<A: Aggregate> fmt::Debug for Submission<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Submission").field("actor", &self.actor).finish_non_exhaustive()
    }
}

impl<A: Aggregate> Submission<A> {
    /// A command without texts, request id or answer.
    pub fn new(actor: Actor, command: A::Command) -> Self {
        Self {
            actor,
            command,
            texts: Vec::new(),
            erasures: Vec::new(),
            request: None,
            answer: Box::new(|_, _| Vec::new()),
        }
    }

    /// With the texts that the command's events name.
    #[must_use]
    pub fn texts(mut self, texts: Vec<TextRow>) -> Self {
        self.texts = texts;
        self
    }

    /// With texts that are erased together with the command's commit.
    #[must_use]
    pub fn erasing(mut self, ids: Vec<String>) -> Self {
        self.erasures = ids;
        self
    }

    /// Under a request id.
    #[must_use]
    pub fn request(mut self, request: Request) -> Self {
        self.request = Some(request);
        self
    }

    /// With an answer made from the state behind the command.
    #[must_use]
    pub fn answering<M: prost::Message>(
        mut self,
        answer: impl FnOnce(&A, &Decided<'_, A>) -> M + Send + 'static,
    ) -> Self {
        self.answer = Box::new(move |state, decided| answer(state, decided).encode_to_vec());
        self
    }
}

/// The answer to a submission. It means: on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The encoded answer message.
    pub bytes: Vec<u8>,
    /// The last sequence of its effect.
    pub sequence: u64,
    /// Whether this is the first answer to an earlier, equal request.
    pub repeated: bool,
}

impl Answer {
    pub(crate) fn repeat(first: Answered) -> Self {
        Self { bytes: first.bytes, sequence: first.sequence, repeated: true }
    }

    /// The answer as a message.
    pub fn message<M: prost::Message + Default>(&self) -> Result<M, store::Error> {
        M::decode(self.bytes.as_slice()).map_err(|_| store::Error::corrupt("a stored answer"))
    }
}

/// A running ledger. Cheap to clone.
pub struct Ledger<A: Aggregate> {
    shared: Arc<Shared<A>>,
}

impl<A: Aggregate> Clone for Ledger<A> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<A: Aggregate> fmt::Debug for Ledger<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").field("name", &A::NAME).field("id", &self.shared.id).finish()
    }
}

struct Shared<A: Aggregate> {
    id: LedgerId,
    inbox: Inbox<Job<A>>,
    hub: Arc<Hub>,
    reader: Arc<dyn Reader>,
    snapshots: Arc<dyn Snapshots>,
    clock: Arc<dyn Clock>,
    keys: Option<Arc<KeyFile>>,
    signer: Option<Arc<dyn Signer>>,
    /// The last word about the head that was signed: all followers get the same one.
    signed: Mutex<Option<Checkpoint>>,
    /// Queries of the read models that may run now.
    queries: Semaphore,
    /// Ids of texts, made before a command reaches the writer.
    text_ids: Mutex<IdSource>,
    /// Where followers stood when the ledger was opened.
    cursors: Mutex<BTreeMap<String, Cursor>>,
    state: PhantomData<fn() -> A>,
}

/// The writer's thread; ends when the ledger is closed.
#[derive(Debug)]
pub struct Running {
    thread: JoinHandle<Result<(), store::Error>>,
}

impl Running {
    /// Waits for the writer to end. Blocks.
    pub fn join(self) -> Result<(), store::Error> {
        self.thread.join().unwrap_or_else(|_| Err(store::Error::corrupt("the writer panicked")))
    }
}

/// The writer of a ledger that has no thread of its own: nothing happens between two turns.
#[derive(Debug)]
pub struct ByHand<A: Aggregate> {
    writer: Writer<A>,
    jobs: Jobs<Job<A>>,
}

impl<A: Aggregate> ByHand<A> {
    /// One turn over everything that waits. Behind an error the writer must be dropped: its state may
    /// be ahead of the store.
    pub fn turn(&mut self) -> Result<(), store::Error> {
        let jobs = self.jobs.receiver().try_iter().collect();
        self.writer.turn(jobs)
    }

    /// Hands over what a peer's row calls for, as a follower does; a row at or before the follower's
    /// cursor has no effect. Takes a turn of its own.
    pub fn take_fact(
        &mut self,
        follower: &str,
        cursor: Cursor,
        kind: &str,
        (actor, command): (Actor, A::Command),
    ) -> Result<(), store::Error> {
        let note = Note { follower: follower.to_owned(), cursor, checkpoint: None };
        let effect = Effect::Command { actor, command, texts: Vec::new() };
        let fact = Fact { note, kind: kind.to_owned(), effect };
        self.writer.turn(vec![Job::Fact(Box::new(fact), oneshot::channel().0)])
    }

    /// How far a follower has come.
    pub fn cursor(&self, follower: &str) -> Cursor {
        self.writer.cursor(follower)
    }

    /// The next moment at which a turn may do something without a job.
    pub fn next_wake(&self) -> Option<Timestamp> {
        self.writer.next_wake()
    }

    /// The state behind the last turn.
    pub const fn state(&self) -> &A {
        self.writer.state()
    }
}

/// Closes a ledger when it is dropped, and waits for its writer to end: put it into a task that a
/// process drops last.
#[derive(Debug)]
pub struct Guard<A: Aggregate> {
    ledger: Ledger<A>,
    running: Option<Running>,
}

impl<A: Aggregate> Guard<A> {
    /// Guards a running ledger.
    pub fn new(ledger: Ledger<A>, running: Running) -> Self {
        Self { ledger, running: Some(running) }
    }

    /// Holds the guard until the returned future is dropped.
    pub async fn hold(self) {
        let _open = self;
        std::future::pending::<()>().await;
    }
}

impl<A: Aggregate> Drop for Guard<A> {
    fn drop(&mut self) {
        self.ledger.close();
        if let Some(Err(error)) = self.running.take().map(Running::join) {
            tracing::error!(error = &error as &dyn std::error::Error, "the writer ended badly");
        }
    }
}

/// What a thread of a ledger comes to. A panic of it is a failure like one of its store: nothing
/// goes on without it.
pub(crate) fn unless_it_panics(
    work: impl FnOnce() -> Result<(), store::Error>,
) -> Result<(), store::Error> {
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
    outcome.unwrap_or_else(|_| Err(store::Error::Unavailable("its thread panicked".into())))
}

/// Called on the thread that met it when the store failed or the thread panicked. Must not let the process go on.
pub type OnFault = Arc<dyn Fn(&store::Error) + Send + Sync>;

/// Ends the process: memory may be ahead of the disk, so only a restart tells the truth. Where the
/// reason is known, the exit code says it, because a full disk takes no line of a log.
#[expect(clippy::exit, reason = "nothing that is in memory may be written any more")]
pub fn abort_on_fault() -> OnFault {
    Arc::new(|error| {
        let reason = Reason::of(error);
        let word = reason.map_or("", Reason::name);
        tracing::error!(
            error = error as &dyn std::error::Error,
            reason = word,
            "the store failed; stopping"
        );
        match reason.and_then(Reason::exit_code) {
            Some(code) => std::process::exit(i32::from(code)),
            None => std::process::abort(),
        }
    })
}

impl<A: Aggregate> Ledger<A> {
    /// Opens a ledger and starts its writer. The read models may be behind then; a query waits.
    pub fn open(
        store: impl Store,
        parts: Parts<A>,
        signer: Option<Arc<dyn Signer>>,
        options: Options,
        on_fault: OnFault,
    ) -> Result<(Self, Running), store::Error> {
        let (ledger, ByHand { mut writer, jobs }) = Self::opened(store, parts, signer, options)?;
        writer.view_behind(Arc::clone(&on_fault))?;
        let thread = std::thread::Builder::new()
            .name(format!("{}-writer", A::NAME))
            .spawn(move || {
                let outcome = unless_it_panics(|| writer::run(writer, jobs.receiver()));
                drop(jobs);
                if let Err(error) = &outcome {
                    on_fault(error);
                }
                outcome
            })
            .map_err(|error| store::Error::Unavailable(Box::new(error)))?;
        Ok((ledger, Running { thread }))
    }

    /// Opens a ledger whose turns the caller drives: what the simulation uses, where nothing may
    /// depend on threads.
    pub fn open_by_hand(
        store: impl Store,
        parts: Parts<A>,
        signer: Option<Arc<dyn Signer>>,
        options: Options,
    ) -> Result<(Self, ByHand<A>), store::Error> {
        let (ledger, mut by_hand) = Self::opened(store, parts, signer, options)?;
        by_hand.writer.view_inline()?;
        Ok((ledger, by_hand))
    }

    fn opened(
        store: impl Store,
        parts: Parts<A>,
        signer: Option<Arc<dyn Signer>>,
        options: Options,
    ) -> Result<(Self, ByHand<A>), store::Error> {
        let (clock, keys) = (Arc::clone(&parts.clock), parts.keys.clone());
        let inbox_size = options.inbox;
        let mut writer = Writer::open(Box::new(store), parts, options)?;
        let (inbox, jobs) = inbox(inbox_size);
        let ticker = inbox.clone();
        clock.on_move(Box::new(move || drop(ticker.try_send(Job::Tick))));
        let shared = Shared {
            id: writer.head().ledger,
            inbox,
            hub: Arc::clone(writer.hub()),
            reader: writer.store().reader(),
            snapshots: writer.store().snapshots(),
            clock,
            keys,
            signer,
            signed: Mutex::default(),
            queries: Semaphore::new(queries_max()),
            text_ids: Mutex::new(writer.fork_ids()),
            cursors: Mutex::new(writer.all_cursors()),
            state: PhantomData,
        };
        Ok((Self { shared: Arc::new(shared) }, ByHand { writer, jobs }))
    }

    /// This ledger's id.
    pub fn id(&self) -> LedgerId {
        self.shared.id
    }

    /// The present moment by the ledger's clock.
    pub fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    /// Submits a command and waits until its effect is on disk.
    ///
    /// # Cancel safety
    /// A dropped call may still have its effect; the same request id then gets its answer.
    pub async fn submit(&self, submission: Submission<A>) -> Result<Answer, Error<A::Rejection>> {
        let (reply, answer) = oneshot::channel();
        self.send(Job::Submit(Box::new(submission), reply))?;
        answer.await.unwrap_or(Err(Error::Closed))
    }

    /// Asks the committed state a short question. Runs on the writer's thread: a long question
    /// belongs to a read model.
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&A) -> T + Send + 'static,
    ) -> Result<T, Error<A::Rejection>> {
        let (reply, answer) = oneshot::channel();
        self.send(Job::Ask(Box::new(move |state| drop(reply.send(question(state))))))?;
        answer.await.map_err(|_| Error::Closed)
    }

    /// Changes what the state holds beside the log: that a runner is there, that a lease was heard of.
    ///
    /// May change only fields that `apply` does not derive from rows: skipped by serde, so left out of
    /// snapshots and gone after a restart. Runs in its place among the turn's jobs; `after_batch` then
    /// sees the change and may make events of it. Writes nothing by itself.
    pub fn touch(
        &self,
        change: impl FnOnce(&mut A) + Send + 'static,
    ) -> Result<(), Error<A::Rejection>> {
        self.send(Job::Touch(Box::new(change)))
    }

    /// Watches the log from behind `after`.
    pub fn watch(&self, after: u64) -> Watch {
        Watch::new(Arc::clone(&self.shared.hub), Arc::clone(&self.shared.reader), after)
    }

    /// The last committed sequence.
    pub fn committed(&self) -> u64 {
        self.shared.hub.committed()
    }

    /// Waits until `sequence` is visible to every read. The caller sets the deadline.
    pub fn reached(&self, sequence: u64) -> impl Future<Output = bool> + Send + use<A> {
        let mut progress = self.shared.hub.subscribe();
        async move {
            let seen = progress.wait_for(|at| at.committed >= sequence || at.closed).await;
            seen.is_ok_and(|at| at.committed >= sequence)
        }
    }

    /// Reading beside the writer; its methods block on the disk.
    pub fn reader(&self) -> Arc<dyn Reader> {
        Arc::clone(&self.shared.reader)
    }

    /// The log's last row.
    pub async fn head(&self) -> Result<Head, store::Error> {
        let reader = self.reader();
        blocking(move || reader.head()).await
    }

    /// Runs a query on the read models, once they hold everything that is committed now. The
    /// caller sets the deadline: behind an upgrade they may be made anew for a while.
    pub async fn view<T: Send + 'static>(
        &self,
        query: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, store::Error> {
        let (committed, mut views) = (self.committed(), self.shared.hub.views());
        let seen = views.wait_for(|views| views.sequence >= committed || views.failed).await;
        if seen.map_or(true, |views| views.sequence < committed) {
            return Err(store::Error::Unavailable("the read models cannot be brought up".into()));
        }
        let _permit = self.shared.queries.acquire().await;
        let reader = self.reader();
        blocking(move || {
            let (mut query, mut found) = (Some(query), None);
            reader.view(&mut |db| {
                if let Some(query) = query.take() {
                    found = Some(query(db)?);
                }
                Ok(())
            })?;
            found.ok_or_else(|| store::Error::corrupt("a query that did not run"))
        })
        .await
    }

    /// A text by id, opened when it is sealed; `None` when there is none or it was erased.
    pub async fn text(&self, id: &str) -> Result<Option<String>, store::Error> {
        if let Some(text) = self.recent_text(id) {
            return Ok(Some(text));
        }
        Ok(self.read_texts(vec![id.to_owned()]).await?.remove(id))
    }

    /// A plain text of one of the last commits, if it is still in memory.
    pub(crate) fn recent_text(&self, id: &str) -> Option<String> {
        self.shared.hub.texts.get(id).map(|text| text.as_ref().to_owned())
    }

    /// Of these texts those that are still in memory, and the ids of the others.
    pub(crate) fn recent_texts(
        &self,
        ids: impl IntoIterator<Item = String>,
    ) -> (BTreeMap<String, String>, Vec<String>) {
        let (mut found, mut older) = (BTreeMap::new(), Vec::new());
        for id in ids {
            match self.recent_text(&id) {
                Some(text) => drop(found.insert(id, text)),
                None => older.push(id),
            }
        }
        (found, older)
    }

    /// Texts by id, opened when they are sealed; those that there are not, or that were erased, are
    /// absent.
    pub async fn read_texts(
        &self,
        ids: Vec<String>,
    ) -> Result<BTreeMap<String, String>, store::Error> {
        let (mut found, older) = self.recent_texts(ids);
        if older.is_empty() {
            return Ok(found);
        }
        let (reader, keys) = (self.reader(), self.shared.keys.clone());
        blocking(move || {
            for id in older {
                let Some(row) = reader.text(&id)? else { continue };
                let text = match (row.sealed, &keys) {
                    (false, _) => Some(
                        String::from_utf8(row.bytes)
                            .map_err(|_| store::Error::corrupt(format!("the text {id}")))?,
                    ),
                    (true, Some(keys)) => keys.open(&id, &row.bytes)?,
                    (true, None) => None,
                };
                found.extend(text.map(|text| (id, text)));
            }
            Ok(found)
        })
        .await
    }

    /// Gathers the texts of one submission.
    pub fn texts(&self) -> Texts<'_, A> {
        Texts { ledger: self, rows: Vec::new() }
    }

    /// The state as it was behind row `until`.
    pub async fn as_of(&self, until: u64) -> Result<A, store::Error> {
        let (reader, snapshots) = (self.reader(), Arc::clone(&self.shared.snapshots));
        blocking(move || {
            crate::snapshot::replay::<A>(&*reader, Some(&*snapshots), until).map(|r| r.state)
        })
        .await
    }

    /// A signed word about the head, when this ledger can sign.
    pub fn checkpoint(&self, sequence: u64, hash: Hash) -> Option<Checkpoint> {
        let signer = self.shared.signer.as_ref()?;
        let mut last = self.shared.signed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = last.as_ref().filter(|known| known.hash == hash) {
            return Some(known.clone());
        }
        let (ledger, time) = (self.shared.id, self.now());
        let signature = signer.sign(&chain::checkpoint_bytes(ledger, sequence, hash, time));
        let key_id = signer.key_id();
        let fresh = Checkpoint { ledger, sequence, hash, time, key_id, signature };
        *last = Some(fresh.clone());
        Some(fresh)
    }

    /// Asks the writer to finish what is queued and to end.
    pub fn close(&self) {
        // Blocks only while the inbox is full, and the writer empties it.
        if !self.shared.inbox.send(Job::Stop) {
            tracing::debug!("the writer has ended already");
        }
    }

    pub(crate) fn cursor(&self, follower: &str) -> Cursor {
        let cursors = self.shared.cursors.lock().unwrap_or_else(PoisonError::into_inner);
        cursors.get(follower).copied().unwrap_or(Cursor::START)
    }

    pub(crate) fn moved(&self, follower: &str, cursor: Cursor) {
        let mut cursors = self.shared.cursors.lock().unwrap_or_else(PoisonError::into_inner);
        cursors.insert(follower.to_owned(), cursor);
    }

    /// Hands a peer's row to the writer; waits for room, because a fact cannot be refused.
    pub(crate) async fn fact(
        &self,
        note: Note,
        kind: String,
        effect: Effect<A>,
    ) -> Option<oneshot::Receiver<()>> {
        let (taken, done) = oneshot::channel();
        let mut job = Job::Fact(Box::new(Fact { note, kind, effect }), taken);
        loop {
            job = match self.shared.inbox.try_send(job) {
                Ok(()) => return Some(done),
                Err(NotSent::Ended) => return None,
                Err(NotSent::Full(job)) => job,
            };
            tokio::time::sleep(FULL_INBOX_WAIT).await;
        }
    }

    pub(crate) fn note(&self, note: Note) {
        // A lost note costs a repeated look at rows without consequence, nothing more.
        drop(self.shared.inbox.try_send(Job::Note(Box::new(note))));
    }

    fn send(&self, job: Job<A>) -> Result<(), Error<A::Rejection>> {
        self.shared.inbox.try_send(job).map_err(|error| match error {
            NotSent::Full(_) => Error::Full,
            NotSent::Ended => Error::Closed,
        })
    }
}

/// Queries of the read models that run at once. More would not be quicker, and each has a connection of its
/// own, whose pages and statements the next one finds in memory only if there are few.
fn queries_max() -> usize {
    std::thread::available_parallelism().map_or(4, |cores| 2 * cores.get()).clamp(4, 16)
}

/// How long a follower waits for room in a full inbox before it looks again.
const FULL_INBOX_WAIT: Duration = Duration::from_millis(2);

/// The authored texts of one submission, each with the reference its event carries.
#[derive(Debug)]
pub struct Texts<'a, A: Aggregate> {
    ledger: &'a Ledger<A>,
    rows: Vec<TextRow>,
}

impl<A: Aggregate> Texts<'_, A> {
    /// A text that anyone who may read the ledger may read.
    pub fn plain(&mut self, text: &str) -> TextRef {
        let id = self.mint();
        self.keep(id, text, text.as_bytes().to_vec(), false)
    }

    /// A private text, sealed under a key of its own. Blocks on the disk for the key.
    pub fn sealed(&mut self, text: &str) -> Result<TextRef, store::Error> {
        let keys = self.ledger.shared.keys.as_ref();
        let keys = keys.ok_or_else(|| store::Error::corrupt("a ledger without a key file"))?;
        let id = self.mint();
        let bytes = keys.seal(&id, text)?;
        Ok(self.keep(id, text, bytes, true))
    }

    /// The rows for [`Submission::texts`].
    pub fn into_rows(self) -> Vec<TextRow> {
        self.rows
    }

    fn mint(&self) -> String {
        let now = self.ledger.now();
        let mut ids = self.ledger.shared.text_ids.lock().unwrap_or_else(PoisonError::into_inner);
        ids.mint::<TextId>(now).to_string()
    }

    fn keep(&mut self, id: String, text: &str, bytes: Vec<u8>, sealed: bool) -> TextRef {
        let length = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
        let reference = TextRef { id: id.clone(), hash: chain::digest(&bytes), length, sealed };
        self.rows.push(TextRow { id, bytes, sealed });
        reference
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, store::Error> + Send + 'static,
) -> Result<T, store::Error> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(store::Error::Unavailable(Box::new(error))))
}
