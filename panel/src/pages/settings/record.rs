//! The record: walks the hash chain of every ledger.

use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::api;
use crate::api::ledger::Walk;
use crate::format;
use crate::parts::badge::badge;
use crate::parts::icon::icon;
use crate::state::LEDGERS;
use crate::state::problem::Problem;
use crate::state::tone::Tone;

/// How one ledger's walk stands.
type Walked = Option<Result<Walk, Problem>>;

/// The section.
pub(super) fn section() -> AnyView {
    let walks = LEDGERS.map(|ledger| (ledger, RwSignal::new(None::<Result<Walk, Problem>>)));
    let busy = RwSignal::new(false);
    let verify = move |_| {
        if busy.get_untracked() {
            return;
        }
        busy.set(true);
        spawn_local(async move {
            for (ledger, walk) in walks {
                walk.try_set(Some(Ok(Walk::default())));
                let tell = move |now: Walk| {
                    walk.try_set(Some(Ok(now)));
                };
                if let Err(problem) = api::ledger::verify(ledger, tell).await {
                    walk.try_set(Some(Err(problem)));
                }
            }
            busy.try_set(false);
        });
    };
    let line = |(ledger, walk): (&'static str, RwSignal<Walked>)| {
        view! { <li><b>{ledger}</b>{move || walk.with(|walk| told(walk.as_ref()))}</li> }
    };
    view! {
        <section class="card" aria-labelledby="record-head">
            <h2 id="record-head">"The record"</h2>
            <p class="soft">"Every event is chained to the one before it. A walk recomputes every hash and every text; a changed byte is named."</p>
            <ul class="walks">{walks.map(line).collect_view()}</ul>
            <button type="button" class="button" disabled=move || busy.get() on:click=verify>
                {icon("check")}{move || if busy.get() { "Walking…" } else { "Verify the record" }}
            </button>
        </section>
    }
    .into_any()
}

fn told(walk: Option<&Result<Walk, Problem>>) -> AnyView {
    match walk {
        None => view! { <span class="soft">"not walked yet"</span> }.into_any(),
        Some(Err(problem)) => view! { {badge("cannot be walked", Tone::Bad)}<span>{problem.spoken()}</span> }.into_any(),
        Some(Ok(walk)) if !walk.done => {
            let words = format!("{} of {}", format::count(walk.rows), format::count(walk.head));
            view! { <span class="num soft">{words}</span> }.into_any()
        }
        Some(Ok(walk)) if walk.findings.is_empty() => {
            view! { {badge("sound", Tone::Good)}<span class="num soft">{format::counted(walk.rows, "row", "rows")}</span> }.into_any()
        }
        Some(Ok(walk)) => {
            let lines: Vec<_> = walk.findings.iter().map(|finding| view! { <li>{finding.clone()}</li> }).collect();
            view! { {badge("broken", Tone::Bad)}<ul class="remarks">{lines}</ul> }.into_any()
        }
    }
}
