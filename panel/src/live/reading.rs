//! A value that is read from a service, shown while it is read again, and kept when reading fails.

use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use leptos::prelude::*;
use leptos::task::spawn_local;
use vivarium_types::Timestamp;

use super::clock;
use crate::api::Answer;
use crate::state::link;
use crate::state::problem::Problem;

/// A value read from a service.
#[derive(Debug)]
pub(crate) struct Reading<T: 'static> {
    /// What was read last. None: nothing yet.
    pub(crate) value: RwSignal<Option<T>>,
    /// Why the last try failed. None: it did not.
    pub(crate) problem: RwSignal<Option<Problem>>,
    /// When it is tried again. None: not by itself.
    pub(crate) retry: RwSignal<Option<Timestamp>>,
    again: RwSignal<u64>,
}

impl<T> Clone for Reading<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Reading<T> {}

impl<T: Send + Sync + 'static> Reading<T> {
    /// Reads again now.
    pub(crate) fn again(&self) {
        self.again.try_update(|count| *count += 1);
    }
}

/// The call that runs and the one that follows it.
struct Calls<T> {
    runs: bool,
    next: Option<LocalBoxFuture<'static, Answer<T>>>,
    tries: u32,
}

/// Reads now and whenever a signal that `fetch` looks at (before its first await) changes.
///
/// At most one call runs and one waits, so that a busy world is read often and never all the time.
/// What passes by itself is tried again with growing waits.
pub(crate) fn read<T, F>(fetch: impl Fn() -> F + 'static) -> Reading<T>
where
    T: PartialEq + Send + Sync + 'static,
    F: Future<Output = Answer<T>> + 'static,
{
    let reading = Reading {
        value: RwSignal::new(None),
        problem: RwSignal::new(None),
        retry: RwSignal::new(None),
        again: RwSignal::new(0),
    };
    let calls = Rc::new(RefCell::new(Calls { runs: false, next: None, tries: 0 }));
    Effect::new(move |_| {
        reading.again.track();
        let call = fetch().boxed_local();
        calls.borrow_mut().next = Some(call);
        if !calls.borrow().runs {
            spawn_local(run(reading, Rc::clone(&calls)));
        }
    });
    reading
}

async fn run<T: PartialEq + Send + Sync + 'static>(
    reading: Reading<T>,
    calls: Rc<RefCell<Calls<T>>>,
) {
    calls.borrow_mut().runs = true;
    loop {
        let next = calls.borrow_mut().next.take();
        let Some(call) = next else { break };
        let answer = call.await;
        if reading.value.is_disposed() {
            return;
        }
        match answer {
            Ok(value) => {
                calls.borrow_mut().tries = 0;
                keep(reading, value);
            }
            Err(problem) => {
                let tries = calls.borrow().tries;
                calls.borrow_mut().tries = tries + 1;
                fail(reading, problem, tries);
            }
        }
    }
    calls.borrow_mut().runs = false;
}

/// Tells the page only if something is different, so that nothing flickers.
fn keep<T: PartialEq + Send + Sync + 'static>(reading: Reading<T>, value: T) {
    if reading.value.with_untracked(|old| old.as_ref() != Some(&value)) {
        reading.value.set(Some(value));
    }
    if reading.problem.with_untracked(Option::is_some) {
        reading.problem.set(None);
        reading.retry.set(None);
    }
}

fn fail<T: Send + Sync + 'static>(reading: Reading<T>, problem: Problem, tries: u32) {
    let passes = problem.passes();
    let announced = problem.retry_after.unwrap_or(Duration::ZERO);
    reading.problem.set(Some(problem));
    if !passes {
        reading.retry.set(None);
        return;
    }
    let wait = link::wait(tries + 1, 0).max(announced);
    reading.retry.set(Some(clock::now() + wait));
    spawn_local(async move {
        let millis = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX);
        gloo_timers::future::TimeoutFuture::new(millis).await;
        let due = reading.retry.try_get_untracked().flatten();
        if due.is_some_and(|due| due <= clock::now()) {
            reading.again();
        }
    });
}
