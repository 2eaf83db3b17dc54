//! Views that a person keeps, in this browser alone.

use leptos::prelude::window;

use crate::state::view::{Saved, kept, saved};

const STORE: &str = "vivarium.views";

/// What was kept.
pub(crate) fn load() -> Vec<Saved> {
    let text = storage().and_then(|storage| storage.get_item(STORE).ok().flatten());
    saved(&text.unwrap_or_default())
}

/// Keeps them.
pub(crate) fn store(views: &[Saved]) {
    if let Some(storage) = storage() {
        // A browser that keeps nothing shows them until the tab is closed.
        drop(storage.set_item(STORE, &kept(views)));
    }
}

fn storage() -> Option<web_sys::Storage> {
    window().local_storage().ok().flatten()
}
