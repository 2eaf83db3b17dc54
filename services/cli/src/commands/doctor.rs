//! `vivarium doctor`: what is missing or wrong, each with what to do about it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde::Serialize;
use vivarium_chassis::Service;
use vivarium_ledger::store;
use vivarium_sandbox::run;

use super::audit::unreadable;
use crate::console::Console;
use crate::failure::Failure;
use crate::render;
use crate::supervisor::socket;

/// One line of the report.
#[derive(Debug, Serialize)]
struct Line {
    what: String,
    sound: bool,
    detail: String,
}

pub(super) async fn run(console: &Console) -> Result<(), Failure> {
    let mut report =
        vec![settings(console), private(&console.world.keys()), python(), model(console)];
    report.extend(ledgers(console));
    report.push(supervisor(console).await);
    for service in Service::ALL {
        report.push(health(console, service).await);
    }
    report.extend(sandbox(console).await);
    if console.json {
        return render::json(&report);
    }
    let width = report.iter().map(|line| line.what.len()).max().unwrap_or_default();
    for line in &report {
        let mark = if line.sound { "ok  " } else { "LOOK" };
        render::line(&format!("{mark}  {:<width$}  {}", line.what, line.detail))?;
    }
    Ok(())
}

fn settings(console: &Console) -> Line {
    match console.shared() {
        Ok(_) => line("settings", true, "world/config/shared.toml is valid"),
        Err(failure) => line("settings", false, failure.sentence()),
    }
}

/// Where the ledgers lie, and whether they can be read there.
fn ledgers(console: &Console) -> Vec<Line> {
    let places = match console.ledgers() {
        Ok(places) => places,
        Err(failure) => return vec![line("ledgers", false, failure.sentence())],
    };
    let each = places.iter().map(|(service, place)| {
        let what = format!("ledger of {}", service.name());
        let shown = store::shown(place);
        match store::look(place) {
            Ok(Some(ledger)) => line(what, true, format!("{ledger} in {shown}")),
            Ok(None) => line(what, true, format!("none yet in {shown}")),
            Err(error) => line(what, false, unreadable(*service, &error).sentence()),
        }
    });
    each.collect()
}

fn private(folder: &Path) -> Line {
    match folder.metadata() {
        Ok(found) if found.permissions().mode().trailing_zeros() >= 6 => {
            line("keys are private", true, folder.display().to_string())
        }
        Ok(_) => line("keys are private", false, "run: chmod -R go-rwx world/mutable/keys"),
        Err(_) => line("keys are private", true, "no world was started here yet"),
    }
}

fn python() -> Line {
    let found = std::process::Command::new("python3").arg("--version").output();
    match found {
        Ok(found) if found.status.success() => {
            let version = String::from_utf8_lossy(&found.stdout).trim().to_owned();
            line("python for the model", true, version)
        }
        _ => line("python for the model", false, "install Python 3.10 or later with venv"),
    }
}

fn model(console: &Console) -> Line {
    let folder = console.world.mutable().join("models");
    let count = std::fs::read_dir(&folder).into_iter().flatten().flatten().count();
    if count > 0 {
        line("embedded model", true, folder.display().to_string())
    } else {
        line(
            "embedded model",
            false,
            "none is fetched: residents need it, a local server, or a key",
        )
    }
}

async fn supervisor(console: &Console) -> Line {
    match socket::ask(&console.world, &socket::Question::Status).await {
        Ok(_) => line("supervisor", true, "runs"),
        Err(_) => line("supervisor", false, "start the world with `vivarium up`"),
    }
}

async fn health(console: &Console, service: Service) -> Line {
    let what = format!("service {}", service.name());
    let Ok(calls) = console.calls(service) else {
        return line(what, false, "no world was started here yet");
    };
    let mut health = tonic_health::pb::health_client::HealthClient::new(calls);
    match health.check(tonic_health::pb::HealthCheckRequest::default()).await {
        Ok(_) => line(what, true, "answers"),
        Err(status) => line(what, false, vivarium_chassis::Problem::from(&status).sentence),
    }
}

/// The layers of the sandbox: by the executor, else by the helper beside this program.
async fn sandbox(console: &Console) -> Vec<Line> {
    let each = |name: &str, in_force, required, detail: String| {
        let none = if in_force || required { "" } else { "none here, and not needed: " };
        line(format!("sandbox: {name}"), in_force || !required, format!("{none}{detail}"))
    };
    if let Ok(report) = super::sandbox::report(console).await {
        let layers = report.layers.into_iter();
        let all = layers.map(|it| each(&it.name, it.in_force, it.required, it.detail));
        return all.collect();
    }
    let report = run::probe(&run::beside_me());
    let layers = report.layers.into_iter();
    let all = layers.map(|found| {
        each(found.layer.name(), found.in_force, found.layer.is_required(), found.detail)
    });
    all.collect()
}

fn line(what: impl Into<String>, sound: bool, detail: impl Into<String>) -> Line {
    Line { what: what.into(), sound, detail: detail.into() }
}
