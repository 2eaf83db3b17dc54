//! A ledger is carried from a file to a server and back, whole, and never over another one.

use std::path::Path;

use vivarium_ledger::store::carry::{self, Carried};
use vivarium_ledger::store::{self, Answered, Batch, Head, RequestKey, Store as _, TextRow};
use vivarium_ledger::{Checkpoint, Cursor, Hash, Row, audit, chain};
use vivarium_types::place::{Error, Place};
use vivarium_types::{IdSource, Reason, Timestamp};

use crate::places::{folder, own, place};
use crate::stores::desk::{NOON, ODD_WORDS};
use vivarium_harness::postgres::Postgres as Server;

/// More than goes over at once.
const ROWS: u64 = 1_203;

/// A ledger with something in each of its tables, and words that a careless store would change.
fn furnished(place: &Place) -> Head {
    let mut store = store::open(place).expect("it opens");
    let mut head = store.open(IdSource::seeded(9).mint(NOON)).expect("it has an owner");
    let rows: Vec<Row> = (1..=ROWS).map(|sequence| row(&mut head, sequence)).collect();
    let words = || ODD_WORDS.iter().enumerate();
    let texts = words().map(|(at, word)| TextRow {
        id: format!("txt_{at}{word}"),
        bytes: word.as_bytes().to_vec(),
        sealed: at % 2 == 0,
    });
    let texts: Vec<TextRow> = texts.collect();
    let claims: Vec<_> =
        words().map(|(at, word)| (format!("{word}:{at}"), at as u64 + 1)).collect();
    let answers: Vec<_> = words().map(|(at, word)| answer(at, word)).collect();
    let cursor = Cursor { ledger: Some(head.ledger), sequence: 5, hash: Hash([5; 32]) };
    let batch = Batch {
        expected_sequence: 0,
        writer_epoch: head.writer_epoch,
        time: NOON,
        rows: &rows,
        texts: &texts,
        claims: &claims,
        answers: &answers,
        cursors: &[("review".to_owned(), cursor)],
        checkpoints: &[("queue".to_owned(), checkpoint(&head))],
        ..Batch::default()
    };
    store.append(&batch).expect("it is appended");
    let erased = vec![texts[0].id.clone()];
    let erasing = Batch {
        expected_sequence: ROWS,
        writer_epoch: head.writer_epoch,
        time: NOON,
        erasures: &erased,
        ..Batch::default()
    };
    store.append(&erasing).expect("it is erased, and the erasure is not finished");
    for sequence in [7, 1_000, ROWS] {
        store.snapshots().put(sequence, &snapshot(sequence)).expect("it is kept");
    }
    head
}

fn row(head: &mut Head, sequence: u64) -> Row {
    let word = ODD_WORDS.iter().cycle().nth(usize::try_from(sequence).expect("it fits"));
    let word = *word.expect("there are words");
    let payload = format!("{{\"number\":{sequence}}}").into_bytes();
    let (actor, kind) = (format!("rule:{word}"), word.to_owned());
    let hash = Hash::default();
    let mut row = Row { sequence, time: NOON, actor, kind, schema: 3, payload, hash };
    row.hash = chain::link(head.hash, head.ledger, &row);
    (head.sequence, head.hash, head.time) = (sequence, row.hash, NOON);
    row
}

fn snapshot(sequence: u64) -> Vec<u8> {
    sequence.to_be_bytes().to_vec()
}

fn answer(at: usize, word: &str) -> (RequestKey, Answered) {
    let key = RequestKey {
        actor: word.to_owned(),
        method: format!("{at}"),
        request_id: format!("{word}{at}"),
    };
    let bytes = at.to_be_bytes().to_vec();
    (key, Answered { digest: chain::digest(&bytes), bytes, sequence: 1 })
}

fn checkpoint(head: &Head) -> Checkpoint {
    Checkpoint {
        ledger: head.ledger,
        sequence: 3,
        hash: Hash([3; 32]),
        time: NOON,
        key_id: "k".to_owned(),
        signature: vec![1, 2, 3],
    }
}

/// All of it is there.
fn is_whole(place: &Place, head: &Head) {
    let reader = store::reader(place).expect("it reads").expect("it is there");
    let found = reader.head().expect("it reads");
    assert_eq!((found.ledger, found.sequence, found.hash), (head.ledger, ROWS, head.hash));
    let report = audit::verify(&*reader, &[], &|_| true, &mut |_| {}).expect("it is walked");
    assert_eq!(report.findings, []);
    assert_eq!(reader.checkpoints().expect("it reads"), [("queue".into(), checkpoint(head))]);
    drop(reader);
    let mut store = store::open(place).expect("it opens");
    let opened = store.open(IdSource::seeded(1).mint(Timestamp::EPOCH)).expect("an owner");
    assert!(opened.writer_epoch > found.writer_epoch, "who was the owner is refused");
    for (at, word) in ODD_WORDS.iter().enumerate() {
        let text = store.reader().text(&format!("txt_{at}{word}")).expect("it reads");
        assert_eq!(text.map(|text| text.bytes), (at > 0).then(|| word.as_bytes().to_vec()));
        let claim = format!("{word}:{at}");
        let claimed = store.claimed(std::slice::from_ref(&claim)).expect("it reads");
        assert_eq!(claimed[&claim].sequence, at as u64 + 1);
        let (key, answered) = answer(at, word);
        assert_eq!(store.answered(&key).expect("it reads"), Some(answered));
    }
    assert_eq!(store.cursors().expect("it reads")["review"].sequence, 5);
    assert_eq!(store.pending_erasures().expect("it reads").len(), 1);
    let snapshots = store.snapshots();
    assert_eq!(snapshots.latest(u64::MAX).expect("it reads"), Some((ROWS, snapshot(ROWS))));
    assert_eq!(snapshots.latest(ROWS - 1).expect("it reads"), Some((1_000, snapshot(1_000))));
}

/// A ledger's two places.
fn places(folder: &Path) -> (Place, Place) {
    (place(folder, None), place(folder, Some(Server::shared())))
}

fn carry(from: &Place, to: &Place) -> Carried {
    carry::carry(from, to, &mut |_, _| {}).expect("it is carried").expect("there is one")
}

fn refused(outcome: Result<(), store::Error>) -> Reason {
    let error = outcome.expect_err("it is refused");
    Error::within(&error).expect("a person is told").reason()
}

#[test]
fn a_ledger_goes_to_a_server_and_back_whole() {
    let folder = folder();
    let (file, server) = places(folder.path());
    let head = furnished(&file);
    for (tag, from, to) in [("1", &file, &server), ("2", &server, &file)] {
        let carried = carry(from, to);
        assert_eq!((carried.head.sequence, carried.snapshots), (ROWS, 2));
        carry::settle(from, to, &carried, tag).expect("it takes its place");
        carry::tidy(to).expect("it is tidied");
        carry::put_aside(from, tag).expect("it is put aside").expect("there was one");
        assert_eq!(store::look(from).expect("it can be looked at"), None);
        is_whole(to, &head);
    }
}

#[test]
fn what_was_written_behind_the_copy_stops_the_move() {
    let folder = folder();
    let (file, server) = places(folder.path());
    furnished(&file);
    let carried = carry(&file, &server);
    own(&file);
    assert_eq!(refused(carry::settle(&file, &server, &carried, "1")), Reason::StoreOwned);
    assert_eq!(store::look(&server).expect("it can be looked at"), None);
    // Said again, it begins with a fresh copy.
    let carried = carry(&file, &server);
    carry::settle(&file, &server, &carried, "1").expect("it takes its place");
}

#[test]
fn an_earlier_state_of_the_same_ledger_is_put_aside_and_another_ledger_is_not() {
    let folder = folder();
    let (file, server) = places(folder.path());
    let head = furnished(&file);
    let carried = carry(&file, &server);
    carry::settle(&file, &server, &carried, "1").expect("it takes its place");
    // The settings were not switched over, and the move is begun again.
    let carried = carry(&file, &server);
    carry::settle(&file, &server, &carried, "2").expect("it takes its place");
    is_whole(&server, &head);

    let folder = crate::places::folder();
    let other = place(folder.path(), None);
    own(&other);
    assert_eq!(refused(carry::may_carry(&other, &server)), Reason::StoreOccupied);
    let outcome = carry::carry(&other, &server, &mut |_, _| {}).map(drop);
    assert_eq!(refused(outcome), Reason::StoreOccupied);
    is_whole(&server, &head);
}
