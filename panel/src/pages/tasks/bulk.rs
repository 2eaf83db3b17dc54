//! What is done to many tasks at once: choosing them, the bar with the deeds, what came of it.

use std::sync::Arc;

use futures::StreamExt;
use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::api::tasks::Part;
use crate::api::{self, Answer};
use crate::format;
use crate::live::reading::Reading;
use crate::live::{Live, Undo, live};
use crate::parts::dialog::dialog;
use crate::parts::field::{Field, LINE, choice};
use crate::parts::icon::icon;
use crate::state::deed::{CHOSEN_MAX, Choice, Deed, Outcome, Step};
use crate::state::task::{State, Task};
use crate::state::view::View;
use crate::state::window::Window;

/// Steps that are asked at once: a browser has only six connections to a host.
const AT_ONCE: usize = 4;

/// What is chosen, and what is being done to it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bulk {
    live: Live,
    view: Memo<View>,
    window: Reading<Window>,
    /// What is chosen.
    pub(super) choice: RwSignal<Choice>,
    /// Steps that are over, and all of them. None: nothing is being done.
    running: RwSignal<Option<(usize, usize)>>,
    /// What was done last and what came of it.
    outcome: RwSignal<Option<(String, Outcome)>>,
    cancelling: RwSignal<bool>,
    tagging: RwSignal<bool>,
}

impl Bulk {
    /// Nothing is chosen.
    pub(super) fn new(view: Memo<View>, window: Reading<Window>) -> Self {
        let bulk = Self {
            live: live(),
            view,
            window,
            choice: RwSignal::new(Choice::default()),
            running: RwSignal::new(None),
            outcome: RwSignal::new(None),
            cancelling: RwSignal::new(false),
            tagging: RwSignal::new(false),
        };
        // Another question is another choice.
        Effect::new(move |before: Option<View>| {
            let now = view.get();
            if before.is_some_and(|before| before != now) {
                bulk.clear();
            }
            now
        });
        bulk
    }

    /// Lets go of everything.
    pub(super) fn clear(self) {
        if self.choice.with_untracked(|choice| choice.len() > 0) {
            self.choice.set(Choice::default());
        }
        self.outcome.set(None);
    }

    /// Chooses the row at a place, or lets it go.
    pub(super) fn toggle(self, place: usize, task: &Arc<Task>) {
        self.choice.update(|choice| choice.toggle(place, task));
    }

    /// The same for a row that is in sight.
    pub(super) fn toggle_at(self, place: usize) {
        if let Some(task) = self.row(place) {
            self.toggle(place, &task);
        }
    }

    fn row(self, place: usize) -> Option<Arc<Task>> {
        self.window.value.with_untracked(|window| window.as_ref()?.row(place).cloned())
    }

    /// Chooses all rows from the last one that was chosen to a place.
    pub(super) fn range_to(self, place: usize) {
        let anchor = self.choice.with_untracked(|choice| choice.anchor).unwrap_or(place);
        let (first, last) = (anchor.min(place), anchor.max(place));
        self.choice.update(|choice| choice.anchor = Some(anchor));
        let there: Option<Vec<_>> = (first..=last).map(|place| self.row(place)).collect();
        match there {
            Some(rows) => self.add(rows),
            None => self.fetch(first, last - first + 1),
        }
    }

    /// Chooses the first ones of the whole list, as many as can be.
    pub(super) fn all(self) {
        self.fetch(0, CHOSEN_MAX);
    }

    fn add(self, rows: Vec<Arc<Task>>) {
        self.choice.update(|choice| choice.add(rows));
    }

    fn fetch(self, from: usize, count: usize) {
        let view = self.view.get_untracked();
        spawn_local(async move {
            let part = Part { from, size: count.min(CHOSEN_MAX), with_total: false };
            match api::tasks::list(&view, part).await {
                Ok(listed) if self.view.try_get_untracked().as_ref() == Some(&view) => {
                    self.add(listed.rows.into_iter().map(Arc::new).collect());
                    if count > CHOSEN_MAX {
                        self.live.say(format!(
                            "Only {} can be chosen at once",
                            format::count(CHOSEN_MAX as u64)
                        ));
                    }
                }
                Ok(_) => {}
                Err(problem) => self.live.say_fault(&problem),
            }
        });
    }

    /// Does it to all that are chosen.
    fn run(self, deed: Deed) {
        if self.running.get_untracked().is_some() {
            return;
        }
        let tasks = self.choice.with_untracked(Choice::tasks);
        self.outcome.set(None);
        self.running.set(Some((0, tasks.len())));
        spawn_local(async move {
            let outcome = self.each(&deed, tasks).await;
            let told = deed.told();
            if self.running.try_set(None).is_some() {
                return;
            }
            let sentence = outcome.told(&told);
            if outcome.back.is_empty() {
                // What was refused is told above the bar.
                if outcome.refused.is_empty() {
                    self.live.say(sentence);
                }
            } else {
                self.live.say_with_undo(sentence, undo(self.live, outcome.back.clone()));
            }
            if outcome.refused.is_empty() {
                self.choice.set(Choice::default());
            } else {
                self.outcome.set(Some((told, outcome)));
            }
        });
    }

    async fn each(self, deed: &Deed, tasks: Vec<Arc<Task>>) -> Outcome {
        let count = tasks.len();
        let mut outcome = Outcome::default();
        let steps = tasks.into_iter().map(|task| {
            let step = deed.step(&task);
            async move {
                let answer: Option<Answer<String>> = match step {
                    Some(step) => Some(api::tasks::step(task.id.clone(), step).await),
                    None => None,
                };
                (task, answer)
            }
        });
        let mut answers = futures::stream::iter(steps).buffer_unordered(AT_ONCE);
        let mut over = 0;
        while let Some((task, answer)) = answers.next().await {
            over += 1;
            self.running.try_set(Some((over, count)));
            match answer {
                None => outcome.same += 1,
                Some(Ok(etag)) => {
                    outcome.done += 1;
                    let back = deed.back(&task, &etag);
                    outcome.back.extend(back.map(|step| (task.id.clone(), step)));
                    self.choice.try_update(|choice| choice.release(&task.id));
                }
                Some(Err(problem)) => {
                    outcome.refused.entry(problem.spoken()).or_default().push(task.title.clone());
                }
            }
        }
        outcome
    }

    /// The bar with what can be done, while something is chosen.
    pub(super) fn bar(self) -> AnyView {
        let count = Memo::new(move |_| self.choice.with(Choice::len));
        let body = move || (count.get() > 0).then(|| self.deeds(count));
        let open = self.outcome;
        let outcome = move || open.get().map(|(deed, outcome)| told(&deed, &outcome, open));
        view! {
            <div class="bulk-place" aria-live="polite">{outcome}</div>
            {body}
            {dialog("Cancel these tasks?", self.cancelling, move || self.cancel(count))}
            {dialog("Tag these tasks", self.tagging, move || self.tag())}
        }
        .into_any()
    }

    fn deeds(self, count: Memo<usize>) -> AnyView {
        let busy = move || self.running.with(Option::is_some);
        let button = move |label: &'static str, deed: Deed| {
            view! {
                <button type="button" class="button button-small" disabled=busy
                    on:click=move |_| self.run(deed.clone())>{label}</button>
            }
        };
        // Only proposals are admitted: without one the button would do nothing.
        let proposed = Memo::new(move |_| {
            let is_proposed = |task: &Arc<Task>| task.state == State::Proposed;
            self.choice.with(|choice| choice.tasks().iter().any(is_proposed))
        });
        let priority = move |event: leptos::ev::Event| {
            let value = event_target_value(&event).parse();
            let select: web_sys::HtmlSelectElement = event_target(&event);
            select.set_selected_index(0);
            if let Ok(priority) = value {
                self.run(Deed::Priority(priority));
            }
        };
        let levels = (0..10)
            .rev()
            .map(|level: u32| view! { <option value=level.to_string()>{level}</option> });
        let progress = move || {
            self.running.get().map(|(over, count)| {
                view! {
                    <progress max=count.to_string() value=over.to_string() aria-label="Done so far"></progress>
                    <span class="num small">{over}" of "{count}</span>
                }
            })
        };
        view! {
            <div class="bulk-bar" role="toolbar" aria-label="What to do with the chosen tasks">
                <b class="num">{move || format::count(count.get() as u64)}" chosen"</b>
                {move || proposed.get().then(|| button("Admit", Deed::Admit))}
                {button("Set aside", Deed::Pause)}
                {button("Take up again", Deed::Resume)}
                {button("Open again", Deed::Requeue)}
                <select class="select-small" aria-label="Give a priority" disabled=busy on:change=priority>
                    <option value="">"Priority…"</option>{levels.collect_view()}
                </select>
                <button type="button" class="button button-small" disabled=busy on:click=move |_| self.tagging.set(true)>"Tag…"</button>
                <button type="button" class="button button-small button-danger" disabled=busy on:click=move |_| self.cancelling.set(true)>"Cancel…"</button>
                {progress}
                <button type="button" class="icon-button bulk-clear" aria-label="Choose nothing" on:click=move |_| self.clear()>{icon("close")}</button>
            </div>
        }
        .into_any()
    }

    fn cancel(self, count: Memo<usize>) -> AnyView {
        let reason = RwSignal::new(String::new());
        let press = move |_| {
            self.cancelling.set(false);
            self.run(Deed::Cancel(reason.get_untracked().trim().to_owned()));
        };
        let words = move || {
            let tasks = format::counted(count.get() as u64, "task", "tasks");
            format!(
                "{tasks} will never run again. What was written stays on the record. This cannot be undone."
            )
        };
        view! {
            <p>{words}</p>
            {Field { label: "Why", hint: "Optional, on the record", first: true, ..LINE }.show(reason, || None)}
            <div class="form-foot">
                <button type="button" class="button" on:click=move |_| self.cancelling.set(false)>"Keep them"</button>
                <button type="button" class="button button-danger" on:click=press>"Cancel the tasks"</button>
            </div>
        }
        .into_any()
    }

    fn tag(self) -> AnyView {
        let (tag, take) = (RwSignal::new(String::new()), RwSignal::new(false));
        let submit = move |event: leptos::ev::SubmitEvent| {
            event.prevent_default();
            let tag = tag.get_untracked().trim().to_owned();
            if !tag.is_empty() {
                self.tagging.set(false);
                self.run(if take.get_untracked() { Deed::Untag(tag) } else { Deed::Tag(tag) });
            }
        };
        view! {
            <form class="form" on:submit=submit>
                {Field { label: "Tag", hint: "2 to 32 of a to z, 0 to 9 and -", example: "harbour", first: true, ..LINE }.show(tag, || None)}
                {choice("What to do", &[(false, "Add it"), (true, "Take it away")], take)}
                <div class="form-foot">
                    <button type="button" class="button" on:click=move |_| self.tagging.set(false)>"Not now"</button>
                    <button type="submit" class="button button-primary">"Do it"</button>
                </div>
            </form>
        }
        .into_any()
    }
}

/// The way back, step by step.
fn undo(live: Live, back: Vec<(String, Step)>) -> Undo {
    Undo(Arc::new(move || {
        let back = back.clone();
        spawn_local(async move {
            let count = back.len();
            let steps = back.into_iter().map(|(task, step)| api::tasks::step(task, step));
            let answers: Vec<_> =
                futures::stream::iter(steps).buffer_unordered(AT_ONCE).collect().await;
            let refused = answers.iter().filter(|answer| answer.is_err()).count();
            let tasks = format::counted((count - refused) as u64, "task is", "tasks are");
            live.say(match answers.into_iter().find_map(Result::err) {
                None => format!("{tasks} as before"),
                Some(problem) => {
                    format!("{tasks} as before, {refused} refused: {}", problem.spoken())
                }
            });
        });
    }))
}

/// Why some were refused.
fn told(deed: &str, outcome: &Outcome, open: RwSignal<Option<(String, Outcome)>>) -> AnyView {
    const TITLES: usize = 4;
    let line = |(sentence, titles): (&String, &Vec<String>)| {
        let more = titles.len().saturating_sub(TITLES);
        let more = (more > 0).then(|| format!(" and {} more", format::count(more as u64)));
        let first = titles.get(..TITLES.min(titles.len())).unwrap_or_default().join(", ");
        view! { <li>{sentence.clone()}" "<span class="soft">{first}{more}</span></li> }
    };
    let lines: Vec<_> = outcome.refused.iter().map(line).collect();
    view! {
        <div class="notice notice-passing" role="status">
            {icon("alert")}
            <div>
                <p class="notice-line">{format::capital(&outcome.told(deed))}"."</p>
                <ul class="notice-fields">{lines}</ul>
            </div>
            <button type="button" class="button button-small" on:click=move |_| open.set(None)>"Dismiss"</button>
        </div>
    }
    .into_any()
}
