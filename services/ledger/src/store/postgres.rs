//! A ledger in PostgreSQL: one schema a ledger, so that one database holds a whole world's.
//!
//! One owner row carries the epoch and the last sequence. Each append is one transaction that
//! begins by moving that row from where this owner believes it to be; when it is elsewhere, the
//! append is refused. So owners are told apart by the rows they write and by nothing else: no
//! session, no lock and no clock. Whoever opens raises the epoch, and the owner before it is
//! refused at its next append. Nothing here is a speciality of one engine.
//!
//! A lost connection is made again, for as long as a fail-over takes. When it was lost behind a COMMIT,
//! the owner row is asked what became of it, and that question waits for the transaction that may
//! still hold the row; nothing is ever appended again that may have happened.
//!
//! A connection string may name several hosts (`host=a,b`): the one that takes writes is used, so
//! a stand-by that was promoted is found without being told of. With a synchronous stand-by an
//! append is answered when the stand-by has it too.
//!
//! What was erased is gone from the tables' files with [`Store::finish_erasures`], which copies
//! the texts that remain: its cost is that of all texts. It is *not* gone from the write-ahead log
//! until its files were used again, nor from archived log files, base backups and dumps: those who
//! keep them have to take a new one and drop the old. Sealed texts need none of that, because their
//! keys never come here.
//!
//! Connections are not encrypted, so the server is reached over loopback or a private network.
//! Behind a pooler, it must be one that keeps a session together.

mod append;
mod belonging;
mod bulk;
pub(super) mod contents;
mod escape;
mod read;
mod segments;
mod server;
mod tables;
mod trouble;
mod turn;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use vivarium_types::Timestamp;
use vivarium_types::ids::LedgerId;
use vivarium_types::place::Server as Place;
use vivarium_types::source::Cursor;

use super::sqlite::FileReader;
use super::view_file::ViewFile;
use super::{Answered, Batch, Error, Head, Reader, RequestKey, Snapshots, Store, Tell};
use crate::aggregate::Claimed;
use escape::escaped;
use read::{Pool, hash, id, text, unsigned, value};
use server::{EXCHANGE_LIMIT, Link, REWRITE_LIMIT, Server, Session};
use tables::{REWRITE_SEGMENT_FILES, REWRITE_TEXTS, Schema, TABLES_VERSION};
use trouble::Trouble;
use turn::Turn;

pub use belonging::shown;
/// Where a server is and who we are there, as `host=a,b user=… dbname=…` or `postgresql://…`.
pub use tokio_postgres::Config;

const OWN: &str = "
INSERT INTO owner VALUES (1, $1, $2, 1, 0, 0)
ON CONFLICT (one) DO UPDATE SET
  writer_epoch = owner.writer_epoch + 1, tables_version = greatest(owner.tables_version, $1)";
const CLAIMED: &str = "
SELECT key, claims.sequence, coalesce(kind, '') FROM claims
LEFT JOIN events ON events.sequence = claims.sequence WHERE key = ANY($1)";
const ANSWERED: &str = "
SELECT digest, bytes, sequence FROM answers
WHERE request_id = $1 AND method = $2 AND actor = $3";
const ANSWERED_ALL: &str = "
SELECT actor, method, request_id, digest, bytes, sequence FROM answers
JOIN unnest($1::text[], $2::text[], $3::text[]) AS asked (request_id, method, actor)
USING (request_id, method, actor)";
const FORGET_ANSWERS: &str = "
DELETE FROM answers WHERE (request_id, method, actor) IN (
  SELECT request_id, method, actor FROM answers WHERE time_us < $1 LIMIT $2)";

/// A ledger in a schema of a PostgreSQL database.
#[derive(Debug)]
pub struct Postgres {
    server: Arc<Server>,
    /// The writer's own connection.
    link: Link,
    views: PathBuf,
    pool: Arc<Pool>,
    /// Kept by an owner that others may replace.
    turn: Option<Turn>,
}

impl Postgres {
    /// Opens or makes the ledger in `schema`, with its read models in the SQLite file `views`.
    ///
    /// The name of a schema begins with a small letter and goes on with those, digits and `_`.
    pub fn at(config: &Config, schema: &str, views: &Path) -> Result<Self, Error> {
        let server = Arc::new(Server::at(config, Schema::parse(schema)?)?);
        let mut link = Link::default();
        let make = async |session: &Session| tables::make(session, server.schema()).await;
        server.wait(link.again(&server, EXCHANGE_LIMIT, make))?;
        let pool = Arc::new(Pool::new(Arc::clone(&server), FileReader::at(views)));
        Ok(Self { server, link, views: views.to_owned(), pool, turn: None })
    }

    /// Opens or makes the ledger of a world's service. What stands in the way is told as
    /// [`vivarium_types::place::Error`].
    pub fn of_world(place: &Place, views: &Path) -> Result<Self, Error> {
        let config = belonging::config(place)?;
        belonging::knock(&config, place, belonging::START_LIMIT)?;
        let store = Self::at(&config, &place.schema, views);
        let mut store = store.map_err(|error| belonging::explained(error, place))?;
        let world = place.world.to_string();
        let owner = store.again(async |session| belonging::claim(session, &world).await)?;
        belonging::ours(place, &owner)?;
        Ok(store)
    }

    /// Waits until no other process owns the ledger. Blocks until then; `tell` hears how it stands.
    pub fn wait_for_turn(&mut self, tell: &Tell) -> Result<(), Error> {
        self.turn = Some(Turn::wait(&self.server, tell)?);
        Ok(())
    }

    /// Reads the ledger of a world's service and makes nothing; `None` when there is none yet.
    pub fn read_only(place: &Place, views: &Path) -> Result<Option<Arc<dyn Reader>>, Error> {
        let config = belonging::config(place)?;
        belonging::knock(&config, place, belonging::LOOK_LIMIT)?;
        let server = Arc::new(Server::at(&config, Schema::parse(&place.schema)?)?);
        let pool = Pool::new(Arc::clone(&server), FileReader::at(views));
        let Some(owner) = pool.with(async |session| belonging::owner(session).await)? else {
            return Ok(None);
        };
        belonging::ours(place, &owner)?;
        Ok(Some(Arc::new(pool)))
    }

    /// Whether nobody has ever opened the ledger.
    pub fn is_unused(&self) -> Result<bool, Error> {
        self.pool.with(async |session| {
            Ok(session.client().query_opt("SELECT 1 FROM owner", &[]).await?.is_none())
        })
    }

    fn again<T>(&mut self, work: impl AsyncFn(&Session) -> Result<T, Trouble>) -> Result<T, Error> {
        self.server.wait(self.link.again(&self.server, EXCHANGE_LIMIT, work))
    }
}

impl Store for Postgres {
    fn open(&mut self, fresh: LedgerId) -> Result<Head, Error> {
        let fresh = fresh.to_string();
        let head = self.again(async |session| {
            session.client().execute(OWN, &[&TABLES_VERSION, &fresh]).await?;
            read::head(session).await
        })?;
        if let Some(turn) = &self.turn {
            turn.owns(head.writer_epoch);
        }
        self.server.owns(read::signed(head.writer_epoch)?);
        Ok(head)
    }

    fn append(&mut self, batch: &Batch<'_>) -> Result<(), Error> {
        append::append(&mut self.link, &self.server, batch)
    }

    fn claimed(&mut self, keys: &[String]) -> Result<BTreeMap<String, Claimed>, Error> {
        let keys: Vec<_> = keys.iter().map(|key| escaped(key)).collect();
        self.again(async |session| {
            let query = session.prepared(CLAIMED).await?;
            let rows = session.client().query(&query, &[&keys]).await?;
            let claim = |row: &tokio_postgres::Row| {
                let sequence = unsigned(value(row, 1)?)?;
                Ok((text(row, 0)?, Claimed { sequence, kind: text(row, 2)? }))
            };
            rows.iter().map(claim).collect()
        })
    }

    fn answered(&mut self, key: &RequestKey) -> Result<Option<Answered>, Error> {
        let request = escaped(&key.request_id);
        let (method, actor) = (escaped(&key.method), escaped(&key.actor));
        self.again(async |session| {
            let query = session.prepared(ANSWERED).await?;
            let found = session.client().query_opt(&query, &[&request, &method, &actor]).await?;
            let answer = |row: tokio_postgres::Row| {
                let (digest, bytes) = (hash(&row, 0)?, value(&row, 1)?);
                Ok(Answered { digest, bytes, sequence: unsigned(value(&row, 2)?)? })
            };
            found.map(answer).transpose()
        })
    }

    fn answered_all(
        &mut self,
        keys: &[RequestKey],
    ) -> Result<BTreeMap<RequestKey, Answered>, Error> {
        let part = |of: fn(&RequestKey) -> &str| -> Vec<_> {
            keys.iter().map(|key| escaped(of(key))).collect()
        };
        let (requests, methods) = (part(|key| &key.request_id), part(|key| &key.method));
        let actors = part(|key| &key.actor);
        self.again(async |session| {
            let query = session.prepared(ANSWERED_ALL).await?;
            let rows = session.client().query(&query, &[&requests, &methods, &actors]).await?;
            let answer = |row: &tokio_postgres::Row| {
                let (actor, method) = (text(row, 0)?, text(row, 1)?);
                let (digest, bytes) = (hash(row, 3)?, value(row, 4)?);
                let sequence = unsigned(value(row, 5)?)?;
                let key = RequestKey { actor, method, request_id: text(row, 2)? };
                Ok((key, Answered { digest, bytes, sequence }))
            };
            rows.iter().map(answer).collect()
        })
    }

    fn forget_answers(&mut self, before: Timestamp, limit: u32) -> Result<u32, Error> {
        let (before, most) = (before.as_micros(), i64::from(limit));
        let count = self.again(async |session| {
            let forget = session.prepared(FORGET_ANSWERS).await?;
            Ok(session.client().execute(&forget, &[&before, &most]).await?)
        })?;
        Ok(u32::try_from(count).unwrap_or(limit))
    }

    fn cursors(&mut self) -> Result<BTreeMap<String, Cursor>, Error> {
        self.again(async |session| {
            let all = "SELECT follower, ledger, sequence, hash FROM cursors";
            let rows = session.client().query(all, &[]).await?;
            let cursor = |row: &tokio_postgres::Row| {
                let (ledger, sequence) = (Some(id(row, 1)?), unsigned(value(row, 2)?)?);
                Ok((text(row, 0)?, Cursor { ledger, sequence, hash: hash(row, 3)? }))
            };
            rows.iter().map(cursor).collect()
        })
    }

    fn pending_erasures(&mut self) -> Result<Vec<String>, Error> {
        self.again(async |session| {
            let rows = session.client().query("SELECT id FROM erasures", &[]).await?;
            rows.iter().map(|row| text(row, 0)).collect()
        })
    }

    fn finish_erasures(&mut self, ids: &[String]) -> Result<(), Error> {
        if ids.is_empty() {
            return Ok(());
        }
        let gone = self.pool.shelf.erase(&self.pool.segments()?, ids)?;
        // A crash may have come between writing a segment's texts anew and this: so both, always.
        let segmented = !self.pool.shelf.files().names()?.is_empty();
        let ids: Vec<_> = gone.into_iter().map(escaped).collect();
        let finish = async |session: &Session| {
            let client = session.client();
            client.batch_execute("BEGIN").await?;
            let finished: Result<(), Trouble> = async {
                client.batch_execute(REWRITE_TEXTS).await?;
                if segmented {
                    client.batch_execute(REWRITE_SEGMENT_FILES).await?;
                }
                client.execute("DELETE FROM erasures WHERE id = ANY($1)", &[&ids]).await?;
                Ok(client.batch_execute("COMMIT").await?)
            }
            .await;
            if finished.is_err() {
                client.batch_execute("ROLLBACK").await?;
            }
            finished
        };
        self.server.wait(self.link.again(&self.server, REWRITE_LIMIT, finish))
    }

    fn views(&self) -> Result<ViewFile, Error> {
        ViewFile::at(&self.views)
    }

    fn reader(&self) -> Arc<dyn Reader> {
        Arc::<Pool>::clone(&self.pool)
    }

    fn snapshots(&self) -> Arc<dyn Snapshots> {
        Arc::<Pool>::clone(&self.pool)
    }
}
