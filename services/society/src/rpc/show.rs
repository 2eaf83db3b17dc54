//! Domain and read models to the wire.

use std::collections::BTreeMap;

use vivarium_proto::identity::v1 as identity_pb;
use vivarium_proto::social::v1 as pb;
use vivarium_proto::wkt;
use vivarium_types::Timestamp;

use crate::domain::event::write;
use crate::domain::library::{Decider, Profile, Value};
use crate::domain::mail::Side;
use crate::views::documents::{Document, State};
use crate::views::journals::Journal;
use crate::views::letters::Letter;
use crate::views::memories::Memory;
use crate::views::messages::Message;
use crate::views::postings::{Posting, Wanted};

pub(super) fn moment(moment: Timestamp) -> wkt::Timestamp {
    let (seconds, nanos) = moment.as_seconds_and_nanos();
    wkt::Timestamp { seconds, nanos }
}

pub(super) fn message(it: Message) -> pb::Message {
    pb::Message {
        message_id: it.message.to_string(),
        room: it.room,
        author: it.author.to_string(),
        text: it.text,
        mood: it.mood,
        importance: it.importance,
        reply_to: it.reply_to,
        mentions: it.mentions,
        hop: it.hop,
        day: it.day,
        posted_time: Some(moment(it.time)),
        hidden: it.hidden.is_some(),
        hidden_reason: it.hidden.unwrap_or_default(),
        task_id: it.task,
        cycle_id: it.cycle,
    }
}

pub(super) fn letter(it: Letter, texts: &BTreeMap<String, String>) -> pb::Letter {
    pb::Letter {
        letter_id: it.letter.to_string(),
        resident_id: it.resident.to_string(),
        from_human: it.from == Side::Human,
        r#type: write::letter_kind(it.kind).into(),
        text: texts.get(&it.text_id).cloned().unwrap_or_default(),
        task_id: it.task,
        waits: it.waits,
        reply_to: it.reply_to,
        sent_time: Some(moment(it.sent)),
        opened_time: it.opened.map(moment),
        answered_time: it.answered.map(moment),
        day: it.day,
        cycle_id: it.cycle,
    }
}

pub(super) fn journal(it: &Journal) -> pb::Journal {
    let state = if it.erased { pb::JournalState::Erased } else { pb::JournalState::Private };
    pb::Journal {
        journal_id: it.journal.to_string(),
        resident_id: it.resident.to_string(),
        r#type: write::journal_kind(it.kind).into(),
        state: state.into(),
        day: it.day,
        written_time: Some(moment(it.time)),
        length: it.length,
        shared_with_human: it.shared,
    }
}

pub(super) fn memory(it: Memory) -> identity_pb::Memory {
    identity_pb::Memory {
        memory_id: it.memory.to_string(),
        resident_id: it.resident.to_string(),
        kind: write::memory_kind(it.kind).into(),
        text: it.text,
        tags: it.tags,
        importance: it.importance,
        about: it.about,
        source: it.source,
        label: write::label(it.label).into(),
        day: it.day,
        kept_time: Some(moment(it.time)),
        supersedes: it.supersedes,
        state: write::memory_state(it.state).into(),
    }
}

pub(super) fn posting(it: Posting, wanted: Wanted) -> identity_pb::Posting {
    let change_tokens = wanted.change(&it.entry);
    identity_pb::Posting {
        entry: Some(write::entry(it.entry)),
        sequence: it.sequence,
        posted_time: Some(moment(it.time)),
        change_tokens,
    }
}

pub(super) fn document(it: &Document) -> pb::LibraryDocument {
    let state = match it.state {
        State::Published => pb::DocumentState::Published,
        State::Superseded => pb::DocumentState::Superseded,
        State::Contested => pb::DocumentState::Contested,
        State::Retracted => pb::DocumentState::Retracted,
    };
    pb::LibraryDocument {
        document_id: it.document.to_string(),
        path: it.path.clone(),
        title: it.title.clone(),
        kind: it.kind.clone(),
        author: it.author.to_string(),
        author_name: it.author_name.clone(),
        task_id: it.task.clone(),
        submission_id: it.submission.clone(),
        review: Some(pb::ReviewNote {
            verdict_id: it.verdict.clone(),
            value: value(it.value),
            confidence_permille: it.confidence,
            decider: decider(it.decider),
            profile: profile(it.profile),
            note: it.note.clone(),
        }),
        version: it.version,
        supersedes: it.supersedes.clone(),
        hash: it.hash.clone(),
        tags: it.tags.clone(),
        state: state.into(),
        day: it.day,
        published_time: Some(moment(it.time)),
        length: it.length,
        cost_micro_usd: it.cost,
        model: it.model.clone(),
        model_embedded: it.model_embedded,
    }
}

fn value(value: Value) -> i32 {
    write::value(value).into()
}

fn decider(decider: Decider) -> i32 {
    write::decider(decider).into()
}

fn profile(profile: Profile) -> i32 {
    write::profile(profile).into()
}
