//! Our own cell: a fresh world of real processes, from the first grant to the last published file.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, bail, ensure};
use rusqlite::{Connection, OpenFlags};
use vivarium_bench::usage::Usage;
use vivarium_chassis::{Service, clock};
use vivarium_harness::people;
use vivarium_harness::process::World;
use vivarium_proto::queue::v1 as pb;
use vivarium_proto::queue::v1::task_service_client::TaskServiceClient;
use vivarium_proto::review::v1::Profile;

use crate::model::Model;
use crate::row::{Cell, Part, Row};
use crate::seed;

/// Tasks of one call.
const BATCH: usize = 100;
/// Tasks that open the connections before anything is measured.
const WARM_UP: usize = 20;
/// How often the ledger is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// A world in which nothing was published for so long stands still.
const PATIENCE: Duration = Duration::from_mins(1);

/// How our own cells are run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ours {
    /// Among the peers.
    pub(crate) name: &'static str,
    /// What reviews the work.
    pub(crate) review: Profile,
    /// Whether to say which processes are measured.
    pub(crate) tells_pids: bool,
}

impl Ours {
    /// Runs the cell in a world below `place`. The world is at rest then, and its folder goes with it.
    pub(crate) fn run(self, cell: Cell, place: &Path, model: &Model) -> Result<(Row, World)> {
        let root = tempfile::Builder::new().prefix("cycle-").tempdir_in(place)?.keep();
        let mut world = prepared(cell, root, model)?;
        world.up();
        world.ask(&["pace", "0"]);
        add(&world, self.review, 0, WARM_UP)?;
        published(&world, WARM_UP)?;
        world.ask(&["pace", "paused"]);
        let processes = processes(&world);
        let look = || processes.iter().map(|(_, pid)| Usage::of(*pid)).collect::<Vec<_>>();
        let begun = look();
        add(&world, self.review, WARM_UP, cell.cycles)?;
        let added = look();
        world.ask(&["pace", "0"]);
        if self.tells_pids {
            eprintln(&format!("{processes:?}"));
        }
        published(&world, WARM_UP + cell.cycles)?;
        let ended = look();
        let mut parts = Vec::new();
        for (index, (name, _)) in processes.into_iter().enumerate() {
            let cpu = ended[index].cpu().saturating_sub(begun[index].cpu());
            let adding = added[index].cpu().saturating_sub(begun[index].cpu());
            let Usage { resident_peak, proportional, written, .. } = ended[index];
            let written = written.saturating_sub(begun[index].written);
            parts.push(Part {
                name,
                cpu,
                adding,
                peak_kib: resident_peak,
                pss_kib: proportional,
                written,
            });
        }
        let seconds = span(world.root(), cell.cycles)?;
        world.stop();
        let row = Row {
            name: format!("{} {}", self.name, env!("CARGO_PKG_VERSION")),
            cell,
            seconds: seconds.as_secs_f64(),
            cpu_ms: parts.iter().map(|part| part.cpu.as_secs_f64() * 1_000.0).sum(),
            peak_kib: parts.iter().map(|part| part.peak_kib).sum(),
            parts,
            missing: None,
        };
        Ok((row, world))
    }
}

fn prepared(cell: Cell, root: std::path::PathBuf, model: &Model) -> Result<World> {
    // A critique holds a place while its author is at work on the next task.
    let slots = (2 * cell.residents + 16).min(4_096);
    let executor = format!(
        "slots = {slots}\n\
         budget_resident_day_micro_usd = 1_000_000_000\n\
         budget_review_day_micro_usd = 1_000_000_000\n\
         budget_world_day_micro_usd = 10_000_000_000\n\
         budget_world_total_micro_usd = 10_000_000_000\n\
         [model]\norder = [\"scripted\"]\n\
         [model.provider.scripted]\nkind = \"openai_compatible\"\nclass = \"remote\"\n\
         base_url = \"{}\"\nkey = \"\"\nmodel = \"scripted\"\nwindow_tokens = 32768\n\
         calls_per_minute = 1_000_000\nparallel_calls = {slots}\n\
         input_micro_usd = 100000\noutput_micro_usd = 200000\n",
        model.base_url
    );
    let settings = [
        ("executor", executor.as_str()),
        ("queue", "open_tasks_max = 1_000_000\n"),
        ("society", "residents_max = 1_000\n"),
    ];
    let world = World::prepared_at(root, &settings);
    let seeds = world.root().join("seed");
    std::fs::create_dir(&seeds)?;
    std::fs::write(seeds.join("residents.toml"), people::residents(cell.residents))?;
    Ok(world)
}

fn processes(world: &World) -> Vec<(String, u32)> {
    let mut processes = world.pids();
    processes.push(("supervisor".to_owned(), world.supervisor()));
    processes
}

/// Adds tasks in batches, as a program does.
fn add(world: &World, review: Profile, first: usize, count: usize) -> Result<()> {
    let numbers: Vec<usize> = (first..first + count).collect();
    world.call(async |peers| {
        let mut tasks = TaskServiceClient::new(peers.to(Service::Queue).calls());
        for batch in numbers.chunks(BATCH) {
            let spec = |number: &usize| pb::TaskSpec {
                instruction: seed::task(*number),
                review: review.into(),
                ..pb::TaskSpec::default()
            };
            let request = pb::AddTasksRequest {
                request_id: format!("cycle-{}", batch[0]),
                tasks: batch.iter().map(spec).collect(),
            };
            tasks.add_tasks(request).await?;
        }
        Ok(())
    })
}

fn ledger(root: &Path, service: &str) -> Result<Connection> {
    let file = root.join("mutable/ledgers").join(service).with_extension("db");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(&file, flags).with_context(|| format!("{}", file.display()))
}

/// Waits until so many documents are published, with their files, and as many tasks approved.
fn published(world: &World, wanted: usize) -> Result<()> {
    let root = world.root();
    let sources = [("society", "document_published"), ("queue", "task_approved")];
    let mut counted = BTreeMap::from(sources.map(|source| (source, (0_u64, 0_usize))));
    let (mut moved, mut files) = (clock::instant(), 0);
    loop {
        std::thread::sleep(LOOK_EVERY);
        let mut fewest = usize::MAX;
        for ((service, kind), (behind, count)) in &mut counted {
            let (found, last) = ledger(root, service)?.query_row(
                "SELECT count(*) FILTER (WHERE kind = ?1), max(sequence) FROM events WHERE sequence > ?2",
                (kind, *behind),
                |row| Ok((row.get::<_, usize>(0)?, row.get::<_, Option<u64>>(1)?)),
            )?;
            *count += found;
            *behind = last.unwrap_or(*behind);
            if found > 0 {
                moved = clock::instant();
            }
            fewest = fewest.min(*count);
        }
        if fewest >= wanted {
            let there = library(root)?.len();
            if there > files {
                (files, moved) = (there, clock::instant());
            }
            if files == wanted {
                ensure!(fewest == wanted, "{fewest} documents or tasks instead of {wanted}");
                return Ok(());
            }
        }
        if moved.elapsed() > PATIENCE {
            bail!("only {fewest} of {wanted} cycles were published and approved: {}", kinds(root)?);
        }
    }
}

/// When each file of the library was written.
fn library(root: &Path) -> Result<Vec<SystemTime>> {
    let (mut folders, mut files) = (vec![root.join("library")], Vec::new());
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else if entry.path().extension().is_some_and(|end| end == "md") {
                files.push(entry.metadata()?.modified()?);
            }
        }
    }
    Ok(files)
}

/// From the first grant behind the warm-up to the last approval, publication and file.
fn span(root: &Path, cycles: usize) -> Result<Duration> {
    let time = |service: &str, order: &str, kind: &str| {
        let told = format!(
            "SELECT time_us FROM events WHERE kind = ?1 AND sequence > \
             (SELECT coalesce(max(sequence), 0) FROM events WHERE kind = 'pace_set' AND sequence < \
             (SELECT max(sequence) FROM events WHERE kind = 'pace_set')) ORDER BY sequence {order} LIMIT 1"
        );
        let found = ledger(root, service)?.query_row(&told, [kind], |row| row.get::<_, u64>(0));
        found.with_context(|| format!("no {kind} in {service}"))
    };
    let first = time("queue", "ASC", "lease_granted")?;
    let last =
        time("queue", "DESC", "task_approved")?.max(time("society", "DESC", "document_published")?);
    let file = library(root)?.into_iter().max().context("no file")?;
    let file = file.duration_since(SystemTime::UNIX_EPOCH)?.as_micros();
    let last = last.max(u64::try_from(file)?);
    ensure!(cycles > 0 && last > first, "the last publication lies before the first grant");
    Ok(Duration::from_micros(last - first))
}

/// What happened so far, for whoever asks why a world stands still.
fn kinds(root: &Path) -> Result<String> {
    let mut told = Vec::new();
    for service in ["queue", "executor", "review", "society"] {
        let ledger = ledger(root, service)?;
        let mut kinds = ledger.prepare("SELECT kind, count(*) FROM events GROUP BY kind")?;
        let kinds = kinds.query_map([], |row| {
            Ok(format!("{} {}", row.get::<_, String>(0)?, row.get::<_, u64>(1)?))
        })?;
        let kinds = kinds.collect::<Result<Vec<_>, _>>()?;
        told.push(format!("\n{service}: {}", kinds.join(", ")));
    }
    Ok(told.concat())
}

#[expect(clippy::print_stderr, reason = "a benchmark tells whom to look at")]
fn eprintln(line: &str) {
    std::eprintln!("{line}");
}
