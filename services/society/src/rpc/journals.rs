//! What the human sees of journals: never their words.

use tonic::{Request, Response, Status};
use vivarium_chassis::{Caller, Violations};
use vivarium_ledger::Request as RequestKey;
use vivarium_proto::social::v1 as pb;
use vivarium_proto::social::v1::journal_service_server::JournalService;
use vivarium_types::Reason;
use vivarium_types::ids::JournalId;

use super::{Change, Door, convert, missing, next_page, show};
use crate::domain::Command;
use crate::views::journals;

#[tonic::async_trait]
impl JournalService for Door {
    async fn list_journals(
        &self,
        request: Request<pb::ListJournalsRequest>,
    ) -> Result<Response<pb::ListJournalsResponse>, Status> {
        let wire = request.into_inner();
        let mut wrong = Violations::new();
        convert::name(&mut wrong, "resident", &wire.resident, false);
        let slice = convert::slice(&mut wrong, wire.page_size, &wire.page_token);
        wrong.finish()?;
        self.reached(wire.min_position).await?;
        let resident = self.resident_if(&wire.resident).await?;
        let found = self.view(move |db| journals::page(db, resident, slice)).await?;
        let last = found.last().map(|journal| journal.sequence);
        let next_page_token = next_page(found.len(), slice.limit, last);
        let journals = found.iter().map(show::journal).collect();
        Ok(Response::new(pb::ListJournalsResponse { journals, next_page_token }))
    }

    async fn erase_journal(
        &self,
        request: Request<pb::EraseJournalRequest>,
    ) -> Result<Response<pb::EraseJournalResponse>, Status> {
        const METHOD: &str = "/vivarium.social.v1.JournalService/EraseJournal";
        let caller = Caller::of(&request).clone();
        let wire = request.into_inner();
        let key = RequestKey::of(METHOD, &wire.request_id, &wire);
        let mut wrong = Violations::new();
        convert::request_id(&mut wrong, &wire.request_id, &[]);
        let id: Option<JournalId> = wrong.parse("journal_id", &wire.journal_id);
        let reason = convert::reason(&mut wrong, &wire.reason);
        let (journal, reason) = wrong.done(id.zip(reason))?;
        let found = self.view(move |db| journals::find(db, &journal.to_string())).await?;
        let absent = || missing(Reason::SocialJournalNotFound, "journal", &wire.journal_id);
        let found = found.ok_or_else(absent)?;
        let mut texts = self.ledger.texts();
        let reason = texts.plain(&reason);
        let change = Change {
            caller: &caller,
            key,
            command: Command::EraseJournal { journal, resident: found.resident, reason },
            texts: texts.into_rows(),
            erasures: vec![found.text_id],
        };
        self.change(change, |position, _| pb::EraseJournalResponse { position: Some(position) })
            .await
    }
}
