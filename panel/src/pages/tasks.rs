//! All tasks: add one, find them, act on many; a list of any length.
//!
//! What is asked of the list stands in the address and nowhere else.

mod bulk;
mod form;
mod listed;
mod narrow;

use leptos::ev;
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_navigate, use_query_map};
use wasm_bindgen::JsCast;

use bulk::Bulk;

use super::title;
use crate::api;
use crate::live::acting::Act;
use crate::live::reading::{Reading, read};
use crate::live::{On, live};
use crate::parts::dialog::dialog;
use crate::parts::empty::{empty, nothing};
use crate::parts::icon::icon;
use crate::parts::notice::refusal;
use crate::parts::shown::{skeleton, trouble};
use crate::parts::virtual_list::List;
use crate::state::task::{Group, State};
use crate::state::view::View;
use crate::state::window::Window;

/// Pixels of a row.
const ROW_PX: u32 = 56;
/// Rows beyond the sight that are read with it.
const AHEAD: usize = 40;

/// The page.
pub(crate) fn page() -> AnyView {
    title("Tasks");
    let query = use_query_map();
    let navigate = StoredValue::new_local(use_navigate());
    let view = Memo::new(move |_| query.with(|query| View::read(|name| query.get(name))));
    let go = move |view: &View, replace: bool| {
        let options = NavigateOptions { replace, scroll: false, ..NavigateOptions::default() };
        navigate.with_value(|navigate| navigate(&view.address(), options));
    };
    let open = RwSignal::new(false);
    Effect::new(move |_| open.set(query.with(|query| query.get("new").is_some())));
    // Closing the form takes it out of the address, so that a reload does not open it again.
    Effect::new(move |was: Option<bool>| {
        let is = open.get();
        if was == Some(true) && !is && query.with_untracked(|query| query.get("new").is_some()) {
            go(&view.get_untracked(), true);
        }
        is
    });
    let known = StoredValue::new(Window::default());
    let sight = RwSignal::new((0, 2 * AHEAD));
    let window = reading(view, sight, known);
    let total = Signal::derive(move || {
        window.value.with(|window| window.as_ref().map_or(0, |window| window.total))
    });
    let list = List::new(ROW_PX, total);
    follow_sight(list, sight);
    // Another question begins at the top.
    Effect::new(move |before: Option<View>| {
        let now = view.get();
        if before.is_some_and(|before| before != now) {
            list.reset();
        }
        now
    });
    let bulk = Bulk::new(view, window);
    listen(list, bulk, total);
    let some = Memo::new(move |_| {
        window.value.with(|window| window.as_ref().map(|window| window.total > 0))
    });
    let plain = move || view.with(|view| view.is_whole() && view.group == Group::All);
    let body = move || match some.get() {
        None if window.problem.with(Option::is_some) => ().into_any(),
        None => skeleton(),
        Some(true) => list.view(
            "Tasks",
            move |event| keys(&event, list, bulk, total),
            move |place| listed::row(place, window, list, bulk),
        ),
        Some(false) if plain() => first(),
        Some(false) => nothing("No task is like that."),
    };
    let counts =
        move || window.value.with(|window| window.as_ref().map(|window| window.counts.clone()));
    let failed = move || {
        let failed = |(state, count): &(State, u64)| (*state == State::Failed).then_some(*count);
        counts().and_then(|counts| counts.iter().find_map(failed)).unwrap_or(0) > 0
    };
    let redrivable = Memo::new(move |_| view.with(|view| view.group == Group::Ended) && failed());
    view! {
        <div class="page page-list">
            <header class="page-head">
                <h1>"Tasks"</h1>
                <div class="actions">
                    <a class="button" href="/tasks/recurring">"Recurring"</a>
                    <button type="button" class="button button-primary" on:click=move |_| open.set(true)>
                        {icon("plus")}"New task"<kbd>"c"</kbd>
                    </button>
                </div>
            </header>
            <div class="toolbar">
                {narrow::tabs(view, counts)}
                {narrow::asking(view, go)}
            </div>
            {narrow::chips(view, total, go)}
            {move || redrivable.get().then(redrive)}
            {trouble(window)}
            {body}
            {bulk.bar()}
            {dialog("New task", open, move || form::form(open))}
        </div>
    }
    .into_any()
}

/// Reads what is in sight, now and with every change of the queue.
fn reading(
    view: Memo<View>,
    sight: RwSignal<(usize, usize)>,
    known: StoredValue<Window>,
) -> Reading<Window> {
    let live = live();
    let news = Memo::new(move |before: Option<&u64>| {
        live.on(&[On::Queue]);
        before.map_or(1, |before| before + 1)
    });
    read(move || listed::load(view.get(), sight.get(), news.get(), known))
}

/// What is in sight, in steps so large that scrolling seldom asks.
fn follow_sight(list: List, sight: RwSignal<(usize, usize)>) {
    Effect::new(move |_| {
        let (begin, end) = list.sight();
        let begin = begin.saturating_sub(AHEAD) / AHEAD * AHEAD;
        let now = (begin, (end + AHEAD).div_ceil(AHEAD) * AHEAD);
        if sight.get_untracked() != now {
            sight.set(now);
        }
    });
}

/// The list's keys work from anywhere on the page that has no keys of its own.
fn listen(list: List, bulk: Bulk, total: Signal<usize>) {
    let listening = window_event_listener(ev::keydown, move |event| {
        let target = event.target().and_then(|target| target.dyn_into::<web_sys::Element>().ok());
        let nowhere = target.is_some_and(|element| {
            matches!(element.tag_name().as_str(), "BODY" | "MAIN") || element.id() == "main"
        });
        if nowhere && total.get_untracked() > 0 {
            keys(&event, list, bulk, total);
            if event.default_prevented() {
                list.focus();
            }
        }
    });
    on_cleanup(move || listening.remove());
}

/// Arrows go from row to row, with Shift they choose; x chooses one, Ctrl+A all, Escape none.
fn keys(event: &ev::KeyboardEvent, list: List, bulk: Bulk, total: Signal<usize>) {
    if event.alt_key() || event.meta_key() || event.default_prevented() {
        return;
    }
    let (bottom, page) = (total.get_untracked().saturating_sub(1), list.page_rows());
    let active = list.active.get_untracked();
    let down = |rows: usize| active.map_or(0, |place| place + rows);
    let up = |rows: usize| active.map_or(0, |place| place.saturating_sub(rows));
    let to = match (event.key().as_str(), event.ctrl_key()) {
        ("a", true) => {
            event.prevent_default();
            return bulk.all();
        }
        (_, true) => return,
        ("ArrowDown" | "j" | "J", _) => down(1),
        ("ArrowUp" | "k" | "K", _) => up(1),
        ("PageDown", _) => down(page),
        ("PageUp", _) => up(page),
        ("Home", _) => 0,
        ("End", _) => bottom,
        ("x" | " ", _) => {
            event.prevent_default();
            if let Some(place) = active {
                bulk.toggle_at(place);
            }
            return;
        }
        ("Escape", _) => return bulk.clear(),
        ("Enter", _) => {
            if let Some(place) = active {
                event.prevent_default();
                open(place);
            }
            return;
        }
        _ => return,
    };
    event.prevent_default();
    let to = to.min(bottom);
    if event.shift_key() {
        bulk.choice.update(|choice| {
            choice.anchor = choice.anchor.or(active).or(Some(to));
        });
        bulk.range_to(to);
    }
    list.activate(to);
}

/// Follows the link of a row in sight.
fn open(place: usize) {
    let id = crate::parts::virtual_list::row_id(place);
    let link = document().query_selector(&format!("#{id} .row-link")).ok().flatten();
    if let Some(link) = link.and_then(|link| link.dyn_into::<web_sys::HtmlElement>().ok()) {
        link.click();
    }
}

/// The way out of the dead letter.
fn redrive() -> AnyView {
    let act = Act::new();
    let press = move |_| {
        act.ask("redrive", api::tasks::redrive, |live| {
            live.say("They start anew, with their feedback");
        });
    };
    view! {
        <div class="bulk">
            <span class="soft">"What failed stays here until you open it again, one by one or together."</span>
            <button type="button" class="button" disabled=move || act.is_pending() on:click=press>"Open all again"</button>
            {refusal(act.problem, &[])}
        </div>
    }
    .into_any()
}

fn first() -> AnyView {
    let add =
        view! { <a class="button button-primary" href="/tasks?new=1">"Add the first task"</a> };
    let text = "Say what you want written. A resident takes it, drafts it, it is reviewed, and you decide.";
    empty("tasks", "No tasks yet", text, add)
}
