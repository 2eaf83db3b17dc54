//! `vivarium recurrence`: tasks again and again.

use vivarium_chassis::{Calls, Service};
use vivarium_proto::queue::v1 as pb;
use vivarium_proto::queue::v1::recurrence_service_client::RecurrenceServiceClient;
use vivarium_proto::queue::v1::schedule::Schedule;
use vivarium_types::Timestamp;

use super::wanted;
use crate::args::{AddRecurrence, Recurrence};
use crate::console::{Console, request_id};
use crate::failure::Failure;
use crate::render;

pub(super) async fn run(console: &Console, what: Recurrence) -> Result<(), Failure> {
    match what {
        Recurrence::Add(add) => self::add(console, *add).await,
        Recurrence::List { ended } => list(console, ended).await,
        Recurrence::Pause { key } => {
            let named = key.clone();
            let request = pb::PauseRecurrenceRequest { request_id: request_id(), key };
            let answer = client(console)?.pause_recurrence(request).await?.into_inner();
            told(console, &answer, &format!("paused {named}"))
        }
        Recurrence::Resume { key } => {
            let named = key.clone();
            let request = pb::ResumeRecurrenceRequest { request_id: request_id(), key };
            let answer = client(console)?.resume_recurrence(request).await?.into_inner();
            told(console, &answer, &format!("resumed {named}"))
        }
        Recurrence::End { key } => {
            let named = key.clone();
            let request = pb::EndRecurrenceRequest { request_id: request_id(), key };
            let answer = client(console)?.end_recurrence(request).await?.into_inner();
            told(console, &answer, &format!("ended {named}"))
        }
    }
}

fn client(console: &Console) -> Result<RecurrenceServiceClient<Calls>, Failure> {
    Ok(RecurrenceServiceClient::new(console.calls(Service::Queue)?))
}

fn told(console: &Console, answer: &impl serde::Serialize, words: &str) -> Result<(), Failure> {
    if console.json { render::json(answer) } else { render::line(words) }
}

async fn add(console: &Console, add: AddRecurrence) -> Result<(), Failure> {
    let mut spec = wanted::spec(add.wanted);
    spec.key = add.key;
    spec.instruction = wanted::text(add.instruction)?;
    let schedule = match (add.cron, add.every_days) {
        (Some(pattern), _) => Some(Schedule::Cron(pattern)),
        (None, days) => days.map(Schedule::EveryDays),
    };
    let request = pb::CreateRecurrenceRequest {
        request_id: request_id(),
        spec: Some(spec),
        schedule: Some(pb::Schedule { schedule }),
    };
    let answer = client(console)?.create_recurrence(request).await?.into_inner();
    let recurrence = answer.recurrence.clone().unwrap_or_default();
    let words = format!("created {}; it fires next {}", recurrence.key, next(&recurrence));
    told(console, &answer, &words)
}

async fn list(console: &Console, ended: bool) -> Result<(), Failure> {
    let request = pb::ListRecurrencesRequest { min_position: None, show_ended: ended };
    let answer = client(console)?.list_recurrences(request).await?.into_inner();
    if console.json {
        return render::json(&answer);
    }
    if answer.recurrences.is_empty() {
        return render::line("no recurrences; create one with `vivarium recurrence add`");
    }
    let rows: Vec<Vec<String>> = answer.recurrences.iter().map(row).collect();
    render::table(&["KEY", "STATE", "WHEN", "NEXT", "FIRED", "SKIPPED", "TITLE"], &rows)
}

fn row(recurrence: &pb::Recurrence) -> Vec<String> {
    let spec = recurrence.spec.clone().unwrap_or_default();
    let state = recurrence.state().as_str_name().trim_start_matches("RECURRENCE_STATE_");
    let when = match recurrence.schedule.as_ref().and_then(|when| when.schedule.as_ref()) {
        Some(Schedule::Cron(pattern)) => pattern.clone(),
        Some(Schedule::EveryDays(1)) => "every day".to_owned(),
        Some(Schedule::EveryDays(days)) => format!("every {days} days"),
        None => String::new(),
    };
    vec![
        recurrence.key.clone(),
        state.to_lowercase(),
        when,
        next(recurrence),
        recurrence.fired_count.to_string(),
        recurrence.skipped_count.to_string(),
        render::short(&spec.title, 60),
    ]
}

fn next(recurrence: &pb::Recurrence) -> String {
    match (&recurrence.next_time, recurrence.next_day) {
        (Some(time), _) => Timestamp::from_micros(time.seconds * 1_000_000).to_string(),
        (None, 0) => "never".to_owned(),
        (None, day) => format!("on day {day}"),
    }
}
