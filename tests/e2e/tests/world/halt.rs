//! A halt stops everything, whoever is dead, and a resume loses nothing.

use std::time::Duration;

use vivarium_harness::answers;
use vivarium_harness::history::History;
use vivarium_harness::model_server::{Asked, Call, Script};
use vivarium_harness::process::{Model, World, signal, wait_until};

use crate::way::{add_many, wait_for};

/// Calls that are under way when the halt comes.
const BUSY: usize = 5;

/// A world whose residents are all in a model call that would take minutes.
fn busy() -> (Model, World, Vec<String>) {
    let pause = Duration::from_millis(500);
    let model = Model::start(Script::answering(move |asked: &Asked| answers::slow(asked, pause)));
    let settings = format!("slots = {BUSY}\n{}", model.settings("remote"));
    let world = World::start_with(&[("executor", &settings)]);
    world.ask(&["pace", "0"]);
    let instructions: Vec<String> =
        (0..BUSY + 2).map(|number| format!("Describe lake number {number} in spring")).collect();
    let tasks = add_many(&world, "busy", &instructions);
    model.wait_until(|asked| live(asked) == BUSY);
    (model, world, tasks)
}

fn live(asked: &[Asked]) -> usize {
    asked.iter().filter(|each| each.state == Call::Live).count()
}

/// Nothing goes on, and after the resume each task ends once.
fn stays_stopped_and_resumes(model: &Model, world: &World, tasks: &[String]) {
    model.wait_until(|asked| live(asked) == 0);
    let asked = model.asked().len();
    model.set_script(Script::answering(answers::diligent));
    wait_until("the halt is on the record", || {
        History::read(world.root()).count("queue", "halt_set") == 1
    });
    // The halt is confirmed by the runner: from then on nothing may start.
    wait_until("the executor has stopped", || {
        History::read(world.root()).count("queue", "halt_acknowledged") >= 1
    });
    assert_eq!(model.asked().len(), asked, "a call started in the halt");
    world.ask(&["resume", "-m", "go on"]);
    for task in tasks {
        wait_for(world, task, "approved");
    }
    let breaches = History::read(world.root()).breaches();
    assert_eq!(breaches, [""; 0]);
}

#[test]
fn a_halt_cuts_every_call_and_a_resume_ends_each_task_once() {
    let (model, world, tasks) = busy();
    world.ask(&["halt", "-m", "enough"]);
    stays_stopped_and_resumes(&model, &world, &tasks);
}

#[test]
fn a_halt_works_while_the_gateway_is_dead() {
    let (model, world, tasks) = busy();
    signal(world.pid("gateway").expect("it runs"), "STOP");
    world.ask(&["halt", "-m", "enough"]);
    signal(world.pid("gateway").expect("it runs"), "CONT");
    stays_stopped_and_resumes(&model, &world, &tasks);
}

#[test]
fn a_halt_works_while_the_queue_is_dead() {
    let (model, world, tasks) = busy();
    // Stopped and not killed, so that the supervisor does not start another one at once.
    let queue = world.pid("queue").expect("it runs");
    signal(queue, "STOP");
    world.ask(&["halt", "-m", "enough"]);
    model.wait_until(|asked| live(asked) == 0);
    signal(queue, "KILL");
    stays_stopped_and_resumes(&model, &world, &tasks);
}
