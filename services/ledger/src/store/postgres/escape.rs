//! Any text as a PostgreSQL text: those know no NUL, which our keys and names do not forbid.

use std::borrow::Cow;

use crate::store::Error;

/// How `text` is stored: as it is, but for a NUL (`\0`) and a backslash (`\\`).
pub(super) fn escaped(text: &str) -> Cow<'_, str> {
    if text.contains(['\0', '\\']) {
        Cow::Owned(text.replace('\\', r"\\").replace('\0', r"\0"))
    } else {
        Cow::Borrowed(text)
    }
}

/// The text behind a stored one.
pub(super) fn unescaped(stored: String) -> Result<String, Error> {
    if !stored.contains('\\') {
        return Ok(stored);
    }
    let mut text = String::with_capacity(stored.len());
    let mut letters = stored.chars();
    while let Some(letter) = letters.next() {
        text.push(match letter {
            '\\' => match letters.next() {
                Some('\\') => '\\',
                Some('0') => '\0',
                _ => return Err(Error::corrupt("a text with a stray backslash")),
            },
            plain => plain,
        });
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_comes_back_and_no_two_are_stored_alike() {
        let texts = ["", "a", "\0", r"\0", r"\", r"\\", "a\0\\0b", "\\\0", "ä\u{301}🦀\u{10ffff}"];
        for text in texts {
            let stored = escaped(text).into_owned();
            assert!(!stored.contains('\0'), "{text:?}");
            assert_eq!(unescaped(stored).unwrap(), text);
        }
        let stored: std::collections::BTreeSet<_> = texts.map(escaped).into();
        assert_eq!(stored.len(), texts.len());
    }

    #[test]
    fn a_text_that_we_never_stored_is_corrupt() {
        for stored in [r"\", r"\n", r"a\"] {
            assert!(matches!(unescaped(stored.into()), Err(Error::Corrupt { .. })), "{stored}");
        }
    }
}
