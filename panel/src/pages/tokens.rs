//! The residents' currency: how much there is, and every movement.

use leptos::prelude::*;

use super::{title, world_tabs};
use crate::api;
use crate::format;
use crate::live::reading::read;
use crate::live::{On, live};
use crate::parts::empty::nothing;
use crate::parts::mark;
use crate::parts::shown::shown;
use crate::parts::time;
use crate::state::Page;
use crate::state::resident::{Posting, Supply, cause_words};

/// Postings that are shown.
const POSTINGS: u32 = 200;

/// The page.
pub(crate) fn page() -> AnyView {
    title("Tokens");
    let live = live();
    let supply = read(move || {
        live.on(&[On::Society]);
        api::residents::supply()
    });
    let postings = read(move || {
        live.on(&[On::Society]);
        async { api::residents::entries("", POSTINGS, String::new()).await }
    });
    view! {
        <div class="page">
            <header class="page-head"><h1>"World"</h1></header>
            {world_tabs("Tokens")}
            {shown(supply, totals)}
            <section class="card" aria-label="Postings"><h2>"Every movement"</h2>{shown(postings, list)}</section>
        </div>
    }
    .into_any()
}

fn totals(supply: &Supply) -> AnyView {
    let one = |words: &'static str, value: i64| view! { <div><dt>{words}</dt><dd class="num">{format::number(value)}</dd></div> };
    view! {
        <dl class="totals">
            {one("in all", supply.supply)}{one("in wallets", supply.wallets)}{one("belong to all", supply.commons)}
            {one("held", supply.escrow)}{one("made today", supply.minted_today)}{one("burnt today", supply.burnt_today)}
        </dl>
    }
    .into_any()
}

fn list(page: &Page<Posting>) -> AnyView {
    if page.rows.is_empty() {
        return nothing("No token has moved yet.");
    }
    let line = |posting: &Posting| {
        let ways: Vec<_> = posting.transfers.iter().map(way).collect();
        view! {
            <li>
                <span class="num posting-amount">{format::number(posting.total())}</span>
                <span>{cause_words(&posting.cause).to_owned()}</span>
                <span class="posting-ways soft">{ways}</span>
                {time::ago(posting.time)}
            </li>
        }
    };
    view! { <ul class="postings">{page.rows.iter().map(line).collect_view()}</ul> }.into_any()
}

fn way((from, to, tokens): &(String, String, i64)) -> AnyView {
    view! { <span class="posting-way">{account(from)}" → "{account(to)}" "<b class="num">{format::number(*tokens)}</b></span> }.into_any()
}

/// An account, with the resident it belongs to.
fn account(account: &str) -> AnyView {
    match account.split_once(':') {
        Some(("free", resident)) => mark::name(resident),
        Some(("escrow", _)) => {
            view! { <a class="name" href="/world/bounties">"held for a bounty"</a> }.into_any()
        }
        Some((kind, resident)) => {
            view! { {mark::name(resident)}" ("{kind.to_owned()}")" }.into_any()
        }
        None => account.to_owned().into_any(),
    }
}
