//! Following: each row of a peer has its effect exactly once, whatever is cut short.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::counter::{self, Command, Counters};
use async_trait::async_trait;
use futures::StreamExt as _;
use vivarium_ledger::cursor::{Ended, follow};
use vivarium_ledger::ledger::Running;
use vivarium_ledger::store::memory::Memory;
use vivarium_ledger::writer::Parts;
use vivarium_ledger::{
    Handler, Ledger, Options, Reaction, Row, Signer, Submission, Trouble, audit,
};
use vivarium_types::source::{Cursor, Deliveries, Fault, Source};
use vivarium_types::{Actor, IdSource, ManualClock};

struct Names;

impl Signer for Names {
    fn key_id(&self) -> String {
        "test".into()
    }
    fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        bytes.iter().rev().copied().collect()
    }
}

fn open(memory: &Memory, seed: u64) -> (Ledger<Counters>, Running) {
    let parts = Parts {
        clock: Arc::new(ManualClock::default()),
        ids: IdSource::seeded(seed),
        views: Vec::new(),
        keys: None,
    };
    let signer: Arc<dyn Signer> = Arc::new(Names);
    Ledger::open(memory.handle(), parts, Some(signer), Options::default(), Arc::new(|_| {}))
        .expect("a ledger opens")
}

async fn add(ledger: &Ledger<Counters>, name: &str, by: i64) {
    let command = Command::Add { name: name.into(), by };
    let actor = Actor::Operator("test".into());
    ledger.submit(Submission::new(actor, command)).await.expect("it is accepted");
}

/// Adds up what the peer adds up; a name decides what else happens.
#[derive(Default)]
struct Mirror {
    troubles: AtomicU32,
}

#[async_trait]
impl Handler<Counters> for Mirror {
    fn concerns(&self, _kind: &str) -> bool {
        true
    }

    async fn react(&self, row: &Row) -> Result<Reaction<Counters>, Trouble> {
        let wire: counter::Wire = serde_json::from_slice(&row.payload).expect("it reads");
        let by = match wire.name.as_str() {
            "skip" => return Ok(Reaction::Nothing),
            "refuse" => -1,
            "park" => return Err(Trouble::Permanent("no such body".into())),
            "flaky" if self.troubles.fetch_add(1, Ordering::SeqCst) < 3 => {
                return Err(Trouble::Unavailable("not now".into()));
            }
            _ => wire.by,
        };
        let command = Command::Add { name: wire.name, by };
        Ok(Reaction::command(Actor::service("peer"), command))
    }
}

/// The same peer under the same name, without breaks.
struct Whole(Ledger<Counters>);

impl Source for Whole {
    fn name(&self) -> &'static str {
        "peer"
    }
    fn follow(&self, cursor: Cursor) -> Deliveries {
        self.0.follow(cursor)
    }
}

/// A source that breaks off after every third delivery.
struct Breaking(Ledger<Counters>);

impl Source for Breaking {
    fn name(&self) -> &'static str {
        "peer"
    }
    fn follow(&self, cursor: Cursor) -> Deliveries {
        let broken = futures::stream::once(async { Err(Fault::Unavailable("cut".into())) });
        Box::pin(self.0.follow(cursor).take(3).chain(broken))
    }
}

#[tokio::test]
async fn each_row_of_a_peer_has_its_effect_once_across_breaks_and_restarts() {
    let (peer, _peer_running) = open(&Memory::default(), 1);
    let own = Memory::default();
    for round in 0..5_u64 {
        let (ledger, running) = open(&own, 10 + round);
        let source = Arc::new(Breaking(peer.clone()));
        let following = tokio::spawn(follow(ledger.clone(), source, Mirror::default()));
        for _ in 0..40 {
            add(&peer, "a", 1).await;
        }
        // The follower is cut off wherever it happens to be, then the process with it.
        let target = i64::try_from(round * 40 + 7).expect("small");
        while total(&ledger, "a").await < target {
            tokio::task::yield_now().await;
        }
        following.abort();
        ledger.close();
        running.join().expect("the writer ends well");
    }
    let (ledger, _running) = open(&own, 99);
    let whole = Arc::new(Whole(peer.clone()));
    let last = tokio::spawn(follow(ledger.clone(), whole, Mirror::default()));
    while total(&ledger, "a").await < 200 {
        tokio::task::yield_now().await;
    }
    add(&peer, "b", 1).await;
    while total(&ledger, "b").await < 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(total(&ledger, "a").await, 200);
    last.abort();
}

async fn total(ledger: &Ledger<Counters>, name: &'static str) -> i64 {
    let found = ledger.ask(move |state| state.totals.get(name).copied().unwrap_or(0)).await;
    found.expect("the ledger is open")
}

#[tokio::test]
async fn what_does_not_fit_is_ignored_or_parked_and_the_cursor_moves_on() {
    let (peer, _peer_running) = open(&Memory::default(), 1);
    let (ledger, running) = open(&Memory::default(), 2);
    for name in ["refuse", "park", "flaky", "skip", "a"] {
        add(&peer, name, 1).await;
    }
    let task = tokio::spawn(follow(ledger.clone(), Arc::new(peer.clone()), Mirror::default()));
    while total(&ledger, "a").await < 1 {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    let state = ledger.ask(Clone::clone).await.expect("open");
    assert_eq!(state.ignored, ["NEGATIVE"]);
    assert_eq!(state.parked, ["no such body"]);
    assert_eq!(state.totals["flaky"], 1);
    assert!(!state.totals.contains_key("skip"));
    ledger.close();
    running.join().expect("the writer ends well");
    assert!(!task.is_finished() || task.await.expect("no panic") == Ended::Closed);
}

/// Is the quicker about a row the later it comes.
struct Uneven;

#[async_trait]
impl Handler<Counters> for Uneven {
    fn concerns(&self, kind: &str) -> bool {
        kind == "added"
    }

    async fn react(&self, row: &Row) -> Result<Reaction<Counters>, Trouble> {
        let wire: counter::Wire = serde_json::from_slice(&row.payload).expect("it reads");
        let wait = 40_u64.saturating_sub(row.sequence) / 2;
        tokio::time::sleep(std::time::Duration::from_millis(wait)).await;
        let command = Command::Add { name: wire.name, by: wire.by };
        Ok(Reaction::command(Actor::service("peer"), command))
    }
}

#[tokio::test]
async fn effects_keep_the_order_of_their_rows_however_long_each_is_looked_at() {
    let (peer, _peer_running) = open(&Memory::default(), 1);
    let (ledger, _running) = open(&Memory::default(), 2);
    let names: Vec<String> = (0..40).map(|number| format!("n{number}")).collect();
    for name in &names {
        add(&peer, name, 1).await;
    }
    let task = tokio::spawn(follow(ledger.clone(), Arc::new(peer.clone()), Uneven));
    while ledger.committed() < 40 {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    let rows = ledger.reader().rows(0, 100).expect("they can be read");
    let name = |row: &Row| {
        let wire: counter::Wire = serde_json::from_slice(&row.payload).expect("it reads");
        wire.name
    };
    assert_eq!(rows.iter().map(name).collect::<Vec<_>>(), names);
    task.abort();
}

#[tokio::test]
async fn another_log_under_the_same_name_stops_the_follower() {
    let (peer, _peer_running) = open(&Memory::default(), 1);
    let (ledger, _running) = open(&Memory::default(), 2);
    add(&peer, "a", 1).await;
    let task = tokio::spawn(follow(ledger.clone(), Arc::new(peer.clone()), Mirror::default()));
    while total(&ledger, "a").await < 1 {
        tokio::task::yield_now().await;
    }
    // The effect is visible to `ask` a moment before the follower has confirmed the delivery.
    while ledger.committed() < 1 {
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    task.abort();
    drop(task.await);
    let (other, _other_running) = open(&Memory::default(), 3);
    add(&other, "a", 1).await;
    let ended = follow(ledger.clone(), Arc::new(other), Mirror::default()).await;
    assert_eq!(ended, Ended::Diverged);
}

#[tokio::test]
async fn a_cut_tail_is_found_through_the_peers_checkpoint() {
    let peer_place = Memory::default();
    let (peer, peer_running) = open(&peer_place, 1);
    let own = Memory::default();
    let (ledger, running) = open(&own, 2);
    for _ in 0..5 {
        add(&peer, "a", 1).await;
    }
    let task = tokio::spawn(follow(ledger.clone(), Arc::new(peer.clone()), Mirror::default()));
    while total(&ledger, "a").await < 5 {
        tokio::task::yield_now().await;
    }
    ledger.close();
    running.join().expect("the writer ends well");
    task.abort();
    let kept = ledger.reader().checkpoints().expect("they can be read");
    let checkpoint = kept.into_iter().next().expect("one peer is followed").1;
    assert_eq!(checkpoint.sequence, 5);
    let witness = |checkpoint| audit::Witness { peer: "mirror".into(), checkpoint };
    let check = |ledger: &Ledger<Counters>, checkpoint: &vivarium_ledger::Checkpoint| {
        let signed = |_: &vivarium_ledger::Checkpoint| true;
        audit::verify(&*ledger.reader(), &[witness(checkpoint.clone())], &signed, &mut |_| {})
            .expect("the audit runs")
            .findings
    };
    assert_eq!(check(&peer, &checkpoint), []);
    let beyond = vivarium_ledger::Checkpoint { sequence: 6, ..checkpoint.clone() };
    let cut = audit::Finding::TailCut { peer: "mirror".into(), sequence: 6, last: 5 };
    assert_eq!(check(&peer, &beyond), [cut]);
    let mut other = checkpoint;
    other.hash.0[0] ^= 1;
    let rewritten = audit::Finding::Rewritten { peer: "mirror".into(), sequence: 5 };
    assert_eq!(check(&peer, &other), [rewritten]);
    peer.close();
    peer_running.join().expect("the writer ends well");
}
