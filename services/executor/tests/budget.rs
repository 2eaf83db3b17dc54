//! One cap, sixty-four callers, crashes: nobody spends more than there is, what is spent stays spent,
//! and nothing stays set aside.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::task::JoinSet;
use vivarium_executor::domain::budget::{Limits, Reserved, Scope, Standing, Wish};
use vivarium_executor::domain::call::{Called, Outcome, Owner};
use vivarium_executor::domain::cycle::{Kind, Started};
use vivarium_executor::domain::{Command, State};
use vivarium_ledger::ledger::Running;
use vivarium_ledger::store::sqlite::Sqlite;
use vivarium_ledger::writer::Parts;
use vivarium_ledger::{Error, Ledger, Options, Submission};
use vivarium_types::ids::{CallId, CycleId, Id as _, InstanceId, LeaseId, ReservationId};
use vivarium_types::{Actor, IdSource, ManualClock, MicroUsd, Timestamp};

/// All that may ever be spent.
const CAP: i64 = 1_000_000;
/// The most that one call may cost.
const WORST_MAX: i64 = 5_000;
const CALLERS: u64 = 64;
/// Calls that each caller tries in one life; together far more than the cap pays for.
const CALLS: u64 = 40;
/// All but the last of them end in the middle of their calls.
const LIVES: u64 = 5;
const NOON: Timestamp = Timestamp::from_millis(1_795_406_400_000);
const PLENTY: MicroUsd = MicroUsd::new(i64::MAX / 4);
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

fn owner(life: u64, caller: u64) -> Owner {
    let number = u128::from(life * CALLERS + caller);
    Owner {
        cycle: CycleId::from_number(number),
        lease: LeaseId::from_number(number),
        task: None,
        resident: None,
        purpose: Kind::FreeTime,
        step: 1,
        instance: InstanceId::from_number(u128::from(life)),
    }
}

fn started(owner: &Owner) -> Started {
    Started {
        cycle: owner.cycle,
        lease: owner.lease,
        fencing_token: 1,
        control_epoch: 1,
        instance: owner.instance,
        kind: owner.purpose,
        task: None,
        attempt: None,
        attempt_number: 0,
        resident: None,
        submission: None,
        provider: "groq".to_owned(),
        class: None,
        model: "m".to_owned(),
        fragments: Vec::new(),
        briefing_hash: String::new(),
        mode: "docs_only".to_owned(),
        given: None,
    }
}

fn wish(owner: &Owner, number: u64, worst: i64) -> Wish {
    let id = u128::from(number);
    Wish {
        reservation: ReservationId::from_number(id),
        call: CallId::from_number(id),
        owner: owner.clone(),
        provider: "groq".to_owned(),
        model: "m".to_owned(),
        worst_case: MicroUsd::new(worst),
        input_tokens_max: 1,
        output_tokens_max: 1,
        task_limit: PLENTY,
        defaults: LIMITS,
    }
}

fn settled(wish: &Wish, cost: i64) -> Called {
    let reserved = Reserved {
        reservation: wish.reservation,
        call: wish.call,
        owner: wish.owner.clone(),
        worst_case: wish.worst_case,
        scopes: Vec::new(),
        spend_day: 0,
        provider: wish.provider.clone(),
        model: wish.model.clone(),
        input_tokens_max: 1,
        output_tokens_max: 1,
        task_limit: wish.task_limit,
    };
    let (cost, outcome) = (MicroUsd::new(cost), Outcome::Answered);
    Called { cost, outcome, ..Called::lost(&reserved) }
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

fn ask(command: Command) -> Submission<State> {
    Submission::new(Actor::service("executor"), command)
}

async fn standing(ledger: &Ledger<State>) -> Standing {
    let asked =
        ledger.ask(|state| state.budget().standing(Scope::WorldTotal, NOON.utc_day(), &LIMITS));
    asked.await.expect("the ledger is open")
}

/// One caller's calls in one life. Its last reservation it leaves behind, as one that hangs does.
async fn call(ledger: Ledger<State>, provider: Arc<Provider>, life: u64, caller: u64, end_at: i64) {
    let owner = owner(life, caller);
    let begun = ledger.submit(ask(Command::StartCycle(Box::new(started(&owner)))));
    if begun.await.is_err() {
        return;
    }
    for number in 0..CALLS {
        let number = (life << 32) | (caller << 16) | number;
        let (worst, cost) = prices(number);
        let wish = wish(&owner, number, worst);
        match ledger.submit(ask(Command::Reserve(Box::new(wish.clone())))).await {
            Ok(_) => {}
            Err(Error::Refused(_)) => continue,
            Err(_) => return,
        }
        if provider.call(cost).await >= end_at {
            ledger.close();
        }
        let settle = Command::Settle(Box::new(settled(&wish, cost)));
        if ledger.submit(ask(settle)).await.is_err() {
            return;
        }
    }
    let hangs = Command::Reserve(Box::new(wish(&owner, (life << 32) | (caller << 16) | CALLS, 1)));
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
