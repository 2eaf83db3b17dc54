//! Another service's ledger as a [`Source`]: its Watch stream with rows and checkpoints in our words.
//! It does not reconnect: a follower does, and knows from where. It does not check the hash chain
//! either: the ledger does.

use futures::{StreamExt as _, TryStreamExt as _, stream};
use tonic::Status;
use vivarium_proto::ledger::v1 as pb;
use vivarium_proto::ledger::v1::ledger_service_client::LedgerServiceClient;
use vivarium_types::source::{Checkpoint, Cursor, Deliveries, Delivery, Fault, Hash, Row, Source};
use vivarium_types::{Reason, Timestamp};

use crate::client::Peer;
use crate::status::Problem;

/// A ledger behind a peer.
#[derive(Debug, Clone)]
pub struct GrpcSource {
    peer: Peer,
}

/// A message that no ledger sends.
#[derive(Debug, thiserror::Error)]
#[error("the followed ledger sent {0}")]
struct Malformed(&'static str);

impl GrpcSource {
    /// The ledger of `peer`.
    pub fn new(peer: Peer) -> Self {
        Self { peer }
    }
}

impl Source for GrpcSource {
    fn name(&self) -> &str {
        self.peer.service().name()
    }

    fn follow(&self, cursor: Cursor) -> Deliveries {
        let calls = self.peer.calls();
        let request = pb::WatchRequest { after: Some(wire(cursor)), until_head: false };
        let opened = stream::once(async move {
            let mut client = LedgerServiceClient::new(calls);
            client.watch(request).await.map(tonic::Response::into_inner).map_err(fault)
        });
        let answers = opened.map_ok(|answers| answers.map_err(fault)).try_flatten();
        Box::pin(answers.map(|answer| answer.and_then(|answer| delivery(answer).map_err(lost))))
    }
}

fn wire(cursor: Cursor) -> pb::Cursor {
    let Cursor { ledger, sequence, hash } = cursor;
    let ledger_id = ledger.map(|ledger| ledger.to_string()).unwrap_or_default();
    let hash = if sequence == 0 { Vec::new() } else { hash.0.to_vec() };
    pb::Cursor { ledger_id, sequence, hash }
}

/// Only one answer means that the logs parted; everything else may be better the next time.
fn fault(status: Status) -> Fault {
    let problem = Problem::from(status);
    let parted = [Reason::LedgerDiverged, Reason::LedgerCursorInvalid];
    if problem.reason.is_some_and(|reason| parted.contains(&reason)) {
        Fault::Diverged
    } else {
        Fault::Unavailable(Box::new(problem))
    }
}

fn lost(malformed: Malformed) -> Fault {
    Fault::Unavailable(Box::new(malformed))
}

fn delivery(answer: pb::WatchResponse) -> Result<Delivery, Malformed> {
    let pb::WatchResponse { ledger_id, rows, checkpoint } = answer;
    let ledger = ledger_id.parse().map_err(|_| Malformed("an id that is none"))?;
    Ok(Delivery {
        ledger: Some(ledger),
        rows: rows.into_iter().map(row).collect::<Result<_, _>>()?,
        checkpoint: checkpoint.map(self::checkpoint).transpose()?,
    })
}

fn row(row: pb::Row) -> Result<Row, Malformed> {
    let pb::Row { sequence, time_us, actor, kind, schema, payload, hash } = row;
    let time = Timestamp::from_micros(time_us);
    Ok(Row { sequence, time, actor, kind, schema, payload, hash: self::hash(&hash)? })
}

fn checkpoint(checkpoint: pb::Checkpoint) -> Result<Checkpoint, Malformed> {
    let pb::Checkpoint { ledger_id, sequence, hash, time_us, key_id, signature } = checkpoint;
    Ok(Checkpoint {
        ledger: ledger_id.parse().map_err(|_| Malformed("an id that is none"))?,
        sequence,
        hash: self::hash(&hash)?,
        time: Timestamp::from_micros(time_us),
        key_id,
        signature,
    })
}

fn hash(bytes: &[u8]) -> Result<Hash, Malformed> {
    Hash::try_from(bytes).map_err(|_| Malformed("a hash that is none"))
}
