//! One suite for every store: what the kernel promises, through its own front door.

use std::time::Duration;

use crate::counter::{Command, Counters, Event, Refused};
use crate::world::{Place, Totals, World, add, close, operator};
use vivarium_ledger::{Answer, Error, Ledger, Meta, Options, Request, Submission, View, chain};
use vivarium_types::{Clock as _, Timestamp};

crate::world::on_every_store!(
    an_answer_survives_a_restart,
    a_refused_command_fails_alone_and_leaves_no_row,
    a_panicking_decision_fails_alone,
    sixty_four_callers_repeating_one_request_get_one_effect,
    a_repeat_gets_the_first_answers_very_bytes,
    a_business_key_is_used_once_for_ever,
    time_makes_events_only_when_it_has_come,
    wall_time_never_falls_in_a_ledger,
    a_watch_ends_when_the_ledger_closes_and_hides_nothing,
    views_follow_the_log_and_are_rebuilt_when_their_version_changes,
    snapshot_and_tail_equal_a_full_replay,
    an_older_writer_is_fenced_off,
    a_full_inbox_answers_at_once,
    short_lives_take_a_snapshot_together,
);

fn request(id: &str, content: &str) -> Request {
    Request { method: "Test/Add", id: id.into(), digest: chain::digest(content.as_bytes()) }
}

async fn total(ledger: &Ledger<Counters>) -> i64 {
    let found = ledger.ask(|state| state.totals.get("a").copied().unwrap_or(0)).await;
    found.expect("the ledger is open")
}

async fn an_answer_survives_a_restart(mut world: World) {
    let (ledger, running) = world.open();
    let answer = ledger.submit(add(3)).await.expect("it is accepted");
    assert_eq!(answer.sequence, 1);
    close(ledger, running);
    let (ledger, running) = world.open();
    assert_eq!(total(&ledger).await, 3);
    assert_eq!(ledger.committed(), 1);
    close(ledger, running);
}

async fn a_refused_command_fails_alone_and_leaves_no_row(mut world: World) {
    let (ledger, running) = world.open();
    let (bad, good) = tokio::join!(ledger.submit(add(-1)), ledger.submit(add(2)));
    assert!(matches!(bad, Err(Error::Refused(Refused::Negative))));
    assert_eq!(good.expect("the good one is accepted").sequence, 1);
    close(ledger, running);
}

async fn a_panicking_decision_fails_alone(mut world: World) {
    let (ledger, running) = world.open();
    let planted = ledger.submit(Submission::new(operator(), Command::Panic)).await;
    assert!(matches!(planted, Err(Error::Fault)));
    ledger.submit(add(1)).await.expect("the writer lives on");
    close(ledger, running);
}

async fn sixty_four_callers_repeating_one_request_get_one_effect(mut world: World) {
    let (ledger, running) = world.open();
    let calls = (0..64).map(|_| ledger.submit(add(5).request(request("r1", "add 5"))));
    let answers: Vec<Answer> =
        futures::future::join_all(calls).await.into_iter().map(Result::unwrap).collect();
    assert!(answers.iter().all(|answer| answer.sequence == 1));
    assert_eq!(answers.iter().filter(|answer| !answer.repeated).count(), 1);
    assert_eq!(total(&ledger).await, 5);
    close(ledger, running);

    let (ledger, running) = world.open();
    let again = ledger.submit(add(5).request(request("r1", "add 5"))).await.expect("a repeat");
    assert!(again.repeated);
    let other = ledger.submit(add(6).request(request("r1", "add 6"))).await;
    assert!(matches!(other, Err(Error::RequestReused)));
    assert_eq!(total(&ledger).await, 5);
    close(ledger, running);
}

async fn a_repeat_gets_the_first_answers_very_bytes(mut world: World) {
    let (ledger, running) = world.open();
    let mint = || {
        Submission::new(operator(), Command::Mint)
            .request(request("m1", "mint"))
            .answering(|state: &Counters, _| state.notes.last().cloned().unwrap_or_default())
    };
    let first = ledger.submit(mint()).await.expect("it is accepted");
    ledger.submit(add(1)).await.expect("something else happens");
    let second = ledger.submit(mint()).await.expect("it is answered");
    assert_eq!(first.bytes, second.bytes);
    assert!(first.message::<String>().expect("a message").starts_with("tsk_"));
    close(ledger, running);
}

async fn a_business_key_is_used_once_for_ever(mut world: World) {
    let (ledger, running) = world.open();
    let claim = || ledger.submit(Submission::new(operator(), Command::Once { key: "k".into() }));
    let (one, two) = tokio::join!(claim(), claim());
    assert!(one.is_ok() != two.is_ok());
    close(ledger, running);
    let (ledger, running) = world.open();
    let command = Command::Once { key: "k".into() };
    let later = ledger.submit(Submission::new(operator(), command)).await;
    assert!(matches!(later, Err(Error::Refused(Refused::KeyUsed { by: 1 }))));
    close(ledger, running);
}

async fn time_makes_events_only_when_it_has_come(mut world: World) {
    let (ledger, running) = world.open();
    let due = world.clock.now() + Duration::from_secs(30);
    let set = Submission::new(operator(), Command::RingAt { due });
    ledger.submit(set).await.expect("it is accepted");
    world.clock.advance(Duration::from_secs(29));
    assert_eq!(ledger.ask(|state| state.rung).await.expect("open"), 0);
    world.clock.advance(Duration::from_secs(1));
    assert!(ledger.reached(2).await);
    assert_eq!(ledger.ask(|state| state.rung).await.expect("open"), 1);
    close(ledger, running);
}

async fn wall_time_never_falls_in_a_ledger(mut world: World) {
    let (ledger, running) = world.open();
    ledger.submit(add(1)).await.expect("it is accepted");
    world.clock.set(Timestamp::EPOCH);
    ledger.submit(add(1)).await.expect("it is accepted");
    let rows = ledger.reader().rows(0, 10).expect("rows can be read");
    assert!(rows[1].time >= rows[0].time);
    close(ledger, running);
}

async fn a_watch_ends_when_the_ledger_closes_and_hides_nothing(mut world: World) {
    let (ledger, running) = world.open();
    let mut watch = ledger.watch(0);
    ledger.submit(add(1)).await.expect("it is accepted");
    close(ledger, running);
    assert_eq!(watch.next().await.expect("the row is shown").expect("readable").len(), 1);
    assert!(watch.next().await.is_none());
}

async fn views_follow_the_log_and_are_rebuilt_when_their_version_changes(mut world: World) {
    struct Doubled;
    impl View<Counters> for Doubled {
        fn name(&self) -> &'static str {
            "totals"
        }
        fn version(&self) -> u32 {
            2
        }
        fn create(&self, db: &rusqlite::Connection) -> rusqlite::Result<()> {
            Totals.create(db)
        }
        fn project(
            &self,
            db: &rusqlite::Connection,
            event: &Event,
            meta: &Meta,
            texts: &dyn vivarium_ledger::view::TextLookup,
        ) -> rusqlite::Result<()> {
            Totals.project(db, event, meta, texts)?;
            Totals.project(db, event, meta, texts)
        }
    }
    let read = |db: &rusqlite::Connection| -> rusqlite::Result<i64> {
        db.query_row("SELECT total FROM totals WHERE name = 'a'", [], |row| row.get(0))
    };
    let (ledger, running) = world.open();
    ledger.submit(add(4)).await.expect("it is accepted");
    assert_eq!(ledger.view(read).await.expect("the view can be read"), 4);
    close(ledger, running);
    let (ledger, running) = world.open_viewing(Options::default(), Box::new(Doubled));
    assert_eq!(ledger.view(read).await.expect("the view can be read"), 8);
    close(ledger, running);
}

async fn snapshot_and_tail_equal_a_full_replay(mut world: World) {
    let options = Options { snapshot_every: 10, ..Options::default() };
    let (ledger, running) = world.open_with(options);
    for by in 0..57 {
        ledger.submit(add(by)).await.expect("it is accepted");
    }
    let live = ledger.ask(Clone::clone).await.expect("open");
    let half = ledger.as_of(30).await.expect("it replays");
    assert_eq!(half.last_sequence, 30);
    let reader = ledger.reader();
    close(ledger, running);
    let whole = vivarium_ledger::snapshot::replay::<Counters>(&*reader, None, u64::MAX);
    assert_eq!(whole.expect("it replays").state, live);
    let (ledger, running) = world.open();
    assert_eq!(ledger.ask(Clone::clone).await.expect("open"), live);
    close(ledger, running);
}

async fn an_older_writer_is_fenced_off(mut world: World) {
    let (old, old_running) = world.open();
    old.submit(add(1)).await.expect("it is accepted");
    let (new, new_running) = world.open();
    let late = old.submit(add(1)).await;
    assert!(matches!(late, Err(Error::Closed | Error::Store(_))), "{late:?}");
    assert!(old_running.join().is_err());
    assert_eq!(total(&new).await, 1);
    close(new, new_running);
}

async fn a_full_inbox_answers_at_once(mut world: World) {
    let options = Options { inbox: 1, ..Options::default() };
    let (ledger, running) = world.open_with(options);
    let calls = (0..200).map(|_| ledger.submit(add(1)));
    let answers = futures::future::join_all(calls).await;
    let full = answers.iter().filter(|a| matches!(a, Err(Error::Full))).count();
    let accepted = answers.iter().filter(|a| a.is_ok()).count();
    assert!(full > 0 && full + accepted == 200);
    assert_eq!(total(&ledger).await, i64::try_from(accepted).expect("it fits"));
    close(ledger, running);
}

async fn short_lives_take_a_snapshot_together(mut world: World) {
    for life in 1..=5_u64 {
        let options = Options { snapshot_every: 50, ..Options::default() };
        let (ledger, running) = world.open_with(options);
        for _ in 0..20 {
            ledger.submit(add(1)).await.expect("it is accepted");
        }
        close(ledger, running);
        let snapshot = world.snapshots().latest(u64::MAX).expect("readable");
        assert_eq!(snapshot.is_some(), life * 20 >= 50, "life {life}");
    }
}

#[tokio::test]
async fn an_idle_ledger_writes_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().join("counters.db-wal");
    let mut world = World::at(Place::Sqlite(folder));
    let (ledger, running) = world.open();
    ledger.submit(add(1)).await.expect("it is accepted");
    let before = std::fs::read(&path).expect("the write-ahead log is there");
    for _ in 0..1_000 {
        world.clock.advance(Duration::from_hours(1));
        ledger.ask(|_| ()).await.expect("open");
    }
    assert_eq!(std::fs::read(&path).expect("still there"), before);
    close(ledger, running);
}
