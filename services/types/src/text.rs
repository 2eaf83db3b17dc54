//! Text as the world counts it: Unicode NFC without control characters other than newline and tab.
//!
//! Lengths count scalar values after normalisation (`domain.md`, opening).

use unicode_normalization::{UnicodeNormalization, is_nfc};

/// Why a text is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Fewer characters than the least allowed.
    #[error("has {length} characters, at least {min} are needed")]
    TooShort {
        /// Characters it has.
        length: usize,
        /// Least allowed.
        min: usize,
    },
    /// More characters than the most allowed.
    #[error("has more than {max} characters")]
    TooLong {
        /// Most allowed.
        max: usize,
    },
    /// A control character other than newline and tab.
    #[error("holds the control character U+{code:04X}")]
    Control {
        /// The character's code.
        code: u32,
    },
}

/// Brings `text` into normal form and checks its length in characters against `min` and `max`.
///
/// Carriage returns before a newline are dropped. Text of more than 4 × `max` × 4 bytes is refused
/// before it is normalised, so that a huge text costs nothing.
pub fn parse(text: &str, min: usize, max: usize) -> Result<String, Refused> {
    if text.len() > max.saturating_mul(16) {
        return Err(Refused::TooLong { max });
    }
    let unix = if text.contains('\r') { text.replace("\r\n", "\n") } else { text.to_owned() };
    let normal = if is_nfc(&unix) { unix } else { unix.nfc().collect() };
    if let Some(control) = normal.chars().find(|c| c.is_control() && *c != '\n' && *c != '\t') {
        return Err(Refused::Control { code: u32::from(control) });
    }
    let length = normal.chars().count();
    if length < min {
        return Err(Refused::TooShort { length, min });
    }
    if length > max {
        return Err(Refused::TooLong { max });
    }
    Ok(normal)
}

/// Whether a character is a mark on the letter before it: an accent, written apart (Combining Diacritical
/// Marks, U+0300 to U+036F).
pub const fn is_accent(character: char) -> bool {
    matches!(character, '\u{300}'..='\u{36f}')
}

/// A word as searches compare it: lower case, without accents.
pub fn folded(word: &str) -> String {
    if word.is_ascii() {
        return word.to_ascii_lowercase();
    }
    word.nfd().filter(|character| !is_accent(*character)).collect::<String>().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_the_same_word_with_and_without_accents() {
        for word in ["muller", "MULLER", "M\u{fc}ller", "Mu\u{308}ller"] {
            assert_eq!(folded(word), "muller");
        }
        assert_ne!(folded("m\u{fc}hle"), folded("mehl"));
        assert_eq!(
            folded("\u{42f}\u{41a}\u{41e}\u{420}\u{42c}"),
            "\u{44f}\u{43a}\u{43e}\u{440}\u{44c}"
        );
    }

    #[test]
    fn text_is_normalised_before_it_is_counted() {
        assert_eq!(parse("e\u{301}", 1, 1).as_deref(), Ok("é"));
        assert_eq!(parse("a\r\nb", 1, 9).as_deref(), Ok("a\nb"));
    }

    #[test]
    fn bounds_and_control_characters_are_refused_by_name() {
        assert_eq!(parse("ab", 3, 9), Err(Refused::TooShort { length: 2, min: 3 }));
        assert_eq!(parse("abcd", 1, 3), Err(Refused::TooLong { max: 3 }));
        assert_eq!(parse("a\u{0}", 1, 3), Err(Refused::Control { code: 0 }));
        assert_eq!(parse(&"x".repeat(1_000_000), 1, 3), Err(Refused::TooLong { max: 3 }));
    }
}
