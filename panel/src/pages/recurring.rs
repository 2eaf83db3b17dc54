//! Tasks again and again: what there is, when it fires next, and a new one.

use leptos::prelude::*;

use super::title;
use crate::api;
use crate::format;
use crate::live::acting::Act;
use crate::live::reading::read;
use crate::live::{On, clock, live};
use crate::parts::badge::{badge, code};
use crate::parts::dialog::dialog;
use crate::parts::empty::empty;
use crate::parts::field::{Field, LINE, Shape, choice};
use crate::parts::icon::icon;
use crate::parts::notice::refusal;
use crate::parts::shown::shown;
use crate::parts::time;
use crate::state::form::{INSTRUCTION_MAX, NewTask};
use crate::state::recurrence::{NewRecurrence, Next, Recurrence, Standing, Way};

/// Fields that the form shows.
const SHOWN: &[&str] = &[
    "instruction",
    "key",
    "title",
    "priority",
    "budget_max_micro_usd",
    "every_days",
    "cron",
    "tags",
];

/// The page.
pub(crate) fn page() -> AnyView {
    title("Recurring tasks");
    let live = live();
    let (open, ended) = (RwSignal::new(false), RwSignal::new(false));
    let known = read(move || {
        live.on(&[On::Queue]);
        api::recurrences::list(ended.get())
    });
    // One desk for all rows, so that what is refused stays when the rows are drawn anew.
    let act = Act::new();
    let body = move |known: &Vec<Recurrence>| {
        if known.is_empty() {
            return none(open);
        }
        let rows: Vec<_> = known.iter().map(|one| row(one, act)).collect();
        view! { <ul class="recurrences">{rows}</ul> }.into_any()
    };
    view! {
        <div class="page">
            <header class="page-head">
                <div>
                    <p class="crumbs"><a href="/tasks">"Tasks"</a></p>
                    <h1>"Recurring tasks"</h1>
                    <p class="soft">"Each firing adds a task. While that one is not over, the next firing is skipped."</p>
                </div>
                <button type="button" class="button button-primary" on:click=move |_| open.set(true)>
                    {icon("plus")}"New recurrence"
                </button>
            </header>
            {refusal(act.problem, &[])}
            {shown(known, body)}
            <label class="switch">
                <input type="checkbox" prop:checked=move || ended.get() on:change=move |_| ended.update(|on| *on = !*on)/>
                "Show those that are over"
            </label>
            {dialog("New recurrence", open, move || form(open))}
        </div>
    }
    .into_any()
}

fn none(open: RwSignal<bool>) -> AnyView {
    let add = view! {
        <button type="button" class="button button-primary" on:click=move |_| open.set(true)>"Create the first one"</button>
    };
    let text = "A weekly report, a daily summary: say once what is to be done and how often.";
    empty("tasks", "Nothing recurs", text, add)
}

fn row(one: &Recurrence, act: Act) -> AnyView {
    let (label, tone) = one.standing.badge();
    let next = match one.next {
        Next::Never => None,
        Next::At(moment) => {
            let left = time::until(moment);
            let local = clock::local(moment);
            Some(view! { <span title=local>"next in "{left}</span> }.into_any())
        }
        Next::OnDay(day) => Some(view! { <span>"next on day "{day}</span> }.into_any()),
    };
    let next = next.filter(|_| one.standing == Standing::Active);
    let tasks = format!("/tasks?recurrence={}", one.key);
    let skipped = (one.skipped > 0).then(|| format!(", {} skipped", format::count(one.skipped)));
    let last = (!one.last_task.is_empty()).then(|| {
        view! { <span>"last "{crate::parts::sentence::task_link(&one.last_task)}</span> }
    });
    let key = one.key.clone();
    let button = move |label: &'static str, done: &'static str, to: Standing| {
        let key = key.clone();
        let press = move |_| {
            let key = key.clone();
            let content = format!("{key} {to:?}");
            act.ask(
                &content,
                move |id| api::recurrences::steer(id, key, to),
                move |live| live.say(done),
            );
        };
        let pending = move || act.is_pending();
        view! { <button type="button" class="button button-small" disabled=pending on:click=press>{label}</button> }
    };
    let buttons = match one.standing {
        Standing::Active => view! {
            {button("Set aside", "It does not fire until you take it up", Standing::Paused)}
            {button("End", "It is over; its tasks go on", Standing::Ended)}
        }
        .into_any(),
        Standing::Paused => view! {
            {button("Take up again", "It fires again", Standing::Active)}
            {button("End", "It is over; its tasks go on", Standing::Ended)}
        }
        .into_any(),
        Standing::Ended => ().into_any(),
    };
    view! {
        <li class="recurrence card">
            <div class="recurrence-head">
                <b>{one.title.clone()}</b>{code(one.key.clone())}{badge(label, tone)}
                <span class="recurrence-deeds">{buttons}</span>
            </div>
            <p class="facts">
                <span>{format::capital(&one.schedule.words())}</span>
                {next}
                <a href=tasks>{format::counted(one.fired, "task", "tasks")}" added"{skipped}</a>
                {last}
            </p>
            <p class="small soft recurrence-text">{one.instruction.clone()}</p>
        </li>
    }
    .into_any()
}

/// The form for a new one.
fn form(open: RwSignal<bool>) -> AnyView {
    let act = Act::new();
    let plain = NewTask::default();
    let text = || RwSignal::new(String::new());
    let (key, instruction, name, tags) = (text(), text(), text(), text());
    let (priority, budget) = (RwSignal::new(plain.priority), RwSignal::new(plain.budget));
    let (way, days) = (RwSignal::new(Way::Days), RwSignal::new("7".to_owned()));
    let cron = RwSignal::new("0 9 * * 1".to_owned());
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let task = NewTask {
            key: key.get_untracked(),
            instruction: instruction.get_untracked(),
            title: name.get_untracked(),
            priority: priority.get_untracked(),
            budget: budget.get_untracked(),
            tags: tags.get_untracked(),
            ..NewTask::default()
        };
        let form = NewRecurrence {
            task,
            way: way.get_untracked(),
            days: days.get_untracked(),
            cron: cron.get_untracked(),
        };
        let content = format!("{form:?}");
        match form.read() {
            Err(problem) => act.refuse(problem),
            Ok((asked, schedule)) => act.ask(
                &content,
                move |id| api::recurrences::create(id, asked, schedule),
                move |live| {
                    open.set(false);
                    live.say("It recurs from now on");
                },
            ),
        }
    };
    let wrong = move |name: &'static str| move || act.field(name);
    let when = move || match way.get() {
        Way::Days => Field {
            label: "Days of the world between two",
            shape: Shape::Number,
            hint: "1 to 366",
            ..LINE
        }
        .show(days, wrong("every_days")),
        Way::Cron => Field {
            label: "Pattern",
            hint: "Minute, hour, day, month, day of week, in UTC: 0 9 * * 1 is Monday at nine",
            ..LINE
        }
        .show(cron, wrong("cron")),
    };
    view! {
        <form class="form" on:submit=submit>
            {Field { label: "What is to be done each time", shape: Shape::Area(4), most: INSTRUCTION_MAX, first: true, ..LINE }
                .show(instruction, wrong("instruction"))}
            {Field { label: "Key", example: "weekly-report", hint: "Its tasks are KEY-1, KEY-2 and so on", ..LINE }.show(key, wrong("key"))}
            {choice("When", &[(Way::Days, "By days of the world"), (Way::Cron, "By the clock")], way)}
            {when}
            <details class="form-more">
                <summary>"More"</summary>
                {Field { label: "Title", hint: "Otherwise the start of the text", ..LINE }.show(name, wrong("title"))}
                {Field { label: "Budget in dollars", shape: Shape::Number, ..LINE }.show(budget, wrong("budget_max_micro_usd"))}
                {Field { label: "Priority", shape: Shape::Number, hint: "0 to 9, higher first", ..LINE }.show(priority, wrong("priority"))}
                {Field { label: "Tags", hint: "Apart by commas", ..LINE }.show(tags, wrong("tags"))}
            </details>
            {refusal(act.problem, SHOWN)}
            <div class="form-foot">
                <button type="button" class="button" on:click=move |_| open.set(false)>"Not now"</button>
                <button type="submit" class="button button-primary" disabled=move || act.busy.get()>"Create it"</button>
            </div>
        </form>
    }
    .into_any()
}
