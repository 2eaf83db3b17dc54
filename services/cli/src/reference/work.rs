//! The reference's tasks in an order in which they can be proposed.

use std::collections::{BTreeMap, BTreeSet};

use vivarium_proto::queue::v1 as pb;
use vivarium_proto::social::v1::HistoryOutcome;
use vivarium_types::ids::TaskId;
use vivarium_types::library::LibraryPath;

use super::entries::{self, Entry};
use super::files::Files;
use super::past::{Past, Standing, Told};
use super::report::{Place, Report};
use super::{bounded, word};

/// The field of a task's metadata that says where it comes from.
pub(crate) const ORIGIN: &str = "import";
/// Fields that may hold what a task asks for; the first that is not empty counts.
const TEXTS: [&str; 5] = ["prompt", "instruction", "description", "atomic_instruction", "task"];
/// Most a task may cost, in micro-dollars.
const BUDGET_MAX: i64 = 50_000_000;
/// Most characters of a title and of an instruction.
const TITLE_MAX: usize = 120;
const INSTRUCTION_MAX: usize = 4_000;

/// A task of the reference.
#[derive(Debug, Clone)]
pub(crate) struct Task {
    /// Where it stands.
    pub(crate) place: Place,
    /// Its id over there.
    pub(crate) id: String,
    /// What it asks for, without a key, dependencies and a resident.
    pub(crate) spec: pb::TaskSpec,
    /// Ids over there of the tasks that must be approved first; all of them are taken too.
    pub(crate) depends_on: Vec<String>,
    /// The id over there of the resident who is to do it.
    pub(crate) resident: Option<String>,
    /// What its last review found.
    pub(crate) feedback: Vec<String>,
}

impl Task {
    /// The key it would like.
    pub(crate) fn key(&self) -> String {
        let key = word(&self.id, &['-', '.', '_'], 56);
        match key.as_str() {
            "" => "import-task".to_owned(),
            id if id.parse::<TaskId>().is_ok() => format!("import-{key}"),
            _ => key,
        }
    }
}

/// All tasks that can be proposed, dependencies first, and what is over of them.
pub(crate) fn tasks(files: &Files, report: &mut Report) -> (Vec<Task>, Vec<Told>) {
    let mut past = Past::read(files, report);
    let mut titles = BTreeMap::new();
    let Some(file) = files.single("queue.json", report) else {
        return (Vec::new(), past.told(&titles, report));
    };
    let entries = entries::list(&file, "tasks", report).unwrap_or_default();
    if file.content.trim_start().starts_with('{') {
        let lists = [("completed", HistoryOutcome::Done), ("failed", HistoryOutcome::Failed)];
        let mut seen = BTreeSet::new();
        for (name, outcome) in lists {
            for entry in entries::list(&file, name, report).unwrap_or_default() {
                match entry.text(&["id", "task_id"]) {
                    Some(id) if seen.insert(id.clone()) => {
                        titles.extend(title(&entry).map(|title| (id.clone(), title)));
                        past.add(&id, outcome, entry);
                    }
                    Some(id) => report.left(&entry.place, format!("{id} is over already")),
                    None => report.left(&entry.place, "it has no id"),
                }
            }
        }
    }
    let mut found = BTreeMap::new();
    let mut order = Vec::new();
    let mut seen = BTreeSet::new();
    for entry in entries {
        let Some(id) = entry.text(&["id"]) else {
            report.left(&entry.place, "it has no id");
            continue;
        };
        titles.extend(title(&entry).map(|title| (id.clone(), title)));
        if !seen.insert(id.clone()) {
            report.left(&entry.place, format!("an earlier task has the id {id}"));
        } else if let Some(task) = task(&entry, id.clone(), &past, report) {
            order.push(id.clone());
            found.insert(id, task);
        }
    }
    for id in &order {
        settle(id, &mut found, &past, report);
    }
    let tasks = in_order(&order, found, report);
    let told = past.told(&titles, report);
    (tasks, told)
}

/// What a task is called: its title, or the beginning of what it asks for.
fn title(entry: &Entry) -> Option<String> {
    let told = entry.text(&["title"]).or_else(|| entry.text(&TEXTS))?;
    Some(told.chars().take(TITLE_MAX).collect())
}

fn task(entry: &Entry, id: String, past: &Past, report: &mut Report) -> Option<Task> {
    let place = entry.place.clone();
    let feedback = match past.of(&id) {
        Standing::Open(issues) => issues,
        Standing::Done(at, status) | Standing::Failed(at, status) => {
            let at = format!("{}:{}", at.file, at.line);
            report.left(&place, format!("it is {status} over there ({at}): it is history"));
            return None;
        }
    };
    let mut spec = pb::TaskSpec { command: command(entry), ..pb::TaskSpec::default() };
    if !spec.command.is_empty() {
        spec.mode = pb::TaskMode::Local.into();
        spec.kind = pb::TaskKind::Answer.into();
    }
    let text = entry.text(&TEXTS).unwrap_or_else(|| spec.command.join(" "));
    let instruction = bounded(report, &place, "its text", &text, (1, INSTRUCTION_MAX));
    let Some(instruction) = instruction else {
        report.left(&place, "it asks for nothing");
        return None;
    };
    spec.instruction = instruction;
    let title = entry.text(&["title"]).unwrap_or_default();
    spec.title = bounded(report, &place, "title", &title, (3, TITLE_MAX)).unwrap_or_default();
    spec.parallel_safe = entry.field("parallel_safe").and_then(serde_json::Value::as_bool);
    budget(entry, &mut spec, report);
    target(entry, &mut spec, report);
    let room = entry.text(&["discussion_room"]).unwrap_or_default();
    if let Some(room) = bounded(report, &place, "discussion_room", &room, (1, 200)) {
        spec.metadata.insert("room".to_owned(), room);
    }
    spec.metadata.insert(ORIGIN.to_owned(), super::key("queue.json", &id));
    spec.model = entry.text(&["model"]).unwrap_or_default();
    let mut depends_on = entry.texts("depends_on");
    depends_on.dedup();
    let resident = entry.text(&["identity_id", "resident_identity"]);
    Some(Task { place, id, spec, depends_on, resident, feedback })
}

/// The words of a local task: a list, or a line.
fn command(entry: &Entry) -> Vec<String> {
    for name in ["command", "shell"] {
        let words = if let Some(serde_json::Value::Array(_)) = entry.field(name) {
            entry.texts(name)
        } else {
            let line = entry.text(&[name]).unwrap_or_default();
            line.split_whitespace().map(str::to_owned).collect()
        };
        if !words.is_empty() {
            return words;
        }
    }
    Vec::new()
}

fn budget(entry: &Entry, spec: &mut pb::TaskSpec, report: &mut Report) {
    let mut amount = |field: &str| {
        let given = entry.micro_usd(field)?;
        let kept = given.clamp(0, BUDGET_MAX);
        if kept != given {
            report.changed(&entry.place, format!("{field} is brought into $0 to $50"));
        }
        Some(kept)
    };
    let (min, max) = (amount("min_budget"), amount("max_budget"));
    spec.budget_max_micro_usd = match (min, max) {
        (Some(min), Some(max)) if max < min => {
            report.changed(&entry.place, "max_budget is raised to min_budget");
            Some(min)
        }
        (Some(min), None) => Some(min.max(100_000)),
        (_, max) => max,
    };
    // The default of the least would lie above a small most.
    spec.budget_min_micro_usd = min.or_else(|| max.map(|max| max.min(50_000)));
}

fn target(entry: &Entry, spec: &mut pb::TaskSpec, report: &mut Report) {
    let Some(path) = entry.text(&["doc_path", "artifact_path", "output_path"]) else { return };
    let fits = path.parse::<LibraryPath>();
    match fits {
        Ok(path) if spec.command.is_empty() && path.resident().is_none() => {
            path.as_str().clone_into(&mut spec.target);
        }
        Ok(_) => {
            report.changed(&entry.place, "its path is left: the document lies with its author");
        }
        Err(why) => report.changed(&entry.place, format!("its path {path} is left: it {why}")),
    }
}

/// Resolves what a task depends on: what is done there is met, what is not to be had leaves the task.
fn settle(id: &str, found: &mut BTreeMap<String, Task>, past: &Past, report: &mut Report) {
    let Some(task) = found.get(id) else { return };
    let (place, wanted) = (task.place.clone(), task.depends_on.clone());
    let mut kept: Vec<String> = Vec::new();
    for other in wanted {
        match past.of(&other) {
            Standing::Done(..) => {
                report.changed(&place, format!("it no longer waits for {other}, which is done"));
            }
            Standing::Open(_) | Standing::Failed(..) if kept.contains(&other) => {}
            Standing::Open(_) | Standing::Failed(..) => kept.push(other),
        }
    }
    if let Some(task) = found.get_mut(id) {
        task.depends_on = kept;
    }
}

/// Tasks behind those they depend on. Whatever depends on a task that is not taken, or on itself by
/// any way, is left.
fn in_order(order: &[String], mut found: BTreeMap<String, Task>, report: &mut Report) -> Vec<Task> {
    let mut sorted = Vec::new();
    let mut placed = BTreeSet::new();
    let mut waiting: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut open: BTreeMap<String, usize> = BTreeMap::new();
    for id in order {
        let Some(task) = found.get(id) else { continue };
        let known = task.depends_on.iter().filter(|other| found.contains_key(*other));
        for other in known {
            waiting.entry(other.clone()).or_default().push(id.clone());
        }
        open.insert(id.clone(), task.depends_on.len());
    }
    let mut free: std::collections::VecDeque<String> =
        order.iter().filter(|id| open.get(*id) == Some(&0)).cloned().collect();
    while let Some(id) = free.pop_front() {
        for next in waiting.remove(&id).unwrap_or_default() {
            if let Some(count) = open.get_mut(&next) {
                *count -= 1;
                if *count == 0 {
                    free.push_back(next);
                }
            }
        }
        placed.insert(id.clone());
        sorted.extend(found.remove(&id));
    }
    for id in order {
        let Some(task) = found.get(id) else { continue };
        let missing = task.depends_on.iter().find(|other| !placed.contains(*other));
        let missing = missing.map_or("", String::as_str);
        let why = if missing == id {
            "it depends on itself".to_owned()
        } else if found.contains_key(missing) {
            format!("it depends on {missing}, which is left too")
        } else {
            format!("it depends on {missing}, which is not taken")
        };
        report.left(&task.place, why);
    }
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(id: &str, depends_on: &[&str]) -> (String, Task) {
        let task = Task {
            place: Place::of("queue.json", id.len()),
            id: id.to_owned(),
            spec: pb::TaskSpec::default(),
            depends_on: depends_on.iter().map(|&other| other.to_owned()).collect(),
            resident: None,
            feedback: Vec::new(),
        };
        (id.to_owned(), task)
    }

    #[test]
    fn tasks_come_behind_what_they_depend_on_and_circles_are_left() {
        let given = [
            task("d", &["c", "a"]),
            task("c", &["a"]),
            task("a", &[]),
            task("x", &["y"]),
            task("y", &["x"]),
            task("z", &["nowhere"]),
            task("s", &["s"]),
        ];
        let order: Vec<_> = given.iter().map(|(id, _)| id.clone()).collect();
        let mut report = Report::default();
        let sorted = in_order(&order, given.into_iter().collect(), &mut report);
        let ids: Vec<_> = sorted.iter().map(|task| task.id.as_str()).collect();
        assert_eq!(ids, ["a", "c", "d"]);
        let why: Vec<_> = report.remains().into_iter().map(|(.., why)| why.to_owned()).collect();
        let wanted = [
            "it depends on y, which is left too",
            "it depends on x, which is left too",
            "it depends on nowhere, which is not taken",
            "it depends on itself",
        ];
        assert_eq!(why, wanted);
    }

    #[test]
    fn a_key_is_never_like_an_id() {
        let key = |id: &str| task(id, &[]).1.key();
        assert_eq!(key("Task 001"), "task_001");
        assert_eq!(key("--"), "import-task");
        assert!(key("tsk_01jd0000000000000000000000").starts_with("import-tsk_"));
    }
}
