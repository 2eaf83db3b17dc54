//! What is left in each scope, and how a limit is changed.

use leptos::prelude::*;

use crate::api;
use crate::format;
use crate::live::acting::Act;
use crate::live::reading::{Reading, read};
use crate::live::{On, live};
use crate::parts::bar::{bar, budget};
use crate::parts::dialog::dialog;
use crate::parts::field::{Field, LINE, Shape};
use crate::parts::mark;
use crate::parts::notice::refusal;
use crate::parts::shown::trouble;
use crate::state::form::dollars;
use crate::state::model::{Budget, Scope};
use crate::state::problem::{Field as Wrong, Kind, Problem};

/// The section.
pub(super) fn section() -> AnyView {
    let live = live();
    let budgets = read(move || {
        live.on(&[On::Executor]);
        async { api::models::budgets("").await }
    });
    // The one that is about to be changed.
    let (chosen, open) = (RwSignal::new(Scope::WorldDay), RwSignal::new(false));
    let row = move |scope: Scope| {
        let press = move |_| {
            chosen.set(scope);
            open.set(true);
        };
        let label = format!("Change the limit: {}", scope.label());
        view! {
            <li>
                <div>{standing(budgets, scope)}</div>
                <button type="button" class="text-button" aria-label=label on:click=press>"Change…"</button>
            </li>
        }
    };
    view! {
        <section class="card" id="limits" aria-labelledby="limits-head">
            <h2 id="limits-head">"What is left"</h2>
            <p class="soft small">"Every model call is reserved against all of these before it is sent."</p>
            {trouble(budgets)}
            <ul class="limits">{Scope::SETTABLE.map(row).collect_view()}</ul>
            {dialog("Change a limit", open, move || form(budgets, chosen.get_untracked(), open))}
        </section>
    }
    .into_any()
}

/// How a scope stands. A call has no past, and a resident's limit holds for each of them.
fn standing(budgets: Reading<Vec<Budget>>, scope: Scope) -> impl Fn() -> AnyView {
    move || {
        budgets.value.with(|all| {
            let all = all.as_deref().unwrap_or_default();
            match scope {
                Scope::ResidentDay => residents(all),
                Scope::Call => of(all, scope).map_or_else(|| ().into_any(), |one| {
                    view! {
                        <div class="budget-line">
                            <span>{scope.label()}</span>
                            <span class="num"><span class="soft">"at most "</span><b>{format::dollars(one.limit)}</b></span>
                        </div>
                    }
                    .into_any()
                }),
                Scope::Task | Scope::ReviewDay | Scope::WorldDay | Scope::WorldTotal => {
                    let one = of(all, scope);
                    one.map_or_else(|| ().into_any(), |one| budget(scope.label().to_owned(), one))
                }
            }
        })
    }
}

fn of(all: &[Budget], scope: Scope) -> Option<&Budget> {
    all.iter().find(|one| one.scope == scope && one.subject.is_empty())
}

fn residents(all: &[Budget]) -> AnyView {
    let ours: Vec<_> = all.iter().filter(|one| one.scope == Scope::ResidentDay).collect();
    let lines: Vec<_> = ours.iter().map(|one| resident(one)).collect();
    let limit = ours.first().map(|one| {
        view! { <span class="num"><span class="soft">"at most "</span><b>{format::dollars(one.limit)}</b></span> }
    });
    let none = lines
        .is_empty()
        .then(|| view! { <p class="soft small">"No resident has spent anything today."</p> });
    view! {
        <div class="budget-line"><span>{Scope::ResidentDay.label()}</span>{limit}</div>
        {none}
        <ul class="limits limits-residents">{lines}</ul>
    }
    .into_any()
}

fn resident(one: &Budget) -> AnyView {
    let (spent, reserved) = one.permille();
    let held = (one.reserved > 0).then(|| format!(" + {} held", format::dollars(one.reserved)));
    view! {
        <li class="budget small">
            <div class="budget-line">
                <span>{mark::name(&one.subject)}</span>
                <span class="num">{format::dollars(one.spent)}{held}</span>
            </div>
            {bar("Spent of the limit".to_owned(), spent, reserved)}
        </li>
    }
    .into_any()
}

fn form(budgets: Reading<Vec<Budget>>, scope: Scope, open: RwSignal<bool>) -> AnyView {
    let act = Act::new();
    let (typed, reason) = (RwSignal::new(String::new()), RwSignal::new(String::new()));
    let now = budgets.value.with_untracked(|all| {
        let found = all.iter().flatten().find(|one| one.scope == scope);
        found.map(|one| format!("It is {} now.", format::dollars(one.limit)))
    });
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let Some(limit) = dollars(&typed.get_untracked()) else { return act.refuse(no_amount()) };
        let why = reason.get_untracked();
        act.ask(
            &format!("{limit} {why}"),
            move |id| api::models::set_limit(id, scope, limit, why),
            move |live| {
                open.set(false);
                live.say("The limit is set");
            },
        );
    };
    let amount = Field {
        label: "New limit in dollars",
        hint: "0: nothing that costs money",
        shape: Shape::Number,
        first: true,
        ..LINE
    };
    let why = Field { label: "Why", hint: "At least 3 characters, on the record", ..LINE };
    view! {
        <form class="form" on:submit=submit>
            <p><b>{scope.label()}</b>". "{now}" What is spent stays spent."</p>
            {amount.show(typed, move || act.field("limit_micro_usd"))}
            {why.show(reason, move || act.field("reason"))}
            {refusal(act.problem, &["limit_micro_usd", "reason"])}
            <div class="form-foot">
                <button type="button" class="button" on:click=move |_| open.set(false)>"Keep it"</button>
                <button type="submit" class="button button-primary" disabled=move || act.busy.get()>"Set the limit"</button>
            </div>
        </form>
    }
    .into_any()
}

fn no_amount() -> Problem {
    let wrong = Wrong {
        path: "limit_micro_usd".to_owned(),
        text: "must be an amount such as 1.50".to_owned(),
    };
    Problem {
        kind: Kind::Refused,
        fields: vec![wrong],
        sentence: "that is no amount".to_owned(),
        ..Problem::default()
    }
}
