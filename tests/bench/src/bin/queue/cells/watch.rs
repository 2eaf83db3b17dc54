//! Two hundred subscribers of the queue's log: deliveries a second, and how old a row is when it comes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::task::JoinSet;
use vivarium_bench::times::Times;
use vivarium_chassis::Calls;
use vivarium_chassis::clock::{self, SystemClock};
use vivarium_chassis::identity::{Name, Service};
use vivarium_proto::ledger::v1 as pb;
use vivarium_proto::ledger::v1::ledger_service_client::LedgerServiceClient;
use vivarium_types::Clock as _;

use super::{PATIENCE, Sizes};
use crate::adders::{self, spec};
use crate::row::{Row, float};
use crate::stand::Stand;

const SUBSCRIBERS: u64 = 200;
/// Connections they share.
const CONNECTIONS: u64 = 4;
/// Of how many deliveries one is timed.
const TIMED: u64 = 17;
/// Batches of ten tasks a second: about five thousand events a second in all.
const PACED: Duration = Duration::from_millis(2);
const PACED_BATCH: u64 = 10;

pub(super) async fn run(stand: &Arc<Stand>, sizes: Sizes) -> Result<Row> {
    let calls: Vec<Calls> = (0..CONNECTIONS)
        .map(|_| stand.calls(&Name::Service(Service::Society)))
        .collect::<Result<_>>()?;
    let mut head = LedgerServiceClient::new(calls[0].clone());
    let start = head.get_head(pb::GetHeadRequest::default()).await?.into_inner().sequence;
    let (count, paced) = (sizes.n, sizes.n.min(10_000));
    let seen = Arc::new(AtomicU64::new(0));
    let mut subscribers = JoinSet::new();
    for number in 0..SUBSCRIBERS {
        let calls = calls[usize::try_from(number % CONNECTIONS)?].clone();
        let (until, seen) = (start + paced + count, Arc::clone(&seen));
        subscribers.spawn(subscribe(calls, start, start + paced, until, seen));
    }
    pace(stand, paced).await?;
    reached(&seen, paced * SUBSCRIBERS).await?;
    // Then as fast as it goes.
    let begun = clock::instant();
    adders::bulk(stand, count, spec).await?;
    let mut late = Times::default();
    while let Some(subscriber) = subscribers.join_next().await {
        late.extend(subscriber??);
    }
    let whole = begun.elapsed();
    let row = Row::ours("watch", count, late.lasting(whole));
    let deliveries = float(count * SUBSCRIBERS) / whole.as_secs_f64();
    Ok(row
        .set(format!(
            "{SUBSCRIBERS} subscribers on {CONNECTIONS} connections; age at 5,000 a second"
        ))
        .with("deliveries_per_second", deliveries))
}

/// About five thousand events a second.
async fn pace(stand: &Arc<Stand>, count: u64) -> Result<()> {
    let mut due = tokio::time::interval(PACED);
    let mut adding = JoinSet::new();
    for first in (0..count).step_by(usize::try_from(PACED_BATCH)?) {
        due.tick().await;
        let stand = Arc::clone(stand);
        adding.spawn(async move {
            let tasks = (first..first + PACED_BATCH).map(spec).collect();
            let request_id = stand.request_id();
            let request = vivarium_proto::queue::v1::AddTasksRequest { request_id, tasks };
            stand.tasks(usize::try_from(first)?).add_tasks(request).await?;
            anyhow::Ok(())
        });
    }
    while let Some(added) = adding.join_next().await {
        added??;
    }
    Ok(())
}

async fn reached(seen: &AtomicU64, wanted: u64) -> Result<()> {
    let look = async {
        while seen.load(Ordering::Relaxed) < wanted {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, look).await.context("the subscribers stand still")
}

/// The age of some rows up to `paced`, when they came.
async fn subscribe(
    calls: Calls,
    start: u64,
    paced: u64,
    until: u64,
    seen: Arc<AtomicU64>,
) -> Result<Vec<Duration>> {
    let after = pb::Cursor { sequence: start, ..Default::default() };
    let request = pb::WatchRequest { after: Some(after), until_head: false };
    let mut rows = LedgerServiceClient::new(calls).watch(request).await?.into_inner();
    let (mut ages, mut last) = (Vec::new(), start);
    while last < until {
        let told = tokio::time::timeout(PATIENCE, rows.message()).await;
        let told = told.context("no row comes")??.context("the stream ended")?;
        let now = SystemClock.now().as_micros();
        for row in told.rows {
            if row.sequence <= paced && row.sequence % TIMED == 0 {
                ages.push(Duration::from_micros(u64::try_from(now - row.time_us).unwrap_or(0)));
            }
            if row.sequence <= paced {
                seen.fetch_add(1, Ordering::Relaxed);
            }
            last = row.sequence;
        }
    }
    Ok(ages)
}
