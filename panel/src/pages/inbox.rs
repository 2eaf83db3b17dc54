//! What waits for a person: work to decide about, letters to answer.

pub(crate) mod letters;

use leptos::prelude::*;

use super::{decision, part_of_address, title};
use crate::api;
use crate::format;
use crate::live::reading::read;
use crate::live::{On, live, shared};
use crate::parts::empty::empty;
use crate::parts::icon::icon;
use crate::parts::mark;
use crate::parts::shown::shown;
use crate::parts::time;
use crate::state::mail::Thread;
use crate::state::submission::Submission;

/// The page.
pub(crate) fn page() -> AnyView {
    title("Inbox");
    let shared = shared();
    let (what, id) = (part_of_address("what"), part_of_address("id"));
    let detail = move || match (what.get().as_str(), id.get()) {
        (_, id) if id.is_empty() => choose(),
        ("letters", id) => letters::thread(&id),
        (_, id) => work(&id),
    };
    let here = move || id.get();
    view! {
        <div class="page inbox" class:inbox-open=move || !id.get().is_empty()>
            <header class="page-head"><h1>"Inbox"</h1></header>
            <div class="split">
                <nav class="split-list" aria-label="What waits">
                    <h2>"Work"</h2>
                    {shown(shared.pending, move |(rows, count)| waiting(rows, *count, here))}
                    <h2>"Letters"</h2>
                    {shown(shared.threads, move |threads| mailbox(threads, here))}
                </nav>
                <div class="split-detail">
                    <a class="back" href="/inbox">{icon("back")}"All that waits"</a>
                    {detail}
                </div>
            </div>
        </div>
    }
    .into_any()
}

fn choose() -> AnyView {
    let text = "Choose what to decide on the left. Approve it, or say what has to be better.";
    empty("inbox", "Nothing is open", text, ())
}

fn waiting(
    rows: &[Submission],
    count: u64,
    here: impl Fn() -> String + Copy + Send + Sync + 'static,
) -> AnyView {
    if rows.is_empty() {
        return view! { <p class="nothing">"No work waits for you."</p> }.into_any();
    }
    let line = |submission: &Submission| {
        let (id, address) = (submission.id.clone(), format!("/inbox/work/{}", submission.id));
        view! {
            <li>
                <a class="entry" href=address aria-current=move || (here() == id).then_some("true")>
                    {mark::mark(&submission.resident)}
                    <span class="entry-words">
                        <b>{submission.title.clone()}</b>
                        <small class="soft">"Attempt "{submission.attempt}" · "{time::ago(submission.opened)}</small>
                    </span>
                </a>
            </li>
        }
    };
    let lines: Vec<_> = rows.iter().map(line).collect();
    let rest = count.saturating_sub(rows.len() as u64);
    let rest = (rest > 0).then(
        || view! { <p class="soft small">{format::count(rest)}" more stand behind these."</p> },
    );
    view! { <ul class="entries">{lines}</ul>{rest} }.into_any()
}

fn mailbox(
    threads: &[Thread],
    here: impl Fn() -> String + Copy + Send + Sync + 'static,
) -> AnyView {
    if threads.is_empty() {
        return view! { <p class="nothing">"No letters. Write to a resident from its page."</p> }
            .into_any();
    }
    let line = |thread: &Thread| {
        let (id, address) =
            (thread.resident.clone(), format!("/inbox/letters/{}", thread.resident));
        let resident = thread.resident.clone();
        let live = live();
        let count = thread.unread.max(thread.waiting);
        view! {
            <li>
                <a class="entry" href=address aria-current=move || (here() == id).then_some("true")>
                    {mark::mark(&thread.resident)}
                    <span class="entry-words">
                        <b>{move || live.name(&resident)}</b>
                        <small class="soft">{format::clip(&thread.preview, 80)}</small>
                    </span>
                    {(thread.waiting > 0).then(|| view! { <span class="badge tone-you">"waits"</span> })}
                    {(count > 0).then(|| view! { <span class="count">{count}</span> })}
                </a>
            </li>
        }
    };
    let lines: Vec<_> = threads.iter().map(line).collect();
    view! { <ul class="entries">{lines}</ul> }.into_any()
}

fn work(id: &str) -> AnyView {
    let (live, id) = (live(), id.to_owned());
    let submission = read(move || {
        live.on(&[On::Review]);
        let id = id.clone();
        async move { api::review::get(&id).await }
    });
    decision::whole(submission)
}
