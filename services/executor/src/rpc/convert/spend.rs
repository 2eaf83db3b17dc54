//! Sums of money and reservations, from the wire and to it.

use vivarium_chassis::{Refusal, Violations};
use vivarium_proto::executor::v1 as pb;
use vivarium_proto::executor::v1::executor_event::Event as Body;
use vivarium_types::Timestamp;

use super::{behind, moment, page_size, row_before};
use crate::domain::event;
use crate::views::Dated;
use crate::views::spend::{Group, Mark, Sum, Summed, Wanted};

/// Which sums are asked for.
pub(in crate::rpc) fn wanted(wire: &pb::ListSpendRequest) -> Result<Wanted, Refusal> {
    let mut wrong = Violations::new();
    let group = match wire.group() {
        pb::SpendGroup::Unspecified => None,
        pb::SpendGroup::Resident => Some(Group::Resident),
        pb::SpendGroup::Task => Some(Group::Task),
        pb::SpendGroup::Model => Some(Group::Model),
        pb::SpendGroup::Day => Some(Group::Day),
    };
    if group.is_none() {
        wrong.add("group", "must be RESIDENT, TASK, MODEL or DAY");
    }
    let from = day(&mut wrong, "from_day", &wire.from_day);
    let to = day(&mut wrong, "to_day", &wire.to_day);
    if from.zip(to).is_some_and(|(from, to)| to < from) {
        wrong.add("to_day", "must not be before from_day");
    }
    let limit = page_size(&mut wrong, wire.page_size);
    let behind = behind(&mut wrong, &wire.page_token, mark);
    wrong.done(group.map(|group| Wanted { group, from, to, behind, limit }))
}

fn day(wrong: &mut Violations, field: &str, date: &str) -> Option<i64> {
    if date.is_empty() {
        return None;
    }
    let day = event::day(date);
    if day.is_none() {
        wrong.add(field, "must be a date such as 2026-11-23");
    }
    day
}

/// For the page behind this row.
pub(in crate::rpc) fn token(group: Group, row: &Summed) -> String {
    match group {
        Group::Day => format!("{}:0::", row.day),
        Group::Resident | Group::Task | Group::Model => {
            let Summed { subject, provider, sum, .. } = row;
            // Names of providers are keys of the configuration and hold no colon; models may.
            format!("{}:{}:{provider}:{subject}", sum.cost, sum.input + sum.output)
        }
    }
}

fn mark(token: &str) -> Option<Mark> {
    let mut parts = token.splitn(4, ':');
    Some(Mark {
        first: parts.next()?.parse().ok()?,
        second: parts.next()?.parse().ok()?,
        provider: parts.next()?.to_owned(),
        subject: parts.next()?.to_owned(),
    })
}

/// A row of a group.
pub(in crate::rpc) fn row(group: Group, row: Summed) -> pb::Spend {
    let Summed { subject, provider, day, sum: of_row } = row;
    let summed = sum(&of_row);
    match group {
        Group::Resident => pb::Spend { resident_id: subject, ..summed },
        Group::Task => pb::Spend { task_id: subject, ..summed },
        Group::Model => pb::Spend { provider, model: subject, ..summed },
        Group::Day => pb::Spend { spend_day: event::date(day), ..summed },
    }
}

/// A sum of nothing in particular.
pub(in crate::rpc) fn sum(sum: &Sum) -> pb::Spend {
    pb::Spend {
        calls: sum.calls.unsigned_abs(),
        calls_failed: sum.failed.unsigned_abs(),
        input_tokens: sum.input.unsigned_abs(),
        output_tokens: sum.output.unsigned_abs(),
        cost_micro_usd: sum.cost,
        worst_case_micro_usd: sum.worst,
        input_tokens_max: sum.input_max.unsigned_abs(),
        output_tokens_max: sum.output_max.unsigned_abs(),
        ..pb::Spend::default()
    }
}

/// Behind which row, and how many.
pub(in crate::rpc) fn reservations_wanted(
    wire: &pb::ListReservationsRequest,
) -> Result<(Option<u64>, u32), Refusal> {
    let mut wrong = Violations::new();
    let limit = page_size(&mut wrong, wire.page_size);
    let before = row_before(&mut wrong, &wire.page_token);
    wrong.finish()?;
    Ok((before, limit))
}

/// An open reservation.
pub(in crate::rpc) fn reservation(held: &Dated) -> pb::Reservation {
    let reserved = match &held.event.event {
        Some(Body::BudgetReserved(reserved)) => reserved.clone(),
        Some(_) | None => pb::BudgetReserved::default(),
    };
    let owner = reserved.owner.unwrap_or_default();
    pb::Reservation {
        reservation_id: reserved.reservation_id,
        call_id: reserved.call_id,
        purpose: owner.purpose,
        cycle_id: owner.cycle_id,
        task_id: owner.task_id,
        resident_id: owner.resident_id,
        step: owner.step,
        provider: reserved.provider,
        model: reserved.model,
        worst_case_micro_usd: reserved.worst_case_micro_usd,
        input_tokens_max: reserved.input_tokens_max,
        output_tokens_max: reserved.output_tokens_max,
        spend_day: reserved.spend_day,
        reserve_time: Some(moment(Timestamp::from_micros(held.time_us))),
    }
}
