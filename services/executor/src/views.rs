//! The executor's read models: cycles with their fragments, calls and actions, for lists and pages;
//! beside them money ([`spend`]) and what was stopped ([`refusals`]).

pub mod refusals;
pub mod spend;

use rusqlite::{Connection, OptionalExtension as _, Row};
use vivarium_ledger::view::TextLookup;
use vivarium_ledger::{Meta, View};

use crate::domain::State;
use crate::domain::call::Called;
use crate::domain::cycle::{Ended, Performed, Started};
use crate::domain::event::{self, Event, Wire};

/// One row for each cycle and each part of one; a part is kept as its event.
#[derive(Debug)]
pub struct Cycles;

/// One cycle with its parts, as their events.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// How it began.
    pub started: Dated,
    /// How it ended; unset while it runs.
    pub ended: Option<Dated>,
    /// Model calls and actions, in order.
    pub parts: Vec<Dated>,
}

/// An event with its time.
#[derive(Debug, Clone, PartialEq)]
pub struct Dated {
    /// When, in microseconds since the Unix epoch.
    pub time_us: i64,
    /// What.
    pub event: Wire,
}

/// Which cycles a page holds.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Only this task's.
    pub task: Option<String>,
    /// Only this resident's.
    pub resident: Option<String>,
    /// Only those that run.
    pub running: bool,
    /// Only those that began before this row.
    pub before: Option<u64>,
    /// At most this many.
    pub limit: u32,
}

impl View<State> for Cycles {
    fn name(&self) -> &'static str {
        "cycles"
    }

    fn version(&self) -> u32 {
        1
    }

    fn create(&self, db: &Connection) -> rusqlite::Result<()> {
        db.execute_batch(
            "DROP TABLE IF EXISTS cycles;
             DROP TABLE IF EXISTS cycle_parts;
             CREATE TABLE cycles (
               sequence INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, task TEXT NOT NULL,
               resident TEXT NOT NULL, running INTEGER NOT NULL,
               started_us INTEGER NOT NULL, started TEXT NOT NULL,
               ended_us INTEGER, ended TEXT);
             CREATE INDEX cycles_by_task ON cycles (task, sequence);
             CREATE INDEX cycles_by_resident ON cycles (resident, sequence);
             CREATE INDEX cycles_running ON cycles (running, sequence) WHERE running = 1;
             CREATE TABLE cycle_parts (
               sequence INTEGER PRIMARY KEY, cycle TEXT NOT NULL,
               time_us INTEGER NOT NULL, event TEXT NOT NULL);
             CREATE INDEX cycle_parts_by_cycle ON cycle_parts (cycle, sequence);",
        )
    }

    fn project(
        &self,
        db: &Connection,
        event: &Event,
        meta: &Meta,
        _texts: &dyn TextLookup,
    ) -> rusqlite::Result<()> {
        match event {
            Event::CycleStarted(started) => began(db, event, started, meta),
            Event::CycleEnded(ended) => over(db, event, ended, meta),
            Event::ModelCalled(called) => {
                let Called { owner, .. } = &**called;
                part(db, event, &owner.cycle.to_string(), meta)
            }
            Event::ActionPerformed(performed) => {
                let Performed { cycle, .. } = &**performed;
                part(db, event, &cycle.to_string(), meta)
            }
            Event::PreflightDecided(_)
            | Event::CommandStarted(_)
            | Event::CommandEnded(_)
            | Event::BudgetReserved(_)
            | Event::ReservationReleased { .. }
            | Event::CritiqueMade(_)
            | Event::CritiqueFailed(_)
            | Event::ProviderHealthChanged { .. }
            | Event::KeySet { .. }
            | Event::KeyCleared { .. }
            | Event::BudgetLimitSet { .. }
            | Event::ProviderConsented { .. }
            | Event::HaltObeyed(_)
            | Event::FactIgnored(_)
            | Event::FactParked(_)
            | Event::SegmentClosed(_) => Ok(()),
        }
    }
}

fn began(db: &Connection, event: &Event, started: &Started, meta: &Meta) -> rusqlite::Result<()> {
    let id = |id: Option<String>| id.unwrap_or_default();
    db.prepare_cached("INSERT INTO cycles VALUES (?1, ?2, ?3, ?4, 1, ?5, ?6, NULL, NULL)")?
        .execute((
            meta.sequence,
            started.cycle.to_string(),
            id(started.task.map(|task| task.to_string())),
            id(started.resident.map(|resident| resident.to_string())),
            meta.time.as_micros(),
            json(event)?,
        ))?;
    Ok(())
}

fn over(db: &Connection, event: &Event, ended: &Ended, meta: &Meta) -> rusqlite::Result<()> {
    db.prepare_cached("UPDATE cycles SET running = 0, ended_us = ?2, ended = ?3 WHERE id = ?1")?
        .execute((ended.cycle.to_string(), meta.time.as_micros(), json(event)?))?;
    Ok(())
}

fn part(db: &Connection, event: &Event, cycle: &str, meta: &Meta) -> rusqlite::Result<()> {
    db.prepare_cached("INSERT INTO cycle_parts VALUES (?1, ?2, ?3, ?4)")?.execute((
        meta.sequence,
        cycle,
        meta.time.as_micros(),
        json(event)?,
    ))?;
    Ok(())
}

fn json(event: &Event) -> rusqlite::Result<String> {
    event::to_json(event.clone())
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

/// One cycle by id.
pub fn cycle(db: &Connection, id: &str) -> rusqlite::Result<Option<Kept>> {
    let mut query = db.prepare_cached(
        "SELECT sequence, id, started_us, started, ended_us, ended FROM cycles WHERE id = ?1",
    )?;
    let kept = query.query_row([id], kept).optional()?;
    let Some((_, mut kept)) = kept else { return Ok(None) };
    let mut query = db.prepare_cached(
        "SELECT time_us, event FROM cycle_parts WHERE cycle = ?1 ORDER BY sequence",
    )?;
    let parts = query.query_map([id], |row| dated(row.get(0)?, &row.get::<_, String>(1)?))?;
    kept.parts = parts.collect::<rusqlite::Result<_>>()?;
    Ok(Some(kept))
}

/// A page of cycles without their parts, newest first, each with the row it began at.
pub fn page(db: &Connection, wanted: &Wanted) -> rusqlite::Result<Vec<(u64, Kept)>> {
    let mut query = db.prepare_cached(
        "SELECT sequence, id, started_us, started, ended_us, ended FROM cycles
         WHERE (?1 IS NULL OR task = ?1) AND (?2 IS NULL OR resident = ?2)
           AND (?3 = 0 OR running = 1) AND (?4 IS NULL OR sequence < ?4)
         ORDER BY sequence DESC LIMIT ?5",
    )?;
    let Wanted { task, resident, running, before, limit } = wanted;
    query.query_map((task, resident, running, before, limit), kept)?.collect()
}

/// The model calls of a cycle, for its sums while it runs.
pub fn calls(db: &Connection, id: &str) -> rusqlite::Result<Vec<Dated>> {
    let mut query = db.prepare_cached(
        "SELECT time_us, event FROM cycle_parts WHERE cycle = ?1 ORDER BY sequence",
    )?;
    let parts = query.query_map([id], |row| dated(row.get(0)?, &row.get::<_, String>(1)?))?;
    parts.collect()
}

fn kept(row: &Row<'_>) -> rusqlite::Result<(u64, Kept)> {
    let started = dated(row.get(2)?, &row.get::<_, String>(3)?)?;
    let ended = match (row.get::<_, Option<i64>>(4)?, row.get::<_, Option<String>>(5)?) {
        (Some(time), Some(event)) => Some(dated(time, &event)?),
        (Some(_) | None, _) => None,
    };
    Ok((row.get(0)?, Kept { started, ended, parts: Vec::new() }))
}

fn dated(time_us: i64, event: &str) -> rusqlite::Result<Dated> {
    let event = event::of_json(event).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
    })?;
    Ok(Dated { time_us, event })
}
