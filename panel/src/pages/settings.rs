//! Models and their keys, money, the calendar, the record, and the way out.

mod models;
mod record;

use std::time::Duration;

use leptos::prelude::*;

use super::title;
use crate::api;
use crate::app;
use crate::format;
use crate::live::acting::Act;
use crate::live::reading::{Reading, read};
use crate::live::{On, live, shared};
use crate::parts::bar::budget;
use crate::parts::field::{Field, LINE, Shape};
use crate::parts::notice::refusal;
use crate::parts::shown::{skeleton, trouble};
use crate::state::form::dollars;
use crate::state::model::{Budget, Scope};
use crate::state::problem::{Field as Wrong, Kind, Problem};

/// The page.
pub(crate) fn page() -> AnyView {
    title("Settings");
    let live = live();
    let budgets = read(move || {
        live.on(&[On::Executor]);
        async { api::models::budgets("").await }
    });
    view! {
        <div class="page settings">
            <header class="page-head"><h1>"Settings"</h1></header>
            {models::section()}
            <section class="card" aria-labelledby="budget-head">
                <h2 id="budget-head">"Real money"</h2>
                <p class="soft">"Every model call is reserved against all of these before it is sent. Days are UTC days."</p>
                {trouble(budgets)}{money(budgets)}
            </section>
            <section class="card" aria-labelledby="calendar-head">
                <h2 id="calendar-head">"Calendar"</h2>
                {calendar()}
            </section>
            {record::section()}
            <section class="card" aria-labelledby="out-head">
                <h2 id="out-head">"This browser"</h2>
                <p class="soft">"Signing out ends this browser's session. "<code class="code">"vivarium status --link"</code>" makes a new link."</p>
                <button type="button" class="button" on:click=move |_| app::sign_out(live)>"Sign out"</button>
            </section>
        </div>
    }
    .into_any()
}

/// Each limit with the form that changes it. What was spent is drawn anew, what is typed is not.
fn money(budgets: Reading<Vec<Budget>>) -> AnyView {
    let standing = move |scope: Scope| {
        move || {
            budgets.value.with(|all| {
                let ours =
                    all.iter().flatten().find(|one| one.scope == scope && one.subject.is_empty());
                ours.map(|one| budget(scope.label().to_owned(), one))
            })
        }
    };
    let line = move |scope: Scope| view! { <li>{standing(scope)}{limit(scope)}</li> };
    let shown = Scope::SETTABLE.into_iter().filter(|scope| *scope != Scope::ResidentDay);
    view! { <ul class="limits">{shown.map(line).collect_view()}</ul> }.into_any()
}

fn limit(scope: Scope) -> AnyView {
    let act = Act::new();
    let typed = RwSignal::new(String::new());
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let Some(limit) = dollars(&typed.get_untracked()) else {
            let wrong = Wrong {
                path: "limit_micro_usd".to_owned(),
                text: "must be an amount such as 1.50".to_owned(),
            };
            return act.refuse(Problem {
                kind: Kind::Refused,
                fields: vec![wrong],
                sentence: "that is no amount".to_owned(),
                ..Problem::default()
            });
        };
        let why = "set in the panel".to_owned();
        act.ask(
            &format!("{limit}"),
            move |id| api::models::set_limit(id, scope, limit, why),
            move |live| {
                typed.set(String::new());
                live.say("The limit is set");
            },
        );
    };
    let label = "New limit in dollars";
    view! {
        <details class="limit">
            <summary>"Change"</summary>
            <form class="form form-line" on:submit=submit>
                {Field { label, shape: Shape::Number, ..LINE }.show(typed, move || act.field("limit_micro_usd"))}
                <button type="submit" class="button" disabled=move || act.is_pending()>"Set"</button>
            </form>
            {refusal(act.problem, &["limit_micro_usd"])}
        </details>
    }
    .into_any()
}

fn calendar() -> AnyView {
    let world = shared().world;
    let known = Memo::new(move |_| {
        world.value.with(|world| world.as_ref().map(|world| (world.day_length, world.rest_day_on)))
    });
    let form = move || match known.get() {
        None => skeleton(),
        Some((day_length, rest_day_on)) => calendar_form(day_length, rest_day_on),
    };
    form.into_any()
}

fn calendar_form(day_length: Duration, rest_day_on: bool) -> AnyView {
    let act = Act::new();
    let minutes = RwSignal::new((day_length.as_secs() / 60).to_string());
    let rest = RwSignal::new(rest_day_on);
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let minutes = minutes.get_untracked().trim().parse::<i64>().unwrap_or(0);
        let (seconds, rest) = (minutes.saturating_mul(60), rest.get_untracked());
        let why = "set in the panel".to_owned();
        act.ask(
            &format!("{seconds} {rest}"),
            move |id| api::world::set_calendar(id, seconds, rest, why),
            |live| {
                live.say("The calendar is set");
            },
        );
    };
    view! {
        <p class="soft">"World time moves only while something goes on. A day now lasts "{format::span(day_length)}"."</p>
        <form class="form" on:submit=submit>
            {Field { label: "Minutes of a day", shape: Shape::Number, ..LINE }.show(minutes, move || act.field("day_length"))}
            <label class="switch">
                <input type="checkbox" prop:checked=move || rest.get() on:change=move |event| rest.set(event_target_checked(&event))/>
                <span>"Sunday is a day of rest"</span>
            </label>
            {refusal(act.problem, &["day_length"])}
            <div class="form-foot"><button type="submit" class="button" disabled=move || act.is_pending()>"Set the calendar"</button></div>
        </form>
    }
    .into_any()
}
