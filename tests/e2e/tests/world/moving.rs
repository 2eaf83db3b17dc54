//! A world on PostgreSQL, and its way there and back: nothing of it is lost, and a move that is
//! broken off leaves the world where it lay.

use std::time::{Duration, Instant};

use vivarium_harness::answers;
use vivarium_harness::history::History;
use vivarium_harness::model_server::Script;
use vivarium_harness::postgres::Postgres;
use vivarium_harness::process::{Model, World, alive, wait_until};

use crate::way::{add, add_many, wait_for};

const TASKS: usize = 4;

/// Tasks that were added under one request id, all of them approved.
fn some_work(world: &World, name: &str) -> Vec<String> {
    let instructions: Vec<String> =
        (0..TASKS).map(|number| format!("Describe {name} number {number} of a shore")).collect();
    let tasks = add_many(world, name, &instructions);
    for task in &tasks {
        wait_for(world, task, "approved");
    }
    assert_eq!(add_many(world, name, &instructions), tasks, "a repeat gets the first answer");
    tasks
}

fn sound(world: &World) -> serde_json::Value {
    let report = world.ask(&["audit", "verify"]);
    assert_eq!(report["sound"], true, "{report}");
    report
}

fn settings(server: &Postgres) -> String {
    format!("store = \"postgres\"\nurl = \"{}\"\n", server.connection())
}

/// Rows and ids of all ledgers, as an audit tells them.
fn ends(report: &serde_json::Value) -> Vec<(String, u64)> {
    let ledgers = report["ledgers"].as_array().expect("a list");
    let end = |one: &serde_json::Value| {
        let id = one["ledgerId"].as_str().expect("an id").to_owned();
        (id, one["rows"].as_u64().expect("a count"))
    };
    ledgers.iter().map(end).collect()
}

#[test]
fn a_world_goes_to_a_database_and_back_and_nothing_of_it_is_lost() {
    let (server, model) = (Postgres::start(), Model::start(Script::answering(answers::diligent)));
    let url = server.connection();
    let mut world = World::start_on(&model);
    world.ask(&["pace", "0"]);
    let first = some_work(&world, "stones");
    let running = world.run(&["world", "move", "--to", "postgres", &url]);
    assert_eq!(running.status.code(), Some(1), "a running world does not move");
    world.stop();
    let before = sound(&world);

    let plan = world.ask(&["world", "move", "--to", "postgres", &url, "--dry-run"]);
    assert_eq!(plan["ledgers"].as_array().map(Vec::len), Some(4));
    assert_eq!(
        server.query("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'vivarium%'"),
        "0"
    );
    let moved = world.ask(&["world", "move", "--to", "postgres", &url]);
    assert_eq!(moved["kept"].as_array().map(Vec::len), Some(4), "{moved}");
    assert_eq!(ends(&sound(&world)), ends(&before));
    let again = world.ask(&["world", "move", "--to", "postgres", &url]);
    assert_eq!(again["moved"], false, "{again}");

    world.up();
    let status = world.ask(&["status"]);
    assert!(status["ledgers"].as_str().is_some_and(|told| told.contains("PostgreSQL")), "{status}");
    let instructions: Vec<String> =
        (0..TASKS).map(|number| format!("Describe stones number {number} of a shore")).collect();
    assert_eq!(add_many(&world, "stones", &instructions), first, "answers went along");
    some_work(&world, "shells");
    wait_until("everything is paid", || {
        History::read_server(&server, "vivarium").owed().is_empty()
    });
    let history = History::read_server(&server, "vivarium");
    assert_eq!(history.breaches(), [""; 0]);
    assert_eq!(history.count("queue", "task_approved"), 2 * TASKS);
    world.stop();
    let before = sound(&world);

    world.ask(&["world", "move", "--to", "sqlite"]);
    assert_eq!(ends(&sound(&world)), ends(&before));
    world.up();
    some_work(&world, "weeds");
    wait_until("everything is paid", || History::read(world.root()).owed().is_empty());
    let history = History::read(world.root());
    assert_eq!(history.breaches(), [""; 0]);
    assert_eq!(history.count("queue", "task_approved"), 3 * TASKS);
    sound(&world);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "each try is given its own short time")]
fn a_move_that_is_killed_leaves_the_world_where_it_lay_and_can_be_repeated() {
    let (server, model) = (Postgres::start(), Model::start(Script::answering(answers::diligent)));
    let url = server.connection();
    let mut world = World::start_on(&model);
    world.ask(&["pace", "0"]);
    some_work(&world, "stones");
    for (arguments, lies_in) in [
        (vec!["world", "move", "--to", "postgres", &url], "postgres"),
        (vec!["world", "move", "--to", "sqlite"], "sqlite"),
    ] {
        world.stop();
        let before = ends(&sound(&world));
        let mut broken_off = 0;
        // Each try lives a little longer than the one before, until one has done it.
        for tries in 1_u64.. {
            let mut moving = world.command(&arguments).spawn().expect("vivarium runs");
            let (begun, span) = (Instant::now(), Duration::from_millis(10 * tries * tries));
            wait_until("its time is over", || begun.elapsed() > span || !alive(moving.id()));
            let ended = moving.try_wait().expect("it can be waited for");
            if let Some(status) = ended {
                assert!(status.success(), "{status}");
                break;
            }
            moving.kill().expect("it can be killed");
            moving.wait().expect("it can be waited for");
            broken_off += 1;
            assert_eq!(ends(&sound(&world)), before, "broken off after {span:?}");
        }
        assert!(broken_off > 2, "{broken_off} moves were broken off");
        let text = std::fs::read_to_string(world.root().join("config/ledger.toml"));
        assert!(text.expect("it is there").contains(&format!("store = \"{lies_in}\"")));
        assert_eq!(ends(&sound(&world)), before);
        world.up();
        some_work(&world, lies_in);
    }
}

#[test]
fn a_world_begins_in_a_database_and_another_world_is_kept_out() {
    let (server, model) = (Postgres::start(), Model::start(Script::answering(answers::diligent)));
    let ledger = settings(&server);
    let executor = model.settings("remote");
    let world = World::start_with(&[("ledger", &ledger), ("executor", &executor)]);
    world.ask(&["pace", "0"]);
    let task = add(&world, "Describe the tide of a shore");
    wait_for(&world, &task, "approved");
    sound(&world);
    let other = World::start();
    let refused = other.run(&["world", "move", "--to", "postgres", &server.connection()]);
    assert_eq!(refused.status.code(), Some(1), "it runs");
    let mut other = other;
    other.stop();
    let refused = other.run(&["world", "move", "--to", "postgres", &server.connection()]);
    let told = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{told}");
    assert!(told.contains("STORE_OTHER_WORLD"), "{told}");
    let schema = ["world", "move", "--to", "postgres", &server.connection(), "--schema", "second"];
    other.ask(&schema);
    other.up();
    sound(&other);
}
