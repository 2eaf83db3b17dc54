//! All tasks: add one, filter, search; a list of any length.

mod form;
mod listed;

use std::sync::Arc;

use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_navigate, use_query_map};

use listed::{Listed, PAGE};

use super::title;
use crate::api;
use crate::format;
use crate::live::acting::Act;
use crate::live::reading::read;
use crate::live::{On, live};
use crate::parts::badge;
use crate::parts::dialog::dialog;
use crate::parts::empty::{empty, nothing};
use crate::parts::icon::icon;
use crate::parts::mark;
use crate::parts::notice::refusal;
use crate::parts::shown::{skeleton, trouble};
use crate::parts::time;
use crate::parts::virtual_list::virtual_list;
use crate::state::task::{Group, State, Task};

/// Pixels of a row.
const ROW_PX: usize = 56;

/// The page.
pub(crate) fn page() -> AnyView {
    title("Tasks");
    let (live, query, navigate) = (live(), use_query_map(), use_navigate());
    let group = Memo::new(move |_| {
        Group::from_slug(&query.with(|query| query.get("state").unwrap_or_default()))
    });
    let open = RwSignal::new(false);
    Effect::new(move |_| open.set(query.with(|query| query.get("new").is_some())));
    // Closing the form takes it out of the address, so that a reload does not open it again.
    Effect::new(move |was: Option<bool>| {
        let is = open.get();
        if was == Some(true) && !is && query.with_untracked(|query| query.get("new").is_some()) {
            let options = NavigateOptions { replace: true, ..NavigateOptions::default() };
            navigate("/tasks", options);
        }
        is
    });
    let words = RwSignal::new(String::new());
    let wanted = RwSignal::new(PAGE);
    // Another question begins at the top.
    Effect::new(move |_| {
        group.track();
        words.track();
        wanted.set(PAGE);
    });
    // Which rows are in sight, in whole chunks: what comes into sight is read anew.
    let sight = RwSignal::new((0, 0));
    let before = StoredValue::new(Listed::default());
    let listed = read(move || {
        live.on(&[On::Queue]);
        let question = (group.get().states(), words.get().trim().to_owned());
        listed::load(question, wanted.get(), sight.get(), before)
    });
    let rows = RwSignal::new(Vec::new());
    Effect::new(move |_| {
        if let Some(listed) = listed.value.get() {
            rows.set(listed.rows());
        }
    });
    let total = Signal::derive(move || {
        listed.value.with(|listed| {
            let Some(listed) = listed else { return 0 };
            let known = usize::try_from(group.get().count(&listed.counts)).unwrap_or(usize::MAX);
            if words.with(|words| words.trim().is_empty()) { known } else { listed.len() }
        })
    });
    let more = move |first: usize, last: usize| {
        let chunks = (first / PAGE * PAGE, last / PAGE * PAGE + PAGE);
        if sight.get_untracked() != chunks {
            sight.set(chunks);
        }
        let (there, more) = listed.value.with_untracked(|listed| {
            listed.as_ref().map_or((0, false), |listed| (listed.len(), listed.more()))
        });
        if more && last + 20 > there && wanted.get_untracked() < last + 20 {
            wanted.set(last + PAGE);
        }
    };
    let body = move || {
        let some = listed.value.with(|listed| listed.as_ref().map(|listed| listed.len() > 0));
        match some {
            None if listed.problem.with(Option::is_some) => ().into_any(),
            None => skeleton(),
            Some(true) => virtual_list("Tasks", rows, total, ROW_PX, more, row),
            Some(false) if group.get() == Group::All && words.with(String::is_empty) => first(),
            Some(false) => nothing("No task is like that."),
        }
    };
    let all_counts =
        move || listed.value.with(|listed| listed.as_ref().map(|listed| listed.counts.clone()));
    let failed = move || {
        let failed = |(state, count): &(State, u64)| (*state == State::Failed).then_some(*count);
        all_counts().and_then(|counts| counts.iter().find_map(failed)).unwrap_or(0)
    };
    view! {
        <div class="page">
            <header class="page-head">
                <h1>"Tasks"</h1>
                <button type="button" class="button button-primary" on:click=move |_| open.set(true)>
                    {icon("plus")}"New task"<kbd>"c"</kbd>
                </button>
            </header>
            <div class="toolbar">
                {tabs(group, all_counts)}
                <input
                    type="search" class="search" data-search="" aria-label="Search tasks"
                    placeholder="Search title, key, instruction"
                    prop:value=move || words.get()
                    on:input=move |event| words.set(event_target_value(&event))
                />
            </div>
            {move || (group.get() == Group::Ended && failed() > 0).then(redrive)}
            {trouble(listed)}
            {body}
            {dialog("New task", open, move || form::form(open))}
        </div>
    }
    .into_any()
}

fn tabs(
    group: Memo<Group>,
    counts: impl Fn() -> Option<Vec<(State, u64)>> + Copy + Send + Sync + 'static,
) -> AnyView {
    let tab = move |one: Group| {
        let address = format!("/tasks?state={}", one.slug());
        let count = move || counts().map(|counts| format::count(one.count(&counts)));
        view! {
            <li>
                <a href=address aria-current=move || (group.get() == one).then_some("page")>
                    {one.label()}<span class="tab-count num">{count}</span>
                </a>
            </li>
        }
    };
    view! { <nav class="tabs" aria-label="Filter"><ul>{Group::ALL.map(tab).collect_view()}</ul></nav> }.into_any()
}

fn row(task: &Arc<Task>) -> AnyView {
    let address = format!("/tasks/{}", task.id);
    let why = if task.state == State::AwaitingHuman {
        crate::state::task::awaits_sentence(&task.awaits)
    } else {
        task.wait
    };
    let who =
        task.attempts.last().map(|attempt| attempt.resident.clone()).filter(|who| !who.is_empty());
    view! {
        <a class="task-row" href=address>
            <span class="task-row-state">{badge::of_state(task.state)}</span>
            <span class="task-row-title">
                <b>{task.title.clone()}</b>
                <small class="soft">
                    {(!task.key.is_empty()).then(|| view! { <code class="code">{task.key.clone()}</code>" " })}
                    {why}
                </small>
            </span>
            <span class="task-row-who">{who.map(|who| mark::mark(&who))}</span>
            <span class="task-row-cost num">{format::dollars(task.cost)}</span>
            <span class="task-row-when">{time::ago(task.changed)}</span>
        </a>
    }
    .into_any()
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
