//! `vivarium halt`, `resume`, `pace`: the world's controls.

use std::fs::OpenOptions;
use std::time::Duration;

use serde_json::json;
use tonic::Status;
use vivarium_chassis::{Calls, Problem, Service, world};
use vivarium_proto::queue::v1 as pb;
use vivarium_proto::queue::v1::world_service_client::WorldServiceClient;
use vivarium_types::Reason;
use vivarium_types::reason::Class;

use super::{receipt, wanted};
use crate::args::Level;
use crate::console::{Console, OPERATOR, request_id};
use crate::failure::Failure;
use crate::render;

/// How long the queue may take to answer a halt before the file says it: a queue that hangs must not
/// keep anything alive. A halt that arrives both ways is one halt.
const HALT_ANSWER_MAX: Duration = Duration::from_millis(250);

/// Halts through the queue; where the queue does not answer at once, by the file `HALT`, which every
/// executor watches and the queue adopts when it can.
pub(super) async fn halt(console: &Console, reason: String) -> Result<(), Failure> {
    let request = pb::SetHaltRequest { request_id: request_id(), reason: reason.clone() };
    let Ok(calls) = console.calls(Service::Queue) else { return by_file(console, &reason) };
    let mut controls = WorldServiceClient::new(calls.within(HALT_ANSWER_MAX));
    match controls.set_halt(request).await {
        Ok(answer) => stopped(console, &answer.into_inner()).await,
        Err(status) if is_wrong(&status) => Err(status.into()),
        // Whatever is the matter with the queue, and also when it does not know this caller: whoever may
        // write the world's folder may stop the world.
        Err(_) => by_file(console, &reason),
    }
}

/// Whether what was asked for is wrong, and not the state of whoever was asked.
fn is_wrong(status: &Status) -> bool {
    let class = Problem::from(status).reason.map(Reason::class);
    matches!(class, Some(Class::Invalid | Class::Precondition | Class::Exists | Class::NotFound))
}

/// Says what the halt has stopped. The world is halted, whether or not that can be told.
async fn stopped(console: &Console, answer: &pb::SetHaltResponse) -> Result<(), Failure> {
    if console.json {
        let mut told = serde_json::to_value(answer)?;
        if let Ok(receipt) = receipt::settled(console).await {
            told["receipt"] = receipt.json()?;
        }
        return render::json(&told);
    }
    render::line(&format!("halted (control epoch {})", answer.control_epoch))?;
    match receipt::settled(console).await {
        Ok(receipt) => receipt.stopped().iter().try_for_each(|line| render::line(line)),
        Err(failure) => {
            render::notice(&format!("the receipt is not to be had: {}", failure.sentence()))
        }
    }
}

fn by_file(console: &Console, reason: &str) -> Result<(), Failure> {
    let note = json!({"actor": format!("operator:{OPERATOR}"), "reason": reason});
    let file = console.world.halt_file();
    if let Err(error) = world::replace(&file, note.to_string().as_bytes()) {
        // A full disk takes no text but still a name, and an empty file halts as well. One that is there
        // keeps its words.
        OpenOptions::new().create(true).append(true).open(&file).map_err(|_| error)?;
    }
    if console.json {
        return render::json(&json!({"haltFile": true}));
    }
    render::line("halted by file: the queue cannot record it now and will when it can")
}

pub(super) async fn resume(console: &Console, reason: String) -> Result<(), Failure> {
    let request = pb::ResumeRequest { request_id: request_id(), reason };
    let answer = client(console)?.resume(request).await?.into_inner();
    if console.json {
        return render::json(&answer);
    }
    let leases = answer.leases_revoked;
    render::line(&format!(
        "resumed (control epoch {}): {leases} {} by the halt, and the tasks are ready again",
        answer.control_epoch,
        if leases == 1 { "lease was revoked" } else { "leases were revoked" },
    ))?;
    match answer.unconfirmed_runners.as_slice() {
        [] => Ok(()),
        silent => {
            render::line(&format!("never confirmed that they stopped: {}", silent.join(", ")))
        }
    }
}

/// Shows the world's level.
pub(super) async fn mode(console: &Console) -> Result<(), Failure> {
    let answer =
        client(console)?.get_controls(pb::GetControlsRequest::default()).await?.into_inner();
    let controls = answer.controls.unwrap_or_default();
    if console.json {
        return render::json(&controls);
    }
    render::line(&format!("mode: {}", level_word(controls.mode())))
}

/// Sets the world's level.
pub(super) async fn set_mode(
    console: &Console,
    level: Level,
    confirm: String,
    reason: String,
) -> Result<(), Failure> {
    let mode = wanted::level(level);
    let request_id = request_id();
    let request = pb::SetModeRequest { request_id, mode: mode.into(), confirm, reason };
    let answer = client(console)?.set_mode(request).await?.into_inner();
    if console.json {
        return render::json(&answer);
    }
    render::line(&format!("mode: {}", level_word(mode)))
}

/// A level's name.
pub(super) fn level_word(mode: pb::Mode) -> String {
    mode.as_str_name().trim_start_matches("MODE_").to_lowercase()
}

pub(super) async fn pace(console: &Console, pace: &str, count: u32) -> Result<(), Failure> {
    let mut controls = client(console)?;
    let (kind, wait_seconds) = match pace {
        "paused" => (pb::PaceKind::Paused, 0),
        "step" => (pb::PaceKind::Step, 0),
        seconds => {
            let seconds = seconds.parse().map_err(|_| {
                Failure::usage(
                    format!("{pace} is no pace"),
                    "use 0 to 300 (seconds between two starts), paused, or step",
                )
            })?;
            (pb::PaceKind::Wait, seconds)
        }
    };
    let request = pb::SetPaceRequest {
        request_id: request_id(),
        pace: kind.into(),
        wait_seconds,
        reason: String::new(),
    };
    let answer = controls.set_pace(request).await?.into_inner();
    if kind == pb::PaceKind::Step {
        let request = pb::StepRequest { request_id: request_id(), count };
        let bought = controls.step(request).await?.into_inner();
        if console.json {
            return render::json(&bought);
        }
        return render::line(&format!("single step: {} starts left", bought.steps_left));
    }
    if console.json {
        return render::json(&answer);
    }
    render::line(&format!("pace set (control epoch {})", answer.control_epoch))
}

fn client(console: &Console) -> Result<WorldServiceClient<Calls>, Failure> {
    Ok(WorldServiceClient::new(console.calls(Service::Queue)?))
}
