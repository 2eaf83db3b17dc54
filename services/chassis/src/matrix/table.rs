//! The table itself, in the order of `security.md`, section 2.

use super::{Callers, Group};
use crate::identity::Service;

/// Who follows the ledger of `callee`.
pub(super) const fn watchers(callee: Service) -> Callers {
    match callee {
        Service::Queue => Callers::REVIEW.and(Callers::SOCIETY).and(Callers::EXECUTOR),
        Service::Executor => Callers::REVIEW.and(Callers::SOCIETY).and(Callers::QUEUE),
        Service::Society => Callers::QUEUE,
        Service::Review => Callers::QUEUE.and(Callers::SOCIETY).and(Callers::EXECUTOR),
        Service::Gateway => Callers::NONE,
    }
    .and(Callers::PERSON)
}

pub(super) const TABLE: &[Group] = &[];
