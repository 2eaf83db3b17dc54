//! What the panel knows, in signals: the adapter between the pure state and the pages.
//!
//! One [`Live`] for the whole tab. The stream writes it ([`stream`]); pages read it, and read the
//! services again when the stream says that something changed ([`reading`]).

pub(crate) mod acting;
pub(crate) mod clock;
pub(crate) mod reading;
pub(crate) mod saved;
pub(crate) mod stream;

use std::fmt;
use std::sync::Arc;

use futures::channel::mpsc;
use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::api;
use crate::state::feed::Feed;
use crate::state::link::Link;
use crate::state::mail::Thread;
use crate::state::names::Names;
use crate::state::output::Output;
use crate::state::problem::Problem;
use crate::state::resident::Resident;
use crate::state::seen::{Changed, Seen};
use crate::state::submission::Submission;
use crate::state::world::{Health, World};
use crate::state::{LEDGERS, Position};
use reading::{Reading, read};

/// Titles that are asked for at once.
const TITLES_AT_ONCE: usize = 12;
/// How long titles are collected before they are asked for.
const TITLES_AFTER_MS: u32 = 40;

/// Who uses this tab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Session {
    /// Not known yet.
    Asking,
    /// Signed in, as this operator.
    In(String),
    /// Signed out, and what went wrong with a link.
    Out(Option<Problem>),
}

/// The way back from what was done, while its toast is there.
#[derive(Clone)]
pub(crate) struct Undo(pub(crate) Arc<dyn Fn() + Send + Sync>);

impl fmt::Debug for Undo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Undo")
    }
}

/// A short word at the edge of the page.
#[derive(Debug, Clone)]
pub(crate) struct Toast {
    /// Its number, rising.
    pub(crate) id: u64,
    /// What it says.
    pub(crate) text: String,
    /// The request to report. Empty: all is well.
    pub(crate) request_id: String,
    /// The way back, if there is one.
    pub(crate) undo: Option<Undo>,
}

/// A ledger whose rows the pages wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum On {
    /// Tasks and controls.
    Queue,
    /// Cycles, models, money.
    Executor,
    /// Residents, rooms, letters, library.
    Society,
    /// Submissions.
    Review,
}

/// Everything that outlives a page.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Live {
    /// Who uses this tab.
    pub(crate) session: RwSignal<Session>,
    /// How the stream is.
    pub(crate) link: RwSignal<Link>,
    /// The newest rows.
    pub(crate) feed: RwSignal<Feed>,
    /// Text as it is written.
    pub(crate) output: RwSignal<Output>,
    /// The services.
    pub(crate) health: RwSignal<Vec<Health>>,
    /// How far the stream has come.
    pub(crate) seen: RwSignal<Seen>,
    /// What is known by name.
    pub(crate) names: RwSignal<Names>,
    /// Words at the edge of the page.
    pub(crate) toasts: RwSignal<Vec<Toast>>,
    /// The moment, every ten seconds.
    pub(crate) tick: RwSignal<vivarium_types::Timestamp>,
    /// The moment, every second.
    pub(crate) second: RwSignal<vivarium_types::Timestamp>,
    beats: [RwSignal<u64>; 4],
    changed: StoredValue<Option<Changed>>,
    wake: StoredValue<Option<mpsc::Sender<()>>, LocalStorage>,
}

/// What the whole shell reads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shared {
    /// The controls.
    pub(crate) world: Reading<World>,
    /// Submissions that wait for a person, and how many there are.
    pub(crate) pending: Reading<(Vec<Submission>, u64)>,
    /// The mailbox.
    pub(crate) threads: Reading<Vec<Thread>>,
    /// The residents.
    pub(crate) residents: Reading<Vec<Resident>>,
}

/// The tab's state, from anywhere below the shell.
pub(crate) fn live() -> Live {
    expect_context()
}

/// What the shell reads, from anywhere below it.
pub(crate) fn shared() -> Shared {
    expect_context()
}

impl Live {
    /// Nothing is known yet.
    pub(crate) fn new() -> Self {
        let now = clock::now();
        Self {
            session: RwSignal::new(Session::Asking),
            link: RwSignal::new(Link::Starting),
            feed: RwSignal::new(Feed::default()),
            output: RwSignal::new(Output::default()),
            health: RwSignal::new(Vec::new()),
            seen: RwSignal::new(Seen::default()),
            names: RwSignal::new(Names::default()),
            toasts: RwSignal::new(Vec::new()),
            tick: RwSignal::new(now),
            second: RwSignal::new(now),
            beats: std::array::from_fn(|_| RwSignal::new(0)),
            changed: StoredValue::new(None),
            wake: StoredValue::new_local(None),
        }
    }

    /// Runs the surrounding computation again when these ledgers have news.
    pub(crate) fn on(&self, ledgers: &[On]) {
        for ledger in ledgers {
            self.beats[*ledger as usize].track();
        }
    }

    /// Notes news of a ledger; the pages hear of it in a moment, together with what else comes.
    pub(crate) fn note(&self, ledger: &str) {
        let mut changed = self.changed.get_value().unwrap_or_default();
        changed.note(ledger);
        self.beat_soon(changed);
    }

    /// Everything may have changed.
    pub(crate) fn note_all(&self) {
        self.beat_soon(Changed::all());
    }

    fn beat_soon(self, changed: Changed) {
        let waiting = self.changed.get_value().is_some();
        self.changed.set_value(Some(changed));
        if waiting {
            return;
        }
        spawn_local(async move {
            gloo_timers::future::TimeoutFuture::new(stream::BEAT_MS).await;
            let Some(Some(changed)) = self.changed.try_update_value(Option::take) else { return };
            for (index, beat) in self.beats.iter().enumerate() {
                if changed.ledgers[index] {
                    beat.update(|count| *count += 1);
                }
            }
        });
    }

    /// Whether a change at `position` has not come back by the stream yet.
    pub(crate) fn is_pending(&self, position: &Position) -> bool {
        !self.link.with(Link::is_stale) && !self.seen.with(|seen| seen.has(position))
    }

    /// Tries the stream again now.
    pub(crate) fn wake(&self) {
        self.wake.update_value(|wake| {
            if let Some(wake) = wake {
                // A full channel holds a wake-up already.
                drop(wake.try_send(()));
            }
        });
    }

    /// Says something at the edge of the page for a while.
    pub(crate) fn say(self, text: impl Into<String>) {
        self.toast(text.into(), String::new(), None);
    }

    /// Says what was done, with a way back.
    pub(crate) fn say_with_undo(self, text: String, undo: Undo) {
        self.toast(text, String::new(), Some(undo));
    }

    /// Says that we failed, with the request to report.
    pub(crate) fn say_fault(self, problem: &Problem) {
        self.toast(problem.spoken(), problem.request_id.clone(), None);
    }

    fn toast(self, text: String, request_id: String, undo: Option<Undo>) {
        let stays_ms = match (&undo, request_id.is_empty()) {
            (Some(_), _) => 20_000,
            (None, true) => 5_000,
            (None, false) => 30_000,
        };
        let id = self.toasts.with_untracked(|all| all.last().map_or(1, |last| last.id + 1));
        self.toasts.update(|all| all.push(Toast { id, text, request_id, undo }));
        spawn_local(async move {
            gloo_timers::future::TimeoutFuture::new(stays_ms).await;
            self.dismiss(id);
        });
    }

    /// Takes a toast away.
    pub(crate) fn dismiss(&self, id: u64) {
        self.toasts.update(|all| all.retain(|toast| toast.id != id));
    }

    /// A task's title as soon as it is known; its short id until then.
    pub(crate) fn title(self, task: &str) -> String {
        if let Some(title) = self.names.with(|names| names.task(task).map(str::to_owned)) {
            return title;
        }
        self.names.update_untracked(|names| names.want_task(task));
        spawn_local(async move {
            gloo_timers::future::TimeoutFuture::new(TITLES_AFTER_MS).await;
            let wanted = self.names.try_update_untracked(|names| names.take_wanted(TITLES_AT_ONCE));
            let asks =
                wanted.into_iter().flatten().map(|id| async move { api::tasks::get(&id).await });
            let answers = futures::future::join_all(asks).await;
            if answers.iter().any(Result::is_ok) {
                self.names.update(|names| {
                    for task in answers.into_iter().flatten() {
                        names.learn_task(&task.id, &task.title);
                    }
                });
            }
        });
        crate::format::short_id(task)
    }

    /// A resident's name; its short id while it is not known.
    pub(crate) fn name(&self, resident: &str) -> String {
        self.names
            .with(|names| names.resident(resident).map(str::to_owned))
            .unwrap_or_else(|| crate::format::short_id(resident))
    }
}

impl Shared {
    /// Begins to read. Only for someone who is signed in.
    pub(crate) fn new(live: Live) -> Self {
        let residents = read(move || {
            live.on(&[On::Society]);
            api::residents::list()
        });
        Effect::new(move |_| {
            residents.value.with(|known| {
                let Some(known) = known else { return };
                live.names.update(|names| {
                    for one in known {
                        names.learn_resident(&one.id, &one.name, &one.handle);
                    }
                });
            });
        });
        let world: Reading<World> = read(move || {
            live.on(&[On::Queue]);
            live.tick.track();
            api::world::controls()
        });
        Self {
            world,
            residents,
            pending: read(move || {
                live.on(&[On::Review]);
                api::review::pending()
            }),
            threads: read(move || {
                live.on(&[On::Society]);
                api::mail::threads()
            }),
        }
    }

    /// How many things wait in the Inbox.
    pub(crate) fn inbox_count(&self) -> u64 {
        let pending =
            self.pending.value.with(|known| known.as_ref().map_or(0, |(_, count)| *count));
        let letters = self.threads.value.with(|known| {
            known
                .iter()
                .flatten()
                .map(|thread| u64::from(thread.unread.max(thread.waiting)))
                .sum::<u64>()
        });
        pending + letters
    }
}

/// The number of ledgers and the number of beats are one.
const _: () = assert!(LEDGERS.len() == 4);
