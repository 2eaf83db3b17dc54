//! What tests share: worlds of real processes, and what they are asked.
#![expect(
    clippy::missing_panics_doc,
    clippy::panic,
    reason = "what tests share fails as tests do: by a panic"
)]

pub mod answers;
pub mod disk;
pub mod halting;
pub mod history;
pub mod model_server;
pub mod people;
pub mod postgres;
pub mod process;
