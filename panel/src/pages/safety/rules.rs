//! The rules in force: what each looks at, what follows, and how often it stopped something.

use leptos::prelude::*;

use crate::api;
use crate::format;
use crate::live::reading::{Reading, read};
use crate::live::{On, live};
use crate::parts::badge::{badge, code, tag};
use crate::parts::icon::icon;
use crate::parts::shown::{skeleton, trouble};
use crate::state::safety::{Rule, Rules};
use crate::state::tone::Tone;

/// The section.
pub(super) fn section() -> AnyView {
    let live = live();
    let rules = read(move || {
        live.on(&[On::Executor]);
        api::safety::rules()
    });
    let known = Memo::new(move |_| rules.value.with(|rules| rules.as_ref().map(version)));
    let body = move || match known.get() {
        None if rules.problem.with(Option::is_some) => ().into_any(),
        None => skeleton(),
        Some(version) => list(&version, rules),
    };
    view! {
        <section class="card" aria-labelledby="rules-head">
            <h2 id="rules-head">"Rules"</h2>
            {trouble(rules)}{body}
        </section>
    }
    .into_any()
}

/// What of the rules does not change while the world works: version, negations, whether they are there.
fn version(rules: &Rules) -> Rules {
    Rules { all: Vec::new(), ..rules.clone() }
}

fn list(version: &Rules, known: Reading<Rules>) -> AnyView {
    if version.missing {
        return view! {
            <div class="notice notice-bad" role="alert">
                {icon("alert")}
                <div>
                    <p class="notice-line">"The file of the rules does not load: every task is blocked."</p>
                    <p class="soft">"Look at the executor's log, mend world/rules/safety.toml, and restart the executor."</p>
                </div>
            </div>
        }
        .into_any();
    }
    let digits: String = version.hash.chars().take(12).collect();
    let each = move || {
        known
            .value
            .with(|rules| rules.iter().flat_map(|rules| rules.all.clone()).collect::<Vec<_>>())
    };
    view! {
        <p class="soft small">
            "Every rule is run on every text, and no word turns a match into a pass. The rules are the file "
            {code("rules/safety.toml")}" of the world, version "<span title=version.hash.clone()>{code(digits)}</span>"."
        </p>
        // One whose counts change is drawn anew; the others stay as they are, open or closed.
        <ul class="rules"><For each=each key=Rule::clone children=|one| rule(&one)/></ul>
        <details>
            <summary>"Words that leave a match behind them to you"</summary>
            <p>{version.negations.iter().cloned().map(tag).collect_view()}</p>
        </details>
    }
    .into_any()
}

fn rule(rule: &Rule) -> AnyView {
    let often = |count: u64, words: &str, tone: Tone| {
        (count > 0).then(|| badge(format!("{} {words}", format::count(count)), tone))
    };
    let quiet = (rule.blocked + rule.held + rule.stopped == 0)
        .then(|| view! { <span class="soft small">"never matched"</span> });
    let patterns = (!rule.patterns.is_empty()).then(|| {
        let lines: Vec<_> =
            rule.patterns.iter().map(|one| view! { <li>{code(one.clone())}</li> }).collect();
        view! { <dt>"Patterns"</dt><dd><ul class="patterns">{lines}</ul></dd> }
    });
    view! {
        <li>
            <details class="rule">
                <summary>
                    <b>{format::words(&rule.name)}</b>
                    <span class="rule-about soft">{rule.about.clone()}</span>
                    <span class="rule-counts">
                        {often(rule.blocked, "blocked", Tone::Bad)}{often(rule.held, "held", Tone::You)}
                        {often(rule.stopped, "stopped", Tone::Review)}{quiet}
                    </span>
                </summary>
                <dl class="facts-list">
                    <dt>"Looks at"</dt><dd>{rule.looks_at.clone()}</dd>
                    <dt>"What follows"</dt><dd>{rule.follows.clone()}</dd>
                    {patterns}
                </dl>
            </details>
        </li>
    }
    .into_any()
}
