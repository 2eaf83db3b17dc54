//! Cycles, reservations, recovery: every transition, legal and refused.

use std::collections::BTreeMap;

use vivarium_types::ids::{CallId, Id};
use vivarium_types::{Actor, IdSource, Timestamp};

use super::*;
use crate::domain::call::{Outcome, Owner, Usage};
use crate::domain::cycle::{End, Kind};

const NOON: Timestamp = Timestamp::from_millis(1_795_406_400_000);
const DEFAULTS: Limits = Limits {
    call: MicroUsd::new(50),
    resident_day: MicroUsd::new(250),
    review_day: MicroUsd::new(250),
    world_day: MicroUsd::new(1_000),
    world_total: MicroUsd::new(5_000),
};

/// A state with its log's position, driven like the writer drives it.
struct World {
    state: State,
    sequence: u64,
    now: Timestamp,
    ids: IdSource,
    claimed: BTreeMap<String, vivarium_ledger::aggregate::Claimed>,
}

impl World {
    fn new() -> Self {
        Self {
            state: State::default(),
            sequence: 0,
            now: NOON,
            ids: IdSource::seeded(1),
            claimed: BTreeMap::new(),
        }
    }

    fn run(&mut self, command: Command) -> Result<Vec<Event>, Rejection> {
        let actor = Actor::service("executor");
        let cx = Context::new(self.now, &actor, self.sequence + 1, &mut self.ids, &self.claimed);
        let events = self.state.decide(command, &cx)?;
        for event in &events {
            self.sequence += 1;
            let (sequence, time) = (self.sequence, self.now);
            for key in State::claims(event) {
                let kind = event.kind().to_owned();
                self.claimed.insert(key, vivarium_ledger::aggregate::Claimed { sequence, kind });
            }
            self.state.apply(event, &Meta { sequence, time, actor: actor.clone() });
        }
        Ok(events)
    }

    fn start(&mut self, number: u128) -> Owner {
        let owner = owner(number, 1);
        self.run(Command::StartCycle(Box::new(started(&owner)))).expect("it starts");
        owner
    }

    fn reserve(
        &mut self,
        owner: &Owner,
        number: u128,
        worst: i64,
    ) -> Result<Vec<Event>, Rejection> {
        self.run(Command::Reserve(Box::new(wish(owner, number, worst))))
    }
}

fn owner(number: u128, instance: u128) -> Owner {
    Owner {
        cycle: CycleId::from_number(number),
        lease: LeaseId::from_number(number),
        task: Some(Id::from_number(number)),
        resident: Some(Id::from_number(number)),
        purpose: Kind::Task,
        step: 1,
        instance: InstanceId::from_number(instance),
    }
}

fn started(owner: &Owner) -> Started {
    Started {
        cycle: owner.cycle,
        lease: owner.lease,
        fencing_token: 7,
        control_epoch: 1,
        instance: owner.instance,
        kind: owner.purpose,
        task: owner.task,
        attempt: None,
        attempt_number: 1,
        resident: owner.resident,
        submission: None,
        provider: "groq".to_owned(),
        class: Some(provider::Class::Remote),
        model: "m".to_owned(),
        fragments: Vec::new(),
        briefing_hash: String::new(),
        mode: "docs_only".to_owned(),
        given: None,
    }
}

fn wish(owner: &Owner, number: u128, worst: i64) -> Wish {
    Wish {
        reservation: ReservationId::from_number(number),
        call: CallId::from_number(number),
        owner: owner.clone(),
        provider: "groq".to_owned(),
        model: "m".to_owned(),
        worst_case: MicroUsd::new(worst),
        input_tokens_max: 10,
        output_tokens_max: 20,
        task_limit: MicroUsd::new(100),
        defaults: DEFAULTS,
    }
}

fn called(owner: &Owner, number: u128, cost: i64) -> Called {
    let mut reserved = Budget::default().reserve(wish(owner, number, 0), 0).expect("it fits");
    reserved.worst_case = MicroUsd::new(cost);
    Called { outcome: Outcome::Answered, ..Called::lost(&reserved) }
}

fn ended(owner: &Owner) -> Ended {
    Ended {
        cycle: owner.cycle,
        end: End::Finished,
        failure_class: String::new(),
        reason: String::new(),
        steps: 1,
        actions: 0,
        documents: Vec::new(),
        usage: Usage::default(),
        cost: MicroUsd::ZERO,
        summary: None,
        task: owner.task,
        resident: owner.resident,
    }
}

#[test]
fn a_cycle_starts_once_and_nothing_happens_in_it_after_its_end() {
    let mut world = World::new();
    let owner = world.start(1);
    let again = world.run(Command::StartCycle(Box::new(started(&owner))));
    assert_eq!(again, Err(Rejection::CycleKnown(owner.cycle)));
    world.run(Command::EndCycle(Box::new(ended(&owner)))).expect("it ends");
    assert_eq!(world.reserve(&owner, 9, 1), Err(Rejection::CycleGone(owner.cycle)));
    let again = world.run(Command::EndCycle(Box::new(ended(&owner))));
    assert_eq!(again, Err(Rejection::CycleGone(owner.cycle)));
    let later = world.run(Command::StartCycle(Box::new(started(&owner))));
    assert_eq!(later, Err(Rejection::CycleKnown(owner.cycle)));
}

#[test]
fn a_call_is_settled_once_and_its_cost_stands_in_every_scope() {
    let mut world = World::new();
    let owner = world.start(1);
    world.reserve(&owner, 1, 40).expect("it fits");
    world.run(Command::Settle(Box::new(called(&owner, 1, 25)))).expect("it settles");
    let again = world.run(Command::Settle(Box::new(called(&owner, 1, 25))));
    assert_eq!(again, Err(Rejection::ReservationGone(ReservationId::from_number(1))));
    let day = NOON.utc_day();
    let resident = owner.resident.expect("it has one");
    for scope in [Scope::WorldDay, Scope::WorldTotal, Scope::ResidentDay(resident)] {
        let standing = world.state.budget().standing(scope, day, &DEFAULTS);
        assert_eq!((standing.spent.get(), standing.reserved.get()), (25, 0), "{scope:?}");
    }
    assert_eq!(world.state.budget().residents(day), [resident]);
}

#[test]
fn a_process_that_died_pays_the_worst_case_and_its_cycles_are_lost() {
    let mut world = World::new();
    let owner = world.start(1);
    world.reserve(&owner, 1, 40).expect("it fits");
    let same = world.run(Command::Recover(owner.instance)).expect("it recovers");
    assert_eq!(same, []);
    let events = world.run(Command::Recover(InstanceId::from_number(2))).expect("it recovers");
    assert_eq!(events.iter().map(Event::kind).collect::<Vec<_>>(), ["model_called", "cycle_ended"]);
    let Event::CycleEnded(end) = &events[1] else { panic!("the second is an end") };
    assert_eq!((end.end, end.cost.get(), end.usage.calls), (End::Lost, 40, 1));
    let total = world.state.budget().standing(Scope::WorldTotal, NOON.utc_day(), &DEFAULTS);
    assert_eq!((total.spent.get(), total.reserved.get()), (40, 0));
    assert_eq!(world.state.cycles().count(), 0);
}

#[test]
fn the_end_of_a_lease_leaves_no_reservation() {
    let mut world = World::new();
    let owner = world.start(1);
    world.reserve(&owner, 1, 40).expect("it fits");
    let events = world.run(Command::EndLease(owner.lease)).expect("it ends");
    assert_eq!(events.iter().map(Event::kind).collect::<Vec<_>>(), ["model_called"]);
    assert_eq!(world.run(Command::EndLease(owner.lease)), Ok(Vec::new()));
    world.reserve(&owner, 2, 40).expect("it fits");
    let events = world.run(Command::Release(ReservationId::from_number(2), NotCalled::NotSent));
    assert_eq!(events.expect("it is let go").len(), 1);
    let held = world.state.budget().held(Scope::WorldTotal, NOON.utc_day());
    assert_eq!(held.get(), 40);
}

#[test]
fn health_is_noted_when_it_is_news_and_says_whether_anything_is_usable() {
    let mut world = World::new();
    let mut health = Health {
        provider: "embedded".to_owned(),
        kind: provider::Kind::Embedded,
        class: provider::Class::Embedded,
        model: "m".to_owned(),
        window_tokens: 8_192,
        healthy: true,
        why_not: String::new(),
        base_url: String::new(),
    };
    assert_eq!(world.run(Command::NoteHealth(health.clone())).expect("news").len(), 1);
    assert_eq!(world.run(Command::NoteHealth(health.clone())), Ok(Vec::new()));
    health.healthy = false;
    let events = world.run(Command::NoteHealth(health)).expect("news");
    assert!(matches!(&events[0], Event::ProviderHealthChanged { any_usable: false, .. }));
}

#[test]
fn consent_is_asked_before_a_voice_and_logged_once() {
    let mut world = World::new();
    let say = |given, may_judge| Command::Consent {
        provider: "ollama".to_owned(),
        consent: Consent { given, may_judge },
    };
    assert_eq!(world.run(say(false, true)), Err(Rejection::JudgeWithoutConsent));
    assert_eq!(world.run(say(true, true)).expect("it is taken").len(), 1);
    assert_eq!(world.run(say(true, true)), Ok(Vec::new()));
    assert_eq!(world.state.providers().consent("ollama"), Consent { given: true, may_judge: true });
}
