//! The work is more than the request in other clothes.

use vivarium_types::Permille;
use vivarium_types::similarity::similarity;

use super::{Found, Material, prose};

/// From this similarity on a text is taken for a copy.
const COPIED_FROM: Permille = Permille(800);

pub(super) fn check(material: &Material) -> Found {
    if material.is_of_a_tool() {
        return Found::CLEAN;
    }
    for (place, text) in material.texts() {
        if similarity(&prose(text), &material.instruction) >= COPIED_FROM {
            return Found::blocking(format!(
                "{place} repeats the instruction instead of answering it: write the content"
            ));
        }
    }
    Found::CLEAN
}
