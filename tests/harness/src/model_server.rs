//! A scripted model server: speaks the chat completions interface, answers from a script, fails in
//! every way a real one does, and remembers what it was asked. Test code only; nothing in the product
//! fakes a model.
//!
//! ```no_run
//! # async fn example() {
//! use vivarium_harness::model_server::{ModelServer, Reply, Script};
//! let script = Script::default().on("tides", Reply::text("The moon pulls.")).otherwise(Reply::text("?"));
//! let server = ModelServer::start(script).await;
//! let base_url = server.base_url();
//! # }
//! ```

mod answer;
mod script;

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use vivarium_chassis::clock;
use vivarium_chassis::task::Tasks;

pub use script::{Allowance, Fault, Reply, Rule, Script};

/// Bytes of English that make a model token, about: fewer tokens than any careful client counts.
const BYTES_A_TOKEN: usize = 4;
/// The window that a model could have, as a server with a silent one tells it.
const BOASTED_TOKENS: u32 = 131_072;

/// How long [`ModelServer::wait_until`] waits before it gives up on a test.
const PATIENCE: Duration = Duration::from_secs(20);

/// One request, as the server saw it.
#[derive(Debug, Clone, Serialize)]
pub struct Asked {
    /// Counts from 1.
    pub number: usize,
    /// The model that was asked for.
    pub model: String,
    /// Role and text of each message.
    pub messages: Vec<(String, String)>,
    /// The whole request.
    pub body: Value,
    /// The header `authorization`.
    pub authorization: String,
    /// The header `traceparent`.
    pub traceparent: String,
    /// Since the server's start.
    pub at: Duration,
    /// How it stands.
    pub state: Call,
    /// Whether it was refused because too few model tokens were left.
    pub limited: bool,
    /// Whether its beginning was lost because it does not fit the silent window.
    pub cut: bool,
}

/// How a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// It is being answered.
    Live,
    /// It was answered as the script has it.
    Answered,
    /// The client went away before.
    Left,
}

impl Asked {
    /// All texts of the request, one below the other.
    pub fn prompt(&self) -> String {
        let texts: Vec<_> = self.messages.iter().map(|(_, text)| text.as_str()).collect();
        texts.join("\n")
    }
}

/// A running server; it stops when dropped.
#[derive(Debug)]
pub struct ModelServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    tasks: Tasks,
    stop: CancellationToken,
}

/// What the handlers share.
#[derive(Debug)]
pub(crate) struct Shared {
    began: Instant,
    /// Written by `set_script`.
    script: Mutex<Arc<Script>>,
    /// Written by each request when it comes and when it ends.
    asked: Mutex<Vec<Asked>>,
    /// Written behind `asked`.
    changed: watch::Sender<()>,
}

impl ModelServer {
    /// Starts a server on a free port of this machine.
    pub async fn start(script: Script) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port is free");
        Self::on(listener, script)
    }

    /// Starts a server on a listener.
    pub fn on(listener: TcpListener, script: Script) -> Self {
        let address = listener.local_addr().expect("a bound listener has an address");
        let shared = Arc::new(Shared {
            began: clock::instant(),
            script: Mutex::new(Arc::new(script)),
            asked: Mutex::default(),
            changed: watch::channel(()).0,
        });
        let stop = CancellationToken::new();
        let tasks = Tasks::new(stop.clone());
        let (routes, stopped) = (routes(Arc::clone(&shared)), stop.clone());
        tasks.spawn("scripted model server", async move {
            let serving = axum::serve(listener, routes);
            // Connections die with the test's runtime; streams in progress are cut by `stop`.
            tokio::select! {
                served = serving => served.expect("a bound listener accepts"),
                () = stopped.cancelled() => {}
            }
        });
        Self { address, shared, tasks, stop }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address to set as a provider's, up to and with `/v1`.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Answers from another script from now on.
    pub fn set_script(&self, script: Script) {
        *lock(&self.shared.script) = Arc::new(script);
    }

    /// How long it has been running: the measure of [`Asked::at`].
    pub fn elapsed(&self) -> Duration {
        self.shared.began.elapsed()
    }

    /// Every request so far.
    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.shared.asked).clone()
    }

    /// Requests that are being answered: whose client has not left and whose answer has not ended.
    pub fn live(&self) -> usize {
        self.shared.live()
    }

    /// Waits until the requests are as `wanted`.
    ///
    /// # Panics
    /// If they are not so within 20 seconds.
    pub async fn wait_until(&self, wanted: impl Fn(&[Asked]) -> bool) {
        let mut changes = self.shared.changed.subscribe();
        let waiting = async {
            loop {
                changes.mark_unchanged();
                if wanted(&self.asked()) {
                    return;
                }
                changes.changed().await.expect("this server holds the sender");
            }
        };
        let asked = tokio::time::timeout(PATIENCE, waiting).await;
        assert!(asked.is_ok(), "the server was asked something else: {:#?}", self.asked());
    }

    /// Stops listening; streams in progress break.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.finish(PATIENCE).await;
    }
}

impl Drop for ModelServer {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Shared {
    fn live(&self) -> usize {
        lock(&self.asked).iter().filter(|asked| asked.state == Call::Live).count()
    }

    pub(crate) fn ended(&self, number: usize, state: Call) {
        if let Some(asked) = lock(&self.asked).get_mut(number - 1) {
            asked.state = state;
        }
        self.changed.send_replace(());
    }

    /// Loses the beginning of a prompt that is too long for the silent window, and tells nobody.
    fn lose(&self, asked: &Asked, window_tokens: u32) {
        let bytes: usize = asked.messages.iter().map(|(_, text)| text.len()).sum();
        let completion = asked.body["max_tokens"].as_u64().unwrap_or(0);
        let tokens = u64::try_from(bytes / BYTES_A_TOKEN).unwrap_or(u64::MAX) + completion;
        if tokens > u64::from(window_tokens)
            && let Some(asked) = lock(&self.asked).get_mut(asked.number - 1)
        {
            asked.cut = true;
        }
    }

    fn limit(&self, number: usize) {
        if let Some(asked) = lock(&self.asked).get_mut(number - 1) {
            asked.limited = true;
        }
    }

    fn note(&self, headers: &HeaderMap, body: Value) -> Asked {
        let header = |name: &str| {
            let value = headers.get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let messages = body["messages"].as_array().into_iter().flatten();
        let messages = messages.map(|each| (word(&each["role"]), word(&each["content"]))).collect();
        let mut all = lock(&self.asked);
        let asked = Asked {
            number: all.len() + 1,
            model: word(&body["model"]),
            messages,
            authorization: header("authorization"),
            traceparent: header("traceparent"),
            at: self.began.elapsed(),
            state: Call::Live,
            limited: false,
            cut: false,
            body,
        };
        all.push(asked.clone());
        drop(all);
        self.changed.send_replace(());
        asked
    }

    fn script(&self) -> Arc<Script> {
        Arc::clone(&lock(&self.script))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn routes(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/v1/chat/completions", post(chat))
        .route("/v1/models", get(models))
        .route("/health", get(|| async { Json(json!({"status": "ok"})) }))
        .route("/props", get(props))
        .route("/api/tags", get(tags))
        .route("/api/show", post(show))
        .route("/scripted/asked", get(asked))
        .route("/scripted/script", put(replace))
        .with_state(shared)
}

async fn chat(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let asked = shared.note(&headers, body);
    let script = shared.script();
    if let Some(window_tokens) = script.silent_window_tokens {
        shared.lose(&asked, window_tokens);
    }
    if let Some(key) = &script.key
        && asked.authorization != format!("Bearer {key}")
    {
        shared.ended(asked.number, Call::Answered);
        let error =
            json!({"error": {"message": "Invalid API Key", "type": "authentication_error"}});
        return (StatusCode::UNAUTHORIZED, Json(error)).into_response();
    }
    let Some(counted) = script.count(&asked) else {
        return answer::response(&asked, &script.reply(&asked), shared).await;
    };
    let mut response = if counted.fits {
        answer::response(&asked, &script.reply(&asked), shared).await
    } else {
        shared.limit(asked.number);
        let limited =
            Reply { retry_after: "1".to_owned(), ..Reply::status(429, "too many tokens") };
        answer::response(&asked, &limited, shared).await
    };
    if script.allowance.is_some_and(|allowance| allowance.told) {
        for (name, value) in [
            ("x-ratelimit-limit-tokens", counted.limit.to_string()),
            ("x-ratelimit-remaining-tokens", format!("{:.0}", counted.left.floor())),
            ("x-ratelimit-reset-tokens", format!("{:.3}s", counted.full_in)),
        ] {
            let value = value.parse().expect("digits are a header's value");
            response.headers_mut().insert(name, value);
        }
    }
    response
}

async fn models(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let script = shared.script();
    let window = script.window_tokens;
    let silent = script.silent_window_tokens.is_some();
    let entry = |name: &String| {
        let mut entry = json!({"id": name, "object": "model"});
        if !silent {
            entry["meta"] = json!({"n_ctx": window});
        }
        entry
    };
    let data: Vec<_> = script.models.iter().map(entry).collect();
    Json(json!({"object": "list", "data": data}))
}

async fn props(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let window = shared.script().window_tokens;
    Json(json!({"default_generation_settings": {"n_ctx": window}, "total_slots": 1}))
}

async fn tags(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let script = shared.script();
    let names: Vec<_> = script.models.iter().map(|name| json!({"name": name})).collect();
    Json(json!({"models": names}))
}

async fn show(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let script = shared.script();
    let (parameters, window) = match script.silent_window_tokens {
        Some(_) => ("stop \"<|end|>\"".to_owned(), BOASTED_TOKENS),
        None => (format!("num_ctx {}", script.window_tokens), script.window_tokens),
    };
    Json(json!({"parameters": parameters, "model_info": {"x.context_length": window}}))
}

/// What this server was asked, for tests in another process.
async fn asked(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let asked = lock(&shared.asked).clone();
    let models: BTreeSet<_> = asked.iter().map(|asked| asked.model.clone()).collect();
    Json(json!({"live": shared.live(), "models": models, "asked": asked}))
}

/// Takes a new script, for tests in another process.
async fn replace(State(shared): State<Arc<Shared>>, body: String) -> Response {
    match Script::parse(&body) {
        Ok(script) => {
            *lock(&shared.script) = Arc::new(script);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, error).into_response(),
    }
}
