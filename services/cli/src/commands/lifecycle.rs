//! `vivarium down`, `status`, `restart`: talking to the supervisor, and through it to the world.

use std::time::Duration;

use serde_json::json;
use vivarium_chassis::{Service, World};
use vivarium_ledger::store;
use vivarium_proto::queue::v1 as pb;
use vivarium_proto::queue::v1::world_service_client::WorldServiceClient;
use vivarium_types::Place;

use crate::console::{Console, service};
use crate::disk;
use crate::failure::Failure;
use crate::render;
use crate::supervisor::socket::{self, Answer, Question};

/// How often `down` looks whether the supervisor has gone.
const LOOK_EVERY: Duration = Duration::from_millis(50);

pub(super) async fn down(console: &Console) -> Result<(), Failure> {
    ask(&console.world, &Question::Stop).await?;
    // The supervisor takes its socket away as the last thing it does.
    while ask(&console.world, &Question::Status).await.is_ok() {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    if console.json {
        return render::json(&json!({"stopped": true}));
    }
    render::line("stopped")
}

pub(super) async fn restart(console: &Console, named: &str) -> Result<(), Failure> {
    let service = service(named)?.name().to_owned();
    ask(&console.world, &Question::Restart { service: service.clone() }).await?;
    if console.json {
        return render::json(&json!({"restarted": service}));
    }
    render::line(&format!("restarted {service}"))
}

pub(super) async fn status(console: &Console, link: bool) -> Result<(), Failure> {
    if link {
        let answer = ask(&console.world, &Question::Link).await?;
        let link = answer.link.unwrap_or_default();
        return if console.json {
            render::json(&json!({"link": link}))
        } else {
            render::line(&link)
        };
    }
    let answer = ask(&console.world, &Question::Status).await?;
    let controls = controls(console).await;
    if console.json {
        let controls = controls.ok();
        return render::json(&json!({
            "services": answer.services, "world": controls, "ledgers": kept(console)?,
            "disk": disk::used(&console.ledgers()?),
        }));
    }
    let rows: Vec<Vec<String>> = answer
        .services
        .iter()
        .map(|child| {
            let pid = child.pid.map(|pid| pid.to_string()).unwrap_or_default();
            let last = child.last_exit.clone().unwrap_or_default();
            vec![child.service.clone(), child.state.clone(), pid, child.restarts.to_string(), last]
        })
        .collect();
    render::table(&["SERVICE", "STATE", "PID", "RESTARTS", "LAST EXIT"], &rows)?;
    render::line(&format!("\nledgers in {}", kept(console)?))?;
    disk::show(&disk::used(&console.ledgers()?))?;
    match controls {
        Ok(world) => render::line(&told(&world)),
        Err(_) => render::line("the queue does not answer yet"),
    }
}

/// Where the ledgers lie, in one line.
fn kept(console: &Console) -> Result<String, Failure> {
    let places = console.ledgers()?;
    let lies_in = |place: &Place| match &place.server {
        None => console.world.ledgers().display().to_string(),
        Some(_) => store::shown(place),
    };
    Ok(places.first().map(|(_, place)| lies_in(place)).unwrap_or_default())
}

async fn controls(console: &Console) -> Result<pb::GetControlsResponse, Failure> {
    let mut client = WorldServiceClient::new(console.calls(Service::Queue)?);
    let request = pb::GetControlsRequest::default();
    Ok(client.get_controls(request).await?.into_inner())
}

fn told(world: &pb::GetControlsResponse) -> String {
    let controls = world.controls.clone().unwrap_or_default();
    let calendar = world.calendar.unwrap_or_default();
    let state = if controls.halted { "HALTED" } else { "running" };
    let pace = match controls.pace() {
        pb::PaceKind::Wait => format!("{} s between starts", controls.wait_seconds),
        pb::PaceKind::Paused => "paused".to_owned(),
        pb::PaceKind::Step => format!("single step, {} left", controls.steps_left),
        pb::PaceKind::Unspecified => "unknown pace".to_owned(),
    };
    let (day, week) = (calendar.day, calendar.week);
    format!("world {state}, {pace}, day {day}, week {week}")
}

async fn ask(world: &World, question: &Question) -> Result<Answer, Failure> {
    socket::ask(world, question).await.map_err(|error| {
        if error.kind() == std::io::ErrorKind::TimedOut {
            let sentence = "it was asked for and is not done yet";
            return Failure::unavailable(sentence, "see what keeps it with `vivarium status`");
        }
        Failure::unavailable(
            format!("no world runs in {}", world.root().display()),
            "start it with `vivarium up`",
        )
    })
}
