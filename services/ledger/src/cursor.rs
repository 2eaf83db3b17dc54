//! Following another service's ledger: each of its rows has its effect here exactly once.
//!
//! The command's events and the new cursor commit together, so a crash repeats nothing and skips
//! nothing. A fact from a peer cannot be refused: what does not fit is logged as ignored, what
//! cannot be worked on is parked for a person, and the cursor moves on.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use futures::stream::FuturesOrdered;
use futures::{FutureExt as _, StreamExt as _};
use tokio::sync::oneshot;
use vivarium_types::Actor;
use vivarium_types::source::{Checkpoint, Cursor, Delivery, Fault, Row, Source};

use crate::aggregate::Aggregate;
use crate::chain::Verifier;
use crate::ledger::Ledger;
use crate::store::TextRow;
use crate::writer::{Effect, Note};

/// Effects on their way to the disk before the follower waits for the oldest.
const UNCONFIRMED_MAX: usize = 256;
/// Rows that are looked at side by side; their effects keep the order of the rows.
const LOOKED_AT_MAX: usize = 16;
/// First wait before a followed service is tried again; doubles up to [`RETRY_WAIT_MAX`].
const RETRY_WAIT_MIN: Duration = Duration::from_millis(50);
/// Longest wait before a followed service is tried again.
const RETRY_WAIT_MAX: Duration = Duration::from_secs(5);

/// What a service does about another service's events.
#[async_trait]
pub trait Handler<A: Aggregate>: Send + Sync + 'static {
    /// Whether rows of this kind can call for anything. The others are not even read.
    fn concerns(&self, kind: &str) -> bool;

    /// Looks at one row. May fetch bodies by RPC; must not change anything itself. Rows behind it may be
    /// looked at meanwhile, before its effect is there: only `decide` sees them one after the other.
    async fn react(&self, row: &Row) -> Result<Reaction<A>, Trouble>;
}

/// What a row calls for.
pub enum Reaction<A: Aggregate> {
    /// Nothing: the cursor moves on lazily.
    Nothing,
    /// A command that commits together with the cursor.
    Command {
        /// Who is recorded as its cause.
        actor: Actor,
        /// What to do.
        command: A::Command,
        /// Texts that its events name.
        texts: Vec<TextRow>,
    },
}

impl<A: Aggregate> std::fmt::Debug for Reaction<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Nothing => "Nothing",
            Self::Command { .. } => "Command",
        })
    }
}

impl<A: Aggregate> Reaction<A> {
    /// A command without texts, caused by `actor`.
    pub fn command(actor: Actor, command: A::Command) -> Self {
        Self::Command { actor, command, texts: Vec::new() }
    }
}

/// Why a row could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// Try again, for ever.
    #[error("what the row needs cannot be reached now")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Trying again cannot help: the fact is parked for a person.
    #[error("the row cannot be worked on: {0}")]
    Permanent(String),
}

/// Why a follower ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// This service's own ledger was closed.
    Closed,
    /// The followed log is not the one that was followed before (`LEDGER_DIVERGED`).
    Diverged,
}

/// Follows `source` until the ledger is closed or the followed log diverges. Cancel by dropping.
pub async fn follow<A: Aggregate>(
    ledger: Ledger<A>,
    source: Arc<dyn Source>,
    handler: impl Handler<A>,
) -> Ended {
    let mut follower = Follower {
        cursor: ledger.cursor(source.name()),
        ledger,
        source,
        handler,
        unconfirmed: VecDeque::new(),
    };
    let mut wait = RETRY_WAIT_MIN;
    loop {
        match follower.follow_once().await {
            Stopped::Ended(ended) => return ended,
            Stopped::Again { moved } => {
                wait = if moved { RETRY_WAIT_MIN } else { (wait * 2).min(RETRY_WAIT_MAX) };
                tokio::time::sleep(wait).await;
            }
        }
    }
}

struct Follower<A: Aggregate, H> {
    ledger: Ledger<A>,
    source: Arc<dyn Source>,
    handler: H,
    cursor: Cursor,
    unconfirmed: VecDeque<oneshot::Receiver<()>>,
}

/// Why one stream of deliveries came to its end.
enum Stopped {
    Ended(Ended),
    Again { moved: bool },
}

impl<A: Aggregate, H: Handler<A>> Follower<A, H> {
    async fn follow_once(&mut self) -> Stopped {
        let start = self.cursor.sequence;
        let mut deliveries = self.source.follow(self.cursor);
        while let Some(delivery) = deliveries.next().await {
            let taken = match delivery {
                Ok(delivery) => self.take(delivery).await,
                Err(Fault::Diverged) => Err(Ended::Diverged),
                Err(Fault::Unavailable(error)) => {
                    tracing::debug!(source = self.source.name(), error, "not reachable");
                    break;
                }
            };
            if let Err(ended) = taken {
                if ended == Ended::Diverged {
                    tracing::error!(source = self.source.name(), "the followed log diverged");
                }
                return Stopped::Ended(ended);
            }
        }
        Stopped::Again { moved: self.cursor.sequence > start }
    }

    async fn take(&mut self, delivery: Delivery) -> Result<(), Ended> {
        let Delivery { ledger, rows, mut checkpoint } = delivery;
        let Some(id) = ledger.or(self.cursor.ledger) else { return Ok(()) };
        if self.cursor.ledger.is_some_and(|followed| followed != id) {
            return Err(Ended::Diverged);
        }
        let mut verifier = match self.cursor.sequence {
            0 => Verifier::from_genesis(id),
            sequence => Verifier::after(id, sequence, self.cursor.hash),
        };
        let mut quiet = false;
        let (handler, source) = (&self.handler, &*self.source);
        let mut ahead = rows.iter().filter(|row| handler.concerns(&row.kind));
        let mut looked_at: FuturesOrdered<BoxFuture<'_, _>> = FuturesOrdered::new();
        for row in &rows {
            // A row that does not continue the chain that was followed is another log's.
            verifier.check(row).map_err(|_| Ended::Diverged)?;
            let cursor = Cursor { ledger: Some(id), sequence: row.sequence, hash: row.hash };
            let mut effect = None;
            if handler.concerns(&row.kind) {
                let room = LOOKED_AT_MAX - looked_at.len();
                for row in ahead.by_ref().take(room) {
                    looked_at.push_back(self::effect(handler, source, row).boxed());
                }
                effect = looked_at.next().await.flatten();
            }
            quiet = effect.is_none();
            if let Some(effect) = effect {
                let note = note(source, cursor, checkpoint.take());
                let Some(done) = self.ledger.fact(note, row.kind.clone(), effect).await else {
                    return Err(Ended::Closed);
                };
                self.unconfirmed.push_back(done);
                confirm(&mut self.unconfirmed, UNCONFIRMED_MAX).await?;
            }
            self.cursor = cursor;
        }
        drop(looked_at);
        if quiet || checkpoint.is_some() {
            self.ledger.note(note(&*self.source, self.cursor, checkpoint));
        }
        // Wait for the effects of this delivery: after a lost connection the stream begins anew
        // behind the cursor, which must then stand in this ledger.
        confirm(&mut self.unconfirmed, 0).await?;
        self.ledger.moved(self.source.name(), self.cursor);
        Ok(())
    }
}

/// What a row calls for, once it could be looked at.
async fn effect<A: Aggregate>(
    handler: &impl Handler<A>,
    source: &dyn Source,
    row: &Row,
) -> Option<Effect<A>> {
    let mut wait = RETRY_WAIT_MIN;
    loop {
        match handler.react(row).await {
            Ok(Reaction::Nothing) => return None,
            Ok(Reaction::Command { actor, command, texts }) => {
                return Some(Effect::Command { actor, command, texts });
            }
            Err(Trouble::Permanent(reason)) => return Some(Effect::Park { reason }),
            Err(Trouble::Unavailable(error)) => {
                let source = source.name();
                tracing::debug!(source, sequence = row.sequence, error, "tried again later");
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(RETRY_WAIT_MAX);
            }
        }
    }
}

/// Waits until so few effects are not on disk yet.
async fn confirm(
    unconfirmed: &mut VecDeque<oneshot::Receiver<()>>,
    left: usize,
) -> Result<(), Ended> {
    while unconfirmed.len() > left {
        if let Some(oldest) = unconfirmed.pop_front() {
            oldest.await.map_err(|_| Ended::Closed)?;
        }
    }
    Ok(())
}

fn note(source: &dyn Source, cursor: Cursor, checkpoint: Option<Checkpoint>) -> Note {
    Note { follower: source.name().to_owned(), cursor, checkpoint }
}

impl<A: Aggregate> Source for Ledger<A> {
    fn name(&self) -> &str {
        A::NAME
    }

    /// Follows a ledger of this very process: what tests and the simulation use.
    fn follow(&self, cursor: Cursor) -> vivarium_types::source::Deliveries {
        let ledger = self.clone();
        Box::pin(async_stream::stream! {
            let mut watch = match ledger.watch_behind(cursor).await {
                Ok(watch) => watch,
                Err(fault) => {
                    yield Err(fault);
                    return;
                }
            };
            while let Some(rows) = watch.next().await {
                match rows {
                    Ok(rows) => yield Ok(ledger.delivery(&rows)),
                    Err(error) => {
                        yield Err(Fault::Unavailable(Box::new(error)));
                        return;
                    }
                }
            }
        })
    }
}

impl<A: Aggregate> Ledger<A> {
    /// A watch behind a cursor, if this log holds the cursor's row.
    pub async fn watch_behind(&self, cursor: Cursor) -> Result<crate::watch::Watch, Fault> {
        if cursor.ledger.is_some_and(|ledger| ledger != self.id()) {
            return Err(Fault::Diverged);
        }
        if cursor.sequence > 0 {
            let mut watch = self.watch(cursor.sequence - 1);
            let rows = watch.take().await.map_err(|e| Fault::Unavailable(Box::new(e)))?;
            let known = rows
                .first()
                .is_some_and(|row| row.sequence == cursor.sequence && row.hash == cursor.hash);
            if !known {
                return Err(Fault::Diverged);
            }
        }
        Ok(self.watch(cursor.sequence))
    }

    /// Rows as a delivery, with a signed word about the last of them.
    pub fn delivery(&self, rows: &[Arc<Row>]) -> Delivery {
        Delivery {
            ledger: Some(self.id()),
            rows: rows.iter().map(|row| Row::clone(row)).collect(),
            checkpoint: rows.last().and_then(|row| self.checkpoint(row.sequence, row.hash)),
        }
    }
}
