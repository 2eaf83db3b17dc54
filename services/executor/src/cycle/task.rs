//! A resident's cycle on a task: briefing, preflight, then steps until an end.

use std::time::Duration;

use sha2::{Digest as _, Sha256};
use vivarium_types::ids::ResidentId;
use vivarium_types::{Actor, Timestamp};

use super::actions::{Deeds, Ending, Receipt, Stage};
use super::briefing::{self, Briefing, Material};
use super::call::Speaker;
use super::reply::{self, PROSE_LENGTH_MIN, Read};
use super::{Engine, Exit, Tally, program, prompt};
use crate::domain::action::{Document, Plan};
use crate::domain::cycle::{Fragment, Kind, Label, ReceiptStatus, Slot, Started};
use crate::domain::preflight::{Decided, Outcome as Preflight};
use crate::domain::provider::Class;
use crate::domain::{Command, Rejection};
use crate::lease::{Evidence, FailureClass, Finish, Grant, Held, How, Outcome, TaskKind, may_run};
use crate::model::price::Tier;
use crate::model::{Message, Role};
use crate::policy::{self, Signalled};
use crate::providers::Chosen;
use crate::rpc::peers::Refused;
use crate::rpc::peers::society::{Asked, Part};

/// Most characters of an answer.
const ANSWER_LENGTH_MAX: usize = 4_000;
/// Most characters of the parts of a split task in a briefing, together.
const PARTS_LENGTH_MAX: usize = 3_000;
/// The highest complexity that a small model is asked for.
const COMPLEXITY_SMALL_MAX: usize = 8;

/// What a cycle knows of itself.
struct Cycle<'a> {
    grant: &'a Grant,
    held: &'a Held,
    resident: ResidentId,
    chosen: Chosen,
    began: Timestamp,
    tally: Tally,
    deeds: Deeds,
    messages: Vec<Message>,
    mark: String,
    repaired: bool,
    /// Steps in a row without an accepted action.
    idle_steps: u32,
    warned: bool,
}

impl Engine {
    pub(super) async fn run_task(&self, grant: &Grant, held: &Held) -> Finish {
        let Some(resident) = grant.resident else {
            let exit = Exit::failed(FailureClass::Internal, "a task without a resident");
            return self.unstarted(exit, held);
        };
        let chosen = match self.choose(&grant.task.model, self.tier(grant)) {
            Ok(chosen) => chosen,
            Err(why) => return self.unstarted(Exit::NoProvider(why), held),
        };
        let verdict = self.policy.preflight(&looked_at(grant));
        if verdict.outcome != Preflight::Pass {
            let finding = verdict.findings.iter().find(|found| found.outcome == verdict.outcome);
            let rule = finding.map(|found| found.rule.clone()).unwrap_or_default();
            let held = verdict.outcome == Preflight::Hold;
            let hash = verdict.subject_hash;
            let mut texts = self.ledger.texts();
            let decided = Decided {
                cycle: grant.cycle,
                task: grant.task.id,
                outcome: verdict.outcome,
                findings: verdict.findings,
                subject_hash: hash,
                rules_hash: self.policy.hash().to_owned(),
                given: Some(Self::given(grant, &chosen, &mut texts)),
            };
            let command = Command::RecordPreflight(decided);
            if let Err(error) = self.record(command, texts.into_rows()).await {
                tracing::error!(%error, "a preflight was not recorded");
            }
            let outcome = Outcome::Blocked { rule, held, hash, program: String::new() };
            return Finish { outcome, cost: vivarium_types::MicroUsd::ZERO };
        }
        let briefed = match self.brief(grant, held, resident, &chosen).await {
            Ok(briefing) => self.within_budget((grant, held, resident), chosen, briefing).await,
            Err(exit) => Err(exit),
        };
        let (chosen, briefing) = match briefed {
            Ok(briefed) => briefed,
            Err(exit) => return self.unstarted(exit, held),
        };
        let mut cycle = Cycle {
            grant,
            held,
            resident,
            began: self.clock.now(),
            tally: Tally { model: chosen.model.clone(), ..Tally::default() },
            deeds: Deeds::new(self.roots(), briefing.worst, Self::signalled(&briefing)),
            messages: prompt::first(&briefing),
            mark: briefing.mark.clone(),
            chosen,
            repaired: false,
            idle_steps: 0,
            warned: false,
        };
        if let Err(exit) = self.start(&cycle, &briefing).await {
            return self.unstarted(exit, held);
        }
        let outcome = match self.steps(&mut cycle).await {
            Ok(outcome) => outcome,
            Err(Exit::TimeUp) => cycle.limited(),
            Err(Exit::Budget(_)) if cycle.tally.steps > 1 => cycle.limited(),
            Err(exit) => self.outcome_of(exit, held, cycle.tally.steps),
        };
        self.hub.end(grant.cycle);
        self.close(grant, cycle.tally, outcome).await
    }

    /// Which of a provider's models a task calls for: plain work goes to the small ones, and one tier
    /// up after a rejection.
    fn tier(&self, grant: &Grant) -> Tier {
        let task = &grant.task;
        let complexity = self.actions.complexity(&format!("{} {}", task.title, task.instruction));
        let small = complexity <= COMPLEXITY_SMALL_MAX && task.feedback.is_empty();
        if small { Tier::Small } else { Tier::Large }
    }

    /// The model that was chosen, or a small one where the first call of a large one is beyond what can
    /// be reserved now. A model that the task itself names stays.
    async fn within_budget(
        &self,
        (grant, held, resident): (&Grant, &Held, ResidentId),
        chosen: Chosen,
        briefing: Briefing,
    ) -> Result<(Chosen, Briefing), Exit> {
        let named = !grant.task.model.is_empty() || self.replay.is_some();
        if named || self.tier(grant) == Tier::Small {
            return Ok((chosen, briefing));
        }
        let speaker = Speaker { grant, held, chosen: &chosen, kind: Kind::Task };
        let wish = self.first_wish(speaker, &prompt::first(&briefing));
        let day = self.clock.now().utc_day();
        let asked = self.ledger.ask(move |state| state.budget().reserve(wish, day).is_ok());
        if asked.await.map_err(Exit::fault)? {
            return Ok((chosen, briefing));
        }
        match self.choose("", Tier::Small) {
            Ok(small) if small.model != chosen.model => {
                tracing::info!(task = %grant.task.id, model = small.model, "a small model fits the budget");
                let briefing = self.brief(grant, held, resident, &small).await?;
                Ok((small, briefing))
            }
            Ok(_) | Err(_) => Ok((chosen, briefing)),
        }
    }

    /// What of a briefing bears signs of an injection and is shown all the same.
    fn signalled(briefing: &Briefing) -> Signalled {
        let mut signalled = Signalled::default();
        for piece in briefing.pieces.iter().filter(|piece| piece.signs > 0 && !piece.quarantined) {
            signalled.keep(&piece.text);
        }
        signalled
    }

    fn unstarted(&self, exit: Exit, held: &Held) -> Finish {
        let outcome = self.outcome_of(exit, held, 0);
        Finish { outcome, cost: vivarium_types::MicroUsd::ZERO }
    }

    async fn brief(
        &self,
        grant: &Grant,
        held: &Held,
        resident: ResidentId,
        chosen: &Chosen,
    ) -> Result<Briefing, Exit> {
        if let Some(replay) = &self.replay {
            return self.assembled(grant, resident, chosen, replay.parts());
        }
        let parts = self.parts_done(grant, held).await?;
        // A small window holds the task, its rules and its feedback alone.
        let mut others = match chosen.class {
            Class::Embedded => Vec::new(),
            Class::Remote => {
                let asked = Asked {
                    resident,
                    kind: Kind::Task,
                    task: grant.task.id,
                    query: &grant.task.title,
                    terse: false,
                };
                let capability = held.capability();
                let parts = tokio::select! {
                    biased;
                    () = held.stopped() => return Err(Exit::Stopped),
                    parts = self.society.briefing(asked, &capability) => parts,
                };
                parts.map_err(|refused| {
                    let (Refused::Rule { reason, why } | Refused::Failed { reason, why }) = refused;
                    tracing::warn!(reason, why, "no briefing from society");
                    Exit::failed(FailureClass::Transient, format!("no briefing: {reason}"))
                })?
            }
        };
        others.extend(parts);
        self.assembled(grant, resident, chosen, others)
    }

    fn assembled(
        &self,
        grant: &Grant,
        resident: ResidentId,
        chosen: &Chosen,
        others: Vec<Part>,
    ) -> Result<Briefing, Exit> {
        let programs = if may_run(&grant.mode) { self.commands.offered() } else { None };
        let material = Material {
            grant,
            resident,
            class: chosen.class,
            window_tokens: chosen.window_tokens,
            actions: &self.actions,
            programs: programs.as_deref(),
            policy: &self.policy,
        };
        briefing::assemble(material, others).map_err(|too_large| {
            let briefing::TooLarge { tokens, max } = too_large;
            let message =
                format!("rules, task and feedback are about {tokens} model tokens, {max} fit");
            Exit::failed(FailureClass::InputTooLarge, message)
        })
    }

    /// What the parts of a split task have come to, as its integration reads it.
    async fn parts_done(&self, grant: &Grant, held: &Held) -> Result<Vec<Part>, Exit> {
        let done = &grant.family.parts_done;
        let shown_max = PARTS_LENGTH_MAX / done.len().max(1);
        let mut parts = Vec::new();
        for done in done {
            let work = self.submitted(held, done.submission, "document of a part").await?;
            let paths: Vec<&str> = work.pages.iter().map(|page| page.path.as_str()).collect();
            let pages = work.pages.iter().map(|page| page.body.as_str());
            let body = pages.chain([work.answer.as_str()]).collect::<Vec<_>>().join("\n");
            let body: String = body.trim().chars().take(shown_max).collect();
            parts.push(Part {
                section: "documents".to_owned(),
                source: format!("review:{}", done.submission),
                label: Label::Peer,
                slot: Slot::Data,
                text: format!("Part \"{}\" (whole at {}):\n{body}", done.title, paths.join(", ")),
                private: false,
            });
        }
        Ok(parts)
    }

    async fn start(&self, cycle: &Cycle<'_>, briefing: &Briefing) -> Result<(), Exit> {
        let Cycle { grant, chosen, .. } = cycle;
        let mut texts = self.ledger.texts();
        let mut fragments = Vec::new();
        for piece in &briefing.pieces {
            let text = if piece.private {
                self.sealed(&mut texts, &piece.text)?
            } else {
                texts.plain(&piece.text)
            };
            let size_tokens = u32::try_from(briefing::tokens(&piece.text)).unwrap_or(u32::MAX);
            fragments.push(Fragment {
                section: piece.section.to_owned(),
                source: piece.source.clone(),
                label: piece.label,
                slot: piece.slot,
                text,
                size_tokens,
                cut: piece.cut,
                quarantined: piece.quarantined,
            });
        }
        let started = Started {
            cycle: grant.cycle,
            lease: grant.lease,
            fencing_token: grant.token,
            control_epoch: grant.control_epoch,
            instance: self.instance,
            kind: Kind::Task,
            task: Some(grant.task.id),
            attempt: grant.attempt,
            attempt_number: grant.attempt_number,
            resident: grant.resident,
            submission: None,
            provider: chosen.provider.clone(),
            class: Some(chosen.class),
            model: chosen.model.clone(),
            fragments,
            briefing_hash: super::call::hash_of(&cycle.messages),
            mode: grant.mode.clone(),
            given: Some(Self::given(grant, chosen, &mut texts)),
        };
        let actor = Actor::Resident(cycle.resident);
        let command = Command::StartCycle(Box::new(started));
        match self.record_as(actor, command, texts.into_rows()).await {
            Ok(()) => Ok(()),
            Err(vivarium_ledger::Error::Refused(Rejection::CycleKnown(_))) => Err(Exit::Stopped),
            Err(error) => Err(Exit::fault(error)),
        }
    }

    async fn steps(&self, cycle: &mut Cycle<'_>) -> Result<Outcome, Exit> {
        let limits = &self.actions.limits;
        while cycle.tally.steps < limits.steps && cycle.idle_steps < limits.steps_without_effect {
            let limit = cycle.left(self.clock.now());
            let speaker = Speaker {
                grant: cycle.grant,
                held: cycle.held,
                chosen: &cycle.chosen,
                kind: Kind::Task,
            };
            let messages = cycle.messages.clone();
            let text = self.call(speaker, &mut cycle.tally, messages, limit).await?;
            let read = reply::read(&text);
            cycle.messages.push(Message { role: Role::Assistant, text });
            let outcome = match read {
                Read::Object(reply) => self.act_on(cycle, reply).await?,
                Read::Prose(prose) => self.take_prose(cycle, prose).await?,
                Read::Broken(why) => cycle.repair(&why)?,
            };
            if let Some(outcome) = outcome {
                return Ok(outcome);
            }
            self.warn(cycle);
        }
        Ok(cycle.limited())
    }

    async fn act_on(
        &self,
        cycle: &mut Cycle<'_>,
        reply: crate::domain::action::Reply,
    ) -> Result<Option<Outcome>, Exit> {
        let stage = stage(cycle.grant, cycle.held, cycle.resident, cycle.tally.steps);
        let done = reply.done;
        let performing = self.perform(stage, &mut cycle.tally, &mut cycle.deeds, reply.actions);
        let (receipts, ending) = performing.await?;
        let accepted = |receipt: &Receipt| receipt.status.is_accepted();
        let effect = receipts.iter().any(accepted);
        cycle.idle_steps = if effect { 0 } else { cycle.idle_steps + 1 };
        match ending {
            Some(Ending::Finished { summary, answer }) => {
                return Ok(Some(cycle.finished(How::Finished, summary, answer)));
            }
            Some(Ending::Split(plan)) => return Ok(Some(cycle.split(plan))),
            Some(Ending::Declined { reason }) => return Ok(Some(Outcome::Declined { reason })),
            Some(Ending::Waits { letter }) => return Ok(Some(Outcome::Waits { letter })),
            Some(Ending::Asks { program }) => {
                let (rule, hash) = (program::ASKS.to_owned(), Sha256::digest(&program).into());
                return Ok(Some(Outcome::Blocked { rule, held: true, hash, program }));
            }
            Some(Ending::Repeating) => return Ok(Some(cycle.limited())),
            None => {}
        }
        let refused = receipts.iter().any(|receipt| !accepted(receipt));
        if done && !refused && !cycle.deeds.drafts.is_empty() {
            // It wants no further step and has staged what was asked for.
            return Ok(Some(cycle.finished(How::Finished, reply.note, String::new())));
        }
        let text = self.receipts_told(&receipts, &cycle.mark);
        cycle.messages.push(Message { role: Role::User, text });
        Ok(None)
    }

    async fn take_prose(
        &self,
        cycle: &mut Cycle<'_>,
        prose: String,
    ) -> Result<Option<Outcome>, Exit> {
        let length = prose.chars().count();
        match cycle.grant.task.kind {
            TaskKind::Docs | TaskKind::Plan
                if cycle.deeds.drafts.is_empty() && length >= PROSE_LENGTH_MIN =>
            {
                let document = Document {
                    path: String::new(),
                    title: reply::title_of(&prose, &cycle.grant.task.title),
                    body: prose,
                    tags: Vec::new(),
                    base_version: 0,
                };
                let stage = stage(cycle.grant, cycle.held, cycle.resident, cycle.tally.steps);
                let (tally, deeds) = (&mut cycle.tally, &mut cycle.deeds);
                let receipt = self.stage_prose(stage, tally, deeds, &document).await?;
                if receipt.status == ReceiptStatus::Done {
                    return Ok(Some(cycle.finished(How::AsProse, String::new(), String::new())));
                }
                if receipt.status == ReceiptStatus::Failed {
                    let message = format!("the document was not staged: {}", receipt.reason);
                    return Err(Exit::failed(FailureClass::Transient, message));
                }
                cycle.repair(&format!("the document was refused: {}", receipt.result))
            }
            // A resident that is asked for words and answers in words has answered.
            TaskKind::Answer if (1..=ANSWER_LENGTH_MAX).contains(&length) => {
                Ok(Some(cycle.finished(How::AsProse, String::new(), prose)))
            }
            TaskKind::Docs | TaskKind::Plan | TaskKind::Answer => {
                let why = if cycle.deeds.drafts.is_empty() {
                    format!("{length} characters of prose are no document")
                } else {
                    "with a document staged, the reply must be one JSON object".to_owned()
                };
                cycle.repair(&why)
            }
        }
    }

    fn receipts_told(&self, receipts: &[Receipt], mark: &str) -> String {
        let shown_max = self.actions.limits.receipt_chars;
        let mut text = String::from("Receipts:");
        for receipt in receipts {
            let Receipt { id, action, status, reason, price, balance, .. } = receipt;
            text.extend(["\n", id, " ", action, ": ", status.word()]);
            if !reason.is_empty() {
                text.extend([" (", reason, ")"]);
            }
            if let Some(balance) = balance {
                text.extend([", price ", &price.to_string(), ", balance ", &balance.to_string()]);
            }
            let length = receipt.result.chars().count();
            let shown: String = receipt.result.chars().take(shown_max).collect();
            if !shown.is_empty() {
                text.extend(["\n", &prompt::fenced(&shown, action, "tool", mark)]);
            }
            if length > shown_max {
                text.extend(["\nThe rest: read with root receipt:", id, "."]);
            }
        }
        text.push_str("\nGo on, or finish.");
        text
    }

    /// Announces the wind-down once.
    fn warn(&self, cycle: &mut Cycle<'_>) {
        let limits = &self.actions.limits;
        let steps = limits.steps.saturating_sub(cycle.tally.steps);
        let left = cycle.left(self.clock.now());
        let budget = cycle.grant.task.budget_max.get();
        let budget_left = budget.saturating_sub(cycle.tally.cost.get());
        let poor = cycle.tally.cost.get() > 0
            && budget_left.saturating_mul(1_000)
                < budget.saturating_mul(limits.wind_down_budget_permille);
        let late = left < Duration::from_secs(limits.wind_down_seconds);
        if cycle.warned || !(steps <= limits.wind_down_steps || poor || late) {
            return;
        }
        cycle.warned = true;
        if let Some(last) = cycle.messages.last_mut() {
            // No figure of seconds: the same record has to bring the same words again.
            let why = match (late, poor) {
                (true, _) => ", and the time is nearly up",
                (false, true) => ", and the budget is nearly spent",
                (false, false) => "",
            };
            last.text.extend(["\nWind down: ", &steps.to_string(), " steps are left", why]);
            last.text.push_str(". Remember what matters and finish.");
        }
    }
}

impl Cycle<'_> {
    fn left(&self, now: Timestamp) -> Duration {
        self.grant.task.run_limit.saturating_sub(now.since(self.began))
    }

    /// Asks once for another form; the second time is the end.
    fn repair(&mut self, why: &str) -> Result<Option<Outcome>, Exit> {
        if self.repaired {
            if self.deeds.drafts.is_empty() {
                return Err(Exit::failed(FailureClass::InvalidOutput, why));
            }
            return Ok(Some(self.limited()));
        }
        self.repaired = true;
        let expected = match (self.grant.task.kind, self.deeds.drafts.is_empty()) {
            (TaskKind::Docs | TaskKind::Plan, true) => {
                "the whole document in Markdown (at least 200 characters), or one JSON object"
            }
            (TaskKind::Answer, true) => "the answer in words, or one JSON object",
            (TaskKind::Docs | TaskKind::Plan | TaskKind::Answer, false) => "one JSON object",
        };
        let text = format!("This reply cannot be used: {why}. Reply again with {expected}.");
        self.messages.push(Message { role: Role::User, text });
        Ok(None)
    }

    fn finished(&self, how: How, summary: String, answer: String) -> Outcome {
        Outcome::Finished(Box::new(self.evidence(how, summary, answer)))
    }

    fn evidence(&self, how: How, summary: String, answer: String) -> Evidence {
        let usage = self.tally.usage;
        Evidence {
            summary,
            answer,
            documents: self.tally.documents.clone(),
            how,
            steps: self.tally.steps,
            model_tokens: usage.input_tokens.saturating_add(usage.output_tokens),
            model: self.tally.model.clone(),
            embedded: self.chosen.class == Class::Embedded,
            plan: None,
        }
    }

    /// Ended by a plan: what was staged on the way is no result.
    fn split(&self, plan: Plan) -> Outcome {
        let evidence = self.evidence(How::Split, String::new(), String::new());
        let (documents, plan) = (Vec::new(), Some(plan));
        Outcome::Finished(Box::new(Evidence { documents, plan, ..evidence }))
    }

    /// Ended by a limit: what was staged is put up for review.
    fn limited(&self) -> Outcome {
        if self.deeds.drafts.is_empty() {
            return Outcome::Failed {
                class: FailureClass::InvalidOutput,
                message: "a limit was reached and nothing was staged".to_owned(),
                retry_after: None,
            };
        }
        self.finished(How::ByLimit, String::new(), String::new())
    }
}

const fn stage<'a>(grant: &'a Grant, held: &'a Held, resident: ResidentId, step: u32) -> Stage<'a> {
    Stage { grant, held, resident, step }
}

fn looked_at(grant: &Grant) -> Vec<policy::Part<'_>> {
    let task = &grant.task;
    let part = |place, text, negated| policy::Part { place, text, negated };
    let mut parts = vec![
        part("title", task.title.as_str(), false),
        part("instruction", task.instruction.as_str(), false),
    ];
    parts.extend(task.constraints.iter().map(|text| part("constraints", text.as_str(), false)));
    parts.extend(task.preferences.iter().map(|text| part("preferences", text.as_str(), false)));
    parts.extend(task.anti_goals.iter().map(|text| part("anti_goals", text.as_str(), true)));
    // What is said in this world of earlier attempts can hold up nothing; what came from elsewhere
    // is for the human.
    let brought = task.feedback.iter().rev().take(task.feedback_brought);
    parts.extend(brought.map(|text| part("feedback", text.as_str(), true)));
    parts
}
