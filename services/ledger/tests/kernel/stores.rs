//! What every store promises, one promise a test, straight at the trait.

mod answers;
mod append;
mod claims;
pub(crate) mod desk;
mod erasures;
mod followers;
mod open;
mod reading;
mod refusal;
mod segments;
mod snapshots;
mod texts;
mod views;
