//! What happened in other worlds before they were taken over.

use vivarium_types::Timestamp;

use super::tone::Tone;

/// What an entry tells of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A task that was over.
    Task,
    /// A line of the log about a task.
    #[default]
    Status,
    /// A bounty that was over.
    Bounty,
    /// Something that somebody did.
    Action,
}

impl Kind {
    /// In a word.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Status => "step of a task",
            Self::Bounty => "bounty",
            Self::Action => "action",
        }
    }
}

/// How something ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It says nothing of an end.
    #[default]
    Nothing,
    /// It was done.
    Done,
    /// It failed.
    Failed,
}

/// Which entries are wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Part {
    /// What is over: tasks and bounties.
    #[default]
    Over,
    /// Of those, what failed.
    Failed,
    /// Everything, each line of the logs too.
    Everything,
}

/// An entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    /// What it tells of.
    pub(crate) kind: Kind,
    /// How it ended.
    pub(crate) outcome: Outcome,
    /// Its status in the word used over there. Empty: not known.
    pub(crate) status: String,
    /// The id of what it is about, over there.
    pub(crate) subject: String,
    /// A line about it.
    pub(crate) title: String,
    /// What was told of it. Empty: nothing.
    pub(crate) text: String,
    /// The resident it was about. Empty: nobody who is here.
    pub(crate) resident: String,
    /// When it happened over there.
    pub(crate) source: Option<Timestamp>,
    /// Its row in society's log.
    pub(crate) sequence: u64,
}

impl Entry {
    /// Whether its title is the id of what it is about, in which only plain characters are kept.
    pub(crate) fn is_called_by_its_id(&self) -> bool {
        let plain = |c: char| if c.is_ascii_graphic() { c } else { '_' };
        self.title.chars().map(plain).eq(self.subject.chars())
    }

    /// Its status as a badge: how it ended gives the colour.
    pub(crate) fn badge(&self) -> Option<(String, Tone)> {
        let tone = match self.outcome {
            Outcome::Nothing => Tone::Plain,
            Outcome::Done => Tone::Good,
            Outcome::Failed => Tone::Bad,
        };
        (!self.status.is_empty()).then(|| (crate::format::words(&self.status), tone))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_it_ended_gives_the_colour_and_no_status_no_badge() {
        let entry = |status: &str, outcome| Entry {
            status: status.to_owned(),
            outcome,
            ..Entry::default()
        };
        assert_eq!(entry("", Outcome::Failed).badge(), None);
        let badge = entry("safety_blocked", Outcome::Failed).badge();
        assert_eq!(badge, Some(("safety blocked".to_owned(), Tone::Bad)));
    }

    #[test]
    fn an_id_is_not_said_twice() {
        let entry = |title: &str, subject: &str| Entry {
            title: title.to_owned(),
            subject: subject.to_owned(),
            ..Entry::default()
        };
        assert!(entry("task 1", "task_1").is_called_by_its_id());
        assert!(!entry("Explain tides", "task_1").is_called_by_its_id());
    }
}
