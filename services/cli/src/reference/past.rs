//! What the reference's execution log tells of its tasks: where each of them stood last.

use std::collections::BTreeMap;

use vivarium_types::reference::Status;

use super::entries::{self, Entry};
use super::files::Files;
use super::report::{Place, Report};

/// Most findings of a review that go with a task.
const ISSUES_MAX: usize = 10;

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

/// The last word on each task, by its id over there.
#[derive(Debug, Default)]
pub(crate) struct Past {
    by_task: BTreeMap<String, Standing>,
}

impl Past {
    /// Reads the log. Its lines themselves are history, and left.
    pub(crate) fn read(files: &Files, report: &mut Report) -> Self {
        let Some(file) = files.single("execution_log.jsonl", report) else {
            return Self::default();
        };
        let entries = entries::lines(&file, report);
        let mut past = Self::default();
        for entry in &entries {
            match entry.text(&["task_id"]) {
                Some(task) => past.note(task, entry),
                None => report.left(&entry.place, "it has no task_id"),
            }
        }
        let of_tasks = entries.iter().filter(|entry| entry.text(&["task_id"]).is_some()).count();
        let why = "the history of another world is not kept; only each task's last status counts";
        report.left_many(&Place::of(&file.name, 0), of_tasks, why);
        past
    }

    fn note(&mut self, task: String, entry: &Entry) {
        let status = entry.text(&["status"]).unwrap_or_default();
        let open = || {
            let mut issues = entry.texts("review_issues");
            issues.truncate(ISSUES_MAX);
            Standing::Open(issues)
        };
        let standing = match status.parse::<Status>() {
            Ok(Status::Approved | Status::Completed | Status::ReadyForMerge) => {
                Standing::Done(entry.place.clone(), status)
            }
            Ok(Status::Failed | Status::SafetyBlocked) => {
                Standing::Failed(entry.place.clone(), status)
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
            )
            | Err(_) => open(),
        };
        self.by_task.insert(task, standing);
    }

    /// Where a task stood last. A task without a line was not begun.
    pub(crate) fn of(&self, task: &str) -> Standing {
        self.by_task.get(task).cloned().unwrap_or(Standing::Open(Vec::new()))
    }
}
