//! Older rows leave the hot file, and nobody who reads the ledger notices.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::counter::{Command, Counters};
use crate::world::{Totals, World, add, close, operator};
use vivarium_ledger::ledger::{ByHand, Running};
use vivarium_ledger::store::{self, Reader};
use vivarium_ledger::{Error, Ledger, Options, Retention, Row, Submission, View, audit, segment};
use vivarium_types::Reason;

crate::world::on_every_store!(
    what_has_left_the_hot_file_reads_as_before,
    a_watcher_from_the_first_row_sees_each_row_once,
    time_travel_and_read_models_go_back_behind_the_hot_file,
    a_business_key_stays_used_when_its_row_has_left,
    rows_that_are_young_or_few_stay,
    nothing_leaves_where_nothing_is_to_leave,
    texts_that_are_in_use_or_sealed_stay_and_others_leave,
    a_text_that_has_left_can_be_erased_for_good,
    a_text_that_is_erased_while_its_file_is_away_or_damaged_goes_when_it_is_back,
    a_text_that_is_erased_before_its_segment_closes_never_comes_into_one,
    a_crash_between_any_two_steps_loses_and_repeats_nothing,
    without_its_files_a_ledger_says_from_where_it_vouches,
    without_its_files_a_start_that_needs_them_is_refused_and_loses_nothing,
    rows_whose_file_is_not_as_it_was_closed_stay_and_so_does_all_that_is_newer,
);

/// Small enough that a test fills many segments.
pub(crate) const SMALL: Retention =
    Retention { keep_for: Duration::ZERO, keep_rows: 30, segment_rows: 50 };

pub(crate) fn options(retention: Retention) -> Options {
    Options { retention: Some(retention), snapshot_every: 40, ..Options::default() }
}

pub(crate) async fn adds(ledger: &Ledger<Counters>, count: u64) {
    let calls = (0..count).map(|_| ledger.submit(add(1)));
    for answer in futures::future::join_all(calls).await {
        answer.expect("it is accepted");
    }
}

pub(crate) async fn note(ledger: &Ledger<Counters>, words: &str) -> String {
    let mut texts = ledger.texts();
    let text = texts.plain(words);
    let id = text.id.clone();
    let noted = Submission::new(operator(), Command::Note { text }).texts(texts.into_rows());
    ledger.submit(noted).await.expect("it is accepted");
    id
}

async fn forget(ledger: &Ledger<Counters>) {
    let forget = Submission::new(operator(), Command::Forget);
    ledger.submit(forget).await.expect("it is accepted");
}

/// Waits until the hot file begins with this row or a later one.
pub(crate) async fn begins_at(ledger: &Ledger<Counters>, wanted: u64) {
    let reader = ledger.reader();
    while reader.hot_from().expect("readable") < wanted {
        ledger.ask(|_| ()).await.expect("the ledger is open");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// A ledger of which several segments have left the hot file.
async fn cut(world: &mut World) -> (Ledger<Counters>, Running) {
    let (ledger, running) = world.open_with(options(SMALL));
    for round in 0..8 {
        note(&ledger, &format!("note {round}")).await;
        adds(&ledger, 38).await;
        forget(&ledger).await;
    }
    begins_at(&ledger, 201).await;
    (ledger, running)
}

pub(crate) fn all(reader: &dyn Reader) -> Vec<Row> {
    reader.rows(0, usize::MAX).expect("readable")
}

fn sound(reader: &dyn Reader) -> audit::Report {
    let report = audit::verify(reader, &[], &|_| true, &mut |_| {}).expect("it can be walked");
    assert_eq!(report.findings, []);
    report
}

async fn what_has_left_the_hot_file_reads_as_before(mut world: World) {
    let (ledger, running) = world.open();
    adds(&ledger, 300).await;
    close(ledger, running);
    let before = all(&*world.reader());
    let (ledger, running) = world.open_with(options(SMALL));
    ledger.submit(add(1)).await.expect("it is accepted");
    begins_at(&ledger, 251).await;
    let reader = ledger.reader();
    assert_eq!(all(&*reader)[..300], before);
    for (after, limit) in
        [(0, 1), (0, 50), (49, 1), (49, 2), (10, 100), (249, 2), (250, 7), (120, 0)]
    {
        let rows = reader.rows(after, limit).expect("readable");
        let start = usize::try_from(after).expect("it fits");
        assert_eq!(rows, before[start..start + limit], "{limit} rows behind {after}");
    }
    let report = sound(&*reader);
    assert_eq!((report.vouched_from, report.rows), (1, ledger.committed()));
    assert!(report.segments >= 5, "{}", report.segments);
    assert!(reader.hot_rows(0, 1).expect("readable")[0].sequence >= 251);
    close(ledger, running);
    // And again behind a restart, by a reader of its own.
    let (ledger, running) = world.open();
    assert_eq!(all(&*world.reader())[..300], before);
    assert_eq!(ledger.ask(|state| state.totals["a"]).await.expect("open"), 301);
    close(ledger, running);
}

async fn a_watcher_from_the_first_row_sees_each_row_once(mut world: World) {
    let (ledger, running) = cut(&mut world).await;
    let mut watch = ledger.watch(0);
    let mut next = 1;
    while next <= ledger.committed() {
        for row in watch.next().await.expect("there are more").expect("readable") {
            assert_eq!(row.sequence, next);
            next += 1;
        }
    }
    close(ledger, running);
}

async fn time_travel_and_read_models_go_back_behind_the_hot_file(mut world: World) {
    struct Anew;
    impl View<Counters> for Anew {
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
            event: &crate::counter::Event,
            meta: &vivarium_ledger::Meta,
            texts: &dyn vivarium_ledger::view::TextLookup,
        ) -> rusqlite::Result<()> {
            Totals.project(db, event, meta, texts)
        }
    }
    let (ledger, running) = cut(&mut world).await;
    let half = ledger.as_of(41).await.expect("it replays");
    assert_eq!((half.last_sequence, half.totals["a"]), (41, 38));
    close(ledger, running);
    let (ledger, running) = world.open_viewing(options(SMALL), Box::new(Anew));
    let read = |db: &rusqlite::Connection| {
        db.query_row("SELECT total FROM totals WHERE name = 'a'", [], |row| row.get::<_, i64>(0))
    };
    assert_eq!(ledger.view(read).await.expect("the view can be read"), 8 * 38);
    close(ledger, running);
}

async fn a_business_key_stays_used_when_its_row_has_left(mut world: World) {
    let once = || Submission::new(operator(), Command::Once { key: "k".into() });
    let (ledger, running) = world.open_with(options(SMALL));
    ledger.submit(once()).await.expect("it is accepted");
    adds(&ledger, 120).await;
    begins_at(&ledger, 51).await;
    let again = ledger.submit(once()).await;
    let by = crate::counter::Refused::KeyUsed { by: 1 };
    assert!(matches!(again, Err(Error::Refused(refused)) if refused == by));
    close(ledger, running);
}

async fn rows_that_are_young_or_few_stay(mut world: World) {
    let keep = Retention { keep_for: Duration::from_hours(1), keep_rows: 60, segment_rows: 50 };
    let (ledger, running) = world.open_with(options(keep));
    adds(&ledger, 109).await;
    world.clock.advance(Duration::from_mins(59));
    ledger.submit(add(1)).await.expect("it is accepted");
    let reader = ledger.reader();
    // Enough rows for one segment, and none of them is old enough.
    for _ in 0..20 {
        ledger.ask(|_| ()).await.expect("open");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(reader.hot_from().expect("readable"), 1);
    world.clock.advance(Duration::from_mins(1));
    ledger.submit(add(1)).await.expect("it is accepted");
    begins_at(&ledger, 51).await;
    // The next segment would leave fewer than 60 rows.
    adds(&ledger, 40).await;
    assert_eq!(reader.hot_from().expect("readable"), 51);
    assert!(ledger.committed() - 50 >= 60);
    close(ledger, running);
}

async fn nothing_leaves_where_nothing_is_to_leave(mut world: World) {
    let (ledger, running) = world.open_with(Options { snapshot_every: 40, ..Options::default() });
    adds(&ledger, 400).await;
    let reader = ledger.reader();
    close(ledger, running);
    assert_eq!(reader.hot_from().expect("readable"), 1);
    assert_eq!(reader.segments().expect("readable"), []);
}

async fn texts_that_are_in_use_or_sealed_stay_and_others_leave(mut world: World) {
    let (ledger, running) = world.open_with(options(SMALL));
    let done = note(&ledger, "of what is over").await;
    forget(&ledger).await;
    let used = note(&ledger, "of what goes on").await;
    let mut texts = ledger.texts();
    let text = texts.sealed("private").expect("it seals");
    let sealed = text.id.clone();
    let noted = Submission::new(operator(), Command::Note { text }).texts(texts.into_rows());
    ledger.submit(noted).await.expect("it is accepted");
    adds(&ledger, 120).await;
    begins_at(&ledger, 51).await;
    let reader = ledger.reader();
    let hot = |id: &str| reader.hot_text(id).expect("readable").is_some();
    assert_eq!((hot(&done), hot(&used), hot(&sealed)), (false, true, true));
    for (id, words) in
        [(&done, "of what is over"), (&used, "of what goes on"), (&sealed, "private")]
    {
        assert_eq!(ledger.text(id).await.expect("readable").as_deref(), Some(words));
    }
    let report = sound(&*reader);
    assert_eq!((report.texts, report.texts_erased, report.texts_away), (3, 0, 0));
    close(ledger, running);
}

/// Everything that the segments' files hold, unpacked.
fn unpacked(reader: &dyn Reader) -> String {
    let files = reader.shelf().files();
    let names = files.names().expect("readable").into_iter();
    let texts = names.map(|name| {
        let packed = files.get(&name).expect("readable").expect("it is there");
        String::from_utf8(zstd::decode_all(&*packed).expect("it unpacks")).expect("it is text")
    });
    texts.collect()
}

async fn a_text_that_has_left_can_be_erased_for_good(mut world: World) {
    let (ledger, running) = world.open_with(options(SMALL));
    let (gone, kept) = (note(&ledger, "canary-1").await, note(&ledger, "canary-2").await);
    forget(&ledger).await;
    adds(&ledger, 120).await;
    begins_at(&ledger, 51).await;
    let reader = ledger.reader();
    // It was read before: what is kept of the file in memory must go as well.
    assert_eq!(ledger.text(&gone).await.expect("readable").as_deref(), Some("canary-1"));
    assert!(unpacked(&*reader).contains("canary-1"));
    ledger.submit(add(0).erasing(vec![gone.clone()])).await.expect("it is erased");
    assert_eq!(ledger.text(&gone).await.expect("readable"), None);
    assert_eq!(ledger.text(&kept).await.expect("readable").as_deref(), Some("canary-2"));
    let left = unpacked(&*reader);
    assert!(!left.contains("canary-1") && left.contains("canary-2"));
    let report = sound(&*reader);
    assert_eq!((report.texts, report.texts_erased), (1, 1));
    close(ledger, running);
}

async fn a_text_that_is_erased_while_its_file_is_away_or_damaged_goes_when_it_is_back(
    mut world: World,
) {
    for (number, damaged) in [(1, false), (2, true)] {
        let (ledger, running) = world.open_with(options(SMALL));
        let words = format!("canary-{number}");
        let gone = note(&ledger, &words).await;
        forget(&ledger).await;
        let behind = ledger.committed();
        adds(&ledger, 120).await;
        begins_at(&ledger, behind + 1).await;
        let reader = ledger.reader();
        let holds = |segment: &&segment::Segment| segment.last() >= behind;
        let segments = reader.segments().expect("readable");
        let name = segments.iter().find(holds).expect("one has its row").texts_file();
        let files = reader.shelf().files();
        let whole = files.get(&name).expect("readable").expect("it is there");
        if damaged {
            files.put(&name, &whole[..whole.len() / 2]).expect("it is written");
        } else {
            files.remove(&name).expect("it is removed");
        }
        // The caller is answered and everything goes on.
        ledger.submit(add(0).erasing(vec![gone.clone()])).await.expect("it is erased");
        ledger.submit(add(1)).await.expect("it is accepted");
        files.put(&name, &whole).expect("it is put back");
        assert_eq!(ledger.text(&gone).await.expect("readable"), None, "erased, wherever it lies");
        close(ledger, running);
        let (ledger, running) = world.open_with(options(SMALL));
        assert!(!unpacked(&*ledger.reader()).contains(&words));
        assert_eq!(ledger.text(&gone).await.expect("readable"), None);
        assert!(!ledger.reader().is_erasing(&gone).expect("readable"), "that was the last try");
        close(ledger, running);
    }
}

async fn a_text_that_is_erased_before_its_segment_closes_never_comes_into_one(mut world: World) {
    let (ledger, running) = world.open_with(options(SMALL));
    let mut ids = Vec::new();
    for round in 0..40 {
        ids.push(note(&ledger, &format!("canary-{round}")).await);
    }
    forget(&ledger).await;
    // Segments are being built while the texts go.
    for id in &ids {
        adds(&ledger, 4).await;
        ledger.submit(add(0).erasing(vec![id.clone()])).await.expect("it is erased");
    }
    begins_at(&ledger, 151).await;
    let reader = ledger.reader();
    for (id, round) in ids.iter().zip(0..) {
        assert_eq!(ledger.text(id).await.expect("readable"), None, "{round}");
    }
    let left = unpacked(&*reader);
    assert!(!left.contains("canary-"), "an erased text lies in a segment");
    assert_eq!(sound(&*reader).texts_erased, 40);
    close(ledger, running);
}

async fn a_crash_between_any_two_steps_loses_and_repeats_nothing(mut world: World) {
    let mut accepted = 0;
    let mut notes = BTreeSet::new();
    // Each life ends one turn later than the one before, wherever closing stands then.
    for life in 0..40_u32 {
        let (ledger, mut by_hand) = world.open_by_hand(options(SMALL));
        for turn in 0..=life % 13 {
            let mut texts = ledger.texts();
            let text = texts.plain(&format!("note {life} {turn}"));
            notes.insert(text.id.clone());
            let writing = Submission::new(operator(), Command::Note { text });
            let writing = writing.texts(texts.into_rows());
            let mut calls: Vec<_> = (0..8).map(|_| Box::pin(ledger.submit(add(1)))).collect();
            let mut noting = Box::pin(ledger.submit(writing));
            let mut forgetting =
                Box::pin(ledger.submit(Submission::new(operator(), Command::Forget)));
            for call in &mut calls {
                assert!(futures::poll!(call).is_pending());
            }
            assert!(futures::poll!(&mut noting).is_pending());
            assert!(futures::poll!(&mut forgetting).is_pending());
            by_hand.turn().expect("it commits");
            for call in calls {
                call.await.expect("it is accepted");
            }
            noting.await.expect("it is accepted");
            accepted += 8;
            if turn % 3 == 0 {
                // What is being built may be ready, half ready or not begun.
                tokio::time::sleep(Duration::from_millis(u64::from(life % 4))).await;
            }
        }
        drop((ledger, by_hand));
    }
    let (ledger, running) = world.open_with(options(SMALL));
    ledger.submit(add(1)).await.expect("it is accepted");
    begins_at(&ledger, 1_001).await;
    assert_eq!(ledger.ask(|state| state.totals["a"]).await.expect("open"), accepted + 1);
    let reader = ledger.reader();
    let report = sound(&*reader);
    assert_eq!((report.vouched_from, report.rows), (1, ledger.committed()));
    assert_eq!((report.texts, report.texts_erased), (notes.len() as u64, 0));
    let live = ledger.ask(Clone::clone).await.expect("open");
    let until = live.last_sequence;
    let whole = vivarium_ledger::snapshot::replay::<Counters>(&*reader, None, until);
    assert_eq!(whole.expect("it replays").state, live);
    close(ledger, running);
}

/// Takes the files of the `count` oldest segments away.
fn take_away(reader: &Arc<dyn Reader>, count: usize) -> Vec<(String, Vec<u8>)> {
    let files = reader.shelf().files();
    let segments = reader.segments().expect("readable");
    let names = segments[..count].iter().flat_map(|s| [s.note.file.clone(), s.texts_file()]);
    let mut taken = Vec::new();
    for name in names {
        if let Some(bytes) = files.get(&name).expect("readable") {
            files.remove(&name).expect("it is removed");
            taken.push((name, bytes));
        }
    }
    taken
}

async fn without_its_files_a_ledger_says_from_where_it_vouches(mut world: World) {
    let (ledger, running) = cut(&mut world).await;
    close(ledger, running);
    let reader = world.reader();
    let last = reader.head().expect("readable").sequence;
    let taken = take_away(&reader, 2);
    let report = sound(&*reader);
    assert_eq!((report.vouched_from, report.rows), (101, last));
    assert_eq!(report.away, ["1-50.jsonl.zst", "51-100.jsonl.zst"]);
    assert!(report.texts_away == 0, "the walk does not go there");
    let refused = reader.rows(0, 10).expect_err("they are away");
    assert_eq!(Reason::of(&refused), Some(Reason::LedgerSegmentAway));
    assert_eq!(
        refused.to_string(),
        "the file 1-50.jsonl.zst with rows 1 to 50 is not in its place"
    );
    assert_eq!(reader.rows(100, 10).expect("readable").len(), 10);
    // A start needs the snapshot and what is behind it, and everything goes on.
    let (ledger, running) = world.open_with(options(SMALL));
    ledger.submit(add(1)).await.expect("it is accepted");
    let mut watch = ledger.watch(0);
    let told = watch.next().await.expect("it answers").expect_err("they are away");
    assert_eq!(Reason::of(&told), Some(Reason::LedgerSegmentAway));
    assert!(ledger.as_of(10).await.is_err());
    // Put back, they read as before.
    for (name, bytes) in taken {
        reader.shelf().files().put(&name, &bytes).expect("it is kept");
    }
    assert_eq!(watch.next().await.expect("it answers").expect("readable")[0].sequence, 1);
    assert_eq!(sound(&*reader).vouched_from, 1);
    close(ledger, running);
}

async fn without_its_files_a_start_that_needs_them_is_refused_and_loses_nothing(mut world: World) {
    let (ledger, running) = cut(&mut world).await;
    close(ledger, running);
    let reader = world.reader();
    let taken = take_away(&reader, 1);
    let replayed = vivarium_ledger::snapshot::replay::<Counters>(&*reader, None, u64::MAX);
    let Err(refused) = replayed else { unreachable!("a state without its first rows") };
    assert_eq!(Reason::of(&refused), Some(Reason::LedgerSegmentAway));
    assert!(matches!(refused, store::Error::Away { first: 1, last: 50, .. }));
    for (name, bytes) in taken {
        reader.shelf().files().put(&name, &bytes).expect("it is kept");
    }
    let replayed = vivarium_ledger::snapshot::replay::<Counters>(&*reader, None, u64::MAX);
    assert_eq!(replayed.expect("it replays").state.totals["a"], 8 * 38);
}

async fn rows_whose_file_is_not_as_it_was_closed_stay_and_so_does_all_that_is_newer(
    mut world: World,
) {
    // This life ends behind the commit that closes the first segment: its rows have not left.
    let (ledger, mut by_hand) = world.open_by_hand(options(SMALL));
    let reader = ledger.reader();
    while reader.segments().expect("readable").is_empty() {
        turn_of(&ledger, &mut by_hand, 10).await;
    }
    assert_eq!(reader.hot_from().expect("readable"), 1);
    drop((ledger, by_hand));
    let name = reader.segments().expect("readable")[0].note.file.clone();
    let files = reader.shelf().files();
    let whole = files.get(&name).expect("readable").expect("it is there");
    files.put(&name, b"something else").expect("it is written");

    let (ledger, mut by_hand) = world.open_by_hand(options(SMALL));
    for _ in 0..100 {
        turn_of(&ledger, &mut by_hand, 10).await;
    }
    let reader = ledger.reader();
    let head = reader.head().expect("readable").sequence;
    assert!(head > 1_000, "many segments could have closed: {head}");
    assert_eq!(reader.hot_from().expect("readable"), 1, "the only good copy stays");
    assert_eq!(all(&*reader).len() as u64, head);
    drop((ledger, by_hand));

    reader.shelf().files().put(&name, &whole).expect("it is put back");
    let (ledger, running) = world.open_with(options(SMALL));
    ledger.submit(add(1)).await.expect("it is accepted");
    begins_at(&ledger, 501).await;
    assert_eq!(sound(&*ledger.reader()).vouched_from, 1);
    close(ledger, running);
}

/// One turn with so many commands, and a moment for what is built beside the writer.
async fn turn_of(ledger: &Ledger<Counters>, by_hand: &mut ByHand<Counters>, commands: usize) {
    let mut calls: Vec<_> = (0..commands).map(|_| Box::pin(ledger.submit(add(1)))).collect();
    for call in &mut calls {
        assert!(futures::poll!(call).is_pending());
    }
    by_hand.turn().expect("it commits");
    for call in calls {
        call.await.expect("it is accepted");
    }
    tokio::time::sleep(Duration::from_millis(2)).await;
}
