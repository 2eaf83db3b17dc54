//! Proposals: tasks that residents ask for or that come from elsewhere, which run when a human has
//! admitted exactly what was read.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use vivarium_ledger::planted::{self, Guard};
use vivarium_ledger::{Context, TextRef, chain};
use vivarium_types::ids::{ResidentId, TaskId};
use vivarium_types::source::Hash;
use vivarium_types::{Actor, Timestamp};

use super::add::Proposal;
use super::event::Event;
use super::lease::Held;
use super::limits::Limit;
use super::split::DEPTH_MAX;
use super::task::{Added, State, Task};
use super::{Queue, Rejection};

/// Proposals of one resident that wait for a human.
pub const OPEN_MAX: u32 = 3;
/// Proposals of one resident in one day of the world.
pub const DAY_MAX: u32 = 3;

/// What a resident proposes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// The lease in whose cycle it is proposed.
    pub held: Held,
    /// The task.
    pub proposal: Proposal,
    /// Why.
    pub why: TextRef,
    /// Equal ones ask for the same.
    pub likeness: Hash,
    /// Of the task at work and of those above it.
    pub ancestors: BTreeSet<Hash>,
    /// Open tasks that a world may have.
    pub open_max: u64,
}

/// What a person proposes: it comes from elsewhere, and nobody here has read it yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The task.
    pub proposal: Proposal,
    /// Why.
    pub why: TextRef,
    /// Equal ones ask for the same.
    pub likeness: Hash,
    /// What was said of earlier work on it, newest first.
    pub feedback: Vec<TextRef>,
}

/// A task as it was proposed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposed {
    /// The task.
    pub added: Added,
    /// Why.
    pub why: TextRef,
    /// Equal ones ask for the same.
    pub likeness: Hash,
    /// What was said of earlier work on it, newest first.
    pub feedback: Vec<TextRef>,
    /// Where a resident's own proposal comes from; a person's comes from nowhere here.
    pub origin: Option<Origin>,
}

/// Where a proposal comes from: the task in whose cycle it was made, and all that stands above it.
///
/// It says itself what those asked for, since they may be over and gone while it waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The task at work.
    pub task: TaskId,
    /// Proposals and splits above the proposal, from 1.
    pub depth: u32,
    /// What that task and those above it ask for.
    pub ancestors: BTreeSet<Hash>,
}

impl Queue {
    pub(super) fn propose(&self, wish: Wish, cx: &Context<'_>) -> Result<Vec<Event>, Rejection> {
        let Wish { held, proposal, why, likeness, ancestors, open_max } = wish;
        let lease = self.fenced(held)?;
        let lost = Rejection::LeaseLost(held.lease);
        let resident = lease.granted.resident.ok_or(lost)?;
        let origin = self.origin(lease.granted.task, ancestors);
        let unlike = planted::stands(Guard::Duplicate);
        if unlike && origin.ancestors.contains(&likeness) {
            return Err(Rejection::Duplicate { task: lease.granted.task.to_string() });
        }
        if origin.depth > DEPTH_MAX && planted::stands(Guard::Depth) {
            return Err(Rejection::TooDeep { max: DEPTH_MAX });
        }
        let submitter = Actor::Resident(resident).to_string();
        let open = || {
            let proposed = self.proposals.iter().filter_map(|id| self.tasks.get(id));
            proposed.filter(|task| task.added.submitter == submitter)
        };
        if let Some(same) = open().find(|task| unlike && task.likeness == Some(likeness)) {
            return Err(Rejection::Duplicate { task: same.id().to_string() });
        }
        let today = self.residents.get(&resident).map_or(0, |known| known.proposals_today);
        let spent = today >= DAY_MAX || open().count() >= OPEN_MAX as usize;
        if spent && planted::stands(Guard::Quota) {
            return Err(Rejection::ProposalsSpent { max: OPEN_MAX });
        }
        let open_max = self.limit(Limit::OpenTasks, open_max);
        if self.open_count() >= open_max {
            return Err(Rejection::Full { max: open_max });
        }
        let Proposal { spec, title, instruction, intent } = proposal;
        let added = Added {
            task: cx.mint(),
            spec,
            title,
            instruction,
            intent,
            dependencies: Vec::new(),
            submitter,
            state: State::Proposed,
            recurrence: None,
            parent: None,
        };
        let (feedback, origin) = (Vec::new(), Some(origin));
        let proposed = Proposed { added, why, likeness, feedback, origin };
        Ok(vec![Event::TaskProposed(Box::new(proposed))])
    }

    /// Where a proposal made in a cycle on `task` comes from; `asked` is what the task and those that
    /// were split into it ask for.
    fn origin(&self, task: TaskId, asked: BTreeSet<Hash>) -> Origin {
        let known = self.tasks.get(&task);
        let depth = known.map_or(0, |known| known.depth()) + 1;
        let mut ancestors = asked;
        ancestors.extend(known.into_iter().flat_map(|known| self.delegated(known)));
        Origin { task, depth, ancestors }
    }

    /// What the tasks asked for out of whose cycles a task was proposed, or a task above it.
    pub fn delegated<'a>(&'a self, task: &'a Task) -> impl Iterator<Item = Hash> + 'a {
        let line = std::iter::once(task).chain(self.ancestors(task));
        let origins = line.filter_map(|task| task.origin.as_deref());
        origins.flat_map(|origin| origin.ancestors.iter().copied())
    }

    /// A person proposes tasks: they are checked like an add, and nothing runs of them.
    pub(super) fn offer(
        &self,
        offers: Vec<Offer>,
        open_max: u64,
        cx: &Context<'_>,
    ) -> Result<Vec<Event>, Rejection> {
        let mut proposals = Vec::new();
        let mut others = Vec::new();
        for Offer { proposal, why, likeness, feedback } in offers {
            proposals.push(proposal);
            others.push((why, likeness, feedback));
        }
        let added = self.add(proposals, open_max, cx)?;
        let proposed = added.into_iter().zip(others).map(|(event, (why, likeness, feedback))| {
            let Event::TaskAdded(added) = event else { return event };
            let added = Added { state: State::Proposed, ..*added };
            let proposed = Proposed { added, why, likeness, feedback, origin: None };
            Event::TaskProposed(Box::new(proposed))
        });
        Ok(proposed.collect())
    }

    /// A human admits what was read.
    pub(super) fn admit_task(
        &self,
        name: &str,
        hash: Hash,
        now: Timestamp,
    ) -> Result<Vec<Event>, Rejection> {
        let task = self.proposed(name, hash, "admit")?;
        let mut admitted = task.clone();
        admitted.proposed = false;
        let state = self.state_by_facts(&admitted, now);
        Ok(vec![Event::TaskAdmitted { task: task.id(), state, hash }])
    }

    /// A human refuses what was read.
    pub(super) fn refuse_task(
        &self,
        name: &str,
        hash: Hash,
        reason: Option<TextRef>,
    ) -> Result<Vec<Event>, Rejection> {
        let task = self.proposed(name, hash, "refuse")?.id();
        Ok(vec![Event::TaskCancelled { task, reason }])
    }

    fn proposed(&self, name: &str, hash: Hash, request: &'static str) -> Result<&Task, Rejection> {
        let task = self.open_task(name, request)?;
        if task.state != State::Proposed {
            return Err(Rejection::Transition { state: task.state, request });
        }
        if task.proposal_hash() == hash { Ok(task) } else { Err(Rejection::ProposalStale) }
    }

    pub(super) fn apply_to_proposals(&mut self, event: &Event) {
        if let Event::TaskProposed(proposed) = event {
            self.proposals.insert(proposed.added.task);
            let by = proposed.added.submitter.strip_prefix("resident:");
            let by = by.and_then(|id| id.parse::<ResidentId>().ok());
            if let Some(known) = by.and_then(|id| self.residents.get_mut(&id)) {
                known.proposals_today += 1;
            }
        } else if let Event::TaskAdmitted { task, .. } | Event::TaskCancelled { task, .. } = event {
            self.proposals.remove(task);
        }
    }
}

impl Task {
    /// A digest of everything that a human admits: the words and the terms.
    pub fn proposal_hash(&self) -> Hash {
        let added = &self.added;
        let mut bytes = Vec::new();
        let texts = [Some(&added.title), Some(&added.instruction), added.intent.as_ref()];
        for text in texts.into_iter().chain([self.why.as_ref()]) {
            bytes.extend(text.map_or([0; 32], |text| text.hash.0));
        }
        bytes.extend(self.feedback.iter().flat_map(|text| text.hash.0));
        bytes.extend(self.id().to_string().into_bytes());
        bytes.extend(self.revision.to_be_bytes());
        chain::digest(&bytes)
    }
}
