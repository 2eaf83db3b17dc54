//! What a model's text is: one JSON object of actions, or prose.

use crate::domain::action::{self, Reply};

/// Least characters of prose that can be a document.
pub(crate) const PROSE_LENGTH_MIN: usize = 200;

/// A text, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Read {
    /// Actions.
    Object(Reply),
    /// Words that are no JSON.
    Prose(String),
    /// An attempt at JSON that does not read, with what is wrong.
    Broken(String),
}

/// Reads a model's text.
pub(crate) fn read(text: &str) -> Read {
    let text = unfenced(text.trim());
    if !text.starts_with(['{', '[']) {
        // No text of the world holds control characters; a model's stray one must not cost its work.
        let plain = |c: &char| !c.is_control() || matches!(c, '\n' | '\t');
        return Read::Prose(text.chars().filter(plain).collect());
    }
    match action::parse(text) {
        Ok(reply) => Read::Object(reply),
        Err(why) => Read::Broken(why),
    }
}

/// A document's title: its first heading, or the task's title.
pub(crate) fn title_of(body: &str, task_title: &str) -> String {
    let heading = body.lines().find_map(|line| {
        let heading = line.strip_prefix('#')?.trim_start_matches('#').trim();
        (heading.chars().count() >= 3).then_some(heading)
    });
    let title: String = heading.unwrap_or(task_title).chars().take(120).collect();
    if title.chars().count() < 3 { "Untitled".to_owned() } else { title }
}

/// Without a code fence around the whole.
fn unfenced(text: &str) -> &str {
    let Some(inner) = text.strip_prefix("```") else { return text };
    let Some((language, inner)) = inner.split_once('\n') else { return text };
    if !matches!(language.trim(), "" | "json" | "markdown" | "md") {
        return text;
    }
    let inner = inner.trim_end();
    match inner.strip_suffix("```") {
        // A fence that ends before the text does is a part of the text.
        Some(body) if !body.contains("\n```") => body.trim(),
        Some(body) if language.trim() != "json" => body.trim(),
        // Cut off before its end.
        None => inner,
        Some(_) => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_and_objects_are_told_apart_with_and_without_a_fence() {
        assert_eq!(read("# A\ntext"), Read::Prose("# A\ntext".to_owned()));
        assert_eq!(read("```markdown\n# A\n```\n"), Read::Prose("# A".to_owned()));
        assert_eq!(read("```md\n# A\ntext"), Read::Prose("# A\ntext".to_owned()));
        let code = "```rust\nfn main() {}\n```";
        assert_eq!(read(code), Read::Prose(code.to_owned()));
        assert!(matches!(read("```json\n{\"done\":true}\n```"), Read::Object(_)));
        assert!(matches!(read("{\"actions\": [oops"), Read::Broken(_)));
        assert!(matches!(read("[1]"), Read::Broken(_)));
        assert_eq!(read("  "), Read::Prose(String::new()));
        assert_eq!(read("a\u{0}\r\nb\u{1b}"), Read::Prose("a\nb".to_owned()));
    }

    #[test]
    fn a_title_is_the_first_heading_or_the_tasks() {
        assert_eq!(title_of("intro\n## The sea\n# Other", "task"), "The sea");
        assert_eq!(title_of("#\nno heading", "task"), "task");
        assert_eq!(title_of("", "x"), "Untitled");
    }
}
