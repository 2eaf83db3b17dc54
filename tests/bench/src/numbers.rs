//! A domain that only writes numbers down: what a ledger costs and keeps, without any rule of its own.
//!
//! It refuses nothing and notices no repeats, so that whatever is lost or doubled is the ledger's
//! doing.

use std::collections::BTreeMap;
use std::convert::Infallible;

use serde::{Deserialize, Serialize};
use vivarium_ledger::{Aggregate, Context, FactNote, Meta, Request, SegmentNote};
use vivarium_proto::ledger::v1 as pb;

/// How often each caller's numbers were written down.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbers {
    /// Events by caller.
    pub noted: BTreeMap<u32, u64>,
    /// Facts of peers; nobody is followed here, so it stays 0.
    pub facts: u64,
}

/// One caller's number, to be written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Note {
    /// Who asks.
    pub caller: u32,
    /// What is to be written down.
    pub number: u64,
}

impl Note {
    /// The identity of this call: the same for every repeat of it.
    pub fn request(self) -> Request {
        let wire = Wire { caller: self.caller, number: self.number, ..Wire::default() };
        Request::of("Numbers/Note", &format!("{}-{}", self.caller, self.number), &wire)
    }
}

/// What can have happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A number was written down.
    Noted(Note),
    /// A peer's fact had no effect.
    Fact(FactNote),
    /// Older rows have left the hot file.
    Closed(Box<SegmentNote>),
}

/// An event as it is stored.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
pub struct Wire {
    /// Who asked.
    #[prost(uint32, tag = "1")]
    pub caller: u32,
    /// What was written down.
    #[prost(uint64, tag = "2")]
    pub number: u64,
    /// A fact without effect; the other two fields say nothing then.
    #[prost(message, optional, tag = "3")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fact: Option<WireFact>,
    /// A closed segment; the first two fields say nothing then.
    #[prost(message, optional, tag = "4")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<pb::SegmentClosed>,
}

/// A stored message that is no event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAnEvent;

/// A peer's fact as it is stored.
#[derive(Clone, PartialEq, Eq, prost::Message, Serialize, Deserialize)]
pub struct WireFact {
    /// The followed service.
    #[prost(string, tag = "1")]
    pub source: String,
    /// The row over there.
    #[prost(uint64, tag = "2")]
    pub sequence: u64,
    /// Its kind.
    #[prost(string, tag = "3")]
    pub kind: String,
    /// Why it had no effect.
    #[prost(string, tag = "4")]
    pub reason: String,
}

impl Aggregate for Numbers {
    const NAME: &'static str = "numbers";
    const SCHEMA: u32 = 1;
    const STATE_VERSION: u32 = 1;

    type Command = Note;
    type Event = Event;
    type Wire = Wire;
    type Rejection = Infallible;

    fn decide(&self, command: Note, _cx: &Context<'_>) -> Result<Vec<Event>, Infallible> {
        Ok(vec![Event::Noted(command)])
    }

    fn apply(&mut self, event: &Event, _meta: &Meta) {
        match event {
            Event::Noted(note) => *self.noted.entry(note.caller).or_default() += 1,
            Event::Fact(_) => self.facts += 1,
            Event::Closed(_) => {}
        }
    }

    fn kind(event: &Event) -> &'static str {
        match event {
            Event::Noted(_) => "noted",
            Event::Fact(_) => "fact",
            Event::Closed(_) => "segment_closed",
        }
    }

    fn fact_ignored(note: FactNote) -> Event {
        Event::Fact(note)
    }

    fn fact_parked(note: FactNote) -> Event {
        Event::Fact(note)
    }

    fn segment_closed(note: SegmentNote) -> Event {
        Event::Closed(Box::new(note))
    }

    fn reason(rejection: &Infallible) -> String {
        match *rejection {}
    }
}

impl From<Event> for Wire {
    fn from(event: Event) -> Self {
        match event {
            Event::Noted(Note { caller, number }) => Self { caller, number, ..Self::default() },
            Event::Fact(FactNote { source, sequence, kind, reason }) => {
                let fact = Some(WireFact { source, sequence, kind, reason });
                Self { fact, ..Self::default() }
            }
            Event::Closed(note) => Self { closed: Some((*note).into()), ..Self::default() },
        }
    }
}

impl TryFrom<Wire> for Event {
    type Error = NotAnEvent;

    fn try_from(Wire { caller, number, fact, closed }: Wire) -> Result<Self, NotAnEvent> {
        if let Some(closed) = closed {
            return Ok(Self::Closed(Box::new(closed.try_into().map_err(|_| NotAnEvent)?)));
        }
        Ok(match fact {
            None => Self::Noted(Note { caller, number }),
            Some(WireFact { source, sequence, kind, reason }) => {
                Self::Fact(FactNote { source, sequence, kind, reason })
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_reads_back_from_its_wire_form() {
        let fact = FactNote {
            source: "peer".into(),
            sequence: 3,
            kind: "noted".into(),
            reason: "none".into(),
        };
        for event in [Event::Noted(Note { caller: 4, number: 9 }), Event::Fact(fact)] {
            assert_eq!(Event::try_from(Wire::from(event.clone())), Ok(event));
        }
    }
}
