//! The terms under which tasks are granted: who works is good at what is asked for, and nobody works
//! below a task that is cancelled.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Row;

/// The record up to a row.
#[derive(Debug, Default)]
pub(super) struct Terms {
    /// What each task asks its worker to be good at.
    wanted: BTreeMap<String, String>,
    /// What each resident is good at.
    held: BTreeMap<String, BTreeSet<String>>,
    /// The task that each part was split from.
    parents: BTreeMap<String, String>,
    cancelled: BTreeSet<String>,
    /// Live attempts: the task of each lease.
    at_work: BTreeMap<String, String>,
}

impl Terms {
    /// Takes one row of the queue in; what is wrong with it.
    pub(super) fn take(&mut self, row: &Row) -> Option<String> {
        let task = row.word("taskId");
        match row.kind.as_str() {
            "task_added" => {
                let parent = row.word("parentId");
                if !parent.is_empty() {
                    self.parents.insert(task.to_owned(), parent.to_owned());
                }
                self.specify(task, &row.event);
            }
            "task_edited" => self.specify(task, &row.event),
            "task_proposed" => {
                let added = &row.event["task"];
                self.specify(added["taskId"].as_str().unwrap_or_default(), added);
            }
            "specializations_noted" => {
                let words = row.event["specializations"].as_array().map_or(&[][..], Vec::as_slice);
                let words = words.iter().filter_map(Value::as_str).map(str::to_owned).collect();
                self.held.insert(row.word("residentId").to_owned(), words);
            }
            "task_cancelled" => {
                self.cancelled.insert(task.to_owned());
            }
            "lease_granted" if !row.word("attemptId").is_empty() => {
                self.at_work.insert(row.word("leaseId").to_owned(), task.to_owned());
                return self.granted(row);
            }
            kind if kind.starts_with("attempt_") => {
                self.at_work.remove(row.word("leaseId"));
            }
            _ => {}
        }
        None
    }

    /// Attempts at the end of the record below a task that is cancelled.
    pub(super) fn left(&self) -> Vec<String> {
        let orphans = self.at_work.values().filter(|task| self.orphaned(task));
        orphans.map(|task| format!("queue: {task} runs below a task that is cancelled")).collect()
    }

    fn specify(&mut self, task: &str, event: &Value) {
        match event["spec"]["specialization"].as_str() {
            Some(word) => drop(self.wanted.insert(task.to_owned(), word.to_owned())),
            None => drop(self.wanted.remove(task)),
        }
    }

    fn granted(&self, row: &Row) -> Option<String> {
        let (task, resident) = (row.word("taskId"), row.word("residentId"));
        let able = |word: &String| self.held.get(resident).is_some_and(|held| held.contains(word));
        if let Some(word) = self.wanted.get(task).filter(|word| !able(word)) {
            return Some(format!("queue {}: {resident} is not good at {word}", row.sequence));
        }
        let orphaned = self.orphaned(task);
        orphaned.then(|| format!("queue {}: {task} is below a cancelled task", row.sequence))
    }

    fn orphaned(&self, task: &str) -> bool {
        let parent = self.parents.get(task);
        parent.is_some_and(|parent| self.cancelled.contains(parent) || self.orphaned(parent))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn judge(rows: &[(&str, Value)]) -> (Vec<String>, Vec<String>) {
        let mut terms = Terms::default();
        let mut found = Vec::new();
        for ((kind, event), sequence) in rows.iter().zip(1..) {
            let (kind, event) = ((*kind).to_owned(), event.clone());
            found.extend(terms.take(&Row { sequence, time_us: 0, kind, event }));
        }
        (found, terms.left())
    }

    #[test]
    fn who_is_not_good_at_what_is_asked_for_is_found() {
        let added = json!({"taskId": "t", "spec": {"specialization": "qa"}});
        let noted = json!({"residentId": "r", "specializations": ["qa"]});
        let grant =
            |who: &str| json!({"taskId": "t", "attemptId": "a", "leaseId": "l", "residentId": who});
        let rows = |who| {
            vec![
                ("task_added", added.clone()),
                ("specializations_noted", noted.clone()),
                ("lease_granted", grant(who)),
            ]
        };
        assert_eq!(judge(&rows("r")).0, [""; 0]);
        assert_eq!(judge(&rows("x")).0, ["queue 3: x is not good at qa"]);
        let mut taken = rows("r");
        taken.insert(2, ("specializations_noted", json!({"residentId": "r"})));
        assert_eq!(judge(&taken).0.len(), 1);
    }

    #[test]
    fn work_below_a_cancelled_task_is_found() {
        let child = json!({"taskId": "c", "parentId": "p", "spec": {}});
        let grant = json!({"taskId": "c", "attemptId": "a", "leaseId": "l", "residentId": "r"});
        let cancel = ("task_cancelled", json!({"taskId": "p"}));
        let (added, granted) = (("task_added", child), ("lease_granted", grant));
        let (found, _) = judge(&[added.clone(), cancel.clone(), granted.clone()]);
        assert_eq!(found, ["queue 3: c is below a cancelled task"]);
        let (found, left) = judge(&[added, granted, cancel]);
        assert_eq!(found, [""; 0]);
        assert_eq!(left, ["queue: c runs below a task that is cancelled"]);
    }
}
