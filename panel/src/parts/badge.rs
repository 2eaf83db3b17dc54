//! A word with a colour that means the same.

use leptos::prelude::*;

use crate::state::task::State;
use crate::state::tone::Tone;

/// A badge.
pub(crate) fn badge(label: impl Into<String>, tone: Tone) -> AnyView {
    let label = label.into();
    view! { <span class=format!("badge {}", tone.class())>{label}</span> }.into_any()
}

/// The badge of a task's state.
pub(crate) fn of_state(state: State) -> AnyView {
    badge(state.label(), state.tone())
}

/// A word of the machine's side, such as a model or a path.
pub(crate) fn code(text: impl Into<String>) -> AnyView {
    let text = text.into();
    view! { <code class="code">{text}</code> }.into_any()
}

/// A small word, such as a tag.
pub(crate) fn tag(text: impl Into<String>) -> AnyView {
    let text = text.into();
    view! { <span class="tag">{text}</span> }.into_any()
}

/// A model's name, marked when it is a small local one.
pub(crate) fn model(name: &str, embedded: bool) -> AnyView {
    let (name, embedded) = (name.to_owned(), embedded);
    view! {
        <span class="model">
            <code class="code">{name}</code>
            {embedded.then(|| view! { <span class="tag" title="A small model on this machine: it drafts, a person decides">"local"</span> })}
        </span>
    }
    .into_any()
}
