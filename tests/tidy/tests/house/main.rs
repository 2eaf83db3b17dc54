//! The rules, one theme a file. `cargo nextest run -p vivarium-tidy` runs them in a second.

mod allowed;
mod contract;
mod crates;
mod papers;
mod rooms;
mod rules;
mod sizes;
mod words;

/// The services that keep a ledger: they have the same rooms and never depend on one another.
const DOMAIN_SERVICES: [&str; 4] =
    ["services/queue", "services/executor", "services/society", "services/review"];
