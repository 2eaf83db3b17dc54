//! The papers stay true: code map, decisions, the README's length, links.

use std::collections::BTreeSet;

use vivarium_tidy::{Rule, Tree};

#[test]
fn every_crate_has_its_paragraph_in_the_code_map() {
    let tree = Tree::read();
    let map = tree.text("docs/architecture.md").unwrap_or_default();
    let mut rule = Rule::new(
        "docs/architecture.md has a paragraph for each crate, headed by its folder",
        "it is where a newcomer starts reading",
        "add `### `folder`` with what the crate owns, where to begin, and what it refuses to do",
    );
    for folder in tree.crates() {
        rule.check(map.contains(&format!("### `{folder}`\n")), folder);
    }
    rule.verdict();
}

#[test]
fn decisions_are_numbered_without_gaps() {
    let tree = Tree::read();
    let mut rule = Rule::new(
        "docs/decisions/NNNN-title.md count up from 0001 without gaps, and say status, context, options, decision, consequences",
        "a decision is superseded by a later one, never rewritten or lost",
        "take the next number; keep the headings",
    );
    let records: Vec<_> =
        tree.files("docs/decisions", "md").filter(|file| file.name() != "README.md").collect();
    for (index, file) in records.iter().enumerate() {
        rule.check(
            file.name().starts_with(&format!("{:04}-", index + 1)),
            format_args!("{}: its number", file.path),
        );
        for part in ["Status: ", "## Context", "## Options", "## Decision", "## Consequences"] {
            rule.check(file.text.contains(part), format_args!("{}: {part}", file.path));
        }
    }
    rule.verdict();
}

#[test]
fn the_readme_fits_on_one_long_page() {
    let tree = Tree::read();
    let mut rule = Rule::new(
        "README.md has fewer than 120 lines",
        "it says what this is, how to run and test it, and where to read next; the rest is elsewhere",
        "move the detail to docs and link it",
    );
    let lines = tree.text("README.md").map_or(0, |text| text.lines().count());
    rule.check(lines < 120, format_args!("README.md: {lines} lines"));
    rule.verdict();
}

/// The targets of relative links in a Markdown text, without their anchors.
fn links(text: &str) -> BTreeSet<&str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let files =
        targets.filter(|target| !target.contains("://") && !target.starts_with(['#', '/', 'm']));
    files
        .map(|target| target.split('#').next().unwrap_or(target))
        .filter(|target| !target.contains(' '))
        .collect()
}

#[test]
fn links_between_papers_lead_somewhere() {
    let tree = Tree::read();
    let mut rule = Rule::new(
        "a relative link in a Markdown file leads to a file that exists",
        "a dead link costs the reader more than no link",
        "correct the path",
    );
    let ours = |path: &str| {
        ["docs/", "services/", "proto/", "panel/", "README.md"]
            .iter()
            .any(|root| path.starts_with(root))
    };
    for file in tree.files("", "md").filter(|file| ours(&file.path)) {
        let folder = tree.top.join(&file.path);
        let folder = folder.parent().unwrap_or(&tree.top);
        for target in links(&file.text).into_iter().filter(|target| !folder.join(target).exists()) {
            rule.broken_at(format_args!("{}: {target}", file.path));
        }
    }
    rule.verdict();
}

#[test]
fn links_are_read_without_anchors_and_addresses() {
    let text = "[a](one.md#part) [b](https://vivarium.internal) [c](#here) [d](../two.md)";
    assert_eq!(links(text), BTreeSet::from(["one.md", "../two.md"]));
}
