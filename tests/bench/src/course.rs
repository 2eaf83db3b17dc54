//! Tasks on the queue's engine in this process, from their adding to their verdict: the real ledger,
//! views and rules, without processes and wire.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::sync::Semaphore;
use vivarium_chassis::clock::{self, SystemClock};
use vivarium_ledger::ledger::{Running, abort_on_fault};
use vivarium_ledger::store::sqlite::Sqlite;
use vivarium_ledger::writer::Parts;
use vivarium_ledger::{Ledger, Options, Retention, Row, Submission};
use vivarium_queue::domain::add::Proposal;
use vivarium_queue::domain::control::Hello;
use vivarium_queue::domain::event::{Event, Wire, Work};
use vivarium_queue::domain::finish::Outcome;
use vivarium_queue::domain::lease::{Granted, Held};
use vivarium_queue::domain::runner::Times as Spans;
use vivarium_queue::domain::steer::Verdict;
use vivarium_queue::domain::task::{Kind, Mode, OnFailure, Spec, Thoroughness};
use vivarium_queue::domain::world::Mode as Level;
use vivarium_queue::domain::world::Pace;
use vivarium_queue::domain::{Command, Queue};
use vivarium_queue::views;
use vivarium_types::ids::{Id as _, InstanceId};
use vivarium_types::{Actor, MicroUsd};

const RUNNER: &str = "executor";
const STREAM: u64 = 1;
/// Tasks of one command to add.
pub const BATCH: usize = 100;
/// Batches of tasks that are added at once.
const LANES: usize = 8;
/// Leases in flight.
pub const FLIGHT: u64 = 1_024;
/// Commands on their way.
const OPEN_MAX: usize = 4_096;

/// An open ledger of the queue with a runner that waits for grants.
pub struct Course {
    ledger: Ledger<Queue>,
    running: Running,
    instance: InstanceId,
}

impl std::fmt::Debug for Course {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Course").finish_non_exhaustive()
    }
}

impl Course {
    /// Opens or makes the ledger file, with pace `wait 0`.
    pub async fn open(file: &Path) -> Result<Self> {
        Self::open_keeping(file, None).await
    }

    /// As [`Self::open`]; older rows leave the hot file.
    pub async fn open_keeping(file: &Path, retention: Option<Retention>) -> Result<Self> {
        let parts = Parts {
            clock: Arc::new(SystemClock),
            ids: clock::ids(),
            views: vec![Box::new(views::Tasks::default())],
            keys: None,
        };
        let options = Options { retention, ..Options::default() };
        let (ledger, running) =
            Ledger::open(Sqlite::at(file)?, parts, None, options, abort_on_fault())?;
        let instance = InstanceId::from_number(1);
        ledger.touch(|queue| queue.start(Spans::default())).ok().context("it is open")?;
        let hello = Hello {
            runner: RUNNER.to_owned(),
            instance,
            slots: 4_096,
            resumes: Vec::new(),
            runners_max: 4,
        };
        let pace = Command::SetPace { pace: Pace::Wait(0), reason: None };
        for command in [pace, Command::Hello(hello)] {
            ledger.submit(Submission::new(Actor::service(RUNNER), command)).await?;
        }
        let connect = ledger.touch(move |queue| queue.connect(RUNNER, instance, STREAM));
        connect.ok().context("it is open")?;
        Ok(Self { ledger, running, instance })
    }

    /// Rows so far.
    pub fn events(&self) -> u64 {
        self.ledger.committed()
    }

    /// Waits until the hot file begins with this row or a later one.
    pub async fn begins_at(&self, row: u64) -> Result<()> {
        let reader = self.ledger.reader();
        while reader.hot_from()? < row {
            self.ledger.ask(|_| ()).await.ok().context("it is open")?;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    }

    /// Adds tasks in batches of [`BATCH`], several at once; `spec` makes the task of a number.
    pub async fn add(&self, count: usize, spec: impl Fn(usize) -> Spec) -> Result<()> {
        self.add_in(0..count, BATCH, spec).await
    }

    /// Adds the tasks of these numbers in batches, several at once. Tasks that depend on others are in
    /// the same batch behind them, or were added before.
    pub async fn add_in(
        &self,
        numbers: Range<usize>,
        batch: usize,
        spec: impl Fn(usize) -> Spec,
    ) -> Result<()> {
        let open = Arc::new(Semaphore::new(LANES));
        let mut adding = tokio::task::JoinSet::new();
        for first in numbers.clone().step_by(batch) {
            let place = Arc::clone(&open).acquire_owned().await?;
            let mut texts = self.ledger.texts();
            let proposals = (first..numbers.end.min(first + batch)).map(|number| Proposal {
                spec: spec(number),
                title: texts.plain("a task"),
                instruction: texts.plain(&"x".repeat(256)),
                intent: None,
            });
            let proposals = proposals.collect();
            let command = Command::Add { proposals, open_max: 100_000_000 };
            let actor = Actor::Operator("bench".to_owned());
            let submission = Submission::new(actor, command).texts(texts.into_rows());
            let ledger = self.ledger.clone();
            adding.spawn(async move {
                let answer = ledger.submit(submission).await;
                drop(place);
                answer.map(drop).map_err(|error| anyhow::anyhow!("{error}: {error:?}"))
            });
        }
        while let Some(added) = adding.join_next().await {
            added??;
        }
        Ok(())
    }

    /// Has so many tasks granted, finishes and approves each, and waits until all are approved.
    pub async fn finish(&self, count: u64) -> Result<()> {
        let mut watch = self.ledger.watch(self.ledger.committed());
        let open = Arc::new(Semaphore::new(OPEN_MAX));
        let mut allowed = count.min(FLIGHT);
        self.credit(allowed)?;
        let (mut approved, mut answers) = (0, tokio::task::JoinSet::new());
        while approved < count {
            while answers.try_join_next().is_some() {}
            let Some(rows) = watch.next().await else { bail!("the ledger ended") };
            let mut finished = 0;
            for row in rows? {
                approved += u64::from(row.kind == "task_approved");
                finished += u64::from(row.kind == "attempt_finished");
                if let Some(submission) = self.answer(&row) {
                    let place = Arc::clone(&open).acquire_owned().await?;
                    let ledger = self.ledger.clone();
                    answers.spawn(async move {
                        drop(ledger.submit(submission).await);
                        drop(place);
                    });
                }
            }
            let more = finished.min(count - allowed);
            allowed += more;
            self.credit(more)?;
        }
        Ok(())
    }

    /// Waits until the read models hold all that is committed.
    pub async fn shown(&self) -> Result<()> {
        Ok(self.ledger.view(|_| Ok(())).await?)
    }

    /// Closes the ledger.
    pub fn close(self) -> Result<()> {
        self.ledger.close();
        Ok(self.running.join()?)
    }

    fn credit(&self, grants: u64) -> Result<()> {
        let grants = u32::try_from(grants)?;
        let credit = self.ledger.touch(move |queue| queue.credit(RUNNER, STREAM, grants));
        credit.ok().context("it is open")
    }

    /// The finish of a grant, or the verdict on a finish.
    fn answer(&self, row: &Row) -> Option<Submission<Queue>> {
        let telling = ["lease_granted", "attempt_finished"].contains(&row.kind.as_str());
        let wire: Wire = serde_json::from_slice(&row.payload).ok().filter(|_| telling)?;
        let event = Event::try_from(wire).ok()?;
        if let Event::LeaseGranted(granted) = event {
            return Some(self.finished(&granted, row.sequence));
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

    fn finished(&self, granted: &Granted, token: u64) -> Submission<Queue> {
        let mut texts = self.ledger.texts();
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
        let held = Held { lease: granted.lease, token };
        let outcome = Box::new(Outcome::Finished(work));
        let (instance, cost) = (self.instance, MicroUsd::ZERO);
        let command = Command::Finish { held, instance, cost, outcome };
        Submission::new(Actor::service(RUNNER), command).texts(texts.into_rows())
    }
}

/// A local task that waits for nothing.
pub fn plain() -> Spec {
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
