//! The one way to learn the time. The system clock lives in `chassis`; tests use [`ManualClock`].

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::time::Timestamp;

/// Called when a clock was moved by hand, so that whoever waits for a moment looks again.
pub type Waker = Box<dyn Fn() + Send + Sync>;

/// A source of the present moment.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The present moment. May go backwards; a ledger takes the greater of this and its last.
    fn now(&self) -> Timestamp;

    /// How long to sleep before `moment` can have come; `None` when only a wake can bring it.
    fn sleep_until(&self, moment: Timestamp) -> Option<Duration> {
        Some(moment.since(self.now()))
    }

    /// Registers a waker that is called whenever the clock is moved by hand.
    fn on_move(&self, waker: Waker) {
        drop(waker);
    }
}

/// A clock that moves only when it is told to.
#[derive(Default)]
pub struct ManualClock {
    micros: AtomicI64,
    /// Written by `on_move`, read by `set`.
    wakers: Mutex<Vec<Waker>>,
}

impl ManualClock {
    /// A clock that stands at `now`.
    pub fn at(now: Timestamp) -> Self {
        Self { micros: AtomicI64::new(now.as_micros()), wakers: Mutex::default() }
    }

    /// Moves the clock forward by `span` and wakes whoever waits.
    pub fn advance(&self, span: Duration) {
        self.set(self.now() + span);
    }

    /// Sets the clock to `now`, which may lie in its past, and wakes whoever waits.
    pub fn set(&self, now: Timestamp) {
        self.micros.store(now.as_micros(), Ordering::SeqCst);
        for waker in self.wakers.lock().unwrap_or_else(std::sync::PoisonError::into_inner).iter() {
            waker();
        }
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.micros.load(Ordering::SeqCst))
    }

    fn sleep_until(&self, _moment: Timestamp) -> Option<Duration> {
        None
    }

    fn on_move(&self, waker: Waker) {
        self.wakers.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(waker);
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ManualClock").field(&self.now()).finish()
    }
}
