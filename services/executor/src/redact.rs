//! The redactor: what looks like a secret becomes `[redacted:<kind>]` before a prompt leaves, a reply
//! is read or an output is kept.
//!
//! Known keys are found in every simple disguise: turned around, in hexadecimal, base64, percent or
//! escape sequences, and torn apart by blanks, quotes or punctuation. Beside them go the shapes of
//! well-known keys, keys behind a telling name, and long strings with the disorder of a key.

use std::ops::Range;
use std::sync::{Arc, LazyLock};

use arc_swap::ArcSwap;
use regex::Regex;
use vivarium_ledger::planted::{self, Guard};

use crate::keys::Keys;

mod known;

pub use known::Known;

/// Least length of a string that is judged by its disorder alone.
const DISORDER_LENGTH_MIN: usize = 32;
/// Least disorder of such a string, in bits a character (Shannon): text lies near 4, base64 of a
/// random key of 32 bytes near 5.
const DISORDER_BITS_MIN: f64 = 4.2;
/// Least digits of such a string: names in programs have few.
const DISORDER_DIGITS_MIN: usize = 4;

/// A text without secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clean {
    /// The text.
    pub text: String,
    /// How many places were redacted.
    pub redactions: u32,
}

/// Shapes of keys: the kind, and what a key of it looks like. A group marks the secret part.
static SHAPES: LazyLock<Vec<(&'static str, Regex)>> = LazyLock::new(|| {
    let shapes = [
        (
            "private_key",
            r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----(?s:.*?)(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\z)",
        ),
        ("model_key", r"\b(?:gsk_|xai-|r8_|hf_|pplx-)[A-Za-z0-9_-]{20,}"),
        ("model_key", r"\bsk-(?:proj-|ant-|or-|live-)?[A-Za-z0-9_-]{20,}"),
        ("cloud_key", r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
        ("cloud_key", r"\bAIza[0-9A-Za-z_-]{35}"),
        (
            "token",
            r"\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{22,}|glpat-[A-Za-z0-9_-]{20,})",
        ),
        (
            "token",
            r"\b(?:xox[abprs]-[A-Za-z0-9-]{10,}|npm_[A-Za-z0-9]{30,}|v4\.public\.[A-Za-z0-9_-]{40,})",
        ),
        ("token", r"\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
        ("password", r"\b[a-z][a-z0-9+.-]*://[^\s:/@]+:([^\s:/@]{3,})@"),
        (
            "named",
            r#"(?i)\b(?:api[_-]?key|access[_-]?key|secret|passw(?:or)?d|auth[_-]?token|bearer)["']?\s*(?:[:=]\s*)?["']?([A-Za-z0-9+/_=-]*[0-9][A-Za-z0-9+/_=-]*)"#,
        ),
    ];
    shapes
        .into_iter()
        .map(|(kind, shape)| (kind, Regex::new(shape).expect("the shapes above are valid")))
        .collect()
});

/// Strings that could be keys by their disorder.
static STRINGS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"[A-Za-z0-9+/_-]{32,}={0,2}").expect("the form is valid"));

/// Least length of a value behind a telling name.
const NAMED_LENGTH_MIN: usize = 16;

/// The redactor of a world: knows its keys as they are at each moment.
#[derive(Debug)]
pub struct Redactor {
    keys: Arc<Keys>,
    /// The disguises of the keys as of this many changes. Written by [`Redactor::clean`].
    known: ArcSwap<(u64, Known)>,
}

impl Redactor {
    /// Looks for these keys.
    pub fn new(keys: Arc<Keys>) -> Self {
        let known = ArcSwap::from_pointee((u64::MAX, Known::default()));
        Self { keys, known }
    }

    /// The text without secrets.
    pub fn clean(&self, text: &str) -> Clean {
        if !planted::stands(Guard::Redactor) {
            return Clean { text: text.to_owned(), redactions: 0 };
        }
        let changes = *self.keys.changes().borrow();
        if self.known.load().0 != changes {
            let secrets = self.keys.secrets();
            let known = Known::of(secrets.iter().map(|secret| secret.expose().as_str()));
            self.known.store(Arc::new((changes, known)));
        }
        redact(text, &self.known.load().1)
    }
}

/// The text without what is known or looks like a secret.
pub fn redact(text: &str, known: &Known) -> Clean {
    let mut found: Vec<(Range<usize>, &'static str)> =
        known.find(text).into_iter().map(|place| (place, "key")).collect();
    found.extend(shapes(text));
    found.extend(disordered(text).map(|place| (place, "unknown")));
    if found.is_empty() {
        return Clean { text: text.to_owned(), redactions: 0 };
    }
    found.sort_by_key(|(place, _)| (place.start, std::cmp::Reverse(place.end)));
    let (mut clean, mut upto, mut redactions) = (String::with_capacity(text.len()), 0, 0);
    for (place, kind) in found {
        if place.end <= upto {
            continue;
        }
        if place.start >= upto {
            clean.push_str(text.get(upto..place.start).unwrap_or_default());
            clean.extend(["[redacted:", kind, "]"]);
            redactions += 1;
        }
        upto = place.end;
    }
    clean.push_str(text.get(upto..).unwrap_or_default());
    Clean { text: clean, redactions }
}

fn shapes(text: &str) -> Vec<(Range<usize>, &'static str)> {
    let mut found = Vec::new();
    for (kind, shape) in SHAPES.iter() {
        for groups in shape.captures_iter(text) {
            let Some(place) = groups.get(1).or_else(|| groups.get(0)) else { continue };
            if *kind != "named" || is_value(place.as_str()) {
                found.push((place.range(), *kind));
            }
        }
    }
    found
}

/// Whether what stands behind a telling name is a secret and not a word.
fn is_value(value: &str) -> bool {
    value.len() >= NAMED_LENGTH_MIN && value.chars().any(|c| c.is_ascii_alphabetic())
}

fn disordered(text: &str) -> impl Iterator<Item = Range<usize>> {
    STRINGS.find_iter(text).filter(|found| is_disordered(found.as_str())).map(|found| found.range())
}

fn is_disordered(string: &str) -> bool {
    let has = |class: fn(&u8) -> bool| string.bytes().any(|byte| class(&byte));
    let digits = string.bytes().filter(u8::is_ascii_digit).count();
    string.len() >= DISORDER_LENGTH_MIN
        && has(u8::is_ascii_lowercase)
        && has(u8::is_ascii_uppercase)
        && digits >= DISORDER_DIGITS_MIN
        && disorder(string) >= DISORDER_BITS_MIN
}

/// Shannon's entropy of a string's own letters, in bits a letter.
fn disorder(string: &str) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in string.bytes() {
        counts[usize::from(byte)] += 1;
    }
    let length = f64::from(u32::try_from(string.len()).unwrap_or(u32::MAX));
    let of = |count: u32| {
        let share = f64::from(count) / length;
        -share * share.log2()
    };
    counts.into_iter().filter(|count| *count > 0).map(of).sum()
}
