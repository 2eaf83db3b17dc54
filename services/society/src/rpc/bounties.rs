//! Bounties, for people.

use tonic::{Request, Response, Status};
use vivarium_chassis::{Caller, Refusal, Violations};
use vivarium_ledger::{Request as RequestKey, Submission};
use vivarium_proto::social::v1 as pb;
use vivarium_proto::social::v1::bounty_service_server::BountyService;
use vivarium_types::ids::BountyId;

use super::{Door, bounty_not_found, convert, position, refusal, show};
use crate::domain::bounty::{Bounty, State};
use crate::domain::wallet::Account;
use crate::domain::{Command, Event, Society};

/// A bounty with its id and what lies in its escrow.
type Found = (BountyId, Bounty, i64);

#[tonic::async_trait]
impl BountyService for Door {
    async fn list_bounties(
        &self,
        request: Request<pb::ListBountiesRequest>,
    ) -> Result<Response<pb::ListBountiesResponse>, Status> {
        let wire = request.into_inner();
        let mut wrong = Violations::new();
        let states = convert::bounty_states(&mut wrong, &wire.states);
        let limit = convert::slice(&mut wrong, wire.page_size, "").limit as usize;
        let behind = convert::page_behind(&mut wrong, &wire.page_token);
        wrong.finish()?;
        self.reached(wire.min_position).await?;
        let found = self.ask(move |society| {
            let those = society.bounties.before(behind);
            let those = those.filter(|(_, bounty)| wanted(&states, &bounty.state));
            those.take(limit).map(|(id, _)| found(society, id)).collect::<Option<Vec<_>>>()
        });
        let found = found.await?.unwrap_or_default();
        let next = found.last().filter(|_| found.len() == limit).map(|(id, ..)| id.to_string());
        let mut bounties = Vec::new();
        for one in found {
            bounties.push(self.bounty(one).await?);
        }
        let next_page_token = next.unwrap_or_default();
        Ok(Response::new(pb::ListBountiesResponse { bounties, next_page_token }))
    }

    async fn get_bounty(
        &self,
        request: Request<pb::GetBountyRequest>,
    ) -> Result<Response<pb::GetBountyResponse>, Status> {
        let wire = request.into_inner();
        let mut wrong = Violations::new();
        let id: Option<BountyId> = wrong.parse("bounty_id", &wire.bounty_id);
        let id = wrong.done(id)?;
        self.reached(wire.min_position).await?;
        let found = self.ask(move |society| found(society, id)).await?;
        let found = found.ok_or_else(|| bounty_not_found(&wire.bounty_id))?;
        Ok(Response::new(pb::GetBountyResponse { bounty: Some(self.bounty(found).await?) }))
    }

    async fn cancel_bounty(
        &self,
        request: Request<pb::CancelBountyRequest>,
    ) -> Result<Response<pb::CancelBountyResponse>, Status> {
        const METHOD: &str = "/vivarium.social.v1.BountyService/CancelBounty";
        let caller = Caller::of(&request).clone();
        caller.operator()?;
        let wire = request.into_inner();
        let key = RequestKey::of(METHOD, &wire.request_id, &wire);
        let mut wrong = Violations::new();
        convert::request_id(&mut wrong, &wire.request_id, &[]);
        let bounty: Option<BountyId> = wrong.parse("bounty_id", &wire.bounty_id);
        let reason = convert::reason(&mut wrong, &wire.reason);
        let (bounty, reason) = wrong.done(bounty.zip(reason))?;
        let mut texts = self.ledger.texts();
        let command = Command::CancelBounty { bounty, reason: texts.plain(&reason) };
        let submission = Submission::new(caller.actor, command)
            .texts(texts.into_rows())
            .request(key)
            .answering(|_, decided| pb::CancelBountyResponse {
                position: Some(position(decided.sequence)),
                returned_tokens: decided.events.iter().map(|(event, _)| returned(event)).sum(),
            });
        let answer = self.ledger.submit(submission).await.map_err(refusal)?;
        Ok(Response::new(answer.message().map_err(Refusal::fault)?))
    }
}

impl Door {
    /// A bounty with its words.
    async fn bounty(&self, (id, bounty, escrow): Found) -> Result<pb::Bounty, Refusal> {
        let mut named = vec![bounty.terms.title.id.clone(), bounty.terms.description.id.clone()];
        if let State::Cancelled { reason, .. } = &bounty.state {
            named.push(reason.id.clone());
        }
        let texts = self.texts(named).await?;
        Ok(show::bounty(id, &bounty, escrow, &texts))
    }
}

fn found(society: &Society, id: BountyId) -> Option<Found> {
    let bounty = society.bounties.get(id)?.clone();
    Some((id, bounty, society.wallets.balance(Account::BountyEscrow(id))))
}

fn wanted(states: &[pb::BountyState], state: &State) -> bool {
    let state = match state {
        State::Open => pb::BountyState::Open,
        State::Cancelled { .. } => pb::BountyState::Cancelled,
    };
    states.is_empty() || states.contains(&state)
}

/// What an entry took out of an escrow.
fn returned(event: &Event) -> i64 {
    let Event::TokensMoved(entry) = event else { return 0 };
    let out = entry.transfers.iter().filter(|transfer| transfer.from.is_escrow());
    out.map(|transfer| transfer.amount).sum()
}
