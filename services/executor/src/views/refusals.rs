//! The read model of safety: actions that were refused, tasks that were held or blocked, and fragments
//! that were left out of a briefing, with how often each reason and rule stopped something.

use rusqlite::{Connection, Row};
use vivarium_ledger::view::TextLookup;
use vivarium_ledger::{Meta, View};

use crate::domain::State;
use crate::domain::cycle::{Fragment, Performed, ReceiptStatus, Started};
use crate::domain::event::Event;
use crate::domain::preflight::{Decided, Finding, Outcome};
use crate::policy;

/// What was stopped.
#[derive(Debug)]
pub struct Refusals;

/// The kinds of what was stopped. The numbers stand in the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An action of a cycle.
    Action = 1,
    /// A task that was left to the human.
    TaskHeld = 2,
    /// A task that was blocked.
    TaskBlocked = 3,
    /// A fragment of a briefing.
    Fragment = 4,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Action, Self::TaskHeld, Self::TaskBlocked, Self::Fragment];
}

/// Something that was stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stopped {
    /// Its row, and its place among what that row stopped.
    pub place: (u64, u32),
    /// When, in microseconds since the Unix epoch.
    pub time_us: i64,
    /// What.
    pub kind: Kind,
    /// The task; empty when none.
    pub task: String,
    /// The resident; empty when none.
    pub resident: String,
    /// The cycle.
    pub cycle: String,
    /// The step of an action; 0 otherwise.
    pub step: u32,
    /// The action, or the fragment's section.
    pub what: String,
    /// What the action was about, or the fragment's source.
    pub target: String,
    /// The reason or the rule.
    pub why: String,
    /// All findings of a preflight.
    pub findings: Vec<Finding>,
    /// The id of what the receipt says; empty when nothing or private.
    pub text: String,
}

/// How often something was stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// What.
    pub kind: Kind,
    /// For which reason or by which rule; empty: whatever it was.
    pub why: String,
    /// How often.
    pub times: u64,
}

/// Which of them a page holds.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Only these; empty means all.
    pub kinds: Vec<Kind>,
    /// Only what stands before this place.
    pub before: Option<(u64, u32)>,
    /// At most this many.
    pub limit: u32,
}

impl View<State> for Refusals {
    fn name(&self) -> &'static str {
        "refusals"
    }

    fn version(&self) -> u32 {
        1
    }

    fn create(&self, db: &Connection) -> rusqlite::Result<()> {
        db.execute_batch(
            "DROP TABLE IF EXISTS refusals;
             DROP TABLE IF EXISTS refusal_counts;
             CREATE TABLE refusals (
               sequence INTEGER NOT NULL, part INTEGER NOT NULL, kind INTEGER NOT NULL,
               time_us INTEGER NOT NULL, cycle TEXT NOT NULL, task TEXT NOT NULL,
               step INTEGER NOT NULL, what TEXT NOT NULL, target TEXT NOT NULL,
               why TEXT NOT NULL, findings TEXT NOT NULL, text TEXT NOT NULL,
               PRIMARY KEY (sequence, part)) WITHOUT ROWID;
             CREATE INDEX refusals_by_kind ON refusals (kind, sequence, part);
             CREATE TABLE refusal_counts (
               kind INTEGER NOT NULL, why TEXT NOT NULL, count INTEGER NOT NULL,
               PRIMARY KEY (kind, why)) WITHOUT ROWID;",
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
            Event::CycleStarted(started) => left_out(db, started, meta),
            Event::PreflightDecided(decided) => decided_on(db, decided, meta),
            Event::ActionPerformed(performed) => refused(db, performed, meta),
            Event::BudgetReserved(_)
            | Event::ModelCalled(_)
            | Event::ReservationReleased { .. }
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

fn left_out(db: &Connection, started: &Started, meta: &Meta) -> rusqlite::Result<()> {
    let quarantined = started.fragments.iter().filter(|fragment| fragment.quarantined);
    for (part, fragment) in (0_u32..).zip(quarantined) {
        let Fragment { section, source, .. } = fragment;
        insert(
            db,
            meta,
            &Stopped {
                place: (meta.sequence, part),
                what: section.clone(),
                target: source.clone(),
                ..stopped(Kind::Fragment, &started.cycle.to_string(), policy::INJECTION)
            },
        )?;
        count(db, Kind::Fragment, policy::INJECTION)?;
    }
    Ok(())
}

fn decided_on(db: &Connection, decided: &Decided, meta: &Meta) -> rusqlite::Result<()> {
    let kind = match decided.outcome {
        Outcome::Pass => return Ok(()),
        Outcome::Hold => Kind::TaskHeld,
        Outcome::Block => Kind::TaskBlocked,
    };
    let mut rules: Vec<&str> = decided
        .findings
        .iter()
        .filter(|finding| finding.outcome == decided.outcome)
        .map(|finding| finding.rule.as_str())
        .collect();
    let first = rules.first().copied().unwrap_or_default();
    insert(
        db,
        meta,
        &Stopped {
            place: (meta.sequence, 0),
            task: decided.task.to_string(),
            findings: decided.findings.clone(),
            ..stopped(kind, &decided.cycle.to_string(), first)
        },
    )?;
    // A rule that matched in several places has stopped one task.
    rules.sort_unstable();
    rules.dedup();
    rules.into_iter().try_for_each(|rule| count_one(db, kind, rule))?;
    count_one(db, kind, "")
}

fn refused(db: &Connection, performed: &Performed, meta: &Meta) -> rusqlite::Result<()> {
    if performed.status != ReceiptStatus::Refused {
        return Ok(());
    }
    let Performed { step, action, target, reason, result, .. } = performed;
    let text = result.as_ref().filter(|text| !text.sealed).map(|text| text.id.clone());
    insert(
        db,
        meta,
        &Stopped {
            place: (meta.sequence, 0),
            step: *step,
            what: action.clone(),
            target: target.clone(),
            text: text.unwrap_or_default(),
            ..stopped(Kind::Action, &performed.cycle.to_string(), reason)
        },
    )?;
    count(db, Kind::Action, reason)
}

fn stopped(kind: Kind, cycle: &str, why: &str) -> Stopped {
    Stopped {
        place: (0, 0),
        time_us: 0,
        kind,
        task: String::new(),
        resident: String::new(),
        cycle: cycle.to_owned(),
        step: 0,
        what: String::new(),
        target: String::new(),
        why: why.to_owned(),
        findings: Vec::new(),
        text: String::new(),
    }
}

fn insert(db: &Connection, meta: &Meta, stopped: &Stopped) -> rusqlite::Result<()> {
    let Stopped { place: (sequence, part), kind, task, cycle, step, what, target, why, .. } =
        stopped;
    let findings: Vec<_> = stopped.findings.iter().map(kept).collect();
    let findings = serde_json::to_string(&findings)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    let (kind, time) = (*kind as i64, meta.time.as_micros());
    db.prepare_cached(
        "INSERT INTO refusals VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )?
    .execute((
        sequence,
        part,
        kind,
        time,
        cycle,
        task,
        step,
        what,
        target,
        why,
        findings,
        &stopped.text,
    ))?;
    Ok(())
}

/// Counts it for its reason and as a whole.
fn count(db: &Connection, kind: Kind, why: &str) -> rusqlite::Result<()> {
    if !why.is_empty() {
        count_one(db, kind, why)?;
    }
    count_one(db, kind, "")
}

fn count_one(db: &Connection, kind: Kind, why: &str) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO refusal_counts VALUES (?1, ?2, 1)
         ON CONFLICT DO UPDATE SET count = count + 1",
    )?
    .execute((kind as i64, why))?;
    Ok(())
}

/// A finding as it is kept: rule, place, and whether it blocks.
type Kept = (String, String, bool);

fn kept(finding: &Finding) -> Kept {
    (finding.rule.clone(), finding.place.clone(), finding.outcome == Outcome::Block)
}

fn finding((rule, place, blocks): Kept) -> Finding {
    Finding { rule, place, outcome: if blocks { Outcome::Block } else { Outcome::Hold } }
}

/// A page of what was stopped, newest first. Task and resident of an action are those of its cycle.
pub fn page(db: &Connection, wanted: &Wanted) -> rusqlite::Result<Vec<Stopped>> {
    let Wanted { kinds, before, limit } = wanted;
    let (sequence, part) = before.unzip();
    // One look for each kind, so that a rare one is found without passing all of the others.
    let mut query = db.prepare_cached(
        "SELECT r.sequence, r.part, r.kind, r.time_us, r.cycle,
                CASE r.task WHEN '' THEN COALESCE(c.task, '') ELSE r.task END,
                COALESCE(c.resident, ''), r.step, r.what, r.target, r.why, r.findings, r.text
         FROM refusals r LEFT JOIN cycles c ON c.id = r.cycle
         WHERE r.kind = ?1 AND (?2 IS NULL OR (r.sequence, r.part) < (?2, ?3))
         ORDER BY r.sequence DESC, r.part DESC LIMIT ?4",
    )?;
    let mut page = Vec::new();
    for kind in Kind::ALL.into_iter().filter(|kind| kinds.is_empty() || kinds.contains(kind)) {
        let rows = query.query_map((kind as i64, sequence, part, limit), of_row)?;
        for row in rows {
            page.push(row?);
        }
    }
    page.sort_unstable_by_key(|stopped| std::cmp::Reverse(stopped.place));
    page.truncate(usize::try_from(*limit).unwrap_or(usize::MAX));
    Ok(page)
}

fn of_row(row: &Row<'_>) -> rusqlite::Result<Stopped> {
    let wrong = |column: usize, error: Box<dyn std::error::Error + Send + Sync>| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, error)
    };
    let findings: Vec<Kept> = serde_json::from_str(&row.get::<_, String>(11)?)
        .map_err(|error| wrong(11, Box::new(error)))?;
    Ok(Stopped {
        place: (row.get(0)?, row.get(1)?),
        kind: kind(row.get(2)?).ok_or_else(|| wrong(2, "a kind that is not known".into()))?,
        time_us: row.get(3)?,
        cycle: row.get(4)?,
        task: row.get(5)?,
        resident: row.get(6)?,
        step: row.get(7)?,
        what: row.get(8)?,
        target: row.get(9)?,
        why: row.get(10)?,
        findings: findings.into_iter().map(finding).collect(),
        text: row.get(12)?,
    })
}

fn kind(number: i64) -> Option<Kind> {
    Kind::ALL.into_iter().find(|kind| *kind as i64 == number)
}

/// How often each kind was stopped, as a whole and for each reason or rule, the most frequent first.
pub fn counts(db: &Connection) -> rusqlite::Result<Vec<Count>> {
    let mut query = db.prepare_cached(
        "SELECT kind, why, count FROM refusal_counts ORDER BY kind, why = '' DESC, count DESC, why",
    )?;
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let count = |(number, why, times)| Some(Count { kind: kind(number)?, why, times });
    rows.filter_map(|row| row.map(count).transpose()).collect()
}
