//! The record: it verifies, and a changed byte is found.

use vivarium_harness::process::World;

#[test]
fn the_record_of_a_fresh_world_is_sound() {
    let world = World::start();
    let report = world.ask(&["audit", "verify"]);
    assert_eq!(report["sound"], true, "{report}");
}

#[test]
fn every_reason_can_be_explained() {
    let world = World::start();
    let reasons = world.ask(&["explain"]);
    for reason in reasons.as_array().expect("a list") {
        let told = world.ask(&["explain", reason.as_str().expect("a word")]);
        assert!(told["page"].is_string(), "{reason} has no page");
    }
    assert_eq!(world.run(&["explain", "NO_SUCH_THING"]).status.code(), Some(1));
}

#[test]
fn the_doctor_finds_every_service_of_a_running_world() {
    let world = World::start();
    let report = world.ask(&["doctor"]);
    let lines = report.as_array().expect("a list");
    let services = lines.iter().filter(|line| {
        line["what"].as_str().is_some_and(|what| what.starts_with("service "))
            && line["sound"] == true
    });
    assert_eq!(services.count(), 5, "{report}");
}
