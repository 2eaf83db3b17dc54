//! What stands where there is nothing: why, and what to do next.

use leptos::prelude::*;

use super::icon::icon;

/// An empty place with its next step.
pub(crate) fn empty(
    picture: &'static str,
    title: &'static str,
    text: impl IntoView,
    action: impl IntoView,
) -> AnyView {
    let (text, action) = (text.into_any(), action.into_any());
    view! {
        <div class="empty">
            <div class="empty-picture">{icon(picture)}</div>
            <p class="empty-title">{title}</p>
            <div class="empty-text">{text}</div>
            <div class="empty-action">{action}</div>
        </div>
    }
    .into_any()
}

/// A quiet line where there is nothing.
pub(crate) fn nothing(text: &'static str) -> AnyView {
    view! { <p class="nothing">{text}</p> }.into_any()
}
