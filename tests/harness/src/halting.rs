//! A world with everybody at work, and one halt of it after the other, watched from outside: the model
//! server says which calls are left, the kernel which processes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::answers;
use crate::disk::Disk;
use crate::history::History;
use crate::model_server::{Asked, Reply, Script};
use crate::people;
use crate::process::{AT_WORK, Model, World, program, signal, wait_until};

/// Nothing may start later than this after a halt (domain.md, section 2).
pub const STARTS_MAX: Duration = Duration::from_millis(500);
/// Nothing may be alive later than this after a halt.
pub const ALIVE_MAX: Duration = Duration::from_secs(2);

/// How often the processes are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(4);
/// How long a halt is watched at least, so that a late start is seen.
const WATCHED: Duration = Duration::from_millis(800);
/// The small disk's size.
const DISK_MIB: u32 = 256;
/// The program whose children do not end at a request, for this process alone: another suite on this
/// machine has its own.
fn stubborn() -> String {
    format!("stubborn-{}", std::process::id())
}

/// The attacker's tree that ignores every request.
const SHAPE: &str = "stubborn";

/// Who is dead or deaf when the halt comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// Nobody.
    Whole,
    /// The gateway hangs.
    NoGateway,
    /// The queue hangs: the halt comes by file.
    NoQueue,
    /// The queue is killed behind the halt: it must stay in force.
    QueueKilled,
    /// The executor is stopped when the halt comes, and goes on a moment later.
    ExecutorLate,
    /// The disk is full: nobody can write anything down.
    DiskFull,
}

impl Way {
    /// All that need nothing but processes; [`Self::DiskFull`] needs [`Stand::on_small_disk`].
    pub const ALL: [Self; 5] =
        [Self::Whole, Self::NoGateway, Self::NoQueue, Self::QueueKilled, Self::ExecutorLate];

    /// In words.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Whole => "everything runs",
            Self::NoGateway => "the gateway hangs",
            Self::NoQueue => "the queue hangs",
            Self::QueueKilled => "the queue is killed behind it",
            Self::ExecutorLate => "the executor sleeps through it",
            Self::DiskFull => "the disk is full",
        }
    }
}

/// What one halt came to. Times are since `vivarium halt` was typed, its own start included.
#[derive(Debug, Clone)]
pub struct Trial {
    /// How.
    pub way: Way,
    /// Calls and programs that ran.
    pub running: (usize, usize),
    /// When the last model call was gone.
    pub calls_gone: Duration,
    /// When the last process was gone.
    pub processes_gone: Duration,
    /// Calls and processes that began more than [`STARTS_MAX`] behind it.
    pub late: usize,
    /// What is wrong with the receipt; empty is well.
    pub receipt: String,
}

/// A world in which `calls` residents wait for a model and `programs` programs run, again and again.
#[derive(Debug)]
pub struct Stand {
    model: Model,
    world: World,
    calls: usize,
    programs: usize,
    /// What all that the world writes lies on, where it can be filled.
    disk: Option<Disk>,
}

impl Stand {
    /// Starts it. Needs the programs `vivarium…` and `attacker` beside the caller.
    pub fn start(calls: usize, programs: usize) -> Self {
        let (model, world) = prepared(calls, programs);
        Self { model, world, calls, programs, disk: None }.begun()
    }

    /// Starts it without what obeys a halt, by the guard's name: then [`Self::watch`] must see it.
    pub fn without(guard: &'static str, calls: usize, programs: usize) -> Self {
        let (model, world) = prepared(calls, programs);
        Self { model, world: world.without(guard), calls, programs, disk: None }.begun()
    }

    /// Starts it with all that the world writes on a small disk of its own. `None` where nobody may
    /// mount one.
    pub fn on_small_disk(calls: usize, programs: usize) -> Option<Self> {
        let (model, world) = prepared(calls, programs);
        let disk = Some(Disk::in_memory(&world.root().join("mutable"), DISK_MIB)?);
        Some(Self { model, world, calls, programs, disk }.begun())
    }

    /// Starts the processes and gives everybody work.
    fn begun(mut self) -> Self {
        self.world.up();
        self.world.ask(&["pace", "0"]);
        self.world.ask(&["mode", "run_sandboxed", "--confirm", "run_sandboxed"]);
        self.give_work();
        self
    }

    fn give_work(&self) {
        for number in 0..self.calls {
            // Each cancelled call costs its worst case: there must be enough for many halts.
            let instruction = format!("Describe river number {number} in spring");
            self.world.ask(&["add", "--budget-max", "50000000", &instruction]);
        }
        for number in 0..self.programs {
            let key = format!("stubborn-{number}");
            let arguments = ["add", "--key", &key, "--level-max", "run_sandboxed", "--local"];
            self.world.ask(&[&arguments[..], &[&stubborn(), "tree", SHAPE]].concat());
        }
    }

    /// The world.
    pub const fn world(&self) -> &World {
        &self.world
    }

    /// Waits until everybody is at work.
    pub fn wait_until_busy(&self) {
        wait_until("everybody is at work", || {
            self.model.live() >= self.calls && Self::trees() >= 2 * self.programs
        });
    }

    /// Processes of the stubborn programs, children included.
    fn trees() -> usize {
        let name = stubborn();
        processes().values().filter(|process| process.name == name).count()
    }

    /// Halts, watches until nothing lives, looks at the receipt, and resumes.
    pub fn halt(&self, way: Way, pause: Duration) -> Trial {
        let (mut trial, told) = self.watch(way, pause);
        trial.receipt = self.receipt(way, trial.running, &told);
        self.world.ask(&["resume", "-m", "the next trial"]);
        trial
    }

    /// Halts and watches until nothing lives; with it what the command said.
    #[expect(clippy::disallowed_methods, reason = "a trial of processes goes by the clock")]
    pub fn watch(&self, way: Way, pause: Duration) -> (Trial, Value) {
        self.wait_until_busy();
        std::thread::sleep(pause);
        let running = (self.model.live(), self.programs);
        let executor = self.world.pid("executor").expect("it runs");
        let deaf = match way {
            Way::NoGateway => self.world.pid("gateway"),
            Way::NoQueue | Way::QueueKilled => self.world.pid("queue"),
            Way::ExecutorLate => Some(executor),
            Way::Whole | Way::DiskFull => None,
        };
        if way == Way::DiskFull {
            self.disk.as_ref().expect("it stands on a disk of its own").fill();
        }
        if let (Way::NoGateway | Way::NoQueue | Way::ExecutorLate, Some(pid)) = (way, deaf) {
            signal(pid, "STOP");
        }
        let (typed, began) = (Instant::now(), self.model.elapsed());
        let mut command = self.world.command(&["--json", "halt", "-m", "a trial"]);
        let typing = command.stdout(Stdio::piped()).spawn().expect("vivarium runs");
        if let (Way::ExecutorLate, Some(pid)) = (way, deaf) {
            std::thread::sleep(STARTS_MAX / 2);
            signal(pid, "CONT");
        }
        let (mut calls_gone, mut processes_gone) = (None, None);
        let mut before = below(executor);
        let mut late = 0;
        while typed.elapsed() < WATCHED || calls_gone.is_none() || processes_gone.is_none() {
            let now = typed.elapsed();
            if self.model.live() == 0 {
                calls_gone.get_or_insert(now);
            } else {
                calls_gone = None;
            }
            let alive = below(executor);
            if now > STARTS_MAX {
                late += alive.difference(&before).count();
            }
            if alive.is_empty() {
                processes_gone.get_or_insert(now);
            } else {
                processes_gone = None;
            }
            before = alive;
            if now > 2 * ALIVE_MAX {
                break;
            }
            std::thread::sleep(LOOK_EVERY);
        }
        let told = typing.wait_with_output().expect("vivarium runs");
        let told: Value = serde_json::from_slice(&told.stdout).unwrap_or_default();
        if let (Way::NoGateway | Way::NoQueue | Way::QueueKilled, Some(pid)) = (way, deaf) {
            signal(pid, "KILL");
        }
        if let (Way::DiskFull, Some(disk)) = (way, &self.disk) {
            disk.clear();
        }
        let since = began + STARTS_MAX;
        let until = self.model.elapsed();
        let is_late = |asked: &&Asked| asked.at > since && asked.at < until;
        late += self.model.asked().iter().filter(is_late).count();
        let never_gone = Duration::MAX;
        let trial = Trial {
            way,
            running,
            calls_gone: calls_gone.unwrap_or(never_gone),
            processes_gone: processes_gone.unwrap_or(never_gone),
            late,
            receipt: String::new(),
        };
        (trial, told)
    }

    /// What is wrong with the receipt of the halt in force, once it is confirmed.
    fn receipt(&self, way: Way, running: (usize, usize), told: &Value) -> String {
        let mut receipt = Value::Null;
        wait_until("the receipt is confirmed", || {
            let output = self.world.run(&["--json", "receipt"]);
            receipt = serde_json::from_slice(&output.stdout).unwrap_or_default();
            let runners = receipt["receipt"]["runners"].as_array();
            runners.is_some_and(|all| all.iter().all(|one| one["confirmed"] == true))
        });
        let mut wrong = String::new();
        if receipt["verified"] != true {
            wrong.push_str("it is not verified; ");
        }
        let shown = &receipt["receipt"];
        let number = |name: &str| {
            let runners = shown["runners"].as_array().into_iter().flatten();
            let counts = runners.filter_map(|one| one[name].as_u64());
            usize::try_from(counts.sum::<u64>()).unwrap_or(usize::MAX)
        };
        let stopped = (number("callsCancelled"), number("processesEnded"));
        // Who cannot write is gone before it could tell what went with it.
        if stopped != running && way != Way::DiskFull {
            write!(wrong, "it says {stopped:?} and there were {running:?}; ")
                .expect("it takes all");
        }
        let leases = shown["revokedLeaseIds"].as_array().map_or(0, Vec::len);
        if leases != running.0 + running.1 {
            write!(wrong, "it names {leases} leases; ").expect("it takes all");
        }
        let by_file = told["haltFile"] == true;
        if by_file != matches!(way, Way::NoQueue | Way::DiskFull) && way != Way::QueueKilled {
            write!(wrong, "the command said {told}; ").expect("it takes all");
        }
        wrong
    }

    /// Ends the work: every task ends once. What the record breaks, in words.
    pub fn end(mut self) -> Vec<String> {
        self.model.set_script(Script::answering(answers::diligent));
        for number in 0..self.programs {
            self.world.ask(&["cancel", &format!("stubborn-{number}")]);
        }
        let open = [&AT_WORK[..], &["awaiting_human"]].concat();
        wait_until("every task has ended", || self.world.has_none_in(&open));
        let history = History::read(self.world.root());
        let mut breaches = history.breaches();
        breaches.extend(starts_in_halts(&history));
        // The disk goes behind the last process and before the folder that it lies in.
        self.world.stop();
        drop(self.disk.take());
        breaches
    }
}

/// Programs, reservations and cycles that the record has in a halt, more than [`STARTS_MAX`] behind it.
fn starts_in_halts(history: &History) -> Vec<String> {
    let most = i64::try_from(STARTS_MAX.as_micros()).unwrap_or(i64::MAX);
    let mut halts: Vec<(i64, i64)> = Vec::new();
    for row in history.of("queue") {
        match row.kind.as_str() {
            "halt_set" => halts.push((row.time_us, i64::MAX)),
            "resumed" => {
                if let Some(halt) = halts.last_mut() {
                    halt.1 = row.time_us;
                }
            }
            _ => {}
        }
    }
    let starts = ["command_started", "budget_reserved", "cycle_started"];
    let rows = history.of("executor").iter().filter(|row| starts.contains(&row.kind.as_str()));
    let held = |time: i64| halts.iter().any(|(from, to)| time > from + most && time < *to);
    rows.filter(|row| held(row.time_us))
        .map(|row| format!("executor {}: {} in a halt", row.sequence, row.kind))
        .collect()
}

/// A world for so many calls and programs at once, with its model; nothing runs yet.
fn prepared(calls: usize, programs: usize) -> (Model, World) {
    let model = Model::start(Script::answering(never));
    let settings = format!("slots = {}\n{}", calls + programs, model.settings("remote"));
    let world = World::prepared_with(&[("executor", &settings)]);
    let write = |name: &str, text: String| {
        let file = world.root().join(name);
        fs::create_dir_all(file.parent().expect("it has one")).expect("a folder is made");
        fs::write(file, text).expect("it is written");
    };
    write("seed/residents.toml", people::residents(calls));
    write(&format!("rules/commands/{}.toml", stubborn()), rule());
    (model, world)
}

/// A reply that takes minutes.
fn never(asked: &Asked) -> Reply {
    answers::slow(asked, Duration::from_mins(1))
}

/// The rule of a program that starts children which no request ends.
fn rule() -> String {
    let (path, name): (PathBuf, String) = (program("attacker"), stubborn());
    format!(
        "program = \"{name}\"\npath = \"{}\"\nabout = \"does not want to end\"\nseconds = 120\n\
         children = true\n[[positional]]\nkind = \"text\"\ntext = \"tree|{SHAPE}\"\nmin = 2\nmax = 2\n\
         [[example]]\nargs = [\"tree\", \"{SHAPE}\"]\nargv = [\"--\", \"tree\", \"{SHAPE}\"]\n\
         [[example]]\nargs = [\"run\", \"all\"]\nrefused = \"text\"\n",
        path.display()
    )
}

/// A process of this machine.
#[derive(Debug)]
struct Process {
    parent: i32,
    /// The first word of its command line.
    name: String,
}

/// Every process that is alive: a zombie is not.
fn processes() -> BTreeMap<i32, Process> {
    let entries = fs::read_dir("/proc").expect("there is a /proc").flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let process = |pid: i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let mut fields = stat.rsplit(')').next()?.split_whitespace();
        let (state, parent) = (fields.next()?, fields.next()?);
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let name = line.split(|byte| *byte == 0).next().unwrap_or_default();
        let name = String::from_utf8_lossy(name).into_owned();
        let parent = parent.parse().ok()?;
        (state != "Z").then_some((pid, Process { parent, name }))
    };
    numbers.filter_map(process).collect()
}

/// What lives below the executor, and every stubborn program wherever it hangs.
fn below(executor: u32) -> BTreeSet<i32> {
    let all = processes();
    let root = i32::try_from(executor).unwrap_or(0);
    let descends = |pid: i32| {
        let mut at = pid;
        while let Some(process) = all.get(&at) {
            if process.parent == root {
                return true;
            }
            at = process.parent;
        }
        false
    };
    let name = stubborn();
    all.iter()
        .filter(|(pid, process)| descends(**pid) || process.name == name)
        .map(|(pid, _)| *pid)
        .collect()
}
