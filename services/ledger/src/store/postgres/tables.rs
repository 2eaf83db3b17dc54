//! The tables of one ledger in a schema of their own: plain SQL that any engine understands which
//! speaks PostgreSQL's protocol.
//!
//! No triggers, no sequences, no NOTIFY, no advisory locks, no foreign keys.

use std::fmt;

use tokio_postgres::Client;

use super::server::Session;
use super::trouble::Trouble;
use crate::store::Error;

/// Version of the tables below, in the owner row. Tables are only ever added to.
pub(super) const TABLES_VERSION: i32 = 2;

/// PostgreSQL cuts longer names.
const SCHEMA_LENGTH_MAX: usize = 63;

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS owner (
  one INT PRIMARY KEY CHECK (one = 1), tables_version INT NOT NULL, ledger TEXT NOT NULL,
  writer_epoch BIGINT NOT NULL, sequence BIGINT NOT NULL, appends BIGINT NOT NULL);
CREATE TABLE IF NOT EXISTS events (
  sequence BIGINT PRIMARY KEY, time_us BIGINT NOT NULL, actor TEXT NOT NULL, kind TEXT NOT NULL,
  schema BIGINT NOT NULL, payload BYTEA NOT NULL, hash BYTEA NOT NULL);
CREATE TABLE IF NOT EXISTS texts (
  id TEXT PRIMARY KEY, sealed BOOLEAN NOT NULL, bytes BYTEA NOT NULL);
CREATE TABLE IF NOT EXISTS erasures (id TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS claims (key TEXT PRIMARY KEY, sequence BIGINT NOT NULL);
CREATE TABLE IF NOT EXISTS answers (
  actor TEXT NOT NULL, method TEXT NOT NULL, request_id TEXT NOT NULL, digest BYTEA NOT NULL,
  bytes BYTEA NOT NULL, sequence BIGINT NOT NULL, time_us BIGINT NOT NULL,
  PRIMARY KEY (request_id, method, actor));
CREATE INDEX IF NOT EXISTS answers_by_time ON answers (time_us);
CREATE TABLE IF NOT EXISTS cursors (
  follower TEXT PRIMARY KEY, ledger TEXT NOT NULL, sequence BIGINT NOT NULL, hash BYTEA NOT NULL);
CREATE TABLE IF NOT EXISTS checkpoints (
  peer TEXT PRIMARY KEY, ledger TEXT NOT NULL, sequence BIGINT NOT NULL, hash BYTEA NOT NULL,
  time_us BIGINT NOT NULL, key_id TEXT NOT NULL, signature BYTEA NOT NULL);
CREATE TABLE IF NOT EXISTS belonging (
  one INT PRIMARY KEY CHECK (one = 1), world TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS snapshots (
  sequence BIGINT NOT NULL, part INT NOT NULL, bytes BYTEA NOT NULL, PRIMARY KEY (sequence, part));
CREATE TABLE IF NOT EXISTS segments (
  first BIGINT PRIMARY KEY, last BIGINT NOT NULL, first_hash BYTEA NOT NULL,
  last_hash BYTEA NOT NULL, file TEXT NOT NULL, file_hash BYTEA NOT NULL, bytes BIGINT NOT NULL,
  text_first TEXT NOT NULL, text_last TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS segment_files (
  file TEXT NOT NULL, part INT NOT NULL, bytes BYTEA NOT NULL, PRIMARY KEY (file, part));
";

/// Every text that was not erased, in files that never held another one.
///
/// A deleted row's bytes stay in its page behind a plain VACUUM, which only forgets where they are,
/// and VACUUM FULL keeps a row that some older transaction might still look at. What is copied
/// here is what this very statement can see, so the new files cannot hold anything else.
pub(super) const REWRITE_TEXTS: &str = "
ALTER TABLE texts RENAME TO texts_before;
CREATE TABLE texts (id TEXT PRIMARY KEY, sealed BOOLEAN NOT NULL, bytes BYTEA NOT NULL);
INSERT INTO texts SELECT id, sealed, bytes FROM texts_before;
DROP TABLE texts_before";

/// Every segment file as it is now, in files that never held what was erased from one, likewise.
pub(super) const REWRITE_SEGMENT_FILES: &str = "
ALTER TABLE segment_files RENAME TO segment_files_before;
CREATE TABLE segment_files (
  file TEXT NOT NULL, part INT NOT NULL, bytes BYTEA NOT NULL, PRIMARY KEY (file, part));
INSERT INTO segment_files SELECT file, part, bytes FROM segment_files_before;
DROP TABLE segment_files_before";

/// The name of the schema that holds one ledger: a small letter, then small letters, digits, `_`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Schema(String);

impl Schema {
    pub(super) fn parse(name: &str) -> Result<Self, Error> {
        let plain = |letter: char| matches!(letter, 'a'..='z' | '0'..='9' | '_');
        let fits = name.starts_with(|first: char| first.is_ascii_lowercase())
            && name.len() <= SCHEMA_LENGTH_MAX
            && name.chars().all(plain);
        if fits {
            Ok(Self(name.to_owned()))
        } else {
            Err(Error::Unavailable(format!("{name:?} cannot be the name of a schema").into()))
        }
    }
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Makes what is missing. An account that may not make tables can still use those that are there.
pub(super) async fn make(session: &Session, schema: &Schema) -> Result<(), Trouble> {
    let client = session.client();
    if there(client, schema).await? {
        return Ok(());
    }
    // One implicit transaction, so that the last table stands for all of them.
    let make = format!("CREATE SCHEMA IF NOT EXISTS {schema}; {TABLES}");
    match client.batch_execute(&make).await {
        Ok(()) => Ok(()),
        // A second process was at it as well, and the later of the two is refused.
        Err(_) if there(client, schema).await? => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Refuses tables that a newer program has changed.
pub(super) fn check(version: i32) -> Result<(), Error> {
    if version > TABLES_VERSION {
        return Err(Error::corrupt(format!("tables of version {version}, newer than ours")));
    }
    Ok(())
}

/// Whether the last of the tables is there.
pub(super) async fn there(client: &Client, schema: &Schema) -> Result<bool, Trouble> {
    let last = "SELECT 1 FROM information_schema.tables
                WHERE table_schema = $1 AND table_name = 'segment_files'";
    Ok(client.query_opt(last, &[&schema.to_string()]).await?.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_name_can_be_a_schema() {
        for name in ["queue", "w1_queue", "a", &"a".repeat(63)] {
            assert_eq!(Schema::parse(name).unwrap().to_string(), name);
        }
        for name in ["", "1a", "_a", "Queue", "a-b", "a b", "a\";--", "ä", &"a".repeat(64)] {
            assert!(Schema::parse(name).is_err(), "{name}");
        }
    }
}
