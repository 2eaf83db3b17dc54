//! The calendar, the record, and the way out.

mod record;

use std::time::Duration;

use leptos::prelude::*;

use super::title;
use crate::api;
use crate::app;
use crate::format;
use crate::live::acting::Act;
use crate::live::{live, shared};
use crate::parts::field::{Field, LINE, Shape};
use crate::parts::notice::refusal;
use crate::parts::shown::skeleton;

/// The page.
pub(crate) fn page() -> AnyView {
    title("Settings");
    let live = live();
    view! {
        <div class="page settings">
            <header class="page-head"><h1>"Settings"</h1></header>
            <section class="card" aria-labelledby="calendar-head">
                <h2 id="calendar-head">"Calendar"</h2>
                {calendar()}
            </section>
            {record::section()}
            <section class="card" aria-labelledby="elsewhere-head">
                <h2 id="elsewhere-head">"Set elsewhere"</h2>
                <ul class="plain">
                    <li><a href="/spend#models">"Language models and their keys"</a>", and "<a href="/spend#limits">"limits of real money"</a></li>
                    <li><a href="/safety#mode">"What residents may do"</a></li>
                    <li><a href="/#controls">"Halt and pace"</a></li>
                </ul>
            </section>
            <section class="card" aria-labelledby="out-head">
                <h2 id="out-head">"This browser"</h2>
                <p class="soft">"Signing out ends this browser's session. "<code class="code">"vivarium status --link"</code>" makes a new link."</p>
                <button type="button" class="button" on:click=move |_| app::sign_out(live)>"Sign out"</button>
            </section>
        </div>
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
