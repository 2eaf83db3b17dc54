//! Attacks on the command policy and on the sandbox.

pub mod stand;
