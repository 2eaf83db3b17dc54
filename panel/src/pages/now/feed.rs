//! What happened, newest first, as sentences.

use leptos::prelude::*;

use crate::live::live;
use crate::parts::empty::nothing;
use crate::parts::sentence;
use crate::state::telling::{Weight, tell};

/// Lines that are shown at most.
const LINES_MAX: usize = 40;

/// The section.
pub(super) fn section() -> AnyView {
    let live = live();
    let all = RwSignal::new(false);
    let rows = Memo::new(move |_| {
        let all = all.get();
        live.feed.with(|feed| {
            let told = feed.rows().iter().filter(|row| all || tell(row).weight > Weight::Quiet);
            told.take(LINES_MAX).cloned().collect::<Vec<_>>()
        })
    });
    let body = move || {
        if rows.with(Vec::is_empty) {
            return nothing("Nothing has happened yet. Add a task, and it begins.");
        }
        view! {
            <ul class="feed">
                <For each=move || rows.get() key=|row| row.key() children=|row| sentence::line(&row)/>
            </ul>
        }
        .into_any()
    };
    view! {
        <section class="card" aria-labelledby="feed-head">
            <h2 id="feed-head">
                "What happened"
                <label class="switch">
                    <input type="checkbox" prop:checked=move || all.get() on:change=move |event| all.set(event_target_checked(&event))/>
                    <span>"Every event"</span>
                </label>
            </h2>
            {body}
        </section>
    }
    .into_any()
}
