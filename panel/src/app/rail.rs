//! The way between the pages, and how the world is, on every page.

use leptos::prelude::*;
use leptos_router::hooks::use_location;

use crate::api;
use crate::format;
use crate::live::reading::read;
use crate::live::{Shared, live};
use crate::parts::icon::icon;

/// The rail beside the pages; on a small screen, bars above and below them.
pub(super) fn rail(shared: Shared, help: RwSignal<bool>) -> AnyView {
    let name = read(api::follow::world_name);
    let name = move || name.value.get().filter(|name| !name.is_empty());
    view! {
        <header class="rail">
            <a class="brand" href="/">
                {icon("logo")}
                <span class="brand-words">
                    <b>"Vivarium"</b>
                    {move || name().map(|name| view! { <small>{name}</small> })}
                </span>
            </a>
            {status(shared)}
            <nav class="nav" aria-label="Pages">
                <ul>
                    {entry("/", "now", "Now", None)}
                    {entry("/tasks", "tasks", "Tasks", None)}
                    {entry("/inbox", "inbox", "Inbox", Some(shared))}
                    {entry("/world", "world", "World", None)}
                    {entry("/spend", "spend", "Spend", None)}
                    {entry("/safety", "safety", "Safety", None)}
                    {entry("/settings", "settings", "Settings", None)}
                </ul>
            </nav>
            <div class="rail-foot">
                <button type="button" class="text-button" on:click=move |_| help.set(true)>
                    {icon("keys")}"Keys and help"<kbd>"?"</kbd>
                </button>
            </div>
        </header>
    }
    .into_any()
}

fn entry(
    address: &'static str,
    picture: &'static str,
    label: &'static str,
    counts: Option<Shared>,
) -> AnyView {
    let location = use_location();
    let here = move || {
        let path = location.pathname.get();
        let inside =
            address != "/" && path.strip_prefix(address).is_some_and(|rest| rest.starts_with('/'));
        (path == address || inside).then_some("page")
    };
    let count = move || {
        let count = counts.map_or(0, |shared| shared.inbox_count());
        (count > 0).then(|| view! {
            <span class="count" aria-label=format!("{count} waiting")>{format::count(count)}</span>
        })
    };
    view! {
        <li><a href=address aria-current=here>{icon(picture)}<span>{label}</span>{count}</a></li>
    }
    .into_any()
}

/// How the world is, in two words and a day.
fn status(shared: Shared) -> AnyView {
    let live = live();
    let told = move || {
        shared.world.value.with(|world| world.as_ref().map(|world| {
            let (words, tone) = world.status();
            let day = match world.day {
                0 => "before day 1".to_owned(),
                day => format!("Day {day}, {}", format::weekday(world.weekday)),
            };
            let words = if live.link.with(crate::state::link::Link::is_stale) { "Not connected" } else { words };
            view! {
                <a class=format!("world-chip {}", tone.class()) href="/" title="How the world is">
                    <span class="dot" aria-hidden="true"></span>
                    <span class="world-chip-words"><b>{words}</b><small>{day}</small></span>
                </a>
            }
        }))
    };
    view! { <div class="rail-status">{told}</div> }.into_any()
}
