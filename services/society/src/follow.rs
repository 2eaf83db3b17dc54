//! What society does about other services' events.
//!
//! From `queue`: days bring allowances, approved tasks bring wages, and leases come and go. From
//! `review`: verdicts bring records, lessons, publications, tips and a word in the town hall. From
//! `executor`: what cycles were shown and how they ended.

use std::sync::Arc;

use vivarium_chassis::client::Peer;
use vivarium_chassis::{Deps, Problem, Service};
use vivarium_ledger::cursor::{Ended, follow};
use vivarium_ledger::{Ledger, Row, Trouble};
use vivarium_proto::ledger::v1 as ledger_pb;
use vivarium_proto::ledger::v1::ledger_service_client::LedgerServiceClient;
use vivarium_types::{Actor, Reason};

use crate::domain::Society;
use crate::signs::Signs;

mod executor;
mod queue;
mod review;

/// Starts following queue, review and executor.
pub fn start(ledger: &Ledger<Society>, signs: &Arc<Signs>, deps: &Deps) {
    let queue = deps.peers.to(Service::Queue);
    let handler = queue::OfQueue::new(ledger.clone());
    let following = follow(ledger.clone(), queue.source(), handler);
    deps.tasks.spawn("follow queue", until_end(following));

    let review = deps.peers.to(Service::Review);
    let handler = review::OfReview::new(ledger.clone(), review.clone(), Arc::clone(signs));
    let following = follow(ledger.clone(), review.source(), handler);
    deps.tasks.spawn("follow review", until_end(following));

    let executor = deps.peers.to(Service::Executor);
    let following =
        follow(ledger.clone(), executor.source(), executor::OfExecutor::new(ledger.clone()));
    deps.tasks.spawn("follow executor", until_end(following));
}

/// A follower ends at the drain, or when the followed log is another one; then a person must act,
/// and this service goes on with what it has.
async fn until_end(following: impl Future<Output = Ended>) {
    let ended = following.await;
    tracing::debug!(?ended, "a follower ended");
}

/// The actor of what follows from another service's event.
fn cause(service: Service) -> Actor {
    Actor::service(service.name())
}

/// A peer's text; `None` when the event names none.
async fn fetch(peer: &Peer, text: Option<&ledger_pb::TextRef>) -> Result<Option<String>, Trouble> {
    let Some(text) = text else { return Ok(None) };
    let request = ledger_pb::ReadTextRequest { id: text.id.clone() };
    let read = LedgerServiceClient::new(peer.calls()).read_text(request).await;
    read.map(|answer| Some(answer.into_inner().text))
        .map_err(|status| trouble(&status, Reason::LedgerTextNotFound, "a text that was erased"))
}

/// What a failed fetch means: gone for good, or to be tried again.
fn trouble(status: &tonic::Status, gone: Reason, what: &str) -> Trouble {
    let problem = Problem::from(status);
    if problem.is(gone) {
        Trouble::Permanent(what.to_owned())
    } else {
        Trouble::Unavailable(Box::new(problem))
    }
}

fn decode<T: serde::de::DeserializeOwned>(row: &Row) -> Result<T, Trouble> {
    serde_json::from_slice(&row.payload).map_err(|_| malformed(&row.kind))
}

fn parse<T: std::str::FromStr>(text: &str, field: &str) -> Result<T, Trouble> {
    text.parse().map_err(|_| malformed(field))
}

fn malformed(field: &str) -> Trouble {
    Trouble::Permanent(format!("malformed:{field}"))
}
