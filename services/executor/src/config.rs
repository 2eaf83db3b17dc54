//! The executor's settings, from `world/config/executor.toml`.

use std::collections::BTreeMap;
use std::path::{Component, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use vivarium_chassis::config::span;
use vivarium_chassis::{Settings, Violations};
use vivarium_types::MicroUsd;

use crate::domain::budget::Limits;

/// What can be set.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Cycles that run at once, 1 to 4,096.
    pub slots: u32,
    /// Micro-dollars that one model call may cost.
    pub budget_call_micro_usd: i64,
    /// Micro-dollars that one resident may cost on one UTC day.
    pub budget_resident_day_micro_usd: i64,
    /// Micro-dollars that critiques and ballots may cost on one UTC day.
    pub budget_review_day_micro_usd: i64,
    /// Micro-dollars that the world may cost on one UTC day.
    pub budget_world_day_micro_usd: i64,
    /// Micro-dollars that the world may cost in all, until the operator raises it.
    pub budget_world_total_micro_usd: i64,
    /// How long a lease that was returned for want of a provider waits before the next attempt.
    #[serde(with = "span")]
    pub no_provider_wait: Duration,
    /// How long a lease that was returned for want of budget waits before the next attempt.
    #[serde(with = "span")]
    pub budget_wait: Duration,
    /// Folders that residents may read beside the library, by name; never written to.
    pub workspaces: BTreeMap<String, PathBuf>,
    /// Providers of language models.
    pub model: crate::model::Config,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            slots: 4,
            budget_call_micro_usd: 50_000,
            budget_resident_day_micro_usd: 250_000,
            budget_review_day_micro_usd: 250_000,
            budget_world_day_micro_usd: 1_000_000,
            budget_world_total_micro_usd: 5_000_000,
            no_provider_wait: Duration::from_mins(1),
            budget_wait: Duration::from_mins(5),
            workspaces: BTreeMap::new(),
            model: crate::model::Config::default(),
        }
    }
}

impl Config {
    /// The limits that hold where the log sets none.
    pub const fn limits(&self) -> Limits {
        Limits {
            call: MicroUsd::new(self.budget_call_micro_usd),
            resident_day: MicroUsd::new(self.budget_resident_day_micro_usd),
            review_day: MicroUsd::new(self.budget_review_day_micro_usd),
            world_day: MicroUsd::new(self.budget_world_day_micro_usd),
            world_total: MicroUsd::new(self.budget_world_total_micro_usd),
        }
    }
}

impl Settings for Config {
    fn check(&self, wrong: &mut Violations) {
        wrong.bounded("slots", self.slots, 1..=4_096);
        for (key, amount) in [
            ("budget_call_micro_usd", self.budget_call_micro_usd),
            ("budget_resident_day_micro_usd", self.budget_resident_day_micro_usd),
            ("budget_review_day_micro_usd", self.budget_review_day_micro_usd),
            ("budget_world_day_micro_usd", self.budget_world_day_micro_usd),
            ("budget_world_total_micro_usd", self.budget_world_total_micro_usd),
        ] {
            wrong.bounded(key, amount, 0..=1_000_000_000_000);
        }
        for (name, folder) in &self.workspaces {
            let key = format!("workspaces.{name}");
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            if name.is_empty() || name.len() > 32 || !name.chars().all(plain) {
                wrong.add(&key, "must be called by 1 to 32 of a-z, 0-9 and -");
            }
            let straight = folder.components().all(|part| part != Component::ParentDir);
            if !folder.is_absolute() || !straight || folder.parent().is_none() {
                wrong.add(&key, "must be the absolute path of a folder, and not the whole disk");
            }
        }
        self.model.check(wrong);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use vivarium_chassis::config::Origins;

    use super::*;

    #[test]
    fn the_worlds_own_file_says_the_defaults() {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../world/config"));
        let config: Config = Origins::given(folder, []).load("executor").expect("it loads");
        assert_eq!(format!("{config:?}"), format!("{:?}", Config::default()));
    }

    #[test]
    fn what_is_out_of_bounds_is_named() {
        let workspaces =
            [("Up", "/srv/a"), ("all", "/"), ("fine", "/srv/b"), ("out", "/srv/../etc")];
        let workspaces = workspaces.map(|(name, folder)| (name.to_owned(), folder.into())).into();
        let config =
            Config { slots: 0, budget_call_micro_usd: -1, workspaces, ..Config::default() };
        let mut wrong = Violations::new();
        config.check(&mut wrong);
        let fields: Vec<_> = wrong.found().iter().map(|v| v.field.as_str()).collect();
        assert_eq!(
            fields,
            ["slots", "budget_call_micro_usd", "workspaces.Up", "workspaces.all", "workspaces.out"]
        );
    }
}
