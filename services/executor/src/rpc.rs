//! The executor's methods: parse, authorise, submit, answer. Outgoing calls are in [`peers`].

use std::sync::Arc;
use std::time::Duration;

use vivarium_chassis::Refusal;
use vivarium_ledger::{Error, Ledger};
use vivarium_proto::ledger::v1::Position;
use vivarium_types::Reason;

use crate::domain::{Rejection, State};

pub mod budgets;
pub mod commands;
pub mod cycles;
pub mod peers;
pub mod providers;
pub mod safety;

mod convert;

/// How long a refused caller should wait before it asks a busy service again.
const BUSY_WAIT: Duration = Duration::from_millis(200);
/// How long a read waits for a position that is not visible yet.
const REACH_WAIT: Duration = Duration::from_secs(9);

fn refusal(error: Error<Rejection>) -> Refusal {
    match error {
        Error::Refused(Rejection::BudgetSpent(scope)) => {
            Refusal::new(Reason::BudgetSpent).with("scope", scope.word())
        }
        Error::Refused(Rejection::JudgeWithoutConsent) => {
            Refusal::new(Reason::RequestInvalid).field("may_judge", "is possible only with consent")
        }
        Error::Refused(
            rejection @ (Rejection::ReservationGone(_)
            | Rejection::CycleKnown(_)
            | Rejection::CycleGone(_)
            | Rejection::ProgramsSpent),
        ) => Refusal::fault(format!("{rejection:?}")),
        Error::RequestReused => Refusal::new(Reason::RequestIdReused),
        Error::Full => {
            Refusal::new(Reason::LedgerInboxFull).with("service", "executor").retry_after(BUSY_WAIT)
        }
        Error::Closed => Refusal::new(Reason::ServiceDraining).with("service", "executor"),
        error @ (Error::KeyClaimed(_) | Error::Fault | Error::Store(_)) => Refusal::fault(error),
    }
}

/// Waits until a wanted position is visible.
async fn reached(ledger: &Ledger<State>, position: Option<Position>) -> Result<(), Refusal> {
    let Some(position) = position else { return Ok(()) };
    let waited = tokio::time::timeout(REACH_WAIT, ledger.reached(position.sequence)).await;
    match waited {
        Ok(true) => Ok(()),
        Ok(false) | Err(_) => Err(Refusal::new(Reason::LedgerNotReached)),
    }
}

fn position(sequence: u64) -> Position {
    Position { ledger: "executor".to_owned(), sequence }
}

/// Everything a handler stands on.
#[derive(Debug, Clone)]
pub struct Floor {
    /// The record.
    pub ledger: Ledger<State>,
    /// The time.
    pub clock: Arc<dyn vivarium_types::Clock>,
}
