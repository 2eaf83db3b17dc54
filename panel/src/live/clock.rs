//! The only clock of the panel: the browser's.

use std::time::Duration;

use leptos::prelude::*;
use vivarium_types::Timestamp;

use super::Live;

/// The moment.
#[expect(clippy::cast_possible_truncation, reason = "whole milliseconds of this millennium fit")]
pub(crate) fn now() -> Timestamp {
    Timestamp::from_millis(js_sys::Date::now() as i64)
}

/// Starts to tick for as long as the tab lives.
pub(crate) fn start(live: Live) {
    set_interval(move || live.second.set(now()), Duration::from_secs(1));
    set_interval(move || live.tick.set(now()), Duration::from_secs(10));
}

/// A moment in the reader's own zone and manner, for a tooltip.
pub(crate) fn local(moment: Timestamp) -> String {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of this millennium are exact")]
    let millis = moment.as_millis() as f64;
    let date = js_sys::Date::new(&wasm_bindgen::JsValue::from_f64(millis));
    date.to_locale_string("default", &wasm_bindgen::JsValue::UNDEFINED).into()
}
