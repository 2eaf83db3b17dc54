//! `vivarium spend`: what model calls cost, by resident, task, model or day.

use vivarium_chassis::Service;
use vivarium_chassis::clock::SystemClock;
use vivarium_proto::executor::v1 as pb;
use vivarium_proto::executor::v1::budget_service_client::BudgetServiceClient;
use vivarium_types::{Clock as _, Timestamp};

use crate::args::{Spend, SpendBy};
use crate::console::Console;
use crate::failure::Failure;
use crate::render;

/// Microseconds of a UTC day.
const DAY_US: i64 = 86_400_000_000;

pub(super) async fn run(console: &Console, wanted: Spend) -> Result<(), Failure> {
    let group = match wanted.by {
        SpendBy::Resident => pb::SpendGroup::Resident,
        SpendBy::Task => pb::SpendGroup::Task,
        SpendBy::Model => pb::SpendGroup::Model,
        SpendBy::Day => pb::SpendGroup::Day,
    };
    let from_day = wanted.days.map(|days| first_of(days, SystemClock.now()));
    let request = pb::ListSpendRequest {
        group: group.into(),
        from_day: from_day.unwrap_or_default(),
        page_size: wanted.limit,
        ..pb::ListSpendRequest::default()
    };
    let mut client = BudgetServiceClient::new(console.calls(Service::Executor)?);
    let answer = client.list_spend(request).await?.into_inner();
    if console.json {
        return render::json(&answer);
    }
    if answer.rows.is_empty() {
        return render::line("no model call was settled in these days");
    }
    let head = match wanted.by {
        SpendBy::Resident => "RESIDENT",
        SpendBy::Task => "TASK",
        SpendBy::Model => "MODEL",
        SpendBy::Day => "DAY (UTC)",
    };
    let mut rows: Vec<_> = answer.rows.iter().map(|sum| row(name(group, sum), sum)).collect();
    if let Some(total) = &answer.total {
        rows.push(row("together".to_owned(), total));
    }
    render::table(&[head, "CALLS", "READ", "WRITTEN", "COST", "RESERVED"], &rows)?;
    if answer.next_page_token.is_empty() {
        return Ok(());
    }
    render::line("there are more: say --limit 200")
}

/// The first of so many days, the present one included.
fn first_of(days: u16, now: Timestamp) -> String {
    let first = now.utc_day() - i64::from(days.saturating_sub(1));
    let moment = Timestamp::from_micros(first.saturating_mul(DAY_US)).to_string();
    moment.split('T').next().unwrap_or_default().to_owned()
}

/// What a row is about. Critiques have no resident, letters and free time no task.
fn name(group: pb::SpendGroup, sum: &pb::Spend) -> String {
    let or = |id: &str, none: &str| if id.is_empty() { none.to_owned() } else { id.to_owned() };
    match group {
        pb::SpendGroup::Resident => or(&sum.resident_id, "critics"),
        pb::SpendGroup::Task => or(&sum.task_id, "no task"),
        pb::SpendGroup::Model => format!("{} at {}", sum.model, sum.provider),
        pb::SpendGroup::Day | pb::SpendGroup::Unspecified => sum.spend_day.clone(),
    }
}

fn row(name: String, sum: &pb::Spend) -> Vec<String> {
    let calls = match sum.calls_failed {
        0 => sum.calls.to_string(),
        failed => format!("{} ({failed} not answered)", sum.calls),
    };
    vec![
        name,
        calls,
        sum.input_tokens.to_string(),
        sum.output_tokens.to_string(),
        render::dollars(sum.cost_micro_usd),
        render::dollars(sum.worst_case_micro_usd),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_count_the_present_one() {
        let now: Timestamp = "2026-11-23T13:00:00Z".parse().expect("a moment");
        assert_eq!(first_of(1, now), "2026-11-23");
        assert_eq!(first_of(28, now), "2026-10-27");
    }

    #[test]
    fn rows_without_a_subject_say_so() {
        let sum = pb::Spend { model: "m".into(), provider: "groq".into(), ..Default::default() };
        assert_eq!(name(pb::SpendGroup::Resident, &sum), "critics");
        assert_eq!(name(pb::SpendGroup::Task, &sum), "no task");
        assert_eq!(name(pb::SpendGroup::Model, &sum), "m at groq");
    }
}
