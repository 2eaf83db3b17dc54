//! What residents do in society, each under its lease: price and effect in one commit.

use vivarium_ledger::{Context, TextRef};
use vivarium_types::ids::MemoryId;

use super::day::Use;
use super::journal::{self, Written};
use super::lease::Under;
use super::mail::{self, Mail, Sent};
use super::memory::{Recalled, Remember};
use super::{Event, Refused, Society, moved, room};

/// What a resident asks for.
#[derive(Debug, Clone)]
pub enum Act {
    /// Post into a room.
    Post(room::Post),
    /// Keep a memory.
    Remember(Remember),
    /// Keep a memory whose very words are kept already.
    RememberAgain(MemoryId),
    /// Look into own memories; these were found.
    Recall(Vec<MemoryId>),
    /// Write to the human.
    Write(mail::Write),
    /// Write a journal entry.
    Journal {
        /// What it is.
        kind: journal::Kind,
        /// The words, sealed.
        text: TextRef,
        /// Who may read it.
        readers: journal::Readers,
    },
}

impl Act {
    /// What it is counted as.
    const fn uses(&self) -> Use {
        match self {
            Self::Post(_) => Use::Post,
            Self::Remember(_) | Self::RememberAgain(_) => Use::Remember,
            Self::Recall(_) => Use::Recall,
            Self::Write(write) => match write.kind {
                mail::Kind::Concern => Use::Concern,
                mail::Kind::Question
                | mail::Kind::Greeting
                | mail::Kind::Idea
                | mail::Kind::Message => Use::Letter,
            },
            Self::Journal { .. } => Use::Journal,
        }
    }
}

impl Society {
    /// A resident does something, if its lease, its day and its wallet allow it.
    pub(super) fn act(
        &self,
        under: &Under,
        act: Act,
        cx: &Context<'_>,
    ) -> Result<Vec<Event>, Refused> {
        let who = under.resident;
        if self.tokens.outrun(under) || self.heard.over(under) {
            return Err(Refused::LeaseLost { lease: under.lease });
        }
        if self.residents.get(who).is_none() {
            return Err(Refused::ResidentNotFound { resident: who.to_string() });
        }
        self.quotas.check(who, act.uses(), &self.rules)?;
        let (day, token) = (self.today.day, under.token);
        match act {
            Act::Post(post) => Ok(vec![self.rooms.post_of_resident(post, under, day, cx)?]),
            Act::Remember(remember) => {
                let bounds = (self.rules.live_memories, self.sessions(who));
                self.memories.remember(remember, under, day, bounds, cx)
            }
            Act::RememberAgain(memory) => Ok(vec![self.memories.refresh(who, memory, day, token)?]),
            Act::Recall(memories) => {
                let cycle = under.cycle;
                let recalled = Recalled { resident: who, cycle, memories, day, token };
                Ok(vec![Event::MemoryRecalled(recalled)])
            }
            Act::Write(write) => self.write(write, under, cx),
            Act::Journal { kind, text, readers } => {
                let (journal, cycle) = (cx.mint(), under.cycle);
                let written =
                    Written { journal, resident: who, kind, text, readers, day, cycle, token };
                Ok(vec![Event::JournalWritten(written)])
            }
        }
    }

    /// A letter to the human: free if it raises a concern or answers, else at its price.
    fn write(
        &self,
        write: mail::Write,
        under: &Under,
        cx: &Context<'_>,
    ) -> Result<Vec<Event>, Refused> {
        let sent: Sent = Mail::write(&self.mail, write, under, self.today.day, cx);
        let free = sent.kind == mail::Kind::Concern || sent.reply_to.is_some();
        let price = if free { 0 } else { self.rules.letter_price };
        let mut booking = self.booking();
        let (key, subject) = (format!("price:{}", sent.letter), sent.letter.to_string());
        let paid = booking.price(key, subject, under.resident, price);
        paid.map_err(|_| Refused::Insufficient { price })?;
        let mut events = vec![Event::LetterSent(Box::new(sent))];
        events.extend(moved(booking));
        Ok(events)
    }
}
