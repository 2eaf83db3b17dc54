//! The control group of one command: limits of the whole tree, and a second way to end it.
//!
//! Whoever starts a helper makes the group, hands it to the helper, which enters before it does anything
//! else, and takes it away again. Not every machine gives one to a process without root; what the other
//! layers hold they hold without.

use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use crate::planted::{self, Control};
use crate::request::Limits;

/// Groups of this program, wherever they lie: `vivarium-`, the process that made it, `-`, sixteen digits.
const PREFIX: &str = "vivarium-";
/// What the helper and bubblewrap take, beside the program.
const OWN_BYTES: u64 = 64 << 20;
const OWN_PROCESSES: u64 = 16;
/// How long a group may take to be empty behind a kill.
const TRIES: u32 = 200;
const TRY_WAIT: Duration = Duration::from_millis(5);

/// A group, for as long as this is kept. Whatever is still in it then is killed.
#[derive(Debug)]
pub struct Cgroup {
    /// One folder in each hierarchy that has a part in it.
    folders: Vec<PathBuf>,
    /// Bytes that all of it may have together.
    memory: Option<u64>,
    /// Processes and threads likewise.
    processes: Option<u64>,
}

/// What a helper is told of its group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Given {
    /// This is it.
    Group {
        /// Its folders, one in each hierarchy.
        folders: Vec<PathBuf>,
        /// What it holds everything in it to, or what it does not.
        told: Result<String, String>,
    },
    /// There is none, because of this.
    None(String),
}

/// A hierarchy of groups that is mounted here.
#[derive(Debug, PartialEq, Eq)]
struct Hierarchy {
    mount: PathBuf,
    /// What of the hierarchy is mounted.
    root: String,
    /// `None`: the one of version 2.
    controllers: Option<Vec<String>>,
}

impl Cgroup {
    /// A group for a command with these limits; or why there is none.
    pub fn make(limits: &Limits) -> Result<Self, String> {
        let read = |path| fs::read_to_string(path).map_err(|error| format!("{path}: {error}"));
        Self::among(&read("/proc/self/mountinfo")?, &read("/proc/self/cgroup")?, limits)
    }

    fn among(mounts: &str, own: &str, limits: &Limits) -> Result<Self, String> {
        static SWEPT: Once = Once::new();
        let found = hierarchies(mounts);
        let homes =
            |wanted: Option<&str>| found.iter().find_map(|hierarchy| home(hierarchy, own, wanted));
        let (unified, memory, pids) = (homes(None), homes(Some("memory")), homes(Some("pids")));
        SWEPT.call_once(|| {
            [&unified, &memory, &pids].into_iter().flatten().for_each(|at| sweep(at));
        });
        let number = RandomState::new().hash_one(1);
        let name = format!("{PREFIX}{}-{number:016x}", std::process::id());
        let bytes = limits.memory_bytes + limits.scratch_bytes + OWN_BYTES;
        let processes = limits.processes + OWN_PROCESSES;
        let mut made = Self { folders: Vec::new(), memory: None, processes: None };
        let mut why = "no control groups are mounted".to_owned();
        // The second version first: what it cannot limit the first one may.
        for (home, memory, swap, pids) in [
            (unified, "memory.max", ("memory.swap.max", 0), "pids.max"),
            (memory, "memory.limit_in_bytes", ("memory.memsw.limit_in_bytes", bytes), ""),
            (pids, "", ("", 0), "pids.max"),
        ] {
            let (for_memory, for_processes) = (
                made.memory.is_none() && !memory.is_empty(),
                made.processes.is_none() && !pids.is_empty(),
            );
            let Some(at) = home.filter(|_| for_memory || for_processes).map(|at| at.join(&name))
            else {
                continue;
            };
            match fs::create_dir(&at) {
                Ok(()) => made.folders.push(at.clone()),
                // Memory and processes may lie in one hierarchy.
                Err(_) if made.folders.contains(&at) => {}
                Err(error) => {
                    why = format!("{}: {error}", at.display());
                    continue;
                }
            }
            if for_memory && limit(&at, memory, bytes) {
                // Where the kernel does not count what lies in swap there is no such file.
                let _none_there = limit(&at, swap.0, swap.1);
                made.memory = Some(bytes);
            }
            if for_processes && limit(&at, pids, processes) {
                made.processes = Some(processes);
            }
        }
        if made.folders.is_empty() { Err(why) } else { Ok(made) }
    }

    /// What it holds everything in it to together, in words; or what it does not.
    fn told(&self) -> Result<String, String> {
        let memory = self.memory.map(|bytes| format!("{} MiB of memory", bytes >> 20));
        let processes = self.processes.map(|most| format!("{most} processes and threads"));
        match (memory, processes) {
            (Some(memory), Some(processes)) => {
                Ok(format!("{memory}, {processes} for all of it together"))
            }
            (Some(one), None) | (None, Some(one)) => Err(format!("a group with {one} alone")),
            (None, None) => Err("a group without limits: no controller is delegated".to_owned()),
        }
    }

    /// What a helper is told.
    pub fn given(made: &Result<Self, String>) -> Given {
        match made {
            Ok(group) => Given::Group { folders: group.folders.clone(), told: group.told() },
            Err(why) => Given::None(why.clone()),
        }
    }

    /// Its folders.
    pub fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    /// Whether it limits memory and processes of the whole tree.
    pub const fn has_limits(&self) -> bool {
        self.memory.is_some() && self.processes.is_some()
    }

    fn kill(&self) {
        for folder in &self.folders {
            if write(&folder.join("cgroup.kill"), "1").is_ok() {
                continue;
            }
            let members = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
            for member in members.lines().filter_map(|line| Pid::from_raw(line.parse().ok()?)) {
                // An error means that it is gone already.
                let _sent = kill_process(member, Signal::KILL);
            }
        }
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for _ in 0..TRIES {
            self.folders.retain(|folder| {
                // What it has read stays in memory on its account, and with that the group does.
                let _none_there = write(&folder.join("memory.force_empty"), "0");
                fs::remove_dir(folder).is_err() && folder.exists()
            });
            if self.folders.is_empty() {
                return;
            }
            self.kill();
            pause();
        }
    }
}

impl Given {
    /// Enters the group. What it is held to, or why to nothing; an error where it cannot be entered.
    pub(super) fn enter(&self) -> Result<Result<String, String>, String> {
        let (folders, told) = match self {
            Self::None(why) => return Ok(Err(why.clone())),
            Self::Group { .. } if !planted::holds(Control::Cgroup) => {
                return Ok(Err("taken away".to_owned()));
            }
            Self::Group { folders, told } => (folders, told),
        };
        for folder in folders {
            write(&folder.join("cgroup.procs"), "0")
                .map_err(|error| format!("{}: {error}", folder.display()))?;
        }
        let own = fs::read_to_string("/proc/self/cgroup").map_err(|error| error.to_string())?;
        let name = folders.first().and_then(|folder| folder.file_name()?.to_str()).unwrap_or("/");
        let entered = own.lines().filter(|line| line.ends_with(name)).count();
        if entered < folders.len() {
            return Err(format!("{name} was entered and is not where it is"));
        }
        Ok(told.clone())
    }
}

#[expect(clippy::disallowed_methods, reason = "the first version of groups tells nobody of an end")]
fn pause() {
    thread::sleep(TRY_WAIT);
}

/// Writes to a file of the kernel that is there; makes none.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    fs::OpenOptions::new().write(true).open(path)?.write_all(text.as_bytes())
}

fn limit(folder: &Path, file: &str, most: u64) -> bool {
    write(&folder.join(file), &most.to_string()).is_ok()
}

/// The hierarchies, from `/proc/self/mountinfo` (`proc_pid_mountinfo(5)`).
fn hierarchies(mounts: &str) -> Vec<Hierarchy> {
    let each = mounts.lines().filter_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        let mut place = place.split(' ').skip(3);
        let (root, mount) = (place.next()?.to_owned(), PathBuf::from(place.next()?));
        let mut kind = kind.split(' ');
        let (kind, options) = (kind.next()?, kind.nth(1)?);
        let controllers = match kind {
            "cgroup" => Some(options.split(',').map(str::to_owned).collect()),
            "cgroup2" => None,
            _ => return None,
        };
        Some(Hierarchy { mount, root, controllers })
    });
    each.collect()
}

/// Where new groups may be made in a hierarchy: below the group of this process, as
/// `/proc/self/cgroup` tells it (`cgroups(7)`); or beside it, where systemd gave the group above to us.
/// Only there may the second version of groups have limits: a group has processes or groups with limits,
/// never both.
fn home(hierarchy: &Hierarchy, own: &str, wanted: Option<&str>) -> Option<PathBuf> {
    let has = |names: &[String]| wanted.is_some_and(|it| names.iter().any(|name| name == it));
    match &hierarchy.controllers {
        None if wanted.is_some() => return None,
        Some(names) if !has(names) => return None,
        None | Some(_) => {}
    }
    let path = own.lines().find_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (names, path) = rest.split_once(':')?;
        let here = match wanted {
            Some(wanted) => names.split(',').any(|name| name == wanted),
            None => names.is_empty(),
        };
        here.then_some(path)
    })?;
    let root = hierarchy.root.trim_end_matches('/');
    let below = path.strip_prefix(root)?.trim_start_matches('/');
    let own = hierarchy.mount.join(below);
    let above = own.parent().filter(|above| wanted.is_none() && is_delegated(above));
    if let Some(above) = above {
        for controller in ["+memory", "+pids"] {
            // What cannot be had is missed when the limit is set.
            let _asked = write(&above.join("cgroup.subtree_control"), controller);
        }
        return Some(above.to_owned());
    }
    Some(own)
}

/// Whether systemd gave a group to its user (the mark of `Delegate=`, systemd.resource-control(5)).
fn is_delegated(group: &Path) -> bool {
    let mut mark = [0; 1];
    let found = rustix::fs::getxattr(group, "user.delegate", &mut mark);
    matches!(found, Ok(1)) && mark == *b"1"
}

/// Takes away what makers left that are gone: empty by then, and whatever is not is somebody's. A maker
/// of this very number was another process.
fn sweep(home: &Path) {
    for entry in fs::read_dir(home).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let maker = name.to_str().and_then(maker);
        let is_gone = maker.is_some_and(|maker| {
            maker == std::process::id() || !Path::new("/proc").join(maker.to_string()).exists()
        });
        if is_gone {
            // An error means that somebody is in it.
            let _left = fs::remove_dir(entry.path());
        }
    }
}

/// The process that made a group of this name; `None` where the name is none of ours.
fn maker(name: &str) -> Option<u32> {
    let (maker, number) = name.strip_prefix(PREFIX)?.split_once('-')?;
    let is_number = number.len() == 16 && number.bytes().all(|byte| byte.is_ascii_hexdigit());
    maker.parse().ok().filter(|_| is_number)
}

#[cfg(test)]
mod tests;
