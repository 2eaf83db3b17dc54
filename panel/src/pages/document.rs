//! One published document, with who wrote it, how it was accepted and what it cost.

use leptos::prelude::*;

use super::{part_of_address, title};
use crate::api;
use crate::format;
use crate::live::reading::read;
use crate::live::{On, live};
use crate::parts::badge::{self, badge, code};
use crate::parts::mark;
use crate::parts::markdown::markdown;
use crate::parts::sentence::task_link;
use crate::parts::shown::shown;
use crate::parts::time;
use crate::state::library::{Document, Whole};

/// The page.
pub(crate) fn page() -> AnyView {
    title("Document");
    let path = part_of_address("path");
    (move || of(path.get())).into_any()
}

fn of(path: String) -> AnyView {
    let live = live();
    let whole = read(move || {
        live.on(&[On::Society]);
        let path = path.clone();
        async move { api::library::get(&path).await }
    });
    Effect::new(move |_| {
        whole.value.with(|whole| {
            if let Some(whole) = whole {
                title(&whole.document.title);
            }
        });
    });
    view! { <div class="page">{shown(whole, show)}</div> }.into_any()
}

fn show(whole: &Whole) -> AnyView {
    let document = &whole.document;
    view! {
        <p class="crumbs"><a href="/world/library">"Library"</a></p>
        <div class="task-grid">
            <article class="paper paper-whole">{markdown(&whole.markdown, &document.path)}</article>
            <aside class="task-side">{front(document)}{versions(&whole.versions, &document.id)}</aside>
        </div>
    }
    .into_any()
}

fn front(document: &Document) -> AnyView {
    let (words, tone) = document.verdict;
    let standing = document.standing.map(|(words, tone)| badge(words, tone));
    let note = (!document.note.is_empty())
        .then(|| view! { <p class="soft small">{format::capital(&document.note)}"."</p> });
    let tags: Vec<_> = document.tags.iter().map(badge::tag).collect();
    let model = (!document.model.is_empty()).then(|| {
        view! { <dt>"Drafted by"</dt><dd>{badge::model(&document.model, document.embedded)}</dd> }
    });
    view! {
        <section class="card" aria-label="About this document">
            <h2>{document.title.clone()}</h2>
            <p class="facts">{mark::mark(&document.author)}{mark::name(&document.author)}{standing}</p>
            <dl class="facts-list">
                <dt>"Review"</dt><dd>{badge(words, tone)}" by "{document.decider}{note}</dd>
                <dt>"Cost"</dt><dd class="num">{format::dollars(document.cost)}</dd>
                {model}
                <dt>"Published"</dt><dd>"Day "{document.day}", "{time::ago(document.published)}</dd>
                <dt>"Task"</dt><dd>{task_link(&document.task)}</dd>
                <dt>"Version"</dt><dd class="num">{document.version}</dd>
                {(!tags.is_empty()).then(|| view! { <dt>"Tags"</dt><dd>{tags}</dd> })}
                <dt>"Path"</dt><dd>{code(document.path.clone())}</dd>
            </dl>
        </section>
    }
    .into_any()
}

fn versions(versions: &[Document], here: &str) -> AnyView {
    if versions.len() < 2 {
        return ().into_any();
    }
    let line = |version: &Document| {
        let current = (version.id == here).then_some("true");
        view! {
            <li><a href=format!("/world/library/{}", version.id) aria-current=current>"Version "{version.version}</a>" "{time::ago(version.published)}</li>
        }
    };
    view! {
        <section class="card" aria-label="Versions"><h2>"Versions"</h2>
            <ul class="plain">{versions.iter().map(line).collect_view()}</ul></section>
    }
    .into_any()
}
