//! Recurrences as the pages show them, and the form for a new one.

use vivarium_types::Timestamp;

use super::form::{Asked, NewTask};
use super::problem::{Field, Kind as ProblemKind, Problem};
use super::tone::Tone;

/// Where a recurrence stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It fires.
    #[default]
    Active,
    /// Set aside.
    Paused,
    /// Over for good.
    Ended,
}

impl Standing {
    /// What a badge says, and what its colour means.
    pub(crate) const fn badge(self) -> (&'static str, Tone) {
        match self {
            Self::Active => ("Active", Tone::Good),
            Self::Paused => ("Set aside", Tone::Plain),
            Self::Ended => ("Ended", Tone::Plain),
        }
    }
}

/// When it fires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Schedule {
    /// Five fields in UTC.
    Cron(String),
    /// Every so many days of the world.
    Days(u32),
}

impl Schedule {
    /// In a few words.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Cron(pattern) => match pattern.as_str() {
                "0 * * * *" => "every hour".to_owned(),
                "0 0 * * *" => "every midnight (UTC)".to_owned(),
                _ => format!("at {pattern} (UTC)"),
            },
            Self::Days(1) => "every day of the world".to_owned(),
            Self::Days(days) => format!("every {days} days of the world"),
        }
    }
}

/// When it fires next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Not again.
    Never,
    /// At this moment.
    At(Timestamp),
    /// At the beginning of this day of the world.
    OnDay(u64),
}

/// A recurrence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recurrence {
    /// Its key.
    pub(crate) key: String,
    /// The title of its tasks.
    pub(crate) title: String,
    /// What its tasks ask for.
    pub(crate) instruction: String,
    /// When.
    pub(crate) schedule: Schedule,
    /// Where it stands.
    pub(crate) standing: Standing,
    /// When next.
    pub(crate) next: Next,
    /// Tasks it has added.
    pub(crate) fired: u64,
    /// Firings that were skipped or missed.
    pub(crate) skipped: u64,
    /// The task it added last. Empty: none.
    pub(crate) last_task: String,
}

/// How the form lets one say when.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Way {
    /// By days of the world.
    #[default]
    Days,
    /// By a cron pattern.
    Cron,
}

/// What was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewRecurrence {
    /// What each task asks for.
    pub(crate) task: NewTask,
    /// How it is said when.
    pub(crate) way: Way,
    /// Days between two.
    pub(crate) days: String,
    /// Five fields.
    pub(crate) cron: String,
}

impl NewRecurrence {
    /// Reads the form.
    pub(crate) fn read(&self) -> Result<(Asked, Schedule), Problem> {
        let mut fields = Vec::new();
        let mut wrong = |path: &str, text: &str| {
            fields.push(Field { path: path.to_owned(), text: text.to_owned() });
        };
        if self.task.key.trim().is_empty() {
            wrong("key", "give it a name: its tasks are NAME-1, NAME-2 and so on");
        }
        let schedule = match self.way {
            Way::Days => {
                let days = self.days.trim().parse().ok().filter(|days| (1..=366).contains(days));
                if days.is_none() {
                    wrong("every_days", "must be 1 to 366");
                }
                Schedule::Days(days.unwrap_or(1))
            }
            Way::Cron => {
                if self.cron.split_whitespace().count() != 5 {
                    wrong("cron", "must be five fields: minute, hour, day, month, day of week");
                }
                Schedule::Cron(self.cron.trim().to_owned())
            }
        };
        match (self.task.read(), fields.is_empty()) {
            (Ok(asked), true) => Ok((asked, schedule)),
            (Ok(_), false) => Err(refused(fields)),
            (Err(problem), _) => Err(refused([fields, problem.fields].concat())),
        }
    }
}

fn refused(fields: Vec<Field>) -> Problem {
    Problem {
        kind: ProblemKind::Refused,
        reason: "REQUEST_INVALID".to_owned(),
        sentence: "the recurrence has fields that are out of bounds".to_owned(),
        fields,
        ..Problem::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form() -> NewRecurrence {
        let task = NewTask {
            key: "report".into(),
            instruction: "Write the report".into(),
            ..NewTask::default()
        };
        NewRecurrence { task, way: Way::Days, days: "7".into(), cron: String::new() }
    }

    #[test]
    fn a_form_reads_into_a_task_and_when() {
        let (asked, schedule) = form().read().expect("it is whole");
        assert_eq!((asked.text.key.as_str(), schedule), ("report", Schedule::Days(7)));
        let cron = NewRecurrence { way: Way::Cron, cron: " 0 9 * * 1 ".into(), ..form() };
        assert_eq!(cron.read().expect("it is whole").1, Schedule::Cron("0 9 * * 1".into()));
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let task = NewTask { priority: "12".into(), ..NewTask::default() };
        let faulty = NewRecurrence { task, days: "0".into(), ..form() };
        let problem = faulty.read().expect_err("it is faulty");
        for field in ["key", "every_days", "instruction", "priority"] {
            assert!(problem.field(field).is_some(), "{field}");
        }
        let faulty = NewRecurrence { way: Way::Cron, cron: "daily".into(), ..form() };
        assert!(faulty.read().expect_err("it is faulty").field("cron").is_some());
    }

    #[test]
    fn a_schedule_is_told_in_words() {
        assert_eq!(Schedule::Days(1).words(), "every day of the world");
        assert_eq!(Schedule::Cron("0 9 * * 1".into()).words(), "at 0 9 * * 1 (UTC)");
    }
}
