//! Model text as it is written. Ephemeral: the record has the rest.

use std::collections::BTreeMap;

/// Characters that are kept of one step: as much as a document may have.
const KEPT: usize = 256_000;

/// One item of the stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct News {
    /// The cycle.
    pub(crate) cycle: String,
    /// Its task. Empty: none.
    pub(crate) task: String,
    /// Who writes. Empty: a critic.
    pub(crate) resident: String,
    /// The step, from 1.
    pub(crate) step: u32,
    /// Replaces what is known of this step. Empty: nothing.
    pub(crate) text_so_far: String,
    /// Goes behind what is known of this step.
    pub(crate) delta: String,
    /// Whether the step's text is complete.
    pub(crate) done: bool,
}

/// A cycle that writes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Writing {
    /// The cycle.
    pub(crate) cycle: String,
    /// Its task. Empty: none.
    pub(crate) task: String,
    /// Who writes. Empty: a critic.
    pub(crate) resident: String,
    /// The step, from 1.
    pub(crate) step: u32,
    /// The text so far.
    pub(crate) text: String,
    /// Whether this step's text is complete.
    pub(crate) done: bool,
}

/// The cycles that write, by their id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Output {
    writing: BTreeMap<String, Writing>,
}

impl Output {
    /// Takes up an item.
    pub(crate) fn take(&mut self, news: News) {
        let entry = self.writing.entry(news.cycle.clone()).or_default();
        if entry.step != news.step {
            // Another step, or the first news of this cycle.
            *entry = Writing { cycle: news.cycle, step: news.step, ..Writing::default() };
        }
        entry.task = news.task;
        entry.resident = news.resident;
        if !news.text_so_far.is_empty() {
            entry.text = news.text_so_far;
        }
        if entry.text.len() + news.delta.len() <= KEPT {
            entry.text.push_str(&news.delta);
        }
        entry.done = news.done;
    }

    /// A cycle is over: its text is in the record now.
    pub(crate) fn end(&mut self, cycle: &str) {
        self.writing.remove(cycle);
    }

    /// The stream broke: what it says next begins with the text so far.
    pub(crate) fn forget(&mut self) {
        self.writing.clear();
    }

    /// All that write.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Writing> {
        self.writing.values()
    }

    /// What one cycle writes.
    pub(crate) fn of(&self, cycle: &str) -> Option<&Writing> {
        self.writing.get(cycle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn news(step: u32, so_far: &str, delta: &str) -> News {
        News {
            cycle: "cyc_1".into(),
            step,
            text_so_far: so_far.into(),
            delta: delta.into(),
            ..News::default()
        }
    }

    fn text(output: &Output) -> &str {
        &output.of("cyc_1").unwrap().text
    }

    #[test]
    fn text_grows_restarts_and_begins_anew_with_a_step() {
        let mut output = Output::default();
        output.take(news(1, "", "Once"));
        output.take(news(1, "", " upon"));
        assert_eq!(text(&output), "Once upon");
        output.take(news(1, "Once upon a", ""));
        output.take(news(1, "", " time"));
        assert_eq!(text(&output), "Once upon a time");
        output.take(news(2, "", "Two"));
        assert_eq!(text(&output), "Two");
        output.end("cyc_1");
        assert_eq!(output.all().count(), 0);
    }

    #[test]
    fn a_text_never_grows_without_end() {
        let mut output = Output::default();
        for _ in 0..300 {
            output.take(news(1, "", &"x".repeat(1_000)));
        }
        assert_eq!(text(&output).len(), KEPT);
    }
}
