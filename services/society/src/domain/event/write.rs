//! Events as the log and the watchers get them, and our words as those of the wire.

use vivarium_ledger::{FactNote, TextRef};
use vivarium_proto::executor::v1 as executor_pb;
use vivarium_proto::identity::v1 as identity_pb;
use vivarium_proto::ledger::v1 as ledger_pb;
use vivarium_proto::review::v1 as review_pb;
use vivarium_proto::social::v1 as pb;
use vivarium_proto::social::v1::society_event::Event as Kind;
use vivarium_proto::wkt;
use vivarium_types::Timestamp;

use super::super::bounty::{self, Policy};
use super::super::day::Day;
use super::super::history;
use super::super::import::Imported;
use super::super::income::Valued;
use super::super::journal::{self, Readers, Written};
use super::super::library::{Decider, Note, Profile, Published, Value};
use super::super::mail::{self, Sent, Shown, Side, Waits};
use super::super::memory::{self, Kept, Recalled};
use super::super::resident::{Changed, Joined, Remembered, Status};
use super::super::room::{Posted, Sender};
use super::super::talk::Spent;
use super::super::wallet::{Entry, Transfer};
use super::super::{Collaboration, Label};
use super::{Event, Wire};

impl From<Event> for Wire {
    fn from(event: Event) -> Self {
        let kind = match event {
            Event::ResidentJoined(it) => Kind::ResidentJoined(joined(*it)),
            Event::ResidentChanged(it) => Kind::ResidentChanged(changed(*it)),
            Event::MemoryKept(it) => Kind::MemoryKept(kept(*it)),
            Event::SpecializationsSet { resident, specializations, reason } => {
                Kind::SpecializationsSet(pb::SpecializationsSet {
                    resident_id: resident.to_string(),
                    specializations: specializations.into_iter().collect(),
                    reason: text(reason),
                })
            }
            Event::MemoryForgotten { memory, resident, reason } => {
                Kind::MemoryForgotten(pb::MemoryForgotten {
                    memory_id: memory.to_string(),
                    resident_id: resident.to_string(),
                    reason: text(reason),
                })
            }
            Event::MemoryRecalled(it) => Kind::MemoryRecalled(recalled(&it)),
            Event::MemoryArchived { memory, resident } => {
                let (memory_id, resident_id) = (memory.to_string(), resident.to_string());
                Kind::MemoryArchived(pb::MemoryArchived { memory_id, resident_id })
            }
            Event::TokensMoved(it) => {
                Kind::TokensMoved(pb::TokensMoved { entry: Some(entry(*it)) })
            }
            Event::RoomOpened { room, title } => {
                Kind::RoomOpened(pb::RoomOpened { room, title: text(title) })
            }
            Event::MessagePosted(it) => Kind::MessagePosted(posted(*it)),
            Event::MessageHidden { message, room, reason } => {
                let (message_id, reason) = (message.to_string(), text(reason));
                Kind::MessageHidden(pb::MessageHidden { message_id, room, reason })
            }
            Event::ConversationSpent(it) => Kind::ConversationSpent(spent(it)),
            Event::LetterSent(it) => Kind::LetterSent(sent(*it)),
            Event::LetterOpened { letter, resident, by, cycle } => {
                Kind::LetterOpened(pb::LetterOpened {
                    letter_id: letter.to_string(),
                    resident_id: resident.to_string(),
                    by_human: by == Side::Human,
                    cycle_id: optional(cycle),
                })
            }
            Event::JournalWritten(it) => Kind::JournalWritten(written(it)),
            Event::JournalErased { journal, resident, reason } => {
                Kind::JournalErased(pb::JournalErased {
                    journal_id: journal.to_string(),
                    resident_id: resident.to_string(),
                    reason: text(reason),
                })
            }
            Event::DocumentPublished(it) => Kind::DocumentPublished(published(*it)),
            Event::DocumentSuperseded { document, path, by } => {
                Kind::DocumentSuperseded(pb::DocumentSuperseded {
                    document_id: document.to_string(),
                    path,
                    by_document_id: by.to_string(),
                })
            }
            Event::DocumentRetracted { document, path, reason } => {
                let (document_id, reason) = (document.to_string(), text(reason));
                Kind::DocumentRetracted(pb::DocumentRetracted { document_id, path, reason })
            }
            Event::AttemptRemembered(it) => Kind::AttemptRemembered(remembered(*it)),
            Event::DayOpened(it) => Kind::DayOpened(opened(it)),
            Event::CollaborationSet(it) => Kind::CollaborationSet(collaboration(it)),
            Event::SessionCounted { resident, day, sessions } => {
                Kind::SessionCounted(pb::SessionCounted {
                    resident_id: resident.to_string(),
                    day,
                    session_count: sessions,
                })
            }
            Event::BriefingShown(it) => Kind::BriefingShown(shown(&it)),
            Event::WorkValued(it) => Kind::WorkValued(valued(*it)),
            Event::ItemImported(it) => Kind::ItemImported(imported(it)),
            Event::HistoryKept(it) => Kind::HistoryKept(past(*it)),
            Event::BountyOpened(it) => Kind::BountyOpened(bounty_opened(*it)),
            Event::BountyCancelled { bounty, reason } => {
                let (bounty_id, reason) = (bounty.to_string(), text(reason));
                Kind::BountyCancelled(pb::BountyCancelled { bounty_id, reason })
            }
            Event::FactIgnored(FactNote { source, sequence, kind, reason }) => {
                Kind::FactIgnored(ledger_pb::FactIgnored { source, sequence, kind, reason })
            }
            Event::FactParked(FactNote { source, sequence, kind, reason }) => {
                Kind::FactParked(ledger_pb::FactParked { source, sequence, kind, reason })
            }
            Event::SegmentClosed(note) => Kind::SegmentClosed((*note).into()),
        };
        Self { event: Some(kind) }
    }
}

fn joined(it: Joined) -> pb::ResidentJoined {
    pb::ResidentJoined {
        resident_id: it.resident.to_string(),
        handle: it.handle,
        identity: text(it.identity),
        origin: it.origin,
        creator: it.creator,
        status: status(it.status).into(),
        words: it.words,
        day: it.day,
    }
}

fn changed(it: Changed) -> pb::ResidentChanged {
    pb::ResidentChanged {
        resident_id: it.resident.to_string(),
        part: it.part,
        version: it.version,
        identity: text(it.identity),
        previous_identity: it.previous.and_then(text),
        status: status(it.status).into(),
        words: it.words,
        reason: it.reason.and_then(text),
        price_tokens: it.price.get(),
        refund_tokens: it.refund.get(),
    }
}

fn kept(it: Kept) -> pb::MemoryKept {
    pb::MemoryKept {
        memory_id: it.memory.to_string(),
        resident_id: it.resident.to_string(),
        kind: memory_kind(it.kind).into(),
        text: text(it.text),
        tags: it.tags,
        importance: it.importance,
        about: it.about,
        source: it.source,
        label: label(it.label).into(),
        supersedes: optional(it.supersedes),
        state: memory_state(it.state).into(),
        day: it.day,
        fencing_token: it.token,
    }
}

fn recalled(it: &Recalled) -> pb::MemoryRecalled {
    pb::MemoryRecalled {
        resident_id: it.resident.to_string(),
        cycle_id: it.cycle.to_string(),
        memory_ids: it.memories.iter().map(ToString::to_string).collect(),
        day: it.day,
        fencing_token: it.token,
    }
}

/// An entry, as events and postings carry it.
pub fn entry(it: Entry) -> identity_pb::Entry {
    let transfer = |Transfer { from, to, amount }: Transfer| identity_pb::Transfer {
        from: from.to_string(),
        to: to.to_string(),
        amount_tokens: amount,
    };
    identity_pb::Entry {
        business_key: it.key,
        transfers: it.transfers.into_iter().map(transfer).collect(),
        cause: it.cause.word().to_owned(),
        subject: it.subject,
        day: it.day,
    }
}

fn posted(it: Posted) -> pb::MessagePosted {
    pb::MessagePosted {
        message_id: it.message.to_string(),
        room: it.room,
        author: it.author.to_string(),
        text: text(it.text),
        mood: it.mood,
        mood_text: it.mood_text.and_then(text),
        importance: it.importance,
        reply_to: optional(it.reply_to),
        mentions: it.mentions.iter().map(ToString::to_string).collect(),
        hop: it.hop,
        day: it.day,
        task_id: optional(it.task),
        cycle_id: optional(it.cycle),
        label: label(it.label).into(),
        fencing_token: it.token,
        sender_unproven: it.sender == Sender::Unproven,
    }
}

fn spent(it: Spent) -> pb::ConversationSpent {
    pb::ConversationSpent {
        room: it.room,
        resident_id: it.resident.to_string(),
        other_resident_id: it.other.to_string(),
        day: it.day,
        cycle_id: it.cycle.to_string(),
    }
}

fn sent(it: Sent) -> pb::LetterSent {
    pb::LetterSent {
        letter_id: it.letter.to_string(),
        resident_id: it.resident.to_string(),
        from_human: it.from == Side::Human,
        r#type: letter_kind(it.kind).into(),
        text: text(it.text),
        task_id: optional(it.task),
        waits: it.waits == Waits::Task,
        reply_to: optional(it.reply_to),
        ends_wait: it.ends_wait,
        day: it.day,
        cycle_id: optional(it.cycle),
        label: label(it.label).into(),
        fencing_token: it.token,
    }
}

fn written(it: Written) -> pb::JournalWritten {
    pb::JournalWritten {
        journal_id: it.journal.to_string(),
        resident_id: it.resident.to_string(),
        r#type: journal_kind(it.kind).into(),
        text: text(it.text),
        share_with_human: it.readers == Readers::Human,
        day: it.day,
        cycle_id: it.cycle.to_string(),
        fencing_token: it.token,
    }
}

fn published(it: Published) -> pb::DocumentPublished {
    pb::DocumentPublished {
        document_id: it.document.to_string(),
        path: it.path,
        title: text(it.title),
        body: text(it.body),
        kind: it.kind,
        author: it.author.to_string(),
        author_name: text(it.author_name),
        task_id: it.task.to_string(),
        submission_id: it.submission.to_string(),
        review: Some(note(it.review)),
        version: it.version,
        supersedes: optional(it.supersedes),
        tags: it.tags,
        day: it.day,
        cost_micro_usd: it.cost.get(),
        model: it.model,
        model_embedded: it.model_embedded,
    }
}

fn note(it: Note) -> pb::ReviewNote {
    pb::ReviewNote {
        verdict_id: it.verdict.to_string(),
        value: value(it.value).into(),
        confidence_permille: it.confidence.0,
        decider: decider(it.decider).into(),
        profile: profile(it.profile).into(),
        note: it.note,
    }
}

/// A verdict's value on the wire.
pub const fn value(value: Value) -> review_pb::VerdictValue {
    match value {
        Value::Approve => review_pb::VerdictValue::Approve,
        Value::MinorIssues => review_pb::VerdictValue::MinorIssues,
        Value::Reject => review_pb::VerdictValue::Reject,
    }
}

/// Who decided, on the wire.
pub const fn decider(decider: Decider) -> review_pb::Decider {
    match decider {
        Decider::Checks => review_pb::Decider::Checks,
        Decider::Critic => review_pb::Decider::Critic,
        Decider::Human => review_pb::Decider::Human,
    }
}

/// How thorough a review was, on the wire.
pub const fn profile(profile: Profile) -> review_pb::Profile {
    match profile {
        Profile::Checks => review_pb::Profile::Checks,
        Profile::Light => review_pb::Profile::Light,
        Profile::Standard => review_pb::Profile::Standard,
        Profile::Strict => review_pb::Profile::Strict,
    }
}

fn remembered(it: Remembered) -> pb::AttemptRemembered {
    pb::AttemptRemembered {
        resident_id: it.resident.to_string(),
        task_id: it.task.to_string(),
        submission_id: it.submission.to_string(),
        accepted: it.accepted,
        tags: it.tags,
        memory_id: optional(it.memory),
        confidence_permille: it.confidence.0,
        rubric_permille: it.rubric.0,
        cost_micro_usd: it.cost.get(),
    }
}

const fn opened(it: Day) -> pb::DayOpened {
    pb::DayOpened { day: it.day, week: it.week, weekday: it.weekday, rest_day: it.rest_day }
}

fn collaboration(it: Collaboration) -> pb::CollaborationSet {
    let (state, request) = match it {
        Collaboration::Set(request) => (pb::CollaborationState::Set, Some(request)),
        Collaboration::Cleared => (pb::CollaborationState::Cleared, None),
        Collaboration::Completed => (pb::CollaborationState::Completed, None),
    };
    pb::CollaborationSet { state: state.into(), text: request.and_then(text) }
}

fn shown(it: &Shown) -> pb::BriefingShown {
    pb::BriefingShown {
        resident_id: it.resident.to_string(),
        cycle_id: it.cycle.to_string(),
        letter_ids: it.letters.iter().map(ToString::to_string).collect(),
        seen_sequence: it.seen,
    }
}

fn valued(it: Valued) -> pb::WorkValued {
    pb::WorkValued {
        task_id: it.task.to_string(),
        resident_id: it.resident.to_string(),
        submission_id: it.submission.to_string(),
        wage_class: it.class.word().to_owned(),
        class_permille: it.class.permille(),
        rubric_permille: it.rubric.0,
        cost_micro_usd: it.cost.get(),
        tags: it.tags,
        saving_tokens: it.saving.unwrap_or(0),
        no_saving_because: it.saving.map_or("not_under_budget", |_| "").to_owned(),
    }
}

fn moment(time: Timestamp) -> wkt::Timestamp {
    let (seconds, nanos) = time.as_seconds_and_nanos();
    wkt::Timestamp { seconds, nanos }
}

fn past(it: history::Kept) -> pb::HistoryKept {
    let history::Past { kind, outcome, status, subject, title, text: told, resident } = it.past;
    pb::HistoryKept {
        key: it.key,
        kind: history_kind(kind).into(),
        outcome: history_outcome(outcome).into(),
        status,
        subject,
        title: text(title),
        text: told.and_then(text),
        resident_id: optional(resident),
        source_time: it.time.map(moment),
    }
}

/// A kind of history on the wire.
pub const fn history_kind(kind: history::Kind) -> pb::HistoryKind {
    match kind {
        history::Kind::Task => pb::HistoryKind::Task,
        history::Kind::Status => pb::HistoryKind::Status,
        history::Kind::Bounty => pb::HistoryKind::Bounty,
        history::Kind::Action => pb::HistoryKind::Action,
    }
}

/// How something ended, on the wire.
pub const fn history_outcome(outcome: Option<history::Outcome>) -> pb::HistoryOutcome {
    match outcome {
        None => pb::HistoryOutcome::Unspecified,
        Some(history::Outcome::Done) => pb::HistoryOutcome::Done,
        Some(history::Outcome::Failed) => pb::HistoryOutcome::Failed,
    }
}

fn bounty_opened(it: bounty::Opened) -> pb::BountyOpened {
    let terms = it.terms;
    pb::BountyOpened {
        bounty_id: it.bounty.to_string(),
        title: text(terms.title),
        description: text(terms.description),
        reward_tokens: terms.reward,
        runner_up_tokens: terms.runner_up,
        mode: bounty_mode(terms.mode).into(),
        max_teams: terms.max_teams,
        slots: terms.slots,
        slot_policy: Some(slot_policy(terms.policy)),
        escrow_tokens: it.escrow,
        origin: terms.origin,
        day: it.day,
    }
}

/// What a submission is worth, on the wire.
pub const fn slot_policy(policy: Policy) -> pb::SlotPolicy {
    pb::SlotPolicy {
        in_slot_permille: policy.in_slot,
        overflow_decay_permille: policy.decay,
        min_permille: Some(policy.min),
    }
}

/// Who may try, on the wire.
pub const fn bounty_mode(mode: bounty::Mode) -> pb::BountyMode {
    match mode {
        bounty::Mode::Hybrid => pb::BountyMode::Hybrid,
        bounty::Mode::Pvp => pb::BountyMode::Pvp,
        bounty::Mode::Coop => pb::BountyMode::Coop,
    }
}

fn imported(it: Imported) -> pb::ItemImported {
    pb::ItemImported {
        key: it.key,
        made_id: it.made,
        reason: text(it.reason),
        source_time: it.time.map(moment),
    }
}

/// A status on the wire.
pub const fn status(status: Status) -> identity_pb::ResidentStatus {
    match status {
        Status::Active => identity_pb::ResidentStatus::Active,
        Status::Resting => identity_pb::ResidentStatus::Resting,
        Status::Away => identity_pb::ResidentStatus::Away,
        Status::Retired => identity_pb::ResidentStatus::Retired,
    }
}

/// A kind of memory on the wire.
pub const fn memory_kind(kind: memory::Kind) -> identity_pb::MemoryKind {
    match kind {
        memory::Kind::Fact => identity_pb::MemoryKind::Fact,
        memory::Kind::Lesson => identity_pb::MemoryKind::Lesson,
        memory::Kind::Preference => identity_pb::MemoryKind::Preference,
        memory::Kind::Person => identity_pb::MemoryKind::Person,
        memory::Kind::Promise => identity_pb::MemoryKind::Promise,
        memory::Kind::Reflection => identity_pb::MemoryKind::Reflection,
        memory::Kind::Summary => identity_pb::MemoryKind::Summary,
    }
}

/// A memory's state on the wire.
pub const fn memory_state(state: memory::State) -> identity_pb::MemoryState {
    match state {
        memory::State::Live => identity_pb::MemoryState::Live,
        memory::State::Superseded => identity_pb::MemoryState::Superseded,
        memory::State::Archived => identity_pb::MemoryState::Archived,
        memory::State::Quarantined => identity_pb::MemoryState::Quarantined,
        memory::State::Forgotten => identity_pb::MemoryState::Forgotten,
    }
}

/// A kind of letter on the wire.
pub const fn letter_kind(kind: mail::Kind) -> pb::LetterType {
    match kind {
        mail::Kind::Question => pb::LetterType::Question,
        mail::Kind::Greeting => pb::LetterType::Greeting,
        mail::Kind::Idea => pb::LetterType::Idea,
        mail::Kind::Concern => pb::LetterType::Concern,
        mail::Kind::Message => pb::LetterType::Message,
    }
}

/// A kind of journal entry on the wire.
pub const fn journal_kind(kind: journal::Kind) -> pb::JournalType {
    match kind {
        journal::Kind::Reflection => pb::JournalType::Reflection,
        journal::Kind::Learning => pb::JournalType::Learning,
        journal::Kind::Observation => pb::JournalType::Observation,
        journal::Kind::Correction => pb::JournalType::Correction,
    }
}

/// A trust label on the wire.
pub const fn label(label: Label) -> executor_pb::TrustLabel {
    match label {
        Label::System => executor_pb::TrustLabel::System,
        Label::Operator => executor_pb::TrustLabel::Operator,
        Label::Own => executor_pb::TrustLabel::Own,
        Label::Peer => executor_pb::TrustLabel::Peer,
        Label::Tool => executor_pb::TrustLabel::Tool,
        Label::Web => executor_pb::TrustLabel::Web,
    }
}

#[expect(clippy::unnecessary_wraps, reason = "every field of the wire is optional")]
fn text(text: TextRef) -> Option<ledger_pb::TextRef> {
    let TextRef { id, hash, length, sealed } = text;
    Some(ledger_pb::TextRef { id, hash: hash.0.to_vec(), length, sealed })
}

fn optional<T: ToString>(value: Option<T>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}
