//! A deep queue: what adding and granting cost with many pending tasks, beside the same with few.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use vivarium_bench::times::Times;
use vivarium_chassis::clock;

use super::{PATIENCE, RUNNER, Sizes};
use crate::adders::{self, spec};
use crate::row::{Row, float};
use crate::runner::{Habit, Runner};
use crate::stand::Stand;

pub(super) async fn run(stand: &Arc<Stand>, sizes: Sizes) -> Result<Row> {
    // As many as are granted must lie there from the beginning.
    adders::bulk(stand, sizes.pings + 100, spec).await?;
    let (adding_few, granting_few) = measured(stand, sizes).await?;
    adders::bulk(stand, sizes.depth, spec).await?;
    let (adding, granting) = measured(stand, sizes).await?;
    let ratio = |deep: Option<f64>, few: Option<f64>| deep.zip(few).map(|(deep, few)| deep / few);
    let row = Row { n: sizes.depth, seconds: granting.seconds, per_second: None, ..granting };
    let (deep, few) = (row.p99_ms, granting_few.p99_ms);
    Ok(row
        .set(format!("{} pending; from credit to grant", sizes.depth))
        .with("add_per_second_few", adding_few.per_second)
        .with("add_per_second_deep", adding.per_second)
        .with("grant_p50_ms_few", granting_few.p50_ms)
        .with("grant_p99_ms_few", few)
        .with("add_ratio", ratio(adding.per_second, adding_few.per_second))
        .with("grant_p99_ratio", ratio(deep, few))
        .with("resident_mib", float(resident_kib(stand.pid())) / 1_024.0))
}

/// Single adds, then the time from a runner's credit to its grant, one after another.
async fn measured(stand: &Arc<Stand>, sizes: Sizes) -> Result<(Row, Row)> {
    let adding = adders::single(stand, sizes.clients, sizes.span).await?;
    let count = adding.count() as u64;
    let mut runner = Runner::start(stand, RUNNER, 0, Habit::Finish).await?;
    let (begun, mut times) = (clock::instant(), Times::default());
    for _ in 0..sizes.pings {
        // The verdict of the last one is written meanwhile.
        tokio::time::sleep(Duration::from_millis(10)).await;
        let start = clock::instant();
        runner.credit(1).await?;
        let grant = tokio::time::timeout(PATIENCE, runner.grant()).await;
        times.extend([grant.context("nothing is granted")??.at - start]);
    }
    times.whole = begun.elapsed();
    Ok((Row::ours("depth", count, adding), Row::ours("depth", sizes.pings, times)))
}

fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|text| text.parse().ok()).unwrap_or(0)
}
