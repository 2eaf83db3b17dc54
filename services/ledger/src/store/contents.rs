//! All that a ledger holds, table by table, in the form in which it goes from one store to another.
//!
//! The read models are not among it: they are made anew from the log. Neither are the keys of sealed
//! texts, which lie on the owner's machine whatever the store is, nor the snapshots and the files of
//! closed segments, which have places of their own ([`super::Snapshots`], [`super::Segments`]).

use super::{Error, Head};
use crate::chain;

/// Records on the way at once.
pub(super) const CHUNK: usize = 500;

/// One value of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cell {
    /// A number.
    Int(i64),
    /// A text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Yes or no.
    Flag(bool),
}

/// One row of a table.
pub(super) type Record = Vec<Cell>;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// [`Cell::Int`].
    Int,
    /// [`Cell::Text`].
    Text,
    /// [`Cell::Bytes`].
    Bytes,
    /// [`Cell::Flag`].
    Flag,
}

/// A table that every store has.
#[derive(Debug)]
pub(super) struct Table {
    /// Its name.
    pub(super) name: &'static str,
    /// Its columns.
    pub(super) columns: &'static [(&'static str, Kind)],
}

/// The tables, in an order in which none names what is not there yet.
pub(super) const TABLES: [Table; 8] = [
    Table {
        name: "events",
        columns: &[
            ("sequence", Kind::Int),
            ("time_us", Kind::Int),
            ("actor", Kind::Text),
            ("kind", Kind::Text),
            ("schema", Kind::Int),
            ("payload", Kind::Bytes),
            ("hash", Kind::Bytes),
        ],
    },
    Table {
        name: "texts",
        columns: &[("id", Kind::Text), ("sealed", Kind::Flag), ("bytes", Kind::Bytes)],
    },
    Table { name: "erasures", columns: &[("id", Kind::Text)] },
    Table { name: "claims", columns: &[("key", Kind::Text), ("sequence", Kind::Int)] },
    Table {
        name: "answers",
        columns: &[
            ("actor", Kind::Text),
            ("method", Kind::Text),
            ("request_id", Kind::Text),
            ("digest", Kind::Bytes),
            ("bytes", Kind::Bytes),
            ("sequence", Kind::Int),
            ("time_us", Kind::Int),
        ],
    },
    Table {
        name: "cursors",
        columns: &[
            ("follower", Kind::Text),
            ("ledger", Kind::Text),
            ("sequence", Kind::Int),
            ("hash", Kind::Bytes),
        ],
    },
    Table {
        name: "checkpoints",
        columns: &[
            ("peer", Kind::Text),
            ("ledger", Kind::Text),
            ("sequence", Kind::Int),
            ("hash", Kind::Bytes),
            ("time_us", Kind::Int),
            ("key_id", Kind::Text),
            ("signature", Kind::Bytes),
        ],
    },
    Table {
        name: "segments",
        columns: &[
            ("first", Kind::Int),
            ("last", Kind::Int),
            ("first_hash", Kind::Bytes),
            ("last_hash", Kind::Bytes),
            ("file", Kind::Text),
            ("file_hash", Kind::Bytes),
            ("bytes", Kind::Int),
            ("text_first", Kind::Text),
            ("text_last", Kind::Text),
        ],
    },
];

impl Table {
    /// Its columns, with commas between them.
    pub(super) fn list(&self) -> String {
        let names: Vec<_> = self.columns.iter().map(|(name, _)| *name).collect();
        names.join(", ")
    }
}

/// Takes records in, some at a time.
pub(super) type Take<'a> = &'a mut dyn FnMut(Vec<Record>) -> Result<(), Error>;

/// A store whose whole contents can be read and written.
pub(super) trait Contents {
    /// Hands over every record of a table, in any order.
    fn each(&mut self, table: &Table, take: Take<'_>) -> Result<(), Error>;
    /// Writes records into a table of a ledger that nobody owns yet.
    fn put(&mut self, table: &Table, records: &[Record]) -> Result<(), Error>;
    /// Writes the owner row: from now on it is the ledger `head` tells of.
    fn found(&mut self, head: &Head) -> Result<(), Error>;
}

/// How many records there are and what is in them, whatever order they come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tally {
    /// How many.
    pub(super) count: u64,
    /// The sum of their hashes, a quarter at a time.
    sum: [u64; 4],
}

impl Tally {
    /// Takes a record in.
    pub(super) fn add(&mut self, record: &[Cell]) {
        let mut bytes = Vec::new();
        for cell in record {
            let (kind, value): (u8, &[u8]) = match cell {
                Cell::Int(number) => (0, &number.to_be_bytes()),
                Cell::Text(text) => (1, text.as_bytes()),
                Cell::Bytes(value) => (2, value),
                Cell::Flag(flag) => (3, &[u8::from(*flag)]),
            };
            bytes.push(kind);
            bytes.extend_from_slice(&(value.len() as u64).to_be_bytes());
            bytes.extend_from_slice(value);
        }
        let hash = chain::digest(&bytes).0;
        for (sum, part) in self.sum.iter_mut().zip(hash.as_chunks::<8>().0) {
            *sum = sum.wrapping_add(u64::from_be_bytes(*part));
        }
        self.count += 1;
    }
}
