//! What the kernel promises, through its own front door.
#![expect(
    clippy::disallowed_methods,
    reason = "a test starts followers by itself: there is no process and no drain around it"
)]

mod carrying;
mod contract;
mod counter;
mod erasure;
mod failover;
mod faults;
mod follow;
mod histories;
mod lost_commit;
mod other_log;
mod places;
mod retention;
mod segments;
mod stores;
mod tampering;
mod watching;
mod world;
