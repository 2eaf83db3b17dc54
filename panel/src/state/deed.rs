//! What can be done to many tasks at once, what it is for each of them, and the way back.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::edit::Changes;
use super::task::{State, Task};

/// Tasks that can be chosen together.
pub(crate) const CHOSEN_MAX: usize = 1_000;

/// What is done to each of the chosen tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Set aside.
    Pause,
    /// Taken up again.
    Resume,
    /// Opened again.
    Requeue,
    /// Admitted, each as it was listed.
    Admit,
    /// Cancelled, and why.
    Cancel(String),
    /// Given this priority.
    Priority(u32),
    /// Given this tag.
    Tag(String),
    /// This tag is taken away.
    Untag(String),
}

/// What is asked of the world for one task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Set it aside.
    Pause,
    /// Take it up again.
    Resume,
    /// Open it again.
    Requeue,
    /// Admit it, as its digest says.
    Admit(Vec<u8>),
    /// Cancel it, and why.
    Cancel(String),
    /// Change its fields.
    Change(Changes),
}

impl Deed {
    /// What was done, for the line that tells it.
    pub(crate) fn told(&self) -> String {
        match self {
            Self::Pause => "set aside".to_owned(),
            Self::Resume => "taken up again".to_owned(),
            Self::Requeue => "opened again".to_owned(),
            Self::Admit => "admitted".to_owned(),
            Self::Cancel(_) => "cancelled".to_owned(),
            Self::Priority(priority) => format!("given priority {priority}"),
            Self::Tag(tag) => format!("tagged {tag}"),
            Self::Untag(tag) => format!("freed of the tag {tag}"),
        }
    }

    /// What it asks for one task; `None` when the task is so already.
    pub(crate) fn step(&self, task: &Task) -> Option<Step> {
        match self {
            Self::Pause => (task.state != State::Paused).then_some(Step::Pause),
            Self::Resume => Some(Step::Resume),
            Self::Requeue => Some(Step::Requeue),
            // What is no proposal is at work already.
            Self::Admit => {
                (task.state == State::Proposed).then(|| Step::Admit(task.proposal_hash.clone()))
            }
            Self::Cancel(why) => Some(Step::Cancel(why.clone())),
            Self::Priority(priority) => (task.priority != *priority)
                .then(|| change(task, "priority", *priority, task.tags.clone())),
            Self::Tag(tag) => {
                let tags = task.tags.iter().chain([tag]).cloned().collect();
                (!task.tags.contains(tag)).then(|| change(task, "tags", task.priority, tags))
            }
            Self::Untag(tag) => {
                let tags = task.tags.iter().filter(|known| *known != tag).cloned().collect();
                task.tags.contains(tag).then(|| change(task, "tags", task.priority, tags))
            }
        }
    }

    /// What takes it back from a task that is at `etag` now; `None` when nothing does.
    pub(crate) fn back(&self, task: &Task, etag: &str) -> Option<Step> {
        let before = Task { etag: etag.to_owned(), ..task.clone() };
        match self {
            Self::Pause => Some(Step::Resume),
            Self::Resume => Some(Step::Pause),
            // A task that was cancelled never runs again; one that was opened is at work already.
            Self::Requeue | Self::Admit | Self::Cancel(_) => None,
            Self::Priority(_) => Some(change(&before, "priority", task.priority, Vec::new())),
            Self::Tag(_) | Self::Untag(_) => {
                Some(change(&before, "tags", task.priority, task.tags.clone()))
            }
        }
    }
}

fn change(task: &Task, field: &'static str, priority: u32, tags: Vec<String>) -> Step {
    Step::Change(Changes {
        etag: task.etag.clone(),
        fields: vec![field],
        title: String::new(),
        instruction: String::new(),
        priority,
        tags,
    })
}

/// What came of it, task by task.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Tasks for which it was done.
    pub(crate) done: usize,
    /// Tasks that were so already.
    pub(crate) same: usize,
    /// Refusals: the sentence, and the titles of the tasks.
    pub(crate) refused: BTreeMap<String, Vec<String>>,
    /// The way back: task and step.
    pub(crate) back: Vec<(String, Step)>,
}

impl Outcome {
    /// How many were refused.
    pub(crate) fn refused_count(&self) -> usize {
        self.refused.values().map(Vec::len).sum()
    }

    /// In one sentence.
    pub(crate) fn told(&self, deed: &str) -> String {
        let tasks = |count: usize| {
            crate::format::counted(u64::try_from(count).unwrap_or(u64::MAX), "task", "tasks")
        };
        let rest = |count: usize, word: &str| match count {
            0 => String::new(),
            count => format!(", {} {word}", crate::format::count(count as u64)),
        };
        let (same, refused) =
            (rest(self.same, "so already"), rest(self.refused_count(), "refused"));
        format!("{} {deed}{same}{refused}", tasks(self.done))
    }
}

/// The tasks that are chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Choice {
    tasks: BTreeMap<String, Arc<Task>>,
    /// The place from which a range goes on.
    pub(crate) anchor: Option<usize>,
}

impl Choice {
    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether this one is chosen.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.tasks.contains_key(id)
    }

    /// Chooses a task, or lets it go.
    pub(crate) fn toggle(&mut self, place: usize, task: &Arc<Task>) {
        if self.tasks.remove(&task.id).is_none() {
            self.add([Arc::clone(task)]);
        }
        self.anchor = Some(place);
    }

    /// Chooses tasks, as many as can be.
    pub(crate) fn add(&mut self, tasks: impl IntoIterator<Item = Arc<Task>>) {
        for task in tasks {
            if self.tasks.len() < CHOSEN_MAX || self.has(&task.id) {
                self.tasks.insert(task.id.clone(), task);
            }
        }
    }

    /// All of them.
    pub(crate) fn tasks(&self) -> Vec<Arc<Task>> {
        self.tasks.values().cloned().collect()
    }

    /// Lets a task go.
    pub(crate) fn release(&mut self, id: &str) {
        self.tasks.remove(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(id: &str) -> Task {
        let tags = vec!["sea".to_owned()];
        Task { id: id.into(), priority: 5, tags, etag: "3".into(), ..Task::default() }
    }

    #[test]
    fn what_is_so_already_is_not_asked() {
        let paused = Task { state: State::Paused, ..task("a") };
        assert_eq!(Deed::Pause.step(&paused), None);
        assert_eq!(Deed::Priority(5).step(&task("a")), None);
        assert_eq!(Deed::Tag("sea".into()).step(&task("a")), None);
        assert_eq!(Deed::Untag("land".into()).step(&task("a")), None);
        assert_eq!(Deed::Admit.step(&task("a")), None);
        let proposal_hash = vec![7; 32];
        let proposed = Task { state: State::Proposed, proposal_hash, ..task("a") };
        assert_eq!(Deed::Admit.step(&proposed), Some(Step::Admit(vec![7; 32])));
    }

    #[test]
    fn a_change_goes_back_to_what_was_there() {
        let task = task("a");
        let Some(Step::Change(there)) = Deed::Tag("child".into()).step(&task) else { panic!() };
        assert_eq!((there.fields, there.tags), (vec!["tags"], vec!["sea".into(), "child".into()]));
        let Some(Step::Change(back)) = Deed::Tag("child".into()).back(&task, "4") else { panic!() };
        assert_eq!((back.etag.as_str(), back.tags), ("4", vec!["sea".to_owned()]));
        let Some(Step::Change(back)) = Deed::Priority(9).back(&task, "4") else { panic!() };
        assert_eq!((back.fields, back.priority), (vec!["priority"], 5));
        assert_eq!(Deed::Pause.back(&task, ""), Some(Step::Resume));
        assert_eq!(Deed::Cancel(String::new()).back(&task, ""), None);
    }

    #[test]
    fn what_came_of_it_is_one_sentence() {
        let refused = [("it is over".to_owned(), vec!["Tides".to_owned(), "Winds".to_owned()])];
        let outcome = Outcome { done: 12, same: 1, refused: refused.into(), back: Vec::new() };
        assert_eq!(
            outcome.told(&Deed::Pause.told()),
            "12 tasks set aside, 1 so already, 2 refused"
        );
        assert_eq!(Outcome { done: 1, ..Outcome::default() }.told("cancelled"), "1 task cancelled");
    }

    #[test]
    fn a_choice_is_bounded_and_lets_go() {
        let mut choice = Choice::default();
        choice.add((0..1_200).map(|n| Arc::new(task(&format!("tsk_{n:04}")))));
        assert_eq!(choice.len(), CHOSEN_MAX);
        choice.toggle(3, &Arc::new(task("tsk_0003")));
        assert!(!choice.has("tsk_0003") && choice.anchor == Some(3));
        choice.release("tsk_0004");
        assert_eq!(choice.tasks().len(), CHOSEN_MAX - 2);
    }
}
