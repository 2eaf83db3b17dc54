//! History that imports brought.

use vivarium_proto::social::v1 as pb;

use super::{Answer, Method, call, unary, wire};
use crate::state::Page;
use crate::state::history::{Entry, Kind, Outcome, Part};

const LIST: Method = unary("/vivarium.social.v1.HistoryService/ListHistory");

#[cfg(test)]
pub(super) const METHODS: &[Method] = &[LIST];

/// A page of history, newest first: with these words, about this resident where they are not empty.
pub(crate) async fn list(
    part: Part,
    text: &str,
    resident: &str,
    page_token: String,
) -> Answer<Page<Entry>> {
    let over = [pb::HistoryKind::Task, pb::HistoryKind::Bounty];
    let (kinds, outcome) = match part {
        Part::Over => (&over[..], pb::HistoryOutcome::Unspecified),
        Part::Failed => (&over[..], pb::HistoryOutcome::Failed),
        Part::Everything => (&[][..], pb::HistoryOutcome::Unspecified),
    };
    let request = pb::ListHistoryRequest {
        text: text.to_owned(),
        kinds: kinds.iter().copied().map(i32::from).collect(),
        outcome: outcome.into(),
        resident: resident.to_owned(),
        page_size: 100,
        page_token,
        ..pb::ListHistoryRequest::default()
    };
    let answer: pb::ListHistoryResponse = call(LIST, &request).await?;
    let rows = answer.entries.into_iter().map(entry).collect();
    Ok(Page { rows, next: answer.next_page_token })
}

fn entry(wire: pb::HistoryEntry) -> Entry {
    let kind = match wire.kind() {
        pb::HistoryKind::Task => Kind::Task,
        pb::HistoryKind::Status | pb::HistoryKind::Unspecified => Kind::Status,
        pb::HistoryKind::Bounty => Kind::Bounty,
        pb::HistoryKind::Action => Kind::Action,
    };
    let outcome = match wire.outcome() {
        pb::HistoryOutcome::Unspecified => Outcome::Nothing,
        pb::HistoryOutcome::Done => Outcome::Done,
        pb::HistoryOutcome::Failed => Outcome::Failed,
    };
    Entry {
        kind,
        outcome,
        status: wire.status,
        subject: wire.subject,
        title: wire.title,
        text: wire.text,
        resident: wire.resident_id,
        source: wire::some_moment(wire.source_time),
        sequence: wire.sequence,
    }
}
