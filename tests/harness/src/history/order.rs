//! Who had to be first: effective priority, then fairness among submitters, then whose turn is longest
//! ago, then age, then id, read off the queue's record alone.
//!
//! World time is noted now and then and not at each grant, so a task's ageing is known within
//! bounds; a breach is told only where it is one under every reading. What has a concurrency key or
//! must run alone may wait for others, and what nobody free may take waits too: those are passed
//! over here as there.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::Value;

use super::Row;

/// World time in `ready` that raises a task's priority by one.
const AGEING_US: i64 = 600_000_000;
/// World time that may have passed since it was noted last.
const UNNOTED_US: i64 = 1_000_000;
/// World time of one step.
const STEP_US: i64 = 2_000_000;
/// Grants among which submitters are treated alike.
const RECENT_MAX: usize = 100;
/// Highest priority.
const PRIORITY_MAX: i64 = 9;
/// The state in which a task may be granted.
const READY: &str = "TASK_STATE_READY";
/// The mode of a task that needs no resident.
const LOCAL: &str = "TASK_MODE_LOCAL";

/// Since when a task is ready.
#[derive(Debug, Clone, Copy)]
struct Since {
    /// By the queue's clock.
    time_us: i64,
    /// By the world's, as it was noted.
    world_us: i64,
}

/// A task as the record tells of it.
#[derive(Debug, Default)]
struct Known {
    priority: i64,
    local: bool,
    pinned: String,
    /// Whether nothing but free hands can keep it from being granted.
    free: bool,
    rest_day_ok: bool,
    submitter: String,
    declined: BTreeSet<String>,
    ready: Option<Since>,
}

impl Known {
    fn specify(&mut self, event: &Value) {
        let spec = &event["spec"];
        let word = |field: &str| spec[field].as_str().unwrap_or_default();
        self.priority = spec["priority"].as_i64().unwrap_or(5);
        self.local = word("mode") == LOCAL;
        word("residentId").clone_into(&mut self.pinned);
        self.free = word("concurrencyKey").is_empty()
            && word("specialization").is_empty()
            && spec["parallelSafe"].as_bool() != Some(false);
        self.rest_day_ok = spec["restDayOk"].as_bool().unwrap_or(false);
    }

    /// Whether it could have been granted in place of `other`, which `resident` got.
    fn could_replace(&self, other: &Self, resident: &str) -> bool {
        let rests = self.rest_day_ok || !other.rest_day_ok;
        let hands = self.local
            || !other.local
                && (self.pinned.is_empty() || self.pinned == resident)
                && !self.declined.contains(resident);
        self.free && rests && hands
    }
}

/// The record up to a row.
#[derive(Debug, Default)]
pub(super) struct Order {
    tasks: BTreeMap<String, Known>,
    /// World time as it was noted last, and before the grants of this moment.
    noted_us: i64,
    before_us: i64,
    by_steps: bool,
    recent: VecDeque<String>,
    /// The latest grants by submitter, before and with those of this moment.
    before: BTreeMap<String, usize>,
    /// The row of each submitter's last grant.
    turns: BTreeMap<String, u64>,
}

/// Less is earlier.
type Place = (i64, usize, u64, i64, String);

impl Order {
    /// Takes one row of the queue in; the tasks that had to be granted before the one it grants.
    pub(super) fn take(&mut self, row: &Row) -> Vec<String> {
        let mut first = Vec::new();
        if row.kind == "lease_granted" {
            if !row.word("attemptId").is_empty() {
                first = self.granted(row);
            }
            if self.by_steps {
                self.noted_us += STEP_US;
            }
            return first;
        }
        match row.kind.as_str() {
            "world_time_noted" => {
                let noted = row.word("worldTimeUs").parse().unwrap_or(0);
                self.noted_us = self.noted_us.max(noted);
            }
            "pace_set" => self.by_steps = row.word("pace") == "PACE_KIND_STEP",
            _ => self.change(row),
        }
        // One moment's grants stand together, but for tasks whose budget they find spent.
        if row.kind != "task_awaits_human" {
            self.before_us = self.noted_us;
            self.before = count(&self.recent);
        }
        first
    }

    fn granted(&mut self, row: &Row) -> Vec<String> {
        let (id, resident) = (row.word("taskId"), row.word("residentId"));
        let mut first = Vec::new();
        if let Some(granted) = self.tasks.get(id)
            && let Some(since) = granted.ready
        {
            let now = count(&self.recent);
            let by =
                |recent: &BTreeMap<String, usize>, id: &str, known: &Known, us: i64| -> Place {
                    let since = known.ready.unwrap_or(since);
                    let raised = (us - since.world_us).max(0) / AGEING_US;
                    let priority = (known.priority + raised).min(PRIORITY_MAX);
                    let grants = recent.get(&known.submitter).copied().unwrap_or(0);
                    let turn = self.turns.get(&known.submitter).copied().unwrap_or(0);
                    (-priority, grants, turn, since.time_us, id.to_owned())
                };
            // The latest grants are counted anew at each moment, so the oldest may count or not:
            // against the other all of them count, for it only those that surely do.
            let place = by(&now, id, granted, self.noted_us + UNNOTED_US);
            let passed = self.tasks.iter().filter(|(other, known)| {
                other.as_str() != id
                    && known.ready.is_some()
                    && known.could_replace(granted, resident)
                    && by(&self.before, other, known, self.before_us) < place
            });
            first.extend(passed.map(|(other, _)| other.clone()));
        }
        if let Some(granted) = self.tasks.get_mut(id) {
            granted.ready = None;
            self.turns.insert(granted.submitter.clone(), row.sequence);
            self.recent.push_back(granted.submitter.clone());
            *self.before.entry(granted.submitter.clone()).or_default() += 1;
        }
        while self.recent.len() > RECENT_MAX {
            self.recent.pop_front();
        }
        first
    }

    fn change(&mut self, row: &Row) {
        // A proposal holds the task that it would be.
        let proposed = row.kind == "task_proposed";
        let event = if proposed { &row.event["task"] } else { &row.event };
        let id = event["taskId"].as_str().unwrap_or_default();
        if proposed || row.kind == "task_added" {
            let submitter = event["submitter"].as_str().unwrap_or_default().to_owned();
            let mut known = Known { submitter, ..Known::default() };
            known.specify(event);
            self.tasks.insert(id.to_owned(), known);
        }
        let since = Since { time_us: row.time_us, world_us: self.noted_us };
        let Some(known) = self.tasks.get_mut(id) else { return };
        let ready = row.word("state") == READY;
        match row.kind.as_str() {
            "effect_recorded" | "critique_queued" | "critique_ended" => {}
            "task_edited" => {
                known.specify(event);
                let fields = row.event["fields"].as_array().map_or(&[][..], Vec::as_slice);
                if fields.iter().any(|field| field != "priority") {
                    known.declined.clear();
                }
                // What stays ready goes on ageing.
                known.ready = ready.then_some(known.ready.unwrap_or(since));
            }
            "task_added" | "task_admitted" | "task_ready" | "task_resumed" => {
                known.ready = ready.then_some(since);
            }
            "task_reopened" => {
                known.declined.clear();
                known.ready = ready.then_some(since);
            }
            "attempt_declined" => {
                known.declined.insert(row.word("residentId").to_owned());
                known.ready = Some(since);
            }
            "attempt_halted" | "attempt_revoked" => known.ready = Some(since),
            _ => known.ready = None,
        }
    }
}

fn count(recent: &VecDeque<String>) -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    for submitter in recent {
        *counted.entry(submitter.clone()).or_default() += 1;
    }
    counted
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const MINUTE_US: i64 = 60_000_000;

    struct Record {
        order: Order,
        rows: u64,
        time_us: i64,
    }

    impl Record {
        fn new() -> Self {
            Self { order: Order::default(), rows: 0, time_us: 0 }
        }

        fn say(&mut self, kind: &str, event: Value) -> Vec<String> {
            self.rows += 1;
            let kind = kind.to_owned();
            self.order.take(&Row { sequence: self.rows, time_us: self.time_us, kind, event })
        }

        fn add(&mut self, task: &str, by: &str, spec: &Value) {
            let added = json!({"taskId": task, "submitter": by, "state": READY, "spec": spec});
            self.say("task_added", added);
        }

        fn grant(&mut self, task: &str) -> Vec<String> {
            let granted = json!({"taskId": task, "attemptId": "a", "residentId": "r"});
            self.say("lease_granted", granted)
        }

        fn pass(&mut self, minutes: i64) {
            self.time_us += minutes * MINUTE_US;
            let noted = json!({"worldTimeUs": self.time_us.to_string()});
            self.say("world_time_noted", noted);
        }
    }

    #[test]
    fn priority_goes_before_age_and_age_before_the_name() {
        let mut record = Record::new();
        record.add("a", "ann", &json!({"priority": 5}));
        record.add("b", "ann", &json!({"priority": 5}));
        record.add("c", "ann", &json!({"priority": 6}));
        assert_eq!(record.grant("b"), ["a", "c"]);
        assert_eq!(record.grant("a"), ["c"]);
        assert_eq!(record.grant("c"), [""; 0]);
    }

    #[test]
    fn a_task_that_aged_goes_before_a_higher_one() {
        let mut record = Record::new();
        record.add("low", "ann", &json!({"priority": 4}));
        record.pass(21);
        record.add("high", "ann", &json!({"priority": 5}));
        assert_eq!(record.grant("high"), ["low"]);
        let mut record = Record::new();
        record.add("low", "ann", &json!({"priority": 4}));
        record.pass(9);
        record.add("high", "ann", &json!({"priority": 5}));
        assert_eq!(record.grant("low"), ["high"]);
    }

    #[test]
    fn among_equals_the_one_who_got_least_goes_first() {
        let mut record = Record::new();
        record.add("a", "ann", &json!({"priority": 5}));
        record.add("b", "ann", &json!({"priority": 5}));
        record.pass(1);
        record.add("c", "bob", &json!({"priority": 5}));
        assert_eq!(record.grant("a"), [""; 0]);
        assert_eq!(record.grant("b"), ["c"]);
    }

    #[test]
    fn what_may_have_to_wait_is_passed_over() {
        for spec in [
            json!({"priority": 9, "concurrencyKey": "k"}),
            json!({"priority": 9, "parallelSafe": false}),
            json!({"priority": 9, "residentId": "another"}),
        ] {
            let mut record = Record::new();
            record.add("a", "ann", &spec);
            record.add("b", "ann", &json!({"priority": 0}));
            assert_eq!(record.grant("b"), [""; 0]);
        }
    }
}
