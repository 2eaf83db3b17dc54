//! Review's settings, from `world/config/review.toml`.

use serde::{Deserialize, Serialize};
use vivarium_chassis::{Settings, Violations};

use crate::checks;

/// What can be set.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Checks that are left out, by name. For tests of what each of them catches.
    pub checks_left_out: Vec<String>,
}

impl Settings for Config {
    fn check(&self, wrong: &mut Violations) {
        for (index, name) in self.checks_left_out.iter().enumerate() {
            if !checks::ALL.iter().any(|(known, _)| known == name) {
                wrong.item("checks_left_out", index, |wrong| wrong.add("", "is no check"));
            }
        }
    }
}
