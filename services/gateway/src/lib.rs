//! The gateway: where a browser comes in. It has no domain and no ledger.
//!
//! It signs browsers in by a one-time link, checks where each request comes from, passes gRPC-Web
//! calls on to the services on behalf of the operator, serves the panel's files, and joins what a tab
//! shows into one stream. Scripts reach the same methods under one gRPC address.
//!
//! Reading order: [`routes`] (what may pass) → [`session`] → [`proxy`] → [`panel`] → [`assets`].

pub mod assets;
pub mod config;
pub mod panel;
pub mod problem;
pub mod proxy;
pub mod routes;
pub mod session;

use std::io;
use std::sync::Arc;

use vivarium_chassis::{Deps, Services};
use vivarium_proto::gateway::v1::panel_service_server::PanelServiceServer;

use config::Config;
use panel::Panel;
use proxy::Proxy;
use routes::Door;
use session::Sessions;

/// Makes the gateway of a world.
#[expect(clippy::unused_async, reason = "a service's build is async by the chassis' contract")]
pub async fn build(config: Config, mut deps: Deps) -> Result<Services, io::Error> {
    let address = deps.shared.addresses.panel;
    let listener = deps.listeners.take(address)?;
    let bound = listener.local_addr()?;
    let sessions = Sessions::open(&deps.world, &config, Arc::clone(&deps.clock))?;
    let proxy = Proxy::new(deps.peers.clone());
    let panel = Panel::new(&deps);
    let door = Arc::new(Door::new(bound, sessions, proxy.clone(), panel.clone()));
    let drain = deps.drain.clone();
    deps.tasks.spawn_vital("serve the panel", routes::serve(door, listener, drain));
    Ok(Services::new().with(PanelServiceServer::new(panel)).otherwise(proxy::for_scripts(proxy)))
}
