//! The runner: one stream to the queue, several slots that run cycles, and the obeying of halts.
//!
//! A lost stream stops nothing: cycles go on, finishes wait, and the next hello resumes the leases. A
//! queue that is silent for one ttl, and a file HALT, are halts as well. While halted no credit is
//! given, so that nothing new can start.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt as _};
use tokio::sync::{mpsc, watch};
use tonic::Status;
use vivarium_chassis::client::Peer;
use vivarium_chassis::clock::jittered;
use vivarium_chassis::task::Tasks;
use vivarium_ledger::planted::{self, Guard};
use vivarium_types::ids::{CycleId, LeaseId};
use vivarium_types::{MicroUsd, Timestamp};

use crate::cycle::Engine;
use crate::domain::{Command, HaltSource, Obeyed};
use crate::lease::{FailureClass, Finish, Grant, Held, Outcome, Stop};
use crate::rpc::peers::queue::{self, Gone, Heard, Mouth, Named, Say};

/// Between two tries to reach the queue.
const RETRY_WAIT_MIN: Duration = Duration::from_millis(50);
const RETRY_WAIT_MAX: Duration = Duration::from_secs(2);
/// Heartbeats within one ttl.
const HEARTBEATS_PER_TTL: u32 = 3;
/// How long a lease lasts before any was granted.
const TTL_DEFAULT: Duration = Duration::from_secs(30);

/// Heartbeats of leases that live this long without one. While nothing runs none is due, and those that
/// were left out are not made up for: they would look like a silent queue.
fn beats(ttl: Duration) -> tokio::time::Interval {
    let mut beats = tokio::time::interval(ttl / HEARTBEATS_PER_TTL);
    beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    beats
}

/// A cycle that runs.
#[derive(Debug)]
struct Slot {
    named: Named,
    cycle: CycleId,
    held: Arc<Held>,
}

/// A halt that is being obeyed.
#[derive(Debug)]
struct Halting {
    control_epoch: u64,
    source: HaltSource,
    began: Timestamp,
    stopped: Vec<(CycleId, LeaseId)>,
    /// Model calls and programs that ran when it came.
    calls: u32,
    programs: u32,
}

/// What a halt stopped, and when all of it had.
#[derive(Debug, Clone, Copy)]
struct Stopped {
    calls: u32,
    programs: u32,
    time: Timestamp,
}

impl Stopped {
    /// As the queue is told it.
    const fn said(self, control_epoch: u64) -> Say<'static> {
        Say::HaltObeyed {
            control_epoch,
            calls_cancelled: self.calls,
            processes_ended: self.programs,
            stopped: self.time,
        }
    }

    /// With what an earlier word of the same halt stopped.
    fn with(self, earlier: Self) -> Self {
        Self {
            calls: earlier.calls + self.calls,
            programs: earlier.programs + self.programs,
            time: if self.calls + self.programs == 0 { earlier.time } else { self.time },
        }
    }
}

/// What a cycle's task reports at its end.
type Done = (LeaseId, Finish);

/// Runs leases until it is dropped.
pub struct Runner {
    engine: Arc<Engine>,
    queue: Peer,
    tasks: Tasks,
    slots: u32,
    running: BTreeMap<LeaseId, Slot>,
    /// Finishes that the queue has not taken yet.
    finished: BTreeMap<LeaseId, (Named, Finish)>,
    done: (mpsc::Sender<Done>, mpsc::Receiver<Done>),
    /// Grants that may still come on this stream.
    credit: u32,
    ttl: Duration,
    /// Heartbeats since the queue's last word.
    unanswered: u32,
    queue_halt: Option<u64>,
    file_halt: watch::Receiver<bool>,
    silent: bool,
    halting: Option<Halting>,
    /// What was stopped since the world runs no more, under which control epoch. Kept until it runs
    /// again: the queue may not have heard it, or takes a halt by file over only later.
    stopped: Option<(u64, Stopped)>,
    /// The last control epoch that was heard of.
    control_epoch: u64,
}

impl std::fmt::Debug for Runner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runner").field("running", &self.running.len()).finish_non_exhaustive()
    }
}

/// What the runner's loop meets next.
enum Next {
    Heard(Option<Result<Heard, Status>>),
    Done(Done),
    Beat,
    File,
}

impl Runner {
    /// A runner of `slots` cycles at once.
    pub fn new(
        engine: Arc<Engine>,
        queue: Peer,
        tasks: Tasks,
        slots: u32,
        file_halt: watch::Receiver<bool>,
    ) -> Self {
        let room = usize::try_from(slots).unwrap_or(1).max(1) * 2;
        Self {
            engine,
            queue,
            tasks,
            slots,
            running: BTreeMap::new(),
            finished: BTreeMap::new(),
            done: mpsc::channel(room),
            credit: 0,
            ttl: TTL_DEFAULT,
            unanswered: 0,
            queue_halt: None,
            file_halt,
            silent: false,
            halting: None,
            stopped: None,
            control_epoch: 0,
        }
    }

    /// Holds the stream to the queue, again and again.
    #[expect(clippy::infinite_loop, reason = "a task: it runs until it is dropped at the drain")]
    pub async fn run(mut self) {
        self.file_changed();
        let mut wait = RETRY_WAIT_MIN;
        loop {
            let hello = Say::Hello {
                instance: self.engine.instance,
                slots: self.slots,
                resumes: self.named(),
            };
            match queue::open(&self.queue, hello).await {
                Ok((mouth, heard)) => {
                    wait = RETRY_WAIT_MIN;
                    self.credit = 0;
                    if self.resend(&mouth).await.is_ok() {
                        self.listen(&mouth, heard).await;
                    }
                    tracing::info!("the stream to the queue ended");
                }
                Err(status) => {
                    tracing::debug!(%status, "the queue is not reachable");
                }
            }
            self.credit = 0;
            self.wait_out(jittered(wait, 500)).await;
            wait = (wait * 2).min(RETRY_WAIT_MAX);
        }
    }

    /// Lives on one stream until it ends.
    async fn listen(
        &mut self,
        mouth: &Mouth,
        mut heard: impl Stream<Item = Result<Heard, Status>> + Unpin,
    ) {
        let mut beat = beats(self.ttl);
        let mut beat_ttl = self.ttl;
        loop {
            if beat_ttl != self.ttl {
                beat = beats(self.ttl);
                beat_ttl = self.ttl;
            }
            let next = tokio::select! {
                biased;
                changed = self.file_halt.changed() => {
                    if changed.is_err() { std::future::pending::<()>().await; }
                    Next::File
                }
                done = self.done.1.recv() => match done {
                    Some(done) => Next::Done(done),
                    None => return,
                },
                word = heard.next() => Next::Heard(word),
                _ = beat.tick(), if !self.running.is_empty() => Next::Beat,
            };
            let said = match next {
                Next::Heard(Some(Ok(word))) => self.hear(mouth, word).await,
                Next::Heard(Some(Err(status))) => {
                    tracing::info!(%status, "the queue ended the stream");
                    return;
                }
                Next::Heard(None) => return,
                Next::Done(done) => self.cycle_done(done, Some(mouth)).await,
                Next::Beat => self.beat(Some(mouth)).await,
                Next::File => {
                    self.file_changed();
                    Ok(())
                }
            };
            if said.is_err() || self.obeyed(Some(mouth)).await.is_err() {
                return;
            }
            if self.top_up(mouth).await.is_err() {
                return;
            }
        }
    }

    /// Lets time pass without a stream: cycles end, leases run out, the file comes and goes.
    async fn wait_out(&mut self, span: Duration) {
        let over = tokio::time::sleep(span);
        tokio::pin!(over);
        let mut beat = beats(self.ttl);
        beat.reset();
        loop {
            let said = tokio::select! {
                biased;
                changed = self.file_halt.changed() => {
                    if changed.is_err() { std::future::pending::<()>().await; }
                    self.file_changed();
                    Ok(())
                }
                done = self.done.1.recv() => match done {
                    Some(done) => self.cycle_done(done, None).await,
                    None => return,
                },
                _ = beat.tick(), if !self.running.is_empty() => self.beat(None).await,
                () = &mut over => return,
            };
            // Without a stream nothing can be said, so nothing can be unsaid.
            debug_assert!(said.is_ok(), "there is no stream to lose");
            if self.obeyed(None).await.is_err() {
                return;
            }
        }
    }

    async fn hear(&mut self, mouth: &Mouth, word: Heard) -> Result<(), Gone> {
        self.unanswered = 0;
        if std::mem::take(&mut self.silent) {
            tracing::info!("the queue speaks again");
        }
        match word {
            Heard::Controls { control_epoch, halted } => {
                self.control_epoch = control_epoch;
                let before = self.queue_halt;
                self.queue_halt = halted.then_some(control_epoch);
                if halted && before != self.queue_halt {
                    self.halt(control_epoch, HaltSource::Queue);
                }
                Ok(())
            }
            Heard::Granted(grant) => {
                self.credit = self.credit.saturating_sub(1);
                self.begin(*grant, mouth).await
            }
            Heard::Unreadable(named, field) => {
                self.credit = self.credit.saturating_sub(1);
                tracing::error!(lease = %named.lease, field, "a grant that cannot be read");
                let outcome = Outcome::Failed {
                    class: FailureClass::Internal,
                    message: format!("the executor cannot read the grant's {field}"),
                    retry_after: None,
                };
                self.finish(named, Finish { outcome, cost: MicroUsd::ZERO }, Some(mouth)).await
            }
            Heard::Revoked(lease, reason) => {
                self.finished.remove(&lease);
                if let Some(slot) = self.running.get(&lease) {
                    let stop = match (reason.as_str(), self.queue_halt) {
                        ("halted", Some(control_epoch)) => Stop::Halted(control_epoch),
                        _ => Stop::Revoked(reason),
                    };
                    slot.held.stop(stop);
                }
                Ok(())
            }
            Heard::Acknowledged(lease, taken) => {
                self.finished.remove(&lease);
                if let Err(reason) = taken {
                    tracing::info!(%lease, reason, "the queue did not take a finish");
                }
                Ok(())
            }
            Heard::Renewed(leases) => {
                for (lease, capability, level) in leases {
                    if let Some(slot) = self.running.get(&lease) {
                        slot.held.renew(capability);
                        slot.held.lower(level);
                    }
                }
                Ok(())
            }
            Heard::Lowered(lease, level) => {
                if let Some(slot) = self.running.get(&lease) {
                    slot.held.lower(level);
                }
                Ok(())
            }
        }
    }

    async fn begin(&mut self, grant: Grant, mouth: &Mouth) -> Result<(), Gone> {
        let named = Named { lease: grant.lease, token: grant.token };
        if self.is_halted() {
            let outcome = Outcome::Stopped(Stop::Halted(self.control_epoch));
            return self.finish(named, Finish { outcome, cost: MicroUsd::ZERO }, Some(mouth)).await;
        }
        if self.running.contains_key(&grant.lease) {
            return Ok(());
        }
        self.ttl = grant.ttl.max(Duration::from_millis(100));
        let held = Held::new(grant.capability.clone(), &grant.mode);
        let slot = Slot { named, cycle: grant.cycle, held: Arc::clone(&held) };
        self.running.insert(grant.lease, slot);
        let gauge = &self.engine.counters.cycles_running;
        gauge.set(i64::try_from(self.running.len()).unwrap_or(i64::MAX));
        let report = Report { lease: grant.lease, done: self.done.0.clone(), told: false };
        let engine = Arc::clone(&self.engine);
        self.tasks.spawn("run a cycle", async move {
            let finish = engine.run(&grant, &held).await;
            report.tell(finish).await;
        });
        Ok(())
    }

    async fn cycle_done(&mut self, done: Done, mouth: Option<&Mouth>) -> Result<(), Gone> {
        let (lease, finish) = done;
        let Some(slot) = self.running.remove(&lease) else { return Ok(()) };
        let gauge = &self.engine.counters.cycles_running;
        gauge.set(i64::try_from(self.running.len()).unwrap_or(i64::MAX));
        // The queue took this lease back itself: there is nobody to report to.
        if matches!(&finish.outcome, Outcome::Stopped(Stop::Revoked(_))) {
            return Ok(());
        }
        self.finish(slot.named, finish, mouth).await
    }

    async fn finish(
        &mut self,
        named: Named,
        finish: Finish,
        mouth: Option<&Mouth>,
    ) -> Result<(), Gone> {
        let said = match mouth {
            Some(mouth) => mouth.say(Say::Finish(named, &finish)).await,
            None => Ok(()),
        };
        self.finished.insert(named.lease, (named, finish));
        said
    }

    /// Says again what the queue may not have heard.
    async fn resend(&mut self, mouth: &Mouth) -> Result<(), Gone> {
        for (named, finish) in self.finished.values() {
            mouth.say(Say::Finish(*named, finish)).await?;
        }
        if let Some((control_epoch, stopped)) = self.stopped {
            mouth.say(stopped.said(control_epoch)).await?;
        }
        self.top_up(mouth).await
    }

    /// Keeps leases alive, and notices a queue that is silent for one ttl.
    async fn beat(&mut self, mouth: Option<&Mouth>) -> Result<(), Gone> {
        if self.unanswered >= HEARTBEATS_PER_TTL && !self.silent {
            self.silent = true;
            tracing::warn!("no word from the queue for one ttl: behaving as halted");
            self.halt(self.control_epoch, HaltSource::Silence);
        }
        self.unanswered = self.unanswered.saturating_add(1);
        match mouth {
            Some(mouth) => mouth.say(Say::Heartbeat(self.named())).await,
            None => Ok(()),
        }
    }

    fn file_changed(&mut self) {
        let there = *self.file_halt.borrow_and_update();
        if there && planted::stands(Guard::HaltFile) {
            self.halt(self.control_epoch, HaltSource::File);
        }
    }

    /// Stops everything that runs.
    fn halt(&mut self, control_epoch: u64, source: HaltSource) {
        self.engine.counters.halts.inc();
        let stopped: Vec<_> =
            self.running.values().map(|slot| (slot.cycle, slot.named.lease)).collect();
        tracing::warn!(control_epoch, ?source, cycles = stopped.len(), "halting");
        let (mut calls, mut programs) = (0, 0);
        for slot in self.running.values() {
            if planted::stands(Guard::HaltEnds) {
                slot.held.stop(Stop::Halted(control_epoch));
            }
            // Read behind the stop: from then on nothing begins.
            let live = slot.held.live();
            calls += live.0;
            programs += live.1;
        }
        let began = self.engine.clock.now();
        match &mut self.halting {
            // A second word about the same halt adds the epoch that the first did not know.
            Some(halting) => halting.control_epoch = halting.control_epoch.max(control_epoch),
            None => {
                self.halting =
                    Some(Halting { control_epoch, source, began, stopped, calls, programs });
            }
        }
    }

    /// Acknowledges a halt once nothing of it runs any more.
    async fn obeyed(&mut self, mouth: Option<&Mouth>) -> Result<(), Gone> {
        if !self.running.is_empty() {
            return Ok(());
        }
        let Some(halting) = self.halting.take() else { return Ok(()) };
        let Halting { control_epoch, source, began, stopped, calls, programs } = halting;
        let now = self.engine.clock.now();
        let took = now.since(began);
        let (calls_cancelled, processes_ended) = (calls, programs);
        let obeyed =
            Obeyed { control_epoch, source, stopped, calls_cancelled, processes_ended, took };
        if let Err(error) = self.engine.record(Command::RecordHalt(obeyed), Vec::new()).await {
            tracing::error!(%error, "a halt was obeyed and not recorded");
        }
        let stopped = Stopped { calls, programs, time: now };
        let stopped = self.stopped.map_or(stopped, |(_, earlier)| stopped.with(earlier));
        self.stopped = Some((control_epoch, stopped));
        match mouth {
            Some(mouth) => mouth.say(stopped.said(control_epoch)).await,
            None => Ok(()),
        }
    }

    /// Allows as many grants as there are free slots.
    async fn top_up(&mut self, mouth: &Mouth) -> Result<(), Gone> {
        if self.is_halted() {
            return Ok(());
        }
        self.stopped = None;
        let busy = u32::try_from(self.running.len() + self.finished.len()).unwrap_or(u32::MAX);
        let free = self.slots.saturating_sub(busy.saturating_add(self.credit));
        if free > 0 {
            self.credit += free;
            mouth.say(Say::Credit(free)).await?;
        }
        Ok(())
    }

    fn is_halted(&self) -> bool {
        self.queue_halt.is_some()
            || self.silent
            || self.halting.is_some()
            || *self.file_halt.borrow()
    }

    fn named(&self) -> Vec<Named> {
        let running = self.running.values().map(|slot| slot.named);
        running.chain(self.finished.values().map(|(named, _)| *named)).collect()
    }
}

/// Reports a cycle's end, also when its task panicked.
struct Report {
    lease: LeaseId,
    done: mpsc::Sender<Done>,
    told: bool,
}

impl Report {
    async fn tell(mut self, finish: Finish) {
        self.told = true;
        // The runner is gone at a drain only, and then the lease is released by the queue.
        drop(self.done.send((self.lease, finish)).await);
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        if !self.told {
            let outcome = Outcome::Failed {
                class: FailureClass::Internal,
                message: "the executor failed".to_owned(),
                retry_after: None,
            };
            // There is room for twice as many reports as there are slots.
            drop(self.done.try_send((self.lease, Finish { outcome, cost: MicroUsd::ZERO })));
        }
    }
}
