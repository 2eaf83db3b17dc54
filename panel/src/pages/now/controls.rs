//! The controls of the world: halt, resume, pace, single steps.

use leptos::prelude::*;

use crate::api;
use crate::format;
use crate::live::acting::Act;
use crate::live::reading::read;
use crate::live::{On, Shared, live};
use crate::parts::field::{Field, LINE};
use crate::parts::hold::hold;
use crate::parts::notice::refusal;
use crate::parts::shown::{shown, skeleton, trouble};
use crate::parts::time;
use crate::state::world::{Halt, Pace, RunnerReceipt};

/// The places of the slider, from standing still to full speed.
const PLACES: [(Pace, &str); 8] = [
    (Pace::Paused, "Paused: nothing starts"),
    (Pace::Step(0), "Step by step: each start is bought"),
    (Pace::Wait(300), "One start in 5 minutes"),
    (Pace::Wait(60), "One start a minute"),
    (Pace::Wait(20), "One start in 20 seconds"),
    (Pace::Wait(5), "One start in 5 seconds"),
    (Pace::Wait(2), "Normal: one start in 2 seconds"),
    (Pace::Wait(0), "Full speed"),
];

/// The section.
pub(super) fn section(shared: Shared) -> AnyView {
    let act = Act::new();
    let reason = RwSignal::new(String::new());
    // Only what the controls are made of: nothing that somebody holds or types may be drawn anew
    // because the world works.
    let known = Memo::new(move |_| {
        let world = shared.world.value;
        world.with(|world| world.as_ref().map(|world| (world.halt.clone(), world.pace)))
    });
    let body = move || match known.get() {
        None => skeleton(),
        Some((Some(halt), _)) => halted(&halt, act, reason),
        Some((None, pace)) => running(pace, act, reason),
    };
    let busy = move || {
        shared.world.value.with(|world| {
            let world = world.as_ref().filter(|world| world.halt.is_none())?;
            Some(format!("{} of {} places at work", world.busy, world.slots))
        })
    };
    view! {
        <section class="card controls" id="controls" aria-labelledby="controls-head">
            <h2 id="controls-head">"Controls"</h2>
            {trouble(shared.world)}
            {body}
            <p class="soft small">{busy}</p>
            {refusal(act.problem, &["reason"])}
        </section>
    }
    .into_any()
}

fn why(act: Act, reason: RwSignal<String>, hint: &'static str) -> AnyView {
    let field = Field { label: "Why", hint, example: "It is on the record", ..LINE };
    field.show(reason, move || act.field("reason"))
}

fn halted(halt: &Halt, act: Act, reason: RwSignal<String>) -> AnyView {
    let resume = move |_| {
        let why = spoken(reason, "resumed in the panel");
        act.ask(
            "resume",
            move |id| api::world::resume(id, why),
            move |live| {
                reason.set(String::new());
                live.say("The world goes on");
            },
        );
    };
    view! {
        <p class="halted">
            <b>"Halted"</b>" by "{format::actor(&halt.actor)}", "{time::ago(halt.time)}
            ". Nothing starts; what ran was cancelled."
        </p>
        <p class="soft">{format!("\u{201c}{}\u{201d}", halt.reason)}</p>
        {receipts()}
        {why(act, reason, "What has changed")}
        <button type="button" class="button button-primary" disabled=move || act.is_pending() on:click=resume>
            "Resume the world"
        </button>
    }
    .into_any()
}

/// What each runner has stopped, as it says so.
fn receipts() -> AnyView {
    let live = live();
    let stopped = read(move || {
        live.on(&[On::Queue]);
        api::world::halt_receipt()
    });
    let told_of = |receipt: &RunnerReceipt| {
        let told = match receipt.stopped {
            Some(_) => format!(
                "has stopped; {} cancelled",
                format::counted(u64::from(receipt.calls), "model call", "model calls")
            ),
            None => "has not confirmed yet".to_owned(),
        };
        view! { <li><b>{receipt.name.clone()}</b>" "{told}</li> }
    };
    let body = move |all: &Vec<RunnerReceipt>| {
        view! { <ul class="plain small">{all.iter().map(told_of).collect_view()}</ul> }.into_any()
    };
    shown(stopped, body)
}

fn running(pace: Pace, act: Act, reason: RwSignal<String>) -> AnyView {
    let halt = move || {
        let why = spoken(reason, "halted in the panel");
        act.ask(
            "halt",
            move |id| api::world::halt(id, why),
            move |live| {
                reason.set(String::new());
                live.say("Halted: calls are cancelled and nothing starts");
            },
        );
    };
    let step = move |_| act.ask("step", api::world::step, |live| live.say("One start was bought"));
    let stepping = matches!(pace, Pace::Step(_)).then(|| {
        view! {
            <button type="button" class="button" disabled=move || act.is_pending() on:click=step>"Allow one start"</button>
        }
    });
    view! {
        {slider(pace, act)}
        {stepping}
        <details class="halt">
            <summary>"Halt everything"</summary>
            <p class="soft small">"Cancels every model call and child process at once and starts nothing until you resume. No work is lost."</p>
            {why(act, reason, "")}
            {hold("Hold to halt the world", move || act.busy.get(), halt)}
        </details>
    }
    .into_any()
}

fn slider(pace: Pace, act: Act) -> AnyView {
    let at = place(pace);
    let shown_at = RwSignal::new(at);
    let change = move |event: leptos::ev::Event| {
        let index: usize = event_target_value(&event).parse().unwrap_or(at);
        let Some((pace, _)) = PLACES.get(index).copied() else { return };
        act.ask(&format!("pace {index}"), move |id| api::world::set_pace(id, pace), |_| ());
    };
    let moved = move |event: leptos::ev::Event| {
        shown_at.set(event_target_value(&event).parse().unwrap_or(at));
    };
    let words = move || PLACES.get(shown_at.get()).map_or("", |(_, words)| *words);
    let exact = (PLACES[at].0 != pace).then(|| format!(" ({})", pace.words()));
    view! {
        <div class="pace">
            <label for="pace">"Pace"</label>
            <input
                id="pace" type="range" min="0" max=(PLACES.len() - 1).to_string() step="1"
                prop:value=at.to_string()
                aria-valuetext=words
                disabled=move || act.busy.get()
                on:input=moved on:change=change
            />
            <div class="pace-ends" aria-hidden="true"><span>"Paused"</span><span>"Full"</span></div>
            <p class="pace-words">{words}{exact}</p>
        </div>
    }
    .into_any()
}

/// Where a pace stands on the slider: at itself, or at the nearest slower place.
fn place(pace: Pace) -> usize {
    match pace {
        Pace::Paused => 0,
        Pace::Step(_) => 1,
        Pace::Wait(seconds) => PLACES
            .iter()
            .position(|(place, _)| matches!(place, Pace::Wait(wait) if *wait <= seconds))
            .unwrap_or(PLACES.len() - 1),
    }
}

fn spoken(reason: RwSignal<String>, otherwise: &str) -> String {
    let text = reason.get_untracked().trim().to_owned();
    if text.is_empty() { otherwise.to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pace_has_its_place_on_the_slider() {
        for (index, (pace, _)) in PLACES.iter().enumerate() {
            assert_eq!(place(*pace), index);
        }
        assert_eq!(place(Pace::Wait(30)), 4);
        assert_eq!(place(Pace::Step(3)), 1);
    }
}
