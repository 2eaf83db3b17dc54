//! Items of another world as they were asked for: every violation is collected with its path.

use vivarium_chassis::Violations;
use vivarium_proto::identity::v1 as identity_pb;
use vivarium_proto::social::v1 as pb;
use vivarium_proto::social::v1::import_item::Item as Wire;
use vivarium_types::Timestamp;
use vivarium_types::ids::{LetterId, MessageId};

use super::super::convert;
use crate::domain::bounty::{self, Policy};
use crate::domain::event::{identity, read};
use crate::domain::history::{Kind, Outcome};
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
        /// To whom alone; empty: to the room.
        recipient: String,
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
    Bounty(Box<Bounty>),
    History {
        kind: Kind,
        outcome: Option<Outcome>,
        status: String,
        subject: String,
        title: String,
        text: String,
        resident: String,
    },
}

/// A bounty, with its texts.
pub(super) struct Bounty {
    pub(super) title: String,
    pub(super) description: String,
    pub(super) reward: i64,
    pub(super) runner_up: i64,
    pub(super) mode: bounty::Mode,
    pub(super) max_teams: u32,
    pub(super) slots: u32,
    pub(super) policy: Policy,
    pub(super) origin: String,
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
            word(wrong, "room", &it.room, (2, 40));
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
        Wire::Bounty(it) => wrong.within("bounty", |wrong| prize(wrong, &it)),
        Wire::History(it) => wrong.within("history", |wrong| history(wrong, it)),
    };
    Some(Asked { key: wire.key, time, thing: thing? })
}

fn resident(wrong: &mut Violations, wire: pb::ImportedResident) -> Option<Thing> {
    word(wrong, "handle", &wire.handle, (2, 24));
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
    let room = match (wire.recipient.is_empty(), wire.room.is_empty()) {
        (true, _) => convert::room(wrong, &wire.room),
        (false, true) => String::new(),
        (false, false) => {
            wrong.add("room", "must be empty if there is a recipient");
            String::new()
        }
    };
    convert::name(wrong, "recipient", &wire.recipient, false);
    convert::name(wrong, "author", &wire.author, true);
    let text = wrong.text("text", &wire.text, 1, convert::MESSAGE_LENGTH_MAX);
    let mood = convert::mood(wrong, &wire.mood);
    let importance = convert::importance(wrong, wire.importance);
    let reply_to = convert::reply_to(wrong, &wire.reply_to);
    let (author, recipient) = (wire.author, wire.recipient);
    Some(Thing::Message { room, author, text: text?, mood, importance, reply_to, recipient })
}

fn prize(wrong: &mut Violations, wire: &pb::ImportedBounty) -> Option<Thing> {
    printable(wrong, "origin_id", &wire.origin_id, 100);
    let title = wrong.text("title", &wire.title, 3, 120);
    let description = wrong.text("description", &wire.description, 20, 4_000);
    let reward = wrong.bounded("reward_tokens", wire.reward_tokens, 1..=bounty::REWARD_MAX);
    let mode = pb::BountyMode::try_from(wire.mode).map(read::bounty_mode);
    if mode.is_err() {
        wrong.add("mode", "is no value of this field");
    }
    let mode = mode.ok().flatten().unwrap_or(bounty::Mode::Hybrid);
    // Where all work together there is one team, and nobody comes second.
    let together = mode == bounty::Mode::Coop;
    let runner_up = match wire.runner_up_tokens {
        None if together => Some(0),
        None => reward.map(|reward| reward * 2 / 5),
        Some(given) => wrong.bounded("runner_up_tokens", given, 0..=wire.reward_tokens.max(0)),
    };
    let mut places = |field: &str, given: u32, rule: u32| match given {
        0 => Some(rule),
        given => wrong.bounded(field, given, 1..=bounty::PLACES_MAX),
    };
    let teams = if together { 1 } else { 2 };
    let max_teams = places("max_teams", wire.max_teams, teams);
    let slots = places("slots", wire.slots, 1);
    let policy = read::slot_policy(&wire.slot_policy.unwrap_or_default());
    wrong.within("slot_policy", |wrong| {
        wrong.bounded("in_slot_permille", policy.in_slot, 100..=2_000);
        wrong.bounded("overflow_decay_permille", policy.decay, 100..=950);
        wrong.bounded("min_permille", policy.min, 0..=1_000);
    });
    Some(Thing::Bounty(Box::new(Bounty {
        title: title?,
        description: description?,
        reward: reward?,
        runner_up: runner_up?,
        mode,
        max_teams: max_teams?,
        slots: slots?,
        policy,
        origin: format!("import:{}", wire.origin_id),
    })))
}

fn history(wrong: &mut Violations, wire: pb::ImportedHistory) -> Option<Thing> {
    let kind = pb::HistoryKind::try_from(wire.kind).ok().and_then(read::history_kind);
    let kind = wrong.present("kind", kind);
    let Ok(outcome) = pb::HistoryOutcome::try_from(wire.outcome) else {
        wrong.add("outcome", "is no value of this field");
        return None;
    };
    if !wire.status.is_empty() {
        word(wrong, "status", &wire.status, (1, 32));
    }
    printable(wrong, "subject", &wire.subject, 160);
    let title = wrong.text("title", &wire.title, 1, 120);
    let text = wrong.text("text", &wire.text, 0, 4_000);
    convert::name(wrong, "resident", &wire.resident, false);
    Some(Thing::History {
        kind: kind?,
        outcome: read::history_outcome(outcome),
        status: wire.status,
        subject: wire.subject,
        title: title?,
        text: text?,
        resident: wire.resident,
    })
}

fn word(wrong: &mut Violations, field: &str, text: &str, (min, max): (usize, usize)) {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if !(min..=max).contains(&text.len()) || !text.chars().all(fits) {
        wrong.add(field, format!("must be [a-z0-9_]{{{min},{max}}}"));
    }
}

fn printable(wrong: &mut Violations, field: &str, text: &str, max: usize) {
    if text.is_empty() || text.len() > max || !text.chars().all(|c| c.is_ascii_graphic()) {
        wrong.add(field, format!("must be 1 to {max} printable ASCII characters"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bounty_for_all_together_has_one_team_and_no_runner_up_unless_it_says_so() {
        let read = |mode: pb::BountyMode| {
            let wire = pb::ImportedBounty {
                origin_id: "b1".to_owned(),
                title: "Map the pond".to_owned(),
                description: "Draw a map of the whole pond.".to_owned(),
                reward_tokens: 100,
                mode: mode.into(),
                ..pb::ImportedBounty::default()
            };
            let mut wrong = Violations::new();
            let thing = prize(&mut wrong, &wire);
            let Ok(Thing::Bounty(bounty)) = wrong.done(thing) else { panic!("it is in order") };
            (bounty.max_teams, bounty.runner_up)
        };
        assert_eq!(read(pb::BountyMode::Coop), (1, 0));
        assert_eq!(read(pb::BountyMode::Hybrid), (2, 40));
    }
}
