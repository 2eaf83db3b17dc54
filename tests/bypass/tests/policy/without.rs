//! The suite with one control taken away, in a process of its own: the suite has to notice.
//!
//! The table's own examples notice first, at load; here they are left out, so that it shows whether
//! the attacks notice by themselves.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use toml::{Table, Value};
use vivarium_bypass::calls::{Chance, Judge, Judged};
use vivarium_bypass::table;
use vivarium_sandbox::rules::Rules;

use super::{listing, suite};

/// The test that is started in the other process.
const INNER: &str = "the_suite_as_it_is_asked_for";
/// Breaches of a class after which it is enough.
const BREACHES_ENOUGH: usize = 4;
/// Random calls; a fuzzer makes more of them (`cargo xtask fuzz`), and `cargo xtask long arguments` a
/// thousand million.
pub(crate) const RANDOM_CALLS: usize = 20_000;
/// What they are chosen by.
const SEED: u64 = 20_260_807;
/// What a run may take before it counts as endless.
const LIMIT: Duration = Duration::from_secs(2);

/// What the other process said.
#[derive(Debug)]
pub(crate) struct Noticed {
    /// Whether the examples of the table held.
    pub(crate) examples_hold: bool,
    /// The cases that had an effect.
    pub(crate) breaches: BTreeSet<String>,
    /// How many random calls were accepted that must not be.
    pub(crate) violations: usize,
}

/// Starts the suite without a control.
pub(crate) fn run(control: &str) -> Noticed {
    let me = std::env::current_exe().expect("this program has a file");
    let mut command = Command::new(me);
    command.args(["--exact", INNER, "--ignored", "--nocapture"]);
    let output = command.env("VIVARIUM_WITHOUT", control).output().expect("it can be started");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "without {control}: {said}");
    let violations = said.lines().find_map(|line| line.strip_prefix("violations: ")?.parse().ok());
    let told = |line: &str| Some(line.split_once("breach: ")?.1.split(':').next()?.to_owned());
    Noticed {
        examples_hold: said.contains("examples: hold"),
        breaches: said.lines().filter_map(told).collect(),
        violations: violations.expect("it tells them"),
    }
}

/// What the other process does; its lines are what [`run`] reads.
pub(crate) fn told() -> Vec<String> {
    let hold = if table::rules().is_ok() { "hold" } else { "do not come out as told" };
    let rows = suite::policy(&without_examples(), BREACHES_ENOUGH, LIMIT);
    let listed = listing::breaches();
    let breaches = suite::told(&rows).into_iter().chain(&listed);
    let breaches = breaches.map(|breach| format!("breach: {breach}"));
    let violations = format!("violations: {}", random(&Judge::over(without_examples())).1.len());
    [format!("examples: {hold}"), violations].into_iter().chain(breaches).collect()
}

/// How many random calls are accepted, and what is wrong with them.
pub(crate) fn random(judge: &Judge) -> (usize, Vec<String>) {
    let mut chance = Chance::seeded(SEED);
    let (mut accepted, mut wrong) = (0, Vec::new());
    for _ in 0..RANDOM_CALLS {
        match judge.judge(&mut chance) {
            Judged::Refused => continue,
            Judged::Accepted => {}
            Judged::Wrong(fault) => wrong.push(fault),
        }
        accepted += 1;
    }
    (accepted, wrong)
}

/// The table of programs with examples that come out whatever is taken away.
fn without_examples() -> Rules {
    let tables = [true, false].map(|is_separated| {
        let folder = TempDir::new().expect("there is room for a table");
        for (name, text) in table::files() {
            let rule = with_plain_examples(&text, is_separated);
            fs::write(folder.path().join(name), rule).expect("a rule can be written");
        }
        Rules::load(folder.path())
    });
    tables.into_iter().find_map(Result::ok).expect("one of both forms comes out")
}

fn with_plain_examples(text: &str, is_separated: bool) -> String {
    let mut rule: Table = text.parse().expect("the rule is right");
    let least = |place: &Value| place.get("min").and_then(Value::as_integer).unwrap_or(1);
    let places = rule.get("positional").and_then(Value::as_array).expect("it takes files");
    let count = places.iter().map(least).sum::<i64>();
    let count = usize::try_from(count).expect("it is no less than nothing");
    let inside = if is_separated { "/library/a.md" } else { "a.md" };
    let mut argv = vec![inside; count];
    if is_separated {
        argv.insert(0, "--");
    }
    let taken = Table::from_iter([given(&vec!["a.md"; count]), ("argv".to_owned(), argv.into())]);
    let refused = Table::from_iter([given(&["a.md"; 33]), ("refused".to_owned(), "count".into())]);
    let examples = vec![Value::Table(taken), Value::Table(refused)];
    rule.insert("example".to_owned(), Value::Array(examples));
    toml::to_string(&rule).expect("a table can be written")
}

fn given(args: &[&str]) -> (String, Value) {
    ("args".to_owned(), args.to_vec().into())
}
