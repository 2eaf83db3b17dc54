//! Our own cells, against the real queue process. Each starts a fresh world.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use vivarium_bench::times::Times;
use vivarium_chassis::clock;

use crate::adders::{self, BATCH, BATCHERS, spec};
use crate::engine;
use crate::probe::{Syncs, tree, written};
use crate::row::Row;
use crate::runner::{Habit, Runner};
use crate::stand::{CONNECTIONS, Stand};

mod depth;
mod explain;
mod fair;
mod rescue;
mod watch;

/// The first runner's name.
const RUNNER: &str = "executor";
/// How long a cell may stand still before it has failed.
const PATIENCE: Duration = Duration::from_mins(1);

/// How large the cells are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    /// Tasks of the cells that count tasks.
    pub(crate) n: u64,
    /// Unary clients at once.
    pub(crate) clients: usize,
    /// How long single adds are measured.
    pub(crate) span: Duration,
    /// Leases at once.
    pub(crate) flight: u32,
    /// Runners that share them.
    pub(crate) runners: u32,
    /// Pending tasks of the deep queue, and of the one that is explained.
    pub(crate) depth: u64,
    /// Tasks of the one large backlog beside many small ones.
    pub(crate) backlog: u64,
    /// Samples of latency.
    pub(crate) pings: u64,
}

/// Cells that only we have, in the order they are measured.
pub(crate) const OWN: [&str; 7] =
    ["lifecycle", "engine", "engine-postgres", "depth", "explain", "fair", "watch"];

/// Measures one cell; `postgres` is the peers' server and its process.
pub(crate) async fn run(
    cell: &str,
    place: &Path,
    sizes: Sizes,
    postgres: Option<(&str, u32)>,
) -> Result<Row> {
    let flight = sizes.flight.max(1_024);
    if cell == "engine" {
        let disk = Disk::of(vec![std::process::id()], place);
        return Ok(disk.told(engine::in_a_file(place, sizes.n, flight).await?));
    }
    if cell == "engine-postgres" {
        let (url, pid) = postgres.context("PostgreSQL did not start")?;
        let disk = Disk::of(tree(pid), place);
        return Ok(disk.told(engine::on_a_server(place, url, sizes.n, flight).await?));
    }
    let stand = Arc::new(Stand::start(place).await?);
    match cell {
        "single" => single(&stand, place, sizes).await,
        "bulk" => bulk(&stand, place, sizes).await,
        "drain" => drain(&stand, place, sizes).await,
        "lifecycle" => lifecycle(&stand, place, sizes).await,
        "ping" => ping(&stand, place, sizes).await,
        "rescue" => rescue::run(&stand).await,
        "depth" => depth::run(&stand, sizes).await,
        "explain" => explain::run(&stand, sizes).await,
        "fair" => fair::run(&stand, sizes).await,
        "watch" => watch::run(&stand, sizes).await,
        other => anyhow::bail!("there is no cell {other}"),
    }
}

/// What the queue hands to the disk while something is measured.
struct Disk {
    pids: Vec<u32>,
    written: u64,
    syncs: Option<Syncs>,
}

impl Disk {
    fn of(pids: Vec<u32>, place: &Path) -> Self {
        let syncs = Syncs::of(&pids, place);
        Self { written: written(&pids), pids, syncs }
    }

    fn told(self, mut row: Row) -> Row {
        row.written = Some(written(&self.pids) - self.written);
        row.fsyncs = self.syncs.and_then(Syncs::end);
        row
    }
}

async fn single(stand: &Arc<Stand>, place: &Path, sizes: Sizes) -> Result<Row> {
    let disk = Disk::of(vec![stand.pid()], place);
    let times = adders::single(stand, sizes.clients, sizes.span).await?;
    let count = times.count() as u64;
    let settings =
        format!("mTLS, {} clients on {CONNECTIONS} connections, local tasks", sizes.clients);
    Ok(disk.told(Row::ours("single", count, times)).set(settings))
}

async fn bulk(stand: &Arc<Stand>, place: &Path, sizes: Sizes) -> Result<Row> {
    let disk = Disk::of(vec![stand.pid()], place);
    let times = adders::bulk(stand, sizes.n, spec).await?;
    let settings = format!("mTLS, AddTasks of {BATCH}, {BATCHERS} clients; times are of a batch");
    Ok(disk.told(Row::ours("bulk", sizes.n, times)).set(settings))
}

/// The runners of a cell, each with its share of the leases and a connection of its own.
async fn runners(stand: &Stand, sizes: Sizes) -> Result<Vec<Runner>> {
    let share = sizes.flight.div_ceil(sizes.runners.max(1));
    let mut runners = Vec::new();
    for number in 0..sizes.runners.max(1) {
        let name = format!("{RUNNER}-{number}");
        runners.push(Runner::start(stand, &name, share, Habit::Finish).await?);
    }
    Ok(runners)
}

/// A full queue until every verdict is accepted: grant, finish, verdict.
async fn drain(stand: &Arc<Stand>, place: &Path, sizes: Sizes) -> Result<Row> {
    adders::bulk(stand, sizes.n, spec).await?;
    let disk = Disk::of(vec![stand.pid()], place);
    let begun = clock::instant();
    let mut over = stand.review.approvals();
    let runners = runners(stand, sizes).await?;
    for _ in 0..sizes.n {
        let next = tokio::time::timeout(PATIENCE, over.recv()).await;
        next.context("the drain stands still")?.context("review's stand-in ended")?;
    }
    let times = Times::default().lasting(begun.elapsed());
    drop(runners);
    let Sizes { flight, runners, .. } = sizes;
    let settings = format!("mTLS, runners: {runners}, {flight} in flight; grant to verdict");
    Ok(disk.told(Row::ours("drain", sizes.n, times)).set(settings))
}

/// The whole course while tasks are added: add, grant, finish, verdict.
async fn lifecycle(stand: &Arc<Stand>, place: &Path, sizes: Sizes) -> Result<Row> {
    let mut over = stand.review.approvals();
    let runners = runners(stand, sizes).await?;
    let disk = Disk::of(vec![stand.pid()], place);
    let begun = clock::instant();
    let adding = tokio::spawn({
        let stand = Arc::clone(stand);
        async move { adders::bulk(&stand, sizes.n, spec).await }
    });
    for _ in 0..sizes.n {
        let next = tokio::time::timeout(PATIENCE, over.recv()).await;
        next.context("the queue stands still")?.context("review's stand-in ended")?;
    }
    let times = Times::default().lasting(begun.elapsed());
    let adding = adding.await??;
    drop(runners);
    let Sizes { flight, runners, .. } = sizes;
    let settings = format!("mTLS, AddTasks of {BATCH}, runners: {runners}, {flight} in flight");
    let row = disk.told(Row::ours("lifecycle", sizes.n, times)).set(settings);
    let each = row.written.unwrap_or(0) / sizes.n.max(1);
    let adding = u64::try_from(adding.whole.as_millis())?;
    Ok(row.with("written_per_task", each).with("adding_ms", adding))
}

/// One task into an idle queue: from the call to the grant at the runner.
async fn ping(stand: &Arc<Stand>, place: &Path, sizes: Sizes) -> Result<Row> {
    let mut runner = Runner::start(stand, RUNNER, 64, Habit::Finish).await?;
    let disk = Disk::of(vec![stand.pid()], place);
    let times = pings(stand, &mut runner, sizes.pings, spec).await?;
    let settings = "mTLS, from AddTasks to the grant on the runner's stream";
    Ok(disk.told(Row::ours("ping", sizes.pings, times)).set(settings))
}

/// Adds one after another, each when the world has come to rest, and waits for its grant.
async fn pings(
    stand: &Stand,
    runner: &mut Runner,
    count: u64,
    make: impl Fn(u64) -> vivarium_proto::queue::v1::TaskSpec,
) -> Result<Times> {
    let (mut client, mut times) = (stand.tasks(0), Vec::new());
    let begun = clock::instant();
    for number in 0..count {
        // The verdict of the last one is written meanwhile.
        tokio::time::sleep(Duration::from_millis(10 + number % 10)).await;
        let request = vivarium_proto::queue::v1::AddTasksRequest {
            request_id: stand.request_id(),
            tasks: vec![make(number)],
        };
        let start = clock::instant();
        let adding = client.add_tasks(request).await?.into_inner();
        let wanted = adding.task_ids.first().context("a task was added")?;
        loop {
            let grant = tokio::time::timeout(PATIENCE, runner.grant()).await;
            let grant = grant.context("nothing is granted")??;
            if grant.task == *wanted {
                times.push(grant.at - start);
                break;
            }
        }
    }
    let mut times: Times = times.into_iter().collect();
    times.whole = begun.elapsed();
    Ok(times)
}
