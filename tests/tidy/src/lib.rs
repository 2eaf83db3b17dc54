//! House rules that no lint knows, as tests: each failure says the rule, its reason and the fix.
//!
//! This library reads the tree ([`tree`]), looks into Rust ([`rust`]) and tells what is wrong
//! ([`breach`]); the rules themselves are the tests beside it, one file a theme. A rule about a
//! crate begins to hold when the crate is more than its stub line. Sizes are told, never judged.

pub mod breach;
pub mod rust;
pub mod tree;

pub use breach::Rule;
pub use tree::{File, Tree};
