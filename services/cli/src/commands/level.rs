//! `vivarium level`: what residents may do beyond documents, by a person's consent.

use vivarium_chassis::{Calls, Service};
use vivarium_proto::identity::v1 as identity_pb;
use vivarium_proto::identity::v1::resident_service_client::ResidentServiceClient;
use vivarium_proto::queue::v1 as pb;
use vivarium_proto::queue::v1::world_service_client::WorldServiceClient;

use super::controls::level_word;
use super::wanted;
use crate::args::Level;
use crate::console::{Console, request_id};
use crate::failure::Failure;
use crate::render;

/// What a person consents to.
pub(super) struct Wanted {
    pub(super) level: Level,
    pub(super) confirm: String,
    pub(super) days: u32,
    pub(super) after_texts: bool,
    pub(super) reason: String,
}

/// Every consent that holds now.
pub(super) async fn list(console: &Console) -> Result<(), Failure> {
    let request = pb::ListResidentLevelsRequest::default();
    let answer = controls(console)?.list_resident_levels(request).await?.into_inner();
    if console.json {
        return render::json(&answer);
    }
    if answer.levels.is_empty() {
        return render::line("every resident writes documents, and nothing else");
    }
    let row = |level: &pb::ResidentLevel| {
        let end = level.end_time.as_ref().map(render::moment).unwrap_or_default();
        let after = if level.after_texts { "allowed" } else { "asks for each" };
        let word = level_word(level.level());
        vec![level.resident_id.clone(), word, end, after.to_owned()]
    };
    let rows: Vec<_> = answer.levels.iter().map(row).collect();
    render::table(&["RESIDENT", "LEVEL", "UNTIL", "AFTER OTHERS' TEXTS"], &rows)
}

/// One resident's level.
pub(super) async fn show(console: &Console, resident: &str) -> Result<(), Failure> {
    let resident_id = id_of(console, resident).await?;
    let request = pb::ListResidentLevelsRequest::default();
    let answer = controls(console)?.list_resident_levels(request).await?.into_inner();
    let found = answer.levels.into_iter().find(|level| level.resident_id == resident_id);
    told(console, resident, found)
}

/// Consents to a level, or takes a consent back.
pub(super) async fn set(console: &Console, resident: &str, wanted: Wanted) -> Result<(), Failure> {
    let Wanted { level, confirm, days, after_texts, reason } = wanted;
    let request = pb::SetResidentLevelRequest {
        request_id: request_id(),
        resident_id: id_of(console, resident).await?,
        level: wanted::level(level).into(),
        confirm,
        days,
        after_texts,
        reason,
    };
    let answer = controls(console)?.set_resident_level(request).await?.into_inner();
    told(console, resident, answer.level)
}

fn told(
    console: &Console,
    resident: &str,
    level: Option<pb::ResidentLevel>,
) -> Result<(), Failure> {
    if console.json {
        return render::json(&level.unwrap_or_default());
    }
    let Some(level) = level else {
        return render::line(&format!("{resident}: docs_only"));
    };
    let end = level.end_time.as_ref().map(render::moment).unwrap_or_default();
    let after = if level.after_texts { "without asking" } else { "you are asked for each program" };
    let word = level_word(level.level());
    render::line(&format!("{resident}: {word} until {end}; after others' texts {after}"))
}

/// A resident's id behind its id or handle.
async fn id_of(console: &Console, resident: &str) -> Result<String, Failure> {
    let mut residents = ResidentServiceClient::new(console.calls(Service::Society)?);
    let request = identity_pb::GetResidentRequest {
        resident: resident.to_owned(),
        ..identity_pb::GetResidentRequest::default()
    };
    let answer = residents.get_resident(request).await?.into_inner();
    Ok(answer.resident.unwrap_or_default().resident_id)
}

fn controls(console: &Console) -> Result<WorldServiceClient<Calls>, Failure> {
    Ok(WorldServiceClient::new(console.calls(Service::Queue)?))
}
