//! How alike two texts are: the one measure used everywhere (`domain.md` 4.4).

use std::collections::BTreeMap;

use crate::amount::Permille;

/// Sørensen–Dice over character trigrams of case-folded text with white space collapsed and two
/// spaces of padding, in thousandths (Dice 1945; Sørensen 1948). Two empty texts are equal.
pub fn similarity(one: &str, other: &str) -> Permille {
    let (one, other) = (trigrams(one), trigrams(other));
    let total: u64 = one.values().chain(other.values()).sum();
    if total == 0 {
        return Permille(1_000);
    }
    let shared: u64 =
        one.iter().map(|(gram, count)| (*count).min(other.get(gram).copied().unwrap_or(0))).sum();
    Permille(u32::try_from(2_000 * shared / total).unwrap_or(1_000))
}

/// Whether two texts say the same numbers in the same order. Texts that are alike but for their numbers
/// are reports of two states, and not one text twice.
pub fn same_numbers(one: &str, other: &str) -> bool {
    numbers(one).eq(numbers(other))
}

fn numbers(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_numeric()).filter(|number| !number.is_empty())
}

fn trigrams(text: &str) -> BTreeMap<[char; 3], u64> {
    let folded = text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    let mut grams = BTreeMap::new();
    if folded.is_empty() {
        return grams;
    }
    let padded: Vec<char> = "  ".chars().chain(folded.chars()).chain("  ".chars()).collect();
    for window in padded.windows(3) {
        *grams.entry([window[0], window[1], window[2]]).or_default() += 1;
    }
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
