//! Where the money of model calls goes, what is left of it, and the models it is spent on.
//!
//! Which days and which grouping are shown stands in the address and nowhere else.

mod chart;
mod held;
mod limits;
mod models;
mod sums;

use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_navigate, use_query_map};

use super::title;
use crate::format;
use crate::live::live;
use crate::parts::icon::icon;
use crate::state::spend::{Group, Span};

/// What the address asks for.
#[derive(Clone, Copy)]
struct Asked {
    group: Memo<Group>,
    span: Memo<Span>,
    today: Memo<i64>,
}

/// The address of this question.
fn address(group: Group, span: Span) -> String {
    format!("/spend?by={}&days={}", group.word(), span.word())
}

/// The page.
pub(crate) fn page() -> AnyView {
    title("Spend and models");
    let query = use_query_map();
    let word = move |name: &str| query.with(|query| query.get(name)).unwrap_or_default();
    let asked = Asked {
        group: Memo::new(move |_| Group::of(&word("by"))),
        span: Memo::new(move |_| Span::of(&word("days"))),
        // Days are UTC days, as everywhere where real money is counted.
        today: Memo::new(move |_| live().tick.get().utc_day()),
    };
    view! {
        <div class="page spend">
            <header class="page-head">
                <div>
                    <h1>"Spend and models"</h1>
                    <p class="soft">"Real money, by settled model calls. Days are UTC days."</p>
                </div>
                {spans(asked)}
            </header>
            {sums::totals(asked)}
            <div class="now-grid">
                <div class="now-main">
                    {chart::section(asked)}
                    {sums::section(asked)}
                    {models::section()}
                </div>
                <aside class="now-side">
                    {held::section()}
                    {limits::section()}
                </aside>
            </div>
        </div>
    }
    .into_any()
}

/// The days to choose from, and the single day that was chosen in the chart.
fn spans(asked: Asked) -> AnyView {
    let navigate = StoredValue::new_local(use_navigate());
    let tab = move |(span, label): (Span, &'static str)| {
        let current = move || (asked.span.get() == span).then_some("page");
        view! { <li><a href=move || address(asked.group.get(), span) aria-current=current>{label}</a></li> }
    };
    let close = move |_| {
        let back = address(asked.group.get_untracked(), Span::default());
        navigate.with_value(|navigate| {
            navigate(&back, NavigateOptions { scroll: false, ..NavigateOptions::default() });
        });
    };
    let one = move || match asked.span.get() {
        Span::Day(day) => Some(view! {
            <span class="chip">
                {format::day(day)}
                <button type="button" class="chip-close" aria-label="Show more days" on:click=close>{icon("close")}</button>
            </span>
        }),
        Span::Today | Span::Week | Span::Month | Span::All => None,
    };
    view! {
        <div class="chips">
            {one}
            <nav class="tabs" aria-label="Days"><ul>{Span::OFFERED.map(tab).collect_view()}</ul></nav>
        </div>
    }
    .into_any()
}
