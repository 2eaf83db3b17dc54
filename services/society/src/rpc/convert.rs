//! Wire to domain: every violation is collected with its dotted path.

use std::collections::BTreeSet;

use vivarium_chassis::{Refusal, Violations};
use vivarium_proto::executor::v1 as executor_pb;
use vivarium_proto::identity::v1 as identity_pb;
use vivarium_proto::ledger::v1::Position;
use vivarium_proto::social::v1 as pb;
use vivarium_types::ids::{BountyId, DocumentId, MemoryId, MessageId, ResidentId, TaskId};
use vivarium_types::library::LibraryPath;
use vivarium_types::limits;

use crate::domain::event::read;
use crate::domain::{Label, journal, mail, memory, resident};
use crate::views::documents::State;
use crate::views::{Slice, postings};

/// Most characters of a message, and of a resident's letter.
pub(super) const MESSAGE_LENGTH_MAX: usize = 1_200;
/// Most characters of a letter of the human.
pub(super) const LETTER_LENGTH_MAX: usize = 4_000;
/// Most characters of the name of a room: that of two residents.
const ROOM_LENGTH_MAX: usize = 66;
/// Moods that have a word of their own.
const MOODS: [&str; 7] = ["curious", "pleased", "proud", "tired", "stuck", "worried", "playful"];

/// The sequence of a place in our own log.
pub(super) fn place(wire: Option<Position>) -> Result<Option<u64>, Refusal> {
    let mut wrong = Violations::new();
    let place = wire.map(|place| {
        if !matches!(place.ledger.as_str(), "" | "society") {
            wrong.add("min_position.ledger", "must be society");
        }
        place.sequence
    });
    wrong.finish()?;
    Ok(place)
}

/// A `request_id`; an action's key also has slashes.
pub(super) fn request_id(wrong: &mut Violations, id: &str, more: &[char]) {
    let fits = |c: char| {
        c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | ':' | '-') || more.contains(&c)
    };
    if id.is_empty() || id.len() > limits::REQUEST_ID_LENGTH_MAX || !id.chars().all(fits) {
        wrong.add("request_id", "must have 1 to 64 characters of those named in the contract");
    }
}

/// A reason that a person gives.
pub(super) fn reason(wrong: &mut Violations, text: &str) -> Option<String> {
    wrong.text("reason", text.trim(), 3, limits::REASON_LENGTH_MAX)
}

/// Where a page begins and how long it is.
pub(super) fn slice(wrong: &mut Violations, size: u32, token: &str) -> Slice {
    let limit = match size {
        0 => limits::PAGE_SIZE_DEFAULT,
        size => wrong.bounded("page_size", size, 1..=limits::PAGE_SIZE_MAX).unwrap_or(1),
    };
    let before = match token {
        "" => Some(i64::MAX.unsigned_abs()),
        token => token.parse().ok().filter(|before| *before <= i64::MAX.unsigned_abs()),
    };
    if before.is_none() {
        wrong.add("page_token", "is no token of an earlier page");
    }
    Slice { before: before.unwrap_or(0), limit }
}

/// A page of hits, which is counted from the first.
pub(super) fn hits(wrong: &mut Violations, size: u32, token: &str) -> (u32, u32) {
    let limit = match size {
        0 => 20,
        size => wrong.bounded("page_size", size, 1..=100).unwrap_or(1),
    };
    let skip = match token {
        "" => Some(0),
        token => token.parse().ok().filter(|skip| *skip <= 100_000),
    };
    if skip.is_none() {
        wrong.add("page_token", "is no token of an earlier page");
    }
    (skip.unwrap_or(0), limit)
}

/// A name of a resident: an id or a handle.
pub(super) fn name(wrong: &mut Violations, field: &str, named: &str, needed: bool) {
    if needed && named.is_empty() {
        wrong.add(field, "must be set");
    } else if named.len() > 64 {
        wrong.add(field, "is no id and no handle");
    }
}

/// What a resident is good at.
pub(super) fn specializations(wrong: &mut Violations, words: &[String]) -> BTreeSet<String> {
    if words.len() > resident::SPECIALIZATIONS_MAX {
        let max = resident::SPECIALIZATIONS_MAX;
        wrong.add("specializations", format!("has more than {max} entries"));
        return BTreeSet::new();
    }
    let mut all = BTreeSet::new();
    for (index, word) in words.iter().enumerate() {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        wrong.item("specializations", index, |wrong| {
            if !(2..=32).contains(&word.len()) || !word.chars().all(fits) {
                wrong.add("", "must be [a-z0-9-]{2,32}");
            } else if !all.insert(word.clone()) {
                wrong.add("", "is named twice");
            }
        });
    }
    all
}

/// At most three names of residents.
pub(super) fn mentions(wrong: &mut Violations, names: &[String]) {
    if names.len() > 3 {
        wrong.add("mentions", "has more than 3 entries");
    }
    for (index, named) in names.iter().enumerate() {
        wrong.item("mentions", index, |wrong| name(wrong, "", named, true));
    }
}

/// Tags, at most `most`.
pub(super) fn tags(wrong: &mut Violations, tags: &[String], most: usize) {
    if tags.len() > most {
        wrong.add("tags", format!("has more than {most} entries"));
    }
    for (index, tag) in tags.iter().enumerate() {
        if !is_tag(tag) {
            wrong.item("tags", index, |wrong| wrong.add("", "must be [a-z0-9-]{2,32}"));
        }
    }
}

fn is_tag(tag: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (2..=32).contains(&tag.len()) && tag.chars().all(fits)
}

/// 1 to 5, with 0 for 3.
pub(super) fn importance(wrong: &mut Violations, importance: u32) -> u32 {
    match importance {
        0 => 3,
        other => wrong.bounded("importance", other, 1..=5).unwrap_or(3),
    }
}

/// A mood: its word, and own words when it has none.
pub(super) fn mood(wrong: &mut Violations, mood: &str) -> (String, Option<String>) {
    if mood.is_empty() {
        return (String::new(), None);
    }
    if MOODS.contains(&mood) {
        return (mood.to_owned(), None);
    }
    let words = wrong.text("mood", mood.trim(), 1, 32);
    ("free".to_owned(), words)
}

/// The name of a room, whether or not there is one.
pub(super) fn room(wrong: &mut Violations, room: &str) -> String {
    if room.is_empty() {
        wrong.add("room", "must be set");
    } else if room.len() > ROOM_LENGTH_MAX {
        wrong.add("room", "is no name of a room");
    }
    room.to_owned()
}

/// The message that is answered.
pub(super) fn reply_to(wrong: &mut Violations, id: &str) -> Option<MessageId> {
    wrong.parse_optional("reply_to", id)
}

/// How far what the cycle has seen is to be trusted; what is not said counts as the worst.
pub(super) fn label(wrong: &mut Violations, wire: i32) -> Label {
    match executor_pb::TrustLabel::try_from(wire) {
        Ok(executor_pb::TrustLabel::Unspecified) => Label::Web,
        Ok(label) => read::label(label).unwrap_or(Label::Web),
        Err(_) => {
            wrong.add("label", "is no value of this field");
            Label::Web
        }
    }
}

/// Kinds of memories by their word.
pub(super) fn memory_kind(wrong: &mut Violations, word: &str) -> memory::Kind {
    match word {
        "" => memory::Kind::Fact,
        word => memory::Kind::of_word(word).unwrap_or_else(|| {
            let words: Vec<_> = memory::Kind::ALL.iter().map(|kind| kind.word()).collect();
            wrong.add("kind", format!("must be one of {}", words.join(", ")));
            memory::Kind::Fact
        }),
    }
}

/// Ids of at most three residents, tasks or documents.
pub(super) fn about(wrong: &mut Violations, about: &[String]) {
    if about.len() > 3 {
        wrong.add("about", "has more than 3 entries");
    }
    for (index, id) in about.iter().enumerate() {
        let known = id.parse::<ResidentId>().is_ok()
            || id.parse::<TaskId>().is_ok()
            || id.parse::<DocumentId>().is_ok();
        if !known {
            let what = "must be the id of a resident, a task or a document";
            wrong.item("about", index, |wrong| wrong.add("", what));
        }
    }
}

/// A memory by its id.
pub(super) fn memory(wrong: &mut Violations, field: &str, id: &str) -> Option<MemoryId> {
    wrong.parse_optional(field, id)
}

/// Kinds of a resident's letters by their word.
pub(super) fn letter_word(wrong: &mut Violations, word: &str) -> mail::Kind {
    mail::Kind::of_word(word).unwrap_or_else(|| {
        let words: Vec<_> = mail::Kind::ALL.iter().map(|kind| kind.word()).collect();
        wrong.add("type", format!("must be one of {}", words.join(", ")));
        mail::Kind::Message
    })
}

/// Kinds of the human's letters; a message when it is not said.
pub(super) fn letter_kind(wrong: &mut Violations, wire: i32) -> mail::Kind {
    let Ok(kind) = pb::LetterType::try_from(wire) else {
        wrong.add("type", "is no value of this field");
        return mail::Kind::Message;
    };
    read::letter_kind(kind).unwrap_or(mail::Kind::Message)
}

/// Kinds of journal entries by their word.
pub(super) fn journal_word(wrong: &mut Violations, word: &str) -> journal::Kind {
    journal::Kind::of_word(word).unwrap_or_else(|| {
        let words: Vec<_> = journal::Kind::ALL.iter().map(|kind| kind.word()).collect();
        wrong.add("type", format!("must be one of {}", words.join(", ")));
        journal::Kind::Reflection
    })
}

/// States of residents; all but retired when none is named.
pub(super) fn statuses(wrong: &mut Violations, wire: &[i32]) -> Vec<resident::Status> {
    use resident::Status;
    let statuses = each(wrong, "statuses", wire, |value| {
        identity_pb::ResidentStatus::try_from(value).ok().and_then(read::status)
    });
    if wire.is_empty() { vec![Status::Active, Status::Resting, Status::Away] } else { statuses }
}

/// States of memories; live ones when none is named.
pub(super) fn memory_states(wrong: &mut Violations, wire: &[i32]) -> Vec<memory::State> {
    let states = each(wrong, "states", wire, |value| {
        identity_pb::MemoryState::try_from(value).ok().and_then(read::memory_state)
    });
    if wire.is_empty() { vec![memory::State::Live] } else { states }
}

/// States of bounties; all when none is named.
pub(super) fn bounty_states(wrong: &mut Violations, wire: &[i32]) -> Vec<pb::BountyState> {
    each(wrong, "states", wire, |value| {
        let state = pb::BountyState::try_from(value).ok()?;
        (state != pb::BountyState::Unspecified).then_some(state)
    })
}

/// The bounty behind which a page begins.
pub(super) fn page_behind(wrong: &mut Violations, token: &str) -> Option<BountyId> {
    let behind = token.parse().ok();
    if behind.is_none() && !token.is_empty() {
        wrong.add("page_token", "is no token of an earlier page");
    }
    behind
}

/// States of documents; those that stand when none is named.
pub(super) fn document_states(wrong: &mut Violations, wire: &[i32]) -> Vec<State> {
    let states =
        each(wrong, "states", wire, |value| match pb::DocumentState::try_from(value).ok()? {
            pb::DocumentState::Unspecified => None,
            pb::DocumentState::Published => Some(State::Published),
            pb::DocumentState::Superseded => Some(State::Superseded),
            pb::DocumentState::Contested => Some(State::Contested),
            pb::DocumentState::Retracted => Some(State::Retracted),
        });
    if wire.is_empty() { vec![State::Published, State::Contested] } else { states }
}

/// Each value of a list, or which of them is none.
pub(super) fn each<T>(
    wrong: &mut Violations,
    field: &str,
    wire: &[i32],
    parse: impl Fn(i32) -> Option<T>,
) -> Vec<T> {
    let mut values = Vec::new();
    for (index, value) in wire.iter().enumerate() {
        match parse(*value) {
            Some(value) => values.push(value),
            None => wrong.item(field, index, |wrong| wrong.add("", "is no value of this field")),
        }
    }
    values
}

/// Whose postings are wanted, as far as the account says.
pub(super) fn account(wrong: &mut Violations, account: &str) -> postings::Wanted {
    postings::Wanted { resident: None, account: wrong.parse_optional("account", account) }
}

/// A document: by its id, or by the path at which it stands.
pub(super) enum Named {
    /// Its id.
    Id(DocumentId),
    /// Its path.
    Path(LibraryPath),
}

/// How a document is named.
pub(super) fn document(wrong: &mut Violations, named: &str) -> Option<Named> {
    if let Ok(id) = named.parse() {
        return Some(Named::Id(id));
    }
    let Ok(path) = named.parse() else {
        wrong.add("document", "must be doc_ and 26 characters, or a path of the library");
        return None;
    };
    Some(Named::Path(path))
}

/// Words to look for, as a search takes them.
pub(super) fn query(
    wrong: &mut Violations,
    field: &str,
    text: &str,
    (min, max): (usize, usize),
) -> Vec<String> {
    wrong.text(field, text, min, max).map(|text| memory::words(&text)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(parse: impl FnOnce(&mut Violations)) -> Vec<String> {
        let mut wrong = Violations::new();
        parse(&mut wrong);
        wrong.found().iter().map(|violation| violation.field.clone()).collect()
    }

    #[test]
    fn every_violation_is_named_with_its_path() {
        let found = fields(|wrong| {
            tags(wrong, &["ok".into(), "Not Ok".into()], 1);
            about(wrong, &["res_1".into()]);
            mentions(wrong, &["a".into(), String::new(), "c".into(), "d".into()]);
            statuses(wrong, &[1, 0, 99]);
            slice(wrong, 5_000, "behind");
            request_id(wrong, "a/b", &[]);
        });
        let wanted = [
            "tags",
            "tags[1]",
            "about[0]",
            "mentions",
            "mentions[1]",
            "statuses[1]",
            "statuses[2]",
            "page_size",
            "page_token",
            "request_id",
        ];
        assert_eq!(found, wanted);
        assert_eq!(fields(|wrong| request_id(wrong, "cyc_1/1/0", &['/'])), Vec::<String>::new());
    }

    #[test]
    fn a_mood_without_a_word_keeps_its_own() {
        let mut wrong = Violations::new();
        assert_eq!(mood(&mut wrong, "proud"), ("proud".into(), None));
        assert_eq!(mood(&mut wrong, "sea-sick"), ("free".into(), Some("sea-sick".into())));
        assert!(wrong.is_empty());
        assert_eq!(fields(|wrong| drop(mood(wrong, &"x".repeat(33)))), ["mood"]);
    }

    #[test]
    fn what_a_cycle_does_not_say_counts_as_the_worst() {
        let mut wrong = Violations::new();
        assert_eq!(label(&mut wrong, 0), Label::Web);
        assert_eq!(label(&mut wrong, executor_pb::TrustLabel::Own.into()), Label::Own);
        assert!(wrong.is_empty());
    }
}
