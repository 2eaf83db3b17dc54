//! Closed segments of a PostgreSQL ledger: their files lie in a table, so that what survives a machine
//! with the ledger survives with all of it.

use std::sync::{Arc, Mutex, PoisonError};

use tokio_postgres::Client;

use super::escape::escaped;
use super::read::{hash, text, unsigned, value};
use super::server::{EXCHANGE_LIMIT, Link, Server, Session};
use super::tables::{self, Schema};
use super::trouble::Trouble;
use crate::aggregate::SegmentNote;
use crate::segment::Segment;
use crate::store::{Error, Segments};

/// Bytes of a file in one row: far below what a server takes in one message.
const PART: usize = 4 << 20;

const ALL: &str = "
SELECT first, last, first_hash, last_hash, file, file_hash, bytes, text_first, text_last
FROM segments ORDER BY first";
const GET: &str = "SELECT bytes FROM segment_files WHERE file = $1 ORDER BY part";
/// Nobody else becomes the owner before the transaction ends.
const OURS: &str = "SELECT FROM owner WHERE writer_epoch = $1 FOR SHARE";
const FORGET: &str = "DELETE FROM segment_files WHERE file = $1";
const KEEP: &str = "INSERT INTO segment_files VALUES ($1, $2, $3)";

/// All segments, in order. A ledger that no writer of this version has opened has none.
pub(super) async fn all(session: &Session, schema: &Schema) -> Result<Vec<Segment>, Trouble> {
    if !tables::there(session.client(), schema).await? {
        return Ok(Vec::new());
    }
    session.client().query(ALL, &[]).await?.iter().map(segment).collect()
}

fn segment(row: &tokio_postgres::Row) -> Result<Segment, Trouble> {
    let note = SegmentNote {
        first: unsigned(value(row, 0)?)?,
        last: unsigned(value(row, 1)?)?,
        first_hash: hash(row, 2)?,
        last_hash: hash(row, 3)?,
        file: text(row, 4)?,
        file_hash: hash(row, 5)?,
        bytes: unsigned(value(row, 6)?)?,
    };
    let texts = (text(row, 7)?, text(row, 8)?);
    Ok(Segment { note, texts: (!texts.1.is_empty()).then_some(texts) })
}

/// Segment files in a table.
#[derive(Debug)]
pub(super) struct SegmentFiles {
    server: Arc<Server>,
    /// A connection of their own: used by whoever reads or writes a file.
    link: Mutex<Link>,
}

impl SegmentFiles {
    pub(super) fn on(server: Arc<Server>) -> Self {
        Self { server, link: Mutex::default() }
    }

    fn with<T>(&self, work: impl AsyncFn(&Session) -> Result<T, Trouble>) -> Result<T, Error> {
        let mut link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        self.server.wait(link.again(&self.server, EXCHANGE_LIMIT, work))
    }

    /// Changes files in one transaction. An owner that was replaced is refused: the files are the new
    /// one's, and a late hand must not put in or take out what belongs to its segments.
    fn change(&self, work: &impl AsyncFn(&Client) -> Result<(), Trouble>) -> Result<(), Error> {
        self.with(async |session| {
            let client = session.client();
            client.batch_execute("BEGIN").await?;
            let changed: Result<(), Trouble> = async {
                if let Some(epoch) = self.server.epoch()
                    && client.query_opt(OURS, &[&epoch]).await?.is_none()
                {
                    return Err(Error::Conflict.into());
                }
                work(client).await?;
                Ok(client.batch_execute("COMMIT").await?)
            }
            .await;
            if changed.is_err() {
                client.batch_execute("ROLLBACK").await?;
            }
            changed
        })
    }

    async fn is_there(&self, session: &Session) -> Result<bool, Trouble> {
        tables::there(session.client(), self.server.schema()).await
    }
}

impl Segments for SegmentFiles {
    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let name = &*escaped(name);
        self.change(&async |client: &Client| {
            client.execute(FORGET, &[&name]).await?;
            let none: Option<&[u8]> = bytes.is_empty().then_some(&[]);
            for (part, bytes) in (0_i32..).zip(none.into_iter().chain(bytes.chunks(PART))) {
                client.execute(KEEP, &[&name, &part, &bytes]).await?;
            }
            Ok(())
        })
    }

    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let name = &*escaped(name);
        self.with(async |session| {
            if !self.is_there(session).await? {
                return Ok(None);
            }
            let parts = session.client().query(GET, &[&name]).await?;
            let mut bytes = Vec::new();
            for part in &parts {
                bytes.extend_from_slice(part.try_get(0)?);
            }
            Ok((!parts.is_empty()).then_some(bytes))
        })
    }

    fn remove(&self, name: &str) -> Result<(), Error> {
        let name = &*escaped(name);
        self.change(&async |client: &Client| {
            client.execute(FORGET, &[&name]).await?;
            Ok(())
        })
    }

    fn names(&self) -> Result<Vec<String>, Error> {
        self.with(async |session| {
            if !self.is_there(session).await? {
                return Ok(Vec::new());
            }
            let all = "SELECT DISTINCT file FROM segment_files";
            session.client().query(all, &[]).await?.iter().map(|row| text(row, 0)).collect()
        })
    }
}
