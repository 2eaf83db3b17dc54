//! Calls of programs with arguments that chance or a fuzzer chose, and what must not come of them:
//! whatever the rules accept has only flags of its rule with values of their form, and only paths of
//! ordinary files and folders beneath the root.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use vivarium_sandbox::request::Request;
use vivarium_sandbox::roots::Roots;
use vivarium_sandbox::rules::file::{File, Flag, Positional, PositionalKind, Value};
use vivarium_sandbox::rules::{Call, Rules};

use crate::tree::Tree;

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
/// Folders that calls start in.
const FOLDERS: [&str; 7] =
    ["library", "library", "library", "library/notes", "library/..", "else", ""];
/// Most letters of a part that stands nowhere above.
const LETTERS_MAX: usize = 12;

/// What chooses: chance, or the bytes of a fuzzer.
pub trait Choices {
    /// A number below `most`, which is not 0.
    fn below(&mut self, most: usize) -> usize;
    /// A letter, any there is.
    fn letter(&mut self) -> char;
}

/// Choices that repeat from their seed.
#[derive(Debug)]
pub struct Chance(ChaCha8Rng);

impl Chance {
    /// From a seed.
    pub fn seeded(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }
}

impl Choices for Chance {
    fn below(&mut self, most: usize) -> usize {
        let most = u64::try_from(most).expect("it fits");
        usize::try_from(self.0.next_u64() % most).expect("it is less than what fits")
    }

    fn letter(&mut self) -> char {
        // The first half of the time one that somebody could type.
        let most = if self.0.next_u32().is_multiple_of(2) { 0x80 } else { 0x2_0000 };
        char::from_u32(self.0.next_u32() % most).unwrap_or('\u{fffd}')
    }
}

/// Choices that a fuzzer's bytes make; when they are used up, always the first.
#[derive(Debug)]
pub struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    /// From these bytes.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    fn next(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }
}

impl Choices for Bytes<'_> {
    fn below(&mut self, most: usize) -> usize {
        // Nothing here has more than 256 to choose from.
        usize::from(self.next()) % most
    }

    fn letter(&mut self) -> char {
        let first = self.next();
        if first.is_ascii() {
            return char::from(first);
        }
        let number = u32::from_be_bytes([0, first & 0x01, self.next(), self.next()]);
        char::from_u32(number).unwrap_or('\u{fffd}')
    }
}

/// What the rules said of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judged {
    /// They refused it.
    Refused,
    /// They accepted it, and nothing is wrong with what would be run.
    Accepted,
    /// They accepted what they must not have.
    Wrong(String),
}

/// The rules, a tree full of traps, and what chance makes of both.
#[derive(Debug)]
pub struct Judge {
    rules: Rules,
    tree: Tree,
    roots: Roots,
}

impl Judge {
    /// Over these rules, with a tree of its own.
    pub fn over(rules: Rules) -> Self {
        let tree = Tree::make();
        let roots = tree.roots();
        Self { rules, tree, roots }
    }

    /// Makes one call and looks at what the rules say of it.
    pub fn judge(&self, choices: &mut impl Choices) -> Judged {
        let count = self.rules.programs().count();
        let program = self.rules.programs().nth(choices.below(count));
        let rule = program.expect("it is one of them").1.rule();
        let call = call(rule, choices);
        match self.rules.judge(&call, &self.roots) {
            Err(_) => Judged::Refused,
            Ok(request) => match self.fault(rule, &request) {
                None => Judged::Accepted,
                Some(fault) => Judged::Wrong(format!("{fault}: {call:?} became {request:?}")),
            },
        }
    }

    /// What an accepted request must not have.
    fn fault(&self, rule: &File, request: &Request) -> Option<&'static str> {
        let argv = &request.argv;
        let end = argv.iter().position(|arg| arg == "--");
        let (flags, places) = match end {
            Some(at) => (&argv[1..at], &argv[at + 1..]),
            None => (&argv[1..], &argv[argv.len()..]),
        };
        if argv[0] != rule.program {
            return Some("another name");
        }
        if !are_of_the_rule(rule, flags) {
            return Some("a flag that is not of the rule");
        }
        if request.mounts != self.roots.mounts() {
            return Some("other folders");
        }
        if request.folder != "/library" && !self.is_beneath(&request.folder, fs::Metadata::is_dir) {
            return Some("a start that is not beneath the root");
        }
        let most: usize = rule.positional.iter().map(|place| place.max).sum();
        let least: usize = rule.positional.iter().map(|place| place.min).sum();
        if !(least..=most).contains(&places.len()) {
            return Some("other positionals than the rule has");
        }
        let all = rule.positional.iter().flat_map(|place| std::iter::repeat_n(place, place.max));
        let fits = |(place, arg): (&Positional, &String)| match (place.kind, &place.text) {
            (PositionalKind::File, _) => {
                self.is_beneath(arg, |about| about.is_file() && about.nlink() == 1)
            }
            (PositionalKind::Folder, _) => self.is_beneath(arg, fs::Metadata::is_dir),
            (PositionalKind::Text, form) => form.as_ref().is_some_and(|form| form.is_match(arg)),
        };
        (!all.zip(places).all(fits)).then_some("a path that is not beneath the root")
    }

    fn is_beneath(&self, arg: &str, is_right: impl Fn(&fs::Metadata) -> bool) -> bool {
        let Some(rest) = arg.strip_prefix("/library/") else { return false };
        if rest.split('/').any(|name| name.is_empty() || name.starts_with('.')) {
            return false;
        }
        let path = self.tree.on_host(arg);
        let path = Path::new(&path);
        fs::symlink_metadata(path).is_ok_and(|about| is_right(&about))
            && fs::canonicalize(path).is_ok_and(|real| real == path)
    }
}

fn call(rule: &File, choices: &mut impl Choices) -> Call {
    let count = choices.below(6);
    let mut args: Vec<String> = (0..count).flat_map(|_| arguments(rule, choices)).collect();
    if choices.below(3) > 0 {
        let places: usize = rule.positional.iter().map(|place| place.min).sum();
        args.extend((0..places).map(|_| "notes/tides.md".to_owned()));
    }
    let folder = FOLDERS[choices.below(FOLDERS.len())].to_owned();
    Call { program: rule.program.clone(), args, folder, seconds: 0 }
}

fn arguments(rule: &File, choices: &mut impl Choices) -> Vec<String> {
    match choices.below(4) {
        0 => vec![mixed(choices)],
        1 => vec![PARTS[choices.below(PARTS.len())].to_owned()],
        _ if rule.flag.is_empty() => vec![mixed(choices)],
        _ => flag(&rule.flag[choices.below(rule.flag.len())], choices),
    }
}

fn mixed(choices: &mut impl Choices) -> String {
    (0..=choices.below(3)).map(|_| part(choices)).collect()
}

fn part(choices: &mut impl Choices) -> String {
    if let Some(part) = PARTS.get(choices.below(PARTS.len() + 8)) {
        return (*part).to_owned();
    }
    (0..=choices.below(LETTERS_MAX)).map(|_| choices.letter()).collect()
}

fn flag(flag: &Flag, choices: &mut impl Choices) -> Vec<String> {
    let spellings: Vec<&str> = flag.spellings().collect();
    let name = spellings[choices.below(spellings.len())].to_owned();
    match (&flag.value, choices.below(6)) {
        (None, 1..) => vec![name],
        (None, 0) => vec![format!("{name}{}", mixed(choices))],
        (Some(_), 0) => vec![format!("{name}={}", mixed(choices))],
        (Some(form), 1..=3) => vec![name, fitting(form, choices)],
        (Some(_), _) => vec![name, mixed(choices)],
    }
}

fn fitting(form: &Value, choices: &mut impl Choices) -> String {
    match form {
        Value::Number([least, most]) => [*least, *most, 7, 40][choices.below(4)].to_string(),
        Value::Word(words) => words[choices.below(words.len())].clone(),
        Value::Text(_) => ["1", ",", "1-3", "%s", "2,2"][choices.below(5)].to_owned(),
    }
}

/// Whether these are flags as the rule writes them, with values of their form.
fn are_of_the_rule(rule: &File, flags: &[String]) -> bool {
    let mut rest = flags.iter();
    while let Some(arg) = rest.next() {
        let (name, joined) = match arg.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, Some(value)),
            _ => (arg.as_str(), None),
        };
        let Some(flag) = rule.flag.iter().find(|flag| flag.name == name) else { return false };
        let value = match (&flag.value, flag.is_long()) {
            (Some(_), false) => rest.next().map(String::as_str),
            _ => joined,
        };
        let fits = match (&flag.value, value) {
            (None, None) => true,
            (Some(form), Some(value)) => is_of_the_form(form, value),
            (None, Some(_)) | (Some(_), None) => false,
        };
        if !fits {
            return false;
        }
    }
    true
}

fn is_of_the_form(form: &Value, value: &str) -> bool {
    match form {
        Value::Number([least, most]) => {
            let plain = value.strip_prefix('-').unwrap_or(value);
            plain.chars().all(|c| c.is_ascii_digit())
                && value.parse::<i64>().is_ok_and(|number| (*least..=*most).contains(&number))
        }
        Value::Word(words) => words.iter().any(|word| word == value),
        Value::Text(form) => form.is_match(value),
    }
}
