//! The kernel under every domain service: an event-sourced state machine with one durable writer.
//!
//! A service author writes an [`Aggregate`]; the kernel gives durability, order, a hash chain,
//! idempotency, watching, following, read models, snapshots and erasable text. The kernel knows no
//! domain, no network identity and no clock but the one it is handed.
//!
//! Reading order: [`aggregate`] (what a service writes) → [`writer`] (one turn) → [`store`] →
//! [`chain`] → [`watch`] → [`cursor`] → [`view`] → [`seal`] → [`segment`] → [`audit`].

pub mod chain;

#[cfg(feature = "kernel")]
pub mod aggregate;
#[cfg(feature = "kernel")]
pub mod audit;
#[cfg(feature = "kernel")]
pub mod codec;
#[cfg(feature = "kernel")]
pub mod cursor;
#[cfg(feature = "kernel")]
mod inbox;
#[cfg(feature = "kernel")]
pub mod ledger;
#[cfg(feature = "kernel")]
pub mod planted;
#[cfg(feature = "kernel")]
mod projector;
#[cfg(feature = "kernel")]
mod recent;
#[cfg(feature = "kernel")]
mod retain;
#[cfg(feature = "rpc")]
pub mod rpc;
#[cfg(feature = "kernel")]
pub mod seal;
#[cfg(feature = "kernel")]
pub mod segment;
#[cfg(feature = "kernel")]
pub mod snapshot;
#[cfg(feature = "kernel")]
pub mod store;
#[cfg(feature = "kernel")]
pub mod view;
#[cfg(feature = "kernel")]
pub mod watch;
#[cfg(feature = "kernel")]
pub mod writer;

#[cfg(feature = "kernel")]
pub use aggregate::{Aggregate, Context, FactNote, Meta, SegmentNote};
#[cfg(feature = "kernel")]
pub use cursor::{Handler, Reaction, Trouble};
#[cfg(feature = "kernel")]
pub use ledger::{Answer, Decided, Error, Ledger, Options, Request, Signer, Submission, Texts};
#[cfg(feature = "kernel")]
pub use store::{Store, TextRef, TextRow};
#[cfg(feature = "kernel")]
pub use view::View;
#[cfg(feature = "kernel")]
pub use vivarium_types::Retention;
#[cfg(feature = "kernel")]
pub use vivarium_types::source::{Checkpoint, Cursor, Hash, Row};
