//! Reading beside the writer, and the snapshots, over a small pool of connections.

use std::sync::{Arc, Mutex, PoisonError};

use tokio_postgres::types::FromSqlOwned;
use vivarium_types::Timestamp;
use vivarium_types::ids::LedgerId;
use vivarium_types::source::{Checkpoint, Hash, Row};

use super::escape::{escaped, unescaped};
use super::segments::{self, SegmentFiles};
use super::server::{EXCHANGE_LIMIT, Link, Server, Session};
use super::tables;
use super::trouble::Trouble;
use crate::chain;
use crate::segment::{Segment, Shelf};
use crate::store::sqlite::FileReader;
use crate::store::view_file::Work;
use crate::store::{Error, Head, Reader, Snapshots, TextRow};

/// Connections kept for readers; more readers at once make one each for their query.
const READERS_KEPT: usize = 4;
/// Bytes of a snapshot in one row: far below what a server takes in one message.
const SNAPSHOT_PART: usize = 4 << 20;

const HEAD: &str = "
SELECT ledger, writer_epoch, owner.sequence, hash, time_us, tables_version,
  (SELECT coalesce(max(sequence), 0) FROM events)
FROM owner LEFT JOIN events ON events.sequence = owner.sequence";
const ROWS: &str = "
SELECT sequence, time_us, actor, kind, schema, payload, hash FROM events
WHERE sequence > $1 ORDER BY sequence LIMIT $2";
const TEXT: &str = "SELECT bytes, sealed FROM texts WHERE id = $1";
const CHECKPOINTS: &str =
    "SELECT peer, ledger, sequence, hash, time_us, key_id, signature FROM checkpoints";
const SNAPSHOT: &str = "
SELECT sequence, bytes FROM snapshots
WHERE sequence = (SELECT max(sequence) FROM snapshots WHERE sequence <= $1) ORDER BY part";
/// Two threads may keep the snapshot behind one row at once; it is the same.
const KEEP_PART: &str = "
INSERT INTO snapshots VALUES ($1, $2, $3)
ON CONFLICT (sequence, part) DO UPDATE SET bytes = excluded.bytes";
const FORGET_SAME: &str = "DELETE FROM snapshots WHERE sequence = $1";
const FORGET_OLD: &str = "
DELETE FROM snapshots WHERE sequence NOT IN (
  SELECT DISTINCT sequence FROM snapshots ORDER BY sequence DESC LIMIT 2)";

/// Readers' connections to one ledger, and its read models.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) server: Arc<Server>,
    pub(super) views: FileReader,
    pub(super) shelf: Shelf,
    /// Idle connections; taken for one query and put back behind it.
    idle: Mutex<Vec<Link>>,
}

impl Pool {
    pub(super) fn new(server: Arc<Server>, views: FileReader) -> Self {
        let shelf = Shelf::new(Box::new(SegmentFiles::on(Arc::clone(&server))));
        Self { server, views, shelf, idle: Mutex::default() }
    }

    pub(super) fn with<T>(
        &self,
        work: impl AsyncFn(&Session) -> Result<T, Trouble>,
    ) -> Result<T, Error> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut link = idle.unwrap_or_default();
        let result = self.server.wait(link.again(&self.server, EXCHANGE_LIMIT, work));
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < READERS_KEPT {
            idle.push(link);
        }
        result
    }
}

impl Reader for Pool {
    fn head(&self) -> Result<Head, Error> {
        self.with(head)
    }

    fn hot_rows(&self, after: u64, limit: usize) -> Result<Vec<Row>, Error> {
        let (after, limit) = (clamped(after), i64::try_from(limit).unwrap_or(i64::MAX));
        self.with(async |session| {
            let query = session.prepared(ROWS).await?;
            let rows = session.client().query(&query, &[&after, &limit]).await?;
            rows.iter().map(event).collect()
        })
    }

    fn hot_text(&self, id: &str) -> Result<Option<TextRow>, Error> {
        let key = escaped(id);
        self.with(async |session| {
            let query = session.prepared(TEXT).await?;
            let found = session.client().query_opt(&query, &[&&*key]).await?;
            found
                .map(|row| {
                    let (bytes, sealed) = (value(&row, 0)?, value(&row, 1)?);
                    Ok(TextRow { id: id.to_owned(), bytes, sealed })
                })
                .transpose()
        })
    }

    fn is_erasing(&self, id: &str) -> Result<bool, Error> {
        let key = escaped(id);
        self.with(async |session| {
            let pending = "SELECT 1 FROM erasures WHERE id = $1";
            Ok(session.client().query_opt(pending, &[&&*key]).await?.is_some())
        })
    }

    fn hot_from(&self) -> Result<u64, Error> {
        self.with(async |session| {
            let first = "SELECT coalesce(min(sequence), 0) FROM events";
            Ok(unsigned(value(&session.client().query_one(first, &[]).await?, 0)?)?)
        })
    }

    fn segments(&self) -> Result<Vec<Segment>, Error> {
        let schema = self.server.schema();
        self.with(async |session| segments::all(session, schema).await)
    }

    fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    fn checkpoints(&self) -> Result<Vec<(String, Checkpoint)>, Error> {
        let mut found = self.with(async |session| {
            let query = session.prepared(CHECKPOINTS).await?;
            let rows = session.client().query(&query, &[]).await?;
            rows.iter().map(checkpoint).collect::<Result<Vec<_>, _>>()
        })?;
        // Here and not there: a server sorts by the rules of its language.
        found.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(found)
    }

    fn view(&self, query: Work<'_>) -> Result<(), Error> {
        self.views.query(query)
    }
}

impl Snapshots for Pool {
    fn put(&self, sequence: u64, bytes: &[u8]) -> Result<(), Error> {
        let at = signed(sequence)?;
        self.with(async |session| {
            let client = session.client();
            let keep = session.prepared(KEEP_PART).await?;
            client.batch_execute("BEGIN").await?;
            let kept: Result<(), Trouble> = async {
                client.execute(FORGET_SAME, &[&at]).await?;
                for (part, bytes) in (0_i32..).zip(parts(bytes)) {
                    client.execute(&keep, &[&at, &part, &bytes]).await?;
                }
                client.execute(FORGET_OLD, &[]).await?;
                Ok(client.batch_execute("COMMIT").await?)
            }
            .await;
            if kept.is_err() {
                client.batch_execute("ROLLBACK").await?;
            }
            kept
        })
    }

    fn latest(&self, limit: u64) -> Result<Option<(u64, Vec<u8>)>, Error> {
        let limit = clamped(limit);
        self.with(async |session| {
            let query = session.prepared(SNAPSHOT).await?;
            let parts = session.client().query(&query, &[&limit]).await?;
            let Some(first) = parts.first() else { return Ok(None) };
            let sequence = unsigned(value(first, 0)?)?;
            let mut bytes = Vec::new();
            for part in &parts {
                bytes.extend_from_slice(part.try_get(1)?);
            }
            Ok(Some((sequence, bytes)))
        })
    }
}

/// At least one part, so that an empty snapshot is one too.
fn parts(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let none: Option<&[u8]> = bytes.is_empty().then_some(&[]);
    none.into_iter().chain(bytes.chunks(SNAPSHOT_PART))
}

/// The ledger's last row, and that it is the one the owner row names.
pub(super) async fn head(session: &Session) -> Result<Head, Trouble> {
    let query = session.prepared(HEAD).await?;
    let row = session.client().query_opt(&query, &[]).await?;
    let row = row.ok_or_else(|| Error::corrupt("a ledger without its owner row"))?;
    tables::check(value(&row, 5)?)?;
    let ledger = id(&row, 0)?;
    let (sequence, last) = (value::<i64>(&row, 2)?, value::<i64>(&row, 6)?);
    if sequence != last {
        let what = format!("an owner row that names row {sequence} where the last is {last}");
        return Err(Error::corrupt(what).into());
    }
    let (hash, time) = if sequence == 0 {
        (chain::genesis(ledger), Timestamp::EPOCH)
    } else {
        (hash(&row, 3)?, Timestamp::from_micros(value(&row, 4)?))
    };
    let writer_epoch = unsigned(value(&row, 1)?)?;
    Ok(Head { ledger, writer_epoch, sequence: unsigned(sequence)?, hash, time })
}

fn event(row: &tokio_postgres::Row) -> Result<Row, Trouble> {
    Ok(Row {
        sequence: unsigned(value(row, 0)?)?,
        time: Timestamp::from_micros(value(row, 1)?),
        actor: text(row, 2)?,
        kind: text(row, 3)?,
        schema: u32::try_from(value::<i64>(row, 4)?).map_err(|_| Error::corrupt("a schema"))?,
        payload: value(row, 5)?,
        hash: hash(row, 6)?,
    })
}

fn checkpoint(row: &tokio_postgres::Row) -> Result<(String, Checkpoint), Trouble> {
    let checkpoint = Checkpoint {
        ledger: id(row, 1)?,
        sequence: unsigned(value(row, 2)?)?,
        hash: hash(row, 3)?,
        time: Timestamp::from_micros(value(row, 4)?),
        key_id: text(row, 5)?,
        signature: value(row, 6)?,
    };
    Ok((text(row, 0)?, checkpoint))
}

/// A column's value; one of another type is not ours.
pub(super) fn value<T: FromSqlOwned>(
    row: &tokio_postgres::Row,
    column: usize,
) -> Result<T, Trouble> {
    Ok(row.try_get(column)?)
}

pub(super) fn text(row: &tokio_postgres::Row, column: usize) -> Result<String, Trouble> {
    Ok(unescaped(value(row, column)?)?)
}

pub(super) fn hash(row: &tokio_postgres::Row, column: usize) -> Result<Hash, Trouble> {
    let bytes: Vec<u8> = value(row, column)?;
    Hash::try_from(bytes.as_slice()).map_err(|_| Error::corrupt("a hash").into())
}

pub(super) fn id(row: &tokio_postgres::Row, column: usize) -> Result<LedgerId, Trouble> {
    let text: String = value(row, column)?;
    text.parse().map_err(|_| Error::corrupt("a ledger's id").into())
}

/// A number that counts, as the server stores it.
pub(super) fn signed(number: u64) -> Result<i64, Error> {
    i64::try_from(number).map_err(|error| Error::Unavailable(Box::new(error)))
}

pub(super) fn unsigned(stored: i64) -> Result<u64, Error> {
    u64::try_from(stored).map_err(|_| Error::corrupt(format!("the number {stored}")))
}

/// A bound: whatever is beyond every stored number bounds nothing.
fn clamped(bound: u64) -> i64 {
    i64::try_from(bound).unwrap_or(i64::MAX)
}
