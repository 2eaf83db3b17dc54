//! The engine alone, in this process: the same ledger, views and rules, without processes, TLS, tokens
//! and streams between them.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use vivarium_bench::times::Times;
use vivarium_chassis::clock::{self, SystemClock};
use vivarium_ledger::ledger::abort_on_fault;
use vivarium_ledger::store::Store;
use vivarium_ledger::store::postgres::Postgres;
use vivarium_ledger::store::sqlite::Sqlite;
use vivarium_ledger::writer::Parts;
use vivarium_ledger::{Ledger, Options, Submission};
use vivarium_queue::domain::add::Proposal;
use vivarium_queue::domain::control::Hello;
use vivarium_queue::domain::event::{Event, Wire, Work};
use vivarium_queue::domain::finish::Outcome;
use vivarium_queue::domain::lease::Held;
use vivarium_queue::domain::runner::Times as Spans;
use vivarium_queue::domain::steer::Verdict;
use vivarium_queue::domain::task::{Kind, Mode, OnFailure, Spec, Thoroughness};
use vivarium_queue::domain::world::Mode as Level;
use vivarium_queue::domain::world::Pace;
use vivarium_queue::domain::{Command, Queue};
use vivarium_queue::views;
use vivarium_types::ids::{Id as _, InstanceId};
use vivarium_types::{Actor, Clock as _, MicroUsd};

use crate::row::Row;

const RUNNER: &str = "executor";
const STREAM: u64 = 1;
/// Tasks of one command to add.
const BATCH: u64 = 100;

/// The whole course of `count` tasks in a file, `flight` of them at once.
pub(crate) async fn in_a_file(place: &Path, count: u64, flight: u32) -> Result<Row> {
    let folder = folder(place)?;
    let store = Sqlite::at(&folder.path().join("queue.db"))?;
    lifecycle("engine", store, count, flight).await
}

/// The same with the ledger in the PostgreSQL that the peers use.
pub(crate) async fn on_a_server(place: &Path, url: &str, count: u64, flight: u32) -> Result<Row> {
    let (folder, config) = (folder(place)?, url.parse()?);
    let schema = format!("engine_{}", SystemClock.now().as_millis());
    let views = folder.path().join("views.db");
    let opening = tokio::task::spawn_blocking(move || Postgres::at(&config, &schema, &views));
    lifecycle("engine-postgres", opening.await??, count, flight).await
}

fn folder(place: &Path) -> Result<TempDir> {
    Ok(tempfile::Builder::new().prefix("engine-").tempdir_in(place)?)
}

async fn lifecycle(cell: &str, store: impl Store, count: u64, flight: u32) -> Result<Row> {
    let parts = Parts {
        clock: Arc::new(SystemClock),
        ids: clock::ids(),
        views: vec![Box::new(views::Tasks::default())],
        keys: None,
    };
    let (ledger, running) = Ledger::open(store, parts, None, Options::default(), abort_on_fault())?;
    let instance = InstanceId::from_number(1);
    begin(&ledger, instance).await?;
    let start = ledger.committed();
    let begun = clock::instant();
    let adding = tokio::spawn(add(ledger.clone(), count));
    ledger.touch(move |queue| queue.credit(RUNNER, STREAM, flight)).ok().context("it is open")?;
    run(&ledger, start, count, instance).await?;
    adding.await??;
    let times = Times::default().lasting(begun.elapsed());
    ledger.close();
    running.join()?;
    let settings = format!("in process, {flight} in flight, adds of {BATCH}, 4 events a task");
    Ok(Row::ours(cell, count, times).set(settings))
}

async fn begin(ledger: &Ledger<Queue>, instance: InstanceId) -> Result<()> {
    ledger.touch(|queue| queue.start(Spans::default())).ok().context("it is open")?;
    let pace = Command::SetPace { pace: Pace::Wait(0), reason: None };
    let hello = Hello {
        runner: RUNNER.to_owned(),
        instance,
        slots: 4_096,
        resumes: Vec::new(),
        runners_max: 4,
    };
    for command in [pace, Command::Hello(hello)] {
        ledger.submit(Submission::new(Actor::service(RUNNER), command)).await?;
    }
    ledger.touch(move |queue| queue.connect(RUNNER, instance, STREAM)).ok().context("it is open")
}

async fn add(ledger: Ledger<Queue>, count: u64) -> Result<()> {
    let (next, mut adders) = (Arc::new(AtomicU64::new(0)), JoinSet::new());
    for _ in 0..8 {
        let (ledger, next) = (ledger.clone(), Arc::clone(&next));
        adders.spawn(async move {
            while next.fetch_add(BATCH, Ordering::Relaxed) < count {
                let mut texts = ledger.texts();
                let proposals = (0..BATCH).map(|_| Proposal {
                    spec: spec(),
                    title: texts.plain("a task"),
                    instruction: texts.plain(&"x".repeat(256)),
                    intent: None,
                });
                let proposals = proposals.collect();
                let command = Command::Add { proposals, open_max: 10_000_000 };
                let submission = Submission::new(Actor::Operator("bench".to_owned()), command);
                ledger.submit(submission.texts(texts.into_rows())).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(adder) = adders.join_next().await {
        adder??;
    }
    Ok(())
}

fn spec() -> Spec {
    Spec {
        key: None,
        kind: Kind::Answer,
        mode: Mode::Local,
        command: vec!["echo".to_owned()],
        target: None,
        depends_on: Vec::new(),
        on_failure: OnFailure::Hold,
        priority: 5,
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
        tags: Vec::new(),
        rest_day_ok: true,
        specialization: None,
        review: Thoroughness::Standard,
        level_max: Level::DocsOnly,
        hat: None,
    }
}

/// Finishes each grant and approves each submission as their rows come, until all are approved.
async fn run(ledger: &Ledger<Queue>, start: u64, count: u64, instance: InstanceId) -> Result<()> {
    let mut watch = ledger.watch(start);
    let open = Arc::new(Semaphore::new(4_096));
    let mut approved = 0;
    while approved < count {
        let Some(rows) = watch.next().await else { bail!("the ledger ended") };
        for row in rows? {
            if row.kind == "task_approved" {
                approved += 1;
            } else if let Some(submission) = answer(ledger, &row, instance) {
                let (ledger, place) = (ledger.clone(), Arc::clone(&open).acquire_owned().await?);
                tokio::spawn(async move {
                    drop(ledger.submit(submission).await);
                    drop(place);
                });
            }
            if row.kind == "attempt_finished" {
                ledger.touch(|queue| queue.credit(RUNNER, STREAM, 1)).ok().context("it is open")?;
            }
        }
    }
    Ok(())
}

fn answer(
    ledger: &Ledger<Queue>,
    row: &vivarium_ledger::Row,
    instance: InstanceId,
) -> Option<Submission<Queue>> {
    let wire = ["lease_granted", "attempt_finished"].contains(&row.kind.as_str());
    let wire: Wire = serde_json::from_slice(&row.payload).ok().filter(|_| wire)?;
    let event = Event::try_from(wire).ok()?;
    if let Event::LeaseGranted(granted) = event {
        let mut texts = ledger.texts();
        let work = Work {
            summary: None,
            answer: Some(texts.plain("done")),
            documents: Vec::new(),
            how: "finished".to_owned(),
            steps: 1,
            model_tokens: 0,
            model: String::new(),
            model_embedded: false,
            plan: None,
        };
        let held = Held { lease: granted.lease, token: row.sequence };
        let outcome = Box::new(Outcome::Finished(work));
        let command = Command::Finish { held, instance, cost: MicroUsd::ZERO, outcome };
        return Some(Submission::new(Actor::service(RUNNER), command).texts(texts.into_rows()));
    }
    let Event::AttemptFinished(finished) = event else { return None };
    let command = Command::Verdict(Verdict {
        submission: finished.submission,
        task: finished.end.task,
        accepted: true,
        confidence_permille: 1_000,
        feedback: Vec::new(),
        content_hash: None,
    });
    Some(Submission::new(Actor::service("review"), command))
}
