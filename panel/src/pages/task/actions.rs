//! What a person can do to a task.

use leptos::prelude::*;

use crate::api;
use crate::live::acting::Act;
use crate::parts::dialog::dialog;
use crate::parts::field::{Field, LINE};
use crate::parts::notice::refusal;
use crate::state::task::{State, Task};

/// The buttons that make sense in the task's state.
pub(super) fn actions(task: &Task) -> AnyView {
    let act = Act::new();
    let cancelling = RwSignal::new(false);
    let reason = RwSignal::new(String::new());
    let id = task.id.clone();
    let button = |label: &'static str, done: &'static str, call: Call| {
        let id = id.clone();
        let press = move |_| {
            let id = id.clone();
            act.ask(label, move |key| call.make(key, id), move |live| live.say(done));
        };
        view! {
            <button type="button" class="button" disabled=move || act.is_pending() on:click=press>{label}</button>
        }
        .into_any()
    };
    let main = match task.state {
        State::Paused => Some(button("Take up again", "It can run again", Call::Resume)),
        State::Failed => Some(button("Try again", "It starts anew", Call::Requeue)),
        State::AwaitingHuman if task.awaits != "approval" => {
            Some(button("Let it go on", "It can run again", Call::Requeue))
        }
        State::Blocked | State::Queued | State::Ready | State::Requeued => {
            Some(button("Set aside", "It waits until you take it up", Call::Pause))
        }
        State::Unknown
        | State::Proposed
        | State::Working
        | State::Split
        | State::InReview
        | State::AwaitingHuman
        | State::Approved
        | State::Cancelled => None,
    };
    let cancel = (!task.state.is_final()).then(|| {
        view! {
            <button type="button" class="button" on:click=move |_| cancelling.set(true)>"Cancel…"</button>
        }
    });
    let confirm = move || {
        let id = id.clone();
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
    };
    view! {
        <div class="actions">
            {main}{cancel}
            {move || (!cancelling.get()).then(|| refusal(act.problem, &[]))}
            {dialog("Cancel this task?", cancelling, confirm)}
        </div>
    }
    .into_any()
}

/// A change without words of its own.
#[derive(Debug, Clone, Copy)]
enum Call {
    Pause,
    Resume,
    Requeue,
}

impl Call {
    async fn make(self, key: String, task: String) -> api::Answer<crate::state::Position> {
        match self {
            Self::Pause => api::tasks::pause(key, task).await,
            Self::Resume => api::tasks::resume(key, task).await,
            Self::Requeue => api::tasks::requeue(key, task).await,
        }
    }
}
