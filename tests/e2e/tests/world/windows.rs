//! A server that has a smaller window than its model boasts of, and says so to nobody: Ollama's way.

use vivarium_harness::answers;
use vivarium_harness::model_server::Script;
use vivarium_harness::process::{Model, World};

use crate::way::{add_many, state};

/// The window that Ollama gives a model unless it is told otherwise.
const SILENT_TOKENS: u32 = 4_096;
/// Tasks with instructions of all lengths.
const TASKS: usize = 12;

fn model() -> Model {
    let mut script = Script::answering(answers::diligent);
    script.silent_window_tokens = Some(SILENT_TOKENS);
    Model::start(script)
}

/// Instructions from a line to nearly all that a task may have.
fn tasks() -> Vec<String> {
    let long = "Say what the water does at each bend, and which birds are there. ".repeat(50);
    let length = |number: usize| 40 + number * 3_300 / TASKS;
    let cut = |number: usize| long.chars().take(length(number)).collect::<String>();
    (0..TASKS).map(|number| format!("Describe river number {number}. {}", cut(number))).collect()
}

fn cut(model: &Model) -> usize {
    model.asked().iter().filter(|asked| asked.cut).count()
}

#[test]
fn nothing_is_lost_in_a_window_that_a_server_is_silent_about() {
    let model = model();
    let settings = model.settings("remote");
    let settings = settings.replace("openai_compatible", "ollama");
    let settings = settings.replace("window_tokens = 32768", "needs_consent = false");
    let world = World::start_with(&[("executor", &settings)]);
    world.ask(&["pace", "0"]);
    let tasks = add_many(&world, "rivers", &tasks());
    world.wait_until_at_rest();
    let shown: Vec<String> =
        tasks.iter().map(|task| world.ask(&["show", task]).to_string()).collect();
    let told =
        shown.iter().filter(|shown| shown.to_lowercase().contains("input_too_large")).count();
    let approved = tasks.iter().filter(|task| state(&world, task) == "approved").count();
    assert!(approved > 0 && told > 0, "{approved} are done, of {told} a person is told");
    assert_eq!(
        approved + told,
        TASKS,
        "each is done whole, or a person is told that it does not fit"
    );
    assert!(model.asked().len() >= 2 * approved, "each was drafted and criticised");
    assert_eq!(cut(&model), 0, "the window is found, and nothing longer is sent");
}

#[test]
fn without_the_look_at_its_window_the_same_server_loses_prompts() {
    let model = model();
    let world = World::start_on(&model);
    world.ask(&["pace", "0"]);
    add_many(&world, "rivers", &tasks());
    world.wait_until_at_rest();
    assert!(cut(&model) > 0, "a window that a person sets too large is not noticed by anybody");
}
