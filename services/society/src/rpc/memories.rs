//! Reading and erasing memories, for people.

use tonic::{Request, Response, Status};
use vivarium_chassis::{Caller, Violations};
use vivarium_ledger::Request as RequestKey;
use vivarium_proto::identity::v1 as pb;
use vivarium_proto::identity::v1::memory_service_server::MemoryService;
use vivarium_types::Reason;
use vivarium_types::ids::MemoryId;

use super::{Change, Door, convert, missing, next_page, show};
use crate::domain::Command;
use crate::views::memories;

#[tonic::async_trait]
impl MemoryService for Door {
    async fn list_memories(
        &self,
        request: Request<pb::ListMemoriesRequest>,
    ) -> Result<Response<pb::ListMemoriesResponse>, Status> {
        let wire = request.into_inner();
        let mut wrong = Violations::new();
        convert::name(&mut wrong, "resident", &wire.resident, true);
        let states = convert::memory_states(&mut wrong, &wire.states);
        let words = match wire.text.as_str() {
            "" => None,
            text => Some(convert::query(&mut wrong, "text", text, (2, 200))),
        };
        let slice = convert::slice(&mut wrong, wire.page_size, &wire.page_token);
        wrong.finish()?;
        self.reached(wire.min_position).await?;
        let resident = self.resident(&wire.resident).await?.resident;
        // Signs alone are found nowhere.
        if words.as_ref().is_some_and(Vec::is_empty) {
            return Ok(Response::new(pb::ListMemoriesResponse::default()));
        }
        let wanted = memories::Wanted { resident, states, words: words.unwrap_or_default() };
        let found = self.view(move |db| memories::page(db, &wanted, slice)).await?;
        let last = found.last().map(|memory| memory.first);
        let next_page_token = next_page(found.len(), slice.limit, last);
        let memories = found.into_iter().map(show::memory).collect();
        Ok(Response::new(pb::ListMemoriesResponse { memories, next_page_token }))
    }

    async fn forget_memory(
        &self,
        request: Request<pb::ForgetMemoryRequest>,
    ) -> Result<Response<pb::ForgetMemoryResponse>, Status> {
        const METHOD: &str = "/vivarium.identity.v1.MemoryService/ForgetMemory";
        let caller = Caller::of(&request).clone();
        let wire = request.into_inner();
        let key = RequestKey::of(METHOD, &wire.request_id, &wire);
        let mut wrong = Violations::new();
        convert::request_id(&mut wrong, &wire.request_id, &[]);
        let id: Option<MemoryId> = wrong.parse("memory_id", &wire.memory_id);
        let reason = convert::reason(&mut wrong, &wire.reason);
        let (memory, reason) = wrong.done(id.zip(reason))?;
        let found = self.view(move |db| memories::find(db, &memory.to_string())).await?;
        let absent = || missing(Reason::MemoryNotFound, "memory", &wire.memory_id);
        let found = found.ok_or_else(absent)?;
        let mut texts = self.ledger.texts();
        let reason = texts.plain(&reason);
        let change = Change {
            caller: &caller,
            key,
            command: Command::Forget { memory, resident: found.resident, reason },
            texts: texts.into_rows(),
            erasures: vec![found.text_id],
        };
        self.change(change, |position, _| pb::ForgetMemoryResponse { position: Some(position) })
            .await
    }
}
