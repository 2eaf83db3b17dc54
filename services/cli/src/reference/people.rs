//! The reference's residents, what they had in mind and what they owned.

use std::collections::BTreeSet;

use vivarium_proto::identity::v1 as identity;
use vivarium_types::Timestamp;

use super::entries::{self, Entry};
use super::files::{Files, Text};
use super::report::{Place, Report};
use super::{bounded, word};

/// Most entries of a list about a resident.
const LIST_MAX: usize = 10;
/// Most tokens of an account that come along.
const TOKENS_MAX: i64 = 1_000_000;

/// A resident of the reference.
#[derive(Debug)]
pub(crate) struct Person {
    /// Where it stands.
    pub(crate) place: Place,
    /// Its id over there.
    pub(crate) id: String,
    /// The handle it would like.
    pub(crate) handle: String,
    /// Who it is.
    pub(crate) identity: identity::Identity,
    /// When it was made.
    pub(crate) time: Option<Timestamp>,
    /// What it had in mind.
    pub(crate) memories: Vec<String>,
}

/// What a resident owned.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wallet {
    /// Where it stands.
    pub(crate) place: Place,
    /// Whose, by the id over there.
    pub(crate) id: String,
    /// For anything.
    pub(crate) free: i64,
    /// For journals first.
    pub(crate) journal: i64,
}

/// All residents, each once.
pub(crate) fn read(files: &Files, offset: &str, report: &mut Report) -> Vec<Person> {
    let mut entries: Vec<(Text, Entry)> = Vec::new();
    for file in files.identities(report) {
        if let Some(entry) = entries::object(&file, report) {
            entries.push((file, entry));
        }
    }
    let mut seen = BTreeSet::new();
    let mut people = Vec::new();
    let singles = entries.into_iter().map(|(file, entry)| (file.stem, entry)).collect::<Vec<_>>();
    let found = if singles.is_empty() { library(files, report) } else { singles };
    for (named, entry) in found {
        let id = entry.text(&["id"]).unwrap_or(named);
        if !seen.insert(id.clone()) {
            report.left(&entry.place, format!("the resident {id} stands in another place too"));
        } else if let Some(person) = person(&entry, id, offset, report) {
            people.push(person);
        }
    }
    people
}

/// Where there are no single files, the library of identities.
fn library(files: &Files, report: &mut Report) -> Vec<(String, Entry)> {
    let Some(file) = files.single("identity_library.json", report) else { return Vec::new() };
    let listed = entries::list(&file, "identities", report).unwrap_or_default();
    listed.into_iter().map(|entry| (String::new(), entry)).collect()
}

fn person(entry: &Entry, id: String, offset: &str, report: &mut Report) -> Option<Person> {
    let place = entry.place.clone();
    let fits = (1..=100).contains(&id.len()) && id.chars().all(|c| c.is_ascii_graphic());
    if !fits {
        report.left(&place, "its id is not 1 to 100 printable characters");
        return None;
    }
    let name = entry.text(&["name"]);
    let name = name.and_then(|name| bounded(report, &place, "name", &name, (2, 80)));
    let Some(name) = name else {
        report.left(&place, "it has no name of 2 to 80 characters");
        return None;
    };
    let handle = [word(&name, &['_'], 24), word(&id, &['_'], 24)];
    let Some(handle) = handle.into_iter().find(|handle| handle.len() >= 2) else {
        report.left(&place, "neither its name nor its id makes a handle");
        return None;
    };
    for field in ["custom_html", "custom_css"] {
        if entry.within("attributes").within("profile").text(&[field]).is_some() {
            report.changed(&place, format!("{field} is left out"));
        }
    }
    let memories = memories(entry, report);
    let time = entry.moment(&["created_at"], offset);
    let identity = identity_of(entry, name, report);
    Some(Person { place, id, handle, identity, time, memories })
}

fn identity_of(entry: &Entry, name: String, report: &mut Report) -> identity::Identity {
    let attributes = entry.within("attributes");
    let (core, mutable) = (attributes.within("core"), attributes.within("mutable"));
    let mut one = |of: &Entry, names: &[&str], max: usize| {
        let joined = names.iter().map(|name| of.texts(name).join(", "));
        let told = joined.into_iter().find(|told| !told.is_empty()).unwrap_or_default();
        let field = names.first().copied().unwrap_or_default();
        bounded(report, &entry.place, field, &told, (1, max)).unwrap_or_default()
    };
    let statement = one(&core, &["identity_statement", "statement"], 600);
    let style = one(&core, &["communication_style"], 200);
    let summary = one(entry, &["summary"], 600);
    let display = one(&attributes.within("profile"), &["display"], 4_000);
    let mutable = identity::Mutable {
        likes: one(&mutable, &["likes"], 200),
        dislikes: one(&mutable, &["dislikes"], 200),
        current_interests: one(&mutable, &["current_interests"], 200),
        working_style: one(&mutable, &["working_style"], 200),
        aesthetic_preferences: one(&mutable, &["aesthetic_preferences"], 200),
        quirks: one(&mutable, &["quirks"], 200),
        current_mood: one(&mutable, &["current_mood"], 200),
        current_focus: one(&mutable, &["current_focus"], 200),
    };
    identity::Identity {
        name,
        summary,
        core: Some(identity::Core {
            identity_statement: statement,
            communication_style: style,
            personality_traits: several(&core, &["personality_traits", "traits"], report),
            core_values: several(&core, &["core_values", "values"], report),
        }),
        mutable: Some(mutable),
        profile: Some(identity::Profile {
            display,
            preferred_activities: several(entry, &["preferred_activities"], report),
            ..identity::Profile::default()
        }),
    }
}

/// A list of short texts.
fn several(entry: &Entry, names: &[&str], report: &mut Report) -> Vec<String> {
    let found = names.iter().map(|name| entry.texts(name)).find(|found| !found.is_empty());
    let found = found.unwrap_or_default();
    let field = names.first().copied().unwrap_or_default();
    if found.len() > LIST_MAX {
        report.changed(&entry.place, format!("{field} is cut to {LIST_MAX} entries"));
    }
    found
        .iter()
        .take(LIST_MAX)
        .filter_map(|text| bounded(report, &entry.place, field, text, (1, 64)))
        .collect()
}

/// Memories are texts, or objects that hold one.
fn memories(entry: &Entry, report: &mut Report) -> Vec<String> {
    let Some(serde_json::Value::Array(values)) = entry.field("memories") else { return Vec::new() };
    let mut memories = Vec::new();
    for value in values {
        let text = match value {
            serde_json::Value::Object(fields) => Entry::new(entry.place.clone(), fields.clone())
                .text(&["content", "text", "summary"]),
            serde_json::Value::String(text) => Some(text.clone()),
            serde_json::Value::Null
            | serde_json::Value::Bool(_)
            | serde_json::Value::Number(_)
            | serde_json::Value::Array(_) => None,
        };
        let whole = text.and_then(|text| bounded(report, &entry.place, "memory", &text, (3, 600)));
        match whole {
            Some(text) if memories.contains(&text) => {
                report.left(&entry.place, "a memory stands there twice");
            }
            Some(text) => memories.push(text),
            None => report.left(&entry.place, "a memory has no text of 3 characters or more"),
        }
    }
    memories
}

/// What residents owned, each once.
pub(crate) fn wallets(files: &Files, report: &mut Report) -> Vec<Wallet> {
    let Some(file) = files.single("free_time_balances.json", report) else { return Vec::new() };
    let table = entries::table(&file, report);
    let mut wallets = Vec::new();
    for (id, entry) in table {
        let mut amount = |field: &str| match entry.whole(field) {
            Some(amount) if amount < 0 => {
                report.changed(&entry.place, format!("a negative {field} becomes 0"));
                0
            }
            Some(amount) if amount > TOKENS_MAX => {
                report.changed(&entry.place, format!("{field} is cut to {TOKENS_MAX}"));
                TOKENS_MAX
            }
            Some(amount) => amount,
            None => {
                report.changed(&entry.place, format!("{field} is no number and becomes 0"));
                0
            }
        };
        let (free, journal) = (amount("tokens"), amount("journal_tokens"));
        if entry.field("free_time_cap").is_some() {
            report.changed(&entry.place, "free_time_cap is left: this world has one cap for all");
        }
        wallets.push(Wallet { place: entry.place.clone(), id, free, journal });
    }
    wallets
}
