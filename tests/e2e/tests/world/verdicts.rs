//! The reviewer reads the work: what is bad goes back with the reason, and no further than the limit.

use vivarium_harness::answers;
use vivarium_harness::model_server::{Asked, Reply, Script};
use vivarium_harness::process::{Model, World, wait_until};

use crate::way::{add, state, wait_for};

const REQUEST: &str = "Describe the tides of a small harbour";

/// The words before what was wrong with earlier attempts.
const FEEDBACK: &str = "Earlier attempts were not accepted.";

/// A kind of bad work.
struct Bad {
    /// The check that is there to find it.
    check: &'static str,
    body: fn() -> String,
}

const EMPTY: Bad = Bad { check: "result_present", body: || "   \n\n".to_owned() };
const PLAN: Bad = Bad {
    check: "planning_only",
    body: || {
        "# The tides of a small harbour\n\nI will first describe the tides, then I will describe the \
         harbour. My plan is to gather what is known about tides, to sort it, and to write it down \
         afterwards.\n\nNext steps: collect sources, outline the sections, write the draft.\n"
            .to_owned()
    },
};
const BROKEN_LINK: Bad = Bad {
    check: "links_resolve",
    body: || format!("{}\nSee [the table](tables/high-water.md).\n", answers::essay(REQUEST)),
};
const UNRELATED: Bad = Bad {
    check: "off_topic",
    body: || {
        "# Bread\n\nKnead flour, water, yeast and salt for ten minutes until the dough is smooth. \
         Leave it to rise in a warm kitchen under a cloth.\n\n## Baking\n\nHeat the oven well. Shape \
         loaves, slash them with a razor and bake until the crust sounds hollow when knocked.\n"
            .to_owned()
    },
};

/// Bad work first, and good work once the feedback has arrived.
fn learns(asked: &Asked, bad: &Bad) -> Reply {
    if answers::asks_for_critique(asked) || asked.prompt().contains(FEEDBACK) {
        return answers::diligent(asked);
    }
    answers::document(REQUEST, &(bad.body)())
}

/// Where a task stands after its first attempt, without the checks named.
fn first_verdict(bad: &'static Bad, left_out: &str) -> (World, Model, String) {
    let model = Model::start(Script::answering(|asked| learns(asked, bad)));
    let settings = format!("checks_left_out = [{left_out}]\n");
    let world =
        World::start_with(&[("executor", &model.settings("remote")), ("review", &settings)]);
    world.ask(&["pace", "0"]);
    let task = add(&world, REQUEST);
    wait_for(&world, &task, "approved");
    (world, model, task)
}

/// The bad work goes back, and the next attempt is told why; without the check it is approved.
fn is_caught(bad: &'static Bad, also_by: &[&str]) {
    let (world, model, task) = first_verdict(bad, "");
    let shown = world.ask(&["show", &task]);
    assert_eq!(shown["task"]["rejectionCount"], 1, "{}: {shown}", bad.check);
    let told = shown["task"]["feedback"][0].as_str().expect("a reason is kept").to_owned();
    let second =
        model.asked().into_iter().filter(|asked| !answers::asks_for_critique(asked)).nth(1);
    let prompt = second.expect("there was a second attempt").prompt();
    assert!(prompt.contains(&told), "the briefing holds {told:?}: {prompt}");

    let names: Vec<String> =
        [&[bad.check], also_by].concat().iter().map(|name| format!("\"{name}\"")).collect();
    let (world, _model, task) = first_verdict(bad, &names.join(", "));
    let shown = world.ask(&["show", &task]);
    let rejected = shown["task"]["rejectionCount"].as_u64().unwrap_or_default();
    assert_eq!(rejected, 0, "without {} it is approved: {shown}", bad.check);
}

#[test]
fn an_empty_document_is_sent_back() {
    is_caught(&EMPTY, &["off_topic", "planning_only", "path_type_size", "too_short"]);
}

#[test]
fn a_plan_instead_of_a_document_is_sent_back() {
    is_caught(&PLAN, &[]);
}

#[test]
fn a_document_with_a_broken_link_is_sent_back() {
    is_caught(&BROKEN_LINK, &["files_named_exist"]);
}

#[test]
fn a_text_about_something_else_is_sent_back() {
    is_caught(&UNRELATED, &[]);
}

#[test]
fn work_that_stays_bad_fails_after_the_limit() {
    let model = Model::start(Script::answering(|asked| {
        if answers::asks_for_critique(asked) {
            return answers::critique(4);
        }
        let body = format!("{}\nTry number {}.\n", (UNRELATED.body)(), asked.number);
        answers::document(REQUEST, &body)
    }));
    let world = World::start_on(&model);
    world.ask(&["pace", "0"]);
    let task = add(&world, REQUEST);
    wait_until("the task is over", || state(&world, &task) == "failed");
    let shown = world.ask(&["show", &task]);
    let message = shown["task"]["failureMessage"].as_str().expect("a failed task says why");
    assert!(message.contains("3 times"), "{message}");
    assert_eq!(shown["task"]["attempts"].as_array().map(Vec::len), Some(3), "{shown}");
}

#[test]
fn a_person_sends_work_back_with_a_reason() {
    let model = Model::start(Script::answering(answers::diligent));
    let world = World::start_advised_by(&model);
    world.ask(&["pace", "0"]);
    let task = add(&world, REQUEST);
    wait_for(&world, &task, "awaiting_human");
    world.ask(&["reject", &task, "-m", "name the springtide"]);
    model
        .wait_until(|asked| asked.iter().any(|each| each.prompt().contains("name the springtide")));
}
