//! What the task waits for and what waits for it, as a drawing and as a list.

use std::collections::{BTreeMap, BTreeSet};

use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;

use crate::api::{self, Answer};
use crate::format;
use crate::live::reading::read;
use crate::live::{On, live};
use crate::parts::badge;
use crate::parts::shown::trouble;
use crate::state::graph::{Graph, HEIGHT, NODES_MAX, Node, Place, WIDTH};
use crate::state::task::{State, Task};

/// Tasks that are read at once.
const AT_ONCE: usize = 12;
/// Letters of a title in the drawing.
const TITLE_MAX: usize = 22;

/// The section; nothing while the task stands alone.
pub(super) fn graph(id: String) -> AnyView {
    let live = live();
    let around = read(move || {
        live.on(&[On::Queue]);
        around(id.clone())
    });
    let body = move || {
        around.value.with(|graph| {
            let graph = graph.as_ref().filter(|graph| graph.nodes.len() > 1)?;
            Some(view! {
                <section class="card" aria-labelledby="graph-head">
                    <h2 id="graph-head">"Before and after"</h2>
                    {drawn(graph)}
                    {more(graph.more)}
                    {listed(graph)}
                </section>
            })
        })
    };
    view! { {trouble(around)} {body} }.into_any()
}

/// The tasks around one, nearest first, as many as are drawn.
async fn around(id: String) -> Answer<Graph> {
    let center = api::tasks::get(&id).await?;
    let mut known: BTreeSet<String> = [center.id.clone()].into();
    let mut found: BTreeMap<String, Task> = BTreeMap::new();
    let mut order = vec![center.id.clone()];
    // Tasks whose neighbours are not looked at yet, and to which side.
    let mut edge = vec![(center.clone(), true, true)];
    found.insert(center.id.clone(), center);
    let mut beyond = BTreeSet::new();
    while !edge.is_empty() {
        let mut next = Vec::new();
        for (task, back, forth) in edge.drain(..) {
            let sides = [(back, &task.dependencies), (forth, &task.dependents)];
            for (at, (wanted, ids)) in sides.into_iter().enumerate() {
                let ids = ids.iter().filter(|_| wanted);
                for id in ids {
                    if known.len() >= NODES_MAX && !known.contains(id) {
                        beyond.insert(id.clone());
                    } else if known.insert(id.clone()) {
                        next.push((id.clone(), at == 0));
                    }
                }
            }
        }
        for some in next.chunks(AT_ONCE) {
            let asks = some.iter().map(|(id, _)| api::tasks::get(id));
            let answers = futures::future::join_all(asks).await;
            for ((_, before), answer) in some.iter().zip(answers) {
                let task = answer?;
                order.push(task.id.clone());
                edge.push((task.clone(), *before, !*before));
                found.insert(task.id.clone(), task);
            }
        }
    }
    let node = |id: &String| {
        let task = found.get(id)?;
        Some(Node {
            id: task.id.clone(),
            title: task.title.clone(),
            state: task.state,
            after: task.dependencies.clone(),
        })
    };
    Ok(Graph { nodes: order.iter().filter_map(node).collect(), more: beyond.len() })
}

fn more(count: usize) -> Option<AnyView> {
    let words = format!("and {} more", format::count(count as u64));
    (count > 0).then(|| view! { <p class="soft small">{words}</p> }.into_any())
}

fn drawn(graph: &Graph) -> AnyView {
    let drawing = graph.draw();
    let edges: Vec<_> = drawing
        .edges
        .iter()
        .map(|points| view! { <g class="graph-edge"><path d=way(points)></path><path class="graph-tip" d=tip(points)></path></g> })
        .collect();
    let nodes: Vec<_> = graph
        .nodes
        .iter()
        .zip(&drawing.places)
        .enumerate()
        .map(|(at, (node, place))| task(node, *place, at == 0))
        .collect();
    // The task itself is in sight, wherever the drawing is wider than the page.
    let (node, here) =
        (NodeRef::<leptos::html::Div>::new(), drawing.places.first().map_or(0, |place| place.x));
    Effect::new(move |_| {
        if let Some(node) = node.get() {
            node.set_scroll_left(here + WIDTH / 2 - node.client_width() / 2);
        }
    });
    view! {
        <div class="graph" node_ref=node>
            <svg width=drawing.width.to_string() height=drawing.height.to_string() role="group"
                aria-label="What it waits for on the left, what waits for it on the right">
                {edges}{nodes}
            </svg>
        </div>
    }
    .into_any()
}

/// The head of the arrow at the end of an edge.
fn tip(points: &[Place]) -> String {
    let Some(Place { x, y }) = points.last() else { return String::new() };
    format!("M{} {}L{x} {y}L{} {}z", x - 8, y - 4, x - 8, y + 4)
}

/// A line through the points that leaves and reaches every layer level.
fn way(points: &[Place]) -> String {
    let parts = points.iter().enumerate().map(|(at, Place { x, y })| {
        match at.checked_sub(1).and_then(|before| points.get(before)) {
            None => format!("M{x} {y}"),
            // Through a layer it goes straight, between two it bends.
            Some(before) if at % 2 == 0 => format!("L{} {y}", x.max(&before.x)),
            Some(before) => {
                let middle = i32::midpoint(before.x, *x);
                format!("C{middle} {} {middle} {y} {x} {y}", before.y)
            }
        }
    });
    parts.collect()
}

fn task(node: &Node, place: Place, here: bool) -> AnyView {
    let Place { x, y } = place;
    let (state, tone) = (node.state.label(), node.state.tone().class());
    let name = format!("{}, {}", node.title, state.to_lowercase());
    let (address, navigate) = (format!("/tasks/{}", node.id), use_navigate());
    let to = address.clone();
    // The router follows links of the page alone, not those of a drawing.
    let press = move |event: leptos::ev::MouseEvent| {
        if !event.ctrl_key() && !event.meta_key() && !event.shift_key() {
            event.prevent_default();
            navigate(&to, NavigateOptions::default());
        }
    };
    let class = format!("graph-node {tone}{}", if here { " graph-here" } else { "" });
    view! {
        <g class=class>
            <a href=address aria-label=name aria-current=here.then_some("true") on:click=press>
                <title>{node.title.clone()}</title>
                <rect x=x.to_string() y=y.to_string() width=WIDTH.to_string() height=HEIGHT.to_string() rx="8"></rect>
                <path class="graph-mark" d=shape(node.state) transform=format!("translate({} {})", x + 13, y + 33)></path>
                <text class="graph-title" x=(x + 12).to_string() y=(y + 20).to_string()>{format::clip(&node.title, TITLE_MAX)}</text>
                <text class="graph-state" x=(x + 27).to_string() y=(y + 37).to_string()>{state}</text>
            </a>
        </g>
    }
    .into_any()
}

/// A small shape that tells states apart without colour.
const fn shape(state: State) -> &'static str {
    match state {
        State::Approved => "M-1 0l3 3 6-7",
        State::Failed | State::Cancelled => "M0-4l7 7M7-4l-7 7",
        State::Working | State::Split | State::InReview => "M0-4l7 3.5L0 3z",
        State::AwaitingHuman => "M3.5-5v5M3.5 3v.1",
        State::Paused => "M1-4v7M6-4v7",
        State::Unknown
        | State::Proposed
        | State::Blocked
        | State::Queued
        | State::Ready
        | State::Requeued => "M3.5-4a3.5 3.5 0 1 0 .1 0",
    }
}

/// The same in words.
fn listed(graph: &Graph) -> AnyView {
    let titles: BTreeMap<&str, &str> =
        graph.nodes.iter().map(|node| (node.id.as_str(), node.title.as_str())).collect();
    let line = |node: &Node| {
        let after: Vec<_> =
            node.after.iter().filter_map(|id| titles.get(id.as_str()).copied()).collect();
        let after = (!after.is_empty()).then(|| format!("after {}", after.join(", ")));
        view! {
            <li class="graph-line">
                {badge::of_state(node.state)}
                <a href=format!("/tasks/{}", node.id)>{node.title.clone()}</a>
                <span class="soft small">{after}</span>
            </li>
        }
    };
    view! {
        <details class="graph-list">
            <summary>"As a list"</summary>
            <ul class="plain">{graph.nodes.iter().map(line).collect_view()}</ul>
        </details>
    }
    .into_any()
}
