//! The terms of a task, from the command line to its worker, its briefing and its review.

use vivarium_chassis::Service;
use vivarium_harness::answers;
use vivarium_harness::model_server::{Asked, Script};
use vivarium_harness::process::{Model, World, wait_until};
use vivarium_proto::identity::v1 as identity;
use vivarium_proto::identity::v1::resident_service_client::ResidentServiceClient;

use crate::way::{add, wait_for};

const REQUEST: &str = "Describe the tides of a small harbour";

fn resident(world: &World, handle: &str) -> identity::Resident {
    let request =
        identity::GetResidentRequest { resident: handle.to_owned(), ..Default::default() };
    let found = world.call(async |peers| {
        ResidentServiceClient::new(peers.to(Service::Society).calls()).get_resident(request).await
    });
    found.expect("it is there").into_inner().resident.expect("it is set")
}

#[test]
fn rule_3_1_a_task_gets_the_specialist_the_hat_and_the_review_that_it_asks_for() {
    let model = Model::start(Script::answering(answers::diligent));
    let world = World::start_on(&model);
    world.ask(&["pace", "0"]);
    let plain = add(&world, "Describe the gulls of a small harbour");
    wait_for(&world, &plain, "approved");

    let terms = ["--specialization", "qa", "--hat", "review", "--review", "strict"];
    let words = [&["add", REQUEST, "--key", "tides", "--level-max", "apply_approved"], &terms[..]];
    world.ask(&words.concat());
    let why = || world.ask(&["why", "tides"])["explanations"][0]["waitReason"].clone();
    wait_until("it waits for who is good at it", || why() == "WAIT_REASON_SPECIALIZATION");
    world.ask(&["specialize", "lin", "testing", "qa", "-m", "found the last three faults"]);
    wait_for(&world, "tides", "awaiting_human");

    let shown = world.ask(&["show", "tides"]);
    let task = &shown["task"];
    assert_eq!(task["awaits"], "approval", "strict means that a person decides: {shown}");
    assert_eq!(task["referenceStatuses"], serde_json::json!(["pending_review"]));
    assert_eq!(shown["submission"]["profile"], "PROFILE_STRICT");
    assert_eq!(shown["submission"]["humanBecause"], serde_json::json!(["required"]));
    let told = String::from_utf8_lossy(&world.run(&["show", "tides"]).stdout).into_owned();
    let asked = format!("asks for   {REQUEST}\n");
    for line in [&asked, "needs      qa\n", "review     strict\n", "level      apply_approved\n"] {
        assert!(told.contains(line), "{line:?} in {told}");
    }
    assert!(told.contains("hat        review"), "{told}");
    let worker = task["attempts"][0]["residentId"].as_str().expect("somebody worked").to_owned();
    let lin = resident(&world, "lin");
    assert_eq!(worker, lin.resident_id, "who works is who has it");
    assert_eq!(lin.specializations, ["qa", "testing"]);
    let asked = model.asked();
    let prompts = || asked.iter().filter(|asked| !answers::asks_for_critique(asked));
    let of = |request: &str| {
        let found = prompts().find(|asked| asked.prompt().contains(request));
        found.expect("it was asked").prompt()
    };
    assert!(of(REQUEST).contains("you wear a hat") && of(REQUEST).contains("Reviewer:"));
    assert!(!of("gulls").contains("you wear a hat"), "nobody wears one without being asked to");

    world.ask(&["approve", "tides"]);
    wait_for(&world, "tides", "approved");
}

#[test]
fn rule_9_1_checks_alone_accept_clean_work_unread_and_ask_a_person_about_the_rest() {
    let model = Model::start(Script::answering(|asked| {
        if answers::task(asked).contains("walls") {
            let body = format!("{}\nTODO: the northern wall.\n", answers::essay("the walls"));
            return answers::document("The walls of a small harbour", &body);
        }
        answers::diligent(asked)
    }));
    let world = World::start_on(&model);
    world.ask(&["pace", "0"]);
    world.ask(&["add", REQUEST, "--key", "tides", "--review", "checks"]);
    let walls = "Describe the walls of a small harbour";
    world.ask(&["add", walls, "--key", "walls", "--review", "checks"]);
    wait_for(&world, "tides", "approved");
    wait_for(&world, "walls", "awaiting_human");

    let shown = world.ask(&["show", "tides"]);
    let verdict = &shown["submission"]["verdict"];
    assert_eq!(verdict["decider"], "DECIDER_CHECKS", "{shown}");
    assert_eq!(verdict["profile"], "PROFILE_CHECKS");
    assert_eq!(verdict["confidencePermille"], 950);
    assert!(verdict["note"].as_str().is_some_and(|note| note.contains("nobody read it")));
    let because = &world.ask(&["show", "walls"])["submission"]["humanBecause"];
    assert_eq!(*because, serde_json::json!(["findings", "confidence"]));
    world.ask(&["approve", "walls"]);
    wait_for(&world, "walls", "approved");
    let read = model.asked().iter().any(answers::asks_for_critique);
    assert!(!read, "no critic was asked");
}

/// A large model beside the scripted one.
const PRICES: &str = "[[model]]\nname = \"grand\"\nprovider = \"scripted\"\naliases = []\ntier = \"large\"\n\
    input_micro_usd = 2_000_000\noutput_micro_usd = 3_000_000\ncompletion_tokens_max = 8_192\n\
    window_tokens = 32_768\n";

#[test]
fn a_hard_task_goes_to_a_small_model_where_a_large_one_is_beyond_its_budget() {
    let model = Model::start(Script::answering(answers::diligent));
    let mut world = World::prepared_with(&[("executor", &model.settings("remote"))]);
    let rules = world.root().join("rules");
    std::fs::create_dir_all(&rules).expect("a folder can be made");
    std::fs::write(rules.join("prices.toml"), PRICES).expect("it is written");
    world.up();
    world.ask(&["pace", "0"]);
    let worked = |subject: &str| {
        let of_it = |asked: &&Asked| {
            !answers::asks_for_critique(asked) && answers::task(asked).contains(subject)
        };
        model.asked().iter().find(of_it).map(|asked| asked.model.clone())
    };
    for (key, budget, wanted) in [("rich", "1000000", "grand"), ("poor", "3000", "scripted")] {
        let hard = format!("Analyse, compare, design, evaluate and optimise the {key} harbour");
        world.ask(&["add", "--key", key, "--budget-max", budget, &hard]);
        wait_for(&world, key, "approved");
        assert_eq!(worked(key).as_deref(), Some(wanted), "{key}");
    }
    // A model that the task names is called or nothing is.
    let hard = "Analyse, compare, design, evaluate and optimise the named harbour";
    world.ask(&["add", "--key", "named", "--budget-max", "3000", "--model", "grand", hard]);
    wait_for(&world, "named", "awaiting_human");
    assert_eq!(worked("named"), None);
}
