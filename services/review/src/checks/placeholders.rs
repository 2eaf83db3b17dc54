//! Nothing was left to be filled in later.

use std::sync::LazyLock;

use regex::Regex;

use super::{Found, Material};

/// More of them than this reject.
const MINOR_MAX: usize = 2;

static PLACEHOLDER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\b(?:TODO|FIXME|XXX|TBD)\b|(?m)^\s*\.\.\.\s*$")
        .expect("the pattern is well formed")
});

pub(super) fn check(material: &Material) -> Found {
    let count: usize = material.texts().map(|(_, text)| PLACEHOLDER.find_iter(text).count()).sum();
    match count {
        0 => Found::CLEAN,
        1..=MINOR_MAX => Found::minor(format!("{count} placeholders were left: fill them in")),
        _ => Found::blocking(format!("{count} placeholders were left: fill them in")),
    }
}
