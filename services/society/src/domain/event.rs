//! Society's events and their published schema: the only part of the domain that knows `proto`.
//!
//! Every event reads back as what was written. No authored words stand in them: they name texts.

use std::collections::BTreeSet;

use vivarium_ledger::{FactNote, SegmentNote, TextRef};
use vivarium_proto::social::v1 as pb;
use vivarium_types::ids::{
    BountyId, CycleId, DocumentId, JournalId, LetterId, MemoryId, MessageId, ResidentId,
};

use super::Collaboration;
use super::bounty::Opened;
use super::day::Day;
use super::history;
use super::import::Imported;
use super::income::Valued;
use super::journal::Written;
use super::library::Published;
use super::mail::{Sent, Shown, Side};
use super::memory::{Kept, Recalled};
use super::resident::{Changed, Joined, Remembered};
use super::room::Posted;
use super::talk::Spent;
use super::wallet::Entry;

pub mod identity;
pub mod read;
pub mod write;

/// The published message of an event.
pub type Wire = pb::SocietyEvent;

/// What can have happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A resident joined.
    ResidentJoined(Box<Joined>),
    /// A resident's identity or status changed.
    ResidentChanged(Box<Changed>),
    /// A human said what a resident is good at.
    SpecializationsSet {
        /// Who.
        resident: ResidentId,
        /// All of them from here on.
        specializations: BTreeSet<String>,
        /// Why.
        reason: TextRef,
    },
    /// A memory was kept or kept again.
    MemoryKept(Box<Kept>),
    /// A memory's words were erased.
    MemoryForgotten {
        /// Which.
        memory: MemoryId,
        /// Whose.
        resident: ResidentId,
        /// Why.
        reason: TextRef,
    },
    /// A resident looked into its memories.
    MemoryRecalled(Recalled),
    /// A memory was set aside for others.
    MemoryArchived {
        /// Which.
        memory: MemoryId,
        /// Whose.
        resident: ResidentId,
    },
    /// Tokens moved.
    TokensMoved(Box<Entry>),
    /// A room was opened.
    RoomOpened {
        /// Its name.
        room: String,
        /// How it is shown.
        title: TextRef,
    },
    /// A message was posted.
    MessagePosted(Box<Posted>),
    /// A message's words were erased.
    MessageHidden {
        /// Which.
        message: MessageId,
        /// Where it lies.
        room: String,
        /// Why.
        reason: TextRef,
    },
    /// Two went on for too long in a room, and were cut.
    ConversationSpent(Spent),
    /// A letter was sent.
    LetterSent(Box<Sent>),
    /// A letter was read.
    LetterOpened {
        /// Which.
        letter: LetterId,
        /// Whose thread.
        resident: ResidentId,
        /// Who read it.
        by: Side,
        /// The cycle that was shown it.
        cycle: Option<CycleId>,
    },
    /// A journal entry was written.
    JournalWritten(Written),
    /// A journal entry's key was destroyed.
    JournalErased {
        /// Which.
        journal: JournalId,
        /// Whose.
        resident: ResidentId,
        /// Why.
        reason: TextRef,
    },
    /// A document came into the library.
    DocumentPublished(Box<Published>),
    /// A newer version took a document's place.
    DocumentSuperseded {
        /// Which.
        document: DocumentId,
        /// Where.
        path: String,
        /// The newer one.
        by: DocumentId,
    },
    /// A document was taken out.
    DocumentRetracted {
        /// Which.
        document: DocumentId,
        /// Where.
        path: String,
        /// Why.
        reason: TextRef,
    },
    /// A decided attempt became part of a resident's record.
    AttemptRemembered(Box<Remembered>),
    /// A day of the world was taken up.
    DayOpened(Day),
    /// The human's standing request changed.
    CollaborationSet(Collaboration),
    /// A resident had a session.
    SessionCounted {
        /// Who.
        resident: ResidentId,
        /// The day.
        day: u64,
        /// Its sessions from here on.
        sessions: u32,
    },
    /// A cycle was shown letters and rooms.
    BriefingShown(Shown),
    /// An approved task was valued.
    WorkValued(Box<Valued>),
    /// Something of another world was taken over.
    ItemImported(Imported),
    /// Something that happened in another world was kept to be read.
    HistoryKept(Box<history::Kept>),
    /// A bounty was opened.
    BountyOpened(Box<Opened>),
    /// A bounty was taken back.
    BountyCancelled {
        /// Which.
        bounty: BountyId,
        /// Why.
        reason: TextRef,
    },
    /// A peer's fact did not fit.
    FactIgnored(FactNote),
    /// A peer's fact waits for a person.
    FactParked(FactNote),
    /// Older rows have left the hot file.
    SegmentClosed(Box<SegmentNote>),
}

impl Event {
    /// The event's name in the log.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::ResidentJoined(_) => "resident_joined",
            Self::ResidentChanged(_) => "resident_changed",
            Self::SpecializationsSet { .. } => "specializations_set",
            Self::MemoryKept(_) => "memory_kept",
            Self::MemoryForgotten { .. } => "memory_forgotten",
            Self::MemoryRecalled(_) => "memory_recalled",
            Self::MemoryArchived { .. } => "memory_archived",
            Self::TokensMoved(_) => "tokens_moved",
            Self::RoomOpened { .. } => "room_opened",
            Self::MessagePosted(_) => "message_posted",
            Self::MessageHidden { .. } => "message_hidden",
            Self::ConversationSpent(_) => "conversation_spent",
            Self::LetterSent(_) => "letter_sent",
            Self::LetterOpened { .. } => "letter_opened",
            Self::JournalWritten(_) => "journal_written",
            Self::JournalErased { .. } => "journal_erased",
            Self::DocumentPublished(_) => "document_published",
            Self::DocumentSuperseded { .. } => "document_superseded",
            Self::DocumentRetracted { .. } => "document_retracted",
            Self::AttemptRemembered(_) => "attempt_remembered",
            Self::DayOpened(_) => "day_opened",
            Self::CollaborationSet(_) => "collaboration_set",
            Self::SessionCounted { .. } => "session_counted",
            Self::BriefingShown(_) => "briefing_shown",
            Self::WorkValued(_) => "work_valued",
            Self::ItemImported(_) => "item_imported",
            Self::HistoryKept(_) => "history_kept",
            Self::BountyOpened(_) => "bounty_opened",
            Self::BountyCancelled { .. } => "bounty_cancelled",
            Self::FactIgnored(_) => "fact_ignored",
            Self::FactParked(_) => "fact_parked",
            Self::SegmentClosed(_) => "segment_closed",
        }
    }

    /// The id of what it made: a message, a memory, a letter or a journal entry.
    pub fn made(&self) -> Option<String> {
        match self {
            Self::MessagePosted(posted) => Some(posted.message.to_string()),
            Self::MemoryKept(kept) => Some(kept.memory.to_string()),
            Self::LetterSent(sent) => Some(sent.letter.to_string()),
            Self::JournalWritten(written) => Some(written.journal.to_string()),
            Self::ResidentJoined(_)
            | Self::ResidentChanged(_)
            | Self::SpecializationsSet { .. }
            | Self::MemoryForgotten { .. }
            | Self::MemoryRecalled(_)
            | Self::MemoryArchived { .. }
            | Self::TokensMoved(_)
            | Self::RoomOpened { .. }
            | Self::MessageHidden { .. }
            | Self::ConversationSpent(_)
            | Self::LetterOpened { .. }
            | Self::JournalErased { .. }
            | Self::DocumentPublished(_)
            | Self::DocumentSuperseded { .. }
            | Self::DocumentRetracted { .. }
            | Self::AttemptRemembered(_)
            | Self::DayOpened(_)
            | Self::CollaborationSet(_)
            | Self::SessionCounted { .. }
            | Self::BriefingShown(_)
            | Self::WorkValued(_)
            | Self::ItemImported(_)
            | Self::HistoryKept(_)
            | Self::BountyOpened(_)
            | Self::BountyCancelled { .. }
            | Self::FactIgnored(_)
            | Self::FactParked(_)
            | Self::SegmentClosed(_) => None,
        }
    }
}

/// A stored message that is no event of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the field {0} is missing or is not what it must be")]
pub struct NotAnEvent(&'static str);
