//! Domain and read models to the wire.

use std::collections::BTreeMap;

use vivarium_proto::identity::v1 as identity_pb;
use vivarium_proto::social::v1 as pb;
use vivarium_proto::wkt;
use vivarium_types::Timestamp;
use vivarium_types::ids::BountyId;

use crate::domain::bounty::{self, Bounty, State as BountyState};
use crate::domain::event::write;
use crate::domain::library::{Decider, Profile, Value};
use crate::domain::mail::Side;
use crate::domain::room::Sender;
use crate::domain::wallet::Account;
use crate::views::documents::{Document, State};
use crate::views::history::Entry as HistoryEntry;
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
        sender_unproven: it.sender == Sender::Unproven,
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

pub(super) fn bounty(
    id: BountyId,
    it: &Bounty,
    escrow: i64,
    texts: &BTreeMap<String, String>,
) -> pb::Bounty {
    let said = |text: &str| texts.get(text).cloned().unwrap_or_default();
    let bounty::Terms { title, description, reward, runner_up, mode, .. } = &it.terms;
    let (state, ended, reason) = match &it.state {
        BountyState::Open => (pb::BountyState::Open, None, String::new()),
        BountyState::Cancelled { time, reason } => {
            (pb::BountyState::Cancelled, Some(moment(*time)), said(&reason.id))
        }
    };
    pb::Bounty {
        bounty_id: id.to_string(),
        title: said(&title.id),
        description: said(&description.id),
        reward_tokens: *reward,
        runner_up_tokens: *runner_up,
        mode: write::bounty_mode(*mode).into(),
        max_teams: it.terms.max_teams,
        slots: it.terms.slots,
        slot_policy: Some(write::slot_policy(it.terms.policy)),
        state: state.into(),
        escrow_tokens: escrow,
        escrow_account: Account::BountyEscrow(id).to_string(),
        funder: "human".to_owned(),
        origin: it.terms.origin.clone(),
        day: it.day,
        opened_time: Some(moment(it.opened)),
        ended_time: ended,
        reason,
    }
}

pub(super) fn history(it: HistoryEntry) -> pb::HistoryEntry {
    pb::HistoryEntry {
        key: it.key,
        kind: write::history_kind(it.kind).into(),
        outcome: write::history_outcome(it.outcome).into(),
        status: it.status,
        subject: it.subject,
        title: it.title,
        text: it.text,
        resident_id: it.resident,
        source_time: it.source.map(moment),
        imported_time: Some(moment(it.imported)),
        sequence: it.sequence,
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
