//! Society's state machine: residents with memories and wallets, rooms, the mailbox, journals and the
//! library.
//!
//! What a resident does comes under a lease and is the lease's resident's, whatever a text claims.
//! Price and effect are one commit. What other services tell happens exactly once.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use vivarium_ledger::{Aggregate, Context, FactNote, Meta, SegmentNote, TextRef};
use vivarium_types::ids::{
    BountyId, CycleId, JournalId, LeaseId, LetterId, MemoryId, MessageId, ResidentId,
};

pub mod act;
pub mod bounty;
pub mod day;
pub mod event;
pub mod history;
pub mod identity;
pub mod import;
pub mod income;
pub mod journal;
pub mod lease;
pub mod library;
pub mod mail;
pub mod memory;
pub mod resident;
pub mod room;
pub mod rules;
pub mod seed;
pub mod talk;
pub mod verdict;
pub mod wallet;

use act::Act;
use bounty::Bounties;
use day::{Day, Quotas, Use};
pub use event::Event;
use income::{Approved, Booking, Measure, Share};
use lease::{Heard, Tokens as FencingTokens, Under};
use library::Library;
use mail::{Mail, Side};
use memory::Memories;
use resident::{Residents, Status};
use room::{Author, Rooms};
use rules::Rules;
use wallet::{Cause, Entry, Wallets};

/// Everything society knows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Society {
    /// Today.
    pub today: Day,
    /// Everybody.
    pub residents: Residents,
    /// What every account holds.
    pub wallets: Wallets,
    /// What approved work is measured against.
    pub measure: Measure,
    /// What everybody keeps in mind.
    pub memories: Memories,
    /// The rooms.
    pub rooms: Rooms,
    /// The mailbox.
    pub mail: Mail,
    /// The bounties.
    pub bounties: Bounties,
    /// The human's standing request.
    pub collaboration: Option<TextRef>,
    /// What is public.
    pub library: Library,
    /// What everybody did today.
    pub quotas: Quotas,
    /// The highest fencing token of everybody.
    pub tokens: FencingTokens,
    /// The rubric of accepted submissions whose wage is not paid yet.
    pub unpaid: verdict::Unpaid,
    /// Peers' facts that wait for a person, newest last.
    pub parked: Vec<String>,
    /// What the queue's log told of leases; not from our own log.
    #[serde(skip)]
    pub heard: Heard,
    /// The numbers in force; from the settings, not from the log.
    #[serde(skip)]
    pub rules: Rules,
}

/// How far a text is to be trusted, most trusted first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Label {
    /// The rules of the world.
    System,
    /// The human.
    Operator,
    /// The resident's own words.
    Own,
    /// Another resident's words.
    Peer,
    /// A tool's output.
    Tool,
    /// Text from outside.
    Web,
}

/// What became of the human's standing request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Collaboration {
    /// It is in force.
    Set(TextRef),
    /// It was taken back.
    Cleared,
    /// It is done.
    Completed,
}

/// What society may be asked for.
#[derive(Debug, Clone)]
pub enum Command {
    /// Let the first residents join and open the first rooms, as far as they are not there.
    Seed(Box<seed::Seed>),
    /// Take over what another world held.
    Import(Box<import::Import>),
    /// A day of the world began.
    OpenDay(Day),
    /// A task was approved.
    Value(Box<Approved>),
    /// A submission was decided about.
    TakeVerdict(Box<verdict::Verdict>),
    /// A cycle began with a briefing.
    ShowBriefing(mail::Shown),
    /// A cycle ended.
    EndCycle {
        /// Whose.
        resident: ResidentId,
        /// Which.
        cycle: CycleId,
    },
    /// A resident does something.
    Act {
        /// By which right.
        under: Under,
        /// What.
        act: Box<Act>,
    },
    /// The human posts into a room.
    Post(Box<room::Post>),
    /// The human hides a message.
    Hide {
        /// Which.
        message: MessageId,
        /// Where it lies.
        room: String,
        /// Why.
        reason: TextRef,
    },
    /// The human writes to a resident.
    Send {
        /// To whom.
        resident: ResidentId,
        /// What it is.
        kind: mail::Kind,
        /// The words, sealed.
        text: TextRef,
    },
    /// The human reads a letter.
    OpenLetter {
        /// Whose thread.
        resident: ResidentId,
        /// Which.
        letter: LetterId,
    },
    /// The human answers a letter.
    Answer(Box<mail::Answer>),
    /// The human says what a resident is good at.
    Specialize {
        /// Who.
        resident: ResidentId,
        /// All of it from here on.
        specializations: BTreeSet<String>,
        /// Why.
        reason: TextRef,
    },
    /// The human has a memory forgotten.
    Forget {
        /// Which.
        memory: MemoryId,
        /// Whose.
        resident: ResidentId,
        /// Why.
        reason: TextRef,
    },
    /// The human has a journal entry erased.
    EraseJournal {
        /// Which.
        journal: JournalId,
        /// Whose.
        resident: ResidentId,
        /// Why.
        reason: TextRef,
    },
    /// The human takes a bounty back.
    CancelBounty {
        /// Which.
        bounty: BountyId,
        /// Why.
        reason: TextRef,
    },
}

/// Why a command was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// The lease is an old one or has ended.
    LeaseLost {
        /// Which.
        lease: LeaseId,
    },
    /// There is no such resident.
    ResidentNotFound {
        /// As it was named.
        resident: String,
    },
    /// Today's uses are spent.
    QuotaSpent {
        /// Of what.
        action: &'static str,
        /// How many there are a day.
        max: u32,
    },
    /// The wallet holds less than the price.
    Insufficient {
        /// The price.
        price: i64,
    },
    /// There is no such room.
    RoomNotFound {
        /// As it was named.
        room: String,
    },
    /// Residents may not post there any more.
    RoomClosed {
        /// Which.
        room: String,
    },
    /// The two have gone on for too long there today.
    ConversationSpent {
        /// Where.
        room: String,
        /// With whom.
        resident: ResidentId,
    },
    /// It says nearly the same as an earlier message.
    Echo {
        /// Which.
        message: String,
    },
    /// There is no such message in that room.
    MessageNotFound {
        /// As it was named.
        message: String,
    },
    /// A memory like it is kept already.
    MemoryDuplicate {
        /// Which.
        memory: String,
    },
    /// There is no such memory that is live.
    MemoryNotFound {
        /// As it was named.
        memory: String,
    },
    /// There is no such bounty.
    BountyNotFound {
        /// As it was named.
        bounty: BountyId,
    },
    /// The bounty is over.
    BountyNotOpen {
        /// Which.
        bounty: BountyId,
    },
    /// A peer's fact that is known already, or lies behind what is known.
    Known,
}

impl Aggregate for Society {
    const NAME: &'static str = "society";
    const SCHEMA: u32 = 1;
    const STATE_VERSION: u32 = 4;

    type Command = Command;
    type Event = Event;
    type Wire = event::Wire;
    type Rejection = Refused;

    fn needs(command: &Command) -> Vec<String> {
        match command {
            Command::Value(approved) => vec![format!("value:{}", approved.task)],
            Command::TakeVerdict(verdict) => vec![format!("verdict:{}", verdict.submission)],
            Command::Import(import) => {
                let items = import.items.iter();
                items.flat_map(import::Item::needs).collect()
            }
            Command::Hide { message, .. } => vec![format!("hide:{message}")],
            Command::Forget { memory, .. } => vec![format!("forget:{memory}")],
            Command::EraseJournal { journal, .. } => vec![format!("erase:{journal}")],
            Command::Seed(_)
            | Command::OpenDay(_)
            | Command::ShowBriefing(_)
            | Command::EndCycle { .. }
            | Command::Act { .. }
            | Command::Post(_)
            | Command::Send { .. }
            | Command::OpenLetter { .. }
            | Command::Specialize { .. }
            | Command::Answer(_)
            | Command::CancelBounty { .. } => Vec::new(),
        }
    }

    fn decide(&self, command: Command, cx: &Context<'_>) -> Result<Vec<Event>, Refused> {
        match command {
            Command::Seed(seed) => Ok(self.seed(*seed, cx)),
            Command::Import(import) => Ok(self.import(*import, cx)),
            Command::OpenDay(day) => self.open_day(day),
            Command::Value(approved) => self.value(*approved, cx),
            Command::TakeVerdict(verdict) => self.take_verdict(*verdict, cx),
            Command::ShowBriefing(shown) => Ok(vec![self.mail.show(shown)?]),
            Command::EndCycle { resident, cycle } => self.end_cycle(resident, cycle),
            Command::Act { under, act } => self.act(&under, *act, cx),
            Command::Post(post) => Ok(vec![self.rooms.post_of_human(*post, self.today.day, cx)?]),
            Command::Hide { message, room, reason } => {
                Ok(once(cx, "hide", message, Event::MessageHidden { message, room, reason }))
            }
            Command::Send { resident, kind, text } => self.send(resident, kind, text, cx),
            Command::OpenLetter { resident, letter } => {
                Ok(self.mail.open(resident, letter).into_iter().collect())
            }
            Command::Answer(answer) => Ok(self.answer(*answer, cx)),
            Command::Specialize { resident, specializations, reason } => {
                self.specialize(resident, specializations, reason)
            }
            Command::Forget { memory, resident, reason } => {
                let event = Event::MemoryForgotten { memory, resident, reason };
                Ok(once(cx, "forget", memory, event))
            }
            Command::EraseJournal { journal, resident, reason } => {
                let event = Event::JournalErased { journal, resident, reason };
                Ok(once(cx, "erase", journal, event))
            }
            Command::CancelBounty { bounty, reason } => self.cancel_bounty(bounty, reason),
        }
    }

    fn apply(&mut self, event: &Event, meta: &Meta) {
        self.count(event);
        if let Some(resident) = happened_to(event) {
            self.rooms.apply_happened(resident, meta);
        }
        match event {
            Event::ResidentJoined(joined) => self.residents.apply_joined(joined, meta),
            Event::ResidentChanged(changed) => self.residents.apply_changed(changed, meta),
            Event::SpecializationsSet { resident, specializations, .. } => {
                self.residents.apply_specialized(*resident, specializations, meta);
            }
            Event::MemoryKept(kept) => {
                let sessions = self.sessions(kept.resident);
                self.memories.apply_kept(kept, meta.sequence, sessions);
            }
            Event::MemoryForgotten { memory, resident, .. }
            | Event::MemoryArchived { memory, resident } => {
                self.memories.apply_gone(*resident, *memory);
            }
            Event::TokensMoved(entry) => self.wallets.apply_moved(entry),
            Event::RoomOpened { room, title } => self.rooms.apply_opened(room, title, meta),
            Event::MessagePosted(posted) => self.rooms.apply_posted(posted, meta),
            Event::MessageHidden { message, room, .. } => self.rooms.apply_hidden(room, *message),
            Event::ConversationSpent(spent) => self.rooms.apply_spent(spent),
            Event::LetterSent(sent) => self.mail.apply_sent(sent),
            Event::LetterOpened { letter, resident, by, .. } => {
                self.mail.apply_opened(*resident, *letter, *by);
            }
            Event::DocumentPublished(published) => self.library.apply_published(published),
            Event::DocumentRetracted { document, path, .. } => {
                self.library.apply_retracted(path, *document);
            }
            Event::AttemptRemembered(remembered) => {
                self.residents.apply_remembered(remembered, meta);
                self.unpaid.apply_remembered(remembered);
            }
            Event::DayOpened(day) => {
                self.today = *day;
                self.quotas.apply_day();
                self.rooms.apply_day();
            }
            Event::SessionCounted { resident, day, sessions } => {
                self.residents.apply_session(*resident, *day, *sessions, meta);
            }
            Event::BriefingShown(shown) => self.mail.apply_shown(shown),
            Event::CollaborationSet(request) => {
                self.collaboration = match request {
                    Collaboration::Set(text) => Some(text.clone()),
                    Collaboration::Cleared | Collaboration::Completed => None,
                };
            }
            Event::WorkValued(valued) => {
                self.unpaid.apply_valued(valued);
                self.measure.apply_valued(valued);
            }
            Event::BountyOpened(opened) => self.bounties.apply_opened(opened, meta),
            Event::BountyCancelled { bounty, reason } => {
                self.bounties.apply_cancelled(*bounty, reason, meta);
            }
            Event::FactParked(note) => {
                self.parked.push(format!("{}#{}", note.source, note.sequence));
            }
            Event::MemoryRecalled(_)
            | Event::JournalWritten(_)
            | Event::JournalErased { .. }
            | Event::DocumentSuperseded { .. }
            | Event::ItemImported(_)
            | Event::HistoryKept(_)
            | Event::FactIgnored(_)
            | Event::SegmentClosed(_) => {}
        }
    }

    fn kind(event: &Event) -> &'static str {
        event.kind()
    }

    fn claims(event: &Event) -> Vec<String> {
        match event {
            Event::ResidentJoined(joined) => vec![format!("handle:{}", joined.handle)],
            Event::TokensMoved(entry) => vec![entry.key.clone()],
            Event::RoomOpened { room, .. } => vec![format!("room:{room}")],
            Event::DayOpened(day) => vec![format!("day:{}", day.day)],
            Event::WorkValued(valued) => vec![format!("value:{}", valued.task)],
            Event::AttemptRemembered(remembered) => {
                vec![format!("verdict:{}", remembered.submission)]
            }
            Event::DocumentPublished(published) => {
                vec![format!("publish:{}:{}", published.document, published.version)]
            }
            Event::MessageHidden { message, .. } => vec![format!("hide:{message}")],
            Event::MemoryForgotten { memory, .. } => vec![format!("forget:{memory}")],
            Event::JournalErased { journal, .. } => vec![format!("erase:{journal}")],
            Event::ItemImported(imported) => vec![import::Imported::claim(&imported.key)],
            Event::ResidentChanged(_)
            | Event::SpecializationsSet { .. }
            | Event::MemoryKept(_)
            | Event::MemoryRecalled(_)
            | Event::MemoryArchived { .. }
            | Event::MessagePosted(_)
            | Event::ConversationSpent(_)
            | Event::LetterSent(_)
            | Event::LetterOpened { .. }
            | Event::JournalWritten(_)
            | Event::DocumentSuperseded { .. }
            | Event::DocumentRetracted { .. }
            | Event::CollaborationSet(_)
            | Event::SessionCounted { .. }
            | Event::BriefingShown(_)
            | Event::HistoryKept(_)
            | Event::BountyOpened(_)
            | Event::BountyCancelled { .. }
            | Event::FactIgnored(_)
            | Event::FactParked(_)
            | Event::SegmentClosed(_) => Vec::new(),
        }
    }

    fn fact_ignored(note: FactNote) -> Event {
        Event::FactIgnored(note)
    }

    fn fact_parked(note: FactNote) -> Event {
        Event::FactParked(note)
    }

    fn segment_closed(note: SegmentNote) -> Event {
        Event::SegmentClosed(Box::new(note))
    }

    fn reason(refused: &Refused) -> String {
        match refused {
            Refused::LeaseLost { lease } => format!("lease_lost:{lease}"),
            Refused::ResidentNotFound { resident } => format!("resident_not_found:{resident}"),
            Refused::QuotaSpent { action, .. } => format!("quota_spent:{action}"),
            Refused::Insufficient { price } => format!("insufficient:{price}"),
            Refused::RoomNotFound { room } => format!("room_not_found:{room}"),
            Refused::RoomClosed { room } => format!("room_closed:{room}"),
            Refused::ConversationSpent { room, resident } => {
                format!("conversation_spent:{room}:{resident}")
            }
            Refused::Echo { message } => format!("echo:{message}"),
            Refused::MessageNotFound { message } => format!("message_not_found:{message}"),
            Refused::MemoryDuplicate { memory } => format!("memory_duplicate:{memory}"),
            Refused::MemoryNotFound { memory } => format!("memory_not_found:{memory}"),
            Refused::BountyNotFound { bounty } => format!("bounty_not_found:{bounty}"),
            Refused::BountyNotOpen { bounty } => format!("bounty_not_open:{bounty}"),
            Refused::Known => "known".into(),
        }
    }
}

impl Society {
    /// Sessions a resident has had.
    pub fn sessions(&self, who: ResidentId) -> u32 {
        self.residents.get(who).map_or(0, |resident| resident.sessions)
    }

    /// No entries yet, against the wallets as they are.
    fn booking(&self) -> Booking<'_> {
        Booking::new(&self.wallets, &self.rules, self.today.day)
    }

    /// A day began: everybody who is not retired gets their tokens, whatever they did.
    fn open_day(&self, day: Day) -> Result<Vec<Event>, Refused> {
        if day.day <= self.today.day {
            return Err(Refused::Known);
        }
        let mut booking = Booking::new(&self.wallets, &self.rules, day.day);
        for resident in self.residents.all().filter(|one| one.status != Status::Retired) {
            booking.allowance(resident.resident);
            if day.is_sunday() {
                booking.sunday(day.week, resident.resident);
            }
        }
        let mut events = vec![Event::DayOpened(day)];
        events.extend(moved(booking));
        Ok(events)
    }

    /// A task was approved: its wage, and the reward for staying under budget.
    fn value(&self, approved: Approved, cx: &Context<'_>) -> Result<Vec<Event>, Refused> {
        let (who, task) = (approved.resident, approved.task);
        let (bonus, role) = (approved.bonus, approved.role);
        if cx.claimed(&format!("value:{task}")).is_some() {
            return Err(Refused::Known);
        }
        if self.residents.get(who).is_none() {
            return Err(Refused::ResidentNotFound { resident: who.to_string() });
        }
        let rubric = self.unpaid.rubric(approved.submission);
        let valued = self.measure.value(approved, rubric);
        let wage = income::wage(&self.rules, role, valued.class, bonus);
        let saving = valued.saving;
        let mut booking = self.booking();
        let subject = task.to_string();
        let key = format!("wage:{task}");
        booking.earn(key, Cause::Wage, subject.clone(), who, (wage, Share::Split));
        if let Some(saving) = saving {
            let key = format!("save:{task}:{who}");
            booking.earn(key, Cause::Saving, subject, who, (saving, Share::Split));
        }
        let mut events = vec![Event::WorkValued(Box::new(valued))];
        events.extend(moved(booking));
        Ok(events)
    }

    /// A cycle ended with something accepted: what it was shown is read, and the day is a session.
    fn end_cycle(&self, resident: ResidentId, cycle: CycleId) -> Result<Vec<Event>, Refused> {
        let missing = || Refused::ResidentNotFound { resident: resident.to_string() };
        let found = self.residents.get(resident).ok_or_else(missing)?;
        let mut events = self.mail.end(resident, cycle);
        let day = self.today.day;
        if day > found.session_day {
            let sessions = found.sessions + 1;
            events.push(Event::SessionCounted { resident, day, sessions });
        }
        Ok(events)
    }

    /// What a resident is good at is a human's word alone; it costs nothing and changes no identity.
    fn specialize(
        &self,
        resident: ResidentId,
        specializations: BTreeSet<String>,
        reason: TextRef,
    ) -> Result<Vec<Event>, Refused> {
        let missing = || Refused::ResidentNotFound { resident: resident.to_string() };
        let known = self.residents.get(resident).ok_or_else(missing)?;
        if known.specializations == specializations {
            return Ok(Vec::new());
        }
        Ok(vec![Event::SpecializationsSet { resident, specializations, reason }])
    }

    fn send(
        &self,
        resident: ResidentId,
        kind: mail::Kind,
        text: TextRef,
        cx: &Context<'_>,
    ) -> Result<Vec<Event>, Refused> {
        if self.residents.get(resident).is_none() {
            return Err(Refused::ResidentNotFound { resident: resident.to_string() });
        }
        let sent = Mail::send(resident, kind, text, self.today.day, cx);
        let letter = sent.letter;
        let mut events = vec![Event::LetterSent(Box::new(sent))];
        events.extend(self.letter_income(letter, resident, self.rules.letter_income));
        Ok(events)
    }

    fn answer(&self, answer: mail::Answer, cx: &Context<'_>) -> Vec<Event> {
        let (resident, letter) = (answer.resident, answer.letter);
        let opened = self.mail.open(resident, letter);
        let (sent, first) = self.mail.answer(answer, self.today.day, cx);
        let mut events: Vec<_> = opened.into_iter().collect();
        events.push(Event::LetterSent(Box::new(sent)));
        if first {
            // The key is the letter's that is answered: only the first answer brings tokens.
            events.extend(self.letter_income(letter, resident, self.rules.answer_income));
        }
        events
    }

    fn letter_income(&self, letter: LetterId, who: ResidentId, amount: i64) -> Vec<Event> {
        let mut booking = self.booking();
        let (key, subject) = (format!("mail:{letter}"), letter.to_string());
        booking.earn(key, Cause::Letter, subject, who, (amount, Share::Whole));
        moved(booking).collect()
    }

    /// What an event counts for today, and the fencing token it was done under.
    fn count(&mut self, event: &Event) {
        let used = match event {
            Event::MessagePosted(posted) => match posted.author {
                Author::Resident(who) => Some((who, Use::Post, posted.token)),
                Author::Human | Author::Society => None,
            },
            Event::MemoryKept(kept) => Some((kept.resident, Use::Remember, kept.token)),
            Event::MemoryRecalled(recalled) => {
                Some((recalled.resident, Use::Recall, recalled.token))
            }
            Event::LetterSent(sent) => match sent.from {
                Side::Resident => Some((sent.resident, Use::Letter, sent.token)),
                Side::Human => None,
            },
            Event::JournalWritten(written) => Some((written.resident, Use::Journal, written.token)),
            Event::ResidentJoined(_)
            | Event::ResidentChanged(_)
            | Event::SpecializationsSet { .. }
            | Event::MemoryForgotten { .. }
            | Event::MemoryArchived { .. }
            | Event::TokensMoved(_)
            | Event::RoomOpened { .. }
            | Event::MessageHidden { .. }
            | Event::ConversationSpent(_)
            | Event::LetterOpened { .. }
            | Event::JournalErased { .. }
            | Event::DocumentPublished(_)
            | Event::DocumentSuperseded { .. }
            | Event::DocumentRetracted { .. }
            | Event::AttemptRemembered(_)
            | Event::DayOpened(_)
            | Event::CollaborationSet(_)
            | Event::SessionCounted { .. }
            | Event::BriefingShown(_)
            | Event::WorkValued(_)
            | Event::ItemImported(_)
            | Event::HistoryKept(_)
            | Event::BountyOpened(_)
            | Event::BountyCancelled { .. }
            | Event::FactIgnored(_)
            | Event::FactParked(_)
            | Event::SegmentClosed(_) => None,
        };
        // Without a token it is the runtime's own, such as the lesson of a verdict.
        if let Some((who, what, token)) = used.filter(|(.., token)| *token > 0) {
            self.quotas.apply_used(who, what);
            self.tokens.apply_used(who, token);
        }
    }
}

/// Whom an event other than talk happens to, by somebody else's doing: it gives two who talk something
/// new to talk about.
fn happened_to(event: &Event) -> Option<ResidentId> {
    match event {
        Event::AttemptRemembered(remembered) => Some(remembered.resident),
        Event::ResidentChanged(changed) => Some(changed.resident),
        Event::SpecializationsSet { resident, .. } => Some(*resident),
        Event::LetterSent(sent) => match sent.from {
            Side::Human => Some(sent.resident),
            Side::Resident => None,
        },
        Event::ResidentJoined(_)
        | Event::MemoryKept(_)
        | Event::MemoryForgotten { .. }
        | Event::MemoryRecalled(_)
        | Event::MemoryArchived { .. }
        | Event::TokensMoved(_)
        | Event::RoomOpened { .. }
        | Event::MessagePosted(_)
        | Event::MessageHidden { .. }
        | Event::ConversationSpent(_)
        | Event::LetterOpened { .. }
        | Event::JournalWritten(_)
        | Event::JournalErased { .. }
        | Event::DocumentPublished(_)
        | Event::DocumentSuperseded { .. }
        | Event::DocumentRetracted { .. }
        | Event::DayOpened(_)
        | Event::CollaborationSet(_)
        | Event::SessionCounted { .. }
        | Event::BriefingShown(_)
        | Event::WorkValued(_)
        | Event::ItemImported(_)
        | Event::HistoryKept(_)
        | Event::BountyOpened(_)
        | Event::BountyCancelled { .. }
        | Event::FactIgnored(_)
        | Event::FactParked(_)
        | Event::SegmentClosed(_) => None,
    }
}

/// The events of a booking.
fn moved(booking: Booking<'_>) -> impl Iterator<Item = Event> {
    booking.finish().into_iter().map(|entry: Entry| Event::TokensMoved(Box::new(entry)))
}

/// The event, unless its key was used before: then it has happened.
fn once(cx: &Context<'_>, what: &str, id: impl std::fmt::Display, event: Event) -> Vec<Event> {
    let known = cx.claimed(&format!("{what}:{id}")).is_some();
    if known { Vec::new() } else { vec![event] }
}
