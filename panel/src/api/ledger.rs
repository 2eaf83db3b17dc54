//! Rows of the four ledgers, and the walk over their chains.

use futures::StreamExt;
use prost::Message;
use vivarium_proto::ledger::v1 as pb;
use vivarium_types::Timestamp;

use super::{Answer, Method, call_at, open, problem, stream, unary};
use crate::state::event::Event;
use crate::state::{LEDGERS, Page};

const READ: Method = unary("/vivarium.ledger.v1.LedgerService/ReadRows");
const VERIFY: Method = stream("/vivarium.ledger.v1.LedgerService/Verify");

#[cfg(test)]
pub(super) const METHODS: &[Method] = &[READ, VERIFY];

/// The newest rows of one ledger, newest first; of one subject, if it is not empty.
pub(crate) async fn newest(
    ledger: &str,
    subject: &str,
    after: u64,
    page_size: u32,
) -> Answer<Page<Event>> {
    let request = pb::ReadRowsRequest {
        after_sequence: after,
        backwards: true,
        page_size,
        subject: subject.to_owned(),
        ..pb::ReadRowsRequest::default()
    };
    let answer: pb::ReadRowsResponse = call_at(ledger, READ, &request).await?;
    let rows = answer.rows.into_iter().map(|row| event(ledger, "", row)).collect();
    let next = match answer.next_sequence {
        0 => String::new(),
        sequence => sequence.to_string(),
    };
    Ok(Page { rows, next })
}

/// All rows of the four ledgers about one subject, oldest first. A ledger that does not answer is
/// left out and named.
pub(crate) async fn trace(subject: &str) -> Answer<(Vec<Event>, Vec<&'static str>)> {
    let reads = LEDGERS.map(|ledger| newest(ledger, subject, 0, 1_000));
    let answers = futures::future::join_all(reads).await;
    let (mut rows, mut silent, mut last) = (Vec::new(), Vec::new(), None);
    for (ledger, answer) in LEDGERS.into_iter().zip(answers) {
        match answer {
            Ok(page) => rows.extend(page.rows),
            Err(problem) => {
                silent.push(ledger);
                last = Some(problem);
            }
        }
    }
    if let Some(problem) = last.filter(|_| silent.len() == LEDGERS.len()) {
        return Err(problem);
    }
    rows.sort_by_key(|row| (row.time, row.sequence));
    Ok((rows, silent))
}

/// How far a walk over a chain has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Walk {
    /// Rows checked.
    pub(crate) rows: u64,
    /// Rows there are.
    pub(crate) head: u64,
    /// Whether it is over.
    pub(crate) done: bool,
    /// What does not fit.
    pub(crate) findings: Vec<String>,
}

/// Walks a whole chain and tells how far it has come.
pub(crate) async fn verify(ledger: &str, mut tell: impl FnMut(Walk)) -> Answer<()> {
    let mut answers = open(ledger, VERIFY, &pb::VerifyRequest {}).await?;
    while let Some(answer) = answers.next().await {
        let told = pb::VerifyResponse::decode(answer?).map_err(|_| problem::unreachable())?;
        let done = told.done;
        tell(Walk { rows: told.rows, head: told.head, done, findings: told.findings });
        if done {
            return Ok(());
        }
    }
    Err(problem::unreachable())
}

/// A row as an event.
pub(super) fn event(ledger: &str, ledger_id: &str, row: pb::Row) -> Event {
    let place = (ledger, ledger_id, row.sequence);
    Event::read(place, Timestamp::from_micros(row.time_us), row.actor, row.kind, &row.payload)
}
