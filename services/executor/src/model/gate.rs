//! How many calls go to one provider: places, a rate, and a breaker. Asked before a call; nothing is
//! sent that does not pass.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use vivarium_chassis::clock;

use super::chat::CallContext;
use super::error::{Failure, ModelError, Phase};

const MINUTE: Duration = Duration::from_mins(1);
/// Failures in a row that open the breaker.
const FAILURES: u32 = 5;
/// How long it stays open.
const OPEN: Duration = Duration::from_secs(30);

/// The gate before one provider.
#[derive(Debug)]
pub struct Gate {
    /// First come, first served.
    places: Arc<Semaphore>,
    calls_per_minute: usize,
    /// Written by `enter` and `tell`.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When the calls of the last minute began.
    begun: VecDeque<Instant>,
    /// Failures since the last success.
    failures: u32,
    /// Nothing passes before this moment: the breaker is open, or the provider asked to wait.
    shut: Option<Shut>,
}

#[derive(Debug, Clone, Copy)]
struct Shut {
    until: Instant,
    by_provider: bool,
}

/// A place at the provider, free again when dropped.
#[derive(Debug)]
pub struct Place {
    _permit: OwnedSemaphorePermit,
}

impl Gate {
    /// A gate with so many places and so many calls in a minute.
    pub fn new(parallel_calls: u32, calls_per_minute: u32) -> Self {
        Self {
            places: Arc::new(Semaphore::new(parallel_calls.max(1) as usize)),
            calls_per_minute: calls_per_minute.max(1) as usize,
            state: Mutex::default(),
        }
    }

    /// Whether nothing passes at the moment.
    pub fn is_shut(&self) -> bool {
        self.state().shut.is_some_and(|shut| shut.until > clock::instant())
    }

    /// Waits for a place. Refuses at once while the gate is shut or the minute is used up.
    pub(super) async fn enter(&self, context: &CallContext) -> Result<Place, ModelError> {
        self.check(false)?;
        let permit = tokio::select! {
            biased;
            () = context.cancel.cancelled() => return Err(ModelError::Cancelled { sent: false }),
            permit = Arc::clone(&self.places).acquire_owned() => permit,
            () = tokio::time::sleep_until(context.deadline) => {
                return Err(ModelError::Timeout(Phase::Queue));
            }
        };
        let permit = permit.expect("the semaphore is never closed");
        // It may have been shut by the call that held the place before.
        self.check(true)?;
        Ok(Place { _permit: permit })
    }

    /// Takes how a call went.
    pub(super) fn tell(&self, outcome: Result<(), &ModelError>) {
        let mut state = self.state();
        let now = clock::instant();
        let Err(error) = outcome else {
            state.failures = 0;
            return;
        };
        if let Some(wait) = error.retry_after() {
            state.shut = Some(Shut { until: now + wait, by_provider: true });
        }
        // A call that never left says nothing about the provider.
        let waited = matches!(error, ModelError::Timeout(Phase::Queue | Phase::Start));
        if error.failure() == Failure::Transient && !waited {
            state.failures += 1;
            if state.failures >= FAILURES {
                // One more failure behind the pause opens it again.
                state.failures = FAILURES - 1;
                state.shut = Some(Shut { until: now + OPEN, by_provider: false });
            }
        }
    }

    fn check(&self, begins: bool) -> Result<(), ModelError> {
        let mut state = self.state();
        let now = clock::instant();
        if let Some(shut) = state.shut.filter(|shut| shut.until > now) {
            let left = shut.until - now;
            if shut.by_provider {
                return Err(ModelError::RateLimited { retry_after: Some(left) });
            }
            let left = left.as_secs() + 1;
            return Err(ModelError::Connect(format!("it failed often; next try in {left} s")));
        }
        state.shut = None;
        while state.begun.front().is_some_and(|begun| *begun + MINUTE <= now) {
            state.begun.pop_front();
        }
        if state.begun.len() >= self.calls_per_minute {
            let first = state.begun.front().copied().unwrap_or(now);
            return Err(ModelError::RateLimited { retry_after: Some(first + MINUTE - now) });
        }
        if begins {
            state.begun.push_back(now);
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;
    use tokio_util::sync::CancellationToken;

    use super::*;

    fn context() -> CallContext {
        CallContext::within(Duration::from_secs(10), CancellationToken::new())
    }

    fn broken() -> ModelError {
        ModelError::Upstream { status: Some(500), message: String::new() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_minute_has_so_many_calls_and_tells_when_the_next_may_come() {
        let gate = Gate::new(9, 2);
        for _ in 0..2 {
            drop(gate.enter(&context()).await.expect("it passes"));
            advance(Duration::from_secs(10)).await;
        }
        let refused = gate.enter(&context()).await.expect_err("the minute is used up");
        assert_eq!(refused.retry_after(), Some(Duration::from_secs(40)));
        advance(Duration::from_secs(40)).await;
        gate.enter(&context()).await.expect("the next minute");
    }

    #[tokio::test(start_paused = true)]
    async fn five_failures_in_a_row_open_the_breaker_for_thirty_seconds() {
        let gate = Gate::new(1, 1_000);
        for _ in 0..4 {
            gate.tell(Err(&broken()));
        }
        gate.tell(Ok(()));
        for _ in 0..4 {
            gate.tell(Err(&broken()));
        }
        assert!(!gate.is_shut(), "a success in between counts");
        gate.tell(Err(&broken()));
        let refused = gate.enter(&context()).await.expect_err("it is open");
        assert!(!refused.may_have_cost() && gate.is_shut());
        advance(Duration::from_secs(30)).await;
        drop(gate.enter(&context()).await.expect("one may try"));
        gate.tell(Err(&broken()));
        assert!(gate.is_shut(), "the try failed");
    }

    #[tokio::test(start_paused = true)]
    async fn a_wish_to_wait_is_obeyed_by_all_calls() {
        let gate = Gate::new(1, 1_000);
        let wait = Duration::from_secs(7);
        gate.tell(Err(&ModelError::RateLimited { retry_after: Some(wait) }));
        let refused = gate.enter(&context()).await.expect_err("it waits");
        assert_eq!(refused, ModelError::RateLimited { retry_after: Some(wait) });
        advance(wait).await;
        gate.enter(&context()).await.expect("the wait is over");
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_for_a_place_ends_with_the_deadline_and_with_a_cancellation() {
        let gate = Gate::new(1, 1_000);
        let held = gate.enter(&context()).await.expect("it is free");
        let late = gate.enter(&context()).await.expect_err("the place is taken");
        assert_eq!(late, ModelError::Timeout(Phase::Queue));
        let cancelled = context();
        cancelled.cancel.cancel();
        let refused = gate.enter(&cancelled).await.expect_err("nobody wants it any more");
        assert_eq!(refused, ModelError::Cancelled { sent: false });
        drop(held);
        gate.enter(&context()).await.expect("it is free again");
    }
}
