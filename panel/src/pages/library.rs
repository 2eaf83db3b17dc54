//! The Community Library: what was approved.

use std::collections::BTreeMap;

use leptos::prelude::*;

use super::{title, world_tabs};
use crate::api;
use crate::format;
use crate::live::reading::read;
use crate::live::{On, live};
use crate::parts::badge::badge;
use crate::parts::empty::{empty, nothing};
use crate::parts::shown::shown;
use crate::parts::time;
use crate::state::Page;
use crate::state::library::{Document, folder};

/// The page.
pub(crate) fn page() -> AnyView {
    title("Library");
    let live = live();
    let words = RwSignal::new(String::new());
    let documents = read(move || {
        live.on(&[On::Society]);
        let query = words.get().trim().to_owned();
        async move {
            if query.chars().count() < 2 {
                api::library::list("", String::new()).await
            } else {
                api::library::search(&query).await
            }
        }
    });
    let searching = move || words.with(|words| words.trim().chars().count() >= 2);
    let body = move |page: &Page<Document>| match (page.rows.is_empty(), searching()) {
        (true, true) => nothing("No document holds these words."),
        (true, false) => {
            let add =
                view! { <a class="button button-primary" href="/tasks?new=1">"Add a task"</a> };
            empty(
                "document",
                "The Library is empty",
                "What you approve is published here, with its author, its review and its cost.",
                add,
            )
        }
        (false, true) => {
            view! { <ul class="documents">{page.rows.iter().map(line).collect_view()}</ul> }
                .into_any()
        }
        (false, false) => by_folder(&page.rows),
    };
    view! {
        <div class="page">
            <header class="page-head"><h1>"World"</h1></header>
            {world_tabs("Library")}
            <div class="toolbar">
                <input type="search" class="search" data-search="" aria-label="Search the library"
                    placeholder="Search titles and texts"
                    prop:value=move || words.get()
                    on:input=move |event| words.set(event_target_value(&event))/>
            </div>
            {shown(documents, body)}
        </div>
    }
    .into_any()
}

fn by_folder(documents: &[Document]) -> AnyView {
    let mut folders: BTreeMap<&str, Vec<&Document>> = BTreeMap::new();
    for document in documents {
        folders.entry(folder(&document.path)).or_default().push(document);
    }
    let group = |(name, documents): (&str, Vec<&Document>)| {
        view! {
            <section class="folder" aria-label=name.to_owned()>
                <h2 class="folder-name">{shorter(name)}</h2>
                <ul class="documents">{documents.into_iter().map(line).collect_view()}</ul>
            </section>
        }
    };
    folders.into_iter().map(group).collect_view().into_any()
}

/// A folder without the part that all share, ids shortened.
fn shorter(folder: &str) -> String {
    let inside = folder.strip_prefix("community_library/").unwrap_or(folder);
    inside.split('/').map(format::short_id).collect::<Vec<_>>().join(" / ")
}

fn line(document: &Document) -> AnyView {
    let standing = document.standing.map(|(words, tone)| badge(words, tone));
    let excerpt = (!document.excerpt.is_empty())
        .then(|| view! { <p class="soft small">{document.excerpt.clone()}</p> });
    view! {
        <li>
            <a class="document-line" href=format!("/world/library/{}", document.path)>
                <span class="document-words"><b>{document.title.clone()}</b>
                    <small class="soft">{document.author_name.clone()}" · day "{document.day}</small>{excerpt}</span>
                {standing}
                <span class="num soft">{format::dollars(document.cost)}</span>
                {time::ago(document.published)}
            </a>
        </li>
    }
    .into_any()
}
