//! Adding tasks: one batch, checked whole, that may refer to itself by key.

use std::collections::{BTreeMap, BTreeSet};

use vivarium_ledger::planted::{self, Bug};
use vivarium_ledger::{Context, TextRef};
use vivarium_types::ids::TaskId;

use super::event::Event;
use super::limits::Limit;
use super::task::{Added, OnFailure, Spec, State};
use super::{Dependency, Queue, Rejection};

/// Deepest chain of dependencies.
pub const DEPTH_MAX: u32 = 64;

/// A task that somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// What is asked for; its dependencies are keys or ids.
    pub spec: Spec,
    /// The title.
    pub title: TextRef,
    /// The instruction.
    pub instruction: TextRef,
    /// Constraints, preferences, anti-goals and metadata.
    pub intent: Option<TextRef>,
}

/// The business key of a task's key.
pub fn claim(key: &str) -> String {
    format!("task-key:{key}")
}

impl Queue {
    pub(super) fn add(
        &self,
        proposals: Vec<Proposal>,
        open_max: u64,
        cx: &Context<'_>,
    ) -> Result<Vec<Event>, Rejection> {
        let open_max = self.limit(Limit::OpenTasks, open_max);
        if self.open_count() + proposals.len() as u64 > open_max {
            return Err(Rejection::Full { max: open_max });
        }
        let keys = fresh_keys(&proposals, cx)?;
        let dependencies = self.dependencies(&proposals, &keys)?;
        self.check_depth(&proposals, &dependencies)?;
        let ids: Vec<TaskId> = proposals.iter().map(|_| cx.mint()).collect();
        let submitter = cx.actor().to_string();
        let added = proposals.into_iter().zip(dependencies).enumerate();
        let added = added.map(|(index, (proposal, dependencies))| {
            let met = dependencies.iter().all(|on| match on {
                On::Batch(_) => false,
                On::Known(_) if planted::has(Bug::MissDependency) => false,
                On::Known(task) => self.met(*task, proposal.spec.on_failure),
            });
            let Proposal { spec, title, instruction, intent } = proposal;
            let state = if !met {
                State::Blocked
            } else if spec.not_before.is_some_and(|moment| moment > cx.now()) {
                State::Queued
            } else {
                State::Ready
            };
            let dependencies = dependencies.iter().map(|on| on.id(&ids)).collect();
            let submitter = submitter.clone();
            let task = ids[index];
            Event::TaskAdded(Box::new(Added {
                task,
                spec,
                title,
                instruction,
                intent,
                dependencies,
                submitter,
                state,
                recurrence: None,
                parent: None,
            }))
        });
        Ok(added.collect())
    }

    fn dependencies(
        &self,
        proposals: &[Proposal],
        keys: &BTreeMap<String, usize>,
    ) -> Result<Vec<Vec<On>>, Rejection> {
        let resolve = |(index, proposal): (usize, &Proposal)| {
            let found = proposal.spec.depends_on.iter().map(|name| match keys.get(name) {
                Some(own) if *own == index => Err(Rejection::DependencySelf { task: name.clone() }),
                Some(other) => Ok(On::Batch(*other)),
                None => self
                    .resolve(name)
                    .map(On::Known)
                    .map_err(|_| Rejection::DependencyUnknown { dependency: name.clone() }),
            });
            let mut seen = BTreeSet::new();
            let found: Result<Vec<On>, Rejection> = found.collect();
            // A key and an id may name one task: it counts once.
            found.map(|all| all.into_iter().filter(|on| seen.insert(*on)).collect())
        };
        proposals.iter().enumerate().map(resolve).collect()
    }

    /// Walks the batch in the order of its dependencies; what is never reached lies on a circle.
    fn check_depth(&self, proposals: &[Proposal], on: &[Vec<On>]) -> Result<(), Rejection> {
        let mut depths: Vec<Option<u32>> = vec![None; on.len()];
        loop {
            let mut moved = false;
            for (index, dependencies) in on.iter().enumerate() {
                if depths[index].is_some() {
                    continue;
                }
                let below = dependencies.iter().map(|on| match on {
                    On::Batch(_) if planted::has(Bug::MissBatchEdge) => Some(0),
                    On::Batch(other) => depths[*other],
                    On::Known(task) => Some(self.depth(*task)),
                });
                let deepest = below.collect::<Option<Vec<u32>>>();
                let Some(deepest) = deepest else { continue };
                let depth = deepest.into_iter().max().unwrap_or(0) + 1;
                if depth > DEPTH_MAX {
                    return Err(Rejection::TooDeep { max: DEPTH_MAX });
                }
                depths[index] = Some(depth);
                moved = true;
            }
            if !moved {
                break;
            }
        }
        let circle = depths.iter().position(Option::is_none);
        circle.map_or(Ok(()), |index| {
            let key = proposals[index].spec.key.clone();
            Err(Rejection::DependencyCycle { task: key.unwrap_or_default() })
        })
    }

    /// Whether a task that waits for `dependency` may go on.
    pub(super) fn met(&self, dependency: TaskId, on_failure: OnFailure) -> bool {
        match self.dependency(dependency) {
            Dependency::Approved => true,
            Dependency::Broken => on_failure == OnFailure::RunAnyway,
            Dependency::Open => false,
        }
    }
}

/// What a task of a batch depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum On {
    /// Another of the batch, by its place.
    Batch(usize),
    /// A task that is there already.
    Known(TaskId),
}

impl On {
    fn id(self, batch: &[TaskId]) -> TaskId {
        match self {
            Self::Batch(index) => batch[index],
            Self::Known(task) => task,
        }
    }
}

fn fresh_keys(
    proposals: &[Proposal],
    cx: &Context<'_>,
) -> Result<BTreeMap<String, usize>, Rejection> {
    let mut keys = BTreeMap::new();
    for (index, proposal) in proposals.iter().enumerate() {
        let Some(key) = &proposal.spec.key else { continue };
        let used = cx.claimed(&claim(key)).is_some() || keys.insert(key.clone(), index).is_some();
        if used {
            return Err(Rejection::KeyTaken { key: key.clone() });
        }
    }
    Ok(keys)
}
