//! The rows of the list: reading the part in sight, and drawing one.

use std::sync::Arc;

use leptos::prelude::*;

use super::bulk::Bulk;
use crate::api::tasks::Part;
use crate::api::{self, Answer};
use crate::format;
use crate::live::reading::Reading;
use crate::parts::badge;
use crate::parts::mark;
use crate::parts::time;
use crate::parts::virtual_list::{List, row_id};
use crate::state::task::{State, Task, awaits_sentence};
use crate::state::view::{Order, View};
use crate::state::window::Window;

/// Reads what of the part in sight is not there, or is older than the news.
pub(super) async fn load(
    view: View,
    (first, last): (usize, usize),
    news: u64,
    before: StoredValue<Window>,
) -> Answer<Window> {
    let known = before.try_get_value().filter(|known| known.view == view);
    let mut window = known.unwrap_or_else(|| Window::new(view));
    let sight = first..last;
    while let Some(places) = window.wanted(&sight, news) {
        let with_total = !window.knows(news);
        let part = Part { from: places.start, size: places.len(), with_total };
        let listed = api::tasks::list(&window.view, part).await?;
        if with_total {
            window.learn(listed.total, listed.counts, news);
        }
        let short = listed.rows.len() < places.len();
        window.take(places.start, listed.rows, news);
        // A list that became shorter meanwhile has no more rows to give.
        if short {
            break;
        }
    }
    before.try_set_value(window.clone());
    Ok(window)
}

/// Draws the row at a place; grey while it is read.
pub(super) fn row(place: usize, window: Reading<Window>, list: List, bulk: Bulk) -> AnyView {
    let task = Memo::new(move |_| {
        window.value.with(|window| window.as_ref().and_then(|window| window.row(place).cloned()))
    });
    let chosen = Memo::new(move |_| {
        task.with(|task| {
            task.as_ref().is_some_and(|task| bulk.choice.with(|all| all.has(&task.id)))
        })
    });
    let cells = move || match task.get() {
        Some(task) => cells(&task, place, chosen, list, bulk),
        None => view! { <span class="row-grey" role="gridcell"><i></i><i></i></span> }.into_any(),
    };
    view! {
        <div
            class="task-row" role="row" id=row_id(place) aria-rowindex=(place + 1).to_string()
            aria-selected=move || chosen.get().to_string()
            style:top=move || list.top(place)
            class:row-active=move || list.active.get() == Some(place)
        >
            {cells}
        </div>
    }
    .into_any()
}

fn cells(task: &Arc<Task>, place: usize, chosen: Memo<bool>, list: List, bulk: Bulk) -> AnyView {
    let address = format!("/tasks/{}", task.id);
    let why =
        if task.state == State::AwaitingHuman { awaits_sentence(&task.awaits) } else { task.wait };
    let failed = task.failure.as_ref().map(|(class, _)| format::capital(&format::words(class)));
    let who =
        task.attempts.last().map(|attempt| attempt.resident.clone()).filter(|who| !who.is_empty());
    let tags: Vec<_> = task.tags.iter().take(3).map(badge::tag).collect();
    let picked = Arc::clone(task);
    let pick = move |event: leptos::ev::MouseEvent| {
        list.active.set(Some(place));
        if event.shift_key() {
            // The range decides what is chosen, not the box.
            event.prevent_default();
            bulk.range_to(place);
        } else {
            bulk.toggle(place, &picked);
        }
    };
    view! {
        <span class="row-pick" role="gridcell">
            <input type="checkbox" tabindex="-1" aria-label=format!("Choose {}", task.title)
                prop:checked=move || chosen.get() on:click=pick/>
        </span>
        <span class="task-row-state" role="gridcell">{badge::of_state(task.state)}</span>
        <span class="task-row-title" role="gridcell">
            <a class="row-link" href=address tabindex="-1"><b>{task.title.clone()}</b></a>
            <small class="soft">
                {(!task.key.is_empty()).then(|| view! { <code class="code">{task.key.clone()}</code>" " })}
                {failed}{why}{tags}
            </small>
        </span>
        <span class="task-row-who" role="gridcell">{who.map(|who| mark::mark(&who))}</span>
        <span class="task-row-priority num soft" role="gridcell" title="Priority">
            <span aria-hidden="true">"P"</span>{task.priority}
        </span>
        <span class="task-row-cost num" role="gridcell">{format::dollars(task.cost)}</span>
        <span class="task-row-when" role="gridcell">{time::ago(task.changed)}</span>
    }
    .into_any()
}

/// The orders of the list, for its choice.
pub(super) fn orders(view: Memo<View>) -> AnyView {
    let option = |(order, label): (Order, &'static str)| {
        let here = move || view.with(|view| view.order == order);
        view! { <option value=order.slug() prop:selected=here>{label}</option> }
    };
    Order::ALL.map(option).collect_view().into_any()
}
