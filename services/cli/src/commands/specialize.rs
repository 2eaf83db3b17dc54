//! `vivarium specialize`: what a resident is good at, by a person's word.

use vivarium_chassis::Service;
use vivarium_proto::identity::v1 as pb;
use vivarium_proto::identity::v1::resident_service_client::ResidentServiceClient;

use crate::console::{Console, request_id};
use crate::failure::Failure;
use crate::render;

pub(super) async fn run(
    console: &Console,
    resident: String,
    specializations: Vec<String>,
    reason: String,
) -> Result<(), Failure> {
    let good_at = match specializations.as_slice() {
        [] => "nothing in particular".to_owned(),
        words => words.join(", "),
    };
    let told = format!("{resident} is good at {good_at}");
    let request_id = request_id();
    let request = pb::SetSpecializationsRequest { request_id, resident, specializations, reason };
    let mut residents = ResidentServiceClient::new(console.calls(Service::Society)?);
    let answer = residents.set_specializations(request).await?.into_inner();
    if console.json { render::json(&answer) } else { render::line(&told) }
}
