//! Amounts against their limit.

use leptos::prelude::*;

use crate::format;
use crate::state::model::Budget;

/// A share in thousandths, with words for those who do not see it.
pub(crate) fn bar(label: String, permille: u32, reserved_permille: u32) -> AnyView {
    let high = permille + reserved_permille >= 900;
    let width = |permille: u32| format!("{}.{}%", permille / 10, permille % 10);
    view! {
        <div
            class="bar"
            class:bar-high=high
            role="meter"
            aria-valuemin="0"
            aria-valuemax="1000"
            aria-valuenow=permille.to_string()
            aria-label=label
        >
            <div class="bar-full" style:width=width(permille)></div>
            <div class="bar-held" style:width=width(reserved_permille)></div>
        </div>
    }
    .into_any()
}

/// A budget: how much of it is spent, how much is held by running calls.
pub(crate) fn budget(label: String, budget: &Budget) -> AnyView {
    let (spent, reserved) = budget.permille();
    let held =
        (budget.reserved > 0).then(|| format!(" + {} held", format::dollars(budget.reserved)));
    view! {
        <div class="budget">
            <div class="budget-line">
                <span>{label.clone()}</span>
                <span class="num">
                    <b>{format::dollars(budget.spent)}</b>
                    {held}
                    <span class="soft">" of "{format::dollars(budget.limit)}</span>
                </span>
            </div>
            {bar(label, spent, reserved)}
        </div>
    }
    .into_any()
}

/// A score from 0 to 4 as four places.
pub(crate) fn score(words: &'static str, score: u32) -> AnyView {
    let places = (0..4).map(|place| {
        view! { <i class="pip" class:pip-on=place < score></i> }
    });
    view! {
        <div class="score">
            <span>{words}</span>
            <span class="pips" role="img" aria-label=format!("{score} of 4")>{places.collect_view()}</span>
        </div>
    }
    .into_any()
}
