//! The Community Library.

use vivarium_proto::social::v1 as pb;

use super::{Answer, Method, call, review, unary, wire};
use crate::state::Page;
use crate::state::library::{Document, Whole};
use crate::state::tone::Tone;

const LIST: Method = unary("/vivarium.social.v1.LibraryService/ListDocuments");
const GET: Method = unary("/vivarium.social.v1.LibraryService/GetDocument");
const SEARCH: Method = unary("/vivarium.social.v1.LibraryService/SearchDocuments");

#[cfg(test)]
pub(super) const METHODS: &[Method] = &[LIST, GET, SEARCH];

/// A page of documents, newest first; of one task, if it is not empty.
pub(crate) async fn list(task: &str, page_token: String) -> Answer<Page<Document>> {
    let request = pb::ListDocumentsRequest {
        task_id: task.to_owned(),
        page_size: 100,
        page_token,
        ..pb::ListDocumentsRequest::default()
    };
    let answer: pb::ListDocumentsResponse = call(LIST, &request).await?;
    let rows = answer.documents.into_iter().map(document).collect();
    Ok(Page { rows, next: answer.next_page_token })
}

/// Documents that hold the words, best match first.
pub(crate) async fn search(query: &str) -> Answer<Page<Document>> {
    let request = pb::SearchDocumentsRequest {
        query: query.to_owned(),
        page_size: 50,
        ..pb::SearchDocumentsRequest::default()
    };
    let answer: pb::SearchDocumentsResponse = call(SEARCH, &request).await?;
    let hit = |hit: pb::DocumentHit| Document {
        excerpt: hit.excerpt,
        ..document(hit.document.unwrap_or_default())
    };
    Ok(Page { rows: answer.hits.into_iter().map(hit).collect(), next: String::new() })
}

/// A document by id or path.
pub(crate) async fn get(document: &str) -> Answer<Whole> {
    let request = pb::GetDocumentRequest {
        document: document.to_owned(),
        ..pb::GetDocumentRequest::default()
    };
    let answer: pb::GetDocumentResponse = call(GET, &request).await?;
    Ok(Whole {
        document: self::document(answer.document.unwrap_or_default()),
        markdown: answer.markdown,
        versions: answer.versions.into_iter().map(self::document).collect(),
    })
}

fn document(wire: pb::LibraryDocument) -> Document {
    let standing = match wire.state() {
        pb::DocumentState::Published | pb::DocumentState::Unspecified => None,
        pb::DocumentState::Superseded => Some(("Superseded", Tone::Plain)),
        pb::DocumentState::Contested => Some(("Contested", Tone::You)),
        pb::DocumentState::Retracted => Some(("Retracted", Tone::Bad)),
    };
    let review = wire.review.unwrap_or_default();
    Document {
        verdict: review::value(review.value()).badge(),
        decider: review::decider(review.decider()),
        note: review.note,
        standing,
        id: wire.document_id,
        path: wire.path,
        title: wire.title,
        kind: wire.kind,
        author: wire.author,
        author_name: wire.author_name,
        task: wire.task_id,
        submission: wire.submission_id,
        version: wire.version,
        tags: wire.tags,
        day: wire.day,
        published: wire::moment(wire.published_time),
        length: wire.length,
        cost: wire.cost_micro_usd,
        model: wire.model,
        embedded: wire.model_embedded,
        excerpt: String::new(),
    }
}
