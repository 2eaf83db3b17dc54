//! Signing in and out: a one-time link becomes a cookie that no script can read, and a word that goes
//! with every call.

use std::cell::RefCell;

use leptos::prelude::window;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Request, RequestInit, Response};

use super::{Answer, problem};
use crate::state::problem::{Kind, Problem};

/// Where the word survives a reload of this tab.
const STORE: &str = "vivarium.word";

thread_local! {
    static WORD: RefCell<String> = const { RefCell::new(String::new()) };
    static LOST: RefCell<Option<Box<dyn Fn()>>> = const { RefCell::new(None) };
}

/// The word that goes with every call. Empty: nobody is signed in.
pub(super) fn word() -> String {
    WORD.with_borrow(Clone::clone)
}

/// A call was refused because nobody is signed in.
pub(super) fn lost() {
    LOST.with_borrow(|tell| {
        if let Some(tell) = tell {
            tell();
        }
    });
}

/// Calls `tell` whenever a call is refused because nobody is signed in.
pub(crate) fn when_lost(tell: impl Fn() + 'static) {
    LOST.set(Some(Box::new(tell)));
}

/// The token of a sign-in link, taken out of the address so that it stays in no history.
pub(crate) fn token_of_link() -> Option<String> {
    let fragment = window().location().hash().ok()?;
    let token =
        ["#t=", "#token=", "#/token="].iter().find_map(|mark| fragment.strip_prefix(mark))?;
    let path = window().location().pathname().ok()?;
    let history = window().history().ok()?;
    let cleared = history.replace_state_with_url(&wasm_bindgen::JsValue::NULL, "", Some(&path));
    drop(cleared);
    Some(token.to_owned())
}

/// Spends a sign-in link. Answers the operator's name.
pub(crate) async fn sign_in(token: &str) -> Answer<String> {
    let quoted: String = token.chars().filter(char::is_ascii_alphanumeric).collect();
    ask("POST", Some(&format!("{{\"token\":\"{quoted}\"}}"))).await
}

/// Who is signed in already.
pub(crate) async fn who() -> Answer<String> {
    ask("GET", None).await
}

/// Ends the session.
pub(crate) async fn sign_out() -> Answer<()> {
    send("DELETE", None).await?;
    keep("");
    Ok(())
}

async fn ask(method: &str, body: Option<&str>) -> Answer<String> {
    let text = send(method, body).await?;
    let value: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let field = |name: &str| value.get(name).and_then(serde_json::Value::as_str);
    keep(field("csrf").unwrap_or_default());
    Ok(field("operator").unwrap_or_default().to_owned())
}

fn keep(word: &str) {
    WORD.set(word.to_owned());
    if let Ok(Some(store)) = window().session_storage() {
        drop(store.set_item(STORE, word));
    }
}

async fn send(method: &str, body: Option<&str>) -> Answer<String> {
    let init = RequestInit::new();
    init.set_method(method);
    if let Some(body) = body {
        init.set_body(&body.into());
    }
    fetch(&init).await.map_err(|()| problem::unreachable())?
}

/// Err: no answer came. Ok(Err): the answer is a refusal.
async fn fetch(init: &RequestInit) -> Result<Answer<String>, ()> {
    let request = Request::new_with_str_and_init("/session", init).map_err(drop)?;
    let word = WORD.with_borrow(Clone::clone);
    request.headers().set("x-vivarium-csrf", &word).map_err(drop)?;
    let promise = window().fetch_with_request(&request);
    let response: Response = JsFuture::from(promise).await.map_err(drop)?.unchecked_into();
    let text = JsFuture::from(response.text().map_err(drop)?).await.map_err(drop)?;
    let text = text.as_string().unwrap_or_default();
    Ok(if response.ok() { Ok(text) } else { Err(refusal(&text, response.status())) })
}

fn refusal(text: &str, status: u16) -> Problem {
    let value: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
    let word = value.get("reason").and_then(serde_json::Value::as_str).unwrap_or_default();
    let told = problem::from_word(word);
    if told.reason == word { told } else { Problem { kind: kind(status), ..told } }
}

const fn kind(status: u16) -> Kind {
    match status {
        401 => Kind::SignedOut,
        400..500 => Kind::Refused,
        _ => Kind::Passing,
    }
}
