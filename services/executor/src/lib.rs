//! The executor: runs residents' cycles, calls models, keeps money within its limits.

pub mod domain;
