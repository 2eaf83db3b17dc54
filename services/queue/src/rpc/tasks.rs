//! `TaskService`: adding, reading and steering tasks.

use std::collections::BTreeSet;
use std::pin::Pin;

use futures::Stream;
use tonic::{Request, Response, Status};
use vivarium_chassis::{Caller, Refusal, Violations};
use vivarium_ledger::{Request as RequestKey, Row, Submission};
use vivarium_proto::queue::v1 as pb;
use vivarium_proto::queue::v1::task_service_server::TaskService;
use vivarium_types::ids::TaskId;
use vivarium_types::source::Hash;
use vivarium_types::{Actor, Reason, program};

use super::{Desk, broken, convert, cycle, edit, list, past, position, proposals, refusal, show};
use crate::domain::event::{Event, Wire};
use crate::domain::signals;
use crate::domain::task;
use crate::domain::{Command, Queue};
use crate::views::list::{Order, Part, Place};
use crate::views::{self, Filter, Record};

/// Characters of a program that was refused, for the resident.
const PROGRAM_TOLD_MAX: usize = 500;
/// Tasks of one message of a watch.
const WATCH_PAGE: u32 = 200;

/// Adding, reading and steering tasks.
#[derive(Debug, Clone)]
pub struct Tasks {
    desk: Desk,
}

impl Tasks {
    /// The service.
    pub const fn new(desk: Desk) -> Self {
        Self { desk }
    }

    /// The tasks of these names.
    async fn resolved<C: FromIterator<TaskId> + Send + 'static>(
        &self,
        names: Vec<String>,
    ) -> Result<C, Refusal> {
        let asked = self.desk.ledger.ask(move |queue| {
            names.iter().map(|name| queue.resolve(name)).collect::<Result<C, _>>()
        });
        let found = asked.await.map_err(refusal)?;
        found.map_err(|rejection| refusal(vivarium_ledger::Error::Refused(rejection)))
    }

    /// Submits a change of one task and answers where the log stands.
    async fn steer<M: prost::Message + Clone>(
        &self,
        request: Request<M>,
        method: &'static str,
        parse: impl FnOnce(&M, &mut Violations) -> (String, Change),
    ) -> Result<vivarium_proto::ledger::v1::Position, Refusal> {
        let actor = Caller::of(&request).actor.clone();
        let wire = request.into_inner();
        let mut wrong = Violations::new();
        let (request_id, change) = parse(&wire, &mut wrong);
        convert::request_id(&mut wrong, &request_id);
        wrong.finish()?;
        let ledger = &self.desk.ledger;
        let mut texts = ledger.texts();
        let command = match change {
            Change::Cancel { task, reason } => {
                let reason = reason.map(|reason| texts.plain(&reason));
                Command::Cancel { task, reason }
            }
            Change::Refuse { task, hash, reason } => {
                let reason = reason.map(|reason| texts.plain(&reason));
                Command::Refuse { task, hash, reason }
            }
            Change::DecideProgram { task, hash, allowed, reason } => {
                let held = self.desk.task(&task).await?.map(|task| task.held_program);
                let program = program::readable(&held.unwrap_or_default());
                let program: String = program.chars().take(PROGRAM_TOLD_MAX).collect();
                let because = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
                let told = format!("A person refused to run {program}. Do it without{because}");
                let feedback = (!allowed).then(|| texts.plain(&told));
                Command::DecideProgram { task, hash, allowed, feedback }
            }
            Change::Plain(command) => command,
        };
        let submission = Submission::new(actor, command)
            .texts(texts.into_rows())
            .request(RequestKey::of(method, &request_id, &wire));
        let answer = ledger.submit(submission).await.map_err(refusal)?;
        Ok(position(answer.sequence))
    }
}

enum Change {
    Cancel { task: String, reason: Option<String> },
    Refuse { task: String, hash: Hash, reason: Option<String> },
    DecideProgram { task: String, hash: Hash, allowed: bool, reason: Option<String> },
    Plain(Command),
}

type Cycle = Pin<Box<dyn Stream<Item = Result<pb::RunCycleResponse, Status>> + Send>>;
type Watched = Pin<Box<dyn Stream<Item = Result<pb::WatchTasksResponse, Status>> + Send>>;

#[tonic::async_trait]
impl TaskService for Tasks {
    type RunCycleStream = Cycle;
    type WatchTasksStream = Watched;

    async fn add_tasks(
        &self,
        request: Request<pb::AddTasksRequest>,
    ) -> Result<Response<pb::AddTasksResponse>, Status> {
        const METHOD: &str = "/vivarium.queue.v1.TaskService/AddTasks";
        let actor = Caller::of(&request).actor.clone();
        let wire = request.into_inner();
        let key = request_key(METHOD, &wire);
        let asked = convert::add(wire, &self.desk.bounds())?;
        Ok(Response::new(add(&self.desk, actor, key, asked).await?))
    }

    async fn run_cycle(
        &self,
        request: Request<pb::RunCycleRequest>,
    ) -> Result<Response<Cycle>, Status> {
        let actor = Caller::of(&request).actor.clone();
        let told = cycle::run(self.desk.clone(), actor, request.into_inner()).await?;
        Ok(Response::new(Box::pin(told)))
    }

    async fn get_task(
        &self,
        request: Request<pb::GetTaskRequest>,
    ) -> Result<Response<pb::GetTaskResponse>, Status> {
        let wire = request.into_inner();
        self.desk.reached(wire.min_position).await?;
        let found = match past::place(&self.desk, wire.as_of).await? {
            None => self.desk.task(&wire.task).await?,
            Some(place) => past::task(&self.desk, &wire.task, place).await?,
        };
        let task = found.ok_or_else(|| {
            Refusal::new(Reason::QueueTaskNotFound)
                .with("task", &wire.task)
                .resource("task", &wire.task)
        })?;
        Ok(Response::new(pb::GetTaskResponse { task: Some(task) }))
    }

    async fn list_tasks(
        &self,
        request: Request<pb::ListTasksRequest>,
    ) -> Result<Response<pb::ListTasksResponse>, Status> {
        Ok(Response::new(list::list(&self.desk, request.into_inner()).await?))
    }

    async fn watch_tasks(
        &self,
        request: Request<pb::WatchTasksRequest>,
    ) -> Result<Response<Watched>, Status> {
        let (filter, names) = convert::watch(request.into_inner())?;
        let only = if names.is_empty() { None } else { Some(self.resolved(names).await?) };
        let watcher = Watcher { desk: self.desk.clone(), filter, only, sent: BTreeSet::new() };
        Ok(Response::new(watcher.run()))
    }

    async fn edit_task(
        &self,
        request: Request<pb::EditTaskRequest>,
    ) -> Result<Response<pb::EditTaskResponse>, Status> {
        let actor = Caller::of(&request).actor.clone();
        Ok(Response::new(edit::edit(&self.desk, actor, request.into_inner()).await?))
    }

    async fn redrive_tasks(
        &self,
        request: Request<pb::RedriveTasksRequest>,
    ) -> Result<Response<pb::RedriveTasksResponse>, Status> {
        const METHOD: &str = "/vivarium.queue.v1.TaskService/RedriveTasks";
        let actor = Caller::of(&request).actor.clone();
        let wire = request.into_inner();
        let redrive = convert::redrive(&wire)?;
        let submission = Submission::new(actor, Command::Redrive(redrive.clone()))
            .request(RequestKey::of(METHOD, &wire.request_id, &wire))
            .answering(move |queue: &Queue, decided| {
                let reopened = decided.events.iter().filter_map(|(event, _)| {
                    let Event::TaskReopened { task, .. } = event else { return None };
                    Some(task.to_string())
                });
                pb::RedriveTasksResponse {
                    position: Some(position(decided.sequence)),
                    task_ids: reopened.collect(),
                    left_count: queue.redrivable(&redrive),
                }
            });
        let answer = self.desk.ledger.submit(submission).await.map_err(refusal)?;
        Ok(Response::new(answer.message().map_err(broken)?))
    }

    async fn explain_tasks(
        &self,
        request: Request<pb::ExplainTasksRequest>,
    ) -> Result<Response<pb::ExplainTasksResponse>, Status> {
        let wire = request.into_inner();
        let (names, after, size) = convert::explain(&wire)?;
        self.desk.reached(wire.min_position).await?;
        let now = self.desk.ledger.now();
        let wanted: Vec<TaskId> = self.resolved(names).await?;
        let asked = self.desk.ledger.ask(move |queue| {
            if !wanted.is_empty() {
                return (queue.explain(&wanted, now), None);
            }
            let waiting = queue.waiting(after, size + 1);
            let shown = &waiting[..waiting.len().min(size)];
            let next = shown.last().filter(|_| waiting.len() > size).copied();
            (queue.explain(shown, now), next)
        });
        let (explanations, next) = asked.await.map_err(refusal)?;
        Ok(Response::new(pb::ExplainTasksResponse {
            explanations: explanations.iter().map(show::explanation).collect(),
            next_page_token: next.map(|task| task.to_string()).unwrap_or_default(),
        }))
    }

    async fn cancel_task(
        &self,
        request: Request<pb::CancelTaskRequest>,
    ) -> Result<Response<pb::CancelTaskResponse>, Status> {
        const METHOD: &str = "/vivarium.queue.v1.TaskService/CancelTask";
        let parse = |wire: &pb::CancelTaskRequest, wrong: &mut Violations| {
            convert::task_name(wrong, &wire.task);
            let reason = convert::optional_reason(wrong, &wire.reason);
            (wire.request_id.clone(), Change::Cancel { task: wire.task.clone(), reason })
        };
        let position = Some(self.steer(request, METHOD, parse).await?);
        Ok(Response::new(pb::CancelTaskResponse { position }))
    }

    async fn propose_tasks(
        &self,
        request: Request<pb::ProposeTasksRequest>,
    ) -> Result<Response<pb::ProposeTasksResponse>, Status> {
        let actor = Caller::of(&request).actor.clone();
        Ok(Response::new(proposals::offer(&self.desk, actor, request.into_inner()).await?))
    }

    async fn admit_task(
        &self,
        request: Request<pb::AdmitTaskRequest>,
    ) -> Result<Response<pb::AdmitTaskResponse>, Status> {
        const METHOD: &str = "/vivarium.queue.v1.TaskService/AdmitTask";
        let parse = |wire: &pb::AdmitTaskRequest, wrong: &mut Violations| {
            convert::task_name(wrong, &wire.task);
            let hash =
                convert::hash(wrong, "proposal_hash", &wire.proposal_hash).unwrap_or_default();
            let command = Command::Admit { task: wire.task.clone(), hash };
            (wire.request_id.clone(), Change::Plain(command))
        };
        let position = Some(self.steer(request, METHOD, parse).await?);
        Ok(Response::new(pb::AdmitTaskResponse { position }))
    }

    async fn refuse_task(
        &self,
        request: Request<pb::RefuseTaskRequest>,
    ) -> Result<Response<pb::RefuseTaskResponse>, Status> {
        const METHOD: &str = "/vivarium.queue.v1.TaskService/RefuseTask";
        let parse = |wire: &pb::RefuseTaskRequest, wrong: &mut Violations| {
            convert::task_name(wrong, &wire.task);
            let hash =
                convert::hash(wrong, "proposal_hash", &wire.proposal_hash).unwrap_or_default();
            let reason = convert::optional_reason(wrong, &wire.reason);
            (wire.request_id.clone(), Change::Refuse { task: wire.task.clone(), hash, reason })
        };
        let position = Some(self.steer(request, METHOD, parse).await?);
        Ok(Response::new(pb::RefuseTaskResponse { position }))
    }

    async fn decide_program(
        &self,
        request: Request<pb::DecideProgramRequest>,
    ) -> Result<Response<pb::DecideProgramResponse>, Status> {
        const METHOD: &str = "/vivarium.queue.v1.TaskService/DecideProgram";
        let parse = |wire: &pb::DecideProgramRequest, wrong: &mut Violations| {
            convert::task_name(wrong, &wire.task);
            let hash = convert::hash(wrong, "hash", &wire.hash).unwrap_or_default();
            let reason = convert::optional_reason(wrong, &wire.reason);
            let (task, allowed) = (wire.task.clone(), wire.allowed);
            (wire.request_id.clone(), Change::DecideProgram { task, hash, allowed, reason })
        };
        let position = Some(self.steer(request, METHOD, parse).await?);
        Ok(Response::new(pb::DecideProgramResponse { position }))
    }

    async fn pause_task(
        &self,
        request: Request<pb::PauseTaskRequest>,
    ) -> Result<Response<pb::PauseTaskResponse>, Status> {
        const METHOD: &str = "/vivarium.queue.v1.TaskService/PauseTask";
        let parse = |wire: &pb::PauseTaskRequest, wrong: &mut Violations| {
            convert::task_name(wrong, &wire.task);
            let command = Command::Pause { task: wire.task.clone() };
            (wire.request_id.clone(), Change::Plain(command))
        };
        let position = Some(self.steer(request, METHOD, parse).await?);
        Ok(Response::new(pb::PauseTaskResponse { position }))
    }

    async fn resume_task(
        &self,
        request: Request<pb::ResumeTaskRequest>,
    ) -> Result<Response<pb::ResumeTaskResponse>, Status> {
        const METHOD: &str = "/vivarium.queue.v1.TaskService/ResumeTask";
        let parse = |wire: &pb::ResumeTaskRequest, wrong: &mut Violations| {
            convert::task_name(wrong, &wire.task);
            let command = Command::ResumeTask { task: wire.task.clone() };
            (wire.request_id.clone(), Change::Plain(command))
        };
        let position = Some(self.steer(request, METHOD, parse).await?);
        Ok(Response::new(pb::ResumeTaskResponse { position }))
    }

    async fn requeue_task(
        &self,
        request: Request<pb::RequeueTaskRequest>,
    ) -> Result<Response<pb::RequeueTaskResponse>, Status> {
        const METHOD: &str = "/vivarium.queue.v1.TaskService/RequeueTask";
        let parse = |wire: &pb::RequeueTaskRequest, wrong: &mut Violations| {
            convert::task_name(wrong, &wire.task);
            let command = Command::Requeue { task: wire.task.clone() };
            (wire.request_id.clone(), Change::Plain(command))
        };
        let position = Some(self.steer(request, METHOD, parse).await?);
        Ok(Response::new(pb::RequeueTaskResponse { position }))
    }
}

/// Adds tasks, all or none, and once for a request.
pub(super) async fn add(
    desk: &Desk,
    actor: Actor,
    key: RequestKey,
    asked: Vec<convert::Asked>,
) -> Result<pb::AddTasksResponse, Refusal> {
    let hints: Vec<pb::SplitHint> = asked
        .iter()
        .map(|asked| signals::split_signals(&asked.instruction))
        .map(|signals| signals.map(show::split_hint).unwrap_or_default())
        .collect();
    let mut texts = desk.ledger.texts();
    let proposals = asked.into_iter().map(|asked| proposals::proposal(asked, &mut texts)).collect();
    let open_max = desk.config.open_tasks_max;
    let submission = Submission::new(actor, Command::Add { proposals, open_max })
        .texts(texts.into_rows())
        .request(key)
        .answering(move |_: &Queue, decided| {
            let added = decided.events.iter().filter_map(|(event, _)| {
                let Event::TaskAdded(added) = event else { return None };
                Some(added.task.to_string())
            });
            let task_ids = added.collect();
            pb::AddTasksResponse {
                position: Some(position(decided.sequence)),
                task_ids,
                split_hints: hints,
            }
        });
    let answer = desk.ledger.submit(submission).await.map_err(refusal)?;
    answer.message().map_err(broken)
}

/// The identity of an add: a map of metadata encodes in any order, so it is brought into one.
fn request_key(method: &'static str, wire: &pb::AddTasksRequest) -> RequestKey {
    let mut plain = wire.clone();
    plain.tasks.iter_mut().for_each(convert::sort_metadata);
    RequestKey::of(method, &wire.request_id, &plain)
}

/// One caller's watch: what matches now, then every change of it.
struct Watcher {
    desk: Desk,
    filter: Filter,
    /// The tasks that were named, if any were.
    only: Option<BTreeSet<TaskId>>,
    /// Tasks that the caller knows: it also hears when they stop to match.
    sent: BTreeSet<u64>,
}

impl Watcher {
    fn run(mut self) -> Watched {
        Box::pin(async_stream::try_stream! {
            // Changes behind this place follow; some of them may be in the snapshot already.
            let mut watch = self.desk.ledger.watch(self.desk.ledger.committed());
            let mut before = None;
            loop {
                let (tasks, next) = match self.only.clone() {
                    Some(only) => (self.changes(only).await?, None),
                    None => self.page(before).await?,
                };
                let caught_up = next.is_none();
                yield pb::WatchTasksResponse { tasks, caught_up };
                before = next;
                if caught_up {
                    break;
                }
            }
            while let Some(rows) = watch.next().await {
                let rows = rows.map_err(broken)?;
                let mut changed: BTreeSet<TaskId> = rows.iter().filter_map(|row| of(row)).collect();
                changed.retain(|task| self.only.as_ref().is_none_or(|only| only.contains(task)));
                let tasks = self.changes(changed).await?;
                if !tasks.is_empty() {
                    yield pb::WatchTasksResponse { tasks, caught_up: true };
                }
            }
        })
    }

    async fn page(&mut self, before: Option<u64>) -> Result<(Vec<pb::Task>, Option<u64>), Refusal> {
        let filter = self.filter.clone();
        let behind = before.map(|sequence| Place { sequence, priority: 0 });
        let part = Part { order: Order::Newest, behind, skip: 0, limit: WATCH_PAGE };
        let query = self.desk.ledger.view(move |db| views::list::page(db, &filter, &part));
        let records = query.await.map_err(broken)?;
        let full = records.len() == WATCH_PAGE as usize;
        let next = records.last().map(|record| record.sequence).filter(|_| full);
        Ok((self.show(records).await?, next))
    }

    async fn changes(&mut self, changed: BTreeSet<TaskId>) -> Result<Vec<pb::Task>, Refusal> {
        let filter = self.filter.clone();
        let query = self.desk.ledger.view(move |db| {
            let mut found = Vec::new();
            for id in changed {
                let Some(record) = views::find(db, &id.to_string())? else { continue };
                let fits = views::matches(db, &filter, record.sequence)?;
                found.push((record, fits));
            }
            Ok(found)
        });
        let found = query.await.map_err(broken)?.into_iter();
        let told = found.filter(|(record, fits)| *fits || self.sent.contains(&record.sequence));
        let records = told.map(|(record, _)| record).collect();
        self.show(records).await
    }

    async fn show(&mut self, records: Vec<Record>) -> Result<Vec<pb::Task>, Refusal> {
        let waits = self.desk.wait_reasons(&records).await?;
        self.sent.extend(records.iter().map(|record| record.sequence));
        let tasks = records.into_iter().zip(waits);
        Ok(tasks.map(|(record, waits)| show::record(record, waits)).collect())
    }
}

/// The task a row is about.
pub(super) fn of(row: &Row) -> Option<TaskId> {
    let wire: Wire = serde_json::from_slice(&row.payload).ok()?;
    task::of(&Event::try_from(wire).ok()?)
}
