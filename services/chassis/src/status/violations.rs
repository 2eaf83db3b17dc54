//! Collects everything that is wrong with a request, each with its dotted path, before refusing it.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use vivarium_types::{Reason, text};

use super::Refusal;

/// One field that is out of bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The dotted path of the field, such as `tasks[3].budget.tokens`.
    pub field: String,
    /// What is wrong with it.
    pub description: String,
}

/// What is wrong so far. Parsers add to it and go on; [`Violations::finish`] refuses once.
#[derive(Debug, Clone, Default)]
pub struct Violations {
    scope: String,
    found: Vec<Violation>,
}

impl Violations {
    /// Nothing is wrong so far.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a violation of `field`, which lies within the present scope. An empty `field` means the
    /// scope itself.
    pub fn add(&mut self, field: &str, description: impl Into<String>) {
        let field = self.path(field);
        self.found.push(Violation { field, description: description.into() });
    }

    /// Runs `parse` with all paths below `field`.
    pub fn within<T>(&mut self, field: &str, parse: impl FnOnce(&mut Self) -> T) -> T {
        let inner = self.path(field);
        let outer = std::mem::replace(&mut self.scope, inner);
        let value = parse(self);
        self.scope = outer;
        value
    }

    /// Runs `parse` with all paths below `field[index]`.
    pub fn item<T>(&mut self, field: &str, index: usize, parse: impl FnOnce(&mut Self) -> T) -> T {
        self.within(&format!("{field}[{index}]"), parse)
    }

    /// Reads `value` as a `T`; the error's text is the description.
    pub fn parse<T>(&mut self, field: &str, value: &str) -> Option<T>
    where
        T: FromStr<Err: fmt::Display>,
    {
        value.parse().map_err(|error: T::Err| self.add(field, error.to_string())).ok()
    }

    /// Like [`Violations::parse`], with an empty text meaning that the field is not set.
    pub fn parse_optional<T>(&mut self, field: &str, value: &str) -> Option<T>
    where
        T: FromStr<Err: fmt::Display>,
    {
        if value.is_empty() { None } else { self.parse(field, value) }
    }

    /// Brings a text into the world's form and checks its length in characters.
    pub fn text(&mut self, field: &str, value: &str, min: usize, max: usize) -> Option<String> {
        text::parse(value, min, max).map_err(|refused| self.add(field, refused.to_string())).ok()
    }

    /// Checks that a number lies within bounds.
    pub fn bounded<T>(&mut self, field: &str, value: T, bounds: RangeInclusive<T>) -> Option<T>
    where
        T: PartialOrd + fmt::Display + Copy,
    {
        if bounds.contains(&value) {
            return Some(value);
        }
        self.add(field, format!("must be {} to {}", bounds.start(), bounds.end()));
        None
    }

    /// The value, or a violation that says it is missing.
    pub fn present<T>(&mut self, field: &str, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.add(field, "must be set");
        }
        value
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// What was found.
    pub fn found(&self) -> &[Violation] {
        &self.found
    }

    /// Refuses with `REQUEST_INVALID` and all violations if there is one.
    pub fn finish(self) -> Result<(), Refusal> {
        if self.found.is_empty() { Ok(()) } else { Err(self.into_refusal(Reason::RequestInvalid)) }
    }

    /// The value, if it parsed and nothing is wrong; otherwise the refusal with all violations.
    ///
    /// A `None` without a violation is a bug of the parser and is refused as a missing field.
    pub fn done<T>(mut self, value: Option<T>) -> Result<T, Refusal> {
        let value = if self.found.is_empty() { self.present("", value) } else { value };
        match value {
            Some(value) if self.found.is_empty() => Ok(value),
            Some(_) | None => Err(self.into_refusal(Reason::RequestInvalid)),
        }
    }

    /// A refusal for `reason` with all violations.
    pub fn into_refusal(self, reason: Reason) -> Refusal {
        let refusal = Refusal::new(reason);
        self.found.into_iter().fold(refusal, |refusal, Violation { field, description }| {
            refusal.field(field, description)
        })
    }

    fn path(&self, field: &str) -> String {
        match (self.scope.as_str(), field) {
            ("", field) => field.to_owned(),
            (scope, "") => scope.to_owned(),
            (scope, field) => format!("{scope}.{field}"),
        }
    }
}
