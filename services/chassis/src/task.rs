//! Named tasks: each carries the span and trace of where it was started, is known by name while it
//! runs, and is cancelled and awaited at the end of a drain, when the last call has its answer. A
//! panic in one never goes unseen.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::telemetry::trace;

/// The tasks of one process.
#[derive(Debug, Clone)]
pub struct Tasks {
    tracker: TaskTracker,
    /// Cancelled when the process drains: a task may look at it and end by itself.
    drain: CancellationToken,
    /// Cancelled behind the drain: every task is dropped at its next wait.
    stop: CancellationToken,
    /// Cancelled when a vital task ended by itself: the process ends with a fault.
    broken: CancellationToken,
}

impl Tasks {
    /// No tasks yet, of a process that drains when `drain` is cancelled.
    pub fn new(drain: CancellationToken) -> Self {
        let (stop, broken) = (CancellationToken::new(), CancellationToken::new());
        Self { tracker: TaskTracker::new(), drain, stop, broken }
    }

    /// Starts a task. If it panics, that is logged and nothing else happens.
    pub fn spawn(&self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        self.start(name, work, |_| {});
    }

    /// Starts a task without which the process is of no use: if it ends before the drain, by itself
    /// or by a panic, the process ends too, and the supervisor starts it again.
    pub fn spawn_vital(&self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        let broken = self.broken.clone();
        self.start(name, work, move |stopped| {
            if !stopped {
                tracing::error!(task = name, "a vital task ended");
                broken.cancel();
            }
        });
    }

    /// Resolves when a vital task ended by itself.
    pub async fn broken(&self) {
        self.broken.cancelled().await;
    }

    /// Stops all tasks and waits for them, at most for `limit`. Whether all are gone.
    pub async fn finish(&self, limit: Duration) -> bool {
        self.stop.cancel();
        self.tracker.close();
        tokio::time::timeout(limit, self.tracker.wait()).await.is_ok()
    }

    fn start(
        &self,
        name: &'static str,
        work: impl Future<Output = ()> + Send + 'static,
        ended: impl FnOnce(bool) + Send + 'static,
    ) {
        let span = tracing::info_span!("task", task = name);
        let (drain, stop) = (self.drain.clone(), self.stop.clone());
        let work = trace::carried(async move {
            let outcome = tokio::select! {
                outcome = AssertUnwindSafe(work).catch_unwind() => Some(outcome),
                () = stop.cancelled() => None,
            };
            if let Some(Err(panic)) = &outcome {
                tracing::error!(task = name, panic = said(&**panic), "a task panicked");
            }
            ended(outcome.is_none() || drain.is_cancelled());
        });
        self.tracker.spawn(work.instrument(span));
    }
}

/// Starts a task whose owner waits for it.
#[expect(clippy::disallowed_methods, reason = "this is the place it is disallowed for")]
pub(crate) fn joined(work: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    tokio::spawn(work.in_current_span())
}

/// Starts a task that belongs to nobody's drain, such as one handshake's.
pub(crate) fn detached(work: impl Future<Output = ()> + Send + 'static) {
    drop(joined(work));
}

/// What a panic said, for the log.
pub(crate) fn said(panic: &(dyn Any + Send)) -> &str {
    if let Some(text) = panic.downcast_ref::<&str>() {
        text
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text
    } else {
        "something that is not text"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn tasks_stop_at_the_drain() {
        let tasks = Tasks::new(CancellationToken::new());
        tasks.spawn_vital("for ever", std::future::pending());
        assert!(tasks.finish(SOON).await);
        assert!(!tasks.broken.is_cancelled());
    }

    #[tokio::test]
    async fn a_panic_breaks_the_process_only_in_a_vital_task() {
        let tasks = Tasks::new(CancellationToken::new());
        tasks.spawn("loud", async { panic!("once") });
        tokio::task::yield_now().await;
        assert!(!tasks.broken.is_cancelled());
        tasks.spawn_vital("vital", async { panic!("twice") });
        tokio::time::timeout(SOON, tasks.broken()).await.expect("it is noticed");
    }
}
