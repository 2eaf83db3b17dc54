//! Read models: SQLite tables that follow the log and can be rebuilt from it.
//!
//! They lie in a file of their own and are brought up right behind each commit ([`crate::projector`]);
//! a query waits for what was committed before it. Sealed text never comes into a view.

use std::cell::RefCell;
use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _};

use crate::aggregate::{Aggregate, Meta};
use crate::store::{Error, Reader, TextRow};

/// One read model.
pub trait View<A: Aggregate>: Send + Sync + 'static {
    /// Its name, unique within the service.
    fn name(&self) -> &'static str;
    /// Raised when its tables or its meaning change: it is then made anew from the log.
    fn version(&self) -> u32;
    /// Drops its tables if they exist and makes them empty.
    fn create(&self, db: &Connection) -> rusqlite::Result<()>;
    /// Takes one event in. May keep in memory what [`View::settle`] then writes.
    fn project(
        &self,
        db: &Connection,
        event: &A::Event,
        meta: &Meta,
        texts: &dyn TextLookup,
    ) -> rusqlite::Result<()>;
    /// Writes what was gathered: called once, at the end of every transaction that took events in.
    fn settle(&self, _db: &Connection) -> rusqlite::Result<()> {
        Ok(())
    }
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
    /// Why a text could not be looked up, the first time that happened.
    trouble: RefCell<Option<Error>>,
}

impl<'a> BatchTexts<'a> {
    pub(crate) fn new(fresh: &'a [TextRow], stored: &'a dyn Reader) -> Self {
        let fresh = fresh.iter().map(|row| (row.id.as_str(), row)).collect();
        Self { fresh, stored, trouble: RefCell::default() }
    }

    /// Refuses to go on where a text is there and could not be read: a view must not lose it.
    pub(crate) fn all_found(self) -> rusqlite::Result<()> {
        match self.trouble.into_inner() {
            Some(error) => Err(rusqlite::Error::ToSqlConversionFailure(Box::new(error))),
            None => Ok(()),
        }
    }

    fn stored(&self, id: &str) -> Option<TextRow> {
        let found = self.stored.text(id);
        found.unwrap_or_else(|error| {
            self.trouble.borrow_mut().get_or_insert(error);
            None
        })
    }
}

impl TextLookup for BatchTexts<'_> {
    fn text(&self, id: &str) -> Option<String> {
        let bytes = match self.fresh.get(id) {
            Some(row) if row.sealed => return None,
            Some(row) => row.bytes.clone(),
            None => self.stored(id).filter(|row| !row.sealed)?.bytes,
        };
        String::from_utf8(bytes).ok()
    }
}

/// Takes events into every view that does not have them yet.
pub(crate) fn project<A: Aggregate>(
    views: &Views<A>,
    stands_at: &[u64],
    db: &Connection,
    events: &[(A::Event, Meta)],
    texts: &dyn TextLookup,
) -> rusqlite::Result<()> {
    for (event, meta) in events {
        for (view, at) in views.iter().zip(stands_at) {
            if meta.sequence > *at {
                view.project(db, event, meta, texts)?;
            }
        }
    }
    Ok(())
}

/// Lets every view write what it gathered, and notes how far the views have come.
pub(crate) fn settle<A: Aggregate>(
    views: &Views<A>,
    db: &Connection,
    sequence: u64,
) -> rusqlite::Result<()> {
    for view in views {
        view.settle(db)?;
    }
    db.prepare_cached("UPDATE views SET sequence = ?1 WHERE sequence < ?1")?.execute([sequence])?;
    Ok(())
}

/// Makes the views that are new or whose version changed, and says how far each has come.
pub(crate) fn prepare<A: Aggregate>(
    views: &Views<A>,
    db: &Connection,
) -> rusqlite::Result<Vec<u64>> {
    db.execute_batch(
        "CREATE TABLE IF NOT EXISTS views (
           name TEXT PRIMARY KEY, version INTEGER NOT NULL, sequence INTEGER NOT NULL)",
    )?;
    let mut stands_at = Vec::new();
    for view in views {
        let kept: Option<(u32, u64)> = db
            .query_row("SELECT version, sequence FROM views WHERE name = ?1", [view.name()], |r| {
                Ok((r.get(0)?, r.get(1)?))
            })
            .optional()?;
        match kept {
            Some((version, sequence)) if version == view.version() => stands_at.push(sequence),
            Some(_) | None => {
                view.create(db)?;
                db.execute(
                    "INSERT OR REPLACE INTO views VALUES (?1, ?2, 0)",
                    (view.name(), view.version()),
                )?;
                stands_at.push(0);
            }
        }
    }
    Ok(stands_at)
}
