//! The form for a new task.

use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;
use vivarium_types::Hat;

use crate::api;
use crate::format;
use crate::live::live;
use crate::parts::field::{Field, LINE, Shape, choice};
use crate::parts::notice::refusal;
use crate::state::form::{INSTRUCTION_MAX, NewTask, Review};
use crate::state::problem::Problem;
use crate::state::task::Kind;

/// Fields that the form shows: what is wrong with them stands below them.
const SHOWN: &[&str] = &[
    "instruction",
    "title",
    "key",
    "kind",
    "priority",
    "budget_max_micro_usd",
    "target",
    "depends_on",
    "constraints",
    "resident_id",
    "tags",
];

/// One signal a field.
#[derive(Debug, Clone, Copy)]
struct Typed {
    instruction: RwSignal<String>,
    title: RwSignal<String>,
    key: RwSignal<String>,
    kind: RwSignal<Kind>,
    priority: RwSignal<String>,
    budget: RwSignal<String>,
    target: RwSignal<String>,
    depends_on: RwSignal<String>,
    constraints: RwSignal<String>,
    resident: RwSignal<String>,
    tags: RwSignal<String>,
    review: RwSignal<Review>,
    hat: RwSignal<Option<Hat>>,
    runs_programs: RwSignal<bool>,
}

impl Typed {
    fn new() -> Self {
        let NewTask {
            instruction,
            title,
            key,
            kind,
            priority,
            budget,
            target,
            depends_on,
            constraints,
            resident,
            tags,
            review,
            hat,
            runs_programs,
        } = NewTask::default();
        Self {
            instruction: RwSignal::new(instruction),
            title: RwSignal::new(title),
            key: RwSignal::new(key),
            kind: RwSignal::new(kind),
            priority: RwSignal::new(priority),
            budget: RwSignal::new(budget),
            target: RwSignal::new(target),
            depends_on: RwSignal::new(depends_on),
            constraints: RwSignal::new(constraints),
            resident: RwSignal::new(resident),
            tags: RwSignal::new(tags),
            review: RwSignal::new(review),
            hat: RwSignal::new(hat),
            runs_programs: RwSignal::new(runs_programs),
        }
    }

    fn read(self) -> NewTask {
        NewTask {
            instruction: self.instruction.get_untracked(),
            title: self.title.get_untracked(),
            key: self.key.get_untracked(),
            kind: self.kind.get_untracked(),
            priority: self.priority.get_untracked(),
            budget: self.budget.get_untracked(),
            target: self.target.get_untracked(),
            depends_on: self.depends_on.get_untracked(),
            constraints: self.constraints.get_untracked(),
            resident: self.resident.get_untracked(),
            tags: self.tags.get_untracked(),
            review: self.review.get_untracked(),
            hat: self.hat.get_untracked(),
            runs_programs: self.runs_programs.get_untracked(),
        }
    }
}

/// The form; `open` is set to false by whoever does not want to add a task.
pub(super) fn form(open: RwSignal<bool>) -> AnyView {
    let (live, navigate, typed) = (live(), use_navigate(), Typed::new());
    let busy = RwSignal::new(false);
    let problem = RwSignal::new(None::<Problem>);
    // The same text goes under the same id, so that a second click adds nothing.
    let asked = StoredValue::new(None::<(NewTask, String)>);
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        if busy.get_untracked() {
            return;
        }
        let form = typed.read();
        let ready = match form.read() {
            Ok(ready) => ready,
            Err(wrong) => return problem.set(Some(wrong)),
        };
        let same = asked.get_value().filter(|(text, _)| *text == form).map(|(_, id)| id);
        let id = same.unwrap_or_else(api::request_id);
        asked.set_value(Some((form, id.clone())));
        busy.set(true);
        problem.set(None);
        let navigate = navigate.clone();
        spawn_local(async move {
            match api::tasks::add(id, ready).await {
                Ok((_, task)) => {
                    live.say("The task is added");
                    // The form goes with its page.
                    navigate(&format!("/tasks/{task}"), NavigateOptions::default());
                }
                Err(wrong) => {
                    problem.try_set(Some(wrong));
                }
            }
            busy.try_set(false);
        });
    };
    let wrong = move |name: &'static str| {
        move || problem.with(|problem| problem.as_ref()?.field(name).map(str::to_owned))
    };
    let area = |rows| Shape::Area(rows);
    view! {
        <form class="form" on:submit=submit>
            {Field { label: "What is to be done", shape: area(5), most: INSTRUCTION_MAX, first: true,
                example: "Write a short guide to the tides for people who sail", hint: "Be plain: what, for whom, how long" }
                .show(typed.instruction, wrong("instruction"))}
            {choice("What it brings", &Kind::ALL.map(|kind| (kind, kind.label())), typed.kind)}
            <div class="form-row">
                {Field { label: "Budget in dollars", shape: Shape::Number, hint: "All attempts together; the local model costs nothing", ..LINE }
                    .show(typed.budget, wrong("budget_max_micro_usd"))}
                {Field { label: "Priority", shape: Shape::Number, hint: "0 to 9, higher first", ..LINE }
                    .show(typed.priority, wrong("priority"))}
            </div>
            {who(typed.resident, wrong("resident_id"))}
            <details class="form-more">
                <summary>"More"</summary>
                {Field { label: "Title", hint: "Otherwise the start of the text", ..LINE }.show(typed.title, wrong("title"))}
                {Field { label: "Key", hint: "A name to type later, unique for ever", example: "task-001", ..LINE }.show(typed.key, wrong("key"))}
                {Field { label: "After", hint: "Keys or ids of tasks that must be approved first", ..LINE }.show(typed.depends_on, wrong("depends_on"))}
                {Field { label: "Constraints", shape: area(3), hint: "What must hold, one a line", ..LINE }.show(typed.constraints, wrong("constraints"))}
                {Field { label: "Where the document goes", example: "swarm_docs/tides.md", hint: "Otherwise a place of the resident's own", ..LINE }.show(typed.target, wrong("target"))}
                {choice("How it is reviewed", &Review::ALL.map(|review| (review, review.label())), typed.review)}
                <p class="small soft" aria-live="polite">{move || typed.review.get().about()}</p>
                {hats(typed.hat)}
                {programs(typed.runs_programs)}
                {Field { label: "Tags", hint: "Apart by commas; residents with that expertise come first", ..LINE }.show(typed.tags, wrong("tags"))}
            </details>
            {refusal(problem, SHOWN)}
            <div class="form-foot">
                <button type="button" class="button" on:click=move |_| open.set(false)>"Not now"</button>
                <button type="submit" class="button button-primary" disabled=move || busy.get()>
                    {move || if busy.get() { "Adding…" } else { "Add the task" }}
                </button>
            </div>
        </form>
    }
    .into_any()
}

fn who(
    value: RwSignal<String>,
    wrong: impl Fn() -> Option<String> + Send + Sync + 'static,
) -> AnyView {
    let live = live();
    let id = crate::parts::field::fresh_id("who");
    let people = move || {
        live.names.with(|names| {
            let option = |(id, name, _): (String, String, String)| view! { <option value=id>{name}</option> };
            names.residents().into_iter().map(option).collect_view()
        })
    };
    view! {
        <div class="field">
            <label for=id.clone()>"Who does it"</label>
            <select id=id prop:value=move || value.get() on:change=move |event| value.set(event_target_value(&event))>
                <option value="">"Whoever fits best"</option>
                {people}
            </select>
            <div class="field-below"><span class="field-wrong">{wrong}</span></div>
        </div>
    }
    .into_any()
}

fn hats(value: RwSignal<Option<Hat>>) -> AnyView {
    let id = crate::parts::field::fresh_id("hat");
    let option =
        |hat: Hat| view! { <option value=hat.word()>{format::capital(hat.word())}</option> };
    view! {
        <div class="field">
            <label for=id.clone()>"The resident's hat"</label>
            <select id=id prop:value=move || value.get().map(Hat::word).unwrap_or_default()
                on:change=move |event| value.set(event_target_value(&event).parse().ok())>
                <option value="">"None: it is itself"</option>
                {Hat::ALL.map(option).collect_view()}
            </select>
        </div>
    }
    .into_any()
}

fn programs(value: RwSignal<bool>) -> AnyView {
    view! {
        <label class="switch">
            <input type="checkbox" prop:checked=move || value.get() on:change=move |event| value.set(event_target_checked(&event))/>
            <span>"Listed programs may run for it, if the world and its resident may"</span>
        </label>
    }
    .into_any()
}
