//! Attacks on the command policy alone, without the kernel's sandbox: what it lets through is really
//! run in a disposable tree, and judged by what it does there.

#[cfg(test)]
#[path = "policy/cases.rs"]
mod cases;
#[cfg(test)]
#[path = "policy/exec.rs"]
mod exec;
#[cfg(test)]
#[path = "policy/listing.rs"]
mod listing;
#[cfg(test)]
#[path = "policy/naive.rs"]
mod naive;
#[cfg(test)]
#[path = "policy/oracle.rs"]
mod oracle;
#[cfg(test)]
#[path = "policy/suite.rs"]
mod suite;
#[cfg(test)]
#[path = "policy/without.rs"]
mod without;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::thread;
use std::time::Duration;

use vivarium_bypass::calls::Judge;
use vivarium_bypass::table;
use vivarium_bypass::tree::Tree;
use vivarium_sandbox::planted::Control;
use vivarium_sandbox::rules::{Call, Rules};
use vivarium_types::Reason;

use exec::Launch;

/// What the suite has to hold at least.
const CASES_MIN: usize = 600;
const CLASSES_MIN: usize = 14;
/// What the model of the predecessor has to breach at least.
const PREDECESSOR_MIN: usize = 14;
/// Programs of the catalogue.
const CATALOGUED_MIN: usize = 478;
const BENIGN_MIN: usize = 200;
/// What the tests of controls take away.
const CONTROLS: [Control; 6] = [
    Control::ClosedFlags,
    Control::FlagValues,
    Control::Separator,
    Control::Beneath,
    Control::PlainFiles,
    Control::Never,
];

fn rules() -> Rules {
    table::rules().expect("the table of programs is right")
}

#[test]
fn no_attack_on_the_policy_has_an_effect() {
    let rows = suite::policy(&rules(), usize::MAX, suite::LIMIT);
    println!("{}", suite::table(&rows));
    assert!(suite::cases(&rows) >= CASES_MIN, "{} cases", suite::cases(&rows));
    assert!(rows.len() >= CLASSES_MIN, "{} classes", rows.len());
    let breaches = suite::told(&rows);
    assert!(breaches.is_empty(), "{breaches:#?}");
}

#[test]
fn the_same_attacks_breach_the_predecessor() {
    let rows = suite::predecessor();
    println!("{}", suite::table(&rows));
    for breach in suite::told(&rows) {
        println!("  {breach}");
    }
    for sign in oracle::signs() {
        let is_seen = suite::told(&rows).iter().any(|breach| breach.contains(sign));
        assert!(is_seen, "nothing shows that the oracle sees {sign}");
    }
    let breaches = suite::breaches(&rows);
    assert!(breaches >= PREDECESSOR_MIN, "{breaches} breaches");
}

#[test]
fn every_case_has_a_name_of_its_own_and_a_reason() {
    let mut seen = BTreeSet::new();
    for case in cases::classes().iter().flat_map(|class| &class.cases) {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(case.id.chars().all(plain), "{}", case.id);
        assert!(seen.insert(case.id.clone()), "{} stands twice", case.id);
        assert!(!case.source.is_empty() && !case.why.is_empty(), "{}", case.id);
    }
}

#[test]
fn every_program_of_the_catalogue_is_refused_or_explained() {
    let (rules, tree) = (rules(), Tree::make());
    let ids: BTreeSet<String> = cases::catalogued().into_iter().collect();
    assert!(ids.len() >= CATALOGUED_MIN, "{} ids", ids.len());
    let explained = cases::explained();
    assert!(explained.iter().all(|program| program.why.len() > 20), "each is explained");
    let explained: BTreeSet<&str> = explained.iter().map(|program| program.id.as_str()).collect();
    let mut listed = BTreeSet::new();
    for id in &ids {
        let call = Call {
            program: id.clone(),
            args: Vec::new(),
            folder: "library".to_owned(),
            seconds: 0,
        };
        match rules.judge(&call, &tree.roots()) {
            Err(refused) if refused.reason == Reason::CommandNotListed => {}
            Ok(_) | Err(_) => drop(listed.insert(id.as_str())),
        }
    }
    println!("{} ids, {} in the table", ids.len(), listed.len());
    assert_eq!(listed, explained);
}

#[test]
fn nobody_can_list_an_interpreter() {
    let forbidden = listing::FORBIDDEN.lines().filter(|line| !line.starts_with('#'));
    let gaps: Vec<_> = forbidden.filter(|id| !listing::is_forbidden(id)).collect();
    assert!(gaps.is_empty(), "a table can list {gaps:?}");
    assert_eq!(listing::breaches(), Vec::<String>::new());
}

#[test]
fn only_pinned_programs_of_the_machine_can_be_listed() {
    let tree = Tree::make();
    let why = |path: &Path| listing::listed("reader", path).expect_err("it is no program");
    assert!(why(&tree.root().join("filter")).contains("somebody other than root"));
    assert!(why(Path::new("/etc/passwd")).contains("not a program"));
    assert!(why(Path::new("/usr/bin")).contains("not a program"));
    assert!(why(Path::new("usr/bin/wc")).contains("absolute"));
    assert!(why(&tree.root().join("tools/tac")).contains("cannot be listed"));
}

#[test]
fn each_control_is_missed_by_the_suite() {
    let names = CONTROLS.map(Control::name);
    let (whole, all) = thread::scope(|scope| {
        let whole = scope.spawn(|| without::run("nothing"));
        let all = names.map(|name| (name, scope.spawn(move || without::run(name))));
        let all = all.map(|(name, run)| (name, run.join().expect("the suite ran")));
        (whole.join().expect("the suite ran"), all)
    });
    assert!(whole.examples_hold, "the examples come out as told");
    assert_eq!(whole.violations, 0, "nothing is wrong with nothing taken away");
    for (name, noticed) in all {
        let new: Vec<_> = noticed.breaches.difference(&whole.breaches).collect();
        let examples = if noticed.examples_hold { "hold" } else { "notice" };
        let violations = noticed.violations;
        println!(
            "without {name:<13} {:>3} breaches, {violations:>5} violations of random calls, \
             examples {examples}",
            new.len()
        );
        assert!(!new.is_empty(), "nothing is noticed without {name}");
        // What may stand in the table is no question of a call's arguments.
        assert_eq!(violations > 0, name != Control::Never.name(), "random calls without {name}");
    }
}

#[test]
#[ignore = "a part of `each_control_is_missed_by_the_suite`"]
fn the_suite_as_it_is_asked_for() {
    for line in without::told() {
        println!("\n{line}");
    }
}

#[test]
fn random_arguments_come_to_flags_of_the_rule_and_files_of_the_library() {
    let (accepted, wrong) = without::random(&Judge::over(rules()));
    let calls = without::RANDOM_CALLS;
    println!("{calls} calls, {accepted} accepted, {} violations", wrong.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(accepted > calls / 50, "only {accepted} are accepted");
}

#[test]
fn everyday_calls_are_accepted_and_succeed() {
    let (rules, tree) = (rules(), Tree::make());
    let calls = cases::benign();
    assert!(calls.len() >= BENIGN_MIN, "{} calls", calls.len());
    let mut programs: BTreeMap<&str, usize> = BTreeMap::new();
    let mut failed = Vec::new();
    for call in &calls {
        *programs.entry(&call.program).or_default() += 1;
        failed.extend(everyday(call, &rules, &tree).err());
    }
    println!("{} calls, {} failed; {programs:?}", calls.len(), failed.len());
    assert_eq!(programs.len(), rules.programs().count(), "all programs are used");
    assert_eq!(rules.absent().count(), 0, "all programs are here");
    assert!(failed.len() * 1_000 <= calls.len() * 5, "{failed:#?}");
}

fn everyday(call: &cases::Benign, rules: &Rules, tree: &Tree) -> Result<(), String> {
    let cases::Benign { program, args, folder } = call.clone();
    let wanted = Call { program, args, folder, seconds: 0 };
    let request =
        rules.judge(&wanted, &tree.roots()).map_err(|why| format!("{call:?}: {why:?}"))?;
    let args = request.argv.iter().skip(1).map(|arg| tree.on_host(arg)).collect();
    let (program, folder, limit) = (request.program, tree.cwd(), Duration::from_secs(10));
    let launch = Launch { program, args, folder, limit };
    let outcome = exec::run(&launch).ok_or_else(|| format!("{call:?}: it cannot be started"))?;
    let differs = ["cmp", "diff"].contains(&call.program.as_str());
    match outcome.code {
        Some(0) => Ok(()),
        Some(1) if differs => Ok(()),
        code => Err(format!("{call:?}: {code:?} {}", String::from_utf8_lossy(&outcome.errors))),
    }
}
