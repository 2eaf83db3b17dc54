//! The work is new: this very text was neither accepted nor rejected before (check `duplicate`).

use super::{Found, Material};

pub(super) fn check(material: &Material) -> Found {
    material.seen_before.first().map_or(Found::CLEAN, |title| {
        Found::blocking(format!(
            "the text of \u{201c}{title}\u{201d} was submitted before, word for word: change it"
        ))
    })
}
