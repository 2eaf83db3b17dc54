//! Bounties.

use vivarium_proto::social::v1 as pb;

use super::{Answer, Method, call, unary, wire};
use crate::state::bounty::Bounty;
use crate::state::{Page, Position};

const LIST: Method = unary("/vivarium.social.v1.BountyService/ListBounties");
const CANCEL: Method = unary("/vivarium.social.v1.BountyService/CancelBounty");

#[cfg(test)]
pub(super) const METHODS: &[Method] = &[LIST, CANCEL];

/// Bounties, newest first; those that are over too if asked.
pub(crate) async fn list(show_ended: bool) -> Answer<Page<Bounty>> {
    let states = if show_ended { Vec::new() } else { vec![pb::BountyState::Open.into()] };
    let request =
        pb::ListBountiesRequest { states, page_size: 200, ..pb::ListBountiesRequest::default() };
    let answer: pb::ListBountiesResponse = call(LIST, &request).await?;
    let rows = answer.bounties.into_iter().map(bounty).collect();
    Ok(Page { rows, next: answer.next_page_token })
}

/// Takes one back.
pub(crate) async fn cancel(
    request_id: String,
    bounty_id: String,
    reason: String,
) -> Answer<Position> {
    let request = pb::CancelBountyRequest { request_id, bounty_id, reason };
    let answer: pb::CancelBountyResponse = call(CANCEL, &request).await?;
    Ok(wire::position(answer.position))
}

fn bounty(wire: pb::Bounty) -> Bounty {
    let mode = match wire.mode() {
        pb::BountyMode::Unspecified | pb::BountyMode::Hybrid => "teams against each other",
        pb::BountyMode::Pvp => "teams against each other, in secret",
        pb::BountyMode::Coop => "one team",
    };
    Bounty {
        mode,
        open: wire.state() == pb::BountyState::Open,
        id: wire.bounty_id,
        title: wire.title,
        description: wire.description,
        reward: wire.reward_tokens,
        runner_up: wire.runner_up_tokens,
        max_teams: wire.max_teams,
        escrow: wire.escrow_tokens,
        opened: wire::moment(wire.opened_time),
        ended: wire::some_moment(wire.ended_time),
        reason: wire.reason,
    }
}
