//! History: what happened in worlds that were imported, to be read and searched.

use leptos::prelude::*;
use leptos::task::spawn_local;

use super::{title, world_tabs};
use crate::api;
use crate::live::reading::read;
use crate::live::{On, clock, live};
use crate::parts::badge::{self, badge};
use crate::parts::empty::{empty, nothing};
use crate::parts::field::choice;
use crate::parts::mark;
use crate::parts::shown::shown;
use crate::state::Page;
use crate::state::history::{Entry, Part};

/// What can be shown.
const PARTS: &[(Part, &str)] =
    &[(Part::Over, "What is over"), (Part::Failed, "Failed"), (Part::Everything, "Everything")];

/// The page.
pub(crate) fn page() -> AnyView {
    title("History");
    let live = live();
    let (words, part) = (RwSignal::new(String::new()), RwSignal::new(Part::default()));
    let query = Memo::new(move |_| {
        let words = words.get().trim().to_owned();
        // One letter finds nothing that anybody looks for.
        if words.chars().count() < 2 { String::new() } else { words }
    });
    let found = read(move || {
        live.on(&[On::Society]);
        let (query, part) = (query.get(), part.get());
        async move { api::history::list(part, &query, "", String::new()).await }
    });
    let body = move |page: &Page<Entry>| {
        let narrowed = query.with(|query| !query.is_empty()) || part.get() != Part::default();
        match (page.rows.is_empty(), narrowed) {
            (true, true) => nothing("Nothing in the history is like this."),
            (true, false) => none(),
            (false, _) => list(page, query.get_untracked(), part.get_untracked()),
        }
    };
    view! {
        <div class="page">
            <header class="page-head"><h1>"World"</h1></header>
            {world_tabs("History")}
            <div class="toolbar">
                <input type="search" class="search" data-search="" aria-label="Search the history"
                    placeholder="Search titles, texts and ids"
                    prop:value=move || words.get()
                    on:input=move |event| words.set(event_target_value(&event))/>
                {choice("Show", PARTS, part)}
            </div>
            {shown(found, body)}
        </div>
    }
    .into_any()
}

fn none() -> AnyView {
    let text = "Here stands what happened in another world before it was taken over. It can be \
                read and searched, and counts for nothing.";
    let how = view! { <p class="soft small">"Import one with "<code class="code">"vivarium import reference DIR"</code></p> };
    empty("document", "There is no history", text, how)
}

fn list(page: &Page<Entry>, query: String, part: Part) -> AnyView {
    let rows = RwSignal::new(page.rows.clone());
    let next = RwSignal::new(page.next.clone());
    let (busy, live) = (RwSignal::new(false), live());
    let more = move |_| {
        let (query, token) = (query.clone(), next.get_untracked());
        busy.set(true);
        spawn_local(async move {
            match api::history::list(part, &query, "", token).await {
                Ok(page) => {
                    rows.try_update(|rows| rows.extend(page.rows));
                    next.try_set(page.next);
                }
                Err(problem) => live.say_fault(&problem),
            }
            busy.try_set(false);
        });
    };
    let button = move || {
        let more = more.clone();
        (!next.with(String::is_empty)).then(|| {
            view! {
                <button type="button" class="button" disabled=move || busy.get() on:click=more>"Show older ones"</button>
            }
        })
    };
    view! {
        <ul class="history">
            <For each=move || rows.get() key=|entry| entry.sequence children=|entry| line(&entry, Named::Yes)/>
        </ul>
        {button}
    }
    .into_any()
}

/// Whether an entry says which resident it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// It does.
    Yes,
    /// The page says it already.
    No,
}

/// One entry, with all that was told of it behind a click.
pub(super) fn line(entry: &Entry, named: Named) -> AnyView {
    let status = entry.badge().map(|(words, tone)| badge(words, tone));
    let who =
        (named == Named::Yes && !entry.resident.is_empty()).then(|| mark::name(&entry.resident));
    let when = match entry.source {
        Some(moment) => view! { <span class="time">{clock::local(moment)}</span> }.into_any(),
        None => view! { <span class="time">"time not known"</span> }.into_any(),
    };
    let subject = (!entry.is_called_by_its_id()).then(|| badge::code(entry.subject.clone()));
    let head = view! {
        <span class="history-head">
            <b>{entry.title.clone()}</b>{status}
        </span>
        <span class="facts"><span>{entry.kind.word()}</span>{subject}{who}{when}</span>
    };
    if entry.text.is_empty() {
        return view! { <li class="history-line">{head}</li> }.into_any();
    }
    view! {
        <li class="history-line">
            <details><summary>{head}</summary><p class="letter-text">{entry.text.clone()}</p></details>
        </li>
    }
    .into_any()
}
