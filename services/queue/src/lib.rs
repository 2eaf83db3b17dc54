//! The queue: tasks, attempts, leases, and the controls of the world.
//!
//! Reading order: [`domain`] → `rpc` → `follow` → `views`.

pub mod domain;
