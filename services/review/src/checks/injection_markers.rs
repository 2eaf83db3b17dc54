//! The work gives no orders to whoever reads it: a human looks first.

use std::sync::LazyLock;

use regex::Regex;

use super::{Found, Material};

static MARKER: LazyLock<Regex> = LazyLock::new(|| {
    let shapes = [
        r"(?i)\bignore (?:all |any |the )?(?:previous|prior|above|earlier) (?:instructions|rules)",
        r"(?i)\bdisregard (?:all |any |the )?(?:previous|prior|above|earlier)",
        r"(?i)\byou are now (?:an?|the)\b",
        r"(?im)^\s*(?:system|assistant|user)\s*:",
        r"<\|[a-z_]+\|>",
        r"(?i)\[/?inst\]",
        "[\u{202A}-\u{202E}\u{2066}-\u{2069}\u{200B}-\u{200D}\u{2060}\u{E0000}-\u{E007F}]",
    ];
    Regex::new(&shapes.join("|")).expect("the pattern is well formed")
});

pub(super) fn check(material: &Material) -> Found {
    let place = material.texts().find(|(_, text)| MARKER.is_match(text));
    place.map_or(Found::CLEAN, |(place, _)| {
        Found::hold(format!("{place} seems to give orders to its reader, or hides characters"))
    })
}
