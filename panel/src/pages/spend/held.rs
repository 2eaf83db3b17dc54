//! Calls that hold money at the moment: who, for what, how much, since when.

use leptos::prelude::*;

use crate::api;
use crate::format;
use crate::live::reading::read;
use crate::live::{On, live};
use crate::parts::empty::nothing;
use crate::parts::sentence::task_link;
use crate::parts::shown::shown;
use crate::parts::{badge, mark, time};
use crate::state::Page;
use crate::state::spend::Held;

/// The section.
pub(super) fn section() -> AnyView {
    let live = live();
    let held = read(move || {
        live.on(&[On::Executor]);
        api::spend::held()
    });
    let body = |page: &Page<Held>| {
        if page.rows.is_empty() {
            return nothing("No call runs, so nothing is held.");
        }
        let sum = page.rows.iter().fold(0_i64, |sum, held| sum.saturating_add(held.worst));
        let more = if page.next.is_empty() { "" } else { ", and more" };
        let calls = format::counted(page.rows.len() as u64, "call", "calls");
        view! {
            <p class="num">
                <b>{format::dollars(sum)}</b>
                <span class="soft">" held by "{calls}{more}</span>
            </p>
            <ul class="held">{page.rows.iter().map(line).collect_view()}</ul>
        }
        .into_any()
    };
    view! {
        <section class="card" aria-labelledby="held-head">
            <h2 id="held-head">"Reserved now"</h2>
            {shown(held, body)}
        </section>
    }
    .into_any()
}

fn line(held: &Held) -> AnyView {
    let who = match held.resident.as_str() {
        "" => "A critic".into_any(),
        id => mark::name(id),
    };
    let what = match held.task.as_str() {
        "" => held.purpose.into_any(),
        id => task_link(id),
    };
    view! {
        <li>
            <div class="held-head"><span>{who}</span><b class="num">{format::dollars(held.worst)}</b></div>
            <div class="small">{what}</div>
            <div class="facts">
                <span title=held.provider.clone()>{badge::code(held.model.clone())}</span>
                <span>"step "{held.step}</span>
                <span>{time::running(held.since)}</span>
            </div>
        </li>
    }
    .into_any()
}
