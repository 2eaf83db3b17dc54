//! What an event says, with the things it names as links.

use leptos::prelude::*;

use super::{mark, time};
use crate::format;
use crate::live::{clock, live};
use crate::state::event::Event;
use crate::state::telling::{Piece, Weight, tell};

/// The sentence of an event.
pub(crate) fn sentence(pieces: Vec<Piece>) -> AnyView {
    pieces.into_iter().map(piece).collect_view().into_any()
}

fn piece(piece: Piece) -> AnyView {
    match piece {
        Piece::Words(text) => text.into_any(),
        Piece::Task(id) => task_link(&id),
        Piece::Resident(id) => mark::name(&id),
        Piece::Room(room) => {
            let address = format!("/world/rooms/{room}");
            view! { <a href=address>{format::words(&room)}</a> }.into_any()
        }
        Piece::Document(path) => {
            let address = format!("/world/library/{path}");
            view! { <a href=address><code class="code">{path}</code></a> }.into_any()
        }
        Piece::Code(text) => view! { <code class="code">{text}</code> }.into_any(),
    }
}

/// A task by its title.
pub(crate) fn task_link(id: &str) -> AnyView {
    let live = live();
    let (id, address) = (id.to_owned(), format!("/tasks/{id}"));
    view! { <a class="task-link" href=address>{move || live.title(&id)}</a> }.into_any()
}

/// An event as a line of the feed: how long ago.
pub(crate) fn line(event: &Event) -> AnyView {
    line_at(event, time::ago(event.time))
}

/// An event as a step of a trace: at which moment.
pub(crate) fn step(event: &Event) -> AnyView {
    let moment = format::iso(event.time).get(11..19).unwrap_or_default().to_owned();
    let when = view! { <time class="num" title=clock::local(event.time)>{moment}</time> };
    line_at(event, when.into_any())
}

fn line_at(event: &Event, when: AnyView) -> AnyView {
    let told = tell(event);
    let weight = match told.weight {
        Weight::Quiet => "feed-quiet",
        Weight::Normal => "feed-normal",
        Weight::Notable => "feed-notable",
        Weight::Alarm => "feed-alarm",
    };
    let place = format!("{} {}", event.ledger, event.sequence);
    view! {
        <li class=format!("feed-line {weight} ledger-{}", event.ledger)>
            <span class="feed-dot" aria-hidden="true"></span>
            <span class="feed-text">{sentence(told.pieces)}</span>
            <span class="feed-when">
                {when}
                <span class="feed-place" title="Ledger and sequence of this event">{place}</span>
            </span>
        </li>
    }
    .into_any()
}
