//! Whose turn it is to own a ledger, when several processes could.
//!
//! Each holds a session of its own, and one of them the server's advisory lock of the schema in it.
//! The lock ends with its session, so with the process or its machine, and the next who waits has it:
//! nobody looks again and again, and nothing is written for it. It only says when to open a ledger.
//! Who may write is said by the owner row alone: an owner that lost the lock to another by mistake is
//! refused at its next append, and ends itself as soon as it hears of the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_postgres::{Client, NoTls};
use vivarium_types::place::Standing;

use super::read::signed;
use super::server::Server;
use super::trouble::Trouble;
use crate::chain;
use crate::store::{Error, Tell};

/// A stand-by whose session was broken off lets the owner come back first: the server failed over, and
/// both of them lost their sessions.
const AFTER_YOU: Duration = Duration::from_secs(1);
/// How often an owner that lost its session looks whether another one came.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// A machine that went without a word is noticed by the server within three of these.
const SILENCE: &str = "SET tcp_keepalives_idle = 1; SET tcp_keepalives_interval = 1; \
                       SET tcp_keepalives_count = 2; SET lock_timeout = 0";
const TRY: &str = "SELECT pg_try_advisory_lock($1)";
const WAIT: &str = "SELECT pg_advisory_lock($1)";
const EPOCH: &str = "SELECT writer_epoch FROM owner";

/// The turn of this process, for as long as it lives.
#[derive(Debug)]
pub(super) struct Turn {
    /// Written once the ledger is open; 0 until then.
    epoch: Arc<AtomicU64>,
    keeper: JoinHandle<()>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

/// A session that may hold the lock, and its end.
struct Session {
    client: Client,
    ended: JoinHandle<()>,
}

impl Turn {
    /// Blocks until it is this process's turn.
    pub(super) fn wait(server: &Arc<Server>, tell: &Tell) -> Result<Self, Error> {
        let session = server.wait(first(server, tell))?;
        tell(Standing::Owner);
        let epoch = Arc::<AtomicU64>::default();
        let keep = keep(Arc::downgrade(server), session, Arc::clone(&epoch), Arc::clone(tell));
        Ok(Self { epoch, keeper: server.spawn(keep) })
    }

    /// The ledger is open under this epoch.
    pub(super) fn owns(&self, epoch: u64) {
        self.epoch.store(epoch, Ordering::Relaxed);
    }
}

/// The lock of a schema, as a number.
fn key(server: &Server) -> i64 {
    let digest = chain::digest(format!("vivarium ledger {}", server.schema()).as_bytes());
    digest.0.first_chunk::<8>().map_or(0, |bytes| i64::from_be_bytes(*bytes))
}

/// The session that has the lock for the first time.
async fn first(server: &Server, tell: &Tell) -> Result<Session, Trouble> {
    let key = key(server);
    let session = connect(server).await?;
    let ours: bool = session.client.query_one(TRY, &[&key]).await?.try_get(0)?;
    if ours {
        return Ok(session);
    }
    tell(Standing::By);
    let mut waiting = Some(session);
    loop {
        if let Some(session) = waiting.take()
            && session.client.query_one(WAIT, &[&key]).await.is_ok()
        {
            return Ok(session);
        }
        tokio::time::sleep(AFTER_YOU).await;
        waiting = connect(server).await.ok();
    }
}

/// Holds the lock, and takes it again when its session is lost. Ends the process that was replaced.
async fn keep(
    server: std::sync::Weak<Server>,
    session: Session,
    epoch: Arc<AtomicU64>,
    tell: Tell,
) {
    let mut session = session;
    loop {
        drop(session.ended.await);
        drop(session.client);
        tracing::warn!("the session that says whose turn it is was lost");
        session = loop {
            let Some(server) = server.upgrade() else { return };
            match again(&server, &epoch).await {
                Again::Ours(session) => break *session,
                Again::Fenced => return tell(Standing::Fenced),
                Again::NotYet => {}
            }
            drop(server);
            tokio::time::sleep(LOOK_EVERY).await;
        };
    }
}

/// What became of a lock whose session was lost.
enum Again {
    Ours(Box<Session>),
    Fenced,
    NotYet,
}

async fn again(server: &Server, epoch: &AtomicU64) -> Again {
    let Ok(session) = connect(server).await else { return Again::NotYet };
    let Ok(row) = session.client.query_one(EPOCH, &[]).await else { return Again::NotYet };
    let ours = epoch.load(Ordering::Relaxed);
    if row.try_get::<_, i64>(0).ok() != signed(ours).ok() {
        // Nobody is fenced before the ledger was opened for the first time.
        return if ours == 0 { Again::NotYet } else { Again::Fenced };
    }
    match session.client.query_one(TRY, &[&key(server)]).await {
        Ok(row) if row.try_get(0).unwrap_or(false) => Again::Ours(Box::new(session)),
        Ok(_) | Err(_) => Again::NotYet,
    }
}

async fn connect(server: &Server) -> Result<Session, Trouble> {
    let (client, connection) = server.config().connect(NoTls).await?;
    let ended = server.spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to PostgreSQL ended");
        }
    });
    client.batch_execute(SILENCE).await?;
    client.batch_execute(&format!("SET search_path = {}", server.schema())).await?;
    Ok(Session { client, ended })
}
