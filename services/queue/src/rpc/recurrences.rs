//! `RecurrenceService`: templates that add a task again and again.

use tonic::{Request, Response, Status};
use vivarium_chassis::{Caller, Refusal, Violations};
use vivarium_ledger::{Request as RequestKey, Submission};
use vivarium_proto::ledger::v1::Position;
use vivarium_proto::queue::v1 as pb;
use vivarium_proto::queue::v1::recurrence_service_server::RecurrenceService;

use super::convert::{self, Intent};
use super::{Desk, broken, position, refusal, wire_time};
use crate::domain::event::write;
use crate::domain::recurrence::{Created, Next, Recurrence, Standing};
use crate::domain::{Command, Queue};

/// Templates that add a task again and again.
#[derive(Debug, Clone)]
pub struct Recurrences {
    desk: Desk,
}

impl Recurrences {
    /// The service.
    pub const fn new(desk: Desk) -> Self {
        Self { desk }
    }

    /// A recurrence with its texts in place.
    async fn shown(&self, recurrence: &Recurrence) -> Result<pb::Recurrence, Refusal> {
        let created = &recurrence.created;
        let intent = match &created.intent {
            Some(intent) => self.desk.text(&intent.id).await?,
            None => String::new(),
        };
        let intent: Intent = serde_json::from_str(&intent).unwrap_or_default();
        let spec = pb::TaskSpec {
            key: created.key.clone(),
            title: self.desk.text(&created.title.id).await?,
            instruction: self.desk.text(&created.instruction.id).await?,
            constraints: intent.constraints,
            preferences: intent.preferences,
            anti_goals: intent.anti_goals,
            metadata: intent.metadata.into_iter().collect(),
            ..write::spec(&created.spec)
        };
        let (next_time, next_day) = write::next(recurrence.next);
        Ok(pb::Recurrence {
            key: created.key.clone(),
            spec: Some(spec),
            schedule: Some(write::schedule(&created.schedule)),
            state: write::standing(recurrence.standing).into(),
            next_time,
            next_day,
            fired_count: recurrence.fired,
            skipped_count: recurrence.skipped,
            last_task_id: write::or_empty(recurrence.last),
            submitter: created.submitter.clone(),
            created_time: Some(wire_time(recurrence.created_time)),
        })
    }

    async fn steer<M: prost::Message>(
        &self,
        request: Request<M>,
        method: &'static str,
        standing: Standing,
        parse: impl FnOnce(&M) -> (String, String),
    ) -> Result<Option<Position>, Refusal> {
        let actor = Caller::of(&request).actor.clone();
        let wire = request.into_inner();
        let (request_id, key) = parse(&wire);
        let mut wrong = Violations::new();
        convert::request_id(&mut wrong, &request_id);
        convert::recurrence_key(&mut wrong, "key", &key);
        wrong.finish()?;
        let command = Command::SteerRecurrence { key, standing };
        let submission =
            Submission::new(actor, command).request(RequestKey::of(method, &request_id, &wire));
        let answer = self.desk.ledger.submit(submission).await.map_err(refusal)?;
        Ok(Some(position(answer.sequence)))
    }
}

#[tonic::async_trait]
impl RecurrenceService for Recurrences {
    async fn create_recurrence(
        &self,
        request: Request<pb::CreateRecurrenceRequest>,
    ) -> Result<Response<pb::CreateRecurrenceResponse>, Status> {
        const METHOD: &str = "/vivarium.queue.v1.RecurrenceService/CreateRecurrence";
        let actor = Caller::of(&request).actor.clone();
        let wire = request.into_inner();
        let (asked, schedule) = convert::recurrence(&wire, &self.desk.bounds())?;
        let request = RequestKey::of(METHOD, &wire.request_id, &canonical(&wire));
        let mut texts = self.desk.ledger.texts();
        let key = asked.spec.key.clone().unwrap_or_default();
        let command = Command::CreateRecurrence(Box::new(Created {
            key: key.clone(),
            title: texts.plain(&asked.title),
            instruction: texts.plain(&asked.instruction),
            intent: asked.intent.map(|intent| {
                let json = serde_json::to_string(&intent);
                texts.plain(&json.expect("lists of texts are JSON"))
            }),
            spec: asked.spec,
            schedule,
            submitter: String::new(),
            next: Next::Never,
        }));
        let submission = Submission::new(actor, command)
            .texts(texts.into_rows())
            .request(request)
            .answering(|_: &Queue, decided| pb::CreateRecurrenceResponse {
                position: Some(position(decided.sequence)),
                recurrence: None,
            });
        let answer = self.desk.ledger.submit(submission).await.map_err(refusal)?;
        let mut answer: pb::CreateRecurrenceResponse = answer.message().map_err(broken)?;
        let found = self.desk.ledger.ask(move |queue| queue.recurrences.get(&key).cloned());
        if let Some(recurrence) = found.await.map_err(refusal)? {
            answer.recurrence = Some(self.shown(&recurrence).await?);
        }
        Ok(Response::new(answer))
    }

    async fn list_recurrences(
        &self,
        request: Request<pb::ListRecurrencesRequest>,
    ) -> Result<Response<pb::ListRecurrencesResponse>, Status> {
        let wire = request.into_inner();
        self.desk.reached(wire.min_position).await?;
        let show_ended = wire.show_ended;
        let asked = self.desk.ledger.ask(move |queue| {
            let shown = |known: &&Recurrence| show_ended || known.standing != Standing::Ended;
            queue.recurrences.values().filter(shown).cloned().collect::<Vec<_>>()
        });
        let mut recurrences = Vec::new();
        for recurrence in asked.await.map_err(refusal)? {
            recurrences.push(self.shown(&recurrence).await?);
        }
        Ok(Response::new(pb::ListRecurrencesResponse { recurrences }))
    }

    async fn pause_recurrence(
        &self,
        request: Request<pb::PauseRecurrenceRequest>,
    ) -> Result<Response<pb::PauseRecurrenceResponse>, Status> {
        const METHOD: &str = "/vivarium.queue.v1.RecurrenceService/PauseRecurrence";
        let parse = |wire: &pb::PauseRecurrenceRequest| (wire.request_id.clone(), wire.key.clone());
        let position = self.steer(request, METHOD, Standing::Paused, parse).await?;
        Ok(Response::new(pb::PauseRecurrenceResponse { position }))
    }

    async fn resume_recurrence(
        &self,
        request: Request<pb::ResumeRecurrenceRequest>,
    ) -> Result<Response<pb::ResumeRecurrenceResponse>, Status> {
        const METHOD: &str = "/vivarium.queue.v1.RecurrenceService/ResumeRecurrence";
        let parse =
            |wire: &pb::ResumeRecurrenceRequest| (wire.request_id.clone(), wire.key.clone());
        let position = self.steer(request, METHOD, Standing::Active, parse).await?;
        Ok(Response::new(pb::ResumeRecurrenceResponse { position }))
    }

    async fn end_recurrence(
        &self,
        request: Request<pb::EndRecurrenceRequest>,
    ) -> Result<Response<pb::EndRecurrenceResponse>, Status> {
        const METHOD: &str = "/vivarium.queue.v1.RecurrenceService/EndRecurrence";
        let parse = |wire: &pb::EndRecurrenceRequest| (wire.request_id.clone(), wire.key.clone());
        let position = self.steer(request, METHOD, Standing::Ended, parse).await?;
        Ok(Response::new(pb::EndRecurrenceResponse { position }))
    }
}

/// The request with its map of metadata in one order, for its digest.
fn canonical(wire: &pb::CreateRecurrenceRequest) -> pb::CreateRecurrenceRequest {
    let mut plain = wire.clone();
    if let Some(spec) = &mut plain.spec {
        convert::sort_metadata(spec);
    }
    plain
}
