//! Our events as published ones.

use vivarium_ledger::{FactNote, TextRef};
use vivarium_proto::ledger::v1 as ledger_pb;
use vivarium_proto::queue::v1 as pb;
use vivarium_proto::queue::v1::queue_event::Event as Body;
use vivarium_proto::review::v1 as review_pb;
use vivarium_proto::wkt;

use super::{Approved, End, Event, Failed, Finished, HaltAck, Requeued, Staged, Wire};
use crate::domain::effect::Recorded;
use crate::domain::lease::{Granted, Purpose};
use crate::domain::limits::{Limit, Limits};
use crate::domain::propose::Proposed;
use crate::domain::recurrence::{Created, Fired, Next, Schedule, Standing, Steered};
use crate::domain::retry::Class;
use crate::domain::split::{Plan, Split};
use crate::domain::task::{
    Added, Edited, Kind, Mode as TaskMode, OnFailure, Spec, State, Thoroughness,
};
use crate::domain::world::{Mode, Pace};

impl From<Event> for Wire {
    fn from(event: Event) -> Self {
        Self { event: Some(body(event)) }
    }
}

#[expect(clippy::too_many_lines, reason = "one arm an event, none with logic")]
fn body(event: Event) -> Body {
    match event {
        Event::TaskAdded(added) => Body::TaskAdded(self::added(*added)),
        Event::TaskReady { task, state } => Body::TaskReady(pb::TaskReady {
            task_id: task.to_string(),
            state: self::state(state).into(),
        }),
        Event::LeaseGranted(granted) => Body::LeaseGranted(self::granted(*granted)),
        Event::AttemptFinished(done) => Body::AttemptFinished(finished(*done)),
        Event::AttemptDeclined { end, resident, reason, cost } => {
            let End { task, attempt, lease } = end;
            Body::AttemptDeclined(pb::AttemptDeclined {
                task_id: task.to_string(),
                attempt_id: attempt.to_string(),
                lease_id: lease.to_string(),
                resident_id: resident.to_string(),
                reason: Some(text(reason)),
                cost_micro_usd: cost.get(),
            })
        }
        Event::AttemptWaits { end, resident, letter, cost } => {
            let End { task, attempt, lease } = end;
            Body::AttemptWaits(pb::AttemptWaits {
                task_id: task.to_string(),
                attempt_id: attempt.to_string(),
                lease_id: lease.to_string(),
                resident_id: or_empty(resident),
                letter_id: letter,
                cost_micro_usd: cost.get(),
            })
        }
        Event::AttemptFailed { end, resident, class, message, retry, cost } => {
            let End { task, attempt, lease } = end;
            Body::AttemptFailed(pb::AttemptFailed {
                task_id: task.to_string(),
                attempt_id: attempt.to_string(),
                lease_id: lease.to_string(),
                resident_id: or_empty(resident),
                failure_class: self::class(class).into(),
                message,
                retry_time: retry.map(moment),
                cost_micro_usd: cost.get(),
            })
        }
        Event::AttemptReturned { end, why, scope, retry } => {
            let End { task, attempt, lease } = end;
            Body::AttemptReturned(pb::AttemptReturned {
                task_id: task.to_string(),
                attempt_id: attempt.to_string(),
                lease_id: lease.to_string(),
                reason: why.word().to_owned(),
                scope,
                retry_time: Some(moment(retry)),
            })
        }
        Event::AttemptBlocked { end, rule, held, hash, program, cost } => {
            let End { task, attempt, lease } = end;
            Body::AttemptBlocked(pb::AttemptBlocked {
                task_id: task.to_string(),
                attempt_id: attempt.to_string(),
                lease_id: lease.to_string(),
                rule,
                held,
                hash: hash.0.to_vec(),
                program: program.map(text),
                cost_micro_usd: cost.get(),
            })
        }
        Event::AttemptHalted { end, control_epoch } => {
            let End { task, attempt, lease } = end;
            Body::AttemptHalted(pb::AttemptHalted {
                task_id: task.to_string(),
                attempt_id: attempt.to_string(),
                lease_id: lease.to_string(),
                control_epoch,
            })
        }
        Event::AttemptRevoked { end, why } => {
            let End { task, attempt, lease } = end;
            Body::AttemptRevoked(pb::AttemptRevoked {
                task_id: task.to_string(),
                attempt_id: attempt.to_string(),
                lease_id: lease.to_string(),
                reason: why.word().to_owned(),
            })
        }
        Event::TaskAwaitsHuman { task, why } => Body::TaskAwaitsHuman(pb::TaskAwaitsHuman {
            task_id: task.to_string(),
            reason: why.word().to_owned(),
        }),
        Event::TaskApproved(approved) => Body::TaskApproved(self::approved(*approved)),
        Event::TaskRequeued(requeued) => Body::TaskRequeued(self::requeued(*requeued)),
        Event::TaskFailed(failed) => Body::TaskFailed(self::failed(*failed)),
        Event::TaskPaused { task } => {
            Body::TaskPaused(pb::TaskPaused { task_id: task.to_string() })
        }
        Event::TaskResumed { task, state } => Body::TaskResumed(pb::TaskResumed {
            task_id: task.to_string(),
            state: self::state(state).into(),
        }),
        Event::TaskCancelled { task, reason } => Body::TaskCancelled(pb::TaskCancelled {
            task_id: task.to_string(),
            reason: reason.map(text),
        }),
        Event::TaskReopened { task, state, series } => Body::TaskReopened(pb::TaskReopened {
            task_id: task.to_string(),
            state: self::state(state).into(),
            series,
        }),
        Event::CritiqueQueued { submission, task } => Body::CritiqueQueued(pb::CritiqueQueued {
            submission_id: submission.to_string(),
            task_id: task.to_string(),
        }),
        Event::CritiqueEnded { submission, lease, outcome, retry } => {
            Body::CritiqueEnded(pb::CritiqueEnded {
                submission_id: submission.to_string(),
                lease_id: lease.to_string(),
                outcome: outcome.word().to_owned(),
                retry_time: retry.map(moment),
            })
        }
        Event::HaltSet { control_epoch, reason, runners } => {
            Body::HaltSet(pb::HaltSet { control_epoch, reason: Some(text(reason)), runners })
        }
        Event::Resumed { control_epoch, reason } => {
            Body::Resumed(pb::Resumed { control_epoch, reason: reason.map(text) })
        }
        Event::HaltAcknowledged(ack) => Body::HaltAcknowledged(acknowledged(ack)),
        Event::PaceSet { control_epoch, pace, reason } => {
            let (pace, wait_seconds) = self::pace(pace);
            let (pace, reason) = (pace.into(), reason.map(text));
            Body::PaceSet(pb::PaceSet { control_epoch, pace, wait_seconds, reason })
        }
        Event::StepsBought { control_epoch, steps_left } => {
            Body::StepsBought(pb::StepsBought { control_epoch, steps_left })
        }
        Event::ModeSet { control_epoch, mode, reason } => Body::ModeSet(pb::ModeSet {
            control_epoch,
            mode: self::mode(mode).into(),
            reason: reason.map(text),
        }),
        Event::ResidentLevelSet { control_epoch, resident, consent, reason } => {
            Body::ResidentLevelSet(pb::ResidentLevelSet {
                control_epoch,
                resident_id: resident.to_string(),
                level: mode(consent.level).into(),
                end_time: Some(moment(consent.end)),
                after_texts: consent.after_texts,
                reason: Some(text(reason)),
            })
        }
        Event::ProgramDecided { task, state, hash, allowed, feedback } => {
            Body::ProgramDecided(pb::ProgramDecided {
                task_id: task.to_string(),
                state: self::state(state).into(),
                hash: hash.0.to_vec(),
                allowed,
                feedback: feedback.map(text),
            })
        }
        Event::CalendarSet { control_epoch, day_length, rest_day_on, reason } => {
            Body::CalendarSet(pb::CalendarSet {
                control_epoch,
                day_length: Some(span(day_length)),
                rest_day_on,
                reason: reason.map(text),
            })
        }
        Event::LimitsSet { control_epoch, limits, reason } => Body::LimitsSet(pb::LimitsSet {
            control_epoch,
            limits: Some(self::limits(&limits)),
            reason: Some(text(reason)),
        }),
        Event::EffectRecorded(recorded) => {
            let Recorded { task, attempt, lease, key, effect } = *recorded;
            Body::EffectRecorded(pb::EffectRecorded {
                task_id: task.to_string(),
                attempt_id: attempt.to_string(),
                attempt_number: effect.attempt_number,
                lease_id: lease.to_string(),
                key,
                result: Some(text(effect.result)),
            })
        }
        Event::DayStarted(day) => Body::DayStarted(pb::DayStarted {
            day: day.day,
            week: day.week,
            weekday: day.weekday,
            rest_day: day.rest_day,
        }),
        Event::WorldTimeNoted { world_time_us } => {
            Body::WorldTimeNoted(pb::WorldTimeNoted { world_time_us })
        }
        Event::RunnerJoined { runner, instance, slots } => {
            let instance_id = instance.to_string();
            Body::RunnerJoined(pb::RunnerJoined { runner, instance_id, slots })
        }
        Event::RunnerLeft { runner, instance, why } => {
            let (instance_id, reason) = (instance.to_string(), why.word().to_owned());
            Body::RunnerLeft(pb::RunnerLeft { runner, instance_id, reason })
        }
        Event::SpecializationsNoted { resident, specializations } => {
            let resident_id = resident.to_string();
            let specializations = specializations.into_iter().collect();
            Body::SpecializationsNoted(pb::SpecializationsNoted { resident_id, specializations })
        }
        Event::ResidentNoted { resident, active, words } => {
            let resident_id = resident.to_string();
            Body::ResidentNoted(pb::ResidentNoted { resident_id, active, words })
        }
        Event::FactIgnored(note) => {
            let FactNote { source, sequence, kind, reason } = note;
            Body::FactIgnored(ledger_pb::FactIgnored { source, sequence, kind, reason })
        }
        Event::FactParked(note) => {
            let FactNote { source, sequence, kind, reason } = note;
            Body::FactParked(ledger_pb::FactParked { source, sequence, kind, reason })
        }
        Event::SegmentClosed(note) => Body::SegmentClosed((*note).into()),
        Event::ProviderNoted { usable } => Body::ProviderNoted(pb::ProviderNoted { usable }),
        Event::TaskEdited(edited) => Body::TaskEdited(self::edited(*edited)),
        Event::RecurrenceCreated(created) => Body::RecurrenceCreated(self::created(*created)),
        Event::RecurrenceFired(fired) => Body::RecurrenceFired(self::fired(fired)),
        Event::RecurrenceSteered(steered) => Body::RecurrenceSteered(self::steered(steered)),
        Event::TaskProposed(proposed) => Body::TaskProposed(self::proposed(*proposed)),
        Event::TaskAdmitted { task, state, hash } => Body::TaskAdmitted(pb::TaskAdmitted {
            task_id: task.to_string(),
            state: self::state(state).into(),
            proposal_hash: hash.0.to_vec(),
        }),
        Event::TaskSplit(split) => Body::TaskSplit(self::split(&split)),
    }
}

/// Limits as a message; those that are not set stay unset.
pub(crate) fn limits(limits: &Limits) -> pb::Limits {
    let value = |limit| limits.get(&limit).copied();
    // Every limit but the first is bounded far below.
    let small = |limit| value(limit).map(|value| u32::try_from(value).unwrap_or(u32::MAX));
    pb::Limits {
        open_tasks: value(Limit::OpenTasks),
        instruction_chars: small(Limit::InstructionChars),
        result_chars: small(Limit::ResultChars),
        metadata_keys: small(Limit::MetadataKeys),
        metadata_bytes: small(Limit::MetadataBytes),
        dependencies: small(Limit::Dependencies),
        runners: small(Limit::Runners),
    }
}

fn added(added: Added) -> pb::TaskAdded {
    let Added {
        task,
        spec,
        title,
        instruction,
        intent,
        dependencies,
        submitter,
        state,
        recurrence,
        parent,
    } = added;
    let place = parent.as_ref();
    pb::TaskAdded {
        task_id: task.to_string(),
        spec: Some(kept(&spec)),
        title: Some(text(title)),
        instruction: Some(text(instruction)),
        intent: intent.map(text),
        dependency_ids: dependencies.iter().map(ToString::to_string).collect(),
        submitter,
        state: self::state(state).into(),
        recurrence: recurrence.unwrap_or_default(),
        parent_id: or_empty(place.map(|parent| parent.task)),
        depth: place.map_or(0, |parent| parent.depth),
        share: place.map_or(0, |parent| parent.share),
    }
}

fn proposed(proposed: Proposed) -> pb::TaskProposed {
    let origin = proposed.origin.as_ref();
    let ancestors = origin.into_iter().flat_map(|origin| &origin.ancestors);
    pb::TaskProposed {
        proposed_in_task_id: or_empty(origin.map(|origin| origin.task)),
        depth: origin.map_or(0, |origin| origin.depth),
        ancestor_likenesses: ancestors.map(|hash| hash.0.to_vec()).collect(),
        task: Some(added(proposed.added)),
        why: Some(text(proposed.why)),
        likeness: proposed.likeness.0.to_vec(),
        feedback: proposed.feedback.into_iter().map(text).collect(),
    }
}

fn split(split: &Split) -> pb::TaskSplit {
    pb::TaskSplit {
        task_id: split.task.to_string(),
        submission_id: split.submission.to_string(),
        child_ids: split.children.iter().map(ToString::to_string).collect(),
        given_micro_usd: split.given.get(),
    }
}

fn plan(plan: Plan) -> pb::SplitPlan {
    let parts = plan.parts.into_iter().map(|part| pb::SplitPart {
        title: Some(text(part.title)),
        instruction: Some(text(part.instruction)),
        after: part.after.iter().filter_map(|at| u32::try_from(at + 1).ok()).collect(),
        share: part.share,
    });
    pb::SplitPlan { reason: Some(text(plan.reason)), parts: parts.collect() }
}

fn edited(edited: Edited) -> pb::TaskEdited {
    let Edited { task, revision, spec, title, instruction, intent, dependencies, state, fields } =
        edited;
    pb::TaskEdited {
        task_id: task.to_string(),
        revision,
        spec: Some(kept(&spec)),
        title: Some(text(title)),
        instruction: Some(text(instruction)),
        intent: intent.map(text),
        dependency_ids: dependencies.iter().map(ToString::to_string).collect(),
        state: self::state(state).into(),
        fields: fields.into_iter().collect(),
    }
}

fn created(created: Created) -> pb::RecurrenceCreated {
    let (next_time, next_day) = next(created.next);
    pb::RecurrenceCreated {
        key: created.key,
        spec: Some(kept(&created.spec)),
        title: Some(text(created.title)),
        instruction: Some(text(created.instruction)),
        intent: created.intent.map(text),
        schedule: Some(schedule(&created.schedule)),
        submitter: created.submitter,
        next_time,
        next_day,
    }
}

fn fired(fired: Fired) -> pb::RecurrenceFired {
    let (next_time, next_day) = next(fired.next);
    let Fired { key, number, due, next: _ } = fired;
    pb::RecurrenceFired { key, number, due_count: due, next_time, next_day }
}

fn steered(steered: Steered) -> pb::RecurrenceSteered {
    let (next_time, next_day) = next(steered.next);
    let state = standing(steered.standing).into();
    pb::RecurrenceSteered { key: steered.key, state, next_time, next_day }
}

/// When a recurrence fires, as published.
pub(crate) fn schedule(schedule: &Schedule) -> pb::Schedule {
    let schedule = match schedule {
        Schedule::Cron(pattern) => pb::schedule::Schedule::Cron(pattern.clone()),
        Schedule::Days(days) => pb::schedule::Schedule::EveryDays(*days),
    };
    pb::Schedule { schedule: Some(schedule) }
}

/// Where a recurrence stands, as published.
pub(crate) const fn standing(standing: Standing) -> pb::RecurrenceState {
    match standing {
        Standing::Active => pb::RecurrenceState::Active,
        Standing::Paused => pb::RecurrenceState::Paused,
        Standing::Ended => pb::RecurrenceState::Ended,
    }
}

/// The next firing of a recurrence, as published: a moment or a day.
pub(crate) fn next(next: Next) -> (Option<wkt::Timestamp>, u64) {
    match next {
        Next::Never => (None, 0),
        Next::At(moment) => (Some(self::moment(moment)), 0),
        Next::Day(day) => (None, day),
    }
}

/// A spec without its authored texts.
pub(crate) fn spec(spec: &Spec) -> pb::TaskSpec {
    pb::TaskSpec {
        key: spec.key.clone().unwrap_or_default(),
        title: String::new(),
        instruction: String::new(),
        constraints: Vec::new(),
        preferences: Vec::new(),
        anti_goals: Vec::new(),
        kind: kind(spec.kind).into(),
        mode: task_mode(spec.mode).into(),
        command: spec.command.clone(),
        target: spec.target.clone().unwrap_or_default(),
        depends_on: spec.depends_on.clone(),
        on_dependency_failure: on_failure(spec.on_failure).into(),
        priority: Some(u32::from(spec.priority)),
        parallel_safe: Some(spec.parallel_safe),
        concurrency_key: spec.concurrency_key.clone().unwrap_or_default(),
        // Without a key there is nothing to limit, and nobody may ask for it.
        concurrency_limit: spec.concurrency_key.as_ref().map(|_| spec.concurrency_limit),
        not_before_time: spec.not_before.map(moment),
        deadline_time: spec.deadline.map(moment),
        budget_min_micro_usd: Some(spec.budget_min.get()),
        budget_max_micro_usd: Some(spec.budget_max.get()),
        model: spec.model.clone().unwrap_or_default(),
        resident_id: or_empty(spec.resident),
        bonus_tokens: spec.bonus_tokens,
        run_limit: Some(span(spec.run_limit)),
        tags: spec.tags.clone(),
        metadata: std::collections::HashMap::default(),
        rest_day_ok: Some(spec.rest_day_ok),
        specialization: spec.specialization.clone().unwrap_or_default(),
        review: thoroughness(spec.review).into(),
        level_max: mode(spec.level_max).into(),
        hat: spec.hat.map(|hat| hat.to_string()).unwrap_or_default(),
    }
}

/// The same as a row keeps it: the usual terms of review and level are unset.
fn kept(of: &Spec) -> pb::TaskSpec {
    let wire = spec(of);
    pb::TaskSpec {
        review: usual(wire.review, review_pb::Profile::Standard.into()),
        level_max: usual(wire.level_max, pb::Mode::DocsOnly.into()),
        ..wire
    }
}

/// A value, or 0 when it is the usual one.
const fn usual(value: i32, usual: i32) -> i32 {
    if value == usual { 0 } else { value }
}

fn granted(granted: Granted) -> pb::LeaseGranted {
    pb::LeaseGranted {
        lease_id: granted.lease.to_string(),
        attempt_id: or_empty(granted.attempt),
        attempt_number: granted.attempt_number,
        cycle_id: granted.cycle.to_string(),
        purpose: purpose(granted.purpose).into(),
        task_id: granted.task.to_string(),
        resident_id: or_empty(granted.resident),
        submission_id: or_empty(granted.submission),
        runner: granted.runner,
        instance_id: granted.instance.to_string(),
        ttl: Some(span(granted.ttl)),
        control_epoch: granted.control_epoch,
        day: granted.day,
        mode: usual(mode(granted.level).into(), pb::Mode::DocsOnly.into()),
        after_texts: granted.after_texts,
    }
}

fn finished(done: Finished) -> pb::AttemptFinished {
    let Finished { end, work, .. } = done;
    pb::AttemptFinished {
        task_id: end.task.to_string(),
        attempt_id: end.attempt.to_string(),
        lease_id: end.lease.to_string(),
        cycle_id: done.cycle.to_string(),
        resident_id: or_empty(done.resident),
        submission_id: done.submission.to_string(),
        summary: work.summary.map(text),
        answer: work.answer.map(text),
        documents: work.documents.into_iter().map(staged).collect(),
        how: work.how,
        cost_micro_usd: done.cost.get(),
        attempt_number: done.attempt_number,
        kind: kind(done.kind).into(),
        mode: task_mode(done.mode).into(),
        title: Some(text(done.title)),
        instruction: Some(text(done.instruction)),
        target: done.target.unwrap_or_default(),
        fencing_token: done.token,
        steps: work.steps,
        model_tokens: work.model_tokens,
        model: work.model,
        model_embedded: work.model_embedded,
        key: done.key.unwrap_or_default(),
        tags: done.tags,
        review: usual(thoroughness(done.review).into(), review_pb::Profile::Standard.into()),
        plan: work.plan.map(|known| plan(*known)),
    }
}

fn staged(staged: Staged) -> pb::StagedDocument {
    pb::StagedDocument { document_id: staged.document, hash: staged.hash.0.to_vec() }
}

fn approved(approved: Approved) -> pb::TaskApproved {
    pb::TaskApproved {
        task_id: approved.task.to_string(),
        submission_id: approved.submission.to_string(),
        resident_id: or_empty(approved.resident),
        attempt_number: approved.attempt_number,
        cost_micro_usd: approved.cost.get(),
        budget_max_micro_usd: approved.budget_max.get(),
        bonus_tokens: approved.bonus_tokens,
        tags: approved.tags,
        title: Some(text(approved.title)),
        key: approved.key.unwrap_or_default(),
        mode: task_mode(approved.mode).into(),
        confidence_permille: approved.confidence_permille,
        share: approved.share,
        integrated: approved.integrated,
    }
}

fn requeued(requeued: Requeued) -> pb::TaskRequeued {
    pb::TaskRequeued {
        task_id: requeued.task.to_string(),
        submission_id: requeued.submission.to_string(),
        feedback: requeued.feedback.into_iter().map(text).collect(),
        rejection_count: requeued.rejection_count,
        start_time: Some(moment(requeued.start)),
        resident_id: or_empty(requeued.resident),
        content_hash: requeued.content_hash.map(|hash| hash.0.to_vec()).unwrap_or_default(),
    }
}

fn failed(failed: Failed) -> pb::TaskFailed {
    pb::TaskFailed {
        task_id: failed.task.to_string(),
        failure_class: class(failed.class).into(),
        message: failed.message,
        submission_id: or_empty(failed.submission),
        resident_id: or_empty(failed.resident),
        feedback: failed.feedback.into_iter().map(text).collect(),
    }
}

fn acknowledged(ack: HaltAck) -> pb::HaltAcknowledged {
    pb::HaltAcknowledged {
        control_epoch: ack.control_epoch,
        runner: ack.runner,
        calls_cancelled: ack.calls_cancelled,
        processes_ended: ack.processes_ended,
        stopped_time: Some(moment(ack.stopped)),
    }
}

fn text(text: TextRef) -> ledger_pb::TextRef {
    let TextRef { id, hash, length, sealed } = text;
    ledger_pb::TextRef { id, hash: hash.0.to_vec(), length, sealed }
}

/// A moment as it is published.
pub(crate) fn moment(moment: vivarium_types::Timestamp) -> wkt::Timestamp {
    let (seconds, nanos) = moment.as_seconds_and_nanos();
    wkt::Timestamp { seconds, nanos }
}

/// A span as it is published.
pub(crate) fn span(span: std::time::Duration) -> wkt::Duration {
    let nanos = i32::try_from(span.subsec_nanos()).unwrap_or(0);
    wkt::Duration { seconds: i64::try_from(span.as_secs()).unwrap_or(i64::MAX), nanos }
}

/// An optional id: empty when there is none.
pub(crate) fn or_empty(id: Option<impl ToString>) -> String {
    id.map(|id| id.to_string()).unwrap_or_default()
}

/// A state as it is published.
pub(crate) const fn state(state: State) -> pb::TaskState {
    match state {
        State::Proposed => pb::TaskState::Proposed,
        State::Split => pb::TaskState::Split,
        State::Blocked => pb::TaskState::Blocked,
        State::Queued => pb::TaskState::Queued,
        State::Ready => pb::TaskState::Ready,
        State::Leased => pb::TaskState::Leased,
        State::InReview => pb::TaskState::InReview,
        State::AwaitingHuman => pb::TaskState::AwaitingHuman,
        State::Requeued => pb::TaskState::Requeued,
        State::Paused => pb::TaskState::Paused,
        State::Approved => pb::TaskState::Approved,
        State::Failed => pb::TaskState::Failed,
        State::Cancelled => pb::TaskState::Cancelled,
    }
}

const fn kind(kind: Kind) -> pb::TaskKind {
    match kind {
        Kind::Docs => pb::TaskKind::Docs,
        Kind::Plan => pb::TaskKind::Plan,
        Kind::Answer => pb::TaskKind::Answer,
    }
}

/// How thorough a review is to be.
pub(crate) const fn thoroughness(review: Thoroughness) -> review_pb::Profile {
    match review {
        Thoroughness::Checks => review_pb::Profile::Checks,
        Thoroughness::Light => review_pb::Profile::Light,
        Thoroughness::Standard => review_pb::Profile::Standard,
        Thoroughness::Strict => review_pb::Profile::Strict,
    }
}

const fn task_mode(mode: TaskMode) -> pb::TaskMode {
    match mode {
        TaskMode::Llm => pb::TaskMode::Llm,
        TaskMode::Local => pb::TaskMode::Local,
    }
}

const fn on_failure(on: OnFailure) -> pb::DependencyFailure {
    match on {
        OnFailure::Hold => pb::DependencyFailure::Hold,
        OnFailure::Cancel => pb::DependencyFailure::Cancel,
        OnFailure::RunAnyway => pb::DependencyFailure::RunAnyway,
    }
}

/// A purpose as it is published.
pub(crate) const fn purpose(purpose: Purpose) -> pb::LeasePurpose {
    match purpose {
        Purpose::Task => pb::LeasePurpose::Task,
        Purpose::Local => pb::LeasePurpose::Local,
        Purpose::Critique => pb::LeasePurpose::Critique,
    }
}

const fn class(class: Class) -> pb::FailureClass {
    match class {
        Class::Lost => pb::FailureClass::Lost,
        Class::Transient => pb::FailureClass::Transient,
        Class::RateLimited => pb::FailureClass::RateLimited,
        Class::InvalidOutput => pb::FailureClass::InvalidOutput,
        Class::Internal => pb::FailureClass::Internal,
        Class::InputTooLarge => pb::FailureClass::InputTooLarge,
        Class::CommandFailed => pb::FailureClass::CommandFailed,
        Class::Safety => pb::FailureClass::Safety,
        Class::Budget => pb::FailureClass::Budget,
        Class::ReviewRejected => pb::FailureClass::ReviewRejected,
    }
}

/// A pace as it is published, with its seconds.
pub(crate) const fn pace(pace: Pace) -> (pb::PaceKind, u32) {
    match pace {
        Pace::Wait(seconds) => (pb::PaceKind::Wait, seconds),
        Pace::Paused => (pb::PaceKind::Paused, 0),
        Pace::Step => (pb::PaceKind::Step, 0),
    }
}

/// A level as it is published.
pub(crate) const fn mode(mode: Mode) -> pb::Mode {
    match mode {
        Mode::DocsOnly => pb::Mode::DocsOnly,
        Mode::ProposeChanges => pb::Mode::ProposeChanges,
        Mode::RunSandboxed => pb::Mode::RunSandboxed,
        Mode::ApplyApproved => pb::Mode::ApplyApproved,
    }
}
