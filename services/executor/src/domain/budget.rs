//! Real money: limits, what is spent, what is reserved. Amounts are micro-dollars.
//!
//! Invariant: in every scope and at every moment spent + reserved stays within the limit that held
//! when the last reservation was made. A reservation is settled once, released once, or neither,
//! never both.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vivarium_types::amount::MicroUsd;
use vivarium_types::ids::{CallId, InstanceId, LeaseId, ReservationId, ResidentId, TaskId};

use super::call::{self, Called};

/// Where money is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Scope {
    /// One call.
    Call,
    /// All attempts of one task.
    Task(TaskId),
    /// One resident on one spend day.
    ResidentDay(ResidentId),
    /// Critiques and ballots on one spend day.
    ReviewDay,
    /// The world on one spend day.
    WorldDay,
    /// The world, for ever.
    WorldTotal,
}

impl Scope {
    /// The word for it in answers, such as `world_day`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Task(_) => "task",
            Self::ResidentDay(_) => "resident_day",
            Self::ReviewDay => "review_day",
            Self::WorldDay => "world_day",
            Self::WorldTotal => "world_total",
        }
    }

    /// Which limit holds for it; a task has its own.
    pub const fn limit(self) -> Option<Limited> {
        match self {
            Self::Call => Some(Limited::Call),
            Self::Task(_) => None,
            Self::ResidentDay(_) => Some(Limited::ResidentDay),
            Self::ReviewDay => Some(Limited::ReviewDay),
            Self::WorldDay => Some(Limited::WorldDay),
            Self::WorldTotal => Some(Limited::WorldTotal),
        }
    }

    const fn renews(self) -> bool {
        match self {
            Self::ResidentDay(_) | Self::ReviewDay | Self::WorldDay => true,
            Self::Call | Self::Task(_) | Self::WorldTotal => false,
        }
    }
}

/// A limit that an operator can set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Limited {
    /// Of one call.
    Call,
    /// Of one resident on one spend day.
    ResidentDay,
    /// Of critiques and ballots on one spend day.
    ReviewDay,
    /// Of the world on one spend day.
    WorldDay,
    /// Of the world, for ever.
    WorldTotal,
}

/// The limits that hold where the log sets none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Of one call.
    pub call: MicroUsd,
    /// Of one resident on one spend day.
    pub resident_day: MicroUsd,
    /// Of critiques and ballots on one spend day.
    pub review_day: MicroUsd,
    /// Of the world on one spend day.
    pub world_day: MicroUsd,
    /// Of the world, for ever.
    pub world_total: MicroUsd,
}

impl Limits {
    const fn of(&self, limited: Limited) -> MicroUsd {
        match limited {
            Limited::Call => self.call,
            Limited::ResidentDay => self.resident_day,
            Limited::ReviewDay => self.review_day,
            Limited::WorldDay => self.world_day,
            Limited::WorldTotal => self.world_total,
        }
    }
}

/// What a reservation is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// The reservation's id.
    pub reservation: ReservationId,
    /// The call's id.
    pub call: CallId,
    /// Whose call it is.
    pub owner: call::Owner,
    /// The provider that will be called.
    pub provider: String,
    /// The model that will be called.
    pub model: String,
    /// The most the call can cost.
    pub worst_case: MicroUsd,
    /// Input tokens that are assumed.
    pub input_tokens_max: u64,
    /// Output tokens that are allowed.
    pub output_tokens_max: u64,
    /// What the task may cost in all; of no meaning without a task.
    pub task_limit: MicroUsd,
    /// The limits where the log sets none.
    pub defaults: Limits,
}

/// Money that was set aside for a call that is not settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reserved {
    /// Its id.
    pub reservation: ReservationId,
    /// The call.
    pub call: CallId,
    /// Whose call.
    pub owner: call::Owner,
    /// How much.
    pub worst_case: MicroUsd,
    /// Every scope it counts in.
    pub scopes: Vec<Scope>,
    /// The spend day it counts for, as days since 1970-01-01.
    pub spend_day: i64,
    /// The provider that is called.
    pub provider: String,
    /// The model that is called.
    pub model: String,
    /// Input tokens that were assumed.
    pub input_tokens_max: u64,
    /// Output tokens that were allowed.
    pub output_tokens_max: u64,
    /// The task's own limit at that moment.
    pub task_limit: MicroUsd,
}

/// How one scope stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The scope.
    pub scope: Scope,
    /// The most it allows.
    pub limit: MicroUsd,
    /// Settled so far.
    pub spent: MicroUsd,
    /// Held by calls that run.
    pub reserved: MicroUsd,
}

/// All money of the world.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Budget {
    limits: BTreeMap<Limited, MicroUsd>,
    task_limits: BTreeMap<TaskId, MicroUsd>,
    /// The spend day that `spent` of renewing scopes is about.
    day: i64,
    spent: BTreeMap<Scope, MicroUsd>,
    reserved: BTreeMap<ReservationId, Reserved>,
}

impl Budget {
    /// The reservation for `wish` on `day`, or the scope that does not allow it.
    pub fn reserve(&self, wish: Wish, day: i64) -> Result<Reserved, Scope> {
        let scopes = scopes_of(&wish.owner);
        for &scope in &scopes {
            let limit = match scope.limit() {
                Some(limited) => self.limit(limited, &wish.defaults),
                None => wish.task_limit,
            };
            let held = if scope == Scope::Call { MicroUsd::ZERO } else { self.held(scope, day) };
            // What costs nothing needs nothing free.
            let fits = wish.worst_case == MicroUsd::ZERO
                || held.plus(wish.worst_case).is_some_and(|sum| sum <= limit);
            if !fits {
                return Err(scope);
            }
        }
        let Wish { reservation, call, owner, provider, model, worst_case, .. } = wish;
        let Wish { input_tokens_max, output_tokens_max, task_limit, .. } = wish;
        Ok(Reserved {
            reservation,
            call,
            owner,
            worst_case,
            scopes,
            spend_day: day,
            provider,
            model,
            input_tokens_max,
            output_tokens_max,
            task_limit,
        })
    }

    /// A reservation that is neither settled nor released.
    pub fn reservation(&self, id: ReservationId) -> Option<&Reserved> {
        self.reserved.get(&id)
    }

    /// The open reservations of a lease.
    pub fn of_lease(&self, lease: LeaseId) -> impl Iterator<Item = &Reserved> {
        self.reserved.values().filter(move |held| held.owner.lease == lease)
    }

    /// The open reservations of processes other than `instance`.
    pub fn of_others(&self, instance: InstanceId) -> impl Iterator<Item = &Reserved> {
        self.reserved.values().filter(move |held| held.owner.instance != instance)
    }

    /// The limit in force.
    pub fn limit(&self, limited: Limited, defaults: &Limits) -> MicroUsd {
        self.limits.get(&limited).copied().unwrap_or_else(|| defaults.of(limited))
    }

    /// How a scope stands on `day`.
    pub fn standing(&self, scope: Scope, day: i64, defaults: &Limits) -> Standing {
        let limit = match (scope.limit(), scope) {
            (Some(limited), _) => self.limit(limited, defaults),
            (None, Scope::Task(task)) => self.task_limits.get(&task).copied().unwrap_or_default(),
            (None, _) => MicroUsd::ZERO,
        };
        let (spent, reserved) = (self.spent(scope, day), self.reserved_in(scope, day));
        Standing { scope, limit, spent, reserved }
    }

    /// The residents that spent or reserved on `day`.
    pub fn residents(&self, day: i64) -> Vec<ResidentId> {
        let open = self.reserved.values().filter(|held| held.spend_day == day);
        let open = open.flat_map(|held| held.scopes.iter());
        let spent = self.spent.keys().filter(|_| self.day == day);
        let mut found: Vec<_> = spent
            .chain(open)
            .filter_map(|scope| match scope {
                Scope::ResidentDay(resident) => Some(*resident),
                Scope::Call
                | Scope::Task(_)
                | Scope::ReviewDay
                | Scope::WorldDay
                | Scope::WorldTotal => None,
            })
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// What a scope has spent and holds on `day`.
    pub fn held(&self, scope: Scope, day: i64) -> MicroUsd {
        let sum = self.spent(scope, day).plus(self.reserved_in(scope, day));
        sum.unwrap_or(MicroUsd::new(i64::MAX))
    }

    fn spent(&self, scope: Scope, day: i64) -> MicroUsd {
        if scope.renews() && self.day != day {
            return MicroUsd::ZERO;
        }
        self.spent.get(&scope).copied().unwrap_or_default()
    }

    fn reserved_in(&self, scope: Scope, day: i64) -> MicroUsd {
        let held = self.reserved.values().filter(|held| {
            held.scopes.contains(&scope) && (!scope.renews() || held.spend_day == day)
        });
        held.fold(MicroUsd::ZERO, |sum, held| {
            sum.plus(held.worst_case).unwrap_or(MicroUsd::new(i64::MAX))
        })
    }

    pub(super) fn on_reserved(&mut self, reserved: &Reserved) {
        self.roll(reserved.spend_day);
        if let Some(task) = reserved.owner.task
            && reserved.worst_case > MicroUsd::ZERO
        {
            self.task_limits.insert(task, reserved.task_limit);
        }
        self.reserved.insert(reserved.reservation, reserved.clone());
    }

    pub(super) fn on_called(&mut self, called: &Called) {
        let Some(reserved) = self.reserved.remove(&called.reservation) else { return };
        if called.cost == MicroUsd::ZERO {
            return;
        }
        for &scope in &reserved.scopes {
            // A call that was reserved yesterday is yesterday's spending.
            if scope == Scope::Call || (scope.renews() && reserved.spend_day != self.day) {
                continue;
            }
            let spent = self.spent.entry(scope).or_default();
            *spent = spent.plus(called.cost).unwrap_or(MicroUsd::new(i64::MAX));
        }
    }

    pub(super) fn on_released(&mut self, reservation: ReservationId) {
        self.reserved.remove(&reservation);
    }

    pub(super) fn on_limit_set(&mut self, limited: Limited, amount: MicroUsd) {
        self.limits.insert(limited, amount);
    }

    fn roll(&mut self, day: i64) {
        if day > self.day {
            self.day = day;
            self.spent.retain(|scope, _| !scope.renews());
        }
    }
}

/// Every scope a call counts in. Critiques and ballots are paid from the review budget, not by the
/// task or a resident.
fn scopes_of(owner: &call::Owner) -> Vec<Scope> {
    let mut scopes = vec![Scope::Call];
    if owner.purpose.is_review() {
        scopes.push(Scope::ReviewDay);
    } else {
        scopes.extend(owner.task.map(Scope::Task));
        scopes.extend(owner.resident.map(Scope::ResidentDay));
    }
    scopes.extend([Scope::WorldDay, Scope::WorldTotal]);
    scopes
}

#[cfg(test)]
mod tests;
