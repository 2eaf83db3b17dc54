//! The way of a task: stages in a row, with the moments at which they were reached.

use leptos::prelude::*;

use super::icon::icon;
use super::time;
use crate::format;
use crate::state::ribbon::{Mark, Stage};
use crate::state::task::Kind;

/// The ribbon.
pub(crate) fn ribbon(stages: Vec<Stage>, kind: Kind, local: bool) -> AnyView {
    let stages: Vec<_> = stages.into_iter().map(|stage| one(&stage, kind, local)).collect();
    view! { <ol class="ribbon" aria-label="The way of this task">{stages}</ol> }.into_any()
}

fn one(stage: &Stage, kind: Kind, local: bool) -> AnyView {
    let (class, said, picture) = match stage.mark {
        Mark::Passed => ("stage stage-passed", "passed", Some("check")),
        Mark::Skipped => ("stage stage-skipped", "skipped", None),
        Mark::Here => ("stage stage-here", "here now", None),
        Mark::Stopped => ("stage stage-stopped", "stopped here", Some("close")),
        Mark::Ahead => ("stage stage-ahead", "not reached", None),
    };
    let when = match (stage.mark, stage.reached) {
        (Mark::Here, Some(since)) => view! { "for "{time::running(since)} }.into_any(),
        (_, Some(reached)) => time::ago(reached),
        (Mark::Skipped, None) => "not needed".into_any(),
        _ => ().into_any(),
    };
    let took = stage.took.filter(|took| took.as_millis() >= 100).map(format::span);
    view! {
        <li class=class aria-current=(stage.mark == Mark::Here).then_some("step")>
            <span class="stage-node">{picture.map(icon)}</span>
            <span class="stage-name">{stage.name.label(kind, local)}<span class="unseen">", "{said}</span></span>
            <span class="stage-when">{when}</span>
            {took.map(|took| view! { <span class="stage-took num" title="How long this stage took">{took}</span> })}
        </li>
    }
    .into_any()
}
