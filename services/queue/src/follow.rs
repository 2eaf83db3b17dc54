//! What the queue does about other services' events.

use vivarium_chassis::Deps;
use vivarium_ledger::Ledger;

use crate::domain::Queue;

/// Follows review, society and the executor.
pub(crate) fn start(ledger: &Ledger<Queue>, deps: &Deps) {
    let _ = (ledger, deps);
}
