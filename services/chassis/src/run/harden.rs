//! What keeps a process' memory to itself: no core file, and no other process of the same user may
//! look inside.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use rustls::crypto::ring;

/// Closes this process. What the system refuses is left: a container may forbid it.
pub(super) fn process() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let _refused = setrlimit(Resource::Core, none);
    let _refused = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    // Libraries that take the process' default provider must find ring; only a second call fails.
    let _installed = ring::default_provider().install_default();
}
