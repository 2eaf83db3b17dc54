//! A world with the queue's process in it, always at the same address, and nobody else.

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use anyhow::{Context as _, Result};
use vivarium_chassis::ca::Ca;
use vivarium_chassis::client::{Connect, TlsConnect};
use vivarium_chassis::clock::{self, SystemClock};
use vivarium_chassis::config::Shared;
use vivarium_chassis::identity::{Holder, Name, Service};
use vivarium_chassis::{Peers, World};
use vivarium_harness::process::program;
use vivarium_types::Clock;

/// The world and its queue.
#[derive(Debug)]
pub struct Alone {
    world: World,
    shared: Shared,
    address: SocketAddr,
    queue: Option<Child>,
}

impl Drop for Alone {
    fn drop(&mut self) {
        drop(self.kill());
    }
}

impl Alone {
    /// Makes the world and its identities below `folder`; nothing runs yet.
    pub fn prepare(folder: &Path) -> Result<Self> {
        let world = World::open(folder)?;
        let ca = Ca::open(&world, Arc::new(SystemClock))?;
        let names = Service::ALL.map(Name::Service).into_iter().chain([Name::Supervisor]);
        for name in names.chain([Name::operator("bench")]) {
            ca.issue(&name)?;
        }
        let free = || Ok::<_, anyhow::Error>(TcpListener::bind("127.0.0.1:0")?.local_addr()?);
        let (address, nobody) = (free()?, free()?);
        let mut shared = Shared::default();
        shared.addresses.queue = address;
        std::fs::create_dir_all(world.config())?;
        let addresses = format!(
            "[addresses]\nqueue = \"{address}\"\nreview = \"{nobody}\"\nsociety = \"{nobody}\"\nexecutor = \"{nobody}\"\n"
        );
        std::fs::write(world.config().join("shared.toml"), addresses)?;
        std::fs::write(world.config().join("queue.toml"), "open_tasks_max = 10_000_000\n")?;
        Ok(Self { world, shared, address, queue: None })
    }

    /// Starts the queue, and tells how long it took to be ready; `None` when it was not in time.
    pub fn start(&mut self, most: Duration) -> Result<Option<Duration>> {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.world.logs().join("queue.log"))?;
        let begun = clock::instant();
        let mut child = Command::new(program("vivarium-queue"))
            .args(["--listen", &self.address.to_string(), "--world"])
            .arg(self.world.root())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .context("the queue does not start")?;
        let told = child.stdout.take().context("its output is ours")?;
        self.queue = Some(child);
        let (tell, hear) = mpsc::sync_channel(1);
        std::thread::spawn(move || {
            let mut line = String::new();
            if BufReader::new(told).read_line(&mut line).is_ok() {
                // Whoever waits no longer counts this start as failed.
                drop(tell.send(line));
            }
        });
        let ready = hear.recv_timeout(most).is_ok_and(|line| line.starts_with("ready "));
        Ok(ready.then(|| begun.elapsed()))
    }

    /// Kills the queue without a word.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(mut queue) = self.queue.take() {
            queue.kill()?;
            queue.wait()?;
        }
        Ok(())
    }

    /// The way of one of the identities to the queue.
    pub fn peers(&self, name: &Name) -> Result<Peers> {
        let holder = Arc::new(Holder::load(&self.world.identity(name), name)?);
        let connector: Arc<dyn Connect> = Arc::new(TlsConnect::new(&self.shared));
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        Ok(Peers::new(&holder, &connector, &clock, &self.shared.limits))
    }

    /// The world's folder.
    pub fn root(&self) -> &Path {
        self.world.root()
    }

    /// The queue's ledger.
    pub fn ledger(&self) -> PathBuf {
        self.world.ledger("queue")
    }
}
