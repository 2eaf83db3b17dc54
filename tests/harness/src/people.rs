//! Residents of any number: invented people who do not resemble each other.

use std::fmt::Write as _;

/// Sounds that names are made of.
const SOUNDS: [&str; 16] = [
    "bo", "ce", "di", "fi", "gu", "ha", "je", "ki", "lo", "mu", "na", "pe", "ri", "so", "tu", "wy",
];
/// What they like to do.
const WORK: [&str; 8] =
    ["guides", "maps", "stories", "tables", "letters", "repairs", "songs", "estimates"];

/// The file `residents.toml` of a world with so many.
pub fn residents(count: usize) -> String {
    let mut file = String::new();
    for number in 0..count {
        let (name, work) = (name(number), WORK[number % WORK.len()]);
        // Writing to a string cannot fail.
        let _infallible = write!(
            file,
            "[[resident]]\nhandle = \"r{number}\"\nname = \"{name}\"\n\
             summary = \"{name} keeps {work} in order and says where they end.\"\n\
             communication_style = \"Short sentences, verbs first.\"\n\
             personality_traits = [\"patient\", \"exact\", \"kind in small things\"]\n\
             core_values = [\"clarity\", \"the reader's time\"]\n\
             preferred_activities = [\"{work}\"]\n\
             [resident.mutable]\ncurrent_interests = \"{work}, writing, harbours\"\n"
        );
    }
    file
}

/// A name of two words. Multiplying by a number without common factors spreads neighbours apart.
pub fn name(number: usize) -> String {
    let spread = number * 40_503 % 65_536;
    let sounds: Vec<&str> = (0..4).map(|place| SOUNDS[spread >> (4 * place) & 15]).collect();
    let (first, last) = (sounds[..2].concat(), sounds[2..].concat());
    let large = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>())
    };
    format!("{} {}", large(&first).unwrap_or_default(), large(&last).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_thousand_people_have_a_thousand_names() {
        let names: BTreeSet<String> = (0..1_000).map(name).collect();
        assert_eq!(names.len(), 1_000);
        assert_eq!(residents(3).matches("[[resident]]").count(), 3);
    }
}
