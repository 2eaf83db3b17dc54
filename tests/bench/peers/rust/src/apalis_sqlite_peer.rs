//! apalis on SQLite. Its own set-up turns `synchronous` off; here every connection has FULL, or there
//! would be nothing durable to measure.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, anyhow};
use apalis::prelude::*;
use apalis_sqlite::{Config, SqliteStorage};
use futures::stream;
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use tokio::task::JoinHandle;

use crate::cells::{Handler, Payload, Peer};

const QUEUE: &str = "bench";

pub struct Apalis {
    pool: SqlitePool,
}

fn config() -> Config {
    Config::default().queue(QUEUE).batch_size(100)
}

async fn handle(payload: Payload, handler: Data<Handler>) -> Result<(), BoxDynError> {
    handler.handle(&payload).await;
    Ok(())
}

impl Peer for Apalis {
    const NAME: &'static str = "apalis-sqlite";
    const VERSION: &'static str = "1.0.0";
    const SETTINGS: &'static str = "WAL, synchronous FULL on every connection, concurrency 64 (100 to hold), batch_size 100, poll 25 ms";
    const RESCUE: u64 = 60;

    async fn open(clients: u32, fresh: bool) -> Result<Self> {
        let path = PathBuf::from(std::env::var("BENCH_FOLDER")?).join("apalis.db");
        for suffix in ["", "-wal", "-shm"].into_iter().filter(|_| fresh) {
            drop(std::fs::remove_file(format!("{}{suffix}", path.display())));
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(60));
        // More connections only wait for SQLite's one writer.
        let pool = SqlitePoolOptions::new()
            .max_connections(clients.min(4))
            .acquire_timeout(Duration::from_secs(60))
            .connect_with(options)
            .await?;
        SqliteStorage::migrations().run(&pool).await?;
        Ok(Self { pool })
    }

    async fn add(&self, payload: Payload) -> Result<()> {
        let mut storage = SqliteStorage::<Payload>::new(&self.pool).with_config(config());
        storage.push(payload).await.map_err(|error| anyhow!("{error:?}"))?;
        Ok(())
    }

    async fn add_many(&self, payloads: Vec<Payload>) -> Result<()> {
        let mut storage = SqliteStorage::<Payload>::new(&self.pool).with_config(config());
        let mut payloads = stream::iter(payloads);
        storage.push_stream(&mut payloads).await.map_err(|error| anyhow!("{error:?}"))?;
        Ok(())
    }

    async fn work(&self, name: &str, handler: Handler) -> Result<JoinHandle<()>> {
        let backend = SqliteStorage::<Payload>::new(&self.pool)
            .with_config(config())
            .poll_with_interval(Duration::from_millis(25));
        let worker = WorkerBuilder::new(name)
            .backend(backend)
            .concurrency(if name == "hold" { 100 } else { 64 })
            .data(handler)
            .build(handle);
        Ok(tokio::spawn(async move { drop(worker.run().await) }))
    }

    async fn left(&self) -> Result<i64> {
        let left = "SELECT count(*) FROM Jobs WHERE status <> 'Done'";
        Ok(sqlx::query_scalar(left).fetch_one(&self.pool).await?)
    }
}
