//! The least that a service can be: settings, no methods of its own. The tests of this crate start
//! it as a process.

use std::convert::Infallible;
use std::process::ExitCode;

use serde::{Deserialize, Serialize};
use vivarium_chassis::config::SecretText;
use vivarium_chassis::identity::Service;
use vivarium_chassis::{Deps, Services, Settings, Violations};

#[derive(Debug, Serialize, Deserialize)]
#[serde(default)]
struct Config {
    greeting: String,
    key: SecretText,
}

impl Default for Config {
    fn default() -> Self {
        Self { greeting: "hello".to_owned(), key: SecretText::default() }
    }
}

impl Settings for Config {
    fn check(&self, wrong: &mut Violations) {
        wrong.text("greeting", &self.greeting, 1, 20);
    }
}

async fn build(config: Config, deps: Deps) -> Result<Services, Infallible> {
    tracing::info!(greeting = config.greeting, "built");
    deps.tasks.spawn_vital("wait", std::future::pending());
    Ok(Services::new())
}

fn main() -> ExitCode {
    vivarium_chassis::run(Service::Queue, build)
}
