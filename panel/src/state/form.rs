//! The form for a new task, as it was typed, and what of it can be told before the world is asked.

use vivarium_types::Hat;

use super::problem::{Field, Kind as ProblemKind, Problem};
use super::task::Kind;

/// Characters of an instruction by default.
pub(crate) const INSTRUCTION_MAX: usize = 4_000;

/// What was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewTask {
    /// What to do.
    pub(crate) instruction: String,
    /// Its title. Empty: the start of the instruction.
    pub(crate) title: String,
    /// A name to type later. Empty: none.
    pub(crate) key: String,
    /// What it is to bring.
    pub(crate) kind: Kind,
    /// 0 to 9.
    pub(crate) priority: String,
    /// Dollars, as typed.
    pub(crate) budget: String,
    /// Where the document goes. Empty: by default.
    pub(crate) target: String,
    /// Keys or ids, apart by commas or spaces.
    pub(crate) depends_on: String,
    /// What must hold, one a line.
    pub(crate) constraints: String,
    /// Who may take it. Empty: anyone.
    pub(crate) resident: String,
    /// Tags, apart by commas or spaces.
    pub(crate) tags: String,
    /// How it is reviewed.
    pub(crate) review: Review,
    /// What its resident is for the cycle.
    pub(crate) hat: Option<Hat>,
    /// Whether listed programs may be run for it.
    pub(crate) runs_programs: bool,
}

/// How a task is reviewed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Review {
    /// Checks alone.
    Checks,
    /// Checks and a critic.
    Light,
    /// Also a jury, once there are juries.
    #[default]
    Standard,
    /// And always a person.
    Strict,
}

impl Review {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::Checks, Self::Light, Self::Standard, Self::Strict];

    /// Its word.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Checks => "Checks alone",
            Self::Light => "Light",
            Self::Standard => "Standard",
            Self::Strict => "Strict",
        }
    }

    /// What it means.
    pub(crate) const fn about(self) -> &'static str {
        match self {
            Self::Checks => "Nobody reads it: what every check finds clean is accepted.",
            Self::Light => "Checks and a critic; you, unless all is well.",
            Self::Standard => "Checks and a critic, and a jury once there are juries.",
            Self::Strict => "All of it, and always you.",
        }
    }
}

impl Default for NewTask {
    fn default() -> Self {
        Self {
            instruction: String::new(),
            title: String::new(),
            key: String::new(),
            kind: Kind::Docs,
            priority: "5".to_owned(),
            budget: "0.10".to_owned(),
            target: String::new(),
            depends_on: String::new(),
            constraints: String::new(),
            resident: String::new(),
            tags: String::new(),
            review: Review::default(),
            hat: None,
            runs_programs: false,
        }
    }
}

/// The same, ready for the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// As typed, without spaces around.
    pub(crate) text: NewTask,
    /// 0 to 9.
    pub(crate) priority: u32,
    /// Micro-dollars.
    pub(crate) budget_max: i64,
    /// Keys or ids.
    pub(crate) depends_on: Vec<String>,
    /// One each.
    pub(crate) constraints: Vec<String>,
    /// One each.
    pub(crate) tags: Vec<String>,
}

impl NewTask {
    /// Reads the form. What only the world can know, the world refuses with the same fields.
    pub(crate) fn read(&self) -> Result<Asked, Problem> {
        let mut fields = Vec::new();
        let mut wrong = |path: &str, text: &str| {
            fields.push(Field { path: path.to_owned(), text: text.to_owned() });
        };
        if self.instruction.trim().is_empty() {
            wrong("instruction", "say what to do");
        }
        let priority = self.priority.trim().parse::<u32>().ok().filter(|value| *value <= 9);
        if priority.is_none() {
            wrong("priority", "must be 0 to 9");
        }
        let budget_max = dollars(&self.budget).filter(|value| *value <= 50_000_000);
        if budget_max.is_none() {
            wrong("budget_max_micro_usd", "must be an amount up to 50 dollars, such as 0.10");
        }
        let (Some(priority), Some(budget_max), true) = (priority, budget_max, fields.is_empty())
        else {
            return Err(Problem {
                kind: ProblemKind::Refused,
                reason: "REQUEST_INVALID".to_owned(),
                sentence: "the task has fields that are out of bounds".to_owned(),
                fields,
                ..Problem::default()
            });
        };
        Ok(Asked {
            priority,
            budget_max,
            depends_on: apart(&self.depends_on),
            constraints: lines(&self.constraints),
            tags: apart(&self.tags),
            text: self.trimmed(),
        })
    }

    fn trimmed(&self) -> Self {
        let trim = |text: &String| text.trim().to_owned();
        Self {
            instruction: trim(&self.instruction),
            title: trim(&self.title),
            key: trim(&self.key),
            target: trim(&self.target),
            resident: trim(&self.resident),
            ..self.clone()
        }
    }
}

/// Dollars as people type them, in micro-dollars.
pub(crate) fn dollars(text: &str) -> Option<i64> {
    let text = text.trim().trim_start_matches('$').trim();
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    if (whole.is_empty() && part.is_empty()) || part.len() > 6 {
        return None;
    }
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(part) {
        return None;
    }
    let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let part: i64 = format!("{part:0<6}").parse().ok()?;
    whole.checked_mul(1_000_000)?.checked_add(part)
}

fn apart(text: &str) -> Vec<String> {
    let separators = |letter: char| letter == ',' || letter.is_whitespace();
    text.split(separators).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_reads_into_what_the_world_is_asked() {
        let form = NewTask {
            instruction: "  Write a guide \n".into(),
            depends_on: "task-1, task-2".into(),
            constraints: "short\n\n two pages ".into(),
            budget: "$1.5".into(),
            ..NewTask::default()
        };
        let asked = form.read().unwrap();
        assert_eq!(asked.text.instruction, "Write a guide");
        assert_eq!(asked.depends_on, ["task-1", "task-2"]);
        assert_eq!(asked.constraints, ["short", "two pages"]);
        assert_eq!((asked.priority, asked.budget_max), (5, 1_500_000));
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let form = NewTask { priority: "12".into(), budget: "a lot".into(), ..NewTask::default() };
        let problem = form.read().unwrap_err();
        for field in ["instruction", "priority", "budget_max_micro_usd"] {
            assert!(problem.field(field).is_some(), "{field}");
        }
    }

    #[test]
    fn dollars_are_read_without_floats() {
        for (text, micro) in [("0.1", 100_000), (".000001", 1), ("50", 50_000_000), ("0", 0)] {
            assert_eq!(dollars(text), Some(micro), "{text}");
        }
        for text in ["", ".", "-1", "1e3", "1.0000001", "99999999999999999"] {
            assert_eq!(dollars(text), None, "{text}");
        }
    }
}
