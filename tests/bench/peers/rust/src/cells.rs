//! The five cells, the same for every peer; `../cells.mjs` has them for the peers on Node.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

const HELD: u64 = 100;
const PINGS: u64 = 80;
const RESCUE_MAX: u64 = 120;

/// What is asked for: 256 bytes of JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Payload {
    pub number: u64,
    pub text: String,
}

impl Payload {
    pub fn of(number: u64) -> Self {
        let head = format!(r#"{{"number":{number},"text":""}}"#).len();
        Self { number, text: "x".repeat(256 - head) }
    }
}

/// What a handler does as it begins.
#[derive(Debug, Clone)]
pub struct Handler {
    started: mpsc::UnboundedSender<(u64, Instant)>,
    stays: bool,
}

impl Handler {
    pub async fn handle(&self, payload: &Payload) {
        drop(self.started.send((payload.number, Instant::now())));
        if self.stays {
            std::future::pending::<()>().await;
        }
    }
}

/// A queue to measure.
pub trait Peer: Send + Sync + 'static {
    const NAME: &'static str;
    const VERSION: &'static str;
    const SETTINGS: &'static str;
    /// After how many seconds a dead worker's tasks run again by default.
    const RESCUE: u64;

    fn open(clients: u32, fresh: bool) -> impl Future<Output = Result<Self>> + Send
    where
        Self: Sized;
    /// One task; answered when the peer calls it durable.
    fn add(&self, payload: Payload) -> impl Future<Output = Result<()>> + Send;
    /// Many tasks in the peer's own best way.
    fn add_many(&self, payloads: Vec<Payload>) -> impl Future<Output = Result<()>> + Send;
    /// Starts a worker with a name of its own.
    fn work(
        &self,
        name: &str,
        handler: Handler,
    ) -> impl Future<Output = Result<JoinHandle<()>>> + Send;
    /// Tasks that are not at their durable end state.
    fn left(&self) -> impl Future<Output = Result<i64>> + Send;
}

/// What a cell is asked to do.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    pub n: u64,
    pub clients: u32,
    pub seconds: u64,
}

/// Measures one cell.
pub async fn run<P: Peer>(cell: &str, settings: Settings) -> Result<Value> {
    let mut row = match cell {
        "single" => single::<P>(settings).await?,
        "bulk" => bulk::<P>(settings).await?,
        "drain" => drain::<P>(settings).await?,
        "ping" => ping::<P>(settings).await?,
        "rescue" => rescue::<P>(settings).await?,
        "hold" => return hold::<P>(settings).await,
        _ => bail!("there is no cell {cell}: single, bulk, drain, ping, rescue, hold"),
    };
    row["peer"] = P::NAME.into();
    row["cell"] = cell.into();
    row["version"] = P::VERSION.into();
    row["settings"] = P::SETTINGS.into();
    Ok(row)
}

fn row(n: u64, seconds: f64, mut times: Vec<f64>) -> Value {
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times.get(((times.len().max(1) - 1) as f64 * share) as usize).copied();
    json!({
        "n": n, "seconds": seconds, "per_second": n as f64 / seconds,
        "p50_ms": at(0.5), "p99_ms": at(0.99),
    })
}

fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1_000.0
}

fn payloads(n: u64) -> Vec<Payload> {
    (0..n).map(Payload::of).collect()
}

async fn single<P: Peer>(settings: Settings) -> Result<Value> {
    let peer = Arc::new(P::open(settings.clients, true).await?);
    let begun = Instant::now();
    let span = Duration::from_secs(settings.seconds);
    let adders = (0..settings.clients).map(|client| {
        let peer = Arc::clone(&peer);
        tokio::spawn(async move {
            let mut times = Vec::new();
            let mut number = u64::from(client);
            while begun.elapsed() < span {
                let start = Instant::now();
                peer.add(Payload::of(number)).await?;
                times.push(millis(start.elapsed()));
                number += u64::from(settings.clients);
            }
            anyhow::Ok(times)
        })
    });
    let mut times = Vec::new();
    for adder in futures::future::join_all(adders).await {
        times.extend(adder??);
    }
    Ok(row(times.len() as u64, begun.elapsed().as_secs_f64(), times))
}

async fn bulk<P: Peer>(settings: Settings) -> Result<Value> {
    let peer = P::open(settings.clients, true).await?;
    let payloads = payloads(settings.n);
    let begun = Instant::now();
    peer.add_many(payloads).await?;
    Ok(row(settings.n, begun.elapsed().as_secs_f64(), Vec::new()))
}

async fn drain<P: Peer>(settings: Settings) -> Result<Value> {
    let peer = P::open(settings.clients, true).await?;
    peer.add_many(payloads(settings.n)).await?;
    let (started, mut starts) = mpsc::unbounded_channel();
    let begun = Instant::now();
    let worker = peer.work("drain", Handler { started, stays: false }).await?;
    for _ in 0..settings.n {
        starts.recv().await;
    }
    while peer.left().await? > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let seconds = begun.elapsed().as_secs_f64();
    worker.abort();
    Ok(row(settings.n, seconds, Vec::new()))
}

async fn ping<P: Peer>(settings: Settings) -> Result<Value> {
    let peer = P::open(settings.clients, true).await?;
    let (started, mut starts) = mpsc::unbounded_channel();
    let worker = peer.work("ping", Handler { started, stays: false }).await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let (mut times, begun) = (Vec::new(), Instant::now());
    for number in 0..PINGS {
        tokio::time::sleep(Duration::from_millis(10 + number % 10)).await;
        let start = Instant::now();
        peer.add(Payload::of(number)).await?;
        let Some((_, handled)) = starts.recv().await else { bail!("the worker ended") };
        times.push(millis(handled.duration_since(start)));
    }
    worker.abort();
    let mut row = row(PINGS, begun.elapsed().as_secs_f64(), times);
    row["per_second"] = Value::Null;
    Ok(row)
}

async fn rescue<P: Peer>(settings: Settings) -> Result<Value> {
    if P::RESCUE > RESCUE_MAX {
        let skipped = format!("by default after {} s", P::RESCUE);
        return Ok(json!({ "n": HELD, "seconds": null, "per_second": null, "skipped": skipped }));
    }
    let peer = P::open(settings.clients, true).await?;
    peer.add_many(payloads(HELD)).await?;
    let mut holder = tokio::process::Command::new(std::env::current_exe()?)
        .args([P::NAME, "hold"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let Some(told) = holder.stdout.take() else { bail!("the holder has no output") };
    if BufReader::new(told).lines().next_line().await?.as_deref() != Some("held") {
        bail!("the holder ended");
    }
    let (started, mut starts) = mpsc::unbounded_channel();
    let begun = Instant::now();
    holder.kill().await?;
    let worker = peer.work("rescue", Handler { started, stays: false }).await?;
    let (mut seen, mut times) = (BTreeSet::new(), Vec::new());
    let all = async {
        while let Some((number, at)) = starts.recv().await {
            if seen.insert(number) {
                times.push(millis(at.duration_since(begun)));
            }
            if seen.len() as u64 == HELD {
                break;
            }
        }
    };
    let whole = tokio::time::timeout(Duration::from_secs(RESCUE_MAX), all).await.is_ok();
    worker.abort();
    let mut row = row(seen.len() as u64, begun.elapsed().as_secs_f64(), times);
    row["per_second"] = Value::Null;
    if !whole {
        row["seconds"] = Value::Null;
        row["skipped"] = format!("only {} of {HELD} in {RESCUE_MAX} s", seen.len()).into();
    }
    Ok(row)
}

/// The worker of `rescue` that dies.
async fn hold<P: Peer>(settings: Settings) -> Result<Value> {
    let peer = P::open(settings.clients, false).await?;
    let (started, mut starts) = mpsc::unbounded_channel();
    let count = Arc::new(AtomicU64::new(0));
    let worker = peer.work("hold", Handler { started, stays: true }).await?;
    let counted = Arc::clone(&count);
    let counting = tokio::spawn(async move {
        while starts.recv().await.is_some() {
            if counted.fetch_add(1, Ordering::Relaxed) + 1 == HELD {
                println!("held");
            }
        }
    });
    // It ends with its parent, which keeps the other end of the input.
    let mut line = String::new();
    BufReader::new(tokio::io::stdin()).read_line(&mut line).await?;
    drop((counting, worker));
    Ok(Value::Null)
}
