//! A ledger whose writer dies again and again: what its callers know, and what the file says.
//!
//! The one who ends a life is the program: by a signal, or by a power cut.

pub mod book;
pub mod home;
pub mod record;
pub mod writer;
