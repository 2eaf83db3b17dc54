//! Published documents of every state, with full-text search over titles and bodies.

use rusqlite::{Connection, OptionalExtension as _, Row, named_params};
use vivarium_ledger::view::TextLookup;
use vivarium_ledger::{Meta, View};
use vivarium_types::Timestamp;
use vivarium_types::ids::DocumentId;

use super::{Slice, all_of, apart, joined, moment, optional, parsed};
use crate::domain::library::{Decider, Profile, Published, Value};
use crate::domain::room::Author;
use crate::domain::{Event, Society};

/// One row for each published document.
#[derive(Debug)]
pub struct Documents;

/// Whether a document stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is in the library.
    Published,
    /// A newer version took its path.
    Superseded,
    /// In the library, and a dispute about it is open.
    Contested,
    /// Taken out of the library.
    Retracted,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::Published, Self::Superseded, Self::Contested, Self::Retracted];

    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Superseded => "superseded",
            Self::Contested => "contested",
            Self::Retracted => "retracted",
        }
    }
}

/// A document, as it was published and as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "it is called as in the contract")]
pub struct Document {
    /// The row that holds it.
    pub sequence: u64,
    /// Which.
    pub document: DocumentId,
    /// Where.
    pub path: String,
    /// Its title.
    pub title: String,
    /// The body's text id.
    pub body_id: String,
    /// SHA-256 of the body.
    pub hash: Vec<u8>,
    /// Characters of the body.
    pub length: u32,
    /// `docs`, `plan` or `answer`.
    pub kind: String,
    /// Who wrote it.
    pub author: Author,
    /// What the author was called then.
    pub author_name: String,
    /// The task.
    pub task: String,
    /// The submission.
    pub submission: String,
    /// The verdict.
    pub verdict: String,
    /// What the verdict says.
    pub value: Value,
    /// How sure review was, in thousandths.
    pub confidence: u32,
    /// Who decided.
    pub decider: Decider,
    /// How thorough the review was.
    pub profile: Profile,
    /// What was not held.
    pub note: String,
    /// From 1, counted by path.
    pub version: u32,
    /// What it replaced.
    pub supersedes: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// Whether it stands.
    pub state: State,
    /// The day.
    pub day: u64,
    /// When.
    pub time: Timestamp,
    /// What attempt and review cost, in micro-dollars.
    pub cost: i64,
    /// The model that wrote it.
    pub model: String,
    /// Whether that model is an embedded one.
    pub model_embedded: bool,
}

/// Which documents a page holds.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Only below this folder.
    pub folder: String,
    /// Only by this author.
    pub author: Option<Author>,
    /// Only with this tag.
    pub tag: String,
    /// Only of this task.
    pub task: String,
    /// In these states.
    pub states: Vec<State>,
}

impl View<Society> for Documents {
    fn name(&self) -> &'static str {
        "documents"
    }

    fn version(&self) -> u32 {
        1
    }

    fn create(&self, db: &Connection) -> rusqlite::Result<()> {
        db.execute_batch(
            "DROP TABLE IF EXISTS documents;
             DROP TABLE IF EXISTS document_words;
             CREATE TABLE documents (
               sequence INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, path TEXT NOT NULL,
               title TEXT NOT NULL, body_id TEXT NOT NULL, hash BLOB NOT NULL,
               length INTEGER NOT NULL, kind TEXT NOT NULL, author TEXT NOT NULL,
               author_name TEXT NOT NULL, task TEXT NOT NULL, submission TEXT NOT NULL,
               verdict TEXT NOT NULL, value TEXT NOT NULL, confidence INTEGER NOT NULL,
               decider TEXT NOT NULL, profile TEXT NOT NULL, note TEXT NOT NULL,
               version INTEGER NOT NULL, supersedes TEXT NOT NULL, tags TEXT NOT NULL,
               state TEXT NOT NULL, day INTEGER NOT NULL, time INTEGER NOT NULL,
               cost INTEGER NOT NULL, model TEXT NOT NULL, model_embedded INTEGER NOT NULL);
             CREATE INDEX documents_by_path ON documents (path, version);
             CREATE VIRTUAL TABLE document_words USING fts5(
               title, body, tokenize = \"unicode61 remove_diacritics 2\");",
        )
    }

    fn project(
        &self,
        db: &Connection,
        event: &Event,
        meta: &Meta,
        texts: &dyn TextLookup,
    ) -> rusqlite::Result<()> {
        if let Event::DocumentPublished(published) = event {
            insert(db, published, meta, texts)?;
        } else if let Event::DocumentSuperseded { document, .. } = event {
            set_state(db, *document, State::Superseded)?;
        } else if let Event::DocumentRetracted { document, .. } = event {
            set_state(db, *document, State::Retracted)?;
        }
        Ok(())
    }
}

fn insert(
    db: &Connection,
    published: &Published,
    meta: &Meta,
    texts: &dyn TextLookup,
) -> rusqlite::Result<()> {
    let title = texts.text(&published.title.id).unwrap_or_default();
    let body = texts.text(&published.body.id).unwrap_or_default();
    let review = &published.review;
    db.prepare_cached(
        "INSERT INTO documents VALUES (:sequence, :id, :path, :title, :body_id, :hash, :length,
           :kind, :author, :author_name, :task, :submission, :verdict, :value, :confidence,
           :decider, :profile, :note, :version, :supersedes, :tags, :state, :day, :time, :cost,
           :model, :model_embedded)",
    )?
    .execute(named_params! {
        ":sequence": meta.sequence,
        ":id": published.document.to_string(),
        ":path": published.path,
        ":title": title,
        ":body_id": published.body.id,
        ":hash": published.body.hash.0.as_slice(),
        ":length": published.body.length,
        ":kind": published.kind,
        ":author": published.author.to_string(),
        ":author_name": texts.text(&published.author_name.id).unwrap_or_default(),
        ":task": published.task.to_string(),
        ":submission": published.submission.to_string(),
        ":verdict": review.verdict.to_string(),
        ":value": review.value.word(),
        ":confidence": review.confidence.0,
        ":decider": review.decider.word(),
        ":profile": review.profile.word(),
        ":note": review.note,
        ":version": published.version,
        ":supersedes": optional(published.supersedes),
        ":tags": joined(&published.tags),
        ":state": State::Published.word(),
        ":day": published.day,
        ":time": meta.time.as_micros(),
        ":cost": published.cost.get(),
        ":model": published.model,
        ":model_embedded": published.model_embedded,
    })?;
    db.prepare_cached("INSERT INTO document_words (rowid, title, body) VALUES (?1, ?2, ?3)")?
        .execute((meta.sequence, title, body))?;
    Ok(())
}

fn set_state(db: &Connection, document: DocumentId, state: State) -> rusqlite::Result<()> {
    db.prepare_cached("UPDATE documents SET state = ?2 WHERE id = ?1")?
        .execute((document.to_string(), state.word()))?;
    Ok(())
}

/// A page, newest first.
pub fn page(db: &Connection, wanted: &Wanted, slice: Slice) -> rusqlite::Result<Vec<Document>> {
    let states: Vec<&str> = wanted.states.iter().map(|state| state.word()).collect();
    let folder = match wanted.folder.trim_end_matches('/') {
        "" => String::new(),
        folder => format!("{folder}/"),
    };
    let mut query = db.prepare_cached(
        "SELECT * FROM documents
         WHERE sequence < ?1 AND (?2 = '' OR substr(path, 1, length(?2)) = ?2)
           AND (?3 = '' OR author = ?3) AND (?4 = '' OR instr(tags, ' ' || ?4 || ' ') > 0)
           AND (?5 = '' OR task = ?5) AND instr(?6, ' ' || state || ' ') > 0
         ORDER BY sequence DESC LIMIT ?7",
    )?;
    let rows = query.query_map(
        (
            slice.before,
            folder,
            optional(wanted.author),
            &wanted.tag,
            &wanted.task,
            joined(&states),
            slice.limit,
        ),
        read,
    )?;
    rows.collect()
}

/// One document by its id.
pub fn find(db: &Connection, document: &str) -> rusqlite::Result<Option<Document>> {
    let mut query = db.prepare_cached("SELECT * FROM documents WHERE id = ?1")?;
    query.query_row([document], read).optional()
}

/// The versions at a path, newest first.
pub fn versions(db: &Connection, path: &str) -> rusqlite::Result<Vec<Document>> {
    let mut query = db.prepare_cached(
        "SELECT * FROM documents WHERE path = ?1 ORDER BY version DESC LIMIT 100",
    )?;
    query.query_map([path], read)?.collect()
}

/// What stands at a path.
pub fn standing(db: &Connection, path: &str) -> rusqlite::Result<Option<Document>> {
    let stands = |document: &Document| match document.state {
        State::Published | State::Contested => true,
        State::Superseded | State::Retracted => false,
    };
    Ok(versions(db, path)?.into_iter().find(stands))
}

/// The paths at which something stands, behind one of them.
pub fn paths(db: &Connection, behind: &str, count: u32) -> rusqlite::Result<Vec<String>> {
    let mut query = db.prepare_cached(
        "SELECT DISTINCT path FROM documents
         WHERE path > ?1 AND state IN ('published', 'contested') ORDER BY path LIMIT ?2",
    )?;
    query.query_map((behind, count), |row| row.get(0))?.collect()
}

/// Documents that stand and hold all the words, best match first, each with an excerpt.
pub fn search(
    db: &Connection,
    words: &[String],
    skip: u32,
    limit: u32,
) -> rusqlite::Result<Vec<(Document, String)>> {
    if words.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = db.prepare_cached(
        "SELECT d.*, snippet(document_words, -1, '', '', '…', 24) AS excerpt
         FROM document_words w JOIN documents d ON d.sequence = w.rowid
         WHERE document_words MATCH ?1 AND d.state IN ('published', 'contested')
         ORDER BY w.rank, d.sequence DESC LIMIT ?2 OFFSET ?3",
    )?;
    let rows = query.query_map((all_of(words), limit, skip), |row| {
        let excerpt: String = row.get("excerpt")?;
        Ok((read(row)?, excerpt.chars().take(240).collect()))
    })?;
    rows.collect()
}

fn read(row: &Row<'_>) -> rusqlite::Result<Document> {
    let (value, decider, profile, state): (String, String, String, String) =
        (row.get("value")?, row.get("decider")?, row.get("profile")?, row.get("state")?);
    let tags: String = row.get("tags")?;
    let values = [Value::Approve, Value::MinorIssues, Value::Reject];
    let deciders = [Decider::Checks, Decider::Critic, Decider::Human];
    let profiles = [Profile::Checks, Profile::Light, Profile::Standard, Profile::Strict];
    Ok(Document {
        sequence: row.get("sequence")?,
        document: parsed(row, "id")?,
        path: row.get("path")?,
        title: row.get("title")?,
        body_id: row.get("body_id")?,
        hash: row.get("hash")?,
        length: row.get("length")?,
        kind: row.get("kind")?,
        author: parsed(row, "author")?,
        author_name: row.get("author_name")?,
        task: row.get("task")?,
        submission: row.get("submission")?,
        verdict: row.get("verdict")?,
        value: values.into_iter().find(|v| v.word() == value).unwrap_or(Value::Reject),
        confidence: row.get("confidence")?,
        decider: deciders.into_iter().find(|d| d.word() == decider).unwrap_or(Decider::Checks),
        profile: profiles.into_iter().find(|p| p.word() == profile).unwrap_or(Profile::Light),
        note: row.get("note")?,
        version: row.get("version")?,
        supersedes: row.get("supersedes")?,
        tags: apart(&tags),
        state: State::ALL.into_iter().find(|s| s.word() == state).unwrap_or(State::Retracted),
        day: row.get("day")?,
        time: moment(row, "time")?,
        cost: row.get("cost")?,
        model: row.get("model")?,
        model_embedded: row.get("model_embedded")?,
    })
}
