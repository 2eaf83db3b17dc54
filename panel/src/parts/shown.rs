//! A reading on the page: a skeleton first, then the value, which stays when reading fails later.

use leptos::prelude::*;

use super::notice;
use crate::live::reading::Reading;

/// Shows a reading.
pub(crate) fn shown<T>(
    reading: Reading<T>,
    show: impl Fn(&T) -> AnyView + Send + 'static,
) -> AnyView
where
    T: Send + Sync + 'static,
{
    let value = move || {
        reading.value.with(|value| match value {
            Some(value) => show(value),
            None if reading.problem.with(Option::is_some) => ().into_any(),
            None => skeleton(),
        })
    };
    view! { {trouble(reading)} {value} }.into_any()
}

/// What is wrong with a reading, if something is.
pub(crate) fn trouble<T: Send + Sync + 'static>(reading: Reading<T>) -> AnyView {
    let body = move || {
        reading.problem.get().map(|problem| {
            if problem.passes() {
                let kept = reading.value.with_untracked(Option::is_some);
                let kept = if kept { " What you see may be out of date." } else { "" };
                let sentence = format!("{}{kept}", problem.spoken());
                notice::countdown(sentence, reading.retry.get(), move || reading.again())
            } else {
                notice::told(&problem, &[])
            }
        })
    };
    body.into_any()
}

/// Grey lines in place of what is being read.
pub(crate) fn skeleton() -> AnyView {
    view! {
        <div class="skeleton" role="status" aria-label="Reading">
            <i></i><i></i><i></i>
        </div>
    }
    .into_any()
}
