//! One resident: who it is, what it has, remembers and did; and a letter to it.

mod level;

use leptos::prelude::*;

use super::history::{self, Named};
use super::inbox::letters;
use super::{part_of_address, title};
use crate::api;
use crate::format;
use crate::live::acting::Act;
use crate::live::reading::{Reading, read};
use crate::live::{On, live};
use crate::parts::badge::{self, badge};
use crate::parts::bar::bar;
use crate::parts::empty::nothing;
use crate::parts::mark;
use crate::parts::markdown::markdown;
use crate::parts::notice::refusal;
use crate::parts::sentence::task_link;
use crate::parts::shown::shown;
use crate::parts::time;
use crate::state::Page;
use crate::state::cycle::Cycle;
use crate::state::history::{Entry, Part};
use crate::state::resident::{Journal, Memory, Posting, Resident, Wallet, cause_words};
use crate::state::tone::Tone;

/// Postings that are shown.
const POSTINGS: u32 = 30;
/// Entries of history that are shown.
const PAST: usize = 10;

/// The page.
pub(crate) fn page() -> AnyView {
    title("Resident");
    let id = part_of_address("id");
    (move || of(id.get())).into_any()
}

/// A reading about a resident, repeated with the news of a ledger.
fn about<T, F>(id: &str, on: On, fetch: impl Fn(String) -> F + 'static) -> Reading<T>
where
    T: PartialEq + Send + Sync + 'static,
    F: Future<Output = api::Answer<T>> + 'static,
{
    let (live, id) = (live(), id.to_owned());
    read(move || {
        live.on(&[on]);
        fetch(id.clone())
    })
}

fn of(id: String) -> AnyView {
    let resident = about(&id, On::Society, |id| async move { api::residents::get(&id).await });
    let wallet = about(&id, On::Society, |id| async move { api::residents::wallet(&id).await });
    let postings = about(&id, On::Society, |id| async move {
        api::residents::entries(&id, POSTINGS, String::new()).await
    });
    let memories =
        about(&id, On::Society, |id| async move { api::residents::memories(&id, "").await });
    let journals = about(&id, On::Society, |id| async move { api::residents::journals(&id).await });
    let past = about(&id, On::Society, |id| async move {
        api::history::list(Part::Over, "", &id, String::new()).await
    });
    let cycles = about(&id, On::Executor, |id| async move { api::cycles::of_resident(&id).await });
    let level = level::section(&id);
    Effect::new(move |_| {
        resident.value.with(|resident| {
            if let Some(resident) = resident {
                title(&resident.name);
            }
        });
    });
    view! {
        <div class="page">
            {shown(resident, head)}
            <div class="task-grid">
                <div class="task-main">
                    {card("Memory", shown(memories, |all| memory_list(all)))}
                    {card("Latest cycles", shown(cycles, |all| cycle_list(all)))}
                    {card("Journal", shown(journals, |all| journal_list(all)))}
                    {move || past.value.with(|page| page.as_ref().and_then(past_list))}
                </div>
                <aside class="task-side">
                    {card("Wallet", view! { {shown(wallet, wallet_bars)}{shown(postings, posting_list)} }.into_any())}
                    {level}
                    {card("Write to it", letters::form(id, || None))}
                </aside>
            </div>
        </div>
    }
    .into_any()
}

fn card(title: &'static str, body: AnyView) -> AnyView {
    view! { <section class="card" aria-label=title><h2>{title}</h2>{body}</section> }.into_any()
}

fn head(resident: &Resident) -> AnyView {
    let (label, tone) = resident.status;
    let about = resident
        .about
        .iter()
        .map(|(label, words)| view! { <dt>{*label}</dt><dd>{words.clone()}</dd> });
    let facets = resident
        .facets
        .iter()
        .map(|(label, words)| view! { <dt>{format::capital(label)}</dt><dd>{words.clone()}</dd> });
    view! {
        <header class="page-head">
            <div class="resident-head">
                {mark::mark(&resident.id)}
                <div>
                    <p class="crumbs"><a href="/world">"Residents"</a></p>
                    <h1>{resident.name.clone()}</h1>
                    <p class="facts">
                        <span class="soft">"@"{resident.handle.clone()}</span>{badge(label, tone)}
                        <span>{format::counted(u64::from(resident.approved), "document approved", "documents approved")}</span>
                        <span>{format::counted(u64::from(resident.sessions), "day at work", "days at work")}</span>
                    </p>
                </div>
            </div>
        </header>
        <section class="card">
            <p class="lead">{resident.summary.clone()}</p>
            <p>{resident.traits.iter().map(badge::tag).collect_view()}</p>
            {(!resident.display.is_empty()).then(|| markdown(&resident.display, ""))}
            <details><summary>"Who it is"</summary>
                <dl class="facts-list">{about.collect_view()}{facets.collect_view()}</dl></details>
        </section>
    }
    .into_any()
}

fn wallet_bars(wallet: &Wallet) -> AnyView {
    let line = |label: &'static str, have: i64, cap: i64| {
        let permille = u32::try_from(have.max(0).saturating_mul(1_000) / cap.max(1))
            .unwrap_or(1_000)
            .min(1_000);
        let words = format!("{label}: {} of {} tokens", format::number(have), format::number(cap));
        view! {
            <div class="budget">
                <div class="budget-line"><span>{label}</span>
                    <span class="num"><b>{format::number(have)}</b><span class="soft">" of "{format::number(cap)}</span></span></div>
                {bar(words, permille, 0)}
            </div>
        }
    };
    view! {
        {line("For anything", wallet.free, wallet.free_cap)}
        {line("For journals", wallet.journal, wallet.journal_cap)}
        <p class="soft small num">"Received "{format::number(wallet.received)}", spent "{format::number(wallet.spent)}" in all"</p>
    }
    .into_any()
}

fn posting_list(page: &Page<Posting>) -> AnyView {
    let line = |posting: &Posting| {
        let sign = if posting.change > 0 { "+" } else { "" };
        view! {
            <li><span class="num posting-amount">{sign}{format::number(posting.change)}</span>
                <span>{cause_words(&posting.cause).to_owned()}</span>{time::ago(posting.time)}</li>
        }
    };
    view! { <ul class="postings">{page.rows.iter().map(line).collect_view()}</ul> }.into_any()
}

fn memory_list(memories: &[Memory]) -> AnyView {
    if memories.is_empty() {
        return nothing("It remembers nothing yet.");
    }
    view! { <ul class="memories">{memories.iter().map(memory).collect_view()}</ul> }.into_any()
}

fn memory(memory: &Memory) -> AnyView {
    let (act, id) = (Act::new(), memory.id.clone());
    let forget = move |_| {
        let id = id.clone();
        act.ask(
            "forget",
            move |key| api::residents::forget(key, id, "forgotten in the panel".to_owned()),
            |live| {
                live.say("Forgotten for good");
            },
        );
    };
    let aside = memory.quarantined.then(|| badge("set aside: looks like an injection", Tone::Bad));
    let importance = format!("Importance {} of 5", memory.importance);
    let dots = "•".repeat(memory.importance as usize);
    view! {
        <li>
            <p>{memory.text.clone()}</p>
            <p class="facts">
                <span>{memory.kind}</span><span title=importance>{dots}</span>{aside}
                {memory.tags.iter().map(badge::tag).collect_view()}{time::ago(memory.kept)}
                <button type="button" class="text-button" disabled=move || act.is_pending() on:click=forget>"Forget"</button>
            </p>
            {refusal(act.problem, &[])}
        </li>
    }
    .into_any()
}

fn journal_list(journals: &[Journal]) -> AnyView {
    if journals.is_empty() {
        return nothing("It keeps no journal yet.");
    }
    let line = |journal: &Journal| {
        let erased = journal.erased.then(|| badge("erased", Tone::Plain));
        view! {
            <li><span>"Day "{journal.day}</span><span>{journal.kind}</span>
                <span class="num soft">{format::count(u64::from(journal.length))}" characters"</span>{erased}{time::ago(journal.written)}</li>
        }
    };
    view! {
        <p class="soft small">"Journals are sealed: nobody but the resident reads them."</p>
        <ul class="postings">{journals.iter().map(line).collect_view()}</ul>
    }
    .into_any()
}

/// What it did before it came here. Nothing for a resident of this world.
fn past_list(page: &Page<Entry>) -> Option<AnyView> {
    if page.rows.is_empty() {
        return None;
    }
    let shown = page.rows.iter().take(PAST);
    let lines = shown.map(|entry| history::line(entry, Named::No)).collect_view();
    let body = view! {
        <ul class="history">{lines}</ul>
        <p class="small"><a href="/world/history">"All of the history"</a></p>
    };
    Some(card("Before it came here", body.into_any()))
}

fn cycle_list(cycles: &[Cycle]) -> AnyView {
    if cycles.is_empty() {
        return nothing("It has not had a turn yet.");
    }
    let line = |cycle: &Cycle| {
        let (words, tone) = cycle.outcome.unwrap_or(("runs", Tone::Busy));
        let about =
            if cycle.task.is_empty() { cycle.kind.into_any() } else { task_link(&cycle.task) };
        view! {
            <li>{badge(words, tone)}<span>{about}</span><span class="num soft">{format::dollars(cycle.cost)}</span>{time::ago(cycle.start)}</li>
        }
    };
    view! { <ul class="postings">{cycles.iter().map(line).collect_view()}</ul> }.into_any()
}
