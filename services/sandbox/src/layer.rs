//! The layers around a command, and the report on them.

use serde::{Deserialize, Serialize};

/// One layer of the sandbox. All that are required have to be in force before a program starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// A helper process without keys that opens no connection.
    Helper,
    /// Limits of the whole tree, where the machine has a control group to give.
    Cgroup,
    /// Another user than root.
    User,
    /// Own mounts, processes, users, network, IPC and host name, by bubblewrap.
    Namespaces,
    /// Memory, processor time, files and processes have limits.
    Limits,
    /// No program gains rights.
    NoNewPrivileges,
    /// Nothing inherited stays open.
    Files,
    /// Landlock: files, TCP, and where the kernel has them signals and abstract sockets.
    Landlock,
    /// Seccomp: a closed list of system calls.
    Seccomp,
}

impl Layer {
    /// All of them, from the outside to the inside.
    pub const ALL: [Self; 9] = [
        Self::Helper,
        Self::Cgroup,
        Self::User,
        Self::Namespaces,
        Self::Limits,
        Self::NoNewPrivileges,
        Self::Files,
        Self::Landlock,
        Self::Seccomp,
    ];

    /// Its name, as in the report.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Helper => "helper",
            Self::Cgroup => "cgroup",
            Self::User => "user",
            Self::Namespaces => "namespaces",
            Self::Limits => "limits",
            Self::NoNewPrivileges => "no_new_privileges",
            Self::Files => "files",
            Self::Landlock => "landlock",
            Self::Seccomp => "seccomp",
        }
    }

    /// What it is for, for people.
    pub const fn about(self) -> &'static str {
        match self {
            Self::Helper => "a helper process without keys that opens no connection",
            Self::Cgroup => "limits of all its processes together, where there is a control group",
            Self::User => "another user than root",
            Self::Namespaces => "own files, processes, users and network (bubblewrap)",
            Self::Limits => "limits of memory, processor time, file size and processes",
            Self::NoNewPrivileges => "no program gains rights",
            Self::Files => "nothing inherited stays open",
            Self::Landlock => "files and TCP by the kernel's own rules (Landlock)",
            Self::Seccomp => "a closed list of system calls (seccomp)",
        }
    }

    /// Whether nothing runs without it. A control group is not everybody's to make.
    pub const fn is_required(self) -> bool {
        !matches!(self, Self::Cgroup)
    }

    fn required() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|layer| layer.is_required())
    }
}

/// How one layer stands on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The layer.
    pub layer: Layer,
    /// Whether it is in force.
    pub in_force: bool,
    /// In which form, or why not and what helps.
    pub detail: String,
}

/// How the sandbox stands on this machine. The same report that people see decides whether commands
/// run at all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Each layer once, from the outside to the inside.
    pub layers: Vec<Standing>,
}

impl Report {
    /// Whether every layer is in force that has to be.
    pub fn is_complete(&self) -> bool {
        Layer::required().all(|layer| self.of(layer).is_some_and(|found| found.in_force))
    }

    /// The first layer that has to be in force and is not, in words.
    pub fn missing(&self) -> Option<String> {
        let missing =
            Layer::required().find(|layer| self.of(*layer).is_none_or(|f| !f.in_force))?;
        // What was not reached failed with what came before it.
        let found = self.of(missing).or_else(|| self.layers.iter().rfind(|found| !found.in_force));
        let missing = found.map_or(missing, |found| found.layer);
        let why = found.map_or("it was not reached", |found| &found.detail);
        Some(format!("{}: {why}", missing.name()))
    }

    /// How a layer stands; `None` where it was not reached.
    pub fn of(&self, layer: Layer) -> Option<&Standing> {
        self.layers.iter().find(|standing| standing.layer == layer)
    }

    pub(crate) fn note(&mut self, layer: Layer, result: Result<String, String>) {
        let in_force = result.is_ok();
        let detail = result.unwrap_or_else(|why| why);
        self.layers.retain(|standing| standing.layer != layer);
        self.layers.push(Standing { layer, in_force, detail });
        self.layers.sort_by_key(|standing| standing.layer);
    }
}
