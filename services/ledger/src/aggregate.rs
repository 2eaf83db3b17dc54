//! What a service author writes: a pure state machine that decides commands into events.

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use vivarium_types::ids::Id;
use vivarium_types::source::Hash;
use vivarium_types::{Actor, IdSource, Timestamp};

/// The domain of one service.
///
/// `decide`, `after_batch` and `apply` do no I/O, read no clock and draw no randomness: time, actor
/// and ids come with the [`Context`]. The state a ledger holds is exactly what `apply` made of its
/// rows, in order.
pub trait Aggregate: Default + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The service's name, such as `queue`. Also the stem of its files.
    const NAME: &'static str;
    /// The schema number stamped on new rows. Raised when an event's shape grows.
    const SCHEMA: u32;
    /// The version of the state's serialised form. Raised whenever the state's types change: older
    /// snapshots are then ignored and the log is replayed.
    const STATE_VERSION: u32;

    /// What may be asked for.
    type Command: Send + 'static;
    /// What can have happened: the service's own enum.
    type Event: Clone + Send + Sync + 'static + Into<Self::Wire> + TryFrom<Self::Wire>;
    /// The published schema of an event: the prost message of `proto/`.
    type Wire: prost::Message + Default + Serialize + DeserializeOwned;
    /// Why a command was refused.
    type Rejection: Send + 'static;

    /// The business keys whose use `decide` must know of. Read by the writer from the store before
    /// `decide` runs; asked for with [`Context::claimed`].
    fn needs(command: &Self::Command) -> Vec<String> {
        let _ = command;
        Vec::new()
    }

    /// Turns a command into the events that it causes, none, or a refusal. Pure.
    fn decide(
        &self,
        command: Self::Command,
        cx: &Context<'_>,
    ) -> Result<Vec<Self::Event>, Self::Rejection>;

    /// Runs at the start of every turn, before its jobs. May change only what is not derived from the
    /// log (see [`crate::Ledger::touch`]): such as the moment at which time was last looked at.
    fn tick(&mut self, now: Timestamp) {
        let _ = now;
    }

    /// Runs once before each commit and at [`Aggregate::next_wake`], again after its own events were
    /// applied, until it has nothing more to say. The only place where time makes events.
    fn after_batch(&self, cx: &Context<'_>) -> Vec<Self::Event> {
        let _ = cx;
        Vec::new()
    }

    /// The next moment at which `after_batch` may have something to say without any command.
    fn next_wake(&self) -> Option<Timestamp> {
        None
    }

    /// Makes an event part of the state. Total: an event that is in the log always applies.
    fn apply(&mut self, event: &Self::Event, meta: &Meta);

    /// The event's name in the log, such as `task_added`: the snake-case name of its oneof field.
    fn kind(event: &Self::Event) -> &'static str;

    /// The business keys that the event uses up for ever, such as `wage:tsk_…`. Two events with one
    /// key never both commit.
    fn claims(event: &Self::Event) -> Vec<String> {
        let _ = event;
        Vec::new()
    }

    /// The event that records that a fact of a peer does not fit and had no effect.
    fn fact_ignored(note: FactNote) -> Self::Event;

    /// The event that records that a fact of a peer could not be worked on and waits for a person.
    fn fact_parked(note: FactNote) -> Self::Event;

    /// The event that records that older rows lie in a segment file from now on. It changes no state.
    fn segment_closed(note: SegmentNote) -> Self::Event;

    /// The machine-readable word of a refusal, for [`FactNote::reason`].
    fn reason(rejection: &Self::Rejection) -> String;
}

/// Where and when an event stands in its ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// The row's sequence.
    pub sequence: u64,
    /// The row's time.
    pub time: Timestamp,
    /// Who caused it.
    pub actor: Actor,
}

/// A fact of a followed ledger that had no effect here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactNote {
    /// The followed service, such as `queue`.
    pub source: String,
    /// The row over there.
    pub sequence: u64,
    /// Its kind.
    pub kind: String,
    /// Why it had no effect.
    pub reason: String,
}

/// A run of whole rows that has left the hot file for a file of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentNote {
    /// The first row in it.
    pub first: u64,
    /// The last row in it.
    pub last: u64,
    /// The first row's hash.
    pub first_hash: Hash,
    /// The last row's hash.
    pub last_hash: Hash,
    /// The file's name.
    pub file: String,
    /// SHA-256 of the file as it lies on the disk.
    pub file_hash: Hash,
    /// Length of the file.
    pub bytes: u64,
}

impl SegmentNote {
    /// Rows in it.
    pub const fn rows(&self) -> u64 {
        self.last + 1 - self.first
    }
}

/// An earlier use of a business key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The row that used it.
    pub sequence: u64,
    /// That row's kind; empty when the row has left the hot file.
    pub kind: String,
}

/// What a decision may know beside the state.
#[derive(Debug)]
pub struct Context<'a> {
    now: Timestamp,
    actor: &'a Actor,
    next_sequence: u64,
    ids: RefCell<&'a mut IdSource>,
    facts: &'a BTreeMap<String, Claimed>,
}

impl<'a> Context<'a> {
    /// A context for one decision; production makes it in [`crate::writer`], tests by hand.
    pub const fn new(
        now: Timestamp,
        actor: &'a Actor,
        next_sequence: u64,
        ids: &'a mut IdSource,
        facts: &'a BTreeMap<String, Claimed>,
    ) -> Self {
        Self { now, actor, next_sequence, ids: RefCell::new(ids), facts }
    }

    /// The moment of the turn: never before the last row.
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// Who asks.
    pub const fn actor(&self) -> &Actor {
        self.actor
    }

    /// The sequence that the first event of this decision will get.
    pub const fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// A new id.
    pub fn mint<I: Id>(&self) -> I {
        self.ids.borrow_mut().mint(self.now)
    }

    /// The earlier use of a business key that [`Aggregate::needs`] asked for.
    pub fn claimed(&self, key: &str) -> Option<&Claimed> {
        self.facts.get(key)
    }
}
