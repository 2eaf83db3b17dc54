//! Every command that the README shows does what it says, in the order in which it stands there.

use std::path::Path;
use std::process::Command;

use vivarium_harness::answers;
use vivarium_harness::model_server::Script;
use vivarium_harness::process::{Model, World, program};

use crate::way::wait_for;

/// Where the commands stand.
const HEADING: &str = "## Talk to it";

/// The commands of the README's block below [`HEADING`], without their comments.
fn commands() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let readme = std::fs::read_to_string(path).expect("there is a README");
    let below = readme.split_once(HEADING).expect("it says how to talk to a world").1;
    let block = below.split("```").nth(1).expect("a block of commands follows");
    let lines = block.lines().skip(1).map(|line| line.split(" #").next().unwrap_or_default());
    lines.map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn every_command_of_the_readme_works() {
    let model = Model::start(Script::answering(answers::diligent));
    let world = World::start_advised_by(&model);
    world.ask(&["pace", "0"]);
    let programs = program("vivarium").parent().expect("it lies in a folder").to_owned();
    // `cargo xtask test` installs grpcurl and says where.
    let grpcurl = std::env::var_os("VIVARIUM_GRPCURL");
    let commands = commands();
    assert!(commands.len() >= 10, "{commands:?}");
    for command in commands {
        if command.starts_with("export PATH") || command.starts_with("grpcurl") && grpcurl.is_none()
        {
            continue;
        }
        if command.contains(" approve ") {
            wait_for(&world, "tides", "awaiting_human");
        }
        let path = std::env::var("PATH").unwrap_or_default();
        let tools = grpcurl.as_ref().map(Path::new).and_then(Path::parent).unwrap_or(&programs);
        let ran = Command::new("sh")
            .args(["-c", &command])
            .env("PATH", format!("{}:{}:{path}", programs.display(), tools.display()))
            .env("VIVARIUM_WORLD", world.root())
            .output()
            .expect("a shell can be started");
        let told = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{command}: {told}");
        assert!(!ran.stdout.is_empty(), "{command} says nothing");
    }
}
