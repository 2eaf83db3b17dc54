//! Words at the edge of the page.

use leptos::prelude::*;

use super::icon::icon;
use crate::live::{Toast, live};

/// The place where they appear.
pub(crate) fn toasts() -> AnyView {
    let live = live();
    let one = move |toast: Toast| {
        let id = toast.id;
        let bad = !toast.request_id.is_empty();
        let report = (!toast.request_id.is_empty()).then(|| report(toast.request_id));
        let undo = toast.undo.map(|undo| {
            let press = move |_| {
                live.dismiss(id);
                (undo.0)();
            };
            view! { <button type="button" class="toast-undo" on:click=press>"Undo"</button> }
        });
        view! {
            <div class="toast" class:toast-bad=bad role="status">
                <div>
                    <p>{toast.text}</p>
                    {report}
                </div>
                {undo}
                <button type="button" class="icon-button" aria-label="Dismiss" on:click=move |_| live.dismiss(id)>
                    {icon("close")}
                </button>
            </div>
        }
    };
    view! {
        <div class="toasts" aria-live="polite">
            <For each=move || live.toasts.get() key=|toast| toast.id children=one/>
        </div>
    }
    .into_any()
}

fn report(request_id: String) -> AnyView {
    let copied = RwSignal::new(false);
    let text = request_id.clone();
    let copy = move |_| {
        // The promise's outcome changes nothing for the reader: the id stands beside the button.
        drop(window().navigator().clipboard().write_text(&text));
        copied.set(true);
    };
    view! {
        <p class="small">
            "Request "<code class="code">{request_id}</code>" "
            <button type="button" class="button button-small" on:click=copy>
                {move || if copied.get() { "Copied" } else { "Copy" }}
            </button>
        </p>
    }
    .into_any()
}
