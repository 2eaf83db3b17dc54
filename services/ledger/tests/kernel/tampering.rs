//! One flipped byte in 100,000 events is named by its sequence, through SQL and on the bare disk.

use std::fs::{self, File, OpenOptions};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use crate::counter::{Command, Counters};
use crate::world::{Place, World, close};
use futures::future::join_all;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use rusqlite::types::Value;
use rusqlite::{Connection, params};
use vivarium_ledger::audit::{self, Finding, Report, Witness};
use vivarium_ledger::chain::Broken;
use vivarium_ledger::store::sqlite::Sqlite;
use vivarium_ledger::{Checkpoint, Ledger, Options, Submission};
use vivarium_types::Actor;

const EVENTS: u64 = 100_000;
/// Commands at once.
const TOGETHER: u64 = 4_000;
/// Of a row's record on disk, the bytes in front of its content that say how to read it (from the
/// time's type on; in front of that stands what SQLite ignores in a row with a number as its key).
const RECORD_HEAD: usize = 6;

/// The file of a closed ledger, and what its head was.
struct Victim {
    file: PathBuf,
    head: Checkpoint,
}

fn build(folder: tempfile::TempDir) -> (World, Victim) {
    let file = folder.path().join("counters.db");
    let mut world = World::at(Place::Sqlite(folder));
    let options = Options { snapshot_every: u64::MAX, ..Options::default() };
    let (ledger, running) = world.open_with(options);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("it starts");
    runtime.block_on(fill(&ledger));
    let head = ledger.reader().head().expect("it has a head");
    close(ledger, running);
    assert_eq!(head.sequence, EVENTS);
    tidy(&Connection::open(&file).expect("it opens"));
    let head = Checkpoint {
        ledger: head.ledger,
        sequence: head.sequence,
        hash: head.hash,
        time: head.time,
        key_id: "test".into(),
        signature: Vec::new(),
    };
    (world, Victim { file, head })
}

async fn fill(ledger: &Ledger<Counters>) {
    for start in (0..EVENTS).step_by(usize::try_from(TOGETHER).expect("it fits")) {
        let calls = (start..start + TOGETHER).map(|number| {
            let actor = Actor::Operator(format!("caller-{}", number % 7));
            let command = match number % 5 {
                0 => Command::Mint,
                _ => Command::Add { name: format!("n{}", number % 100), by: 1 },
            };
            ledger.submit(Submission::new(actor, command))
        });
        for answer in join_all(calls).await {
            answer.expect("it is accepted");
        }
    }
}

/// Everything lies in the one file, and nothing in the write-ahead log.
fn tidy(connection: &Connection) {
    let busy = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0));
    assert_eq!(busy, Ok(0));
}

impl Victim {
    /// The audit, as anyone runs it, with the head that a peer remembers.
    fn audit(&self) -> Result<Report, vivarium_ledger::store::Error> {
        let witness = Witness { peer: "peer".into(), checkpoint: self.head.clone() };
        let reader = Sqlite::read_only(&self.file);
        audit::verify(&*reader, &[witness], &|_| true, &mut |_| {})
    }

    /// The rows that the audit's findings name.
    fn named(&self) -> Vec<u64> {
        let report = self.audit().expect("the audit runs");
        report.findings.iter().filter_map(named).collect()
    }
}

/// The row that is not what it was.
fn named(finding: &Finding) -> Option<u64> {
    match finding {
        Finding::Chain(Broken::Order { wanted, .. }) => Some(*wanted),
        Finding::Chain(Broken::Hash { sequence } | Broken::Time { sequence })
        | Finding::Unreadable { sequence, .. } => Some(*sequence),
        Finding::Text { .. }
        | Finding::SegmentMissing { .. }
        | Finding::SegmentChanged { .. }
        | Finding::SegmentForged { .. }
        | Finding::TailCut { .. }
        | Finding::Rewritten { .. }
        | Finding::Replaced { .. }
        | Finding::Signature { .. } => None,
    }
}

/// A byte to flip: where, and the bits.
#[derive(Debug, Clone, Copy)]
struct Flip {
    sequence: u64,
    byte: usize,
    bits: u8,
}

impl Flip {
    /// The same, so that text stays UTF-8 and a number fits: only the chain can tell.
    const fn readable(self) -> Self {
        Self { byte: self.byte & !0b100, bits: self.bits & 0x1f | 1, ..self }
    }
}

const COLUMNS: [&str; 7] = ["sequence", "time_us", "actor", "kind", "schema", "payload", "hash"];

fn flips() -> impl Strategy<Value = Flip> {
    (1..=EVENTS, any::<usize>(), 1..=u8::MAX).prop_map(|(sequence, byte, bits)| Flip {
        sequence,
        byte,
        bits,
    })
}

/// Runs `case` for so many flips; a failure says which.
fn each(cases: u32, case: impl Fn(Flip) -> Result<(), TestCaseError>) {
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        max_shrink_iters: 8,
        ..ProptestConfig::default()
    };
    let failed = TestRunner::new(config).run(&flips(), case).err();
    assert!(failed.is_none(), "{}", failed.expect("it is some"));
}

/// One test for all, because the 100,000 events are made once.
#[test]
fn a_flipped_byte_in_100_000_events_is_named_by_its_sequence() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let (_world, victim) = build(folder);
    let whole = victim.audit().expect("the audit runs");
    assert_eq!((whole.rows, whole.findings), (EVENTS, Vec::new()));

    let connection = Connection::open(&victim.file).expect("it opens");
    for column in COLUMNS {
        let case = |flip| {
            let undo = through_sql(&connection, column, flip);
            let named = victim.named();
            undo();
            prop_assert_eq!(named, [flip.sequence], "{}", column);
            Ok(())
        };
        each(1, case);
        each(1, |flip| case(flip.readable()));
    }
    tidy(&connection);

    let disk = OpenOptions::new().read(true).write(true).open(&victim.file).expect("it opens");
    each(4, |flip| {
        let record = record(&connection, &victim.file, flip.sequence);
        let offset = record.start + flip.byte % record.len();
        flip_on_disk(&disk, offset, flip.bits);
        let named = victim.named();
        flip_on_disk(&disk, offset, flip.bits);
        prop_assert_eq!(named, [flip.sequence], "byte {} of the file", offset);
        Ok(())
    });

    // Anywhere at all: the log is what it was, or the audit says that it is not.
    let length = usize::try_from(disk.metadata().expect("it has a length").len()).expect("fits");
    each(4, |flip| {
        let offset = flip.byte % length;
        flip_on_disk(&disk, offset, flip.bits);
        let report = victim.audit();
        flip_on_disk(&disk, offset, flip.bits);
        if let Ok(report) = report
            && report.findings.is_empty()
        {
            prop_assert_eq!((report.rows, report.hash), (EVENTS, victim.head.hash));
        }
        Ok(())
    });
}

/// Flips a byte of one column; hands back what puts the old value there again.
fn through_sql(connection: &Connection, column: &str, flip: Flip) -> impl FnOnce() {
    let Flip { sequence, byte, bits } = flip;
    let old: Value = connection
        .query_row(&format!("SELECT {column} FROM events WHERE sequence = ?1"), [sequence], |row| {
            row.get(0)
        })
        .expect("the row is there");
    let (new, now_at) = match &old {
        // A key that is free: the upper bytes of every sequence here are zero.
        Value::Integer(number) if column == "sequence" => {
            let moved = number ^ (i64::from(bits) << (8 * (3 + byte % 4)));
            (Value::Integer(moved), moved.cast_unsigned())
        }
        Value::Integer(number) => {
            (Value::Integer(number ^ (i64::from(bits) << (8 * (byte % 8)))), sequence)
        }
        Value::Text(text) => (Value::Blob(flipped(text.as_bytes(), byte, bits)), sequence),
        Value::Blob(bytes) => (Value::Blob(flipped(bytes, byte, bits)), sequence),
        Value::Real(_) | Value::Null => unreachable!("no such column"),
    };
    // Text stays text, whatever its bytes are.
    let value = if matches!(old, Value::Text(_)) { "CAST(?1 AS TEXT)" } else { "?1" };
    let set = format!("UPDATE events SET {column} = {value} WHERE sequence = ?2");
    assert_eq!(connection.execute(&set, params![new, sequence]), Ok(1));
    move || {
        let set = format!("UPDATE events SET {column} = ?1 WHERE sequence = ?2");
        assert_eq!(connection.execute(&set, params![old, now_at]), Ok(1));
    }
}

fn flipped(bytes: &[u8], byte: usize, bits: u8) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let index = byte % bytes.len();
    bytes[index] ^= bits;
    bytes
}

/// Where a row lies in the file: its content ends with its hash, which is nowhere else.
fn record(connection: &Connection, file: &Path, sequence: u64) -> Range<usize> {
    let (hash, content): (Vec<u8>, usize) = connection
        .query_row(
            "SELECT hash, 8 + length(CAST(actor AS BLOB)) + length(CAST(kind AS BLOB))
                    + length(payload) + length(hash) FROM events WHERE sequence = ?1",
            [sequence],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .expect("the row is there");
    let bytes = fs::read(file).expect("it can be read");
    // Counts from 1; 0 when it is not there.
    let found: usize = connection
        .query_row("SELECT instr(?1, ?2)", params![bytes, hash], |row| row.get(0))
        .expect("it can be looked for");
    let end = found.checked_sub(1).expect("the hash is on disk") + hash.len();
    end - content - RECORD_HEAD..end
}

fn flip_on_disk(disk: &File, offset: usize, bits: u8) {
    let mut byte = [0];
    disk.read_exact_at(&mut byte, offset as u64).expect("it can be read");
    disk.write_all_at(&[byte[0] ^ bits], offset as u64).expect("it can be written");
}
