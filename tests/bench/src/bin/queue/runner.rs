//! The bench as a runner: one stream, a constant number of leases in flight, no work at all.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use vivarium_chassis::clock;
use vivarium_chassis::identity::{Name, Service};
use vivarium_proto::queue::v1 as pb;
use vivarium_proto::queue::v1::finish_attempt::Outcome;
use vivarium_proto::queue::v1::run_request::Message as Say;
use vivarium_proto::queue::v1::run_response::Message as Told;
use vivarium_proto::queue::v1::runner_service_client::RunnerServiceClient;
use vivarium_types::ids::Id as _;
use vivarium_types::ids::InstanceId;

use crate::stand::Stand;

/// How often a runner speaks of the leases it holds: a third of their time.
const BEAT_EVERY: Duration = Duration::from_secs(10);

/// Words on their way to the queue.
const OUTGOING_MAX: usize = 1_024;
/// Finished leases whose credit is given back together.
const CREDIT_EVERY: u32 = 32;

/// What a runner does with a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Habit {
    /// Finishes it at once.
    Finish,
    /// Keeps it.
    Hold,
}

/// A grant as it came.
#[derive(Debug, Clone)]
pub(crate) struct Grant {
    pub(crate) at: Instant,
    pub(crate) task: String,
    pub(crate) submitter: String,
}

/// A runner at work.
pub(crate) struct Runner {
    say: mpsc::Sender<pb::RunRequest>,
    pub(crate) grants: mpsc::UnboundedReceiver<Grant>,
    pub(crate) instance: InstanceId,
    work: JoinHandle<Result<()>>,
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.work.abort();
    }
}

impl Runner {
    /// Says hello as `name` and allows `credit` leases at once; with 0 only what `credit` allows.
    pub(crate) async fn start(
        stand: &Stand,
        name: &str,
        credit: u32,
        habit: Habit,
    ) -> Result<Self> {
        let (say, said) = mpsc::channel(OUTGOING_MAX);
        let instance = InstanceId::from_number(u128::from(instant_number()));
        let hello = pb::Hello {
            instance_id: instance.to_string(),
            name: name.to_owned(),
            slots: credit.max(1),
            resumes: Vec::new(),
        };
        send(&say, Say::Hello(hello)).await?;
        let calls = stand.calls(&Name::Service(Service::Executor))?;
        let mut client = RunnerServiceClient::new(calls);
        let mut told = client.run(ReceiverStream::new(said)).await?.into_inner();
        // The controls come first of all.
        told.message().await?.context("the stream ended")?;
        if credit > 0 {
            send(&say, Say::Credit(pb::Credit { grants: credit })).await?;
        }
        let (give, grants) = mpsc::unbounded_channel();
        let credit_every = (credit > 0).then(|| CREDIT_EVERY.min(credit.div_ceil(4)));
        let work = tokio::spawn(work(say.clone(), told, give, habit, credit_every));
        Ok(Self { say, grants, instance, work })
    }

    /// Allows more grants.
    pub(crate) async fn credit(&self, grants: u32) -> Result<()> {
        send(&self.say, Say::Credit(pb::Credit { grants })).await
    }

    /// The next grant.
    pub(crate) async fn grant(&mut self) -> Result<Grant> {
        match self.grants.recv().await {
            Some(grant) => Ok(grant),
            None => bail!("the runner's stream ended"),
        }
    }
}

/// A number that grows from start to start of a runner.
fn instant_number() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static STARTS: AtomicU64 = AtomicU64::new(1);
    STARTS.fetch_add(1, Ordering::Relaxed)
}

async fn send(say: &mpsc::Sender<pb::RunRequest>, message: Say) -> Result<()> {
    let request = pb::RunRequest { message: Some(message) };
    say.send(request).await.ok().context("the stream is closed")
}

async fn work(
    say: mpsc::Sender<pb::RunRequest>,
    mut told: Streaming<pb::RunResponse>,
    give: mpsc::UnboundedSender<Grant>,
    habit: Habit,
    credit_every: Option<u32>,
) -> Result<()> {
    let (mut finished, mut held) = (0, Vec::new());
    let mut beat = tokio::time::interval(BEAT_EVERY);
    loop {
        let message = tokio::select! {
            message = told.message() => message?,
            _ = beat.tick(), if !held.is_empty() => {
                // Who holds on to work says so, or it would be somebody else's soon.
                let leases = held.clone();
                send(&say, Say::Heartbeat(pb::Heartbeat { leases })).await?;
                continue;
            }
        };
        let Some(message) = message else { return Ok(()) };
        match message.message {
            Some(Told::Granted(granted)) => {
                let finish = finish(&granted);
                if habit == Habit::Hold {
                    held.extend(finish.lease.clone());
                }
                let task = granted.task.unwrap_or_default();
                let grant =
                    Grant { at: clock::instant(), task: task.task_id, submitter: task.submitter };
                drop(give.send(grant));
                if habit == Habit::Finish {
                    send(&say, Say::Finish(finish)).await?;
                }
            }
            Some(Told::FinishAck(ack)) if !ack.accepted => bail!("refused: {}", ack.reason),
            Some(Told::FinishAck(_)) => {
                finished += 1;
                if credit_every == Some(finished) {
                    send(&say, Say::Credit(pb::Credit { grants: finished })).await?;
                    finished = 0;
                }
            }
            _ => {}
        }
    }
}

fn finish(granted: &pb::Granted) -> pb::FinishAttempt {
    let lease =
        pb::HeldLease { lease_id: granted.lease_id.clone(), fencing_token: granted.fencing_token };
    let finished = pb::Finished {
        summary: String::new(),
        answer: "done".to_owned(),
        how: "finished".to_owned(),
        steps: 1,
        ..Default::default()
    };
    pb::FinishAttempt {
        lease: Some(lease),
        cost_micro_usd: 0,
        outcome: Some(Outcome::Finished(finished)),
    }
}
