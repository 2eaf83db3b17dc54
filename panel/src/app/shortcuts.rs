//! Keys that work on every page.

use leptos::ev;
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

use crate::live::{clock, live};

/// Between the `g` and the letter behind it.
const PAIR_MS: i64 = 1_500;

/// Where `g` and a letter lead, and what the help says.
pub(super) const PLACES: [(&str, &str, &str); 8] = [
    ("n", "/", "Now"),
    ("t", "/tasks", "Tasks"),
    ("i", "/inbox", "Inbox"),
    ("w", "/world", "World"),
    ("l", "/world/library", "Library"),
    ("m", "/spend", "Spend and models"),
    ("y", "/safety", "Safety"),
    ("s", "/settings", "Settings"),
];

/// Listens for as long as somebody is signed in.
pub(super) fn listen(help: RwSignal<bool>) {
    let navigate = use_navigate();
    let last_g = StoredValue::new(0_i64);
    let live = live();
    let listening = window_event_listener(ev::keydown, move |event| {
        if event.ctrl_key() || event.alt_key() || event.meta_key() || is_typing(&event) {
            return;
        }
        let now = clock::now().as_millis();
        let after_g = now - last_g.get_value() < PAIR_MS;
        last_g.set_value(0);
        let key = event.key();
        let place = PLACES.iter().find(|(letter, _, _)| after_g && *letter == key);
        match (key.as_str(), place) {
            (_, Some((_, address, _))) => {
                event.prevent_default();
                navigate(address, NavigateOptions::default());
            }
            ("g", None) => last_g.set_value(now),
            ("?", None) => help.update(|open| *open = !*open),
            ("c", None) => {
                event.prevent_default();
                navigate("/tasks?new=1", NavigateOptions::default());
            }
            ("r", None) => {
                live.wake();
                live.note_all();
                live.say("Reading everything again");
            }
            ("/", None) => {
                if let Some(field) = find_search() {
                    event.prevent_default();
                    // It fails only for an element that cannot have the focus.
                    drop(field.focus());
                }
            }
            _ => {}
        }
    });
    on_cleanup(move || listening.remove());
}

fn find_search() -> Option<HtmlElement> {
    document().query_selector("[data-search]").ok()??.dyn_into().ok()
}

/// Whether the key belongs to an input or to a dialog.
fn is_typing(event: &ev::KeyboardEvent) -> bool {
    let target = event.target().and_then(|target| target.dyn_into::<HtmlElement>().ok());
    target.is_some_and(|element| {
        matches!(element.tag_name().as_str(), "INPUT" | "TEXTAREA" | "SELECT")
            || element.is_content_editable()
            || element.closest("dialog").is_ok_and(|dialog| dialog.is_some())
    })
}
