//! What the load generators share: a domain that only counts, the lives of its writer, the queue's process
//! alone, courses of tasks on its engine, dice with a seed, a place on the disk, runs that add up, times,
//! what processes use.
//!
//! Nothing here measures or judges: that is each program's own business.

pub mod alone;
pub mod course;
pub mod dice;
pub mod lives;
pub mod numbers;
pub mod place;
pub mod runs;
pub mod times;
pub mod usage;
