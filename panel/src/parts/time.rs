//! Moments and spans that keep up with the clock.

use leptos::prelude::*;
use vivarium_types::Timestamp;

use crate::format;
use crate::live::{clock, live};

/// How long ago, with the exact moment for those who ask.
pub(crate) fn ago(moment: Timestamp) -> AnyView {
    if moment == Timestamp::EPOCH {
        return view! { <span class="soft">"–"</span> }.into_any();
    }
    let live = live();
    view! {
        <time class="time" datetime=format::iso(moment) title=clock::local(moment)>
            {move || format::ago(moment, live.tick.get().max(clock::now()))}
        </time>
    }
    .into_any()
}

/// How long something runs, by the second.
pub(crate) fn running(since: Timestamp) -> AnyView {
    let live = live();
    view! {
        <span class="num">{move || format::span(live.second.get().since(since))}</span>
    }
    .into_any()
}

/// How long until a moment, by the second.
pub(crate) fn until(moment: Timestamp) -> impl Fn() -> String + Copy {
    let live = live();
    move || format::rough(moment.since(live.second.get()))
}
