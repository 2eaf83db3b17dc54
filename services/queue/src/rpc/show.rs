//! What the queue knows as answers.

use vivarium_proto::queue::v1 as pb;
use vivarium_types::ids::ResidentId;

use super::convert::Intent;
use super::wire_time as moment;
use crate::domain::Queue;
use crate::domain::event::write;
use crate::domain::explain::Explanation;
use crate::domain::level::{Consent, HeldProgram};
use crate::domain::order::WaitReason;
use crate::domain::signals::Signals;
use crate::domain::task::{Awaits, State, Task};
use crate::domain::world::{Halt, World};
use crate::views::{Attempt, Record};

/// What was written about a task.
pub(super) struct Words {
    pub(super) title: String,
    pub(super) instruction: String,
    /// Constraints, preferences, anti-goals and metadata, as JSON; empty when it has none.
    pub(super) intent: String,
}

/// A task of the read models without attempts, feedback and dependents.
pub(super) fn record(record: Record, waits: Option<WaitReason>) -> pb::Task {
    let Record { sequence: _, task, title, instruction, intent } = record;
    self::task(&task, Words { title, instruction, intent }, waits)
}

/// A task without attempts, feedback and dependents.
pub(super) fn task(task: &Task, words: Words, waits: Option<WaitReason>) -> pb::Task {
    let Words { title, instruction, intent } = words;
    let intent: Intent = serde_json::from_str(&intent).unwrap_or_default();
    let spec = pb::TaskSpec {
        title,
        instruction,
        constraints: intent.constraints,
        preferences: intent.preferences,
        anti_goals: intent.anti_goals,
        metadata: intent.metadata.into_iter().collect(),
        ..write::spec(task.spec())
    };
    let awaits = task.awaits.filter(|_| task.state == State::AwaitingHuman);
    let failure = task.failure.as_ref();
    let waiting = matches!(task.state, State::Queued | State::Requeued);
    pb::Task {
        task_id: task.id().to_string(),
        spec: Some(spec),
        state: write::state(task.state).into(),
        wait_reason: waits.map_or(pb::WaitReason::Unspecified, wait_reason).into(),
        awaits: awaits.map(|why| why.word().to_owned()).unwrap_or_default(),
        submitter: task.added.submitter.clone(),
        added_time: Some(moment(task.added_time)),
        changed_time: Some(moment(task.changed_time)),
        start_time: task.start.filter(|_| waiting).map(|(start, _)| moment(start)),
        attempt_count: task.attempt_count,
        rejection_count: task.rejection_count,
        attempts: Vec::new(),
        feedback: Vec::new(),
        cost_micro_usd: task.cost.get(),
        failure_class: failure.map(|f| f.class.word().to_owned()).unwrap_or_default(),
        failure_message: failure.map(|f| f.message.clone()).unwrap_or_default(),
        dependency_ids: task.added.dependencies.iter().map(ToString::to_string).collect(),
        dependent_ids: Vec::new(),
        etag: task.revision.to_string(),
        series: task.series,
        submission_id: write::or_empty(task.submission),
        revision: task.revision,
        recurrence: task.added.recurrence.clone().unwrap_or_default(),
        parent_id: write::or_empty(task.added.parent.as_ref().map(|parent| parent.task)),
        depth: task.depth(),
        child_ids: task.children.iter().map(ToString::to_string).collect(),
        proposal_hash: if task.proposed { task.proposal_hash().0.to_vec() } else { Vec::new() },
        why: String::new(),
        split_hint: None,
        feedback_brought: u32::try_from(task.brought).unwrap_or(u32::MAX),
        held_program: String::new(),
        held_program_hash: held_program(task).map(|held| held.hash.0.to_vec()).unwrap_or_default(),
        reference_statuses: task.reference().iter().map(|it| it.word().to_owned()).collect(),
    }
}

/// The program that a task is held for now.
fn held_program(task: &Task) -> Option<&HeldProgram> {
    let held = task.state == State::AwaitingHuman && task.awaits == Some(Awaits::Held);
    task.held_program.as_deref().filter(|_| held)
}

/// What a resident may do beyond documents, by consent.
pub(super) fn resident_level(resident: ResidentId, consent: Consent) -> pb::ResidentLevel {
    pb::ResidentLevel {
        resident_id: resident.to_string(),
        level: write::mode(consent.level).into(),
        end_time: Some(moment(consent.end)),
        after_texts: consent.after_texts,
    }
}

/// Signs that a task asks for several things.
pub(super) fn split_hint(signals: Signals) -> pb::SplitHint {
    pb::SplitHint { signal_count: signals.count, parts: signals.parts }
}

/// Why a task does not run.
pub(super) fn explanation(explanation: &Explanation) -> pb::Explanation {
    let reason = explanation.reason.map_or(pb::WaitReason::Unspecified, wait_reason);
    pb::Explanation {
        task_id: explanation.task.to_string(),
        key: explanation.key.clone().unwrap_or_default(),
        state: write::state(explanation.state).into(),
        wait_reason: reason.into(),
        text: explanation.sentence(),
        until_time: explanation.until.map(moment),
        blocking_task_ids: explanation.blocking.iter().map(ToString::to_string).collect(),
    }
}

/// An attempt.
pub(super) fn attempt(attempt: Attempt) -> pb::Attempt {
    pb::Attempt {
        attempt_id: attempt.id,
        number: attempt.number,
        lease_id: attempt.lease,
        cycle_id: attempt.cycle,
        resident_id: attempt.resident,
        start_time: Some(moment(attempt.start)),
        end_time: attempt.end.map(moment),
        outcome: attempt.outcome,
        failure_class: attempt.class,
        cost_micro_usd: attempt.cost_micro_usd,
        submission_id: attempt.submission,
        fencing_token: attempt.token,
    }
}

/// The controls, but for the words of a halt's reason and the limits.
pub(super) fn controls(world: &World) -> pb::Controls {
    let (pace, wait_seconds) = write::pace(world.pace);
    pb::Controls {
        control_epoch: world.control_epoch,
        halted: world.halted(),
        halt: world.halt.as_ref().map(note),
        pace: pace.into(),
        wait_seconds,
        steps_left: world.steps_left,
        mode: write::mode(world.mode).into(),
        day_length: Some(write::span(world.calendar.next_day_length)),
        rest_day_on: world.calendar.rest_day_on,
        limits: None,
    }
}

/// Where the world's own time stands.
pub(super) fn calendar(queue: &Queue) -> pb::Calendar {
    let calendar = &queue.world.calendar;
    let begun = calendar.day > 0;
    pb::Calendar {
        day: calendar.day,
        week: if begun { calendar.week() } else { 0 },
        weekday: if begun { u32::try_from(calendar.weekday()).unwrap_or(0) } else { 0 },
        rest_day: calendar.rest_day(),
        into_day: Some(write::span(queue.since_day_began())),
        moving: queue.moving(),
    }
}

/// Connected runners.
pub(super) fn runners(queue: &Queue) -> Vec<pb::Runner> {
    let connected = |name: &&String| queue.volatile.connections.contains_key(*name);
    let runners = queue.runners.iter().filter(|(name, _)| connected(name));
    runners
        .map(|(name, runner)| {
            let busy = queue.leases.values().filter(|lease| lease.granted.runner == *name).count();
            pb::Runner {
                instance_id: runner.instance.to_string(),
                name: name.clone(),
                slots: runner.slots,
                busy: u32::try_from(busy).unwrap_or(u32::MAX),
            }
        })
        .collect()
}

/// A halt, but for the words of its reason.
fn note(halt: &Halt) -> pb::HaltNote {
    pb::HaltNote {
        actor: halt.actor.to_string(),
        reason: String::new(),
        halt_time: Some(moment(halt.time)),
    }
}

/// What a resume answers about the halt that it ended.
pub(super) fn resumed(queue: &Queue, sequence: u64) -> pb::ResumeResponse {
    let halt = queue.world.last_halt.as_ref().map(|(halt, _)| halt);
    let silent = halt.into_iter().flat_map(|halt| halt.runners.iter());
    let silent = silent.filter(|(_, ack)| ack.is_none()).map(|(name, _)| name.clone());
    pb::ResumeResponse {
        position: Some(super::position(sequence)),
        control_epoch: queue.world.control_epoch,
        leases_revoked: halt
            .map_or(0, |halt| u32::try_from(halt.revoked.len()).unwrap_or(u32::MAX)),
        unconfirmed_runners: silent.collect(),
    }
}

/// What the halt in force stopped, or the last one, but for the words of its reason and the signature;
/// and where those words lie.
pub(super) fn halt_receipt(world: &World) -> Option<(pb::GetHaltReceiptResponse, String)> {
    let last = || world.last_halt.as_ref().map(|(halt, resumed)| (halt, Some(*resumed)));
    let (halt, resumed) = world.halt.as_ref().map(|halt| (halt, None)).or_else(last)?;
    let runners = halt.runners.iter().map(|(name, ack)| pb::RunnerReceipt {
        name: name.clone(),
        confirmed: ack.is_some(),
        calls_cancelled: ack.as_ref().map_or(0, |ack| ack.calls_cancelled),
        processes_ended: ack.as_ref().map_or(0, |ack| ack.processes_ended),
        stopped_time: ack.as_ref().map(|ack| moment(ack.stopped)),
    });
    let receipt = pb::GetHaltReceiptResponse {
        control_epoch: halt.control_epoch,
        halt: Some(note(halt)),
        runners: runners.collect(),
        revoked_lease_ids: halt.revoked.iter().map(ToString::to_string).collect(),
        resume_time: resumed.map(moment),
        ..Default::default()
    };
    Some((receipt, halt.reason.id.clone()))
}

const fn wait_reason(reason: WaitReason) -> pb::WaitReason {
    match reason {
        WaitReason::Halted => pb::WaitReason::Halted,
        WaitReason::Paused => pb::WaitReason::Paused,
        WaitReason::Pace => pb::WaitReason::Pace,
        WaitReason::RestDay => pb::WaitReason::RestDay,
        WaitReason::NotBefore => pb::WaitReason::NotBefore,
        WaitReason::BackOff => pb::WaitReason::BackOff,
        WaitReason::Dependency => pb::WaitReason::Dependency,
        WaitReason::DependencyFailed => pb::WaitReason::DependencyFailed,
        WaitReason::Budget => pb::WaitReason::Budget,
        WaitReason::Rate => pb::WaitReason::Rate,
        WaitReason::Exclusive => pb::WaitReason::Exclusive,
        WaitReason::ConcurrencyKey => pb::WaitReason::ConcurrencyKey,
        WaitReason::Specialization => pb::WaitReason::Specialization,
        WaitReason::ResidentBusy => pb::WaitReason::ResidentBusy,
        WaitReason::NoResident => pb::WaitReason::NoResident,
        WaitReason::NoProvider => pb::WaitReason::NoProvider,
        WaitReason::NoRunner => pb::WaitReason::NoRunner,
    }
}
