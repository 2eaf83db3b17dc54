//! How alike two texts are: the one measure used everywhere (`domain.md` 4.4).

use crate::amount::Permille;

/// Bits that every character fits into.
const CHAR_BITS: u32 = 21;
/// The bits of three of them.
const TRIGRAM_BITS: u64 = (1 << (3 * CHAR_BITS)) - 1;

/// Sørensen–Dice over character trigrams of case-folded text with white space collapsed and two
/// spaces of padding, in thousandths (Dice 1945; Sørensen 1948). Two empty texts are equal.
pub fn similarity(one: &str, other: &str) -> Permille {
    let (one, other) = (trigrams(one), trigrams(other));
    let total = one.len() + other.len();
    if total == 0 {
        return Permille(1_000);
    }
    Permille(u32::try_from(2_000 * shared(&one, &other) / total).unwrap_or(1_000))
}

/// How many entries two sorted lists have in common, each as often as both have it.
fn shared(one: &[u64], other: &[u64]) -> usize {
    let mut other = other.iter().peekable();
    let is_shared = |gram: &&u64| {
        while other.next_if(|smaller| smaller < gram).is_some() {}
        other.next_if_eq(gram).is_some()
    };
    one.iter().filter(is_shared).count()
}

/// Whether two texts say the same numbers in the same order. Texts that are alike but for their numbers
/// are reports of two states, and not one text twice.
pub fn same_numbers(one: &str, other: &str) -> bool {
    numbers(one).eq(numbers(other))
}

fn numbers(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_numeric()).filter(|number| !number.is_empty())
}

/// Every three characters of a text in a row, each trigram as one number, sorted.
fn trigrams(text: &str) -> Vec<u64> {
    let folded = text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    if folded.is_empty() {
        return Vec::new();
    }
    let padded = "  ".chars().chain(folded.chars()).chain("  ".chars());
    let mut last_three = 0;
    let grams = padded.map(|character| {
        last_three = last_three << CHAR_BITS & TRIGRAM_BITS | u64::from(u32::from(character));
        last_three
    });
    let mut grams: Vec<u64> = grams.skip(2).collect();
    grams.sort_unstable();
    grams
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_are_wholly_alike_whatever_their_case_and_space() {
        assert_eq!(similarity("Write  a\nguide", "write a guide"), Permille(1_000));
        assert_eq!(similarity("", ""), Permille(1_000));
    }

    #[test]
    fn reports_of_two_states_are_alike_but_for_their_numbers() {
        let report = |read: u32, open: u32, mended: u32| {
            format!(
                "The index of poems: {read} of 2000 pages are read, {open} questions are open, and {mended} links are mended."
            )
        };
        let (monday, tuesday) = (&report(41, 3, 25), &report(44, 2, 28));
        assert!(similarity(monday, tuesday) >= Permille(900));
        assert!(!same_numbers(monday, tuesday));
        assert!(same_numbers(monday, &monday.to_uppercase()));
        assert!(same_numbers("Goodbye!", "Goodbye, and sleep well!"));
        assert!(!same_numbers("page 12", "page 1 2"));
    }

    #[test]
    fn different_texts_are_hardly_alike() {
        assert!(similarity("a guide to the harbour", "seven ways of cooking rice") < Permille(300));
        assert_eq!(similarity("abc", ""), Permille(0));
    }
}
