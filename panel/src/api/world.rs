//! The world's controls.

use vivarium_proto::queue::v1 as pb;
use vivarium_proto::wkt;

use super::{Answer, Method, call, unary, wire};
use crate::state::Position;
use crate::state::safety::{Consent, Level, Mode};
use crate::state::world::{Halt, Pace, RunnerReceipt, World};

const CONTROLS: Method = unary("/vivarium.queue.v1.WorldService/GetControls");
const HALT: Method = unary("/vivarium.queue.v1.WorldService/SetHalt");
const RESUME: Method = unary("/vivarium.queue.v1.WorldService/Resume");
const RECEIPT: Method = unary("/vivarium.queue.v1.WorldService/GetHaltReceipt");
const PACE: Method = unary("/vivarium.queue.v1.WorldService/SetPace");
const STEP: Method = unary("/vivarium.queue.v1.WorldService/Step");
const MODE: Method = unary("/vivarium.queue.v1.WorldService/SetMode");
const SET_LEVEL: Method = unary("/vivarium.queue.v1.WorldService/SetResidentLevel");
const LEVELS: Method = unary("/vivarium.queue.v1.WorldService/ListResidentLevels");
const CALENDAR: Method = unary("/vivarium.queue.v1.WorldService/SetCalendar");

#[cfg(test)]
pub(super) const METHODS: &[Method] =
    &[CONTROLS, HALT, RESUME, RECEIPT, PACE, STEP, MODE, SET_LEVEL, LEVELS, CALENDAR];

/// The controls, the calendar, the runners.
pub(crate) async fn controls() -> Answer<World> {
    let answer: pb::GetControlsResponse =
        call(CONTROLS, &pb::GetControlsRequest::default()).await?;
    Ok(world(answer))
}

/// Halts the world.
pub(crate) async fn halt(request_id: String, reason: String) -> Answer<Position> {
    let answer: pb::SetHaltResponse =
        call(HALT, &pb::SetHaltRequest { request_id, reason }).await?;
    Ok(wire::position(answer.position))
}

/// Ends a halt.
pub(crate) async fn resume(request_id: String, reason: String) -> Answer<Position> {
    let answer: pb::ResumeResponse =
        call(RESUME, &pb::ResumeRequest { request_id, reason }).await?;
    Ok(wire::position(answer.position))
}

/// What the halt in force stopped, runner by runner.
pub(crate) async fn halt_receipt() -> Answer<Vec<RunnerReceipt>> {
    let answer: pb::GetHaltReceiptResponse = call(RECEIPT, &pb::GetHaltReceiptRequest {}).await?;
    let receipt = |runner: pb::RunnerReceipt| RunnerReceipt {
        name: runner.name,
        stopped: wire::some_moment(runner.stopped_time),
        calls: runner.calls_cancelled,
    };
    Ok(answer.runners.into_iter().map(receipt).collect())
}

/// Sets how fast cycles start.
pub(crate) async fn set_pace(request_id: String, pace: Pace) -> Answer<Position> {
    let (kind, wait_seconds) = match pace {
        Pace::Wait(seconds) => (pb::PaceKind::Wait, seconds),
        Pace::Paused => (pb::PaceKind::Paused, 0),
        Pace::Step(_) => (pb::PaceKind::Step, 0),
    };
    let request =
        pb::SetPaceRequest { request_id, pace: kind.into(), wait_seconds, reason: String::new() };
    let answer: pb::SetPaceResponse = call(PACE, &request).await?;
    Ok(wire::position(answer.position))
}

/// Buys one cycle start.
pub(crate) async fn step(request_id: String) -> Answer<Position> {
    let answer: pb::StepResponse = call(STEP, &pb::StepRequest { request_id, count: 1 }).await?;
    Ok(wire::position(answer.position))
}

/// Sets what residents may do. A higher level is asked for by its name a second time.
pub(crate) async fn set_mode(
    request_id: String,
    mode: Mode,
    confirm: String,
    reason: String,
) -> Answer<Position> {
    let mode = mode_wire(mode).into();
    let request = pb::SetModeRequest { request_id, mode, confirm, reason };
    let answer: pb::SetModeResponse = call(MODE, &request).await?;
    Ok(wire::position(answer.position))
}

/// What residents may do beyond documents now.
pub(crate) async fn levels() -> Answer<Vec<Level>> {
    let request = pb::ListResidentLevelsRequest::default();
    let answer: pb::ListResidentLevelsResponse = call(LEVELS, &request).await?;
    let level = |wire: pb::ResidentLevel| Level {
        mode: mode(wire.level()),
        resident: wire.resident_id,
        end: wire::moment(wire.end_time),
        after_texts: wire.after_texts,
    };
    Ok(answer.levels.into_iter().map(level).collect())
}

/// Consents to a resident's level, or takes a consent back.
pub(crate) async fn set_level(
    request_id: String,
    resident_id: String,
    consent: Consent,
) -> Answer<Position> {
    let Consent { mode, confirm, days, after_texts, reason } = consent;
    let level = mode_wire(mode).into();
    let request = pb::SetResidentLevelRequest {
        request_id,
        resident_id,
        level,
        confirm,
        days,
        after_texts,
        reason,
    };
    let answer: pb::SetResidentLevelResponse = call(SET_LEVEL, &request).await?;
    Ok(wire::position(answer.position))
}

const fn mode_wire(mode: Mode) -> pb::Mode {
    match mode {
        Mode::DocsOnly => pb::Mode::DocsOnly,
        Mode::ProposeChanges => pb::Mode::ProposeChanges,
        Mode::RunSandboxed => pb::Mode::RunSandboxed,
        Mode::ApplyApproved => pb::Mode::ApplyApproved,
    }
}

const fn mode(wire: pb::Mode) -> Mode {
    match wire {
        pb::Mode::Unspecified | pb::Mode::DocsOnly => Mode::DocsOnly,
        pb::Mode::ProposeChanges => Mode::ProposeChanges,
        pb::Mode::RunSandboxed => Mode::RunSandboxed,
        pb::Mode::ApplyApproved => Mode::ApplyApproved,
    }
}

/// Sets how long a day lasts, from the next one on, and whether Sunday is rest.
pub(crate) async fn set_calendar(
    request_id: String,
    day_seconds: i64,
    rest_day_on: bool,
    reason: String,
) -> Answer<Position> {
    let request = pb::SetCalendarRequest {
        request_id,
        day_length: Some(wkt::Duration { seconds: day_seconds, nanos: 0 }),
        rest_day_on: Some(rest_day_on),
        reason,
    };
    let answer: pb::SetCalendarResponse = call(CALENDAR, &request).await?;
    Ok(wire::position(answer.position))
}

fn world(answer: pb::GetControlsResponse) -> World {
    let controls = answer.controls.unwrap_or_default();
    let calendar = answer.calendar.unwrap_or_default();
    let pace = match controls.pace() {
        pb::PaceKind::Paused => Pace::Paused,
        pb::PaceKind::Step => Pace::Step(controls.steps_left),
        pb::PaceKind::Wait | pb::PaceKind::Unspecified => Pace::Wait(controls.wait_seconds),
    };
    let mode = mode(controls.mode());
    let halt = controls.halted.then(|| {
        let note = controls.halt.unwrap_or_default();
        Halt { actor: note.actor, reason: note.reason, time: wire::moment(note.halt_time) }
    });
    World {
        halt,
        pace,
        mode,
        day_length: wire::span(controls.day_length),
        rest_day_on: controls.rest_day_on,
        day: calendar.day,
        week: calendar.week,
        weekday: calendar.weekday,
        rest_day: calendar.rest_day,
        into_day: wire::span(calendar.into_day),
        moving: calendar.moving,
        busy: answer.runners.iter().map(|runner| runner.busy).sum(),
        slots: answer.runners.iter().map(|runner| runner.slots).sum(),
        runners: answer.runners.len(),
    }
}
