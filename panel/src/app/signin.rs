//! What somebody sees who is not signed in: how to get in, in one command.

use leptos::prelude::*;

use crate::live::{Session, live};
use crate::parts::icon::icon;
use crate::state::problem::Kind;

/// The page.
pub(super) fn page() -> AnyView {
    let live = live();
    document().set_title("Sign in · Vivarium");
    let trouble = move || {
        match live.session.get() {
        Session::Out(Some(problem)) if problem.reason == "AUTH_LINK_SPENT" => Some(
            "That link was used before, or is older than ten minutes. Each link opens the panel once."
                .to_owned(),
        ),
        Session::Out(Some(problem)) if problem.kind != Kind::SignedOut => Some(problem.spoken()),
        Session::Out(_) | Session::In(_) | Session::Asking => None,
    }
    };
    let again = move |_| {
        // Reloading the page of a browser cannot fail in a way that a person could mend here.
        drop(window().location().reload());
    };
    view! {
        <main class="signin" id="main">
            <div class="signin-card">
                <div class="signin-logo">{icon("logo")}</div>
                <h1>"Welcome to Vivarium"</h1>
                <p class="lead">"This panel opens with a link that only you can make."</p>
                {move || trouble().map(|text| view! {
                    <div class="notice notice-passing" role="alert">{icon("alert")}<p class="notice-line">{text}</p></div>
                })}
                <ol class="steps">
                    <li>
                        "In a terminal on this machine, ask for a link:"
                        <pre class="command"><code>"vivarium status --link"</code></pre>
                    </li>
                    <li>"Open the link in this browser. It works once, within ten minutes."</li>
                </ol>
                <p class="soft small">"You stay signed in here for a week. Nobody else can reach this page: it listens on this machine only."</p>
                <button type="button" class="button" on:click=again>"I am signed in, look again"</button>
            </div>
        </main>
    }
    .into_any()
}
