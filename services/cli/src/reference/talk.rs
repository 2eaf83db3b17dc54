//! What was said in the reference: messages in rooms, letters to the human and its answers.

use std::collections::{BTreeMap, BTreeSet};

use vivarium_proto::social::v1 as pb;
use vivarium_types::Timestamp;

use super::bounded;
use super::entries::{self, Entry};
use super::files::Files;
use super::report::{Place, Report};

/// A message in a room.
#[derive(Debug)]
pub(crate) struct Message {
    /// Where it stands.
    pub(crate) place: Place,
    /// Its id over there.
    pub(crate) id: String,
    /// The room's name over there.
    pub(crate) room: String,
    /// Who wrote it, by the id over there.
    pub(crate) author: String,
    /// What it says.
    pub(crate) text: String,
    /// A mood. Empty: none.
    pub(crate) mood: String,
    /// 1 to 5.
    pub(crate) importance: u32,
    /// What it answers, by the id over there.
    pub(crate) reply_to: Option<String>,
    /// To whom alone, by the id over there. None: to all in the room.
    pub(crate) recipient: Option<String>,
    /// When it was written.
    pub(crate) time: Option<Timestamp>,
}

/// A letter of a resident, with the human's first answer.
#[derive(Debug)]
pub(crate) struct Letter {
    /// Where it stands.
    pub(crate) place: Place,
    /// Its id over there.
    pub(crate) id: String,
    /// Who wrote it, by the id over there.
    pub(crate) from: String,
    /// What it is.
    pub(crate) kind: pb::LetterType,
    /// What it says.
    pub(crate) text: String,
    /// When it was written.
    pub(crate) time: Option<Timestamp>,
    /// The answer, where there is one.
    pub(crate) answer: Option<Answer>,
}

/// The human's first answer to a letter.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// What it says.
    pub(crate) text: String,
    /// When it was written.
    pub(crate) time: Option<Timestamp>,
}

/// All messages of rooms and between two, in the order of their files.
pub(crate) fn messages(files: &Files, offset: &str, report: &mut Report) -> Vec<Message> {
    let mut messages = Vec::new();
    let mut seen = BTreeSet::new();
    for file in files.discussions(report) {
        let entries = entries::lines(&file, report);
        if file.stem.starts_with("dispute_") {
            let why = "not yet kept here: this world has no disputes";
            report.left_many(&Place::of(&file.name, 0), entries.len(), why);
            continue;
        }
        let two = file.stem.strip_prefix("dm__");
        for entry in entries {
            let Some(said) = message(&entry, &file.stem, offset, &mut seen, report) else {
                continue;
            };
            let recipient = two.map(|two| recipient(&entry, &said.author, two));
            match recipient {
                Some(None) => report.left(&said.place, "it has no recipient_id"),
                Some(recipient) => messages.push(Message { recipient, ..said }),
                None => messages.push(said),
            }
        }
    }
    messages
}

/// To whom a direct message went: as it says itself, else the other one of the file's name.
fn recipient(entry: &Entry, author: &str, two: &str) -> Option<String> {
    let named = || {
        let behind = two.strip_prefix(author).and_then(|rest| rest.strip_prefix("__"));
        behind.or_else(|| two.strip_suffix(author).and_then(|rest| rest.strip_suffix("__")))
    };
    let other = entry.text(&["recipient_id"]).or_else(|| named().map(str::to_owned));
    other.filter(|other| !other.is_empty())
}

fn message(
    entry: &Entry,
    room: &str,
    offset: &str,
    seen: &mut BTreeSet<String>,
    report: &mut Report,
) -> Option<Message> {
    let place = entry.place.clone();
    let id = once(entry, seen, report)?;
    let Some(author) = entry.text(&["author_id"]) else {
        report.left(&place, "it has no author_id");
        return None;
    };
    let text = said(entry, 1_200, report)?;
    let mood = entry.text(&["mood"]).unwrap_or_default();
    let mood = bounded(report, &place, "mood", &mood, (1, 32)).unwrap_or_default();
    let importance = entry.whole("importance").and_then(|given| u32::try_from(given).ok());
    Some(Message {
        place,
        id,
        room: room.to_owned(),
        author,
        text,
        mood,
        importance: importance.unwrap_or(3).clamp(1, 5),
        reply_to: entry.text(&["reply_to"]),
        recipient: None,
        time: entry.moment(&["timestamp"], offset),
    })
}

/// All letters to the human.
pub(crate) fn letters(files: &Files, offset: &str, report: &mut Report) -> Vec<Letter> {
    let mut answers = answers(files, offset, report);
    let Some(file) = files.single("messages_to_human.jsonl", report) else { return Vec::new() };
    let mut seen = BTreeSet::new();
    let mut letters = Vec::new();
    for entry in entries::lines(&file, report) {
        let place = entry.place.clone();
        let Some(id) = once(&entry, &mut seen, report) else { continue };
        let Some(from) = entry.text(&["from_id"]) else {
            report.left(&place, "it has no from_id");
            continue;
        };
        let Some(text) = said(&entry, 4_000, report) else { continue };
        let kind = match entry.text(&["type"]).as_deref() {
            Some("question") => pb::LetterType::Question,
            Some("greeting") => pb::LetterType::Greeting,
            Some("idea") => pb::LetterType::Idea,
            Some("concern") => pb::LetterType::Concern,
            Some(_) | None => pb::LetterType::Message,
        };
        let time = entry.moment(&["timestamp"], offset);
        let answer = answers.remove(&id).map(|(_, answer)| answer);
        letters.push(Letter { place, id, from, kind, text, time, answer });
    }
    for (place, _) in answers.into_values() {
        report.left(&place, "it answers no letter that is here");
    }
    letters
}

/// The first answers of the human, by the letter's id.
fn answers(files: &Files, offset: &str, report: &mut Report) -> BTreeMap<String, (Place, Answer)> {
    let Some(file) = files.single("messages_from_human.json", report) else {
        return BTreeMap::new();
    };
    let mut answers = BTreeMap::new();
    for (letter, entry) in entries::table(&file, report) {
        let text = entry.text(&["response"]).unwrap_or_default();
        match bounded(report, &entry.place, "response", &text, (1, 4_000)) {
            Some(text) => {
                let time = entry.moment(&["responded_at"], offset);
                answers.insert(letter, (entry.place, Answer { text, time }));
            }
            None => report.left(&entry.place, "it has no response"),
        }
    }
    answers
}

/// The id of an entry, if it has one and no other entry had it.
fn once(entry: &Entry, seen: &mut BTreeSet<String>, report: &mut Report) -> Option<String> {
    let Some(id) = entry.text(&["id"]) else {
        report.left(&entry.place, "it has no id");
        return None;
    };
    if seen.insert(id.clone()) {
        return Some(id);
    }
    report.left(&entry.place, "an earlier line has the same id");
    None
}

fn said(entry: &Entry, max: usize, report: &mut Report) -> Option<String> {
    let text = entry.text(&["content"]).unwrap_or_default();
    let text = bounded(report, &entry.place, "content", &text, (1, max));
    if text.is_none() {
        report.left(&entry.place, "it says nothing");
    }
    text
}
