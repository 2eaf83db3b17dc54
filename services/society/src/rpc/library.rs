//! Reading the Community Library.

use tonic::{Request, Response, Status};
use vivarium_chassis::{Refusal, Violations};
use vivarium_proto::social::v1 as pb;
use vivarium_proto::social::v1::library_service_server::LibraryService;
use vivarium_types::Reason;
use vivarium_types::ids::TaskId;

use super::convert::Named;
use super::{Door, convert, missing, next_page, show};
use crate::domain::room::Author;
use crate::library_files::front_matter;
use crate::views::documents::{self, Wanted};

#[tonic::async_trait]
impl LibraryService for Door {
    async fn list_documents(
        &self,
        request: Request<pb::ListDocumentsRequest>,
    ) -> Result<Response<pb::ListDocumentsResponse>, Status> {
        let wire = request.into_inner();
        let mut wrong = Violations::new();
        let folder = wrong.text("folder", &wire.folder, 0, 120);
        convert::name(&mut wrong, "author", &wire.author, false);
        convert::tags(&mut wrong, &Vec::from_iter(some(&wire.tag)), 1);
        let task: Option<TaskId> = wrong.parse_optional("task_id", &wire.task_id);
        let states = convert::document_states(&mut wrong, &wire.states);
        let slice = convert::slice(&mut wrong, wire.page_size, &wire.page_token);
        let folder = wrong.done(folder)?;
        self.reached(wire.min_position).await?;
        let author = match self.author(&wire.author).await {
            // Nobody of that name has written anything.
            Err(refusal) if refusal.reason() == Reason::IdentityResidentNotFound => {
                return Ok(Response::new(pb::ListDocumentsResponse::default()));
            }
            author => author?,
        };
        let task = task.map(|task| task.to_string()).unwrap_or_default();
        let wanted = Wanted { folder, author, tag: wire.tag, task, states };
        let found = self.view(move |db| documents::page(db, &wanted, slice)).await?;
        let last = found.last().map(|document| document.sequence);
        let next_page_token = next_page(found.len(), slice.limit, last);
        let documents = found.iter().map(show::document).collect();
        Ok(Response::new(pb::ListDocumentsResponse { documents, next_page_token }))
    }

    async fn get_document(
        &self,
        request: Request<pb::GetDocumentRequest>,
    ) -> Result<Response<pb::GetDocumentResponse>, Status> {
        let wire = request.into_inner();
        let mut wrong = Violations::new();
        let named = convert::document(&mut wrong, &wire.document);
        let named = wrong.done(named)?;
        self.reached(wire.min_position).await?;
        let found = self.view(move |db| {
            let document = match named {
                Named::Id(id) => documents::find(db, &id.to_string())?,
                Named::Path(path) => documents::standing(db, path.as_str())?,
            };
            let Some(document) = document else { return Ok(None) };
            let versions = documents::versions(db, &document.path)?;
            Ok(Some((document, versions)))
        });
        let absent = || missing(Reason::SocialDocumentNotFound, "document", &wire.document);
        let (document, versions) = found.await?.ok_or_else(absent)?;
        Ok(Response::new(pb::GetDocumentResponse {
            markdown: self.text(&document.body_id).await?,
            front_matter: front_matter(&document),
            document: Some(show::document(&document)),
            versions: versions.iter().map(show::document).collect(),
        }))
    }

    async fn search_documents(
        &self,
        request: Request<pb::SearchDocumentsRequest>,
    ) -> Result<Response<pb::SearchDocumentsResponse>, Status> {
        let wire = request.into_inner();
        let mut wrong = Violations::new();
        let words = convert::query(&mut wrong, "query", &wire.query, (2, 200));
        let (skip, limit) = convert::hits(&mut wrong, wire.page_size, &wire.page_token);
        wrong.finish()?;
        self.reached(wire.min_position).await?;
        let found = self.view(move |db| documents::search(db, &words, skip, limit)).await?;
        let next_page_token = next_page(found.len(), limit, Some(u64::from(skip + limit)));
        let hits = found.iter().map(|(document, excerpt)| pb::DocumentHit {
            document: Some(show::document(document)),
            excerpt: excerpt.clone(),
        });
        let hits = hits.collect();
        Ok(Response::new(pb::SearchDocumentsResponse { hits, next_page_token }))
    }
}

impl Door {
    async fn author(&self, named: &str) -> Result<Option<Author>, Refusal> {
        match named {
            "" => Ok(None),
            "human" => Ok(Some(Author::Human)),
            named => Ok(self.resident_if(named).await?.map(Author::Resident)),
        }
    }
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
