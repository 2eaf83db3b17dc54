//! All attacks against a policy: what it refuses, what it lets run, and what came of that.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use vivarium_bypass::tree::Tree;
use vivarium_sandbox::rules::Rules;

use super::cases::{Case, Class, classes};
use super::exec::{self, Launch};
use super::naive;
use super::oracle::Oracle;

/// What runs at the same time.
const THREADS: usize = 6;
/// What a run of the real policy may take before it counts as endless.
pub(crate) const LIMIT: Duration = Duration::from_secs(5);
/// What the model may, which breaches often by not ending.
const NAIVE_LIMIT: Duration = Duration::from_secs(1);

/// What came of a class.
#[derive(Debug, Default)]
pub(crate) struct Row {
    /// Its name.
    pub(crate) class: String,
    /// How many cases.
    pub(crate) cases: usize,
    /// How many each rule refused.
    pub(crate) refused: BTreeMap<&'static str, usize>,
    /// How many ran.
    pub(crate) run: usize,
    /// What happened that must not.
    pub(crate) breaches: Vec<String>,
}

enum Verdict {
    Refused(&'static str),
    Accepted(Launch),
}

/// Our policy. A class ends after `most` breaches.
pub(crate) fn policy(rules: &Rules, most: usize, limit: Duration) -> Vec<Row> {
    attack(most, &|case, tree| match rules.judge(&case.call(tree), &tree.roots()) {
        Err(refused) => Verdict::Refused(refused.rule),
        Ok(request) => {
            let args = request.argv.get(1..).unwrap_or_default();
            Verdict::Accepted(Launch {
                program: request.program,
                args: args.iter().map(|arg| tree.on_host(arg)).collect(),
                folder: tree.cwd(),
                limit,
            })
        }
    })
}

/// The model of the predecessor's.
pub(crate) fn predecessor() -> Vec<Row> {
    attack(usize::MAX, &|case, tree| {
        let call = case.call(tree);
        match naive::judge(&call, &tree.root()) {
            None => Verdict::Refused("text"),
            Some(program) => Verdict::Accepted(Launch {
                program,
                args: call.args,
                folder: tree.root(),
                limit: NAIVE_LIMIT,
            }),
        }
    })
}

fn attack(most: usize, judge: &(impl Fn(&Case, &Tree) -> Verdict + Sync)) -> Vec<Row> {
    let todo = Mutex::new(classes());
    let rows = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let next = todo.lock().expect("nobody panics with it").pop();
                    let Some(class) = next else { return };
                    let row = attack_with(&class, most, judge);
                    rows.lock().expect("nobody panics with it").push(row);
                }
            });
        }
    });
    let mut rows = rows.into_inner().expect("nobody panics with it");
    rows.sort_by(|one: &Row, other: &Row| one.class.cmp(&other.class));
    rows
}

fn attack_with(class: &Class, most: usize, judge: &impl Fn(&Case, &Tree) -> Verdict) -> Row {
    let mut tree = Tree::make();
    let oracle = Oracle::new(&tree);
    let mut row = Row { class: class.name.clone(), cases: class.cases.len(), ..Row::default() };
    for case in &class.cases {
        if row.breaches.len() >= most {
            break;
        }
        if let Some(setup) = &case.setup {
            tree.set_up(setup);
        }
        match judge(case, &tree) {
            Verdict::Refused(rule) => *row.refused.entry(rule).or_default() += 1,
            Verdict::Accepted(launch) => {
                row.run += 1;
                let found = carry_out(&launch, &oracle, &tree);
                if !found.is_empty() {
                    row.breaches.push(format!("{}: {}", case.id, found.join(", ")));
                    tree = Tree::make();
                }
            }
        }
        if case.setup.is_some() {
            tree.tidy();
        }
    }
    row
}

/// Runs it and tells what it did that it must not.
pub(crate) fn carry_out(launch: &Launch, oracle: &Oracle, tree: &Tree) -> Vec<String> {
    let before = tree.snapshot();
    let name = launch.program.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    match exec::run(launch) {
        Some(outcome) => oracle.breaches(name, &outcome, &before, tree),
        None => Vec::new(),
    }
}

/// What happened that must not, in all classes.
pub(crate) fn told(rows: &[Row]) -> Vec<&String> {
    rows.iter().flat_map(|row| &row.breaches).collect()
}

/// How many breaches there are.
pub(crate) fn breaches(rows: &[Row]) -> usize {
    rows.iter().map(|row| row.breaches.len()).sum()
}

/// How many cases there are.
pub(crate) fn cases(rows: &[Row]) -> usize {
    rows.iter().map(|row| row.cases).sum()
}

/// The rows as a table with a line of sums.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut text =
        format!("{:<22} {:>5} {:>4} {:>8}  refused by\n", "class", "cases", "run", "breaches");
    let mut all = BTreeMap::new();
    for row in rows {
        line(&mut text, &row.class, [row.cases, row.run, row.breaches.len()], &row.refused);
        for (rule, count) in &row.refused {
            *all.entry(*rule).or_default() += count;
        }
    }
    let run = rows.iter().map(|row| row.run).sum();
    line(&mut text, "all", [cases(rows), run, breaches(rows)], &all);
    text
}

fn line(text: &mut String, name: &str, counts: [usize; 3], refused: &BTreeMap<&str, usize>) {
    let [cases, run, breaches] = counts;
    let told: Vec<_> = refused.iter().map(|(rule, count)| format!("{rule} {count}")).collect();
    let told = told.join(", ");
    writeln!(text, "{name:<22} {cases:>5} {run:>4} {breaches:>8}  {told}")
        .expect("a text takes all");
}
