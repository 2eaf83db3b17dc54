//! Who sends the bill, whatever anybody wrote down.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shuttle::future::JoinHandle;
use tokio::sync::oneshot;
use vivarium_executor::domain::budget::Scope;

use super::{once_in, scopes, up_to};

/// A provider: it outlives every process that calls it. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub(super) struct Provider {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    billed: BTreeMap<Scope, i64>,
    /// What callers wrote down that look first.
    written: i64,
    calls: Vec<JoinHandle<()>>,
    /// The life of the process that lives now.
    life: u64,
    /// Bills behind the death of their caller.
    late: u64,
}

impl Provider {
    /// A call of this life's: it takes a while, costs at most `worst`, and is billed in these scopes,
    /// whether or not anybody still waits for the answer.
    pub(super) fn call(&self, life: u64, worst: i64, scopes: Vec<Scope>) -> oneshot::Receiver<i64> {
        let (reply, answer) = oneshot::channel();
        let state = Arc::clone(&self.state);
        let bill = async move {
            while !once_in(3) {
                shuttle::future::yield_now().await;
            }
            let cost = up_to(worst);
            let mut state = lock(&state);
            for scope in scopes {
                *state.billed.entry(scope).or_default() += cost;
            }
            state.late += u64::from(state.life != life);
            // Nobody may be left to hear it.
            reply.send(cost).unwrap_or_default();
        };
        let call = shuttle::future::spawn(bill);
        self.state().calls.push(call);
        answer
    }

    /// Says which life of the process lives now.
    pub(super) fn live(&self, life: u64) {
        self.state().life = life;
    }

    /// Waits until every bill is sent.
    pub(super) async fn wait(&self) {
        loop {
            let Some(call) = self.state().calls.pop() else { return };
            call.await.expect("a bill is always sent");
        }
    }

    /// What was billed in a scope.
    pub(super) fn billed(&self, scope: Scope) -> i64 {
        self.state().billed.get(&scope).copied().unwrap_or_default()
    }

    /// What callers wrote down that look first.
    pub(super) fn written(&self) -> i64 {
        self.state().written
    }

    /// Writes down what a call did cost.
    pub(super) fn write(&self, cost: i64) {
        self.state().written += cost;
    }

    /// Bills behind the death of their caller.
    pub(super) fn late(&self) -> u64 {
        self.state().late
    }

    /// The scopes in which more was billed than they allow.
    pub(super) fn breaches(&self) -> Vec<String> {
        let over = |(scope, limit): (Scope, i64)| {
            let billed = self.billed(scope);
            (billed > limit).then(|| format!("{scope:?}: {billed} were billed of {limit}"))
        };
        scopes().into_iter().filter_map(over).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
