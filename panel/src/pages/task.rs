//! One task: its way, what is written, what was said about it, what it cost, and every step.

mod actions;
mod graph;
mod parts;
mod past;

use leptos::prelude::*;
use vivarium_types::program;

use super::{decision, part_of_address, title};
use crate::api;
use crate::format;
use crate::live::reading::{Reading, read};
use crate::live::{On, live};
use crate::parts::badge::{self, code};
use crate::parts::empty::nothing;
use crate::parts::ribbon;
use crate::parts::shown::shown;
use crate::parts::time;
use crate::state::event::Event;
use crate::state::ribbon::ribbon as stages;
use crate::state::task::{State, Task, awaits_sentence};

type Trace = (Vec<Event>, Vec<&'static str>);

/// The page.
pub(crate) fn page() -> AnyView {
    title("Task");
    let id = part_of_address("id");
    // Another address is another task: everything is read anew.
    (move || of(id.get())).into_any()
}

fn of(id: String) -> AnyView {
    let live = live();
    let task = read({
        let id = id.clone();
        move || {
            live.on(&[On::Queue]);
            let id = id.clone();
            async move { api::tasks::get(&id).await }
        }
    });
    let trace = read({
        let id = id.clone();
        move || {
            live.on(&[On::Queue, On::Executor, On::Society, On::Review]);
            let id = id.clone();
            async move { api::ledger::trace(&id).await }
        }
    });
    let submission = Memo::new(move |_| {
        task.value
            .with(|task| task.as_ref().map(|task| task.submission.clone()).unwrap_or_default())
    });
    Effect::new(move |_| {
        task.value.with(|task| {
            if let Some(task) = task {
                title(&task.title);
            }
        });
    });
    let desk = actions::Desk::new();
    let waits = Memo::new(move |_| {
        task.value.with(|task| task.as_ref().is_some_and(|task| !task.wait.is_empty()))
    });
    let in_the_way = {
        let id = id.clone();
        move || waits.get().then(|| in_the_way(id.clone()))
    };
    let past = past::past(&id, trace);
    view! {
        <div class="page task">
            {shown(task, move |task| head(task, trace, desk))}
            {in_the_way}
            {graph::graph(id.clone())}
            {desk.dialogs(&id, task)}
            <div class="task-grid">
                <div class="task-main">
                    {parts::writing(id.clone())}
                    {move || reviewed(submission.get())}
                </div>
                <aside class="task-side">
                    {shown(task, about)}
                    {shown(task, parts::money)}
                    {shown(task, parts::attempts)}
                </aside>
            </div>
            {parts::cycles(id)}
            {past}
            {steps(trace)}
        </div>
    }
    .into_any()
}

/// What a task that waits waits for, with links.
fn in_the_way(id: String) -> AnyView {
    let live = live();
    let blocking = read(move || {
        live.on(&[On::Queue]);
        let id = id.clone();
        async move { api::tasks::blocking(&id).await }
    });
    let body = move || {
        blocking.value.with(|tasks| {
            let tasks = tasks.as_ref().filter(|tasks| !tasks.is_empty())?;
            let links: Vec<_> =
                tasks.iter().map(|id| view! { <li>{crate::parts::sentence::task_link(id)}</li> }).collect();
            Some(view! { <div class="in-the-way"><span class="soft">"In its way"</span><ul class="plain">{links}</ul></div> })
        })
    };
    body.into_any()
}

fn head(task: &Task, trace: Reading<Trace>, desk: actions::Desk) -> AnyView {
    let (for_ribbon, kind, local) = (task.clone(), task.kind, task.local);
    let way = move || {
        trace.value.with(|trace| {
            let rows = trace.as_ref().map_or(&[][..], |(rows, _)| rows);
            ribbon::ribbon(stages(&for_ribbon, rows), kind, local)
        })
    };
    let stands = match (task.state, &task.failure) {
        (State::AwaitingHuman, _) if !task.held_program.is_empty() => None,
        (State::AwaitingHuman, _) => {
            Some((awaits_sentence(&task.awaits).to_owned(), "notice notice-you"))
        }
        (State::Failed, Some((class, message))) => Some((
            format!("{}: {message}", format::capital(&format::words(class))),
            "notice notice-bad",
        )),
        _ if !task.wait.is_empty() => Some((task.wait.to_owned(), "notice notice-passing")),
        _ => None,
    };
    let start = task.start.filter(|_| !task.state.is_final()).map(|start| {
        let left = time::until(start);
        view! { <span class="soft">" It can start in "{left}"."</span> }
    });
    view! {
        <header class="page-head">
            <div>
                <p class="crumbs"><a href="/tasks">"Tasks"</a></p>
                <h1>{task.title.clone()}</h1>
                <p class="facts">
                    {badge::of_state(task.state)}
                    {(!task.key.is_empty()).then(|| code(task.key.clone()))}
                    <span>{task.kind.label()}</span>
                    <span>"asked by "{format::actor(&task.submitter)}</span>
                    {time::ago(task.added)}
                </p>
            </div>
            {desk.buttons(task)}
        </header>
        {way}
        {(!task.held_program.is_empty()).then(|| held_for(&task.held_program))}
        {stands.map(|(words, class)| view! { <p class=class role="status">{words}"."{start}</p> })}
    }
    .into_any()
}

/// The program that a task is held for.
fn held_for(program: &str) -> AnyView {
    let line = program::readable(program);
    view! {
        <section class="card held-program" aria-label="A program to decide about">
            <h2>"May it run this program?"</h2>
            <pre class="raw"><code>{line}</code></pre>
            <p class="small soft">"It would run in the sandbox. Others' texts stood before the resident when it asked: one of them may have put the wish into its mouth. What you allow is exactly this, for attempts of this task."</p>
        </section>
    }
    .into_any()
}

fn reviewed(submission: String) -> AnyView {
    if submission.is_empty() {
        let nothing = nothing("Nothing has been put up for review yet.");
        return view! { <section class="card" aria-label="Review"><h2>"The work"</h2>{nothing}</section> }.into_any();
    }
    let live = live();
    let submission = read(move || {
        live.on(&[On::Review]);
        let id = submission.clone();
        async move { api::review::get(&id).await }
    });
    view! { <section class="card">{decision::whole(submission)}</section> }.into_any()
}

fn about(task: &Task) -> AnyView {
    let list = |label: &'static str, lines: &[String]| {
        let lines: Vec<_> = lines.iter().map(|line| view! { <li>{line.clone()}</li> }).collect();
        view! { <dt>{label}</dt><dd><ul class="plain">{lines}</ul></dd> }
    };
    let tags: Vec<_> = task.tags.iter().map(badge::tag).collect();
    view! {
        <section class="card" aria-labelledby="about-head">
            <h2 id="about-head">"What was asked"</h2>
            <p class="instruction">{task.instruction.clone()}</p>
            <dl class="facts-list">
                {task.intent.iter().map(|(label, lines)| list(label, lines)).collect_view()}
                {(!task.target.is_empty()).then(|| view! { <dt>"Goes to"</dt><dd>{code(task.target.clone())}</dd> })}
                {(!task.resident.is_empty()).then(|| view! { <dt>"Only"</dt><dd>{crate::parts::mark::name(&task.resident)}</dd> })}
                {(!tags.is_empty()).then(|| view! { <dt>"Tags"</dt><dd>{tags}</dd> })}
                <dt>"Priority"</dt><dd class="num">{task.priority}</dd>
                <dt>"Id"</dt><dd>{code(task.id.clone())}</dd>
            </dl>
        </section>
    }
    .into_any()
}

fn steps(trace: Reading<Trace>) -> AnyView {
    let body = |(rows, silent): &Trace| {
        let lines: Vec<_> = rows.iter().map(crate::parts::sentence::step).collect();
        let silent = (!silent.is_empty()).then(|| {
            view! { <p class="notice notice-passing">{silent.join(" and ")}" did not answer: steps may be missing."</p> }
        });
        view! { {silent}<ul class="feed feed-trace">{lines}</ul> }.into_any()
    };
    view! {
        <section class="card" aria-labelledby="trace-head">
            <h2 id="trace-head">"Every step"</h2>
            {shown(trace, body)}
        </section>
    }
    .into_any()
}
