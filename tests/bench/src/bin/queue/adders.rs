//! The bench as the people who add: one by one and in batches, each waiting for the durable answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use tokio::task::JoinSet;
use vivarium_bench::times::Times;
use vivarium_chassis::clock;
use vivarium_proto::queue::v1 as pb;

use crate::stand::Stand;

/// Tasks of one `AddTasks`, as many as it takes.
pub(crate) const BATCH: u64 = 100;
/// Clients that add in batches.
pub(crate) const BATCHERS: usize = 8;

/// A local task with 256 bytes to say: it needs a lease but no resident, so that a world without
/// residents can have thousands of leases at once.
pub(crate) fn spec(number: u64) -> pb::TaskSpec {
    let head = format!("number {number} ");
    pb::TaskSpec {
        title: "a task".to_owned(),
        instruction: format!("{head}{}", "x".repeat(256 - head.len())),
        kind: pb::TaskKind::Answer.into(),
        mode: pb::TaskMode::Local.into(),
        command: vec!["echo".to_owned()],
        ..Default::default()
    }
}

/// Adds one by one from `clients` at once for `span`.
pub(crate) async fn single(stand: &Arc<Stand>, clients: usize, span: Duration) -> Result<Times> {
    let begun = clock::instant();
    let mut calls = JoinSet::new();
    for client in 0..clients {
        let stand = Arc::clone(stand);
        calls.spawn(async move {
            let (mut tasks, mut times) = (stand.tasks(client), Vec::new());
            let mut number = client as u64;
            while begun.elapsed() < span {
                let start = clock::instant();
                let (request_id, specs) = (stand.request_id(), vec![spec(number)]);
                tasks.add_tasks(pb::AddTasksRequest { request_id, tasks: specs }).await?;
                times.push(start.elapsed());
                number += clients as u64;
            }
            anyhow::Ok(times)
        });
    }
    let mut times = Times::default();
    while let Some(call) = calls.join_next().await {
        times.extend(call??);
    }
    times.whole = begun.elapsed();
    Ok(times)
}

/// Adds `count` tasks in batches; every time is that of a whole batch.
pub(crate) async fn bulk(
    stand: &Arc<Stand>,
    count: u64,
    make: impl Fn(u64) -> pb::TaskSpec + Copy + Send + 'static,
) -> Result<Times> {
    let begun = clock::instant();
    let next = Arc::new(AtomicU64::new(0));
    let mut calls = JoinSet::new();
    for client in 0..BATCHERS {
        let (stand, next) = (Arc::clone(stand), Arc::clone(&next));
        calls.spawn(async move {
            let (mut client, mut times) = (stand.tasks(client), Vec::new());
            loop {
                let first = next.fetch_add(BATCH, Ordering::Relaxed);
                if first >= count {
                    return anyhow::Ok(times);
                }
                let tasks = (first..count.min(first + BATCH)).map(make).collect();
                let start = clock::instant();
                let request_id = stand.request_id();
                client.add_tasks(pb::AddTasksRequest { request_id, tasks }).await?;
                times.push(start.elapsed());
            }
        });
    }
    let mut times = Times::default();
    while let Some(call) = calls.join_next().await {
        times.extend(call??);
    }
    times.whole = begun.elapsed();
    Ok(times)
}
