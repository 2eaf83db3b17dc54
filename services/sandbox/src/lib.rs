//! Commands of residents: what may be run, and how it is kept in.
//!
//! Two halves, in this order. [`rules`] turns a program's id and typed arguments into an argument
//! vector: a closed table, one file for each program, which *constructs* what runs and never passes a
//! text on. [`run`] gives that vector to a helper process of its own (`vivarium-sandbox`), which holds
//! no key and no network, and runs it inside every layer that [`layer::Layer`] names; where one cannot
//! be installed nothing runs.
//!
//! The crate knows no task, no resident and no model; `executor` decides who may run what.

pub mod layer;
pub mod planted;
pub mod request;
pub mod roots;
pub mod rules;
pub mod run;
pub mod stage;
