//! Programs that residents ask for: at the lowest of three levels, after others' texts only with a
//! person's word on exactly that program, and no more from the moment on at which a level falls.

use std::time::Duration;

use serde_json::{Value, json};
use vivarium_chassis::Service;
use vivarium_harness::answers::{self, going_on, steps};
use vivarium_harness::history::History;
use vivarium_harness::model_server::{Asked, Reply, Script};
use vivarium_harness::people;
use vivarium_harness::process::{Model, World, wait_until};
use vivarium_proto::queue::v1 as queue;
use vivarium_proto::queue::v1::task_service_client::TaskServiceClient;

use crate::way::{state, wait_for};

/// The one resident.
const WHO: &str = "r0";
const PAGE: &str = "swarm_docs/tides.md";

fn count(flag: &str) -> Reply {
    going_on(&json!({"id": "c", "do": "run_command", "program": "wc", "args": [flag, PAGE]}))
}

/// What the cycle was told last goes into its document.
fn document(asked: &Asked) -> Reply {
    let told = asked.messages.last().map(|(_, text)| text.clone()).unwrap_or_default();
    let title = answers::task(asked);
    answers::document(&title, &format!("{}\n```\n{told}\n```\n", answers::essay(&title)))
}

/// Counts the lines of a page, and writes down what came of it.
fn counts(asked: &Asked) -> Reply {
    match (answers::asks_for_critique(asked), steps(asked)) {
        (true, _) => answers::critique(4),
        (false, 0) => count("-l"),
        (false, _) => document(asked),
    }
}

/// Reads the page first.
fn reads_and_counts(asked: &Asked) -> Reply {
    match (answers::asks_for_critique(asked), steps(asked)) {
        (true, _) => answers::critique(4),
        (false, 0) => going_on(&json!({"id": "r", "do": "read", "path": PAGE})),
        (false, 1) => count("-l"),
        (false, _) => document(asked),
    }
}

/// Remembers what it has read, and in the next cycle counts because it recalls it.
fn recalls_and_counts(asked: &Asked) -> Reply {
    let remembers = answers::task(asked).contains("Remember");
    match (answers::asks_for_critique(asked), remembers, steps(asked)) {
        (true, ..) => answers::critique(4),
        (false, true, 0) => going_on(&json!({"id": "r", "do": "read", "path": PAGE})),
        (false, true, 1) => {
            going_on(&json!({"id": "m", "do": "remember", "text": "pages want to be counted"}))
        }
        (false, false, 0) => going_on(&json!({"id": "r", "do": "recall", "query": "pages"})),
        (false, false, 1) => count("-l"),
        (false, ..) => document(asked),
    }
}

/// A world of one resident, with the page, in which programs may run.
fn world(model: &Model, guard: &'static str) -> World {
    world_of("remote", model, guard)
}

/// The same with a model of this class. In the briefing of an embedded one stands nothing of others.
fn world_of(class: &str, model: &Model, guard: &'static str) -> World {
    let world = World::prepared_with(&[("executor", &model.settings(class))]);
    let write = |place: &str, text: &str| {
        let file = world.root().join(place);
        std::fs::create_dir_all(file.parent().expect("it has one")).expect("it is made");
        std::fs::write(file, text).expect("it is written");
    };
    write("seed/residents.toml", &people::residents(1));
    write(&format!("library/{PAGE}"), "one\ntwo\nthree\n");
    let mut world = world.without(guard);
    world.up();
    world.ask(&["pace", "0"]);
    world.ask(&["mode", "run_sandboxed", "--confirm", "run_sandboxed"]);
    world
}

fn consent(world: &World, more: &[&str]) {
    let words = ["level", WHO, "run_sandboxed", "--confirm", "run_sandboxed"];
    world.ask(&[&words[..], more].concat());
}

fn add(world: &World, key: &str, level: &str) {
    world.ask(&["add", "--key", key, "--level-max", level, "Tell how long the page is"]);
}

fn begun(world: &World) -> usize {
    History::read(world.root()).count("executor", "command_started")
}

fn receipts(world: &World) -> String {
    let history = History::read(world.root());
    let performed = history.of("executor").iter().filter(|row| row.kind == "action_performed");
    performed.map(|row| row.event.to_string()).collect()
}

#[test]
fn a_resident_runs_a_program_at_the_lowest_of_three_levels() {
    let model = Model::start(Script::answering(counts));
    let world = world(&model, "");
    add(&world, "unconsented", "run_sandboxed");
    wait_for(&world, "unconsented", "approved");
    let unnamed = world.run(&["level", WHO, "run_sandboxed"]);
    assert!(!unnamed.status.success(), "raising wants the name");
    consent(&world, &["--days", "1", "--after-texts"]);
    add(&world, "plain", "docs_only");
    wait_for(&world, "plain", "approved");
    assert_eq!(begun(&world), 0);
    let asked = model.asked();
    let offered = asked.iter().filter(|asked| asked.prompt().contains("- run_command:")).count();
    assert_eq!(offered, 0, "what is not allowed is not offered");
    assert_eq!(receipts(&world).matches("ACTION_MODE_FORBIDS").count(), 2);
    add(&world, "counted", "run_sandboxed");
    wait_for(&world, "counted", "approved");
    assert_eq!(begun(&world), 1);
    let told = model.asked().iter().any(|asked| asked.prompt().contains("3 /library/"));
    assert!(told, "it was given what the program wrote");
    let levels = world.ask(&["level"]);
    assert_eq!(levels["levels"][0]["level"], "MODE_RUN_SANDBOXED", "{levels}");
    world.ask(&["level", WHO, "docs_only"]);
    add(&world, "taken-back", "run_sandboxed");
    wait_for(&world, "taken-back", "approved");
    assert_eq!(begun(&world), 1);
}

#[test]
fn after_others_texts_a_program_waits_for_a_person_who_has_read_it() {
    let model = Model::start(Script::answering(reads_and_counts));
    let world = world(&model, "");
    consent(&world, &[]);
    add(&world, "count", "run_sandboxed");
    wait_for(&world, "count", "awaiting_human");
    let shown = world.ask(&["show", "count"]);
    let held = shown["task"]["heldProgram"].as_str().expect("it is told").to_owned();
    let words: Value = serde_json::from_str(&held).expect("it is JSON");
    assert_eq!(words["args"], json!(["-l", PAGE]));
    let stale = world.call(async |peers| {
        let request = queue::DecideProgramRequest {
            request_id: "stale".to_owned(),
            task: "count".to_owned(),
            hash: vec![7; 32],
            allowed: true,
            ..Default::default()
        };
        TaskServiceClient::new(peers.to(Service::Queue).calls()).decide_program(request).await
    });
    assert!(stale.is_err(), "another program than the one it is held for");
    assert_eq!(state(&world, "count"), "awaiting_human");
    world.ask(&["refuse", "count", "-m", "count by hand"]);
    // It asks again, and again nothing runs.
    wait_until("it is held again", || {
        let history = History::read(world.root());
        history.count("queue", "attempt_blocked") == 2 && state(&world, "count") == "awaiting_human"
    });
    let told =
        "refused to run wc -l swarm_docs/tides.md (in library). Do it without: count by hand";
    let refused = model.asked().iter().any(|asked| asked.prompt().contains(told));
    assert!(refused, "it was told what and why");
    assert_eq!(begun(&world), 0);
    let other = world.run(&["allow", "count", "00000000"]);
    assert!(String::from_utf8_lossy(&other.stderr).contains("APPROVAL_STALE"), "{other:?}");
    let told = world.run(&["show", "count"]).stdout;
    let told = String::from_utf8_lossy(&told).into_owned();
    let digest = told.lines().find_map(|line| line.trim().strip_prefix("digest "));
    let digest = digest.expect("it is told").get(..8).expect("it is long").to_owned();
    world.ask(&["allow", "count", &digest]);
    wait_for(&world, "count", "approved");
    assert_eq!(begun(&world), 1);
    let decided = world.run(&["allow", "count"]);
    assert!(!decided.status.success(), "there is nothing to allow any more");
    // What was allowed was that program for that task.
    add(&world, "other", "run_sandboxed");
    wait_for(&world, "other", "awaiting_human");
    assert_eq!(begun(&world), 1);
    world.ask(&["cancel", "other"]);
    let unnamed = world.run(&["level", WHO, "run_sandboxed", "--after-texts"]);
    assert!(!unnamed.status.success(), "the fence goes down by the level's name alone");
    consent(&world, &["--after-texts"]);
    add(&world, "trusted", "run_sandboxed");
    wait_for(&world, "trusted", "approved");
    assert_eq!(begun(&world), 2);
    assert_eq!(History::read(world.root()).breaches(), [""; 0]);
    let replayed = world.run(&["--json", "replay"]);
    assert!(replayed.status.success(), "{}", String::from_utf8_lossy(&replayed.stdout));
}

/// Waits until a task is held for a program, and nothing has run.
fn held(world: &World, task: &str) {
    wait_until("it is held for the program", || {
        world.ask(&["show", task])["task"]["heldProgram"].is_string()
    });
    assert_eq!(begun(world), 0);
}

#[test]
fn what_is_recalled_taints_as_well() {
    let model = Model::start(Script::answering(recalls_and_counts));
    let world = world_of("embedded", &model, "");
    consent(&world, &[]);
    world.ask(&["add", "--key", "note", "Remember what the page says"]);
    wait_for(&world, "note", "awaiting_human");
    add(&world, "count", "run_sandboxed");
    held(&world, "count");
}

#[test]
fn feedback_taints_as_well() {
    let model = Model::start(Script::answering(|asked| {
        let told = asked.prompt().contains("count the lines of the page");
        match (answers::asks_for_critique(asked), told, steps(asked)) {
            (true, ..) => answers::critique(4),
            (false, true, 0) => count("-l"),
            (false, ..) => document(asked),
        }
    }));
    let world = world_of("embedded", &model, "");
    consent(&world, &[]);
    add(&world, "count", "run_sandboxed");
    wait_for(&world, "count", "awaiting_human");
    world.ask(&["reject", "count", "-m", "count the lines of the page"]);
    held(&world, "count");
}

#[test]
fn a_level_that_falls_binds_the_cycle_that_runs() {
    let model = Model::start(Script::answering(|asked| match steps(asked) {
        _ if answers::asks_for_critique(asked) => answers::critique(4),
        0 => count("-l"),
        1 => count("-w").slowly(Duration::from_millis(200)),
        _ => document(asked),
    }));
    let world = world(&model, "");
    consent(&world, &["--after-texts"]);
    add(&world, "falls", "run_sandboxed");
    model.wait_until(|asked| asked.iter().any(|asked| steps(asked) == 1));
    world.ask(&["level", WHO, "docs_only"]);
    // It rises with the next cycle.
    consent(&world, &["--after-texts"]);
    wait_for(&world, "falls", "approved");
    assert_eq!(begun(&world), 1, "what was asked for behind the fall");
    assert!(receipts(&world).contains("ACTION_MODE_FORBIDS"));
}

#[test]
fn what_keeps_programs_back_is_missed_when_it_is_away() {
    let model = Model::start(Script::answering(reads_and_counts));
    let without_level = world(&model, "Level");
    consent(&without_level, &["--after-texts"]);
    add(&without_level, "count", "docs_only");
    wait_for(&without_level, "count", "approved");
    assert_eq!(begun(&without_level), 1, "no level was asked for");
    let without_taint = world(&model, "Taint");
    consent(&without_taint, &[]);
    add(&without_taint, "count", "run_sandboxed");
    wait_for(&without_taint, "count", "approved");
    assert_eq!(begun(&without_taint), 1, "nobody was asked");
}
