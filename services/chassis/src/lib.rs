//! How a service runs: configuration, identity, mTLS, tokens, the call matrix, the server, the
//! clients, errors, telemetry. One page for service authors is in this crate's `README.md`.
//!
//! This crate knows no domain and no ledger. It is the only place that reads the system clock, makes
//! a `tonic::Status`, spawns a bare task, binds a port or opens a connection.
//!
//! Reading order: [`mod@run`] (a process from start to exit) → [`config`] → [`world`] → [`identity`] →
//! [`ca`] → [`token`] → [`lease`] → [`matrix`] → [`auth`] → [`server`] → [`client`] → [`source`] →
//! [`status`] → [`telemetry`] → [`task`] → [`clock`] → [`memory`] (all of it without a network).

/// Events, tasks and rows are many small blocks that one thread makes and another drops; the system's
/// own allocator took a tenth to a sixth of a task's time with that (`cargo xtask bench growth`). Without
/// huge pages, of which each would be taken whole (`cargo xtask bench idle`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub mod auth;
pub mod ca;
pub mod client;
pub mod clock;
pub mod config;
pub mod identity;
pub mod lease;
pub mod matrix;
pub mod memory;
pub mod run;
pub mod server;
pub mod source;
pub mod status;
pub mod task;
pub mod telemetry;
pub mod token;
pub mod trust;
pub mod world;

mod metrics;
mod paseto;

pub use auth::Caller;
pub use client::{Calls, Peer, Peers};
pub use config::Settings;
pub use identity::{Name, Service};
pub use lease::Lease;
pub use run::{Deps, run};
pub use server::Services;
pub use status::{Problem, Refusal, Violations};
pub use world::World;
