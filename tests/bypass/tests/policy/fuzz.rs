//! Random arguments for every program: whatever is accepted has only flags of its rule and only paths
//! of ordinary files beneath the root.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use vivarium_sandbox::rules::file::{File, Flag, PositionalKind, Value};
use vivarium_sandbox::rules::{Call, Rules};

use super::tree::Tree;

/// Parts that arguments are made of.
const PARTS: [&str; 48] = [
    "notes/tides.md",
    "notes/moon.md",
    "notes",
    "plain",
    "deep/a/b",
    "memo",
    "hn",
    "hard",
    "pipe",
    "linkdir/secret.txt",
    "..",
    ".",
    "/",
    "//",
    "-",
    "--",
    "=",
    ",",
    ":",
    "%s",
    "\\",
    "\u{202e}",
    "\u{0}",
    "\t",
    "\u{fc}",
    "0",
    "1",
    "-1",
    "999999999999999999999",
    "+5",
    "1e3",
    "0x10",
    "a",
    "o",
    "-o",
    "--output",
    "--files0-from",
    "--compress-program",
    "/etc/passwd",
    "/library/notes/tides.md",
    "../outside/secret.txt",
    ".env",
    "notes/.draft.md",
    "swap/now",
    "evil.sh",
    " ",
    "\u{ff0f}",
    "~",
];

/// A small generator that repeats from its seed (splitmix64).
#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// From a seed.
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, most: usize) -> usize {
        let most = u64::try_from(most).expect("it fits");
        usize::try_from(self.next() % most).expect("it is less than what fits")
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// How many calls were accepted, and what was wrong with them.
pub(crate) fn run(
    rules: &Rules,
    tree: &Tree,
    dice: &mut Dice,
    calls: usize,
) -> (usize, Vec<String>) {
    let files: Vec<&File> = rules.programs().map(|(_, program)| program.rule()).collect();
    let (mut accepted, mut wrong) = (0, Vec::new());
    for number in 0..calls {
        let rule = files[number % files.len()];
        let call = call(rule, dice);
        if let Ok(request) = rules.judge(&call, &tree.roots()) {
            accepted += 1;
            let fault = fault(rule, &request.argv, tree);
            wrong.extend(fault.map(|fault| format!("{fault}: {call:?}")));
        }
    }
    (accepted, wrong)
}

fn call(rule: &File, dice: &mut Dice) -> Call {
    let count = dice.below(6);
    let mut args: Vec<String> = (0..count).flat_map(|_| arguments(rule, dice)).collect();
    if dice.below(3) > 0 {
        let places: usize = rule.positional.iter().map(|place| place.min).sum();
        args.extend((0..places).map(|_| "notes/tides.md".to_owned()));
    }
    let folders = ["library", "library", "library", "library/notes", "library/..", "else", ""];
    let folder = (*dice.of(&folders)).to_owned();
    Call { program: rule.program.clone(), args, folder, seconds: 0 }
}

fn arguments(rule: &File, dice: &mut Dice) -> Vec<String> {
    match dice.below(4) {
        0 => vec![mixed(dice)],
        1 => vec![(*dice.of(&PARTS)).to_owned()],
        _ if rule.flag.is_empty() => vec![mixed(dice)],
        _ => flag(dice.below(rule.flag.len()), rule, dice),
    }
}

fn mixed(dice: &mut Dice) -> String {
    let count = 1 + dice.below(3);
    (0..count).map(|_| *dice.of(&PARTS)).collect()
}

fn flag(number: usize, rule: &File, dice: &mut Dice) -> Vec<String> {
    let flag = &rule.flag[number];
    let spellings: Vec<&str> = flag.spellings().collect();
    let name = (*dice.of(&spellings)).to_owned();
    match (&flag.value, dice.below(6)) {
        (None, 1..) => vec![name],
        (None, 0) => vec![format!("{name}{}", mixed(dice))],
        (Some(_), 0) => vec![format!("{name}={}", mixed(dice))],
        (Some(form), 1..=3) => vec![name, fitting(form, dice)],
        (Some(_), _) => vec![name, mixed(dice)],
    }
}

fn fitting(form: &Value, dice: &mut Dice) -> String {
    match form {
        Value::Number([least, most]) => dice.of(&[*least, *most, 7, 40]).to_string(),
        Value::Word(words) => dice.of(words).clone(),
        Value::Text(_) => (*dice.of(&["1", ",", "1-3", "%s", "2,2"])).to_owned(),
    }
}

/// What an accepted vector must not have.
fn fault(rule: &File, argv: &[String], tree: &Tree) -> Option<&'static str> {
    let (flags, places) = match argv.iter().position(|arg| arg == "--") {
        Some(at) => (&argv[1..at], &argv[at + 1..]),
        None => (&argv[1..], &argv[argv.len()..]),
    };
    if argv[0] != rule.program {
        return Some("another name");
    }
    if !flags.iter().all(|arg| is_of_the_rule(rule, arg)) {
        return Some("a flag that is not of the rule");
    }
    let is_path = rule.positional.iter().all(|place| place.kind != PositionalKind::Text);
    let all_fine = places.iter().all(|arg| is_beneath(arg, tree));
    (is_path && !all_fine).then_some("a path that is not beneath the root")
}

fn is_of_the_rule(rule: &File, arg: &str) -> bool {
    let name = arg.split_once('=').map_or(arg, |(name, _)| name);
    let is = |flag: &Flag| flag.name == name && flag.value.is_some() == arg.contains('=');
    rule.flag.iter().any(is)
}

fn is_beneath(arg: &str, tree: &Tree) -> bool {
    let Some(rest) = arg.strip_prefix("/library/") else { return false };
    if rest.split('/').any(|name| name.is_empty() || name.starts_with('.')) {
        return false;
    }
    let path = tree.on_host(arg);
    let path = Path::new(&path);
    let about = fs::symlink_metadata(path).ok();
    about.is_some_and(|about| about.is_file() && about.nlink() == 1)
        && fs::canonicalize(path).is_ok_and(|real| real == path)
}
