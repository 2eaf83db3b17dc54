//! The ledger under SIGKILL, at the gate's size; `cargo xtask long ledger-kills` is the large one.

use std::process::{Command, Output};

const CYCLES: u64 = 20;

fn kills(options: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_long-ledger-kills"))
        .args(["--cycles", &CYCLES.to_string(), "--folder", env!("CARGO_TARGET_TMPDIR")])
        .args(options)
        .env_remove("VIVARIUM_RESULTS")
        .output()
        .expect("the program starts")
}

/// The figure that stands behind `name`.
fn figure(output: &Output, name: &str) -> u64 {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let figure = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    assert!(figure.is_some(), "no figure {name:?} in:\n{text}");
    figure.expect("it was just seen")
}

#[test]
fn killed_writers_lose_and_double_nothing_that_was_acknowledged() {
    let output = kills(&[]);
    all_is_well(&output);
    assert!(figure(&output, "of those on disk at the kill ") > 0, "kills hit commits too");
}

#[test]
fn killed_writers_on_a_server_lose_and_double_nothing_that_was_acknowledged() {
    all_is_well(&kills(&["--postgres"]));
}

fn all_is_well(output: &Output) {
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    assert_eq!(figure(output, "kills "), CYCLES, "{text}");
    let in_flight = figure(output, "kills with calls in flight ");
    assert!(in_flight * 100 >= CYCLES * 80, "too few kills in flight: {text}");
    assert!(figure(output, "acknowledged ") > 0, "{text}");
    // On a server a kill may find every call either answered or not begun.
    let on_disk = figure(output, "of those on disk at the kill ");
    let again = figure(output, "answers given again by a later life ");
    assert!(again > 0 || on_disk == 0, "{text}");
    for fault in ["lost ", "in another place than acknowledged ", "doubled ", "nobody asked for "] {
        assert_eq!(figure(output, fault), 0, "{text}");
    }
    assert_eq!(figure(output, "breaks of the chain "), 0, "{text}");
}

#[test]
fn a_writer_that_acknowledges_before_the_commit_is_found_out() {
    for options in [&["--forget"][..], &["--forget", "--postgres"]] {
        let output = kills(options);
        assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(figure(&output, "lost ") > 0);
    }
}

/// The exit code of the power cuts where nobody may mount an image.
const NOT_HERE: i32 = 3;

fn power_cuts(options: &[&str]) -> Option<Output> {
    let output = Command::new(env!("CARGO_BIN_EXE_long-power-cuts"))
        .args(["--cycles", &CYCLES.to_string(), "--folder", env!("CARGO_TARGET_TMPDIR")])
        .args(options)
        .env_remove("VIVARIUM_RESULTS")
        .output()
        .expect("the program starts");
    (output.status.code() != Some(NOT_HERE)).then_some(output)
}

#[test]
fn power_cuts_lose_and_double_nothing_that_was_acknowledged() {
    let Some(output) = power_cuts(&[]) else { return };
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    assert_eq!(figure(&output, "power cuts "), CYCLES, "{text}");
    assert!(figure(&output, "acknowledged ") > 0, "{text}");
    for fault in ["lost ", "in another place than acknowledged ", "doubled ", "nobody asked for "] {
        assert_eq!(figure(&output, fault), 0, "{text}");
    }
}

#[test]
fn a_writer_that_does_not_sync_is_found_out_by_a_power_cut() {
    let Some(output) = power_cuts(&["--unsynced"]) else { return };
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(figure(&output, "lost ") + figure(&output, "breaks of the chain ") > 0, "{text}");
}
