//! Why a call came to nothing, ready to be shown: a sentence, what to do, and which fields.

use std::time::Duration;

/// What a person can do about it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It will pass by itself; reads are tried again.
    Passing,
    /// The world refused; something has to change first.
    #[default]
    Refused,
    /// The session is gone.
    SignedOut,
    /// Our fault; the request id helps to find it.
    Fault,
}

/// A field of the request that is out of bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Field {
    /// The dotted path, such as `tasks[0].title`.
    pub(crate) path: String,
    /// What is wrong with it.
    pub(crate) text: String,
}

/// Why a call came to nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Problem {
    /// What a person can do about it.
    pub(crate) kind: Kind,
    /// The machine-readable word, such as `QUEUE_TASK_NOT_FOUND`.
    pub(crate) reason: String,
    /// One sentence, lower case and without a full stop.
    pub(crate) sentence: String,
    /// What to do next.
    pub(crate) hint: String,
    /// Fields that are out of bounds.
    pub(crate) fields: Vec<Field>,
    /// When the same call may succeed.
    pub(crate) retry_after: Option<Duration>,
    /// The request, as the logs name it. Empty: none.
    pub(crate) request_id: String,
}

impl Problem {
    /// What is wrong with the field whose path ends in `name`.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|field| ends_in(&field.path, name)).map(|field| field.text.as_str())
    }

    /// What is wrong with fields that none of `shown` covers.
    pub(crate) fn fields_besides(&self, shown: &[&str]) -> Vec<&Field> {
        let covered = |field: &&Field| !shown.iter().any(|name| ends_in(&field.path, name));
        self.fields.iter().filter(covered).collect()
    }

    /// The sentence with a capital and a full stop, for a line of its own.
    pub(crate) fn spoken(&self) -> String {
        let mut letters = self.sentence.chars();
        match letters.next() {
            Some(first) => format!("{}{}.", first.to_uppercase(), letters.as_str()),
            None => String::new(),
        }
    }

    /// Whether reads are tried again by themselves.
    pub(crate) fn passes(&self) -> bool {
        self.kind == Kind::Passing
    }
}

/// `tasks[0].constraints[2]` ends in `constraints`, and in `tasks`, but not in `straints`.
fn ends_in(path: &str, name: &str) -> bool {
    let last = path.rsplit('.').next().unwrap_or_default();
    last == name || last.split('[').next() == Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(paths: &[&str]) -> Problem {
        let field =
            |path: &&str| Field { path: (*path).to_owned(), text: format!("{path} is bad") };
        Problem { fields: paths.iter().map(field).collect(), ..Problem::default() }
    }

    #[test]
    fn a_violation_finds_its_input_by_the_last_part_of_its_path() {
        let problem = problem(&["tasks[0].title", "tasks[0].depends_on[1]"]);
        assert!(problem.field("title").is_some() && problem.field("depends_on").is_some());
        assert_eq!(problem.field("on"), None);
        assert_eq!(problem.fields_besides(&["title"]).len(), 1);
    }

    #[test]
    fn a_sentence_is_spoken_with_a_capital_and_a_full_stop() {
        let problem = Problem { sentence: "the world is halted".into(), ..Problem::default() };
        assert_eq!(problem.spoken(), "The world is halted.");
        assert_eq!(Problem::default().spoken(), "");
    }
}
