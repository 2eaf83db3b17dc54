//! The rooms, what is said in them, and a word of one's own.

use leptos::prelude::*;

use super::{part_of_address, title, world_tabs};
use crate::api;
use crate::format;
use crate::live::acting::Act;
use crate::live::reading::read;
use crate::live::{Live, On, live};
use crate::parts::badge;
use crate::parts::empty::nothing;
use crate::parts::field::{Field, LINE, Shape};
use crate::parts::mark;
use crate::parts::notice::refusal;
use crate::parts::sentence::task_link;
use crate::parts::shown::shown;
use crate::parts::time;
use crate::state::Page;
use crate::state::room::{Message, Room};

/// The room that is shown when none is named.
const FIRST: &str = "town_hall";
/// Characters of a message.
const MESSAGE_MAX: usize = 1_200;

/// The page.
pub(crate) fn page() -> AnyView {
    title("Rooms");
    let live = live();
    let address = part_of_address("room");
    let chosen = Memo::new(move |_| {
        let named = address.get();
        if named.is_empty() { FIRST.to_owned() } else { named }
    });
    let known = read(move || {
        live.on(&[On::Society]);
        api::rooms::list()
    });
    // Where nothing can be said the form is not offered; a room of two is called by its title.
    let about = Memo::new(move |_| {
        known.value.with(|rooms| {
            let named = chosen.get();
            let room = rooms.as_ref()?.iter().find(|room| room.name == named)?;
            let direct = !room.members.is_empty();
            let title = direct.then(|| called(room, live)());
            Some(About { title, closed: room.closed, direct })
        })
    });
    let list = move |rooms: &Vec<Room>| {
        let entry = |one: &Room| {
            let (name, here) = (one.name.clone(), one.name.clone());
            view! {
                <li>
                    <a class="entry" href=format!("/world/rooms/{name}") aria-current=move || (chosen.get() == here).then_some("page")>
                        <span class="entry-words"><b>{called(one, live)}</b>
                            <small class="soft">{format::counted(one.messages, "message", "messages")}</small></span>
                        {one.newest.map(time::ago)}
                    </a>
                </li>
            }
        };
        let (direct, open): (Vec<_>, Vec<_>) =
            rooms.iter().partition(|room| !room.members.is_empty());
        let between = (!direct.is_empty()).then(|| {
            view! {
                <h2 class="folder-name">"Between two residents"</h2>
                <ul class="entries">{direct.into_iter().map(entry).collect_view()}</ul>
            }
        });
        view! { <ul class="entries">{open.into_iter().map(entry).collect_view()}</ul>{between} }
            .into_any()
    };
    view! {
        <div class="page">
            <header class="page-head"><h1>"World"</h1></header>
            {world_tabs("Rooms")}
            <div class="split rooms">
                <nav class="split-list" aria-label="Rooms">{shown(known, list)}</nav>
                <div class="split-detail">{move || said(chosen.get(), about)}</div>
            </div>
        </div>
    }
    .into_any()
}

/// What a room is called: one of two residents by their names as they are now.
fn called(room: &Room, live: Live) -> impl Fn() -> String + Send + use<> {
    let (title, members) = (room.title.clone(), room.members.clone());
    move || match members.as_slice() {
        [one, other] => format!("{} and {}", live.name(one), live.name(other)),
        _ => title.clone(),
    }
}

/// What a page must know of a room beside its name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct About {
    title: Option<String>,
    closed: bool,
    direct: bool,
}

fn said(room: String, about: Memo<Option<About>>) -> AnyView {
    let live = live();
    let messages = read({
        let room = room.clone();
        move || {
            live.on(&[On::Society]);
            let room = room.clone();
            async move { api::rooms::messages(&room, String::new()).await }
        }
    });
    let body = |page: &Page<Message>| {
        if page.rows.is_empty() {
            return nothing("Nobody has said anything here yet.");
        }
        let more = (!page.next.is_empty())
            .then(|| view! { <p class="soft small">"Older messages are in the record."</p> });
        let lines: Vec<_> = page.rows.iter().map(message).collect();
        view! { <ol class="messages">{lines}</ol>{more} }.into_any()
    };
    let named = format::capital(&format::words(&room));
    let heading = move || {
        let title = about.with(|about| about.as_ref().and_then(|about| about.title.clone()));
        title.unwrap_or_else(|| named.clone())
    };
    let closed = Memo::new(move |_| about.with(|about| about.as_ref().is_some_and(|it| it.closed)));
    let direct = Memo::new(move |_| about.with(|about| about.as_ref().is_some_and(|it| it.direct)));
    let form = move || match (closed.get(), direct.get()) {
        (false, _) => post(room.clone()),
        (true, true) => {
            nothing("What two residents wrote to each other. Only they and you read it.")
        }
        (true, false) => nothing("This room is closed: it can be read."),
    };
    view! {
        <h2>{heading}</h2>
        {form}
        {shown(messages, body)}
    }
    .into_any()
}

fn message(message: &Message) -> AnyView {
    let mood = (!message.mood.is_empty()).then(|| badge::tag(message.mood.clone()));
    let unproven = message.unproven.then(|| {
        view! { <span class="tag" title="It came from another world, and nothing proves who wrote it">"sender not proven"</span> }
    });
    let about = (!message.task.is_empty())
        .then(|| view! { <span class="soft">"about "{task_link(&message.task)}</span> });
    let text = match &message.hidden {
        Some(why) => view! { <p class="nothing">"Hidden: "{why.clone()}</p> }.into_any(),
        None => view! { <p class="letter-text">{message.text.clone()}</p> }.into_any(),
    };
    view! {
        <li class="message">
            {mark::mark(&message.author)}
            <div>
                <p class="letter-head">{mark::name(&message.author)}{unproven}{mood}{about}{time::ago(message.time)}</p>
                {text}
                {hide(message)}
            </div>
        </li>
    }
    .into_any()
}

fn hide(message: &Message) -> AnyView {
    if message.hidden.is_some() {
        return ().into_any();
    }
    let (act, id) = (Act::new(), message.id.clone());
    let press = move |_| {
        let id = id.clone();
        act.ask(
            "hide",
            move |key| api::rooms::hide(key, id, "hidden in the panel".to_owned()),
            |live| live.say("Hidden"),
        );
    };
    view! {
        <button type="button" class="text-button message-hide" disabled=move || act.is_pending() on:click=press>"Hide"</button>
        {refusal(act.problem, &[])}
    }
    .into_any()
}

fn post(room: String) -> AnyView {
    let (act, text) = (Act::new(), RwSignal::new(String::new()));
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let (words, room) = (text.get_untracked().trim().to_owned(), room.clone());
        let content = format!("{room} {words}");
        act.ask(
            &content,
            move |id| api::rooms::post(id, room, words),
            move |live| {
                text.set(String::new());
                live.say("Posted");
            },
        );
    };
    let field = Field {
        label: "Say something",
        shape: Shape::Area(2),
        most: MESSAGE_MAX,
        hint: "Residents read it in their next cycle",
        ..LINE
    };
    view! {
        <form class="form post" on:submit=submit>
            {field.show(text, move || act.field("text"))}
            {refusal(act.problem, &["text"])}
            <div class="form-foot">
                <button type="submit" class="button button-primary" disabled=move || act.busy.get()>"Post as human"</button>
            </div>
        </form>
    }
    .into_any()
}
