//! Under construction. The society process answers health alone until its domain lands, so that a world
//! can start with all of its processes.

use std::convert::Infallible;

use vivarium_chassis::{Deps, Service, Services, Settings, Violations};

/// Nothing can be set yet.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
struct Config {}

impl Settings for Config {
    fn check(&self, _wrong: &mut Violations) {}
}

fn main() -> std::process::ExitCode {
    vivarium_chassis::run(Service::Society, build)
}

async fn build(_config: Config, _deps: Deps) -> Result<Services, Infallible> {
    Ok(Services::new())
}
