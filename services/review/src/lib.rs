//! Review: nothing is published that was not read.
//!
//! Drafts are staged under leases; what a finished attempt staged becomes a submission; checks read
//! it, a critic advises or judges, and a person decides wherever anything is missing or doubtful.
//!
//! Reading order: [`domain`] → [`checks`] → [`rpc`] → [`follow`] → [`views`].

pub mod checks;
pub mod config;
pub mod domain;
pub mod follow;
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
use vivarium_proto::review::v1::draft_service_server::DraftServiceServer;
use vivarium_proto::review::v1::review_service_server::ReviewServiceServer;
use vivarium_types::Reason;

use config::Config;
use metrics::Counters;

/// Opens the ledger of a world and makes the service over it.
pub async fn build(config: Config, deps: Deps) -> Result<Services, store::Error> {
    let store = store::open_in_turn(&deps.ledger, run::standing()).await?;
    build_on(store, config, deps).await
}

/// Makes the service over any store.
#[expect(clippy::unused_async, reason = "a service's build is async by the chassis' contract")]
pub async fn build_on(
    store: impl Store,
    config: Config,
    mut deps: Deps,
) -> Result<Services, store::Error> {
    let parts = Parts {
        clock: Arc::clone(&deps.clock),
        ids: deps.ids.fork(),
        views: vec![Box::new(views::Submissions)],
        keys: None,
    };
    let signer: Arc<dyn Signer> = Arc::new(HeadSigner(deps.signer.clone()));
    let options = Options { retention: deps.retention, ..Options::default() };
    let (ledger, running) = Ledger::open(store, parts, Some(signer), options, abort_on_fault())?;
    let counters = Counters::register(&deps.metrics);
    follow::start(&ledger, config, counters, &deps);
    deps.tasks.spawn("hold the ledger", Guard::new(ledger.clone(), running).hold());
    Ok(Services::new()
        .with(DraftServiceServer::new(rpc::Drafts::new(ledger.clone())))
        .with(ReviewServiceServer::new(rpc::Reviews::new(ledger.clone())))
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
    refusal.with("service", Service::Review).into()
}
