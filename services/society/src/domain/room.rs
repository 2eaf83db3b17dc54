//! Rooms: places where residents and the human write for all to read (`domain.md` 8.1).

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use vivarium_ledger::planted::{self, Guard};
use vivarium_ledger::{Context, Meta, TextRef};
use vivarium_types::Timestamp;
use vivarium_types::ids::{CycleId, MessageId, ResidentId, TaskId};

use super::lease::Under;
use super::talk::{Spent, Stop, Talk};
use super::{Event, Label, Refused};

/// The room that tells of verdicts.
pub const TOWN_HALL: &str = "town_hall";
/// How far back the runtime looks for somebody to reply to.
const RECENT_MAX: usize = 8;
/// Turns between a message and a human's act above which it wakes nobody.
const HOP_OF_A_CYCLE: u32 = 1;

/// Who wrote something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Author {
    /// The person who runs the world.
    Human,
    /// A resident.
    Resident(ResidentId),
    /// The runtime.
    Society,
}

impl fmt::Display for Author {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Human => f.write_str("human"),
            Self::Resident(resident) => resident.fmt(f),
            Self::Society => f.write_str("society"),
        }
    }
}

impl FromStr for Author {
    type Err = vivarium_types::ids::NotAnId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "human" => Ok(Self::Human),
            "society" => Ok(Self::Society),
            id => id.parse().map(Self::Resident),
        }
    }
}

/// Whether it is certain who wrote something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sender {
    /// A lease, a session or the runtime says so.
    #[default]
    Proven,
    /// Only what another world said.
    Unproven,
}

/// The beginning of the names of rooms of two.
const DIRECT: &str = "dm__";

/// The room of two residents, whichever is named first.
pub fn of_two(one: ResidentId, other: ResidentId) -> String {
    let (first, second) = (one.min(other), one.max(other));
    format!("{DIRECT}{first}__{second}")
}

/// The two residents of a room of direct messages; `None` for a room for all.
pub fn members(room: &str) -> Option<[ResidentId; 2]> {
    let (first, second) = room.strip_prefix(DIRECT)?.split_once("__")?;
    Some([first.parse().ok()?, second.parse().ok()?])
}

/// Whether a resident may read what is said in a room.
pub fn is_open_to(room: &str, resident: ResidentId) -> bool {
    members(room).is_none_or(|members| members.contains(&resident))
}

/// A message as the log keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// Which.
    pub message: MessageId,
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
    /// What it answers.
    pub reply_to: Option<MessageId>,
    /// Whom it names.
    pub mentions: Vec<ResidentId>,
    /// Turns between it and a human's act.
    pub hop: u32,
    /// The day.
    pub day: u64,
    /// The task it is about.
    pub task: Option<TaskId>,
    /// The cycle it was written in.
    pub cycle: Option<CycleId>,
    /// How far it is to be trusted.
    pub label: Label,
    /// The fencing token; 0 without a lease.
    pub token: u64,
    /// Whether it is certain who wrote it.
    pub sender: Sender,
}

/// A message on its way in.
#[derive(Debug, Clone)]
pub struct Post {
    /// Where.
    pub room: String,
    /// The words.
    pub text: TextRef,
    /// One of the moods of the rules, `free`, or nothing.
    pub mood: String,
    /// The mood in own words.
    pub mood_text: Option<TextRef>,
    /// 1 to 5.
    pub importance: u32,
    /// What it answers, and the room that lies in.
    pub reply: Option<(MessageId, String)>,
    /// Whom it names.
    pub mentions: Vec<ResidentId>,
    /// The earlier message of its author that says nearly the same.
    pub echo_of: Option<MessageId>,
}

/// A room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    /// How it is shown.
    pub title: TextRef,
    /// Whether residents may no longer post.
    pub closed: bool,
    /// Messages, hidden ones too.
    pub count: u64,
    /// When the newest was posted.
    pub newest: Option<Timestamp>,
    /// When it was opened.
    pub opened: Timestamp,
    /// The row that opened it: the order of rooms.
    pub sequence: u64,
    recent: VecDeque<(MessageId, Author)>,
    talk: Talk,
}

/// All rooms.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rooms {
    by_name: BTreeMap<String, Room>,
    /// The row at which something other than talk last happened to a resident today.
    happened: BTreeMap<ResidentId, u64>,
}

impl Rooms {
    /// One of them.
    pub fn get(&self, name: &str) -> Option<&Room> {
        self.by_name.get(name)
    }

    /// All of them with their names, in the order in which they were opened.
    pub fn all(&self) -> Vec<(&String, &Room)> {
        let mut rooms: Vec<_> = self.by_name.iter().collect();
        rooms.sort_by_key(|(_, room)| room.sequence);
        rooms
    }

    /// A resident posts, or is found to have gone on for too long with another: then that is what the
    /// log keeps.
    pub fn post_of_resident(
        &self,
        post: Post,
        under: &Under,
        day: u64,
        cx: &Context<'_>,
    ) -> Result<Event, Refused> {
        if self.found(&post)?.closed || members(&post.room).is_some() {
            return Err(Refused::RoomClosed { room: post.room });
        }
        if let Some(earlier) = post.echo_of.filter(|_| planted::stands(Guard::Echo)) {
            return Err(Refused::Echo { message: earlier.to_string() });
        }
        match self.stop(&post, under.resident) {
            None => {}
            Some(Stop::Spent(resident)) => {
                return Err(Refused::ConversationSpent { room: post.room, resident });
            }
            Some(Stop::TooLong(other)) => {
                let (room, resident, cycle) = (post.room, under.resident, under.cycle);
                return Ok(Event::ConversationSpent(Spent { room, resident, other, day, cycle }));
            }
        }
        Ok(Event::MessagePosted(Box::new(Posted {
            message: cx.mint(),
            room: post.room,
            author: Author::Resident(under.resident),
            text: post.text,
            mood: post.mood,
            mood_text: post.mood_text,
            importance: post.importance,
            reply_to: post.reply.map(|(message, _)| message),
            mentions: post.mentions,
            hop: HOP_OF_A_CYCLE,
            day,
            task: under.task,
            cycle: Some(under.cycle),
            label: under.label,
            token: under.token,
            sender: Sender::Proven,
        })))
    }

    /// The human posts.
    pub fn post_of_human(&self, post: Post, day: u64, cx: &Context<'_>) -> Result<Event, Refused> {
        self.found(&post)?;
        if members(&post.room).is_some() {
            return Err(Refused::RoomClosed { room: post.room });
        }
        Ok(Event::MessagePosted(Box::new(Posted {
            message: cx.mint(),
            room: post.room,
            author: Author::Human,
            text: post.text,
            mood: post.mood,
            mood_text: post.mood_text,
            importance: post.importance,
            reply_to: post.reply.map(|(message, _)| message),
            mentions: post.mentions,
            hop: 0,
            day,
            task: None,
            cycle: None,
            label: Label::Operator,
            token: 0,
            sender: Sender::Proven,
        })))
    }

    /// The runtime tells of a verdict about work of `resident`, in reply to the newest post of
    /// somebody else. Nothing without a town hall.
    pub fn tell(
        &self,
        (text, label): (TextRef, Label),
        task: TaskId,
        resident: Option<ResidentId>,
        day: u64,
        cx: &Context<'_>,
    ) -> Option<Event> {
        let hall = self.get(TOWN_HALL)?;
        let someone_else = |author: &Author| match author {
            Author::Human => true,
            Author::Resident(who) => Some(*who) != resident,
            Author::Society => false,
        };
        let reply_to = hall.recent.iter().rev().find(|(_, author)| someone_else(author));
        Some(Event::MessagePosted(Box::new(Posted {
            message: cx.mint(),
            room: TOWN_HALL.to_owned(),
            author: Author::Society,
            text,
            mood: String::new(),
            mood_text: None,
            importance: 3,
            reply_to: reply_to.map(|(message, _)| *message),
            mentions: Vec::new(),
            hop: HOP_OF_A_CYCLE,
            day,
            task: Some(task),
            cycle: None,
            label,
            token: 0,
            sender: Sender::Proven,
        })))
    }

    /// A room was opened.
    pub fn apply_opened(&mut self, name: &str, title: &TextRef, meta: &Meta) {
        let room = Room {
            title: title.clone(),
            closed: false,
            count: 0,
            newest: None,
            opened: meta.time,
            sequence: meta.sequence,
            recent: VecDeque::new(),
            talk: Talk::default(),
        };
        self.by_name.insert(name.to_owned(), room);
    }

    /// A message was posted.
    pub fn apply_posted(&mut self, posted: &Posted, meta: &Meta) {
        let Some(room) = self.by_name.get_mut(&posted.room) else { return };
        room.count += 1;
        room.newest = Some(meta.time);
        room.recent.push_back((posted.message, posted.author));
        if room.recent.len() > RECENT_MAX {
            room.recent.pop_front();
        }
        let takes_part = match posted.author {
            Author::Human => true,
            Author::Resident(_) => posted.token > 0,
            Author::Society => false,
        };
        if takes_part {
            let to = room.talk.addressed(&posted.mentions, posted.reply_to);
            room.talk.apply_said(meta.sequence, posted.message, posted.author, to);
        }
    }

    /// A conversation was cut.
    pub fn apply_spent(&mut self, spent: &Spent) {
        if let Some(room) = self.by_name.get_mut(&spent.room) {
            room.talk.apply_spent(spent.resident, spent.other);
        }
    }

    /// Something other than talk happened to a resident.
    pub fn apply_happened(&mut self, resident: ResidentId, meta: &Meta) {
        self.happened.insert(resident, meta.sequence);
    }

    /// A new day: everybody may speak to everybody again.
    pub fn apply_day(&mut self) {
        self.happened.clear();
        for room in self.by_name.values_mut() {
            room.talk = Talk::default();
        }
    }

    /// A message was hidden: nobody replies to it any more.
    pub fn apply_hidden(&mut self, room: &str, message: MessageId) {
        if let Some(room) = self.by_name.get_mut(room) {
            room.recent.retain(|(recent, _)| *recent != message);
        }
    }

    /// What of a conversation stands in a post's way.
    fn stop(&self, post: &Post, who: ResidentId) -> Option<Stop> {
        let talk = &self.get(&post.room)?.talk;
        let to = talk.addressed(&post.mentions, post.reply.as_ref().map(|(message, _)| *message));
        talk.stop(who, &to, |one| self.happened.get(&one).copied().unwrap_or(0))
    }

    /// The room of a post, if what it answers lies there too.
    fn found(&self, post: &Post) -> Result<&Room, Refused> {
        let missing = || Refused::RoomNotFound { room: post.room.clone() };
        let room = self.get(&post.room).ok_or_else(missing)?;
        match &post.reply {
            Some((message, elsewhere)) if *elsewhere != post.room => {
                Err(Refused::MessageNotFound { message: message.to_string() })
            }
            Some(_) | None => Ok(room),
        }
    }
}

#[cfg(test)]
mod tests {
    use vivarium_types::ids::Id as _;

    use super::*;

    #[test]
    fn a_room_of_two_is_theirs_whoever_is_named_first() {
        let [a, b, c] = [1, 2, 3].map(ResidentId::from_number);
        let room = of_two(b, a);
        assert_eq!(room, of_two(a, b));
        assert_eq!(members(&room), Some([a, b]));
        assert_eq!([a, b, c].map(|who| is_open_to(&room, who)), [true, true, false]);
        assert_eq!(members("town_hall"), None);
        assert!(is_open_to("dm__club", c), "what names nobody is a room for all");
    }
}
