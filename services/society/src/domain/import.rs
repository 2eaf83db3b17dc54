//! Taking over what another world held: each thing once for ever, by the key it has over there.
//!
//! Nothing of it wakes anybody, is paid for, or counts for a day. What does not fit is left, and
//! hinders nothing else.

use std::collections::BTreeSet;

use vivarium_ledger::{Context, TextRef};
use vivarium_types::Timestamp;
use vivarium_types::ids::{LetterId, MessageId, ResidentId};

use super::bounty::Terms;
use super::history::{self, Past};
use super::mail::{self, Mail, Sent, Side, Waits};
use super::memory::{self, Kept};
use super::resident::{Joined, Status};
use super::room::{self, Author, Posted, Sender};
use super::seed::Newcomer;
use super::wallet::{Account, Cause, Entry, Transfer};
use super::{Event, Label, Society, moved};

/// Turns between a message and a human's act above which it wakes nobody (`domain.md` 4.1).
const HOP_OF_AN_IMPORT: u32 = 5;

/// Things of another world.
#[derive(Debug, Clone)]
pub struct Import {
    /// Why the operator takes them over.
    pub reason: TextRef,
    /// In the order in which they are taken.
    pub items: Vec<Item>,
}

/// One of them.
#[derive(Debug, Clone)]
pub struct Item {
    /// What it is known by over there.
    pub key: String,
    /// When it happened over there.
    pub time: Option<Timestamp>,
    /// What it is.
    pub what: What,
}

/// What can be taken over.
#[derive(Debug, Clone)]
pub enum What {
    /// A resident that joins.
    Resident {
        /// Who.
        newcomer: Newcomer,
        /// The id it had over there.
        origin: String,
    },
    /// A room that is opened.
    Room {
        /// Its name.
        room: String,
        /// How it is shown.
        title: TextRef,
    },
    /// A message in a room for all.
    Message(Box<Message>),
    /// A message from one resident to another.
    Direct {
        /// From whom, as it was said over there.
        from: ResidentId,
        /// To whom.
        to: ResidentId,
        /// What their room is called if it is not there yet.
        title: TextRef,
        /// The message; it lies in the room of the two.
        message: Box<Message>,
    },
    /// A letter.
    Letter {
        /// Whose thread.
        resident: ResidentId,
        /// What it is.
        kind: mail::Kind,
        /// The words, sealed.
        text: TextRef,
        /// The resident's letter to which it is the human's answer.
        answers: Option<LetterId>,
    },
    /// What a resident owned.
    Wallet {
        /// Who.
        resident: ResidentId,
        /// For anything.
        free: i64,
        /// For journals first.
        journal: i64,
    },
    /// Something that a resident had in mind.
    Memory {
        /// Who.
        resident: ResidentId,
        /// The words.
        text: TextRef,
        /// Whether it bears signs of an injection.
        signs: bool,
    },
    /// A bounty of the human.
    Bounty(Box<Terms>),
    /// Something that is over.
    History(Box<Past>),
}

/// A message of another world.
#[derive(Debug, Clone)]
pub struct Message {
    /// Where.
    pub room: String,
    /// By whom.
    pub author: Author,
    /// The words.
    pub text: TextRef,
    /// One of the moods of the rules, `free`, or nothing.
    pub mood: String,
    /// The mood in own words.
    pub mood_text: Option<TextRef>,
    /// 1 to 5.
    pub importance: u32,
    /// What it answers, which lies in the same room.
    pub reply_to: Option<MessageId>,
}

/// Something of another world was taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// What it is known by over there.
    pub key: String,
    /// What it is here.
    pub made: String,
    /// Why.
    pub reason: TextRef,
    /// When it happened over there.
    pub time: Option<Timestamp>,
}

impl Imported {
    /// The business key that keeps it from being taken twice.
    pub fn claim(key: &str) -> String {
        format!("origin:{key}")
    }
}

impl Society {
    /// Takes over what is not known yet and fits.
    pub(super) fn import(&self, import: Import, cx: &Context<'_>) -> Vec<Event> {
        let mut fresh = BTreeSet::new();
        let mut events = Vec::new();
        for item in import.items {
            let known = item.needs().iter().any(|key| cx.claimed(key).is_some());
            let Item { key, time, what } = item;
            let unlike = what.name().is_none_or(|name| fresh.insert(name));
            if known || !fresh.insert(key.clone()) || !unlike || self.unfit(&what).is_some() {
                continue;
            }
            // Several messages of one request may lie in one room of two: the first opens it.
            if let What::Direct { title, message, .. } = &what
                && self.rooms.get(&message.room).is_none()
                && fresh.insert(format!("room:{}", message.room))
            {
                let (room, title) = (message.room.clone(), title.clone());
                events.push(Event::RoomOpened { room, title });
            }
            let (made, of_item) = self.take(what, (&key, time), cx);
            events.extend(of_item);
            let reason = import.reason.clone();
            events.push(Event::ItemImported(Imported { key, made, reason, time }));
        }
        events
    }

    /// Why something cannot be taken over.
    pub fn unfit(&self, what: &What) -> Option<&'static str> {
        let nobody = |who: ResidentId| self.residents.get(who).is_none();
        match what {
            What::Resident { newcomer, .. } => {
                let full = self.residents.all().count() >= self.rules.residents;
                let taken = self.residents.find(&newcomer.handle).is_some();
                full.then_some("the world has as many residents as it may have")
                    .or_else(|| taken.then_some("its handle is taken"))
            }
            What::Room { room, .. } => {
                self.rooms.get(room).is_some().then_some("there is a room of this name")
            }
            What::Message(message) => match message.author {
                _ if room::members(&message.room).is_some() => {
                    Some("a room of two takes direct messages only")
                }
                Author::Resident(who) if nobody(who) => Some("its author is not here"),
                Author::Resident(_) | Author::Human | Author::Society => {
                    self.rooms.get(&message.room).is_none().then_some("its room is not here")
                }
            },
            What::Direct { from, to, .. } => {
                let same = (from == to).then_some("its author wrote to itself");
                let absent = |who: ResidentId| nobody(who).then_some("one of the two is not here");
                same.or_else(|| absent(*from)).or_else(|| absent(*to))
            }
            What::Bounty(_) => None,
            What::History(past) => {
                past.resident.filter(|who| nobody(*who)).map(|_| "its resident is not here")
            }
            What::Letter { resident, .. } | What::Wallet { resident, .. } => {
                nobody(*resident).then_some("its resident is not here")
            }
            What::Memory { resident, text, .. } => {
                let same = self.memories.same(*resident, memory::Kind::Fact, text.hash);
                let full = self.memories.count(*resident) >= self.rules.live_memories;
                nobody(*resident)
                    .then_some("its resident is not here")
                    .or_else(|| same.map(|_| "the resident has it in mind already"))
                    .or_else(|| full.then_some("the resident has no room for more memories"))
            }
        }
    }

    /// What it is called here, and the events that make it.
    fn take(
        &self,
        what: What,
        (key, time): (&str, Option<Timestamp>),
        cx: &Context<'_>,
    ) -> (String, Vec<Event>) {
        match what {
            What::Resident { newcomer, origin } => self.take_resident(newcomer, &origin, cx),
            What::Room { room, title } => (room.clone(), vec![Event::RoomOpened { room, title }]),
            What::Message(message) => {
                let posted = self.posted(*message, Sender::Proven, cx);
                (posted.message.to_string(), vec![Event::MessagePosted(Box::new(posted))])
            }
            What::Direct { message, .. } => {
                let posted = self.posted(*message, Sender::Unproven, cx);
                (posted.message.to_string(), vec![Event::MessagePosted(Box::new(posted))])
            }
            What::Letter { resident, kind, text, answers } => {
                self.take_letter(resident, kind, text, answers, cx)
            }
            What::Wallet { resident, free, journal } => self.take_wallet(resident, free, journal),
            What::Memory { resident, text, signs } => {
                let kept = self.kept(resident, text, signs, cx);
                (kept.memory.to_string(), vec![Event::MemoryKept(Box::new(kept))])
            }
            What::Bounty(terms) => {
                let (bounty, events) = self.open_bounty(*terms, cx);
                (bounty.to_string(), events)
            }
            What::History(past) => {
                let kept = history::Kept { key: key.to_owned(), time, past: *past };
                (key.to_owned(), vec![Event::HistoryKept(Box::new(kept))])
            }
        }
    }

    /// A resident joins with the tokens of a day that has begun, as every newcomer does.
    fn take_resident(
        &self,
        newcomer: Newcomer,
        origin: &str,
        cx: &Context<'_>,
    ) -> (String, Vec<Event>) {
        let resident: ResidentId = cx.mint();
        let day = self.today.day;
        let mut events = vec![Event::ResidentJoined(Box::new(Joined {
            resident,
            handle: newcomer.handle,
            identity: newcomer.identity,
            origin: format!("import:{origin}"),
            creator: cx.actor().to_string(),
            status: Status::Active,
            words: newcomer.words,
            day,
        }))];
        if day > 0 {
            let mut booking = self.booking();
            booking.allowance(resident);
            events.extend(moved(booking));
        }
        (resident.to_string(), events)
    }

    fn posted(&self, message: Message, sender: Sender, cx: &Context<'_>) -> Posted {
        Posted {
            message: cx.mint(),
            room: message.room,
            author: message.author,
            text: message.text,
            mood: message.mood,
            mood_text: message.mood_text,
            importance: message.importance,
            reply_to: message.reply_to,
            mentions: Vec::new(),
            hop: HOP_OF_AN_IMPORT,
            day: self.today.day,
            task: None,
            cycle: None,
            label: Label::Peer,
            token: 0,
            sender,
        }
    }

    /// A letter of the resident, or the human's answer to one, which the resident has read.
    fn take_letter(
        &self,
        resident: ResidentId,
        kind: mail::Kind,
        text: TextRef,
        answers: Option<LetterId>,
        cx: &Context<'_>,
    ) -> (String, Vec<Event>) {
        let (from, label) = match answers {
            Some(_) => (Side::Human, Label::Operator),
            None => (Side::Resident, Label::Peer),
        };
        let sent = Mail::send(resident, kind, text, self.today.day, cx);
        let sent = Sent { from, label, reply_to: answers, waits: Waits::No, ..sent };
        let letter = sent.letter;
        let mut events = vec![Event::LetterSent(Box::new(sent))];
        if answers.is_some() {
            let by = Side::Resident;
            events.push(Event::LetterOpened { letter, resident, by, cycle: None });
        }
        (letter.to_string(), events)
    }

    /// One balanced entry by the mint, whatever the caps are; none for an empty wallet.
    fn take_wallet(&self, resident: ResidentId, free: i64, journal: i64) -> (String, Vec<Event>) {
        let key = wallet_key(resident);
        let parts = [(Account::Free(resident), free), (Account::Journal(resident), journal)];
        let transfers: Vec<_> = parts
            .into_iter()
            .filter(|(_, amount)| *amount > 0)
            .map(|(to, amount)| Transfer { from: Account::Mint, to, amount })
            .collect();
        if transfers.is_empty() {
            return (key, Vec::new());
        }
        let (subject, day) = (resident.to_string(), self.today.day);
        let entry = Entry { key: key.clone(), transfers, cause: Cause::Import, subject, day };
        (key, vec![Event::TokensMoved(Box::new(entry))])
    }

    fn kept(&self, resident: ResidentId, text: TextRef, signs: bool, cx: &Context<'_>) -> Kept {
        Kept {
            memory: cx.mint(),
            resident,
            kind: memory::Kind::Fact,
            text,
            tags: Vec::new(),
            importance: 3,
            about: Vec::new(),
            source: "import".to_owned(),
            label: Label::Peer,
            supersedes: None,
            state: memory::state(signs),
            day: self.today.day,
            token: 0,
        }
    }
}

impl Item {
    /// The business keys that say whether it was taken before.
    pub(super) fn needs(&self) -> Vec<String> {
        let wallet = match &self.what {
            What::Wallet { resident, .. } => Some(wallet_key(*resident)),
            What::Resident { .. }
            | What::Room { .. }
            | What::Message(_)
            | What::Direct { .. }
            | What::Letter { .. }
            | What::Memory { .. }
            | What::Bounty(_)
            | What::History(_) => None,
        };
        wallet.into_iter().chain([Imported::claim(&self.key)]).collect()
    }
}

/// The key of the entry that makes an imported wallet: one for each resident.
fn wallet_key(resident: ResidentId) -> String {
    format!("import:wallet:{resident}")
}

impl What {
    /// What two things of one kind may not share.
    fn name(&self) -> Option<String> {
        match self {
            Self::Resident { newcomer, .. } => Some(format!("handle:{}", newcomer.handle)),
            Self::Room { room, .. } => Some(format!("room:{room}")),
            // A wallet is made once for each resident, whatever key it comes under.
            Self::Wallet { resident, .. } => Some(format!("wallet:{resident}")),
            Self::Memory { resident, text, .. } => {
                Some(format!("memory:{resident}:{:?}", text.hash))
            }
            Self::Message(_)
            | Self::Direct { .. }
            | Self::Letter { .. }
            | Self::Bounty(_)
            | Self::History(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use vivarium_ledger::{Aggregate as _, Hash, Meta};
    use vivarium_types::{Actor, IdSource};

    use super::super::bounty::{Mode, Policy};
    use super::*;

    fn text(id: &str) -> TextRef {
        TextRef { id: id.to_owned(), hash: Hash::default(), length: 4, sealed: false }
    }

    /// A society and what it would take over of these, which is then part of it.
    fn take(society: &mut Society, items: Vec<(&str, What)>) -> Vec<Event> {
        let actor = Actor::Operator("ada".to_owned());
        let (mut ids, facts) = (IdSource::seeded(items.len() as u64), BTreeMap::new());
        let item = |(key, what): (&str, What)| Item { key: key.to_owned(), time: None, what };
        let items = items.into_iter().map(item).collect();
        let cx = Context::new(Timestamp::EPOCH, &actor, 1, &mut ids, &facts);
        let events = society.import(Import { reason: text("why"), items }, &cx);
        for (event, sequence) in events.iter().zip(1..) {
            let (time, actor) = (Timestamp::EPOCH, actor.clone());
            society.apply(event, &Meta { sequence, time, actor });
        }
        events
    }

    fn resident(handle: &str) -> What {
        let newcomer =
            Newcomer { handle: handle.to_owned(), identity: text(handle), words: Vec::new() };
        What::Resident { newcomer, origin: handle.to_owned() }
    }

    fn kinds(events: &[Event]) -> Vec<&'static str> {
        events.iter().map(Event::kind).collect()
    }

    #[test]
    fn each_thing_is_taken_once_and_says_where_it_comes_from() {
        let mut society = Society::default();
        let events = take(
            &mut society,
            vec![("a", resident("ada")), ("a", resident("bo")), ("b", resident("ada"))],
        );
        assert_eq!(kinds(&events), ["resident_joined", "item_imported"]);
        assert_eq!(
            society.residents.find("ada").map(|one| one.origin.as_str()),
            Some("import:ada")
        );
        let again = take(&mut society, vec![("c", resident("ada"))]);
        assert_eq!(kinds(&again), [""; 0], "its handle is taken");
    }

    #[test]
    fn a_wallet_comes_balanced_and_above_the_caps_and_only_once() {
        let mut society = Society::default();
        take(&mut society, vec![("a", resident("ada"))]);
        let who = society.residents.find("ada").expect("it joined").resident;
        let wallet = || What::Wallet { resident: who, free: 900, journal: 300 };
        let events = take(&mut society, vec![("w", wallet()), ("v", wallet())]);
        assert_eq!(kinds(&events), ["tokens_moved", "item_imported"]);
        let held =
            [Account::Free(who), Account::Journal(who)].map(|it| society.wallets.balance(it));
        assert_eq!((held, society.wallets.sum()), ([900, 300], 0));
    }

    fn said(room: &str, author: Author) -> Message {
        Message {
            room: room.to_owned(),
            author,
            text: text("words"),
            mood: String::new(),
            mood_text: None,
            importance: 3,
            reply_to: None,
        }
    }

    #[test]
    fn a_direct_message_opens_the_room_of_its_two_once_and_proves_nothing() {
        let mut society = Society::default();
        take(&mut society, vec![("a", resident("ada")), ("b", resident("bo"))]);
        let [ada, bo] =
            ["ada", "bo"].map(|one| society.residents.find(one).expect("it joined").resident);
        let direct = |from, to| What::Direct {
            from,
            to,
            title: text("Ada and Bo"),
            message: Box::new(said(&room::of_two(from, to), Author::Resident(from))),
        };
        let events = take(
            &mut society,
            vec![("1", direct(bo, ada)), ("2", direct(ada, bo)), ("3", direct(ada, ada))],
        );
        let wanted =
            ["room_opened", "message_posted", "item_imported", "message_posted", "item_imported"];
        assert_eq!(kinds(&events), wanted);
        let Some(Event::MessagePosted(posted)) = events.get(1) else { panic!("{events:?}") };
        assert_eq!((posted.hop, posted.sender), (HOP_OF_AN_IMPORT, Sender::Unproven));
        let again = take(&mut society, vec![("4", direct(ada, bo))]);
        assert_eq!(kinds(&again), ["message_posted", "item_imported"]);
        let into = |author| What::Message(Box::new(said(&room::of_two(ada, bo), author)));
        for author in [Author::Human, Author::Resident(ada)] {
            let refused = society.unfit(&into(author));
            assert_eq!(refused, Some("a room of two takes direct messages only"));
            assert_eq!(kinds(&take(&mut society, vec![("5", into(author))])), [""; 0]);
        }
    }

    #[test]
    fn a_bounty_comes_with_its_escrow_and_what_is_over_moves_nothing() {
        let mut society = Society::default();
        let terms = Terms {
            title: text("title"),
            description: text("description"),
            reward: 100,
            runner_up: 40,
            mode: Mode::Coop,
            max_teams: 1,
            slots: 1,
            policy: Policy::default(),
            origin: "import:b1".to_owned(),
        };
        let past = Past {
            kind: history::Kind::Bounty,
            outcome: Some(history::Outcome::Done),
            status: "completed".to_owned(),
            subject: "b2".to_owned(),
            title: text("title"),
            text: None,
            resident: None,
        };
        let bounty = || What::Bounty(Box::new(terms.clone()));
        let over = What::History(Box::new(past));
        let events = take(&mut society, vec![("1", bounty()), ("1", bounty()), ("2", over)]);
        let wanted =
            ["bounty_opened", "tokens_moved", "item_imported", "history_kept", "item_imported"];
        assert_eq!(kinds(&events), wanted);
        assert_eq!((society.wallets.supply(0).escrow, society.wallets.sum()), (140, 0));
    }

    #[test]
    fn what_has_nobody_or_no_room_here_is_left() {
        let mut society = Society::default();
        let nobody: ResidentId = "res_01jd0000000000000000000000".parse().expect("an id");
        let message = said("town_hall", Author::Human);
        let room = What::Room { room: "town_hall".to_owned(), title: text("hall") };
        let posted = || What::Message(Box::new(message.clone()));
        let wallet = What::Wallet { resident: nobody, free: 1, journal: 1 };
        let events = take(&mut society, vec![("m", posted()), ("w", wallet), ("r", room)]);
        assert_eq!(kinds(&events), ["room_opened", "item_imported"]);
        let events = take(&mut society, vec![("n", posted())]);
        let Some(Event::MessagePosted(posted)) = events.first() else { panic!("{events:?}") };
        assert_eq!((posted.hop, posted.label), (HOP_OF_AN_IMPORT, Label::Peer));
    }
}
