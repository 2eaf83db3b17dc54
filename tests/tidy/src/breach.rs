//! A rule and where it was broken, told so that the reader can mend it without asking.

use std::fmt::Display;

/// A rule of the house: what must hold, why, and what to do where it does not.
#[derive(Debug)]
pub struct Rule {
    must: &'static str,
    because: &'static str,
    fix: &'static str,
    broken: Vec<String>,
}

impl Rule {
    /// A rule with nothing found yet.
    pub const fn new(must: &'static str, because: &'static str, fix: &'static str) -> Self {
        Self { must, because, fix, broken: Vec::new() }
    }

    /// Notes that `place` breaks the rule.
    pub fn broken_at(&mut self, place: impl Display) {
        self.broken.push(place.to_string());
    }

    /// Notes `place` if `holds` is false.
    pub fn check(&mut self, holds: bool, place: impl Display) {
        if !holds {
            self.broken_at(place);
        }
    }

    /// Where it is broken, so far.
    pub fn breaches(&self) -> &[String] {
        &self.broken
    }

    /// Ends the test: all is well, or everything that is not, together.
    ///
    /// # Panics
    /// If anything broke the rule: that is how a test says it.
    pub fn verdict(self) {
        let Self { must, because, fix, broken } = self;
        let places = broken.join("\n    ");
        assert!(
            broken.is_empty(),
            "\n  rule     {must}\n  because  {because}\n  fix      {fix}\n  broken at\n    {places}\n"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_rule_reason_fix_and_every_place() {
        let told = std::panic::catch_unwind(|| {
            let mut rule = Rule::new("files have a head", "a reader needs one", "write it");
            rule.check(true, "good.rs");
            rule.check(false, "bad.rs");
            rule.broken_at("worse.rs");
            rule.verdict();
        })
        .unwrap_err();
        let told = told.downcast_ref::<String>().unwrap();
        for part in ["files have a head", "a reader needs one", "write it", "bad.rs", "worse.rs"] {
            assert!(told.contains(part), "{part} is missing in {told}");
        }
        assert!(!told.contains("good.rs"));
    }
}
