//! The supervisor: makes the world's identities, binds its listeners, starts the services, watches
//! and restarts them, and stops everything cleanly.
//!
//! It alone holds the keys of the world's authority. Listeners are bound here and inherited, so that
//! a connection made while a service restarts waits instead of failing. Children end when their
//! control pipe closes, so that a killed supervisor leaves no orphan.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use vivarium_chassis::ca::Ca;
use vivarium_chassis::client::{Connect, TlsConnect};
use vivarium_chassis::clock::SystemClock;
use vivarium_chassis::config::{self, Origins, Shared};
use vivarium_chassis::identity::{Holder, Name};
use vivarium_chassis::task::Tasks;
use vivarium_chassis::{Peers, Refusal, Service, World};
use vivarium_types::Clock;

use crate::console::OPERATOR;
use crate::failure::{Failure, chain};
use crate::{model, render};

mod child;
mod furnish;
pub(crate) mod lock;
mod signin;
pub(crate) mod socket;

use child::Children;

/// How often identities are renewed: half of a leaf's life.
const RENEW_EVERY: Duration = Duration::from_mins(30);
/// What tasks have at the end to notice that they are dropped.
const TASKS_TIMEOUT: Duration = Duration::from_secs(1);

/// Runs a world until Ctrl-C, SIGTERM or `vivarium down`.
pub(crate) async fn up(root: &Path, json: bool) -> Result<(), Failure> {
    let world = World::open(root).map_err(|error| {
        Failure::refused(
            format!("the world {} cannot be opened: {error}", root.display()),
            "choose a folder that you may write with --world",
        )
    })?;
    let _lock = lock::take(&world)?;
    furnish::world(&world)?;
    let origins = Origins::of_process(&world.config());
    let shared: Shared = origins.load("shared").map_err(Refusal::from)?;
    let binaries = binaries()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let authority = Arc::new(Ca::open(&world, clock).map_err(Failure::internal)?);
    issue(&authority)?;
    let listeners = Service::ALL
        .into_iter()
        .map(|service| Ok((service, bind(&shared, service)?)))
        .collect::<Result<Vec<_>, Failure>>()?;

    let stop = CancellationToken::new();
    let tasks = Tasks::new(stop.clone());
    let reporter = reporter(&world, &shared);
    let children = Children::new(&world, binaries, listeners, standbys(&origins)?, reporter);
    children.start(&tasks);
    renew(&tasks, authority, children.clone());
    let stopped = CancellationToken::new();
    socket::serve(&world, &shared, children.clone(), stopped.clone(), &tasks)?;

    let ending = wait(&stopped);
    tokio::pin!(ending);
    let ready = tokio::select! {
        () = children.all_ready() => true,
        ended = &mut ending => {
            ended?;
            false
        }
    };
    if ready {
        welcome(&world, &shared, &children, json)?;
        ending.await?;
    }
    children.stop().await;
    stop.cancel();
    tasks.finish(TASKS_TIMEOUT).await;
    socket::remove(&world);
    if json { Ok(()) } else { render::line("stopped") }
}

/// What a person needs to know of a world that is up.
fn welcome(world: &World, shared: &Shared, children: &Children, json: bool) -> Result<(), Failure> {
    let link = signin::link(world, shared)?;
    if json {
        return render::json(&serde_json::json!({"panel": link, "services": children.report()}));
    }
    render::line(&format!("the world {} is up\n", world.root().display()))?;
    render::line(&format!("  open the panel   {link}"))?;
    render::line(
        "                   (works once, within 10 minutes; another: vivarium status --link)",
    )?;
    if let Some(hint) = model::hint(world) {
        render::line(&format!("  language model   {hint}"))?;
    }
    render::line("  stop             Ctrl-C, or vivarium down\n")
}

/// The supervisor's own way to the queue, to report a child's end.
fn reporter(world: &World, shared: &Shared) -> Option<Peers> {
    let name = Name::Supervisor;
    let holder = Holder::load(&world.identity(&name), &name).map(Arc::new);
    let holder = holder.inspect_err(|error| log("ends will not be reported", error)).ok()?;
    let connector: Arc<dyn Connect> = Arc::new(TlsConnect::new(shared));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    Some(Peers::new(&holder, &connector, &clock, &shared.limits))
}

/// Until a signal or the word `down`.
async fn wait(stopped: &CancellationToken) -> Result<(), Failure> {
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
        _ = hangup.recv() => {}
        () = stopped.cancelled() => {}
    }
    Ok(())
}

/// Fresh identities for every process of the world.
fn issue(authority: &Ca) -> Result<(), Failure> {
    let processes = Service::ALL.map(Name::Service).into_iter();
    for name in processes.chain([Name::Supervisor, Name::operator(OPERATOR)]) {
        authority.issue(&name).map_err(Failure::internal)?;
    }
    Ok(())
}

/// Renews identities at half their life; no call is dropped by it.
fn renew(tasks: &Tasks, authority: Arc<Ca>, children: Children) {
    tasks.spawn("renew identities", async move {
        loop {
            tokio::time::sleep(RENEW_EVERY).await;
            match issue(&authority) {
                Ok(()) => children.say_to_all("reload"),
                // The next try comes before the old ones end.
                Err(failure) => tracing::error!(?failure, "identities not renewed"),
            }
        }
    });
}

/// The services of which a second process stands by.
fn standbys(origins: &Origins) -> Result<Vec<Service>, Failure> {
    let ledger = origins.load::<config::Ledger>("ledger").map_err(Refusal::from)?;
    let named = |service: &Service| ledger.standbys.iter().any(|name| name == service.name());
    Ok(Service::ALL.into_iter().filter(named).collect())
}

/// A service's listeners: the gateway has a second one, for browsers.
fn bind(shared: &Shared, service: Service) -> Result<Vec<TcpListener>, Failure> {
    let mut addresses = vec![shared.addresses.of(service)];
    if service == Service::Gateway {
        addresses.push(shared.addresses.panel);
    }
    addresses
        .into_iter()
        .map(|address| {
            TcpListener::bind(address).map_err(|error| {
                Failure::refused(
                    format!("cannot listen on {address}: {error}"),
                    "stop what listens there, or set another address in world/config/shared.toml",
                )
            })
        })
        .collect()
}

/// Where the services' programs lie: beside this one.
fn binaries() -> Result<PathBuf, Failure> {
    let own = std::env::current_exe()?;
    let folder = own.parent().map(Path::to_owned).unwrap_or_default();
    for service in Service::ALL {
        let path = folder.join(child::program(service));
        if !path.exists() {
            return Err(Failure::refused(
                format!("there is no {}", path.display()),
                "build all of it with `cargo xtask up`",
            ));
        }
    }
    Ok(folder)
}

/// Logs an error with its causes.
fn log(what: &str, error: &(dyn std::error::Error + 'static)) {
    tracing::error!(error = chain(error), "{what}");
}
