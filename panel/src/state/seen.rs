//! What the stream has reached, and own changes that it has not reached yet.

use std::collections::BTreeMap;

use super::Position;

/// Which ledgers have had news since the pages last looked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Changed {
    /// One flag each, in the order of [`super::LEDGERS`].
    pub(crate) ledgers: [bool; 4],
}

impl Changed {
    /// Notes a row of `ledger`.
    pub(crate) fn note(&mut self, ledger: &str) {
        if let Some(index) = super::LEDGERS.iter().position(|name| *name == ledger) {
            self.ledgers[index] = true;
        }
    }

    /// Everything may have changed.
    pub(crate) const fn all() -> Self {
        Self { ledgers: [true; 4] }
    }
}

/// How far the stream has come in each ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    heads: BTreeMap<String, u64>,
}

impl Seen {
    /// The stream has brought everything up to `sequence`.
    pub(crate) fn reach(&mut self, ledger: &str, sequence: u64) {
        let head = self.heads.entry(ledger.to_owned()).or_default();
        *head = (*head).max(sequence);
    }

    /// Another log took the place of `ledger`.
    pub(crate) fn restart(&mut self, ledger: &str, sequence: u64) {
        self.heads.insert(ledger.to_owned(), sequence);
    }

    /// Whether a change at `position` has come back by the stream. A ledger that was never heard of
    /// is not waited for.
    pub(crate) fn has(&self, position: &Position) -> bool {
        self.heads.get(&position.ledger).is_none_or(|head| *head >= position.sequence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_pending_until_the_stream_reaches_it() {
        let mut seen = Seen::default();
        let position = Position { ledger: "queue".into(), sequence: 7 };
        assert!(seen.has(&position), "nothing is known of this ledger");
        seen.reach("queue", 6);
        assert!(!seen.has(&position));
        seen.reach("queue", 7);
        seen.reach("queue", 3);
        assert!(seen.has(&position));
        seen.restart("queue", 1);
        assert!(!seen.has(&position));
    }

    #[test]
    fn news_are_noted_by_ledger() {
        let mut changed = Changed::default();
        changed.note("society");
        changed.note("elsewhere");
        assert_eq!(changed.ledgers, [false, false, true, false]);
    }
}
