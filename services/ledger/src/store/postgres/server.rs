//! The way to the server: connections, what a session is told, how long anything may take, and
//! connecting again when one is lost.
//!
//! The connections are driven by one thread; calls block the thread they are made on, whatever
//! runs there. So the store can be used from the writer's thread, from a blocking thread and, as
//! any other store, from a thread that serves a runtime.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::executor::block_on;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::{JoinHandle, unconstrained};
use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres::{Client, Config, NoTls, Statement};

use super::tables::Schema;
use super::trouble::{Remedy, Trouble};
use crate::store::Error;

/// One host may take so long to answer a call for a connection, if the configuration does not say.
pub(super) const CONNECT_LIMIT: Duration = Duration::from_secs(2);
/// A host that went without a word is noticed within this time, if the configuration does not say.
const SILENCE_LIMIT: Duration = Duration::from_secs(5);
/// One exchange with the server. A commit that no stand-by confirms waits this long.
pub(super) const EXCHANGE_LIMIT: Duration = Duration::from_secs(30);
/// Copying a whole table.
pub(super) const REWRITE_LIMIT: Duration = Duration::from_mins(10);
/// The server ends a transaction whose owner went to sleep in it: the next owner waits for its row.
const ASLEEP_LIMIT: Duration = Duration::from_secs(5);
/// How long a rewrite may wait for those who read the table; everybody else waits behind it.
const LOCK_LIMIT: Duration = Duration::from_secs(5);
/// The first pause between two tries; each is twice the one before.
const PAUSE_MIN: Duration = Duration::from_millis(10);
/// The longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_millis(250);
/// How long a server may be away before it counts as gone: a fail-over takes a few seconds.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);

/// Where a ledger's server is, and the thread that drives the connections to it.
#[derive(Debug)]
pub(super) struct Server {
    config: Config,
    schema: Schema,
    /// Always there until the drop takes it.
    runtime: Option<Runtime>,
    handle: Handle,
    /// Under which epoch this process owns the ledger; 0 when it never did.
    epoch: AtomicI64,
}

impl Server {
    pub(super) fn at(config: &Config, schema: Schema) -> Result<Self, Error> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name(format!("{schema}-postgres"))
            .enable_all()
            .build()
            .map_err(|error| Error::Unavailable(Box::new(error)))?;
        let handle = runtime.handle().clone();
        let (config, runtime) = (completed(config, &schema), Some(runtime));
        Ok(Self { config, schema, runtime, handle, epoch: AtomicI64::new(0) })
    }

    pub(super) const fn schema(&self) -> &Schema {
        &self.schema
    }

    pub(super) const fn config(&self) -> &Config {
        &self.config
    }

    /// This process owns the ledger from now on.
    pub(super) fn owns(&self, epoch: i64) {
        self.epoch.store(epoch, Ordering::Relaxed);
    }

    /// Under which epoch this process owns the ledger, or did; `None` when it never opened it to write.
    pub(super) fn epoch(&self) -> Option<i64> {
        Some(self.epoch.load(Ordering::Relaxed)).filter(|epoch| *epoch > 0)
    }

    /// Runs beside the calls, on the thread that drives the connections.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        self.handle.spawn(work)
    }

    /// Blocks this thread until `work` is done.
    pub(super) fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        let _timers = self.handle.enter();
        // A task of another runtime may be what blocks here: its share of polls, which it cannot
        // get anew while it blocks, does not count.
        block_on(unconstrained(work))
    }

    async fn connect(&self) -> Result<Session, Trouble> {
        let (client, connection) = self.config.connect(NoTls).await?;
        self.handle.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to PostgreSQL ended");
            }
        });
        let session = Session { client, prepared: Mutex::default() };
        session.client.batch_execute(&self.manners()).await?;
        Ok(session)
    }

    /// What a session is told before anything else, whatever the server's own settings are.
    fn manners(&self) -> String {
        format!(
            "SET synchronous_commit = 'on'; SET search_path = {}; \
             SET default_transaction_isolation = 'read committed'; \
             SET client_min_messages = 'warning'; SET lock_timeout = {}; \
             SET idle_in_transaction_session_timeout = {}",
            self.schema,
            LOCK_LIMIT.as_millis(),
            ASLEEP_LIMIT.as_millis(),
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The last handle may be dropped on a thread of another runtime, which may not block.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The configuration with what a ledger needs where it says nothing.
fn completed(config: &Config, schema: &Schema) -> Config {
    let mut config = config.clone();
    config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    if config.get_application_name().is_none() {
        config.application_name(format!("vivarium {schema}"));
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_LIMIT);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(SILENCE_LIMIT);
        config.keepalives_idle(SILENCE_LIMIT).keepalives_interval(Duration::from_secs(1));
    }
    config
}

/// One connection, told its manners.
#[derive(Debug)]
pub(super) struct Session {
    client: Client,
    /// Statements by their text, prepared at their first use.
    prepared: Mutex<BTreeMap<&'static str, Statement>>,
}

impl Session {
    pub(super) const fn client(&self) -> &Client {
        &self.client
    }

    /// A statement, prepared once in this session.
    pub(super) async fn prepared(&self, sql: &'static str) -> Result<Statement, Trouble> {
        let known = self.prepared.lock().unwrap_or_else(PoisonError::into_inner).get(sql).cloned();
        if let Some(statement) = known {
            return Ok(statement);
        }
        let statement = self.client.prepare(sql).await?;
        let mut prepared = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        prepared.insert(sql, statement.clone());
        Ok(statement)
    }
}

/// A connection that is made at the first use and made anew when it was lost.
#[derive(Debug, Default)]
pub(super) struct Link {
    session: Option<Session>,
}

impl Link {
    /// Does `work` once. A session that was lost in it, or that may still be busy, is let go.
    pub(super) async fn once<T>(
        &mut self,
        server: &Server,
        limit: Duration,
        work: impl AsyncFnOnce(&Session) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let session = match self.session.take().filter(|session| !session.client.is_closed()) {
            Some(session) => session,
            None => within(EXCHANGE_LIMIT, Box::pin(server.connect())).await?,
        };
        let outcome = within(limit, Box::pin(work(&session))).await;
        if !matches!(&outcome, Err(Trouble { remedy: Remedy::Reconnect, .. })) {
            self.session = Some(session);
        }
        outcome
    }

    /// Does `work` until the server has taken it, however often the connection is lost on the way
    /// within our patience. So `work` must be something that may happen twice.
    pub(super) async fn again<T>(
        &mut self,
        server: &Server,
        limit: Duration,
        work: impl AsyncFn(&Session) -> Result<T, Trouble>,
    ) -> Result<T, Error> {
        let patiently = async {
            let mut pauses = Pauses::default();
            loop {
                match self.once(server, limit, &work).await {
                    Err(trouble) if trouble.remedy == Remedy::Reconnect => {
                        pauses.wait(&trouble).await;
                    }
                    outcome => return outcome,
                }
            }
        };
        Ok(within(limit + PATIENCE, Box::pin(patiently)).await?)
    }
}

/// `work`, unless it takes longer than it may.
pub(super) async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, Trouble>>,
) -> Result<T, Trouble> {
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| Err(Trouble::late()))
}

/// The pauses between tries of a server that went.
#[derive(Debug)]
pub(super) struct Pauses {
    next: Duration,
}

impl Default for Pauses {
    fn default() -> Self {
        Self { next: PAUSE_MIN }
    }
}

impl Pauses {
    /// Waits a little, and longer the next time.
    pub(super) async fn wait(&mut self, trouble: &Trouble) {
        tracing::debug!(error = %trouble.error, "PostgreSQL is tried again");
        tokio::time::sleep(self.next).await;
        self.next = (self.next * 2).min(PAUSE_MAX);
    }
}
