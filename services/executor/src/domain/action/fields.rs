//! Reads the fields of one action and gathers all that is wrong with them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use vivarium_types::text;

/// Fields of plain words: who writes them in other letters or with other spaces asks for the same. In
/// paths, patterns and documents both can matter.
const WORDS: [&str; 6] = ["instruction", "query", "reason", "summary", "text", "why"];

/// The fields of one action: those that were not read yet, and what is known of those that were.
#[derive(Debug)]
pub(super) struct Fields {
    unread: Map<String, Value>,
    wrong: Vec<String>,
    /// What was read, in one form for all that means the same.
    normal: BTreeMap<String, String>,
}

impl Fields {
    pub(super) const fn new(unread: Map<String, Value>) -> Self {
        Self { unread, wrong: Vec::new(), normal: BTreeMap::new() }
    }

    /// SHA-256 over the name and what was read: the same whatever the order of fields, the spaces and
    /// letters of plain words, and whether a usual value is written or left out.
    pub(super) fn hash(&self, name: &str) -> String {
        digest(name, &self.normal)
    }

    /// SHA-256 over the name and the fields as they are, for what cannot be read.
    pub(super) fn raw_hash(&self, name: &str) -> String {
        let fields = self.unread.iter().filter(|(_, value)| !value.is_null());
        let fields = fields.map(|(field, value)| {
            (field.clone(), value.as_str().map_or_else(|| value.to_string(), spaced))
        });
        digest(name, &fields.collect())
    }

    /// Forgets what was read: it is no argument.
    pub(super) fn forget(&mut self) {
        self.normal.clear();
    }

    fn note(&mut self, field: &str, normal: impl Into<String>) {
        self.normal.insert(field.to_owned(), normal.into());
    }

    pub(super) fn wrong(&mut self, field: &str, what: &str) {
        self.wrong.push(format!("`{field}` {what}"));
    }

    /// A text of `min` to `max` characters; a `min` of 0 means it may be left out.
    pub(super) fn text(&mut self, field: &str, min: usize, max: usize) -> String {
        let read = self.read_text(field, min, max);
        let plain = WORDS.contains(&field).then(|| spaced(&read).to_lowercase());
        self.note(field, plain.unwrap_or_else(|| read.trim().to_owned()));
        read
    }

    fn read_text(&mut self, field: &str, min: usize, max: usize) -> String {
        match self.take(field) {
            None if min == 0 => String::new(),
            None => {
                self.wrong(field, "is missing");
                String::new()
            }
            Some(Value::String(given)) => text::parse(&given, min, max).unwrap_or_else(|refused| {
                self.wrong(field, &refused.to_string());
                String::new()
            }),
            Some(_) => {
                self.wrong(field, "must be a text");
                String::new()
            }
        }
    }

    /// One of these words.
    pub(super) fn word(&mut self, field: &str, words: &[&str]) -> String {
        let given = self.text(field, 1, 32);
        if !given.is_empty() && !words.contains(&given.as_str()) {
            self.wrong(field, &format!("must be one of {}", words.join(", ")));
        }
        given
    }

    /// At most `count` texts of `min` to `max` characters.
    pub(super) fn list(
        &mut self,
        field: &str,
        count: usize,
        min: usize,
        max: usize,
    ) -> Vec<String> {
        let read = self.read_list(field, count, (min, max));
        let set: BTreeSet<String> = read.iter().map(|item| spaced(item)).collect();
        self.note(field, set.into_iter().collect::<Vec<_>>().join("\n"));
        read
    }

    /// At most `count` texts of at most `max` characters, of which each stays in its place.
    pub(super) fn sequence(&mut self, field: &str, count: usize, max: usize) -> Vec<String> {
        let read = self.read_list(field, count, (0, max));
        self.note(field, serde_json::json!(read).to_string());
        read
    }

    fn read_list(&mut self, field: &str, count: usize, (min, max): (usize, usize)) -> Vec<String> {
        let items = match self.take(field) {
            None => return Vec::new(),
            Some(Value::Array(items)) => items,
            Some(_) => {
                self.wrong(field, "must be a list of texts");
                return Vec::new();
            }
        };
        if items.len() > count {
            self.wrong(field, &format!("may have at most {count} entries"));
        }
        let mut found = Vec::new();
        for item in items.iter().take(count) {
            match item.as_str().map(|given| text::parse(given, min, max)) {
                Some(Ok(given)) => found.push(given),
                Some(Err(refused)) => self.wrong(field, &refused.to_string()),
                None => self.wrong(field, "must be a list of texts"),
            }
        }
        found
    }

    /// How many faults were found so far.
    pub(super) fn fault_count(&self) -> usize {
        self.wrong.len()
    }

    /// At most `count` objects, each read by `read`.
    pub(super) fn objects<T>(
        &mut self,
        field: &str,
        count: usize,
        read: impl Fn(&mut Self) -> T,
    ) -> Vec<T> {
        let items = match self.take(field) {
            None => return Vec::new(),
            Some(Value::Array(items)) => items,
            Some(_) => {
                self.wrong(field, "must be a list of objects");
                return Vec::new();
            }
        };
        if items.len() > count {
            self.wrong(field, &format!("may have at most {count} entries"));
        }
        let mut found = Vec::new();
        for (item, number) in items.into_iter().take(count).zip(1..) {
            let Value::Object(fields) = item else {
                self.wrong(field, "must be a list of objects");
                continue;
            };
            let mut inner = Self::new(fields);
            found.push(read(&mut inner));
            self.note(&format!("{field} {number}"), inner.hash(field));
            let wrong = inner.finish().err().unwrap_or_default();
            self.wrong.extend(wrong.into_iter().map(|what| format!("{field} {number}: {what}")));
        }
        found
    }

    /// Places from 1 on the wire as places from 0. A place of 0 is none there is.
    pub(super) fn places(&mut self, field: &str) -> BTreeSet<usize> {
        let items = match self.take(field) {
            None => return BTreeSet::new(),
            Some(Value::Array(items)) => items,
            Some(_) => {
                self.wrong(field, "must be a list of numbers");
                return BTreeSet::new();
            }
        };
        let place = |item: &Value| item.as_u64().and_then(|place| usize::try_from(place).ok());
        let places: Option<BTreeSet<usize>> =
            items.iter().map(|item| place(item)?.checked_sub(1)).collect();
        let places = places.unwrap_or_else(|| {
            self.wrong(field, "must be a list of numbers from 1");
            BTreeSet::new()
        });
        self.note(field, format!("{places:?}"));
        places
    }

    /// A whole number; `default` when it is left out.
    pub(super) fn number(&mut self, field: &str, min: u32, max: u32, default: u32) -> u32 {
        let read = self.read_number(field, min, max, default);
        self.note(field, read.to_string());
        read
    }

    fn read_number(&mut self, field: &str, min: u32, max: u32, default: u32) -> u32 {
        let Some(value) = self.take(field) else { return default };
        let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
        match number {
            Some(number) if (min..=max).contains(&number) => number,
            Some(_) | None => {
                self.wrong(field, &format!("must be a whole number from {min} to {max}"));
                default
            }
        }
    }

    /// True or false; false when it is left out.
    pub(super) fn flag(&mut self, field: &str) -> bool {
        let read = match self.take(field) {
            None => false,
            Some(Value::Bool(flag)) => flag,
            Some(_) => {
                self.wrong(field, "must be true or false");
                false
            }
        };
        self.note(field, read.to_string());
        read
    }

    /// Everything that is wrong, unknown fields included.
    pub(super) fn finish(&mut self) -> Result<(), Vec<String>> {
        let mut wrong = std::mem::take(&mut self.wrong);
        wrong.extend(self.unread.keys().map(|field| format!("`{field}` is no field of it")));
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }

    fn take(&mut self, field: &str) -> Option<Value> {
        self.unread.remove(field).filter(|value| !value.is_null())
    }
}

fn spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn digest(name: &str, fields: &BTreeMap<String, String>) -> String {
    let mut digest = Sha256::new();
    let fields = fields.iter().flat_map(|(field, value)| [field.as_str(), value.as_str()]);
    for part in [name].into_iter().chain(fields) {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    hex::encode(digest.finalize())
}
