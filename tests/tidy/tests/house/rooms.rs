//! Every file has a head, every service the same rooms, and nothing is called a junk drawer.

use vivarium_tidy::{Rule, Tree};

use crate::DOMAIN_SERVICES;

const ROOMS: [&str; 11] = [
    "README.md",
    "src/main.rs",
    "src/lib.rs",
    "src/config.rs",
    "src/domain.rs",
    "src/domain/event.rs",
    "src/rpc.rs",
    "src/rpc/convert.rs",
    "src/follow.rs",
    "src/views.rs",
    "src/metrics.rs",
];

#[test]
fn every_service_has_the_same_rooms() {
    let tree = Tree::read();
    let mut rule = Rule::new(
        "queue, executor, society and review have the same rooms",
        "who knows one service finds the way in all of them",
        "add the file; an empty room says in its `//!` why it is empty",
    );
    for service in DOMAIN_SERVICES.into_iter().filter(|service| tree.is_built_up(service)) {
        for room in ROOMS {
            let path = format!("{service}/{room}");
            rule.check(tree.text(&path).is_some(), path);
        }
    }
    rule.verdict();
}

#[test]
fn a_main_is_short() {
    let tree = Tree::read();
    let mut rule = Rule::new(
        "the main.rs of a service has at most 40 lines",
        "what a process does is in its library, where tests can enter",
        "move it to lib.rs or to the chassis",
    );
    for service in DOMAIN_SERVICES {
        let path = format!("{service}/src/main.rs");
        rule.check(tree.text(&path).is_none_or(|text| text.lines().count() <= 40), path);
    }
    rule.verdict();
}

#[test]
fn every_rust_file_opens_with_what_it_is_for() {
    let tree = Tree::read();
    let mut rule = Rule::new(
        "every .rs file opens with a `//!` sentence",
        "a reader decides in one line whether this is the file",
        "say what the file is for and what it refuses to do",
    );
    for file in tree.files("", "rs") {
        rule.check(file.text.starts_with("//! "), &file.path);
    }
    rule.verdict();
}

#[test]
fn there_are_no_junk_drawers() {
    let tree = Tree::read();
    let drawers =
        ["mod.rs", "utils.rs", "util.rs", "common.rs", "helpers.rs", "helper.rs", "misc.rs"];
    let folders = ["utils", "common", "helpers", "misc"];
    let mut rule = Rule::new(
        "no mod.rs, utils, common, helpers or misc",
        "such a name says nothing, so everything fits in, and nothing is found there",
        "name the file after its one noun (`task.rs` beside `task/`)",
    );
    for file in tree.files("", "rs") {
        let junk = drawers.contains(&file.name())
            || file.path.split('/').any(|part| folders.contains(&part));
        rule.check(!junk, &file.path);
    }
    rule.verdict();
}

#[test]
fn the_hall_is_clear() {
    let known = ["Cargo.toml", "Cargo.lock", "README.md", "CHANGELOG.md", "LICENSE", "NOTICE"];
    let rooms = ["proto", "services", "panel", "world", "docs", "tests"];
    let tree = Tree::read();
    let mut rule = Rule::new(
        "the top level holds the seven rooms, the manifest, the lock, the papers and dot-files",
        "a newcomer sees the whole house at once",
        "put it where it belongs; tool settings go to .config",
    );
    for file in tree.all("") {
        let first = file.path.split('/').next().unwrap_or_default();
        let fits = first.starts_with('.') || known.contains(&first) || rooms.contains(&first);
        rule.check(fits, &file.path);
    }
    rule.verdict();
}
