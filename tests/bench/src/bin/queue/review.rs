//! A stand-in for review: it follows the queue's log and approves whatever is finished, in a ledger
//! of its own that the queue follows. It keeps that ledger in memory, so that every byte on the disk
//! is the queue's.

use std::convert::Infallible;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use futures::StreamExt as _;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use vivarium_chassis::clock::{self, SystemClock};
use vivarium_chassis::config::Shared;
use vivarium_chassis::identity::{Holder, Service};
use vivarium_chassis::server::{Configured, Footing, Serving};
use vivarium_chassis::telemetry::metrics::Metrics;
use vivarium_chassis::{Peers, Refusal, Services};
use vivarium_ledger::ledger::abort_on_fault;
use vivarium_ledger::store::memory::Memory;
use vivarium_ledger::writer::Parts;
use vivarium_ledger::{
    Aggregate, Context, FactNote, Ledger, Meta, Options, SegmentNote, Submission, rpc as ledger_rpc,
};
use vivarium_proto::ledger::v1::ledger_service_server::LedgerServiceServer;
use vivarium_proto::queue::v1 as queue_pb;
use vivarium_proto::queue::v1::queue_event::Event;
use vivarium_proto::review::v1 as pb;
use vivarium_types::Actor;
use vivarium_types::source::{Cursor, Row};

/// What it says: review's own events, decided elsewhere.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct Verdicts;

/// One event.
#[derive(Debug, Clone)]
pub(crate) struct Said(pb::ReviewEvent);

impl From<Said> for pb::ReviewEvent {
    fn from(said: Said) -> Self {
        said.0
    }
}

impl From<pb::ReviewEvent> for Said {
    fn from(wire: pb::ReviewEvent) -> Self {
        Self(wire)
    }
}

impl Aggregate for Verdicts {
    const NAME: &'static str = "review";
    const SCHEMA: u32 = 1;
    const STATE_VERSION: u32 = 1;
    type Command = pb::ReviewEvent;
    type Event = Said;
    type Wire = pb::ReviewEvent;
    type Rejection = Infallible;

    fn decide(&self, said: pb::ReviewEvent, _: &Context<'_>) -> Result<Vec<Said>, Infallible> {
        Ok(vec![Said(said)])
    }

    fn apply(&mut self, _: &Said, _: &Meta) {}

    fn kind(_: &Said) -> &'static str {
        "verdict_reached"
    }

    fn fact_ignored(_: FactNote) -> Said {
        Said(pb::ReviewEvent::default())
    }

    fn fact_parked(_: FactNote) -> Said {
        Said(pb::ReviewEvent::default())
    }

    fn segment_closed(_: SegmentNote) -> Said {
        Said(pb::ReviewEvent::default())
    }

    fn reason(rejection: &Infallible) -> String {
        match *rejection {}
    }
}

/// The queue's log says that a task is over.
#[derive(Debug)]
pub(crate) struct Approved;

/// The running stand-in.
pub(crate) struct Review {
    /// Who wants to hear of approved tasks.
    approved: Arc<Mutex<Option<mpsc::UnboundedSender<Approved>>>>,
    following: JoinHandle<()>,
    _serving: Serving,
}

impl Drop for Review {
    fn drop(&mut self) {
        self.following.abort();
    }
}

impl Review {
    /// Serves on `listener` and follows the queue.
    pub(crate) fn start(
        shared: &Shared,
        identity: Arc<Holder>,
        listener: TcpListener,
        peers: &Peers,
    ) -> Result<Self> {
        let parts = Parts {
            clock: Arc::new(SystemClock),
            ids: clock::ids(),
            views: Vec::new(),
            keys: None,
        };
        let (ledger, _running) = Ledger::<Verdicts>::open(
            Memory::default(),
            parts,
            None,
            Options::default(),
            abort_on_fault(),
        )?;
        let footing = Footing {
            service: Service::Review,
            identity,
            clock: Arc::new(SystemClock),
            limits: shared.limits.clone(),
            metrics: Metrics::default(),
            drain: CancellationToken::new(),
        };
        let service =
            ledger_rpc::Service::new(ledger.clone(), |reason, _| Refusal::new(reason).into());
        let services = Services::new().with(LedgerServiceServer::new(service));
        let serving = Configured::new(footing, services).bind(listener)?.serve();
        let approved = Arc::default();
        let following = tokio::spawn(follow(peers.clone(), ledger, Arc::clone(&approved)));
        Ok(Self { approved, following, _serving: serving })
    }

    /// Every task that is approved from now on; whoever asked before hears no more.
    pub(crate) fn approvals(&self) -> mpsc::UnboundedReceiver<Approved> {
        let (give, take) = mpsc::unbounded_channel();
        *self.approved.lock().unwrap_or_else(PoisonError::into_inner) = Some(give);
        take
    }
}

type Listener = Arc<Mutex<Option<mpsc::UnboundedSender<Approved>>>>;

async fn follow(peers: Peers, ledger: Ledger<Verdicts>, approved: Listener) {
    let mut rows = peers.to(Service::Queue).source().follow(Cursor::START);
    while let Some(Ok(delivery)) = rows.next().await {
        for row in delivery.rows {
            if row.kind == "task_approved" {
                let listener = approved.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(listener) = &*listener {
                    // Nobody listens any more; the next one asks anew.
                    drop(listener.send(Approved));
                }
            } else if let Some(verdict) = verdict(&row) {
                let ledger = ledger.clone();
                tokio::spawn(async move {
                    let submission = Submission::new(Actor::service("review"), verdict);
                    drop(ledger.submit(submission).await);
                });
            }
        }
    }
}

/// Approval of a finished attempt.
fn verdict(row: &Row) -> Option<pb::ReviewEvent> {
    if row.kind != "attempt_finished" {
        return None;
    }
    let event: queue_pb::QueueEvent = serde_json::from_slice(&row.payload).ok()?;
    let Some(Event::AttemptFinished(finished)) = event.event else { return None };
    let verdict = pb::VerdictReached {
        submission_id: finished.submission_id,
        task_id: finished.task_id,
        value: pb::VerdictValue::Approve.into(),
        confidence_permille: 1_000,
        content_hash: vec![7; 32],
        ..Default::default()
    };
    Some(pb::ReviewEvent { event: Some(pb::review_event::Event::VerdictReached(verdict)) })
}
