//! How many calls go to one provider: places, rates of calls and of model tokens, and a breaker. Asked
//! before a call; nothing is sent that does not pass.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use vivarium_chassis::clock;

use super::allowance::{Allowance, Told};
use super::chat::CallContext;
use super::error::{Failure, ModelError, Phase};

const MINUTE: Duration = Duration::from_mins(1);
/// Failures in a row that open the breaker.
const FAILURES: u32 = 5;
/// How long it stays open.
const OPEN: Duration = Duration::from_secs(30);

/// A longer wait for model tokens is the business of whoever asked: the queue plans around it.
const TOKENS_WAIT_MAX: Duration = Duration::from_mins(1);

/// The gate before one provider.
#[derive(Debug)]
pub struct Gate {
    /// First come, first served.
    places: Arc<Semaphore>,
    calls_per_minute: usize,
    /// Written by `enter`, `tell` and a place that is left.
    state: Arc<Mutex<State>>,
    /// Told when an answer has said something about model tokens: others may wait for less now.
    news: Arc<Notify>,
}

#[derive(Debug, Default)]
struct State {
    /// When the calls of the last minute began.
    begun: VecDeque<Instant>,
    /// Failures since the last success.
    failures: u32,
    /// Nothing passes before this moment: the breaker is open, or the provider asked to wait.
    shut: Option<Shut>,
    /// What is left of the provider's model tokens; `None` while nobody counts them.
    allowance: Option<Allowance>,
}

#[derive(Debug, Clone, Copy)]
struct Shut {
    until: Instant,
    by_provider: bool,
}

/// How much a gate lets pass at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rate {
    /// Calls that began within the last minute.
    pub calls: u32,
    /// The most of them in a minute.
    pub calls_max: u32,
    /// Model tokens that are left, of at most how many; `None` while nobody counts them.
    pub tokens: Option<(u64, u64)>,
    /// How long nothing passes; `None` while it is open.
    pub shut_for: Option<Duration>,
}

/// A place at the provider, free again when dropped.
#[derive(Debug)]
pub struct Place {
    _permit: OwnedSemaphorePermit,
    /// Model tokens that were asked for and that the provider has not answered yet.
    open: Option<f64>,
    state: Arc<Mutex<State>>,
    news: Arc<Notify>,
}

impl Place {
    /// The provider answered, and said this about its model tokens.
    pub(super) fn heard(&mut self, told: Option<Told>) {
        let mut state = lock(&self.state);
        let now = clock::instant();
        if state.allowance.is_none() && told.is_some() {
            state.allowance = Some(Allowance::full(u32::MAX, now));
        }
        if let Some(allowance) = &mut state.allowance {
            allowance.answered(self.open.take().unwrap_or_default(), told, now);
        }
        drop(state);
        self.news.notify_waiters();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(tokens) = self.open.take()
            && let Some(allowance) = &mut lock(&self.state).allowance
        {
            allowance.answered(tokens, None, clock::instant());
        }
    }
}

impl Gate {
    /// A gate with so many places and so many calls in a minute, and so many model tokens until the
    /// provider says how many; 0 for as many as one likes until then.
    pub fn new(parallel_calls: u32, calls_per_minute: u32, tokens_per_minute: u32) -> Self {
        let full = |tokens| Allowance::full(tokens, clock::instant());
        let allowance = (tokens_per_minute > 0).then_some(tokens_per_minute).map(full);
        Self {
            places: Arc::new(Semaphore::new(parallel_calls.max(1) as usize)),
            calls_per_minute: calls_per_minute.max(1) as usize,
            state: Arc::new(Mutex::new(State { allowance, ..State::default() })),
            news: Arc::default(),
        }
    }

    /// Whether nothing passes at the moment.
    pub fn is_shut(&self) -> bool {
        self.state().shut.is_some_and(|shut| shut.until > clock::instant())
    }

    /// How much passes at the moment.
    pub fn rate(&self) -> Rate {
        let (state, now) = (self.state(), clock::instant());
        let calls = state.begun.iter().filter(|begun| **begun + MINUTE > now).count();
        let whole = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Rate {
            calls: whole(calls),
            calls_max: whole(self.calls_per_minute),
            tokens: state.allowance.as_ref().map(|allowance| allowance.stands(now)),
            shut_for: state.shut.and_then(|shut| shut.until.checked_duration_since(now)),
        }
    }

    /// Waits for a place and for so many model tokens. Refuses at once while the gate is shut, the
    /// minute's calls are used up, or the tokens would come too late.
    pub(super) async fn enter(
        &self,
        context: &CallContext,
        tokens: u64,
    ) -> Result<Place, ModelError> {
        self.state().check(clock::instant(), self.calls_per_minute)?;
        let permit = tokio::select! {
            biased;
            () = context.cancel.cancelled() => return Err(ModelError::Cancelled { sent: false }),
            permit = Arc::clone(&self.places).acquire_owned() => permit,
            () = tokio::time::sleep_until(context.deadline) => {
                return Err(ModelError::Timeout(Phase::Queue));
            }
        };
        let permit = permit.expect("the semaphore is never closed");
        let (state, news) = (Arc::clone(&self.state), Arc::clone(&self.news));
        let mut place = Place { _permit: permit, open: None, state, news };
        self.ask(&mut place, context, tokens).await?;
        Ok(place)
    }

    /// Waits for so many model tokens, for one try, and counts it as begun. Looks again at everything
    /// whenever it has waited: others may have used the minute up or shut the gate meanwhile.
    pub(super) async fn ask(
        &self,
        place: &mut Place,
        context: &CallContext,
        tokens: u64,
    ) -> Result<(), ModelError> {
        #[expect(clippy::cast_precision_loss, reason = "no request has 2^52 model tokens")]
        let tokens = tokens as f64;
        if place.open.is_some() {
            // The try before got no answer.
            place.heard(None);
        }
        loop {
            // Before the look, so that no news behind it is missed.
            let mut news = std::pin::pin!(self.news.notified());
            news.as_mut().enable();
            let wait = {
                let (mut state, now) = (self.state(), clock::instant());
                state.check(now, self.calls_per_minute)?;
                let taken = state.allowance.as_mut().map(|allowance| allowance.take(tokens, now));
                if let Some(Err(wait)) = taken {
                    wait
                } else {
                    place.open = taken.map(|_| tokens);
                    state.begun.push_back(now);
                    return Ok(());
                }
            };
            if wait > TOKENS_WAIT_MAX || clock::instant() + wait >= context.deadline {
                return Err(ModelError::RateLimited { retry_after: Some(wait) });
            }
            tokio::select! {
                biased;
                () = context.cancel.cancelled() => {
                    return Err(ModelError::Cancelled { sent: false });
                }
                () = news => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
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

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl State {
    /// Whether a call may begin now.
    fn check(&mut self, now: Instant, calls_per_minute: usize) -> Result<(), ModelError> {
        if let Some(shut) = self.shut.filter(|shut| shut.until > now) {
            let left = shut.until - now;
            if shut.by_provider {
                return Err(ModelError::RateLimited { retry_after: Some(left) });
            }
            let left = left.as_secs() + 1;
            return Err(ModelError::Connect(format!("it failed often; next try in {left} s")));
        }
        self.shut = None;
        while self.begun.front().is_some_and(|begun| *begun + MINUTE <= now) {
            self.begun.pop_front();
        }
        if self.begun.len() >= calls_per_minute {
            let first = self.begun.front().copied().unwrap_or(now);
            return Err(ModelError::RateLimited { retry_after: Some(first + MINUTE - now) });
        }
        Ok(())
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
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
        let gate = Gate::new(9, 2, 0);
        for _ in 0..2 {
            drop(gate.enter(&context(), 0).await.expect("it passes"));
            advance(Duration::from_secs(10)).await;
        }
        let refused = gate.enter(&context(), 0).await.expect_err("the minute is used up");
        assert_eq!(refused.retry_after(), Some(Duration::from_secs(40)));
        advance(Duration::from_secs(40)).await;
        gate.enter(&context(), 0).await.expect("the next minute");
    }

    #[tokio::test(start_paused = true)]
    async fn five_failures_in_a_row_open_the_breaker_for_thirty_seconds() {
        let gate = Gate::new(1, 1_000, 0);
        for _ in 0..4 {
            gate.tell(Err(&broken()));
        }
        gate.tell(Ok(()));
        for _ in 0..4 {
            gate.tell(Err(&broken()));
        }
        assert!(!gate.is_shut(), "a success in between counts");
        gate.tell(Err(&broken()));
        let refused = gate.enter(&context(), 0).await.expect_err("it is open");
        assert!(!refused.may_have_cost() && gate.is_shut());
        advance(Duration::from_secs(30)).await;
        drop(gate.enter(&context(), 0).await.expect("one may try"));
        gate.tell(Err(&broken()));
        assert!(gate.is_shut(), "the try failed");
    }

    #[tokio::test(start_paused = true)]
    async fn a_wish_to_wait_is_obeyed_by_all_calls() {
        let gate = Gate::new(1, 1_000, 0);
        let wait = Duration::from_secs(7);
        gate.tell(Err(&ModelError::RateLimited { retry_after: Some(wait) }));
        let refused = gate.enter(&context(), 0).await.expect_err("it waits");
        assert_eq!(refused, ModelError::RateLimited { retry_after: Some(wait) });
        advance(wait).await;
        gate.enter(&context(), 0).await.expect("the wait is over");
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_for_a_place_ends_with_the_deadline_and_with_a_cancellation() {
        let gate = Gate::new(1, 1_000, 0);
        let held = gate.enter(&context(), 0).await.expect("it is free");
        let late = gate.enter(&context(), 0).await.expect_err("the place is taken");
        assert_eq!(late, ModelError::Timeout(Phase::Queue));
        let cancelled = context();
        cancelled.cancel.cancel();
        let refused = gate.enter(&cancelled, 0).await.expect_err("nobody wants it any more");
        assert_eq!(refused, ModelError::Cancelled { sent: false });
        drop(held);
        gate.enter(&context(), 0).await.expect("it is free again");
    }

    #[tokio::test(start_paused = true)]
    async fn who_finds_too_few_model_tokens_waits_for_them_or_is_told_when_they_come() {
        let gate = Gate::new(9, 1_000, 6_000);
        let begun = clock::instant();
        let mut first = gate.enter(&context(), 6_000).await.expect("there are enough");
        first.heard(None);
        let second = gate.enter(&context(), 900).await.expect("it waits");
        assert_eq!(begun.elapsed(), Duration::from_secs(9));
        drop((first, second));
        let late = gate.enter(&context(), 5_000).await.expect_err("ten seconds are too few");
        assert!(matches!(late, ModelError::RateLimited { retry_after: Some(wait) }
            if wait > Duration::from_secs(10) && wait < TOKENS_WAIT_MAX));
        let cancelled = context();
        cancelled.cancel.cancel();
        let refused = gate.enter(&cancelled, 5_000).await.expect_err("nobody wants it any more");
        assert!(!refused.may_have_cost());
    }

    /// What one caller does again and again: waits, asks for so many model tokens, holds its place.
    type Course = Vec<(u64, u64, u64)>;

    /// Lets callers go their courses at once; when each call was let through, and for how many tokens.
    async fn passes(calls: u32, tokens: u32, courses: Vec<Course>) -> Vec<(Instant, u64)> {
        let gate = Gate::new(3, calls, tokens);
        let passed = Mutex::new(Vec::new());
        let go = |course: Course| {
            let (gate, passed) = (&gate, &passed);
            async move {
                for (wait, tokens, hold) in course {
                    tokio::time::sleep(Duration::from_secs(wait)).await;
                    let within = Duration::from_secs(90);
                    let context = CallContext::within(within, CancellationToken::new());
                    let Ok(mut place) = gate.enter(&context, tokens).await else { continue };
                    passed.lock().expect("nobody panics").push((clock::instant(), tokens));
                    tokio::time::sleep(Duration::from_secs(hold)).await;
                    if hold % 3 > 0 {
                        place.heard(None);
                    } else if gate.ask(&mut place, &context, tokens).await.is_ok() {
                        // The first try failed and it is sent once more.
                        passed.lock().expect("nobody panics").push((clock::instant(), tokens));
                    }
                }
            }
        };
        futures::future::join_all(courses.into_iter().map(go)).await;
        let mut passed = passed.into_inner().expect("nobody panics");
        passed.sort_unstable();
        passed
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

        #[test]
        fn no_minute_has_more_calls_or_model_tokens_than_there_may_be(
            calls in 1..8_u32,
            tokens in 600..6_000_u32,
            courses in vec(vec((0..40_u64, 1..900_u64, 0..20_u64), 1..12), 1..9),
        ) {
            let mut paused = tokio::runtime::Builder::new_current_thread();
            let paused = paused.enable_time().start_paused(true).build().expect("it runs");
            let passed = paused.block_on(passes(calls, tokens, courses));
            for (first, (from, _)) in passed.iter().enumerate() {
                let minute = passed[first..].iter().filter(|(at, _)| *at < *from + MINUTE);
                prop_assert!(minute.count() <= calls as usize, "calls of a minute: {passed:?}");
                let mut taken = 0.0;
                for (at, asked) in &passed[first..] {
                    // A full bucket, and what has run in since.
                    taken += f64::from(u32::try_from(*asked).unwrap_or(tokens).min(tokens));
                    let most = f64::from(tokens) * (1.0 + (*at - *from).as_secs_f64() / 60.0);
                    prop_assert!(taken <= most + 1.0, "{taken} tokens of {most}: {passed:?}");
                }
            }
        }
    }
}
