//! What we promise to callers and operators: reasons, their pages, and the settings.

use std::collections::{BTreeMap, BTreeSet};

use vivarium_tidy::{File, Rule, Tree, rust};
use vivarium_types::Reason;

/// What a page about a reason tells, in this order.
const PARTS: [&str; 4] =
    ["## What happened", "## Why", "## What to do", "## What the operator sees"];
/// Where each crate's settings are declared, and where they are written down for people.
const SETTINGS: [(&str, &str); 7] = [
    ("services/chassis/src/config/ledger.rs", "world/config/ledger.toml"),
    ("services/chassis/src/config/shared.rs", "world/config/shared.toml"),
    ("services/queue/src/config.rs", "world/config/queue.toml"),
    ("services/executor/src/config.rs", "world/config/executor.toml"),
    ("services/society/src/config.rs", "world/config/society.toml"),
    ("services/review/src/config.rs", "world/config/review.toml"),
    ("services/gateway/src/config.rs", "world/config/gateway.toml"),
];

#[test]
fn every_reason_has_its_page_and_every_page_its_reason() {
    let tree = Tree::read();
    let pages: BTreeSet<_> = tree.files("docs/errors", "md").map(File::name).collect();
    let wanted: BTreeSet<_> =
        Reason::ALL.iter().map(|reason| format!("{}.md", reason.name())).collect();
    let mut rule = Rule::new(
        "docs/errors has one page for each reason in services/types/src/reason.rs, and no other",
        "`vivarium explain REASON` and the panel's help lead there",
        "write the page (copy the headings of another), or remove the one without a reason",
    );
    for name in &wanted {
        rule.check(pages.contains(name.as_str()), format_args!("docs/errors/{name} is missing"));
    }
    for name in pages.iter().filter(|name| **name != "README.md" && !wanted.contains(**name)) {
        rule.broken_at(format_args!("docs/errors/{name} belongs to no reason"));
    }
    rule.verdict();
}

#[test]
fn a_page_about_a_reason_tells_all_four_things() {
    let tree = Tree::read();
    let mut rule = Rule::new(
        "a page in docs/errors is headed by its reason and says what happened, why, what to do, what the operator sees",
        "each of them is the first question of somebody",
        "write the missing part; it says something true of this reason alone",
    );
    for file in tree.files("docs/errors", "md").filter(|file| file.name() != "README.md") {
        let heading = format!("# {}\n", file.name().trim_end_matches(".md"));
        rule.check(file.text.starts_with(&heading), format_args!("{}: first line", file.path));
        for part in PARTS {
            let said = file
                .text
                .split_once(part)
                .map_or("", |(_, rest)| rest.split("\n## ").next().unwrap_or(""));
            rule.check(said.trim().len() > 40, format_args!("{}: {part}", file.path));
        }
    }
    rule.verdict();
}

/// The reasons that no test can provoke yet, with what they wait for.
fn unprovoked(tree: &Tree) -> BTreeMap<&str, &str> {
    let lines = tree.text("tests/tidy/unprovoked.txt").unwrap_or_default().lines();
    lines.filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(' ')).collect()
}

#[test]
fn every_reason_is_provoked_by_a_test() {
    let tree = Tree::read();
    let waiting = unprovoked(&tree);
    let mut words = BTreeSet::new();
    let theirs =
        |path: &str| !path.starts_with("tests/tidy/") && path != "services/types/src/reason.rs";
    for file in tree
        .files("", "rs")
        .chain(tree.files("tests/panel", "mjs"))
        .chain(tree.files("tests/panel", "js"))
    {
        if theirs(&file.path) {
            let tests = rust::test_text(&file.path, &file.text);
            let found = tests.split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_owned);
            words.extend(found);
        }
    }
    let mut rule = Rule::new(
        "every reason is provoked by a test, or waits in tests/tidy/unprovoked.txt; that list only shrinks",
        "a refusal nobody has seen is a guess",
        "write the test that names the reason; when it is there, take the line out of the list",
    );
    for reason in Reason::ALL {
        let provoked = words.contains(reason.name()) || words.contains(&format!("{reason:?}"));
        match waiting.get(reason.name()) {
            None => rule.check(provoked, format_args!("{reason}: no test provokes it")),
            Some(_) => rule.check(
                !provoked,
                format_args!("{reason}: provoked now; take its line out of the list"),
            ),
        }
    }
    for (name, why) in waiting {
        rule.check(name.parse::<Reason>().is_ok(), format_args!("{name}: no such reason"));
        rule.check(
            why.trim_start().starts_with("not reachable until "),
            format_args!("{name}: say what it waits for"),
        );
    }
    rule.verdict();
}

/// The reasons that a proto file's comments name after `Reasons:`, up to the full stop.
fn promised(proto: &str) -> Vec<String> {
    let comments: Vec<_> =
        proto.lines().map(|line| line.trim().strip_prefix("//").unwrap_or("\n")).collect();
    let joined = comments.join(" ");
    let lists =
        joined.split("Reasons:").skip(1).map(|rest| rest.split(['.', '\n']).next().unwrap_or(""));
    let words = lists.flat_map(|list| {
        list.split(|c: char| !c.is_ascii_uppercase() && !c.is_ascii_digit() && c != '_')
    });
    words.filter(|word| word.contains('_')).map(str::to_owned).collect()
}

#[test]
fn every_reason_that_the_contract_names_exists() {
    let tree = Tree::read();
    let mut rule = Rule::new(
        "each reason in a proto comment (`Reasons: A, B.`) is one of services/types/src/reason.rs",
        "a client that handles a reason nobody sends has a bug we wrote",
        "correct the word, or declare the reason with its page and its test",
    );
    for file in tree.files("proto", "proto") {
        for name in promised(&file.text).into_iter().filter(|name| name.parse::<Reason>().is_err())
        {
            rule.broken_at(format_args!("{}: {name}", file.path));
        }
    }
    rule.verdict();
}

#[test]
fn every_key_in_a_configuration_file_is_explained() {
    let tree = Tree::read();
    let mut rule = Rule::new(
        "each key in world/config has a comment above it, above its group, or behind it",
        "the file is the manual: what it means, its unit, its bounds, its default",
        "write the comment",
    );
    for file in tree.files("world/config", "toml") {
        let mut explained = false;
        for (number, line) in file.text.lines().enumerate() {
            let line = line.trim();
            let is_key = !line.starts_with(['#', '[', ']', '"', '{']) && line.contains('=');
            rule.check(
                !is_key || explained || line.contains(" #"),
                format_args!("{}:{} {line}", file.path, number + 1),
            );
            // A comment speaks for the keys below it, up to an empty line or a table of its own.
            explained = line.starts_with('#') || (explained && !line.is_empty());
        }
    }
    rule.verdict();
}

#[test]
fn every_setting_stands_in_its_configuration_file() {
    let tree = Tree::read();
    let mut rule = Rule::new(
        "each field of a service's settings stands in its file in world/config, in force or as a comment",
        "a setting nobody can find is a constant",
        "add `# key = default` with a sentence of explanation to the file",
    );
    for (source, file) in SETTINGS {
        let Some(code) = tree.text(source) else { continue };
        let written = tree.text(file).unwrap_or_default();
        for field in rust::read(code).fields {
            let key = |line: &str| {
                let line = line.trim_start_matches(['#', ' ']);
                let head = line.split('=').next().unwrap_or_default();
                let in_table = line.starts_with('[')
                    && line.split(['[', ']', '.']).any(|part| part == field.path);
                in_table
                    || line.contains('=') && head.split('.').any(|part| part.trim() == field.path)
            };
            rule.check(
                written.lines().any(key),
                format_args!("{file}: {} ({source}:{})", field.path, field.line),
            );
        }
    }
    rule.verdict();
}

#[test]
fn promised_reasons_are_read_over_several_lines() {
    let proto = "
  // Adds tasks. All or none.
  // Reasons: REQUEST_INVALID, QUEUE_FULL,
  // QUEUE_TASK_KEY_TAKEN. Repeats give the FIRST_ANSWER.
  rpc AddTasks(AddTasksRequest) returns (AddTasksResponse);
";
    assert_eq!(promised(proto), ["REQUEST_INVALID", "QUEUE_FULL", "QUEUE_TASK_KEY_TAKEN"]);
}
