//! `vivarium receipt`: what a halt stopped, signed by the queue, and whether the signature holds.

use std::path::Path;
use std::time::Duration;

use serde_json::json;
use vivarium_chassis::identity::Name;
use vivarium_chassis::trust::{self, Trust};
use vivarium_chassis::{Service, world};
use vivarium_proto::queue::v1 as pb;
use vivarium_proto::queue::v1::world_service_client::WorldServiceClient;
use vivarium_proto::wkt;

use crate::console::Console;
use crate::failure::Failure;
use crate::render;

/// How long a halt is waited for until every runner has said that nothing of it is left.
const CONFIRM_MAX: Duration = Duration::from_secs(2);
/// Between two looks at it.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A receipt whose signature holds: what the queue signed, and nothing else of its answer.
#[derive(Debug)]
pub(super) struct Receipt {
    signed: pb::GetHaltReceiptResponse,
    answer: pb::GetHaltReceiptResponse,
}

/// Shows the receipt of the halt in force, or of the last one, and writes it to a file.
pub(super) async fn show(console: &Console, save: Option<&Path>) -> Result<(), Failure> {
    let receipt = fetch(console).await?;
    if let Some(file) = save {
        world::replace(file, serde_json::to_string_pretty(&receipt.answer)?.as_bytes())?;
    }
    print(console, &receipt)
}

/// Checks a receipt that was written to a file.
pub(super) fn check(console: &Console, file: &Path) -> Result<(), Failure> {
    let text = std::fs::read(file).map_err(|error| {
        Failure::usage(
            format!("{} cannot be read: {error}", file.display()),
            "name a file that `vivarium receipt --save FILE` wrote",
        )
    })?;
    let answer = serde_json::from_slice(&text).map_err(|error| {
        Failure::usage(
            format!("{} is no receipt: {error}", file.display()),
            "name a file that `vivarium receipt --save FILE` wrote",
        )
    })?;
    print(console, &verified(console, answer)?)
}

/// The receipt once every runner has confirmed, or as it stands when they take too long.
pub(super) async fn settled(console: &Console) -> Result<Receipt, Failure> {
    let mut waited = Duration::ZERO;
    loop {
        let receipt = fetch(console).await?;
        if waited >= CONFIRM_MAX || receipt.signed.runners.iter().all(|runner| runner.confirmed) {
            return Ok(receipt);
        }
        tokio::time::sleep(LOOK_EVERY).await;
        waited += LOOK_EVERY;
    }
}

async fn fetch(console: &Console) -> Result<Receipt, Failure> {
    let mut controls = WorldServiceClient::new(console.calls(Service::Queue)?);
    let answer = controls.get_halt_receipt(pb::GetHaltReceiptRequest {}).await?.into_inner();
    verified(console, answer)
}

fn verified(console: &Console, answer: pb::GetHaltReceiptResponse) -> Result<Receipt, Failure> {
    let trust = Trust::read(&console.world.trust()).unwrap_or_default();
    let queue = Name::Service(Service::Queue);
    let bytes = trust::receipt_bytes(&answer.statement);
    if !trust.verify_checkpoint(&queue, &answer.key_id, &bytes, &answer.signature) {
        return Err(Failure::refused(
            "the receipt is not what this world's queue signed",
            "it was changed, or it is another world's: name that one with --world",
        ));
    }
    let signed = serde_json::from_str(&answer.statement)?;
    Ok(Receipt { signed, answer })
}

fn print(console: &Console, receipt: &Receipt) -> Result<(), Failure> {
    if console.json {
        return render::json(&receipt.json()?);
    }
    let lines = receipt.head().into_iter().chain(receipt.stopped());
    lines.into_iter().try_for_each(|line| render::line(&line))
}

impl Receipt {
    /// For programs: what was signed, the signature, and that it holds.
    pub(super) fn json(&self) -> Result<serde_json::Value, Failure> {
        let answer = serde_json::to_value(&self.answer)?;
        Ok(json!({
            "receipt": serde_json::to_value(&self.signed)?,
            "statement": answer["statement"],
            "signature": answer["signature"],
            "keyId": answer["keyId"],
            "verified": true,
        }))
    }

    /// Whose halt it was, and when.
    fn head(&self) -> Vec<String> {
        let signed = &self.signed;
        let halt = signed.halt.clone().unwrap_or_default();
        let began = moment(halt.halt_time.as_ref());
        let span = match signed.resume_time {
            Some(_) => format!("from {began} to {}", moment(signed.resume_time.as_ref())),
            None => format!("since {began}"),
        };
        let (control_epoch, actor, reason) = (signed.control_epoch, halt.actor, halt.reason);
        vec![format!("halt under control epoch {control_epoch}, by {actor}: {reason}"), span]
    }

    /// What it stopped, and that the signature holds.
    pub(super) fn stopped(&self) -> Vec<String> {
        let Self { signed, answer } = self;
        let leases = signed.revoked_lease_ids.len();
        let mut lines = vec![format!("{} revoked", counted(leases, "lease", "leases"))];
        for runner in &signed.runners {
            lines.push(if runner.confirmed {
                format!(
                    "{} stopped {} and {}, and said so at {}",
                    runner.name,
                    counted(runner.calls_cancelled as usize, "model call", "model calls"),
                    counted(runner.processes_ended as usize, "program", "programs"),
                    moment(runner.stopped_time.as_ref())
                )
            } else {
                format!("{} has NOT CONFIRMED that it stopped", runner.name)
            });
        }
        lines.push(format!("signed by {}: the signature holds", answer.key_id));
        lines
    }
}

fn moment(time: Option<&wkt::Timestamp>) -> String {
    time.map(render::moment).unwrap_or_default()
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
