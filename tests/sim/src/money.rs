//! Money under every order of events that a scheduler comes to: callers that reserve, call and settle,
//! leases that end beside them, a provider that bills when it likes, and a process that dies anywhere.
//!
//! The executor's domain and the ledger's kernel are the real ones, over a store in memory that
//! survives a crash. Callers, leases and bills are tasks of [shuttle](https://docs.rs/shuttle), which
//! chooses by a seed who goes on at each place where one waits. The provider's own bill is what
//! everything is measured by: what the log says was spent may never be less, what was ever billed may
//! never be more than a limit, and in the end nothing may stay reserved.

mod life;
mod provider;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use shuttle::rand::Rng as _;
use shuttle::scheduler::RandomScheduler;
use shuttle::{Config, Runner};
use vivarium_executor::domain::budget::{Limits, Reserved, Scope, Wish};
use vivarium_executor::domain::call::{Called, Outcome, Owner};
use vivarium_executor::domain::cycle::{Kind, Started};
use vivarium_executor::domain::{Command, State};
use vivarium_ledger::Submission;
use vivarium_ledger::store::memory::Memory;
use vivarium_types::ids::{
    CallId, CycleId, Id as _, InstanceId, LeaseId, ReservationId, ResidentId, TaskId,
};
use vivarium_types::{Actor, MicroUsd, Timestamp};

use life::Life;
use provider::Provider;

/// The moment at which everything happens.
pub const NOON: Timestamp = Timestamp::from_millis(1_795_406_400_000);
/// More than anybody spends here.
pub const PLENTY: MicroUsd = MicroUsd::new(i64::MAX / 4);

/// Lives of the process in one schedule; all but the last may end at any moment.
const LIVES: u64 = 3;
/// Callers of one life.
const CALLERS: u64 = 4;
/// Calls of one caller.
const CALLS: u64 = 3;
/// Residents that they call for.
const RESIDENTS: u64 = 2;
/// Tasks that they call for.
const TASKS: u64 = 3;
/// The most that one call may cost.
const WORST_MAX: i64 = 60;
/// What one task may cost.
const TASK_LIMIT: i64 = 150;
/// What one resident may spend.
const RESIDENT_LIMIT: i64 = 250;
/// What the world may spend: far less than all calls of all lives.
const WORLD_LIMIT: i64 = 400;
const LIMITS: Limits = Limits {
    call: MicroUsd::new(WORST_MAX - 5),
    resident_day: MicroUsd::new(RESIDENT_LIMIT),
    review_day: PLENTY,
    world_day: MicroUsd::new(WORLD_LIMIT),
    world_total: MicroUsd::new(WORLD_LIMIT),
};
/// Bytes of a task's stack.
const STACK_BYTES: usize = 512 << 10;

/// A way to keep money that is wrong, to see that it is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// Callers look at what is left and write down afterwards what they spent.
    LooksFirst,
    /// A new process lets what the dead one had reserved stand.
    LeavesReserved,
    /// A new process takes what the dead one had reserved for not sent.
    TakesForUnsent,
    /// What was spent is forgotten at a restart.
    Forgets,
    /// The end of a lease frees what it had reserved, as if nothing had been sent.
    FreesAtTheEnd,
}

impl Wrong {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::LooksFirst,
        Self::LeavesReserved,
        Self::TakesForUnsent,
        Self::Forgets,
        Self::FreesAtTheEnd,
    ];
}

/// How many schedules went how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Played {
    /// Schedules.
    pub schedules: u64,
    /// Reservations that were made.
    pub reserved: u64,
    /// Reservations that a limit refused.
    pub refused: u64,
    /// Calls that their caller settled.
    pub settled: u64,
    /// Reservations let go because nothing was sent.
    pub unsent: u64,
    /// Calls whose lease ended before they did.
    pub lapsed: u64,
    /// Deaths of the process.
    pub deaths: u64,
    /// Bills that were sent behind the death of the process that had called.
    pub late_bills: u64,
    /// What was broken, in words: the first of each schedule that broke something.
    pub breaches: Vec<String>,
}

impl Played {
    /// Adds what other schedules came to.
    pub fn add(&mut self, other: Self) {
        self.schedules += other.schedules;
        self.reserved += other.reserved;
        self.refused += other.refused;
        self.settled += other.settled;
        self.unsent += other.unsent;
        self.lapsed += other.lapsed;
        self.deaths += other.deaths;
        self.late_bills += other.late_bills;
        self.breaches.extend(other.breaches);
    }
}

/// Plays so many schedules from a seed; the same seed plays the same ones.
pub fn play(seed: u64, schedules: u64, wrong: Option<Wrong>) -> Played {
    let played = Arc::new(Mutex::new(Played::default()));
    let mut config = Config::new();
    config.stack_size = STACK_BYTES;
    let count = usize::try_from(schedules).unwrap_or(usize::MAX);
    let runner = Runner::new(RandomScheduler::new_from_seed(seed, count), config);
    let shared = Arc::clone(&played);
    runner.run(move || {
        let mut one = schedule(wrong);
        one.breaches.truncate(1);
        shared.lock().unwrap_or_else(PoisonError::into_inner).add(one);
    });
    let mut played = played.lock().unwrap_or_else(PoisonError::into_inner);
    std::mem::take(&mut played)
}

/// One schedule: some lives of a process, one behind the other, over one disk.
fn schedule(wrong: Option<Wrong>) -> Played {
    let provider = Provider::default();
    let mut disk = Memory::default();
    let mut played = Played { schedules: 1, ..Played::default() };
    let mut before: BTreeMap<Scope, MicroUsd> = BTreeMap::new();
    for number in 1..=LIVES {
        if wrong == Some(Wrong::Forgets) {
            disk = Memory::default();
        }
        let mut life = Life::begin(number, disk.handle(), provider.clone(), wrong);
        let now = life.spent();
        for (scope, told) in before {
            let spent = now.get(&scope).copied().unwrap_or_default();
            if spent < told {
                played.breaches.push(format!("{scope:?}: {told} were spent, then {spent}"));
            }
        }
        let last = number == LIVES;
        shuttle::future::block_on(life.run(!last));
        if last {
            life.end();
            shuttle::future::block_on(provider.wait());
            played.breaches.extend(life.last_breaches());
        }
        before = life.spent();
        life.tell(&mut played);
    }
    played.breaches.extend(provider.breaches());
    played.late_bills = provider.late();
    played
}

/// The scopes in which the callers of a life spend, with what each allows.
fn scopes() -> BTreeMap<Scope, i64> {
    let tasks = (0..TASKS).map(|task| (Scope::Task(task_of(task)), TASK_LIMIT));
    let residents =
        (0..RESIDENTS).map(|one| (Scope::ResidentDay(resident_of(one)), RESIDENT_LIMIT));
    let world = [(Scope::WorldDay, WORLD_LIMIT), (Scope::WorldTotal, WORLD_LIMIT)];
    tasks.chain(residents).chain(world).collect()
}

fn task_of(caller: u64) -> TaskId {
    TaskId::from_number(u128::from(caller % TASKS))
}

fn resident_of(caller: u64) -> ResidentId {
    ResidentId::from_number(u128::from(caller % RESIDENTS))
}

/// Whose call: a lease of its own for each caller of each life.
pub fn owner(life: u64, caller: u64) -> Owner {
    let number = u128::from(life << 32 | caller);
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

/// The beginning of an owner's cycle.
pub fn started(owner: &Owner) -> Command {
    Command::StartCycle(Box::new(Started {
        cycle: owner.cycle,
        lease: owner.lease,
        fencing_token: 1,
        control_epoch: 1,
        instance: owner.instance,
        kind: owner.purpose,
        task: owner.task,
        attempt: None,
        attempt_number: 0,
        resident: owner.resident,
        submission: None,
        provider: "groq".to_owned(),
        class: None,
        model: "m".to_owned(),
        fragments: Vec::new(),
        briefing_hash: String::new(),
        mode: "docs_only".to_owned(),
        given: None,
    }))
}

/// A wish to set `worst` micro-dollars aside, under a number of its own.
pub fn wish(owner: &Owner, number: u64, worst: i64, (task, world): (MicroUsd, Limits)) -> Wish {
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
        task_limit: task,
        defaults: world,
    }
}

/// The settlement of a call that was answered and cost so many micro-dollars.
pub fn settled(wish: &Wish, cost: i64) -> Command {
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
    Command::Settle(Box::new(Called { cost, outcome, ..Called::lost(&reserved) }))
}

/// A command of the executor's own.
pub fn ask(command: Command) -> Submission<State> {
    Submission::new(Actor::service("executor"), command)
}

/// Whether it happens, once in so many times.
fn once_in(times: u32) -> bool {
    shuttle::rand::thread_rng().gen_ratio(1, times)
}

/// A number from 1 to `most`.
fn up_to(most: i64) -> i64 {
    shuttle::rand::thread_rng().gen_range(1..=most)
}
