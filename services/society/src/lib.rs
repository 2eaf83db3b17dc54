//! Society: who the residents are, what they remember, own, say and publish.
//!
//! Residents act here under leases; people read, write letters and post; other services' events bring
//! days, wages and verdicts. What was approved becomes the library.
//!
//! Reading order: [`domain`] → [`rpc`] → [`follow`] → [`views`] → [`library_files`].

pub mod config;
pub mod domain;
pub mod follow;
pub mod library_files;
pub mod metrics;
pub mod rpc;
pub mod seeding;
pub mod signs;
pub mod views;

use std::sync::Arc;

use vivarium_chassis::{Deps, Refusal, Service, Services, run};
use vivarium_ledger::ledger::{Guard, abort_on_fault};
use vivarium_ledger::seal::KeyFile;
use vivarium_ledger::store::{self, Store};
use vivarium_ledger::writer::Parts;
use vivarium_ledger::{Ledger, Options, Signer, rpc as ledger_rpc};
use vivarium_proto::identity::v1::memory_service_server::MemoryServiceServer;
use vivarium_proto::identity::v1::resident_service_server::ResidentServiceServer;
use vivarium_proto::identity::v1::wallet_service_server::WalletServiceServer;
use vivarium_proto::ledger::v1::ledger_service_server::LedgerServiceServer;
use vivarium_proto::social::v1::act_service_server::ActServiceServer;
use vivarium_proto::social::v1::bounty_service_server::BountyServiceServer;
use vivarium_proto::social::v1::briefing_service_server::BriefingServiceServer;
use vivarium_proto::social::v1::history_service_server::HistoryServiceServer;
use vivarium_proto::social::v1::import_service_server::ImportServiceServer;
use vivarium_proto::social::v1::journal_service_server::JournalServiceServer;
use vivarium_proto::social::v1::library_service_server::LibraryServiceServer;
use vivarium_proto::social::v1::mail_service_server::MailServiceServer;
use vivarium_proto::social::v1::room_service_server::RoomServiceServer;
use vivarium_types::Reason;

use config::Config;
use domain::Society;
use library_files::Files;
use metrics::Counters;
use rpc::Door;
use signs::Signs;

/// Why the service cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The ledger does not open.
    #[error("the ledger does not open")]
    Ledger(#[from] store::Error),
    /// The file of text keys cannot be made.
    #[error("the file of text keys cannot be made")]
    Keys(#[from] std::io::Error),
    /// The safety rules do not load.
    #[error("the safety rules do not load")]
    Rules(#[from] signs::Error),
    /// The seed of the world is refused.
    #[error("the seed of the world is refused")]
    Seed(#[from] seeding::Error),
}

/// Opens the ledger of a world and makes the service over it.
pub async fn build(config: Config, deps: Deps) -> Result<Services, Error> {
    let keys = deps.world.ledger_keys("society");
    // The file is made here, for the owner alone, before anything is written into it.
    drop(vivarium_chassis::world::private_append(&keys)?);
    let keys = KeyFile::at(&keys)?;
    let store = store::open_in_turn(&deps.ledger, run::standing()).await?;
    build_on(store, keys, config, deps).await
}

/// Makes the service over any store.
pub async fn build_on(
    store: impl Store,
    keys: KeyFile,
    config: Config,
    mut deps: Deps,
) -> Result<Services, Error> {
    let signs = Arc::new(Signs::load(&deps.world.rules())?);
    let parts = Parts {
        clock: Arc::clone(&deps.clock),
        ids: deps.ids.fork(),
        views: views::all(),
        keys: Some(Arc::new(keys)),
    };
    let signer: Arc<dyn Signer> = Arc::new(HeadSigner(deps.signer.clone()));
    let options = Options { retention: deps.retention, ..Options::default() };
    let (ledger, running) = Ledger::open(store, parts, Some(signer), options, abort_on_fault())?;
    let guard = Guard::new(ledger.clone(), running);
    let rules = config.rules();
    set_rules(&ledger, rules)?;
    seeding::sow(&ledger, &deps.world.seed()).await?;
    let counters = Counters::register(&deps.metrics);
    follow::start(&ledger, &signs, &deps);
    let files = Files::new(ledger.clone(), deps.world.library(), counters.clone());
    deps.tasks.spawn("keep the library's files", files.keep());
    deps.tasks.spawn("hold the ledger", guard.hold());
    Ok(mount(ledger, signs, counters))
}

/// Puts the settings beside the log: decisions go by them, the past does not.
fn set_rules(ledger: &Ledger<Society>, rules: domain::rules::Rules) -> Result<(), store::Error> {
    let set: Result<(), vivarium_ledger::Error<domain::Refused>> =
        ledger.touch(move |society| society.rules = rules);
    set.map_err(|error| store::Error::Unavailable(error.to_string().into()))
}

fn mount(ledger: Ledger<Society>, signs: Arc<Signs>, counters: Counters) -> Services {
    let door = Door::new(ledger.clone(), signs, counters);
    Services::new()
        .with(ResidentServiceServer::new(door.clone()))
        .with(WalletServiceServer::new(door.clone()))
        .with(MemoryServiceServer::new(door.clone()))
        .with(RoomServiceServer::new(door.clone()))
        .with(MailServiceServer::new(door.clone()))
        .with(LibraryServiceServer::new(door.clone()))
        .with(JournalServiceServer::new(door.clone()))
        .with(BountyServiceServer::new(door.clone()))
        .with(HistoryServiceServer::new(door.clone()))
        .with(ImportServiceServer::new(door.clone()))
        .with(BriefingServiceServer::new(door.clone()))
        .with(ActServiceServer::new(door))
        .with(LedgerServiceServer::new(ledger_rpc::Service::new(ledger, refuse)))
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
    refusal.with("service", Service::Society).into()
}
