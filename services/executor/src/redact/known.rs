//! Known secrets in every simple disguise.
//!
//! A text is read as streams of letters and digits, each with its place: as it stands, and with its
//! escape sequences resolved. Blanks, quotes and punctuation are passed over, in the text and in what
//! is looked for, so that a key that is torn apart is found like a whole one.

use std::collections::BTreeSet;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

/// Least letters and digits of something that is looked for: less would be found by chance.
const LETTERS_MIN: usize = 10;

/// Secrets that are known, ready to be looked for.
#[derive(Default)]
pub struct Known {
    /// Looked for letter by letter.
    exact: Vec<Zeroizing<Vec<u8>>>,
    /// Looked for in lower case: hexadecimal.
    folded: Vec<Zeroizing<Vec<u8>>>,
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} disguises of known secrets", self.exact.len() + self.folded.len())
    }
}

impl Known {
    /// All disguises of these secrets.
    pub fn of<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let (mut exact, mut folded) = (BTreeSet::new(), BTreeSet::new());
        for secret in secrets {
            let turned: String = secret.chars().rev().collect();
            exact.insert(letters(secret));
            exact.insert(letters(&turned));
            exact.extend(base64_forms(secret.as_bytes()));
            folded.insert(letters(&hex::encode(secret)));
        }
        let long = |all: BTreeSet<Vec<u8>>| {
            let long = all.into_iter().filter(|letters| letters.len() >= LETTERS_MIN);
            long.map(Zeroizing::new).collect()
        };
        Self { exact: long(exact), folded: long(folded) }
    }

    /// Where they stand in a text, in bytes.
    pub(super) fn find(&self, text: &str) -> Vec<Range<usize>> {
        if self.exact.is_empty() && self.folded.is_empty() {
            return Vec::new();
        }
        let plain = Stream::of(text, |_| None);
        let resolved = Stream::of(text, escape);
        let bytes = Stream::of(text, prefix).folded();
        let mut found = Vec::new();
        for needle in &self.exact {
            plain.find(needle, &mut found);
            resolved.find(needle, &mut found);
        }
        for needle in &self.folded {
            bytes.find(needle, &mut found);
        }
        found
    }
}

/// Letters and digits with their places.
struct Stream {
    letters: Vec<u8>,
    places: Vec<Range<usize>>,
}

impl Stream {
    /// Reads a text; `special` resolves what stands at a place to a letter, or to none, and its length.
    fn of(text: &str, special: impl Fn(&str) -> Option<(Option<u8>, usize)>) -> Self {
        let (mut stream, mut at) = (Self { letters: Vec::new(), places: Vec::new() }, 0);
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            let first = rest.chars().next().map_or(1, char::len_utf8);
            let (letter, length) = special(rest).unwrap_or_else(|| (rest.bytes().next(), first));
            if let Some(letter) = letter.filter(u8::is_ascii_alphanumeric) {
                stream.letters.push(letter);
                stream.places.push(at..at + length);
            }
            at += length;
        }
        stream
    }

    fn folded(mut self) -> Self {
        self.letters.make_ascii_lowercase();
        self
    }

    fn find(&self, needle: &[u8], found: &mut Vec<Range<usize>>) {
        for (at, window) in self.letters.windows(needle.len()).enumerate() {
            if window == needle
                && let (Some(first), Some(last)) =
                    (self.places.get(at), self.places.get(at + needle.len() - 1))
            {
                found.push(first.start..last.end);
            }
        }
    }
}

fn letters(text: &str) -> Vec<u8> {
    text.bytes().filter(u8::is_ascii_alphanumeric).collect()
}

/// What stands in base64 for `secret` whatever stands before and behind it: the letters that depend on
/// it alone, for each of the three ways in which it may begin.
fn base64_forms(secret: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = Vec::new();
    for before in 0..3_usize {
        let mut bytes = vec![0; before];
        bytes.extend(secret);
        // Letters that also depend on neighbours: at the beginning, and at an end within a group.
        let first = (before * 8).div_ceil(6);
        let whole = bytes.len() * 8 / 6;
        for text in [STANDARD_NO_PAD.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes)] {
            forms.extend(text.get(first..whole).map(letters));
        }
    }
    forms
}

/// Escape sequences of addresses, JSON, programs and HTML.
fn escape(rest: &str) -> Option<(Option<u8>, usize)> {
    let numbers = [("%", 2, 16), ("\\u", 4, 16), ("\\x", 2, 16)];
    for (mark, length, radix) in numbers {
        if let Some(digits) = rest.strip_prefix(mark).and_then(|rest| rest.get(..length))
            && let Ok(number) = u32::from_str_radix(digits, radix)
        {
            return Some((u8::try_from(number).ok(), mark.len() + length));
        }
    }
    let (radix, digits) = match rest.strip_prefix("&#x") {
        Some(digits) => (16, digits),
        None => (10, rest.strip_prefix("&#")?),
    };
    let (digits, _) = digits.split_once(';').filter(|(digits, _)| digits.len() <= 6)?;
    let number = u32::from_str_radix(digits, radix).ok()?;
    let mark = if radix == 16 { 3 } else { 2 };
    Some((u8::try_from(number).ok(), mark + digits.len() + 1))
}

/// `0x` and `\x` before a byte in hexadecimal mean nothing by themselves.
fn prefix(rest: &str) -> Option<(Option<u8>, usize)> {
    let marked = ["0x", "0X", "\\x"].into_iter().any(|mark| rest.starts_with(mark));
    marked.then_some((None, 2))
}
