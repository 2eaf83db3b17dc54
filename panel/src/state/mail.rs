//! Letters between a resident and the person.

use vivarium_types::Timestamp;

/// All letters of one resident.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Thread {
    /// The resident.
    pub(crate) resident: String,
    /// Letters, both ways.
    pub(crate) letters: u64,
    /// Neither opened nor answered.
    pub(crate) unread: u32,
    /// A task waits for the answer.
    pub(crate) waiting: u32,
    /// Not yet read by the resident.
    pub(crate) undelivered: u32,
    /// When the newest was sent.
    pub(crate) newest: Timestamp,
    /// How the newest begins.
    pub(crate) preview: String,
}

/// A letter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Letter {
    /// `let_…`.
    pub(crate) id: String,
    /// Whether the person wrote it.
    pub(crate) mine: bool,
    /// What it is, in a word.
    pub(crate) kind: &'static str,
    /// The text. Empty: erased.
    pub(crate) text: String,
    /// The task it is about. Empty: none.
    pub(crate) task: String,
    /// Whether that task waits for the answer.
    pub(crate) waits: bool,
    /// When it was sent.
    pub(crate) sent: Timestamp,
    /// When its addressee read it.
    pub(crate) opened: Option<Timestamp>,
    /// When it was first answered.
    pub(crate) answered: Option<Timestamp>,
}

/// The letter that an answer goes to: the oldest one that waits, else the newest of the resident's.
pub(crate) fn to_answer(letters: &[Letter]) -> Option<&Letter> {
    let theirs = || letters.iter().filter(|letter| !letter.mine);
    let waiting = theirs().filter(|letter| letter.waits && letter.answered.is_none());
    waiting.min_by_key(|letter| letter.sent).or_else(|| theirs().max_by_key(|letter| letter.sent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_goes_to_the_letter_that_waits_longest() {
        let letter = |id: &str, sent, waits| Letter {
            id: id.into(),
            waits,
            sent: Timestamp::from_millis(sent),
            ..Letter::default()
        };
        let letters = [letter("new", 9, false), letter("b", 5, true), letter("a", 3, true)];
        assert_eq!(to_answer(&letters).map(|l| l.id.as_str()), Some("a"));
        assert_eq!(to_answer(&letters[..1]).map(|l| l.id.as_str()), Some("new"));
        assert_eq!(to_answer(&[Letter { mine: true, ..letter("m", 1, false) }]), None);
    }
}
