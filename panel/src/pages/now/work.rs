//! Who works, and what they write at this moment.

use leptos::prelude::*;

use crate::api;
use crate::live::reading::read;
use crate::live::{On, live};
use crate::parts::badge;
use crate::parts::empty::nothing;
use crate::parts::mark;
use crate::parts::sentence::task_link;
use crate::parts::shown::shown;
use crate::parts::time;
use crate::state::cycle::Cycle;

/// Characters of the text that are shown while it is written.
const TAIL: usize = 420;

/// The section.
pub(super) fn section() -> AnyView {
    let live = live();
    let running = read(move || {
        live.on(&[On::Executor]);
        api::cycles::running()
    });
    let body = |cycles: &Vec<Cycle>| {
        if cycles.is_empty() {
            return nothing("Nobody is at work.");
        }
        let lines: Vec<_> = cycles.iter().map(one).collect();
        view! { <ul class="work">{lines}</ul> }.into_any()
    };
    view! {
        <section class="card" aria-labelledby="work-head">
            <h2 id="work-head">"At work"</h2>
            {shown(running, body)}
        </section>
    }
    .into_any()
}

fn one(cycle: &Cycle) -> AnyView {
    let about = if cycle.task.is_empty() { ().into_any() } else { task_link(&cycle.task) };
    let who = if cycle.resident.is_empty() {
        view! { <span class="name">"A critic"</span> }.into_any()
    } else {
        view! { {mark::mark(&cycle.resident)}{mark::name(&cycle.resident)} }.into_any()
    };
    view! {
        <li class="work-one">
            <div class="work-head">
                {who}
                <span class="soft">{cycle.kind}" · "</span>{about}
                <span class="work-when">{time::running(cycle.start)}</span>
            </div>
            <div class="work-model">{badge::model(&cycle.model, cycle.embedded)}</div>
            {writing(&cycle.id)}
        </li>
    }
    .into_any()
}

/// The end of what a cycle writes, as it writes it.
pub(crate) fn writing(cycle: &str) -> AnyView {
    let live = live();
    let cycle = cycle.to_owned();
    let tail = Memo::new(move |_| {
        live.output.with(|output| {
            let writing = output.of(&cycle)?;
            let skip = writing.text.chars().count().saturating_sub(TAIL);
            let text: String = writing.text.chars().skip(skip).collect();
            (!text.is_empty()).then_some((text, skip > 0, writing.step))
        })
    });
    let body = move || {
        tail.get().map(|(text, cut, step)| {
            let text = if cut { format!("…{text}") } else { text };
            view! {
                <pre class="stream" aria-label=format!("Step {step}, as it is written")>{text}<i class="caret" aria-hidden="true"></i></pre>
            }
        })
    };
    body.into_any()
}
