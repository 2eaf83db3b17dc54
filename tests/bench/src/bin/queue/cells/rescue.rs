//! A runner dies: the time from the supervisor's word to the last of its tasks at another runner.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use vivarium_bench::times::Times;
use vivarium_chassis::clock;

use super::{PATIENCE, RUNNER};
use crate::adders::{self, spec};
use crate::row::Row;
use crate::runner::{Habit, Runner};
use crate::stand::Stand;

/// Tasks that the dead runner holds.
const HELD: u32 = 100;

pub(super) async fn run(stand: &Arc<Stand>) -> Result<Row> {
    adders::bulk(stand, u64::from(HELD), spec).await?;
    let mut dying = Runner::start(stand, RUNNER, HELD, Habit::Hold).await?;
    for _ in 0..HELD {
        tokio::time::timeout(PATIENCE, dying.grant()).await.context("nothing is granted")??;
    }
    let mut other = Runner::start(stand, "second", HELD, Habit::Finish).await?;
    let ended = dying.instance;
    drop(dying);
    let begun = clock::instant();
    stand.report_exit(RUNNER, ended).await?;
    let mut times = Times::default();
    for _ in 0..HELD {
        let grant = tokio::time::timeout(PATIENCE, other.grant()).await;
        times.extend([grant.context("not all ran again")??.at - begun]);
    }
    times.whole = begun.elapsed();
    let row = Row::ours("rescue", u64::from(HELD), times);
    let settings = "from the supervisor's report of the exit, exit_grace 100 ms";
    Ok(Row { per_second: None, ..row }.set(settings))
}
