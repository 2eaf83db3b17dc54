//! The mailbox: letters between one resident and the human, both ways (`domain.md` 8.3).
//!
//! Held here is what is still open of each thread; the read model has all letters.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use vivarium_ledger::{Context, TextRef};
use vivarium_types::ids::{CycleId, LetterId, ResidentId, TaskId};

use super::lease::Under;
use super::{Event, Label, Refused};

/// What a letter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// It asks something.
    Question,
    /// It says hello.
    Greeting,
    /// It proposes something.
    Idea,
    /// It worries about something.
    Concern,
    /// Anything else.
    Message,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Question, Self::Greeting, Self::Idea, Self::Concern, Self::Message];

    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Question => "question",
            Self::Greeting => "greeting",
            Self::Idea => "idea",
            Self::Concern => "concern",
            Self::Message => "message",
        }
    }

    /// The kind of this word.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// Which of the two wrote or read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Side {
    /// The human.
    Human,
    /// The resident of the thread.
    Resident,
}

/// Whether a task waits for the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Waits {
    /// Nothing waits.
    No,
    /// The task of the letter waits.
    Task,
}

/// A letter as the log keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Which.
    pub letter: LetterId,
    /// Whose thread.
    pub resident: ResidentId,
    /// Who wrote it.
    pub from: Side,
    /// What it is.
    pub kind: Kind,
    /// The words, sealed.
    pub text: TextRef,
    /// The task it is about.
    pub task: Option<TaskId>,
    /// Whether that task waits.
    pub waits: Waits,
    /// What it answers.
    pub reply_to: Option<LetterId>,
    /// Whether it frees a task that waited.
    pub ends_wait: bool,
    /// The day.
    pub day: u64,
    /// The cycle it was written in.
    pub cycle: Option<CycleId>,
    /// How far it is to be trusted.
    pub label: Label,
    /// The fencing token; 0 without a lease.
    pub token: u64,
}

/// A letter of a resident on its way out.
#[derive(Debug, Clone)]
pub struct Write {
    /// What it is.
    pub kind: Kind,
    /// The words, sealed.
    pub text: TextRef,
    /// The task it is about.
    pub task: Option<TaskId>,
    /// Whether that task waits.
    pub waits: Waits,
}

/// A letter of a resident that the human answers.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The letter that is answered.
    pub letter: LetterId,
    /// Whose thread.
    pub resident: ResidentId,
    /// What it is about.
    pub task: Option<TaskId>,
    /// The words, sealed.
    pub text: TextRef,
}

/// What is still open of one thread.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thread {
    /// Letters, both ways.
    pub count: u64,
    /// The newest.
    pub newest: Option<LetterId>,
    /// Letters of the resident that the human has not answered.
    unanswered: BTreeMap<LetterId, Unanswered>,
    /// Letters of the human that the resident has not read.
    undelivered: BTreeSet<LetterId>,
    /// The newest letter of the human, as long as the resident has not written since.
    owed: Option<LetterId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Unanswered {
    opened: bool,
    waits: Waits,
}

impl Thread {
    /// Letters of the resident that the human has neither opened nor answered.
    pub fn unread(&self) -> usize {
        self.unanswered.values().filter(|letter| !letter.opened).count()
    }

    /// Letters of the resident for whose answer a task waits.
    pub fn waiting(&self) -> usize {
        self.unanswered.values().filter(|letter| letter.waits == Waits::Task).count()
    }

    /// Letters of the human that the resident has not read.
    pub fn undelivered(&self) -> usize {
        self.undelivered.len()
    }

    /// The letter of the human that the resident would answer now. Answers cost nothing.
    pub const fn owed(&self) -> Option<LetterId> {
        self.owed
    }
}

/// All threads, and what running cycles were shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mail {
    threads: BTreeMap<ResidentId, Thread>,
    shown: BTreeMap<ResidentId, Shown>,
    read_through: BTreeMap<ResidentId, u64>,
}

/// What a cycle's briefing held of society.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// Who saw it.
    pub resident: ResidentId,
    /// In which cycle.
    pub cycle: CycleId,
    /// Letters of the human.
    pub letters: Vec<LetterId>,
    /// The newest row that it told of.
    pub seen: u64,
}

impl Mail {
    /// What is open between the human and a resident.
    pub fn thread(&self, resident: ResidentId) -> Option<&Thread> {
        self.threads.get(&resident)
    }

    /// All threads that hold a letter.
    pub fn threads(&self) -> impl Iterator<Item = (ResidentId, &Thread)> {
        self.threads.iter().map(|(resident, thread)| (*resident, thread))
    }

    /// The row up to which a resident has read the rooms.
    pub fn read_through(&self, resident: ResidentId) -> u64 {
        self.read_through.get(&resident).copied().unwrap_or(0)
    }

    /// A resident writes to the human.
    pub fn write(&self, write: Write, under: &Under, day: u64, cx: &Context<'_>) -> Sent {
        Sent {
            letter: cx.mint(),
            resident: under.resident,
            from: Side::Resident,
            kind: write.kind,
            text: write.text,
            task: write.task,
            waits: write.waits,
            reply_to: self.thread(under.resident).and_then(Thread::owed),
            ends_wait: false,
            day,
            cycle: Some(under.cycle),
            label: under.label,
            token: under.token,
        }
    }

    /// The human writes to a resident.
    pub fn send(
        resident: ResidentId,
        kind: Kind,
        text: TextRef,
        day: u64,
        cx: &Context<'_>,
    ) -> Sent {
        Sent {
            letter: cx.mint(),
            resident,
            from: Side::Human,
            kind,
            text,
            task: None,
            waits: Waits::No,
            reply_to: None,
            ends_wait: false,
            day,
            cycle: None,
            label: Label::Operator,
            token: 0,
        }
    }

    /// The human answers a letter; whether it is the first answer to it.
    pub fn answer(&self, answer: Answer, day: u64, cx: &Context<'_>) -> (Sent, bool) {
        let open = self
            .thread(answer.resident)
            .and_then(|thread| thread.unanswered.get(&answer.letter).copied());
        let sent = Sent {
            letter: cx.mint(),
            resident: answer.resident,
            from: Side::Human,
            kind: Kind::Message,
            text: answer.text,
            task: answer.task,
            waits: Waits::No,
            reply_to: Some(answer.letter),
            ends_wait: open.is_some_and(|open| open.waits == Waits::Task),
            day,
            cycle: None,
            label: Label::Operator,
            token: 0,
        };
        (sent, open.is_some())
    }

    /// The human reads a letter; nothing happens when it was read before.
    pub fn open(&self, resident: ResidentId, letter: LetterId) -> Option<Event> {
        let unanswered = self.thread(resident)?.unanswered.get(&letter)?;
        let by = Side::Human;
        (!unanswered.opened).then_some(Event::LetterOpened { letter, resident, by, cycle: None })
    }

    /// What a cycle's end means for what it was shown: its letters are read, in their order.
    pub fn end(&self, resident: ResidentId, cycle: CycleId) -> Vec<Event> {
        let Some(shown) = self.shown.get(&resident).filter(|shown| shown.cycle == cycle) else {
            return Vec::new();
        };
        let open = |letter: &LetterId| {
            self.thread(resident).is_some_and(|thread| thread.undelivered.contains(letter))
        };
        let read = |letter| Event::LetterOpened {
            letter,
            resident,
            by: Side::Resident,
            cycle: Some(cycle),
        };
        shown.letters.iter().copied().filter(open).map(read).collect()
    }

    /// A cycle was shown something.
    pub fn show(&self, shown: Shown) -> Result<Event, Refused> {
        let known = self.shown.get(&shown.resident).is_some_and(|last| last.cycle == shown.cycle);
        if known { Err(Refused::Known) } else { Ok(Event::BriefingShown(shown)) }
    }

    /// A letter was sent.
    pub fn apply_sent(&mut self, sent: &Sent) {
        let thread = self.threads.entry(sent.resident).or_default();
        thread.count += 1;
        thread.newest = Some(sent.letter);
        match sent.from {
            Side::Resident => {
                thread.owed = None;
                let open = Unanswered { opened: false, waits: sent.waits };
                thread.unanswered.insert(sent.letter, open);
            }
            Side::Human => {
                thread.owed = Some(sent.letter);
                thread.undelivered.insert(sent.letter);
                if let Some(answered) = sent.reply_to {
                    thread.unanswered.remove(&answered);
                }
            }
        }
    }

    /// A letter was read.
    pub fn apply_opened(&mut self, resident: ResidentId, letter: LetterId, by: Side) {
        let Some(thread) = self.threads.get_mut(&resident) else { return };
        match by {
            Side::Human => {
                if let Some(open) = thread.unanswered.get_mut(&letter) {
                    open.opened = true;
                }
            }
            Side::Resident => {
                thread.undelivered.remove(&letter);
            }
        }
    }

    /// A cycle was shown something.
    pub fn apply_shown(&mut self, shown: &Shown) {
        let read = self.read_through.entry(shown.resident).or_default();
        *read = shown.seen.max(*read);
        self.shown.insert(shown.resident, shown.clone());
    }
}
