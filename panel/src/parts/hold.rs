//! A button that must be held, for what cannot be taken back by a second click.
//!
//! It is held by pointer, by Enter or by Space. Assistive technology that can only activate it does so
//! twice: the first time it says what the second one will do.

use std::time::Duration;

use leptos::prelude::*;
use leptos::{ev, leptos_dom::helpers::TimeoutHandle};

/// How long it is held.
const HOLD: Duration = Duration::from_millis(1_100);
/// How long a first activation counts.
const ARMED: Duration = Duration::from_secs(6);

/// A button that calls `done` after it was held.
pub(crate) fn hold(
    label: &'static str,
    busy: impl Fn() -> bool + Send + Copy + 'static,
    done: impl Fn() + Copy + 'static,
) -> AnyView {
    let held = RwSignal::new(false);
    let hint = RwSignal::new("");
    let timer = StoredValue::new(None::<TimeoutHandle>);
    let release = move || {
        // The button may be gone already: its removal takes the focus away, which lets it go.
        held.try_set(false);
        if let Some(Some(timer)) = timer.try_update_value(Option::take) {
            timer.clear();
        }
    };
    // A button that goes away while it is held was not held to its end.
    on_cleanup(move || {
        if let Some(Some(timer)) = timer.try_update_value(Option::take) {
            timer.clear();
        }
    });
    let press = move || {
        if busy() || held.get_untracked() {
            return;
        }
        held.set(true);
        hint.set("Keep holding");
        let finish = move || {
            release();
            hint.set("");
            done();
        };
        timer.set_value(set_timeout_with_handle(finish, HOLD).ok());
    };
    let let_go = move || {
        if held.try_get_untracked() == Some(true) {
            release();
            hint.set("Hold it a little longer");
        }
    };
    let is_key = |event: &ev::KeyboardEvent| matches!(event.key().as_str(), "Enter" | " ");
    let on_key = move |event: ev::KeyboardEvent| {
        if is_key(&event) {
            event.prevent_default();
            if !event.repeat() {
                press();
            }
        }
    };
    let on_click = move |event: ev::MouseEvent| {
        // A pointer's click says how often; one without a pointer comes from assistive technology.
        if event.detail() == 0 && !busy() {
            if hint.get_untracked() == "Activate again to confirm" {
                hint.set("");
                done();
            } else {
                hint.set("Activate again to confirm");
                set_timeout(move || hint.set(""), ARMED);
            }
        }
    };
    view! {
        <span class="hold">
            <button
                type="button"
                class="button button-danger hold-button"
                class:holding=move || held.get()
                aria-disabled=move || busy().to_string()
                aria-description="Press and hold for a second"
                on:pointerdown=move |event| if event.button() == 0 { press() }
                on:pointerup=move |_| let_go()
                on:pointerleave=move |_| let_go()
                on:pointercancel=move |_| let_go()
                on:keydown=on_key
                on:keyup=move |event| if is_key(&event) { let_go() }
                on:blur=move |_| let_go()
                on:contextmenu=move |event| event.prevent_default()
                on:click=on_click
            >
                <span class="hold-fill" aria-hidden="true"></span>
                <span class="hold-label">{label}</span>
            </button>
            <span class="hold-hint" aria-live="polite">{move || hint.get()}</span>
        </span>
    }
    .into_any()
}
