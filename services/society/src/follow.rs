//! What society does about other services' events.
//!
//! From `queue`: days bring allowances, approved tasks bring wages, and leases come and go. From
//! `review`: verdicts bring records, lessons, publications, tips and a word in the town hall. From
//! `executor`: what cycles were shown and how they ended.

use std::collections::HashMap;
use std::sync::Arc;

use vivarium_chassis::client::Peer;
use vivarium_chassis::{Deps, Problem, Service};
use vivarium_ledger::cursor::{Ended, follow};
use vivarium_ledger::{Ledger, Row, Trouble};
use vivarium_proto::ledger::v1 as ledger_pb;
use vivarium_proto::ledger::v1::ReadTextsRequest;
use vivarium_proto::ledger::v1::ledger_service_client::LedgerServiceClient;
use vivarium_types::Actor;
use vivarium_types::limits::MESSAGE_BYTES_MAX;

use crate::domain::Society;
use crate::signs::Signs;

mod executor;
mod queue;
mod review;

/// Texts of one call, and bytes of them at the most: half of what a message may have.
const FETCHED_MAX: usize = 64;
const FETCHED_BYTES_MAX: usize = MESSAGE_BYTES_MAX / 2;

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

/// Those of a peer's texts that it still has, by id, with as few calls as their length allows.
async fn fetch(
    peer: &Peer,
    named: &[&ledger_pb::TextRef],
) -> Result<HashMap<String, String>, Trouble> {
    let (mut found, mut left) = (HashMap::new(), named);
    while !left.is_empty() {
        let (mut count, mut bytes) = (0, 0);
        for text in left.iter().take(FETCHED_MAX) {
            bytes += 4 * usize::try_from(text.length).unwrap_or(usize::MAX / 8);
            if count > 0 && bytes > FETCHED_BYTES_MAX {
                break;
            }
            count += 1;
        }
        let (some, rest) = left.split_at(count);
        let request = ReadTextsRequest { ids: some.iter().map(|text| text.id.clone()).collect() };
        let read = LedgerServiceClient::new(peer.calls()).read_texts(request).await;
        let unavailable = |status| Trouble::Unavailable(Box::new(Problem::from(&status)));
        found.extend(read.map_err(unavailable)?.into_inner().texts);
        left = rest;
    }
    Ok(found)
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
