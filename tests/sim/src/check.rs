//! What must hold of every history, whatever happened on the way.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use vivarium_harness::history::{History, Row};
use vivarium_ledger::store::{Reader, Store as _};
use vivarium_ledger::{audit, snapshot};
use vivarium_queue::domain::Command;
use vivarium_queue::domain::Queue;

use crate::Outcome;
use crate::rules::Rules;
use crate::watchers::Watcher;
use crate::world::World;

/// Judges a world that has come to its end.
pub(crate) fn check(mut world: World) -> Outcome {
    let reader = world.disk.reader();
    let mut found = std::mem::take(&mut world.breaches);
    let history = history(&*reader, &world);
    found.extend(history.breaches());
    for (number, seen) in world.watchers.iter().map(Watcher::seen).enumerate() {
        found.extend(history.watched(&format!("watcher {number}"), "queue", seen));
    }
    chain(&*reader, &mut found);
    state(&*reader, &world, &mut found);
    tasks(history.of("queue"), &world, &mut found);
    facts(history.of("queue"), &world, &mut found);
    found.extend(Rules::default().judge(&*reader, &world));
    let head = reader.head().expect("memory can be read");
    world.counts.events = head.sequence;
    Outcome { seed: world.seed, hash: head.hash, counts: world.counts, breaches: found }
}

/// The record as the checker of real worlds reads it.
fn history(reader: &dyn Reader, world: &World) -> History {
    let rows = reader.rows(0, usize::MAX).expect("memory can be read");
    let queue = rows.iter().map(recorded).collect();
    let review = world.peers.all[0].log.iter().zip(1..).map(|(fact, sequence)| {
        let event = if let Command::Verdict(verdict) = &fact.command {
            json!({ "submissionId": verdict.submission.to_string() })
        } else {
            Value::Null
        };
        Row { sequence, time_us: 0, kind: fact.kind.to_owned(), event }
    });
    History { ledgers: [("queue".into(), queue), ("review".into(), review.collect())].into() }
}

/// A row as the checker of records knows it.
pub(crate) fn recorded(row: &vivarium_ledger::Row) -> Row {
    Row::parse(row.sequence, row.time.as_micros(), &row.kind, &row.payload)
}

fn chain(reader: &dyn Reader, found: &mut Vec<String>) {
    let report = audit::verify(reader, &[], &|_| true, &mut |_| {}).expect("memory can be read");
    // Nobody wrote the texts that the events name.
    let broken = report.findings.iter().filter(|f| !matches!(f, audit::Finding::Text { .. }));
    found.extend(broken.map(ToString::to_string));
}

/// The log alone makes the state.
fn state(reader: &dyn Reader, world: &World, found: &mut Vec<String>) {
    let replayed = snapshot::replay::<Queue>(reader, None, u64::MAX).expect("the log replays");
    let bytes = |queue: &Queue| postcard::to_stdvec(queue).expect("a state is bytes");
    let live = world.server.as_ref().map(|server| bytes(server.hand.state()));
    if live.is_some_and(|live| live != bytes(&replayed.state)) {
        found.push("the state is not what the log makes".into());
    }
}

/// What was answered is there once, and nothing is there that nobody wanted.
fn tasks(rows: &[Row], world: &World, found: &mut Vec<String>) {
    let mut there: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    // A child has its parent's tags, and nobody asked for it by name.
    let asked = |row: &&Row| row.kind == "task_added" && row.word("parentId").is_empty();
    for row in rows.iter().filter(asked) {
        let tag = row.event["spec"]["tags"][0].as_str().unwrap_or_default();
        there.entry(tag).or_default().push(row.word("taskId"));
    }
    for (tag, ids) in &there {
        // What a recurrence adds has the tag of its template.
        if ids.len() > 1 && !tag.starts_with('r') {
            found.push(format!("{tag} was added {} times", ids.len()));
        }
        if !world.people.wanted.contains(*tag) {
            found.push(format!("nobody wanted {tag:?}"));
        }
    }
    for (tag, task) in &world.people.added {
        if !there.get(tag.as_str()).is_some_and(|ids| ids.contains(&task.to_string().as_str())) {
            found.push(format!("{tag} was answered with {task} and is lost"));
        }
    }
}

/// Each fact of a peer had its say once.
fn facts(rows: &[Row], world: &World, found: &mut Vec<String>) {
    let mut heard = BTreeSet::new();
    let mut effects: BTreeMap<&str, u32> = BTreeMap::new();
    for row in rows {
        match row.kind.as_str() {
            "fact_ignored" | "fact_parked" => {
                let place = (row.word("source"), row.event["sequence"].to_string());
                if !heard.insert(place.clone()) {
                    found.push(format!("queue {}: {place:?} was heard twice", row.sequence));
                }
            }
            "task_approved" | "task_requeued" | "task_failed" | "task_split" => {
                *effects.entry(row.word("submissionId")).or_default() += 1;
            }
            _ => {}
        }
    }
    for (submission, count) in effects.iter().filter(|(submission, _)| !submission.is_empty()) {
        if *count > 1 {
            found.push(format!("{submission} was decided {count} times"));
        }
    }
    let said = world.peers.all.iter().map(|peer| peer.log.len()).sum::<usize>();
    if heard.len() > said {
        found.push(format!("{} facts were ignored of {said}", heard.len()));
    }
}
