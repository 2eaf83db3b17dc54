//! A process from start to exit: arguments, settings, identity, listener, build, serve, drain.
//!
//! Everything is read and built before anything is served; what goes wrong until then ends the
//! process with one line that says what, and an exit code that says whose fault it is.

use std::error::Error as StdError;
use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{CommandFactory as _, FromArgMatches as _, Parser};
use tokio_util::sync::CancellationToken;
use vivarium_types::ids::InstanceId;
use vivarium_types::place::{self, Place, Standing};
use vivarium_types::{Clock, IdSource, Reason, Retention};

use crate::client::{Connect, Peers, TlsConnect};
use crate::clock::{self, SystemClock};
use crate::config::{self, Origins, Settings, Shared};
use crate::identity::{self, Holder, Name, Service};
use crate::lease::{self, Lease};
use crate::server::{Configured, Drained, Footing, Services};
use crate::status::{Refusal, chain};
use crate::task::Tasks;
use crate::telemetry;
use crate::telemetry::metrics::Metrics;
use crate::trust;
use crate::world::World;

mod control;
mod harden;

/// The exit code of a refused configuration.
const EXIT_REFUSED: u8 = 1;
/// The exit code of a fault.
const EXIT_FAULT: u8 = 70;

/// What tasks have behind the drain to notice that they are dropped.
const TASKS_TIMEOUT: Duration = Duration::from_millis(500);

/// What every process of a world understands.
#[derive(Debug, Parser)]
#[command(about = "One service of a Vivarium world. `vivarium up` starts it.")]
struct Arguments {
    /// The world's folder.
    #[arg(long, value_name = "DIR")]
    world: PathBuf,
    /// Where to listen, if no listener is inherited and the settings do not fit. Loopback only.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// What this start is called, if its starter will speak of it: ins_ and 26 characters.
    #[arg(long, value_name = "ID")]
    instance: Option<InstanceId>,
    /// Prints the effective settings, secrets hidden, and ends.
    #[arg(long)]
    print_config: bool,
}

/// What a service is built from. Nothing else may read a clock, make randomness, bind, connect or
/// spawn.
#[derive(Debug)]
pub struct Deps {
    /// Which service this is.
    pub service: Service,
    /// This start of it.
    pub instance: InstanceId,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Ids that no other process makes. Fork it for each part that mints.
    pub ids: IdSource,
    /// The world's folders.
    pub world: World,
    /// Who this process is, at every moment.
    pub identity: Arc<Holder>,
    /// The other services.
    pub peers: Peers,
    /// Signs leases and checkpoints.
    pub signer: Signer,
    /// Cancelled when the process drains.
    pub drain: CancellationToken,
    /// Where metrics are registered.
    pub metrics: Metrics,
    /// Where work in the background is started.
    pub tasks: Tasks,
    /// Listeners beside the gRPC one.
    pub listeners: Listeners,
    /// The settings all services share.
    pub shared: Shared,
    /// Where this service's ledger lies.
    pub ledger: Place,
    /// Which rows stay in its hot file; `None`: all of them.
    pub retention: Option<Retention>,
}

/// Tells the supervisor how this process stands to its ledger, and ends one that was replaced.
pub fn standing() -> Arc<dyn Fn(Standing) + Send + Sync> {
    Arc::new(|standing| match standing {
        Standing::By => {
            tracing::info!("another process owns the ledger; standing by");
            control::say("standby\n");
        }
        Standing::Owner => tracing::info!("this process owns the ledger"),
        Standing::Fenced => {
            tracing::error!("another process took over; stopping");
            std::process::abort();
        }
    })
}

/// Signs what others check against the world's trust file, with the key of the moment.
#[derive(Debug, Clone)]
pub struct Signer {
    holder: Arc<Holder>,
}

impl Signer {
    pub(crate) fn new(holder: Arc<Holder>) -> Self {
        Self { holder }
    }

    /// A lease capability. It counts only if the queue signed it.
    pub fn lease(&self, lease: &Lease) -> Result<String, Refusal> {
        lease::sign(&self.holder.current(), lease).ok_or_else(|| Refusal::fault("no signing key"))
    }

    /// The name of the checkpoint key in the world's trust file.
    pub fn checkpoint_key_id(&self) -> String {
        let identity = self.holder.current();
        let key = identity.checkpoint_key.as_ref().map(crate::paseto::SigningKey::public);
        key.map_or_else(String::new, |key| trust::checkpoint_key_id(identity.name(), key))
    }

    /// An Ed25519 signature over `bytes`; empty without a key.
    pub fn checkpoint(&self, bytes: &[u8]) -> Vec<u8> {
        let identity = self.holder.current();
        identity.checkpoint_key.as_ref().map(|key| key.sign(bytes)).unwrap_or_default()
    }
}

/// Listeners that the supervisor bound and this process inherited, beside the gRPC one.
#[derive(Debug, Default)]
pub struct Listeners {
    rest: std::collections::VecDeque<TcpListener>,
}

impl Listeners {
    pub(crate) fn none() -> Self {
        Self::default()
    }

    /// The next inherited listener, or a new one at `address`.
    pub fn take(&mut self, address: SocketAddr) -> std::io::Result<TcpListener> {
        self.rest.pop_front().map_or_else(|| TcpListener::bind(address), Ok)
    }
}

/// Why a process ended.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Config(#[from] config::Error),
    #[error("--listen must be a loopback address")]
    Listen,
    #[error("cannot open the world {}", path.display())]
    World { path: PathBuf, source: std::io::Error },
    #[error("cannot load the identity; `vivarium up` writes it")]
    Identity(#[from] identity::Error),
    #[error("cannot start")]
    Start(#[source] std::io::Error),
    #[error("cannot build the service")]
    Build(#[source] Box<dyn StdError + Send + Sync>),
    #[error("a vital task ended")]
    Broken,
}

impl Failure {
    const fn code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Listen => EXIT_REFUSED,
            Self::World { .. }
            | Self::Identity(_)
            | Self::Start(_)
            | Self::Build(_)
            | Self::Broken => EXIT_FAULT,
        }
    }

    fn tell(self) -> ExitCode {
        let reason = Reason::of(&self);
        let code = reason.and_then(Reason::exit_code).unwrap_or_else(|| self.code());
        if let Self::Config(error) = self {
            let refusal = Refusal::from(error);
            tell(&format!("error: {refusal}\n  reason   {}", refusal.reason()));
        } else if let Self::Listen = self {
            tell(&format!("error: {self}\n  reason   {}", Reason::ConfigInvalid));
        } else if let Some(place) = place::Error::within(&self) {
            let refusal = Refusal::from(place.clone());
            tracing::error!(error = chain(&self), "process failed");
            tell(&format!("error: {refusal}\n  reason   {}", refusal.reason()));
        } else {
            let word = reason.map_or("", Reason::name);
            tracing::error!(error = chain(&self), reason = word, "process failed");
            tell(&format!("error: {}", chain(&self)));
        }
        ExitCode::from(code)
    }
}

/// Runs one service until it is told to stop. All of a service's `main`.
pub fn run<C, Build, Built, E>(service: Service, build: Build) -> ExitCode
where
    C: Settings,
    Build: FnOnce(C, Deps) -> Built,
    Built: Future<Output = Result<Services, E>>,
    E: Into<Box<dyn StdError + Send + Sync>>,
{
    let command = Arguments::command().name(service.name());
    let arguments = match Arguments::from_arg_matches(&command.get_matches()) {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    harden::process();
    match start(service, &arguments, build) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.tell(),
    }
}

fn start<C, Build, Built, E>(
    service: Service,
    arguments: &Arguments,
    build: Build,
) -> Result<(), Failure>
where
    C: Settings,
    Build: FnOnce(C, Deps) -> Built,
    Built: Future<Output = Result<Services, E>>,
    E: Into<Box<dyn StdError + Send + Sync>>,
{
    let origins = Origins::of_process(&arguments.world.join("config"));
    let shared: Shared = origins.load("shared")?;
    let ledger: config::Ledger = origins.load("ledger")?;
    let config: C = origins.load(service.name())?;
    if arguments.listen.is_some_and(|address| !address.ip().is_loopback()) {
        return Err(Failure::Listen);
    }
    if arguments.print_config {
        control::say(&config::print(&shared));
        control::say(&config::print(&ledger));
        control::say(&config::print(&config));
        return Ok(());
    }
    let opened = World::open(&arguments.world);
    let world =
        opened.map_err(|source| Failure::World { path: arguments.world.clone(), source })?;
    let id = world.id();
    let id = id.map_err(|source| Failure::World { path: arguments.world.clone(), source })?;
    let (place, retention) = (ledger.place(&world, id, service), ledger.retention());
    telemetry::start(&shared.log, &world, service.name()).map_err(Failure::Start)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(Failure::Start)?;
    let result =
        runtime.block_on(serve(service, arguments, (shared, place, retention), world, |deps| {
            build(config, deps)
        }));
    // What a handler still blocks on must not hold up the exit.
    runtime.shutdown_background();
    result
}

async fn serve<Build, Built, E>(
    service: Service,
    arguments: &Arguments,
    (shared, ledger, retention): (Shared, Place, Option<Retention>),
    world: World,
    build: Build,
) -> Result<(), Failure>
where
    Build: FnOnce(Deps) -> Built,
    Built: Future<Output = Result<Services, E>>,
    E: Into<Box<dyn StdError + Send + Sync>>,
{
    let name = Name::Service(service);
    let holder = Arc::new(Holder::load(&world.identity(&name), &name)?);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let mut listeners = inherited().map_err(Failure::Start)?;
    let address = arguments.listen.unwrap_or_else(|| shared.addresses.of(service));
    let listener = listeners.take(address).map_err(Failure::Start)?;
    let drain = CancellationToken::new();
    control::obey(&holder, &drain).map_err(Failure::Start)?;
    let tasks = Tasks::new(drain.clone());
    let connector: Arc<dyn Connect> = Arc::new(TlsConnect::new(&shared));
    let metrics = Metrics::default();
    let footing = Footing {
        service,
        identity: Arc::clone(&holder),
        clock: Arc::clone(&clock),
        limits: shared.limits.clone(),
        metrics: metrics.clone(),
        drain: drain.clone(),
    };
    show_metrics(&shared, service, &metrics, &tasks);
    let mut ids = clock::ids();
    let deps = Deps {
        service,
        instance: arguments.instance.unwrap_or_else(|| ids.mint(clock.now())),
        ids,
        world,
        peers: Peers::new(&holder, &connector, &clock, &shared.limits),
        signer: Signer::new(Arc::clone(&holder)),
        identity: holder,
        clock,
        drain: drain.clone(),
        metrics,
        tasks: tasks.clone(),
        listeners,
        shared,
        ledger,
        retention,
    };
    // A process that stands by may be told to stop before it is built.
    let services = tokio::select! {
        made = build(deps) => made.map_err(|error| Failure::Build(error.into()))?,
        () = drain.cancelled() => return Ok(()),
    };
    finish(footing, services, listener, tasks, drain).await
}

/// From the first connection to the last.
async fn finish(
    footing: Footing,
    services: Services,
    listener: TcpListener,
    tasks: Tasks,
    drain: CancellationToken,
) -> Result<(), Failure> {
    let bound = Configured::new(footing, services).bind(listener).map_err(Failure::Start)?;
    let address = bound.address();
    let serving = bound.serve();
    tracing::info!(%address, "serving");
    control::say(&format!("ready {address}\n"));
    let broken = tokio::select! {
        () = drain.cancelled() => false,
        () = tasks.broken() => true,
    };
    let drained = serving.drain().await;
    let finished = tasks.finish(TASKS_TIMEOUT).await;
    tracing::info!(whole = drained == Drained::Whole, tasks = finished, "drained");
    if broken { Err(Failure::Broken) } else { Ok(()) }
}

fn show_metrics(shared: &Shared, service: Service, metrics: &Metrics, tasks: &Tasks) {
    let Some(address) = shared.metrics.of(service) else { return };
    let metrics = metrics.clone();
    tasks.spawn("show metrics", async move {
        if let Err(error) = telemetry::metrics::show(metrics, address).await {
            tracing::warn!(%error, "metrics cannot be shown");
        }
    });
}

fn inherited() -> std::io::Result<Listeners> {
    let mut given = listenfd::ListenFd::from_env();
    let mut listeners = Listeners::none();
    for index in 0..given.len() {
        listeners.rest.extend(given.take_tcp_listener(index)?);
    }
    Ok(listeners)
}

/// One line for whoever started the process.
fn tell(line: &str) {
    use std::io::Write as _;
    let mut stderr = std::io::stderr();
    // Nobody may be listening any more; there is nothing else to tell it to.
    drop(writeln!(stderr, "{line}"));
}
