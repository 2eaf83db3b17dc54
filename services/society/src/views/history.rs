//! What happened in other worlds before they were taken over.

use rusqlite::{Connection, Row, named_params};
use vivarium_ledger::view::TextLookup;
use vivarium_ledger::{Meta, View};
use vivarium_types::Timestamp;
use vivarium_types::ids::ResidentId;

use super::{all_of, joined, moment, moment_if, optional};
use crate::domain::history::{Kind, Outcome};
use crate::domain::{Event, Society};

/// One row for each entry.
#[derive(Debug)]
pub struct History;

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The row that holds it.
    pub sequence: u64,
    /// What it is known by over there.
    pub key: String,
    /// What it tells of.
    pub kind: Kind,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Its status in the word used over there.
    pub status: String,
    /// The id of what it is about, over there.
    pub subject: String,
    /// A line about it.
    pub title: String,
    /// What was told of it.
    pub text: String,
    /// The resident it was about; empty for nobody.
    pub resident: String,
    /// When it happened over there.
    pub source: Option<Timestamp>,
    /// When it was taken over.
    pub imported: Timestamp,
}

impl Entry {
    /// Where it stands in the order of the list.
    pub fn place(&self) -> Place {
        Place { time: self.source.unwrap_or(self.imported), sequence: self.sequence }
    }
}

/// Where an entry stands in the order of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// When it happened.
    pub time: Timestamp,
    /// Its row.
    pub sequence: u64,
}

/// Which entries are wanted.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// With all of these words; empty for all.
    pub words: Vec<String>,
    /// Of these kinds; empty for all.
    pub kinds: Vec<Kind>,
    /// That ended so.
    pub outcome: Option<Outcome>,
    /// About this resident.
    pub resident: Option<ResidentId>,
    /// Behind this place.
    pub behind: Option<Place>,
    /// At most this many.
    pub limit: u32,
}

impl View<Society> for History {
    fn name(&self) -> &'static str {
        "history"
    }

    fn version(&self) -> u32 {
        1
    }

    fn create(&self, db: &Connection) -> rusqlite::Result<()> {
        db.execute_batch(
            "DROP TABLE IF EXISTS history;
             DROP TABLE IF EXISTS history_words;
             CREATE TABLE history (
               sequence INTEGER PRIMARY KEY, place INTEGER NOT NULL, key TEXT NOT NULL,
               kind TEXT NOT NULL, outcome TEXT NOT NULL, status TEXT NOT NULL,
               subject TEXT NOT NULL, title TEXT NOT NULL, text TEXT NOT NULL,
               resident TEXT NOT NULL, source INTEGER, imported INTEGER NOT NULL);
             CREATE INDEX history_by_place ON history (place, sequence);
             CREATE INDEX history_by_resident ON history (resident, place, sequence);
             CREATE VIRTUAL TABLE history_words USING fts5(
               title, text, subject, tokenize = \"unicode61 remove_diacritics 2\");",
        )
    }

    fn project(
        &self,
        db: &Connection,
        event: &Event,
        meta: &Meta,
        texts: &dyn TextLookup,
    ) -> rusqlite::Result<()> {
        let Event::HistoryKept(kept) = event else { return Ok(()) };
        let past = &kept.past;
        let title = texts.text(&past.title.id).unwrap_or_default();
        let text = past.text.as_ref().and_then(|text| texts.text(&text.id)).unwrap_or_default();
        let (source, imported) = (kept.time.map(Timestamp::as_micros), meta.time.as_micros());
        db.prepare_cached(
            "INSERT INTO history VALUES (:sequence, :place, :key, :kind, :outcome, :status,
               :subject, :title, :text, :resident, :source, :imported)",
        )?
        .execute(named_params! {
            ":sequence": meta.sequence,
            ":place": source.unwrap_or(imported),
            ":key": kept.key,
            ":kind": past.kind.word(),
            ":outcome": past.outcome.map_or("", Outcome::word),
            ":status": past.status,
            ":subject": past.subject,
            ":title": title,
            ":text": text,
            ":resident": optional(past.resident),
            ":source": source,
            ":imported": imported,
        })?;
        db.prepare_cached(
            "INSERT INTO history_words (rowid, title, text, subject) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute((meta.sequence, title, text, &past.subject))?;
        Ok(())
    }
}

/// A page, by the time over there, newest first.
pub fn page(db: &Connection, wanted: &Wanted) -> rusqlite::Result<Vec<Entry>> {
    let behind = wanted.behind.map_or((i64::MAX, i64::MAX.unsigned_abs()), |place| {
        (place.time.as_micros(), place.sequence)
    });
    let kinds: Vec<_> = wanted.kinds.iter().map(|kind| kind.word()).collect();
    let mut query = db.prepare_cached(
        "SELECT * FROM history
         WHERE (place, sequence) < (:time, :sequence)
           AND (:resident = '' OR resident = :resident)
           AND (:outcome = '' OR outcome = :outcome)
           AND (:all_kinds OR instr(:kinds, ' ' || kind || ' ') > 0)
           AND (:words = '' OR sequence IN (
             SELECT rowid FROM history_words WHERE history_words MATCH :words))
         ORDER BY place DESC, sequence DESC LIMIT :limit",
    )?;
    let rows = query.query_map(
        named_params! {
            ":time": behind.0,
            ":sequence": behind.1,
            ":resident": optional(wanted.resident),
            ":outcome": wanted.outcome.map_or("", Outcome::word),
            ":all_kinds": kinds.is_empty(),
            ":kinds": joined(&kinds),
            ":words": all_of(&wanted.words),
            ":limit": wanted.limit,
        },
        read,
    )?;
    rows.collect()
}

fn read(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let (kind, outcome): (String, String) = (row.get("kind")?, row.get("outcome")?);
    Ok(Entry {
        sequence: row.get("sequence")?,
        key: row.get("key")?,
        kind: Kind::ALL.into_iter().find(|one| one.word() == kind).unwrap_or(Kind::Status),
        outcome: Outcome::ALL.into_iter().find(|one| one.word() == outcome),
        status: row.get("status")?,
        subject: row.get("subject")?,
        title: row.get("title")?,
        text: row.get("text")?,
        resident: row.get("resident")?,
        source: moment_if(row, "source")?,
        imported: moment(row, "imported")?,
    })
}
