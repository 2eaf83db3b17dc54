//! The one stream of a tab.

use std::collections::BTreeMap;

use futures::StreamExt;
use futures::stream::LocalBoxStream;
use prost::Message;
use prost::bytes::Bytes;
use vivarium_proto::gateway::v1 as pb;
use vivarium_proto::gateway::v1::follow_response::Item as Wire;

use super::{Answer, Method, call, ledger, open, problem, stream, unary, wire};
use crate::state::event::Event;
use crate::state::output::News;
use crate::state::world::{Health, Service};

const FOLLOW: Method = stream("/vivarium.gateway.v1.PanelService/Follow");
const SESSION: Method = unary("/vivarium.gateway.v1.PanelService/GetSession");

#[cfg(test)]
pub(super) const METHODS: &[Method] = &[FOLLOW, SESSION];

/// One item of the stream.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Item {
    /// A row of a ledger.
    Row(Box<Event>),
    /// Model text.
    Output(News),
    /// A service's health.
    Health(Health),
    /// The stream is alive.
    Beat,
    /// A ledger's rows are live from here on.
    CaughtUp {
        /// The service.
        ledger: String,
        /// Its head.
        sequence: u64,
    },
}

/// Follows everything behind `cursors`.
pub(crate) async fn follow(
    cursors: BTreeMap<String, u64>,
) -> Answer<LocalBoxStream<'static, Answer<Item>>> {
    let topics = [
        pb::Topic::Queue,
        pb::Topic::Executor,
        pb::Topic::Society,
        pb::Topic::Review,
        pb::Topic::Output,
        pb::Topic::Health,
    ];
    let request = pb::FollowRequest {
        topics: topics.into_iter().map(i32::from).collect(),
        cursors: cursors.into_iter().collect(),
    };
    let answers = open("", FOLLOW, &request).await?;
    Ok(answers
        .filter_map(async |answer| answer.and_then(|bytes| item(&bytes)).transpose())
        .boxed_local())
}

/// The world's name.
pub(crate) async fn world_name() -> Answer<String> {
    let answer: pb::GetSessionResponse = call(SESSION, &pb::GetSessionRequest {}).await?;
    Ok(answer.world)
}

/// `None`: an item that this panel does not know.
fn item(bytes: &Bytes) -> Answer<Option<Item>> {
    let answer = pb::FollowResponse::decode(bytes.clone()).map_err(|_| problem::unreachable())?;
    Ok(answer.item.and_then(|item| match item {
        Wire::Row(row) => {
            let event = ledger::event(&row.ledger, &row.ledger_id, row.row?);
            Some(Item::Row(Box::new(event)))
        }
        Wire::Output(output) => Some(Item::Output(News {
            cycle: output.cycle_id,
            task: output.task_id,
            resident: output.resident_id,
            step: output.step,
            text_so_far: output.text_so_far,
            delta: output.delta,
            done: output.done,
        })),
        Wire::Health(wire) => Some(Item::Health(health(wire))),
        Wire::Heartbeat(_) => Some(Item::Beat),
        Wire::CaughtUp(place) => {
            Some(Item::CaughtUp { ledger: place.ledger, sequence: place.sequence })
        }
    }))
}

fn health(wire: pb::ServiceHealth) -> Health {
    let state = match wire.state() {
        pb::ServiceState::Serving => Service::Up,
        pb::ServiceState::NotServing => Service::Starting,
        pb::ServiceState::Unreachable | pb::ServiceState::Unspecified => Service::Down,
    };
    Health { service: wire.service, state, since: wire::moment(wire.since_time) }
}
