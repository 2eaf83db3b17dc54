//! A document that the work names by its library path exists.

use std::sync::LazyLock;

use regex::Regex;

use super::{Found, Material};

static NAMED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\b(?:community_library|creative_works)/[A-Za-z0-9._/-]+\.md\b")
        .expect("the pattern is well formed")
});

/// The library paths that a text names.
pub(super) fn named(text: &str) -> impl Iterator<Item = &str> {
    NAMED.find_iter(text).map(|found| found.as_str())
}

pub(super) fn check(material: &Material) -> Found {
    for (place, text) in material.texts() {
        let missing = named(text).find(|path| {
            !material.library.contains(*path) && material.documents.iter().all(|p| p.path != *path)
        });
        if let Some(path) = missing {
            return Found::blocking(format!("{place} names {path}, which does not exist"));
        }
    }
    Found::CLEAN
}
