//! The queue: tasks, attempts, leases, and the controls of the world.
//!
//! Nothing starts without a lease, and a lease is an event on disk before anybody hears of it.
//!
//! Reading order: [`domain`] → [`rpc`] → [`follow`] → [`views`].

pub mod config;
pub mod domain;
pub mod follow;
mod halt_file;
pub mod metrics;
pub mod rpc;
pub mod views;

use std::sync::Arc;

use vivarium_chassis::{Deps, Refusal, Service, Services, run};
use vivarium_ledger::ledger::{Guard, abort_on_fault};
use vivarium_ledger::store::{self, Store};
use vivarium_ledger::writer::Parts;
use vivarium_ledger::{Ledger, Options, Signer, rpc as ledger_rpc};
use vivarium_proto::ledger::v1::ledger_service_server::LedgerServiceServer;
use vivarium_proto::queue::v1::recurrence_service_server::RecurrenceServiceServer;
use vivarium_proto::queue::v1::runner_service_server::RunnerServiceServer;
use vivarium_proto::queue::v1::task_service_server::TaskServiceServer;
use vivarium_proto::queue::v1::world_service_server::WorldServiceServer;
use vivarium_types::Reason;

use config::Config;
use domain::runner::Times;
use rpc::Desk;

/// Why the service cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The ledger cannot be opened.
    #[error("the ledger cannot be opened")]
    Store(#[from] store::Error),
    /// The ledger refused the first thing it was asked.
    #[error("the ledger does not work")]
    Start(#[from] Refusal),
}

/// Opens the ledger of a world and makes the service over it.
pub async fn build(config: Config, deps: Deps) -> Result<Services, Error> {
    let store = store::open_in_turn(&deps.ledger, run::standing()).await?;
    build_on(store, config, deps).await
}

/// Makes the service over any store.
pub async fn build_on(
    store: impl Store,
    config: Config,
    mut deps: Deps,
) -> Result<Services, Error> {
    let parts = Parts {
        clock: Arc::clone(&deps.clock),
        ids: deps.ids.fork(),
        views: vec![Box::new(views::Tasks::default())],
        keys: None,
    };
    let signer: Arc<dyn Signer> = Arc::new(HeadSigner(deps.signer.clone()));
    let options = Options { retention: deps.retention, ..Options::default() };
    let (ledger, running) = Ledger::open(store, parts, Some(signer), options, abort_on_fault())?;
    deps.tasks.spawn("hold the ledger", Guard::new(ledger.clone(), running).hold());
    let times = Times {
        lease_ttl: config.lease_ttl,
        exit_grace: config.exit_grace,
        open_tasks_max: config.open_tasks_max,
    };
    let desk = Desk {
        ledger: ledger.clone(),
        config: Arc::new(config),
        limits: Arc::default(),
        background: deps.tasks.clone(),
        halt_file: deps.world.halt_file(),
    };
    desk.read_limits().await?;
    // A halt that was asked for while this service was dead stands before anything is granted.
    halt_file::adopt(&desk).await?;
    ledger.touch(move |queue| queue.start(times)).map_err(rpc::refusal)?;
    deps.tasks.spawn_vital("watch the file HALT", halt_file::watch(desk.clone()));
    deps.tasks.spawn("count events", metrics::count(ledger.clone(), deps.metrics.clone()));
    follow::start(&ledger, &deps);
    Ok(Services::new()
        .with(TaskServiceServer::new(rpc::tasks::Tasks::new(desk.clone())))
        .with(RecurrenceServiceServer::new(rpc::recurrences::Recurrences::new(desk.clone())))
        .with(RunnerServiceServer::new(rpc::runner::Runners::new(
            desk.clone(),
            deps.signer.clone(),
        )))
        .with(WorldServiceServer::new(rpc::worlds::Worlds::new(desk, deps.signer)))
        .with(LedgerServiceServer::new(ledger_rpc::Service::new(ledger, refuse))))
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
    refusal.with("service", Service::Queue).into()
}
