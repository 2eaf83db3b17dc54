//! A dialog in front of the page: the browser's own, so that focus and Escape behave.

use leptos::html;
use leptos::prelude::*;
use wasm_bindgen::JsCast;

use super::icon::icon;

/// A dialog that is there while `open` is true.
pub(crate) fn dialog(
    title: &'static str,
    open: RwSignal<bool>,
    body: impl Fn() -> AnyView + Send + 'static,
) -> AnyView {
    let node = NodeRef::<html::Dialog>::new();
    Effect::new(move |_| {
        let (open, Some(dialog)) = (open.get(), node.get()) else { return };
        if open && !dialog.open() {
            // It fails only if the dialog is not in the page, and then there is nothing to show.
            drop(dialog.show_modal());
            // What is in the dialog is there with the next frame.
            request_animation_frame(move || focus_first(&dialog));
        } else if !open && dialog.open() {
            dialog.close();
        }
    });
    let closed = move |_: leptos::ev::Event| open.set(false);
    let close = move |_: leptos::ev::MouseEvent| open.set(false);
    view! {
        <dialog class="dialog" node_ref=node aria-label=title on:close=closed>
            <div class="dialog-head">
                <h2>{title}</h2>
                <button type="button" class="icon-button" aria-label="Close" on:click=close>{icon("close")}</button>
            </div>
            <div class="dialog-body">{move || open.get().then(&body)}</div>
        </dialog>
    }
    .into_any()
}

/// Puts the focus where somebody wants to begin to type.
fn focus_first(dialog: &web_sys::HtmlDialogElement) {
    let first = dialog.query_selector("[autofocus]").ok().flatten();
    if let Some(first) = first.and_then(|first| first.dyn_into::<web_sys::HtmlElement>().ok()) {
        // It fails only for an element that cannot have the focus.
        drop(first.focus());
    }
}
