//! Society's read models: messages, letters, journals, documents, postings, memories and history, for lists and
//! for search. Sealed words never stand here; erased ones stand nowhere.

use rusqlite::types::Type;
use vivarium_ledger::View;
use vivarium_types::Timestamp;

use crate::domain::Society;

pub mod documents;
pub mod history;
pub mod imports;
pub mod journals;
pub mod letters;
pub mod memories;
pub mod messages;
pub mod postings;

/// All of them.
pub fn all() -> Vec<Box<dyn View<Society>>> {
    vec![
        Box::new(messages::Messages),
        Box::new(letters::Letters),
        Box::new(journals::Journals),
        Box::new(documents::Documents),
        Box::new(postings::Postings),
        Box::new(memories::Memories),
        Box::new(imports::Imports),
        Box::new(history::History),
    ]
}

/// Which part of a list is wanted, newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// Only rows in front of this one.
    pub before: u64,
    /// At most this many.
    pub limit: u32,
}

/// Ids in one column, between spaces, so that one of them can be looked for.
fn joined<T: ToString>(ids: &[T]) -> String {
    ids.iter().fold(String::from(" "), |all, id| all + &id.to_string() + " ")
}

/// What [`joined`] made, apart again.
fn apart(column: &str) -> Vec<String> {
    column.split_whitespace().map(str::to_owned).collect()
}

/// An id that may be missing, as a column.
fn optional<T: ToString>(id: Option<T>) -> String {
    id.map(|id| id.to_string()).unwrap_or_default()
}

/// A column that was written from a value of ours.
fn parsed<T>(row: &rusqlite::Row<'_>, column: &str) -> rusqlite::Result<T>
where
    T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    let text: String = row.get(column)?;
    text.parse().map_err(|error: T::Err| {
        rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error))
    })
}

/// A moment from a column of microseconds.
fn moment(row: &rusqlite::Row<'_>, column: &str) -> rusqlite::Result<Timestamp> {
    row.get(column).map(Timestamp::from_micros)
}

/// A moment that may not have come.
fn moment_if(row: &rusqlite::Row<'_>, column: &str) -> rusqlite::Result<Option<Timestamp>> {
    let micros: Option<i64> = row.get(column)?;
    Ok(micros.map(Timestamp::from_micros))
}

/// A query for full-text search that finds rows with all of these words.
pub fn all_of(words: &[String]) -> String {
    words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" ")
}
