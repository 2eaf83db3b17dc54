//! Brings the read models up behind the commit.
//!
//! In production on a thread of its own, so that no caller waits for a read model; a query waits
//! until the models hold all that was committed when it was asked. What a crash left out is taken
//! from the log at the next start. The simulation projects inline, where nothing may depend on
//! threads.

use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender};
use vivarium_types::source::Hash;

use crate::aggregate::{Aggregate, Meta};
use crate::codec;
use crate::ledger::{OnFault, unless_it_panics};
use crate::snapshot;
use crate::store::view_file::{Stand, ViewFile};
use crate::store::{Error, Head, Reader, TextRow};
use crate::view::{self, BatchTexts, Views};
use crate::watch::Hub;

/// Rows read from the log at a time.
const LOG_CHUNK: usize = 4_000;
/// Events after which a transaction is closed. The more of them it takes in, the fewer pages are written
/// for each; whoever asks for the models under full load waits for two transactions at most.
const TRANSACTION_EVENTS: usize = 16_384;
/// Turns that may wait for the projector. Then the writer waits: models that cannot keep up slow
/// it down instead of filling the memory.
const TURNS_BEHIND_MAX: usize = 64;

/// What a turn committed.
pub(crate) struct Committed<A: Aggregate> {
    pub(crate) events: Vec<(A::Event, Meta)>,
    pub(crate) texts: Vec<TextRow>,
    /// The hash of the last event's row.
    pub(crate) hash: Hash,
}

/// Where the read models are brought up.
pub(crate) enum Projecting<A: Aggregate> {
    /// In the writer's turn.
    Inline(Projector<A>),
    /// On a thread behind it; `None` once it has ended.
    Behind(Option<Behind<A>>),
}

/// The thread and the way to it.
pub(crate) struct Behind<A: Aggregate> {
    inbox: Sender<Work<A>>,
    thread: JoinHandle<Result<(), Error>>,
}

/// What reaches the thread.
pub(crate) enum Work<A: Aggregate> {
    Take(Committed<A>),
    /// Bring everything up, then empty the write-ahead log.
    Tidy(mpsc::SyncSender<()>),
}

impl<A: Aggregate> Projecting<A> {
    /// Moves a projector to a thread of its own, where it first catches up with the log.
    pub(crate) fn behind(
        mut projector: Projector<A>,
        hub: Arc<Hub>,
        on_fault: OnFault,
    ) -> Result<Self, Error> {
        let (inbox, work) = crossbeam_channel::bounded(TURNS_BEHIND_MAX);
        let thread = std::thread::Builder::new().name(format!("{}-views", A::NAME));
        let spawned = thread.spawn(move || {
            let outcome = unless_it_panics(|| {
                projector.catch_up(&hub).and_then(|()| projector.follow(&work, &hub))
            });
            if let Err(error) = &outcome {
                hub.fail_views();
                on_fault(error);
            }
            outcome
        });
        let thread = spawned.map_err(|error| Error::Unavailable(Box::new(error)))?;
        Ok(Self::Behind(Some(Behind { inbox, thread })))
    }

    /// Hands over what was committed.
    pub(crate) fn take(&mut self, committed: Committed<A>, hub: &Hub) -> Result<(), Error> {
        match self {
            Self::Inline(projector) => projector.take(&[committed], hub),
            Self::Behind(behind) => send(behind.as_ref(), Work::Take(committed)),
        }
    }

    /// Makes sure that the models' files hold nothing that was deleted from them by now.
    pub(crate) fn tidy(&mut self) -> Result<(), Error> {
        match self {
            Self::Inline(projector) => projector.tidy(),
            Self::Behind(behind) => {
                let (reply, done) = mpsc::sync_channel(1);
                send(behind.as_ref(), Work::Tidy(reply))?;
                done.recv().map_err(|_| ended())
            }
        }
    }

    /// Brings everything up and ends.
    pub(crate) fn close(&mut self) -> Result<(), Error> {
        let Self::Behind(behind) = self else { return Ok(()) };
        let Some(Behind { inbox, thread }) = behind.take() else { return Ok(()) };
        drop(inbox);
        thread.join().unwrap_or_else(|_| Err(Error::corrupt("the projector panicked")))
    }
}

fn send<A: Aggregate>(behind: Option<&Behind<A>>, work: Work<A>) -> Result<(), Error> {
    let inbox = behind.map(|behind| &behind.inbox).ok_or_else(ended)?;
    inbox.send(work).map_err(|_| ended())
}

fn ended() -> Error {
    Error::Unavailable("the read models can no longer be written".into())
}

/// The read models and how far they have come.
pub(crate) struct Projector<A: Aggregate> {
    views: Views<A>,
    /// How far each of `views` has come.
    stands_at: Vec<u64>,
    file: ViewFile,
    reader: Arc<dyn Reader>,
    writer_epoch: u64,
    head: u64,
}

impl<A: Aggregate> Projector<A> {
    /// Read models that follow the owner of the log whose head this is. They may be behind it.
    pub(crate) fn open(
        views: Views<A>,
        file: ViewFile,
        reader: Arc<dyn Reader>,
        head: &Head,
    ) -> Result<Self, Error> {
        let (writer_epoch, mut stands_at) = (head.writer_epoch, Vec::new());
        file.belong_to(head, &*reader)?;
        file.project(writer_epoch, None, &mut |db| {
            stands_at = view::prepare(&views, db)?;
            Ok(())
        })?;
        Ok(Self { views, stands_at, file, reader, writer_epoch, head: head.sequence })
    }

    /// Brings every view up to the row that was the last one when the log was opened.
    pub(crate) fn catch_up(&mut self, hub: &Hub) -> Result<(), Error> {
        let until = self.head;
        let mut at = self.stands_at.iter().copied().min().unwrap_or(until);
        if until > at + TRANSACTION_EVENTS as u64 {
            tracing::info!(ledger = A::NAME, rows = until - at, "read models are being brought up");
        }
        while at < until {
            let rows = self.reader.rows(at, LOG_CHUNK)?;
            let Some(last) = rows.last() else { break };
            at = last.sequence;
            let events = rows
                .iter()
                .map(|row| Ok((codec::decode::<A>(row)?, snapshot::meta(row)?)))
                .collect::<Result<Vec<_>, Error>>()?;
            self.take(&[Committed { events, texts: Vec::new(), hash: last.hash }], hub)?;
        }
        hub.viewed(until);
        Ok(())
    }

    /// Whether there is anything to bring up.
    pub(crate) const fn has_views(&self) -> bool {
        !self.views.is_empty()
    }

    fn follow(&mut self, work: &Receiver<Work<A>>, hub: &Hub) -> Result<(), Error> {
        let mut waiting = Vec::new();
        while let Ok(first) = work.recv() {
            let mut next = Some(first);
            let mut events = 0;
            while let Some(work_item) = next {
                match work_item {
                    Work::Take(committed) => {
                        events += committed.events.len();
                        waiting.push(committed);
                    }
                    Work::Tidy(done) => {
                        self.take(&waiting, hub)?;
                        waiting.clear();
                        self.tidy()?;
                        if done.send(()).is_err() {
                            tracing::debug!("the writer left before the models were tidy");
                        }
                    }
                }
                next = if events < TRANSACTION_EVENTS { work.try_recv().ok() } else { None };
            }
            self.take(&waiting, hub)?;
            waiting.clear();
        }
        Ok(())
    }

    fn take(&mut self, turns: &[Committed<A>], hub: &Hub) -> Result<(), Error> {
        let Some((sequence, hash)) = turns
            .iter()
            .rev()
            .find_map(|turn| turn.events.last().map(|(_, meta)| (meta.sequence, turn.hash)))
        else {
            return Ok(());
        };
        if self.has_views() {
            let (views, stands_at, reader) = (&self.views, &self.stands_at, &self.reader);
            self.file.project(self.writer_epoch, Some(Stand { sequence, hash }), &mut |db| {
                for turn in turns {
                    let texts = BatchTexts::new(&turn.texts, &**reader);
                    view::project(views, stands_at, db, &turn.events, &texts)?;
                    texts.all_found()?;
                }
                view::settle(views, db, sequence)
            })?;
            for at in &mut self.stands_at {
                *at = sequence.max(*at);
            }
        }
        hub.viewed(sequence);
        Ok(())
    }

    fn tidy(&self) -> Result<(), Error> {
        if self.has_views() { self.file.tidy() } else { Ok(()) }
    }
}
