//! Residents: lasting identities. Their words lie beside the log; here is what rules need of them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use vivarium_ledger::{Meta, TextRef};
use vivarium_types::ids::ResidentId;
use vivarium_types::similarity::similarity;
use vivarium_types::{Permille, Timestamp, Tokens};

/// What one resident may be good at, at the most.
pub const SPECIALIZATIONS_MAX: usize = 16;

/// Whether a resident takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// It can be given work.
    Active,
    /// It rests until the next day.
    Resting,
    /// A human sent it away.
    Away,
    /// A human retired it.
    Retired,
}

/// A resident on its way in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// Who.
    pub resident: ResidentId,
    /// Unique for ever.
    pub handle: String,
    /// The words about it.
    pub identity: TextRef,
    /// Where it comes from.
    pub origin: String,
    /// Who made it.
    pub creator: String,
    /// Whether it takes part.
    pub status: Status,
    /// Words of traits and interests, for the queue.
    pub words: Vec<String>,
    /// The day.
    pub day: u64,
}

/// A change of a resident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Who.
    pub resident: ResidentId,
    /// What changed.
    pub part: String,
    /// The version in force.
    pub version: u32,
    /// The words about it.
    pub identity: TextRef,
    /// The words before.
    pub previous: Option<TextRef>,
    /// Whether it takes part.
    pub status: Status,
    /// Words of traits and interests.
    pub words: Vec<String>,
    /// Why.
    pub reason: Option<TextRef>,
    /// What it cost.
    pub price: Tokens,
    /// What came back for the reason.
    pub refund: Tokens,
}

/// What became of an attempt of a resident, once it was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// Who did the work.
    pub resident: ResidentId,
    /// The task.
    pub task: vivarium_types::ids::TaskId,
    /// What was decided about.
    pub submission: vivarium_types::ids::SubmissionId,
    /// Whether it was accepted.
    pub accepted: bool,
    /// What it was about.
    pub tags: Vec<String>,
    /// The lesson it taught.
    pub memory: Option<vivarium_types::ids::MemoryId>,
    /// Review's confidence.
    pub confidence: Permille,
    /// Review's rubric; 0 without a critique.
    pub rubric: Permille,
    /// What attempt and review cost.
    pub cost: vivarium_types::MicroUsd,
}

/// A resident as rules see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_field_names, reason = "it is called as in the contract")]
pub struct Resident {
    /// Who.
    pub resident: ResidentId,
    /// Unique for ever.
    pub handle: String,
    /// The words about it.
    pub identity: TextRef,
    /// Whether it takes part.
    pub status: Status,
    /// What it is good at, by a human's word.
    pub specializations: BTreeSet<String>,
    /// Where it comes from.
    pub origin: String,
    /// Who made it.
    pub creator: String,
    /// The version of its identity.
    pub version: u32,
    /// When it joined.
    pub joined: Timestamp,
    /// Days on which a cycle of its ended with something accepted.
    pub sessions: u32,
    /// The last of them.
    pub session_day: u64,
    /// Submissions that were accepted.
    pub approved: u32,
    /// Submissions that were rejected.
    pub rejected: u32,
    /// The row that changed it last.
    pub changed: u64,
}

impl Resident {
    /// Shown with its age; gives no right.
    pub fn level(&self) -> u32 {
        self.sessions.isqrt().max(1)
    }

    /// Changes with every change of the record.
    pub fn etag(&self) -> String {
        format!("{}.{}", self.version, self.changed)
    }
}

/// Everybody, retired ones too.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Residents {
    by_id: BTreeMap<ResidentId, Resident>,
    by_handle: BTreeMap<String, ResidentId>,
}

impl Residents {
    /// One of them.
    pub fn get(&self, resident: ResidentId) -> Option<&Resident> {
        self.by_id.get(&resident)
    }

    /// One of them, by id or handle.
    pub fn find(&self, named: &str) -> Option<&Resident> {
        match named.parse() {
            Ok(id) => self.get(id),
            Err(_) => self.get(*self.by_handle.get(named)?),
        }
    }

    /// All of them, in the order in which they joined.
    pub fn all(&self) -> impl Iterator<Item = &Resident> {
        self.by_id.values()
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// A resident joined.
    pub fn apply_joined(&mut self, joined: &Joined, meta: &Meta) {
        let resident = Resident {
            resident: joined.resident,
            handle: joined.handle.clone(),
            identity: joined.identity.clone(),
            status: joined.status,
            specializations: BTreeSet::new(),
            origin: joined.origin.clone(),
            creator: joined.creator.clone(),
            version: 1,
            joined: meta.time,
            sessions: 0,
            session_day: 0,
            approved: 0,
            rejected: 0,
            changed: meta.sequence,
        };
        self.by_handle.insert(joined.handle.clone(), joined.resident);
        self.by_id.insert(joined.resident, resident);
    }

    /// A resident changed.
    pub fn apply_changed(&mut self, changed: &Changed, meta: &Meta) {
        if let Some(resident) = self.by_id.get_mut(&changed.resident) {
            resident.version = changed.version;
            resident.identity = changed.identity.clone();
            resident.status = changed.status;
            resident.changed = meta.sequence;
        }
    }

    /// A human said what a resident is good at.
    pub fn apply_specialized(&mut self, who: ResidentId, all: &BTreeSet<String>, meta: &Meta) {
        if let Some(resident) = self.by_id.get_mut(&who) {
            resident.specializations.clone_from(all);
            resident.changed = meta.sequence;
        }
    }

    /// A resident had a session.
    pub fn apply_session(&mut self, who: ResidentId, day: u64, sessions: u32, meta: &Meta) {
        if let Some(resident) = self.by_id.get_mut(&who) {
            resident.sessions = sessions;
            resident.session_day = day;
            resident.changed = meta.sequence;
        }
    }

    /// An attempt was decided about.
    pub fn apply_remembered(&mut self, remembered: &Remembered, meta: &Meta) {
        if let Some(resident) = self.by_id.get_mut(&remembered.resident) {
            if remembered.accepted {
                resident.approved += 1;
            } else {
                resident.rejected += 1;
            }
            resident.changed = meta.sequence;
        }
    }
}

/// What two residents may not share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Words<'a> {
    /// The handle.
    pub handle: &'a str,
    /// The name.
    pub name: &'a str,
    /// Who it says it is.
    pub statement: &'a str,
    /// What it is.
    pub summary: &'a str,
}

/// Words that say nothing about who somebody is.
const GENERIC: [&str; 9] =
    ["resident", "worker", "agent", "assistant", "helper", "bot", "model", "unnamed", "test"];

/// Why a resident may not be called and described so.
pub fn refused(one: Words<'_>, others: &[Words<'_>]) -> Option<&'static str> {
    let generic = |word: &str| {
        let plain = word.trim_end_matches(|c: char| c.is_ascii_digit()).to_lowercase();
        plain.is_empty() || GENERIC.contains(&plain.as_str())
    };
    if one.name.split(|c: char| !c.is_alphanumeric()).all(generic) {
        return Some("its name is made of generic words only");
    }
    let alike = |mine: &str, theirs: &str, from: u32| {
        !mine.is_empty() && !theirs.is_empty() && similarity(mine, theirs) >= Permille(from)
    };
    others.iter().find_map(|other| {
        if one.handle == other.handle {
            Some("its handle is taken")
        } else if alike(one.name, other.name, 900) {
            Some("its name is too much like another's")
        } else if alike(one.statement, other.statement, 930) {
            Some("its statement is too much like another's")
        } else if alike(one.summary, other.summary, 950) {
            Some("its summary is too much like another's")
        } else {
            None
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: Words<'_> = Words {
        handle: "ada",
        name: "Ada Fenn",
        statement: "I measure before I speak.",
        summary: "Keeps the tide tables.",
    };

    #[test]
    fn nobody_joins_under_a_generic_name_or_as_anothers_double() {
        let named = |handle, name| Words { handle, name, statement: "", summary: "" };
        assert!(refused(named("x", "Helper 2"), &[]).is_some());
        assert!(refused(named("x", "Worker Bee"), &[]).is_none());
        assert!(refused(named("ada", "Somebody Else"), &[ADA]).is_some());
        assert!(refused(named("ada2", "ada  fenn"), &[ADA]).is_some());
        assert!(refused(named("bela", "Bela Orsz"), &[ADA]).is_none());
        let echo = Words { handle: "y", name: "Quill", ..ADA };
        assert_eq!(refused(echo, &[ADA]), Some("its statement is too much like another's"));
    }
}
