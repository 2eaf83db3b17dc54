//! The same pipeline without a network: what services test with.

use std::convert::Infallible;

use tonic::Code;
use vivarium_chassis::identity::{Name, Service};
use vivarium_chassis::memory::World;
use vivarium_chassis::{Lease, Problem, lease};
use vivarium_types::ids::{CycleId, Id as _, LeaseId, ResidentId};
use vivarium_types::{Actor, Clock as _, Reason};

use crate::stand::{ask, ledger, services};

async fn serve(world: &World) -> vivarium_chassis::memory::Running {
    world.start(Service::Queue, async |_| Ok::<_, Infallible>(services())).await.expect("it builds")
}

#[tokio::test]
async fn services_reach_each_other_under_the_same_rules() {
    let world = World::new();
    let _queue = serve(&world).await;
    let review = world.deps(Service::Review);
    let answer = ledger(review.peers.to(Service::Queue).calls()).get_head(ask("")).await;
    assert_eq!(answer.expect("it may").into_inner().ledger_id, "service/review service:review");
    let person = Actor::Operator("ada".into());
    let forged = ledger(review.peers.to(Service::Queue).acting_as(&person)).get_head(ask("")).await;
    assert_eq!(forged.expect_err("it may not").code(), Code::PermissionDenied);
    let operator = world.calls(&Name::operator("test"), Service::Queue);
    let answer = ledger(operator).get_head(ask("")).await.expect("a person may");
    assert_eq!(answer.into_inner().ledger_id, "operator/test operator:test");
}

#[tokio::test]
async fn tokens_go_on_when_the_clock_is_moved_far() {
    let world = World::new();
    let _queue = serve(&world).await;
    let mut client = ledger(world.deps(Service::Review).peers.to(Service::Queue).calls());
    for _ in 0..5 {
        client.get_head(ask("")).await.expect("a fresh token each time");
        world.clock().advance(std::time::Duration::from_hours(7));
    }
}

#[tokio::test]
async fn a_service_that_is_not_there_is_unavailable_until_it_is() {
    let world = World::new();
    let mut client = ledger(world.calls(&Name::operator("test"), Service::Queue));
    let status = client.get_head(ask("")).await.expect_err("nobody is there");
    assert!(Problem::from(&status).is(Reason::ServiceUnavailable));
    let queue = serve(&world).await;
    client.get_head(ask("")).await.expect("now it is");
    queue.drain().await;
    assert!(client.get_head(ask("")).await.is_err());
    let _again = serve(&world).await;
    client.get_head(ask("")).await.expect("and again");
}

#[tokio::test]
async fn only_the_queues_word_makes_a_lease_and_only_its_resident_speaks_under_it() {
    let world = World::new();
    let _queue = serve(&world).await;
    let (queue, executor) = (world.deps(Service::Queue), world.deps(Service::Executor));
    let [mine, other] = [1, 2].map(ResidentId::from_number);
    let held = Lease {
        lease: LeaseId::from_number(1),
        task: None,
        attempt: None,
        resident: Some(mine),
        cycle: CycleId::from_number(1),
        mode: "docs_only".into(),
        control_epoch: 1,
        fencing_token: 7,
        expires: world.clock().now() + std::time::Duration::from_secs(30),
        actions: Vec::new(),
    };
    let capability = queue.signer.lease(&held).expect("the queue signs");
    let forged = executor.signer.lease(&held).expect("the executor signs something");
    let now = world.clock().now();
    let identity = executor.identity.current();
    assert_eq!(lease::check(&identity, &capability, now), Ok(held.clone()));
    assert_eq!(lease::check(&identity, &forged, now), Err(Reason::AuthTokenInvalid));
    let speak = async |resident, word: &str| {
        let calls = executor.peers.to(Service::Queue).acting_as(&Actor::Resident(resident));
        ledger(calls.under(word)).get_head(ask("")).await
    };
    speak(mine, &capability).await.expect("under its own lease");
    for (resident, word) in [(other, &capability), (mine, &forged)] {
        speak(resident, word).await.expect_err("not under another's or a forged one");
    }
    world.clock().advance(std::time::Duration::from_secs(31));
    let status = speak(mine, &capability).await.expect_err("it is over");
    assert!(Problem::from(&status).is(Reason::QueueLeaseLost));
}
