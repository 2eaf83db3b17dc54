//! Events as they were written, and the words of the wire as ours.

use std::str::FromStr;

use vivarium_ledger::{FactNote, Hash, TextRef};
use vivarium_proto::executor::v1 as executor_pb;
use vivarium_proto::identity::v1 as identity_pb;
use vivarium_proto::ledger::v1 as ledger_pb;
use vivarium_proto::review::v1 as review_pb;
use vivarium_proto::social::v1 as pb;
use vivarium_proto::social::v1::society_event::Event as Kind;
use vivarium_proto::wkt;
use vivarium_types::{MicroUsd, Permille, Timestamp, Tokens};

use super::super::bounty::{self, Policy};
use super::super::day::Day;
use super::super::history;
use super::super::import::Imported;
use super::super::income::{Class, Valued};
use super::super::journal::{self, Readers, Written};
use super::super::library::{Decider, Note, Profile, Published, Value};
use super::super::mail::{self, Sent, Shown, Side, Waits};
use super::super::memory::{self, Kept, Recalled};
use super::super::resident::{Changed, Joined, Remembered, Status};
use super::super::room::{Posted, Sender};
use super::super::talk::Spent;
use super::super::wallet::{Cause, Entry, Transfer};
use super::super::{Collaboration, Label};
use super::{Event, NotAnEvent, Wire};

type Read<T> = Result<T, NotAnEvent>;

impl TryFrom<Wire> for Event {
    type Error = NotAnEvent;

    fn try_from(wire: Wire) -> Read<Self> {
        Ok(match wire.event.ok_or(NotAnEvent("event"))? {
            Kind::ResidentJoined(it) => Self::ResidentJoined(Box::new(joined(it)?)),
            Kind::ResidentChanged(it) => Self::ResidentChanged(Box::new(changed(it)?)),
            Kind::MemoryKept(it) => Self::MemoryKept(Box::new(kept(it)?)),
            Kind::SpecializationsSet(it) => Self::SpecializationsSet {
                resident: id(&it.resident_id, "resident_id")?,
                specializations: it.specializations.into_iter().collect(),
                reason: named(it.reason, "reason")?,
            },
            Kind::MemoryForgotten(it) => Self::MemoryForgotten {
                memory: id(&it.memory_id, "memory_id")?,
                resident: id(&it.resident_id, "resident_id")?,
                reason: named(it.reason, "reason")?,
            },
            Kind::MemoryRecalled(it) => Self::MemoryRecalled(recalled(&it)?),
            Kind::MemoryArchived(it) => Self::MemoryArchived {
                memory: id(&it.memory_id, "memory_id")?,
                resident: id(&it.resident_id, "resident_id")?,
            },
            Kind::TokensMoved(it) => {
                Self::TokensMoved(Box::new(entry(it.entry.ok_or(NotAnEvent("entry"))?)?))
            }
            Kind::RoomOpened(it) => {
                Self::RoomOpened { room: it.room, title: named(it.title, "title")? }
            }
            Kind::MessagePosted(it) => Self::MessagePosted(Box::new(posted(it)?)),
            Kind::MessageHidden(it) => Self::MessageHidden {
                message: id(&it.message_id, "message_id")?,
                room: it.room,
                reason: named(it.reason, "reason")?,
            },
            Kind::ConversationSpent(it) => Self::ConversationSpent(Spent {
                room: it.room,
                resident: id(&it.resident_id, "resident_id")?,
                other: id(&it.other_resident_id, "other_resident_id")?,
                day: it.day,
                cycle: id(&it.cycle_id, "cycle_id")?,
            }),
            Kind::LetterSent(it) => Self::LetterSent(Box::new(sent(it)?)),
            Kind::LetterOpened(it) => Self::LetterOpened {
                letter: id(&it.letter_id, "letter_id")?,
                resident: id(&it.resident_id, "resident_id")?,
                by: side(it.by_human),
                cycle: maybe(&it.cycle_id, "cycle_id")?,
            },
            Kind::JournalWritten(it) => Self::JournalWritten(written(it)?),
            Kind::JournalErased(it) => Self::JournalErased {
                journal: id(&it.journal_id, "journal_id")?,
                resident: id(&it.resident_id, "resident_id")?,
                reason: named(it.reason, "reason")?,
            },
            Kind::DocumentPublished(it) => Self::DocumentPublished(Box::new(published(it)?)),
            Kind::DocumentSuperseded(it) => Self::DocumentSuperseded {
                document: id(&it.document_id, "document_id")?,
                path: it.path,
                by: id(&it.by_document_id, "by_document_id")?,
            },
            Kind::DocumentRetracted(it) => Self::DocumentRetracted {
                document: id(&it.document_id, "document_id")?,
                path: it.path,
                reason: named(it.reason, "reason")?,
            },
            Kind::AttemptRemembered(it) => Self::AttemptRemembered(Box::new(remembered(it)?)),
            Kind::DayOpened(pb::DayOpened { day, week, weekday, rest_day }) => {
                Self::DayOpened(Day { day, week, weekday, rest_day })
            }
            Kind::CollaborationSet(it) => Self::CollaborationSet(collaboration(it)?),
            Kind::SessionCounted(it) => Self::SessionCounted {
                resident: id(&it.resident_id, "resident_id")?,
                day: it.day,
                sessions: it.session_count,
            },
            Kind::BriefingShown(it) => Self::BriefingShown(shown(&it)?),
            Kind::WorkValued(it) => Self::WorkValued(Box::new(valued(it)?)),
            Kind::ItemImported(it) => Self::ItemImported(imported(it)?),
            Kind::HistoryKept(it) => Self::HistoryKept(Box::new(past(it)?)),
            Kind::BountyOpened(it) => Self::BountyOpened(Box::new(bounty_opened(it)?)),
            Kind::BountyCancelled(it) => Self::BountyCancelled {
                bounty: id(&it.bounty_id, "bounty_id")?,
                reason: named(it.reason, "reason")?,
            },
            Kind::FactIgnored(ledger_pb::FactIgnored { source, sequence, kind, reason }) => {
                Self::FactIgnored(FactNote { source, sequence, kind, reason })
            }
            Kind::FactParked(ledger_pb::FactParked { source, sequence, kind, reason }) => {
                Self::FactParked(FactNote { source, sequence, kind, reason })
            }
            Kind::SegmentClosed(it) => {
                let note = it.try_into().map_err(|_| NotAnEvent("segment_closed"))?;
                Self::SegmentClosed(Box::new(note))
            }
        })
    }
}

fn joined(it: pb::ResidentJoined) -> Read<Joined> {
    Ok(Joined {
        resident: id(&it.resident_id, "resident_id")?,
        status: status(it.status()).ok_or(NotAnEvent("status"))?,
        handle: it.handle,
        identity: named(it.identity, "identity")?,
        origin: it.origin,
        creator: it.creator,
        words: it.words,
        day: it.day,
    })
}

fn changed(it: pb::ResidentChanged) -> Read<Changed> {
    Ok(Changed {
        resident: id(&it.resident_id, "resident_id")?,
        status: status(it.status()).ok_or(NotAnEvent("status"))?,
        part: it.part,
        version: it.version,
        identity: named(it.identity, "identity")?,
        previous: it.previous_identity.map(reference).transpose()?,
        words: it.words,
        reason: it.reason.map(reference).transpose()?,
        price: Tokens::new(it.price_tokens),
        refund: Tokens::new(it.refund_tokens),
    })
}

fn kept(it: pb::MemoryKept) -> Read<Kept> {
    Ok(Kept {
        memory: id(&it.memory_id, "memory_id")?,
        resident: id(&it.resident_id, "resident_id")?,
        kind: memory_kind(it.kind()).ok_or(NotAnEvent("kind"))?,
        label: label(it.label()).ok_or(NotAnEvent("label"))?,
        state: memory_state(it.state()).ok_or(NotAnEvent("state"))?,
        text: named(it.text, "text")?,
        tags: it.tags,
        importance: it.importance,
        about: it.about,
        source: it.source,
        supersedes: maybe(&it.supersedes, "supersedes")?,
        day: it.day,
        token: it.fencing_token,
    })
}

fn recalled(it: &pb::MemoryRecalled) -> Read<Recalled> {
    Ok(Recalled {
        resident: id(&it.resident_id, "resident_id")?,
        cycle: id(&it.cycle_id, "cycle_id")?,
        memories: ids(&it.memory_ids, "memory_ids")?,
        day: it.day,
        token: it.fencing_token,
    })
}

fn entry(it: identity_pb::Entry) -> Read<Entry> {
    let cause = Cause::ALL.into_iter().find(|cause| cause.word() == it.cause);
    let transfer = |it: &identity_pb::Transfer| {
        Ok(Transfer {
            from: id(&it.from, "from")?,
            to: id(&it.to, "to")?,
            amount: it.amount_tokens,
        })
    };
    Ok(Entry {
        key: it.business_key,
        transfers: it.transfers.iter().map(transfer).collect::<Read<_>>()?,
        cause: cause.ok_or(NotAnEvent("cause"))?,
        subject: it.subject,
        day: it.day,
    })
}

fn posted(it: pb::MessagePosted) -> Read<Posted> {
    Ok(Posted {
        message: id(&it.message_id, "message_id")?,
        author: id(&it.author, "author")?,
        label: label(it.label()).ok_or(NotAnEvent("label"))?,
        room: it.room,
        text: named(it.text, "text")?,
        mood: it.mood,
        mood_text: it.mood_text.map(reference).transpose()?,
        importance: it.importance,
        reply_to: maybe(&it.reply_to, "reply_to")?,
        mentions: ids(&it.mentions, "mentions")?,
        hop: it.hop,
        day: it.day,
        task: maybe(&it.task_id, "task_id")?,
        cycle: maybe(&it.cycle_id, "cycle_id")?,
        token: it.fencing_token,
        sender: if it.sender_unproven { Sender::Unproven } else { Sender::Proven },
    })
}

fn sent(it: pb::LetterSent) -> Read<Sent> {
    Ok(Sent {
        letter: id(&it.letter_id, "letter_id")?,
        resident: id(&it.resident_id, "resident_id")?,
        from: side(it.from_human),
        kind: letter_kind(it.r#type()).ok_or(NotAnEvent("type"))?,
        label: label(it.label()).ok_or(NotAnEvent("label"))?,
        text: named(it.text, "text")?,
        task: maybe(&it.task_id, "task_id")?,
        waits: if it.waits { Waits::Task } else { Waits::No },
        reply_to: maybe(&it.reply_to, "reply_to")?,
        ends_wait: it.ends_wait,
        day: it.day,
        cycle: maybe(&it.cycle_id, "cycle_id")?,
        token: it.fencing_token,
    })
}

fn written(it: pb::JournalWritten) -> Read<Written> {
    Ok(Written {
        journal: id(&it.journal_id, "journal_id")?,
        resident: id(&it.resident_id, "resident_id")?,
        kind: journal_kind(it.r#type()).ok_or(NotAnEvent("type"))?,
        text: named(it.text, "text")?,
        readers: if it.share_with_human { Readers::Human } else { Readers::Author },
        day: it.day,
        cycle: id(&it.cycle_id, "cycle_id")?,
        token: it.fencing_token,
    })
}

fn published(it: pb::DocumentPublished) -> Read<Published> {
    Ok(Published {
        document: id(&it.document_id, "document_id")?,
        path: it.path,
        title: named(it.title, "title")?,
        body: named(it.body, "body")?,
        kind: it.kind,
        author: id(&it.author, "author")?,
        author_name: named(it.author_name, "author_name")?,
        task: id(&it.task_id, "task_id")?,
        submission: id(&it.submission_id, "submission_id")?,
        review: note(it.review.ok_or(NotAnEvent("review"))?)?,
        version: it.version,
        supersedes: maybe(&it.supersedes, "supersedes")?,
        tags: it.tags,
        day: it.day,
        cost: MicroUsd::new(it.cost_micro_usd),
        model: it.model,
        model_embedded: it.model_embedded,
    })
}

fn note(it: pb::ReviewNote) -> Read<Note> {
    Ok(Note {
        verdict: id(&it.verdict_id, "verdict_id")?,
        value: value(it.value()).ok_or(NotAnEvent("value"))?,
        confidence: Permille(it.confidence_permille),
        decider: decider(it.decider()).ok_or(NotAnEvent("decider"))?,
        profile: profile(it.profile()).ok_or(NotAnEvent("profile"))?,
        note: it.note,
    })
}

fn remembered(it: pb::AttemptRemembered) -> Read<Remembered> {
    Ok(Remembered {
        resident: id(&it.resident_id, "resident_id")?,
        task: id(&it.task_id, "task_id")?,
        submission: id(&it.submission_id, "submission_id")?,
        accepted: it.accepted,
        tags: it.tags,
        memory: maybe(&it.memory_id, "memory_id")?,
        confidence: Permille(it.confidence_permille),
        rubric: Permille(it.rubric_permille),
        cost: MicroUsd::new(it.cost_micro_usd),
    })
}

fn collaboration(it: pb::CollaborationSet) -> Read<Collaboration> {
    match it.state() {
        pb::CollaborationState::Set => Ok(Collaboration::Set(named(it.text, "text")?)),
        pb::CollaborationState::Cleared => Ok(Collaboration::Cleared),
        pb::CollaborationState::Completed => Ok(Collaboration::Completed),
        pb::CollaborationState::Unspecified => Err(NotAnEvent("state")),
    }
}

fn shown(it: &pb::BriefingShown) -> Read<Shown> {
    Ok(Shown {
        resident: id(&it.resident_id, "resident_id")?,
        cycle: id(&it.cycle_id, "cycle_id")?,
        letters: ids(&it.letter_ids, "letter_ids")?,
        seen: it.seen_sequence,
    })
}

fn valued(it: pb::WorkValued) -> Read<Valued> {
    let class = Class::ALL.into_iter().find(|class| class.word() == it.wage_class);
    Ok(Valued {
        task: id(&it.task_id, "task_id")?,
        resident: id(&it.resident_id, "resident_id")?,
        submission: id(&it.submission_id, "submission_id")?,
        class: class.ok_or(NotAnEvent("wage_class"))?,
        rubric: Permille(it.rubric_permille),
        cost: MicroUsd::new(it.cost_micro_usd),
        tags: it.tags,
        saving: (it.saving_tokens > 0).then_some(it.saving_tokens),
    })
}

fn moment(time: wkt::Timestamp) -> Timestamp {
    Timestamp::from_seconds_and_nanos(time.seconds, time.nanos)
}

fn past(it: pb::HistoryKept) -> Read<history::Kept> {
    let past = history::Past {
        kind: history_kind(it.kind()).ok_or(NotAnEvent("kind"))?,
        outcome: history_outcome(it.outcome()),
        status: it.status,
        subject: it.subject,
        title: named(it.title, "title")?,
        text: it.text.map(reference).transpose()?,
        resident: maybe(&it.resident_id, "resident_id")?,
    };
    Ok(history::Kept { key: it.key, time: it.source_time.map(moment), past })
}

/// A kind of history from the wire; `None` when it is not set.
pub const fn history_kind(wire: pb::HistoryKind) -> Option<history::Kind> {
    match wire {
        pb::HistoryKind::Unspecified => None,
        pb::HistoryKind::Task => Some(history::Kind::Task),
        pb::HistoryKind::Status => Some(history::Kind::Status),
        pb::HistoryKind::Bounty => Some(history::Kind::Bounty),
        pb::HistoryKind::Action => Some(history::Kind::Action),
    }
}

/// How something ended, from the wire.
pub const fn history_outcome(wire: pb::HistoryOutcome) -> Option<history::Outcome> {
    match wire {
        pb::HistoryOutcome::Unspecified => None,
        pb::HistoryOutcome::Done => Some(history::Outcome::Done),
        pb::HistoryOutcome::Failed => Some(history::Outcome::Failed),
    }
}

fn bounty_opened(it: pb::BountyOpened) -> Read<bounty::Opened> {
    let policy = it.slot_policy.ok_or(NotAnEvent("slot_policy"))?;
    let terms = bounty::Terms {
        mode: bounty_mode(it.mode()).ok_or(NotAnEvent("mode"))?,
        title: named(it.title, "title")?,
        description: named(it.description, "description")?,
        reward: it.reward_tokens,
        runner_up: it.runner_up_tokens,
        max_teams: it.max_teams,
        slots: it.slots,
        policy: slot_policy(&policy),
        origin: it.origin,
    };
    let bounty = id(&it.bounty_id, "bounty_id")?;
    Ok(bounty::Opened { bounty, terms, escrow: it.escrow_tokens, day: it.day })
}

/// What a submission is worth, from the wire, with what is unset as the rules have it.
pub fn slot_policy(wire: &pb::SlotPolicy) -> Policy {
    let rules = Policy::default();
    let set = |value: u32, rule: u32| if value == 0 { rule } else { value };
    Policy {
        in_slot: set(wire.in_slot_permille, rules.in_slot),
        decay: set(wire.overflow_decay_permille, rules.decay),
        min: wire.min_permille.unwrap_or(rules.min),
    }
}

/// Who may try, from the wire; `None` when it is not set.
pub const fn bounty_mode(wire: pb::BountyMode) -> Option<bounty::Mode> {
    match wire {
        pb::BountyMode::Unspecified => None,
        pb::BountyMode::Hybrid => Some(bounty::Mode::Hybrid),
        pb::BountyMode::Pvp => Some(bounty::Mode::Pvp),
        pb::BountyMode::Coop => Some(bounty::Mode::Coop),
    }
}

fn imported(it: pb::ItemImported) -> Read<Imported> {
    Ok(Imported {
        key: it.key,
        made: it.made_id,
        reason: named(it.reason, "reason")?,
        time: it.source_time.map(moment),
    })
}

const fn side(human: bool) -> Side {
    if human { Side::Human } else { Side::Resident }
}

/// A status from the wire; `None` when it is not set.
pub const fn status(wire: identity_pb::ResidentStatus) -> Option<Status> {
    match wire {
        identity_pb::ResidentStatus::Unspecified => None,
        identity_pb::ResidentStatus::Active => Some(Status::Active),
        identity_pb::ResidentStatus::Resting => Some(Status::Resting),
        identity_pb::ResidentStatus::Away => Some(Status::Away),
        identity_pb::ResidentStatus::Retired => Some(Status::Retired),
    }
}

const fn memory_kind(wire: identity_pb::MemoryKind) -> Option<memory::Kind> {
    match wire {
        identity_pb::MemoryKind::Unspecified => None,
        identity_pb::MemoryKind::Fact => Some(memory::Kind::Fact),
        identity_pb::MemoryKind::Lesson => Some(memory::Kind::Lesson),
        identity_pb::MemoryKind::Preference => Some(memory::Kind::Preference),
        identity_pb::MemoryKind::Person => Some(memory::Kind::Person),
        identity_pb::MemoryKind::Promise => Some(memory::Kind::Promise),
        identity_pb::MemoryKind::Reflection => Some(memory::Kind::Reflection),
        identity_pb::MemoryKind::Summary => Some(memory::Kind::Summary),
    }
}

/// A memory's state from the wire; `None` when it is not set.
pub const fn memory_state(wire: identity_pb::MemoryState) -> Option<memory::State> {
    match wire {
        identity_pb::MemoryState::Unspecified => None,
        identity_pb::MemoryState::Live => Some(memory::State::Live),
        identity_pb::MemoryState::Superseded => Some(memory::State::Superseded),
        identity_pb::MemoryState::Archived => Some(memory::State::Archived),
        identity_pb::MemoryState::Quarantined => Some(memory::State::Quarantined),
        identity_pb::MemoryState::Forgotten => Some(memory::State::Forgotten),
    }
}

/// A kind of letter from the wire; `None` when it is not set.
pub const fn letter_kind(wire: pb::LetterType) -> Option<mail::Kind> {
    match wire {
        pb::LetterType::Unspecified => None,
        pb::LetterType::Question => Some(mail::Kind::Question),
        pb::LetterType::Greeting => Some(mail::Kind::Greeting),
        pb::LetterType::Idea => Some(mail::Kind::Idea),
        pb::LetterType::Concern => Some(mail::Kind::Concern),
        pb::LetterType::Message => Some(mail::Kind::Message),
    }
}

const fn journal_kind(wire: pb::JournalType) -> Option<journal::Kind> {
    match wire {
        pb::JournalType::Unspecified => None,
        pb::JournalType::Reflection => Some(journal::Kind::Reflection),
        pb::JournalType::Learning => Some(journal::Kind::Learning),
        pb::JournalType::Observation => Some(journal::Kind::Observation),
        pb::JournalType::Correction => Some(journal::Kind::Correction),
    }
}

/// A trust label from the wire; `None` when it is not set.
pub const fn label(wire: executor_pb::TrustLabel) -> Option<Label> {
    match wire {
        executor_pb::TrustLabel::Unspecified => None,
        executor_pb::TrustLabel::System => Some(Label::System),
        executor_pb::TrustLabel::Operator => Some(Label::Operator),
        executor_pb::TrustLabel::Own => Some(Label::Own),
        executor_pb::TrustLabel::Peer => Some(Label::Peer),
        executor_pb::TrustLabel::Tool => Some(Label::Tool),
        executor_pb::TrustLabel::Web => Some(Label::Web),
    }
}

/// A verdict's value from the wire; `None` when it is not set.
pub const fn value(wire: review_pb::VerdictValue) -> Option<Value> {
    match wire {
        review_pb::VerdictValue::Unspecified => None,
        review_pb::VerdictValue::Approve => Some(Value::Approve),
        review_pb::VerdictValue::MinorIssues => Some(Value::MinorIssues),
        review_pb::VerdictValue::Reject => Some(Value::Reject),
    }
}

/// Who decided, from the wire; `None` when it is not set.
pub const fn decider(wire: review_pb::Decider) -> Option<Decider> {
    match wire {
        review_pb::Decider::Unspecified => None,
        review_pb::Decider::Checks => Some(Decider::Checks),
        review_pb::Decider::Critic => Some(Decider::Critic),
        review_pb::Decider::Human => Some(Decider::Human),
    }
}

/// How thorough a review was, from the wire; `None` when it is not set.
pub const fn profile(wire: review_pb::Profile) -> Option<Profile> {
    match wire {
        review_pb::Profile::Unspecified => None,
        review_pb::Profile::Checks => Some(Profile::Checks),
        review_pb::Profile::Light => Some(Profile::Light),
        review_pb::Profile::Standard => Some(Profile::Standard),
        review_pb::Profile::Strict => Some(Profile::Strict),
    }
}

fn reference(wire: ledger_pb::TextRef) -> Read<TextRef> {
    let ledger_pb::TextRef { id, hash, length, sealed } = wire;
    let hash = Hash::try_from(hash.as_slice()).map_err(|_| NotAnEvent("hash"))?;
    Ok(TextRef { id, hash, length, sealed })
}

fn named(wire: Option<ledger_pb::TextRef>, field: &'static str) -> Read<TextRef> {
    wire.ok_or(NotAnEvent(field)).and_then(reference)
}

fn id<T: FromStr>(text: &str, field: &'static str) -> Read<T> {
    text.parse().map_err(|_| NotAnEvent(field))
}

fn maybe<T: FromStr>(text: &str, field: &'static str) -> Read<Option<T>> {
    if text.is_empty() { Ok(None) } else { id(text, field).map(Some) }
}

fn ids<T: FromStr>(texts: &[String], field: &'static str) -> Read<Vec<T>> {
    texts.iter().map(|text| id(text, field)).collect()
}
