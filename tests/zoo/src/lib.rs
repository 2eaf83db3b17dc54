//! A whole world in memory for loops and for healthy talk: the real queue, society, review and executor,
//! whose residents think what a test wrote down.
//!
//! Nothing here looks into a domain: tasks come in and messages go out by the doors that people and
//! residents use. Guards are taken away by name, in this process, so that a test can show what a loop
//! does without them.
#![expect(
    clippy::missing_panics_doc,
    clippy::panic,
    reason = "what tests share fails as tests do: by a panic"
)]

pub mod mind;
pub mod talk;
pub mod world;
