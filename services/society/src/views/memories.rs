//! Memories of every state, and the words of those that have any.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension as _, Row, named_params};
use vivarium_ledger::view::TextLookup;
use vivarium_ledger::{Meta, View};
use vivarium_types::Timestamp;
use vivarium_types::ids::{MemoryId, ResidentId};
use vivarium_types::text::folded;

use super::{Slice, apart, joined, moment, optional, parsed};
use crate::domain::memory::{self, CANDIDATES_MAX, Kind, State};
use crate::domain::{Event, Label, Society};

/// One row for each memory.
#[derive(Debug)]
pub struct Memories;

/// A memory.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "it is called as in the contract")]
pub struct Memory {
    /// The row that first held it: its place in lists.
    pub first: u64,
    /// The row that holds it now.
    pub sequence: u64,
    /// Which.
    pub memory: MemoryId,
    /// Whose.
    pub resident: ResidentId,
    /// What kind.
    pub kind: Kind,
    /// The words; empty when forgotten.
    pub text: String,
    /// The text's id.
    pub text_id: String,
    /// Tags.
    pub tags: Vec<String>,
    /// 1 to 5.
    pub importance: u32,
    /// Ids of what it is about.
    pub about: Vec<String>,
    /// Where it comes from.
    pub source: String,
    /// How far it is to be trusted.
    pub label: Label,
    /// The day.
    pub day: u64,
    /// When it was kept last.
    pub time: Timestamp,
    /// What it replaced.
    pub supersedes: String,
    /// Whether it can be recalled.
    pub state: State,
}

/// Which memories a page holds.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Whose.
    pub resident: ResidentId,
    /// In these states.
    pub states: Vec<State>,
    /// With all of these words; empty for all.
    pub words: Vec<String>,
}

impl View<Society> for Memories {
    fn name(&self) -> &'static str {
        "memories"
    }

    fn version(&self) -> u32 {
        4
    }

    fn create(&self, db: &Connection) -> rusqlite::Result<()> {
        db.execute_batch(
            "DROP TABLE IF EXISTS memories;
             DROP TABLE IF EXISTS memory_words;
             CREATE TABLE memories (
               first INTEGER PRIMARY KEY, sequence INTEGER NOT NULL, id TEXT NOT NULL UNIQUE,
               resident TEXT NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL,
               text_id TEXT NOT NULL, tags TEXT NOT NULL, importance INTEGER NOT NULL,
               about TEXT NOT NULL, source TEXT NOT NULL, label TEXT NOT NULL,
               day INTEGER NOT NULL, time INTEGER NOT NULL, supersedes TEXT NOT NULL,
               state TEXT NOT NULL);
             CREATE INDEX memories_by_resident ON memories (resident, first);
             DROP TABLE IF EXISTS memory_owners;
             CREATE TABLE memory_owners (number INTEGER PRIMARY KEY, resident TEXT NOT NULL UNIQUE);
             -- An owner's words lie together: a search costs what they have, not what all have.
             CREATE TABLE memory_words (
               owner INTEGER NOT NULL, word TEXT NOT NULL, first INTEGER NOT NULL,
               PRIMARY KEY (owner, word, first)) WITHOUT ROWID;",
        )
    }

    fn project(
        &self,
        db: &Connection,
        event: &Event,
        meta: &Meta,
        texts: &dyn TextLookup,
    ) -> rusqlite::Result<()> {
        if let Event::MemoryKept(kept) = event {
            keep(db, kept, meta, texts)?;
            if let Some(old) = kept.supersedes {
                set_state(db, old, State::Superseded)?;
            }
        } else if let Event::MemoryForgotten { memory, .. } = event {
            set_state(db, *memory, State::Forgotten)?;
            forget(db, *memory)?;
        } else if let Event::MemoryArchived { memory, .. } = event {
            set_state(db, *memory, State::Archived)?;
        }
        Ok(())
    }
}

fn keep(
    db: &Connection,
    kept: &memory::Kept,
    meta: &Meta,
    texts: &dyn TextLookup,
) -> rusqlite::Result<()> {
    let (id, now) = (kept.memory.to_string(), meta.time.as_micros());
    let again = db
        .prepare_cached("UPDATE memories SET sequence = ?2, day = ?3, time = ?4 WHERE id = ?1")?
        .execute((&id, meta.sequence, kept.day, now))?;
    if again > 0 {
        return Ok(());
    }
    let text = texts.text(&kept.text.id).unwrap_or_default();
    db.prepare_cached(
        "INSERT INTO memories VALUES (:sequence, :sequence, :id, :resident, :kind, :text, :text_id,
           :tags, :importance, :about, :source, :label, :day, :time, :supersedes, :state)",
    )?
    .execute(named_params! {
        ":sequence": meta.sequence,
        ":id": id,
        ":resident": kept.resident.to_string(),
        ":kind": kept.kind.word(),
        ":text": text,
        ":text_id": kept.text.id,
        ":tags": joined(&kept.tags),
        ":importance": kept.importance,
        ":about": joined(&kept.about),
        ":source": kept.source,
        ":label": label_word(kept.label),
        ":day": kept.day,
        ":time": now,
        ":supersedes": optional(kept.supersedes),
        ":state": word(kept.state),
    })?;
    if !text.is_empty() {
        let owner = match owner(db, kept.resident)? {
            Some(owner) => owner,
            None => db
                .prepare_cached(
                    "INSERT INTO memory_owners (resident) VALUES (?1) RETURNING number",
                )?
                .query_row([kept.resident.to_string()], |row| row.get(0))?,
        };
        let mut insert = db.prepare_cached("INSERT INTO memory_words VALUES (?1, ?2, ?3)")?;
        for word in indexed(&text) {
            insert.execute((owner, word, meta.sequence))?;
        }
    }
    Ok(())
}

/// Takes a memory's text and its words away.
fn forget(db: &Connection, memory: MemoryId) -> rusqlite::Result<()> {
    let Some(Memory { first, resident, text, .. }) = find(db, &memory.to_string())? else {
        return Ok(());
    };
    if let Some(owner) = owner(db, resident)? {
        let mut delete = db.prepare_cached(
            "DELETE FROM memory_words WHERE owner = ?1 AND word = ?2 AND first = ?3",
        )?;
        for word in indexed(&text) {
            delete.execute((owner, word, first))?;
        }
    }
    db.prepare_cached("UPDATE memories SET text = '' WHERE first = ?1")?.execute([first])?;
    Ok(())
}

/// The number under which a resident's words lie; none while they have remembered nothing.
fn owner(db: &Connection, resident: ResidentId) -> rusqlite::Result<Option<i64>> {
    db.prepare_cached("SELECT number FROM memory_owners WHERE resident = ?1")?
        .query_row([resident.to_string()], |row| row.get(0))
        .optional()
}

/// The words of a text as they stand in the index, each once.
fn indexed(text: &str) -> BTreeSet<String> {
    memory::plain_words(text).map(folded).collect()
}

fn set_state(db: &Connection, memory: MemoryId, state: State) -> rusqlite::Result<()> {
    db.prepare_cached("UPDATE memories SET state = ?2 WHERE id = ?1")?
        .execute((memory.to_string(), word(state)))?;
    Ok(())
}

/// A page, newest first.
pub fn page(db: &Connection, wanted: &Wanted, slice: Slice) -> rusqlite::Result<Vec<Memory>> {
    let states: Vec<&str> = wanted.states.iter().map(|state| word(*state)).collect();
    let words: Vec<String> = wanted.words.iter().flat_map(|words| indexed(words)).collect();
    let words = serde_json::to_string(&words).unwrap_or_default();
    let mut query = db.prepare_cached(
        "SELECT * FROM memories
         WHERE resident = ?1 AND first < ?2 AND instr(?3, ' ' || state || ' ') > 0
           AND NOT EXISTS (
             SELECT 1 FROM json_each(?4) AS wanted WHERE NOT EXISTS (
               SELECT 1 FROM memory_words AS has WHERE has.owner = ?5
                 AND has.word = wanted.value AND has.first = memories.first))
         ORDER BY first DESC LIMIT ?6",
    )?;
    let (who, owner) = (wanted.resident.to_string(), owner(db, wanted.resident)?);
    let bounds = (who, slice.before, joined(&states), words, owner, slice.limit);
    query.query_map(bounds, read)?.collect()
}

/// One memory.
pub fn find(db: &Connection, memory: &str) -> rusqlite::Result<Option<Memory>> {
    let mut query = db.prepare_cached("SELECT * FROM memories WHERE id = ?1")?;
    query.query_row([memory], read).optional()
}

/// These memories, in this order; those that are not there are left out.
pub fn these(db: &Connection, memories: &[MemoryId]) -> rusqlite::Result<Vec<Memory>> {
    let found = memories.iter().map(|memory| find(db, &memory.to_string()));
    Ok(found.collect::<rusqlite::Result<Vec<_>>>()?.into_iter().flatten().collect())
}

/// Live memories of a resident that hold any of the words, best match first: a word counts the more the
/// fewer of their own memories hold it; of equal ones the newer is first.
pub fn matching(
    db: &Connection,
    resident: ResidentId,
    words: &[String],
) -> rusqlite::Result<Vec<Memory>> {
    let Some(owner) = owner(db, resident)? else { return Ok(Vec::new()) };
    let all: u32 = db
        .prepare_cached("SELECT count(*) FROM memories WHERE resident = ?1")?
        .query_row([resident.to_string()], |row| row.get(0))?;
    let mut holding =
        db.prepare_cached("SELECT first FROM memory_words WHERE owner = ?1 AND word = ?2")?;
    let mut fits: BTreeMap<i64, f64> = BTreeMap::new();
    for word in indexed(&words.join(" ")) {
        let rows = holding.query_map((owner, word), |row| row.get(0))?;
        let rows = rows.collect::<rusqlite::Result<Vec<i64>>>()?;
        let weight = rarity(u32::try_from(rows.len()).unwrap_or(all), all);
        for row in rows {
            *fits.entry(row).or_default() += weight;
        }
    }
    let mut fits: Vec<(i64, f64)> = fits.into_iter().collect();
    fits.sort_by(|(row, fit), (other, next)| next.total_cmp(fit).then(other.cmp(row)));
    let mut live =
        db.prepare_cached("SELECT * FROM memories WHERE first = ?1 AND state = 'live'")?;
    let found = fits.into_iter().map(|(row, _)| live.query_row([row], read).optional());
    found.filter_map(Result::transpose).take(CANDIDATES_MAX).collect()
}

/// How much a word tells that `holding` of `all` memories hold: the inverse document frequency of BM25,
/// as Lucene has it so that it is never negative (Robertson and Zaragoza, The Probabilistic Relevance
/// Framework: BM25 and Beyond, 2009).
fn rarity(holding: u32, all: u32) -> f64 {
    let (holding, all) = (f64::from(holding), f64::from(all.max(holding)));
    ((all - holding + 0.5) / (holding + 0.5)).ln_1p()
}

/// Live memories of one kind whose length allows them to be twins of a text of `length` characters.
pub fn possible_twins(
    db: &Connection,
    resident: ResidentId,
    kind: Kind,
    length: usize,
) -> rusqlite::Result<Vec<(MemoryId, String)>> {
    let mut query = db.prepare_cached(
        "SELECT id, text FROM memories WHERE resident = ?1 AND kind = ?2 AND state = 'live'
           AND length(text) BETWEEN ?3 AND ?4",
    )?;
    let (who, kind) = (resident.to_string(), kind.word());
    // White space is collapsed before texts are compared, so the bounds are wide.
    let rows = query.query_map((who, kind, length / 2, length * 2 + 16), |row| {
        Ok((parsed(row, "id")?, row.get("text")?))
    })?;
    rows.collect()
}

fn read(row: &Row<'_>) -> rusqlite::Result<Memory> {
    let (kind, label, state): (String, String, String) =
        (row.get("kind")?, row.get("label")?, row.get("state")?);
    let (tags, about): (String, String) = (row.get("tags")?, row.get("about")?);
    Ok(Memory {
        first: row.get("first")?,
        sequence: row.get("sequence")?,
        memory: parsed(row, "id")?,
        resident: parsed(row, "resident")?,
        kind: Kind::of_word(&kind).unwrap_or(Kind::Fact),
        text: row.get("text")?,
        text_id: row.get("text_id")?,
        tags: apart(&tags),
        importance: row.get("importance")?,
        about: apart(&about),
        source: row.get("source")?,
        label: LABELS.into_iter().find(|one| label_word(*one) == label).unwrap_or(Label::Web),
        day: row.get("day")?,
        time: moment(row, "time")?,
        supersedes: row.get("supersedes")?,
        state: STATES.into_iter().find(|one| word(*one) == state).unwrap_or(State::Quarantined),
    })
}

const STATES: [State; 5] =
    [State::Live, State::Superseded, State::Archived, State::Quarantined, State::Forgotten];

const fn word(state: State) -> &'static str {
    match state {
        State::Live => "live",
        State::Superseded => "superseded",
        State::Archived => "archived",
        State::Quarantined => "quarantined",
        State::Forgotten => "forgotten",
    }
}

const LABELS: [Label; 6] =
    [Label::System, Label::Operator, Label::Own, Label::Peer, Label::Tool, Label::Web];

const fn label_word(label: Label) -> &'static str {
    match label {
        Label::System => "system",
        Label::Operator => "operator",
        Label::Own => "own",
        Label::Peer => "peer",
        Label::Tool => "tool",
        Label::Web => "web",
    }
}

#[cfg(test)]
mod tests {
    use vivarium_ledger::TextRef;
    use vivarium_types::Actor;
    use vivarium_types::ids::Id as _;
    use vivarium_types::source::Hash;

    use super::*;

    /// Every text is its own id.
    struct Own;

    impl TextLookup for Own {
        fn text(&self, id: &str) -> Option<String> {
            Some(id.to_owned())
        }
    }

    const ANA: u128 = 1;
    const BEN: u128 = 2;

    /// A read model in which these residents remember these texts.
    fn remembering(texts: &[(u128, &str)]) -> Connection {
        let db = Connection::open_in_memory().expect("it opens");
        Memories.create(&db).expect("it is made");
        for (sequence, (resident, text)) in (1_u64..).zip(texts) {
            let kept = memory::Kept {
                memory: MemoryId::from_number(u128::from(sequence)),
                resident: ResidentId::from_number(*resident),
                kind: Kind::Fact,
                text: TextRef {
                    id: (*text).to_owned(),
                    hash: Hash::default(),
                    length: 1,
                    sealed: false,
                },
                tags: Vec::new(),
                importance: 3,
                about: Vec::new(),
                source: String::new(),
                label: Label::Own,
                supersedes: None,
                state: State::Live,
                day: 1,
                token: 1,
            };
            let meta = Meta {
                sequence,
                time: Timestamp::from_millis(0),
                actor: Actor::service("society"),
            };
            keep(&db, &kept, &meta, &Own).expect("it is kept");
        }
        db
    }

    fn found(db: &Connection, resident: u128, query: &str) -> Vec<String> {
        let found = matching(db, ResidentId::from_number(resident), &memory::words(query));
        found.expect("it is looked for").into_iter().map(|memory| memory.text).collect()
    }

    #[test]
    fn a_word_that_few_of_ones_own_memories_hold_tells_more_than_one_that_all_hold() {
        let mut texts = vec![(ANA, "the tide of the bay"), (ANA, "the wall of the mill")];
        texts.extend([(ANA, "the song of the inn"), (ANA, "the roof of the barn")]);
        // What others remember says nothing about how rare a word is for her.
        let others: Vec<_> = std::iter::repeat_n((BEN, "tide"), 50).collect();
        texts.extend(others);
        let db = remembering(&texts);
        let found = found(&db, ANA, "the tide of the sea");
        assert_eq!(found.len(), 4, "each holds some of the words");
        assert_eq!(found[0], "the tide of the bay");
        assert_eq!(
            found[1..],
            ["the roof of the barn", "the song of the inn", "the wall of the mill"]
        );
    }

    #[test]
    fn no_word_of_what_is_forgotten_stays() {
        let db = remembering(&[(ANA, "the tide of the bay"), (BEN, "the tide")]);
        forget(&db, MemoryId::from_number(1)).expect("it is forgotten");
        let left: Vec<(i64, String)> = db
            .prepare("SELECT first, word FROM memory_words ORDER BY word")
            .and_then(|mut query| {
                query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
            })
            .expect("it reads");
        assert_eq!(left, [(2, "the".to_owned()), (2, "tide".to_owned())]);
    }

    #[test]
    fn words_are_found_however_they_are_written_and_only_ones_own() {
        let db = remembering(&[(ANA, "Der M\u{fc}ller mahlt"), (BEN, "the miller mills")]);
        assert_eq!(found(&db, ANA, "MU\u{308}LLER"), ["Der M\u{fc}ller mahlt"]);
        assert_eq!(found(&db, ANA, "miller"), [""; 0]);
        assert_eq!(found(&db, 3, "miller"), [""; 0], "who remembers nothing finds nothing");
        let mut wanted = Wanted {
            resident: ResidentId::from_number(BEN),
            states: vec![State::Live],
            words: memory::words("mills miller"),
        };
        let slice = Slice { before: u64::MAX >> 1, limit: 9 };
        assert_eq!(page(&db, &wanted, slice).expect("it lists").len(), 1);
        wanted.words = memory::words("mills bakes");
        assert_eq!(page(&db, &wanted, slice).expect("it lists").len(), 0, "all words or none");
    }
}
