//! The form of a rule's file.

use std::path::PathBuf;

use regex::Regex;
use serde::Deserialize;

use crate::roots::Kind;

/// Most seconds of a run (domain.md, section 5).
const SECONDS_MAX: u64 = 120;
/// What a run has, if its rule does not say.
const SECONDS: u64 = 30;
/// Most flags of a program.
const FLAGS_MAX: usize = 64;
/// Most positionals.
const POSITIONALS_MAX: usize = 32;

/// One program.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Its id: what callers name, and the file's own name.
    pub program: String,
    /// Where it lies.
    pub path: PathBuf,
    /// What it does, in words for residents.
    pub about: String,
    /// Most seconds.
    #[serde(default = "seconds")]
    pub seconds: u64,
    /// Whether it may start further processes.
    #[serde(default)]
    pub children: bool,
    /// What it may be given.
    #[serde(default)]
    pub flag: Vec<Flag>,
    /// What stands behind the flags.
    #[serde(default)]
    pub positional: Vec<Positional>,
    /// What must come out, and what must not.
    #[serde(default)]
    pub example: Vec<Example>,
}

/// A flag.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flag {
    /// As the program is given it: `--long` or `-s`.
    pub name: String,
    /// Other spellings that callers may use.
    #[serde(default)]
    pub also: Vec<String>,
    /// Its value; without it the flag stands alone.
    pub value: Option<Value>,
    /// What it does.
    #[serde(default)]
    pub about: String,
    /// Whether it may stand several times.
    #[serde(default)]
    pub repeats: bool,
}

/// The value of a flag.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Value {
    /// A whole number within these bounds.
    Number([i64; 2]),
    /// One of these words.
    Word(Vec<String>),
    /// A text that this regular expression covers whole.
    Text(#[serde(deserialize_with = "whole")] Regex),
}

/// What stands behind the flags.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Positional {
    /// A file or folder beneath the root, or a text of the form `text`.
    pub kind: PositionalKind,
    /// For `text`: what covers it whole.
    #[serde(default, deserialize_with = "whole_or_none")]
    pub text: Option<Regex>,
    /// Least of it.
    #[serde(default = "one")]
    pub min: usize,
    /// Most of it.
    #[serde(default = "one")]
    pub max: usize,
}

/// What a positional is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PositionalKind {
    /// A regular file beneath the root.
    File,
    /// A folder beneath the root.
    Folder,
    /// A text.
    Text,
}

impl PositionalKind {
    /// What a path has to be.
    pub const fn path(self) -> Option<Kind> {
        match self {
            Self::File => Some(Kind::File),
            Self::Folder => Some(Kind::Folder),
            Self::Text => None,
        }
    }
}

/// What must come of some arguments.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// The arguments.
    pub args: Vec<String>,
    /// Where.
    #[serde(default = "library")]
    pub folder: String,
    /// The arguments that the program is given.
    pub argv: Option<Vec<String>>,
    /// The name of the rule that refuses them.
    pub refused: Option<String>,
}

const fn seconds() -> u64 {
    SECONDS
}

const fn one() -> usize {
    1
}

fn library() -> String {
    "library".to_owned()
}

fn whole<'de, D: serde::Deserializer<'de>>(source: D) -> Result<Regex, D::Error> {
    let text = String::deserialize(source)?;
    Regex::new(&format!(r"\A(?:{text})\z")).map_err(serde::de::Error::custom)
}

fn whole_or_none<'de, D: serde::Deserializer<'de>>(source: D) -> Result<Option<Regex>, D::Error> {
    whole(source).map(Some)
}

impl File {
    /// The rule, if it says what it has to say.
    pub fn checked(self) -> Result<Self, String> {
        let id = &self.program;
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._+-".contains(c);
        if id.is_empty() || id.len() > 32 || !id.chars().all(plain) || id.starts_with(['-', '.']) {
            return Err("program: 1 to 32 of a-z 0-9 . _ + -".to_owned());
        }
        if !self.path.is_absolute() {
            return Err("path: it has to be absolute".to_owned());
        }
        if self.about.is_empty() || self.about.len() > 200 {
            return Err("about: 1 to 200 characters".to_owned());
        }
        if self.seconds == 0 || self.seconds > SECONDS_MAX {
            return Err(format!("seconds: 1 to {SECONDS_MAX}"));
        }
        if self.flag.len() > FLAGS_MAX {
            return Err(format!("flag: at most {FLAGS_MAX}"));
        }
        let mut seen = std::collections::BTreeSet::new();
        for flag in &self.flag {
            for name in flag.spellings() {
                if !is_flag(name) {
                    return Err(format!("flag {name}: write --long or -s"));
                }
                if !seen.insert(name) {
                    return Err(format!("flag {name} stands twice"));
                }
            }
        }
        self.check_positionals()?;
        let taken = self.example.iter().any(|example| example.argv.is_some());
        let refused = self.example.iter().any(|example| example.refused.is_some());
        if !taken || !refused {
            return Err("example: one with `argv` and one with `refused` at least".to_owned());
        }
        Ok(self)
    }

    fn check_positionals(&self) -> Result<(), String> {
        let most: usize = self.positional.iter().map(|positional| positional.max).sum();
        if most > POSITIONALS_MAX {
            return Err(format!("positional: at most {POSITIONALS_MAX} together"));
        }
        for (number, positional) in self.positional.iter().enumerate() {
            let last = number + 1 == self.positional.len();
            if positional.min > positional.max || (positional.min != positional.max && !last) {
                return Err("positional: only the last one may vary in number".to_owned());
            }
            let is_text = positional.kind == PositionalKind::Text;
            if is_text != positional.text.is_some() {
                return Err(
                    "positional: `text` belongs to the kind text, and only there".to_owned()
                );
            }
        }
        Ok(())
    }
}

impl Flag {
    /// Its name and all other spellings.
    pub fn spellings(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.name).chain(&self.also).map(String::as_str)
    }

    /// Whether its value follows after `=`.
    pub fn is_long(&self) -> bool {
        self.name.starts_with("--")
    }
}

fn is_flag(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    match name.strip_prefix("--") {
        Some(long) => long.len() >= 2 && long.chars().all(plain) && !long.starts_with('-'),
        None => name.strip_prefix('-').is_some_and(|short| {
            short.len() == 1 && short.chars().all(|c| c.is_ascii_alphanumeric())
        }),
    }
}
