//! The control panel. This file only mounts the page; everything else is below.
//!
//! Reading order: [`state`] (what is known, pure) → [`api`] (the only way to the world) → [`live`]
//! (the two together, in signals) → [`app`] (shell and routes) → [`pages`] → [`parts`].
#![expect(clippy::result_large_err, reason = "a problem is shown whole, and is rare")]
#![expect(clippy::large_types_passed_by_value, reason = "signals are handles that Leptos copies")]

mod api;
mod app;
mod format;
mod live;
mod pages;
mod parts;
mod state;

fn main() {
    if let Ok(Some(opening)) = leptos::prelude::document().query_selector("#boot") {
        opening.remove();
    }
    leptos::mount::mount_to_body(app::app);
}
