//! There is a result, and it has content.

use super::{Found, Material, prose};
use crate::domain::submission::Kind;

pub(super) fn check(material: &Material) -> Found {
    let wants_document = matches!(material.kind, Some(Kind::Docs | Kind::Plan));
    if wants_document && material.documents.is_empty() {
        return Found::blocking("the task asks for a document and none was submitted: write it");
    }
    if material.texts().next().is_none() {
        return Found::blocking("nothing was submitted: give the result the task asks for");
    }
    let empty = material.texts().find(|(_, text)| prose(text).is_empty());
    empty.map_or(Found::CLEAN, |(place, _)| {
        Found::blocking(format!("{place} is empty: write the document the task asks for"))
    })
}
