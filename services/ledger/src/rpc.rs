//! The `LedgerService` of `proto/` over a ledger: watching, reading, verifying.
//!
//! It makes no status of its own: the chassis hands in the one way from a reason to a refusal.

use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use futures::Stream;
use tonic::{Request, Response, Status};
use vivarium_proto::ledger::v1 as pb;
use vivarium_proto::ledger::v1::ledger_service_server::LedgerService;
use vivarium_types::source::{Checkpoint, Cursor, Fault, Hash, Row};
use vivarium_types::{Reason, limits};

use crate::aggregate::{Aggregate, SegmentNote};
use crate::audit;
use crate::ledger::Ledger;
use crate::store;

/// Turns a reason and its metadata into the service's refusal.
pub type Refuse = fn(Reason, &[(&'static str, String)]) -> Status;

/// Rows looked at for one page of a filtered read before the page ends early.
const FILTER_ROWS_MAX: usize = 20_000;
/// Rows between two words about a verification's progress.
const PROGRESS_EVERY: u64 = 10_000;
/// Most texts of one call.
const TEXTS_MAX: usize = 64;
/// Words about a verification that may wait for a slow reader.
const PROGRESS_WAITING: usize = 16;

/// Serves one ledger's rows and texts.
pub struct Service<A: Aggregate> {
    ledger: Ledger<A>,
    refuse: Refuse,
}

impl<A: Aggregate> Service<A> {
    /// The service over `ledger`, refusing through `refuse`.
    pub const fn new(ledger: Ledger<A>, refuse: Refuse) -> Self {
        Self { ledger, refuse }
    }

    fn failed(&self, error: &store::Error) -> Status {
        tracing::warn!(error = error as &dyn std::error::Error, "a read of the log failed");
        (self.refuse)(reason(error), &[])
    }

    async fn reached(&self, position: Option<pb::Position>) -> Result<(), Status> {
        let Some(position) = position else { return Ok(()) };
        if self.ledger.reached(position.sequence).await {
            return Ok(());
        }
        Err((self.refuse)(Reason::LedgerNotReached, &[]))
    }

    async fn page(&self, request: &pb::ReadRowsRequest) -> Result<Vec<Row>, store::Error> {
        let size = match request.page_size {
            0 => limits::PAGE_SIZE_DEFAULT,
            wanted => wanted.min(limits::PAGE_SIZE_MAX),
        };
        let (kinds, subject) = (request.kinds.clone(), request.subject.clone());
        let (after, backwards) = (request.after_sequence, request.backwards);
        let reader = self.ledger.reader();
        let page = tokio::task::spawn_blocking(move || {
            let fits = |row: &Row| {
                (kinds.is_empty() || kinds.contains(&row.kind))
                    && (subject.is_empty() || holds(&row.payload, subject.as_bytes()))
            };
            let mut cursor = match (backwards, after) {
                (true, 0) => reader.head()?.sequence + 1,
                (true, before) => before,
                (false, after) => after,
            };
            let mut found = Vec::new();
            let mut looked = 0;
            while found.len() < size as usize && looked < FILTER_ROWS_MAX {
                let rows = if backwards {
                    let low = cursor.saturating_sub(1 + u64::from(size));
                    let count = cursor.saturating_sub(low + 1);
                    let mut rows = reader.rows(low, usize::try_from(count).unwrap_or(0))?;
                    rows.reverse();
                    rows
                } else {
                    reader.rows(cursor, size as usize)?
                };
                let Some(last) = rows.last() else { break };
                cursor = last.sequence;
                looked += rows.len();
                found.extend(rows.into_iter().filter(&fits));
            }
            found.truncate(size as usize);
            Ok(found)
        });
        page.await.unwrap_or_else(|error| Err(store::Error::Unavailable(Box::new(error))))
    }
}

impl<A: Aggregate> fmt::Debug for Service<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("ledger", &self.ledger).finish_non_exhaustive()
    }
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl<A: Aggregate> LedgerService for Service<A> {
    type WatchStream = Answers<pb::WatchResponse>;
    type VerifyStream = Answers<pb::VerifyResponse>;

    async fn watch(
        &self,
        request: Request<pb::WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let request = request.into_inner();
        let refuse = self.refuse;
        let diverged = || refuse(Reason::LedgerDiverged, &[("ledger", A::NAME.to_owned())]);
        let invalid = || refuse(Reason::LedgerCursorInvalid, &[]);
        let after = request.after.unwrap_or_default();
        let ledger = self.ledger.clone();
        let mut watch = if is_viewers(&after) {
            if after.sequence > ledger.committed() {
                return Err(invalid());
            }
            ledger.watch(after.sequence)
        } else {
            let cursor = parse_cursor(&after).ok_or_else(invalid)?;
            match ledger.watch_behind(cursor).await {
                Ok(watch) => watch,
                Err(Fault::Diverged) => return Err(diverged()),
                Err(Fault::Unavailable(error)) => {
                    tracing::warn!(error = &*error as &dyn std::error::Error, "a watch is refused");
                    let away = Reason::of(&*error).filter(|of| *of == Reason::LedgerSegmentAway);
                    return Err(refuse(away.unwrap_or(Reason::StoreBusy), &[]));
                }
            }
        };
        let until = request.until_head.then(|| ledger.committed());
        let stream = async_stream::stream! {
            while until.is_none_or(|until| watch.after() < until) {
                match watch.next().await {
                    Some(Ok(rows)) => yield Ok(response(&ledger, &rows)),
                    Some(Err(error)) => {
                        tracing::warn!(error = &error as &dyn std::error::Error, "a watch ended");
                        yield Err(refuse(reason(&error), &[]));
                        return;
                    }
                    None => return,
                }
            }
        };
        Ok(Response::new(Box::pin(stream)))
    }

    async fn get_head(
        &self,
        request: Request<pb::GetHeadRequest>,
    ) -> Result<Response<pb::GetHeadResponse>, Status> {
        self.reached(request.into_inner().min_position).await?;
        let head = self.ledger.head().await.map_err(|error| self.failed(&error))?;
        let reader = self.ledger.reader();
        let hot_from = tokio::task::spawn_blocking(move || reader.hot_from()).await;
        let hot_from = hot_from.unwrap_or_else(|e| Err(store::Error::Unavailable(Box::new(e))));
        Ok(Response::new(pb::GetHeadResponse {
            hot_from_sequence: hot_from.map_err(|error| self.failed(&error))?,
            ledger_id: head.ledger.to_string(),
            sequence: head.sequence,
            hash: head.hash.0.to_vec(),
            time_us: head.time.as_micros(),
        }))
    }

    async fn read_rows(
        &self,
        request: Request<pb::ReadRowsRequest>,
    ) -> Result<Response<pb::ReadRowsResponse>, Status> {
        let request = request.into_inner();
        self.reached(request.min_position.clone()).await?;
        let rows = self.page(&request).await.map_err(|error| self.failed(&error))?;
        let next_sequence = rows.last().map_or(0, |row| row.sequence);
        let rows = rows.iter().map(row).collect();
        Ok(Response::new(pb::ReadRowsResponse { rows, next_sequence }))
    }

    async fn read_text(
        &self,
        request: Request<pb::ReadTextRequest>,
    ) -> Result<Response<pb::ReadTextResponse>, Status> {
        let id = request.into_inner().id;
        if let Some(text) = self.ledger.recent_text(&id) {
            return Ok(Response::new(pb::ReadTextResponse { text }));
        }
        let reader = self.ledger.reader();
        let wanted = id.clone();
        let found = tokio::task::spawn_blocking(move || reader.text(&wanted)).await;
        let found = found.unwrap_or_else(|e| Err(store::Error::Unavailable(Box::new(e))));
        // Sealed text leaves a ledger only through its owner's own methods.
        let open = found.map_err(|error| self.failed(&error))?.filter(|text| !text.sealed);
        let text = open.and_then(|text| String::from_utf8(text.bytes).ok());
        let text =
            text.ok_or_else(|| (self.refuse)(Reason::LedgerTextNotFound, &[("text", id)]))?;
        Ok(Response::new(pb::ReadTextResponse { text }))
    }

    async fn read_texts(
        &self,
        request: Request<pb::ReadTextsRequest>,
    ) -> Result<Response<pb::ReadTextsResponse>, Status> {
        let asked = request.into_inner().ids.into_iter().take(TEXTS_MAX);
        let (recent, older) = self.ledger.recent_texts(asked);
        let mut texts: HashMap<String, String> = recent.into_iter().collect();
        if !older.is_empty() {
            let reader = self.ledger.reader();
            let found = tokio::task::spawn_blocking(move || {
                let rows = older.iter().map(|id| reader.text(id));
                rows.collect::<Result<Vec<_>, _>>()
            });
            let found = found.await.unwrap_or_else(|e| Err(store::Error::Unavailable(Box::new(e))));
            let rows = found.map_err(|error| self.failed(&error))?.into_iter().flatten();
            // Sealed text leaves a ledger only through its owner's own methods.
            let open = rows.filter(|text| !text.sealed);
            texts.extend(open.filter_map(|row| Some((row.id, String::from_utf8(row.bytes).ok()?))));
        }
        Ok(Response::new(pb::ReadTextsResponse { texts }))
    }

    async fn verify(
        &self,
        _request: Request<pb::VerifyRequest>,
    ) -> Result<Response<Self::VerifyStream>, Status> {
        let head = self.ledger.committed();
        let reader = self.ledger.reader();
        let (progress, mut told_rows) = tokio::sync::mpsc::channel(PROGRESS_WAITING);
        let walk = tokio::task::spawn_blocking(move || {
            let mut told = 0;
            audit::verify(&*reader, &[], &|_| true, &mut |rows| {
                if rows >= told + PROGRESS_EVERY {
                    told = rows;
                    if progress.try_send(rows).is_err() {
                        tracing::trace!(rows, "a reader that is behind misses a number");
                    }
                }
            })
        });
        let refuse = self.refuse;
        let stream = async_stream::stream! {
            while let Some(rows) = told_rows.recv().await {
                yield Ok(pb::VerifyResponse { rows, head, ..pb::VerifyResponse::default() });
            }
            match walk.await {
                Ok(Ok(report)) => {
                    let findings = report.findings.iter().map(ToString::to_string).collect();
                    yield Ok(pb::VerifyResponse {
                        rows: report.rows,
                        head,
                        done: true,
                        findings,
                        vouched_from_sequence: report.vouched_from,
                    });
                }
                Ok(Err(_)) | Err(_) => yield Err(refuse(Reason::StoreCorrupt, &[])),
            }
        };
        Ok(Response::new(Box::pin(stream)))
    }

    async fn list_peer_checkpoints(
        &self,
        _request: Request<pb::ListPeerCheckpointsRequest>,
    ) -> Result<Response<pb::ListPeerCheckpointsResponse>, Status> {
        let reader = self.ledger.reader();
        let kept = tokio::task::spawn_blocking(move || reader.checkpoints()).await;
        let kept = kept.unwrap_or_else(|e| Err(store::Error::Unavailable(Box::new(e))));
        let kept = kept.map_err(|error| self.failed(&error))?;
        let checkpoints = kept
            .into_iter()
            .map(|(peer, kept)| pb::PeerCheckpoint { peer, checkpoint: Some(checkpoint(&kept)) });
        Ok(Response::new(pb::ListPeerCheckpointsResponse { checkpoints: checkpoints.collect() }))
    }
}

/// What a caller can do about a store that did not answer.
fn reason(error: &store::Error) -> Reason {
    match error {
        store::Error::Corrupt { .. } => Reason::StoreCorrupt,
        store::Error::Away { .. } => Reason::LedgerSegmentAway,
        store::Error::Conflict | store::Error::Unavailable(_) => Reason::StoreBusy,
    }
}

fn response<A: Aggregate>(ledger: &Ledger<A>, rows: &[Arc<Row>]) -> pb::WatchResponse {
    let signed = rows.last().and_then(|row| ledger.checkpoint(row.sequence, row.hash));
    pb::WatchResponse {
        ledger_id: ledger.id().to_string(),
        rows: rows.iter().map(|kept| row(kept)).collect(),
        checkpoint: signed.as_ref().map(checkpoint),
    }
}

fn row(row: &Row) -> pb::Row {
    pb::Row {
        sequence: row.sequence,
        time_us: row.time.as_micros(),
        actor: row.actor.clone(),
        kind: row.kind.clone(),
        schema: row.schema,
        payload: row.payload.clone(),
        hash: row.hash.0.to_vec(),
    }
}

fn checkpoint(checkpoint: &Checkpoint) -> pb::Checkpoint {
    pb::Checkpoint {
        ledger_id: checkpoint.ledger.to_string(),
        sequence: checkpoint.sequence,
        hash: checkpoint.hash.0.to_vec(),
        time_us: checkpoint.time.as_micros(),
        key_id: checkpoint.key_id.clone(),
        signature: checkpoint.signature.clone(),
    }
}

impl From<SegmentNote> for pb::SegmentClosed {
    fn from(note: SegmentNote) -> Self {
        Self {
            first_sequence: note.first,
            last_sequence: note.last,
            first_hash: note.first_hash.0.to_vec(),
            last_hash: note.last_hash.0.to_vec(),
            rows: note.rows(),
            file_name: note.file,
            file_hash: note.file_hash.0.to_vec(),
            bytes: note.bytes,
        }
    }
}

/// A stored message that names no segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a segment without its rows or its hashes")]
pub struct NotASegment;

impl TryFrom<pb::SegmentClosed> for SegmentNote {
    type Error = NotASegment;

    fn try_from(closed: pb::SegmentClosed) -> Result<Self, NotASegment> {
        let hash = |bytes: &[u8]| Hash::try_from(bytes).map_err(|_| NotASegment);
        if closed.first_sequence == 0 || closed.last_sequence < closed.first_sequence {
            return Err(NotASegment);
        }
        Ok(Self {
            first: closed.first_sequence,
            last: closed.last_sequence,
            first_hash: hash(&closed.first_hash)?,
            last_hash: hash(&closed.last_hash)?,
            file: closed.file_name,
            file_hash: hash(&closed.file_hash)?,
            bytes: closed.bytes,
        })
    }
}

/// A sequence alone: of somebody who shows rows and keeps nothing that a wrong log could spoil.
fn is_viewers(cursor: &pb::Cursor) -> bool {
    cursor.ledger_id.is_empty() && cursor.hash.is_empty() && cursor.sequence > 0
}

fn parse_cursor(cursor: &pb::Cursor) -> Option<Cursor> {
    if cursor.sequence == 0 && cursor.ledger_id.is_empty() {
        return Some(Cursor::START);
    }
    let hash = match cursor.hash.as_slice() {
        [] if cursor.sequence == 0 => Hash::default(),
        bytes => Hash::try_from(bytes).ok()?,
    };
    Some(Cursor { ledger: Some(cursor.ledger_id.parse().ok()?), sequence: cursor.sequence, hash })
}

fn holds(payload: &[u8], subject: &[u8]) -> bool {
    payload.windows(subject.len()).any(|window| window == subject)
}
