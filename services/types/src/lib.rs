//! The words every part of Vivarium shares: ids, moments, amounts, limits, reasons.
//!
//! This crate knows no tokio, no tonic and no SQL, and builds for WASM. It holds no behaviour of
//! any one service: a word belongs here when two crates must mean the same thing by it.

pub mod actor;
pub mod amount;
pub mod clock;
pub mod hat;
pub mod ids;
pub mod library;
pub mod limits;
pub mod place;
pub mod program;
pub mod reason;
pub mod reference;
pub mod retention;
pub mod secret;
pub mod similarity;
pub mod source;
pub mod split;
pub mod text;
pub mod time;

pub use actor::Actor;
pub use amount::{MicroUsd, Permille, Tokens};
pub use clock::{Clock, ManualClock};
pub use hat::Hat;
pub use ids::IdSource;
pub use place::Place;
pub use reason::{Class, Reason};
pub use retention::Retention;
pub use secret::Secret;
pub use time::Timestamp;
