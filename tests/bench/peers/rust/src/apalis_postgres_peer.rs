//! apalis on PostgreSQL, with LISTEN and NOTIFY as its documentation shows.

use std::time::Duration;

use anyhow::{Result, anyhow};
use apalis::prelude::*;
use apalis_postgres::{Config, PgPool, PostgresStorage};
use futures::stream;
use sqlx::postgres::PgPoolOptions;
use tokio::task::JoinHandle;

use crate::cells::{Handler, Payload, Peer};

const QUEUE: &str = "bench";

pub struct Apalis {
    pool: PgPool,
    workers: PgPool,
}

fn config() -> Config {
    Config::default().queue(QUEUE).batch_size(100)
}

async fn handle(payload: Payload, handler: Data<Handler>) -> Result<(), BoxDynError> {
    handler.handle(&payload).await;
    Ok(())
}

impl Peer for Apalis {
    const NAME: &'static str = "apalis-postgres";
    const VERSION: &'static str = "1.0.0";
    const SETTINGS: &'static str = "concurrency 64 (100 to hold), batch_size 100, pubsub";
    const RESCUE: u64 = 60;

    async fn open(clients: u32, fresh: bool) -> Result<Self> {
        let address = crate::database("apalis", fresh).await?;
        let pool = PgPoolOptions::new().max_connections(clients).connect(&address).await?;
        let workers = PgPoolOptions::new().max_connections(20).connect(&address).await?;
        if fresh {
            PostgresStorage::setup(&pool).await?;
        }
        Ok(Self { pool, workers })
    }

    async fn add(&self, payload: Payload) -> Result<()> {
        let mut storage = PostgresStorage::<Payload>::new(&self.pool).with_config(config());
        storage.push(payload).await.map_err(|error| anyhow!("{error:?}"))?;
        Ok(())
    }

    async fn add_many(&self, payloads: Vec<Payload>) -> Result<()> {
        let mut storage = PostgresStorage::<Payload>::new(&self.pool).with_config(config());
        let mut payloads = stream::iter(payloads);
        storage.push_stream(&mut payloads).await.map_err(|error| anyhow!("{error:?}"))?;
        Ok(())
    }

    async fn work(&self, name: &str, handler: Handler) -> Result<JoinHandle<()>> {
        let backend = PostgresStorage::<Payload>::new(&self.workers)
            .with_config(config())
            .with_pubsub()
            .poll_with_interval(Duration::from_millis(100));
        let worker = WorkerBuilder::new(name)
            .backend(backend)
            .concurrency(if name == "hold" { 100 } else { 64 })
            .data(handler)
            .build(handle);
        Ok(tokio::spawn(async move { drop(worker.run().await) }))
    }

    async fn left(&self) -> Result<i64> {
        let left = "SELECT count(*) FROM apalis.jobs WHERE status <> 'Done'";
        Ok(sqlx::query_scalar(left).fetch_one(&self.pool).await?)
    }
}
