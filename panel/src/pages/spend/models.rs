//! The providers of language models, their keys, and consent to those that were noticed.

use std::time::Duration;

use leptos::prelude::*;

use crate::api;
use crate::format;
use crate::live::acting::Act;
use crate::live::reading::read;
use crate::live::{On, live};
use crate::parts::badge::{self, badge};
use crate::parts::empty::nothing;
use crate::parts::field::{Field, LINE, Shape};
use crate::parts::notice::refusal;
use crate::parts::shown::shown;
use crate::parts::time;
use crate::state::model::{Key, Provider, Rate, why_not_sentence};
use crate::state::tone::Tone;

/// The section.
pub(super) fn section() -> AnyView {
    let live = live();
    let providers = read(move || {
        live.on(&[On::Executor]);
        api::models::providers()
    });
    let keys = read(move || {
        live.on(&[On::Executor]);
        api::models::keys()
    });
    let list = |providers: &Vec<Provider>| {
        if providers.is_empty() {
            return nothing("No provider is set up: see world/config/executor.toml.");
        }
        let lines: Vec<_> = providers.iter().map(provider).collect();
        view! { <ul class="providers">{lines}</ul> }.into_any()
    };
    view! {
        <section class="card" id="models" aria-labelledby="models-head">
            <h2 id="models-head">"Language models"</h2>
            <p class="soft small">"Tried from the top; the first that can be used takes the next call."</p>
            <div class="commands">
                <div>{shown(providers, list)}</div>
                <div>{shown(keys, |keys| keys.iter().map(key_form).collect_view().into_any())}</div>
            </div>
        </section>
    }
    .into_any()
}

fn provider(provider: &Provider) -> AnyView {
    let (words, tone) = match (provider.healthy, provider.chosen) {
        (true, true) => ("in use", Tone::Good),
        (true, false) => ("ready", Tone::Good),
        (false, _) => ("not usable", Tone::Waiting),
    };
    let why = (!provider.healthy && !provider.why_not.is_empty()).then(
        || view! { <p class="soft">{format::capital(&why_not_sentence(&provider.why_not))}"."</p> },
    );
    let window = (provider.window > 0)
        .then(|| format!("{} model tokens fit", format::count(u64::from(provider.window))));
    view! {
        <li class="provider">
            <div class="provider-head">
                <b>{provider.name.clone()}</b>{badge(words, tone)}
                <span class="soft">{provider.kind}</span>
                {(!provider.model.is_empty()).then(|| badge::model(&provider.model, provider.embedded))}
                <span class="soft small num">{window}</span>
                {provider.since.map(time::ago)}
            </div>
            {why}{provider.rate.as_ref().map(rate)}
            {(provider.asks() || provider.consented).then(|| consent(provider))}
        </li>
    }
    .into_any()
}

/// How much it takes at the moment.
fn rate(rate: &Rate) -> AnyView {
    let tokens = rate.tokens.map(|(left, most)| {
        let words = format!("{} of {}", format::short_count(left), format::short_count(most));
        view! { <span>{words}" model tokens left"</span> }
    });
    let shut = rate.shut_for.map(|span| {
        badge(
            format!("asked to wait {}", format::rough(span.max(Duration::from_secs(1)))),
            Tone::You,
        )
    });
    view! {
        <p class="rate num">
            <span>{rate.calls}" of "{format::count(u64::from(rate.calls_max))}" calls in the last minute"</span>
            {tokens}{shut}
        </p>
    }
    .into_any()
}

fn key_form(key: &Key) -> AnyView {
    let (act, typed) = (Act::new(), RwSignal::new(String::new()));
    let (provider, forgotten) = (key.provider.clone(), key.provider.clone());
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let (provider, key) = (provider.clone(), typed.get_untracked().trim().to_owned());
        act.ask(
            "set",
            move |id| api::models::set_key(id, provider, key),
            move |live| {
                typed.set(String::new());
                live.say("The key is kept, sealed, on this machine");
            },
        );
    };
    let clear = move |_| {
        let provider = forgotten.clone();
        act.ask(
            "clear",
            move |id| api::models::clear_key(id, provider),
            |live| live.say("The key is forgotten"),
        );
    };
    let present = key.present.then(|| {
        view! {
            <p>"A key is set: "<code class="code">{key.masked.clone()}</code>" "{key.set.map(time::ago)}
                <button type="button" class="text-button" disabled=move || act.is_pending() on:click=clear>"Forget it"</button></p>
        }
    });
    let label = if key.present { "Another key" } else { "Key" };
    let title = format!("Key of {}", key.provider);
    let hint = "Sealed on this machine; never shown, logged or put into a prompt";
    view! {
        <h3>{title}</h3>
        {present}
        <form class="form form-line" on:submit=submit>
            {Field { label, hint, shape: Shape::Secret, ..LINE }.show(typed, move || act.field("key"))}
            <button type="submit" class="button" disabled=move || act.is_pending()>"Keep the key"</button>
        </form>
        {refusal(act.problem, &["key"])}
    }
    .into_any()
}

fn consent(provider: &Provider) -> AnyView {
    let act = Act::new();
    let judge = RwSignal::new(provider.may_judge);
    let (name, given) = (provider.name.clone(), provider.consented);
    let say = move |consent: bool| {
        let (name, judge) = (name.clone(), judge.get_untracked());
        act.ask(
            &format!("{consent} {judge}"),
            move |id| api::models::consent(id, name, consent, judge),
            |_| (),
        );
    };
    let (agree, refuse) = (say.clone(), say);
    let button = if given {
        view! { <button type="button" class="button" disabled=move || act.is_pending() on:click=move |_| refuse(false)>"Do not use it any more"</button> }.into_any()
    } else {
        view! {
            <label class="switch">
                <input type="checkbox" prop:checked=move || judge.get() on:change=move |event| judge.set(event_target_checked(&event))/>
                <span>"Its critiques may decide"</span>
            </label>
            <button type="button" class="button button-primary" disabled=move || act.is_pending() on:click=move |_| agree(true)>"Use it"</button>
        }
        .into_any()
    };
    view! {
        <div class="consent">
            <p class="soft">"It was noticed at "<code class="code">{provider.address.clone()}</code>". Nothing is sent to it without your word."</p>
            {button}{refusal(act.problem, &[])}
        </div>
    }
    .into_any()
}
