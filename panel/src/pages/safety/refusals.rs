//! What was stopped, newest first: what, whose, and by which rule or for which reason.

use leptos::prelude::*;

use crate::api;
use crate::format;
use crate::live::reading::read;
use crate::live::{On, live};
use crate::parts::badge::{badge, code, tag};
use crate::parts::empty::empty;
use crate::parts::sentence::task_link;
use crate::parts::shown::{skeleton, trouble};
use crate::parts::{mark, time};
use crate::state::safety::{Kind, Refusals, Stopped};

/// Reasons that are named beside the list.
const FREQUENT: usize = 6;

/// The section.
pub(super) fn section() -> AnyView {
    let live = live();
    let kind = RwSignal::new(None::<Kind>);
    let pages = RwSignal::new(1_usize);
    let known = read(move || {
        live.on(&[On::Executor]);
        all_of(kind.get(), pages.get())
    });
    let some =
        Memo::new(move |_| known.value.with(|all| all.as_ref().map(|all| !all.rows.is_empty())));
    let rows = move || {
        known.value.with(|all| all.iter().flat_map(|all| all.rows.clone()).collect::<Vec<_>>())
    };
    let reasons = move || {
        let reason = |(why, count): (String, u64)| tag(format!("{why} × {}", format::count(count)));
        known.value.with(|all| {
            let reasons = all.as_ref().map(|all| all.frequent(kind.get(), FREQUENT));
            reasons.into_iter().flatten().map(reason).collect_view()
        })
    };
    let key = |one: &Stopped| (one.sequence, one.what.clone(), one.target.clone());
    let body = move || match some.get() {
        None if known.problem.with(Option::is_some) => ().into_any(),
        None => skeleton(),
        Some(false) => none(kind.get()),
        Some(true) => view! {
            <p class="stopped-why">{reasons}</p>
            <ul class="stopped-list"><For each=rows key=key children=|one| line(&one)/></ul>
        }
        .into_any(),
    };
    let more = move || {
        let next = known.value.with(|all| all.as_ref().is_some_and(|all| !all.next.is_empty()));
        next.then(|| {
            view! { <button type="button" class="button" on:click=move |_| pages.update(|count| *count += 1)>"Show older ones"</button> }
        })
    };
    let choose = move |wanted: Option<Kind>| {
        let label = wanted.map_or("All", Kind::many);
        let count = move || {
            let count = known.value.with(|all| all.as_ref().map(|all| all.count(wanted)));
            count.map(|count| view! { <span class="tab-count num">{format::count(count)}</span> })
        };
        let press = move |_| {
            kind.set(wanted);
            pages.set(1);
        };
        view! {
            <li><button type="button" class="tab" aria-pressed=move || (kind.get() == wanted).to_string() on:click=press>{label}{count}</button></li>
        }
    };
    let tabs = std::iter::once(None).chain(Kind::ALL.map(Some)).map(choose);
    view! {
        <section class="card" aria-labelledby="stopped-head">
            <h2 id="stopped-head">"What was stopped"</h2>
            <div class="tabs" role="group" aria-label="Which of it"><ul>{tabs.collect_view()}</ul></div>
            {trouble(known)}{body}
            {more}
        </section>
    }
    .into_any()
}

/// So many pages as one.
async fn all_of(kind: Option<Kind>, pages: usize) -> api::Answer<Refusals> {
    let mut all = api::safety::refusals(kind, String::new()).await?;
    for _ in 1..pages {
        if all.next.is_empty() {
            break;
        }
        let page = api::safety::refusals(kind, all.next).await?;
        all.rows.extend(page.rows);
        (all.next, all.counts) = (page.next, page.counts);
    }
    Ok(all)
}

fn none(kind: Option<Kind>) -> AnyView {
    let title = match kind {
        None => "Nothing had to be stopped yet",
        Some(Kind::Action) => "No action was refused yet",
        Some(Kind::TaskHeld) => "No task was held for you yet",
        Some(Kind::TaskBlocked) => "No task was blocked yet",
        Some(Kind::Fragment) => "No text was left out yet",
    };
    let text = "What a rule stops stands here with its rule, from the record: refused actions, tasks \
                that were held or blocked before their cycle, and texts that looked like an injection.";
    let next = view! { <a class="button" href="#try">"Try a command"</a> };
    empty("safety", title, text, next)
}

fn line(stopped: &Stopped) -> AnyView {
    let (words, tone) = stopped.kind.badge();
    let what = match stopped.kind {
        Kind::Action => {
            let who = if stopped.resident.is_empty() {
                "A tool".into_any()
            } else {
                mark::name(&stopped.resident)
            };
            let target = (!stopped.target.is_empty())
                .then(|| view! { " · "{code(format::clip(&stopped.target, 120))} });
            view! { {who}" · "<b>{format::words(&stopped.what)}</b>{target} }.into_any()
        }
        Kind::TaskHeld | Kind::TaskBlocked => "Before its cycle began".into_any(),
        Kind::Fragment => {
            let target = stopped.target.clone();
            view! { "A text of the section "<b>{format::words(&stopped.what)}</b>", from "{code(target)} }.into_any()
        }
    };
    let task = (!stopped.task.is_empty()).then(|| {
        view! { <span class="stopped-task">"in "{task_link(&stopped.task)}</span> }
    });
    // A held or blocked task has no cycle that could be opened.
    let began = matches!(stopped.kind, Kind::Action | Kind::Fragment) && !stopped.task.is_empty();
    let cycle = began.then(|| {
        let address = format!("/tasks/{}?cycle={}", stopped.task, stopped.cycle);
        view! { <a href=address>"Its cycle"</a> }
    });
    let findings: Vec<_> = stopped.findings.iter().map(finding).collect();
    let findings =
        (!findings.is_empty()).then(|| view! { <ul class="plain small">{findings}</ul> });
    let told = (!stopped.told.is_empty()).then(
        || view! { <p class="small">{format::capital(&format::clip(&stopped.told, 300))}</p> },
    );
    view! {
        <li class="stopped-one">
            <div class="stopped-head">
                {badge(words, tone)}<span class="stopped-what">{what}</span>
                <span class="stopped-when" title=format!("executor {}", stopped.sequence)>{time::ago(stopped.time)}</span>
            </div>
            {told}{findings}
            <p class="facts stopped-foot">{code(stopped.why.clone())}{task}{cycle}</p>
        </li>
    }
    .into_any()
}

fn finding((rule, place, blocks): &(String, String, bool)) -> AnyView {
    let follows = if *blocks { "blocks" } else { "is for you to decide" };
    view! { <li><b>{format::words(rule)}</b>" in "{code(place.clone())}", which "{follows}</li> }
        .into_any()
}
