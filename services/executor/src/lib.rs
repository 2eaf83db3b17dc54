//! The executor: runs residents' cycles, calls models, keeps money within its limits.
//!
//! Nothing is sent to a model that is not reserved on disk first; what residents may do is a closed
//! list; a halt stops everything at once. Nothing here decides whether work is accepted.
//!
//! Reading order: [`domain`] → [`lease`] → [`runner`] → [`cycle`] → [`providers`] → [`model`] → [`policy`] →
//! [`rpc`] → [`follow`] → [`views`]; beside them [`halt`], [`keys`], [`output`].

pub mod commands;
pub mod config;
pub mod cycle;
pub mod domain;
pub mod follow;
pub mod halt;
pub mod keys;
pub mod lease;
pub mod metrics;
pub mod model;
pub mod output;
pub mod policy;
pub mod providers;
pub mod redact;
pub mod replay;
pub mod rpc;
pub mod runner;
pub mod views;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use vivarium_chassis::{Deps, Refusal, Service, Services, run};
use vivarium_ledger::ledger::{Guard, abort_on_fault};
use vivarium_ledger::seal::KeyFile;
use vivarium_ledger::store::{self, Store};
use vivarium_ledger::writer::Parts;
use vivarium_ledger::{Ledger, Options, Signer, Submission, rpc as ledger_rpc};
use vivarium_proto::executor::v1::budget_service_server::BudgetServiceServer;
use vivarium_proto::executor::v1::command_service_server::CommandServiceServer;
use vivarium_proto::executor::v1::cycle_service_server::CycleServiceServer;
use vivarium_proto::executor::v1::provider_service_server::ProviderServiceServer;
use vivarium_proto::executor::v1::safety_service_server::SafetyServiceServer;
use vivarium_proto::ledger::v1::ledger_service_server::LedgerServiceServer;
use vivarium_types::{Actor, Reason};

use config::Config;
use cycle::Engine;
use cycle::limits::Actions;
use domain::{Command, State};
use keys::Keys;
use metrics::Counters;
use model::PriceTable;
use model::openai::KeySource;
use output::Hub;
use policy::Policy;
use providers::Providers;
use rpc::Floor;
use runner::Runner;

/// Between two looks at providers that cannot be used.
const LOOK_PAUSE_MIN: Duration = Duration::from_secs(2);
const LOOK_PAUSE_MAX: Duration = Duration::from_secs(30);

/// Why the executor cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The ledger does not open.
    #[error("the executor's ledger does not open")]
    Store(#[from] store::Error),
    /// The keys do not open.
    #[error("the keys of providers do not open")]
    Keys(#[source] std::io::Error),
    /// The words of actions do not load.
    #[error("the actions do not load")]
    Actions(#[from] cycle::limits::Error),
    /// A named workspace would show what is private.
    #[error(
        "the workspace {0} holds the world's own folder `mutable`, or lies in it: name another folder"
    )]
    Workspace(String),
    /// What an earlier process left open cannot be settled.
    #[error("what an earlier start left open cannot be settled")]
    Recover(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Opens the ledger of a world and makes the service over it.
pub async fn build(config: Config, deps: Deps) -> Result<Services, Error> {
    let store = store::open_in_turn(&deps.ledger, run::standing()).await?;
    let sealing = KeyFile::at(&deps.world.ledgers().join("executor-keys.db"))?;
    let keys = keys_of(&deps)?;
    let providers = providers_of(&config, &keys, &deps);
    build_on(store, sealing, (keys, providers), config, deps).await
}

/// The keys of a world's providers.
pub fn keys_of(deps: &Deps) -> Result<Arc<Keys>, Error> {
    Keys::open(&deps.world.keys().join("providers")).map(Arc::new).map_err(Error::Keys)
}

/// The providers of the configuration. Without a price file nothing that costs money is called.
fn providers_of(config: &Config, keys: &Arc<Keys>, deps: &Deps) -> Providers {
    let prices = PriceTable::read(&deps.world.rules().join("prices.toml"));
    let prices = prices.unwrap_or_else(|error| {
        tracing::error!(%error, "no prices: only what is free is called");
        PriceTable::default()
    });
    let keys = Arc::clone(keys);
    let source: KeySource = Arc::new(move |name: &str| keys.of(name));
    Providers::of(&config.model, prices, &source, &deps.world, &deps.tasks)
}

/// Makes the service over any store and any providers.
pub async fn build_on(
    store: impl Store,
    sealing: KeyFile,
    (keys, providers): (Arc<Keys>, Providers),
    config: Config,
    mut deps: Deps,
) -> Result<Services, Error> {
    let parts = Parts {
        clock: Arc::clone(&deps.clock),
        ids: deps.ids.fork(),
        views: vec![
            Box::new(views::Cycles),
            Box::new(views::spend::Spend),
            Box::new(views::refusals::Refusals),
        ],
        keys: Some(Arc::new(sealing)),
    };
    let signer: Arc<dyn Signer> = Arc::new(HeadSigner(deps.signer.clone()));
    let options = Options { retention: deps.retention, ..Options::default() };
    let (ledger, running) = Ledger::open(store, parts, Some(signer), options, abort_on_fault())?;
    let commands = commands_of(&config, &deps)?;
    let engine = engine(&ledger, (providers, &keys), config, &commands, &mut deps)?;
    let floor = Floor { ledger: ledger.clone(), clock: Arc::clone(&deps.clock) };
    recover(&engine, &floor, &keys).await?;
    start(&engine, &keys, &deps);
    deps.tasks.spawn("hold the ledger", Guard::new(ledger.clone(), running).hold());
    let budgets = rpc::budgets::Budgets::new(floor.clone(), engine.config.limits());
    let cycles = rpc::cycles::Cycles::new(floor.clone(), Arc::clone(&engine));
    let commands = rpc::commands::Commands::new(commands);
    let safety = rpc::safety::Safety::new(floor.clone(), Arc::clone(&engine.policy));
    let providers = rpc::providers::Providers::new(floor, keys, Arc::clone(&engine.providers));
    Ok(Services::new()
        .with(CycleServiceServer::new(cycles))
        .with(ProviderServiceServer::new(providers))
        .with(BudgetServiceServer::new(budgets))
        .with(CommandServiceServer::new(commands))
        .with(SafetyServiceServer::new(safety))
        .with(LedgerServiceServer::new(ledger_rpc::Service::new(ledger, refuse))))
}

/// The programs of a world. A named workspace never holds what is private, nor lies within it.
fn commands_of(config: &Config, deps: &Deps) -> Result<commands::Shared, Error> {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let private = real(&deps.world.mutable());
    for (name, folder) in &config.workspaces {
        let folder = real(folder);
        if folder.starts_with(&private) || private.starts_with(&folder) {
            return Err(Error::Workspace(name.clone()));
        }
    }
    let (rules, library) = (deps.world.rules(), deps.world.library());
    Ok(Arc::new(commands::Commands::load(&rules, &library, &config.workspaces)))
}

fn engine(
    ledger: &Ledger<State>,
    (providers, keys): (Providers, &Arc<Keys>),
    config: Config,
    commands: &commands::Shared,
    deps: &mut Deps,
) -> Result<Arc<Engine>, Error> {
    let ids = deps.ids.fork();
    Ok(Arc::new(Engine {
        ledger: ledger.clone(),
        clock: Arc::clone(&deps.clock),
        ids: Arc::new(Mutex::new(ids)),
        instance: deps.instance,
        providers: Arc::new(providers),
        policy: Arc::new(Policy::load(&deps.world.rules())),
        actions: Arc::new(Actions::load(&deps.world.rules())?),
        redactor: Arc::new(redact::Redactor::new(Arc::clone(keys))),
        commands: Arc::clone(commands),
        society: rpc::peers::society::Society::new(deps.peers.to(Service::Society)),
        review: rpc::peers::review::Review::new(deps.peers.to(Service::Review)),
        queue: rpc::peers::queue::Queue::new(deps.peers.to(Service::Queue)),
        hub: Arc::new(Hub::default()),
        library: deps.world.library(),
        config,
        counters: Counters::register(&deps.metrics),
        replay: None,
    }))
}

/// Settles what earlier starts left open, before anything new begins.
async fn recover(engine: &Engine, floor: &Floor, keys: &Keys) -> Result<(), Error> {
    let command = Command::Recover(engine.instance);
    let submission = Submission::new(Actor::rule("executor_start"), command);
    let recovered = engine.ledger.submit(submission).await;
    recovered.map_err(|error| Error::Recover(error.to_string().into()))?;
    let names: Vec<String> = engine.providers.listed().into_iter().map(|one| one.name).collect();
    let consents = engine.ledger.ask(move |state| {
        let consent = |name: String| (state.providers().consent(&name), name);
        names.into_iter().map(consent).collect::<Vec<_>>()
    });
    let consents = consents.await.map_err(|error| Error::Recover(error.to_string().into()))?;
    for (consent, name) in consents {
        engine.providers.consented(&name, consent);
    }
    rpc::providers::reconcile(floor, keys).await.map_err(|error| Error::Recover(error.into()))
}

/// Starts what runs beside the methods.
fn start(engine: &Arc<Engine>, keys: &Arc<Keys>, deps: &Deps) {
    deps.tasks.spawn("look at providers", look_after(Arc::clone(engine), Arc::clone(keys)));
    let halted = match halt::Watcher::new(&deps.world.halt_file()) {
        Ok(watcher) => {
            let present = watcher.present();
            deps.tasks.spawn_vital("watch for HALT", async move {
                if let Err(error) = watcher.run().await {
                    tracing::error!(%error, "the file HALT cannot be watched any more");
                }
            });
            present
        }
        Err(error) => {
            // Control state that cannot be read is a halt.
            tracing::error!(%error, "the file HALT cannot be watched: behaving as halted");
            watch::channel(true).1
        }
    };
    let queue = deps.peers.to(Service::Queue);
    let slots = engine.config.slots;
    let runner = Runner::new(Arc::clone(engine), queue, deps.tasks.clone(), slots, halted);
    deps.tasks.spawn_vital("run leases", runner.run());
    follow::start(&engine.ledger, deps);
}

/// Looks at the providers at the start, when a key or a consent changed, when a call failed, and from
/// time to time while one of them cannot be used.
async fn look_after(engine: Arc<Engine>, keys: Arc<Keys>) {
    let mut changes = keys.changes();
    let mut pause = LOOK_PAUSE_MIN;
    loop {
        changes.mark_unchanged();
        let seen = engine.providers.look().await;
        let all_well = seen.iter().all(|health| health.healthy);
        for health in seen {
            let submission =
                Submission::new(Actor::rule("provider_look"), Command::NoteHealth(health));
            if let Err(error) = engine.ledger.submit(submission).await {
                tracing::debug!(%error, "a look at a provider was not recorded");
                return;
            }
        }
        pause = if all_well { LOOK_PAUSE_MAX } else { (pause * 2).min(LOOK_PAUSE_MAX) };
        tokio::select! {
            news = changes.changed() => {
                if news.is_err() {
                    return;
                }
                pause = LOOK_PAUSE_MIN;
            }
            () = engine.providers.look_wanted() => pause = LOOK_PAUSE_MIN,
            () = tokio::time::sleep(pause), if !all_well => {}
        }
    }
}

/// Signs this ledger's head with the service's own key.
struct HeadSigner(run::Signer);

impl Signer for HeadSigner {
    fn key_id(&self) -> String {
        self.0.checkpoint_key_id()
    }

    fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        self.0.checkpoint(bytes)
    }
}

fn refuse(reason: Reason, metadata: &[(&'static str, String)]) -> tonic::Status {
    let refusal = metadata
        .iter()
        .fold(Refusal::new(reason), |refusal, (key, value)| refusal.with(*key, value));
    refusal.with("service", Service::Executor).into()
}
