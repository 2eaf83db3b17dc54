//! The gateway's settings, from `world/config/gateway.toml`.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use vivarium_chassis::config::span;
use vivarium_chassis::{Settings, Violations};

/// A session shorter than this would end under the person's hands.
const SESSION_MIN: Duration = Duration::from_mins(1);
/// A session longer than this is a forgotten one.
const SESSION_MAX: Duration = Duration::from_hours(24 * 90);

/// What can be set.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// How long a browser stays signed in without being used.
    #[serde(with = "span")]
    pub session_idle: Duration,
    /// How long a browser stays signed in at the longest.
    #[serde(with = "span")]
    pub session_life: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self { session_idle: Duration::from_hours(12), session_life: Duration::from_hours(24 * 7) }
    }
}

impl Settings for Config {
    fn check(&self, wrong: &mut Violations) {
        for (name, span) in
            [("session_idle", self.session_idle), ("session_life", self.session_life)]
        {
            if !(SESSION_MIN..=SESSION_MAX).contains(&span) {
                wrong.add(name, "must be 1 min to 90 days");
            }
        }
    }
}
