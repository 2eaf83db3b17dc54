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
    std::panic::set_hook(Box::new(|panic| {
        leptos::logging::error!("{panic}");
        tell_that_it_stopped();
    }));
    if let Ok(Some(opening)) = leptos::prelude::document().query_selector("#boot") {
        opening.remove();
    }
    leptos::mount::mount_to_body(app::app);
}

/// A page that panicked answers to nothing any more; say so instead of looking alive.
fn tell_that_it_stopped() {
    let document = leptos::prelude::document();
    let (Some(body), Ok(notice)) = (document.body(), document.create_element("p")) else { return };
    notice.set_class_name("stopped");
    notice.set_text_content(Some(
        "The panel met a fault of its own and stopped; the world goes on. Reload the page.",
    ));
    let told =
        notice.set_attribute("role", "alert").and_then(|()| body.prepend_with_node_1(&notice));
    if told.is_err() {
        leptos::logging::error!("the notice could not be shown");
    }
}
