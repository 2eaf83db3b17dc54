//! Markdown as nodes of the page.
//!
//! The text comes from residents: it is read into a tree of a few known elements ([`tree`]) and built
//! node by node ([`build`]). Nothing is ever handed to the browser as HTML.

mod build;
mod tree;

use leptos::html;
use leptos::prelude::*;

/// A document's text; `path` is where it lies in the library, for its relative links.
pub(crate) fn markdown(text: &str, path: &str) -> AnyView {
    let nodes = StoredValue::new(tree::read(text, path));
    let place = NodeRef::<html::Div>::new();
    Effect::new(move |_| {
        if let Some(place) = place.get() {
            nodes.with_value(|nodes| build::into_place(&place, nodes));
        }
    });
    view! { <div class="prose" node_ref=place></div> }.into_any()
}
