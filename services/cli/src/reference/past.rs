//! What the reference's logs tell of its past: where each task stood last, and all that is history.

use std::collections::{BTreeMap, BTreeSet};

use vivarium_proto::social::v1::{HistoryKind, HistoryOutcome};
use vivarium_types::Timestamp;

use vivarium_types::reference::Status;

use super::entries::{self, Entry};
use super::files::Files;
use super::report::{Place, Report};
use super::{bounded, key, word};

/// Most findings of a review that go with a task.
const ISSUES_MAX: usize = 10;
/// Most characters of a finding.
const ISSUE_MAX: usize = 1_000;
/// Most characters of an entry's title and of its text.
const TITLE_MAX: usize = 120;
const TEXT_MAX: usize = 4_000;
/// Times of the logs are UTC, whatever the rest of the files is in.
const UTC: &str = "Z";

/// Where a task stood last over there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It was not over; these were the findings of its last review.
    Open(Vec<String>),
    /// It was done.
    Done(Place, String),
    /// It had failed.
    Failed(Place, String),
}

/// Something that is over, kept to be read.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    /// Where it stands.
    pub(crate) place: Place,
    /// What it is known by.
    pub(crate) key: String,
    /// What it tells of.
    pub(crate) kind: HistoryKind,
    /// How it ended.
    pub(crate) outcome: HistoryOutcome,
    /// Its status in the word used over there, as far as it is a word.
    pub(crate) status: String,
    /// The id of what it is about.
    pub(crate) subject: String,
    /// A line about it.
    pub(crate) title: String,
    /// What was told of it.
    pub(crate) text: String,
    /// The resident it was about, by the id over there.
    pub(crate) resident: Option<String>,
    /// When it happened.
    pub(crate) time: Option<Timestamp>,
}

/// The last word on each task, by its id over there, and every line.
#[derive(Debug, Default)]
pub(crate) struct Past {
    by_task: BTreeMap<String, Last>,
    lines: Vec<(String, Entry)>,
}

/// The line of the log that says where a task stood last.
#[derive(Debug)]
struct Last {
    standing: Standing,
    time: Option<Timestamp>,
    entry: Entry,
}

impl Past {
    /// Reads the log.
    pub(crate) fn read(files: &Files, report: &mut Report) -> Self {
        let Some(file) = files.single("execution_log.jsonl", report) else {
            return Self::default();
        };
        let mut past = Self::default();
        let mut seen = BTreeSet::new();
        for entry in entries::lines(&file, report) {
            let Some(task) = entry.text(&["task_id"]) else {
                report.left(&entry.place, "it has no task_id");
                continue;
            };
            if !seen.insert(entry.digest()) {
                report.left(&entry.place, "an earlier line says the same");
                continue;
            }
            let status = status(&entry);
            if status.starts_with("subtask") {
                report.left(&entry.place, "it is about a part of a task, under the task's id");
                continue;
            }
            past.note(&task, &status, &entry, report);
            past.lines.push((task, entry));
        }
        past
    }

    /// The last status decides: the one with the latest time, and of those that tell none or the same
    /// the one that stands last.
    fn note(&mut self, task: &str, word: &str, entry: &Entry, report: &mut Report) {
        let time = entry.moment(&["timestamp"], UTC);
        let earlier = self.by_task.get(task).and_then(|last| Some(time? < last.time?));
        if word.is_empty() || earlier == Some(true) {
            return;
        }
        let standing = match word.parse::<Status>() {
            Ok(Status::Approved | Status::Completed | Status::ReadyForMerge) => {
                Standing::Done(entry.place.clone(), word.to_owned())
            }
            Ok(Status::Failed | Status::SafetyBlocked) => {
                Standing::Failed(entry.place.clone(), word.to_owned())
            }
            // A part's line stands under its parent's id over there, and says nothing of the parent.
            Ok(Status::SubtaskStarted | Status::SubtaskCompleted | Status::SubtaskFailed) => return,
            Ok(
                Status::Queued
                | Status::InProgress
                | Status::PendingReview
                | Status::Requeue
                | Status::NeedsQa
                | Status::NeedsIntegration
                | Status::NeedsE2e,
            ) => Standing::Open(issues(entry, report)),
            Err(_) => {
                let told = format!("its status {word} is not known: its task counts as open");
                report.changed(&entry.place, told);
                Standing::Open(issues(entry, report))
            }
        };
        let last = Last { standing, time, entry: entry.clone() };
        self.by_task.insert(task.to_owned(), last);
    }

    /// What a list of tasks that are over says, where the log says nothing.
    pub(crate) fn add(&mut self, task: &str, outcome: HistoryOutcome, entry: Entry) {
        let status = match outcome {
            HistoryOutcome::Failed => "failed",
            HistoryOutcome::Done | HistoryOutcome::Unspecified => "completed",
        };
        let place = entry.place.clone();
        let standing = match outcome {
            HistoryOutcome::Failed => Standing::Failed(place, status.to_owned()),
            HistoryOutcome::Done | HistoryOutcome::Unspecified => {
                Standing::Done(place, status.to_owned())
            }
        };
        let last = Last { standing, time: None, entry };
        self.by_task.entry(task.to_owned()).or_insert(last);
    }

    /// Where a task stood last. A task without a line was not begun.
    pub(crate) fn of(&self, task: &str) -> Standing {
        let last = self.by_task.get(task);
        last.map_or(Standing::Open(Vec::new()), |last| last.standing.clone())
    }

    /// All tasks that are over, then every line, as history. `titles` are those of tasks whose words
    /// are known.
    pub(crate) fn told(self, titles: &BTreeMap<String, String>, report: &mut Report) -> Vec<Told> {
        let mut told = Vec::new();
        let named = |task: &String| titles.get(task).unwrap_or(task).clone();
        for (task, last) in &self.by_task {
            let (outcome, status) = match &last.standing {
                Standing::Open(_) => continue,
                Standing::Done(_, status) => (HistoryOutcome::Done, status.clone()),
                Standing::Failed(_, status) => (HistoryOutcome::Failed, status.clone()),
            };
            let entry = &last.entry;
            let said = Said { title: named(task), text: words(entry), status };
            let key = key("history/tasks", task);
            told.extend(tell((key, HistoryKind::Task, outcome), task, &said, entry, report));
        }
        for (task, entry) in &self.lines {
            let said = Said { title: named(task), text: words(entry), status: status(entry) };
            let (key, outcome) = (line_key("execution_log", entry), HistoryOutcome::Unspecified);
            told.extend(tell((key, HistoryKind::Status, outcome), task, &said, entry, report));
        }
        told
    }
}

/// What everybody did, as history.
pub(crate) fn actions(files: &Files, offset: &str, report: &mut Report) -> Vec<Told> {
    let Some(file) = files.single("action_log.jsonl", report) else { return Vec::new() };
    let mut seen = BTreeSet::new();
    let mut told = Vec::new();
    for entry in entries::lines(&file, report) {
        if !seen.insert(entry.digest()) {
            report.left(&entry.place, "an earlier line says the same");
            continue;
        }
        let Some(title) = entry.text(&["action", "action_type"]) else {
            report.left(&entry.place, "it has no action");
            continue;
        };
        let actor = entry.text(&["actor"]).unwrap_or_else(|| "nobody".to_owned());
        let text = entry.text(&["detail"]).unwrap_or_default();
        let status = entry.text(&["action_type"]).unwrap_or_default();
        let said = Said { title, text, status };
        let kinds =
            (line_key("action_log", &entry), HistoryKind::Action, HistoryOutcome::Unspecified);
        let time = entry.moment(&["timestamp"], offset);
        let one = tell(kinds, &actor, &said, &entry, report);
        told.extend(one.map(|one| Told { resident: Some(actor), time, ..one }));
    }
    told
}

/// What is said of something that is over.
pub(crate) struct Said {
    /// A line about it.
    pub(crate) title: String,
    /// All that was told of it.
    pub(crate) text: String,
    /// Its status over there.
    pub(crate) status: String,
}

/// An entry of history, cut to what fits.
pub(crate) fn tell(
    (key, kind, outcome): (String, HistoryKind, HistoryOutcome),
    subject: &str,
    said: &Said,
    entry: &Entry,
    report: &mut Report,
) -> Option<Told> {
    let place = entry.place.clone();
    let line = said.title.split_whitespace().collect::<Vec<_>>().join(" ");
    // A title is a line about it: where it is cut nothing is lost that the text does not say.
    let line: String = line.chars().take(TITLE_MAX).collect();
    let title = bounded(report, &place, "title", &line, (1, TITLE_MAX));
    let Some(title) = title else {
        report.left(&place, "nothing is told of it");
        return None;
    };
    let text = bounded(report, &place, "its text", &said.text, (1, TEXT_MAX)).unwrap_or_default();
    let printable = |c: char| if c.is_ascii_graphic() { c } else { '_' };
    let subject: String = subject.chars().take(TITLE_MAX).map(printable).collect();
    Some(Told {
        key,
        kind,
        outcome,
        status: word(&said.status, &['_'], 32),
        subject,
        title,
        text,
        resident: entry.text(&["identity_id"]),
        time: entry.moment(&["timestamp"], UTC),
        place,
    })
}

/// The key of a line that has no id of its own.
fn line_key(log: &str, entry: &Entry) -> String {
    key(&format!("history/{log}"), &entry.digest())
}

fn status(entry: &Entry) -> String {
    entry.text(&["status"]).unwrap_or_default().to_lowercase()
}

/// The findings of a review, each cut to what fits.
fn issues(entry: &Entry, report: &mut Report) -> Vec<String> {
    let all = entry.texts("review_issues");
    if all.len() > ISSUES_MAX {
        report.changed(&entry.place, format!("only {ISSUES_MAX} of its review_issues are kept"));
    }
    let kept = all.iter().take(ISSUES_MAX);
    kept.filter_map(|issue| bounded(report, &entry.place, "review_issues", issue, (1, ISSUE_MAX)))
        .collect()
}

/// All that a line of the execution log tells, for people.
fn words(entry: &Entry) -> String {
    let mut told = Vec::new();
    // A task of a list in the queue's file has no result, but what it asked for.
    told.extend(entry.text(&["result_summary", "prompt", "instruction", "description"]));
    let errors = entry.texts("errors");
    if !errors.is_empty() {
        told.push(format!("Errors: {}", errors.join("; ")));
    }
    let issues = entry.texts("review_issues");
    if !issues.is_empty() {
        told.push(format!("Issues: {}", issues.join("; ")));
    }
    let facts = [
        ("model", "model"),
        ("budget_used", "cost in dollars"),
        ("review_verdict", "verdict"),
        ("review_confidence", "confidence"),
        ("review_attempt", "attempt"),
        ("identity_id", "by"),
    ];
    let facts = facts
        .into_iter()
        .filter_map(|(field, name)| Some(format!("{name} {}", entry.text(&[field])?)));
    let facts: Vec<String> = facts.collect();
    if !facts.is_empty() {
        told.push(facts.join(", "));
    }
    told.join("\n")
}

#[cfg(test)]
mod tests {
    use super::super::files::Text;
    use super::*;

    fn read(lines: &str) -> (Past, Report) {
        let mut report = Report::default();
        let file = Text { name: "log".into(), stem: "log".into(), content: lines.into() };
        let mut past = Past::default();
        for entry in entries::lines(&file, &mut report) {
            let task = entry.text(&["task_id"]).expect("it has one");
            past.note(&task, &status(&entry), &entry, &mut report);
            past.lines.push((task, entry));
        }
        (past, report)
    }

    #[test]
    fn the_last_status_decides_whatever_the_order_of_the_lines_is() {
        let late = r#"{"task_id": "a", "status": "approved", "timestamp": "2025-01-02T00:00:00"}"#;
        let early = r#"{"task_id": "a", "status": "failed", "timestamp": "2025-01-01T00:00:00"}"#;
        for lines in [format!("{late}\n{early}"), format!("{early}\n{late}")] {
            let (past, _) = read(&lines);
            assert!(matches!(past.of("a"), Standing::Done(_, status) if status == "approved"));
        }
        let (past, _) = read(&format!("{late}\n{}", r#"{"task_id": "a", "status": "FAILED"}"#));
        assert!(matches!(past.of("a"), Standing::Failed(..)), "without a time the place decides");
        let (past, _) = read(&format!("{late}\n{}", r#"{"task_id": "a", "model": "8b"}"#));
        assert!(matches!(past.of("a"), Standing::Done(..)), "without a status nothing is decided");
    }

    #[test]
    fn every_status_has_its_standing_and_an_unknown_one_is_told() {
        for (status, done, failed) in [
            ("approved", true, false),
            ("completed", true, false),
            ("ready_for_merge", true, false),
            ("failed", false, true),
            ("safety_blocked", false, true),
            ("queued", false, false),
            ("in_progress", false, false),
            ("requeue", false, false),
            ("pending_review", false, false),
            ("needs_qa", false, false),
        ] {
            let (past, report) = read(&format!(r#"{{"task_id": "a", "status": "{status}"}}"#));
            let found = past.of("a");
            let told = (matches!(found, Standing::Done(..)), matches!(found, Standing::Failed(..)));
            assert_eq!(told, (done, failed), "{status}");
            assert!(report.changes().is_empty(), "{status}");
        }
        let (past, report) = read(r#"{"task_id": "a", "status": "vanished"}"#);
        assert!(matches!(past.of("a"), Standing::Open(_)));
        assert_eq!(report.changes().len(), 1);
    }

    #[test]
    fn what_is_over_is_told_once_and_each_of_its_lines_too() {
        let (past, mut report) = read(concat!(
            r#"{"task_id": "t\u00e4sk 1", "status": "in_progress"}"#,
            "\n",
            r#"{"task_id": "t\u00e4sk 1", "status": "failed", "errors": ["boom", "bang"]}"#,
            "\n",
            r#"{"task_id": "b", "status": "queued"}"#,
        ));
        let told = past.told(&BTreeMap::new(), &mut report);
        let kinds: Vec<_> = told.iter().map(|one| (one.kind, one.outcome)).collect();
        let line = (HistoryKind::Status, HistoryOutcome::Unspecified);
        assert_eq!(kinds, [(HistoryKind::Task, HistoryOutcome::Failed), line, line, line]);
        assert_eq!((told[0].subject.as_str(), told[0].title.as_str()), ("t_sk_1", "t\u{e4}sk 1"));
        assert_eq!(told[0].text, "Errors: boom; bang");
        let keys: BTreeSet<_> = told.iter().map(|one| &one.key).collect();
        assert_eq!(keys.len(), 4);
    }
}
