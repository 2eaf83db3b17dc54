//! Keeps the one stream open: resumes behind what was taken up, notices silence, waits longer after
//! each failure, and rests while nobody looks.

use std::time::Duration;

use futures::channel::mpsc;
use futures::future::{Either, select};
use futures::stream::LocalBoxStream;
use futures::{FutureExt, StreamExt};
use gloo_timers::future::TimeoutFuture;
use leptos::prelude::*;
use leptos::task::spawn_local;
use vivarium_types::Timestamp;

use super::{Live, Session, clock};
use crate::api::{self, Answer, follow::Item};
use crate::state::LEDGERS;
use crate::state::feed::Taken;
use crate::state::link::{self, Link};
use crate::state::problem::Kind;
use crate::state::world;

/// News of the ledgers reach the pages at most this often.
pub(super) const BEAT_MS: u32 = 250;
/// What the stream brings is shown at most this often.
const FLUSH_MS: u32 = 50;
/// Items that are shown together.
const ITEMS_AT_ONCE: usize = 512;
/// Rows of each ledger that are read before the stream begins.
const ROWS_BEFORE: u32 = 40;
/// A hidden tab gives its connection back after this: a browser has only six to a host.
const HIDDEN_MAX: Duration = Duration::from_mins(1);

type Items = LocalBoxStream<'static, Answer<Item>>;

/// Follows the world for as long as somebody is signed in.
pub(crate) fn start(live: Live) {
    let (wake, woken) = mpsc::channel(1);
    live.wake.set_value(Some(wake));
    window_event_listener(leptos::ev::online, move |_| live.wake());
    window_event_listener_untyped("visibilitychange", move |_| {
        if !document().hidden() {
            live.wake();
        }
    });
    spawn_local(run(live, woken));
}

async fn run(live: Live, mut woken: mpsc::Receiver<()>) {
    let mut tries = 0;
    loop {
        fill(live).await;
        let cursors = live.feed.with_untracked(crate::state::feed::Feed::cursors);
        match api::follow::follow(cursors).await {
            Ok(items) => {
                if pump(live, items).await {
                    tries = 0;
                }
            }
            Err(problem) if problem.kind == Kind::SignedOut => {
                live.link.set(Link::SignedOut);
                live.session.set(Session::Out(None));
                return;
            }
            Err(_) => {}
        }
        if matches!(live.session.get_untracked(), Session::Out(_)) {
            live.link.set(Link::SignedOut);
            return;
        }
        let wait = link::wait(tries, spread());
        tries += 1;
        broken(live, wait);
        let millis = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX);
        if document().hidden() {
            woken.next().await;
        } else {
            select(TimeoutFuture::new(millis), woken.next()).await;
        }
    }
}

/// The newest rows of ledgers that nothing is known of yet; the stream goes on behind them.
async fn fill(live: Live) {
    let known = live.feed.with_untracked(crate::state::feed::Feed::cursors);
    let missing = LEDGERS.into_iter().filter(|ledger| !known.contains_key(*ledger));
    let reads = missing.map(|ledger| api::ledger::newest(ledger, "", 0, ROWS_BEFORE));
    for page in futures::future::join_all(reads).await.into_iter().flatten() {
        live.seen.update(|seen| {
            for row in &page.rows {
                seen.reach(&row.ledger, row.sequence);
            }
        });
        live.feed.update(|feed| feed.fill(page.rows));
    }
}

fn broken(live: Live, wait: Duration) {
    let now = clock::now();
    let since = match live.link.get_untracked() {
        Link::Broken { since, .. } => since,
        Link::Starting | Link::Live | Link::SignedOut => now,
    };
    live.output.update(crate::state::output::Output::forget);
    live.link.set(Link::Broken { since, retry: now + wait });
}

/// Takes items until the stream ends; whether it brought any.
async fn pump(live: Live, mut items: Items) -> bool {
    let mut brought = false;
    let mut hidden_since: Option<Timestamp> = None;
    let silence = u32::try_from(link::SILENCE_MAX.as_millis()).unwrap_or(u32::MAX);
    loop {
        let first = match select(items.next(), TimeoutFuture::new(silence)).await {
            Either::Left((Some(Ok(item)), _)) => item,
            Either::Left((Some(Err(_)) | None, _)) | Either::Right(_) => return brought,
        };
        let mut batch = vec![first];
        let mut ended = false;
        while batch.len() < ITEMS_AT_ONCE {
            match items.next().now_or_never() {
                Some(Some(Ok(item))) => batch.push(item),
                Some(Some(Err(_)) | None) => {
                    ended = true;
                    break;
                }
                None => break,
            }
        }
        if !brought || live.link.get_untracked() != Link::Live {
            live.link.set(Link::Live);
            live.note_all();
        }
        brought = true;
        show(live, batch);
        hidden_since = document().hidden().then(|| hidden_since.unwrap_or_else(clock::now));
        let unseen = hidden_since.is_some_and(|since| clock::now().since(since) > HIDDEN_MAX);
        if ended || unseen {
            return brought;
        }
        TimeoutFuture::new(FLUSH_MS).await;
    }
}

/// Shows what came, each signal once.
fn show(live: Live, batch: Vec<Item>) {
    let (mut rows, mut news) = (Vec::new(), Vec::new());
    for item in batch {
        match item {
            Item::Row(row) => rows.push(*row),
            Item::Output(output) => news.push(output),
            Item::Health(health) => live.health.update(|known| world::learn(known, health)),
            Item::CaughtUp { ledger, sequence } => {
                live.seen.update(|seen| seen.reach(&ledger, sequence));
            }
            Item::Beat => {}
        }
    }
    let ended: Vec<String> = rows
        .iter()
        .filter(|row| row.kind == "cycle_ended")
        .map(|row| row.text("cycleId").to_owned())
        .collect();
    if !news.is_empty() || !ended.is_empty() {
        live.output.update(|output| {
            for item in news {
                output.take(item);
            }
            for cycle in &ended {
                output.end(cycle);
            }
        });
    }
    if !rows.is_empty() {
        take(live, rows);
    }
}

fn take(live: Live, rows: Vec<crate::state::event::Event>) {
    let mut places = Vec::new();
    live.feed.update(|feed| {
        for row in rows {
            let (ledger, sequence) = (row.ledger.clone(), row.sequence);
            places.push((feed.take(row), ledger, sequence));
        }
    });
    live.seen.update(|seen| {
        for (taken, ledger, sequence) in &places {
            match taken {
                Taken::OtherLedger => seen.restart(ledger, *sequence),
                Taken::New | Taken::Repeated => seen.reach(ledger, *sequence),
            }
        }
    });
    for (_, ledger, _) in &places {
        live.note(ledger);
    }
}

/// A little chance, so that many tabs do not come at once.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a number from 0 to 1 times 255 is a byte"
)]
fn spread() -> u8 {
    (js_sys::Math::random() * 255.0) as u8
}
