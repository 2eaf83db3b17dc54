//! A world's queue with finished tasks in it, as many as the panel's list is measured with.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Parser;
use tokio::task::JoinSet;
use vivarium_chassis::World;
use vivarium_chassis::clock::{self, SystemClock};
use vivarium_ledger::ledger::abort_on_fault;
use vivarium_ledger::store::sqlite::Sqlite;
use vivarium_ledger::writer::Parts;
use vivarium_ledger::{Ledger, Options, Submission};
use vivarium_proto::queue::v1 as pb;
use vivarium_queue::domain::add::Proposal;
use vivarium_queue::domain::event::Event;
use vivarium_queue::domain::task::{Kind, Mode, OnFailure, Spec, Thoroughness};
use vivarium_queue::domain::world::Mode as Level;
use vivarium_queue::domain::{Command, Queue};
use vivarium_queue::views;
use vivarium_types::{Actor, MicroUsd};

/// Tasks of one command to add.
const BATCH: u64 = 100;
/// Batches that are under way at once.
const AT_ONCE: usize = 16;
const SUBJECTS: [&str; 12] = [
    "the tides",
    "the winds",
    "the ropes",
    "the nets",
    "the lamps",
    "the pilots",
    "the harbour wall",
    "the ferry",
    "the fish market",
    "the dry dock",
    "the customs house",
    "the storm bell",
];
const VERBS: [&str; 6] =
    ["Describe", "Compare", "Explain", "Summarise", "Draw up a plan for", "Check the page on"];
const TAGS: [&str; 5] = ["water", "trade", "weather", "history", "safety"];

/// Adds tasks to the queue of a world that does not run, and cancels each of them.
///
/// Everything goes through the queue's own rules into its own ledger, as if people had done it.
#[derive(Debug, Parser)]
struct Args {
    /// The world's folder.
    #[arg(long)]
    world: PathBuf,
    /// How many tasks.
    #[arg(long, default_value_t = 1_000_000)]
    tasks: u64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let world = World::open(&args.world)?;
    let store = Sqlite::at(&world.ledger("queue"))?;
    let parts = Parts {
        clock: Arc::new(SystemClock),
        ids: clock::ids(),
        views: vec![Box::new(views::Tasks::default())],
        keys: None,
    };
    let (ledger, running) = Ledger::open(store, parts, None, Options::default(), abort_on_fault())?;
    let mut batches = JoinSet::new();
    for from in (0..args.tasks).step_by(usize::try_from(BATCH)?) {
        if batches.len() >= AT_ONCE {
            batches.join_next().await.context("there are some")???;
        }
        batches.spawn(batch(ledger.clone(), from, BATCH.min(args.tasks - from)));
    }
    while let Some(batch) = batches.join_next().await {
        batch??;
    }
    ledger.close();
    running.join()?;
    Ok(())
}

/// Adds a batch and finishes it.
async fn batch(ledger: Ledger<Queue>, from: u64, count: u64) -> Result<()> {
    let actor = Actor::Operator("bench".to_owned());
    let mut texts = ledger.texts();
    let proposals = (from..from + count).map(|n| {
        let title = format!("{} {}, part {n}", of(&VERBS, n / 7), of(&SUBJECTS, n));
        let instruction = format!("{title}. Say what it is, why it is so and whom it helps.");
        Proposal {
            spec: spec(n),
            title: texts.plain(&title),
            instruction: texts.plain(&instruction),
            intent: None,
        }
    });
    let proposals = proposals.collect();
    let add = Command::Add { proposals, open_max: 10_000_000 };
    let submission = Submission::new(actor.clone(), add).texts(texts.into_rows()).answering(
        |_: &Queue, decided| {
            let added = decided.events.iter().filter_map(|(event, _)| {
                let Event::TaskAdded(added) = event else { return None };
                Some(added.task.to_string())
            });
            pb::AddTasksResponse { task_ids: added.collect(), ..Default::default() }
        },
    );
    let added: pb::AddTasksResponse = ledger.submit(submission).await?.message()?;
    let cancels = added.task_ids.into_iter().map(|task| {
        let cancel = Command::Cancel { task, reason: None };
        ledger.submit(Submission::new(actor.clone(), cancel))
    });
    for answer in futures::future::join_all(cancels).await {
        answer?;
    }
    Ok(())
}

fn of(words: &[&'static str], n: u64) -> &'static str {
    let place = n % words.len().max(1) as u64;
    usize::try_from(place).ok().and_then(|place| words.get(place)).copied().unwrap_or_default()
}

fn spec(n: u64) -> Spec {
    Spec {
        key: None,
        kind: Kind::Answer,
        mode: Mode::Llm,
        command: Vec::new(),
        target: None,
        depends_on: Vec::new(),
        on_failure: OnFailure::Hold,
        priority: u8::try_from(n * 7 % 10).unwrap_or(5),
        parallel_safe: true,
        concurrency_key: None,
        concurrency_limit: 1,
        not_before: None,
        deadline: None,
        budget_min: MicroUsd::ZERO,
        budget_max: MicroUsd::new(100_000),
        model: None,
        resident: None,
        bonus_tokens: 0,
        run_limit: Duration::from_mins(15),
        tags: vec![of(&TAGS, n / 3).to_owned()],
        rest_day_ok: true,
        specialization: None,
        review: Thoroughness::Standard,
        level_max: Level::DocsOnly,
        hat: None,
    }
}
