//! Every movement of tokens.

use rusqlite::{Connection, named_params};
use vivarium_ledger::view::TextLookup;
use vivarium_ledger::{Meta, View};
use vivarium_types::Timestamp;
use vivarium_types::ids::ResidentId;

use super::{Slice, moment, parsed};
use crate::domain::wallet::{Account, Cause, Entry, Transfer};
use crate::domain::{Event, Society};

/// One row for each transfer.
#[derive(Debug)]
pub struct Postings;

/// An entry as it lies in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posting {
    /// The row that holds it.
    pub sequence: u64,
    /// When it was booked.
    pub time: Timestamp,
    /// The entry.
    pub entry: Entry,
}

/// Whose postings a page holds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted {
    /// Only those that touch this resident.
    pub resident: Option<ResidentId>,
    /// Only those that touch this account.
    pub account: Option<Account>,
}

impl Wanted {
    /// What an entry changed for whom was asked about; 0 when nobody was.
    pub fn change(self, entry: &Entry) -> i64 {
        let is_meant = |account: Account| match (self.account, self.resident) {
            (Some(wanted), _) => account == wanted,
            (None, Some(wanted)) => account.resident() == Some(wanted),
            (None, None) => false,
        };
        let side = |account: Account, amount: i64| if is_meant(account) { amount } else { 0 };
        let change = |transfer: &Transfer| {
            side(transfer.to, transfer.amount) - side(transfer.from, transfer.amount)
        };
        entry.transfers.iter().map(change).sum()
    }
}

impl View<Society> for Postings {
    fn name(&self) -> &'static str {
        "postings"
    }

    fn version(&self) -> u32 {
        1
    }

    fn create(&self, db: &Connection) -> rusqlite::Result<()> {
        db.execute_batch(
            "DROP TABLE IF EXISTS transfers;
             DROP TABLE IF EXISTS entries;
             CREATE TABLE entries (
               sequence INTEGER PRIMARY KEY, key TEXT NOT NULL, cause TEXT NOT NULL,
               subject TEXT NOT NULL, day INTEGER NOT NULL, time INTEGER NOT NULL);
             CREATE TABLE transfers (
               sequence INTEGER NOT NULL, place INTEGER NOT NULL, giver TEXT NOT NULL,
               taker TEXT NOT NULL, amount INTEGER NOT NULL,
               PRIMARY KEY (sequence, place)) WITHOUT ROWID;
             CREATE INDEX transfers_by_giver ON transfers (giver, sequence);
             CREATE INDEX transfers_by_taker ON transfers (taker, sequence);",
        )
    }

    fn project(
        &self,
        db: &Connection,
        event: &Event,
        meta: &Meta,
        _texts: &dyn TextLookup,
    ) -> rusqlite::Result<()> {
        let Event::TokensMoved(entry) = event else { return Ok(()) };
        db.prepare_cached(
            "INSERT INTO entries VALUES (:sequence, :key, :cause, :subject, :day, :time)",
        )?
        .execute(named_params! {
            ":sequence": meta.sequence,
            ":key": entry.key,
            ":cause": entry.cause.word(),
            ":subject": entry.subject,
            ":day": entry.day,
            ":time": meta.time.as_micros(),
        })?;
        let mut insert = db.prepare_cached("INSERT INTO transfers VALUES (?1, ?2, ?3, ?4, ?5)")?;
        for (place, Transfer { from, to, amount }) in entry.transfers.iter().enumerate() {
            insert.execute((meta.sequence, place, from.to_string(), to.to_string(), amount))?;
        }
        Ok(())
    }
}

/// A page, newest first.
pub fn page(db: &Connection, wanted: Wanted, slice: Slice) -> rusqlite::Result<Vec<Posting>> {
    let names: Vec<String> = match (wanted.account, wanted.resident) {
        (Some(account), None) => vec![account.to_string()],
        (None, Some(who)) => {
            [Account::Free(who), Account::Journal(who)].map(|a| a.to_string()).into()
        }
        (Some(account), Some(who)) if account.resident() == Some(who) => vec![account.to_string()],
        (Some(_), Some(_)) => return both(db, wanted, slice),
        (None, None) => Vec::new(),
    };
    let all = names.is_empty();
    let one = names.first().cloned().unwrap_or_default();
    let other = names.get(1).cloned().unwrap_or_else(|| one.clone());
    let mut query = db.prepare_cached(
        "SELECT * FROM entries WHERE sequence < ?1 AND (?2 OR sequence IN (
           SELECT sequence FROM transfers WHERE giver IN (?3, ?4)
           UNION SELECT sequence FROM transfers WHERE taker IN (?3, ?4)))
         ORDER BY sequence DESC LIMIT ?5",
    )?;
    let rows = query.query_map((slice.before, all, one, other, slice.limit), read)?;
    rows.map(|row| row.and_then(|posting| with_transfers(db, posting))).collect()
}

/// Entries that touch both an account and a resident it does not belong to.
fn both(db: &Connection, wanted: Wanted, slice: Slice) -> rusqlite::Result<Vec<Posting>> {
    let account = wanted.account.map(|account| account.to_string()).unwrap_or_default();
    let who = super::optional(wanted.resident);
    let mut query = db.prepare_cached(
        "SELECT * FROM entries WHERE sequence < ?1
           AND sequence IN (SELECT sequence FROM transfers WHERE giver = ?2 OR taker = ?2)
           AND sequence IN (SELECT sequence FROM transfers
             WHERE giver IN ('free:' || ?3, 'journal:' || ?3)
                OR taker IN ('free:' || ?3, 'journal:' || ?3))
         ORDER BY sequence DESC LIMIT ?4",
    )?;
    let rows = query.query_map((slice.before, account, who, slice.limit), read)?;
    rows.map(|row| row.and_then(|posting| with_transfers(db, posting))).collect()
}

fn with_transfers(db: &Connection, mut posting: Posting) -> rusqlite::Result<Posting> {
    let mut query =
        db.prepare_cached("SELECT * FROM transfers WHERE sequence = ?1 ORDER BY place")?;
    let transfers = query.query_map([posting.sequence], |row| {
        Ok(Transfer {
            from: parsed(row, "giver")?,
            to: parsed(row, "taker")?,
            amount: row.get("amount")?,
        })
    })?;
    posting.entry.transfers = transfers.collect::<rusqlite::Result<_>>()?;
    Ok(posting)
}

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Posting> {
    let cause: String = row.get("cause")?;
    Ok(Posting {
        sequence: row.get("sequence")?,
        time: moment(row, "time")?,
        entry: Entry {
            key: row.get("key")?,
            transfers: Vec::new(),
            cause: Cause::ALL.into_iter().find(|c| c.word() == cause).unwrap_or(Cause::Price),
            subject: row.get("subject")?,
            day: row.get("day")?,
        },
    })
}
