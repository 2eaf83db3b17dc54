//! A small round mark for somebody: their letters on their own hue.

use leptos::prelude::*;

use crate::format;
use crate::live::live;
use crate::parts::icon::icon;
use crate::state::names;

/// The mark of a resident, of the human (`human`) or of the runtime (`society`).
pub(crate) fn mark(id: &str) -> AnyView {
    let live = live();
    let id = id.to_owned();
    let class = match id.as_str() {
        "human" => "mark mark-you".to_owned(),
        "society" | "" => "mark mark-plain".to_owned(),
        id => format!("mark hue-{}", names::hue(id)),
    };
    // The runtime and its tools have no name to take letters from.
    let drawn = match id.as_str() {
        "society" => Some("logo"),
        "" => Some("settings"),
        _ => None,
    };
    let letters = move || match id.as_str() {
        "human" => "You".to_owned(),
        id => live
            .names
            .with(|names| names.resident(id).map_or_else(|| "?".to_owned(), format::initials)),
    };
    let drawn = match drawn {
        Some(name) => icon(name),
        None => letters.into_any(),
    };
    view! { <span class=class aria-hidden="true">{drawn}</span> }.into_any()
}

/// A resident's name as a link to its page; words for everybody else.
pub(crate) fn name(id: &str) -> AnyView {
    let live = live();
    match id {
        "human" => view! { <span class="name">"You"</span> }.into_any(),
        "society" => view! { <span class="name">"Town crier"</span> }.into_any(),
        "" => view! { <span class="name">"A tool"</span> }.into_any(),
        id => {
            let (id, address) = (id.to_owned(), address(id));
            view! { <a class="name" href=address>{move || live.name(&id)}</a> }.into_any()
        }
    }
}

/// Where a resident's page is.
pub(crate) fn address(id: &str) -> String {
    format!("/world/residents/{id}")
}
