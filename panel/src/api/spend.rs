//! Where real money goes: sums of settled calls, and calls that hold some now.

use vivarium_proto::executor::v1 as pb;

use super::{Answer, Method, call, unary, wire};
use crate::state::Page;
use crate::state::spend::{Group, Held, Row, Sheet, Sum, date_of, day_of};

const SPEND: Method = unary("/vivarium.executor.v1.BudgetService/ListSpend");
const HELD: Method = unary("/vivarium.executor.v1.BudgetService/ListReservations");

#[cfg(test)]
pub(super) const METHODS: &[Method] = &[SPEND, HELD];

/// A page of sums over the days from and to.
pub(crate) async fn list(
    group: Group,
    (from, to): (Option<i64>, Option<i64>),
    page_size: u32,
    page_token: String,
) -> Answer<Sheet> {
    let date = |day: Option<i64>| day.map(date_of).unwrap_or_default();
    let wanted = match group {
        Group::Resident => pb::SpendGroup::Resident,
        Group::Model => pb::SpendGroup::Model,
        Group::Task => pb::SpendGroup::Task,
        Group::Day => pb::SpendGroup::Day,
    };
    let request = pb::ListSpendRequest {
        group: wanted.into(),
        from_day: date(from),
        to_day: date(to),
        page_size,
        page_token,
        ..pb::ListSpendRequest::default()
    };
    let answer: pb::ListSpendResponse = call(SPEND, &request).await?;
    let rows = answer.rows.into_iter().map(|spend| row(group, spend)).collect();
    let total = sum(&answer.total.unwrap_or_default());
    Ok(Sheet { rows, next: answer.next_page_token, total })
}

/// The calls that hold money now, newest first.
pub(crate) async fn held() -> Answer<Page<Held>> {
    let answer: pb::ListReservationsResponse =
        call(HELD, &pb::ListReservationsRequest::default()).await?;
    let held = |held: pb::Reservation| Held {
        purpose: super::cycles::kind(held.purpose()),
        id: held.reservation_id,
        task: held.task_id,
        resident: held.resident_id,
        step: held.step,
        provider: held.provider,
        model: held.model,
        worst: held.worst_case_micro_usd,
        since: wire::moment(held.reserve_time),
    };
    let rows = answer.reservations.into_iter().map(held).collect();
    Ok(Page { rows, next: answer.next_page_token })
}

fn row(group: Group, spend: pb::Spend) -> Row {
    let sum = sum(&spend);
    let subject = match group {
        Group::Resident => spend.resident_id,
        Group::Task => spend.task_id,
        Group::Model => spend.model,
        Group::Day => String::new(),
    };
    let day = day_of(&spend.spend_day).unwrap_or_default();
    Row { subject, provider: spend.provider, day, sum }
}

const fn sum(spend: &pb::Spend) -> Sum {
    Sum {
        calls: spend.calls,
        failed: spend.calls_failed,
        input: spend.input_tokens,
        output: spend.output_tokens,
        cost: spend.cost_micro_usd,
        worst: spend.worst_case_micro_usd,
        tokens_max: spend.input_tokens_max.saturating_add(spend.output_tokens_max),
    }
}
