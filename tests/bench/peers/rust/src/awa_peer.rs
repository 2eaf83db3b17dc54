//! awa: its queue storage with 256 workers, COPY for many.

use std::time::Duration;

use anyhow::Result;
use awa::model::insert::params_with;
use awa::{Client, InsertOpts, JobArgs, JobResult, QueueConfig, QueueStorage, QueueStorageConfig};
use serde::{Deserialize, Serialize};
use sqlx_of_awa::PgPool;
use sqlx_of_awa::postgres::PgPoolOptions;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::cells::{Handler, Payload, Peer};

const QUEUE: &str = "bench";
const COPY: usize = 5_000;

#[derive(Debug, Serialize, Deserialize, JobArgs)]
struct Note {
    number: u64,
    text: String,
}

impl From<Payload> for Note {
    fn from(Payload { number, text }: Payload) -> Self {
        Self { number, text }
    }
}

pub struct Awa {
    pool: PgPool,
    workers: PgPool,
    store: QueueStorage,
}

fn options() -> InsertOpts {
    InsertOpts { queue: QUEUE.into(), ..Default::default() }
}

impl Peer for Awa {
    const NAME: &'static str = "awa";
    const VERSION: &'static str = "0.6.9";
    const SETTINGS: &'static str = "queue storage, max_workers 256, pools of 64 and 20";
    const RESCUE: u64 = 90;

    async fn open(clients: u32, fresh: bool) -> Result<Self> {
        let address = crate::database(QUEUE, fresh).await?;
        let pool = PgPoolOptions::new().max_connections(clients).connect(&address).await?;
        let workers = PgPoolOptions::new().max_connections(20).connect(&address).await?;
        let store = QueueStorage::new(QueueStorageConfig::default())?;
        if fresh {
            // Its futures cannot be sent to another thread, so they are awaited on this one.
            tokio::task::block_in_place(|| {
                Handle::current().block_on(async {
                    awa::migrations::run(&pool).await?;
                    store.install(&pool).await
                })
            })?;
        }
        Ok(Self { pool, workers, store })
    }

    async fn add(&self, payload: Payload) -> Result<()> {
        awa::insert_with(&self.pool, &Note::from(payload), options()).await?;
        Ok(())
    }

    async fn add_many(&self, payloads: Vec<Payload>) -> Result<()> {
        let params =
            payloads.into_iter().map(|payload| params_with(&Note::from(payload), options()));
        let params = params.collect::<Result<Vec<_>, _>>()?;
        for batch in params.chunks(COPY) {
            self.store.enqueue_params_copy(&self.pool, batch).await?;
        }
        Ok(())
    }

    async fn work(&self, _: &str, handler: Handler) -> Result<JoinHandle<()>> {
        let queue = QueueConfig { max_workers: 256, ..QueueConfig::default() };
        let client = Client::builder(self.workers.clone())
            .queue(QUEUE, queue)
            .queue_storage(
                QueueStorageConfig::default(),
                Duration::from_secs(1),
                Duration::from_millis(250),
            )
            .register::<Note, _, _>(move |note: Note, _| {
                let handler = handler.clone();
                async move {
                    handler.handle(&Payload { number: note.number, text: note.text }).await;
                    Ok(JobResult::Completed)
                }
            })
            .build()?;
        client.start().await?;
        Ok(tokio::spawn(async move {
            // The client lives as long as this task.
            let _client = client;
            std::future::pending::<()>().await;
        }))
    }

    async fn left(&self) -> Result<i64> {
        let counts = self.store.queue_counts(&self.pool, QUEUE).await?;
        Ok(counts.available + counts.running)
    }
}
