//! Limits hold at every moment, whatever happens in whatever order.

use proptest::prelude::*;
use vivarium_types::ids::Id;

use vivarium_types::ids::CycleId;

use super::*;
use crate::domain::call::Outcome;
use crate::domain::cycle::Kind;

const LIMITS: Limits = Limits {
    call: MicroUsd::new(100),
    resident_day: MicroUsd::new(250),
    review_day: MicroUsd::new(150),
    world_day: MicroUsd::new(700),
    world_total: MicroUsd::new(1_500),
};
const TASK_LIMIT: MicroUsd = MicroUsd::new(180);

fn wish(number: u128, caller: u128, purpose: Kind, worst: i64) -> Wish {
    Wish {
        reservation: ReservationId::from_number(number),
        call: CallId::from_number(number),
        owner: call::Owner {
            cycle: CycleId::from_number(caller),
            lease: LeaseId::from_number(caller),
            task: Some(TaskId::from_number(caller % 7)),
            resident: Some(ResidentId::from_number(caller % 5)),
            purpose,
            step: 1,
            instance: InstanceId::from_number(caller % 2),
        },
        provider: "groq".to_owned(),
        model: "m".to_owned(),
        worst_case: MicroUsd::new(worst),
        input_tokens_max: 1,
        output_tokens_max: 1,
        task_limit: TASK_LIMIT,
        defaults: LIMITS,
    }
}

fn settle(budget: &mut Budget, reserved: &Reserved, cost: MicroUsd) {
    budget.on_called(&Called { cost, outcome: Outcome::Answered, ..Called::lost(reserved) });
}

#[test]
fn a_refusal_names_the_scope_that_is_spent() {
    let mut budget = Budget::default();
    assert_eq!(budget.reserve(wish(1, 1, Kind::Task, 101), 0), Err(Scope::Call));
    let first = budget.reserve(wish(1, 1, Kind::Task, 100), 0).expect("it fits");
    budget.on_reserved(&first);
    let task = Scope::Task(TaskId::from_number(1));
    assert_eq!(budget.reserve(wish(2, 1, Kind::Task, 81), 0), Err(task));
    // The same resident for other tasks: 1, 6 and 11 are resident 1.
    let second = budget.reserve(wish(2, 6, Kind::Task, 100), 0).expect("it fits");
    budget.on_reserved(&second);
    let resident = Scope::ResidentDay(ResidentId::from_number(1));
    assert_eq!(budget.reserve(wish(3, 11, Kind::Task, 51), 0), Err(resident));
    // A critique is not paid by task or resident.
    let critique = budget.reserve(wish(3, 1, Kind::Critique, 100), 0).expect("it fits");
    budget.on_reserved(&critique);
    assert_eq!(budget.reserve(wish(4, 1, Kind::Critique, 51), 0), Err(Scope::ReviewDay));
}

#[test]
fn a_new_spend_day_frees_daily_scopes_and_no_other() {
    let mut budget = Budget::default();
    let first = budget.reserve(wish(1, 1, Kind::Task, 100), 0).expect("it fits");
    budget.on_reserved(&first);
    let tomorrow = budget.reserve(wish(2, 2, Kind::Task, 100), 1).expect("it fits");
    budget.on_reserved(&tomorrow);
    settle(&mut budget, &first, MicroUsd::new(90));
    assert_eq!(budget.held(Scope::WorldDay, 1), MicroUsd::new(100));
    assert_eq!(budget.held(Scope::WorldTotal, 1), MicroUsd::new(190));
    assert_eq!(budget.held(Scope::Task(TaskId::from_number(1)), 1), MicroUsd::new(90));
}

#[test]
fn what_costs_nothing_is_allowed_when_nothing_is_left() {
    let mut budget = Budget::default();
    budget.on_limit_set(Limited::WorldTotal, MicroUsd::ZERO);
    assert_eq!(budget.reserve(wish(1, 1, Kind::Task, 1), 0), Err(Scope::WorldTotal));
    assert!(budget.reserve(wish(1, 1, Kind::Task, 0), 0).is_ok());
}

/// What may happen to the money.
#[derive(Debug, Clone)]
enum Step {
    Reserve { caller: u128, review: bool, worst: i64 },
    Settle { pick: usize, share: i64 },
    Release { pick: usize },
    Crash { instance: u128 },
    EndLease { caller: u128 },
    NextDay,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (0..64_u128, any::<bool>(), 0..130_i64)
            .prop_map(|(caller, review, worst)| Step::Reserve { caller, review, worst }),
        5 => (any::<usize>(), 0..=100_i64).prop_map(|(pick, share)| Step::Settle { pick, share }),
        1 => any::<usize>().prop_map(|pick| Step::Release { pick }),
        1 => (0..2_u128).prop_map(|instance| Step::Crash { instance }),
        1 => (0..64_u128).prop_map(|caller| Step::EndLease { caller }),
        1 => Just(Step::NextDay),
    ];
    proptest::collection::vec(step, 1..400)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// 64 callers, crashes, days: no scope is ever over its limit, and the sum of what was settled is
    /// what the world has spent.
    #[test]
    fn spent_and_reserved_never_exceed_a_limit(steps in steps()) {
        let mut budget = Budget::default();
        let (mut open, mut day, mut next, mut total): (Vec<Reserved>, _, _, i64) = (vec![], 0, 1, 0);
        for step in steps {
            match step {
                Step::Reserve { caller, review, worst } => {
                    let purpose = if review { Kind::Critique } else { Kind::Task };
                    if let Ok(reserved) = budget.reserve(wish(next, caller, purpose, worst), day) {
                        budget.on_reserved(&reserved);
                        open.push(reserved);
                        next += 1;
                    }
                }
                Step::Settle { pick, share } if !open.is_empty() => {
                    let reserved = open.swap_remove(pick % open.len());
                    let cost = reserved.worst_case.get() * share / 100;
                    total += cost;
                    settle(&mut budget, &reserved, MicroUsd::new(cost));
                }
                Step::Release { pick } if !open.is_empty() => {
                    budget.on_released(open.swap_remove(pick % open.len()).reservation);
                }
                Step::Settle { .. } | Step::Release { .. } => {}
                Step::Crash { instance } => {
                    // The log is all that is left: everything of the others is settled at its worst.
                    let lost: Vec<_> =
                        budget.of_others(InstanceId::from_number(instance)).cloned().collect();
                    for reserved in lost {
                        total += reserved.worst_case.get();
                        settle(&mut budget, &reserved, reserved.worst_case);
                        open.retain(|held| held.reservation != reserved.reservation);
                    }
                }
                Step::EndLease { caller } => {
                    let lost: Vec<_> =
                        budget.of_lease(LeaseId::from_number(caller)).cloned().collect();
                    for reserved in lost {
                        total += reserved.worst_case.get();
                        settle(&mut budget, &reserved, reserved.worst_case);
                        open.retain(|held| held.reservation != reserved.reservation);
                    }
                    let lease = LeaseId::from_number(caller);
                    prop_assert_eq!(budget.of_lease(lease).count(), 0);
                }
                Step::NextDay => day += 1,
            }
            for scope in [Scope::ReviewDay, Scope::WorldDay, Scope::WorldTotal] {
                let standing = budget.standing(scope, day, &LIMITS);
                prop_assert!(budget.held(scope, day) <= standing.limit, "{standing:?}");
            }
            for number in 0..7 {
                let task = Scope::Task(TaskId::from_number(number));
                prop_assert!(budget.held(task, day) <= TASK_LIMIT);
            }
            for number in 0..5 {
                let resident = Scope::ResidentDay(ResidentId::from_number(number));
                prop_assert!(budget.held(resident, day) <= LIMITS.resident_day);
            }
        }
        let world = budget.standing(Scope::WorldTotal, day, &LIMITS);
        prop_assert_eq!(world.spent.get(), total);
    }
}
