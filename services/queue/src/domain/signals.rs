//! Signs that one task asks for several things: a hint for people, and nothing is split by it.

use std::mem;

/// Characters from which a request is long.
const LONG: usize = 220;
/// Signs from which there is a hint.
const SIGNALS_MIN: u32 = 2;
/// Parts that are suggested, and the least characters of one.
const PARTS_MAX: usize = 5;
const PART_MIN: usize = 8;
/// Words that put one thing behind another.
const SEQUENCING: [&str; 6] = ["then", "afterwards", "finally", "next", "subsequently", "lastly"];

/// What a request shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signals {
    /// How many signs there are.
    pub count: u32,
    /// Parts that the text falls into.
    pub parts: Vec<String>,
}

/// A text on its way through.
#[derive(Default)]
struct Reading {
    parts: Vec<Vec<String>>,
    open: Vec<String>,
    /// Marks and words between things to do.
    separators: usize,
    sequenced: bool,
    /// A mark came, and it separates if anything follows.
    marked: bool,
}

/// The signs of a request, if it shows enough of them.
pub fn split_signals(instruction: &str) -> Option<Signals> {
    let mut reading = Reading::default();
    for line in instruction.lines() {
        line.split_whitespace().for_each(|token| reading.take(token));
        reading.close();
    }
    let signs = [
        instruction.chars().count() >= LONG,
        instruction.trim().matches('\n').count() >= 2,
        reading.sequenced,
        reading.separators >= 2,
    ];
    let count = signs.into_iter().map(u32::from).sum();
    let parts = reading.parts.iter().map(|words| told(words));
    let parts = parts.filter(|part| part.chars().count() >= PART_MIN).take(PARTS_MAX).collect();
    (count >= SIGNALS_MIN).then_some(Signals { count, parts })
}

impl Reading {
    fn take(&mut self, token: &str) {
        let word = token.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
        let begins = self.open.is_empty();
        if begins && word == "with" && !self.parts.is_empty() {
            // What is opened by "with" belongs to what stands before it.
            self.open = self.parts.pop().unwrap_or_default();
            self.marked = false;
            if let Some(last) = self.open.last_mut().filter(|last| !last.ends_with(',')) {
                last.push(',');
            }
        }
        self.separators += usize::from(mem::take(&mut self.marked));
        let joins = begins && word == "and" && !self.parts.is_empty();
        if joins || SEQUENCING.contains(&word.as_str()) {
            self.sequenced = true;
            self.separators += usize::from(!self.parts.is_empty() || !begins);
            if self.open.last().is_some_and(|last| last == "and") {
                self.open.pop();
            }
            self.close();
            return;
        }
        self.open.push(token.to_owned());
        if token.ends_with([',', ';', '.', '!', '?']) {
            self.close();
            self.marked = true;
        }
    }

    fn close(&mut self) {
        if !self.open.is_empty() {
            self.parts.push(mem::take(&mut self.open));
        }
    }
}

fn told(words: &[String]) -> String {
    words.join(" ").trim_end_matches([',', ';', '.']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Vec<String> {
        split_signals(text).map(|signals| signals.parts).unwrap_or_default()
    }

    #[test]
    fn line_25_two_and_three_actions_in_a_row_raise_split_signals() {
        let two = parts("Collect the sandy facts, then write a summary");
        assert_eq!(two, ["Collect the sandy facts", "write a summary"]);
        let three = parts("Collect facts, write a summary, and publish it in the hall");
        assert_eq!(three, ["Collect facts", "write a summary", "publish it in the hall"]);
        let many = split_signals("First read the log. Then name the faults; finally mend them.");
        assert_eq!(many.map(|signals| signals.count), Some(2));
    }

    #[test]
    fn line_25_a_clause_opened_by_with_stays_attached() {
        let with = parts("Write a report, with a table of figures, and then check its links");
        assert_eq!(with, ["Write a report, with a table of figures", "check its links"]);
        assert_eq!(split_signals("Write a report, with a table of figures"), None);
    }

    #[test]
    fn line_25_one_plain_request_is_no_reason_and_no_word_is_cut_inside() {
        for plain in ["", "Describe thenardier and his strand", "Compare birds and cats in a land"]
        {
            assert_eq!(split_signals(plain), None, "{plain}");
        }
        let listed =
            parts("Do three things:\n- name the birds\n- draw them\n- count them, then stop");
        assert!(listed.contains(&"- name the birds".to_owned()), "{listed:?}");
        assert!(listed.len() <= PARTS_MAX);
    }
}
