//! `vivarium bounties`: prizes that are offered, and taking one back.

use vivarium_chassis::{Calls, Service};
use vivarium_proto::social::v1 as pb;
use vivarium_proto::social::v1::bounty_service_client::BountyServiceClient;

use crate::args::Bounties;
use crate::console::{Console, request_id};
use crate::failure::Failure;
use crate::render;

pub(super) async fn run(console: &Console, what: Option<Bounties>) -> Result<(), Failure> {
    match what {
        None => list(console, false).await,
        Some(Bounties::List { all }) => list(console, all).await,
        Some(Bounties::Show { bounty }) => show(console, bounty).await,
        Some(Bounties::Cancel { bounty, reason }) => cancel(console, bounty, reason).await,
    }
}

fn client(console: &Console) -> Result<BountyServiceClient<Calls>, Failure> {
    Ok(BountyServiceClient::new(console.calls(Service::Society)?))
}

async fn list(console: &Console, all: bool) -> Result<(), Failure> {
    let states = if all { Vec::new() } else { vec![pb::BountyState::Open.into()] };
    let request =
        pb::ListBountiesRequest { states, page_size: 1_000, ..pb::ListBountiesRequest::default() };
    let answer = client(console)?.list_bounties(request).await?.into_inner();
    if console.json {
        return render::json(&answer);
    }
    if answer.bounties.is_empty() {
        return render::line("no bounties");
    }
    let row = |bounty: &pb::Bounty| {
        vec![
            bounty.bounty_id.clone(),
            state(bounty.state()),
            bounty.reward_tokens.to_string(),
            bounty.runner_up_tokens.to_string(),
            bounty.escrow_tokens.to_string(),
            render::short(&bounty.title, 60),
        ]
    };
    let rows: Vec<Vec<String>> = answer.bounties.iter().map(row).collect();
    render::table(&["BOUNTY", "STATE", "FIRST", "SECOND", "ESCROW", "TITLE"], &rows)
}

async fn show(console: &Console, bounty_id: String) -> Result<(), Failure> {
    let request = pb::GetBountyRequest { bounty_id, min_position: None };
    let answer = client(console)?.get_bounty(request).await?.into_inner();
    if console.json {
        return render::json(&answer);
    }
    let bounty = answer.bounty.unwrap_or_default();
    let mode = bounty.mode().as_str_name().trim_start_matches("BOUNTY_MODE_").to_lowercase();
    let lines = [
        ("bounty", bounty.bounty_id.clone()),
        ("title", bounty.title.clone()),
        ("state", state(bounty.state())),
        ("why", bounty.reason.clone()),
        ("prizes", format!("{}, then {} tokens", bounty.reward_tokens, bounty.runner_up_tokens)),
        ("escrow", format!("{} tokens in {}", bounty.escrow_tokens, bounty.escrow_account)),
        ("terms", format!("{mode}, {} teams, {} slots", bounty.max_teams, bounty.slots)),
        ("from", bounty.origin.clone()),
    ];
    for (name, said) in lines.into_iter().filter(|(_, said)| !said.is_empty()) {
        render::line(&format!("{name:<10} {said}"))?;
    }
    render::line(&format!("\n{}", bounty.description))
}

async fn cancel(console: &Console, bounty_id: String, reason: String) -> Result<(), Failure> {
    let named = bounty_id.clone();
    let request = pb::CancelBountyRequest { request_id: request_id(), bounty_id, reason };
    let answer = client(console)?.cancel_bounty(request).await?.into_inner();
    if console.json {
        return render::json(&answer);
    }
    render::line(&format!("cancelled {named}: {} tokens returned", answer.returned_tokens))
}

/// A state as people write it.
fn state(state: pb::BountyState) -> String {
    state.as_str_name().trim_start_matches("BOUNTY_STATE_").to_lowercase()
}
