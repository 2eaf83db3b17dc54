//! A watcher that is cut off wherever it happens to be, and comes back, sees every event once.

use crate::counter::{Command, Counters};
use crate::world::{World, close, operator};
use futures::future::join_all;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{TestCaseResult, TestRunner};
use vivarium_ledger::{Ledger, Submission};

/// One connection of a watcher.
#[derive(Debug, Clone, Copy)]
struct Connection {
    /// Deliveries that it lives for.
    deliveries: usize,
    /// Rows of the last delivery that are missed with it.
    unread: usize,
    /// It is dropped in the middle of a wait, after so many turns of the runtime; `None`: it waits.
    patience: Option<usize>,
}

/// What a watcher does when nothing goes wrong; closes each round, so that it gets on.
const WHOLE: Connection = Connection { deliveries: 1, unread: 0, patience: None };

fn connections() -> impl Strategy<Value = Vec<Connection>> {
    let patience = prop_oneof![Just(None), (0..40_usize).prop_map(Some)];
    let connection = (1..4_usize, 0..80_usize, patience)
        .prop_map(|(deliveries, unread, patience)| Connection { deliveries, unread, patience });
    vec(connection, 1..30)
}

/// Watches until `last` was seen, over one connection after another.
async fn watch(ledger: &Ledger<Counters>, connections: &[Connection], last: u64) -> Vec<u64> {
    let mut seen: Vec<u64> = Vec::new();
    let mut round = connections.iter().chain([&WHOLE]).cycle();
    while seen.last().is_none_or(|sequence| *sequence < last) {
        let connection = round.next().expect("it goes round");
        let mut watch = ledger.watch(seen.last().copied().unwrap_or(0));
        for delivery in 1..=connection.deliveries {
            if seen.last() == Some(&last) {
                break;
            }
            let rows = tokio::select! {
                rows = watch.next() => rows.expect("open").expect("readable"),
                () = impatience(connection.patience) => break,
            };
            let missed = if delivery == connection.deliveries { connection.unread } else { 0 };
            let read = rows.len().saturating_sub(missed);
            seen.extend(rows.iter().take(read).map(|row| row.sequence));
        }
    }
    seen
}

async fn impatience(turns: Option<usize>) {
    let Some(turns) = turns else { return std::future::pending().await };
    for _ in 0..turns {
        tokio::task::yield_now().await;
    }
}

async fn write(ledger: &Ledger<Counters>, turns: &[usize]) {
    for turn in turns {
        let add = || Submission::new(operator(), Command::Add { name: "a".into(), by: 1 });
        let calls = (0..*turn).map(|_| ledger.submit(add()));
        for answer in join_all(calls).await {
            answer.expect("it is accepted");
        }
    }
}

/// Whatever the watchers do, on one store after the other's manner.
fn check(cases: u32, world: impl Fn() -> World) {
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let turns = || vec(1..60_usize, 1..10);
    let drawn = (vec(connections(), 1..4), turns(), turns());
    let case = |(watchers, before, meanwhile): (Vec<Vec<Connection>>, Vec<_>, Vec<_>)| {
        every_event_once(world(), &watchers, &before, &meanwhile)
    };
    let failed = TestRunner::new(config).run(&drawn, case).err();
    assert!(failed.is_none(), "{}", failed.expect("it is some"));
}

/// The first part comes from disk, because a restart empties the memory; the rest comes live.
fn every_event_once(
    mut world: World,
    watchers: &[Vec<Connection>],
    before: &[usize],
    meanwhile: &[usize],
) -> TestCaseResult {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime starts");
    let last = before.iter().chain(meanwhile).sum::<usize>() as u64;
    let (ledger, running) = world.open();
    runtime.block_on(write(&ledger, before));
    close(ledger, running);
    let (ledger, running) = world.open();
    let seen = runtime.block_on(async {
        let watching = watchers.iter().map(|cuts| watch(&ledger, cuts, last));
        tokio::join!(join_all(watching), write(&ledger, meanwhile)).0
    });
    close(ledger, running);
    for seen in seen {
        prop_assert_eq!(seen, (1..=last).collect::<Vec<u64>>());
    }
    Ok(())
}

#[test]
fn a_watcher_cut_off_at_random_sees_every_event_once() {
    check(16, World::memory);
}

#[test]
fn a_watcher_cut_off_at_random_sees_every_event_once_in_a_file() {
    check(16, World::sqlite);
}

#[test]
fn a_watcher_cut_off_at_random_sees_every_event_once_on_a_server() {
    check(4, World::postgres);
}
