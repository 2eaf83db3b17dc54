//! Review: staging drafts under a lease, and reading a submission that is to be criticised.

use vivarium_chassis::client::Peer;
use vivarium_proto::review::v1 as pb;
use vivarium_proto::review::v1::draft_service_client::DraftServiceClient;
use vivarium_proto::review::v1::review_service_client::ReviewServiceClient;
use vivarium_types::Actor;
use vivarium_types::ids::{DocumentId, ResidentId, SubmissionId};

use super::{CALL_LIMIT, Refused, place};
use crate::domain::cycle::Place;

/// How an attempt with a plan has ended.
const HOW_SPLIT: &str = "split";

/// A draft to stage.
#[derive(Debug, Clone, Copy)]
pub struct Draft<'a> {
    /// The action's key.
    pub key: &'a str,
    /// The path.
    pub path: &'a str,
    /// The title.
    pub title: &'a str,
    /// The text, or what is added to it.
    pub body: &'a str,
    /// Tags.
    pub tags: &'a [String],
    /// The published version it replaces; 0 for a new one.
    pub base_version: u32,
    /// Whether the text is added to what is there.
    pub append: bool,
}

/// A draft that is staged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staged {
    /// Its id.
    pub document: DocumentId,
    /// SHA-256 of its whole text.
    pub digest: [u8; 32],
    /// The event it caused.
    pub place: Option<Place>,
}

/// A document of a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Its path.
    pub path: String,
    /// Its title.
    pub title: String,
    /// Its text.
    pub body: String,
}

/// A submission as a critic reads it: without its author.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// The task's title.
    pub title: String,
    /// The task's instruction.
    pub instruction: String,
    /// The documents.
    pub pages: Vec<Page>,
    /// The answer; empty for documents.
    pub answer: String,
    /// Whether it is a plan to split the task, told in the answer.
    pub plan: bool,
    /// SHA-256 over the bundle, in hexadecimal.
    pub payload_hash: String,
}

/// Review, as the executor calls it.
#[derive(Debug, Clone)]
pub struct Review {
    peer: Peer,
}

impl Review {
    /// Review behind `peer`.
    pub const fn new(peer: Peer) -> Self {
        Self { peer }
    }

    /// Stages a draft under a lease.
    pub async fn stage(
        &self,
        draft: Draft<'_>,
        resident: ResidentId,
        capability: &str,
    ) -> Result<Staged, Refused> {
        let mode = if draft.append { pb::StageMode::Append } else { pb::StageMode::Replace };
        let request = pb::StageDocumentRequest {
            request_id: draft.key.to_owned(),
            path: draft.path.to_owned(),
            title: draft.title.to_owned(),
            body: draft.body.to_owned(),
            tags: draft.tags.to_vec(),
            base_version: draft.base_version,
            mode: mode.into(),
        };
        let calls = self.peer.acting_as(&Actor::Resident(resident)).under(capability);
        let answer = calls.within(CALL_LIMIT).retrying(|calls| {
            let request = request.clone();
            async move { DraftServiceClient::new(calls).stage_document(request).await }
        });
        let answer = answer.await?.into_inner();
        let digest = <[u8; 32]>::try_from(&*answer.hash).map_err(|_| malformed("hash"))?;
        let document = answer.document_id.parse().map_err(|_| malformed("document_id"))?;
        Ok(Staged { document, digest, place: place(answer.position) })
    }

    /// Reads a submission, its documents whole.
    pub async fn submission(&self, id: SubmissionId) -> Result<Submission, Refused> {
        let request = pb::GetSubmissionRequest { min_position: None, submission: id.to_string() };
        let answer = self.peer.calls().within(CALL_LIMIT).retrying(|calls| {
            let request = request.clone();
            async move { ReviewServiceClient::new(calls).get_submission(request).await }
        });
        let submission = answer.await?.into_inner().submission.ok_or_else(|| malformed("it"))?;
        let mut pages = Vec::new();
        for document in submission.documents {
            let whole = if document.body.is_empty() && document.length > 0 {
                self.document(&document).await?
            } else {
                document
            };
            let pb::Document { path, title, body, .. } = whole;
            pages.push(Page { path, title, body });
        }
        Ok(Submission {
            title: submission.task_title,
            instruction: submission.task_instruction,
            pages,
            answer: submission.answer,
            plan: submission.how == HOW_SPLIT,
            payload_hash: hex::encode(submission.payload_hash),
        })
    }

    async fn document(&self, named: &pb::Document) -> Result<pb::Document, Refused> {
        let request = pb::FetchDocumentRequest {
            document_id: named.document_id.clone(),
            hash: named.hash.clone(),
        };
        let answer = self.peer.calls().within(CALL_LIMIT).retrying(|calls| {
            let request = request.clone();
            async move { ReviewServiceClient::new(calls).fetch_document(request).await }
        });
        answer.await?.into_inner().document.ok_or_else(|| malformed("document"))
    }
}

fn malformed(field: &str) -> Refused {
    Refused::Failed {
        reason: "RPC_INTERNAL_FAULT".to_owned(),
        why: format!("review's answer has no valid {field}"),
    }
}
