//! What the load generators share: a domain that only counts, dice with a seed, a place on the disk, times.
//!
//! Nothing here measures or judges: that is each program's own business.

pub mod dice;
pub mod numbers;
pub mod place;
pub mod times;
