//! What the executor does about the queue's events: the end of a lease ends its reservations.

use async_trait::async_trait;
use vivarium_chassis::{Deps, Service};
use vivarium_ledger::cursor::follow;
use vivarium_ledger::{Handler, Ledger, Reaction, Row, Trouble};
use vivarium_proto::queue::v1 as pb;
use vivarium_proto::queue::v1::queue_event::Event;
use vivarium_types::Actor;
use vivarium_types::ids::LeaseId;

use crate::domain::{Command, State};

/// Starts following the queue.
pub fn start(ledger: &Ledger<State>, deps: &Deps) {
    let source = deps.peers.to(Service::Queue).source();
    let following = follow(ledger.clone(), source, OfQueue { ledger: ledger.clone() });
    deps.tasks.spawn("follow queue", async move {
        let ended = following.await;
        tracing::debug!(?ended, "a follower ended");
    });
}

/// Reacts to the queue.
#[derive(Debug)]
pub struct OfQueue {
    ledger: Ledger<State>,
}

#[async_trait]
impl Handler<State> for OfQueue {
    fn concerns(&self, kind: &str) -> bool {
        kind.starts_with("attempt_") || kind == "critique_ended"
    }

    async fn react(&self, row: &Row) -> Result<Reaction<State>, Trouble> {
        let Some(lease) = ended(row)? else { return Ok(Reaction::Nothing) };
        let open = self.ledger.ask(move |state| state.budget().of_lease(lease).next().is_some());
        // A cycle that ended by itself has settled everything: nothing to write then.
        if !open.await.map_err(|error| Trouble::Unavailable(error.to_string().into()))? {
            return Ok(Reaction::Nothing);
        }
        Ok(Reaction::command(Actor::service("queue"), Command::EndLease(lease)))
    }
}

/// The lease that an event ends.
#[expect(clippy::wildcard_enum_match_arm, reason = "most of the queue's events end no lease")]
fn ended(row: &Row) -> Result<Option<LeaseId>, Trouble> {
    let event: pb::QueueEvent = serde_json::from_slice(&row.payload)
        .map_err(|_| Trouble::Permanent("a row that does not read".to_owned()))?;
    let Some(event) = event.event else { return Ok(None) };
    let lease = match event {
        Event::AttemptFinished(e) => e.lease_id,
        Event::AttemptDeclined(e) => e.lease_id,
        Event::AttemptWaits(e) => e.lease_id,
        Event::AttemptFailed(e) => e.lease_id,
        Event::AttemptReturned(e) => e.lease_id,
        Event::AttemptBlocked(e) => e.lease_id,
        Event::AttemptHalted(e) => e.lease_id,
        Event::AttemptRevoked(e) => e.lease_id,
        Event::CritiqueEnded(e) => e.lease_id,
        _ => return Ok(None),
    };
    let lease = lease.parse().map_err(|_| Trouble::Permanent("lease_id".to_owned()))?;
    Ok(Some(lease))
}
