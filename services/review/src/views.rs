//! Review's read model: submissions by age and state, for lists.

use rusqlite::Connection;
use vivarium_ledger::view::TextLookup;
use vivarium_ledger::{Meta, View};

use crate::domain::submission::State;
use crate::domain::{Event, Review};

/// One row for each submission.
#[derive(Debug)]
pub struct Submissions;

/// Which submissions a page holds.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Only these states; empty for all.
    pub states: Vec<State>,
    /// Only this task's.
    pub task: Option<String>,
    /// Only those older than this one.
    pub before: Option<String>,
    /// At most this many.
    pub limit: u32,
}

impl View<Review> for Submissions {
    fn name(&self) -> &'static str {
        "submissions"
    }

    fn version(&self) -> u32 {
        1
    }

    fn create(&self, db: &Connection) -> rusqlite::Result<()> {
        db.execute_batch(
            "DROP TABLE IF EXISTS submissions;
             CREATE TABLE submissions (
               id TEXT PRIMARY KEY, task TEXT NOT NULL, state TEXT NOT NULL) WITHOUT ROWID;
             CREATE INDEX submissions_by_state ON submissions (state, id);
             CREATE INDEX submissions_by_task ON submissions (task, id);",
        )
    }

    fn project(
        &self,
        db: &Connection,
        event: &Event,
        _meta: &Meta,
        _texts: &dyn TextLookup,
    ) -> rusqlite::Result<()> {
        let (id, state) = match event {
            Event::SubmissionOpened(opened) => {
                db.prepare_cached("INSERT INTO submissions VALUES (?1, ?2, ?3)")?.execute((
                    opened.submission.to_string(),
                    opened.task.to_string(),
                    column(State::Checking),
                ))?;
                return Ok(());
            }
            Event::CritiqueAsked { submission, .. } => (submission, State::Critique),
            Event::HumanAsked { submission, .. } => (submission, State::AwaitingHuman),
            Event::VerdictReached(verdict) => (&verdict.submission, State::Decided),
            Event::SubmissionWithdrawn { submission } => (submission, State::Withdrawn),
            Event::DraftStaged(_)
            | Event::ChecksEnded { .. }
            | Event::CritiqueReceived { .. }
            | Event::FactIgnored(_)
            | Event::FactParked(_)
            | Event::SegmentClosed(_) => return Ok(()),
        };
        db.prepare_cached("UPDATE submissions SET state = ?2 WHERE id = ?1")?
            .execute((id.to_string(), column(state)))?;
        Ok(())
    }
}

/// Ids of a page, newest first.
pub fn page(db: &Connection, wanted: &Wanted) -> rusqlite::Result<Vec<String>> {
    let states: Vec<&str> = wanted.states.iter().map(|state| column(*state)).collect();
    let mut query = db.prepare_cached(
        "SELECT id FROM submissions
         WHERE (?1 IS NULL OR id < ?1) AND (?2 IS NULL OR task = ?2)
           AND (?3 = '' OR instr(?3, ' ' || state || ' ') > 0)
         ORDER BY id DESC LIMIT ?4",
    )?;
    let states = if states.is_empty() { String::new() } else { format!(" {} ", states.join(" ")) };
    let ids =
        query.query_map((&wanted.before, &wanted.task, states, wanted.limit), |row| row.get(0))?;
    ids.collect()
}

/// How many submissions wait for a human.
pub fn awaiting_human(db: &Connection) -> rusqlite::Result<u64> {
    db.prepare_cached("SELECT count(*) FROM submissions WHERE state = ?1")?
        .query_row([column(State::AwaitingHuman)], |row| row.get(0))
}

const fn column(state: State) -> &'static str {
    match state {
        State::Checking => "checking",
        State::Critique => "critique",
        State::AwaitingHuman => "awaiting_human",
        State::Decided => "decided",
        State::Withdrawn => "withdrawn",
    }
}
