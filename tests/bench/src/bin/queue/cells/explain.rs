//! Why does this task not run: one call, beside many tasks that wait for five reasons. An answer that
//! is not the true one fails the cell.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use vivarium_bench::times::Times;
use vivarium_chassis::clock;
use vivarium_proto::queue::v1 as pb;
use vivarium_proto::queue::v1::WaitReason;
use vivarium_proto::wkt;

use super::{PATIENCE, RUNNER, Sizes};
use crate::adders::{self, BATCH};
use crate::row::Row;
use crate::runner::{Habit, Runner};
use crate::stand::Stand;

/// Calls of each kind, for each of the cell's pings.
const CALLS: u64 = 10;
/// A prime, so that calls go all over the queue.
const STRIDE: u64 = 7_919;
/// 2100-01-01, by seconds.
const LATER: i64 = 4_102_444_800;

/// What the task of this number waits for: nobody finishes the one at work, and nobody else has a
/// free slot.
const fn truth(number: u64) -> WaitReason {
    match number % 5 {
        0 => WaitReason::NoRunner,
        1 => WaitReason::NotBefore,
        2 => WaitReason::Dependency,
        3 => WaitReason::Exclusive,
        _ => WaitReason::NoResident,
    }
}

fn spec(number: u64) -> pb::TaskSpec {
    let plain = pb::TaskSpec { key: format!("e{number}"), ..adders::spec(number) };
    match number % 5 {
        0 => plain,
        1 => {
            let not_before_time = Some(wkt::Timestamp { seconds: LATER, nanos: 0 });
            pb::TaskSpec { not_before_time, ..plain }
        }
        2 => pb::TaskSpec { depends_on: vec![format!("e{}", number - 1)], ..plain },
        // Behind all the others, so that it holds none of them back.
        3 => pb::TaskSpec { parallel_safe: Some(false), priority: Some(0), ..plain },
        _ => {
            let (mode, command) = (pb::TaskMode::Llm.into(), Vec::new());
            pb::TaskSpec { mode, command, ..plain }
        }
    }
}

pub(super) async fn run(stand: &Arc<Stand>, sizes: Sizes) -> Result<Row> {
    let mut runner = Runner::start(stand, RUNNER, 1, Habit::Hold).await?;
    adders::bulk(stand, 1, adders::spec).await?;
    let held = tokio::time::timeout(PATIENCE, runner.grant()).await;
    held.context("nothing is granted")??;
    let depth = sizes.depth.next_multiple_of(BATCH);
    adders::bulk(stand, depth, spec).await?;

    let calls = sizes.pings * CALLS;
    let one = one_by_one(stand, calls, depth).await?;
    let mut pages = page_by_page(stand, calls).await?;
    let row = Row { n: depth, ..Row::ours("explain", calls, one) };
    Ok(row
        .set(format!("mTLS, {depth} waiting for five reasons; one task a call, {calls} calls"))
        .with("page_p50_us", pages.micros_at(500))
        .with("page_p99_us", pages.micros_at(990))
        .with("wrong", 0))
}

async fn one_by_one(stand: &Stand, calls: u64, depth: u64) -> Result<Times> {
    let (mut tasks, begun, mut times) = (stand.tasks(0), clock::instant(), Times::default());
    for call in 0..calls {
        let number = (call * STRIDE) % depth;
        let request =
            pb::ExplainTasksRequest { tasks: vec![format!("e{number}")], ..Default::default() };
        let start = clock::instant();
        let answer = tasks.explain_tasks(request).await?.into_inner();
        times.extend([start.elapsed()]);
        let told = answer.explanations.first().context("nothing is told")?;
        check(told)?;
        ensure!(told.key == format!("e{number}"), "{told:?} is not what was asked about");
    }
    Ok(times.lasting(begun.elapsed()))
}

/// Pages of fifty, one behind the other.
async fn page_by_page(stand: &Stand, calls: u64) -> Result<Times> {
    let (mut tasks, mut times, mut page_token) = (stand.tasks(0), Times::default(), String::new());
    for _ in 0..calls {
        let request = pb::ExplainTasksRequest { page_token, ..Default::default() };
        let start = clock::instant();
        let answer = tasks.explain_tasks(request).await?.into_inner();
        times.extend([start.elapsed()]);
        answer.explanations.iter().try_for_each(check)?;
        page_token = answer.next_page_token;
    }
    Ok(times)
}

fn check(told: &pb::Explanation) -> Result<()> {
    let number = told.key.strip_prefix('e').and_then(|number| number.parse().ok());
    let truth = truth(number.context("a task of ours has a number")?);
    ensure!(told.wait_reason() == truth, "{told:?}, and the truth is {truth:?}");
    Ok(())
}
