//! Who lives here.

use leptos::prelude::*;

use super::{title, world_tabs};
use crate::format;
use crate::live::shared;
use crate::parts::badge::badge;
use crate::parts::empty::empty;
use crate::parts::mark;
use crate::parts::shown::shown;
use crate::state::resident::Resident;

/// The page.
pub(crate) fn page() -> AnyView {
    title("Residents");
    let body = |residents: &Vec<Resident>| {
        if residents.is_empty() {
            return empty(
                "world",
                "Nobody lives here yet",
                "The first residents come with the world's first start.",
                (),
            );
        }
        view! { <ul class="residents">{residents.iter().map(card).collect_view()}</ul> }.into_any()
    };
    view! {
        <div class="page">
            <header class="page-head"><h1>"World"</h1></header>
            {world_tabs("Residents")}
            {shown(shared().residents, body)}
        </div>
    }
    .into_any()
}

fn card(resident: &Resident) -> AnyView {
    let (label, tone) = resident.status;
    let fact = |words: &'static str, value: String| view! { <div><dt>{words}</dt><dd class="num">{value}</dd></div> };
    view! {
        <li class="resident">
            <div class="resident-head">
                {mark::mark(&resident.id)}
                <div><h2><a href=mark::address(&resident.id)>{resident.name.clone()}</a></h2>
                    <p class="soft">"@"{resident.handle.clone()}</p></div>
                {badge(label, tone)}
            </div>
            <p class="resident-words">{resident.summary.clone()}</p>
            <dl class="resident-facts">
                {fact("tokens", format::number(resident.free + resident.journal))}
                {fact("memories", format::count(u64::from(resident.memories)))}
                {fact("approved", format::count(u64::from(resident.approved)))}
                {fact("sent back", format::count(u64::from(resident.rejected)))}
            </dl>
        </li>
    }
    .into_any()
}
