//! What went wrong, where it went wrong.

use leptos::prelude::*;
use vivarium_types::Timestamp;

use super::icon::icon;
use super::time;
use crate::state::problem::{Kind, Problem};

/// A refusal: its sentence, what to do, and the fields that no input below it shows.
pub(crate) fn refusal(
    problem: RwSignal<Option<Problem>>,
    shown: &'static [&'static str],
) -> AnyView {
    let body = move || problem.get().map(|problem| told(&problem, shown));
    view! { <div class="refusal-place" aria-live="polite">{body}</div> }.into_any()
}

/// A problem in full.
pub(crate) fn told(problem: &Problem, shown: &'static [&'static str]) -> AnyView {
    let besides: Vec<_> = problem
        .fields_besides(shown)
        .into_iter()
        .map(|field| view! { <li><code class="code">{field.path.clone()}</code>" "{field.text.clone()}</li> })
        .collect();
    let hint = (!problem.hint.is_empty()).then(|| crate::format::capital(&problem.hint));
    let class =
        if problem.kind == Kind::Passing { "notice notice-passing" } else { "notice notice-bad" };
    let help = (!problem.reason.is_empty()).then(|| format!("vivarium explain {}", problem.reason));
    view! {
        <div class=class role="alert">
            {icon("alert")}
            <div>
                <p class="notice-line">{problem.spoken()}</p>
                {hint.map(|hint| view! { <p class="soft">{hint}"."</p> })}
                {(!besides.is_empty()).then(|| view! { <ul class="notice-fields">{besides}</ul> })}
                {help.map(|help| view! { <p class="soft small">"More: "<code class="code">{help}</code></p> })}
            </div>
        </div>
    }
    .into_any()
}

/// Reading failed and passes: quiet, counting down, with what was read before still in place.
pub(crate) fn countdown(
    sentence: String,
    retry: Option<Timestamp>,
    again: impl Fn() + Send + 'static,
) -> AnyView {
    let when = retry.map(|retry| {
        let left = time::until(retry);
        view! { <span class="soft">" Trying again in "{left}"."</span> }
    });
    view! {
        <div class="notice notice-passing" role="status">
            {icon("pulse")}
            <p class="notice-line">{sentence}{when}</p>
            <button type="button" class="button button-small" on:click=move |_| again()>"Try now"</button>
        </div>
    }
    .into_any()
}
