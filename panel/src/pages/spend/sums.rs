//! Sums by resident, model, task or day, each leading to what it is about.

use leptos::prelude::*;

use super::{Asked, address};
use crate::api;
use crate::format;
use crate::live::reading::{Reading, read};
use crate::live::{On, live};
use crate::parts::bar::bar;
use crate::parts::empty::empty;
use crate::parts::sentence::task_link;
use crate::parts::shown::{shown, skeleton, trouble};
use crate::parts::{badge, mark};
use crate::state::spend::{Group, Row, Sheet, Span, Sum};

/// Rows of a page.
const ROWS: u32 = 25;

/// What the chosen days came to, at a glance.
pub(super) fn totals(asked: Asked) -> AnyView {
    let live = live();
    let sheet = read(move || {
        live.on(&[On::Executor]);
        let days = asked.span.get().days(asked.today.get());
        api::spend::list(Group::Day, days, 1, String::new())
    });
    let body = |sheet: &Sheet| {
        let Sum { calls, failed, input, output, cost, worst, .. } = sheet.total;
        let one = |words: String, value: String| view! { <div><dt>{words}</dt><dd class="num">{value}</dd></div> };
        let unanswered = match failed {
            0 => "model calls".to_owned(),
            failed => format!("model calls, {} not answered", format::count(failed)),
        };
        let reserved = (worst > 0).then(|| {
            let words = format!("of {} that were reserved", format::dollars(worst));
            one(words, used_words(&sheet.total))
        });
        view! {
            <dl class="totals">
                {one("spent".to_owned(), format::dollars(cost))}
                {reserved}
                {one(unanswered, format::count(calls))}
                {one("model tokens read".to_owned(), format::short_count(input))}
                {one("model tokens written".to_owned(), format::short_count(output))}
            </dl>
        }
        .into_any()
    };
    shown(sheet, body)
}

/// The section.
pub(super) fn section(asked: Asked) -> AnyView {
    let tab = move |group: Group| {
        let current = move || (asked.group.get() == group).then_some("page");
        view! { <li><a href=move || address(group, asked.span.get()) aria-current=current>"By "{group.word()}</a></li> }
    };
    // Another question is another table; more of the same only changes its figures.
    let table = move || {
        let (group, span) = (asked.group.get(), asked.span.get());
        sheet(asked, group, span)
    };
    view! {
        <section class="card" aria-labelledby="sums-head">
            <h2 id="sums-head">"Where it went"</h2>
            <nav class="tabs" aria-label="Sums"><ul>{Group::ALL.map(tab).collect_view()}</ul></nav>
            {table}
        </section>
    }
    .into_any()
}

fn sheet(asked: Asked, group: Group, span: Span) -> AnyView {
    let live = live();
    // How many pages are shown grows by a press; all of them are read anew when calls are settled.
    let pages = RwSignal::new(1_usize);
    let known = read(move || {
        live.on(&[On::Executor]);
        let (days, pages) = (span.days(asked.today.get()), pages.get());
        all_of(group, days, pages)
    });
    let some = Memo::new(move |_| {
        known.value.with(|sheet| sheet.as_ref().map(|sheet| !sheet.rows.is_empty()))
    });
    let body = move || match some.get() {
        None if known.problem.with(Option::is_some) => ().into_any(),
        None => skeleton(),
        Some(false) => none(span),
        Some(true) => table(group, known),
    };
    let next = Memo::new(move |_| {
        known.value.with(|sheet| sheet.as_ref().is_some_and(|sheet| !sheet.next.is_empty()))
    });
    let more = move || {
        next.get().then(|| {
            view! { <button type="button" class="button" on:click=move |_| pages.update(|count| *count += 1)>"Show more"</button> }
        })
    };
    view! { {trouble(known)}{body}{more} }.into_any()
}

/// So many pages as one.
async fn all_of(
    group: Group,
    days: (Option<i64>, Option<i64>),
    pages: usize,
) -> api::Answer<Sheet> {
    let mut all = api::spend::list(group, days, ROWS, String::new()).await?;
    for _ in 1..pages {
        if all.next.is_empty() {
            break;
        }
        let page = api::spend::list(group, days, ROWS, all.next).await?;
        all.rows.extend(page.rows);
        (all.next, all.total) = (page.next, page.total);
    }
    Ok(all)
}

fn none(span: Span) -> AnyView {
    let text =
        "Each model call is settled here with its model tokens and its price, the moment it ends.";
    let title = match span {
        Span::All => "No model has been called yet",
        Span::Today | Span::Week | Span::Month | Span::Day(_) => {
            "No model was called in these days"
        }
    };
    let next = match span {
        Span::All => view! { <a class="button" href="/tasks?new=1">"Add a task"</a> },
        Span::Today | Span::Week | Span::Month | Span::Day(_) => {
            view! { <a class="button" href="/spend?days=all">"Look at all days"</a> }
        }
    };
    empty("spend", title, text, next)
}

/// The table stays in place while its figures change, so that nobody who is in it loses their place.
fn table(group: Group, known: Reading<Sheet>) -> AnyView {
    let rows = move || {
        known.value.with(|sheet| sheet.as_ref().map(|sheet| sheet.rows.clone())).unwrap_or_default()
    };
    let total = Memo::new(move |_| {
        known.value.with(|sheet| sheet.as_ref().map(|sheet| sheet.total)).unwrap_or_default()
    });
    let key = |row: &Row| (row.subject.clone(), row.provider.clone(), row.day);
    view! {
        <table class="sums">
            <thead>
                <tr>
                    <th scope="col">{format::capital(group.word())}</th>
                    <th scope="col" class="sums-more">"Calls"</th>
                    <th scope="col" class="sums-more">"Read"</th>
                    <th scope="col" class="sums-more">"Written"</th>
                    <th scope="col" class="sums-more" title="What was used of the worst case that was reserved">"Of reserved"</th>
                    <th scope="col">"Cost"</th>
                </tr>
            </thead>
            <tbody><For each=rows key=key children=move |row| line(group, &row, known, total)/></tbody>
            <tfoot><tr><th scope="row">"Together"{move || small(&total.get())}</th>{move || figures(&total.get())}</tr></tfoot>
        </table>
    }
    .into_any()
}

fn line(group: Group, row: &Row, known: Reading<Sheet>, total: Memo<Sum>) -> AnyView {
    let about = row.clone();
    let sum = Memo::new(move |_| {
        known.value.with(|sheet| {
            let rows = sheet.iter().flat_map(|sheet| &sheet.rows);
            rows.filter(|row| row.is_about(&about)).map(|row| row.sum).next().unwrap_or(about.sum)
        })
    });
    let share = move || {
        let share = sum.get().share_of(&total.get());
        bar(format!("{} of the whole", format::percent(share)), share, 0)
    };
    view! {
        <tr>
            <th scope="row">
                <span class="sums-name">{name(group, row)}</span>
                {move || small(&sum.get())}
                {share}
            </th>
            {move || figures(&sum.get())}
        </tr>
    }
    .into_any()
}

fn figures(sum: &Sum) -> AnyView {
    let failed = (sum.failed > 0)
        .then(|| view! { <small class="soft" title="Not answered">" ("{format::count(sum.failed)}")"</small> });
    view! {
        <td class="num sums-more">{format::count(sum.calls)}{failed}</td>
        <td class="num sums-more">{format::short_count(sum.input)}</td>
        <td class="num sums-more">{format::short_count(sum.output)}</td>
        <td class="num sums-more">{used_words(sum)}</td>
        <td class="num sums-cost">{format::dollars(sum.cost)}</td>
    }
    .into_any()
}

/// The figures for which a small screen has no columns.
fn small(sum: &Sum) -> AnyView {
    let words = format!(
        "{} · {} in, {} out · {} of reserved",
        format::counted(sum.calls, "call", "calls"),
        format::short_count(sum.input),
        format::short_count(sum.output),
        used_words(sum)
    );
    view! { <small class="sums-small soft num">{words}</small> }.into_any()
}

fn used_words(sum: &Sum) -> String {
    sum.used().map_or_else(|| "–".to_owned(), format::percent)
}

/// Who or what a row is about, as a link to it.
fn name(group: Group, row: &Row) -> AnyView {
    match (group, row.subject.as_str()) {
        (Group::Resident, "") => view! { <span class="soft" title="Critiques are cycles without a resident">"Critics"</span> }.into_any(),
        (Group::Resident, id) => view! { {mark::mark(id)}{mark::name(id)} }.into_any(),
        (Group::Task, "") => view! { <span class="soft" title="Letters, rooms, free time, reflection">"No task"</span> }.into_any(),
        (Group::Task, id) => task_link(id),
        (Group::Model, model) => {
            view! { <a class="name" href="#models">{row.provider.clone()}</a>" "{badge::code(model)} }.into_any()
        }
        (Group::Day, _) => {
            let address = address(Group::Task, Span::Day(row.day));
            view! { <a class="name" href=address>{format::day(row.day)}</a> }.into_any()
        }
    }
}
