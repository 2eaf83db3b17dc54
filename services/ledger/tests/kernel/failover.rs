//! Under load a server is lost, an owner is taken over, or both: nothing that was acknowledged is
//! lost, nothing happens twice, and the chain verifies.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::counter::{Command, Counters, Wire};
use crate::world::{Totals, operator};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use vivarium_harness::postgres::Postgres as Server;
use vivarium_ledger::ledger::Running;
use vivarium_ledger::store::postgres::Postgres;
use vivarium_ledger::store::{self, Reader, Store as _};
use vivarium_ledger::writer::Parts;
use vivarium_ledger::{Ledger, Options, Request, Submission, audit, chain};
use vivarium_types::{IdSource, ManualClock};

/// Callers at once.
const CALLERS: usize = 64;
/// Answers before something happens.
const BEFORE: u64 = 500;
/// How long a row may take that must come, before the test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// A ledger's server and the one that stands by.
struct Pair {
    primary: Server,
    standby: Server,
    folder: tempfile::TempDir,
}

impl Pair {
    fn start() -> Self {
        let primary = Server::start();
        let standby = primary.standby();
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        Self { primary, standby, folder }
    }

    /// An owner with read models of its own, as on a machine of its own.
    fn store(&self, owner: &str) -> Postgres {
        let config = self.primary.connection_or(&self.standby).parse().expect("it reads");
        Postgres::at(&config, "counters", &self.folder.path().join(owner)).expect("it opens")
    }

    fn open(&self, owner: &str) -> (Ledger<Counters>, Running) {
        let parts = Parts {
            clock: Arc::new(ManualClock::default()),
            ids: IdSource::seeded(owner.len() as u64),
            views: vec![Box::new(Totals)],
            keys: None,
        };
        let store = self.store(owner);
        Ledger::open(store, parts, None, Options::default(), Arc::new(|_| {})).expect("it opens")
    }

    fn lose_the_primary(&self) {
        self.primary.kill9();
        self.standby.promote();
    }

    fn reader(&self) -> Arc<dyn Reader> {
        self.store("reader").reader()
    }
}

/// What one caller was told: each of its numbers and where it stands.
type Told = BTreeMap<String, u64>;

fn submission(id: &str) -> Submission<Counters> {
    let digest = chain::digest(id.as_bytes());
    let request = Request { method: "Test/Add", id: id.into(), digest };
    Submission::new(operator(), Command::Add { name: id.into(), by: 1 }).request(request)
}

/// Callers at once, and what they were told so far.
struct Load {
    runtime: Runtime,
    calls: Vec<JoinHandle<()>>,
    told: Arc<Mutex<Told>>,
}

impl Load {
    /// Every caller submits `numbers` of its own, one behind the other's answer.
    fn start(ledger: &Ledger<Counters>, numbers: u64) -> Self {
        let (runtime, told) = (runtime(), Arc::<Mutex<Told>>::default());
        let calls = (0..CALLERS)
            .map(|caller| runtime.spawn(call(ledger.clone(), caller, numbers, Arc::clone(&told))))
            .collect();
        Self { runtime, calls, told }
    }

    /// What they were told when all is done.
    fn finished(self) -> Told {
        for call in self.calls {
            self.runtime.block_on(call).expect("a caller ends well");
        }
        self.told.lock().expect("no caller panicked").clone()
    }

    /// What they were told until their process ended. A dead owner answers nobody.
    fn abandoned(self) -> Told {
        self.runtime.shutdown_background();
        self.told.lock().expect("no caller panicked").clone()
    }
}

async fn call(ledger: Ledger<Counters>, caller: usize, numbers: u64, told: Arc<Mutex<Told>>) {
    for number in 0..numbers {
        let id = format!("{caller}-{number}");
        let Ok(answer) = ledger.submit(submission(&id)).await else { return };
        told.lock().expect("no caller panicked").insert(id, answer.sequence);
    }
}

/// What was told is in the log, once and in its place, and the chain verifies.
fn verify(reader: &dyn Reader, told: &Told) {
    let rows = reader.rows(0, usize::MAX).expect("readable");
    let mut places = BTreeMap::new();
    for row in rows {
        let wire: Wire = serde_json::from_slice(&row.payload).expect("it reads");
        let twice = places.insert(wire.name.clone(), row.sequence);
        assert_eq!(twice, None, "{} happened twice", wire.name);
    }
    for (id, sequence) in told {
        assert_eq!(places.get(id), Some(sequence), "{id} was acknowledged");
    }
    let report = audit::verify(reader, &[], &|_| true, &mut |_| {}).expect("the audit runs");
    assert_eq!((report.findings, report.rows), (Vec::new(), places.len() as u64));
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("it")
}

fn reached(ledger: &Ledger<Counters>, sequence: u64) {
    let begun = Instant::now();
    while ledger.committed() < sequence {
        assert!(begun.elapsed() < PATIENCE, "row {sequence} never came");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn the_loss_of_the_primary_is_survived_by_the_owner() {
    let pair = Pair::start();
    let (ledger, running) = pair.open("owner");
    let numbers = 40;
    let load = Load::start(&ledger, numbers);
    reached(&ledger, BEFORE);
    let lost = Instant::now();
    pair.lose_the_primary();
    reached(&ledger, ledger.committed() + 1);
    serves("the loss of the primary", lost);
    let told = load.finished();
    assert_eq!(told.len() as u64, CALLERS as u64 * numbers, "every call was answered");
    let live = runtime().block_on(ledger.ask(|state| state.totals.clone())).expect("open");
    assert!(live.len() == told.len() && live.values().all(|total| *total == 1));
    ledger.close();
    drop(ledger);
    running.join().expect("the writer ends well");
    verify(&*pair.reader(), &told);
}

#[test]
fn an_owner_that_is_taken_over_stops() {
    let pair = Pair::start();
    let (old, old_running) = pair.open("old");
    let load = Load::start(&old, u64::MAX);
    reached(&old, BEFORE);
    let begun = Instant::now();
    let (new, new_running) = pair.open("new");
    serves("the second owner began", begun);
    let ended = old_running.join();
    assert!(matches!(ended, Err(store::Error::Conflict)), "{ended:?}");
    goes_on(&pair, new, new_running, load.abandoned());
}

#[test]
fn the_loss_of_the_primary_and_of_the_owner_together_is_survived() {
    let pair = Pair::start();
    let (old, old_running) = pair.open("old");
    let load = Load::start(&old, u64::MAX);
    reached(&old, BEFORE);
    let lost = Instant::now();
    // The second owner waits for the stand-by at the same time as the first.
    let (new, new_running) = std::thread::scope(|threads| {
        let opening = threads.spawn(|| pair.open("new"));
        pair.lose_the_primary();
        opening.join().expect("it opens")
    });
    serves("the loss of both", lost);
    let ended = old_running.join();
    assert!(matches!(ended, Err(store::Error::Conflict)), "{ended:?}");
    goes_on(&pair, new, new_running, load.abandoned());
}

/// Prints how soon another serves. The goal of three seconds (Q15) is not judged here: a loaded
/// machine is slow at everything.
#[expect(clippy::print_stdout, reason = "how soon another serves is worth a look")]
fn serves(what: &str, since: Instant) {
    let took = since.elapsed();
    println!("serves {} ms after {what}", took.as_millis());
    assert!(took < PATIENCE, "{took:?}");
}

/// The new owner knows what the old one answered, and the log holds everything once.
fn goes_on(pair: &Pair, new: Ledger<Counters>, running: Running, mut told: Told) {
    assert!(told.len() as u64 >= BEFORE - CALLERS as u64);
    verify(&*pair.reader(), &told);
    runtime().block_on(async {
        for (id, sequence) in &told {
            let again = new.submit(submission(id)).await.expect("it is answered");
            assert!(again.repeated && again.sequence == *sequence, "{id}");
        }
        for number in 0..100 {
            let id = format!("new-{number}");
            let answer = new.submit(submission(&id)).await.expect("it is accepted");
            told.insert(id, answer.sequence);
        }
    });
    new.close();
    drop(new);
    running.join().expect("the writer ends well");
    verify(&*pair.reader(), &told);
}
