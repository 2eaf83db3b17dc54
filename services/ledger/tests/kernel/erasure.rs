//! What was erased is in no file: not in the log, not in a snapshot, not in the key file, and a copy
//! that someone kept cannot be opened.

use std::fs;
use std::path::{Path, PathBuf};

use crate::counter::Command;
use crate::world::{Place, World, add, close, operator};
use tokio_postgres::NoTls;
use vivarium_harness::postgres::Postgres as Server;
use vivarium_ledger::store::postgres::{Config, Postgres};
use vivarium_ledger::store::sqlite::Sqlite;
use vivarium_ledger::store::{Batch, Store as _};
use vivarium_ledger::{Options, Submission, TextRow, audit};
use vivarium_types::{IdSource, Timestamp};

const CANARY: &str = "canary-7f3a9c-in-the-coal-mine";
const PLAIN: &str = "open-canary-51b2e8-in-the-meadow";
/// A snapshot's bytes in front of its packed state.
const SNAPSHOT_HEADER: usize = 80;

/// Every file below `folder`.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder can be listed").flatten();
    let paths = entries.map(|entry| entry.path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn is_snapshot(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "snapshot")
}

/// Whether any file under `folder` holds `needle`, as it is or in a snapshot's packed state.
fn holds(folder: &Path, needle: &[u8]) -> bool {
    let finds = |bytes: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    files(folder).iter().any(|path| {
        let bytes = fs::read(path).unwrap_or_default();
        finds(&bytes) || is_snapshot(path) && finds(&unpacked(&bytes))
    })
}

fn unpacked(snapshot: &[u8]) -> Vec<u8> {
    let packed = &snapshot[SNAPSHOT_HEADER..];
    zstd::bulk::decompress(packed, 1 << 20).expect("a snapshot's state unpacks")
}

#[tokio::test]
async fn a_text_that_was_just_committed_and_erased_is_read_by_nobody() {
    let mut world = World::at(Place::Sqlite(tempfile::tempdir().expect("a folder can be made")));
    let (ledger, running) = world.open();
    let mut texts = ledger.texts();
    let [one, other] = ["one", "other"].map(|text| texts.plain(text));
    let note = Submission::new(operator(), Command::Note { text: one.clone() });
    ledger.submit(note.texts(texts.into_rows())).await.expect("it is accepted");
    assert_eq!(ledger.text(&one.id).await.expect("readable").as_deref(), Some("one"));
    ledger.submit(add(0).erasing(vec![one.id.clone()])).await.expect("it is accepted");
    assert_eq!(ledger.text(&one.id).await.expect("readable"), None);
    assert_eq!(ledger.text(&other.id).await.expect("readable").as_deref(), Some("other"));
    let both = ledger.read_texts(vec![one.id, other.id.clone()]).await.expect("readable");
    assert_eq!(both.into_keys().collect::<Vec<_>>(), [other.id]);
    close(ledger, running);
}

#[tokio::test]
async fn an_erased_text_is_in_no_file_and_the_chain_still_verifies() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().to_owned();
    let mut world = World::at(Place::Sqlite(folder));

    // Two texts are on disk, and so are snapshots of the state that names them.
    let (ledger, running) = world.open_with(Options { snapshot_every: 1, ..Options::default() });
    let mut texts = ledger.texts();
    let sealed = texts.sealed(&CANARY.repeat(40)).expect("it seals");
    let plain = texts.plain(&PLAIN.repeat(40));
    let rows = texts.into_rows();
    let sealed_bytes = rows[0].bytes[..24].to_vec();
    let note = |text| Submission::new(operator(), Command::Note { text });
    ledger.submit(note(sealed.clone()).texts(rows)).await.expect("it is accepted");
    ledger.submit(note(plain.clone())).await.expect("it is accepted");
    while files(&path).iter().filter(|path| is_snapshot(path)).count() < 2 {
        ledger.submit(add(1)).await.expect("it is accepted");
    }
    let read = ledger.text(&sealed.id).await.expect("readable");
    assert_eq!(read, Some(CANARY.repeat(40)));
    close(ledger, running);
    let snapshots: Vec<_> = files(&path).into_iter().filter(|path| is_snapshot(path)).collect();
    let named = |path: &PathBuf| {
        let state = unpacked(&fs::read(path).expect("it can be read"));
        state.windows(sealed.id.len()).any(|window| window == sealed.id.as_bytes())
    };
    assert!(!snapshots.is_empty() && snapshots.iter().all(named), "{snapshots:?}");
    let key = key_of(&path, &sealed.id);
    for there in [PLAIN.as_bytes(), &key, &sealed_bytes] {
        assert!(holds(&path, there), "it is on disk before the erasure");
    }
    assert!(!holds(&path, CANARY.as_bytes()), "the sealed text never is");
    let copies = tempfile::tempdir().expect("a temporary folder can be made");
    let copy = copies.path().join("counters.db");
    fs::copy(path.join("counters.db"), &copy).expect("the ledger can be copied");

    let (ledger, running) = world.open();
    let erase = add(0).erasing(vec![sealed.id.clone(), plain.id.clone()]);
    ledger.submit(erase).await.expect("it is accepted");
    assert_eq!(ledger.text(&sealed.id).await.expect("readable"), None);
    assert_eq!(ledger.text(&plain.id).await.expect("readable"), None);
    let nowhere = || {
        for gone in [PLAIN.as_bytes(), CANARY.as_bytes(), &key, &sealed_bytes] {
            assert!(!holds(&path, gone), "{:?} is still on disk", String::from_utf8_lossy(gone));
        }
        let searched = files(&path);
        for name in ["counters.db", "counters.keys"] {
            assert!(searched.contains(&path.join(name)), "{searched:?}");
        }
        assert!(snapshots.iter().all(|snapshot| searched.contains(snapshot)), "{searched:?}");
    };
    nowhere();
    let report = audit::verify(&*ledger.reader(), &[], &|_| true, &mut |_| {});
    let report = report.expect("the audit runs");
    assert_eq!((report.findings, report.texts_erased), (Vec::new(), 2));
    close(ledger, running);
    nowhere();

    let kept = Sqlite::read_only(&copy).text(&sealed.id).expect("readable");
    let kept = kept.expect("the copy has the sealed bytes");
    assert_eq!(world.keys.open(&sealed.id, &kept.bytes).expect("it can be asked"), None);
}

/// The key of a text, read from the key file as anybody can who may read it.
fn key_of(folder: &Path, id: &str) -> Vec<u8> {
    let keys = rusqlite::Connection::open(folder.join("counters.keys")).expect("it opens");
    keys.query_row("SELECT key FROM keys WHERE id = ?1", [id], |row| row.get(0)).expect("a key")
}

/// The tables' files alone: the write-ahead log keeps what it was told until its files are used
/// again, which the store's documentation says.
#[tokio::test]
async fn an_erased_text_is_in_no_table_of_a_server_whoever_looks_on() {
    let server = Server::start();
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let config: Config = server.connection().parse().expect("it reads");
    let mut store =
        Postgres::at(&config, "counters", &folder.path().join("views.db")).expect("it opens");
    let head = store.open(IdSource::seeded(1).mint(Timestamp::EPOCH)).expect("it opens");
    let tables = server.data().join("base");
    let on_disk = |needle: &str| {
        server.query("CHECKPOINT");
        holds(&tables, needle.as_bytes())
    };

    // One that lies in its row, and one so large that it lies beside the table.
    let large: Vec<u8> =
        (0..1_u32 << 16).flat_map(|at| at.wrapping_mul(0x9e37_79b9).to_be_bytes()).collect();
    let texts = [
        TextRow { id: "txt_1".into(), bytes: PLAIN.into(), sealed: false },
        TextRow { id: "txt_2".into(), bytes: [CANARY.as_bytes(), &large].concat(), sealed: true },
        TextRow { id: "txt_3".into(), bytes: b"a text that stays".into(), sealed: false },
    ];
    let batch = Batch { writer_epoch: head.writer_epoch, ..Batch::default() };
    store.append(&Batch { texts: &texts, ..batch }).expect("it is appended");
    assert!(on_disk(PLAIN) && on_disk(CANARY), "they are on disk before the erasure");

    // Somebody who still sees the world as it was: a backup, or a person at a console.
    let (client, connection) = config.connect(NoTls).await.expect("it connects");
    tokio::spawn(connection);
    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT * FROM counters.owner";
    client.batch_execute(begin).await.expect("it begins");

    let erasures = ["txt_1".to_owned(), "txt_2".to_owned()];
    let batch = Batch { writer_epoch: head.writer_epoch, ..Batch::default() };
    store.append(&Batch { erasures: &erasures, ..batch }).expect("it is appended");
    assert!(on_disk(PLAIN) && on_disk(CANARY), "a deleted row is still in its file");
    store.finish_erasures(&erasures).expect("it is finished");
    assert!(!on_disk(PLAIN) && !on_disk(CANARY), "erased texts are still on disk");
    assert!(on_disk("a text that stays"));
    client.batch_execute("COMMIT").await.expect("it ends");
}
