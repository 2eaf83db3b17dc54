//! What one resident may do beyond documents, and a person's consent to it.

use leptos::prelude::*;

use crate::api;
use crate::live::acting::Act;
use crate::live::reading::read;
use crate::live::{On, live, shared};
use crate::parts::badge::{badge, code};
use crate::parts::dialog::dialog;
use crate::parts::field::{Field, LINE, Shape};
use crate::parts::notice::refusal;
use crate::parts::shown::shown;
use crate::parts::time;
use crate::state::safety::{Consent, Level, Mode};
use crate::state::tone::Tone;

/// Days that a consent lasts at the most.
const DAYS_MAX: u32 = 28;

/// The section.
pub(super) fn section(id: &str) -> AnyView {
    let (live, open) = (live(), RwSignal::new(false));
    let who = id.to_owned();
    let level = read(move || {
        live.on(&[On::Queue]);
        let who = who.clone();
        async move {
            let levels = api::world::levels().await?;
            Ok(levels.into_iter().find(|level| level.resident == who).unwrap_or_default())
        }
    });
    let who = id.to_owned();
    let form = move || form(who.clone(), open);
    let who = id.to_owned();
    view! {
        <section class="card" aria-label="What it may do">
            <h2>"What it may do"</h2>
            {shown(level, move |level| stands(level, who.clone(), open))}
            {dialog("Let it run programs", open, form)}
        </section>
    }
    .into_any()
}

fn stands(level: &Level, who: String, open: RwSignal<bool>) -> AnyView {
    if level.mode == Mode::DocsOnly {
        return view! {
            <p>{code(level.mode.name())}</p>
            <p class="small soft">"It writes documents. No program runs for it."</p>
            <button type="button" class="button" on:click=move |_| open.set(true)>"Let it run programs…"</button>
        }
        .into_any();
    }
    let act = Act::new();
    let take_back = move |_| {
        let who = who.clone();
        let reason = "taken back in the panel".to_owned();
        let consent = Consent { reason, ..Consent::default() };
        act.ask(
            "take back",
            move |id| api::world::set_level(id, who, consent),
            |live| live.say("It runs no programs any more"),
        );
    };
    let after = if level.after_texts {
        "It also runs them after it has read others' texts, and nobody is asked."
    } else {
        "After it has read others' texts, you are asked for each program."
    };
    let world = shared().world;
    let held_back = move || {
        let mode = world.value.with(|world| world.as_ref().map(|world| world.mode));
        mode.filter(|mode| *mode < Mode::RunSandboxed).map(|mode| {
            view! {
                <p class="small">{badge("held back", Tone::You)}" The whole world is at "{code(mode.name())}". "<a href="/safety#mode">"Change it on Safety"</a></p>
            }
        })
    };
    let left = time::until(level.end);
    view! {
        <p>{code(level.mode.name())}<span class="soft">" ends in "{left}</span></p>
        <p class="small soft">"It runs listed programs for tasks that allow it. "{after}</p>
        {held_back}
        <button type="button" class="button" disabled=move || act.is_pending() on:click=take_back>"Take it back"</button>
        {refusal(act.problem, &[])}
    }
    .into_any()
}

fn form(who: String, open: RwSignal<bool>) -> AnyView {
    let act = Act::new();
    let wanted = Mode::RunSandboxed;
    let (confirm, reason) = (RwSignal::new(String::new()), RwSignal::new(String::new()));
    let (days, after_texts) = (RwSignal::new(DAYS_MAX.to_string()), RwSignal::new(false));
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let consent = Consent {
            mode: wanted,
            confirm: confirm.get_untracked().trim().to_owned(),
            // What is no number of days is more than there may be: the queue says so.
            days: days.get_untracked().trim().parse().unwrap_or(u32::MAX),
            after_texts: after_texts.get_untracked(),
            reason: reason.get_untracked(),
        };
        let who = who.clone();
        act.ask(
            &format!("{consent:?}"),
            move |id| api::world::set_level(id, who, consent),
            move |live| {
                open.set(false);
                live.say("It may run programs");
            },
        );
    };
    view! {
        <form class="form" on:submit=submit>
            <p>"It may then run programs of the table, in the sandbox, for tasks that allow it as well, while the whole world is at "{code(wanted.name())}"."</p>
            {Field { label: "The level's name, to confirm", hint: "run_sandboxed", first: true, ..LINE }
                .show(confirm, move || act.field("confirm"))}
            {Field { label: "Days", shape: Shape::Number, hint: "1 to 28; then it ends by itself", ..LINE }
                .show(days, move || act.field("days"))}
            <label class="switch">
                <input type="checkbox" prop:checked=move || after_texts.get() on:change=move |event| after_texts.set(event_target_checked(&event))/>
                <span>"Also after it has read others' texts, without asking me"</span>
            </label>
            {Field { label: "Why", hint: "At least 3 characters, on the record", ..LINE }
                .show(reason, move || act.field("reason"))}
            {refusal(act.problem, &["confirm", "days", "reason"])}
            <div class="form-foot">
                <button type="button" class="button" on:click=move |_| open.set(false)>"Leave it at documents"</button>
                <button type="submit" class="button button-danger" disabled=move || act.busy.get()>"Let it run programs"</button>
            </div>
        </form>
    }
    .into_any()
}
