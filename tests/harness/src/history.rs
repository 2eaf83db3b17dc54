//! What must be true of every world's record, whatever was killed on the way.
//!
//! The record is read as anybody can read it: with SQLite and zstd, from the files. The checks know
//! the contract's events and nothing of the code that made them.

mod order;
mod terms;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

use crate::postgres::Postgres;

/// The services that have a ledger.
const LEDGERS: [&str; 4] = ["queue", "executor", "society", "review"];

/// One event of a ledger.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its place in the ledger.
    pub sequence: u64,
    /// When it was decided, in microseconds since 1970.
    pub time_us: i64,
    /// What happened, such as `lease_granted`.
    pub kind: String,
    /// The event's own fields.
    pub event: Value,
}

impl Row {
    /// A row from its stored payload.
    ///
    /// # Panics
    /// When the payload is no JSON.
    pub fn parse(sequence: u64, time_us: i64, kind: &str, payload: &[u8]) -> Self {
        let whole: Value = serde_json::from_slice(payload).expect("an event is JSON");
        let fields = whole.as_object().and_then(|fields| fields.values().next().cloned());
        Self { sequence, time_us, kind: kind.to_owned(), event: fields.unwrap_or_default() }
    }

    /// A field that is text; empty when it is not there.
    pub fn word(&self, field: &str) -> &str {
        self.event[field].as_str().unwrap_or_default()
    }
}

/// The record of a world.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// Rows by ledger.
    pub ledgers: BTreeMap<String, Vec<Row>>,
}

impl History {
    /// Reads the record of the world at `root`, running or not.
    pub fn read(root: &Path) -> Self {
        Self::read_of(root, &LEDGERS)
    }

    /// Reads the record of some ledgers, where there are no others.
    pub fn read_of(root: &Path, ledgers: &[&str]) -> Self {
        let ledgers = ledgers.iter().map(|&name| (name.to_owned(), rows(root, name)));
        Self { ledgers: ledgers.collect() }
    }

    /// Reads the record of a world whose ledgers lie in a database, in schemas that begin so.
    pub fn read_server(server: &Postgres, schema: &str) -> Self {
        let ledgers = LEDGERS.map(|name| {
            let rows = format!(
                "SELECT sequence, time_us, kind, convert_from(payload, 'UTF8') FROM {schema}_{name}.events \
                 ORDER BY sequence"
            );
            let told = server.query(&rows);
            let row = |line: &str| {
                let mut parts = line.splitn(4, '|');
                let mut next = || parts.next().expect("four columns");
                let sequence = next().parse().expect("a number");
                let time_us = next().parse().expect("a number");
                Row::parse(sequence, time_us, next(), next().as_bytes())
            };
            (name.to_owned(), told.lines().map(row).collect())
        });
        Self { ledgers: ledgers.into() }
    }

    /// The rows of one ledger.
    pub fn of(&self, ledger: &str) -> &[Row] {
        self.ledgers.get(ledger).map_or(&[], Vec::as_slice)
    }

    /// How often something happened.
    pub fn count(&self, ledger: &str, kind: &str) -> usize {
        self.of(ledger).iter().filter(|row| row.kind == kind).count()
    }

    /// Every rule that the record breaks, in words; empty is well.
    pub fn breaches(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (ledger, rows) in &self.ledgers {
            for (row, wanted) in rows.iter().zip(1..) {
                if row.sequence != wanted {
                    found.push(format!("{ledger}: {wanted} is missing, {} follows", row.sequence));
                    break;
                }
            }
        }
        self.leases(&mut found);
        self.order(&mut found);
        self.terms(&mut found);
        self.ends(&mut found);
        self.money(&mut found);
        self.works(&mut found);
        found
    }

    /// One live lease a task and a resident; tokens ascend; nothing is granted in a halt.
    fn leases(&self, found: &mut Vec<String>) {
        let mut live: BTreeMap<String, (String, String)> = BTreeMap::new();
        let mut halted = false;
        for row in self.of("queue") {
            match row.kind.as_str() {
                "halt_set" => halted = true,
                "resumed" => halted = false,
                "lease_granted" => {
                    if halted {
                        found.push(format!("queue {}: granted in a halt", row.sequence));
                    }
                    let holds = (work(row).to_owned(), row.word("residentId").to_owned());
                    for (lease, other) in &live {
                        let same = |one: &str, two: &str| !one.is_empty() && one == two;
                        if same(&other.0, &holds.0) || same(&other.1, &holds.1) {
                            found.push(format!("queue {}: {lease} was live", row.sequence));
                        }
                    }
                    live.insert(row.word("leaseId").to_owned(), holds);
                }
                kind if kind.starts_with("attempt_") || kind == "critique_ended" => {
                    let lease = row.word("leaseId");
                    if live.remove(lease).is_none() && !lease.is_empty() {
                        found.push(format!(
                            "queue {}: {lease} ended and was not live",
                            row.sequence
                        ));
                    }
                }
                _ => {}
            }
        }
    }

    /// Priority, then fairness, then age.
    fn order(&self, found: &mut Vec<String>) {
        let mut order = order::Order::default();
        for row in self.of("queue") {
            let passed = order.take(row);
            found.extend(passed.into_iter().map(|first| {
                let (sequence, task) = (row.sequence, row.word("taskId"));
                format!("queue {sequence}: {task} was granted, and {first} comes first")
            }));
        }
    }

    /// Who works is good at what is asked for, and nobody works below what is cancelled.
    fn terms(&self, found: &mut Vec<String>) {
        let mut terms = terms::Terms::default();
        found.extend(self.of("queue").iter().filter_map(|row| terms.take(row)));
        found.extend(terms.left());
    }

    /// What is wrong with the rows that somebody saw who watched a ledger to its end: each must have
    /// come once, in its place, and as it stands in the record.
    pub fn watched(&self, who: &str, ledger: &str, rows: &[Row]) -> Option<String> {
        let all = self.of(ledger);
        let from = rows.first().map_or(1, |row| row.sequence);
        for (row, wanted) in rows.iter().zip(from..) {
            let told = |what: &str| Some(format!("{who} saw {ledger} {} {what}", row.sequence));
            if row.sequence < wanted {
                return told("again");
            }
            if row.sequence > wanted {
                return Some(format!("{who} did not see {ledger} {wanted}"));
            }
            match all.binary_search_by_key(&wanted, |kept| kept.sequence).map(|at| &all[at]) {
                Ok(kept) if kept == row => {}
                Ok(_) => return told("as it is not in the record"),
                Err(_) => return told("and it is not in the record"),
            }
        }
        let (last, end) = (from + rows.len() as u64, all.last().map_or(0, |row| row.sequence));
        (last <= end).then(|| format!("{who} did not see {ledger} {last}"))
    }

    /// A task ends once; what is over is neither granted nor ended again until it is reopened.
    fn ends(&self, found: &mut Vec<String>) {
        let mut over: BTreeSet<&str> = BTreeSet::new();
        let mut known: BTreeSet<&str> = BTreeSet::new();
        for row in self.of("queue") {
            let task = row.word("taskId");
            match row.kind.as_str() {
                "task_added" | "task_admitted" => {
                    known.insert(task);
                }
                "task_approved" | "task_failed" | "task_cancelled" if !over.insert(task) => {
                    found.push(format!("queue {}: {task} ended twice", row.sequence));
                }
                "task_reopened" => {
                    over.remove(task);
                }
                "lease_granted" if over.contains(task) => {
                    found.push(format!("queue {}: {task} was over", row.sequence));
                }
                "lease_granted" if !known.contains(task) => {
                    found.push(format!("queue {}: {task} was never added", row.sequence));
                }
                _ => {}
            }
        }
    }

    /// Each reservation is settled or let go once, and nothing is settled that was not reserved.
    fn money(&self, found: &mut Vec<String>) {
        let mut open: BTreeSet<&str> = BTreeSet::new();
        for row in self.of("executor") {
            let reservation = row.word("reservationId");
            match row.kind.as_str() {
                "budget_reserved" => {
                    open.insert(reservation);
                }
                "model_called" | "reservation_released" if !open.remove(reservation) => {
                    found.push(format!("executor {}: {reservation} was not open", row.sequence));
                }
                _ => {}
            }
        }
    }

    /// What was approved was submitted, is published once and paid once.
    fn works(&self, found: &mut Vec<String>) {
        let submitted: BTreeSet<&str> = self
            .of("queue")
            .iter()
            .filter(|row| row.kind == "attempt_finished")
            .map(|row| row.word("submissionId"))
            .collect();
        let mut verdicts = BTreeSet::new();
        for row in self.of("review").iter().filter(|row| row.kind == "verdict_reached") {
            let submission = row.word("submissionId");
            if !verdicts.insert(submission) {
                found.push(format!("review {}: {submission} was judged twice", row.sequence));
            }
            if !submitted.contains(submission) {
                found.push(format!("review {}: {submission} was not submitted", row.sequence));
            }
        }
        let mut published = BTreeSet::new();
        let mut keys = BTreeSet::new();
        for row in self.of("society") {
            if row.kind == "document_published" && !published.insert(row.word("documentId")) {
                found.push(format!("society {}: it was published before", row.sequence));
            }
            let key = row.event["entry"]["businessKey"].as_str().unwrap_or_default();
            if row.kind == "tokens_moved" && !keys.insert(key) {
                found.push(format!("society {}: {key} was paid before", row.sequence));
            }
        }
    }

    /// What is missing of the consequences of approvals: documents and wages. Empty once all
    /// followers have caught up.
    pub fn owed(&self) -> Vec<String> {
        let society = self.of("society");
        let paid: BTreeSet<&str> = society
            .iter()
            .filter_map(|row| row.event["entry"]["businessKey"].as_str()?.strip_prefix("wage:"))
            .collect();
        let published: BTreeSet<&str> = society
            .iter()
            .filter(|row| row.kind == "document_published")
            .map(|row| row.word("taskId"))
            .collect();
        let approved = self.of("queue").iter().filter(|row| row.kind == "task_approved");
        let mut owed = Vec::new();
        for task in approved.map(|row| row.word("taskId")) {
            if !paid.contains(task) {
                owed.push(format!("{task} is not paid"));
            }
            if !published.contains(task) {
                owed.push(format!("{task} is not published"));
            }
        }
        owed
    }
}

/// What a lease is for: a task, or the critique of a submission.
fn work(row: &Row) -> &str {
    match row.word("submissionId") {
        "" => row.word("taskId"),
        submission => submission,
    }
}

/// How often each kind of event stands in a ledger: what costs little while a world is at work.
pub fn tally(root: &Path, ledger: &str) -> BTreeMap<String, u64> {
    let db = open(root, ledger);
    let first = "SELECT coalesce(min(sequence), 1) FROM events";
    if db.query_row(first, [], |row| row.get::<_, u64>(0)) != Ok(1) {
        let mut counts = BTreeMap::new();
        for row in rows(root, ledger) {
            *counts.entry(row.kind).or_default() += 1;
        }
        return counts;
    }
    let mut read =
        db.prepare("SELECT kind, count(*) FROM events GROUP BY kind").expect("a ledger has events");
    let counted = read.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    counted.expect("a ledger can be counted").map(|row| row.expect("a count reads")).collect()
}

/// How many events of a world an actor caused, in all its ledgers.
pub fn caused_by(root: &Path, actor: &str) -> u64 {
    let count = |ledger| {
        let count = "SELECT count(*) FROM events WHERE actor = ?1";
        let counted = open(root, ledger).query_row(count, [actor], |row| row.get::<_, u64>(0));
        counted.expect("a ledger can be counted")
    };
    ["queue", "executor", "society", "review"].map(count).into_iter().sum()
}

fn open(root: &Path, ledger: &str) -> Connection {
    let path = root.join("mutable").join("ledgers").join(format!("{ledger}.db"));
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags).expect("a ledger opens for reading")
}

fn rows(root: &Path, ledger: &str) -> Vec<Row> {
    let mut rows = hot_rows(root, ledger);
    let hot_from = rows.first().map_or(1, |row| row.sequence);
    if hot_from > 1 {
        let mut closed = closed_rows(root, ledger);
        // What is leaving the hot file lies in both.
        closed.retain(|row| row.sequence < hot_from);
        closed.append(&mut rows);
        rows = closed;
    }
    rows
}

/// The rows that have left the hot file, from the segments beside it.
fn closed_rows(root: &Path, ledger: &str) -> Vec<Row> {
    let folder = root.join("mutable").join("ledgers").join(format!("{ledger}.segments"));
    let files = std::fs::read_dir(folder).expect("segments lie beside a hot file that was cut");
    let mut rows = Vec::new();
    for file in files {
        let path = file.expect("the folder can be read").path();
        if !path.to_string_lossy().ends_with(".jsonl.zst") {
            continue;
        }
        let packed = std::fs::read(&path).expect("a segment can be read");
        let lines = zstd::decode_all(&*packed).expect("a segment unpacks");
        for line in String::from_utf8(lines).expect("a segment is text").lines() {
            let line: Value = serde_json::from_str(line).expect("a line is JSON");
            let number = |field: &str| line[field].as_i64().expect("a number");
            let word = |field: &str| line[field].as_str().expect("a text");
            let sequence = u64::try_from(number("sequence")).expect("from 1");
            let payload = word("payload").as_bytes();
            rows.push(Row::parse(sequence, number("time_us"), word("kind"), payload));
        }
    }
    rows.sort_by_key(|row| row.sequence);
    rows
}

fn hot_rows(root: &Path, ledger: &str) -> Vec<Row> {
    let db = open(root, ledger);
    let mut read = db
        .prepare("SELECT sequence, time_us, kind, payload FROM events ORDER BY sequence")
        .expect("a ledger has events");
    let row = |row: &rusqlite::Row<'_>| {
        let (kind, payload): (String, Vec<u8>) = (row.get(2)?, row.get(3)?);
        Ok(Row::parse(row.get(0)?, row.get(1)?, &kind, &payload))
    };
    let rows = read.query_map([], row).expect("a ledger can be read");
    rows.map(|row| row.expect("a row reads")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// One task, from its adding to its wage.
    fn sound() -> History {
        let mut history = History::default();
        let task = "t1";
        let granted = json!({"leaseId": "l1", "taskId": task, "residentId": "r1"});
        let finished = json!({"leaseId": "l1", "taskId": task, "submissionId": "s1"});
        push(&mut history, "queue", "task_added", json!({"taskId": task}));
        push(&mut history, "queue", "lease_granted", granted);
        push(&mut history, "queue", "attempt_finished", finished);
        push(&mut history, "queue", "task_approved", json!({"taskId": task}));
        push(&mut history, "executor", "budget_reserved", json!({"reservationId": "b1"}));
        push(&mut history, "executor", "model_called", json!({"reservationId": "b1"}));
        push(&mut history, "review", "verdict_reached", json!({"submissionId": "s1"}));
        let document = json!({"documentId": "d1", "taskId": task});
        push(&mut history, "society", "document_published", document);
        let wage = json!({"entry": {"businessKey": "wage:t1"}});
        push(&mut history, "society", "tokens_moved", wage);
        history
    }

    fn push(history: &mut History, ledger: &str, kind: &str, event: Value) {
        let rows = history.ledgers.entry(ledger.to_owned()).or_default();
        let sequence = rows.len() as u64 + 1;
        rows.push(Row { sequence, time_us: 0, kind: kind.to_owned(), event });
    }

    #[test]
    fn a_sound_record_breaks_nothing_and_owes_nothing() {
        assert_eq!(sound().breaches(), [""; 0]);
        assert_eq!(sound().owed(), [""; 0]);
    }

    #[test]
    fn every_lost_event_is_found() {
        for (ledger, rows) in sound().ledgers {
            for at in 0..rows.len() - 1 {
                let mut lossy = sound();
                lossy.ledgers.get_mut(&ledger).expect("it is there").remove(at);
                assert!(!lossy.breaches().is_empty(), "{ledger} {at} was not missed");
            }
        }
        // The last row of a ledger is missed by what it owes.
        let mut lossy = sound();
        lossy.ledgers.get_mut("society").expect("it is there").pop();
        assert_eq!(lossy.owed(), ["t1 is not paid"]);
    }

    #[test]
    fn what_happens_twice_is_found() {
        for (ledger, kind, event, told) in [
            ("queue", "task_approved", json!({"taskId": "t1"}), "ended twice"),
            ("queue", "lease_granted", json!({"leaseId": "l2", "taskId": "t1"}), "was over"),
            ("queue", "attempt_finished", json!({"leaseId": "l1"}), "was not live"),
            ("executor", "model_called", json!({"reservationId": "b1"}), "was not open"),
            ("review", "verdict_reached", json!({"submissionId": "s1"}), "judged twice"),
            ("society", "document_published", json!({"documentId": "d1"}), "published before"),
            (
                "society",
                "tokens_moved",
                json!({"entry": {"businessKey": "wage:t1"}}),
                "paid before",
            ),
        ] {
            let mut twice = sound();
            push(&mut twice, ledger, kind, event);
            let breaches = twice.breaches();
            assert!(breaches.iter().any(|breach| breach.contains(told)), "{told}: {breaches:?}");
        }
    }

    #[test]
    fn a_watcher_who_misses_repeats_or_invents_is_found() {
        let history = sound();
        let all = history.of("queue");
        assert_eq!(history.watched("ann", "queue", all), None);
        assert_eq!(history.watched("ann", "queue", &all[2..]), None);
        let told = |rows: Vec<Row>| history.watched("ann", "queue", &rows).unwrap_or_default();
        let mut rows = all.to_vec();
        rows.remove(1);
        assert_eq!(told(rows), "ann did not see queue 2");
        let mut rows = all.to_vec();
        rows.insert(1, all[0].clone());
        assert_eq!(told(rows), "ann saw queue 1 again");
        let mut rows = all.to_vec();
        rows[1].event = Value::Null;
        assert_eq!(told(rows), "ann saw queue 2 as it is not in the record");
        assert_eq!(told(all[..2].to_vec()), "ann did not see queue 3");
    }

    #[test]
    fn two_live_leases_and_a_grant_in_a_halt_are_found() {
        let mut history = History::default();
        for task in ["t1", "t2"] {
            push(&mut history, "queue", "task_added", json!({"taskId": task}));
        }
        let granted =
            |lease: &str, task: &str| json!({"leaseId": lease, "taskId": task, "residentId": "r"});
        push(&mut history, "queue", "lease_granted", granted("l1", "t1"));
        push(&mut history, "queue", "lease_granted", granted("l2", "t2"));
        push(&mut history, "queue", "attempt_halted", json!({"leaseId": "l1"}));
        push(&mut history, "queue", "attempt_halted", json!({"leaseId": "l2"}));
        push(&mut history, "queue", "halt_set", json!({}));
        push(&mut history, "queue", "lease_granted", granted("l3", "t1"));
        assert_eq!(history.breaches(), ["queue 4: l1 was live", "queue 8: granted in a halt"]);
    }
}
