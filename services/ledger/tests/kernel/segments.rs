//! Segment files that were tampered with are named, and the hot file stops growing.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::counter::Counters;
use crate::places::{folder, place};
use crate::retention::{SMALL, adds, all, begins_at, note, options};
use crate::world::{Place, Totals, World, add, close, operator};
use vivarium_harness::postgres::Postgres as Server;
use vivarium_ledger::audit::{self, Finding, Report, Witness};
use vivarium_ledger::chain::Broken;
use vivarium_ledger::store::sqlite::Sqlite;
use vivarium_ledger::store::{self, carry};
use vivarium_ledger::writer::Parts;
use vivarium_ledger::{Checkpoint, Hash, Ledger, Retention, Submission};
use vivarium_types::{IdSource, ManualClock};

/// A closed ledger, most of which lies in five segments or more.
struct Victim {
    _world: World,
    file: PathBuf,
}

impl Victim {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let file = folder.path().join("counters.db");
        let mut world = World::at(Place::Sqlite(folder));
        let (ledger, running) = world.open_with(options(SMALL));
        adds(&ledger, 49).await;
        note(&ledger, "a note").await;
        forget(&ledger).await;
        // Enough for five segments, and not for six.
        adds(&ledger, 260).await;
        begins_at(&ledger, 251).await;
        close(ledger, running);
        Self { _world: world, file }
    }

    fn segment(&self, name: &str) -> PathBuf {
        self.file.with_extension("segments").join(name)
    }

    fn sql(&self, statement: &str) {
        let connection = rusqlite::Connection::open(&self.file).expect("it opens");
        connection.execute_batch(statement).expect("it is done");
    }

    fn audit_with(&self, witnesses: &[Witness]) -> Report {
        let reader = Sqlite::read_only(&self.file);
        audit::verify(&*reader, witnesses, &|_| true, &mut |_| {}).expect("it can be walked")
    }

    fn audit(&self) -> Report {
        self.audit_with(&[])
    }

    fn findings(&self) -> Vec<Finding> {
        self.audit().findings
    }
}

async fn forget(ledger: &Ledger<Counters>) {
    let forget = Submission::new(operator(), crate::counter::Command::Forget);
    ledger.submit(forget).await.expect("it is accepted");
}

fn changed(first: u64) -> Finding {
    let last = first + 49;
    Finding::SegmentChanged { file: format!("{first}-{last}.jsonl.zst"), first, last }
}

fn missing(file: &str, first: u64) -> Finding {
    Finding::SegmentMissing { file: file.into(), first, last: first + 49 }
}

fn rewritten(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).expect("it is there");
    change(&mut bytes);
    fs::write(path, bytes).expect("it is written");
}

#[tokio::test]
async fn an_untouched_ledger_of_segments_is_sound() {
    let report = Victim::new().await.audit();
    assert_eq!(report.findings, []);
    assert!(report.segments >= 5 && report.away.is_empty(), "{report:?}");
    assert_eq!((report.vouched_from, report.texts, report.texts_erased), (1, 1, 0));
}

#[tokio::test]
async fn a_flipped_byte_a_cut_and_a_swap_of_segment_files_are_named() {
    let victim = Victim::new().await;
    let (third, fourth) =
        (victim.segment("101-150.jsonl.zst"), victim.segment("151-200.jsonl.zst"));
    let kept = fs::read(&third).expect("it is there");
    for at in [0, kept.len() / 2, kept.len() - 1] {
        rewritten(&third, |bytes| bytes[at] ^= 1);
        assert_eq!(victim.findings(), [changed(101)], "byte {at}");
        fs::write(&third, &kept).expect("it is written");
    }
    rewritten(&third, |bytes| bytes.truncate(bytes.len() - 1));
    assert_eq!(victim.findings(), [changed(101)]);
    fs::write(&third, fs::read(&fourth).expect("it is there")).expect("it is written");
    fs::write(&fourth, &kept).expect("it is written");
    assert_eq!(victim.findings(), [changed(101), changed(151)]);
    // The bytes differ and the rows are the same: it is not the file that was closed.
    let other = zstd::bulk::compress(&zstd::decode_all(&*kept).expect("it unpacks"), 1);
    fs::write(&third, other.expect("it packs")).expect("it is written");
    assert!(victim.findings().contains(&changed(101)));
}

#[tokio::test]
async fn a_missing_segment_file_is_named_unless_all_older_ones_were_taken_away_too() {
    let victim = Victim::new().await;
    fs::remove_file(victim.segment("101-150.jsonl.zst")).expect("it is removed");
    assert_eq!(victim.findings(), [missing("101-150.jsonl.zst", 101)]);
    fs::remove_file(victim.segment("1-50.jsonl.zst")).expect("it is removed");
    let report = victim.audit();
    assert_eq!(
        (report.vouched_from, report.findings),
        (51, vec![missing("101-150.jsonl.zst", 101)])
    );
    fs::remove_file(victim.segment("51-100.jsonl.zst")).expect("it is removed");
    let report = victim.audit();
    assert_eq!((report.vouched_from, report.findings), (151, vec![]));
    assert_eq!(report.away, ["1-50.jsonl.zst", "51-100.jsonl.zst", "101-150.jsonl.zst"]);
}

#[tokio::test]
async fn missing_and_changed_texts_beside_a_segment_are_named() {
    let victim = Victim::new().await;
    let file = victim.segment("1-50.texts.zst");
    let kept = fs::read(&file).expect("it is there");
    let plain = String::from_utf8(zstd::decode_all(&*kept).expect("it unpacks")).expect("text");
    let other = plain.replace("a note", "b note");
    assert_ne!(other, plain);
    let other = zstd::bulk::compress(other.as_bytes(), 1).expect("it packs");
    fs::write(&file, other).expect("it is written");
    assert!(matches!(victim.findings()[..], [Finding::Text { sequence: 50, .. }]));
    rewritten(&file, |bytes| bytes.truncate(9));
    let damaged = Finding::SegmentChanged { file: "1-50.texts.zst".into(), first: 1, last: 50 };
    assert_eq!(victim.findings()[0], damaged);
    fs::remove_file(&file).expect("it is removed");
    assert_eq!(victim.findings(), [missing("1-50.texts.zst", 1)]);
    assert_eq!(victim.audit().texts_away, 1);
}

#[tokio::test]
async fn a_ledger_that_was_made_to_fit_another_segment_file_is_found_by_the_event() {
    let victim = Victim::new().await;
    // Another file with rows that continue their own chain, and its digest where ours stood.
    let third = victim.segment("101-150.jsonl.zst");
    let mut rows = vivarium_ledger::segment::unpack_rows(&fs::read(&third).expect("it is there"))
        .expect("it unpacks");
    rows[20].actor = "operator:another".into();
    let file = vivarium_ledger::segment::pack_rows(&rows).expect("it packs");
    fs::write(&third, &file).expect("it is written");
    let digest = vivarium_ledger::chain::digest(&file);
    victim.sql(&format!("UPDATE segments SET file_hash = x'{digest}' WHERE first = 101"));
    assert_eq!(victim.findings()[0], Finding::Chain(Broken::Hash { sequence: 121 }));

    let victim = Victim::new().await;
    victim.sql("UPDATE segments SET bytes = bytes + 1 WHERE first = 101");
    assert_eq!(victim.findings(), [Finding::SegmentForged { first: 101, last: 150 }]);

    // What vouches for a file that is away is the hash that its event names.
    let victim = Victim::new().await;
    fs::remove_file(victim.segment("1-50.jsonl.zst")).expect("it is removed");
    victim.sql("UPDATE segments SET last_hash = zeroblob(32) WHERE first = 1");
    assert_eq!(victim.findings(), [Finding::Chain(Broken::Hash { sequence: 51 })]);
}

#[tokio::test]
async fn a_hot_file_that_was_cut_without_a_segment_is_found() {
    let victim = Victim::new().await;
    victim.sql("DELETE FROM segments");
    let order = Finding::Chain(Broken::Order { sequence: 251, wanted: 1 });
    assert_eq!(victim.findings()[0], order);
    let victim = Victim::new().await;
    victim.sql("DELETE FROM events WHERE sequence <= 260");
    let order = Finding::Chain(Broken::Order { sequence: 261, wanted: 251 });
    assert_eq!(victim.findings(), [order]);
}

#[tokio::test]
async fn what_peers_remember_is_compared_where_it_can_be() {
    let victim = Victim::new().await;
    let reader = Sqlite::read_only(&victim.file);
    let (rows, head) = (all(&*reader), reader.head().expect("it has a head"));
    let remembers = |sequence: u64, hash: Hash| Witness {
        peer: format!("peer-{sequence}"),
        checkpoint: Checkpoint {
            ledger: head.ledger,
            sequence,
            hash,
            time: head.time,
            key_id: "test".into(),
            signature: Vec::new(),
        },
    };
    let hash = |sequence: usize| rows[sequence - 1].hash;
    let true_words =
        [remembers(10, hash(10)), remembers(100, hash(100)), remembers(130, hash(130))];
    let false_words = [remembers(10, hash(9)), remembers(100, hash(9)), remembers(130, hash(9))];
    let named = |witnesses: &[Witness]| -> Vec<u64> {
        let sequence = |finding: Finding| {
            let Finding::Rewritten { sequence, .. } = finding else { unreachable!("{finding}") };
            sequence
        };
        victim.audit_with(witnesses).findings.into_iter().map(sequence).collect()
    };
    assert_eq!((named(&true_words), named(&false_words)), (vec![], vec![10, 100, 130]));
    for name in ["1-50.jsonl.zst", "51-100.jsonl.zst"] {
        fs::remove_file(victim.segment(name)).expect("it is removed");
    }
    // Of row 10 nothing is known any more; of row 100 its event still knows the hash.
    assert_eq!((named(&true_words), named(&false_words)), (vec![], vec![100, 130]));
}

/// A ledger of counters in its place, of which the older rows leave.
fn opened(place: &vivarium_types::Place) -> (Ledger<Counters>, vivarium_ledger::ledger::Running) {
    let parts = Parts {
        clock: Arc::new(ManualClock::default()),
        ids: IdSource::seeded(3),
        views: vec![Box::new(Totals)],
        keys: None,
    };
    let store = store::open(place).expect("it opens");
    Ledger::open(store, parts, None, options(SMALL), Arc::new(|_| {})).expect("it opens")
}

#[tokio::test]
async fn a_ledger_that_was_cut_is_carried_with_its_segments() {
    let folder = folder();
    let (file, server) = (place(folder.path(), None), place(folder.path(), Some(Server::shared())));
    let (ledger, running) = opened(&file);
    let text = note(&ledger, "a note").await;
    forget(&ledger).await;
    adds(&ledger, 200).await;
    begins_at(&ledger, 101).await;
    close(ledger, running);
    let reader = |place| store::reader(place).expect("it reads").expect("it is there");
    let (before, segments) = (all(&*reader(&file)), reader(&file).segments().expect("readable"));
    for (tag, from, to) in [("1", &file, &server), ("2", &server, &file)] {
        let carried = carry::carry(from, to, &mut |_, _| {}).expect("it is carried");
        let carried = carried.expect("there is one");
        // The rows of each segment, and the texts of the first.
        assert_eq!(carried.segment_files as usize, segments.len() + 1);
        carry::settle(from, to, &carried, tag).expect("it takes its place");
        carry::tidy(to).expect("it is tidied");
        carry::put_aside(from, tag).expect("it is put aside").expect("there was one");
        let there = reader(to);
        assert_eq!(
            (all(&*there), there.segments().expect("readable")),
            (before.clone(), segments.clone())
        );
        assert_eq!(there.text(&text).expect("readable").expect("it is there").bytes, b"a note");
        let report = audit::verify(&*there, &[], &|_| true, &mut |_| {}).expect("it is walked");
        assert_eq!((report.findings, report.vouched_from), (vec![], 1));
    }
    // And older rows leave it where it lies now.
    let (ledger, running) = opened(&file);
    adds(&ledger, 100).await;
    begins_at(&ledger, 201).await;
    assert_eq!(all(&*ledger.reader())[..before.len()], before);
    close(ledger, running);
}

/// Bytes of the hot file and of the segments' files.
fn sizes(file: &Path) -> (u64, u64) {
    let busy = rusqlite::Connection::open(file)
        .and_then(|db| db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(0)));
    assert_eq!(busy, Ok(0));
    let entries = fs::read_dir(file.with_extension("segments")).into_iter().flatten().flatten();
    let segments = entries.map(|entry| entry.metadata().expect("readable").len()).sum();
    (fs::metadata(file).expect("it is there").len(), segments)
}

#[tokio::test]
async fn the_hot_file_stops_growing() {
    const ROUNDS: usize = 12;
    const ROWS: u64 = 2_000;
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let file = folder.path().join("counters.db");
    let mut world = World::at(Place::Sqlite(folder));
    let keep =
        Retention { keep_for: std::time::Duration::ZERO, keep_rows: 1_000, segment_rows: 1_000 };
    let mut options = options(keep);
    options.snapshot_every = 1_000;
    let (ledger, running) = world.open_with(options);
    let mut told = Vec::new();
    for round in 1..=ROUNDS {
        for words in 0..100 {
            note(&ledger, &format!("{round} {words} {}", "words ".repeat(50))).await;
        }
        forget(&ledger).await;
        adds(&ledger, ROWS - 101).await;
        // All that may leave.
        begins_at(&ledger, (ledger.committed() - 1_000) / 1_000 * 1_000 + 1).await;
        ledger.submit(add(0)).await.expect("it is accepted");
        told.push(sizes(&file));
    }
    close(ledger, running);
    let per_row = |bytes: u64, rounds: usize| bytes / (ROWS * rounds as u64);
    let ((first, _), (last, segments)) = (told[0], told[ROUNDS - 1]);
    println!(
        "hot file: {first} bytes behind round 1, {last} behind round {ROUNDS}; \
         a row: {} bytes hot, {} in a segment",
        per_row(first, 1),
        per_row(segments, ROUNDS - 1)
    );
    let early = told[ROUNDS / 3].0;
    assert!(told[ROUNDS / 3..].iter().all(|(hot, _)| *hot <= early + early / 2), "{told:?}");
    assert!(last < first * 3, "{told:?}");
    assert!(per_row(segments, ROUNDS - 1) * 3 < per_row(first, 1), "{told:?}");
}
