//! Exceptions from the rules, each with its reason: `tests/tidy/allowed.txt`.
//!
//! One a line: the rule, a path or its beginning, what is allowed there (or `*`), the reason.

use vivarium_tidy::{Rule, Tree};

/// One exception.
#[derive(Debug, Clone)]
pub(crate) struct Exception {
    rule: String,
    place: String,
    what: String,
    reason: String,
}

/// All exceptions of the house.
pub(crate) fn read(tree: &Tree) -> Vec<Exception> {
    let text = tree.text("tests/tidy/allowed.txt").unwrap_or_default();
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines
        .map(|line| {
            let mut parts = line.splitn(4, char::is_whitespace).map(str::trim).map(str::to_owned);
            let mut next = || parts.next().unwrap_or_default();
            Exception { rule: next(), place: next(), what: next(), reason: next() }
        })
        .collect()
}

/// Whether `rule` lets `what` stand at `path`.
pub(crate) fn allows(exceptions: &[Exception], rule: &str, path: &str, what: &str) -> bool {
    exceptions.iter().any(|exception| {
        exception.rule == rule
            && path.starts_with(&exception.place)
            && (exception.what == "*" || exception.what == what)
    })
}

#[test]
fn every_exception_has_a_reason_and_a_place_that_exists() {
    let tree = Tree::read();
    let mut rule = Rule::new(
        "an exception names a rule, a place that exists, what is allowed and why",
        "an exception nobody can explain is a hole",
        "complete the line in tests/tidy/allowed.txt, or take it out",
    );
    for exception in read(&tree) {
        let here = tree.all("").any(|file| file.path.starts_with(&exception.place));
        rule.check(here && exception.reason.len() > 10, format_args!("{exception:?}"));
    }
    rule.verdict();
}
