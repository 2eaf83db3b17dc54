//! A thousand submitters, one of them with a large backlog: who gets the grants, and how long a quiet
//! one waits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use vivarium_bench::times::{Times, evenness_permille};
use vivarium_chassis::clock;
use vivarium_proto::queue::v1 as pb;

use super::{PATIENCE, RUNNER, Sizes};
use crate::adders::spec;
use crate::row::{Row, float};
use crate::runner::{Habit, Runner};
use crate::stand::Stand;

/// Submitters with equal, small backlogs, beside the one with the large one.
const SUBMITTERS: u64 = 1_000;
/// Tasks of each.
const EACH: u64 = 10;
/// Grants of a submitter that are looked at, while every one of them still has tasks.
const LOOKED_AT: u64 = EACH / 2;
/// Tasks that the quiet one adds, one after another.
const QUIET: u64 = 30;

pub(super) async fn run(stand: &Arc<Stand>, sizes: Sizes) -> Result<Row> {
    let add = stand.gateway()?;
    let add = |name: String, count: u64| {
        let request_id = stand.request_id();
        let mut client = add(&name);
        async move {
            let tasks = (0..count).map(spec).collect();
            let answer = client.add_tasks(pb::AddTasksRequest { request_id, tasks }).await?;
            anyhow::Ok(answer.into_inner().task_ids)
        }
    };
    let greedy = stream::iter(0..sizes.backlog / 100).map(|_| add("greedy".to_owned(), 100));
    greedy.buffer_unordered(8).try_for_each(|_| async { Ok(()) }).await?;
    let others = stream::iter(0..SUBMITTERS).map(|number| add(format!("s{number}"), EACH));
    others.buffer_unordered(8).try_for_each(|_| async { Ok(()) }).await?;

    let mut runner = Runner::start(stand, RUNNER, sizes.flight, Habit::Finish).await?;
    let (begun, mut shares) = (clock::instant(), BTreeMap::<String, u64>::new());
    let looked_at = (SUBMITTERS + 1) * LOOKED_AT;
    for _ in 0..looked_at {
        let grant = tokio::time::timeout(PATIENCE, runner.grant()).await;
        *shares.entry(grant.context("nothing is granted")??.submitter).or_default() += 1;
    }
    let spent = begun.elapsed();
    let waits = quiet(&mut runner, &add).await?;
    let present = shares.len() as u64;
    let mut shares: Vec<u64> = shares.into_values().collect();
    shares.resize(usize::try_from(SUBMITTERS + 1)?, 0);
    let evenness = float(evenness_permille(&shares)) / 1_000.0;
    let row = Row::ours("fair", looked_at, waits.lasting(spent));
    Ok(row
        .set(format!("{SUBMITTERS} submitters of {EACH} and one of {}", sizes.backlog))
        .with("jain", evenness)
        .with("submitters_served", present)
        .with("most", shares.iter().max().copied()))
}

/// How long tasks of somebody who adds seldom wait while all others have work.
async fn quiet<Adding>(runner: &mut Runner, add: &impl Fn(String, u64) -> Adding) -> Result<Times>
where
    Adding: Future<Output = Result<Vec<String>>>,
{
    let mut waits = Vec::new();
    for _ in 0..QUIET {
        let start = clock::instant();
        let added = add("quiet".to_owned(), 1).await?;
        let wanted = added.first().context("a task was added")?;
        loop {
            let grant = tokio::time::timeout(PATIENCE, runner.grant()).await;
            let grant = grant.context("nothing is granted")??;
            if grant.task == *wanted {
                waits.push(grant.at - start);
                break;
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(waits.into_iter().collect())
}
