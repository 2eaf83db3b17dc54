//! Nothing in the work looks like a key or a token: a human looks first.

use std::sync::LazyLock;

use regex::Regex;

use super::{Found, Material};

/// Key shapes that providers publish, private key blocks, and assignments of long random text.
static SECRET: LazyLock<Regex> = LazyLock::new(|| {
    let shapes = [
        r"\bgsk_[A-Za-z0-9]{20,}",
        r"\bsk-[A-Za-z0-9_-]{20,}",
        r"\bgh[pousr]_[A-Za-z0-9]{30,}",
        r"\bAKIA[0-9A-Z]{16}\b",
        r"\bxox[abprs]-[A-Za-z0-9-]{10,}",
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
        r#"(?i)\b(?:api[_-]?key|secret|password|token)\b\s*[:=]\s*["']?[A-Za-z0-9+/_-]{20,}"#,
    ];
    Regex::new(&shapes.join("|")).expect("the pattern is well formed")
});

pub(super) fn check(material: &Material) -> Found {
    let place = material.texts().find(|(_, text)| SECRET.is_match(text));
    // What was found is not repeated: a finding is shown and stored.
    place.map_or(Found::CLEAN, |(place, _)| {
        Found::hold(format!("{place} holds something that looks like a key or a password"))
    })
}
