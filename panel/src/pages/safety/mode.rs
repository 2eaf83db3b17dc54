//! What residents may do, whether they may do anything now, and changing the level.

use leptos::prelude::*;

use crate::api;
use crate::format;
use crate::live::acting::Act;
use crate::live::shared;
use crate::parts::badge::{badge, code, tag};
use crate::parts::dialog::dialog;
use crate::parts::field::{Field, LINE};
use crate::parts::notice::refusal;
use crate::parts::shown::{skeleton, trouble};
use crate::parts::time;
use crate::state::safety::Mode;
use crate::state::tone::Tone;
use crate::state::world::Halt;

/// The section.
pub(super) fn section() -> AnyView {
    let world = shared().world;
    // Nothing that somebody types may be drawn anew because the world works.
    let known = Memo::new(move |_| {
        world.value.with(|world| world.as_ref().map(|world| (world.mode, world.halt.clone())))
    });
    let (chosen, open) = (RwSignal::new(Mode::default()), RwSignal::new(false));
    let body = move || match known.get() {
        None => skeleton(),
        Some((mode, halt)) => levels(mode, halt.as_ref(), chosen, open),
    };
    let form = move || {
        let now = known.get_untracked().map(|(mode, _)| mode).unwrap_or_default();
        form(now, chosen.get_untracked(), open)
    };
    view! {
        <section class="card" id="mode" aria-labelledby="mode-head">
            <h2 id="mode-head">"What residents may do"</h2>
            {trouble(world)}
            {body}
            {dialog("Change what residents may do", open, form)}
        </section>
    }
    .into_any()
}

fn levels(
    mode: Mode,
    halt: Option<&Halt>,
    chosen: RwSignal<Mode>,
    open: RwSignal<bool>,
) -> AnyView {
    let level = move |level: Mode| {
        let here = level == mode;
        let press = move |_| {
            chosen.set(level);
            open.set(true);
        };
        let verb = if level > mode { "Raise to this…" } else { "Lower to this…" };
        let label = format!("{verb} {}", level.name());
        let change = match (here, level.is_built()) {
            (true, _) => badge("in force", Tone::Good),
            (false, false) => tag("not built yet"),
            (false, true) => view! {
                <button type="button" class="text-button" aria-label=label on:click=press>{verb}</button>
            }
            .into_any(),
        };
        view! {
            <li class="level" class:level-here=here class:level-below=level < mode aria-current=here.then_some("true")>
                <div class="level-head">{code(level.name())}{change}</div>
                <p class="small soft">{level.about()}</p>
            </li>
        }
    };
    let halted = match halt {
        Some(halt) => view! {
            <p class="small">{badge("halted", Tone::Bad)}" by "{format::actor(&halt.actor)}", "{time::ago(halt.time)}". "<a href="/#controls">"Resume it on Now"</a></p>
        }
        .into_any(),
        None => view! {
            <p class="small soft">"The world is not halted. "<a href="/#controls">"Halt it on Now"</a></p>
        }
        .into_any(),
    };
    view! { <ol class="levels">{Mode::ALL.map(level).collect_view()}</ol>{halted} }.into_any()
}

fn form(now: Mode, wanted: Mode, open: RwSignal<bool>) -> AnyView {
    let act = Act::new();
    let (confirm, reason) = (RwSignal::new(String::new()), RwSignal::new(String::new()));
    let raised = wanted > now;
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let (name, why) = (confirm.get_untracked().trim().to_owned(), reason.get_untracked());
        act.ask(
            &format!("{} {name} {why}", wanted.name()),
            move |id| api::world::set_mode(id, wanted, name, why),
            move |live| {
                open.set(false);
                live.say(format!("The level is {}", wanted.name()));
            },
        );
    };
    let again = raised.then(|| {
        let field = Field {
            label: "The level's name, to confirm",
            hint: "A higher level gives residents more",
            first: true,
            ..LINE
        };
        field.show(confirm, move || act.field("confirm"))
    });
    let why = Field {
        label: "Why",
        hint: "At least 3 characters, on the record",
        first: !raised,
        ..LINE
    };
    let follows = if raised {
        "It holds from the next cycle on."
    } else {
        "It binds running cycles at their next action."
    };
    view! {
        <form class="form" on:submit=submit>
            <p>"From "{code(now.name())}" to "{code(wanted.name())}". "{wanted.about()}" "{follows}</p>
            {again}
            {why.show(reason, move || act.field("reason"))}
            {refusal(act.problem, &["confirm", "reason"])}
            <div class="form-foot">
                <button type="button" class="button" on:click=move |_| open.set(false)>"Keep "<span>{now.name()}</span></button>
                <button type="submit" class="button" class:button-danger=raised class:button-primary=!raised disabled=move || act.busy.get()>
                    {if raised { "Raise it" } else { "Lower it" }}
                </button>
            </div>
        </form>
    }
    .into_any()
}
