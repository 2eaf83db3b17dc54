//! The sandbox: every layer, whether it is in force, and which folders it shows.

use leptos::prelude::*;

use crate::api;
use crate::format;
use crate::live::reading::read;
use crate::parts::badge::{badge, code};
use crate::parts::icon::icon;
use crate::parts::shown::shown;
use crate::state::safety::{Layer, Sandbox};
use crate::state::tone::Tone;

/// The section.
pub(super) fn section() -> AnyView {
    let sandbox = read(api::safety::sandbox);
    view! {
        <section class="card" aria-labelledby="sandbox-head">
            <h2 id="sandbox-head">"The sandbox"</h2>
            {shown(sandbox, report)}
        </section>
    }
    .into_any()
}

fn report(sandbox: &Sandbox) -> AnyView {
    let missing = sandbox.layers.iter().filter(|layer| layer.required && !layer.in_force).count();
    let (words, tone, follows) = if sandbox.complete {
        (
            "every layer that is needed is in force".to_owned(),
            Tone::Good,
            "Listed programs may run at the level run_sandboxed.",
        )
    } else {
        let words = format!("{} missing", format::counted(missing as u64, "layer", "layers"));
        (words, Tone::Bad, "Until all are there, no program runs.")
    };
    let root = |(name, inside): &(String, String)| {
        view! { <li>{code(name.clone())}<span class="soft">" at "{inside.clone()}</span></li> }
    };
    view! {
        <p class="small">{badge(words, tone)}" "{follows}</p>
        <ul class="layers">{sandbox.layers.iter().map(layer).collect_view()}</ul>
        <h3>"Folders that may be read"</h3>
        <ul class="plain small">{sandbox.roots.iter().map(root).collect_view()}</ul>
    }
    .into_any()
}

fn layer(layer: &Layer) -> AnyView {
    let (picture, class, said) = if layer.in_force {
        ("check", "layer layer-ok", "in force")
    } else if layer.required {
        ("close", "layer layer-missing", "missing")
    } else {
        ("minus", "layer layer-none", "none here, and not needed")
    };
    view! {
        <li class=class>
            {icon(picture)}<span class="unseen">{said}": "</span>
            <div>
                <b>{format::words(&layer.name)}</b>
                <p class="small">{layer.about.clone()}</p>
                <p class="small layer-detail">{layer.detail.clone()}</p>
            </div>
        </li>
    }
    .into_any()
}
