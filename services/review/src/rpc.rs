//! Review's methods: parse, authorise, submit, answer.

use std::collections::BTreeMap;
use std::time::Duration;

use tonic::{Request, Response, Status};
use vivarium_chassis::{Caller, Refusal};
use vivarium_ledger::{Error, Ledger, Request as RequestKey, Submission as Submit, TextRef};
use vivarium_proto::ledger::v1::Position;
use vivarium_proto::review::v1 as pb;
use vivarium_proto::review::v1::draft_service_server::DraftService;
use vivarium_proto::review::v1::review_service_server::ReviewService;
use vivarium_types::Reason;
use vivarium_types::ids::SubmissionId;

use crate::domain::draft::Basis;
use crate::domain::submission::{Document, Submission};
use crate::domain::{Command, Refused, Review, Target};
use crate::views;

mod convert;

/// How long a refused caller should wait before it asks a busy service again.
const BUSY_WAIT: Duration = Duration::from_millis(200);

/// Staging, under a lease.
#[derive(Debug, Clone)]
pub struct Drafts {
    ledger: Ledger<Review>,
}

impl Drafts {
    /// The service over `ledger`.
    pub const fn new(ledger: Ledger<Review>) -> Self {
        Self { ledger }
    }
}

#[tonic::async_trait]
impl DraftService for Drafts {
    async fn stage_document(
        &self,
        request: Request<pb::StageDocumentRequest>,
    ) -> Result<Response<pb::StageDocumentResponse>, Status> {
        const METHOD: &str = "/vivarium.review.v1.DraftService/StageDocument";
        let caller = Caller::of(&request).clone();
        let lease = caller.lease()?.clone();
        let wire = request.into_inner();
        let key = RequestKey::of(METHOD, &wire.request_id, &wire);
        let staged = convert::stage(wire, &lease)?;
        let (cycle, path) = (lease.cycle, staged.path.to_string());
        let before = self
            .ledger
            .ask(move |review| review.drafts.at(cycle, &path).map(|draft| draft.body.clone()))
            .await
            .map_err(refusal)?;
        let body = match (&before, staged.append) {
            (Some(before), true) => {
                let text = self.ledger.text(&before.id).await.map_err(Refusal::fault)?;
                convert::joined(&text.unwrap_or_default(), &staged.body)?
            }
            (None, _) | (_, false) => staged.body.clone(),
        };
        let mut texts = self.ledger.texts();
        let (title, body) = (texts.plain(&staged.title), texts.plain(&body));
        let basis = if staged.append {
            Basis::Read(before.map(|before| before.hash))
        } else {
            Basis::Nothing
        };
        let command = Command::Stage(Box::new(staged.command(&lease, title, body, basis)));
        let submission = Submit::new(caller.actor, command)
            .texts(texts.into_rows())
            .request(key)
            .answering(|_: &Review, decided| {
                let staged = decided.events.iter().find_map(|(event, _)| event.staged());
                staged.map_or_else(pb::StageDocumentResponse::default, |draft| {
                    pb::StageDocumentResponse {
                        position: Some(position(decided.sequence)),
                        document_id: draft.document.to_string(),
                        hash: draft.body.hash.0.to_vec(),
                        length: draft.body.length,
                    }
                })
            });
        let answer = self.ledger.submit(submission).await.map_err(refusal)?;
        Ok(Response::new(answer.message().map_err(Refusal::fault)?))
    }

    async fn list_drafts(
        &self,
        request: Request<pb::ListDraftsRequest>,
    ) -> Result<Response<pb::ListDraftsResponse>, Status> {
        let wire = request.into_inner();
        let cycle = convert::cycle(&wire.cycle_id)?;
        reached(&self.ledger, wire.min_position).await?;
        let drafts = self.ledger.ask(move |review| {
            let drafts = review.drafts.of_cycle(cycle);
            drafts
                .map(|draft| Document {
                    document: draft.document,
                    path: draft.path.clone(),
                    title: draft.title.clone(),
                    body: draft.body.clone(),
                    tags: draft.tags.clone(),
                    base_version: draft.base_version,
                })
                .collect::<Vec<_>>()
        });
        let drafts = drafts.await.map_err(refusal)?;
        let texts = texts(&self.ledger, titles(&drafts)).await?;
        let documents = drafts.iter().map(|draft| convert::document(draft, &texts)).collect();
        Ok(Response::new(pb::ListDraftsResponse { documents }))
    }
}

/// Reading and deciding.
#[derive(Debug, Clone)]
pub struct Reviews {
    ledger: Ledger<Review>,
}

impl Reviews {
    /// The service over `ledger`.
    pub const fn new(ledger: Ledger<Review>) -> Self {
        Self { ledger }
    }

    async fn decide<M: prost::Message + Default + 'static>(
        &self,
        caller: &Caller,
        key: RequestKey,
        command: Command,
        texts: Vec<vivarium_ledger::TextRow>,
        answer: fn(Position, String) -> M,
    ) -> Result<Response<M>, Status> {
        caller.operator()?;
        let submission = Submit::new(caller.actor.clone(), command)
            .texts(texts)
            .request(key)
            .answering(move |_: &Review, decided| {
                let verdict = decided.events.iter().find_map(|(event, _)| event.verdict());
                let verdict = verdict.map(|verdict| verdict.verdict.to_string());
                answer(position(decided.sequence), verdict.unwrap_or_default())
            });
        let answer = self.ledger.submit(submission).await.map_err(refusal)?;
        Ok(Response::new(answer.message().map_err(Refusal::fault)?))
    }

    async fn found(&self, target: Target, named: &str) -> Result<Submission, Status> {
        let found = self.ledger.ask(move |review| review.submissions.find(target).cloned());
        let found = found.await.map_err(refusal)?;
        Ok(found.ok_or_else(|| not_found(named))?)
    }
}

#[tonic::async_trait]
impl ReviewService for Reviews {
    async fn list_submissions(
        &self,
        request: Request<pb::ListSubmissionsRequest>,
    ) -> Result<Response<pb::ListSubmissionsResponse>, Status> {
        let wire = request.into_inner();
        let wanted = convert::wanted(&wire)?;
        reached(&self.ledger, wire.min_position).await?;
        let full = wanted.limit;
        let (ids, awaiting_human) = self
            .ledger
            .view(move |db| Ok((views::page(db, &wanted)?, views::awaiting_human(db)?)))
            .await
            .map_err(Refusal::fault)?;
        let next_page_token = match ids.last() {
            Some(last) if ids.len() == full as usize => last.clone(),
            Some(_) | None => String::new(),
        };
        let ids: Vec<SubmissionId> = ids.iter().filter_map(|id| id.parse().ok()).collect();
        let found = self.ledger.ask(move |review| {
            ids.iter().filter_map(|id| review.submissions.get(*id).cloned()).collect::<Vec<_>>()
        });
        let found = found.await.map_err(refusal)?;
        let named = found.iter().flat_map(convert::texts_of_a_row).collect();
        let texts = texts(&self.ledger, named).await?;
        let submissions = found.iter().map(|submission| convert::row(submission, &texts));
        Ok(Response::new(pb::ListSubmissionsResponse {
            submissions: submissions.collect(),
            next_page_token,
            awaiting_human,
        }))
    }

    async fn get_submission(
        &self,
        request: Request<pb::GetSubmissionRequest>,
    ) -> Result<Response<pb::GetSubmissionResponse>, Status> {
        let wire = request.into_inner();
        let target = convert::target(&wire.submission)?;
        reached(&self.ledger, wire.min_position).await?;
        let found = self.found(target, &wire.submission).await?;
        let texts = texts(&self.ledger, convert::texts_of_all(&found)).await?;
        let submission = Some(convert::whole(&found, &texts));
        Ok(Response::new(pb::GetSubmissionResponse { submission }))
    }

    async fn approve_submission(
        &self,
        request: Request<pb::ApproveSubmissionRequest>,
    ) -> Result<Response<pb::ApproveSubmissionResponse>, Status> {
        const METHOD: &str = "/vivarium.review.v1.ReviewService/ApproveSubmission";
        let caller = Caller::of(&request).clone();
        let wire = request.into_inner();
        let key = RequestKey::of(METHOD, &wire.request_id, &wire);
        let approval = convert::approval(&wire)?;
        let mut texts = self.ledger.texts();
        let comment = approval.comment.as_deref().map(|comment| texts.plain(comment));
        let command = Command::Approve {
            target: approval.target,
            payload_hash: approval.payload_hash,
            tip: approval.tip,
            comment,
        };
        self.decide(&caller, key, command, texts.into_rows(), |position, verdict_id| {
            pb::ApproveSubmissionResponse { position: Some(position), verdict_id }
        })
        .await
    }

    async fn reject_submission(
        &self,
        request: Request<pb::RejectSubmissionRequest>,
    ) -> Result<Response<pb::RejectSubmissionResponse>, Status> {
        const METHOD: &str = "/vivarium.review.v1.ReviewService/RejectSubmission";
        let caller = Caller::of(&request).clone();
        let wire = request.into_inner();
        let key = RequestKey::of(METHOD, &wire.request_id, &wire);
        let rejection = convert::rejection(&wire)?;
        let mut texts = self.ledger.texts();
        let command = Command::Reject {
            target: rejection.target,
            payload_hash: rejection.payload_hash,
            feedback: texts.plain(&rejection.feedback),
        };
        self.decide(&caller, key, command, texts.into_rows(), |position, verdict_id| {
            pb::RejectSubmissionResponse { position: Some(position), verdict_id }
        })
        .await
    }

    async fn fetch_document(
        &self,
        request: Request<pb::FetchDocumentRequest>,
    ) -> Result<Response<pb::FetchDocumentResponse>, Status> {
        let wire = request.into_inner();
        let (id, hash) = convert::fetch(&wire)?;
        let draft = self.ledger.ask(move |review| {
            review.drafts.get(id).filter(|draft| draft.body.hash == hash).cloned()
        });
        let missing = || {
            Refusal::new(Reason::ReviewDraftNotFound)
                .with("document", &wire.document_id)
                .resource("document", &wire.document_id)
        };
        let draft = draft.await.map_err(refusal)?.ok_or_else(missing)?;
        let texts = texts(&self.ledger, vec![&draft.title, &draft.body]).await?;
        let document = Document {
            document: draft.document,
            path: draft.path,
            title: draft.title,
            body: draft.body,
            tags: draft.tags,
            base_version: draft.base_version,
        };
        let document = Some(convert::document_with_body(&document, &texts));
        Ok(Response::new(pb::FetchDocumentResponse { document }))
    }
}

fn titles(drafts: &[Document]) -> Vec<&TextRef> {
    drafts.iter().map(|draft| &draft.title).collect()
}

/// Texts by id, read in one go.
async fn texts(
    ledger: &Ledger<Review>,
    named: Vec<&TextRef>,
) -> Result<BTreeMap<String, String>, Refusal> {
    let mut found = BTreeMap::new();
    for text in named {
        if !found.contains_key(&text.id) {
            let read = ledger.text(&text.id).await.map_err(Refusal::fault)?;
            found.insert(text.id.clone(), read.unwrap_or_default());
        }
    }
    Ok(found)
}

async fn reached(ledger: &Ledger<Review>, position: Option<Position>) -> Result<(), Refusal> {
    let Some(position) = position else { return Ok(()) };
    if ledger.reached(position.sequence).await {
        Ok(())
    } else {
        Err(Refusal::new(Reason::LedgerNotReached))
    }
}

fn position(sequence: u64) -> Position {
    Position { ledger: "review".to_owned(), sequence }
}

fn not_found(named: &str) -> Refusal {
    Refusal::new(Reason::ReviewSubmissionNotFound)
        .with("submission", named)
        .resource("submission", named)
}

fn refusal(error: Error<Refused>) -> Refusal {
    match error {
        Error::Refused(refused) => match refused {
            Refused::LeaseLost => Refusal::new(Reason::QueueLeaseLost),
            Refused::DraftStale => Refusal::new(Reason::ReviewBaseStale),
            Refused::TooManyDocuments { max } => {
                Refusal::new(Reason::ActionTooMany).with("max", max)
            }
            Refused::NotFound => Refusal::new(Reason::ReviewSubmissionNotFound),
            Refused::NotPending { state } => {
                Refusal::new(Reason::ReviewNotPending).with("state", state)
            }
            Refused::DraftsDiffer | Refused::AlreadyOpen | Refused::Stale => {
                Refusal::new(Reason::ApprovalStale)
            }
        },
        Error::RequestReused => Refusal::new(Reason::RequestIdReused),
        Error::Full => {
            Refusal::new(Reason::LedgerInboxFull).with("service", "review").retry_after(BUSY_WAIT)
        }
        Error::Closed => {
            Refusal::new(Reason::ServiceDraining).with("service", "review").retry_after(BUSY_WAIT)
        }
        Error::KeyClaimed(key) => Refusal::fault(format!("the key {key} is claimed twice")),
        Error::Fault => Refusal::fault("a decision panicked"),
        Error::Store(error) => Refusal::fault(error),
    }
}
