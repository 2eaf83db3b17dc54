//! The letters of one resident, and the answer.

use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::api;
use crate::live::acting::Act;
use crate::live::reading::read;
use crate::live::{On, live};
use crate::parts::badge::badge;
use crate::parts::empty::nothing;
use crate::parts::field::{Field, LINE, Shape};
use crate::parts::mark;
use crate::parts::notice::refusal;
use crate::parts::sentence::task_link;
use crate::parts::shown::shown;
use crate::parts::time;
use crate::state::mail::{Letter, to_answer};
use crate::state::tone::Tone;

/// Characters of a letter.
const LETTER_MAX: usize = 4_000;

/// A thread with the form for an answer.
pub(super) fn thread(resident: &str) -> AnyView {
    let (live, id) = (live(), resident.to_owned());
    let letters = read({
        let id = id.clone();
        move || {
            live.on(&[On::Society]);
            let id = id.clone();
            async move { api::mail::letters(&id).await }
        }
    });
    // What is shown has been read.
    Effect::new(move |_| {
        let unread: Vec<_> = letters.value.with(|letters| {
            let letters = letters.iter().flatten();
            let unread = letters.filter(|letter| !letter.mine && letter.opened.is_none());
            unread.map(|letter| letter.id.clone()).collect()
        });
        for letter in unread {
            spawn_local(async move {
                // A letter that stays marked as unread is asked about again with the next news.
                drop(api::mail::mark_read(api::request_id(), letter).await);
            });
        }
    });
    let show = {
        let id = id.clone();
        move |letters: &Vec<Letter>| {
            let lines: Vec<_> = letters.iter().rev().map(|letter| one(letter, &id)).collect();
            if lines.is_empty() {
                nothing("No letters yet.")
            } else {
                view! { <ol class="letters">{lines}</ol> }.into_any()
            }
        }
    };
    let answering = move || {
        letters.value.with(|letters| {
            to_answer(letters.as_deref().unwrap_or_default()).map(|letter| letter.id.clone())
        })
    };
    view! {
        <header class="thread-head">{mark::mark(&id)}<h2>{mark::name(&id)}</h2></header>
        {shown(letters, show)}
        {form(id, answering)}
    }
    .into_any()
}

fn one(letter: &Letter, resident: &str) -> AnyView {
    let class = if letter.mine { "letter letter-mine" } else { "letter" };
    let author = if letter.mine { "human" } else { resident };
    let waits = (letter.waits && letter.answered.is_none())
        .then(|| badge("a task waits for the answer", Tone::You));
    let about = (!letter.task.is_empty())
        .then(|| view! { <span class="soft">"about "{task_link(&letter.task)}</span> });
    let text = if letter.text.is_empty() {
        "This letter was erased.".to_owned()
    } else {
        letter.text.clone()
    };
    view! {
        <li class=class>
            <p class="letter-head">{mark::name(author)}<span class="soft">{letter.kind}</span>{about}{waits}{time::ago(letter.sent)}</p>
            <p class="letter-text">{text}</p>
        </li>
    }
    .into_any()
}

/// Writes to a resident: an answer where something is to be answered, else a letter of its own.
pub(crate) fn form(
    resident: String,
    answering: impl Fn() -> Option<String> + Copy + Send + Sync + 'static,
) -> AnyView {
    let (act, text) = (Act::new(), RwSignal::new(String::new()));
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let (words, resident) = (text.get_untracked().trim().to_owned(), resident.clone());
        let content = format!("{resident} {words}");
        let then = move |live: crate::live::Live| {
            text.set(String::new());
            live.say("Sent: it is read in the resident's next cycle");
        };
        match answering() {
            Some(letter) => act.ask(&content, move |id| api::mail::reply(id, letter, words), then),
            None => act.ask(&content, move |id| api::mail::send(id, resident, words), then),
        }
    };
    let field = Field {
        label: "Write",
        shape: Shape::Area(3),
        most: LETTER_MAX,
        hint: "Sealed: only the resident and you read it",
        ..LINE
    };
    view! {
        <form class="form" on:submit=submit>
            {field.show(text, move || act.field("text"))}
            {refusal(act.problem, &["text"])}
            <div class="form-foot">
                <button type="submit" class="button button-primary" disabled=move || act.busy.get()>
                    {move || if answering().is_some() { "Send the answer" } else { "Send the letter" }}
                </button>
            </div>
        </form>
    }
    .into_any()
}
