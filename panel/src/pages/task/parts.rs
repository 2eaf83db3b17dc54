//! The smaller parts of a task's page: what is written now, money, attempts, cycles.

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use crate::api;
use crate::format;
use crate::live::reading::read;
use crate::live::{On, live};
use crate::pages::now;
use crate::parts::badge::{self, badge};
use crate::parts::bar::budget;
use crate::parts::empty::nothing;
use crate::parts::mark;
use crate::parts::shown::{shown, trouble};
use crate::parts::time;
use crate::state::cycle::{Action, Call, Cycle, Fragment, Whole};
use crate::state::model::{Budget, Scope};
use crate::state::task::{Attempt, Task};
use crate::state::tone::Tone;

/// What is written for a task at this moment; nothing when nobody writes.
pub(super) fn writing(task: String) -> AnyView {
    let live = live();
    let cycles = Memo::new(move |_| {
        live.output.with(|output| {
            let ours = output.all().filter(|writing| writing.task == task && !writing.done);
            ours.map(|writing| (writing.cycle.clone(), writing.resident.clone()))
                .collect::<Vec<_>>()
        })
    });
    let one = |(cycle, resident): (String, String)| {
        let who = if resident.is_empty() { "A critic".into_any() } else { mark::name(&resident) };
        view! { <div class="card"><h2>{who}" writes"</h2>{now::writing(&cycle)}</div> }
    };
    (move || cycles.get().into_iter().map(one).collect_view()).into_any()
}

/// What the task may cost and has cost.
pub(super) fn money(task: &Task) -> AnyView {
    let standing = Budget {
        scope: Scope::Task,
        subject: task.id.clone(),
        limit: task.budget_max,
        spent: task.cost,
        reserved: 0,
    };
    view! {
        <section class="card" aria-labelledby="money-head">
            <h2 id="money-head">"Cost"</h2>
            {budget(Scope::Task.label().to_owned(), &standing)}
        </section>
    }
    .into_any()
}

/// Attempts, newest first, and the feedback they got.
pub(super) fn attempts(task: &Task) -> AnyView {
    let lines: Vec<_> = task.attempts.iter().rev().map(attempt).collect();
    let feedback: Vec<_> =
        task.feedback.iter().map(|words| view! { <li>{words.clone()}</li> }).collect();
    let feedback = (!feedback.is_empty()).then(|| {
        view! { <h3>"Feedback for the next attempt"</h3><ul class="remarks">{feedback}</ul> }
    });
    let body = if lines.is_empty() {
        nothing("Nobody has tried yet.")
    } else {
        view! { <ol class="attempts">{lines}</ol> }.into_any()
    };
    view! {
        <section class="card" aria-labelledby="attempts-head"><h2 id="attempts-head">"Attempts"</h2>{body}{feedback}</section>
    }
    .into_any()
}

fn attempt(attempt: &Attempt) -> AnyView {
    let (words, tone) = match attempt.outcome.as_str() {
        "" => ("runs".to_owned(), Tone::Busy),
        "finished" => ("finished".to_owned(), Tone::Good),
        other => (format::words(other), Tone::Waiting),
    };
    let class = (!attempt.failure_class.is_empty())
        .then(|| view! { <small class="soft">{format::words(&attempt.failure_class)}</small> });
    view! {
        <li>
            <b class="num">{attempt.number}</b>
            {mark::name(&attempt.resident)}
            {badge(words, tone)}{class}
            <span class="num soft">{format::dollars(attempt.cost)}</span>
            {time::ago(attempt.start)}
        </li>
    }
    .into_any()
}

/// The cycles of a task: each opens into what it saw, said and did. One that the address names is open.
pub(super) fn cycles(task: String) -> AnyView {
    let live = live();
    let query = use_query_map();
    let wanted = query.with_untracked(|query| query.get("cycle")).unwrap_or_default();
    let cycles = read(move || {
        live.on(&[On::Executor]);
        let task = task.clone();
        async move { api::cycles::of_task(&task).await }
    });
    // By what changes about one, so that an open one stays open.
    let key = |one: &Cycle| (one.id.clone(), one.steps, one.end.is_some());
    let list = move || cycles.value.get().unwrap_or_default();
    let none = move || list().is_empty().then(|| nothing("No cycle has run yet."));
    view! {
        <section class="card" aria-labelledby="cycles-head"><h2 id="cycles-head">"Cycles"</h2>{trouble(cycles)}{none}<For each=list key=key children=move |one| cycle(&one, one.id == wanted)/></section>
    }
    .into_any()
}

fn cycle(cycle: &Cycle, wanted: bool) -> AnyView {
    let open = RwSignal::new(wanted);
    let node = NodeRef::<leptos::html::Details>::new();
    Effect::new(move |_| {
        if let Some(node) = node.get().filter(|_| wanted) {
            node.scroll_into_view();
        }
    });
    let id = cycle.id.clone();
    let (words, tone) = cycle.outcome.unwrap_or(("runs", Tone::Busy));
    let who =
        if cycle.resident.is_empty() { "A critic".into_any() } else { mark::name(&cycle.resident) };
    let (read_tokens, written) = cycle.model_tokens;
    let inside = move || open.get().then(|| inside(id.clone()));
    view! {
        <details class="cycle" open=wanted node_ref=node on:toggle=move |event| {
            let element: web_sys::Element = event_target(&event);
            open.set(element.has_attribute("open"));
        }>
            <summary>
                {who}<span class="soft">{cycle.kind}</span>{badge(words, tone)}
                {(!cycle.model.is_empty()).then(|| badge::model(&cycle.model, cycle.embedded))}
                <span class="num soft">{format::count(read_tokens)}" in, "{format::count(written)}" out"</span>
                <span class="num">{format::dollars(cycle.cost)}</span>
                {time::ago(cycle.start)}
            </summary>
            {inside}
        </details>
    }
    .into_any()
}

fn inside(id: String) -> AnyView {
    let whole = read(move || {
        let id = id.clone();
        async move { api::cycles::get(&id).await }
    });
    let body = |whole: &Whole| {
        view! {
            <div class="cycle-inside">
                <h3>"What it saw"</h3>
                {whole.fragments.iter().map(fragment).collect_view()}
                <h3>"What the model said"</h3>
                {whole.calls.iter().map(call).collect_view()}
                <h3>"What it asked for"</h3>
                <ul class="asked">{whole.actions.iter().map(action).collect_view()}</ul>
            </div>
        }
        .into_any()
    };
    shown(whole, body)
}

fn fragment(fragment: &Fragment) -> AnyView {
    let text = if fragment.text.is_empty() {
        "Private, or erased.".to_owned()
    } else {
        fragment.text.clone()
    };
    let left = match (fragment.quarantined, fragment.cut) {
        (true, _) => Some(badge("left out: looks like an injection", Tone::Bad)),
        (false, true) => Some(badge("shortened", Tone::Waiting)),
        (false, false) => None,
    };
    view! {
        <details class="fragment">
            <summary><b>{fragment.section.clone()}</b>{badge::tag(fragment.label)}{left}<small class="soft">{fragment.source.clone()}</small></summary>
            <pre class="raw">{text}</pre>
        </details>
    }
    .into_any()
}

fn call(call: &Call) -> AnyView {
    let took = call.total.map(|took| view! { <span class="num soft">{format::span(took)}</span> });
    let said = if call.failure.is_empty() {
        call.response.clone()
    } else {
        format!("It failed: {}", call.failure)
    };
    view! {
        <details class="fragment">
            <summary><b>"Step "{call.step}</b>{took}<span class="num">{format::dollars(call.cost)}</span></summary>
            <pre class="raw">{said}</pre>
        </details>
    }
    .into_any()
}

fn action(action: &Action) -> AnyView {
    let (words, tone) = action.status;
    let why =
        [&action.target, &action.reason].into_iter().filter(|words| !words.is_empty()).cloned();
    let why = why.collect::<Vec<_>>().join(" · ");
    let price = (action.price > 0)
        .then(|| view! { <span class="num">{format::number(action.price)}" tokens"</span> });
    view! {
        <li>{badge(words, tone)}<b>{format::words(&action.name)}</b><span class="soft">{why}</span>{price}</li>
    }
    .into_any()
}
