//! A world without a network: its services reach each other through pipes in memory, by name, with
//! the same guard, tokens, limits and clients as over TLS. For tests of services.
//!
//! Who stands at the other end of a pipe is injected here; everything behind that is the real thing.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use vivarium_types::ids::{Id as _, WorldId};
use vivarium_types::{Actor, Clock, IdSource, ManualClock, Timestamp};

use crate::client::{Calls, Connect, Peers};
use crate::config::{self, Limits, Shared};
use crate::identity::{Holder, Identity, Leaf, Name, Service};
use crate::paseto::SigningKey;
use crate::run::{Deps, Listeners, Signer};
use crate::server::{BoxIo, Configured, Drained, Footing, Incoming, Services, Serving};
use crate::task::Tasks;
use crate::telemetry::metrics::Metrics;
use crate::token::Minted;
use crate::trust::Trust;
use crate::world::World as Paths;

/// Bytes on their way through one pipe.
const PIPE_BYTES: usize = 256 * 1024;
/// The moment at which a world in memory begins: a Monday.
const BEGINNING: Timestamp = Timestamp::from_millis(1_795_406_400_000);

/// A world in memory. Clones are the same world.
#[derive(Debug, Clone)]
pub struct World {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    paths: Paths,
    clock: Arc<ManualClock>,
    limits: Limits,
    seeds: HashMap<Name, String>,
    trust: Trust,
    /// Written by `serve`: where each service takes connections.
    doors: Mutex<HashMap<Service, mpsc::Sender<Incoming>>>,
    /// Written by `deps`: no two processes get the same ids.
    ids: Mutex<IdSource>,
}

/// A service at work in memory.
#[derive(Debug)]
pub struct Running {
    serving: Serving,
    tasks: Tasks,
    limit: Duration,
}

impl Running {
    /// Drains it. Calls to it find nobody from then on, until it is served again.
    pub async fn drain(self) -> Drained {
        let drained = self.serving.drain().await;
        if self.tasks.finish(self.limit).await { drained } else { Drained::Cut }
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// A world that has no folder: what writes a file in it fails.
    pub fn new() -> Self {
        Self::at("/dev/null/no-such-world")
    }

    /// A world whose files lie under `root`.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self::with(Paths::at(root), Limits::default())
    }

    /// A world of these paths and limits.
    ///
    /// # Panics
    /// Never: a generated seed is a key.
    pub fn with(paths: Paths, limits: Limits) -> Self {
        let names = Service::ALL.map(Name::Service).into_iter().chain([Name::Supervisor]);
        let (mut seeds, mut trust) = (HashMap::new(), Trust::default());
        for name in names {
            let seed = SigningKey::generate().to_string();
            let key = SigningKey::of_hex(&seed).expect("a generated seed is a key");
            trust.add_token_key(&name, *key.public());
            trust.add_checkpoint_key(&name, *key.public());
            seeds.insert(name, seed);
        }
        let inner = Inner {
            paths,
            clock: Arc::new(ManualClock::at(BEGINNING)),
            limits,
            seeds,
            trust,
            doors: Mutex::default(),
            ids: Mutex::new(IdSource::seeded(1)),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The world's clock. It moves when it is told to.
    pub fn clock(&self) -> Arc<ManualClock> {
        Arc::clone(&self.inner.clock)
    }

    /// What `build` of a service is handed, for a test that serves nothing.
    pub fn deps(&self, service: Service) -> Deps {
        let holder = self.holder(&Name::Service(service));
        let clock: Arc<dyn Clock> = self.clock();
        let drain = CancellationToken::new();
        let mut ids = self.inner.ids.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = Shared { limits: self.inner.limits.clone(), ..Shared::default() };
        let id = WorldId::from_number(1);
        let ledger = config::Ledger::default().place(&self.inner.paths, id, service);
        Deps {
            service,
            instance: ids.mint(clock.now()),
            ids: ids.fork(),
            world: self.inner.paths.clone(),
            peers: self.peers(&holder),
            signer: Signer::new(Arc::clone(&holder)),
            identity: holder,
            clock,
            tasks: Tasks::new(drain.clone()),
            drain,
            metrics: Metrics::default(),
            listeners: Listeners::none(),
            shared,
            ledger,
            retention: None,
        }
    }

    /// Builds and serves a service; whoever calls `service` reaches it from now on.
    pub async fn start<Built, E>(
        &self,
        service: Service,
        build: impl FnOnce(Deps) -> Built,
    ) -> Result<Running, E>
    where
        Built: Future<Output = Result<Services, E>>,
    {
        let deps = self.deps(service);
        let footing = Footing {
            service,
            identity: Arc::clone(&deps.identity),
            clock: Arc::clone(&deps.clock),
            limits: self.inner.limits.clone(),
            metrics: deps.metrics.clone(),
            drain: deps.drain.clone(),
        };
        let tasks = deps.tasks.clone();
        let configured = Configured::new(footing, build(deps).await?);
        let (give, take) = mpsc::channel(64);
        let serving = configured.serve(ReceiverStream::new(take));
        let mut doors = self.inner.doors.lock().unwrap_or_else(PoisonError::into_inner);
        doors.insert(service, give);
        Ok(Running { serving, tasks, limit: self.inner.limits.drain_timeout })
    }

    /// Calls of `name` to `service`: an operator as itself, a service on its own account.
    pub fn calls(&self, name: &Name, service: Service) -> Calls {
        self.peers(&self.holder(name)).to(service).calls()
    }

    /// Calls of `name` to `service` on behalf of `actor`.
    pub fn calls_as(&self, name: &Name, actor: &Actor, service: Service) -> Calls {
        self.peers(&self.holder(name)).to(service).acting_as(actor)
    }

    fn peers(&self, holder: &Arc<Holder>) -> Peers {
        let connector: Arc<dyn Connect> = Arc::new(self.clone());
        let clock: Arc<dyn Clock> = self.clock();
        Peers::new(holder, &connector, &clock, &self.inner.limits)
    }

    fn holder(&self, name: &Name) -> Arc<Holder> {
        let key = || self.inner.seeds.get(name).and_then(|seed| SigningKey::of_hex(seed));
        let thumbprint = Sha256::digest(name.uri()).into();
        let leaf = Leaf { name: name.clone(), not_after: Timestamp::FAR, thumbprint };
        Arc::new(Holder::of(Identity {
            leaf,
            trust: self.inner.trust.clone(),
            token_key: key(),
            checkpoint_key: key(),
            tls: None,
            minted: Minted::default(),
        }))
    }
}

impl Connect for World {
    fn connect(
        &self,
        service: Service,
        identity: Arc<Identity>,
    ) -> BoxFuture<'static, io::Result<BoxIo>> {
        let door = {
            let doors = self.inner.doors.lock().unwrap_or_else(PoisonError::into_inner);
            doors.get(&service).cloned()
        };
        Box::pin(async move {
            let door = door.ok_or(io::ErrorKind::ConnectionRefused)?;
            let (near, far) = tokio::io::duplex(PIPE_BYTES);
            let incoming = Incoming { io: Box::new(far), peer: identity.leaf.clone() };
            let given = door.send_timeout(incoming, Duration::from_secs(5)).await;
            given.map_err(|_| io::ErrorKind::ConnectionRefused)?;
            Ok(Box::new(near) as BoxIo)
        })
    }
}
