//! Drafts: what a cycle has staged. Staged is not published; it counts only when the queue accepted
//! the finish of the very lease it was staged under.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vivarium_ledger::{Context, TextRef};
use vivarium_types::ids::{CycleId, DocumentId, LeaseId, ResidentId, TaskId};
use vivarium_types::source::Hash;

use super::{Event, Refused};

/// Most documents that one cycle may stage (`domain.md` section 2).
pub const DOCUMENTS_A_CYCLE_MAX: usize = 8;

/// What is staged, by cycle.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drafts {
    cycles: BTreeMap<CycleId, Cycle>,
    by_id: BTreeMap<DocumentId, Draft>,
    /// The highest fencing token seen for each task: a lower one is an old holder's.
    tokens: BTreeMap<TaskId, u64>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Cycle {
    documents: Vec<DocumentId>,
    ended: bool,
}

/// One staged document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    /// The document.
    pub document: DocumentId,
    /// The cycle that staged it.
    pub cycle: CycleId,
    /// Under which lease.
    pub lease: LeaseId,
    /// The lease's fencing token.
    pub token: u64,
    /// For which task; unset outside task cycles.
    pub task: Option<TaskId>,
    /// Who wrote it.
    pub resident: Option<ResidentId>,
    /// Where it is to lie.
    pub path: String,
    /// Its title.
    pub title: TextRef,
    /// Its whole text.
    pub body: TextRef,
    /// Its tags.
    pub tags: Vec<String>,
    /// The published version it builds on; 0 for a new document.
    pub base_version: u32,
}

/// A draft on its way in.
#[derive(Debug, Clone)]
pub struct Stage {
    /// The cycle that stages it.
    pub cycle: CycleId,
    /// Under which lease.
    pub lease: LeaseId,
    /// The lease's fencing token.
    pub token: u64,
    /// For which task.
    pub task: Option<TaskId>,
    /// Who writes.
    pub resident: Option<ResidentId>,
    /// Where it is to lie.
    pub path: String,
    /// Its title.
    pub title: TextRef,
    /// Its whole text, behind an append too.
    pub body: TextRef,
    /// Its tags.
    pub tags: Vec<String>,
    /// The published version it builds on.
    pub base_version: u32,
    /// What the new text was made from.
    pub basis: Basis,
}

/// What a staged text was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// From nothing: it replaces whatever is there.
    Nothing,
    /// From the draft as it was read, which must still be the same; `None` when there was none.
    Read(Option<Hash>),
}

impl Drafts {
    /// The draft at `path` in `cycle`.
    pub fn at(&self, cycle: CycleId, path: &str) -> Option<&Draft> {
        self.of_cycle(cycle).find(|draft| draft.path == path)
    }

    /// A draft by its id.
    pub fn get(&self, document: DocumentId) -> Option<&Draft> {
        self.by_id.get(&document)
    }

    /// The drafts of a cycle, in the order they were first staged.
    pub fn of_cycle(&self, cycle: CycleId) -> impl Iterator<Item = &Draft> {
        let documents = self.cycles.get(&cycle).map_or(&[][..], |cycle| &cycle.documents);
        documents.iter().filter_map(|document| self.by_id.get(document))
    }

    pub(super) fn stage(&self, stage: Stage, cx: &Context<'_>) -> Result<Vec<Event>, Refused> {
        let newest = stage.task.and_then(|task| self.tokens.get(&task)).copied().unwrap_or(0);
        let ended = self.cycles.get(&stage.cycle).is_some_and(|cycle| cycle.ended);
        if stage.token < newest || ended {
            return Err(Refused::LeaseLost);
        }
        let before = self.at(stage.cycle, &stage.path);
        if let Basis::Read(read) = stage.basis
            && read != before.map(|draft| draft.body.hash)
        {
            return Err(Refused::DraftStale);
        }
        if before.is_none() && self.of_cycle(stage.cycle).count() >= DOCUMENTS_A_CYCLE_MAX {
            return Err(Refused::TooManyDocuments { max: DOCUMENTS_A_CYCLE_MAX });
        }
        Ok(vec![Event::DraftStaged(Box::new(Draft {
            document: before.map_or_else(|| cx.mint(), |draft| draft.document),
            cycle: stage.cycle,
            lease: stage.lease,
            token: stage.token,
            task: stage.task,
            resident: stage.resident,
            path: stage.path,
            title: stage.title,
            body: stage.body,
            tags: stage.tags,
            base_version: stage.base_version,
        }))])
    }

    pub(super) fn apply_staged(&mut self, draft: &Draft) {
        let cycle = self.cycles.entry(draft.cycle).or_default();
        if !cycle.documents.contains(&draft.document) {
            cycle.documents.push(draft.document);
        }
        if let Some(task) = draft.task {
            let newest = self.tokens.entry(task).or_default();
            *newest = draft.token.max(*newest);
        }
        self.by_id.insert(draft.document, draft.clone());
    }

    pub(super) fn apply_submitted(&mut self, cycle: CycleId) {
        self.cycles.entry(cycle).or_default().ended = true;
    }
}
