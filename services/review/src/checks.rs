//! The deterministic checks of a submission (`domain.md` 9.2): each reads the work itself.
//!
//! A check is a pure function of [`Material`]; whatever it needs from disk was read before. One check
//! a file. A check says what is wrong and what to do about it, for the author and the human alike.

use std::collections::BTreeSet;

use crate::domain::Outcome;
use crate::domain::submission::Kind;

mod echo_of_instruction;
mod files_named_exist;
mod injection_markers;
mod links_resolve;
mod off_topic;
mod path_type_size;
mod placeholders;
mod planning_only;
mod repeated_text;
mod result_present;
mod secrets;
mod too_short;

/// What is checked: the work and what it was asked for.
#[derive(Debug, Clone, Default)]
pub struct Material {
    /// What must come out.
    pub kind: Option<Kind>,
    /// The task's title.
    pub title: String,
    /// The task's instruction.
    pub instruction: String,
    /// The answer, for tasks that ask for one.
    pub answer: String,
    /// The documents.
    pub documents: Vec<Page>,
    /// Paths of the library's documents, of those that [`named`](Self::named) has.
    pub library: BTreeSet<String>,
    /// Titles of documents whose very text was accepted or rejected before.
    pub seen_before: Vec<String>,
}

/// One document.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// Where it is to lie.
    pub path: String,
    /// Its title.
    pub title: String,
    /// Its text.
    pub body: String,
}

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// How grave.
    pub outcome: Outcome,
    /// What is wrong and what to do; empty when clean.
    pub text: String,
}

impl Found {
    /// Nothing.
    pub const CLEAN: Self = Self { outcome: Outcome::Clean, text: String::new() };

    fn blocking(text: impl Into<String>) -> Self {
        Self { outcome: Outcome::Blocking, text: text.into() }
    }

    fn minor(text: impl Into<String>) -> Self {
        Self { outcome: Outcome::Minor, text: text.into() }
    }

    fn hold(text: impl Into<String>) -> Self {
        Self { outcome: Outcome::Hold, text: text.into() }
    }
}

/// A check: its name and its function.
pub type Check = (&'static str, fn(&Material) -> Found);

/// All of them, in the order they run and are shown.
pub const ALL: &[Check] = &[
    ("result_present", result_present::check),
    ("path_type_size", path_type_size::check),
    ("planning_only", planning_only::check),
    ("echo_of_instruction", echo_of_instruction::check),
    ("off_topic", off_topic::check),
    ("duplicate", repeated_text::check),
    ("links_resolve", links_resolve::check),
    ("files_named_exist", files_named_exist::check),
    ("placeholders", placeholders::check),
    ("too_short", too_short::check),
    ("secrets", secrets::check),
    ("injection_markers", injection_markers::check),
];

/// Runs every check but those named in `without`; a check that fails itself holds for the human.
pub fn run(material: &Material, without: &[String]) -> Vec<(&'static str, Found)> {
    let wanted = ALL.iter().filter(|(name, _)| !without.iter().any(|left_out| left_out == name));
    wanted
        .map(|(name, check)| {
            let found = std::panic::catch_unwind(|| check(material)).unwrap_or_else(|_| {
                Found::hold(format!("the check {name} could not be carried out"))
            });
            (*name, found)
        })
        .collect()
}

impl Material {
    /// The library paths that the work names or links to: whether these exist matters, and no others.
    pub fn named(&self) -> BTreeSet<String> {
        let named = std::panic::catch_unwind(|| {
            let linked = self.documents.iter().flat_map(links_resolve::linked);
            let linked = linked.filter_map(|(_, path)| path);
            let texts = self.texts().flat_map(|(_, text)| files_named_exist::named(text));
            linked.chain(texts.map(str::to_owned)).collect()
        });
        // The check that reads the same text fails as well then, and holds for the human.
        named.unwrap_or_default()
    }

    /// Whether the work is what a local tool said: its request is a command, whose words say nothing about
    /// what must come out.
    fn is_of_a_tool(&self) -> bool {
        self.kind == Some(Kind::Local)
    }

    /// Every text of the work, with where it stands.
    fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        let answer = (!self.answer.is_empty()).then_some(("the answer", self.answer.as_str()));
        let pages = self.documents.iter().map(|page| (page.path.as_str(), page.body.as_str()));
        pages.chain(answer)
    }
}

/// The words of a text in lower case.
fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}

/// A text without its headings, code fences and surrounding space.
fn prose(text: &str) -> String {
    let lines = text.lines().filter(|line| {
        let line = line.trim_start();
        !line.starts_with('#') && !line.starts_with("```")
    });
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}

#[cfg(test)]
mod tests;
