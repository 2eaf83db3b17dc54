//! Plans to split a task, as a runner sends them.

use std::collections::BTreeSet;

use vivarium_chassis::{Refusal, Violations};
use vivarium_ledger::Texts;
use vivarium_proto::queue::v1 as pb;
use vivarium_types::Reason;
use vivarium_types::limits::REASON_LENGTH_MAX;
use vivarium_types::source::Hash;
use vivarium_types::split::{self, INSTRUCTION_MIN, WHY_MIN};

use super::super::{Desk, broken, refusal};
use crate::domain::Queue;
use crate::domain::lease::Held;
use crate::domain::split::{Part, Plan, likeness, told};

const TITLE_MIN: usize = 3;
const TITLE_MAX: usize = 120;

/// What was asked for already where a lease is at work.
pub(in crate::rpc) struct Lineage {
    /// What its task and the tasks above it ask for, nearest first.
    pub(in crate::rpc) texts: Vec<String>,
    /// What the tasks asked for out of whose cycles these were proposed.
    delegated: BTreeSet<Hash>,
}

impl Lineage {
    /// The lineage of the task of a lease.
    pub(in crate::rpc) async fn of(desk: &Desk, held: Held) -> Result<Self, Refusal> {
        let asked = desk.ledger.ask(move |queue| {
            let live = queue.leases.get(&held.lease).filter(|lease| lease.token == held.token);
            let task = live.and_then(|lease| queue.tasks.get(&lease.granted.task));
            let task = task.map(Box::as_ref);
            let above = task.into_iter().flat_map(|task| queue.ancestors(task));
            let own = task.into_iter().chain(above);
            let ids: Vec<_> = own.map(|task| task.added.instruction.id.clone()).collect();
            (ids, task.into_iter().flat_map(|task| queue.delegated(task)).collect())
        });
        let (ids, delegated) = asked.await.map_err(refusal)?;
        let texts = desk.ledger.read_texts(ids.clone()).await.map_err(broken)?;
        let texts = ids.iter().filter_map(|id| texts.get(id).cloned()).collect();
        Ok(Self { texts, delegated })
    }

    /// The first of these instructions that asks for what is asked for already, by its place.
    fn repeated<'a>(
        &'a self,
        instructions: impl Iterator<Item = &'a str> + Clone,
    ) -> Option<usize> {
        let texts = self.texts.iter().map(String::as_str);
        let own = split::repeated(instructions.clone(), texts).first().copied();
        let mut places = instructions;
        own.or_else(|| places.position(|text| self.delegated.contains(&likeness(text))))
    }
}

/// A plan and the text by which review reads it. Parts that ask for what is asked for already are
/// refused by their own reason.
pub(super) fn plan(
    wire: &pb::Plan,
    lineage: &Lineage,
    texts: &mut Texts<'_, Queue>,
    instruction_max: usize,
) -> Result<(Plan, String), Refusal> {
    let mut wrong = Violations::new();
    let parts = wrong.within("finish.finished.plan", |wrong| {
        let reason = wrong.text("reason", &wire.reason, WHY_MIN, REASON_LENGTH_MAX);
        let shares: Vec<u32> = wire.parts.iter().map(|part| part.share).collect();
        let after: Vec<BTreeSet<usize>> = wire.parts.iter().map(places).collect();
        if let Some(fault) = split::fault(&shares, &after) {
            wrong.add("parts", fault);
            return None;
        }
        let parts = wire.parts.iter().zip(after).enumerate();
        let parts: Vec<_> = parts
            .map(|(at, (part, after))| {
                wrong.item("parts", at, |wrong| {
                    let title = wrong.text("title", &part.title, TITLE_MIN, TITLE_MAX);
                    let (min, max) = (INSTRUCTION_MIN, instruction_max);
                    let instruction = wrong.text("instruction", &part.instruction, min, max);
                    Some((title?, instruction?, after, part.share))
                })
            })
            .collect();
        reason.zip(parts.into_iter().collect::<Option<Vec<_>>>())
    });
    let (reason, parts) = wrong.done(parts)?;
    let instructions = parts.iter().map(|(_, text, ..)| text.as_str());
    if let Some(at) = lineage.repeated(instructions) {
        let part = format!("part {} of the plan", at + 1);
        let refused = Refusal::new(Reason::QueueTaskDuplicate);
        return Err(refused.with("task", &part).resource("task", &part));
    }
    let told = told(&reason, &parts);
    let parts = parts.into_iter().map(|(title, instruction, after, share)| Part {
        title: texts.plain(&title),
        instruction: texts.plain(&instruction),
        after,
        share,
    });
    Ok((Plan { parts: parts.collect(), reason: texts.plain(&reason) }, told))
}

/// Places from 0; one that is 0 on the wire is none of the plan.
fn places(part: &pb::PlanPart) -> BTreeSet<usize> {
    part.after.iter().map(|place| (*place as usize).wrapping_sub(1)).collect()
}
