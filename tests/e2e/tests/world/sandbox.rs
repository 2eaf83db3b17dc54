//! Programs of local tasks: off below their level, in the sandbox at it, stopped with everything
//! else.

use serde_json::Value;
use vivarium_harness::answers;
use vivarium_harness::history::History;
use vivarium_harness::model_server::Script;
use vivarium_harness::process::{Model, World, wait_until};

use crate::way::wait_for;

/// A task that runs a program, at the level that its world and itself allow.
fn add(world: &World, key: &str, words: &[&str]) -> Value {
    let mut arguments = vec!["add", "--key", key, "--level-max", "run_sandboxed", "--local"];
    arguments.extend(words);
    world.ask(&arguments)
}

fn file(world: &World, name: &str, text: &str) {
    let place = world.root().join("library").join(name);
    std::fs::create_dir_all(place.parent().expect("it has one")).expect("it is made");
    std::fs::write(place, text).expect("it writes");
}

fn answer(world: &World, key: &str) -> String {
    let shown = world.ask(&["show", key]);
    shown.to_string()
}

#[test]
fn a_program_runs_in_the_sandbox_at_its_level_and_not_below() {
    let model = Model::start(Script::answering(answers::diligent));
    let world = World::start_on(&model);
    world.ask(&["pace", "0"]);
    file(&world, "swarm_docs/tides.md", "one\ntwo\nthree\n");
    let report = world.ask(&["sandbox"]);
    assert_eq!(report["complete"], true, "{report}");
    add(&world, "below", &["wc", "-l", "swarm_docs/tides.md"]);
    wait_for(&world, "below", "failed");
    assert!(answer(&world, "below").contains("ACTION_MODE_FORBIDS"));
    assert_eq!(History::read(world.root()).count("executor", "command_started"), 0);
    let unnamed = world.run(&["mode", "run_sandboxed"]);
    assert!(!unnamed.status.success(), "raising wants the name");
    world.ask(&["mode", "run_sandboxed", "--confirm", "run_sandboxed"]);
    add(&world, "counted", &["wc", "-l", "swarm_docs/tides.md"]);
    wait_until("the answer is there", || {
        answer(&world, "counted").contains("3 /library/swarm_docs/tides.md")
    });
    for (key, words, why) in [
        ("outside", ["wc", "-l", "../mutable/keys/world.id"], "COMMAND_ARGUMENT_REFUSED"),
        (
            "flag",
            ["sort", "--compress-program=sh", "swarm_docs/tides.md"],
            "COMMAND_ARGUMENT_REFUSED",
        ),
        ("shell", ["bash", "-c", "id"], "COMMAND_NOT_LISTED"),
    ] {
        add(&world, key, &words);
        wait_for(&world, key, "failed");
        assert!(answer(&world, key).contains(why), "{key}: {}", answer(&world, key));
    }
    let history = History::read(world.root());
    assert_eq!(history.count("executor", "command_started"), 1, "what is refused is never begun");
    assert_eq!(history.count("executor", "command_ended"), 1);
}

#[test]
fn the_table_tells_what_a_call_would_come_to_and_runs_nothing() {
    let model = Model::start(Script::answering(answers::diligent));
    let world = World::start_on(&model);
    file(&world, "notes.md", "one\n");
    let allowed = world.ask(&["sandbox", "try", "head", "--", "-n", "5", "notes.md"]);
    assert_eq!(allowed["allowed"], true, "{allowed}");
    assert_eq!(
        allowed["argv"],
        serde_json::json!(["head", "--lines=5", "--", "/library/notes.md"])
    );
    let refused = world.ask(&["sandbox", "try", "head", "--", "-n", "5", "/etc/passwd"]);
    assert_eq!((&refused["rule"], &refused["argument"]), (&"path".into(), &2.into()), "{refused}");
    let programs = world.ask(&["sandbox", "programs"]);
    assert!(programs["programs"].as_array().is_some_and(|all| all.len() > 10), "{programs}");
    assert_eq!(History::read(world.root()).count("executor", "command_started"), 0);
}
