//! The shell: who is signed in, the frame around every page, and one route a page.

mod banner;
mod help;
mod rail;
mod shortcuts;
mod signin;

use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_router::components::{FlatRoutes, Route, Router};
use leptos_router::path;

use crate::api;
use crate::live::{Live, Session, Shared, clock, stream};
use crate::pages;
use crate::parts::toast;
use crate::state::problem::Problem;

/// The whole panel.
pub(crate) fn app() -> AnyView {
    let live = Live::new();
    provide_context(live);
    clock::start(live);
    api::session::when_lost(move || live.session.set(Session::Out(None)));
    spawn_local(async move {
        let found = match api::session::token_of_link() {
            Some(token) => api::session::sign_in(&token).await,
            None => api::session::who().await,
        };
        live.session.set(match found {
            Ok(operator) => Session::In(operator),
            Err(problem) => Session::Out(Some(problem)),
        });
    });
    let signed_in = Memo::new(move |_| match live.session.get() {
        Session::Asking => Stage::Asking,
        Session::In(_) => Stage::In,
        Session::Out(_) => Stage::Out,
    });
    view! {
        {move || match signed_in.get() {
            Stage::Asking => opening(),
            Stage::In => shell(live),
            Stage::Out => signin::page(),
        }}
    }
    .into_any()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Asking,
    In,
    Out,
}

fn opening() -> AnyView {
    view! { <div class="boot" role="status"><p>"Vivarium is opening…"</p></div> }.into_any()
}

fn shell(live: Live) -> AnyView {
    let shared = Shared::new(live);
    provide_context(shared);
    stream::start(live);
    let help = RwSignal::new(false);
    view! {
        <Router>
            <a class="skip" href="#main">"Skip to the page"</a>
            {shortcuts::listen(help)}
            <div class="shell" class:stale=move || live.link.with(crate::state::link::Link::is_stale)>
                {rail::rail(shared, help)}
                <div class="column">
                    {banner::banner(shared)}
                    <main id="main" tabindex="-1">{routes()}</main>
                </div>
            </div>
            {toast::toasts()}
            {help::help(help)}
        </Router>
    }
    .into_any()
}

fn routes() -> AnyView {
    view! {
        <FlatRoutes fallback=pages::lost>
            <Route path=path!("/") view=pages::now::page/>
            <Route path=path!("/tasks") view=pages::tasks::page/>
            <Route path=path!("/tasks/recurring") view=pages::recurring::page/>
            <Route path=path!("/tasks/:id") view=pages::task::page/>
            <Route path=path!("/inbox/:what?/:id?") view=pages::inbox::page/>
            <Route path=path!("/world") view=pages::world::page/>
            <Route path=path!("/world/residents/:id") view=pages::resident::page/>
            <Route path=path!("/world/rooms/:room?") view=pages::room::page/>
            <Route path=path!("/world/library") view=pages::library::page/>
            <Route path=path!("/world/library/*path") view=pages::document::page/>
            <Route path=path!("/world/tokens") view=pages::tokens::page/>
            <Route path=path!("/world/bounties") view=pages::bounties::page/>
            <Route path=path!("/world/history") view=pages::history::page/>
            <Route path=path!("/spend") view=pages::spend::page/>
            <Route path=path!("/safety") view=pages::safety::page/>
            <Route path=path!("/settings") view=pages::settings::page/>
        </FlatRoutes>
    }
    .into_any()
}

/// Signs out and says so.
pub(crate) fn sign_out(live: Live) {
    spawn_local(async move {
        match api::session::sign_out().await {
            Ok(()) => live.session.set(Session::Out(None)),
            Err(problem) => live.say(Problem::spoken(&problem)),
        }
    });
}
