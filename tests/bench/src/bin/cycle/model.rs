//! The scripted model: answers in a process of its own, whose CPU nobody counts, and at a chosen pace.
//!
//! It remembers nothing, so that it takes as little of the shared cores as can be. A prompt for a
//! critique gets full marks; any other gets a document about its task. What is asked for as a stream
//! comes in pieces, everything else whole.

use std::convert::Infallible;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use vivarium_harness::answers;

/// Characters of a piece of a stream.
const PIECE_CHARS: usize = 64;

/// The running server; it ends with this value.
pub(crate) struct Model {
    child: Child,
    pub(crate) base_url: String,
}

impl Model {
    /// Starts this program again as a server with this latency.
    pub(crate) fn start(latency: Duration) -> Result<Self> {
        let own = std::env::current_exe()?;
        let mut child = Command::new(own)
            .args(["--serve-model", &latency.as_millis().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let told = child.stdout.take().context("its output is ours")?;
        let mut line = String::new();
        BufReader::new(told).read_line(&mut line)?;
        let address = line.strip_prefix("ready ").context("the model did not start")?.trim();
        Ok(Self { child, base_url: format!("http://{address}/v1") })
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        // The end of its input ends it.
        drop(self.child.stdin.take());
        drop(self.child.wait());
    }
}

/// Serves until the standard input ends.
#[tokio::main]
pub(crate) async fn serve(latency: Duration) -> Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "ready {}", listener.local_addr()?)?;
    stdout.flush()?;
    let listed = || async { Json(json!({"data": [{"id": "scripted", "object": "model"}]})) };
    let routes = Router::new()
        .route("/v1/chat/completions", post(chat))
        .route("/v1/models", get(listed))
        .with_state(Arc::new(latency));
    let (mut stdin, mut bytes) = (tokio::io::stdin(), [0; 64]);
    let ended = async { while stdin.read(&mut bytes).await.is_ok_and(|read| read > 0) {} };
    tokio::select! {
        served = async { axum::serve(listener, routes).await } => served?,
        () = ended => {}
    }
    Ok(())
}

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    stream: bool,
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    content: String,
}

async fn chat(State(latency): State<Arc<Duration>>, body: Bytes) -> Response {
    let Ok(asked) = serde_json::from_slice::<Asked>(&body) else {
        return axum::http::StatusCode::BAD_REQUEST.into_response();
    };
    let text = reply(&asked.messages);
    let input = body.len() / 4;
    if !latency.is_zero() {
        tokio::time::sleep(*latency).await;
    }
    let usage = json!({"prompt_tokens": input, "completion_tokens": text.len() / 4,
                       "total_tokens": input + text.len() / 4});
    if asked.stream { streamed(&text, &usage) } else { whole(&text, &usage) }
}

fn reply(messages: &[Message]) -> String {
    let first = messages.first().map_or("", |message| message.content.as_str());
    if first.starts_with("You are a critic.") {
        return answers::critique(4).text;
    }
    let mut lines = messages.iter().flat_map(|message| message.content.lines());
    let task = lines.find_map(|line| line.strip_prefix("Task: ")).unwrap_or_default();
    answers::document(task, &answers::essay(task)).text
}

fn whole(text: &str, usage: &Value) -> Response {
    let message = json!({"role": "assistant", "content": text});
    let choice = json!({"index": 0, "message": message, "finish_reason": "stop"});
    Json(json!({"model": "scripted", "choices": [choice], "usage": usage})).into_response()
}

fn streamed(text: &str, usage: &Value) -> Response {
    let event = |delta: Value, finish: Option<&str>| {
        let choice = json!({"index": 0, "delta": delta, "finish_reason": finish});
        let chunk = json!({"id": "chatcmpl-1", "object": "chat.completion.chunk",
                           "model": "scripted", "choices": [choice]});
        format!("data: {chunk}\n\n")
    };
    let mut frames = vec![event(json!({"role": "assistant"}), None)];
    let characters: Vec<char> = text.chars().collect();
    for piece in characters.chunks(PIECE_CHARS) {
        frames.push(event(json!({"content": piece.iter().collect::<String>()}), None));
    }
    let end = json!({"model": "scripted", "choices": [], "usage": usage});
    frames.push(event(json!({}), Some("stop")));
    frames.push(format!("data: {end}\n\ndata: [DONE]\n\n"));
    let frames = frames.into_iter().map(|frame| Ok::<_, Infallible>(Bytes::from(frame)));
    let body = Body::from_stream(futures::stream::iter(frames));
    ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response()
}
