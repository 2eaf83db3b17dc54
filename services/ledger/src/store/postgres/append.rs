//! One batch as one transaction, conditional on the owner row; and finding out what became of a
//! commit whose answer was lost.
//!
//! The owner row is written first, so its lock orders this transaction against every other owner's.
//! Beside the sequence it counts appends, because a batch without rows moves no sequence and must
//! be told apart from one that never happened.

use futures::future::{join, join_all};
use tokio_postgres::types::ToSql;

use super::bulk::{self, Bulk};
use super::read::{signed, unsigned, value};
use super::server::{EXCHANGE_LIMIT, Link, PATIENCE, Pauses, Server, Session, within};
use super::trouble::{Remedy, Trouble};
use crate::store::{Batch, Error};

const FENCE: &str = "
UPDATE owner SET sequence = $3, appends = appends + 1
WHERE writer_epoch = $1 AND sequence = $2 RETURNING appends";
/// Writes what is there already: waits for a transaction that still holds the row, and is itself
/// confirmed by the stand-bys, and so is everything before it.
const STANDING: &str = "UPDATE owner SET appends = appends RETURNING writer_epoch, appends";

/// What failed in one try, and whether COMMIT had been sent by then.
struct Failed {
    trouble: Trouble,
    /// The owner row's count of appends, if this try is what counts.
    unanswered: Option<i64>,
}

impl From<Trouble> for Failed {
    fn from(trouble: Trouble) -> Self {
        Self { trouble, unanswered: None }
    }
}

/// Makes `batch` durable, over as many connections as it takes, and exactly once.
pub(super) fn append(link: &mut Link, server: &Server, batch: &Batch<'_>) -> Result<(), Error> {
    let bulks = bulk::of(batch)?;
    let fence = Fence::of(batch)?;
    let patiently = async {
        let mut pauses = Pauses::default();
        loop {
            let mut unanswered = None;
            let once = async |session: &Session| {
                attempt(session, &fence, &bulks).await.map_err(|failed| {
                    unanswered = failed.unanswered;
                    failed.trouble
                })
            };
            let trouble = match link.once(server, EXCHANGE_LIMIT, once).await {
                Ok(()) => return Ok(()),
                Err(trouble) if trouble.remedy == Remedy::Reconnect => trouble,
                Err(trouble) => return Err(trouble),
            };
            pauses.wait(&trouble).await;
            // Without a COMMIT on its way there is nothing to find out: it did not happen.
            if let Some(appends) = unanswered
                && happened(link, server, fence.epoch, appends).await?
            {
                return Ok(());
            }
        }
    };
    server.wait(async { Ok(within(EXCHANGE_LIMIT + PATIENCE, Box::pin(patiently)).await?) })
}

/// Where the ledger must stand, and where it stands afterwards.
struct Fence {
    epoch: i64,
    expected: i64,
    behind: i64,
}

impl Fence {
    fn of(batch: &Batch<'_>) -> Result<Self, Error> {
        let behind = batch.rows.last().map_or(batch.expected_sequence, |row| row.sequence);
        Ok(Self {
            epoch: signed(batch.writer_epoch)?,
            expected: signed(batch.expected_sequence)?,
            behind: signed(behind)?,
        })
    }
}

/// One try. Whatever is not committed is rolled back, or dies with the connection.
async fn attempt(session: &Session, fence: &Fence, bulks: &[Bulk<'_>]) -> Result<(), Failed> {
    let client = session.client();
    let appends = match write(session, fence, bulks).await {
        Ok(appends) => appends,
        Err(trouble) => {
            if trouble.remedy != Remedy::Reconnect {
                client.batch_execute("ROLLBACK").await.map_err(Trouble::from)?;
            }
            return Err(trouble.into());
        }
    };
    client.batch_execute("COMMIT").await.map_err(|error| Failed {
        // Even a refusal is asked about: only the owner row knows.
        trouble: Trouble { remedy: Remedy::Reconnect, ..error.into() },
        unanswered: Some(appends),
    })
}

/// Everything but the commit. Gives back the owner row's count of appends.
async fn write(session: &Session, fence: &Fence, bulks: &[Bulk<'_>]) -> Result<i64, Trouble> {
    let client = session.client();
    let owner = session.prepared(FENCE).await?;
    let place: [&(dyn ToSql + Sync); 3] = [&fence.epoch, &fence.expected, &fence.behind];
    // One way to the server and back for both.
    let (begun, fenced) =
        join(client.batch_execute("BEGIN"), client.query_opt(&owner, &place)).await;
    begun?;
    let Some(row) = fenced? else { return Err(Error::Conflict.into()) };
    let mut statements = Vec::with_capacity(bulks.len());
    for bulk in bulks {
        statements.push(session.prepared(bulk.sql).await?);
    }
    // All of them on the way at once, in this order; the first that fails fails the rest, whose own
    // errors say no more than that.
    let sent = bulks
        .iter()
        .zip(&statements)
        .map(|(bulk, statement)| async move { client.execute(statement, &bulk.values()).await });
    join_all(sent).await.into_iter().try_for_each(|outcome| outcome.map(drop))?;
    value(&row, 0)
}

/// Whether the append that counts as number `appends` of epoch `epoch` is in the ledger.
async fn happened(
    link: &mut Link,
    server: &Server,
    epoch: i64,
    appends: i64,
) -> Result<bool, Trouble> {
    let standing = async |session: &Session| {
        let owner = session.client().query_one(STANDING, &[]).await?;
        Ok((value::<i64>(&owner, 0)?, value::<i64>(&owner, 1)?))
    };
    let (now, count) = link.again(server, EXCHANGE_LIMIT, standing).await?;
    match count.checked_sub(appends) {
        // Another owner came; whether ours was in the log before it, only the log can say.
        _ if now != epoch => Err(Error::Conflict.into()),
        Some(0) => Ok(true),
        Some(-1) => Ok(false),
        _ => {
            let count = unsigned(count)?;
            Err(Error::corrupt(format!("an owner row that counts {count} appends")).into())
        }
    }
}
