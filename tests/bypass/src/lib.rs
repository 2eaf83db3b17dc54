//! Attacks on the command policy and on the sandbox.
#![expect(clippy::missing_panics_doc, reason = "what tests share fails as tests do: by a panic")]

pub mod calls;
pub mod stand;
pub mod table;
pub mod tree;
