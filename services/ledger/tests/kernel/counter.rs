//! A small domain for the kernel's tests: named counters, one business key, one timer.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vivarium_ledger::aggregate::{Aggregate, Context, FactNote, Meta, SegmentNote};
use vivarium_ledger::store::TextRef;
use vivarium_proto::ledger::v1::SegmentClosed;
use vivarium_types::Timestamp;
use vivarium_types::ids::TaskId;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counters {
    pub totals: BTreeMap<String, i64>,
    pub notes: Vec<String>,
    pub ignored: Vec<String>,
    pub parked: Vec<String>,
    pub due: Option<Timestamp>,
    pub rung: u32,
    pub last_sequence: u64,
}

#[derive(Debug, Clone)]
pub(crate) enum Command {
    Add { name: String, by: i64 },
    Once { key: String },
    Note { text: TextRef },
    RingAt { due: Timestamp },
    Mint,
    Forget,
    Panic,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Event {
    Added { name: String, by: i64 },
    Claimed { key: String },
    Noted { text: TextRef },
    AlarmSet { due: Timestamp },
    Rang,
    Minted { id: TaskId },
    Ignored(FactNote),
    Parked(FactNote),
    Closed(SegmentNote),
    Forgot,
}

/// The wire form: one flat message with serde, as pbjson would give.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Wire {
    #[prost(string, tag = "1")]
    pub kind: String,
    #[prost(string, tag = "2")]
    pub name: String,
    #[prost(sint64, tag = "3")]
    pub by: i64,
    #[prost(message, optional, tag = "4")]
    pub text: Option<WireText>,
    #[prost(message, optional, tag = "5")]
    pub note: Option<WireNote>,
    #[prost(message, optional, tag = "6")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed: Option<SegmentClosed>,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
pub(crate) struct WireText {
    #[prost(string, tag = "1")]
    pub id: String,
    #[prost(string, tag = "2")]
    pub hash: String,
    #[prost(uint32, tag = "3")]
    pub length: u32,
    #[prost(bool, tag = "4")]
    pub sealed: bool,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
pub(crate) struct WireNote {
    #[prost(string, tag = "1")]
    pub source: String,
    #[prost(uint64, tag = "2")]
    pub sequence: u64,
    #[prost(string, tag = "3")]
    pub kind: String,
    #[prost(string, tag = "4")]
    pub reason: String,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Negative,
    KeyUsed { by: u64 },
}

impl Aggregate for Counters {
    const NAME: &'static str = "counters";
    const SCHEMA: u32 = 1;
    const STATE_VERSION: u32 = 1;

    type Command = Command;
    type Event = Event;
    type Wire = Wire;
    type Rejection = Refused;

    fn needs(command: &Command) -> Vec<String> {
        match command {
            Command::Once { key } => vec![key.clone()],
            Command::Add { .. }
            | Command::Note { .. }
            | Command::RingAt { .. }
            | Command::Mint
            | Command::Forget
            | Command::Panic => Vec::new(),
        }
    }

    fn decide(&self, command: Command, cx: &Context<'_>) -> Result<Vec<Event>, Refused> {
        match command {
            Command::Add { by, .. } if by < 0 => Err(Refused::Negative),
            Command::Add { name, by } => Ok(vec![Event::Added { name, by }]),
            Command::Once { key } => match cx.claimed(&key) {
                Some(earlier) => Err(Refused::KeyUsed { by: earlier.sequence }),
                None => Ok(vec![Event::Claimed { key }]),
            },
            Command::Note { text } => Ok(vec![Event::Noted { text }]),
            Command::RingAt { due } => Ok(vec![Event::AlarmSet { due }]),
            Command::Mint => Ok(vec![Event::Minted { id: cx.mint() }]),
            Command::Forget => Ok(vec![Event::Forgot]),
            Command::Panic => unreachable!("planted: a decision that panics"),
        }
    }

    fn after_batch(&self, cx: &Context<'_>) -> Vec<Event> {
        match self.due {
            Some(due) if due <= cx.now() => vec![Event::Rang],
            _ => Vec::new(),
        }
    }

    fn next_wake(&self) -> Option<Timestamp> {
        self.due
    }

    fn apply(&mut self, event: &Event, meta: &Meta) {
        self.last_sequence = meta.sequence;
        match event {
            Event::Added { name, by } => *self.totals.entry(name.clone()).or_default() += by,
            Event::Claimed { key } => self.notes.push(key.clone()),
            Event::Noted { text } => self.notes.push(text.id.clone()),
            Event::AlarmSet { due } => self.due = Some(*due),
            Event::Rang => {
                self.due = None;
                self.rung += 1;
            }
            Event::Minted { id } => self.notes.push(id.to_string()),
            Event::Ignored(note) => self.ignored.push(note.reason.clone()),
            Event::Parked(note) => self.parked.push(note.reason.clone()),
            Event::Closed(_) => {}
            Event::Forgot => self.notes.clear(),
        }
    }

    fn kind(event: &Event) -> &'static str {
        match event {
            Event::Added { .. } => "added",
            Event::Claimed { .. } => "claimed",
            Event::Noted { .. } => "noted",
            Event::AlarmSet { .. } => "alarm_set",
            Event::Rang => "rang",
            Event::Minted { .. } => "minted",
            Event::Ignored(_) => "fact_ignored",
            Event::Parked(_) => "fact_parked",
            Event::Closed(_) => "segment_closed",
            Event::Forgot => "forgot",
        }
    }

    fn claims(event: &Event) -> Vec<String> {
        match event {
            Event::Claimed { key } => vec![key.clone()],
            Event::Added { .. }
            | Event::Noted { .. }
            | Event::AlarmSet { .. }
            | Event::Rang
            | Event::Minted { .. }
            | Event::Ignored(_)
            | Event::Parked(_)
            | Event::Closed(_)
            | Event::Forgot => Vec::new(),
        }
    }

    fn fact_ignored(note: FactNote) -> Event {
        Event::Ignored(note)
    }

    fn fact_parked(note: FactNote) -> Event {
        Event::Parked(note)
    }

    fn segment_closed(note: SegmentNote) -> Event {
        Event::Closed(note)
    }

    fn reason(rejection: &Refused) -> String {
        match rejection {
            Refused::Negative => "NEGATIVE".into(),
            Refused::KeyUsed { .. } => "KEY_USED".into(),
        }
    }
}

impl From<Event> for Wire {
    fn from(event: Event) -> Self {
        let kind = Counters::kind(&event).to_owned();
        let wire = Self { kind, ..Self::default() };
        match event {
            Event::Added { name, by } => Self { name, by, ..wire },
            Event::Claimed { key } => Self { name: key, ..wire },
            Event::Noted { text } => Self {
                text: Some(WireText {
                    id: text.id,
                    hash: base64(&text.hash.0),
                    length: text.length,
                    sealed: text.sealed,
                }),
                ..wire
            },
            Event::AlarmSet { due } => Self { by: due.as_micros(), ..wire },
            Event::Rang | Event::Forgot => wire,
            Event::Minted { id } => Self { name: id.to_string(), ..wire },
            Event::Closed(note) => Self { closed: Some(note.into()), ..wire },
            Event::Ignored(note) | Event::Parked(note) => Self {
                note: Some(WireNote {
                    source: note.source,
                    sequence: note.sequence,
                    kind: note.kind,
                    reason: note.reason,
                }),
                ..wire
            },
        }
    }
}

impl TryFrom<Wire> for Event {
    type Error = String;
    fn try_from(wire: Wire) -> Result<Self, String> {
        let note = wire.note.map(|note| FactNote {
            source: note.source,
            sequence: note.sequence,
            kind: note.kind,
            reason: note.reason,
        });
        Ok(match wire.kind.as_str() {
            "added" => Self::Added { name: wire.name, by: wire.by },
            "claimed" => Self::Claimed { key: wire.name },
            "noted" => {
                let text = wire.text.ok_or("no text")?;
                let hash = unbase64(&text.hash).ok_or("no hash")?;
                Self::Noted {
                    text: TextRef { id: text.id, hash, length: text.length, sealed: text.sealed },
                }
            }
            "alarm_set" => Self::AlarmSet { due: Timestamp::from_micros(wire.by) },
            "rang" => Self::Rang,
            "forgot" => Self::Forgot,
            "minted" => Self::Minted { id: wire.name.parse().map_err(|_| "no id")? },
            "fact_ignored" => Self::Ignored(note.ok_or("no note")?),
            "fact_parked" => Self::Parked(note.ok_or("no note")?),
            "segment_closed" => {
                let closed = wire.closed.ok_or("no segment")?;
                Self::Closed(closed.try_into().map_err(|_| "no segment")?)
            }
            other => return Err(format!("unknown kind {other}")),
        })
    }
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn unbase64(text: &str) -> Option<vivarium_types::source::Hash> {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).ok()?;
    bytes.as_slice().try_into().ok()
}
