//! The work has something to do with the task: a content word of it occurs.

use super::{Found, Material, words};

/// Shorter words carry little meaning of their own.
const CONTENT_WORD_LENGTH_MIN: usize = 4;

/// Words that requests of any kind are made of, so that they tell nothing about the topic.
const COMMON: [&str; 60] = [
    "about",
    "above",
    "after",
    "also",
    "answer",
    "been",
    "before",
    "brief",
    "briefly",
    "clear",
    "come",
    "could",
    "create",
    "document",
    "draft",
    "each",
    "explain",
    "explains",
    "file",
    "first",
    "from",
    "give",
    "good",
    "have",
    "heading",
    "headings",
    "help",
    "into",
    "list",
    "long",
    "make",
    "many",
    "markdown",
    "more",
    "most",
    "must",
    "need",
    "only",
    "other",
    "page",
    "paragraph",
    "please",
    "section",
    "sentence",
    "short",
    "should",
    "some",
    "such",
    "task",
    "text",
    "than",
    "that",
    "their",
    "them",
    "this",
    "title",
    "what",
    "with",
    "words",
    "write",
];

pub(super) fn check(material: &Material) -> Found {
    if material.is_of_a_tool() {
        return Found::CLEAN;
    }
    let asked = words(&format!("{} {}", material.title, material.instruction));
    let topic: Vec<&String> = asked
        .iter()
        .filter(|word| word.chars().count() >= CONTENT_WORD_LENGTH_MIN)
        .filter(|word| !COMMON.contains(&word.as_str()))
        .collect();
    if topic.is_empty() {
        return Found::CLEAN;
    }
    for (place, text) in material.texts() {
        let text = text.to_lowercase();
        if !topic.iter().any(|word| text.contains(stem(word))) {
            return Found::blocking(format!(
                "{place} has nothing to do with the task: none of its words occurs in it"
            ));
        }
    }
    Found::CLEAN
}

/// A plural or inflected word counts for its stem.
fn stem(word: &str) -> &str {
    ["ing", "es", "ed", "s"]
        .iter()
        .find_map(|ending| word.strip_suffix(ending))
        .filter(|stem| stem.chars().count() >= CONTENT_WORD_LENGTH_MIN)
        .unwrap_or(word)
}
