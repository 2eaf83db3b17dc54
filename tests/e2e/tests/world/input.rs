//! Bad input is refused by name, and changes nothing.

use vivarium_chassis::{Problem, Service};
use vivarium_harness::history::History;
use vivarium_harness::process::World;
use vivarium_proto::queue::v1 as pb;
use vivarium_proto::queue::v1::task_service_client::TaskServiceClient;
use vivarium_types::Reason;

fn spec(instruction: &str) -> pb::TaskSpec {
    pb::TaskSpec { instruction: instruction.to_owned(), ..Default::default() }
}

fn keyed(key: &str, after: &[&str]) -> pb::TaskSpec {
    let depends_on = after.iter().map(|name| (*name).to_owned()).collect();
    pb::TaskSpec { key: key.to_owned(), depends_on, ..spec("do it") }
}

fn add(world: &World, tasks: Vec<pb::TaskSpec>) -> Result<(), Box<Problem>> {
    let request = pb::AddTasksRequest { request_id: "bad".to_owned(), tasks };
    let answer = world.call(async |peers| {
        TaskServiceClient::new(peers.to(Service::Queue).calls()).add_tasks(request).await
    });
    answer.map(drop).map_err(|status| Box::new(Problem::from(&status)))
}

#[test]
fn bad_tasks_are_refused_by_field_and_nothing_is_stored() {
    let world = World::start();
    let wrong_kind = pb::TaskSpec { kind: 99, ..spec("do it") };
    let negative = pb::TaskSpec { bonus_tokens: -1, ..spec("do it") };
    let high = pb::TaskSpec { priority: Some(10), ..spec("do it") };
    let target = pb::TaskSpec { target: "../secrets.md".to_owned(), ..spec("do it") };
    let resident = pb::TaskSpec { resident_id: "res_1".to_owned(), ..spec("do it") };
    for (tasks, field) in [
        (vec![], "tasks"),
        (vec![spec("")], "tasks[0].instruction"),
        (vec![spec("x"), spec(&"x".repeat(4_001))], "tasks[1].instruction"),
        (vec![spec("a\u{0}b")], "tasks[0].instruction"),
        (vec![wrong_kind], "tasks[0].kind"),
        (vec![negative], "tasks[0].bonus_tokens"),
        (vec![high], "tasks[0].priority"),
        (vec![target], "tasks[0].target"),
        (vec![resident], "tasks[0].resident_id"),
    ] {
        let problem = add(&world, tasks).expect_err("it is refused");
        assert_eq!(problem.reason, Some(Reason::RequestInvalid), "{field}: {problem:?}");
        let named: Vec<_> = problem.fields.iter().map(|wrong| wrong.field.as_str()).collect();
        assert_eq!(named, [field], "{problem:?}");
    }
    for (tasks, reason) in [
        (vec![keyed("a", &["nobody"])], Reason::QueueDependencyUnknown),
        (vec![keyed("a", &["a"])], Reason::QueueDependencySelf),
        (vec![keyed("a", &["b"]), keyed("b", &["a"])], Reason::QueueDependencyCycle),
    ] {
        let problem = add(&world, tasks).expect_err("it is refused");
        assert_eq!(problem.reason, Some(reason), "{problem:?}");
    }
    let huge = add(&world, vec![spec(&"x".repeat(10 << 20))]).expect_err("it is refused");
    assert!(huge.reason.is_some(), "{huge:?}");
    assert_eq!(History::read(world.root()).count("queue", "task_added"), 0, "nothing was stored");
    assert_eq!(world.ask(&["tasks"])["tasks"], serde_json::Value::Null, "nothing is shown");
}
