//! `CycleService`: the record of cycles, and what running ones write.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use futures::{Stream, StreamExt as _};
use tonic::{Request, Response, Status};
use vivarium_chassis::Refusal;
use vivarium_proto::executor::v1 as pb;
use vivarium_proto::executor::v1::cycle_service_server::CycleService;
use vivarium_proto::ledger::v1::TextRef;
use vivarium_types::Reason;

use super::{Floor, convert, reached};
use crate::output::Hub;
use crate::views::{self, Kept};

/// The service over the ledger and the running calls.
#[derive(Debug, Clone)]
pub struct Cycles {
    floor: Floor,
    hub: Arc<Hub>,
}

impl Cycles {
    /// The service.
    pub const fn new(floor: Floor, hub: Arc<Hub>) -> Self {
        Self { floor, hub }
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
        let items = self.hub.watch(task).map(|item| Ok(convert::output(&item)));
        Ok(Response::new(Box::pin(items)))
    }
}
