//! Icons: drawn once in `index.html`, used by name.

use leptos::prelude::*;

/// The icon `name`, for the eye only: words stand beside it.
pub(crate) fn icon(name: &'static str) -> AnyView {
    view! {
        <svg class="icon" aria-hidden="true">
            <use_ href=format!("#i-{name}")></use_>
        </svg>
    }
    .into_any()
}
