//! `CycleService`: the record of cycles, and what running ones write.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;

use futures::{Stream, StreamExt as _};
use tonic::{Request, Response, Status};
use vivarium_chassis::Refusal;
use vivarium_ledger::{Row, store};
use vivarium_proto::executor::v1 as pb;
use vivarium_proto::executor::v1::cycle_service_server::CycleService;
use vivarium_proto::ledger::v1::TextRef;
use vivarium_types::Reason;

use super::{Floor, convert, reached};
use crate::cycle::Engine;
use crate::replay::{self, Gathering};
use crate::views::{self, Kept};

/// Rows of the record read at a time.
const ROWS_AT_ONCE: usize = 500;

/// The service over the ledger and the running calls.
#[derive(Debug, Clone)]
pub struct Cycles {
    floor: Floor,
    engine: Arc<Engine>,
}

impl Cycles {
    /// The service.
    pub const fn new(floor: Floor, engine: Arc<Engine>) -> Self {
        Self { floor, engine }
    }

    /// The unsealed texts that cycles name, by id.
    async fn texts(
        &self,
        named: impl Iterator<Item = &TextRef>,
    ) -> Result<BTreeMap<String, String>, Refusal> {
        let mut texts = BTreeMap::new();
        for text in named.filter(|text| !text.sealed) {
            let found = self.floor.ledger.text(&text.id).await.map_err(Refusal::fault)?;
            texts.extend(found.map(|found| (text.id.clone(), found)));
        }
        Ok(texts)
    }
}

/// A walk through the record that runs each cycle again at its end.
struct Walk {
    engine: Arc<Engine>,
    /// The last row when it began.
    until: u64,
    after: u64,
    rows: VecDeque<Row>,
    gathering: Gathering,
    asked: convert::Replayed,
}

impl Walk {
    /// The next cycle that was asked for; none behind the last row.
    async fn next(&mut self) -> Result<Option<pb::ReplayCyclesResponse>, Status> {
        loop {
            let Some(row) = self.row().await.map_err(Refusal::fault)? else { return Ok(None) };
            let Some((cycle, past)) = self.gathering.take(&row).map_err(Refusal::fault)? else {
                continue;
            };
            let convert::Replayed { task, cycle: wanted } = self.asked;
            if wanted.is_some_and(|wanted| wanted != cycle)
                || task.is_some_and(|task| past.task() != Some(task))
            {
                continue;
            }
            let verdict = replay::again(&self.engine, &past).await.map_err(Refusal::fault)?;
            return Ok(Some(convert::replay(cycle, &past, verdict)));
        }
    }

    async fn row(&mut self) -> Result<Option<Row>, store::Error> {
        if self.rows.is_empty() && self.after < self.until {
            let (reader, after) = (self.engine.ledger.reader(), self.after);
            let read = tokio::task::spawn_blocking(move || reader.rows(after, ROWS_AT_ONCE));
            self.rows = read.await.map_err(|_| store::Error::corrupt("a read that died"))??.into();
            // Without rows there is no further one, whatever was committed.
            self.after = self.rows.back().map_or(self.until, |row| row.sequence);
        }
        Ok(self.rows.pop_front().filter(|row| row.sequence <= self.until))
    }
}

#[tonic::async_trait]
impl CycleService for Cycles {
    async fn get_cycle(
        &self,
        request: Request<pb::GetCycleRequest>,
    ) -> Result<Response<pb::GetCycleResponse>, Status> {
        let wire = request.into_inner();
        let id = convert::cycle_id(&wire)?;
        reached(&self.floor.ledger, wire.min_position).await?;
        let wanted = id.to_string();
        let found = self.floor.ledger.view(move |db| views::cycle(db, &wanted)).await;
        let kept = found.map_err(Refusal::fault)?.ok_or_else(|| {
            Refusal::new(Reason::ExecutorCycleNotFound).with("cycle", id).resource("cycle", id)
        })?;
        let texts = self.texts(convert::texts_of(&kept).into_iter()).await?;
        Ok(Response::new(convert::cycle(&kept, &texts)))
    }

    async fn list_cycles(
        &self,
        request: Request<pb::ListCyclesRequest>,
    ) -> Result<Response<pb::ListCyclesResponse>, Status> {
        let wire = request.into_inner();
        let wanted = convert::wanted(&wire)?;
        reached(&self.floor.ledger, wire.min_position).await?;
        let full = wanted.limit;
        let page = self.floor.ledger.view(move |db| {
            let mut page = views::page(db, &wanted)?;
            for (_, kept) in page.iter_mut().filter(|(_, kept)| kept.ended.is_none()) {
                kept.parts = views::calls(db, &convert::id_of(kept))?;
            }
            Ok(page)
        });
        let page: Vec<(u64, Kept)> = page.await.map_err(Refusal::fault)?;
        let next_page_token = match page.last() {
            Some((sequence, _)) if page.len() == full as usize => sequence.to_string(),
            Some(_) | None => String::new(),
        };
        let named = page.iter().filter_map(|(_, kept)| convert::summary_text(kept));
        let texts = self.texts(named).await?;
        let cycles = page.iter().map(|(_, kept)| convert::summary(kept, &texts)).collect();
        Ok(Response::new(pb::ListCyclesResponse { cycles, next_page_token }))
    }

    type WatchOutputStream =
        Pin<Box<dyn Stream<Item = Result<pb::WatchOutputResponse, Status>> + Send>>;

    async fn watch_output(
        &self,
        request: Request<pb::WatchOutputRequest>,
    ) -> Result<Response<Self::WatchOutputStream>, Status> {
        let task = convert::watched(&request.into_inner())?;
        let items = self.engine.hub.watch(task).map(|item| Ok(convert::output(&item)));
        Ok(Response::new(Box::pin(items)))
    }

    type ReplayCyclesStream =
        Pin<Box<dyn Stream<Item = Result<pb::ReplayCyclesResponse, Status>> + Send>>;

    async fn replay_cycles(
        &self,
        request: Request<pb::ReplayCyclesRequest>,
    ) -> Result<Response<Self::ReplayCyclesStream>, Status> {
        let asked = convert::replayed(&request.into_inner())?;
        let walk = Walk {
            engine: Arc::clone(&self.engine),
            until: self.floor.ledger.committed(),
            after: 0,
            rows: VecDeque::new(),
            gathering: Gathering::default(),
            asked,
        };
        let items = futures::stream::try_unfold(walk, |mut walk| async move {
            Ok(walk.next().await?.map(|answer| (answer, walk)))
        });
        Ok(Response::new(Box::pin(items)))
    }
}
