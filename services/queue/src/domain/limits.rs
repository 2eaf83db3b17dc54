//! The limits of the world's physics: what the log sets, over what the settings file says.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use vivarium_ledger::TextRef;

use super::Queue;
use super::event::Event;

/// One limit. It holds for what is made while it is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Limit {
    /// Tasks that may be open, which is not final.
    OpenTasks,
    /// Characters of an instruction.
    InstructionChars,
    /// Characters of an answer or of an effect's result.
    ResultChars,
    /// Keys of a task's metadata.
    MetadataKeys,
    /// Bytes of a task's metadata, keys and values together.
    MetadataBytes,
    /// Dependencies of one task.
    Dependencies,
    /// Runner processes that may be connected.
    Runners,
}

impl Limit {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::OpenTasks,
        Self::InstructionChars,
        Self::ResultChars,
        Self::MetadataKeys,
        Self::MetadataBytes,
        Self::Dependencies,
        Self::Runners,
    ];

    /// The name in the contract.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpenTasks => "open_tasks",
            Self::InstructionChars => "instruction_chars",
            Self::ResultChars => "result_chars",
            Self::MetadataKeys => "metadata_keys",
            Self::MetadataBytes => "metadata_bytes",
            Self::Dependencies => "dependencies",
            Self::Runners => "runners",
        }
    }

    /// What it may be set to.
    pub const fn range(self) -> RangeInclusive<u64> {
        match self {
            Self::OpenTasks => 1..=10_000_000,
            Self::InstructionChars => 1..=16_000,
            Self::ResultChars => 1..=256_000,
            Self::MetadataKeys | Self::Dependencies => 0..=256,
            Self::MetadataBytes => 0..=65_536,
            Self::Runners => 1..=4_096,
        }
    }
}

/// Limits by their value; those that nobody set are absent.
pub type Limits = BTreeMap<Limit, u64>;

impl Queue {
    /// The limit in force, where the settings file says `file`.
    pub fn limit(&self, limit: Limit, file: u64) -> u64 {
        self.world.limits.get(&limit).copied().unwrap_or(file)
    }

    /// Sets limits; `None` gives one back to the settings file.
    pub(super) fn set_limits(
        &self,
        changes: &BTreeMap<Limit, Option<u64>>,
        reason: TextRef,
    ) -> Vec<Event> {
        let mut limits = self.world.limits.clone();
        for (limit, value) in changes {
            match value {
                Some(value) => limits.insert(*limit, *value),
                None => limits.remove(limit),
            };
        }
        if limits == self.world.limits {
            return Vec::new();
        }
        let control_epoch = self.world.control_epoch + 1;
        vec![Event::LimitsSet { control_epoch, limits, reason }]
    }
}
