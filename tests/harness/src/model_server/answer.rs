//! Turns a reply of the script into an HTTP response: a stream of events that fails where it is told.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures::stream::{self, Stream};
use serde_json::{Value, json};

use super::script::{Fault, Reply};
use super::{Asked, Call, Shared};

/// How often a stalled stream says that it is still there.
const COMMENT: Duration = Duration::from_millis(20);
/// Characters of each piece of a flood.
const FLOOD_CHARS: usize = 64 * 1024;

/// One thing that a stream does.
enum Step {
    Wait(Duration),
    Send(Vec<u8>),
    /// Says nothing more, and stays.
    Stall,
    /// Text without end.
    Flood(Vec<u8>),
    /// Breaks the connection.
    Break,
}

/// Tells the server how a request ended.
struct Ending {
    shared: Arc<Shared>,
    number: usize,
    state: Call,
}

impl Ending {
    fn answered(&mut self) {
        self.state = Call::Answered;
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.shared.ended(self.number, self.state);
    }
}

pub(super) async fn response(asked: &Asked, reply: &Reply, shared: Arc<Shared>) -> Response {
    let ending = Ending { shared, number: asked.number, state: Call::Left };
    if reply.fault == Fault::Silent {
        // Dropped with this future when the client goes away.
        std::future::pending::<()>().await;
    }
    let streams = asked.body["stream"] == true && reply.fault != Fault::Whole;
    if reply.status != 200 || !streams {
        return whole(asked, reply, ending);
    }
    let body = Body::from_stream(run(steps(asked, reply), ending));
    ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response()
}

/// An answer in one piece: a refusal, or a completion.
fn whole(asked: &Asked, reply: &Reply, mut ending: Ending) -> Response {
    ending.answered();
    let text = reply.whole(asked);
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = if reply.fault == Fault::BadJson {
        return (status, "<html>not what you think</html>").into_response();
    } else if status == StatusCode::OK {
        let message = json!({"role": "assistant", "content": text});
        let choice = json!({"index": 0, "message": message, "finish_reason": reply.finish_reason});
        json!({"model": asked.model, "choices": [choice], "usage": usage(asked, reply)})
    } else {
        json!({"error": {"message": text, "type": reply.error_type, "code": reply.status}})
    };
    let mut response = (status, Json(body)).into_response();
    if let Ok(value) = HeaderValue::from_str(&reply.retry_after)
        && !value.is_empty()
    {
        response.headers_mut().insert(header::RETRY_AFTER, value);
    }
    response
}

fn usage(asked: &Asked, reply: &Reply) -> Value {
    if !reply.usage {
        return Value::Null;
    }
    let input = asked.prompt().split_whitespace().count();
    let output = reply.pieces(asked).len();
    json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output})
}

/// Everything the stream does, in order.
fn steps(asked: &Asked, reply: &Reply) -> Vec<Step> {
    let mut steps = vec![Step::Wait(Duration::from_millis(reply.first_delay_ms))];
    let mut frames = vec![delta(asked, &json!({"role": "assistant", "content": null}), None)];
    let pieces = reply.pieces(asked);
    let sent =
        if fails_midway(reply.fault) { reply.fault_after.min(pieces.len()) } else { pieces.len() };
    for piece in &pieces[..sent] {
        frames.push(delta(asked, &json!({"content": piece}), None));
    }
    let mut last = None;
    match reply.fault {
        Fault::Silent | Fault::Stall => last = Some(Step::Stall),
        Fault::Break => last = Some(Step::Break),
        Fault::EndEarly => {}
        Fault::DoneEarly => frames.push("data: [DONE]\n\n".to_owned()),
        Fault::ErrorEvent => {
            let error =
                json!({"error": {"message": "it broke", "type": "server_error", "code": 500}});
            frames.push(format!("data: {error}\n\n"));
        }
        Fault::BadJson => frames.push("data: {\"choices\": [\n\n".to_owned()),
        Fault::Flood => {
            let text = json!({"content": "x".repeat(FLOOD_CHARS)});
            last = Some(Step::Flood(delta(asked, &text, None).into_bytes()));
        }
        Fault::None | Fault::NoDone | Fault::StaysOpen | Fault::Whole => {
            frames.push(delta(asked, &json!({}), Some(&reply.finish_reason)));
            if reply.usage {
                let usage =
                    json!({"model": asked.model, "choices": [], "usage": usage(asked, reply)});
                frames.push(format!("data: {usage}\n\n"));
            }
            if reply.fault != Fault::NoDone {
                frames.push("data: [DONE]\n\n".to_owned());
            }
            if reply.fault == Fault::StaysOpen {
                last = Some(Step::Stall);
            }
        }
    }
    for (index, frame) in frames.into_iter().enumerate() {
        if index > 1 && reply.delay_ms > 0 {
            steps.push(Step::Wait(Duration::from_millis(reply.delay_ms)));
        }
        let bytes = frame.into_bytes();
        let size = if reply.split_bytes == 0 { bytes.len() } else { reply.split_bytes };
        steps.extend(bytes.chunks(size).map(|bytes| Step::Send(bytes.to_vec())));
    }
    steps.extend(last);
    steps
}

fn fails_midway(fault: Fault) -> bool {
    match fault {
        Fault::None | Fault::NoDone | Fault::StaysOpen | Fault::Whole => false,
        Fault::Silent
        | Fault::Stall
        | Fault::Break
        | Fault::EndEarly
        | Fault::DoneEarly
        | Fault::ErrorEvent
        | Fault::BadJson
        | Fault::Flood => true,
    }
}

fn delta(asked: &Asked, delta: &Value, finish: Option<&str>) -> String {
    let choice = json!({"index": 0, "delta": delta, "finish_reason": finish});
    let id = format!("chatcmpl-{}", asked.number);
    let event = json!({"id": id, "object": "chat.completion.chunk", "model": asked.model,
                       "choices": [choice]});
    format!("data: {event}\n\n")
}

/// Runs the steps. Dropped before its end, it says that the client left.
fn run(steps: Vec<Step>, ending: Ending) -> impl Stream<Item = io::Result<Bytes>> {
    let steps = steps.into_iter().collect::<std::collections::VecDeque<_>>();
    stream::unfold((steps, ending), |(mut steps, mut ending)| async move {
        loop {
            match steps.pop_front() {
                None => {
                    ending.answered();
                    return None;
                }
                Some(Step::Wait(delay)) => tokio::time::sleep(delay).await,
                Some(Step::Send(bytes)) => {
                    // The client may close the connection as soon as it has the last word.
                    if steps.is_empty() {
                        ending.answered();
                    }
                    return Some((Ok(Bytes::from(bytes)), (steps, ending)));
                }
                Some(Step::Stall) => {
                    steps.push_front(Step::Stall);
                    tokio::time::sleep(COMMENT).await;
                    return Some((Ok(Bytes::from_static(b": still here\n\n")), (steps, ending)));
                }
                Some(Step::Flood(bytes)) => {
                    steps.push_front(Step::Flood(bytes.clone()));
                    return Some((Ok(Bytes::from(bytes)), (steps, ending)));
                }
                Some(Step::Break) => {
                    ending.answered();
                    let error = io::Error::from(io::ErrorKind::ConnectionReset);
                    return Some((Err(error), (steps, ending)));
                }
            }
        }
    })
}
