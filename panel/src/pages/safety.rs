//! What keeps residents from harm, and proof: mode, rules, sandbox, what was stopped.

mod commands;
mod mode;
mod refusals;
mod rules;
mod sandbox;

use leptos::prelude::*;

use super::title;

/// The page.
pub(crate) fn page() -> AnyView {
    title("Safety");
    view! {
        <div class="page safety">
            <header class="page-head">
                <div>
                    <h1>"Safety"</h1>
                    <p class="soft">"What residents may do, what holds them to it, and what was stopped."</p>
                </div>
            </header>
            <div class="now-grid">
                <div class="now-main">
                    {refusals::section()}
                    {rules::section()}
                </div>
                <aside class="now-side">
                    {mode::section()}
                    {sandbox::section()}
                </aside>
            </div>
            {commands::section()}
        </div>
    }
    .into_any()
}
