//! The form that changes a task, as it was typed, and what of it is a change.

use super::problem::{Field, Problem};
use super::task::Task;

/// What was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Draft {
    /// What to do.
    pub(crate) instruction: String,
    /// Its title.
    pub(crate) title: String,
    /// 0 to 9.
    pub(crate) priority: String,
    /// Tags, apart by commas or spaces.
    pub(crate) tags: String,
}

/// What becomes of a task, ready for the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Changes {
    /// What the draft was based on.
    pub(crate) etag: String,
    /// Names of the fields that change.
    pub(crate) fields: Vec<&'static str>,
    /// The title.
    pub(crate) title: String,
    /// What to do.
    pub(crate) instruction: String,
    /// 0 to 9.
    pub(crate) priority: u32,
    /// Tags.
    pub(crate) tags: Vec<String>,
}

impl Draft {
    /// The task as it is.
    pub(crate) fn of(task: &Task) -> Self {
        Self {
            instruction: task.instruction.clone(),
            title: task.title.clone(),
            priority: task.priority.to_string(),
            tags: task.tags.join(", "),
        }
    }

    /// What of it is a change of `task`; `None` when nothing is.
    pub(crate) fn changes(&self, task: &Task) -> Result<Option<Changes>, Problem> {
        let Ok(priority) = self.priority.trim().parse::<u32>() else {
            return Err(wrong("priority", "must be 0 to 9"));
        };
        let words = self.tags.split([',', ' ']).map(str::trim).filter(|tag| !tag.is_empty());
        let tags: Vec<String> = words.map(str::to_owned).collect();
        let (title, instruction) = (self.title.trim(), self.instruction.trim());
        let changed = [
            ("title", title != task.title.trim()),
            ("instruction", instruction != task.instruction.trim()),
            ("priority", priority != task.priority),
            ("tags", tags != task.tags),
        ];
        let fields: Vec<_> =
            changed.iter().filter(|(_, changed)| *changed).map(|(field, _)| *field).collect();
        Ok((!fields.is_empty()).then(|| Changes {
            etag: task.etag.clone(),
            fields,
            title: title.to_owned(),
            instruction: instruction.to_owned(),
            priority,
            tags,
        }))
    }
}

fn wrong(path: &str, what: &str) -> Problem {
    let field = Field { path: format!("spec.{path}"), text: what.to_owned() };
    Problem { sentence: "look at the form".to_owned(), fields: vec![field], ..Problem::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task() -> Task {
        Task {
            title: "Tides".into(),
            instruction: "Explain tides".into(),
            priority: 5,
            tags: vec!["sea".into()],
            etag: "1".into(),
            ..Task::default()
        }
    }

    #[test]
    fn what_was_not_touched_is_no_change() {
        assert_eq!(Draft::of(&task()).changes(&task()), Ok(None));
    }

    #[test]
    fn only_what_differs_is_named() {
        let draft = Draft { priority: " 9".into(), tags: "sea child".into(), ..Draft::of(&task()) };
        let changes = draft.changes(&task()).expect("it can be read").expect("it changes");
        assert_eq!((changes.fields, changes.priority), (vec!["priority", "tags"], 9));
        assert_eq!(changes.tags, ["sea", "child"]);
    }

    #[test]
    fn a_priority_that_is_no_number_is_told_at_its_field() {
        let draft = Draft { priority: "high".into(), ..Draft::of(&task()) };
        let problem = draft.changes(&task()).expect_err("it is no number");
        assert_eq!(problem.fields[0].path, "spec.priority");
    }
}
