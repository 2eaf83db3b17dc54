//! What society does about the executor's events: what a briefing held is read once its cycle has
//! ended with something accepted, so that a lost cycle loses no letter.

use async_trait::async_trait;
use vivarium_chassis::Service;
use vivarium_ledger::{Handler, Ledger, Reaction, Row, Trouble};
use vivarium_proto::executor::v1 as pb;
use vivarium_proto::executor::v1::executor_event::Event;
use vivarium_types::ids::LetterId;

use super::{cause, decode, parse};
use crate::domain::mail::{Shown, Side};
use crate::domain::{Command, Society};
use crate::views::letters;

/// The section of a briefing that holds letters.
const MAIL: &str = "mail";

/// Follows the executor.
pub(super) struct OfExecutor {
    ledger: Ledger<Society>,
}

impl OfExecutor {
    pub(super) const fn new(ledger: Ledger<Society>) -> Self {
        Self { ledger }
    }
}

#[async_trait]
impl Handler<Society> for OfExecutor {
    fn concerns(&self, kind: &str) -> bool {
        matches!(kind, "cycle_started" | "cycle_ended")
    }

    async fn react(&self, row: &Row) -> Result<Reaction<Society>, Trouble> {
        let event: pb::ExecutorEvent = decode(row)?;
        match event.event {
            Some(Event::CycleStarted(started)) if !started.resident_id.is_empty() => {
                self.started(started).await
            }
            Some(Event::CycleEnded(ended))
                if accepted(ended.end()) && !ended.resident_id.is_empty() =>
            {
                let command = Command::EndCycle {
                    resident: parse(&ended.resident_id, "resident_id")?,
                    cycle: parse(&ended.cycle_id, "cycle_id")?,
                };
                Ok(Reaction::command(cause(Service::Executor), command))
            }
            Some(_) | None => Ok(Reaction::Nothing),
        }
    }
}

impl OfExecutor {
    async fn started(&self, started: pb::CycleStarted) -> Result<Reaction<Society>, Trouble> {
        let shown = || started.fragments.iter().filter_map(row_shown);
        let mail: Vec<u64> =
            shown().filter(|(section, _)| *section == MAIL).map(|(_, sequence)| sequence).collect();
        let seen = shown().filter(|(section, _)| matches!(*section, MAIL | "rooms"));
        let seen = seen.map(|(_, sequence)| sequence).max().unwrap_or(0);
        let letters = if mail.is_empty() { Vec::new() } else { self.letters(mail).await? };
        if seen == 0 {
            return Ok(Reaction::Nothing);
        }
        let command = Command::ShowBriefing(Shown {
            resident: parse(&started.resident_id, "resident_id")?,
            cycle: parse(&started.cycle_id, "cycle_id")?,
            letters,
            seen,
        });
        Ok(Reaction::command(cause(Service::Executor), command))
    }

    /// Letters of the human by the rows that hold them.
    async fn letters(&self, rows: Vec<u64>) -> Result<Vec<LetterId>, Trouble> {
        let found = self.ledger.view(move |db| {
            let found = rows.into_iter().map(|row| letters::at(db, row));
            found.collect::<rusqlite::Result<Vec<_>>>()
        });
        let found = found.await.map_err(|error| Trouble::Unavailable(Box::new(error)))?;
        let from_human = found.into_iter().flatten().filter(|letter| letter.from == Side::Human);
        Ok(from_human.map(|letter| letter.letter).collect())
    }
}

/// The row of our log that a part of a briefing told of, if the resident really saw it.
fn row_shown(fragment: &pb::BriefingFragment) -> Option<(&str, u64)> {
    let empty = fragment.text.as_ref().is_none_or(|text| text.length == 0);
    if fragment.quarantined || empty {
        return None;
    }
    let sequence = fragment.source.strip_prefix("society:")?.parse().ok()?;
    Some((fragment.section.as_str(), sequence))
}

/// Whether a cycle that ended so had something accepted.
const fn accepted(end: pb::CycleEnd) -> bool {
    match end {
        pb::CycleEnd::Finished
        | pb::CycleEnd::FinishedAsProse
        | pb::CycleEnd::FinishedByLimit
        | pb::CycleEnd::Declined
        | pb::CycleEnd::Split
        | pb::CycleEnd::Waits => true,
        pb::CycleEnd::Unspecified
        | pb::CycleEnd::Failed
        | pb::CycleEnd::Revoked
        | pb::CycleEnd::Returned
        | pb::CycleEnd::Blocked
        | pb::CycleEnd::Held
        | pb::CycleEnd::Lost => false,
    }
}
