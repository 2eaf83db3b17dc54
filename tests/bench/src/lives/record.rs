//! What the log says, a file read with SQLite alone, held against what the callers know.

use std::collections::BTreeMap;
use std::path::Path;

use crate::numbers::{Event, Note, Wire};
use anyhow::Result;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _};
use vivarium_ledger::chain::Verifier;
use vivarium_ledger::store::Reader;
use vivarium_ledger::{Hash, Row, audit};
use vivarium_types::Timestamp;
use vivarium_types::ids::LedgerId;

use super::book::Book;
use super::home::Home;

/// Broken promises; all well when nothing but `rows` is counted.
#[derive(Debug, Default)]
pub struct Faults {
    /// Rows that were read.
    pub rows: u64,
    /// Acknowledged, and not there.
    pub lost: u64,
    /// Acknowledged in another place.
    pub moved: u64,
    /// There more than once.
    pub doubled: u64,
    /// There, and nobody asked for it.
    pub unasked: u64,
    /// What the chain and the audit found.
    pub findings: Vec<String>,
}

impl Faults {
    /// Whether a promise is broken.
    pub fn any(&self) -> bool {
        self.lost + self.moved + self.doubled + self.unasked > 0 || !self.findings.is_empty()
    }

    /// Of two looks at the same file, the higher count of each fault.
    pub fn take_worst(&mut self, other: Self) {
        self.rows = self.rows.max(other.rows);
        self.lost = self.lost.max(other.lost);
        self.moved = self.moved.max(other.moved);
        self.doubled = self.doubled.max(other.doubled);
        self.unasked = self.unasked.max(other.unasked);
        self.findings.extend(other.findings);
    }
}

/// What was read of the file so far.
#[derive(Debug)]
pub struct Record {
    /// The chain up to the last row that was read; `None` before the ledger has its id.
    verifier: Option<Verifier>,
    /// Sequences by what is written there.
    written: BTreeMap<(u32, u64), u64>,
    /// How many acknowledgements of each caller were compared.
    compared: Vec<usize>,
}

impl Record {
    /// Nothing was read yet.
    pub fn new(callers: u32) -> Self {
        let compared = vec![0; callers as usize];
        Self { verifier: None, written: BTreeMap::new(), compared }
    }

    /// Whether a number is on disk.
    pub fn holds(&self, note: Note) -> bool {
        self.written.contains_key(&(note.caller, note.number))
    }

    /// Reads the rows behind those that were read before, and compares the acknowledgements since.
    pub fn read_on(&mut self, home: &Home, book: &Book, faults: &mut Faults) -> Result<()> {
        // A life may end before the ledger is there.
        if home.is_owned()? {
            match home {
                Home::File(file) => self.file(file, book, faults)?,
                Home::Server(..) => self.server(&*home.reader()?, book, faults)?,
            }
        }
        for (note, sequence) in book.acknowledged_behind(&self.compared) {
            match self.written.get(&(note.caller, note.number)) {
                None => faults.lost += 1,
                Some(written) if *written != sequence => faults.moved += 1,
                Some(_) => {}
            }
            self.compared[note.caller as usize] += 1;
        }
        Ok(())
    }

    fn file(&mut self, file: &Path, book: &Book, faults: &mut Faults) -> Result<()> {
        let connection = open(file)?;
        let Some(ledger) = owner(&connection)? else { return Ok(()) };
        let after = self.verifier.get_or_insert_with(|| Verifier::from_genesis(ledger)).sequence();
        let mut query = connection.prepare(
            "SELECT sequence, time_us, actor, kind, schema, payload, hash FROM events
             WHERE sequence > ?1 ORDER BY sequence",
        )?;
        let rows = query.query_map([after], row)?.collect::<rusqlite::Result<Vec<_>>>()?;
        self.rows(rows, book, faults)
    }

    fn server(&mut self, reader: &dyn Reader, book: &Book, faults: &mut Faults) -> Result<()> {
        let ledger = reader.head()?.ledger;
        let after = self.verifier.get_or_insert_with(|| Verifier::from_genesis(ledger)).sequence();
        self.rows(reader.rows(after, usize::MAX)?, book, faults)
    }

    fn rows(&mut self, rows: Vec<Row>, book: &Book, faults: &mut Faults) -> Result<()> {
        let Some(verifier) = &mut self.verifier else { return Ok(()) };
        for row in rows {
            faults.rows += 1;
            if let Err(broken) = verifier.check(&row) {
                faults.findings.push(broken.to_string());
                return Ok(());
            }
            let note = match Event::try_from(serde_json::from_slice::<Wire>(&row.payload)?) {
                Ok(Event::Noted(note)) if book.asked_for(note) => note,
                // The kernel's own.
                Ok(Event::Closed(_)) => continue,
                Ok(Event::Noted(_) | Event::Fact(_)) | Err(_) => {
                    faults.unasked += 1;
                    continue;
                }
            };
            if self.written.insert((note.caller, note.number), row.sequence).is_some() {
                faults.doubled += 1;
            }
        }
        Ok(())
    }

    /// The kernel's own audit of the whole file; it must have seen the rows that were read here.
    pub fn audit(&self, home: &Home, faults: &mut Faults) -> Result<()> {
        let Some(verifier) = &self.verifier else { return Ok(()) };
        let report = audit::verify(&*home.reader()?, &[], &|_| true, &mut |_| {})?;
        faults.findings.extend(report.findings.iter().map(ToString::to_string));
        if (report.rows, report.hash) != (verifier.sequence(), verifier.hash()) {
            faults.findings.push(format!("the audit saw {} rows", report.rows));
        }
        Ok(())
    }
}

/// The next life must find the write-ahead log as the kill left it: closing may not tidy up.
fn open(file: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

/// The ledger's id; `None` when the first life ended before it had one.
fn owner(connection: &Connection) -> Result<Option<LedgerId>> {
    let tables = "SELECT count(*) FROM sqlite_master WHERE name IN ('owner', 'events')";
    if connection.query_row(tables, [], |row| row.get::<_, u64>(0))? < 2 {
        return Ok(None);
    }
    let id: Option<String> =
        connection.query_row("SELECT ledger FROM owner", [], |row| row.get(0)).optional()?;
    Ok(id.map(|id| id.parse()).transpose()?)
}

fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        sequence: row.get(0)?,
        time: Timestamp::from_micros(row.get(1)?),
        actor: row.get(2)?,
        kind: row.get(3)?,
        schema: row.get(4)?,
        payload: row.get(5)?,
        hash: Hash(row.get(6)?),
    })
}
