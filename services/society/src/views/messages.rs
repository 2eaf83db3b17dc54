//! Messages of all rooms.

use rusqlite::{Connection, OptionalExtension as _, Row, named_params};
use vivarium_ledger::view::TextLookup;
use vivarium_ledger::{Meta, View};
use vivarium_types::Timestamp;
use vivarium_types::ids::{MessageId, ResidentId};

use super::{Slice, apart, joined, moment, optional, parsed};
use crate::domain::room::{Author, Sender};
use crate::domain::{Event, Society};

/// One row for each message.
#[derive(Debug)]
pub struct Messages;

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "it is called as in the contract")]
pub struct Message {
    /// The row that holds it.
    pub sequence: u64,
    /// Which.
    pub message: MessageId,
    /// Where.
    pub room: String,
    /// By whom.
    pub author: Author,
    /// The words; empty when hidden.
    pub text: String,
    /// The text's id.
    pub text_id: String,
    /// The mood, in a word or in own words.
    pub mood: String,
    /// 1 to 5.
    pub importance: u32,
    /// What it answers.
    pub reply_to: String,
    /// Whom it names.
    pub mentions: Vec<String>,
    /// Turns between it and a human's act.
    pub hop: u32,
    /// The day.
    pub day: u64,
    /// When.
    pub time: Timestamp,
    /// Why it was hidden; unset when it was not.
    pub hidden: Option<String>,
    /// The task it is about.
    pub task: String,
    /// The cycle it was written in.
    pub cycle: String,
    /// Whether it is certain who wrote it.
    pub sender: Sender,
}

impl View<Society> for Messages {
    fn name(&self) -> &'static str {
        "messages"
    }

    fn version(&self) -> u32 {
        3
    }

    fn create(&self, db: &Connection) -> rusqlite::Result<()> {
        db.execute_batch(
            "DROP TABLE IF EXISTS messages;
             CREATE TABLE messages (
               sequence INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, room TEXT NOT NULL,
               author TEXT NOT NULL, text TEXT NOT NULL, text_id TEXT NOT NULL,
               mood TEXT NOT NULL, importance INTEGER NOT NULL, reply_to TEXT NOT NULL,
               mentions TEXT NOT NULL, hop INTEGER NOT NULL, day INTEGER NOT NULL,
               time INTEGER NOT NULL, hidden TEXT, task TEXT NOT NULL, cycle TEXT NOT NULL,
               unproven INTEGER NOT NULL);
             CREATE INDEX messages_by_room ON messages (room, sequence);
             CREATE INDEX messages_naming ON messages (sequence) WHERE mentions <> ' ';",
        )
    }

    fn project(
        &self,
        db: &Connection,
        event: &Event,
        meta: &Meta,
        texts: &dyn TextLookup,
    ) -> rusqlite::Result<()> {
        if let Event::MessagePosted(posted) = event {
            let own_words = posted.mood_text.as_ref().and_then(|mood| texts.text(&mood.id));
            db.prepare_cached(
                "INSERT INTO messages VALUES (:sequence, :id, :room, :author, :text, :text_id,
                   :mood, :importance, :reply_to, :mentions, :hop, :day, :time, NULL, :task, :cycle,
                   :unproven)",
            )?
            .execute(named_params! {
                ":sequence": meta.sequence,
                ":id": posted.message.to_string(),
                ":room": posted.room,
                ":author": posted.author.to_string(),
                ":text": texts.text(&posted.text.id).unwrap_or_default(),
                ":text_id": posted.text.id,
                ":mood": own_words.unwrap_or_else(|| posted.mood.clone()),
                ":importance": posted.importance,
                ":reply_to": optional(posted.reply_to),
                ":mentions": joined(&posted.mentions),
                ":hop": posted.hop,
                ":day": posted.day,
                ":time": meta.time.as_micros(),
                ":task": optional(posted.task),
                ":cycle": optional(posted.cycle),
                ":unproven": posted.sender == Sender::Unproven,
            })?;
        } else if let Event::MessageHidden { message, reason, .. } = event {
            let reason = texts.text(&reason.id).unwrap_or_default();
            db.prepare_cached("UPDATE messages SET text = '', hidden = ?2 WHERE id = ?1")?
                .execute((message.to_string(), reason))?;
        }
        Ok(())
    }
}

/// A page of a room, newest first.
pub fn page(db: &Connection, room: &str, slice: Slice) -> rusqlite::Result<Vec<Message>> {
    let mut query = db.prepare_cached(
        "SELECT * FROM messages WHERE room = ?1 AND sequence < ?2 ORDER BY sequence DESC LIMIT ?3",
    )?;
    query.query_map((room, slice.before, slice.limit), read)?.collect()
}

/// One message.
pub fn find(db: &Connection, message: &str) -> rusqlite::Result<Option<Message>> {
    let mut query = db.prepare_cached("SELECT * FROM messages WHERE id = ?1")?;
    query.query_row([message], read).optional()
}

/// The newest messages that an author wrote in a room and that are not hidden.
pub fn last_of(
    db: &Connection,
    room: &str,
    author: Author,
    count: u32,
) -> rusqlite::Result<Vec<Message>> {
    let mut query = db.prepare_cached(
        "SELECT * FROM messages WHERE room = ?1 AND author = ?2 AND hidden IS NULL
         ORDER BY sequence DESC LIMIT ?3",
    )?;
    query.query_map((room, author.to_string(), count), read)?.collect()
}

/// The newest messages of a room behind a row, by others than `reader`, newest first.
pub fn unread(
    db: &Connection,
    room: &str,
    reader: ResidentId,
    behind: u64,
    count: u32,
) -> rusqlite::Result<Vec<Message>> {
    let mut query = db.prepare_cached(
        "SELECT * FROM messages WHERE room = ?1 AND sequence > ?2 AND author <> ?3
           AND hidden IS NULL ORDER BY sequence DESC LIMIT ?4",
    )?;
    query.query_map((room, behind, reader.to_string(), count), read)?.collect()
}

/// The oldest messages behind a row that name a resident.
pub fn naming(
    db: &Connection,
    resident: ResidentId,
    behind: u64,
    count: u32,
) -> rusqlite::Result<Vec<Message>> {
    let mut query = db.prepare_cached(
        "SELECT * FROM messages WHERE sequence > ?1 AND mentions <> ' ' AND instr(mentions, ?2) > 0
           AND hidden IS NULL ORDER BY sequence LIMIT ?3",
    )?;
    query.query_map((behind, format!(" {resident} "), count), read)?.collect()
}

fn read(row: &Row<'_>) -> rusqlite::Result<Message> {
    let mentions: String = row.get("mentions")?;
    Ok(Message {
        sequence: row.get("sequence")?,
        message: parsed(row, "id")?,
        room: row.get("room")?,
        author: parsed(row, "author")?,
        text: row.get("text")?,
        text_id: row.get("text_id")?,
        mood: row.get("mood")?,
        importance: row.get("importance")?,
        reply_to: row.get("reply_to")?,
        mentions: apart(&mentions),
        hop: row.get("hop")?,
        day: row.get("day")?,
        time: moment(row, "time")?,
        hidden: row.get("hidden")?,
        task: row.get("task")?,
        cycle: row.get("cycle")?,
        sender: if row.get("unproven")? { Sender::Unproven } else { Sender::Proven },
    })
}
