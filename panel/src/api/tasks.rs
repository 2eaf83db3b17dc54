//! Adding, reading and steering tasks.

use vivarium_proto::queue::v1 as pb;
use vivarium_proto::review::v1 as review_pb;
use vivarium_proto::wkt;
use vivarium_types::Hat;

use super::{Answer, Method, call, unary, wire};
use crate::state::Position;
use crate::state::deed::Step;
use crate::state::edit::Changes;
use crate::state::form::{Asked, Review};
use crate::state::task::{Attempt, Kind, State, Task};
use crate::state::view::{Order, Term, View};

const ADD: Method = unary("/vivarium.queue.v1.TaskService/AddTasks");
const GET: Method = unary("/vivarium.queue.v1.TaskService/GetTask");
const LIST: Method = unary("/vivarium.queue.v1.TaskService/ListTasks");
const ADMIT: Method = unary("/vivarium.queue.v1.TaskService/AdmitTask");
const REFUSE: Method = unary("/vivarium.queue.v1.TaskService/RefuseTask");
const PROGRAM: Method = unary("/vivarium.queue.v1.TaskService/DecideProgram");
const CANCEL: Method = unary("/vivarium.queue.v1.TaskService/CancelTask");
const PAUSE: Method = unary("/vivarium.queue.v1.TaskService/PauseTask");
const RESUME: Method = unary("/vivarium.queue.v1.TaskService/ResumeTask");
const REQUEUE: Method = unary("/vivarium.queue.v1.TaskService/RequeueTask");
const EDIT: Method = unary("/vivarium.queue.v1.TaskService/EditTask");
const REDRIVE: Method = unary("/vivarium.queue.v1.TaskService/RedriveTasks");
const EXPLAIN: Method = unary("/vivarium.queue.v1.TaskService/ExplainTasks");

#[cfg(test)]
pub(super) const METHODS: &[Method] = &[
    ADD, GET, LIST, ADMIT, REFUSE, PROGRAM, CANCEL, PAUSE, RESUME, REQUEUE, EDIT, REDRIVE, EXPLAIN,
];

/// A part of a list, how many tasks match, and how many there are by state in the world.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Listed {
    /// The tasks.
    pub(crate) rows: Vec<Task>,
    /// How many match. 0 unless asked for.
    pub(crate) total: u64,
    /// Tasks of the world by state.
    pub(crate) counts: Vec<(State, u64)>,
}

/// Which part of a list, and whether to count all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    /// Places before it.
    pub(crate) from: usize,
    /// Most tasks of it.
    pub(crate) size: usize,
    /// Whether to count.
    pub(crate) with_total: bool,
}

/// Adds a task. Answers where, and its id.
pub(crate) async fn add(request_id: String, asked: Asked) -> Answer<(Position, String)> {
    let request = pb::AddTasksRequest { request_id, tasks: vec![spec(asked)] };
    let answer: pb::AddTasksResponse = call(ADD, &request).await?;
    let id = answer.task_ids.into_iter().next().unwrap_or_default();
    Ok((wire::position(answer.position), id))
}

/// What was asked for, as the world is asked.
pub(super) fn spec(asked: Asked) -> pb::TaskSpec {
    let Asked { text, priority, budget_max, depends_on, constraints, tags } = asked;
    pb::TaskSpec {
        key: text.key,
        title: text.title,
        instruction: text.instruction,
        constraints,
        kind: kind_to_wire(text.kind).into(),
        target: text.target,
        depends_on,
        priority: Some(priority),
        budget_min_micro_usd: Some(budget_max.min(50_000)),
        budget_max_micro_usd: Some(budget_max),
        resident_id: text.resident,
        tags,
        review: profile(text.review).into(),
        hat: text.hat.map(Hat::word).unwrap_or_default().to_owned(),
        level_max: if text.runs_programs { pb::Mode::RunSandboxed } else { pb::Mode::DocsOnly }
            .into(),
        ..pb::TaskSpec::default()
    }
}

/// One task by id or key.
pub(crate) async fn get(task: &str) -> Answer<Task> {
    let request = pb::GetTaskRequest { task: task.to_owned(), ..pb::GetTaskRequest::default() };
    let answer: pb::GetTaskResponse = call(GET, &request).await?;
    Ok(self::task(answer.task.unwrap_or_default()))
}

/// A part of a list.
pub(crate) async fn list(view: &View, part: Part) -> Answer<Listed> {
    list_in(&view.group.states(), view, part).await
}

/// The newest tasks in these states.
pub(crate) async fn newest(states: &[State], size: usize) -> Answer<Listed> {
    list_in(states, &View::default(), Part { from: 0, size, with_total: false }).await
}

async fn list_in(states: &[State], view: &View, part: Part) -> Answer<Listed> {
    let term = |term| view.term(term).to_owned();
    let filter = pb::TaskFilter {
        states: states.iter().map(|state| state_to_wire(*state).into()).collect(),
        text: term(Term::Words),
        tag: term(Term::Tag),
        submitter: term(Term::By),
        failure_class: term(Term::Class),
        recurrence: term(Term::Recurrence),
        resident_id: String::new(),
    };
    let order = match view.order {
        Order::Newest => pb::TaskOrder::Newest,
        Order::Oldest => pb::TaskOrder::Oldest,
        Order::Priority => pb::TaskOrder::Priority,
    };
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let request = pb::ListTasksRequest {
        filter: Some(filter),
        page_size: number(part.size),
        order: order.into(),
        skip: number(part.from),
        with_total: part.with_total,
        ..pb::ListTasksRequest::default()
    };
    let answer: pb::ListTasksResponse = call(LIST, &request).await?;
    let counts = answer.counts.iter().map(|count| (state(count.state()), count.count)).collect();
    let rows = answer.tasks.into_iter().map(task).collect();
    Ok(Listed { rows, total: answer.total_count, counts })
}

/// Cancels a task for good.
pub(crate) async fn cancel(request_id: String, task: String, reason: String) -> Answer<Position> {
    let request = pb::CancelTaskRequest { request_id, task, reason };
    let answer: pb::CancelTaskResponse = call(CANCEL, &request).await?;
    Ok(wire::position(answer.position))
}

/// Admits a proposal as it was read.
pub(crate) async fn admit(
    request_id: String,
    task: String,
    proposal_hash: Vec<u8>,
) -> Answer<Position> {
    let request = pb::AdmitTaskRequest { request_id, task, proposal_hash };
    let answer: pb::AdmitTaskResponse = call(ADMIT, &request).await?;
    Ok(wire::position(answer.position))
}

/// Allows or refuses the program that a task is held for, as it was read.
pub(crate) async fn decide_program(
    request_id: String,
    task: String,
    hash: Vec<u8>,
    allowed: bool,
    reason: String,
) -> Answer<Position> {
    let request = pb::DecideProgramRequest { request_id, task, hash, allowed, reason };
    let answer: pb::DecideProgramResponse = call(PROGRAM, &request).await?;
    Ok(wire::position(answer.position))
}

/// Refuses a proposal as it was read.
pub(crate) async fn refuse(
    request_id: String,
    task: String,
    proposal_hash: Vec<u8>,
) -> Answer<Position> {
    let reason = String::new();
    let request = pb::RefuseTaskRequest { request_id, task, proposal_hash, reason };
    let answer: pb::RefuseTaskResponse = call(REFUSE, &request).await?;
    Ok(wire::position(answer.position))
}

/// Sets a task aside.
pub(crate) async fn pause(request_id: String, task: String) -> Answer<Position> {
    let request = pb::PauseTaskRequest { request_id, task };
    let answer: pb::PauseTaskResponse = call(PAUSE, &request).await?;
    Ok(wire::position(answer.position))
}

/// Takes a task up again.
pub(crate) async fn resume(request_id: String, task: String) -> Answer<Position> {
    let request = pb::ResumeTaskRequest { request_id, task };
    let answer: pb::ResumeTaskResponse = call(RESUME, &request).await?;
    Ok(wire::position(answer.position))
}

/// Opens a failed task again, or frees one that stands still.
pub(crate) async fn requeue(request_id: String, task: String) -> Answer<Position> {
    let request = pb::RequeueTaskRequest { request_id, task };
    let answer: pb::RequeueTaskResponse = call(REQUEUE, &request).await?;
    Ok(wire::position(answer.position))
}

/// Changes what a task asks for.
pub(crate) async fn edit(request_id: String, task: String, changes: Changes) -> Answer<Position> {
    change(request_id, task, changes).await.map(|(position, _)| position)
}

/// One step of what is done to many; answers the etag behind it, if it changed.
pub(crate) async fn step(task: String, step: Step) -> Answer<String> {
    let key = super::request_id();
    let position = match step {
        Step::Pause => pause(key, task).await,
        Step::Resume => resume(key, task).await,
        Step::Requeue => requeue(key, task).await,
        Step::Admit(hash) => admit(key, task, hash).await,
        Step::Cancel(why) => cancel(key, task, why).await,
        Step::Change(changes) => return change(key, task, changes).await.map(|(_, etag)| etag),
    };
    position.map(|_| String::new())
}

async fn change(request_id: String, task: String, changes: Changes) -> Answer<(Position, String)> {
    let Changes { etag, fields, title, instruction, priority, tags } = changes;
    let spec = pb::TaskSpec {
        title,
        instruction,
        priority: Some(priority),
        tags,
        ..pb::TaskSpec::default()
    };
    let paths = fields.into_iter().map(str::to_owned).collect();
    let update_mask = Some(wkt::FieldMask { paths });
    let request = pb::EditTaskRequest { request_id, task, etag, spec: Some(spec), update_mask };
    let answer: pb::EditTaskResponse = call(EDIT, &request).await?;
    Ok((wire::position(answer.position), answer.etag))
}

/// Opens failed tasks again, as many as one call takes.
pub(crate) async fn redrive(request_id: String) -> Answer<Position> {
    let request = pb::RedriveTasksRequest { request_id, ..pb::RedriveTasksRequest::default() };
    let answer: pb::RedriveTasksResponse = call(REDRIVE, &request).await?;
    Ok(wire::position(answer.position))
}

/// What stands in a task's way: tasks, by their ids.
pub(crate) async fn blocking(task: &str) -> Answer<Vec<String>> {
    let tasks = vec![task.to_owned()];
    let request = pb::ExplainTasksRequest { tasks, ..pb::ExplainTasksRequest::default() };
    let answer: pb::ExplainTasksResponse = call(EXPLAIN, &request).await?;
    let told = answer.explanations.into_iter().next();
    Ok(told.map(|told| told.blocking_task_ids).unwrap_or_default())
}

/// One task as it was behind a row of the queue's log.
pub(crate) async fn get_as_of(task: &str, sequence: u64) -> Answer<Task> {
    let moment = Some(pb::as_of::Moment::Sequence(sequence));
    let as_of = Some(pb::AsOf { moment });
    let request =
        pb::GetTaskRequest { task: task.to_owned(), as_of, ..pb::GetTaskRequest::default() };
    let answer: pb::GetTaskResponse = call(GET, &request).await?;
    Ok(self::task(answer.task.unwrap_or_default()))
}

fn task(wire: pb::Task) -> Task {
    let (state, kind) = (state(wire.state()), wire.spec.as_ref().map(pb::TaskSpec::kind));
    let (wait, wait_is_for_you) = wait(wire.wait_reason());
    let local = wire.spec.as_ref().is_some_and(|spec| spec.mode() == pb::TaskMode::Local);
    let spec = wire.spec.unwrap_or_default();
    let failed = !wire.failure_class.is_empty();
    let intent = [
        ("Constraints", spec.constraints),
        ("Preferences", spec.preferences),
        ("Must not happen", spec.anti_goals),
        ("Command", if local { vec![spec.command.join(" ")] } else { Vec::new() }),
    ];
    Task {
        id: wire.task_id,
        key: spec.key,
        title: spec.title,
        instruction: spec.instruction,
        intent: intent.into_iter().filter(|(_, lines)| !lines.is_empty()).collect(),
        kind: kind.map_or(Kind::Docs, self::kind),
        local,
        target: spec.target,
        priority: spec.priority.unwrap_or(5),
        budget_max: spec.budget_max_micro_usd.unwrap_or_default(),
        cost: wire.cost_micro_usd,
        state,
        wait,
        wait_is_for_you,
        awaits: wire.awaits,
        submitter: wire.submitter,
        added: wire::moment(wire.added_time),
        changed: wire::moment(wire.changed_time),
        start: wire::some_moment(wire.start_time),
        attempt_count: wire.attempt_count,
        rejection_count: wire.rejection_count,
        attempts: wire.attempts.into_iter().map(attempt).collect(),
        feedback: wire.feedback,
        failure: failed.then_some((wire.failure_class, wire.failure_message)),
        dependencies: wire.dependency_ids,
        dependents: wire.dependent_ids,
        resident: spec.resident_id,
        tags: spec.tags,
        submission: wire.submission_id,
        etag: wire.etag,
        proposal_hash: wire.proposal_hash,
        why: wire.why,
        held_program: wire.held_program,
        held_program_hash: wire.held_program_hash,
    }
}

fn attempt(wire: pb::Attempt) -> Attempt {
    Attempt {
        number: wire.number,
        cycle: wire.cycle_id,
        resident: wire.resident_id,
        start: wire::moment(wire.start_time),
        end: wire::some_moment(wire.end_time),
        outcome: wire.outcome,
        failure_class: wire.failure_class,
        cost: wire.cost_micro_usd,
        submission: wire.submission_id,
    }
}

const fn kind(wire: pb::TaskKind) -> Kind {
    match wire {
        pb::TaskKind::Unspecified | pb::TaskKind::Docs => Kind::Docs,
        pb::TaskKind::Plan => Kind::Plan,
        pb::TaskKind::Answer => Kind::Answer,
    }
}

const fn profile(review: Review) -> review_pb::Profile {
    match review {
        Review::Checks => review_pb::Profile::Checks,
        Review::Light => review_pb::Profile::Light,
        Review::Standard => review_pb::Profile::Standard,
        Review::Strict => review_pb::Profile::Strict,
    }
}

const fn kind_to_wire(kind: Kind) -> pb::TaskKind {
    match kind {
        Kind::Docs => pb::TaskKind::Docs,
        Kind::Plan => pb::TaskKind::Plan,
        Kind::Answer => pb::TaskKind::Answer,
    }
}

const fn state(wire: pb::TaskState) -> State {
    match wire {
        pb::TaskState::Unspecified => State::Unknown,
        pb::TaskState::Proposed => State::Proposed,
        pb::TaskState::Blocked => State::Blocked,
        pb::TaskState::Queued => State::Queued,
        pb::TaskState::Ready => State::Ready,
        pb::TaskState::Leased => State::Working,
        pb::TaskState::Split => State::Split,
        pb::TaskState::InReview => State::InReview,
        pb::TaskState::AwaitingHuman => State::AwaitingHuman,
        pb::TaskState::Requeued => State::Requeued,
        pb::TaskState::Paused => State::Paused,
        pb::TaskState::Approved => State::Approved,
        pb::TaskState::Failed => State::Failed,
        pb::TaskState::Cancelled => State::Cancelled,
    }
}

const fn state_to_wire(state: State) -> pb::TaskState {
    match state {
        State::Unknown => pb::TaskState::Unspecified,
        State::Proposed => pb::TaskState::Proposed,
        State::Blocked => pb::TaskState::Blocked,
        State::Queued => pb::TaskState::Queued,
        State::Ready => pb::TaskState::Ready,
        State::Working => pb::TaskState::Leased,
        State::Split => pb::TaskState::Split,
        State::InReview => pb::TaskState::InReview,
        State::AwaitingHuman => pb::TaskState::AwaitingHuman,
        State::Requeued => pb::TaskState::Requeued,
        State::Paused => pb::TaskState::Paused,
        State::Approved => pb::TaskState::Approved,
        State::Failed => pb::TaskState::Failed,
        State::Cancelled => pb::TaskState::Cancelled,
    }
}

/// Why a task does not run, and whether that is for a person to change.
const fn wait(wire: pb::WaitReason) -> (&'static str, bool) {
    match wire {
        pb::WaitReason::Unspecified => ("", false),
        pb::WaitReason::Halted => ("The world is halted", false),
        pb::WaitReason::Paused => ("The world is paused, or waits for a step", false),
        pb::WaitReason::Pace => ("The pace allows the next start in a moment", false),
        pb::WaitReason::RestDay => ("Today is the day of rest", false),
        pb::WaitReason::NotBefore => ("Its start lies ahead", false),
        pb::WaitReason::BackOff => ("It waits a little after a failure", false),
        pb::WaitReason::Dependency => ("A task it depends on is not approved yet", false),
        pb::WaitReason::DependencyFailed => ("A task it depends on failed or was cancelled", true),
        pb::WaitReason::Budget => ("A budget does not allow its least amount", false),
        pb::WaitReason::Rate => ("The model provider asks to wait", false),
        pb::WaitReason::Exclusive => ("A task that runs alone goes first", false),
        pb::WaitReason::ConcurrencyKey => ("Another task holds the same place", false),
        pb::WaitReason::Specialization => ("Nobody has the skill it asks for", false),
        pb::WaitReason::ResidentBusy => ("Everybody who may take it is at work", false),
        pb::WaitReason::NoResident => ("Nobody may take it", false),
        pb::WaitReason::NoProvider => ("No language model is usable", false),
        pb::WaitReason::NoRunner => ("No runner has a free place", false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_that_can_be_asked_for_comes_back_as_itself() {
        for known in State::ALL {
            assert_eq!(state(state_to_wire(known)), known);
        }
    }

    #[test]
    fn a_task_without_a_spec_is_still_a_task() {
        let wire = pb::Task { task_id: "tsk_1".into(), ..pb::Task::default() };
        let read = task(wire);
        assert_eq!((read.id.as_str(), read.priority, read.failure), ("tsk_1", 5, None));
    }
}
