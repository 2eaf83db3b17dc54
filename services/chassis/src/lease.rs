//! The lease capability: the queue's signed word that a runner holds a lease. A resident never holds
//! a credential; every effect it asks for is carried under this, and the service that owns the effect
//! checks it again.

use serde::{Deserialize, Serialize};
use vivarium_types::ids::{AttemptId, CycleId, LeaseId, ResidentId, TaskId};
use vivarium_types::{Reason, Timestamp};

use crate::identity::{Identity, Name, Service};
use crate::paseto::{self, Purpose};

/// The header that carries it.
pub const HEADER: &str = "vivarium-lease";

/// What the holder of a lease may do, and until when.
#[expect(clippy::struct_field_names, reason = "the lease's id is called as in the contract")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The lease.
    pub lease: LeaseId,
    /// The task worked on; unset for a cycle without a task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// The attempt; unset for a cycle without a task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<AttemptId>,
    /// The resident whose cycle it is; unset for a cycle of none, such as a critique.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resident: Option<ResidentId>,
    /// The cycle.
    pub cycle: CycleId,
    /// The mode in force at the grant, such as `docs_only`.
    pub mode: String,
    /// The state of the world controls at the grant.
    pub control_epoch: u64,
    /// The sequence of the grant: a later holder has a higher one.
    pub fencing_token: u64,
    /// The last moment at which it counts.
    pub expires: Timestamp,
    /// The actions it is narrowed to; empty means all that the mode allows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<String>,
}

impl Lease {
    /// Whether it allows this action.
    pub fn allows(&self, action: &str) -> bool {
        self.actions.is_empty() || self.actions.iter().any(|allowed| allowed == action)
    }
}

/// Signs a lease. Only the queue's signature counts anywhere.
pub(crate) fn sign(identity: &Identity, lease: &Lease) -> Option<String> {
    Some(identity.token_key.as_ref()?.token(Purpose::Lease, lease))
}

/// The lease behind a token, if the queue signed it and it has not ended.
pub fn check(identity: &Identity, token: &str, now: Timestamp) -> Result<Lease, Reason> {
    let keys = identity.trust.token_keys(&Name::Service(Service::Queue));
    let lease: Lease = paseto::open(keys, Purpose::Lease, token).ok_or(Reason::AuthTokenInvalid)?;
    if lease.expires < now { Err(Reason::QueueLeaseLost) } else { Ok(lease) }
}
