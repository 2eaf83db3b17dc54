//! The task as it was behind any of its steps.

use leptos::prelude::*;

use crate::api;
use crate::format;
use crate::live::reading::{Reading, read};
use crate::parts::badge;
use crate::parts::shown::shown;
use crate::parts::time;
use crate::state::task::Task;

use super::Trace;

/// A slider over the task's steps in the queue's log, and how it stood behind the one that is chosen.
pub(super) fn past(id: &str, trace: Reading<Trace>) -> AnyView {
    let own = id.to_owned();
    let steps = Memo::new(move |_| {
        trace.value.with(|trace| {
            let rows = trace.as_ref().map(|(rows, _)| rows.as_slice()).unwrap_or_default();
            let own = rows.iter().filter(|row| row.ledger == "queue" && row.task() == own);
            own.map(|row| (row.sequence, row.time)).collect::<Vec<_>>()
        })
    });
    // Counted from the end: what is chosen stays chosen while new steps come.
    let chosen = RwSignal::new(None::<u64>);
    let place = move || {
        let wanted = chosen.get()?;
        steps.with(|steps| steps.iter().position(|(sequence, _)| *sequence == wanted))
    };
    let choose = move |event: leptos::ev::Event| {
        let at = event_target_value(&event).parse::<usize>().unwrap_or(usize::MAX);
        let last = steps.with_untracked(|steps| steps.len().saturating_sub(1));
        let step = steps.with_untracked(|steps| steps.get(at).map(|(sequence, _)| *sequence));
        chosen.set(step.filter(|_| at < last));
    };
    let id = id.to_owned();
    let body = move || {
        let last = steps.with(|steps| steps.len().saturating_sub(1));
        let at = place().unwrap_or(last);
        let when = steps.with(|steps| steps.get(at).map(|(_, time)| *time));
        let words =
            if at < last { format!("step {} of {}", at + 1, last + 1) } else { "now".to_owned() };
        view! {
            <label class="past">
                <span class="soft">{words}{when.map(|when| view! { ", "{time::ago(when)} })}</span>
                <input
                    type="range" min="0" max=last aria-label="Step to look back to"
                    prop:value=at.to_string() on:change=choose
                />
            </label>
        }
    };
    let then = move || {
        let sequence = chosen.get()?;
        let id = id.clone();
        let task = read(move || {
            let id = id.clone();
            async move { api::tasks::get_as_of(&id, sequence).await }
        });
        Some(shown(task, stood))
    };
    view! {
        <section class="card" aria-labelledby="past-head">
            <h2 id="past-head">"As it was"</h2>
            {body}
            {then}
        </section>
    }
    .into_any()
}

fn stood(task: &Task) -> AnyView {
    view! {
        <p class="facts" role="status">
            {badge::of_state(task.state)}
            <span>"priority "{task.priority}</span>
            <span>{format::counted(u64::from(task.attempt_count), "attempt", "attempts")}</span>
            <span>{format::counted(u64::from(task.rejection_count), "rejection", "rejections")}</span>
            <span class="num">{format::dollars(task.cost)}</span>
        </p>
        <p class="instruction">{task.instruction.clone()}</p>
    }
    .into_any()
}
