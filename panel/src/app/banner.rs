//! What concerns every page: the stream broke, or the world is halted.

use leptos::prelude::*;

use crate::format;
use crate::live::{Shared, clock, live};
use crate::parts::icon::icon;
use crate::parts::{notice, time};
use crate::state::link::Link;
use crate::state::world::Service;

/// The banner, while there is something to say.
pub(super) fn banner(shared: Shared) -> AnyView {
    let live = live();
    let link = move || match live.link.get() {
        Link::Broken { since, retry } => {
            let since = format::ago(since, clock::now().max(live.tick.get()));
            let text =
                format!("The connection to the world broke {since}. What you see is as of then.");
            Some(notice::countdown(text, Some(retry), move || live.wake()))
        }
        Link::Starting | Link::Live | Link::SignedOut => None,
    };
    let halted = move || {
        shared.world.value.with(|world| {
            let halt = world.as_ref()?.halt.as_ref()?;
            let actor = format::actor(&halt.actor);
            Some(view! {
                <div class="notice notice-bad" role="status">
                    {icon("halt")}
                    <p class="notice-line">
                        "The world is halted by "{actor}", "{time::ago(halt.time)}
                        ": \u{201c}"{halt.reason.clone()}"\u{201d}. Nothing starts."
                    </p>
                    <a class="button button-small" href="/#controls">"Go to the controls"</a>
                </div>
            })
        })
    };
    let down = move || {
        live.health.with(|known| {
            let down: Vec<_> = known
                .iter()
                .filter(|health| health.state == Service::Down)
                .map(|health| health.service.clone())
                .collect();
            (!down.is_empty() && !live.link.with(Link::is_stale)).then(|| view! {
                <div class="notice notice-passing" role="status">
                    {icon("pulse")}
                    <p class="notice-line">
                        {down.join(" and ")}{if down.len() == 1 { " does" } else { " do" }}
                        " not answer at the moment. The supervisor starts it again; what it owns may be out of date here."
                    </p>
                </div>
            })
        })
    };
    view! { <div class="banners">{link}{down}{halted}</div> }.into_any()
}
