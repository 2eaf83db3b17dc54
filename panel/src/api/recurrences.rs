//! Recurrences: reading, creating and steering them.

use vivarium_proto::queue::v1 as pb;
use vivarium_proto::queue::v1::schedule::Schedule as Wire;

use super::{Answer, Method, call, tasks, unary, wire};
use crate::state::Position;
use crate::state::form::Asked;
use crate::state::recurrence::{Next, Recurrence, Schedule, Standing};

const CREATE: Method = unary("/vivarium.queue.v1.RecurrenceService/CreateRecurrence");
const LIST: Method = unary("/vivarium.queue.v1.RecurrenceService/ListRecurrences");
const PAUSE: Method = unary("/vivarium.queue.v1.RecurrenceService/PauseRecurrence");
const RESUME: Method = unary("/vivarium.queue.v1.RecurrenceService/ResumeRecurrence");
const END: Method = unary("/vivarium.queue.v1.RecurrenceService/EndRecurrence");

#[cfg(test)]
pub(super) const METHODS: &[Method] = &[CREATE, LIST, PAUSE, RESUME, END];

/// All of them, by key; those that are over too if asked.
pub(crate) async fn list(show_ended: bool) -> Answer<Vec<Recurrence>> {
    let request = pb::ListRecurrencesRequest { show_ended, min_position: None };
    let answer: pb::ListRecurrencesResponse = call(LIST, &request).await?;
    Ok(answer.recurrences.into_iter().map(recurrence).collect())
}

/// Creates one.
pub(crate) async fn create(
    request_id: String,
    asked: Asked,
    schedule: Schedule,
) -> Answer<Position> {
    let schedule = Some(match schedule {
        Schedule::Cron(pattern) => Wire::Cron(pattern),
        Schedule::Days(days) => Wire::EveryDays(days),
    });
    let request = pb::CreateRecurrenceRequest {
        request_id,
        spec: Some(tasks::spec(asked)),
        schedule: Some(pb::Schedule { schedule }),
    };
    let answer: pb::CreateRecurrenceResponse = call(CREATE, &request).await?;
    Ok(wire::position(answer.position))
}

/// Brings one to another standing.
pub(crate) async fn steer(request_id: String, key: String, to: Standing) -> Answer<Position> {
    // The three requests and answers are alike on the wire: an id and a key, a position.
    let request = pb::PauseRecurrenceRequest { request_id, key };
    let method = match to {
        Standing::Active => RESUME,
        Standing::Paused => PAUSE,
        Standing::Ended => END,
    };
    let answer: pb::PauseRecurrenceResponse = call(method, &request).await?;
    Ok(wire::position(answer.position))
}

fn recurrence(wire: pb::Recurrence) -> Recurrence {
    let standing = match wire.state() {
        pb::RecurrenceState::Unspecified | pb::RecurrenceState::Active => Standing::Active,
        pb::RecurrenceState::Paused => Standing::Paused,
        pb::RecurrenceState::Ended => Standing::Ended,
    };
    let next = match (wire::some_moment(wire.next_time), wire.next_day) {
        (Some(moment), _) => Next::At(moment),
        (None, 0) => Next::Never,
        (None, day) => Next::OnDay(day),
    };
    let schedule = match wire.schedule.and_then(|schedule| schedule.schedule) {
        Some(Wire::Cron(pattern)) => Schedule::Cron(pattern),
        Some(Wire::EveryDays(days)) => Schedule::Days(days),
        None => Schedule::Cron(String::new()),
    };
    let spec = wire.spec.unwrap_or_default();
    Recurrence {
        key: wire.key,
        title: spec.title,
        instruction: spec.instruction,
        schedule,
        standing,
        next,
        fired: wire.fired_count,
        skipped: wire.skipped_count,
        last_task: wire.last_task_id,
    }
}
