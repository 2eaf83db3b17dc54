//! What narrows the list: tabs, words, order, terms, and the views that a person keeps.

use leptos::prelude::*;
use leptos::task::spawn_local;

use super::listed;
use crate::format;
use crate::live::saved;
use crate::parts::dialog::dialog;
use crate::parts::field::{Field, LINE};
use crate::parts::icon::icon;
use crate::state::task::{Group, State};
use crate::state::view::{NAME_MAX, Order, Saved, Term, View, keep};

/// Behind the last letter the words are searched.
const TYPING_MS: u32 = 220;
/// How a task can fail, by the world's word.
const CLASSES: [&str; 10] = [
    "command_failed",
    "transient",
    "rate_limited",
    "invalid_output",
    "review_rejected",
    "budget",
    "safety",
    "input_too_large",
    "lost",
    "internal",
];

/// The tabs, with how many tasks each has. They keep what else is asked.
pub(super) fn tabs(
    view: Memo<View>,
    counts: impl Fn() -> Option<Vec<(State, u64)>> + Copy + Send + Sync + 'static,
) -> AnyView {
    let tab = move |one: Group| {
        let address = move || View { group: one, ..view.get() }.address();
        let count = move || counts().map(|counts| format::count(one.count(&counts)));
        let here = move || view.with(|view| view.group == one);
        view! {
            <li>
                <a href=address aria-current=move || here().then_some("page")>
                    {one.label()}<span class="tab-count num">{count}</span>
                </a>
            </li>
        }
    };
    view! { <nav class="tabs" aria-label="Filter"><ul>{Group::ALL.map(tab).collect_view()}</ul></nav> }.into_any()
}

/// Words, order and terms.
pub(super) fn asking(
    view: Memo<View>,
    go: impl Fn(&View, bool) + Copy + Send + Sync + 'static,
) -> AnyView {
    let typed = RwSignal::new(String::new());
    let typing = StoredValue::new(0_u32);
    // The way back and a link change the words too; what is being typed stays.
    Effect::new(move |_| {
        let asked = view.with(|view| view.term(Term::Words).to_owned());
        if typed.with_untracked(|typed| typed.trim() != asked) {
            typed.set(asked);
        }
    });
    let listen = move |event: leptos::ev::Event| {
        typed.set(event_target_value(&event));
        typing.update_value(|count| *count += 1);
        let mine = typing.get_value();
        spawn_local(async move {
            gloo_timers::future::TimeoutFuture::new(TYPING_MS).await;
            if typing.try_get_value() == Some(mine) {
                let words = typed.get_untracked();
                go(&view.get_untracked().with_term(Term::Words, &words), true);
            }
        });
    };
    let sort = move |event: leptos::ev::Event| {
        let order = Order::from_slug(&event_target_value(&event));
        go(&View { order, ..view.get_untracked() }, false);
    };
    let narrowing = RwSignal::new(false);
    view! {
        <div class="asking">
            <input
                type="search" class="search" data-search="" aria-label="Search tasks"
                placeholder="Search" title="Words in title, key or instruction"
                prop:value=move || typed.get() on:input=listen
            />
            <select class="select-small" aria-label="Sort" on:change=sort>
                {listed::orders(view)}
            </select>
            <button type="button" class="button button-small" on:click=move |_| narrowing.set(true)>"Filter…"</button>
            {dialog("Filter the list", narrowing, move || narrow(view, narrowing, go))}
        </div>
    }
    .into_any()
}

/// The form with the terms.
fn narrow(
    view: Memo<View>,
    open: RwSignal<bool>,
    go: impl Fn(&View, bool) + Copy + Send + Sync + 'static,
) -> AnyView {
    let signal = |term| RwSignal::new(view.with_untracked(|view| view.term(term).to_owned()));
    let (tag, by) = (signal(Term::Tag), signal(Term::By));
    let (class, recurrence) = (signal(Term::Class), signal(Term::Recurrence));
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        open.set(false);
        let view = view
            .get_untracked()
            .with_term(Term::Tag, &tag.get_untracked())
            .with_term(Term::By, &by.get_untracked())
            .with_term(Term::Class, &class.get_untracked())
            .with_term(Term::Recurrence, &recurrence.get_untracked());
        go(&view, false);
    };
    let option = |word: &'static str| {
        let here = move || class.with(|class| class == word);
        view! { <option value=word prop:selected=here>{format::capital(&format::words(word))}</option> }
    };
    let id = crate::parts::field::fresh_id("class");
    view! {
        <form class="form" on:submit=submit>
            {Field { label: "Tag", first: true, ..LINE }.show(tag, || None)}
            {Field { label: "Asked by", example: "operator:cli", hint: "operator:NAME or resident:ID", ..LINE }.show(by, || None)}
            <div class="field">
                <label for=id.clone()>"Failed with"</label>
                <select id=id on:change=move |event| class.set(event_target_value(&event))>
                    <option value="">"Anything, or not at all"</option>
                    {CLASSES.map(option).collect_view()}
                </select>
            </div>
            {Field { label: "Recurrence", hint: "The key of what adds it again and again", ..LINE }.show(recurrence, || None)}
            <div class="form-foot">
                <button type="button" class="button" on:click=move |_| open.set(false)>"Not now"</button>
                <button type="submit" class="button button-primary">"Show these"</button>
            </div>
        </form>
    }
    .into_any()
}

/// What is asked besides the tab, piece by piece, and the views that are kept.
pub(super) fn chips(
    view: Memo<View>,
    total: Signal<usize>,
    go: impl Fn(&View, bool) + Copy + Send + Sync + 'static,
) -> AnyView {
    let views = RwSignal::new(saved::load());
    let change = move |change: &dyn Fn(&mut Vec<Saved>)| {
        views.update(|views| change(views));
        views.with_untracked(|views| saved::store(views));
    };
    let terms = move || {
        let view = view.get();
        let chip = |(term, text): (Term, &str)| {
            let without = view.with_term(term, "");
            view! {
                <li class="chip chip-term">
                    <span class="soft">{term.label()}</span>" "{text.to_owned()}
                    <button type="button" class="chip-close" aria-label=format!("Without {}", term.label())
                        on:click=move |_| go(&without, false)>{icon("close")}</button>
                </li>
            }
        };
        view.asked().map(chip).collect_view()
    };
    let found = move || {
        let narrow = view.with(|view| !view.is_whole());
        narrow.then(|| {
            let count = format::counted(total.get() as u64, "task", "tasks");
            view! { <li class="soft small num" role="status">{count}</li> }
        })
    };
    let kept = move |one: Saved| {
        let Saved { name, query } = one;
        let address = format!("/tasks?{query}");
        let here = move || view.with(|view| view.query() == query).then_some("page");
        let (label, gone) = (format!("Remove the view {name}"), name.clone());
        view! {
            <li class="chip chip-view">
                <a href=address aria-current=here>{name}</a>
                <button type="button" class="chip-close" aria-label=label
                    on:click=move |_| change(&|views| views.retain(|view| view.name != gone))>{icon("close")}</button>
            </li>
        }
    };
    let naming = RwSignal::new(false);
    let name = RwSignal::new(String::new());
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let query = view.with_untracked(View::query);
        change(&|views| keep(views, &name.get_untracked(), query.clone()));
        name.set(String::new());
        naming.set(false);
    };
    let known = move || {
        let query = view.with(View::query);
        query.is_empty() || views.with(|views| views.iter().any(|view| view.query == query))
    };
    let form = move || {
        view! {
            <form class="form" on:submit=submit>
                <p>"The view is everything that is in the address: tab, words, filter and order. It is kept in this browser."</p>
                {Field { label: "Its name", first: true, most: NAME_MAX, example: "Failed at night", ..LINE }.show(name, || None)}
                <div class="form-foot">
                    <button type="button" class="button" on:click=move |_| naming.set(false)>"Not now"</button>
                    <button type="submit" class="button button-primary">"Keep it"</button>
                </div>
            </form>
        }
        .into_any()
    };
    let save = move || {
        (!known()).then(|| view! {
            <li><button type="button" class="text-button" on:click=move |_| naming.set(true)>"Keep this view…"</button></li>
        })
    };
    view! {
        <ul class="chips" aria-label="Views and filters">
            <For each=move || views.get() key=|view| (view.name.clone(), view.query.clone()) children=kept/>
            {terms}{found}{save}
        </ul>
        {dialog("Keep this view", naming, form)}
    }
    .into_any()
}
