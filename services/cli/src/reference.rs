//! A world of the Python reference, read from its files: what can be taken over from it, and what not.
//!
//! Nothing here talks to a world or writes a file. The order in which it is read: [`files`] finds the
//! files, [`entries`] reads their lines, and [`people`], [`talk`], [`work`], [`prizes`] and [`past`] make
//! of them what this world knows. Whatever is left out stands in the [`report`] with file, line and reason.

pub(crate) mod entries;
pub(crate) mod files;
pub(crate) mod past;
pub(crate) mod people;
pub(crate) mod prizes;
pub(crate) mod report;
pub(crate) mod talk;
pub(crate) mod work;

use vivarium_types::text;

use report::{Place, Report};

/// A text within bounds: cut where it is too long, with a note. `None` where nothing is left of it.
pub(crate) fn bounded(
    report: &mut Report,
    place: &Place,
    field: &str,
    given: &str,
    (min, max): (usize, usize),
) -> Option<String> {
    let plain: String =
        given.trim().chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect();
    let cut: String = plain.chars().take(max).collect();
    // Normal form can be longer than what it is made from; then the end goes as well.
    let whole = text::parse(&cut, 0, max).or_else(|_| {
        let shorter: String = cut.chars().take(max / 2).collect();
        text::parse(&shorter, 0, max)
    });
    let whole = whole.ok()?;
    if plain.chars().count() > whole.chars().count() {
        report.changed(place, format!("{field} is cut to {max} characters"));
    }
    (whole.chars().count() >= min).then_some(whole)
}

/// A word of `[a-z0-9]` and `more`, as near to a text as it can be.
pub(crate) fn word(given: &str, more: &[char], max: usize) -> String {
    let small = given.chars().map(|c| {
        let c = c.to_ascii_lowercase();
        let fits = c.is_ascii_lowercase() || c.is_ascii_digit() || more.contains(&c);
        if fits { c } else { '_' }
    });
    let small: String = small.collect();
    let trimmed = small.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    trimmed.chars().take(max).collect()
}

/// A key of at most 160 printable characters for something of a file.
pub(crate) fn key(kind: &str, id: &str) -> String {
    use sha2::{Digest as _, Sha256};
    let plain = !id.is_empty() && id.len() <= 100 && id.chars().all(|c| c.is_ascii_graphic());
    if plain {
        return format!("{kind}:{id}");
    }
    format!("{kind}:sha256:{}", hex::encode(&Sha256::digest(id.as_bytes())[..16]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_only_with_a_note() {
        let mut report = Report::default();
        let place = Place::of("queue.json", 3);
        assert_eq!(bounded(&mut report, &place, "title", " ab\u{0} ", (1, 4)), Some("ab".into()));
        assert!(report.changes().is_empty());
        assert_eq!(bounded(&mut report, &place, "title", "abcdef", (1, 4)), Some("abcd".into()));
        assert_eq!(report.changes().len(), 1);
        assert_eq!(bounded(&mut report, &place, "title", "  ", (1, 4)), None);
    }

    #[test]
    fn a_key_is_printable_whatever_the_id_is() {
        assert_eq!(key("queue.json", "task 1").len(), "queue.json:sha256:".len() + 32);
        assert_eq!(key("queue.json", "task-1"), "queue.json:task-1");
        assert_eq!(word("Täsk 0/1", &['-', '.', '_'], 64), "t_sk_0_1");
    }
}
