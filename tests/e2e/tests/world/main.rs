//! A world of real processes, used as a person uses it.

mod door;
mod lifecycle;
mod record;
