//! Callers that add tasks and a runner that works on them under effects and finishes them, through all deaths of the queue; and what
//! they know.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use vivarium_bench::alone::Alone;
use vivarium_chassis::identity::{Name, Service};
use vivarium_chassis::{Calls, Peers};
use vivarium_proto::queue::v1 as pb;
use vivarium_proto::queue::v1::finish_attempt::Outcome;
use vivarium_proto::queue::v1::run_request::Message as Say;
use vivarium_proto::queue::v1::run_response::Message as Told;
use vivarium_proto::queue::v1::runner_service_client::RunnerServiceClient;
use vivarium_proto::queue::v1::task_service_client::TaskServiceClient;
use vivarium_proto::queue::v1::world_service_client::WorldServiceClient;
use vivarium_types::ids::{Id as _, InstanceId};

/// Before the same is asked again.
const PAUSE: Duration = Duration::from_millis(5);
/// Nothing is acknowledged for so long: the queue does not work any more.
const PATIENCE: Duration = Duration::from_mins(1);
/// Words on their way to the queue.
const OUTGOING_MAX: usize = 256;

/// What the callers and the runner know.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Keys of tasks that were ever asked for.
    pub(crate) asked: BTreeSet<String>,
    /// Ids of tasks whose adding was acknowledged, by key.
    pub(crate) added: BTreeMap<String, String>,
    /// Leases whose finish was acknowledged.
    pub(crate) finished: BTreeSet<String>,
    /// Leases under which an effect was acknowledged.
    pub(crate) effects: BTreeSet<String>,
    /// What should not have been answered at all.
    pub(crate) strange: Vec<String>,
}

/// Everybody at work.
pub(crate) struct Load {
    known: Arc<Mutex<Known>>,
    in_flight: Arc<AtomicI64>,
    answers: watch::Receiver<u64>,
    finishes: watch::Receiver<u64>,
    work: Vec<JoinHandle<()>>,
}

impl Drop for Load {
    fn drop(&mut self) {
        self.work.iter().for_each(JoinHandle::abort);
    }
}

/// What each of them has.
#[derive(Clone)]
struct Hand {
    known: Arc<Mutex<Known>>,
    in_flight: Arc<AtomicI64>,
    answered: watch::Sender<u64>,
    acknowledged: watch::Sender<u64>,
}

impl Hand {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answered(&self) {
        self.answered.send_modify(|count| *count += 1);
    }
}

impl Load {
    /// Everybody begins.
    pub(crate) async fn begin(stand: &Alone, callers: u32, leases: u32) -> Result<Self> {
        let (answered, answers) = watch::channel(0);
        let (acknowledged, finishes) = watch::channel(0);
        let (known, in_flight) = (Arc::default(), Arc::default());
        let hand = Hand { known, in_flight, answered, acknowledged };
        let peers = stand.peers(&Name::operator("bench"))?;
        no_pace(&peers).await?;
        let mut work = Vec::new();
        for caller in 0..callers {
            work.push(tokio::spawn(add(hand.clone(), peers.clone(), caller)));
        }
        let runner = stand.peers(&Name::Service(Service::Executor))?;
        work.push(tokio::spawn(run(hand.clone(), runner, leases)));
        let Hand { known, in_flight, .. } = hand;
        Ok(Self { known, in_flight, answers, finishes, work })
    }

    /// Waits for so many more answers.
    pub(crate) async fn answers(&self, count: u64) -> Result<()> {
        more(self.answers.clone(), count).await
    }

    /// Waits for so many more finishes.
    pub(crate) async fn finishes(&self, count: u64) -> Result<()> {
        more(self.finishes.clone(), count).await
    }

    /// Calls that wait for their answer.
    pub(crate) fn in_flight(&self) -> i64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// What is known now.
    pub(crate) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Acknowledged tasks.
    pub(crate) fn added(&self) -> u64 {
        self.known().added.len() as u64
    }

    /// Acknowledged finishes.
    pub(crate) fn finished(&self) -> u64 {
        self.known().finished.len() as u64
    }
}

async fn more(mut seen: watch::Receiver<u64>, count: u64) -> Result<()> {
    let goal = *seen.borrow() + count;
    let waited = tokio::time::timeout(PATIENCE, seen.wait_for(|seen| *seen >= goal)).await;
    match waited {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(_)) | Err(_) => bail!("nothing is acknowledged any more"),
    }
}

async fn no_pace(peers: &Peers) -> Result<()> {
    let request = pb::SetPaceRequest {
        request_id: "pace".to_owned(),
        pace: pb::PaceKind::Wait.into(),
        wait_seconds: 0,
        reason: "nothing waits here".to_owned(),
    };
    WorldServiceClient::new(peers.to(Service::Queue).calls()).set_pace(request).await?;
    Ok(())
}

/// One caller: a task, its answer, the next task.
async fn add(hand: Hand, peers: Peers, caller: u32) {
    let mut client = TaskServiceClient::new(peers.to(Service::Queue).calls());
    for number in 0_u64.. {
        let key = format!("t{caller}-{number}");
        hand.known().asked.insert(key.clone());
        let task = pb::TaskSpec {
            key: key.clone(),
            mode: pb::TaskMode::Local.into(),
            kind: pb::TaskKind::Answer.into(),
            command: vec!["echo".to_owned(), "hello".to_owned()],
            ..Default::default()
        };
        let request = pb::AddTasksRequest { request_id: key.clone(), tasks: vec![task] };
        hand.in_flight.fetch_add(1, Ordering::Relaxed);
        let answer = loop {
            match client.add_tasks(request.clone()).await {
                Ok(answer) => break Ok(answer.into_inner()),
                Err(status) if again(&status) => tokio::time::sleep(PAUSE).await,
                Err(status) => break Err(status),
            }
        };
        hand.in_flight.fetch_sub(1, Ordering::Relaxed);
        match answer {
            Ok(answer) => {
                hand.known().added.insert(key, answer.task_ids.concat());
            }
            Err(status) => hand.known().strange.push(format!("{key}: {status}")),
        }
        hand.answered();
    }
}

/// Whether a call got no answer, so that nobody knows what became of it.
fn again(status: &tonic::Status) -> bool {
    use tonic::Code::{Cancelled, DeadlineExceeded, ResourceExhausted, Unavailable, Unknown};
    matches!(
        status.code(),
        Unavailable | DeadlineExceeded | Cancelled | Unknown | ResourceExhausted
    )
}

/// The runner: connects again whenever its stream ends, and goes on with what it holds.
#[expect(clippy::infinite_loop, reason = "it goes on until its task is dropped")]
async fn run(hand: Hand, peers: Peers, leases: u32) {
    let instance = InstanceId::from_number(1);
    let mut held: BTreeMap<String, u64> = BTreeMap::new();
    loop {
        if let Err(status) = stream(&hand, &peers, instance, leases, &mut held).await
            && !again(&status)
        {
            hand.known().strange.push(format!("the runner: {status}"));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn stream(
    hand: &Hand,
    peers: &Peers,
    instance: InstanceId,
    leases: u32,
    held: &mut BTreeMap<String, u64>,
) -> Result<(), tonic::Status> {
    let (say, said) = mpsc::channel(OUTGOING_MAX);
    let resumes = held.iter().map(|(lease, token)| lease_of(lease, *token)).collect();
    let (instance_id, name) = (instance.to_string(), "executor".to_owned());
    send(&say, Say::Hello(pb::Hello { instance_id, name, slots: leases, resumes })).await;
    let mut client = RunnerServiceClient::new(peers.to(Service::Queue).calls());
    let mut told = client.run(ReceiverStream::new(said)).await?.into_inner();
    for (lease, token) in &*held {
        tokio::spawn(work(hand.clone(), client.clone(), say.clone(), (lease.clone(), *token)));
    }
    let free = leases.saturating_sub(u32::try_from(held.len()).unwrap_or(leases));
    if free > 0 {
        send(&say, Say::Credit(pb::Credit { grants: free })).await;
    }
    while let Some(message) = told.message().await? {
        match message.message {
            Some(Told::Granted(granted)) => {
                let lease = (granted.lease_id, granted.fencing_token);
                held.insert(lease.0.clone(), lease.1);
                tokio::spawn(work(hand.clone(), client.clone(), say.clone(), lease));
            }
            Some(Told::FinishAck(ack)) => {
                // Refused is what was finished before its answer was lost.
                if held.remove(&ack.lease_id).is_some() && ack.accepted {
                    hand.known().finished.insert(ack.lease_id);
                    hand.acknowledged.send_modify(|count| *count += 1);
                }
                send(&say, Say::Credit(pb::Credit { grants: 1 })).await;
            }
            _ => {}
        }
    }
    Ok(())
}

/// One attempt: it asks whether its work was done before, records that it does it, and finishes. What
/// gets no answer is begun anew on the next stream.
async fn work(
    hand: Hand,
    mut client: RunnerServiceClient<Calls>,
    say: mpsc::Sender<pb::RunRequest>,
    (lease, token): (String, u64),
) {
    let key = "work".to_owned();
    let held = Some(lease_of(&lease, token));
    let known = hand.known().effects.contains(&lease);
    let asked = pb::GetEffectRequest { lease: held.clone(), key: key.clone() };
    match client.get_effect(asked).await {
        Ok(answer) if known && answer.get_ref().effect.is_none() => {
            hand.known().strange.push(format!("{lease} forgot what it did"));
        }
        Err(status) if again(&status) => return,
        // A lease that is over is told so when it is finished.
        Ok(_) | Err(_) => {}
    }
    let result = format!("of {lease}");
    let request = pb::RecordEffectRequest { lease: held, key, result };
    match client.record_effect(request).await {
        Ok(answer) if known && !answer.get_ref().repeated => {
            hand.known().strange.push(format!("{lease} did its work twice"));
        }
        Ok(_) => {
            hand.known().effects.insert(lease.clone());
        }
        Err(status) if again(&status) => return,
        Err(_) => {}
    }
    send(&say, Say::Finish(finish(&lease, token))).await;
}

async fn send(say: &mpsc::Sender<pb::RunRequest>, message: Say) {
    // A stream that has ended is noticed where it is read.
    drop(say.send(pb::RunRequest { message: Some(message) }).await);
}

fn lease_of(lease: &str, token: u64) -> pb::HeldLease {
    pb::HeldLease { lease_id: lease.to_owned(), fencing_token: token }
}

fn finish(lease: &str, token: u64) -> pb::FinishAttempt {
    let finished = pb::Finished {
        answer: "done".to_owned(),
        how: "finished".to_owned(),
        steps: 1,
        ..Default::default()
    };
    pb::FinishAttempt {
        lease: Some(lease_of(lease, token)),
        cost_micro_usd: 0,
        outcome: Some(Outcome::Finished(finished)),
    }
}
