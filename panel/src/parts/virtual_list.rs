//! A list of any length of which only the rows in sight are in the page. All rows are equally high.
//!
//! It scrolls by itself and has the focus as a whole; one of its rows is the active one. A list that is
//! higher than a browser can lay out is scaled ([`Scale`]).

use leptos::prelude::*;
use leptos::{ev, html};

use crate::state::scale::Scale;

/// Rows above and below the sight that are kept ready.
const READY: usize = 6;
/// Behind the last scroll the bar of a scaled list is put where it belongs.
const REST_MS: u32 = 160;

/// The rows that are in the page, and how far they are from where a list that is not scaled has them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Shown {
    first: usize,
    last: usize,
    base: i64,
}

/// The first pixel in sight, and where the scroll bar stood then.
#[derive(Debug, Clone, Copy, Default)]
struct Stand {
    top: f64,
    bar: f64,
    /// Raised by each scroll.
    scrolls: u64,
}

/// A list that can be scrolled from outside.
#[derive(Debug, Clone, Copy)]
pub(crate) struct List {
    node: NodeRef<html::Div>,
    height_px: u32,
    total: Signal<usize>,
    shown: RwSignal<Shown>,
    base: Memo<i64>,
    stand: StoredValue<Stand>,
    /// The row that keys act on.
    pub(crate) active: RwSignal<Option<usize>>,
}

impl List {
    /// A list of `total` rows.
    pub(crate) fn new(height_px: u32, total: Signal<usize>) -> Self {
        let shown = RwSignal::new(Shown { last: 30, ..Shown::default() });
        Self {
            node: NodeRef::new(),
            height_px,
            total,
            shown,
            base: Memo::new(move |_| shown.get().base),
            stand: StoredValue::new(Stand::default()),
            active: RwSignal::new(None),
        }
    }

    /// The first row in sight and the one behind the last, with those kept ready.
    pub(crate) fn sight(self) -> (usize, usize) {
        let shown = self.shown.get();
        (shown.first, shown.last)
    }

    /// Where the row at a place begins. A row stays where it is while others come and go, so that
    /// scrolling draws only what is new.
    pub(crate) fn top(self, place: usize) -> String {
        let own = i64::try_from(place).unwrap_or(0) * i64::from(self.height_px);
        format!("{}px", self.base.get() + own)
    }

    /// Rows that fit into the sight.
    pub(crate) fn page_rows(self) -> usize {
        let pixels = self.node.get_untracked().map_or(800, |node| node.client_height());
        (usize::try_from(pixels).unwrap_or(800) / self.height_px as usize).max(2) - 1
    }

    /// Begins at the top again.
    pub(crate) fn reset(self) {
        self.active.set(None);
        self.go(0.0);
    }

    /// Makes a row the active one and brings it into sight.
    pub(crate) fn activate(self, place: usize) {
        let place = place.min(self.total.get_untracked().saturating_sub(1));
        self.active.set(Some(place));
        let (height, stand) = (f64::from(self.height_px), self.stand.get_value());
        let (above, sight) = (pixels(place) * height, self.scale().sight);
        if above < stand.top {
            self.go(above);
        } else if above + height > stand.top + sight {
            self.go(above + height - sight);
        }
    }

    /// Puts the focus on the list.
    pub(crate) fn focus(self) {
        if let Some(node) = self.node.get_untracked() {
            // It fails only for an element that cannot have the focus.
            drop(node.focus());
        }
    }

    fn scale(self) -> Scale {
        let sight = self.node.get_untracked().map_or(800, |node| node.client_height());
        let total = pixels(self.total.get_untracked()) * f64::from(self.height_px);
        Scale { total, sight: f64::from(sight) }
    }

    fn go(self, top: f64) {
        let bar = self.scale().bar(top);
        self.stand.update_value(|stand| {
            stand.top = top;
            stand.bar = bar;
        });
        if let Some(node) = self.node.get_untracked() {
            node.set_scroll_top(whole(bar));
        }
        self.show();
    }

    /// The list was scrolled, or its size is another.
    fn measure(self) {
        let Some(node) = self.node.get_untracked() else { return };
        let (scale, now) = (self.scale(), f64::from(node.scroll_top()));
        self.stand.update_value(|stand| {
            stand.top = scale.scrolled(stand.top, stand.bar, now);
            stand.bar = now;
            stand.scrolls += 1;
        });
        self.show();
        if scale.is_scaled() {
            self.settle_later();
        }
    }

    /// Small steps lead the bar away from where it belongs; at rest it is put there unseen.
    fn settle_later(self) {
        let scrolls = self.stand.get_value().scrolls;
        leptos::task::spawn_local(async move {
            gloo_timers::future::TimeoutFuture::new(REST_MS).await;
            let Some(stand) = self.stand.try_get_value() else { return };
            if stand.scrolls == scrolls && (self.scale().bar(stand.top) - stand.bar).abs() > 1.0 {
                self.go(stand.top);
            }
        });
    }

    fn show(self) {
        let (scale, Stand { top, bar, .. }) = (self.scale(), self.stand.get_value());
        let (height, total) = (f64::from(self.height_px), self.total.get_untracked());
        let shown = Shown {
            first: rows(top / height).saturating_sub(READY).min(total),
            last: (rows((top + scale.sight) / height) + 1 + READY).min(total),
            base: i64::from(whole(bar)) - i64_of(top),
        };
        if self.shown.get_untracked() != shown {
            self.shown.set(shown);
        }
    }

    /// The list; `row` draws the row at a place, with [`row_id`] as its id.
    pub(crate) fn view(
        self,
        label: &'static str,
        keys: impl Fn(ev::KeyboardEvent) + 'static,
        row: impl Fn(usize) -> AnyView + Clone + Send + 'static,
    ) -> AnyView {
        let resized = window_event_listener(ev::resize, move |_| self.measure());
        on_cleanup(move || resized.remove());
        Effect::new(move |_| {
            self.total.track();
            self.node.track();
            request_animation_frame(move || {
                if self.stand.try_get_value().is_some() {
                    self.measure();
                }
            });
        });
        let range = Memo::new(move |_| {
            let shown = self.shown.get();
            (shown.first, shown.last)
        });
        let space = move || {
            let total = pixels(self.total.get()) * f64::from(self.height_px);
            format!("{}px", Scale { total, sight: 0.0 }.space())
        };
        let active = move || self.active.get().map(row_id);
        view! {
            <div
                class="vlist" role="grid" tabindex="0" node_ref=self.node aria-label=label
                aria-multiselectable="true" aria-rowcount=move || self.total.get().to_string()
                aria-activedescendant=active on:keydown=keys on:scroll=move |_| self.measure()
            >
                <div class="vlist-space" role="presentation" style:height=space>
                    <For each=move || { let (first, last) = range.get(); first..last } key=|place| *place children=row/>
                </div>
            </div>
        }
        .into_any()
    }
}

/// The id of the row at a place.
pub(crate) fn row_id(place: usize) -> String {
    format!("row-{place}")
}

#[expect(clippy::cast_precision_loss, reason = "the rows of a list are exact")]
const fn pixels(count: usize) -> f64 {
    count as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a list has no more rows than fit, and none before the first"
)]
const fn rows(pixels: f64) -> usize {
    pixels as usize
}

#[expect(clippy::cast_possible_truncation, reason = "the space that is laid out is bounded")]
fn whole(pixels: f64) -> i32 {
    pixels.round() as i32
}

#[expect(clippy::cast_possible_truncation, reason = "pixels of a list fit")]
fn i64_of(pixels: f64) -> i64 {
    pixels.round() as i64
}
