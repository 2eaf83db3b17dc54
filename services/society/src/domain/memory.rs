//! What residents keep in mind, and in which order it comes back (`domain.md` 6.5).
//!
//! Held here are the live ones, without their words; the read model has all of them. A resident
//! writes only into its own memory.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use vivarium_ledger::{Context, Hash, TextRef};
use vivarium_types::ids::{CycleId, MemoryId, ResidentId};
use vivarium_types::text::is_accent;

use super::lease::Under;
use super::{Event, Label, Refused};

/// Memories of full-text search that are put in order.
pub const CANDIDATES_MAX: usize = 50;

/// What kind of memory it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// Something that is so.
    Fact,
    /// Something learned.
    Lesson,
    /// Something liked or disliked.
    Preference,
    /// Something about somebody.
    Person,
    /// Something promised.
    Promise,
    /// A thought about other memories.
    Reflection,
    /// Several merged.
    Summary,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Fact,
        Self::Lesson,
        Self::Preference,
        Self::Person,
        Self::Promise,
        Self::Reflection,
        Self::Summary,
    ];

    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Fact => "fact",
            Self::Lesson => "lesson",
            Self::Preference => "preference",
            Self::Person => "person",
            Self::Promise => "promise",
            Self::Reflection => "reflection",
            Self::Summary => "summary",
        }
    }

    /// The kind of this word.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// Whether a memory can be recalled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// It can.
    Live,
    /// Another replaced it.
    Superseded,
    /// Others score higher.
    Archived,
    /// It bears signs of an injection.
    Quarantined,
    /// Its text is erased.
    Forgotten,
}

/// A memory as the log keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Which.
    pub memory: MemoryId,
    /// Whose.
    pub resident: ResidentId,
    /// What kind.
    pub kind: Kind,
    /// The words.
    pub text: TextRef,
    /// What it is about, in words.
    pub tags: Vec<String>,
    /// 1 to 5.
    pub importance: u32,
    /// What it is about, by id.
    pub about: Vec<String>,
    /// Where it comes from.
    pub source: String,
    /// How far it is to be trusted.
    pub label: Label,
    /// What it replaces.
    pub supersedes: Option<MemoryId>,
    /// Live or quarantined.
    pub state: State,
    /// The day.
    pub day: u64,
    /// The fencing token; 0 for what the runtime writes.
    pub token: u64,
}

/// A memory that a resident wants to keep.
#[derive(Debug, Clone)]
pub struct Remember {
    /// What kind.
    pub kind: Kind,
    /// The words.
    pub text: TextRef,
    /// Tags.
    pub tags: Vec<String>,
    /// 1 to 5.
    pub importance: u32,
    /// Ids.
    pub about: Vec<String>,
    /// What it replaces.
    pub supersedes: Option<MemoryId>,
    /// A live memory of this kind that says nearly the same.
    pub twin: Option<MemoryId>,
    /// Whether it bears signs of an injection.
    pub signs: bool,
}

/// The lesson that a verdict teaches, as the runtime words it.
#[derive(Debug, Clone)]
pub enum Lesson {
    /// A new one.
    New {
        /// The words.
        text: TextRef,
        /// How far they are to be trusted.
        label: Label,
        /// Whether they bear signs of an injection.
        signs: bool,
    },
    /// Word for word one that is kept already.
    Again(MemoryId),
}

/// A live memory as the rules see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    kept: Fields,
    sequence: u64,
    /// Sessions the resident had had when it was kept.
    sessions: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Fields {
    kind: Kind,
    text: TextRef,
    tags: Vec<String>,
    importance: u32,
    about: Vec<String>,
    source: String,
    label: Label,
    supersedes: Option<MemoryId>,
}

/// The live memories of everybody.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memories {
    live: BTreeMap<ResidentId, BTreeMap<MemoryId, Memory>>,
}

impl Memories {
    /// How many of a resident can be recalled.
    pub fn count(&self, who: ResidentId) -> usize {
        self.live.get(&who).map_or(0, BTreeMap::len)
    }

    /// The live memory with these very words.
    pub fn same(&self, who: ResidentId, kind: Kind, words: Hash) -> Option<MemoryId> {
        let same = |memory: &Memory| memory.kept.kind == kind && memory.kept.text.hash == words;
        self.live.get(&who)?.iter().find(|(_, memory)| same(memory)).map(|(id, _)| *id)
    }

    /// The best `count` memories, best first: of `found` in the order of full-text search, or of all
    /// when nothing was looked for. What is not live any more is left out.
    pub fn recall(
        &self,
        who: ResidentId,
        found: Option<&[MemoryId]>,
        count: usize,
        sessions: u32,
    ) -> Vec<MemoryId> {
        let Some(live) = self.live.get(&who) else { return Vec::new() };
        let mut scored: Vec<_> = match found {
            Some(found) => found
                .iter()
                .take(CANDIDATES_MAX)
                .enumerate()
                .filter_map(|(position, id)| {
                    let memory = live.get(id)?;
                    Some((memory.score(Some(position), sessions), memory.sequence, *id))
                })
                .collect(),
            None => live
                .iter()
                .map(|(id, memory)| (memory.score(None, sessions), memory.sequence, *id))
                .collect(),
        };
        scored.sort_by(|(score, newness, id), (other, age, next)| {
            other.cmp(score).then(age.cmp(newness)).then(id.cmp(next))
        });
        scored.truncate(count);
        scored.into_iter().map(|(.., id)| id).collect()
    }

    /// Keeps a memory of a resident's own.
    pub fn remember(
        &self,
        remember: Remember,
        under: &Under,
        day: u64,
        (most, sessions): (usize, u32),
        cx: &Context<'_>,
    ) -> Result<Vec<Event>, Refused> {
        let who = under.resident;
        if let Some(old) = remember.supersedes
            && self.find(who, old).is_none()
        {
            return Err(Refused::MemoryNotFound { memory: old.to_string() });
        }
        if let Some(twin) = remember.twin.filter(|twin| remember.supersedes != Some(*twin)) {
            return Err(Refused::MemoryDuplicate { memory: twin.to_string() });
        }
        let kept = Kept {
            memory: cx.mint(),
            resident: who,
            kind: remember.kind,
            text: remember.text,
            tags: remember.tags,
            importance: remember.importance,
            about: remember.about,
            source: under.cycle.to_string(),
            label: under.label,
            supersedes: remember.supersedes,
            state: state(remember.signs),
            day,
            token: under.token,
        };
        Ok(self.room_for(kept, most, sessions))
    }

    /// Keeps a memory, and sets the least of the others aside when there are too many.
    pub fn room_for(&self, kept: Kept, most: usize, sessions: u32) -> Vec<Event> {
        let who = kept.resident;
        let grows = kept.state == State::Live && kept.supersedes.is_none();
        let mut events = vec![Event::MemoryKept(Box::new(kept))];
        if grows && self.count(who) >= most {
            let least = self.live.get(&who).and_then(|live| {
                live.iter()
                    .min_by_key(|(_, memory)| (memory.score(None, sessions), memory.sequence))
                    .map(|(id, _)| *id)
            });
            events.extend(least.map(|memory| Event::MemoryArchived { memory, resident: who }));
        }
        events
    }

    /// Keeps a memory once more whose words came again.
    pub fn refresh(
        &self,
        who: ResidentId,
        memory: MemoryId,
        day: u64,
        token: u64,
    ) -> Result<Event, Refused> {
        let missing = || Refused::MemoryNotFound { memory: memory.to_string() };
        let Fields { kind, text, tags, importance, about, source, label, supersedes } =
            self.find(who, memory).ok_or_else(missing)?.kept.clone();
        Ok(Event::MemoryKept(Box::new(Kept {
            memory,
            resident: who,
            kind,
            text,
            tags,
            importance,
            about,
            source,
            label,
            supersedes,
            state: State::Live,
            day,
            token,
        })))
    }

    /// A memory was kept or kept again.
    pub fn apply_kept(&mut self, kept: &Kept, sequence: u64, sessions: u32) {
        let live = self.live.entry(kept.resident).or_default();
        if let Some(old) = kept.supersedes {
            live.remove(&old);
        }
        if kept.state != State::Live {
            return;
        }
        let kept_fields = Fields {
            kind: kept.kind,
            text: kept.text.clone(),
            tags: kept.tags.clone(),
            importance: kept.importance,
            about: kept.about.clone(),
            source: kept.source.clone(),
            label: kept.label,
            supersedes: kept.supersedes,
        };
        live.insert(kept.memory, Memory { kept: kept_fields, sequence, sessions });
    }

    /// A memory cannot be recalled any more.
    pub fn apply_gone(&mut self, who: ResidentId, memory: MemoryId) {
        if let Some(live) = self.live.get_mut(&who) {
            live.remove(&memory);
        }
    }

    fn find(&self, who: ResidentId, memory: MemoryId) -> Option<&Memory> {
        self.live.get(&who)?.get(&memory)
    }
}

impl Memory {
    fn score(&self, position: Option<usize>, sessions: u32) -> u32 {
        score(position, sessions.saturating_sub(self.sessions), self.kept.importance)
    }
}

/// What a memory is worth now: its place in full-text search, how new and how important it is.
pub fn score(position: Option<usize>, sessions_since: u32, importance: u32) -> u32 {
    let rank = position.map_or(0, |place| {
        1_000_u32.saturating_sub(u32::try_from(place).unwrap_or(u32::MAX).saturating_mul(20))
    });
    let recency = 1_000_u32.saturating_sub(sessions_since.saturating_mul(10));
    (6 * rank + 2 * recency + 2 * importance * 200) / 10
}

/// The state of a new memory.
pub const fn state(signs: bool) -> State {
    if signs { State::Quarantined } else { State::Live }
}

/// What a look into own memories found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recalled {
    /// Who looked.
    pub resident: ResidentId,
    /// In which cycle.
    pub cycle: CycleId,
    /// What it got.
    pub memories: Vec<MemoryId>,
    /// The day.
    pub day: u64,
    /// The fencing token.
    pub token: u64,
}

/// The words of a text as they stand there. A mark that is written behind its letter belongs to the word.
pub fn plain_words(text: &str) -> impl Iterator<Item = &str> {
    let is_between = |c: char| !c.is_alphanumeric() && !is_accent(c);
    text.split(is_between).filter(|word| !word.is_empty())
}

/// Words as a search takes them: lower case, each once, at most 32.
pub fn words(text: &str) -> Vec<String> {
    let mut seen = BTreeSet::new();
    plain_words(text)
        .map(str::to_lowercase)
        .filter(|word| word.chars().count() > 1 && seen.insert(word.clone()))
        .take(32)
        .collect()
}
