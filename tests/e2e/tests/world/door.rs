//! The panel's door: who comes in, from where, and how often.

use std::time::Duration;

use reqwest::header::{COOKIE, HOST, ORIGIN, SET_COOKIE};
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use vivarium_harness::process::World;

struct Browser {
    client: Client,
    base: String,
}

impl Browser {
    fn of(world: &World) -> Self {
        // A second call finds the provider installed; both are well.
        drop(rustls::crypto::ring::default_provider().install_default());
        // Connections are not kept: one that a restart closes is not what these tests are about.
        let builder = Client::builder().no_proxy().pool_max_idle_per_host(0);
        let builder = builder.redirect(reqwest::redirect::Policy::none());
        let client = builder.timeout(Duration::from_secs(10)).build().expect("a client is built");
        Self { client, base: format!("http://{}", world.panel) }
    }

    async fn sign_in(&self, token: &str) -> Response {
        let request = self.client.post(format!("{}/session", self.base));
        let request = request.header(ORIGIN, &self.base).json(&json!({"token": token}));
        request.send().await.expect("the gateway answers")
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        let mut request = self.client.get(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.expect("the gateway answers")
    }
}

fn token(world: &World) -> String {
    world.link.rsplit("#t=").next().expect("the link holds a token").to_owned()
}

fn cookie(response: &Response) -> String {
    let set = response.headers().get(SET_COOKIE).expect("a cookie is set");
    let text = set.to_str().expect("it is text").to_owned();
    for wanted in ["__Host-vivarium=", "HttpOnly", "Secure", "SameSite=Strict", "Path=/"] {
        assert!(text.contains(wanted), "{wanted} in {text}");
    }
    text.split(';').next().expect("a pair").to_owned()
}

#[tokio::test]
async fn a_link_signs_in_once_and_the_session_outlives_the_gateway() {
    let world = World::start();
    let browser = Browser::of(&world);
    let first = browser.sign_in(&token(&world)).await;
    assert_eq!(first.status(), StatusCode::OK);
    let cookie = cookie(&first);
    let about: Value = first.json().await.expect("it is JSON");
    assert_eq!(about["csrf"].as_str().map(str::len), Some(64));

    let again = browser.sign_in(&token(&world)).await;
    assert_eq!(again.status(), StatusCode::UNAUTHORIZED);
    let problem: Value = again.json().await.expect("it is JSON");
    assert_eq!(problem["reason"], "AUTH_LINK_SPENT");

    world.ask(&["restart", "gateway"]);
    let who = browser.get("/session", &[(COOKIE.as_str(), &cookie)]).await;
    assert_eq!(who.status(), StatusCode::OK);
    let nobody = browser.get("/session", &[]).await;
    assert_eq!(nobody.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_second_link_can_be_asked_for() {
    let world = World::start();
    let link = world.ask(&["status", "--link"]);
    let link = link["link"].as_str().expect("a link").to_owned();
    assert_ne!(link, world.link);
    let token = link.rsplit("#t=").next().expect("a token");
    assert_eq!(Browser::of(&world).sign_in(token).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn only_this_origin_and_this_host_come_in() {
    let world = World::start();
    let browser = Browser::of(&world);
    let foreign = browser.get("/", &[(HOST.as_str(), "panel.example.org")]).await;
    assert_eq!(foreign.status(), StatusCode::MISDIRECTED_REQUEST);
    let port = world.panel.port();
    let alias = browser.get("/", &[(HOST.as_str(), &format!("localhost:{port}"))]).await;
    assert_eq!(alias.status(), StatusCode::TEMPORARY_REDIRECT);
    let loaded = browser.get("/", &[("sec-fetch-site", "cross-site")]).await;
    assert_eq!(loaded.status(), StatusCode::FORBIDDEN);
    let other_port = browser.get("/session", &[("sec-fetch-site", "same-site")]).await;
    assert_eq!(other_port.status(), StatusCode::FORBIDDEN);

    let posted = browser.client.post(format!("{}/session", browser.base));
    let posted = posted.header(ORIGIN, "http://127.0.0.1:1").json(&json!({"token": token(&world)}));
    let posted = posted.send().await.expect("it answers");
    assert_eq!(posted.status(), StatusCode::FORBIDDEN);
    // The link was not spent by the foreign page.
    assert_eq!(browser.sign_in(&token(&world)).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn every_answer_forbids_what_the_page_does_not_need() {
    let world = World::start();
    let page = Browser::of(&world).get("/", &[]).await;
    assert_eq!(page.status(), StatusCode::OK);
    let policy = page.headers()["content-security-policy"].to_str().expect("text").to_owned();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    assert!(!policy.contains("unsafe-inline"), "{policy}");
    assert_eq!(page.headers()["x-content-type-options"], "nosniff");
}

#[tokio::test]
async fn a_call_needs_the_session_and_its_word() {
    let world = World::start();
    let browser = Browser::of(&world);
    let signed_in = browser.sign_in(&token(&world)).await;
    let cookie = cookie(&signed_in);
    let about: Value = signed_in.json().await.expect("it is JSON");
    let csrf = about["csrf"].as_str().expect("a word").to_owned();
    let call = async |cookie: Option<&str>, csrf: Option<&str>| {
        let path = "/rpc/vivarium.gateway.v1.PanelService/GetSession";
        let mut request = browser.client.post(format!("{}{path}", browser.base));
        request = request.header(ORIGIN, &browser.base);
        request = request.header("content-type", "application/grpc-web+proto");
        if let Some(cookie) = cookie {
            request = request.header(COOKIE, cookie);
        }
        if let Some(csrf) = csrf {
            request = request.header("x-vivarium-csrf", csrf);
        }
        // One empty message: its flag and its length.
        let response = request.body(vec![0_u8; 5]).send().await.expect("it answers");
        let status = response.headers().get("grpc-status").cloned();
        let body = response.bytes().await.expect("a body");
        let told = String::from_utf8_lossy(&body).into_owned();
        status.map_or(told, |status| format!("grpc-status:{}", status.to_str().unwrap_or("?")))
    };
    assert!(call(Some(&cookie), Some(&csrf)).await.contains("panel"), "the operator is named");
    let unauthenticated = "grpc-status:16";
    assert_eq!(call(None, Some(&csrf)).await, unauthenticated);
    assert_eq!(call(Some(&cookie), None).await, unauthenticated);
    assert_eq!(call(Some(&cookie), Some(&"0".repeat(64))).await, unauthenticated);
}
