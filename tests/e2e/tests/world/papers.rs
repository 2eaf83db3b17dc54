//! Every command that the README and the page on scripting show does what it says, in the order in
//! which it stands there.

use std::path::{Path, PathBuf};
use std::process::Command;

use vivarium_harness::answers;
use vivarium_harness::model_server::Script;
use vivarium_harness::process::{Model, World, program};

use crate::way::wait_for;

/// Stands for anything in what a page expects.
const ANYTHING: char = '…';

/// A block of a page: its language and its lines.
#[derive(Debug)]
struct Block {
    language: String,
    text: String,
}

fn blocks(page: &str, below: &str) -> Vec<Block> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(page);
    let page = std::fs::read_to_string(path).expect("there is such a page");
    let below = page.split_once(below).expect("it has this heading").1;
    let blocks = below.split("```").skip(1).step_by(2);
    let blocks = blocks.map(|block| {
        let (language, text) = block.split_once('\n').expect("a language and a line");
        Block { language: language.to_owned(), text: text.to_owned() }
    });
    blocks.collect()
}

/// A shell that knows the programs, in a folder of its own.
struct Shell {
    world: PathBuf,
    path: String,
    folder: tempfile::TempDir,
    has_grpcurl: bool,
}

impl Shell {
    fn of(world: &World) -> Self {
        let programs = program("vivarium").parent().expect("it lies in a folder").to_owned();
        // `cargo xtask test` installs grpcurl and says where.
        let grpcurl = std::env::var_os("VIVARIUM_GRPCURL").map(PathBuf::from);
        let tools = grpcurl.as_deref().and_then(Path::parent).unwrap_or(&programs).to_owned();
        let path = std::env::var("PATH").unwrap_or_default();
        Self {
            world: world.root().to_owned(),
            path: format!("{}:{}:{path}", programs.display(), tools.display()),
            folder: tempfile::tempdir().expect("a folder"),
            has_grpcurl: grpcurl.is_some(),
        }
    }

    fn run(&self, script: &str) -> String {
        let ran = Command::new("sh")
            .args(["-ec", script])
            .env("PATH", &self.path)
            .env("VIVARIUM_WORLD", &self.world)
            .current_dir(self.folder.path())
            .output()
            .expect("a shell can be started");
        let told = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{script}: {told}");
        String::from_utf8(ran.stdout).expect("words")
    }
}

/// Whether a line reads as a page says.
fn reads(line: &str, expected: &str) -> bool {
    let mut parts = expected.trim_end().split(ANYTHING);
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = line.trim().strip_prefix(first.trim_start()) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, inner)) = parts.split_last() else { return rest.trim().is_empty() };
    for part in inner {
        let Some((_, behind)) = rest.split_once(part) else { return false };
        rest = behind;
    }
    rest.trim_end().ends_with(last)
}

/// Compares line by line; a line of `…` alone stands for any number of lines.
fn compare(script: &str, printed: &str, expected: &str) {
    let mut lines = printed.lines().peekable();
    let mut gap = false;
    for wanted in expected.lines() {
        if wanted.trim() == ANYTHING.to_string() {
            gap = true;
            continue;
        }
        let found = if gap {
            lines.by_ref().any(|line| reads(line, wanted))
        } else {
            lines.next().is_some_and(|line| reads(line, wanted))
        };
        assert!(found, "{script}\nprinted\n{printed}\nand the page expects\n{wanted}");
        gap = false;
    }
    assert!(gap || lines.next().is_none(), "{script}\nprinted more than the page says:\n{printed}");
}

fn world() -> (Model, World) {
    let model = Model::start(Script::answering(answers::diligent));
    let world = World::start_advised_by(&model);
    (model, world)
}

#[test]
fn every_command_of_the_readme_works() {
    let (_model, world) = world();
    world.ask(&["pace", "0"]);
    let shell = Shell::of(&world);
    let block = blocks("README.md", "## Talk to it").remove(0);
    let lines = block.text.lines().map(|line| line.split(" #").next().unwrap_or_default().trim());
    let commands: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    assert!(commands.len() >= 10, "{commands:?}");
    for command in commands {
        let skipped = command.starts_with("grpcurl") && !shell.has_grpcurl;
        if skipped || command.starts_with("export PATH") {
            continue;
        }
        if command.contains(" approve ") {
            wait_for(&world, "tides", "awaiting_human");
        }
        assert!(!shell.run(command).is_empty(), "{command} says nothing");
    }
}

#[test]
fn every_script_of_the_page_on_scripting_prints_what_it_says() {
    let (_model, world) = world();
    let shell = Shell::of(&world);
    let blocks = blocks("docs/scripting.md", "## Two doors");
    assert!(blocks.len() >= 15, "the page has scripts");
    for (at, block) in blocks.iter().enumerate().filter(|(_, block)| block.language == "sh") {
        if block.text.contains("grpcurl -d") && !shell.has_grpcurl {
            continue;
        }
        let printed = shell.run(&block.text);
        if let Some(expected) = blocks.get(at + 1).filter(|next| next.language == "text") {
            compare(&block.text, &printed, &expected.text);
        }
    }
}

#[test]
fn a_page_that_expects_something_else_is_found_out() {
    assert!(reads("tsk_1  failed  x", "tsk_…  failed …"));
    assert!(!reads("tsk_1  leased  x", "tsk_…  failed …"));
    assert!(!reads("added", "added tsk_…"));
    assert!(!reads("3 more", "3"));
    compare("", "a\nb\nc\n", "a\n…\n");
    let other = std::panic::catch_unwind(|| compare("", "a\nb\n", "a\n"));
    assert!(other.is_err(), "what is printed beyond the page is found");
}
