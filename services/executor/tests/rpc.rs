//! The executor through its doors, in a world without a network.
#![expect(clippy::panic, reason = "what tests share fails as tests do: by a panic")]
#![expect(clippy::wildcard_enum_match_arm, reason = "a test looks for one word among many")]

#[path = "rpc/cycles.rs"]
mod cycles;
#[path = "rpc/halts.rs"]
mod halts;
#[path = "rpc/injection.rs"]
mod injection;
#[path = "rpc/methods.rs"]
mod methods;
#[path = "rpc/safety.rs"]
mod safety;
#[path = "rpc/spend.rs"]
mod spend;
#[path = "rpc/stand.rs"]
mod stand;
