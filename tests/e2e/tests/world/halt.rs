//! A halt stops everything, whoever is dead, and a resume loses nothing.

use std::time::Duration;

use vivarium_harness::answers;
use vivarium_harness::halting::{ALIVE_MAX, STARTS_MAX, Stand, Way};
use vivarium_harness::history::History;
use vivarium_harness::model_server::{Asked, Call, Reply, Script};
use vivarium_harness::process::{Model, World, signal, wait_until};

use crate::way::{add_many, wait_for};

/// Residents at work when the halt comes; as many critiques run beside them.
const BUSY: usize = 5;

/// Quick work on lakes; whatever is said about it, and all other work, would take minutes.
fn slow_but_for_lakes(asked: &Asked) -> Reply {
    if !answers::asks_for_critique(asked) && answers::task(asked).contains("lake") {
        return answers::diligent(asked);
    }
    answers::slow(asked, Duration::from_millis(500))
}

/// A world with ten model calls under way: five of residents, five of critics.
fn busy() -> (Model, World, Vec<String>) {
    let model = Model::start(Script::answering(slow_but_for_lakes));
    let settings = format!("slots = {}\n{}", 2 * BUSY, model.settings("remote"));
    let world = World::start_with(&[("executor", &settings)]);
    world.ask(&["pace", "0"]);
    let describe = |what: &str| -> Vec<String> {
        (0..BUSY).map(|number| format!("Describe {what} number {number} in spring")).collect()
    };
    let mut tasks = add_many(&world, "lakes", &describe("lake"));
    model.wait_until(|asked| live(asked) == BUSY);
    tasks.extend(add_many(&world, "rivers", &describe("river")));
    model.wait_until(|asked| live(asked) == 2 * BUSY);
    (model, world, tasks)
}

fn live(asked: &[Asked]) -> usize {
    asked.iter().filter(|each| each.state == Call::Live).count()
}

/// Halts; nothing starts and nothing lives on, and after the resume each task ends once.
#[expect(clippy::print_stdout, reason = "the figures of a halt are part of its promise")]
fn halts_and_resumes(model: &Model, world: &World, tasks: &[String], undo: impl FnOnce()) {
    let halted = model.elapsed();
    world.ask(&["halt", "-m", "enough"]);
    model.wait_until(|asked| live(asked) == 0);
    let quiet = model.elapsed().saturating_sub(halted);
    undo();
    wait_until("the halt is on the record and obeyed", || {
        let history = History::read(world.root());
        history.count("queue", "halt_set") == 1 && history.count("executor", "halt_obeyed") >= 1
    });
    model.set_script(Script::answering(answers::diligent));
    let resumed = model.elapsed();
    world.ask(&["resume", "-m", "go on"]);
    for task in tasks {
        wait_for(world, task, "approved");
    }
    let breaches = History::read(world.root()).breaches();
    assert_eq!(breaches, [""; 0]);
    let late = |asked: &Asked| asked.at > halted + STARTS_MAX && asked.at < resumed;
    let late = model.asked().iter().filter(|asked| late(asked)).count();
    assert_eq!(late, 0, "calls started in the halt");
    println!(
        "all {} calls were cut {} ms after the halt was asked for",
        2 * BUSY,
        quiet.as_millis()
    );
    assert!(quiet < ALIVE_MAX, "a call lived for {quiet:?}");
}

#[test]
fn line_29_a_halt_cuts_every_call_and_a_resume_ends_each_task_once() {
    let (model, world, tasks) = busy();
    halts_and_resumes(&model, &world, &tasks, || ());
}

#[test]
fn line_30_a_halt_works_while_the_gateway_is_dead() {
    let (model, world, tasks) = busy();
    let gateway = world.pid("gateway").expect("it runs");
    // Stopped and not killed, so that the supervisor does not start another one at once.
    signal(gateway, "STOP");
    halts_and_resumes(&model, &world, &tasks, || signal(gateway, "KILL"));
}

#[test]
fn line_30_a_halt_works_while_the_queue_is_dead() {
    let (model, world, tasks) = busy();
    let queue = world.pid("queue").expect("it runs");
    signal(queue, "STOP");
    halts_and_resumes(&model, &world, &tasks, || signal(queue, "KILL"));
}

#[test]
fn a_receipt_that_was_changed_and_one_of_another_world_are_refused() {
    let model = Model::start(Script::answering(answers::diligent));
    let world = World::start_on(&model);
    let refused = world.run(&["receipt"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("QUEUE_NOT_HALTED"), "{said}");
    world.ask(&["halt", "-m", "enough"]);
    world.ask(&["resume", "-m", "go on"]);
    let file = world.root().join("halt.json");
    let path = file.to_str().expect("it is text");
    let saved = world.ask(&["receipt", "--save", path]);
    assert_eq!(saved["verified"], true, "{saved}");
    assert!(saved["receipt"]["resumeTime"].is_string(), "{saved}");
    assert_eq!(world.ask(&["receipt", "--check", path])["receipt"], saved["receipt"]);
    let other = World::start_on(&model);
    assert!(!other.run(&["receipt", "--check", path]).status.success(), "another world's");
    let whole = std::fs::read_to_string(&file).expect("it is there");
    let changed = whole.replace("enough", "enouGh");
    assert_ne!(changed, whole);
    std::fs::write(&file, changed).expect("it writes");
    let refused = world.run(&["receipt", "--check", path]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("signed"), "{said}");
}

/// Trials of each way; `cargo xtask long halts` makes many more.
const TRIALS: u64 = 2;

#[test]
fn line_36_nothing_of_calls_and_stubborn_children_outlives_a_halt_and_its_receipt_tells_it() {
    halt_again_and_again(Stand::start(8, 4), &Way::ALL);
}

#[test]
fn line_36_nothing_outlives_a_halt_on_a_full_disk_and_it_stays_in_force() {
    match Stand::on_small_disk(4, 2) {
        Some(stand) => halt_again_and_again(stand, &[Way::DiskFull, Way::Whole]),
        None => println!("nobody may mount a disk here"),
    }
}

#[expect(clippy::print_stdout, reason = "the figures of a halt are part of its promise")]
fn halt_again_and_again(stand: Stand, ways: &[Way]) {
    for number in 0..TRIALS {
        for way in ways.iter().copied() {
            let pause = Duration::from_millis(37 * number);
            let trial = stand.halt(way, pause);
            println!(
                "{}: {} calls gone after {} ms, {} programs after {} ms",
                way.word(),
                trial.running.0,
                trial.calls_gone.as_millis(),
                trial.running.1,
                trial.processes_gone.as_millis()
            );
            assert_eq!((trial.late, trial.receipt.as_str()), (0, ""), "{trial:?}");
            assert!(trial.calls_gone.max(trial.processes_gone) < ALIVE_MAX, "{trial:?}");
        }
    }
    assert_eq!(stand.end(), [""; 0]);
}

#[test]
fn whatever_obeys_a_halt_is_missed_when_it_is_away() {
    for guard in ["HaltEnds", "HaltFile"] {
        let stand = Stand::without(guard, 2, 1);
        stand.wait_until_busy();
        // With the queue hanging nothing else ends what runs.
        let (trial, _) = stand.watch(Way::NoQueue, Duration::ZERO);
        let gone = trial.calls_gone.max(trial.processes_gone);
        assert!(gone >= ALIVE_MAX, "without {guard} all is gone after {gone:?}");
    }
}
