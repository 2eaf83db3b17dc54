//! The newest rows of all ledgers, newest first, each once.

use std::collections::BTreeMap;

use super::event::Event;

/// Rows that are kept. Older ones are read again where they are asked for.
const KEPT: usize = 400;

/// The newest rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Feed {
    rows: Vec<Event>,
    /// By ledger: its id and the newest sequence that was taken up.
    heads: BTreeMap<String, (String, u64)>,
}

/// What a row turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It is new.
    New,
    /// It was there before.
    Repeated,
    /// It belongs to another log than the one before: everything known of the old one is void.
    OtherLedger,
}

impl Feed {
    /// Takes up rows that were read backwards, before the stream began.
    pub(crate) fn fill(&mut self, mut older: Vec<Event>) {
        let heads = &self.heads;
        older.retain(|row| !heads.contains_key(&row.ledger));
        for row in &older {
            let head = self.heads.entry(row.ledger.clone()).or_default();
            if row.sequence >= head.1 {
                *head = (row.ledger_id.clone(), row.sequence);
            }
        }
        self.rows.append(&mut older);
        self.sort();
    }

    /// Takes up a row of the stream.
    pub(crate) fn take(&mut self, row: Event) -> Taken {
        let head = self.heads.entry(row.ledger.clone()).or_default();
        let other = !head.0.is_empty() && !row.ledger_id.is_empty() && head.0 != row.ledger_id;
        if !other && row.sequence <= head.1 {
            return Taken::Repeated;
        }
        *head = (row.ledger_id.clone(), row.sequence);
        if other {
            self.rows.retain(|old| old.ledger != row.ledger);
        }
        self.rows.push(row);
        self.sort();
        if other { Taken::OtherLedger } else { Taken::New }
    }

    /// The rows, newest first.
    pub(crate) fn rows(&self) -> &[Event] {
        &self.rows
    }

    /// By ledger: the newest sequence that was taken up; where the stream goes on.
    pub(crate) fn cursors(&self) -> BTreeMap<String, u64> {
        self.heads.iter().map(|(ledger, (_, sequence))| (ledger.clone(), *sequence)).collect()
    }

    fn sort(&mut self) {
        // Within a ledger by sequence; across ledgers there is no order but the clock's.
        self.rows.sort_by(|one, other| {
            other.time.cmp(&one.time).then_with(|| other.sequence.cmp(&one.sequence))
        });
        self.rows.truncate(KEPT);
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::tests::event;
    use super::*;

    fn sequences(feed: &Feed) -> Vec<u64> {
        feed.rows().iter().map(|row| row.sequence).collect()
    }

    #[test]
    fn a_row_that_comes_again_after_a_reconnect_is_taken_once() {
        let mut feed = Feed::default();
        assert_eq!(feed.take(event("queue", 1, "task_added", "{}")), Taken::New);
        assert_eq!(feed.take(event("queue", 2, "task_ready", "{}")), Taken::New);
        assert_eq!(feed.take(event("queue", 2, "task_ready", "{}")), Taken::Repeated);
        assert_eq!(sequences(&feed), [2, 1]);
        assert_eq!(feed.cursors(), BTreeMap::from([("queue".to_owned(), 2)]));
    }

    #[test]
    fn rows_read_before_the_stream_do_not_replace_those_of_the_stream() {
        let mut feed = Feed::default();
        feed.fill(vec![event("queue", 5, "task_added", "{}"), event("queue", 4, "x", "{}")]);
        feed.take(event("queue", 6, "x", "{}"));
        feed.fill(vec![event("queue", 5, "task_added", "{}"), event("review", 1, "x", "{}")]);
        assert_eq!(sequences(&feed), [6, 5, 4, 1]);
        assert_eq!(feed.cursors()["queue"], 6);
    }

    #[test]
    fn another_ledger_under_the_same_name_replaces_the_old_one() {
        let mut feed = Feed::default();
        feed.take(event("queue", 9, "x", "{}"));
        let mut fresh = event("queue", 1, "x", "{}");
        fresh.ledger_id = "led_2".into();
        assert_eq!(feed.take(fresh), Taken::OtherLedger);
        assert_eq!(sequences(&feed), [1]);
    }

    #[test]
    fn only_the_newest_rows_are_kept() {
        let mut feed = Feed::default();
        for sequence in 1..=500 {
            feed.take(event("queue", sequence, "x", "{}"));
        }
        assert_eq!(feed.rows().len(), KEPT);
        assert_eq!(feed.rows()[0].sequence, 500);
    }
}
