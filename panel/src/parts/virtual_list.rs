//! A list of any length of which only the rows in sight are in the page. All rows are equally high.

use leptos::prelude::*;
use leptos::{ev, html};
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

/// Rows above and below the sight that are kept ready.
const READY: usize = 8;

/// What a list shows.
pub(crate) trait Row: Clone + Send + Sync + 'static {
    /// What no other row of the list has.
    fn key(&self) -> &str;
}

/// A list over `rows`; `total` may be more than are there yet, and `wanted` is told the first and the
/// last index in sight, so that more can be read in time.
pub(crate) fn virtual_list<T: Row>(
    label: &'static str,
    rows: RwSignal<Vec<T>>,
    total: Signal<usize>,
    height_px: usize,
    wanted: impl Fn(usize, usize) + 'static,
    show: impl Fn(&T) -> AnyView + Clone + Send + 'static,
) -> AnyView {
    let node = NodeRef::<html::Ul>::new();
    let sight = RwSignal::new((0_usize, 40_usize));
    let measure = move || {
        let Some(shown) = node.get_untracked() else { return };
        let top = whole(-shown.get_bounding_client_rect().top());
        let pixels =
            window().inner_height().ok().and_then(|height| height.as_f64()).map_or(900, whole);
        let first = (top / height_px).saturating_sub(READY);
        let last = (top + pixels) / height_px + READY;
        if sight.get_untracked() != (first, last) {
            sight.set((first, last));
        }
    };
    let scrolled = window_event_listener(ev::scroll, move |_| measure());
    let resized = window_event_listener(ev::resize, move |_| measure());
    on_cleanup(move || {
        scrolled.remove();
        resized.remove();
    });
    Effect::new(move |_| {
        rows.track();
        total.track();
        measure();
    });
    Effect::new(move |_| {
        let (first, last) = sight.get();
        wanted(first, last);
    });
    let bounds = Memo::new(move |_| {
        let (there, total) = (rows.with(Vec::len), total.get());
        let (first, last) = sight.get();
        (first.min(there), last.min(there), total.max(there))
    });
    let in_sight = move || {
        let (first, last, _) = bounds.get();
        rows.with(|rows| rows.get(first..last).unwrap_or_default().to_vec())
    };
    let child = move |row: T| {
        let (key, show) = (row.key().to_owned(), show.clone());
        let place = key.clone();
        let body = move || rows.with(|rows| rows.iter().find(|row| row.key() == key).map(&show));
        let number = move || {
            let place = rows.with(|rows| rows.iter().position(|row| row.key() == place));
            place.map(|place| (place + 1).to_string())
        };
        view! {
            <li class="vlist-row" aria-posinset=number aria-setsize=move || bounds.get().2.to_string()>
                {body}
            </li>
        }
    };
    let space = move |rows: usize| format!("{}px", rows * height_px);
    view! {
        <ul class="vlist" node_ref=node aria-label=label on:keydown=walk>
            <li class="vlist-space" role="presentation" style:height=move || space(bounds.get().0)></li>
            <For each=in_sight key=|row| row.key().to_owned() children=child/>
            <li class="vlist-space" role="presentation" style:height=move || {
                let (_, last, total) = bounds.get();
                space(total - last)
            }></li>
        </ul>
    }
    .into_any()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "pixels of a page fit, and negative ones count as none"
)]
const fn whole(pixels: f64) -> usize {
    pixels as usize
}

/// Arrow keys go from row to row.
#[expect(clippy::needless_pass_by_value, reason = "a handler is given its event")]
fn walk(event: ev::KeyboardEvent) {
    let down = match event.key().as_str() {
        "ArrowDown" => true,
        "ArrowUp" => false,
        _ => return,
    };
    let target: HtmlElement = event_target(&event);
    let Ok(Some(row)) = target.closest("li") else { return };
    let next = if down { row.next_element_sibling() } else { row.previous_element_sibling() };
    let link = next.and_then(|next| next.query_selector("a").ok().flatten());
    if let Some(link) = link.and_then(|link| link.dyn_into::<HtmlElement>().ok()) {
        event.prevent_default();
        // It fails only for an element that cannot have the focus.
        drop(link.focus());
    }
}
