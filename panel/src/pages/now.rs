//! What happens now: what needs a person, who works, what happened, and the controls of the world.

mod controls;
mod feed;
mod work;

pub(crate) use work::writing;

use leptos::prelude::*;

use super::title;
use crate::api;
use crate::format;
use crate::live::reading::read;
use crate::live::{On, Shared, live, shared};
use crate::parts::bar::bar;
use crate::parts::empty::nothing;
use crate::parts::icon::icon;
use crate::parts::mark;
use crate::parts::sentence::task_link;
use crate::parts::shown::shown;
use crate::state::needs::{Need, needs};
use crate::state::task::{Group, State};
use crate::state::world::World;

/// Tasks that stand still are looked for among so many.
const STUCK_MAX: usize = 50;

/// The page.
pub(crate) fn page() -> AnyView {
    title("Now");
    let (live, shared) = (live(), shared());
    let stuck = read(move || {
        live.on(&[On::Queue]);
        async {
            api::tasks::newest(&[State::AwaitingHuman, State::Proposed, State::Ready], STUCK_MAX)
                .await
        }
    });
    let providers = read(move || {
        live.on(&[On::Executor]);
        api::models::providers()
    });
    let wanted = Memo::new(move |_| {
        let pending = shared.pending.value.get().map(|(rows, _)| rows).unwrap_or_default();
        let threads = shared.threads.value.get().unwrap_or_default();
        let tasks = stuck.value.get().map(|listed| listed.rows).unwrap_or_default();
        providers.value.with(|known| needs(&pending, &threads, &tasks, known.as_deref()))
    });
    let counts =
        move || stuck.value.with(|known| known.as_ref().map(|listed| listed.counts.clone()));
    view! {
        <div class="page now">
            <header class="page-head">
                <div>
                    <h1>"Now"</h1>
                    {shown(shared.world, day)}
                </div>
                <a class="button button-primary" href="/tasks?new=1">{icon("plus")}"New task"</a>
            </header>
            <div class="now-grid">
                <div class="now-main">
                    {needed(wanted)}
                    {work::section()}
                    {feed::section()}
                </div>
                <aside class="now-side">
                    {controls::section(shared)}
                    {move || counts().map(|counts| tally(&counts))}
                    {health(shared)}
                </aside>
            </div>
        </div>
    }
    .into_any()
}

fn day(world: &World) -> AnyView {
    if world.day == 0 {
        return view! { <p class="soft">"Before the first day: it begins with the first task."</p> }.into_any();
    }
    let rest = if world.rest_day { ", a day of rest" } else { "" };
    let stands = if world.moving { "" } else { " · the clock stands" };
    let words = format!(
        "Day {} of week {}, {}{rest}{stands}",
        world.day,
        world.week,
        format::weekday(world.weekday)
    );
    view! {
        <div class="day">
            <p class="soft">{words.clone()}</p>
            {bar(words, world.day_permille(), 0)}
        </div>
    }
    .into_any()
}

fn needed(wanted: Memo<Vec<Need>>) -> AnyView {
    let body = move || {
        let wanted = wanted.get();
        if wanted.is_empty() {
            return nothing("Nothing needs you. What does will stand here.");
        }
        let lines: Vec<_> = wanted.into_iter().map(need).collect();
        view! { <ul class="needs">{lines}</ul> }.into_any()
    };
    view! {
        <section class="card" aria-labelledby="needs-head">
            <h2 id="needs-head">
                "Needs you"
                {move || { let count = wanted.with(Vec::len); (count > 0).then(|| view! { <span class="count">{count}</span> }) }}
            </h2>
            {body}
        </section>
    }
    .into_any()
}

fn need(need: Need) -> AnyView {
    let (picture, words, address, verb): (_, AnyView, String, _) = match need {
        Need::Decide { submission, title, resident } => (
            "inbox",
            view! { <b>{title}</b><span class="soft">" by "{mark::name(&resident)}</span> }.into_any(),
            format!("/inbox/work/{submission}"),
            "Decide",
        ),
        Need::Answer { resident, preview } => (
            "mail",
            view! { {mark::name(&resident)}" waits for your answer: "<q>{format::clip(&preview, 120)}</q> }.into_any(),
            format!("/inbox/letters/{resident}"),
            "Answer",
        ),
        Need::Read { resident, preview } => (
            "mail",
            view! { {mark::name(&resident)}" wrote: "<q>{format::clip(&preview, 120)}</q> }.into_any(),
            format!("/inbox/letters/{resident}"),
            "Read",
        ),
        Need::Free { task, title: _, why } => (
            "tasks",
            view! { {task_link(&task)}<span class="soft">" · "{why}</span> }.into_any(),
            format!("/tasks/{task}"),
            "Look",
        ),
        Need::Consent { provider } => (
            "model",
            view! { "A model server was noticed on this machine: "<b>{provider}</b>"." }.into_any(),
            "/spend#models".to_owned(),
            "Decide",
        ),
        Need::NoModel => (
            "model",
            view! {
                <b>"No language model can be used yet."</b>
                <span class="soft">" Fetch the local one with "<code class="code">"vivarium model fetch"</code>", or set a key."</span>
            }
            .into_any(),
            "/spend#models".to_owned(),
            "Set it up",
        ),
    };
    view! {
        <li class="need">
            {icon(picture)}
            <div class="need-words">{words}</div>
            <a class="button button-small" href=address>{verb}</a>
        </li>
    }
    .into_any()
}

fn tally(counts: &[(State, u64)]) -> AnyView {
    let groups = [Group::Waiting, Group::Running, Group::NeedsYou, Group::Done, Group::Ended];
    let line = |group: Group| {
        let address = format!("/tasks?state={}", group.slug());
        view! {
            <li><a href=address><span>{group.label()}</span><b class="num">{format::count(group.count(counts))}</b></a></li>
        }
    };
    view! {
        <section class="card" aria-labelledby="tally-head">
            <h2 id="tally-head">"Tasks"</h2>
            <ul class="tally">{groups.map(line).collect_view()}</ul>
        </section>
    }
    .into_any()
}

fn health(_: Shared) -> AnyView {
    let live = live();
    let services = move || {
        live.health.with(|known| {
            if known.is_empty() {
                return nothing("Not known yet.");
            }
            let lines: Vec<_> = known
                .iter()
                .map(|one| {
                    let (label, tone) = (one.state.label(), one.state.tone());
                    view! {
                        <li>
                            <span class=format!("dot {}", tone.class()) aria-hidden="true"></span>
                            <span>{one.service.clone()}</span>
                            <span class="soft">{label}</span>
                        </li>
                    }
                })
                .collect();
            view! { <ul class="health">{lines}</ul> }.into_any()
        })
    };
    view! {
        <section class="card" aria-labelledby="health-head">
            <h2 id="health-head">"Services"</h2>
            {services}
        </section>
    }
    .into_any()
}
