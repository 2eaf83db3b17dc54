//! Bounties: what is offered, what lies in escrow for it, and taking one back.

use leptos::prelude::*;

use super::{title, world_tabs};
use crate::api;
use crate::format;
use crate::live::acting::Act;
use crate::live::reading::read;
use crate::live::{On, live};
use crate::parts::badge::badge;
use crate::parts::dialog::dialog;
use crate::parts::empty::empty;
use crate::parts::field::{Field, LINE};
use crate::parts::notice::refusal;
use crate::parts::shown::shown;
use crate::parts::time;
use crate::state::Page;
use crate::state::bounty::Bounty;

/// Characters of a description that are shown.
const DESCRIPTION: usize = 600;

/// The page.
pub(crate) fn page() -> AnyView {
    title("Bounties");
    let live = live();
    let ended = RwSignal::new(false);
    let known = read(move || {
        live.on(&[On::Society]);
        api::bounties::list(ended.get())
    });
    // The one that is about to be taken back.
    let chosen = RwSignal::new(None::<Bounty>);
    let asking = RwSignal::new(false);
    let body = move |page: &Page<Bounty>| {
        if page.rows.is_empty() {
            return none();
        }
        let rows: Vec<_> = page.rows.iter().map(|one| row(one, chosen, asking)).collect();
        view! { <ul class="recurrences">{rows}</ul> }.into_any()
    };
    view! {
        <div class="page">
            <header class="page-head"><h1>"World"</h1></header>
            {world_tabs("Bounties")}
            <label class="switch">
                <input type="checkbox" prop:checked=move || ended.get() on:change=move |_| ended.update(|on| *on = !*on)/>
                "Show those that are over"
            </label>
            {shown(known, body)}
            {dialog("Take this bounty back?", asking, move || form(chosen, asking))}
        </div>
    }
    .into_any()
}

fn none() -> AnyView {
    let text = "A bounty is a prize for work that anybody may try. They come with an import; \
                residents cannot claim them yet.";
    let back = view! { <a class="button" href="/world/tokens">"See the tokens"</a> };
    empty("world", "No bounty is offered", text, back)
}

fn row(bounty: &Bounty, chosen: RwSignal<Option<Bounty>>, asking: RwSignal<bool>) -> AnyView {
    let (label, tone) = bounty.badge();
    let take_back = bounty.open.then(|| {
        let bounty = bounty.clone();
        let press = move |_| {
            chosen.set(Some(bounty.clone()));
            asking.set(true);
        };
        view! { <button type="button" class="button button-small" on:click=press>"Take back"</button> }
    });
    let second = (bounty.runner_up > 0)
        .then(|| view! { <span>"second prize "<b class="num">{format::number(bounty.runner_up)}</b></span> });
    let held = bounty.open.then(|| {
        view! { <span class="num">{format::number(bounty.escrow)}" tokens held for it"</span> }
    });
    let teams = (bounty.max_teams > 1).then(|| {
        format!(", {} at most", format::counted(u64::from(bounty.max_teams), "team", "teams"))
    });
    let why = (!bounty.reason.is_empty())
        .then(|| view! { <p class="small soft">"Taken back: "{bounty.reason.clone()}</p> });
    let when = bounty.ended.unwrap_or(bounty.opened);
    view! {
        <li class="recurrence card">
            <div class="recurrence-head">
                <b>{bounty.title.clone()}</b>{badge(label, tone)}
                <span class="recurrence-deeds">{take_back}</span>
            </div>
            <p class="facts">
                <span>"first prize "<b class="num">{format::number(bounty.reward)}</b></span>
                {second}{held}
                <span>{bounty.mode}{teams}</span>
                {time::ago(when)}
            </p>
            <p class="small soft letter-text">{format::clip(&bounty.description, DESCRIPTION)}</p>
            {why}
        </li>
    }
    .into_any()
}

fn form(chosen: RwSignal<Option<Bounty>>, asking: RwSignal<bool>) -> AnyView {
    let Some(bounty) = chosen.get_untracked() else { return ().into_any() };
    let (act, reason) = (Act::new(), RwSignal::new(String::new()));
    let (id, held) = (bounty.id, format::number(bounty.escrow));
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let (id, why) = (id.clone(), reason.get_untracked());
        act.ask(
            &format!("{id} {why}"),
            move |key| api::bounties::cancel(key, id, why),
            move |live| {
                asking.set(false);
                live.say("Taken back: its tokens returned");
            },
        );
    };
    view! {
        <form class="form" on:submit=submit>
            <p><b>{bounty.title}</b></p>
            <p>"The "{held}" tokens that are held for it return to where they came from. It is not offered again."</p>
            {Field { label: "Why", hint: "At least 3 characters, on the record", first: true, ..LINE }
                .show(reason, move || act.field("reason"))}
            {refusal(act.problem, &["reason"])}
            <div class="form-foot">
                <button type="button" class="button" on:click=move |_| asking.set(false)>"Keep it"</button>
                <button type="submit" class="button button-danger" disabled=move || act.busy.get()>"Take it back"</button>
            </div>
        </form>
    }
    .into_any()
}
