//! The table of programs, and trying a call without running it.

use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::api;
use crate::format;
use crate::live::reading::{Reading, read};
use crate::parts::badge::{badge, code};
use crate::parts::empty::nothing;
use crate::parts::field::{Field, LINE, Shape, fresh_id};
use crate::parts::icon::icon;
use crate::parts::notice::refusal;
use crate::parts::shown::shown;
use crate::state::problem::Problem;
use crate::state::safety::{Flag, Program, Table, Verdict, arguments};
use crate::state::tone::Tone;

/// The two sections.
pub(super) fn section() -> AnyView {
    let table = read(api::safety::programs);
    view! {
        <div class="commands">
            <section class="card" aria-labelledby="programs-head">
                <h2 id="programs-head">"Programs that may run"</h2>
                <p class="soft small">"A closed table: each with the flags it may be given, and nothing else. There is no shell."</p>
                {shown(table, programs)}
            </section>
            {trying(table)}
        </div>
    }
    .into_any()
}

fn programs(table: &Table) -> AnyView {
    if !table.fault.is_empty() {
        return view! {
            <div class="notice notice-bad" role="alert">
                {icon("alert")}
                <div>
                    <p class="notice-line">"The table is not used, so no program runs."</p>
                    <p class="soft">{table.fault.clone()}</p>
                </div>
            </div>
        }
        .into_any();
    }
    if table.programs.is_empty() && table.absent.is_empty() {
        return nothing("No program is listed: the world's rules/commands has no rule.");
    }
    let absent: Vec<_> = table.absent.iter().map(absent).collect();
    let absent = (!absent.is_empty()).then(|| {
        view! { <h3>"Listed, and not on this machine"</h3><ul class="plain small">{absent}</ul> }
    });
    view! { <ul class="programs">{table.programs.iter().map(program).collect_view()}</ul>{absent} }
        .into_any()
}

fn absent((id, why): &(String, String)) -> AnyView {
    view! { <li>{code(id.clone())}" "<span class="soft">{why.clone()}</span></li> }.into_any()
}

fn program(program: &Program) -> AnyView {
    let takes = match program.positionals.as_slice() {
        [] => "nothing".to_owned(),
        some => some.join(", "),
    };
    let flags: Vec<_> = program.flags.iter().map(flag).collect();
    let flags = if flags.is_empty() {
        nothing("It may be given no flag.")
    } else {
        view! { <dl class="flags">{flags}</dl> }.into_any()
    };
    let children =
        if program.children { "may start further processes" } else { "starts nothing further" };
    let count = match program.flags.len() {
        0 => "no flags".to_owned(),
        count => format::counted(count as u64, "flag", "flags"),
    };
    let digest: String = program.sha256.chars().take(12).collect();
    view! {
        <li>
            <details class="rule">
                <summary>
                    <b class="program-id">{program.id.clone()}</b>
                    <span class="rule-about soft">{program.about.clone()}</span>
                    <span class="rule-counts soft small">{count}</span>
                </summary>
                <p class="facts">
                    <span>"takes "{takes}</span>
                    <span>"at most "{program.seconds}" s"</span>
                    <span>{children}</span>
                </p>
                {flags}
                <p class="facts small"><span>{code(program.path.clone())}</span><span title=program.sha256.clone()>"sha256 "{digest}"…"</span></p>
            </details>
        </li>
    }
    .into_any()
}

fn flag(flag: &Flag) -> AnyView {
    let value = (!flag.value.is_empty())
        .then(|| view! { " "<span class="soft">{flag.value.clone()}</span> });
    view! { <dt>{code(flag.names.clone())}{value}</dt><dd>{flag.about.clone()}</dd> }.into_any()
}

/// A verdict with the arguments it is about.
type Tried = (Verdict, Vec<String>);

fn trying(table: Reading<Table>) -> AnyView {
    let (program, args) = (RwSignal::new(String::new()), RwSignal::new(String::new()));
    let folder = RwSignal::new(String::new());
    let busy = RwSignal::new(false);
    let problem = RwSignal::new(None::<Problem>);
    let tried = RwSignal::new(None::<Tried>);
    let wrong =
        move |name: &str| problem.with(|problem| problem.as_ref()?.field(name).map(str::to_owned));
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        if busy.get_untracked() {
            return;
        }
        busy.set(true);
        let given = arguments(&args.get_untracked());
        let id = program.get_untracked().trim().to_owned();
        let place = folder.get_untracked().trim().to_owned();
        spawn_local(async move {
            let answer = api::safety::try_command(id, given.clone(), place).await;
            busy.try_set(false);
            match answer {
                Ok(verdict) => {
                    problem.try_set(None);
                    tried.try_set(Some((verdict, given)));
                }
                Err(told) => {
                    tried.try_set(None);
                    problem.try_set(Some(told));
                }
            }
        });
    };
    let list = fresh_id("programs");
    let (listed, id) = (list.clone(), fresh_id("program"));
    let options = move || {
        let known = table.value.with(|table| {
            let programs = table.iter().flat_map(|table| &table.programs);
            programs.map(|program| program.id.clone()).collect::<Vec<_>>()
        });
        known.into_iter().map(|id| view! { <option value=id></option> }).collect_view()
    };
    let lines = Field {
        label: "Arguments, one a line",
        hint: "Each line is one argument as it stands: no quoting",
        shape: Shape::Area(3),
        example: "-n\nnotes.md",
        ..LINE
    };
    let place = Field {
        label: "Folder",
        hint: "A root and a folder in it; empty: library",
        example: "library",
        ..LINE
    };
    view! {
        <section class="card" id="try" aria-labelledby="try-head">
            <h2 id="try-head">"Try a command"</h2>
            <p class="soft small">"Says what a call would come to. Nothing runs."</p>
            <form class="form" on:submit=submit>
                <div class="field">
                    <label for=id.clone()>"Program"</label>
                    <input id=id list=listed autocomplete="off" spellcheck="false" placeholder="grep"
                        aria-invalid=move || wrong("program_id").is_some().to_string()
                        prop:value=move || program.get()
                        on:input=move |event| program.set(event_target_value(&event))/>
                    <datalist id=list>{options}</datalist>
                    <div class="field-below"><span class="field-wrong" aria-live="polite">{move || wrong("program_id").map(|text| format::capital(&text))}</span></div>
                </div>
                {lines.show(args, move || wrong("args"))}
                {place.show(folder, move || wrong("folder"))}
                {refusal(problem, &["program_id", "args", "folder"])}
                <div class="form-foot"><button type="submit" class="button button-primary" disabled=move || busy.get()>"Try it"</button></div>
            </form>
            <div aria-live="polite">{move || tried.get().map(|tried| verdict(&tried))}</div>
        </section>
    }
    .into_any()
}

fn verdict((verdict, args): &Tried) -> AnyView {
    if verdict.allowed {
        let words: Vec<_> =
            verdict.argv.iter().map(|word| view! { <li>{code(word.clone())}</li> }).collect();
        return view! {
            <div class="tried tone-good">
                <p>{badge("would run", Tone::Good)}" word by word, as"</p>
                <ol class="argv">{words}</ol>
            </div>
        }
        .into_any();
    }
    let at = verdict.argument.and_then(|at| usize::try_from(at).ok());
    let argument = at.and_then(|at| Some((at + 1, args.get(at)?.clone())));
    let argument =
        argument.map(|(number, text)| view! { <dt>"Argument "{number}</dt><dd>{code(text)}</dd> });
    let rule = (!verdict.rule.is_empty())
        .then(|| view! { <dt>"Rule"</dt><dd>{code(verdict.rule.clone())}</dd> });
    view! {
        <div class="tried tone-bad">
            <p>{badge("refused", Tone::Bad)}" "{format::capital(&verdict.why)}"."</p>
            <dl class="facts-list">{rule}{argument}<dt>"Reason"</dt><dd>{code(verdict.reason.clone())}</dd></dl>
        </div>
    }
    .into_any()
}
