//! One screen each.

pub(crate) mod bounties;
pub(crate) mod decision;
pub(crate) mod document;
pub(crate) mod history;
pub(crate) mod inbox;
pub(crate) mod library;
pub(crate) mod now;
pub(crate) mod recurring;
pub(crate) mod resident;
pub(crate) mod room;
pub(crate) mod safety;
pub(crate) mod settings;
pub(crate) mod spend;
pub(crate) mod task;
pub(crate) mod tasks;
pub(crate) mod tokens;
pub(crate) mod world;

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

use crate::parts::empty::empty;

/// What the tab is called.
fn title(page: &str) {
    document().set_title(&format!("{page} · Vivarium"));
}

/// A part of the address, such as the id in `/tasks/:id`.
fn part_of_address(name: &'static str) -> Memo<String> {
    let parts = use_params_map();
    Memo::new(move |_| parts.with(|parts| parts.get(name).unwrap_or_default()))
}

/// The way between the pages of the World.
fn world_tabs(here: &'static str) -> AnyView {
    let tabs = [
        ("/world", "Residents"),
        ("/world/rooms", "Rooms"),
        ("/world/library", "Library"),
        ("/world/tokens", "Tokens"),
        ("/world/bounties", "Bounties"),
        ("/world/history", "History"),
    ];
    let tab = |(address, label): (&'static str, &'static str)| {
        let current = (label == here).then_some("page");
        view! { <li><a href=address aria-current=current>{label}</a></li> }
    };
    view! {
        <nav class="tabs" aria-label="World"><ul>{tabs.map(tab).collect_view()}</ul></nav>
    }
    .into_any()
}

/// An address that leads nowhere.
pub(crate) fn lost() -> AnyView {
    title("Not here");
    let back = view! { <a class="button button-primary" href="/">"Go to Now"</a> };
    view! {
        <div class="page">
            {empty("world", "There is nothing at this address", "The link may be older than the world.", back)}
        </div>
    }
    .into_any()
}
