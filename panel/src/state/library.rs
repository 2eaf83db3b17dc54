//! Published documents.

use vivarium_types::Timestamp;

use super::tone::Tone;

/// A published document. Lists leave the body out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Document {
    /// `doc_…`.
    pub(crate) id: String,
    /// Its path.
    pub(crate) path: String,
    /// Its title.
    pub(crate) title: String,
    /// docs, plan or answer.
    pub(crate) kind: String,
    /// Who wrote it: a resident or `human`.
    pub(crate) author: String,
    /// The author's name as of then.
    pub(crate) author_name: String,
    /// Its task.
    pub(crate) task: String,
    /// Its submission.
    pub(crate) submission: String,
    /// How it was accepted: words and colour.
    pub(crate) verdict: (&'static str, Tone),
    /// Who decided.
    pub(crate) decider: &'static str,
    /// What was not held. Empty: nothing.
    pub(crate) note: String,
    /// From 1.
    pub(crate) version: u32,
    /// Whether it stands: words and colour. None: plainly published.
    pub(crate) standing: Option<(&'static str, Tone)>,
    /// Its tags.
    pub(crate) tags: Vec<String>,
    /// The day of the world.
    pub(crate) day: u64,
    /// When it was published.
    pub(crate) published: Timestamp,
    /// Characters.
    pub(crate) length: u32,
    /// What attempt and review cost, in micro-dollars.
    pub(crate) cost: i64,
    /// The model that wrote it.
    pub(crate) model: String,
    /// Whether that is a small local one.
    pub(crate) embedded: bool,
    /// Where a search found the words. Empty: not from a search.
    pub(crate) excerpt: String,
}

/// A document, whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Whole {
    /// Everything about it.
    pub(crate) document: Document,
    /// Its Markdown.
    pub(crate) markdown: String,
    /// All versions at its path, newest first.
    pub(crate) versions: Vec<Document>,
}

/// The folder of a path: `a/b/c.md` lies in `a/b`.
pub(crate) fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}
