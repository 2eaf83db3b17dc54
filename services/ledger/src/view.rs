//! Read models: SQLite tables that are written with the events and can be rebuilt from the log.
//!
//! With the SQLite store they commit in the events' own transaction; otherwise they are brought up
//! right behind it, and before the first read. Sealed text never comes into a view.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _};

use crate::aggregate::{Aggregate, Meta};
use crate::codec;
use crate::snapshot;
use crate::store::{Error, Reader, Store, TextRow};

/// Rows projected in one transaction during a rebuild.
const REBUILD_CHUNK: usize = 1_000;

/// One read model.
pub trait View<A: Aggregate>: Send + Sync + 'static {
    /// Its name, unique within the service.
    fn name(&self) -> &'static str;
    /// Raised when its tables or its meaning change: it is then made anew from the log.
    fn version(&self) -> u32;
    /// Drops its tables if they exist and makes them empty.
    fn create(&self, db: &Connection) -> rusqlite::Result<()>;
    /// Takes one event in.
    fn project(
        &self,
        db: &Connection,
        event: &A::Event,
        meta: &Meta,
        texts: &dyn TextLookup,
    ) -> rusqlite::Result<()>;
}

/// Lets a view read the unsealed texts that an event names.
pub trait TextLookup {
    /// The text, or `None` when it is sealed, erased or unknown.
    fn text(&self, id: &str) -> Option<String>;
}

/// All read models of one service.
pub(crate) type Views<A> = Vec<Box<dyn View<A>>>;

/// Looks in the texts of a batch first and in the store behind it.
pub(crate) struct BatchTexts<'a> {
    fresh: BTreeMap<&'a str, &'a TextRow>,
    stored: &'a dyn Reader,
}

impl<'a> BatchTexts<'a> {
    pub(crate) fn new(fresh: &'a [TextRow], stored: &'a dyn Reader) -> Self {
        Self { fresh: fresh.iter().map(|row| (row.id.as_str(), row)).collect(), stored }
    }
}

impl TextLookup for BatchTexts<'_> {
    fn text(&self, id: &str) -> Option<String> {
        let bytes = match self.fresh.get(id) {
            Some(row) if row.sealed => return None,
            Some(row) => row.bytes.clone(),
            None => self.stored.text(id).ok()?.filter(|row| !row.sealed)?.bytes,
        };
        String::from_utf8(bytes).ok()
    }
}

/// Takes a turn's events into every view and notes how far the views have come.
pub(crate) fn project<A: Aggregate>(
    views: &Views<A>,
    db: &Connection,
    events: &[(A::Event, Meta)],
    texts: &dyn TextLookup,
) -> rusqlite::Result<()> {
    let Some((_, last)) = events.last() else { return Ok(()) };
    if views.is_empty() {
        return Ok(());
    }
    for (event, meta) in events {
        for view in views {
            view.project(db, event, meta, texts)?;
        }
    }
    db.prepare_cached("UPDATE views SET sequence = ?1")?.execute([last.sequence])?;
    Ok(())
}

/// Brings every view up to `head`, making anew those whose version changed.
pub(crate) fn catch_up<A: Aggregate>(
    views: &Views<A>,
    store: &mut dyn Store,
    head: u64,
) -> Result<(), Error> {
    store.with_views(&mut |db| prepare(views, db))?;
    let reader = store.reader();
    for view in views {
        let mut at = 0;
        store.with_views(&mut |db| {
            at = sequence_of(db, view.name())?.unwrap_or(0);
            Ok(())
        })?;
        while at < head {
            let rows = reader.rows(at, REBUILD_CHUNK)?;
            let Some(last) = rows.last() else { break };
            at = last.sequence;
            let events = rows
                .iter()
                .map(|row| Ok((codec::decode::<A>(row)?, snapshot::meta(row)?)))
                .collect::<Result<Vec<_>, Error>>()?;
            let texts = BatchTexts::new(&[], &*reader);
            store.with_views(&mut |db| {
                for (event, meta) in &events {
                    view.project(db, event, meta, &texts)?;
                }
                db.execute("UPDATE views SET sequence = ?1 WHERE name = ?2", (at, view.name()))?;
                Ok(())
            })?;
        }
    }
    Ok(())
}

fn prepare<A: Aggregate>(views: &Views<A>, db: &Connection) -> rusqlite::Result<()> {
    db.execute_batch(
        "CREATE TABLE IF NOT EXISTS views (
           name TEXT PRIMARY KEY, version INTEGER NOT NULL, sequence INTEGER NOT NULL)",
    )?;
    for view in views {
        let kept: Option<u32> = db
            .query_row("SELECT version FROM views WHERE name = ?1", [view.name()], |r| r.get(0))
            .optional()?;
        if kept != Some(view.version()) {
            view.create(db)?;
            db.execute(
                "INSERT OR REPLACE INTO views VALUES (?1, ?2, 0)",
                (view.name(), view.version()),
            )?;
        }
    }
    Ok(())
}

fn sequence_of(db: &Connection, name: &str) -> rusqlite::Result<Option<u64>> {
    db.query_row("SELECT sequence FROM views WHERE name = ?1", [name], |row| row.get(0)).optional()
}
