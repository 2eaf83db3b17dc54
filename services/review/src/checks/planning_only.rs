//! The work is the thing itself and not the announcement of it.

use super::{Found, Material, prose};
use crate::domain::submission::Kind;

/// Below this length an announcement is all there is; above it, only the opening is at fault.
const LENGTH_PLAN_MAX: usize = 1_200;

/// How announcements begin, after headings and in lower case.
const OPENINGS: [&str; 18] = [
    "i will ",
    "i'll ",
    "i am going to",
    "i'm going to",
    "i plan to",
    "let me ",
    "we will ",
    "my plan",
    "the plan is",
    "here is my plan",
    "here's my plan",
    "first, i",
    "to complete this",
    "in order to complete",
    "i would ",
    "i can ",
    "sure, i",
    "okay, i",
];

pub(super) fn check(material: &Material) -> Found {
    if matches!(material.kind, Some(Kind::Plan | Kind::Split)) {
        return Found::CLEAN;
    }
    for (place, text) in material.texts() {
        let body = prose(text).to_lowercase().replace('\u{2019}', "'");
        if !OPENINGS.iter().any(|opening| body.starts_with(opening)) {
            continue;
        }
        if text.chars().count() < LENGTH_PLAN_MAX {
            return Found::blocking(format!(
                "{place} announces the work instead of doing it: write the document itself, not a plan"
            ));
        }
        return Found::minor(format!("{place} opens with an announcement: begin with the matter"));
    }
    Found::CLEAN
}
