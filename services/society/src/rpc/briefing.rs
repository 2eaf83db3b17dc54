//! Society's part of a briefing: who the resident is, its letters, memories, rooms and wallet, each
//! with its source and its label.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use tonic::{Request, Response, Status};
use vivarium_chassis::{Caller, Refusal, Violations};
use vivarium_proto::executor::v1::{CycleKind, FragmentSlot, TrustLabel};
use vivarium_proto::social::v1 as pb;
use vivarium_proto::social::v1::briefing_service_server::BriefingService;
use vivarium_types::Reason;
use vivarium_types::ids::{ResidentId, TaskId};

use super::{Door, convert, position, resident_not_found};
use crate::domain::day::{Day, Use};
use crate::domain::event::{identity, write};
use crate::domain::identity::Identity;
use crate::domain::resident::Resident;
use crate::domain::room::{self, Author, Sender};
use crate::domain::wallet::Account;
use crate::domain::{Label, Society, memory};
use crate::views::letters;
use crate::views::messages::{self, Message};

/// Most characters of one part.
const PART_LENGTH_MAX: usize = 4_000;
/// Most letters and mentions of one briefing.
const LETTERS_MAX: u32 = 12;
const MENTIONS_MAX: u32 = 4;
/// Rooms, and as many pairs; newest unread messages of each, and characters of each message.
const ROOMS_MAX: usize = 6;
const MESSAGES_MAX: u32 = 4;
const MESSAGE_LENGTH: usize = 180;
/// Memories of a briefing, for a large and for a small window.
const MEMORIES: u32 = 5;
const MEMORIES_TERSE: u32 = 2;
const WEEKDAYS: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// What a cycle of a kind is shown besides who the resident is.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each part is shown or not, alone")]
struct Wants {
    wallet: bool,
    collaboration: bool,
    mail: bool,
    memories: bool,
    rooms: bool,
}

/// What the state knows of the one who is briefed.
#[derive(Debug)]
struct Known {
    resident: Resident,
    free: i64,
    journal: i64,
    today: Day,
    left: Vec<(&'static str, u32)>,
    collaboration: Option<String>,
    rooms: Vec<String>,
    read_through: u64,
    words: bool,
}

impl Known {
    fn of(society: &Society, who: ResidentId) -> Option<Self> {
        let resident = society.residents.get(who)?.clone();
        let uses = [Use::Post, Use::Remember, Use::Recall, Use::Letter, Use::Journal];
        let left = uses.map(|what| (what.action(), society.quotas.left(who, what, &society.rules)));
        Some(Self {
            free: society.wallets.balance(Account::Free(who)),
            journal: society.wallets.balance(Account::Journal(who)),
            today: society.today,
            left: left.into(),
            collaboration: society.collaboration.as_ref().map(|text| text.id.clone()),
            rooms: rooms_of(society, who),
            read_through: society.mail.read_through(who),
            words: society.memories.count(who) > 0,
            resident,
        })
    }
}

#[tonic::async_trait]
impl BriefingService for Door {
    async fn get_briefing(
        &self,
        request: Request<pb::GetBriefingRequest>,
    ) -> Result<Response<pb::GetBriefingResponse>, Status> {
        let lease = Caller::of(&request).lease.clone();
        let wire = request.into_inner();
        let mut wrong = Violations::new();
        let who: Option<ResidentId> = wrong.parse("resident_id", &wire.resident_id);
        let task: Option<TaskId> = wrong.parse_optional("task_id", &wire.task_id);
        let wants = wants(&mut wrong, wire.kind);
        let query = match wire.query.as_str() {
            "" => None,
            text => Some(convert::query(&mut wrong, "query", text, (1, 4_000))),
        };
        let count = match (wire.memory_count, wire.terse) {
            (0, false) => MEMORIES,
            (0, true) => MEMORIES_TERSE,
            (count, _) => wrong.bounded("memory_count", count, 1..=12).unwrap_or(1),
        };
        let who = wrong.done(who)?;
        if lease.is_some_and(|lease| lease.resident != Some(who)) {
            let refused = Refusal::new(Reason::AuthNotPermitted).with("caller", "another's lease");
            return Err(refused.with("method", "the briefing of a resident").into());
        }
        self.reached(wire.min_position).await?;
        let at = self.ledger.committed();
        let known = self.ask(move |society| Known::of(society, who)).await?;
        let known = known.ok_or_else(|| resident_not_found(&wire.resident_id))?;
        let words = self.text(&known.resident.identity.id).await?;
        let words = identity::of_json(&words).map_err(Refusal::fault)?;
        let mut answer = pb::GetBriefingResponse {
            name: words.name.clone(),
            handle: known.resident.handle.clone(),
            free_tokens: known.free,
            journal_tokens: known.journal,
            position: Some(position(at)),
            ..pb::GetBriefingResponse::default()
        };
        answer.fragments.push(persona(&known, &words, wire.terse));
        if wants.wallet && !wire.terse {
            answer.fragments.push(wallet(&known, at));
        }
        if wants.collaboration {
            answer.fragments.extend(self.collaboration(&known, at).await?);
        }
        let task = task.map(|task| task.to_string()).unwrap_or_default();
        let shows_rooms = wants.rooms && !wire.terse;
        let unread = self.unread(&known, &task, (wants.mail, shows_rooms)).await?;
        if wants.mail {
            self.mail_parts(&unread, &task, &mut answer).await?;
            answer.fragments.extend(unread.talks(Talk::Direct));
        }
        if wants.memories && known.words {
            self.memory_parts(who, query, count, &mut answer).await?;
        }
        if shows_rooms {
            answer.fragments.extend(unread.talks(Talk::Room));
        }
        Ok(Response::new(answer))
    }
}

impl Door {
    async fn collaboration(&self, known: &Known, at: u64) -> Result<Option<pb::Fragment>, Refusal> {
        let Some(id) = &known.collaboration else { return Ok(None) };
        let text = format!("The human's standing request to all: {}", self.text(id).await?);
        Ok(Some(part("collaboration", at, TrustLabel::Operator, FragmentSlot::Data, &text)))
    }

    /// Everything that the resident has not read yet, in one look.
    async fn unread(
        &self,
        known: &Known,
        task: &str,
        (mail, rooms): (bool, bool),
    ) -> Result<Unread, Refusal> {
        if !mail && !rooms {
            return Ok(Unread::default());
        }
        let (who, behind, about) = (known.resident.resident, known.read_through, task.to_owned());
        let open = known.rooms.clone();
        let mut unread = self
            .view(move |db| {
                let mut unread = Unread::default();
                if mail {
                    unread.letters = letters::to_resident(db, who, &about, LETTERS_MAX)?;
                    unread.naming = messages::naming(db, who, behind, MENTIONS_MAX)?;
                }
                for (talk, wanted) in [(Talk::Direct, mail), (Talk::Room, rooms)] {
                    let mut told = 0;
                    for room in open.iter().filter(|room| wanted && Talk::of(room) == talk) {
                        let news = messages::unread(db, room, who, behind, MESSAGES_MAX)?;
                        if !news.is_empty() {
                            unread.rooms.push((room.clone(), news));
                            told += 1;
                        }
                        if told == ROOMS_MAX {
                            break;
                        }
                    }
                }
                Ok(unread)
            })
            .await?;
        let authors = unread.authors();
        if !authors.is_empty() {
            unread.handles = self.ask(move |society| handles(society, authors)).await?;
        }
        Ok(unread)
    }

    /// Unread letters of the human, answers about the task, and messages that name the resident.
    async fn mail_parts(
        &self,
        unread: &Unread,
        task: &str,
        answer: &mut pb::GetBriefingResponse,
    ) -> Result<(), Refusal> {
        for letter in &unread.letters {
            let text = self.text(&letter.text_id).await?;
            let answers = !task.is_empty() && letter.task == task;
            let slot = if answers { FragmentSlot::Instruction } else { FragmentSlot::Data };
            let what = if letter.reply_to.is_empty() { "Letter" } else { "Answer" };
            let text = format!("{what} of the human to you, day {}: {text}", letter.day);
            let part = part("mail", letter.sequence, TrustLabel::Operator, slot, &text);
            answer.fragments.push(pb::Fragment { private: true, ..part });
            if letter.opened.is_none() {
                answer.letter_ids.push(letter.letter.to_string());
            }
        }
        for message in &unread.naming {
            let by = called(&unread.handles, message);
            let text = format!("{by} named you in {}: {}", message.room, message.text);
            let label = match message.author {
                Author::Human => TrustLabel::Operator,
                Author::Resident(_) | Author::Society => TrustLabel::Peer,
            };
            let part = part("mail", message.sequence, label, FragmentSlot::Data, &text);
            let private = room::members(&message.room).is_some();
            answer.fragments.push(pb::Fragment { private, ..part });
        }
        Ok(())
    }

    async fn memory_parts(
        &self,
        who: ResidentId,
        query: Option<Vec<String>>,
        count: u32,
        answer: &mut pb::GetBriefingResponse,
    ) -> Result<(), Refusal> {
        let found = self.recalled(who, query.filter(|words| !words.is_empty()), count).await?;
        for found in found.into_iter().filter(|found| found.state == memory::State::Live) {
            let (kind, day) = (found.kind.word(), found.day);
            let text = format!("You remember ({kind}, day {day}): {}", found.text);
            let label = write::label(found.label.max(Label::Own));
            let slot = FragmentSlot::Data;
            answer.fragments.push(part("memories", found.sequence, label, slot, &text));
            answer.memory_ids.push(found.memory.to_string());
        }
        Ok(())
    }
}

/// What a resident has not read yet.
#[derive(Debug, Default)]
struct Unread {
    letters: Vec<letters::Letter>,
    /// Messages that name the resident.
    naming: Vec<Message>,
    /// The newest messages of each room with any, newest first.
    rooms: Vec<(String, Vec<Message>)>,
    /// What the residents who wrote them are called.
    handles: BTreeMap<ResidentId, String>,
}

impl Unread {
    /// The residents who wrote any of it.
    fn authors(&self) -> BTreeSet<ResidentId> {
        let messages = self.rooms.iter().flat_map(|(_, messages)| messages).chain(&self.naming);
        let authors = messages.filter_map(|message| match message.author {
            Author::Resident(who) => Some(who),
            Author::Human | Author::Society => None,
        });
        authors.collect()
    }

    /// What is new in rooms, or from others to this one alone.
    fn talks(&self, talk: Talk) -> impl Iterator<Item = pb::Fragment> {
        let rooms = self.rooms.iter().filter(move |(room, _)| Talk::of(room) == talk);
        rooms.filter_map(move |(room, unread)| news(&self.handles, talk, room, unread))
    }
}

/// What these residents are called.
fn handles(society: &Society, who: BTreeSet<ResidentId>) -> BTreeMap<ResidentId, String> {
    let known = who.into_iter().filter_map(|who| society.residents.get(who));
    known.map(|one| (one.resident, one.handle.clone())).collect()
}

/// Where messages are exchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Talk {
    /// Between two alone: it is mail.
    Direct,
    /// In a room that others read.
    Room,
}

impl Talk {
    fn of(room: &str) -> Self {
        if room::members(room).is_some() { Self::Direct } else { Self::Room }
    }

    const fn section(self) -> &'static str {
        match self {
            Self::Direct => "mail",
            Self::Room => "rooms",
        }
    }
}

/// The rooms that a resident reads. What others wrote to each other is not among them.
fn rooms_of(society: &Society, who: ResidentId) -> Vec<String> {
    let rooms = society.rooms.all().into_iter().map(|(name, _)| name);
    rooms.filter(|name| room::is_open_to(name, who)).cloned().collect()
}

fn wants(wrong: &mut Violations, kind: i32) -> Wants {
    let all = Wants { wallet: true, collaboration: true, mail: true, memories: true, rooms: true };
    match CycleKind::try_from(kind) {
        Ok(CycleKind::Task | CycleKind::FreeTime) => all,
        Ok(CycleKind::Mail) => Wants { rooms: false, ..all },
        Ok(CycleKind::Social) => Wants { collaboration: false, ..all },
        Ok(CycleKind::Reflection) => Wants { memories: true, ..Wants::default() },
        Ok(CycleKind::Ballot) => Wants { mail: true, ..Wants::default() },
        Ok(CycleKind::Unspecified | CycleKind::Critique | CycleKind::Local) | Err(_) => {
            wrong.add("kind", "must be a kind of cycle that a resident has");
            Wants::default()
        }
    }
}

fn part(
    section: &str,
    sequence: u64,
    label: TrustLabel,
    slot: FragmentSlot,
    text: &str,
) -> pb::Fragment {
    pb::Fragment {
        section: section.to_owned(),
        source: format!("society:{sequence}"),
        label: label.into(),
        slot: slot.into(),
        text: text.chars().take(PART_LENGTH_MAX).collect(),
        private: false,
    }
}

/// Who wrote a message, and whether that is more than what another world said.
fn called(handles: &BTreeMap<ResidentId, String>, message: &Message) -> String {
    let by = match message.author {
        Author::Human => "the human".to_owned(),
        Author::Society => "the runtime".to_owned(),
        Author::Resident(who) => handles.get(&who).cloned().unwrap_or_else(|| who.to_string()),
    };
    match message.sender {
        Sender::Proven => by,
        Sender::Unproven => by + " (sender not proven)",
    }
}

/// What is unread in a room, given newest first; what two wrote to each other alone is private.
fn news(
    handles: &BTreeMap<ResidentId, String>,
    talk: Talk,
    room: &str,
    unread: &[Message],
) -> Option<pb::Fragment> {
    let newest = unread.first()?.sequence;
    let mut text = format!("New in {room}:");
    for message in unread.iter().rev() {
        let words: String = message.text.chars().take(MESSAGE_LENGTH).collect();
        let (id, by) = (message.message, called(handles, message));
        // Writing to a string cannot fail.
        let _infallible = write!(text, "\n- {id} {by}: {words}");
    }
    let part = part(talk.section(), newest, TrustLabel::Peer, FragmentSlot::Data, &text);
    Some(pb::Fragment { private: talk == Talk::Direct, ..part })
}

fn persona(known: &Known, words: &Identity, terse: bool) -> pb::Fragment {
    let Resident { resident, handle, sessions, .. } = &known.resident;
    let mut text = format!("You are {} ({handle}, {resident}).", words.name);
    let mut say = |what: &str, said: &str| {
        if !said.is_empty() {
            // Writing to a string cannot fail.
            let _infallible = write!(text, "\n{what}{said}");
        }
    };
    say("", &words.identity_statement);
    say("How you talk: ", &words.communication_style);
    say("Traits: ", &words.personality_traits.join(", "));
    say("Values: ", &words.core_values.join(", "));
    if !terse {
        say("", &words.summary);
        for (name, said) in words.mutable.fields() {
            let mut name = name.replace('_', " ");
            if let Some(first) = name.get_mut(..1) {
                first.make_ascii_uppercase();
            }
            say(&format!("{name}: "), said);
        }
        let level = known.resident.level();
        say("", &format!("Level {level}, {sessions} sessions."));
    }
    part("identity", known.resident.changed, TrustLabel::Own, FragmentSlot::Persona, &text)
}

fn wallet(known: &Known, at: u64) -> pb::Fragment {
    let Day { day, week, weekday, rest_day } = known.today;
    let name = usize::try_from(weekday).ok().and_then(|day| WEEKDAYS.get(day.checked_sub(1)?));
    let date = match name {
        Some(name) => format!("Day {day}, {name} of week {week}"),
        None => "Before the first day".to_owned(),
    };
    let rest = if rest_day { ", a day of rest" } else { "" };
    let left: Vec<String> =
        known.left.iter().map(|(action, left)| format!("{action} {left}")).collect();
    let text = format!(
        "{date}{rest}. Your wallet: {} free tokens, {} for journals. Left today: {}.",
        known.free,
        known.journal,
        left.join(", ")
    );
    part("wallet", at, TrustLabel::System, FragmentSlot::Data, &text)
}

#[cfg(test)]
mod tests {
    use vivarium_ledger::{Hash, Meta, TextRef};
    use vivarium_types::ids::{Id as _, MessageId};
    use vivarium_types::{Actor, Timestamp};

    use super::*;

    #[test]
    fn nobody_reads_what_two_others_wrote_to_each_other() {
        let mut society = Society::default();
        let [a, b, c] = [1, 2, 3].map(ResidentId::from_number);
        let between = room::of_two(a, b);
        let title = TextRef { id: "title".into(), hash: Hash::default(), length: 5, sealed: false };
        for (name, sequence) in [("town_hall", 1), (between.as_str(), 2)] {
            let actor = Actor::Operator("ada".to_owned());
            let meta = Meta { sequence, time: Timestamp::EPOCH, actor };
            society.rooms.apply_opened(name, &title, &meta);
        }
        assert_eq!(rooms_of(&society, a), ["town_hall", &between]);
        assert_eq!(rooms_of(&society, b), ["town_hall", &between]);
        assert_eq!(rooms_of(&society, c), ["town_hall"]);
    }

    fn said(room: &str, sender: Sender) -> Message {
        Message {
            sequence: 7,
            message: MessageId::from_number(1),
            room: room.to_owned(),
            author: Author::Resident(ResidentId::from_number(1)),
            text: "meet me at the pond".to_owned(),
            text_id: "text".to_owned(),
            mood: String::new(),
            importance: 3,
            reply_to: String::new(),
            mentions: Vec::new(),
            hop: 1,
            day: 1,
            time: Timestamp::EPOCH,
            hidden: None,
            task: String::new(),
            cycle: String::new(),
            sender,
        }
    }

    #[test]
    fn what_two_wrote_to_each_other_is_private_and_an_unproven_sender_is_called_so() {
        let [a, b] = [1, 2].map(ResidentId::from_number);
        let handles = BTreeMap::from([(a, "ada".to_owned())]);
        let told = |room: &str, sender| {
            let part =
                news(&handles, Talk::of(room), room, &[said(room, sender)]).expect("there is news");
            (part.private, part.section, part.text)
        };
        let between = room::of_two(a, b);
        let (private, section, text) = told(&between, Sender::Unproven);
        assert_eq!((private, &*section), (true, "mail"));
        assert!(text.contains("ada (sender not proven): meet me"), "{text}");
        let (private, section, text) = told("town_hall", Sender::Proven);
        assert_eq!((private, &*section), (false, "rooms"));
        assert!(text.contains("ada: meet me"), "{text}");
    }
}
