//! The queue's settings, from `world/config/queue.toml`.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use vivarium_chassis::config::span;
use vivarium_chassis::{Settings, Violations};

use crate::domain::limits::{Limit, Limits};

/// What can be set.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// How long a lease lives without a heartbeat.
    #[serde(with = "span")]
    pub lease_ttl: Duration,
    /// How long a process that exited may take to say hello again before its leases are free.
    #[serde(with = "span")]
    pub exit_grace: Duration,
    /// How often the file `HALT` is looked for.
    #[serde(with = "span")]
    pub halt_file_every: Duration,
    /// Runner processes that may be connected.
    pub runners_max: u32,
    /// Tasks that may be open.
    pub open_tasks_max: u64,
    /// Characters of an instruction.
    pub instruction_chars_max: usize,
    /// Characters of an answer.
    pub result_chars_max: usize,
    /// Keys of a task's metadata.
    pub metadata_keys_max: usize,
    /// Bytes of a task's metadata, keys and values.
    pub metadata_bytes_max: usize,
    /// Dependencies of a task.
    pub dependencies_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            lease_ttl: Duration::from_secs(30),
            exit_grace: Duration::from_millis(50),
            halt_file_every: Duration::from_millis(250),
            runners_max: 4,
            open_tasks_max: 2_048,
            instruction_chars_max: 4_000,
            result_chars_max: 64_000,
            metadata_keys_max: 64,
            metadata_bytes_max: 16_384,
            dependencies_max: 64,
        }
    }
}

impl Config {
    /// The limits that hold where the log sets none.
    pub fn limits(&self) -> Limits {
        let size = |value: usize| u64::try_from(value).unwrap_or(u64::MAX);
        Limits::from([
            (Limit::OpenTasks, self.open_tasks_max),
            (Limit::InstructionChars, size(self.instruction_chars_max)),
            (Limit::ResultChars, size(self.result_chars_max)),
            (Limit::MetadataKeys, size(self.metadata_keys_max)),
            (Limit::MetadataBytes, size(self.metadata_bytes_max)),
            (Limit::Dependencies, size(self.dependencies_max)),
            (Limit::Runners, u64::from(self.runners_max)),
        ])
    }
}

impl Settings for Config {
    fn check(&self, wrong: &mut Violations) {
        let mut within = |field: &str, value: Duration, min: Duration, max: Duration| {
            if value < min || value > max {
                let (min, max) = (span::format(min), span::format(max));
                wrong.add(field, format!("must be {min} to {max}"));
            }
        };
        let (second, minute) = (Duration::from_secs(1), Duration::from_mins(1));
        within("lease_ttl", self.lease_ttl, second, minute * 10);
        within("exit_grace", self.exit_grace, Duration::ZERO, minute);
        within("halt_file_every", self.halt_file_every, Duration::from_millis(10), second * 5);
        for (limit, value) in self.limits() {
            wrong.bounded(&format!("{}_max", limit.name()), value, limit.range());
        }
    }
}
