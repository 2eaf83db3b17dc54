//! Every document has a place in the library and a size within bounds.

use vivarium_types::library::LibraryPath;

use super::{Found, Material};

/// Most characters of a document or answer (`domain.md` section 2).
const LENGTH_MAX: usize = 64_000;

pub(super) fn check(material: &Material) -> Found {
    for page in &material.documents {
        if let Err(refused) = page.path.parse::<LibraryPath>() {
            return Found::blocking(format!("the path {} {refused}", page.path));
        }
    }
    let long = material.texts().find(|(_, text)| text.chars().count() > LENGTH_MAX);
    long.map_or(Found::CLEAN, |(place, _)| {
        Found::blocking(format!("{place} is longer than {LENGTH_MAX} characters: shorten it"))
    })
}
