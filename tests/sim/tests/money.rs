//! Money under every order of events, and one cap, sixty-four callers, crashes on a real disk: nobody
//! spends more than there is, what is spent stays spent, and nothing stays set aside.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::task::JoinSet;
use vivarium_executor::domain::budget::{Limits, Scope, Standing};
use vivarium_executor::domain::{Command, State};
use vivarium_ledger::ledger::Running;
use vivarium_ledger::store::sqlite::Sqlite;
use vivarium_ledger::writer::Parts;
use vivarium_ledger::{Error, Ledger, Options};
use vivarium_sim::money::{NOON, PLENTY, Wrong, ask, owner, play, settled, started, wish};
use vivarium_types::ids::{Id as _, InstanceId};
use vivarium_types::{IdSource, ManualClock, MicroUsd};

/// Schedules of the gate; `cargo xtask long budgets` plays millions.
const SCHEDULES: u64 = 300;
/// All that may ever be spent.
const CAP: i64 = 1_000_000;
/// The most that one call may cost.
const WORST_MAX: i64 = 5_000;
const CALLERS: u64 = 64;
/// Calls that each caller tries in one life; together far more than the cap pays for.
const CALLS: u64 = 40;
/// All but the last of them end in the middle of their calls.
const LIVES: u64 = 5;
const LIMITS: Limits = Limits {
    call: PLENTY,
    resident_day: PLENTY,
    review_day: PLENTY,
    world_day: PLENTY,
    world_total: MicroUsd::new(CAP),
};

/// Who sends the bill, whatever anybody wrote down.
#[derive(Debug, Default)]
struct Provider {
    billed: AtomicI64,
}

impl Provider {
    /// A call that takes a moment; what was billed behind it.
    async fn call(&self, cost: i64) -> i64 {
        tokio::task::yield_now().await;
        self.billed.fetch_add(cost, Ordering::Relaxed) + cost
    }

    fn overspent(&self) -> i64 {
        (self.billed.load(Ordering::Relaxed) - CAP).max(0)
    }
}

/// What a call may cost at most and what it will cost, by its number and nothing else.
fn prices(number: u64) -> (i64, i64) {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let part = |shift: u32| i64::try_from(mixed >> shift).unwrap_or_default();
    let worst = 1 + part(40) % WORST_MAX;
    (worst, 1 + part(24) % worst)
}

fn open(file: &Path, life: u64) -> (Ledger<State>, Running) {
    let parts = Parts {
        clock: Arc::new(ManualClock::at(NOON)),
        ids: IdSource::seeded(life),
        views: Vec::new(),
        keys: None,
    };
    let store = Sqlite::at(file).expect("it opens");
    Ledger::open(store, parts, None, Options::default(), Arc::new(|_| {})).expect("it opens")
}

async fn standing(ledger: &Ledger<State>) -> Standing {
    let asked =
        ledger.ask(|state| state.budget().standing(Scope::WorldTotal, NOON.utc_day(), &LIMITS));
    asked.await.expect("the ledger is open")
}

/// One caller's calls in one life. Its last reservation it leaves behind, as one that hangs does.
async fn call(ledger: Ledger<State>, provider: Arc<Provider>, life: u64, caller: u64, end_at: i64) {
    let owner = owner(life, caller);
    let begun = ledger.submit(ask(started(&owner)));
    if begun.await.is_err() {
        return;
    }
    for number in 0..CALLS {
        let number = (life << 32) | (caller << 16) | number;
        let (worst, cost) = prices(number);
        let wish = wish(&owner, number, worst, (PLENTY, LIMITS));
        match ledger.submit(ask(Command::Reserve(Box::new(wish.clone())))).await {
            Ok(_) => {}
            Err(Error::Refused(_)) => continue,
            Err(_) => return,
        }
        if provider.call(cost).await >= end_at {
            ledger.close();
        }
        if ledger.submit(ask(settled(&wish, cost))).await.is_err() {
            return;
        }
    }
    let hangs = Command::Reserve(Box::new(wish(
        &owner,
        (life << 32) | (caller << 16) | CALLS,
        1,
        (PLENTY, LIMITS),
    )));
    drop(ledger.submit(ask(hangs)).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_callers_and_crashes_spend_no_more_than_the_cap_and_leave_nothing_set_aside() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("executor.db");
    let provider = Arc::new(Provider::default());
    let mut spent_before = MicroUsd::ZERO;
    for life in 1..=LIVES {
        let (ledger, running) = open(&file, life);
        // What the life before left open may have been billed: it counts in full.
        let recover = Command::Recover(InstanceId::from_number(u128::from(life)));
        ledger.submit(ask(recover)).await.expect("it recovers");
        let now = standing(&ledger).await;
        assert_eq!(now.reserved, MicroUsd::ZERO, "nothing stays set aside");
        assert!(now.spent >= spent_before, "what is spent stays spent");
        assert!(now.spent.get() >= provider.billed.load(Ordering::Relaxed), "all is written down");
        assert!(now.spent.get() <= CAP);
        spent_before = now.spent;

        let last = life == LIVES;
        let end_at = provider.billed.load(Ordering::Relaxed) + CAP / 8;
        let end_at = if last { i64::MAX } else { end_at };
        let mut callers = JoinSet::new();
        for caller in 0..CALLERS {
            let (ledger, provider) = (ledger.clone(), Arc::clone(&provider));
            callers.spawn(call(ledger, provider, life, caller, end_at));
        }
        callers.join_all().await;
        if last {
            let now = standing(&ledger).await;
            assert!(now.spent.plus(now.reserved).is_some_and(|held| held.get() <= CAP));
            for caller in 0..CALLERS {
                let ended = Command::EndLease(owner(life, caller).lease);
                ledger.submit(ask(ended)).await.expect("it is taken");
            }
            let now = standing(&ledger).await;
            assert_eq!(now.reserved, MicroUsd::ZERO, "a lease that ended holds nothing");
            assert!(now.spent.get() > CAP - WORST_MAX, "the cap was reached: {now:?}");
        }
        ledger.close();
        running.join().expect("it ends");
    }
    assert_eq!(provider.overspent(), 0, "not one micro-dollar");
}

/// The usual way, looking first and writing down afterwards, is found by the same measure.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn looking_first_and_charging_afterwards_overspends() {
    let (provider, spent) = (Arc::new(Provider::default()), Arc::new(AtomicI64::new(0)));
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let (provider, spent) = (Arc::clone(&provider), Arc::clone(&spent));
        callers.spawn(async move {
            for number in 0..CALLS * LIVES {
                let (worst, cost) = prices((caller << 16) | number);
                if spent.load(Ordering::Relaxed) + worst <= CAP {
                    provider.call(cost).await;
                    spent.fetch_add(cost, Ordering::Relaxed);
                }
            }
        });
    }
    callers.join_all().await;
    assert!(provider.overspent() > 0, "sixty-four looked before one wrote");
}

#[test]
fn no_order_of_events_overspends_forgets_or_leaves_anything_set_aside() {
    let seed = u64::from(std::process::id());
    let played = play(seed, SCHEDULES, None);
    println!("seed {seed}: {played:#?}");
    assert_eq!(played.schedules, SCHEDULES);
    assert_eq!(played.breaches, [""; 0], "seed {seed}");
    let seldom = [played.refused, played.settled, played.unsent, played.lapsed, played.deaths];
    assert!(seldom.iter().all(|count| *count > SCHEDULES / 10), "little happens: {played:?}");
    assert!(played.late_bills > 0, "bills come behind a death: {played:?}");
}

#[test]
fn the_same_seed_plays_the_same_schedules() {
    assert_eq!(play(7, 20, None), play(7, 20, None));
}

#[test]
fn every_wrong_way_to_keep_money_is_found() {
    for wrong in Wrong::ALL {
        let played = play(11, SCHEDULES, Some(wrong));
        println!(
            "{wrong:?}: {} of {SCHEDULES}, {:?}",
            played.breaches.len(),
            played.breaches.first()
        );
        assert!(!played.breaches.is_empty(), "{wrong:?} is not found");
    }
}
