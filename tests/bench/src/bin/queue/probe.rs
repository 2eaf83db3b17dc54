//! The bare disk just before a cell, and what a process hands to the disk during one.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use vivarium_bench::times::Times;
use vivarium_chassis::clock;
use vivarium_harness::process::signal;

/// What is written at a time.
const BLOCK: [u8; 4_096] = [0x5a; 4_096];
/// How long the disk is asked.
const SPAN: Duration = Duration::from_millis(300);
/// Time that `perf` has to attach itself.
const ATTACHING: Duration = Duration::from_millis(400);
/// Every sync of a file on ext4, also that of a write with `O_SYNC`; elsewhere the system calls.
const EVENTS: [&str; 2] =
    ["ext4:ext4_sync_file_enter", "syscalls:sys_enter_fsync,syscalls:sys_enter_fdatasync"];

/// `fdatasync` of 4 KiB that lie there already.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Probe {
    pub(crate) p50_us: u64,
    pub(crate) p99_us: u64,
}

/// Asks the disk below `folder`.
pub(crate) fn disk(folder: &Path) -> Result<Probe> {
    let path = folder.join("probe");
    let mut file = File::create(&path)?;
    file.write_all(&BLOCK)?;
    file.sync_all()?;
    let (begun, mut times) = (clock::instant(), Times::default());
    while begun.elapsed() < SPAN {
        let start = clock::instant();
        file.rewind()?;
        file.write_all(&BLOCK)?;
        file.sync_data()?;
        times.extend([start.elapsed()]);
    }
    fs::remove_file(path)?;
    let at = |times: &mut Times, permille| times.micros_at(permille).unwrap_or_default();
    Ok(Probe { p50_us: at(&mut times, 500), p99_us: at(&mut times, 990) })
}

/// A process and all below it.
pub(crate) fn tree(pid: u32) -> Vec<u32> {
    let mut found = vec![pid];
    let processes: Vec<(u32, u32)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            let parent = stat.rsplit(") ").next()?.split(' ').nth(1)?.parse().ok()?;
            Some((pid, parent))
        })
        .collect();
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        let children = processes.iter().filter(|(_, above)| *above == parent);
        found.extend(children.map(|(pid, _)| *pid));
        next += 1;
    }
    found
}

/// Bytes that these processes have handed to the disk so far.
pub(crate) fn written(pids: &[u32]) -> u64 {
    let of = |pid: &u32| {
        let text = fs::read_to_string(format!("/proc/{pid}/io")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("write_bytes: "))?;
        line.parse::<u64>().ok()
    };
    pids.iter().filter_map(of).sum()
}

/// Counts syncs of running processes, with `perf`.
pub(crate) struct Syncs {
    perf: Child,
    told: PathBuf,
}

impl Syncs {
    /// Counts for these processes and what they start; `None` where `perf` cannot.
    pub(crate) fn of(pids: &[u32], folder: &Path) -> Option<Self> {
        let told = folder.join("syncs");
        let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
        for events in EVENTS {
            let mut perf = counter(events, &told);
            perf.arg("-p").arg(pids.join(","));
            let mut perf = perf.spawn().ok()?;
            // It does not say when it has attached itself.
            std::thread::sleep(ATTACHING);
            if matches!(perf.try_wait(), Ok(None)) {
                return Some(Self { perf, told });
            }
        }
        None
    }

    /// The syncs so far; the counting ends.
    pub(crate) fn end(mut self) -> Option<u64> {
        signal(self.perf.id(), "INT");
        self.perf.wait().ok()?;
        counted(&self.told)
    }
}

/// The words before a command that make `perf` count its syncs into `told`.
pub(crate) fn counting(told: &Path) -> Vec<OsString> {
    let on_ext4 = Path::new("/sys/kernel/tracing/events/ext4/ext4_sync_file_enter").exists();
    let perf = counter(EVENTS[usize::from(!on_ext4)], told);
    let words = std::iter::once(perf.get_program()).chain(perf.get_args());
    words.chain([OsStr::new("--")]).map(OsStr::to_owned).collect()
}

fn counter(events: &str, told: &Path) -> Command {
    let mut perf = Command::new("perf");
    perf.args(["stat", "-x", ",", "-e", events, "-o"]).arg(told);
    perf.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    perf
}

/// The sum of all counts in what `perf` told.
pub(crate) fn counted(told: &Path) -> Option<u64> {
    let text = fs::read_to_string(told).ok()?;
    let counts = text.lines().filter_map(|line| line.split(',').next()?.parse::<u64>().ok());
    let counts: Vec<u64> = counts.collect();
    (!counts.is_empty()).then(|| counts.iter().sum())
}

impl Probe {
    /// The middle one in milliseconds.
    pub(crate) fn millis(self) -> f64 {
        crate::row::float(self.p50_us) / 1_000.0
    }
}
