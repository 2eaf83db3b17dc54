//! Items of another world as they were asked for: every violation is collected with its path.

use vivarium_chassis::Violations;
use vivarium_proto::identity::v1 as identity_pb;
use vivarium_proto::social::v1 as pb;
use vivarium_proto::social::v1::import_item::Item as Wire;
use vivarium_types::Timestamp;
use vivarium_types::ids::{LetterId, MessageId};

use super::super::convert;
use crate::domain::event::identity;
use crate::domain::identity::Identity;
use crate::domain::mail;

/// Most items of one request.
const ITEMS_MAX: usize = 100;
/// Most tokens that an account can bring along.
const TOKENS_MAX: i64 = 1_000_000;

/// One item.
pub(super) struct Asked {
    pub(super) key: String,
    pub(super) time: Option<Timestamp>,
    pub(super) thing: Thing,
}

/// What it is, with others by the names that were given.
pub(super) enum Thing {
    Resident {
        handle: String,
        identity: Box<Identity>,
        origin: String,
    },
    Room {
        room: String,
        title: String,
    },
    Message {
        room: String,
        author: String,
        text: String,
        mood: (String, Option<String>),
        importance: u32,
        reply_to: Option<MessageId>,
    },
    Letter {
        resident: String,
        kind: mail::Kind,
        text: String,
        answers: Option<LetterId>,
    },
    Wallet {
        resident: String,
        free: i64,
        journal: i64,
    },
    Memory {
        resident: String,
        text: String,
    },
}

/// All items of a request.
pub(super) fn items(wrong: &mut Violations, wire: Vec<pb::ImportItem>) -> Option<Vec<Asked>> {
    if wire.is_empty() || wire.len() > ITEMS_MAX {
        wrong.add("items", format!("must be 1 to {ITEMS_MAX} items"));
        return None;
    }
    let asked: Vec<_> = wire
        .into_iter()
        .enumerate()
        .map(|(at, item)| wrong.item("items", at, |wrong| asked(wrong, item)))
        .collect();
    asked.into_iter().collect()
}

fn asked(wrong: &mut Violations, wire: pb::ImportItem) -> Option<Asked> {
    printable(wrong, "key", &wire.key, 160);
    let time = wire.source_time.and_then(|time| {
        let moment = Timestamp::from_seconds_and_nanos(time.seconds, time.nanos);
        // From the year 1970 to 9999.
        let real = (0..253_402_300_800).contains(&time.seconds);
        wrong.present("source_time", real.then_some(moment))
    });
    let thing = match wrong.present("item", wire.item)? {
        Wire::Resident(it) => wrong.within("resident", |wrong| resident(wrong, it)),
        Wire::Room(it) => wrong.within("room", |wrong| {
            word(wrong, "room", &it.room, 40);
            let title = wrong.text("title", &it.title, 2, 60)?;
            Some(Thing::Room { room: it.room, title })
        }),
        Wire::Message(it) => wrong.within("message", |wrong| message(wrong, it)),
        Wire::Letter(it) => wrong.within("letter", |wrong| {
            convert::name(wrong, "resident", &it.resident, true);
            let kind = convert::letter_kind(wrong, it.r#type);
            let text = wrong.text("text", &it.text, 1, convert::LETTER_LENGTH_MAX);
            let answers = wrong.parse_optional("reply_to", &it.reply_to);
            Some(Thing::Letter { resident: it.resident, kind, text: text?, answers })
        }),
        Wire::Wallet(it) => wrong.within("wallet", |wrong| {
            convert::name(wrong, "resident", &it.resident, true);
            let free = wrong.bounded("free_tokens", it.free_tokens, 0..=TOKENS_MAX);
            let journal = wrong.bounded("journal_tokens", it.journal_tokens, 0..=TOKENS_MAX);
            Some(Thing::Wallet { resident: it.resident, free: free?, journal: journal? })
        }),
        Wire::Memory(it) => wrong.within("memory", |wrong| {
            convert::name(wrong, "resident", &it.resident, true);
            let text = wrong.text("text", it.text.trim(), 3, 600)?;
            Some(Thing::Memory { resident: it.resident, text })
        }),
    };
    Some(Asked { key: wire.key, time, thing: thing? })
}

fn resident(wrong: &mut Violations, wire: pb::ImportedResident) -> Option<Thing> {
    word(wrong, "handle", &wire.handle, 24);
    printable(wrong, "origin_id", &wire.origin_id, 100);
    let it: identity_pb::Identity = wrong.present("identity", wire.identity)?;
    let identity = Box::new(identity::read(it));
    wrong.within("identity", |wrong| {
        for (field, what) in identity.faults() {
            wrong.add(field, what);
        }
        if !identity.facets.is_empty() {
            wrong.add("facets", "must be empty");
        }
    });
    Some(Thing::Resident { handle: wire.handle, identity, origin: wire.origin_id })
}

fn message(wrong: &mut Violations, wire: pb::ImportedMessage) -> Option<Thing> {
    let room = convert::room(wrong, &wire.room);
    convert::name(wrong, "author", &wire.author, true);
    let text = wrong.text("text", &wire.text, 1, convert::MESSAGE_LENGTH_MAX);
    let mood = convert::mood(wrong, &wire.mood);
    let importance = convert::importance(wrong, wire.importance);
    let reply_to = convert::reply_to(wrong, &wire.reply_to);
    Some(Thing::Message { room, author: wire.author, text: text?, mood, importance, reply_to })
}

fn word(wrong: &mut Violations, field: &str, text: &str, max: usize) {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if !(2..=max).contains(&text.len()) || !text.chars().all(fits) {
        wrong.add(field, format!("must be [a-z0-9_]{{2,{max}}}"));
    }
}

fn printable(wrong: &mut Violations, field: &str, text: &str, max: usize) {
    if text.is_empty() || text.len() > max || !text.chars().all(|c| c.is_ascii_graphic()) {
        wrong.add(field, format!("must be 1 to {max} printable ASCII characters"));
    }
}
