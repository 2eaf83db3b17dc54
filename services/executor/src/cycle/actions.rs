//! Performs the actions of a reply in order, each under its key, and makes the receipts.

use std::collections::{BTreeMap, BTreeSet};

use vivarium_ledger::planted::{self, Guard};
use vivarium_types::ids::{LetterId, ResidentId};
use vivarium_types::{Actor, Reason, Tokens};

use super::briefing;
use super::tools::{self, Roots};
use super::{Engine, Exit, Tally};
use crate::domain::Command;
use crate::domain::action::{Action, Asked, DOCUMENT_LENGTH_MAX, Document, Fault, Plan, Tool};
use crate::domain::cycle::{Label, Performed, Place, ReceiptStatus, Staged};
use crate::domain::preflight::{Finding, Outcome as Verdict};
use crate::lease::{Grant, Held, TaskKind};
use crate::policy::{Part, Signalled};
use crate::replay::{Answered, Replay};
use crate::rpc::peers::Refused;
use crate::rpc::peers::queue::{Named, Wish};
use crate::rpc::peers::review::{self, Draft};
use crate::rpc::peers::society::Under;

/// Repeats of one action that end a cycle.
const REPEATS_MAX: u32 = 2;

/// The answer to one action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(crate) id: String,
    pub(crate) action: String,
    pub(crate) status: ReceiptStatus,
    pub(crate) reason: String,
    pub(crate) result: String,
    pub(crate) price: Tokens,
    pub(crate) balance: Option<Tokens>,
    pub(crate) place: Option<Place>,
}

/// What an accepted action ended the cycle with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    /// By `finish`.
    Finished { summary: String, answer: String },
    /// By `decline`.
    Declined { reason: String },
    /// By a plan to split the task.
    Split(Plan),
    /// By a letter that waits for its answer.
    Waits { letter: LetterId },
    /// By a program that a person has to allow first, word for word.
    Asks { program: String },
    /// By a third repeat of one action.
    Repeating,
}

/// What the actions of a cycle have done so far.
#[derive(Debug, Default)]
pub(crate) struct Deeds {
    /// Titles of this cycle's drafts, by path.
    pub(crate) drafts: BTreeMap<String, String>,
    pub(crate) roots: Roots,
    done: BTreeSet<String>,
    tool_uses: u32,
    /// Programs that were begun.
    pub(crate) programs: u32,
    /// Counts changes, so that a repeat with nothing changed is known.
    changes: u64,
    /// By hash: changes when it was last asked for, and repeats.
    asked: BTreeMap<String, (u64, u32)>,
    repeats_spent: bool,
    /// The worst label that the cycle has seen.
    pub(crate) worst: Option<Label>,
    /// What bore signs of an injection.
    pub(crate) signalled: Signalled,
}

/// Where an action is performed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stage<'a> {
    pub(crate) grant: &'a Grant,
    pub(crate) held: &'a Held,
    pub(crate) resident: ResidentId,
    pub(crate) step: u32,
}

/// What one action comes to, before it is a receipt.
#[derive(Debug, Clone)]
pub(super) struct Done {
    pub(super) status: ReceiptStatus,
    pub(super) reason: String,
    pub(super) result: String,
    pub(super) price: Tokens,
    pub(super) balance: Option<Tokens>,
    pub(super) place: Option<Place>,
    pub(super) ending: Option<Ending>,
}

impl Done {
    pub(super) fn plain(result: impl Into<String>) -> Self {
        Self {
            status: ReceiptStatus::Done,
            reason: String::new(),
            result: result.into(),
            price: Tokens::ZERO,
            balance: None,
            place: None,
            ending: None,
        }
    }

    pub(super) fn refused(reason: Reason, why: impl Into<String>) -> Self {
        let status = ReceiptStatus::Refused;
        Self { status, reason: reason.name().to_owned(), ..Self::plain(why) }
    }

    pub(super) fn ending(ending: Ending) -> Self {
        Self { ending: Some(ending), ..Self::plain("") }
    }
}

impl From<Refused> for Done {
    fn from(refused: Refused) -> Self {
        let (status, reason, why) = match refused {
            Refused::Rule { reason, why } => (ReceiptStatus::Refused, reason, why),
            Refused::Failed { reason, why } => (ReceiptStatus::Failed, reason, why),
        };
        Self { status, reason, ..Self::plain(why) }
    }
}

impl From<Answered> for Done {
    fn from(answered: Answered) -> Self {
        let Answered { status, reason, result, price, balance, place, .. } = answered;
        Self { status, reason, result, price, balance, place, ending: None }
    }
}

/// What review answered to a draft, as the record has it.
fn staged_before(
    replay: &Replay,
    key: &str,
    path: &str,
) -> Option<Result<review::Staged, Refused>> {
    let Answered { status, reason, result, place, .. } = replay.answer(key)?;
    Some(match status {
        ReceiptStatus::Refused => Err(Refused::Rule { reason, why: result }),
        ReceiptStatus::Failed => Err(Refused::Failed { reason, why: result }),
        ReceiptStatus::Done | ReceiptStatus::Pending => {
            let (document, digest) = replay.staged(path)?;
            Ok(review::Staged { document, digest, place })
        }
    })
}

impl Engine {
    /// Performs a reply's actions in order. A refusal stops only those that need it.
    pub(crate) async fn perform(
        &self,
        stage: Stage<'_>,
        tally: &mut Tally,
        deeds: &mut Deeds,
        actions: Vec<Asked>,
    ) -> Result<(Vec<Receipt>, Option<Ending>), Exit> {
        let mut receipts = Vec::new();
        let count = actions.len();
        for (index, asked) in actions.into_iter().enumerate() {
            if stage.held.why_stopped().is_some() {
                return Err(Exit::Stopped);
            }
            tally.actions += 1;
            let last = index + 1 == count;
            let done = match self.check(tally, deeds, &asked, index, last) {
                Some(refused) => refused,
                None => self.perform_one(stage, tally, deeds, &asked, index).await?,
            };
            if done.status.is_accepted() {
                deeds.done.insert(asked.id.clone());
            }
            let ending = done.ending.clone();
            let receipt = self.write_down(stage, &asked, index, done).await?;
            deeds.signalled.see(&self.policy, &receipt.result);
            deeds.roots.receipts.insert(receipt.id.clone(), receipt.result.clone());
            receipts.push(receipt);
            if ending.is_some() {
                return Ok((receipts, ending));
            }
        }
        let ending = deeds.repeats_spent.then_some(Ending::Repeating);
        Ok((receipts, ending))
    }

    /// What refuses an action before it is tried.
    fn check(
        &self,
        tally: &Tally,
        deeds: &mut Deeds,
        asked: &Asked,
        index: usize,
        last: bool,
    ) -> Option<Done> {
        let limits = &self.actions.limits;
        if index >= limits.actions_per_step {
            let why = format!("at most {} actions a step", limits.actions_per_step);
            return Some(Done::refused(Reason::ActionTooMany, why));
        }
        if tally.actions > limits.actions_per_cycle {
            let why = format!("at most {} actions a cycle", limits.actions_per_cycle);
            return Some(Done::refused(Reason::ActionTooMany, why));
        }
        let action = match &asked.what {
            Ok(action) => action,
            Err(Fault::Unknown) => {
                let why = format!("there is no action `{}`", asked.name);
                return Some(Done::refused(Reason::ActionUnknown, why));
            }
            Err(Fault::Invalid(wrong)) => {
                return Some(Done::refused(Reason::ActionInvalid, wrong.join("; ")));
            }
        };
        if let Some(missing) = asked.needs.iter().find(|id| !deeds.done.contains(*id)) {
            let why = format!("it needs `{missing}`, which is not done");
            return Some(Done::refused(Reason::ActionInvalid, why));
        }
        if action.ends_cycle() && !last {
            let why = "an action that ends the cycle must be the last";
            return Some(Done::refused(Reason::ActionInvalid, why));
        }
        if matches!(action, Action::Tool(_)) && deeds.tool_uses >= limits.tools_per_cycle {
            let why = format!("at most {} uses of the tools a cycle", limits.tools_per_cycle);
            return Some(Done::refused(Reason::ActionQuotaSpent, why));
        }
        if let Some(refused) = self.unsafe_words(deeds, action) {
            return Some(refused);
        }
        deeds.repeated(asked).then(|| {
            let why = "the same was asked for before and nothing has changed since";
            Done::refused(Reason::ActionRepeated, why)
        })
    }

    /// What the safety rules say of an action's words. What they would hold for the human passes
    /// here: a document is reviewed, and nothing else of a resident leaves the world.
    fn unsafe_words(&self, deeds: &Deeds, action: &Action) -> Option<Done> {
        let words = action.words();
        if action.is_told() && words.iter().any(|(_, text)| deeds.signalled.is_relayed_by(text)) {
            let why = "it repeats a passage of a text that was marked as an injection";
            return Some(Done::refused(Reason::SafetyRelay, why));
        }
        let parts = words.iter().map(|(place, text)| Part { place, text, negated: false });
        let verdict = self.policy.preflight(&parts.collect::<Vec<_>>());
        let blocks = |finding: &&Finding| finding.outcome == Verdict::Block;
        let finding = verdict.findings.iter().find(blocks)?;
        let why = format!("the safety rule {} refuses `{}`", finding.rule, finding.place);
        Some(Done::refused(Reason::SafetyRefused, why))
    }

    async fn perform_one(
        &self,
        stage: Stage<'_>,
        tally: &mut Tally,
        deeds: &mut Deeds,
        asked: &Asked,
        index: usize,
    ) -> Result<Done, Exit> {
        let Ok(action) = &asked.what else { return Ok(Done::plain("")) };
        let key = key(stage, index);
        let done = match action {
            Action::Finish { summary, answer } => finish(stage.grant, deeds, summary, answer),
            Action::Decline { reason, .. } => {
                Done::ending(Ending::Declined { reason: reason.clone() })
            }
            Action::Write(document) => {
                self.stage(stage, tally, deeds, (document, false), &key).await?
            }
            Action::Append(document) => {
                self.stage(stage, tally, deeds, (document, true), &key).await?
            }
            Action::Split(plan) => split(stage.grant, plan),
            Action::Propose { .. } => self.propose(stage, action, &key).await?,
            Action::Tool(tool) => {
                deeds.tool_uses += 1;
                deeds.worst = deeds.worst.max(Some(Label::Tool));
                match &self.replay {
                    Some(replay) => replay.answer(&key).ok_or(Exit::Stopped)?.into(),
                    None => use_tool(&deeds.roots, tool).await,
                }
            }
            Action::Run(call) => self.run_command(stage, deeds, call, &key).await?,
            Action::Recall { .. } => {
                // A memory keeps the worst label that its writer had seen, and its text comes back.
                deeds.worst = deeds.worst.max(Some(Label::Tool));
                self.act(stage, deeds, action, &key).await?
            }
            Action::Post { .. }
            | Action::Remember { .. }
            | Action::Letter { .. }
            | Action::Journal { .. } => self.act(stage, deeds, action, &key).await?,
        };
        if action.changes() && done.status == ReceiptStatus::Done {
            deeds.changes += 1;
            deeds.settled(asked);
        }
        Ok(done)
    }

    /// Stages prose as the task's document.
    pub(crate) async fn stage_prose(
        &self,
        stage: Stage<'_>,
        tally: &mut Tally,
        deeds: &mut Deeds,
        document: &Document,
    ) -> Result<Receipt, Exit> {
        tally.actions += 1;
        let done = self.stage(stage, tally, deeds, (document, false), &key(stage, 0)).await?;
        let asked = Asked {
            id: "prose".to_owned(),
            needs: Vec::new(),
            name: "write_document".to_owned(),
            what: Ok(Action::Write(document.clone())),
            hash: String::new(),
        };
        self.write_down(stage, &asked, 0, done).await
    }

    /// Stages a document, or adds to one.
    async fn stage(
        &self,
        stage: Stage<'_>,
        tally: &mut Tally,
        deeds: &mut Deeds,
        (document, append): (&Document, bool),
        key: &str,
    ) -> Result<Done, Exit> {
        let Stage { grant, held, resident, .. } = stage;
        let path = if document.path.is_empty() {
            briefing::target(&grant.task, resident)
        } else {
            document.path.clone()
        };
        let earlier = deeds.drafts.get(&path);
        if earlier.is_none() && deeds.drafts.len() >= self.actions.limits.documents_per_cycle {
            let why = format!("at most {} documents a cycle", deeds.drafts.len());
            return Ok(Done::refused(Reason::ActionQuotaSpent, why));
        }
        let title = match (document.title.as_str(), earlier) {
            ("", Some(earlier)) => earlier.clone(),
            ("", None) => super::reply::title_of(&document.body, &grant.task.title),
            (title, _) => title.to_owned(),
        };
        let draft = Draft {
            key,
            path: &path,
            title: &title,
            body: &document.body,
            tags: &document.tags,
            base_version: document.base_version,
            append,
        };
        let capability = held.capability();
        let answer = if let Some(replay) = &self.replay {
            staged_before(replay, key, &path).ok_or(Exit::Stopped)?
        } else {
            tokio::select! {
                biased;
                () = held.stopped() => return Err(Exit::Stopped),
                answer = self.review.stage(draft, resident, &capability) => answer,
            }
        };
        let staged = match answer {
            Ok(staged) => staged,
            Err(refused) => return Ok(refused.into()),
        };
        let text = deeds.roots.drafts.entry(path.clone()).or_default();
        if append {
            text.push_str(&document.body);
        } else {
            text.clone_from(&document.body);
        }
        debug_assert!(text.chars().count() <= DOCUMENT_LENGTH_MAX, "review keeps the limit");
        let review::Staged { document, digest, place } = staged;
        let staged = Staged { document, path: path.clone(), digest };
        tally.documents.retain(|known| known.path != path);
        tally.documents.push(staged);
        deeds.drafts.insert(path.clone(), title);
        Ok(Done { place, ..Done::plain(format!("staged at {path}")) })
    }

    async fn propose(&self, stage: Stage<'_>, action: &Action, key: &str) -> Result<Done, Exit> {
        let Action::Propose { title, instruction, why } = action else {
            return Ok(Done::refused(Reason::ActionNotHere, "it proposes nothing"));
        };
        if let Some(replay) = &self.replay {
            return replay.answer(key).map(Done::from).ok_or(Exit::Stopped);
        }
        let named = Named { lease: stage.grant.lease, token: stage.grant.token };
        let answer = tokio::select! {
            biased;
            () = stage.held.stopped() => return Err(Exit::Stopped),
            answer = self.queue.propose(Wish { key, named, title, instruction, why }) => answer,
        };
        Ok(match answer {
            Ok((task, place)) => Done {
                status: ReceiptStatus::Pending,
                place,
                ..Done::plain(format!("{task} is proposed; a human decides about it"))
            },
            Err(refused) => refused.into(),
        })
    }

    async fn act(
        &self,
        stage: Stage<'_>,
        deeds: &mut Deeds,
        action: &Action,
        key: &str,
    ) -> Result<Done, Exit> {
        let Stage { grant, held, resident, .. } = stage;
        let waits = matches!(action, Action::Letter { waits: true, .. });
        if let Some(replay) = &self.replay {
            let done = Done::from(replay.answer(key).ok_or(Exit::Stopped)?);
            let sent = waits && done.status.is_accepted();
            let ending = sent.then(|| Ending::Waits { letter: self.mint() });
            return Ok(Done { ending, ..done });
        }
        let capability = held.capability();
        let under = Under {
            resident,
            capability: &capability,
            key,
            label: deeds.worst.unwrap_or(Label::Operator),
            task: grant.task.id,
        };
        let acted = tokio::select! {
            biased;
            () = held.stopped() => return Err(Exit::Stopped),
            acted = self.society.act(action, under) => acted,
        };
        let acted = match acted {
            Some(Ok(acted)) => acted,
            Some(Err(refused)) => return Ok(refused.into()),
            None => return Ok(Done::refused(Reason::ActionNotHere, "it is not possible here")),
        };
        let ending = acted.letter.filter(|_| waits).map(|letter| Ending::Waits { letter });
        Ok(Done {
            status: acted.status,
            reason: acted.reason,
            result: acted.result,
            price: acted.price,
            balance: acted.balance,
            place: acted.place,
            ending,
        })
    }

    async fn write_down(
        &self,
        stage: Stage<'_>,
        asked: &Asked,
        index: usize,
        done: Done,
    ) -> Result<Receipt, Exit> {
        let done = Done { result: self.redactor.clean(&done.result).text, ..done };
        let action = asked.what.as_ref().ok();
        let private = action.is_some_and(Action::is_private);
        let mut texts = self.ledger.texts();
        let result = (!private && !done.result.is_empty()).then(|| texts.plain(&done.result));
        let performed = Performed {
            cycle: stage.grant.cycle,
            step: stage.step,
            index: u32::try_from(index).unwrap_or(u32::MAX),
            action: asked.name.clone(),
            target: action.map(Action::target).unwrap_or_default().to_owned(),
            arguments_hash: asked.hash.clone(),
            action_id: asked.id.clone(),
            status: done.status,
            reason: done.reason.clone(),
            result,
            price: done.price,
            balance: done.balance,
            place: done.place.clone(),
        };
        let command = Command::RecordAction(Box::new(performed));
        let actor = Actor::Resident(stage.resident);
        self.record_as(actor, command, texts.into_rows()).await.map_err(Exit::fault)?;
        self.counters.actions.inc();
        let Done { status, reason, result, price, balance, place, ending: _ } = done;
        let (id, action) = (asked.id.clone(), asked.name.clone());
        Ok(Receipt { id, action, status, reason, result, price, balance, place })
    }
}

impl Deeds {
    /// Nothing done yet, by one who may read `roots` and has seen texts of this label.
    pub(crate) fn new(roots: Roots, worst: Label, signalled: Signalled) -> Self {
        Self { roots, worst: Some(worst), signalled, ..Self::default() }
    }

    /// Whether the same was asked for before with nothing changed since. Counts it.
    fn repeated(&mut self, asked: &Asked) -> bool {
        let known = self.asked.get_mut(&asked.hash);
        if let Some((changes, repeats)) = known
            && *changes == self.changes
            && planted::stands(Guard::Repeat)
        {
            *repeats += 1;
            self.repeats_spent |= *repeats >= REPEATS_MAX;
            return true;
        }
        self.asked.insert(asked.hash.clone(), (self.changes, 0));
        false
    }

    /// An action's own change does not make it new.
    fn settled(&mut self, asked: &Asked) {
        if let Some((changes, _)) = self.asked.get_mut(&asked.hash) {
            *changes = self.changes;
        }
    }
}

fn key(stage: Stage<'_>, index: usize) -> String {
    format!("{}:{}:{index}", stage.grant.cycle, stage.step)
}

fn finish(grant: &Grant, deeds: &Deeds, summary: &str, answer: &str) -> Done {
    let empty = match grant.task.kind {
        TaskKind::Docs | TaskKind::Plan => deeds.drafts.is_empty(),
        TaskKind::Answer => answer.is_empty() && deeds.drafts.is_empty(),
    };
    if empty {
        let why = match grant.task.kind {
            TaskKind::Docs | TaskKind::Plan => "the task asks for a document and none is staged",
            TaskKind::Answer => "the task asks for an answer and none is given",
        };
        return Done::refused(Reason::ActionNothingStaged, why);
    }
    let (summary, answer) = (summary.to_owned(), answer.to_owned());
    Done::ending(Ending::Finished { summary, answer })
}

/// A plan that can become children of this task.
fn split(grant: &Grant, plan: &Plan) -> Done {
    if !grant.family.may_split {
        let why = "this task was split before, lies two splits deep, or cannot be split";
        return Done::refused(Reason::ActionNotHere, why);
    }
    let own = [grant.task.instruction.as_str(), grant.family.root_instruction.as_str()];
    let instructions = plan.parts.iter().map(|part| part.instruction.as_str());
    if let Some(at) = vivarium_types::split::repeated(instructions, own).first() {
        let why = format!("part {} asks for what is asked for already", at + 1);
        return Done::refused(Reason::QueueTaskDuplicate, why);
    }
    Done::ending(Ending::Split(plan.clone()))
}

async fn use_tool(roots: &Roots, tool: &Tool) -> Done {
    let (roots, tool) = (roots.clone(), tool.clone());
    match tokio::task::spawn_blocking(move || roots.run(&tool)).await {
        Ok(Ok(result)) => Done::plain(result),
        Ok(Err(tools::Refused { reason, why })) => Done::refused(reason, why),
        Err(error) => {
            tracing::error!(%error, "a tool failed");
            let failed = Done::refused(Reason::RpcInternalFault, "the tool failed");
            Done { status: ReceiptStatus::Failed, ..failed }
        }
    }
}
