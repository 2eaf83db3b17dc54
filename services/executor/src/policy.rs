//! The safety policy: rules as data over a task's texts, and signs of injections in others' texts.
//!
//! Safety rests on what can be done; this is the outer fence. Every rule runs and every finding is
//! reported; no word turns a match into a pass; without rules nothing passes.

use std::path::Path;

use regex::{Regex, RegexSet};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::domain::preflight::{Finding, Outcome};

/// The file of the rules, below the world's rules.
const FILE: &str = "safety.toml";
/// The rule that leaves a fragment out of a briefing.
pub const INJECTION: &str = "injection";
/// The rule that keeps a signalled text from being passed on.
pub const RELAY: &str = "relay";
/// The rule that blocks when there are no rules.
const MISSING: &str = "rules_missing";
/// How far before a match a negation counts, in characters.
const NEGATION_REACH: usize = 40;
/// Characters of a signalled text that may not be passed on (domain.md, section 10).
const RELAY_CHARS: usize = 80;
/// Signs of an injection from which on a fragment is left out.
pub const SIGNALS_MAX: usize = 1;

/// Why the rules do not load.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read the safety rules")]
    Unreadable(#[from] std::io::Error),
    /// The file is not what it should be.
    #[error("the safety rules are not valid")]
    Invalid(#[from] toml::de::Error),
    /// A pattern is not valid.
    #[error("a pattern of the safety rules is not valid")]
    Pattern(#[from] regex::Error),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// Words that turn a match behind them into one for the human.
    negations: Vec<String>,
    /// Signs of an injection in fragments below `operator`.
    injection: Vec<String>,
    rule: Vec<RuleText>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleText {
    name: String,
    /// What it is against, for people.
    #[serde(default)]
    about: String,
    patterns: Vec<String>,
}

#[derive(Debug)]
struct Rule {
    name: String,
    about: String,
    patterns: Vec<Regex>,
}

#[derive(Debug)]
struct Rules {
    all: Vec<Rule>,
    injection: RegexSet,
    negations: Vec<String>,
    negation: Regex,
}

/// A rule as people read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Its name.
    pub name: String,
    /// What it is against; empty when its file does not say.
    pub about: String,
    /// What it looks at.
    pub looks_at: &'static str,
    /// What follows from a match.
    pub follows: &'static str,
    /// The expressions it looks for; empty for one that is code.
    pub patterns: Vec<String>,
}

/// The rules of a world, or their absence.
#[derive(Debug)]
pub struct Policy {
    rules: Option<Rules>,
    hash: String,
}

/// What a preflight says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What follows from all findings.
    pub outcome: Outcome,
    /// Every finding.
    pub findings: Vec<Finding>,
    /// SHA-256 of everything that was looked at.
    pub subject_hash: [u8; 32],
}

/// A text to look at.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// Where it stands, such as `instruction`.
    pub place: &'a str,
    /// The text.
    pub text: &'a str,
    /// Whether it names what must not happen: a match there is for the human.
    pub negated: bool,
}

impl Policy {
    /// The rules below `folder`. Rules that do not load are logged and block everything.
    pub fn load(folder: &Path) -> Self {
        match read(&folder.join(FILE)) {
            Ok(policy) => policy,
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "no safety rules: all tasks are blocked"
                );
                Self { rules: None, hash: String::new() }
            }
        }
    }

    /// SHA-256 of the rules' file, in hexadecimal; empty when there are none.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The rules in force, for people; none when the file does not load.
    pub fn told(&self) -> Vec<Told> {
        let Some(rules) = &self.rules else { return Vec::new() };
        let of_file = rules.all.iter().map(|rule| Told {
            name: rule.name.clone(),
            about: rule.about.clone(),
            looks_at: "the words of a task before its cycle begins, and of every action",
            follows: "The task is blocked, or held for you where the match is quoted, negated or \
                      among what must not happen. An action is refused where it is none of these.",
            patterns: rule.patterns.iter().map(|pattern| pattern.as_str().to_owned()).collect(),
        });
        let of_code = [
            Told {
                name: INJECTION.to_owned(),
                about: "orders hidden in what others wrote".to_owned(),
                looks_at: "every fragment of a briefing that is not yours or the system's",
                follows: "With two signs, or one and a hidden character, the fragment is left out of \
                          the briefing.",
                patterns: rules.injection.patterns().to_vec(),
            },
            Told {
                name: RELAY.to_owned(),
                about: "orders that are passed on from one resident to the next".to_owned(),
                looks_at: "what a resident tells others, beside the texts with a sign that it was shown",
                follows: "An action that repeats 80 characters of such a text is refused.",
                patterns: Vec::new(),
            },
        ];
        of_file.chain(of_code).collect()
    }

    /// Words that turn a match behind them into one for the human.
    pub fn negations(&self) -> &[String] {
        self.rules.as_ref().map_or(&[], |rules| &rules.negations)
    }

    /// Looks at a task's texts.
    pub fn preflight(&self, parts: &[Part<'_>]) -> Verdict {
        let mut subject = Sha256::new();
        let mut findings = Vec::new();
        for part in parts {
            subject.update((part.text.len() as u64).to_be_bytes());
            subject.update(part.text.as_bytes());
        }
        match &self.rules {
            None => findings.push(Finding {
                rule: MISSING.to_owned(),
                place: "rules".to_owned(),
                outcome: Outcome::Block,
            }),
            Some(rules) => {
                for part in parts {
                    rules.look(part, &mut findings);
                }
            }
        }
        let worst = findings.iter().map(|finding| finding.outcome).max();
        let outcome = worst.unwrap_or(Outcome::Pass);
        Verdict { outcome, findings, subject_hash: subject.finalize().into() }
    }

    /// Signs of an injection in a text. A fragment below `operator` with more than [`SIGNALS_MAX`] of
    /// them is left out.
    pub fn signals(&self, text: &str) -> usize {
        let hidden = usize::from(text.chars().any(is_invisible));
        let plain = plain(text);
        let signs =
            self.rules.as_ref().map_or(0, |rules| rules.injection.matches(&plain).iter().count());
        signs + hidden
    }
}

/// Texts with signs of an injection that somebody has seen, to know them again.
#[derive(Debug, Clone, Default)]
pub struct Signalled {
    texts: Vec<String>,
}

impl Signalled {
    /// Keeps a text if it bears a sign.
    pub fn see(&mut self, policy: &Policy, text: &str) {
        if policy.signals(text) > 0 {
            self.keep(text);
        }
    }

    /// Keeps a text that bears a sign.
    pub fn keep(&mut self, text: &str) {
        self.texts.push(plain(text));
    }

    /// Whether `text` repeats a passage of such a text, of [`RELAY_CHARS`] characters or more.
    pub fn is_relayed_by(&self, text: &str) -> bool {
        if self.texts.is_empty() {
            return false;
        }
        let text = plain(text);
        let starts: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        let mut passages = starts.iter().enumerate().filter_map(|(number, from)| {
            let to = match starts.get(number + RELAY_CHARS) {
                Some(to) => *to,
                None if number + RELAY_CHARS == starts.len() => text.len(),
                None => return None,
            };
            text.get(*from..to)
        });
        passages.any(|passage| self.texts.iter().any(|seen| seen.contains(passage)))
    }
}

impl Rules {
    fn look(&self, part: &Part<'_>, findings: &mut Vec<Finding>) {
        let text = plain(part.text);
        for rule in &self.all {
            let matches = rule.patterns.iter().flat_map(|pattern| pattern.find_iter(&text));
            let worst = matches
                .map(|found| {
                    let before = text.get(..found.start()).unwrap_or_default();
                    if part.negated || is_quoted(before) || self.is_negated(before) {
                        Outcome::Hold
                    } else {
                        Outcome::Block
                    }
                })
                .max();
            if let Some(outcome) = worst {
                let (rule, place) = (rule.name.clone(), part.place.to_owned());
                findings.push(Finding { rule, place, outcome });
            }
        }
    }

    fn is_negated(&self, before: &str) -> bool {
        let near: Vec<char> = before.chars().rev().take(NEGATION_REACH).collect();
        let near: String = near.into_iter().rev().collect();
        // A negation reaches to the end of its sentence.
        let near = near.rsplit(['.', '!', '?', ';']).next().unwrap_or_default();
        self.negation.is_match(near)
    }
}

fn read(path: &Path) -> Result<Policy, Error> {
    let text = std::fs::read_to_string(path)?;
    let file: File = toml::from_str(&text)?;
    let mut rules = Vec::new();
    for rule in file.rule {
        let patterns = rule.patterns.iter().map(|pattern| Regex::new(pattern));
        let patterns = patterns.collect::<Result<_, _>>()?;
        rules.push(Rule { name: rule.name, about: rule.about, patterns });
    }
    let words: Vec<String> = file.negations.iter().map(|word| regex::escape(word)).collect();
    let negation = Regex::new(&format!(r"\b(?:{})\b", words.join("|")))?;
    let injection = RegexSet::new(&file.injection)?;
    let hash = hex::encode(Sha256::digest(text.as_bytes()));
    let negations = file.negations;
    Ok(Policy { rules: Some(Rules { all: rules, injection, negations, negation }), hash })
}

/// Case-folded, space-collapsed, without invisible characters.
fn plain(text: &str) -> String {
    let visible: String = text.chars().filter(|c| !is_invisible(*c)).collect();
    visible.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

const fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}'
        | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// Whether what follows `before` stands in quotation marks or in a code block.
fn is_quoted(before: &str) -> bool {
    let odd = |mark: &str| before.matches(mark).count() % 2 == 1;
    let open = before.matches('“').count() > before.matches('”').count();
    odd("\"") || odd("`") || open
}

#[cfg(test)]
mod tests;
