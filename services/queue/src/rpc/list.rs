//! The list of tasks, a page at a time: from any place, in the order that is asked for.

use std::collections::BTreeMap;

use vivarium_chassis::{Refusal, Violations};
use vivarium_proto::queue::v1 as pb;
use vivarium_types::limits::{PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX};

use super::{Desk, broken, convert, past, refusal, show};
use crate::domain::event::write;
use crate::domain::task::State;
use crate::views::list::{self, Order, Part, Place};
use crate::views::{Filter, Record};

/// Most tasks that a page leaves out.
const SKIP_MAX: u32 = 10_000_000;

/// A page of tasks.
pub(super) async fn list(
    desk: &Desk,
    wire: pb::ListTasksRequest,
) -> Result<pb::ListTasksResponse, Refusal> {
    let (filter, part, size) = read(&wire)?;
    desk.reached(wire.min_position).await?;
    if let Some(place) = past::place(desk, wire.as_of).await? {
        let before = part.behind.map(|place| place.sequence);
        return past::page(desk, filter, before, size, place).await;
    }
    let (order, with_total) = (part.order, wire.with_total);
    let query = desk.ledger.view(move |db| {
        let records = list::page(db, &filter, &part)?;
        let total = if with_total { list::count(db, &filter)? } else { 0 };
        Ok((records, total))
    });
    let (mut records, total_count) = query.await.map_err(broken)?;
    let more = records.len() > size as usize;
    records.truncate(size as usize);
    let last = records.last().filter(|_| more);
    let next_page_token = last.map(|record| token(order, record)).unwrap_or_default();
    let waits = desk.wait_reasons(&records).await?;
    let counts = desk.ledger.ask(|queue| queue.counts.clone()).await.map_err(refusal)?;
    let tasks = records.into_iter().zip(waits);
    Ok(pb::ListTasksResponse {
        tasks: tasks.map(|(record, waits)| show::record(record, waits)).collect(),
        next_page_token,
        counts: self::counts(&counts),
        total_count,
    })
}

/// What is asked for; the part is one longer than the page, to see whether there is another.
fn read(wire: &pb::ListTasksRequest) -> Result<(Filter, Part, u32), Refusal> {
    let mut wrong = Violations::new();
    let filter = convert::filter(&mut wrong, wire.filter.clone());
    let size = match wire.page_size {
        0 => Some(PAGE_SIZE_DEFAULT),
        size => wrong.bounded("page_size", size, 1..=PAGE_SIZE_MAX),
    };
    let order = match pb::TaskOrder::try_from(wire.order) {
        Ok(pb::TaskOrder::Unspecified | pb::TaskOrder::Newest) => Order::Newest,
        Ok(pb::TaskOrder::Oldest) => Order::Oldest,
        Ok(pb::TaskOrder::Priority) => Order::Priority,
        Err(_) => {
            wrong.add("order", "is no order");
            Order::Newest
        }
    };
    if wire.skip > SKIP_MAX {
        wrong.add("skip", format!("must be at most {SKIP_MAX}"));
    }
    let past = wire.as_of.as_ref().is_some_and(|as_of| as_of.moment.is_some());
    let of_today = [
        ("order", order != Order::Newest),
        ("skip", wire.skip > 0),
        ("with_total", wire.with_total),
    ];
    for (field, _) in of_today.into_iter().filter(|(_, set)| past && *set) {
        wrong.add(field, "must be unset together with as_of");
    }
    let behind = behind(&mut wrong, order, &wire.page_token);
    let size = wrong.done(size)?;
    Ok((filter, Part { order, behind, skip: wire.skip, limit: size + 1 }, size))
}

/// The place that a page token names: a row, and in the order of priorities the priority before it.
fn behind(wrong: &mut Violations, order: Order, token: &str) -> Option<Place> {
    if token.is_empty() {
        return None;
    }
    let (priority, sequence) = match order {
        Order::Newest | Order::Oldest => ("0", token),
        Order::Priority => token.split_once('.').unwrap_or_default(),
    };
    let place = priority.parse().ok().zip(sequence.parse().ok());
    if place.is_none() {
        wrong.add("page_token", "is not of an earlier page in this order");
    }
    place.map(|(priority, sequence)| Place { sequence, priority })
}

fn token(order: Order, record: &Record) -> String {
    match order {
        Order::Newest | Order::Oldest => record.sequence.to_string(),
        Order::Priority => format!("{}.{}", record.task.spec().priority, record.sequence),
    }
}

fn counts(counts: &BTreeMap<State, u64>) -> Vec<pb::StateCount> {
    let counts = counts.iter().filter(|(_, count)| **count > 0);
    counts
        .map(|(state, count)| pb::StateCount { state: write::state(*state).into(), count: *count })
        .collect()
}
