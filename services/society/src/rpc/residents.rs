//! Reading residents, and saying what they are good at.

use tonic::{Request, Response, Status};
use vivarium_chassis::{Caller, Refusal, Violations};
use vivarium_ledger::Request as RequestKey;
use vivarium_proto::identity::v1 as pb;
use vivarium_proto::identity::v1::resident_service_server::ResidentService;

use super::{Change, Door, convert, resident_not_found, show};
use crate::domain::event::{identity, write};
use crate::domain::mail::Thread;
use crate::domain::resident::Resident;
use crate::domain::wallet::Account;
use crate::domain::{Command, Society};

/// A resident with what other parts of society know of it.
struct Whole {
    resident: Resident,
    memories: usize,
    free: i64,
    journal: i64,
    unread: usize,
}

impl Whole {
    fn of(society: &Society, resident: &Resident) -> Self {
        let who = resident.resident;
        Self {
            memories: society.memories.count(who),
            free: society.wallets.balance(Account::Free(who)),
            journal: society.wallets.balance(Account::Journal(who)),
            unread: society.mail.thread(who).map_or(0, Thread::undelivered),
            resident: resident.clone(),
        }
    }
}

#[tonic::async_trait]
impl ResidentService for Door {
    async fn list_residents(
        &self,
        request: Request<pb::ListResidentsRequest>,
    ) -> Result<Response<pb::ListResidentsResponse>, Status> {
        let wire = request.into_inner();
        let mut wrong = Violations::new();
        let statuses = convert::statuses(&mut wrong, &wire.statuses);
        let slice = convert::slice(&mut wrong, wire.page_size, "");
        let behind = wrong.parse_optional("page_token", &wire.page_token);
        wrong.finish()?;
        self.reached(wire.min_position).await?;
        let found = self.ask(move |society| {
            let wanted = |one: &&Resident| {
                statuses.contains(&one.status) && behind.is_none_or(|last| one.resident > last)
            };
            let page = society.residents.all().filter(wanted).take(slice.limit as usize);
            page.map(|one| Whole::of(society, one)).collect::<Vec<_>>()
        });
        let found = found.await?;
        let full = found.len() == slice.limit as usize;
        let last = found.last().filter(|_| full).map(|last| last.resident.resident.to_string());
        let mut residents = Vec::new();
        for whole in found {
            let mut resident = self.shown(whole).await?;
            if let Some(identity) = &mut resident.identity {
                identity.profile = None;
            }
            residents.push(resident);
        }
        let next_page_token = last.unwrap_or_default();
        Ok(Response::new(pb::ListResidentsResponse { residents, next_page_token }))
    }

    async fn get_resident(
        &self,
        request: Request<pb::GetResidentRequest>,
    ) -> Result<Response<pb::GetResidentResponse>, Status> {
        let wire = request.into_inner();
        let mut wrong = Violations::new();
        convert::name(&mut wrong, "resident", &wire.resident, true);
        wrong.finish()?;
        self.reached(wire.min_position).await?;
        let named = wire.resident.clone();
        let found = self.ask(move |society| {
            society.residents.find(&named).map(|resident| Whole::of(society, resident))
        });
        let whole = found.await?.ok_or_else(|| resident_not_found(&wire.resident))?;
        let resident = Some(self.shown(whole).await?);
        Ok(Response::new(pb::GetResidentResponse { resident }))
    }

    async fn set_specializations(
        &self,
        request: Request<pb::SetSpecializationsRequest>,
    ) -> Result<Response<pb::SetSpecializationsResponse>, Status> {
        const METHOD: &str = "/vivarium.identity.v1.ResidentService/SetSpecializations";
        let caller = Caller::of(&request).clone();
        let wire = request.into_inner();
        let key = RequestKey::of(METHOD, &wire.request_id, &wire);
        let mut wrong = Violations::new();
        convert::request_id(&mut wrong, &wire.request_id, &[]);
        convert::name(&mut wrong, "resident", &wire.resident, true);
        let specializations = convert::specializations(&mut wrong, &wire.specializations);
        let reason = convert::reason(&mut wrong, &wire.reason);
        let reason = wrong.done(reason)?;
        let resident = self.resident(&wire.resident).await?.resident;
        let mut texts = self.ledger.texts();
        let reason = texts.plain(&reason);
        let change = Change {
            caller: &caller,
            key,
            command: Command::Specialize { resident, specializations, reason },
            texts: texts.into_rows(),
            erasures: Vec::new(),
        };
        self.change(change, |position, _| pb::SetSpecializationsResponse {
            position: Some(position),
        })
        .await
    }
}

impl Door {
    async fn shown(&self, whole: Whole) -> Result<pb::Resident, Refusal> {
        let Whole { resident, memories, free, journal, unread } = whole;
        let words = self.text(&resident.identity.id).await?;
        let words = identity::of_json(&words).map_err(Refusal::fault)?;
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Ok(pb::Resident {
            resident_id: resident.resident.to_string(),
            identity: Some(identity::wire(words)),
            status: write::status(resident.status).into(),
            session_count: resident.sessions,
            level: resident.level(),
            joined_time: Some(show::moment(resident.joined)),
            approved_count: resident.approved,
            rejected_count: resident.rejected,
            memory_count: count(memories),
            free_tokens: free,
            journal_tokens: journal,
            unread_letter_count: count(unread),
            etag: resident.etag(),
            handle: resident.handle,
            origin: resident.origin,
            creator: resident.creator,
            version: resident.version,
            specializations: resident.specializations.into_iter().collect(),
        })
    }
}
