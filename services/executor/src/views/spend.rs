//! The read model of money: what settled calls cost, by resident, task, model and spend day, and the
//! reservations that are open.
//!
//! Every settled call is added once to each of the groups, for its day and for ever, so that a page of
//! sums reads rows of sums and never calls, and all groups have the same sum.

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use vivarium_ledger::view::TextLookup;
use vivarium_ledger::{Meta, View};

use super::{Dated, dated, json};
use crate::domain::State;
use crate::domain::budget::Reserved;
use crate::domain::call::{Called, Outcome};
use crate::domain::event::Event;

/// Sums of settled calls, and what is reserved.
#[derive(Debug)]
pub struct Spend;

/// What is summed up by. The numbers stand in the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// The resident whose cycle called.
    Resident = 1,
    /// The task.
    Task = 2,
    /// The model at its provider.
    Model = 3,
    /// The spend day.
    Day = 4,
}

/// Calls and what they came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sum {
    /// Settled calls.
    pub calls: i64,
    /// Those that were not answered.
    pub failed: i64,
    /// Model tokens of prompts.
    pub input: i64,
    /// Model tokens of completions.
    pub output: i64,
    /// What they cost, in micro-dollars.
    pub cost: i64,
    /// What was reserved for them, in micro-dollars.
    pub worst: i64,
    /// Model tokens of prompts that were assumed.
    pub input_max: i64,
    /// Model tokens of completions that were allowed.
    pub output_max: i64,
}

/// A row of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summed {
    /// The resident, task or model; empty when there is none, and for days.
    pub subject: String,
    /// The provider of a model; empty otherwise.
    pub provider: String,
    /// The day, as days since 1970-01-01; 0 in other groups.
    pub day: i64,
    /// The sum.
    pub sum: Sum,
}

/// Where a page of sums ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The last row's cost; of days, the day.
    pub first: i64,
    /// The last row's model tokens; 0 of days.
    pub second: i64,
    /// The last row's provider.
    pub provider: String,
    /// The last row's subject.
    pub subject: String,
}

/// Which sums a page holds.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// What is summed up by.
    pub group: Group,
    /// The first day.
    pub from: Option<i64>,
    /// The last day.
    pub to: Option<i64>,
    /// Only what stands behind this row.
    pub behind: Option<Mark>,
    /// At most this many.
    pub limit: u32,
}

/// The columns of a sum, in the order of [`Sum`].
const SUM: &str = "calls, failed, input, output, cost, worst, input_max, output_max";
/// The same of many rows.
const SUMS: &str = "SUM(calls), SUM(failed), SUM(input), SUM(output), SUM(cost), SUM(worst), \
                    SUM(input_max), SUM(output_max)";
/// The columns of a sum when a table is made.
const COLUMNS: &str = "calls INTEGER NOT NULL, failed INTEGER NOT NULL, input INTEGER NOT NULL,
     output INTEGER NOT NULL, cost INTEGER NOT NULL, worst INTEGER NOT NULL,
     input_max INTEGER NOT NULL, output_max INTEGER NOT NULL";

impl View<State> for Spend {
    fn name(&self) -> &'static str {
        "spend"
    }

    fn version(&self) -> u32 {
        1
    }

    fn create(&self, db: &Connection) -> rusqlite::Result<()> {
        db.execute_batch(&format!(
            "DROP TABLE IF EXISTS reservations;
             DROP TABLE IF EXISTS spend;
             DROP TABLE IF EXISTS spend_ever;
             CREATE TABLE reservations (
               sequence INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,
               time_us INTEGER NOT NULL, day INTEGER NOT NULL, worst INTEGER NOT NULL,
               input_max INTEGER NOT NULL, output_max INTEGER NOT NULL, event TEXT NOT NULL);
             CREATE TABLE spend (
               kind INTEGER NOT NULL, day INTEGER NOT NULL, subject TEXT NOT NULL,
               provider TEXT NOT NULL, {COLUMNS},
               PRIMARY KEY (kind, day, subject, provider)) WITHOUT ROWID;
             CREATE TABLE spend_ever (
               kind INTEGER NOT NULL, subject TEXT NOT NULL, provider TEXT NOT NULL, {COLUMNS},
               PRIMARY KEY (kind, subject, provider)) WITHOUT ROWID;
             CREATE INDEX spend_ever_by_cost
               ON spend_ever (kind, cost, input + output, provider, subject);"
        ))
    }

    fn project(
        &self,
        db: &Connection,
        event: &Event,
        meta: &Meta,
        _texts: &dyn TextLookup,
    ) -> rusqlite::Result<()> {
        match event {
            Event::BudgetReserved(reserved) => hold(db, event, reserved, meta),
            Event::ModelCalled(called) => settle(db, called, meta),
            Event::ReservationReleased { reservation, .. } => {
                db.prepare_cached("DELETE FROM reservations WHERE id = ?1")?
                    .execute([reservation.to_string()])?;
                Ok(())
            }
            Event::CycleStarted(_)
            | Event::PreflightDecided(_)
            | Event::ActionPerformed(_)
            | Event::CommandStarted(_)
            | Event::CommandEnded(_)
            | Event::CycleEnded(_)
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

fn hold(db: &Connection, event: &Event, reserved: &Reserved, meta: &Meta) -> rusqlite::Result<()> {
    db.prepare_cached("INSERT INTO reservations VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?
        .execute((
            meta.sequence,
            reserved.reservation.to_string(),
            meta.time.as_micros(),
            reserved.spend_day,
            reserved.worst_case.get(),
            whole(reserved.input_tokens_max),
            whole(reserved.output_tokens_max),
            json(event)?,
        ))?;
    Ok(())
}

fn settle(db: &Connection, called: &Called, meta: &Meta) -> rusqlite::Result<()> {
    // A call is spending of the day it was reserved for, as in the budget.
    let held = db
        .prepare_cached(
            "DELETE FROM reservations WHERE id = ?1 RETURNING day, worst, input_max, output_max",
        )?
        .query_row([called.reservation.to_string()], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .optional()?;
    let Called { usage, cost, owner, .. } = called;
    let (input, output) = (whole(usage.input_tokens), whole(usage.output_tokens));
    let (day, worst, input_max, output_max) =
        held.unwrap_or_else(|| (meta.time.utc_day(), cost.get(), input, output));
    let failed = i64::from(called.outcome != Outcome::Answered);
    let cost = cost.get();
    let sum = Sum { calls: 1, failed, input, output, cost, worst, input_max, output_max };
    let id = |id: Option<String>| id.unwrap_or_default();
    let resident = id(owner.resident.map(|resident| resident.to_string()));
    let task = id(owner.task.map(|task| task.to_string()));
    add(db, Group::Resident, day, (&resident, ""), &sum)?;
    add(db, Group::Task, day, (&task, ""), &sum)?;
    add(db, Group::Model, day, (&called.model, &called.provider), &sum)?;
    add(db, Group::Day, day, ("", ""), &sum)
}

fn add(
    db: &Connection,
    group: Group,
    day: i64,
    (subject, provider): (&str, &str),
    sum: &Sum,
) -> rusqlite::Result<()> {
    const PLUS: &str = "calls = calls + excluded.calls, failed = failed + excluded.failed,
         input = input + excluded.input, output = output + excluded.output,
         cost = cost + excluded.cost, worst = worst + excluded.worst,
         input_max = input_max + excluded.input_max, output_max = output_max + excluded.output_max";
    let Sum { calls, failed, input, output, cost, worst, input_max, output_max } = sum;
    let kind = group as i64;
    db.prepare_cached(&format!(
        "INSERT INTO spend VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
         ON CONFLICT DO UPDATE SET {PLUS}"
    ))?
    .execute(params![
        kind, day, subject, provider, calls, failed, input, output, cost, worst, input_max,
        output_max
    ])?;
    db.prepare_cached(&format!(
        "INSERT INTO spend_ever VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
         ON CONFLICT DO UPDATE SET {PLUS}"
    ))?
    .execute(params![
        kind, subject, provider, calls, failed, input, output, cost, worst, input_max, output_max
    ])?;
    Ok(())
}

/// A count for SQLite, which has no larger numbers.
fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A page of sums: the costliest first, days newest first.
pub fn page(db: &Connection, wanted: &Wanted) -> rusqlite::Result<Vec<Summed>> {
    match (wanted.group, wanted.from, wanted.to) {
        (Group::Day, ..) => days(db, wanted),
        (_, None, None) => ever(db, wanted),
        (..) => window(db, wanted),
    }
}

/// The sum of all rows of a window, whatever they are grouped by.
pub fn total(db: &Connection, from: Option<i64>, to: Option<i64>) -> rusqlite::Result<Sum> {
    let kind = Group::Day as i64;
    let mut query = db.prepare_cached(&format!(
        "SELECT COUNT(*), '', 0, {SUMS} FROM spend
         WHERE kind = ?1 AND (?2 IS NULL OR day >= ?2) AND (?3 IS NULL OR day <= ?3)"
    ))?;
    query.query_row((kind, from, to), |row| {
        // Without a day there is no sum, which is not a sum of nothing.
        if row.get::<_, i64>(0)? == 0 { Ok(Sum::default()) } else { sum_at(row, 3) }
    })
}

fn days(db: &Connection, wanted: &Wanted) -> rusqlite::Result<Vec<Summed>> {
    let Wanted { group, from, to, behind, limit } = wanted;
    let before = behind.as_ref().map(|mark| mark.first);
    let mut query = db.prepare_cached(&format!(
        "SELECT subject, provider, day, {SUM} FROM spend
         WHERE kind = ?1 AND (?2 IS NULL OR day >= ?2) AND (?3 IS NULL OR day <= ?3)
           AND (?4 IS NULL OR day < ?4)
         ORDER BY day DESC LIMIT ?5"
    ))?;
    query.query_map((*group as i64, from, to, before, limit), summed)?.collect()
}

fn ever(db: &Connection, wanted: &Wanted) -> rusqlite::Result<Vec<Summed>> {
    let (cost, tokens, provider, subject) = behind(wanted);
    let mut query = db.prepare_cached(&format!(
        "SELECT subject, provider, 0, {SUM} FROM spend_ever
         WHERE kind = ?1
           AND (?2 IS NULL OR (cost, input + output, provider, subject) < (?2, ?3, ?4, ?5))
         ORDER BY cost DESC, input + output DESC, provider DESC, subject DESC LIMIT ?6"
    ))?;
    let wanted = (wanted.group as i64, cost, tokens, provider, subject, wanted.limit);
    query.query_map(wanted, summed)?.collect()
}

fn window(db: &Connection, wanted: &Wanted) -> rusqlite::Result<Vec<Summed>> {
    let Wanted { group, from, to, limit, .. } = wanted;
    let (cost, tokens, provider, subject) = behind(wanted);
    let mut query = db.prepare_cached(&format!(
        "SELECT subject, provider, 0, {SUMS} FROM spend
         WHERE kind = ?1 AND (?2 IS NULL OR day >= ?2) AND (?3 IS NULL OR day <= ?3)
         GROUP BY subject, provider
         HAVING ?4 IS NULL
           OR (SUM(cost), SUM(input) + SUM(output), provider, subject) < (?4, ?5, ?6, ?7)
         ORDER BY SUM(cost) DESC, SUM(input) + SUM(output) DESC, provider DESC, subject DESC
         LIMIT ?8"
    ))?;
    let wanted = params![*group as i64, from, to, cost, tokens, provider, subject, limit];
    query.query_map(wanted, summed)?.collect()
}

type Behind<'a> = (Option<i64>, Option<i64>, Option<&'a str>, Option<&'a str>);

fn behind(wanted: &Wanted) -> Behind<'_> {
    let mark = wanted.behind.as_ref();
    (
        mark.map(|mark| mark.first),
        mark.map(|mark| mark.second),
        mark.map(|mark| mark.provider.as_str()),
        mark.map(|mark| mark.subject.as_str()),
    )
}

fn summed(row: &Row<'_>) -> rusqlite::Result<Summed> {
    let (subject, provider, day) = (row.get(0)?, row.get(1)?, row.get(2)?);
    Ok(Summed { subject, provider, day, sum: sum_at(row, 3)? })
}

fn sum_at(row: &Row<'_>, first: usize) -> rusqlite::Result<Sum> {
    Ok(Sum {
        calls: row.get(first)?,
        failed: row.get(first + 1)?,
        input: row.get(first + 2)?,
        output: row.get(first + 3)?,
        cost: row.get(first + 4)?,
        worst: row.get(first + 5)?,
        input_max: row.get(first + 6)?,
        output_max: row.get(first + 7)?,
    })
}

/// A page of open reservations, newest first, each with its row.
pub fn reservations(
    db: &Connection,
    before: Option<u64>,
    limit: u32,
) -> rusqlite::Result<Vec<(u64, Dated)>> {
    let mut query = db.prepare_cached(
        "SELECT sequence, time_us, event FROM reservations
         WHERE ?1 IS NULL OR sequence < ?1 ORDER BY sequence DESC LIMIT ?2",
    )?;
    let rows = query.query_map((before, limit), |row| {
        Ok((row.get(0)?, dated(row.get(1)?, &row.get::<_, String>(2)?)?))
    })?;
    rows.collect()
}
