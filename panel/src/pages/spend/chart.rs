//! What the last days came to; a day narrows the page to itself.

use leptos::prelude::*;

use super::{Asked, address};
use crate::api;
use crate::format;
use crate::live::reading::read;
use crate::live::{On, live};
use crate::parts::shown::shown;
use crate::state::spend::{Bar, CHART_DAYS, Group, Sheet, Span, Sum, bars};

/// The section.
pub(super) fn section(asked: Asked) -> AnyView {
    let live = live();
    let days = read(move || {
        live.on(&[On::Executor]);
        let today = asked.today.get();
        let first = today - CHART_DAYS + 1;
        api::spend::list(Group::Day, (Some(first), Some(today)), 200, String::new())
    });
    let body = move |sheet: &Sheet| {
        let (bars, highest) = bars(&sheet.rows, asked.today.get());
        chart(asked, &bars, highest)
    };
    view! {
        <section class="card" aria-labelledby="days-head">
            <h2 id="days-head">"The last "{CHART_DAYS}" days"</h2>
            {shown(days, body)}
        </section>
    }
    .into_any()
}

fn chart(asked: Asked, bars: &[Bar], highest: Sum) -> AnyView {
    let free = highest.cost == 0;
    let top = match (highest.calls, free) {
        (0, _) => "No model was called in these days.".to_owned(),
        (_, false) => format!("Highest: {}", format::dollars(highest.cost)),
        (_, true) => format!("Highest: {} model tokens", format::short_count(highest.tokens())),
    };
    let lines: Vec<_> = bars.iter().map(|bar| line(asked, *bar)).collect();
    let ends = bars.first().zip(bars.last()).map(|(first, last)| {
        view! {
            <div class="days-ends" aria-hidden="true">
                <span>{format::day(first.day)}</span><span>{format::day(last.day)}</span>
            </div>
        }
    });
    let note = (free && highest.calls > 0).then(|| {
        view! { <p class="soft small">"All of these calls were free: the bars show model tokens."</p> }
    });
    view! {
        <p class="days-top soft small num">{top}</p>
        <ol class="days" aria-label="Spend by day">{lines}</ol>
        {ends}{note}
    }
    .into_any()
}

fn line(asked: Asked, bar: Bar) -> AnyView {
    let Bar { day, sum, height } = bar;
    let calls = format::counted(sum.calls, "call", "calls");
    let told = format!("{}: {}, {calls}", format::day(day), format::dollars(sum.cost));
    let outside = move || !asked.span.get().holds(day, asked.today.get());
    let current = move || (asked.span.get() == Span::Day(day)).then_some("true");
    let height = format!("{}.{}%", height / 10, height % 10);
    view! {
        <li>
            <a class="days-one" class:days-outside=outside aria-current=current aria-label=told.clone() title=told
                href=move || address(asked.group.get(), Span::Day(day))>
                <i style:height=height></i>
            </a>
        </li>
    }
    .into_any()
}
