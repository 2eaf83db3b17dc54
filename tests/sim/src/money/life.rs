//! One life of the executor's process: its ledger, its callers, the ends of their leases, its death.

use std::collections::BTreeMap;
use std::future::Future as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::{AbortHandle, Abortable};
use vivarium_executor::domain::budget::Scope;
use vivarium_executor::domain::call::Owner;
use vivarium_executor::domain::{Command, NotCalled, Rejection, State};
use vivarium_ledger::ledger::ByHand;
use vivarium_ledger::store::memory::Memory;
use vivarium_ledger::writer::Parts;
use vivarium_ledger::{Error, Ledger, Options};
use vivarium_types::ids::{Id as _, InstanceId, LeaseId};
use vivarium_types::{IdSource, ManualClock, MicroUsd};

use super::provider::Provider;
use super::{
    CALLERS, CALLS, LIMITS, NOON, Played, TASK_LIMIT, WORLD_LIMIT, WORST_MAX, Wrong, ask, once_in,
    owner, resident_of, scopes, settled, started, task_of, up_to, wish,
};

/// A running process.
pub(super) struct Life {
    number: u64,
    by_hand: ByHand<State>,
    desk: Desk,
    /// What it did, and what was broken meanwhile.
    played: Played,
}

/// What its callers share.
#[derive(Clone)]
struct Desk {
    life: u64,
    ledger: Ledger<State>,
    provider: Provider,
    wrong: Option<Wrong>,
    counts: Arc<Mutex<Counts>>,
}

/// What callers did, and how many have not ended.
#[derive(Debug, Default)]
struct Counts {
    living: u64,
    played: Played,
}

impl Life {
    /// A new process over the disk of the one before. What that one left open may have been billed, so
    /// it counts in full.
    pub(super) fn begin(
        number: u64,
        store: Memory,
        provider: Provider,
        wrong: Option<Wrong>,
    ) -> Self {
        let parts = Parts {
            clock: Arc::new(ManualClock::at(NOON)),
            ids: IdSource::seeded(number),
            views: Vec::new(),
            keys: None,
        };
        let opened = Ledger::open_by_hand(store, parts, None, Options::default());
        let (ledger, by_hand) = opened.expect("a store in memory opens");
        provider.live(number);
        let counts = Arc::default();
        let desk = Desk { life: number, ledger, provider, wrong, counts };
        let mut life = Self { number, by_hand, desk, played: Played::default() };
        life.recover();
        life
    }

    fn recover(&mut self) {
        let instance = InstanceId::from_number(u128::from(self.number));
        match self.desk.wrong {
            Some(Wrong::LeavesReserved) => {}
            Some(Wrong::TakesForUnsent) => {
                let open = self.by_hand.state().budget().of_others(instance);
                let open: Vec<_> = open.map(|held| held.reservation).collect();
                for reservation in open {
                    self.take(Command::Release(reservation, NotCalled::NotSent));
                }
            }
            Some(Wrong::LooksFirst | Wrong::Forgets | Wrong::FreesAtTheEnd) | None => {
                self.take(Command::Recover(instance));
            }
        }
    }

    /// Takes a command before or behind everybody else.
    fn take(&mut self, command: Command) {
        let ledger = self.desk.ledger.clone();
        let mut asked = Box::pin(ledger.submit(ask(command)));
        // The first look puts it into the inbox.
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        drop(asked.as_mut().poll(&mut context));
        self.turn();
    }

    fn turn(&mut self) {
        self.by_hand.turn().expect("a store in memory does not fail");
        for (scope, limit) in scopes() {
            let held = self.by_hand.state().budget().held(scope, NOON.utc_day());
            if held.get() > limit {
                self.played.breaches.push(format!("{scope:?}: {held} are held of {limit}"));
            }
        }
    }

    /// What the log says was spent.
    pub(super) fn spent(&self) -> BTreeMap<Scope, MicroUsd> {
        let budget = self.by_hand.state().budget();
        let spent = |scope| budget.standing(scope, NOON.utc_day(), &LIMITS).spent;
        let all = scopes().into_keys().map(|scope| (scope, spent(scope)));
        all.filter(|(_, spent)| *spent > MicroUsd::ZERO).collect()
    }

    /// Lets its callers call until they have ended, or until the process dies where `mortal`.
    pub(super) async fn run(&mut self, mortal: bool) {
        let mut tasks = Vec::new();
        lock(&self.desk.counts).living = CALLERS;
        for number in 0..CALLERS {
            let (handle, registration) = AbortHandle::new_pair();
            let caller = Abortable::new(caller(self.desk.clone(), number), registration);
            tasks.push((handle, shuttle::future::spawn(caller)));
        }
        let (handle, registration) = AbortHandle::new_pair();
        let ends = Abortable::new(ends_of_leases(self.desk.clone()), registration);
        tasks.push((handle, shuttle::future::spawn(ends)));
        while lock(&self.desk.counts).living > 0 {
            if mortal && once_in(20) {
                self.played.deaths += 1;
                break;
            }
            self.turn();
            shuttle::future::yield_now().await;
        }
        // A process that dies takes all its tasks along, wherever they are; jobs that nobody has taken
        // are gone with the ledger.
        for (handle, task) in tasks {
            handle.abort();
            drop(task.await);
        }
    }

    /// Ends every lease, as the queue does when nothing renews them.
    pub(super) fn end(&mut self) {
        for caller in 0..CALLERS {
            let lease = owner(self.number, caller).lease;
            if self.desk.wrong == Some(Wrong::FreesAtTheEnd) {
                self.free(lease);
            }
            self.take(Command::EndLease(lease));
        }
    }

    fn free(&mut self, lease: LeaseId) {
        let open = self.by_hand.state().budget().of_lease(lease);
        let open: Vec<_> = open.map(|held| held.reservation).collect();
        for reservation in open {
            self.take(Command::Release(reservation, NotCalled::NotSent));
        }
    }

    /// Adds what was done and what was broken.
    pub(super) fn tell(&mut self, played: &mut Played) {
        played.add(std::mem::take(&mut self.played));
        played.add(std::mem::take(&mut lock(&self.desk.counts).played));
    }

    /// What must hold behind everything: nothing reserved, and nothing billed that is not written down.
    pub(super) fn last_breaches(&self) -> Vec<String> {
        let budget = self.by_hand.state().budget();
        let mut breaches = Vec::new();
        for scope in scopes().into_keys() {
            let standing = budget.standing(scope, NOON.utc_day(), &LIMITS);
            if standing.reserved > MicroUsd::ZERO {
                breaches.push(format!("{scope:?}: {} stay reserved", standing.reserved));
            }
            let billed = self.desk.provider.billed(scope);
            // Who looks first has a book of its own.
            if standing.spent.get() < billed && self.desk.wrong != Some(Wrong::LooksFirst) {
                breaches.push(format!("{scope:?}: {billed} were billed, {} told", standing.spent));
            }
        }
        breaches
    }
}

/// One caller: reserves, calls, settles; now and then it sends nothing, or waits for no answer.
async fn caller(desk: Desk, number: u64) {
    let whose = (Some(task_of(number)), Some(resident_of(number)));
    let owner = Owner { task: whose.0, resident: whose.1, ..owner(desk.life, number) };
    let mut spent = Vec::from([Scope::WorldDay, Scope::WorldTotal]);
    spent.extend(whose.0.map(Scope::Task));
    spent.extend(whose.1.map(Scope::ResidentDay));
    if desk.submit(started(&owner)).await.is_ok() {
        for call in 0..CALLS {
            let call = (desk.life << 32) | (number << 16) | call;
            let go_on = if desk.wrong == Some(Wrong::LooksFirst) {
                desk.look_and_call().await
            } else {
                desk.reserve_and_call(&owner, call, &spent).await
            };
            if !go_on {
                break;
            }
        }
    }
    lock(&desk.counts).living -= 1;
}

/// Ends leases while their callers work.
async fn ends_of_leases(desk: Desk) {
    for number in 0..CALLERS {
        while !once_in(4) {
            shuttle::future::yield_now().await;
        }
        if !once_in(3) {
            continue;
        }
        let lease = owner(desk.life, number).lease;
        if desk.wrong == Some(Wrong::FreesAtTheEnd) {
            let open = desk.ledger.ask(move |state| {
                let open = state.budget().of_lease(lease).map(|held| held.reservation);
                open.collect::<Vec<_>>()
            });
            for reservation in open.await.unwrap_or_default() {
                drop(desk.submit(Command::Release(reservation, NotCalled::NotSent)).await);
            }
        }
        drop(desk.submit(Command::EndLease(lease)).await);
    }
}

impl Desk {
    async fn submit(&self, command: Command) -> Result<(), Error<Rejection>> {
        self.ledger.submit(ask(command)).await.map(drop)
    }

    /// One call as it is meant to be made; whether the caller goes on.
    async fn reserve_and_call(&self, owner: &Owner, number: u64, scopes: &[Scope]) -> bool {
        let worst = up_to(WORST_MAX);
        let wish = wish(owner, number, worst, (MicroUsd::new(TASK_LIMIT), LIMITS));
        match self.submit(Command::Reserve(Box::new(wish.clone()))).await {
            Ok(()) => self.count(|played| played.reserved += 1),
            Err(Error::Refused(Rejection::BudgetSpent(_))) => {
                self.count(|played| played.refused += 1);
                return true;
            }
            Err(_) => return false,
        }
        if once_in(8) {
            let unsent = Command::Release(wish.reservation, NotCalled::NotSent);
            self.count(|played| played.unsent += 1);
            return self.submit(unsent).await.is_ok();
        }
        let answer = self.provider.call(self.life, worst, scopes.to_vec());
        if once_in(8) {
            // One that hangs: the end of its lease settles for it.
            return false;
        }
        let Ok(cost) = answer.await else { return false };
        let settled = self.submit(settled(&wish, cost)).await.is_ok();
        self.count(|played| {
            played.settled += u64::from(settled);
            played.lapsed += u64::from(!settled);
        });
        settled
    }

    /// One call as it is usually made: looked at first, written down afterwards.
    async fn look_and_call(&self) -> bool {
        let worst = up_to(WORST_MAX);
        if self.provider.written() + worst > WORLD_LIMIT {
            return true;
        }
        let answer = self.provider.call(self.life, worst, vec![Scope::WorldTotal]);
        let Ok(cost) = answer.await else { return false };
        self.provider.write(cost);
        true
    }

    fn count(&self, count: impl FnOnce(&mut Played)) {
        count(&mut lock(&self.counts).played);
    }
}

fn lock(counts: &Mutex<Counts>) -> MutexGuard<'_, Counts> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}
