//! What a person can do to a task.
//!
//! Buttons are drawn anew with the task; dialogs and what is typed in them are not, so that nothing
//! that happens meanwhile takes a word away.

use leptos::prelude::*;
use vivarium_types::program;

use crate::api;
use crate::live::acting::Act;
use crate::live::live;
use crate::live::reading::Reading;
use crate::parts::dialog::dialog;
use crate::parts::field::{Field, LINE, Shape};
use crate::parts::notice::refusal;
use crate::state::edit::Draft;
use crate::state::form::INSTRUCTION_MAX;
use crate::state::task::{State, Task};

/// What is being done to one task.
#[derive(Debug, Clone, Copy)]
pub(super) struct Desk {
    act: Act,
    cancelling: RwSignal<bool>,
    editing: RwSignal<bool>,
    /// Whether the program that it is held for is being refused.
    refusing: RwSignal<bool>,
    reason: RwSignal<String>,
}

impl Desk {
    /// Nothing yet.
    pub(super) fn new() -> Self {
        Self {
            act: Act::new(),
            cancelling: RwSignal::new(false),
            editing: RwSignal::new(false),
            refusing: RwSignal::new(false),
            reason: RwSignal::new(String::new()),
        }
    }

    /// The buttons that make sense in the task's state.
    pub(super) fn buttons(self, task: &Task) -> AnyView {
        let Self { act, cancelling, editing, refusing, .. } = self;
        let main = self.main(task);
        let open = !task.state.is_final();
        let edit = open.then(|| {
            view! {
                <button type="button" class="button" on:click=move |_| editing.set(true)>"Edit…"</button>
            }
        });
        let cancel = open.then(|| {
            view! {
                <button type="button" class="button" on:click=move |_| cancelling.set(true)>"Cancel…"</button>
            }
        });
        let in_dialog = move || cancelling.get() || editing.get() || refusing.get();
        view! {
            <div class="actions">
                {main}{edit}{cancel}
                {move || (!in_dialog()).then(|| refusal(act.problem, &[]))}
            </div>
        }
        .into_any()
    }

    fn main(self, task: &Task) -> Option<AnyView> {
        let (act, refusing) = (self.act, self.refusing);
        let button = |label: &'static str, done: &'static str, call: Call| {
            let id = task.id.clone();
            let hash = task.proposal_hash.clone();
            let press = move |_| {
                let (id, hash) = (id.clone(), hash.clone());
                act.ask(label, move |key| call.make(key, id, hash), move |live| live.say(done));
            };
            view! {
                <button type="button" class="button" disabled=move || act.is_pending() on:click=press>{label}</button>
            }
            .into_any()
        };
        match task.state {
            State::Paused => Some(button("Take up again", "It can run again", Call::Resume)),
            State::Failed => Some(button("Try again", "It starts anew", Call::Requeue)),
            State::AwaitingHuman if !task.held_program.is_empty() => {
                let (id, hash) = (task.id.clone(), task.held_program_hash.clone());
                let press = move |_| {
                    let (id, hash) = (id.clone(), hash.clone());
                    act.ask(
                        "allow",
                        move |key| api::tasks::decide_program(key, id, hash, true, String::new()),
                        |live| live.say("Its next attempt may run exactly this"),
                    );
                };
                Some(view! {
                    <button type="button" class="button button-primary" disabled=move || act.is_pending() on:click=press>"Allow the program"</button>
                    <button type="button" class="button" on:click=move |_| refusing.set(true)>"Refuse it…"</button>
                }
                .into_any())
            }
            State::AwaitingHuman if task.awaits != "approval" => {
                Some(button("Let it go on", "It can run again", Call::Requeue))
            }
            State::Blocked | State::Queued | State::Ready | State::Requeued => {
                Some(button("Set aside", "It waits until you take it up", Call::Pause))
            }
            State::Proposed => {
                let admit = button("Admit", "It runs like any other task", Call::Admit);
                let refuse = button("Refuse", "It is cancelled", Call::Refuse);
                Some(view! { {admit}{refuse} }.into_any())
            }
            State::Unknown
            | State::Working
            | State::Split
            | State::InReview
            | State::AwaitingHuman
            | State::Approved
            | State::Cancelled => None,
        }
    }

    /// The dialogs behind the buttons.
    pub(super) fn dialogs(self, id: &str, task: Reading<Task>) -> AnyView {
        let id = id.to_owned();
        view! {
            {dialog("Cancel this task?", self.cancelling, move || self.cancel(id.clone()))}
            {dialog("Edit the task", self.editing, move || self.edit(task))}
            {dialog("Refuse the program?", self.refusing, move || self.refuse(task))}
        }
        .into_any()
    }

    fn cancel(self, id: String) -> AnyView {
        let Self { act, cancelling, reason, .. } = self;
        let press = move |_| {
            let (id, why) = (id.clone(), reason.get_untracked());
            act.ask(
                &format!("cancel {why}"),
                move |key| api::tasks::cancel(key, id, why),
                move |live| {
                    cancelling.set(false);
                    live.say("Cancelled");
                },
            );
        };
        view! {
            <p>"A cancelled task never runs again. What it wrote stays on the record."</p>
            {Field { label: "Why", hint: "Optional, on the record", ..LINE }.show(reason, move || act.field("reason"))}
            {refusal(act.problem, &["reason"])}
            <div class="form-foot">
                <button type="button" class="button" on:click=move |_| cancelling.set(false)>"Keep it"</button>
                <button type="button" class="button button-danger" disabled=move || act.busy.get() on:click=press>"Cancel the task"</button>
            </div>
        }
        .into_any()
    }

    /// The program as it was read when the dialog opened.
    fn refuse(self, task: Reading<Task>) -> AnyView {
        let Self { act, refusing, reason, .. } = self;
        let Some(task) = task.value.get_untracked() else { return ().into_any() };
        let line = program::readable(&task.held_program);
        let press = move |_| {
            let (id, hash) = (task.id.clone(), task.held_program_hash.clone());
            let why = reason.get_untracked();
            act.ask(
                &format!("refuse {why}"),
                move |key| api::tasks::decide_program(key, id, hash, false, why),
                move |live| {
                    refusing.set(false);
                    live.say("It goes on without");
                },
            );
        };
        view! {
            <pre class="raw"><code>{line}</code></pre>
            <p>"The next attempt is told that it may not run this, and why."</p>
            {Field { label: "Why", hint: "Optional, the resident reads it", first: true, ..LINE }.show(reason, move || act.field("reason"))}
            {refusal(act.problem, &["reason"])}
            <div class="form-foot">
                <button type="button" class="button" on:click=move |_| refusing.set(false)>"Decide later"</button>
                <button type="button" class="button button-danger" disabled=move || act.busy.get() on:click=press>"Refuse the program"</button>
            </div>
        }
        .into_any()
    }

    /// The form over the task as it was when the dialog opened.
    fn edit(self, task: Reading<Task>) -> AnyView {
        let Self { act, editing, .. } = self;
        let Some(task) = task.value.get_untracked() else { return ().into_any() };
        let draft = Draft::of(&task);
        let (title, instruction) = (RwSignal::new(draft.title), RwSignal::new(draft.instruction));
        let (priority, tags) = (RwSignal::new(draft.priority), RwSignal::new(draft.tags));
        let at_work = matches!(task.state, State::Working | State::InReview)
            || task.awaits == "approval" && task.state == State::AwaitingHuman;
        let note = at_work.then(|| {
            view! { <p class="notice notice-passing">"An attempt is under way: only the priority can change now."</p> }
        });
        let id = task.id.clone();
        let press = move |_| {
            let draft = Draft {
                title: title.get_untracked(),
                instruction: instruction.get_untracked(),
                priority: priority.get_untracked(),
                tags: tags.get_untracked(),
            };
            let changes = match draft.changes(&task) {
                Ok(Some(changes)) => changes,
                Ok(None) => {
                    editing.set(false);
                    return live().say("Nothing has changed");
                }
                Err(problem) => return act.refuse(problem),
            };
            let (id, content) = (id.clone(), format!("edit {changes:?}"));
            act.ask(
                &content,
                move |key| api::tasks::edit(key, id, changes),
                move |live| {
                    editing.set(false);
                    live.say("Changed");
                },
            );
        };
        let wrong = move |name: &'static str| move || act.field(name);
        view! {
            {note}
            {Field { label: "What is to be done", shape: Shape::Area(6), most: INSTRUCTION_MAX, first: true, ..LINE }
                .show(instruction, wrong("instruction"))}
            {Field { label: "Title", most: 120, ..LINE }.show(title, wrong("title"))}
            {Field { label: "Priority", shape: Shape::Number, hint: "0 to 9, higher first", ..LINE }
                .show(priority, wrong("priority"))}
            {Field { label: "Tags", hint: "Apart by commas", ..LINE }.show(tags, wrong("tags"))}
            {refusal(act.problem, &["instruction", "title", "priority", "tags"])}
            <div class="form-foot">
                <button type="button" class="button" on:click=move |_| editing.set(false)>"Leave it"</button>
                <button type="button" class="button button-primary" disabled=move || act.busy.get() on:click=press>"Save"</button>
            </div>
        }
        .into_any()
    }
}

/// A change without words of its own.
#[derive(Debug, Clone, Copy)]
enum Call {
    Admit,
    Refuse,
    Pause,
    Resume,
    Requeue,
}

impl Call {
    /// Proposals are decided about as they were read: by `hash`.
    async fn make(
        self,
        key: String,
        task: String,
        hash: Vec<u8>,
    ) -> api::Answer<crate::state::Position> {
        match self {
            Self::Admit => api::tasks::admit(key, task, hash).await,
            Self::Refuse => api::tasks::refuse(key, task, hash).await,
            Self::Pause => api::tasks::pause(key, task).await,
            Self::Resume => api::tasks::resume(key, task).await,
            Self::Requeue => api::tasks::requeue(key, task).await,
        }
    }
}
