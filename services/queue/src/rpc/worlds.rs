//! `WorldService`: the controls of the world.

use tokio::sync::oneshot;
use tonic::{Request, Response, Status};
use vivarium_chassis::run::Signer;
use vivarium_chassis::{Caller, Refusal, Violations, trust};
use vivarium_ledger::{Request as RequestKey, Submission};
use vivarium_proto::queue::v1 as pb;
use vivarium_proto::queue::v1::world_service_server::WorldService;
use vivarium_types::ids::ResidentId;
use vivarium_types::{Reason, Timestamp};

use super::{Desk, broken, convert, position, refusal, show};
use crate::domain::level::{DAYS_MAX, Wanted};
use crate::domain::world::{Mode, STEPS_MAX};
use crate::domain::{Command, Queue};
use crate::halt_file;

/// The controls of the world.
#[derive(Debug, Clone)]
pub struct Worlds {
    desk: Desk,
    signer: Signer,
}

impl Worlds {
    /// The service.
    pub const fn new(desk: Desk, signer: Signer) -> Self {
        Self { desk, signer }
    }
}

#[tonic::async_trait]
impl WorldService for Worlds {
    async fn get_controls(
        &self,
        request: Request<pb::GetControlsRequest>,
    ) -> Result<Response<pb::GetControlsResponse>, Status> {
        self.desk.reached(request.into_inner().min_position).await?;
        let controls = self.desk.controls().await?;
        let sequence = self.desk.ledger.committed();
        let asked = self.desk.ledger.ask(|queue| (show::calendar(queue), show::runners(queue)));
        let (calendar, runners) = asked.await.map_err(refusal)?;
        Ok(Response::new(pb::GetControlsResponse {
            controls: Some(controls),
            calendar: Some(calendar),
            runners,
            position: Some(position(sequence)),
        }))
    }

    async fn set_halt(
        &self,
        request: Request<pb::SetHaltRequest>,
    ) -> Result<Response<pb::SetHaltResponse>, Status> {
        const METHOD: &str = "/vivarium.queue.v1.WorldService/SetHalt";
        let actor = Caller::of(&request).actor.clone();
        let wire = request.into_inner();
        let mut wrong = Violations::new();
        convert::request_id(&mut wrong, &wire.request_id);
        let reason = convert::reason(&mut wrong, &wire.reason);
        let reason = wrong.done(reason)?;
        let mut texts = self.desk.ledger.texts();
        let command = Command::SetHalt { reason: texts.plain(&reason) };
        let submission = Submission::new(actor, command)
            .texts(texts.into_rows())
            .request(RequestKey::of(METHOD, &wire.request_id, &wire))
            .answering(|queue: &Queue, decided| pb::SetHaltResponse {
                position: Some(position(decided.sequence)),
                control_epoch: queue.world.control_epoch,
            });
        let answer = self.desk.ledger.submit(submission).await.map_err(refusal)?;
        Ok(Response::new(answer.message().map_err(broken)?))
    }

    async fn resume(
        &self,
        request: Request<pb::ResumeRequest>,
    ) -> Result<Response<pb::ResumeResponse>, Status> {
        const METHOD: &str = "/vivarium.queue.v1.WorldService/Resume";
        let actor = Caller::of(&request).actor.clone();
        let wire = request.into_inner();
        let mut wrong = Violations::new();
        convert::request_id(&mut wrong, &wire.request_id);
        let reason = convert::reason(&mut wrong, &wire.reason);
        let reason = wrong.done(reason)?;
        // The file goes first: a crash in between leaves a world that is halted by its log, never one
        // that a forgotten file halts again.
        halt_file::clear(&self.desk).await?;
        let mut texts = self.desk.ledger.texts();
        let command = Command::EndHalt { reason: texts.plain(&reason) };
        let submission = Submission::new(actor, command)
            .texts(texts.into_rows())
            .request(RequestKey::of(METHOD, &wire.request_id, &wire))
            .answering(|queue: &Queue, decided| show::resumed(queue, decided.sequence));
        let answer = self.desk.ledger.submit(submission).await.map_err(refusal)?;
        Ok(Response::new(answer.message().map_err(broken)?))
    }

    async fn get_halt_receipt(
        &self,
        _: Request<pb::GetHaltReceiptRequest>,
    ) -> Result<Response<pb::GetHaltReceiptResponse>, Status> {
        let sequence = self.desk.ledger.committed();
        let asked = self.desk.ledger.ask(|queue| show::halt_receipt(&queue.world));
        let found = asked.await.map_err(refusal)?;
        let not_halted = || Refusal::new(Reason::QueueNotHalted);
        let (mut receipt, reason) = found.ok_or_else(not_halted)?;
        if let Some(halt) = &mut receipt.halt {
            halt.reason = self.desk.text(&reason).await?;
        }
        receipt.position = Some(position(sequence));
        receipt.statement = serde_json::to_string(&receipt)
            .map_err(|_| Refusal::fault("a receipt that cannot be written"))?;
        receipt.signature = self.signer.checkpoint(&trust::receipt_bytes(&receipt.statement));
        receipt.key_id = self.signer.checkpoint_key_id();
        Ok(Response::new(receipt))
    }

    async fn set_pace(
        &self,
        request: Request<pb::SetPaceRequest>,
    ) -> Result<Response<pb::SetPaceResponse>, Status> {
        const METHOD: &str = "/vivarium.queue.v1.WorldService/SetPace";
        let actor = Caller::of(&request).actor.clone();
        let wire = request.into_inner();
        let mut wrong = Violations::new();
        convert::request_id(&mut wrong, &wire.request_id);
        let reason = convert::optional_reason(&mut wrong, &wire.reason);
        let pace = convert::pace(&mut wrong, wire.pace, wire.wait_seconds);
        let pace = wrong.done(pace)?;
        let mut texts = self.desk.ledger.texts();
        let reason = reason.map(|reason| texts.plain(&reason));
        let submission = Submission::new(actor, Command::SetPace { pace, reason })
            .texts(texts.into_rows())
            .request(RequestKey::of(METHOD, &wire.request_id, &wire))
            .answering(|queue: &Queue, decided| pb::SetPaceResponse {
                position: Some(position(decided.sequence)),
                control_epoch: queue.world.control_epoch,
            });
        let answer = self.desk.ledger.submit(submission).await.map_err(refusal)?;
        Ok(Response::new(answer.message().map_err(broken)?))
    }

    async fn step(
        &self,
        request: Request<pb::StepRequest>,
    ) -> Result<Response<pb::StepResponse>, Status> {
        const METHOD: &str = "/vivarium.queue.v1.WorldService/Step";
        let actor = Caller::of(&request).actor.clone();
        let wire = request.into_inner();
        let mut wrong = Violations::new();
        convert::request_id(&mut wrong, &wire.request_id);
        let count = match wire.count {
            0 => Some(1),
            count => wrong.bounded("count", count, 1..=STEPS_MAX),
        };
        let count = wrong.done(count)?;
        let submission = Submission::new(actor, Command::Step { count })
            .request(RequestKey::of(METHOD, &wire.request_id, &wire))
            .answering(|queue: &Queue, decided| pb::StepResponse {
                position: Some(position(decided.sequence)),
                steps_left: queue.world.steps_left,
            });
        let answer = self.desk.ledger.submit(submission).await.map_err(refusal)?;
        Ok(Response::new(answer.message().map_err(broken)?))
    }

    async fn set_mode(
        &self,
        request: Request<pb::SetModeRequest>,
    ) -> Result<Response<pb::SetModeResponse>, Status> {
        const METHOD: &str = "/vivarium.queue.v1.WorldService/SetMode";
        let actor = Caller::of(&request).actor.clone();
        let wire = request.into_inner();
        let present = self.desk.ledger.ask(|queue| queue.world.mode).await.map_err(refusal)?;
        let mut wrong = Violations::new();
        convert::request_id(&mut wrong, &wire.request_id);
        let reason = convert::reason(&mut wrong, &wire.reason);
        let mode = convert::level(&mut wrong, "mode", wire.mode, &wire.confirm, present);
        let (reason, mode) = wrong.done(reason.zip(mode))?;
        let mut texts = self.desk.ledger.texts();
        let command = Command::SetMode { mode, reason: texts.plain(&reason) };
        let submission = Submission::new(actor, command)
            .texts(texts.into_rows())
            .request(RequestKey::of(METHOD, &wire.request_id, &wire))
            .answering(|queue: &Queue, decided| pb::SetModeResponse {
                position: Some(position(decided.sequence)),
                control_epoch: queue.world.control_epoch,
            });
        let answer = self.desk.ledger.submit(submission).await.map_err(refusal)?;
        Ok(Response::new(answer.message().map_err(broken)?))
    }

    async fn set_resident_level(
        &self,
        request: Request<pb::SetResidentLevelRequest>,
    ) -> Result<Response<pb::SetResidentLevelResponse>, Status> {
        const METHOD: &str = "/vivarium.queue.v1.WorldService/SetResidentLevel";
        let actor = Caller::of(&request).actor.clone();
        let wire = request.into_inner();
        let mut wrong = Violations::new();
        convert::request_id(&mut wrong, &wire.request_id);
        let resident: Option<ResidentId> = wrong.parse("resident_id", &wire.resident_id);
        let reason = convert::reason(&mut wrong, &wire.reason);
        let days = if wire.days == 0 { DAYS_MAX } else { wire.days };
        let days = wrong.bounded("days", days, 1..=DAYS_MAX);
        let now = self.desk.ledger.now();
        let present = self
            .desk
            .ledger
            .ask(move |queue| resident.and_then(|resident| queue.consent(resident, now)));
        let present = present.await.map_err(refusal)?;
        // To take the fence down is to raise it, whatever the level was.
        let wider = wire.after_texts && !present.is_some_and(|present| present.after_texts);
        let present = present.filter(|_| !wider).map_or(Mode::DocsOnly, |present| present.level);
        let level = convert::level(&mut wrong, "level", wire.level, &wire.confirm, present);
        let ((resident, level), (days, reason)) =
            wrong.done(resident.zip(level).zip(days.zip(reason)))?;
        let mut texts = self.desk.ledger.texts();
        let (after_texts, reason) = (wire.after_texts, texts.plain(&reason));
        let wanted = Wanted { resident, level, days, after_texts, reason };
        let submission = Submission::new(actor, Command::SetLevel(wanted))
            .texts(texts.into_rows())
            .request(RequestKey::of(METHOD, &wire.request_id, &wire))
            .answering(move |queue: &Queue, decided| pb::SetResidentLevelResponse {
                position: Some(position(decided.sequence)),
                level: raised(queue, resident, now),
            });
        let answer = self.desk.ledger.submit(submission).await.map_err(refusal)?;
        Ok(Response::new(answer.message().map_err(broken)?))
    }

    async fn list_resident_levels(
        &self,
        request: Request<pb::ListResidentLevelsRequest>,
    ) -> Result<Response<pb::ListResidentLevelsResponse>, Status> {
        self.desk.reached(request.into_inner().min_position).await?;
        let (sequence, now) = (self.desk.ledger.committed(), self.desk.ledger.now());
        let asked = self.desk.ledger.ask(move |queue| {
            let residents = queue.residents.keys();
            residents.filter_map(|resident| raised(queue, *resident, now)).collect()
        });
        let levels = asked.await.map_err(refusal)?;
        let position = Some(position(sequence));
        Ok(Response::new(pb::ListResidentLevelsResponse { levels, position }))
    }

    async fn set_calendar(
        &self,
        request: Request<pb::SetCalendarRequest>,
    ) -> Result<Response<pb::SetCalendarResponse>, Status> {
        const METHOD: &str = "/vivarium.queue.v1.WorldService/SetCalendar";
        let actor = Caller::of(&request).actor.clone();
        let wire = request.into_inner();
        let mut wrong = Violations::new();
        convert::request_id(&mut wrong, &wire.request_id);
        let reason = convert::reason(&mut wrong, &wire.reason);
        let day_length = convert::day_length(&mut wrong, wire.day_length);
        let reason = wrong.done(reason)?;
        let mut texts = self.desk.ledger.texts();
        let (rest_day_on, reason) = (wire.rest_day_on, texts.plain(&reason));
        let command = Command::SetCalendar { day_length, rest_day_on, reason };
        let submission = Submission::new(actor, command)
            .texts(texts.into_rows())
            .request(RequestKey::of(METHOD, &wire.request_id, &wire))
            .answering(|queue: &Queue, decided| pb::SetCalendarResponse {
                position: Some(position(decided.sequence)),
                control_epoch: queue.world.control_epoch,
            });
        let answer = self.desk.ledger.submit(submission).await.map_err(refusal)?;
        Ok(Response::new(answer.message().map_err(broken)?))
    }

    async fn set_limits(
        &self,
        request: Request<pb::SetLimitsRequest>,
    ) -> Result<Response<pb::SetLimitsResponse>, Status> {
        const METHOD: &str = "/vivarium.queue.v1.WorldService/SetLimits";
        let actor = Caller::of(&request).actor.clone();
        let wire = request.into_inner();
        let mut wrong = Violations::new();
        convert::request_id(&mut wrong, &wire.request_id);
        let reason = convert::reason(&mut wrong, &wire.reason);
        let changes = convert::limits(&mut wrong, &wire);
        let reason = wrong.done(reason)?;
        let mut texts = self.desk.ledger.texts();
        let command = Command::SetLimits { changes, reason: texts.plain(&reason) };
        let submission = Submission::new(actor, command)
            .texts(texts.into_rows())
            .request(RequestKey::of(METHOD, &wire.request_id, &wire))
            .answering(|queue: &Queue, decided| pb::SetLimitsResponse {
                position: Some(position(decided.sequence)),
                control_epoch: queue.world.control_epoch,
                limits: None,
            });
        let answer = self.desk.ledger.submit(submission).await.map_err(refusal)?;
        self.desk.read_limits().await?;
        let answer: pb::SetLimitsResponse = answer.message().map_err(broken)?;
        let limits = Some(crate::domain::event::write::limits(&self.desk.limits()));
        Ok(Response::new(pb::SetLimitsResponse { limits, ..answer }))
    }

    async fn report_exit(
        &self,
        request: Request<pb::ReportExitRequest>,
    ) -> Result<Response<pb::ReportExitResponse>, Status> {
        let wire = request.into_inner();
        let mut wrong = Violations::new();
        convert::request_id(&mut wrong, &wire.request_id);
        let service = wrong.text("service", &wire.service, 1, 64);
        let instance = wrong.parse("instance_id", &wire.instance_id);
        wrong.text("detail", &wire.detail, 0, 200);
        let (service, instance) = wrong.done(service.zip(instance))?;
        tracing::info!(service, %instance, detail = wire.detail, "a process has ended");
        let ledger = &self.desk.ledger;
        let (reply, known) = oneshot::channel();
        // Known only to this process: should it end within the grace, the ttl decides.
        let touched = ledger.touch(move |queue| {
            queue.exited(&service, instance);
            if reply.send(()).is_err() {
                tracing::debug!("who reported an exit left before it was known");
            }
        });
        touched.map_err(refusal)?;
        // The grace begins before the answer does.
        known.await.map_err(|_| Refusal::new(Reason::ServiceDraining).with("service", "queue"))?;
        let position = Some(position(ledger.committed()));
        Ok(Response::new(pb::ReportExitResponse { position }))
    }
}

/// A resident's level, where it is above documents.
fn raised(queue: &Queue, resident: ResidentId, now: Timestamp) -> Option<pb::ResidentLevel> {
    let consent = queue.consent(resident, now)?;
    (consent.level > Mode::DocsOnly).then(|| show::resident_level(resident, consent))
}
