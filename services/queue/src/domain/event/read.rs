//! Published events as ours again. Fields that are not set read as what they meant when they came.

use std::str::FromStr;
use std::time::Duration;

use vivarium_ledger::{FactNote, TextRef};
use vivarium_proto::ledger::v1 as ledger_pb;
use vivarium_proto::queue::v1 as pb;
use vivarium_proto::queue::v1::queue_event::Event as Body;
use vivarium_proto::review::v1::Profile;
use vivarium_proto::wkt;
use vivarium_types::source::Hash;
use vivarium_types::{Hat, MicroUsd, Timestamp};

use super::{
    Approved, CritiqueOutcome, Day, End, Event, Failed, Finished, HaltAck, NotAnEvent, Requeued,
    ReturnedFor, RevokedFor, Staged, Wire, Work,
};
use crate::domain::effect::{Effect, Recorded};
use crate::domain::lease::{Granted, Purpose};
use crate::domain::level::Consent;
use crate::domain::limits::{Limit, Limits};
use crate::domain::propose::{Origin, Proposed};
use crate::domain::recurrence::{Created, Fired, Next, Schedule, Standing, Steered};
use crate::domain::retry::Class;
use crate::domain::runner::Left;
use crate::domain::split::{Part, Plan, Split};
use crate::domain::task::{
    Added, Awaits, Edited, Kind, Mode as TaskMode, OnFailure, Parent, Spec, State, Thoroughness,
};
use crate::domain::world::{Mode, Pace};

type Read<T> = Result<T, NotAnEvent>;

impl TryFrom<Wire> for Event {
    type Error = NotAnEvent;

    #[expect(clippy::too_many_lines, reason = "one arm an event, none with logic")]
    fn try_from(wire: Wire) -> Read<Self> {
        Ok(match wire.event.ok_or(NotAnEvent("event"))? {
            Body::TaskAdded(e) => Self::TaskAdded(Box::new(added(e)?)),
            Body::TaskReady(e) => {
                Self::TaskReady { task: id("task_id", &e.task_id)?, state: ready_state(e.state)? }
            }
            Body::LeaseGranted(e) => Self::LeaseGranted(Box::new(granted(e)?)),
            Body::AttemptFinished(e) => Self::AttemptFinished(Box::new(finished(e)?)),
            Body::AttemptDeclined(e) => Self::AttemptDeclined {
                end: end(&e.task_id, &e.attempt_id, &e.lease_id)?,
                resident: id("resident_id", &e.resident_id)?,
                reason: text("reason", e.reason)?,
                cost: MicroUsd::new(e.cost_micro_usd),
            },
            Body::AttemptWaits(e) => Self::AttemptWaits {
                end: end(&e.task_id, &e.attempt_id, &e.lease_id)?,
                resident: optional("resident_id", &e.resident_id)?,
                letter: e.letter_id,
                cost: MicroUsd::new(e.cost_micro_usd),
            },
            Body::AttemptFailed(e) => Self::AttemptFailed {
                end: end(&e.task_id, &e.attempt_id, &e.lease_id)?,
                resident: optional("resident_id", &e.resident_id)?,
                class: class(e.failure_class).ok_or(NotAnEvent("failure_class"))?,
                message: e.message,
                retry: e.retry_time.map(moment),
                cost: MicroUsd::new(e.cost_micro_usd),
            },
            Body::AttemptReturned(e) => Self::AttemptReturned {
                end: end(&e.task_id, &e.attempt_id, &e.lease_id)?,
                why: ReturnedFor::of(&e.reason).ok_or(NotAnEvent("reason"))?,
                scope: e.scope,
                retry: moment(e.retry_time.ok_or(NotAnEvent("retry_time"))?),
            },
            Body::AttemptBlocked(e) => Self::AttemptBlocked {
                end: end(&e.task_id, &e.attempt_id, &e.lease_id)?,
                rule: e.rule,
                held: e.held,
                hash: hash("hash", &e.hash)?,
                program: optional_text("program", e.program)?,
                cost: MicroUsd::new(e.cost_micro_usd),
            },
            Body::AttemptHalted(e) => Self::AttemptHalted {
                end: end(&e.task_id, &e.attempt_id, &e.lease_id)?,
                control_epoch: e.control_epoch,
            },
            Body::AttemptRevoked(e) => Self::AttemptRevoked {
                end: end(&e.task_id, &e.attempt_id, &e.lease_id)?,
                why: [RevokedFor::Cancelled, RevokedFor::Paused]
                    .into_iter()
                    .find(|why| why.word() == e.reason)
                    .ok_or(NotAnEvent("reason"))?,
            },
            Body::TaskAwaitsHuman(e) => Self::TaskAwaitsHuman {
                task: id("task_id", &e.task_id)?,
                why: Awaits::ALL
                    .into_iter()
                    .find(|why| why.word() == e.reason)
                    .ok_or(NotAnEvent("reason"))?,
            },
            Body::TaskApproved(e) => Self::TaskApproved(Box::new(approved(e)?)),
            Body::TaskRequeued(e) => Self::TaskRequeued(Box::new(requeued(e)?)),
            Body::TaskFailed(e) => Self::TaskFailed(Box::new(failed(e)?)),
            Body::TaskPaused(e) => Self::TaskPaused { task: id("task_id", &e.task_id)? },
            Body::TaskResumed(e) => Self::TaskResumed {
                task: id("task_id", &e.task_id)?,
                state: state(e.state).ok_or(NotAnEvent("state"))?,
            },
            Body::TaskCancelled(e) => Self::TaskCancelled {
                task: id("task_id", &e.task_id)?,
                reason: optional_text("reason", e.reason)?,
            },
            Body::TaskReopened(e) => Self::TaskReopened {
                task: id("task_id", &e.task_id)?,
                state: state(e.state).ok_or(NotAnEvent("state"))?,
                series: e.series,
            },
            Body::CritiqueQueued(e) => Self::CritiqueQueued {
                submission: id("submission_id", &e.submission_id)?,
                task: id("task_id", &e.task_id)?,
            },
            Body::CritiqueEnded(e) => Self::CritiqueEnded {
                submission: id("submission_id", &e.submission_id)?,
                lease: id("lease_id", &e.lease_id)?,
                outcome: CritiqueOutcome::ALL
                    .into_iter()
                    .find(|outcome| outcome.word() == e.outcome)
                    .ok_or(NotAnEvent("outcome"))?,
                retry: e.retry_time.map(moment),
            },
            Body::HaltSet(e) => Self::HaltSet {
                control_epoch: e.control_epoch,
                reason: text("reason", e.reason)?,
                runners: e.runners,
            },
            Body::Resumed(e) => Self::Resumed {
                control_epoch: e.control_epoch,
                reason: optional_text("reason", e.reason)?,
            },
            Body::HaltAcknowledged(e) => Self::HaltAcknowledged(HaltAck {
                control_epoch: e.control_epoch,
                runner: e.runner,
                calls_cancelled: e.calls_cancelled,
                processes_ended: e.processes_ended,
                stopped: moment(e.stopped_time.ok_or(NotAnEvent("stopped_time"))?),
            }),
            Body::PaceSet(e) => Self::PaceSet {
                control_epoch: e.control_epoch,
                pace: pace(e.pace, e.wait_seconds).ok_or(NotAnEvent("pace"))?,
                reason: optional_text("reason", e.reason)?,
            },
            Body::StepsBought(e) => {
                Self::StepsBought { control_epoch: e.control_epoch, steps_left: e.steps_left }
            }
            Body::ModeSet(e) => Self::ModeSet {
                control_epoch: e.control_epoch,
                mode: mode(e.mode).ok_or(NotAnEvent("mode"))?,
                reason: optional_text("reason", e.reason)?,
            },
            Body::ResidentLevelSet(e) => Self::ResidentLevelSet {
                control_epoch: e.control_epoch,
                resident: id("resident_id", &e.resident_id)?,
                consent: Consent {
                    level: mode(e.level).ok_or(NotAnEvent("level"))?,
                    end: moment(e.end_time.ok_or(NotAnEvent("end_time"))?),
                    after_texts: e.after_texts,
                },
                reason: text("reason", e.reason)?,
            },
            Body::ProgramDecided(e) => Self::ProgramDecided {
                task: id("task_id", &e.task_id)?,
                state: state(e.state).ok_or(NotAnEvent("state"))?,
                hash: hash("hash", &e.hash)?,
                allowed: e.allowed,
                feedback: optional_text("feedback", e.feedback)?,
            },
            Body::CalendarSet(e) => Self::CalendarSet {
                control_epoch: e.control_epoch,
                day_length: span("day_length", e.day_length)?,
                rest_day_on: e.rest_day_on,
                reason: optional_text("reason", e.reason)?,
            },
            Body::LimitsSet(e) => Self::LimitsSet {
                control_epoch: e.control_epoch,
                limits: limits(&e.limits.ok_or(NotAnEvent("limits"))?),
                reason: text("reason", e.reason)?,
            },
            Body::EffectRecorded(e) => Self::EffectRecorded(Box::new(Recorded {
                task: id("task_id", &e.task_id)?,
                attempt: id("attempt_id", &e.attempt_id)?,
                lease: id("lease_id", &e.lease_id)?,
                key: e.key,
                effect: Effect {
                    attempt_number: e.attempt_number,
                    result: text("result", e.result)?,
                },
            })),
            Body::DayStarted(e) => Self::DayStarted(Day {
                day: e.day,
                week: e.week,
                weekday: e.weekday,
                rest_day: e.rest_day,
            }),
            Body::WorldTimeNoted(e) => Self::WorldTimeNoted { world_time_us: e.world_time_us },
            Body::RunnerJoined(e) => Self::RunnerJoined {
                runner: e.runner,
                instance: id("instance_id", &e.instance_id)?,
                slots: e.slots,
            },
            Body::RunnerLeft(e) => Self::RunnerLeft {
                runner: e.runner,
                instance: id("instance_id", &e.instance_id)?,
                why: [Left::Disconnected, Left::Exited, Left::Replaced]
                    .into_iter()
                    .find(|why| why.word() == e.reason)
                    .ok_or(NotAnEvent("reason"))?,
            },
            Body::SpecializationsNoted(e) => Self::SpecializationsNoted {
                resident: id("resident_id", &e.resident_id)?,
                specializations: e.specializations.into_iter().collect(),
            },
            Body::ResidentNoted(e) => Self::ResidentNoted {
                resident: id("resident_id", &e.resident_id)?,
                active: e.active,
                words: e.words,
            },
            Body::FactIgnored(e) => Self::FactIgnored(FactNote {
                source: e.source,
                sequence: e.sequence,
                kind: e.kind,
                reason: e.reason,
            }),
            Body::FactParked(e) => Self::FactParked(FactNote {
                source: e.source,
                sequence: e.sequence,
                kind: e.kind,
                reason: e.reason,
            }),
            Body::SegmentClosed(e) => {
                let note = e.try_into().map_err(|_| NotAnEvent("segment_closed"))?;
                Self::SegmentClosed(Box::new(note))
            }
            Body::ProviderNoted(e) => Self::ProviderNoted { usable: e.usable },
            Body::TaskEdited(e) => Self::TaskEdited(Box::new(edited(e)?)),
            Body::RecurrenceCreated(e) => Self::RecurrenceCreated(Box::new(created(e)?)),
            Body::RecurrenceFired(e) => Self::RecurrenceFired(Fired {
                key: e.key,
                number: e.number,
                due: e.due_count,
                next: next(e.next_time, e.next_day),
            }),
            Body::RecurrenceSteered(e) => Self::RecurrenceSteered(Steered {
                key: e.key,
                standing: standing(e.state)?,
                next: next(e.next_time, e.next_day),
            }),
            Body::TaskProposed(e) => Self::TaskProposed(Box::new(proposed(e)?)),
            Body::TaskAdmitted(e) => Self::TaskAdmitted {
                task: id("task_id", &e.task_id)?,
                state: state(e.state).ok_or(NotAnEvent("state"))?,
                hash: hash("proposal_hash", &e.proposal_hash)?,
            },
            Body::TaskSplit(e) => Self::TaskSplit(split(&e)?),
        })
    }
}

/// Limits that are set.
pub(crate) fn limits(wire: &pb::Limits) -> Limits {
    let value = |limit: Limit| match limit {
        Limit::OpenTasks => wire.open_tasks,
        Limit::InstructionChars => wire.instruction_chars.map(u64::from),
        Limit::ResultChars => wire.result_chars.map(u64::from),
        Limit::MetadataKeys => wire.metadata_keys.map(u64::from),
        Limit::MetadataBytes => wire.metadata_bytes.map(u64::from),
        Limit::Dependencies => wire.dependencies.map(u64::from),
        Limit::Runners => wire.runners.map(u64::from),
    };
    Limit::ALL.into_iter().filter_map(|limit| Some((limit, value(limit)?))).collect()
}

fn added(e: pb::TaskAdded) -> Read<Added> {
    Ok(Added {
        task: id("task_id", &e.task_id)?,
        spec: spec(e.spec.ok_or(NotAnEvent("spec"))?)?,
        title: text("title", e.title)?,
        instruction: text("instruction", e.instruction)?,
        intent: optional_text("intent", e.intent)?,
        dependencies: e
            .dependency_ids
            .iter()
            .map(|task| id("dependency_ids", task))
            .collect::<Read<_>>()?,
        submitter: e.submitter,
        state: state(e.state).ok_or(NotAnEvent("state"))?,
        recurrence: none_if_empty(e.recurrence),
        parent: optional("parent_id", &e.parent_id)?.map(|task| Parent {
            task,
            depth: e.depth,
            share: e.share,
        }),
    })
}

fn proposed(e: pb::TaskProposed) -> Read<Proposed> {
    Ok(Proposed {
        added: added(e.task.ok_or(NotAnEvent("task"))?)?,
        why: text("why", e.why)?,
        likeness: hash("likeness", &e.likeness)?,
        feedback: texts("feedback", e.feedback)?,
        origin: optional("proposed_in_task_id", &e.proposed_in_task_id)?
            .map(|task| {
                let ancestors = e.ancestor_likenesses.iter();
                let ancestors = ancestors.map(|bytes| hash("ancestor_likenesses", bytes));
                let ancestors = ancestors.collect::<Read<_>>()?;
                Ok(Origin { task, depth: e.depth, ancestors })
            })
            .transpose()?,
    })
}

fn split(e: &pb::TaskSplit) -> Read<Split> {
    Ok(Split {
        task: id("task_id", &e.task_id)?,
        submission: id("submission_id", &e.submission_id)?,
        children: e.child_ids.iter().map(|task| id("child_ids", task)).collect::<Read<_>>()?,
        given: MicroUsd::new(e.given_micro_usd),
    })
}

fn plan(e: pb::SplitPlan) -> Read<Plan> {
    let part = |e: pb::SplitPart| {
        Ok(Part {
            title: text("plan.title", e.title)?,
            instruction: text("plan.instruction", e.instruction)?,
            after: e.after.iter().filter_map(|place| (*place as usize).checked_sub(1)).collect(),
            share: e.share,
        })
    };
    let parts = e.parts.into_iter().map(part).collect::<Read<_>>()?;
    Ok(Plan { reason: text("plan.reason", e.reason)?, parts })
}

fn edited(e: pb::TaskEdited) -> Read<Edited> {
    Ok(Edited {
        task: id("task_id", &e.task_id)?,
        revision: e.revision,
        spec: spec(e.spec.ok_or(NotAnEvent("spec"))?)?,
        title: text("title", e.title)?,
        instruction: text("instruction", e.instruction)?,
        intent: optional_text("intent", e.intent)?,
        dependencies: e
            .dependency_ids
            .iter()
            .map(|task| id("dependency_ids", task))
            .collect::<Read<_>>()?,
        state: state(e.state).ok_or(NotAnEvent("state"))?,
        fields: e.fields.into_iter().collect(),
    })
}

fn created(e: pb::RecurrenceCreated) -> Read<Created> {
    Ok(Created {
        key: e.key,
        spec: spec(e.spec.ok_or(NotAnEvent("spec"))?)?,
        title: text("title", e.title)?,
        instruction: text("instruction", e.instruction)?,
        intent: optional_text("intent", e.intent)?,
        schedule: schedule(e.schedule).ok_or(NotAnEvent("schedule"))?,
        submitter: e.submitter,
        next: next(e.next_time, e.next_day),
    })
}

/// When a recurrence fires; `None` when the message does not say.
pub(crate) fn schedule(e: Option<pb::Schedule>) -> Option<Schedule> {
    Some(match e?.schedule? {
        pb::schedule::Schedule::Cron(pattern) => Schedule::Cron(pattern),
        pb::schedule::Schedule::EveryDays(days) => Schedule::Days(days),
    })
}

fn next(time: Option<wkt::Timestamp>, day: u64) -> Next {
    match time {
        Some(time) => Next::At(moment(time)),
        None if day > 0 => Next::Day(day),
        None => Next::Never,
    }
}

fn standing(wire: i32) -> Read<Standing> {
    match pb::RecurrenceState::try_from(wire) {
        Ok(pb::RecurrenceState::Active) => Ok(Standing::Active),
        Ok(pb::RecurrenceState::Paused) => Ok(Standing::Paused),
        Ok(pb::RecurrenceState::Ended) => Ok(Standing::Ended),
        Ok(pb::RecurrenceState::Unspecified) | Err(_) => Err(NotAnEvent("state")),
    }
}

fn spec(e: pb::TaskSpec) -> Read<Spec> {
    Ok(Spec {
        kind: kind(e.kind).ok_or(NotAnEvent("spec.kind"))?,
        mode: task_mode(e.mode).ok_or(NotAnEvent("spec.mode"))?,
        on_failure: on_failure(e.on_dependency_failure)
            .ok_or(NotAnEvent("spec.on_dependency_failure"))?,
        key: none_if_empty(e.key),
        command: e.command,
        target: none_if_empty(e.target),
        depends_on: e.depends_on,
        priority: e.priority.and_then(|p| u8::try_from(p).ok()).ok_or(NotAnEvent("priority"))?,
        parallel_safe: e.parallel_safe.unwrap_or(true),
        concurrency_key: none_if_empty(e.concurrency_key),
        concurrency_limit: e.concurrency_limit.unwrap_or(1),
        not_before: e.not_before_time.map(moment),
        deadline: e.deadline_time.map(moment),
        budget_min: MicroUsd::new(e.budget_min_micro_usd.unwrap_or(0)),
        budget_max: MicroUsd::new(e.budget_max_micro_usd.unwrap_or(0)),
        model: none_if_empty(e.model),
        resident: optional("spec.resident_id", &e.resident_id)?,
        bonus_tokens: e.bonus_tokens,
        run_limit: span("spec.run_limit", e.run_limit)?,
        tags: e.tags,
        rest_day_ok: e.rest_day_ok.unwrap_or(true),
        specialization: none_if_empty(e.specialization),
        review: thoroughness(e.review).ok_or(NotAnEvent("spec.review"))?,
        level_max: level(e.level_max).ok_or(NotAnEvent("spec.level_max"))?,
        hat: hat(&e.hat)?,
    })
}

fn granted(e: pb::LeaseGranted) -> Read<Granted> {
    Ok(Granted {
        lease: id("lease_id", &e.lease_id)?,
        attempt: optional("attempt_id", &e.attempt_id)?,
        attempt_number: e.attempt_number,
        cycle: id("cycle_id", &e.cycle_id)?,
        purpose: purpose(e.purpose).ok_or(NotAnEvent("purpose"))?,
        task: id("task_id", &e.task_id)?,
        resident: optional("resident_id", &e.resident_id)?,
        submission: optional("submission_id", &e.submission_id)?,
        runner: e.runner,
        instance: id("instance_id", &e.instance_id)?,
        ttl: span("ttl", e.ttl)?,
        control_epoch: e.control_epoch,
        day: e.day,
        level: level(e.mode).ok_or(NotAnEvent("mode"))?,
        after_texts: e.after_texts,
    })
}

fn hat(word: &str) -> Read<Option<Hat>> {
    if word.is_empty() {
        return Ok(None);
    }
    word.parse().map(Some).map_err(|_| NotAnEvent("spec.hat"))
}

fn finished(e: pb::AttemptFinished) -> Read<Finished> {
    Ok(Finished {
        end: end(&e.task_id, &e.attempt_id, &e.lease_id)?,
        cycle: id("cycle_id", &e.cycle_id)?,
        resident: optional("resident_id", &e.resident_id)?,
        submission: id("submission_id", &e.submission_id)?,
        work: Work {
            summary: optional_text("summary", e.summary)?,
            answer: optional_text("answer", e.answer)?,
            documents: e.documents.into_iter().map(staged).collect::<Read<_>>()?,
            how: e.how,
            steps: e.steps,
            model_tokens: e.model_tokens,
            model: e.model,
            model_embedded: e.model_embedded,
            plan: e.plan.map(plan).transpose()?.map(Box::new),
        },
        cost: MicroUsd::new(e.cost_micro_usd),
        attempt_number: e.attempt_number,
        kind: kind(e.kind).ok_or(NotAnEvent("kind"))?,
        mode: task_mode(e.mode).ok_or(NotAnEvent("mode"))?,
        title: text("title", e.title)?,
        instruction: text("instruction", e.instruction)?,
        target: none_if_empty(e.target),
        token: e.fencing_token,
        key: none_if_empty(e.key),
        tags: e.tags,
        review: thoroughness(e.review).ok_or(NotAnEvent("review"))?,
    })
}

fn staged(e: pb::StagedDocument) -> Read<Staged> {
    Ok(Staged { document: e.document_id, hash: hash("documents.hash", &e.hash)? })
}

fn approved(e: pb::TaskApproved) -> Read<Approved> {
    Ok(Approved {
        task: id("task_id", &e.task_id)?,
        submission: id("submission_id", &e.submission_id)?,
        resident: optional("resident_id", &e.resident_id)?,
        attempt_number: e.attempt_number,
        cost: MicroUsd::new(e.cost_micro_usd),
        budget_max: MicroUsd::new(e.budget_max_micro_usd),
        bonus_tokens: e.bonus_tokens,
        tags: e.tags,
        title: text("title", e.title)?,
        key: none_if_empty(e.key),
        mode: task_mode(e.mode).ok_or(NotAnEvent("mode"))?,
        confidence_permille: e.confidence_permille,
        share: e.share,
        integrated: e.integrated,
    })
}

fn requeued(e: pb::TaskRequeued) -> Read<Requeued> {
    let content_hash =
        if e.content_hash.is_empty() { None } else { Some(hash("content_hash", &e.content_hash)?) };
    Ok(Requeued {
        task: id("task_id", &e.task_id)?,
        submission: id("submission_id", &e.submission_id)?,
        feedback: texts("feedback", e.feedback)?,
        rejection_count: e.rejection_count,
        start: moment(e.start_time.ok_or(NotAnEvent("start_time"))?),
        resident: optional("resident_id", &e.resident_id)?,
        content_hash,
    })
}

fn failed(e: pb::TaskFailed) -> Read<Failed> {
    Ok(Failed {
        task: id("task_id", &e.task_id)?,
        class: class(e.failure_class).ok_or(NotAnEvent("failure_class"))?,
        message: e.message,
        submission: optional("submission_id", &e.submission_id)?,
        resident: optional("resident_id", &e.resident_id)?,
        feedback: texts("feedback", e.feedback)?,
    })
}

fn end(task: &str, attempt: &str, lease: &str) -> Read<End> {
    Ok(End {
        task: id("task_id", task)?,
        attempt: id("attempt_id", attempt)?,
        lease: id("lease_id", lease)?,
    })
}

fn id<T: FromStr>(field: &'static str, text: &str) -> Read<T> {
    text.parse().map_err(|_| NotAnEvent(field))
}

fn optional<T: FromStr>(field: &'static str, text: &str) -> Read<Option<T>> {
    if text.is_empty() { Ok(None) } else { id(field, text).map(Some) }
}

fn none_if_empty(text: String) -> Option<String> {
    if text.is_empty() { None } else { Some(text) }
}

fn hash(field: &'static str, bytes: &[u8]) -> Read<Hash> {
    Hash::try_from(bytes).map_err(|_| NotAnEvent(field))
}

fn text(field: &'static str, e: Option<ledger_pb::TextRef>) -> Read<TextRef> {
    optional_text(field, e)?.ok_or(NotAnEvent(field))
}

fn optional_text(field: &'static str, e: Option<ledger_pb::TextRef>) -> Read<Option<TextRef>> {
    e.map(|e| {
        let hash = hash(field, &e.hash)?;
        Ok(TextRef { id: e.id, hash, length: e.length, sealed: e.sealed })
    })
    .transpose()
}

fn texts(field: &'static str, list: Vec<ledger_pb::TextRef>) -> Read<Vec<TextRef>> {
    list.into_iter().map(|e| text(field, Some(e))).collect()
}

/// A published moment.
pub(crate) fn moment(e: wkt::Timestamp) -> Timestamp {
    Timestamp::from_seconds_and_nanos(e.seconds, e.nanos)
}

/// A published span; `None` when it is negative.
pub(crate) fn positive(e: &wkt::Duration) -> Option<Duration> {
    Some(Duration::new(u64::try_from(e.seconds).ok()?, u32::try_from(e.nanos).ok()?))
}

fn span(field: &'static str, e: Option<wkt::Duration>) -> Read<Duration> {
    e.as_ref().and_then(positive).ok_or(NotAnEvent(field))
}

fn ready_state(wire: i32) -> Read<State> {
    if wire == 0 { Ok(State::Ready) } else { state(wire).ok_or(NotAnEvent("state")) }
}

/// The state behind its published number.
pub(crate) fn state(wire: i32) -> Option<State> {
    State::ALL.into_iter().find(|ours| super::write::state(*ours) as i32 == wire)
}

/// The kind behind its published number; `None` when it is not set or unknown.
pub(crate) fn kind(wire: i32) -> Option<Kind> {
    match pb::TaskKind::try_from(wire).ok()? {
        pb::TaskKind::Unspecified => None,
        pb::TaskKind::Docs => Some(Kind::Docs),
        pb::TaskKind::Plan => Some(Kind::Plan),
        pb::TaskKind::Answer => Some(Kind::Answer),
    }
}

/// The mode of a task behind its published number.
pub(crate) fn task_mode(wire: i32) -> Option<TaskMode> {
    match pb::TaskMode::try_from(wire).ok()? {
        pb::TaskMode::Unspecified => None,
        pb::TaskMode::Llm => Some(TaskMode::Llm),
        pb::TaskMode::Local => Some(TaskMode::Local),
    }
}

/// How thorough a review is to be; unset is standard.
pub(crate) fn thoroughness(wire: i32) -> Option<Thoroughness> {
    Some(match Profile::try_from(wire).ok()? {
        Profile::Checks => Thoroughness::Checks,
        Profile::Light => Thoroughness::Light,
        Profile::Unspecified | Profile::Standard => Thoroughness::Standard,
        Profile::Strict => Thoroughness::Strict,
    })
}

/// A level; unset is the lowest.
pub(crate) fn level(wire: i32) -> Option<Mode> {
    if wire == 0 { Some(Mode::DocsOnly) } else { mode(wire) }
}

/// The meaning of a failed dependency behind its published number.
pub(crate) fn on_failure(wire: i32) -> Option<OnFailure> {
    match pb::DependencyFailure::try_from(wire).ok()? {
        pb::DependencyFailure::Unspecified => None,
        pb::DependencyFailure::Hold => Some(OnFailure::Hold),
        pb::DependencyFailure::Cancel => Some(OnFailure::Cancel),
        pb::DependencyFailure::RunAnyway => Some(OnFailure::RunAnyway),
    }
}

fn purpose(wire: i32) -> Option<Purpose> {
    match pb::LeasePurpose::try_from(wire).ok()? {
        pb::LeasePurpose::Unspecified => None,
        pb::LeasePurpose::Task => Some(Purpose::Task),
        pb::LeasePurpose::Local => Some(Purpose::Local),
        pb::LeasePurpose::Critique => Some(Purpose::Critique),
    }
}

/// The failure class behind its published number.
pub(crate) fn class(wire: i32) -> Option<Class> {
    match pb::FailureClass::try_from(wire).ok()? {
        pb::FailureClass::Unspecified => None,
        pb::FailureClass::Lost => Some(Class::Lost),
        pb::FailureClass::Transient => Some(Class::Transient),
        pb::FailureClass::RateLimited => Some(Class::RateLimited),
        pb::FailureClass::InvalidOutput => Some(Class::InvalidOutput),
        pb::FailureClass::Internal => Some(Class::Internal),
        pb::FailureClass::InputTooLarge => Some(Class::InputTooLarge),
        pb::FailureClass::CommandFailed => Some(Class::CommandFailed),
        pb::FailureClass::Safety => Some(Class::Safety),
        pb::FailureClass::Budget => Some(Class::Budget),
        pb::FailureClass::ReviewRejected => Some(Class::ReviewRejected),
    }
}

/// The pace behind its published number and seconds.
pub(crate) fn pace(wire: i32, wait_seconds: u32) -> Option<Pace> {
    match pb::PaceKind::try_from(wire).ok()? {
        pb::PaceKind::Unspecified => None,
        pb::PaceKind::Wait => Some(Pace::Wait(wait_seconds)),
        pb::PaceKind::Paused => Some(Pace::Paused),
        pb::PaceKind::Step => Some(Pace::Step),
    }
}

/// The level behind its published number.
pub(crate) fn mode(wire: i32) -> Option<Mode> {
    match pb::Mode::try_from(wire).ok()? {
        pb::Mode::Unspecified => None,
        pb::Mode::DocsOnly => Some(Mode::DocsOnly),
        pb::Mode::ProposeChanges => Some(Mode::ProposeChanges),
        pb::Mode::RunSandboxed => Some(Mode::RunSandboxed),
        pb::Mode::ApplyApproved => Some(Mode::ApplyApproved),
    }
}
