//! A command's way to the world: its folders, its services under an operator's certificate.

use std::path::Path;

use tonic::Status;
use vivarium_chassis::config::{self, Origins, Shared};
use vivarium_chassis::{Calls, Peers, Service, World, clock, world};
use vivarium_proto::queue::v1::GetTaskRequest;
use vivarium_proto::queue::v1::task_service_client::TaskServiceClient;
use vivarium_types::ids::{Id as _, InstanceId, WorldId};
use vivarium_types::{Clock as _, Place};

use crate::failure::Failure;

/// The services that have a ledger.
const LEDGERS: [Service; 4] =
    [Service::Queue, Service::Executor, Service::Society, Service::Review];

/// The operator's name on certificates and in the record.
pub(crate) const OPERATOR: &str = "cli";

/// A world and the way to its services.
#[derive(Debug)]
pub(crate) struct Console {
    pub(crate) world: World,
    pub(crate) json: bool,
    peers: Option<Peers>,
}

impl Console {
    /// The console of the world at `root`.
    pub(crate) fn new(root: &Path, json: bool) -> Self {
        let world = World::at(root);
        let peers = Peers::operator(&world, OPERATOR).ok();
        Self { world, json, peers }
    }

    /// Calls to a service as the operator.
    pub(crate) fn calls(&self, service: Service) -> Result<Calls, Failure> {
        let peers = self.peers.as_ref().ok_or_else(|| {
            Failure::unavailable(
                format!("no world was ever started in {}", self.world.root().display()),
                "start it with `vivarium up`, or name another one with --world",
            )
        })?;
        Ok(peers.to(service).calls())
    }

    /// Calls to the queue.
    pub(crate) fn tasks(&self) -> Result<TaskServiceClient<Calls>, Failure> {
        Ok(TaskServiceClient::new(self.calls(Service::Queue)?))
    }

    /// The settings that all services of the world share.
    pub(crate) fn shared(&self) -> Result<Shared, Failure> {
        let origins = Origins::of_process(&self.world.config());
        let shared = origins.load::<Shared>("shared");
        Ok(shared.map_err(vivarium_chassis::Refusal::from)?)
    }

    /// Where the ledgers of the world lie.
    pub(crate) fn ledgers(&self) -> Result<Vec<(Service, Place)>, Failure> {
        let origins = Origins::of_process(&self.world.config());
        let settings = origins.load::<config::Ledger>("ledger");
        let settings = settings.map_err(vivarium_chassis::Refusal::from)?;
        places(&self.world, &settings)
    }

    /// What names a submission: its own id, or the id of the task called so.
    pub(crate) async fn submission(&self, named: &str) -> Result<String, Failure> {
        if named.starts_with("sub_") || named.starts_with("tsk_") {
            return Ok(named.to_owned());
        }
        let request = GetTaskRequest { task: named.to_owned(), ..Default::default() };
        let answer = self.tasks()?.get_task(request).await?.into_inner();
        let task = answer.task.ok_or_else(|| Status::from(no_answer()))?;
        Ok(task.task_id)
    }
}

/// Where these settings say that the ledgers of a world lie.
pub(crate) fn places(
    world: &World,
    settings: &config::Ledger,
) -> Result<Vec<(Service, Place)>, Failure> {
    let mut id = WorldId::from_number(0);
    if settings.store == config::Store::Postgres {
        // The first who asks makes it.
        world::private_folder(&world.keys())?;
        id = world.id()?;
    }
    Ok(LEDGERS.map(|service| (service, settings.place(world, id, service))).into())
}

/// A request id that no other call shares.
pub(crate) fn request_id() -> String {
    let id: InstanceId = clock::ids().mint(clock::SystemClock.now());
    format!("cli-{id}")
}

/// The service named on the command line.
pub(crate) fn service(name: &str) -> Result<Service, Failure> {
    let found = Service::ALL.into_iter().find(|service| service.name() == name);
    found.ok_or_else(|| {
        Failure::usage(
            format!("there is no service {name}"),
            "use queue, executor, society, review or gateway",
        )
    })
}

fn no_answer() -> vivarium_chassis::Refusal {
    vivarium_chassis::Refusal::fault("an answer without its content")
}
