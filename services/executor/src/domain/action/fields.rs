//! Reads the fields of one action and gathers all that is wrong with them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use vivarium_types::text;

/// The fields of one action that were not read yet, and what was wrong with those that were.
#[derive(Debug)]
pub(super) struct Fields {
    fields: Map<String, Value>,
    wrong: Vec<String>,
}

impl Fields {
    pub(super) const fn new(fields: Map<String, Value>) -> Self {
        Self { fields, wrong: Vec::new() }
    }

    /// SHA-256 over the name and the fields in order of their names, texts trimmed.
    pub(super) fn hash(&self, name: &str) -> String {
        let sorted: BTreeMap<&str, String> = self
            .fields
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(field, value)| {
                let normal = value.as_str().map_or_else(|| value.to_string(), normal);
                (field.as_str(), normal)
            })
            .collect();
        let mut digest = Sha256::new();
        for part in [name].into_iter().chain(sorted.iter().flat_map(|(k, v)| [*k, v.as_str()])) {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        hex::encode(digest.finalize())
    }

    pub(super) fn wrong(&mut self, field: &str, what: &str) {
        self.wrong.push(format!("`{field}` {what}"));
    }

    /// A text of `min` to `max` characters; a `min` of 0 means it may be left out.
    pub(super) fn text(&mut self, field: &str, min: usize, max: usize) -> String {
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
        places.unwrap_or_else(|| {
            self.wrong(field, "must be a list of numbers from 1");
            BTreeSet::new()
        })
    }

    /// A whole number; `default` when it is left out.
    pub(super) fn number(&mut self, field: &str, min: u32, max: u32, default: u32) -> u32 {
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
        match self.take(field) {
            None => false,
            Some(Value::Bool(flag)) => flag,
            Some(_) => {
                self.wrong(field, "must be true or false");
                false
            }
        }
    }

    /// Everything that is wrong, unknown fields included.
    pub(super) fn finish(&mut self) -> Result<(), Vec<String>> {
        let mut wrong = std::mem::take(&mut self.wrong);
        wrong.extend(self.fields.keys().map(|field| format!("`{field}` is no field of it")));
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }

    fn take(&mut self, field: &str) -> Option<Value> {
        self.fields.remove(field).filter(|value| !value.is_null())
    }
}

fn normal(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
