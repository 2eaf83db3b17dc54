//! A document is long enough to say something.

use super::{Found, Material};
use crate::domain::submission::Kind;

/// Fewer characters than this are few for a document.
const LENGTH_MIN: usize = 200;

pub(super) fn check(material: &Material) -> Found {
    if material.kind != Some(Kind::Docs) {
        return Found::CLEAN;
    }
    let short = material.documents.iter().find(|page| page.body.chars().count() < LENGTH_MIN);
    short.map_or(Found::CLEAN, |page| {
        Found::minor(format!("{} has fewer than {LENGTH_MIN} characters", page.path))
    })
}
