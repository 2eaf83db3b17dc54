//! The right under which an action is done, and what makes an old one void.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use vivarium_types::ids::{CycleId, LeaseId, ResidentId, TaskId};

use super::Label;

/// Ended leases that are remembered; a capability lives far shorter than so many leases take.
const ENDED_MAX: usize = 1_024;

/// Whose action it is, and by which right. The actor is always this resident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Under {
    /// The lease.
    pub lease: LeaseId,
    /// The resident whose cycle it is.
    pub resident: ResidentId,
    /// The cycle.
    pub cycle: CycleId,
    /// The task of the cycle.
    pub task: Option<TaskId>,
    /// The fencing token.
    pub token: u64,
    /// The worst label of what the cycle has seen.
    pub label: Label,
}

/// The highest fencing token of each resident, as our own events show it: an old holder's is lower.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    highest: BTreeMap<ResidentId, u64>,
}

impl Tokens {
    /// Whether this right is an old one.
    pub fn outrun(&self, under: &Under) -> bool {
        self.highest.get(&under.resident).is_some_and(|highest| under.token < *highest)
    }

    /// Notes a token that was used.
    pub fn apply_used(&mut self, resident: ResidentId, token: u64) {
        let highest = self.highest.entry(resident).or_default();
        *highest = token.max(*highest);
    }
}

/// What the queue's log told of leases. Held beside the log: what is forgotten at a restart is made
/// good by the capability's short life.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heard {
    granted: Tokens,
    ended: VecDeque<LeaseId>,
}

impl Heard {
    /// A lease was granted to a resident.
    pub fn granted(&mut self, resident: ResidentId, token: u64) {
        self.granted.apply_used(resident, token);
    }

    /// A lease has ended.
    pub fn ended(&mut self, lease: LeaseId) {
        self.ended.push_back(lease);
        if self.ended.len() > ENDED_MAX {
            self.ended.pop_front();
        }
    }

    /// Whether this right is over.
    pub fn over(&self, under: &Under) -> bool {
        self.ended.contains(&under.lease) || self.granted.outrun(under)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vivarium_types::ids::Id as _;

    fn under(lease: u128, token: u64) -> Under {
        Under {
            lease: LeaseId::from_number(lease),
            resident: ResidentId::from_number(1),
            cycle: CycleId::from_number(lease),
            task: None,
            token,
            label: Label::Own,
        }
    }

    #[test]
    fn an_old_token_is_outrun_by_a_newer_one_of_the_same_resident() {
        let mut tokens = Tokens::default();
        tokens.apply_used(ResidentId::from_number(1), 7);
        tokens.apply_used(ResidentId::from_number(2), 90);
        assert!(tokens.outrun(&under(1, 6)) && !tokens.outrun(&under(2, 7)));
    }

    #[test]
    fn a_lease_is_over_once_its_end_or_a_newer_grant_was_heard_of() {
        let mut heard = Heard::default();
        assert!(!heard.over(&under(1, 6)));
        heard.ended(LeaseId::from_number(1));
        assert!(heard.over(&under(1, 6)) && !heard.over(&under(2, 6)));
        heard.granted(ResidentId::from_number(1), 9);
        assert!(heard.over(&under(2, 6)) && !heard.over(&under(3, 9)));
    }
}
