//! The rules of tasks and the tests named after them: the tables of `docs/testing.md`.

use std::collections::BTreeSet;

use vivarium_tidy::{Rule, Tree};

/// Lines of the list of what must hold that are about tasks.
const LINES: u32 = 35;
/// What a row says whose rule is not built.
const NOT_YET: &str = "not yet";

/// A row of the tables: its rule, and what stands beside it.
struct Row<'a> {
    rule: &'a str,
    beside: &'a str,
}

impl<'a> Row<'a> {
    /// The tests that it names.
    fn tests(&self) -> impl Iterator<Item = &'a str> {
        self.beside.split('`').skip(1).step_by(2)
    }

    /// The number of a line of the list.
    fn line(&self) -> Option<u32> {
        self.rule.split_once(". ")?.0.parse().ok()
    }
}

/// The rows of the tables in the section on rules.
fn rows(page: &str) -> Vec<Row<'_>> {
    let section = page.split_once("## Rules and their tests").map_or("", |(_, rest)| rest);
    let section = section.split_once("\n## ").map_or(section, |(this, _)| this);
    let cells = section.lines().filter_map(|line| {
        let (rule, beside) = line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | ")?;
        Some(Row { rule, beside })
    });
    cells.filter(|row| row.beside != "tests" && row.beside != "---").collect()
}

/// Every function of the house that is named after a rule, or that `wanted` names.
fn functions<'a>(tree: &'a Tree, wanted: &BTreeSet<&str>) -> Vec<&'a str> {
    let named = |name: &&str| {
        name.starts_with("line_") && name.as_bytes().get(5).is_some_and(u8::is_ascii_digit)
            || name.starts_with("rule_3_")
            || wanted.contains(name)
    };
    let files = tree.files("", "rs").filter(|file| !file.path.starts_with("tests/tidy/"));
    let functions = files.flat_map(|file| file.text.split("fn ").skip(1));
    functions.filter_map(|rest| rest.split_once('(').map(|(name, _)| name)).filter(named).collect()
}

#[test]
fn every_rule_of_tasks_has_tests_that_are_there() {
    let tree = Tree::read();
    let rows = rows(tree.text("docs/testing.md").unwrap_or_default());
    let listed: BTreeSet<&str> = rows.iter().flat_map(Row::tests).collect();
    let there = functions(&tree, &listed);
    let mut rule = Rule::new(
        "the tables of rules in docs/testing.md name tests that are there, all that are named after a rule, and every line",
        "a promise without a test is a wish, and a table that nobody checks goes stale",
        "write the test, mend its name in the table, or take `not yet` out of its row",
    );
    for name in &listed {
        let count = there.iter().filter(|other| *other == name).count();
        rule.check(count == 1, format_args!("{name}: there are {count} of it"));
    }
    for name in there.iter().filter(|name| !listed.contains(**name)) {
        rule.broken_at(format_args!("{name}: it is in no table"));
    }
    for line in 1..=LINES {
        let found: Vec<&Row<'_>> = rows.iter().filter(|row| row.line() == Some(line)).collect();
        let [row] = found[..] else {
            rule.broken_at(format_args!("line {line} has {} rows", found.len()));
            continue;
        };
        let own = format!("line_{line:02}_");
        let tested = row.tests().any(|name| name.starts_with(&own));
        rule.check(tested || row.beside == NOT_YET, format_args!("line {line} has no test"));
    }
    let answers = |row: &Row<'_>| {
        row.beside == NOT_YET || row.beside.starts_with("line") || row.tests().next().is_some()
    };
    for row in rows.iter().filter(|row| !answers(row)) {
        rule.broken_at(format_args!("{}: nothing stands beside it", row.rule));
    }
    rule.verdict();
}
