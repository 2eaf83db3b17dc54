//! A world with the real queue process in it, over mTLS, and a stand-in for review.
//!
//! The bench is the supervisor here: it makes the authority, issues the identities and starts the
//! process. Residents and models play no part, so society and the executor are never there.

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;
use vivarium_chassis::ca::Ca;
use vivarium_chassis::client::{Connect, TlsConnect};
use vivarium_chassis::clock::SystemClock;
use vivarium_chassis::config::Shared;
use vivarium_chassis::identity::{Holder, Name, Service};
use vivarium_chassis::{Calls, Peers, World};
use vivarium_harness::process::program;
use vivarium_proto::queue::v1 as pb;
use vivarium_proto::queue::v1::task_service_client::TaskServiceClient;
use vivarium_proto::queue::v1::world_service_client::WorldServiceClient;
use vivarium_types::ids::InstanceId;
use vivarium_types::{Actor, Clock};

use crate::review::Review;

/// Settings of the measured world that differ from the defaults.
const QUEUE_SETTINGS: &str = "open_tasks_max = 2_000_000\nrunners_max = 64\n";
const LIMITS: &str = "[limits]\nunary_calls_max = 8_192\nstreams_max = 2_048\n";

/// Connections of the people who add; each carries many calls at once.
pub(crate) const CONNECTIONS: usize = 4;

/// A running world.
pub(crate) struct Stand {
    /// Dropped first: the process ends before its folder goes.
    queue: Process,
    pub(crate) review: Review,
    shared: Shared,
    world: World,
    ca: Ca,
    adders: Vec<Peers>,
    requests: AtomicU64,
    _folder: TempDir,
}

struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // The end of its input is its order to drain.
        drop(self.0.stdin.take());
        drop(self.0.wait());
    }
}

impl Stand {
    /// Starts a fresh world below `place`, with pace `wait 0`.
    pub(crate) async fn start(place: &Path) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("world-").tempdir_in(place)?;
        let world = World::open(folder.path())?;
        let ca = Ca::open(&world, Arc::new(SystemClock))?;
        let names = Service::ALL.map(Name::Service).into_iter().chain([Name::Supervisor]);
        for name in names.chain([Name::operator("bench")]) {
            ca.issue(&name)?;
        }
        let review = TcpListener::bind("127.0.0.1:0")?;
        let mut shared = Shared::default();
        shared.addresses.review = review.local_addr()?;
        shared.limits.unary_calls_max = 8_192;
        shared.limits.streams_max = 2_048;
        settings(&world, shared.addresses.review)?;
        let (queue, address) = process(&world)?;
        shared.addresses.queue = address;
        let peers = |name: &Name| peers(&world, &shared, name);
        let adders = (0..CONNECTIONS).map(|_| peers(&Name::operator("bench")));
        let adders = adders.collect::<Result<Vec<_>>>()?;
        let own = Arc::new(Holder::load(
            &world.identity(&Name::Service(Service::Review)),
            &Name::Service(Service::Review),
        )?);
        let follower = peers(&Name::Service(Service::Review))?;
        let review = Review::start(&shared, own, review, &follower)?;
        let requests = AtomicU64::new(0);
        let stand = Self { queue, review, shared, world, ca, adders, requests, _folder: folder };
        stand.pace().await?;
        Ok(stand)
    }

    /// The queue's process.
    pub(crate) fn pid(&self) -> u32 {
        self.queue.0.id()
    }

    /// A request id that nobody used before.
    pub(crate) fn request_id(&self) -> String {
        format!("b{}", self.requests.fetch_add(1, Ordering::Relaxed))
    }

    /// Whoever adds tasks: one of a few connections.
    pub(crate) fn tasks(&self, client: usize) -> TaskServiceClient<Calls> {
        TaskServiceClient::new(self.adders[client % CONNECTIONS].to(Service::Queue).calls())
    }

    /// Calls of one of the processes to the queue, over a connection of its own.
    pub(crate) fn calls(&self, name: &Name) -> Result<Calls> {
        Ok(peers(&self.world, &self.shared, name)?.to(Service::Queue).calls())
    }

    /// The gateway's word for an operator, over a connection that all operators share.
    pub(crate) fn gateway(&self) -> Result<impl Fn(&str) -> TaskServiceClient<Calls> + use<>> {
        self.ca.issue(&Name::Service(Service::Gateway))?;
        let peers = peers(&self.world, &self.shared, &Name::Service(Service::Gateway))?;
        let queue = peers.to(Service::Queue);
        Ok(move |name: &str| {
            TaskServiceClient::new(queue.acting_as(&Actor::Operator(name.to_owned())))
        })
    }

    async fn pace(&self) -> Result<()> {
        let calls = self.adders[0].to(Service::Queue).calls();
        let request = pb::SetPaceRequest {
            request_id: self.request_id(),
            pace: pb::PaceKind::Wait.into(),
            wait_seconds: 0,
            reason: "nothing waits in a benchmark".to_owned(),
        };
        WorldServiceClient::new(calls).set_pace(request).await?;
        Ok(())
    }

    /// The supervisor's word that a runner's process has ended.
    pub(crate) async fn report_exit(&self, runner: &str, instance: InstanceId) -> Result<()> {
        let request = pb::ReportExitRequest {
            request_id: self.request_id(),
            service: runner.to_owned(),
            detail: "signal 9".to_owned(),
            instance_id: instance.to_string(),
        };
        let calls = self.calls(&Name::Supervisor)?;
        WorldServiceClient::new(calls).report_exit(request).await?;
        Ok(())
    }
}

fn peers(world: &World, shared: &Shared, name: &Name) -> Result<Peers> {
    let holder = Arc::new(Holder::load(&world.identity(name), name)?);
    let connector: Arc<dyn Connect> = Arc::new(TlsConnect::new(shared));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    Ok(Peers::new(&holder, &connector, &clock, &shared.limits))
}

fn settings(world: &World, review: SocketAddr) -> Result<()> {
    std::fs::create_dir_all(world.config())?;
    let nobody = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let addresses = format!(
        "[addresses]\nreview = \"{review}\"\nsociety = \"{nobody}\"\nexecutor = \"{nobody}\"\n"
    );
    std::fs::write(world.config().join("shared.toml"), addresses + LIMITS)?;
    std::fs::write(world.config().join("queue.toml"), QUEUE_SETTINGS)?;
    Ok(())
}

fn process(world: &World) -> Result<(Process, SocketAddr)> {
    let log = std::fs::File::create(world.logs().join("queue.log"))?;
    let mut child = Command::new(program("vivarium-queue"))
        .args(["--listen", "127.0.0.1:0", "--world"])
        .arg(world.root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .context("the queue does not start")?;
    let Some(told) = child.stdout.take() else { bail!("the queue has no output") };
    let child = Process(child);
    let mut line = String::new();
    BufReader::new(told).read_line(&mut line)?;
    let address = line.trim().strip_prefix("ready ").and_then(|text| text.parse().ok());
    let address = address.with_context(|| {
        let log = std::fs::read_to_string(world.logs().join("queue.log"));
        format!("the queue is not ready: {}", log.unwrap_or_default())
    })?;
    Ok((child, address))
}
