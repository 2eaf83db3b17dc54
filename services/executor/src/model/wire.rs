//! The chat interface on the wire: what is sent, and a lenient reading of what comes back. Every
//! field of an answer may be missing, null or of another type; a word we do not know stays a word.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::chat::{ChatRequest, Output, Usage};
use super::error::ModelError;
use super::profile::Profile;

/// Characters of a provider's message that are kept.
const MESSAGE_CHARS: usize = 300;

/// The request as it is sent.
pub(super) fn body(profile: &Profile, request: &ChatRequest) -> Value {
    let messages: Vec<_> = request
        .messages
        .iter()
        .map(|message| json!({"role": message.role.word(), "content": message.text}))
        .collect();
    let mut fields = Map::new();
    fields.insert("model".to_owned(), json!(request.model));
    fields.insert("messages".to_owned(), Value::Array(messages));
    fields.insert("stream".to_owned(), json!(true));
    fields.insert("stream_options".to_owned(), json!({"include_usage": true}));
    let completion = request.completion_tokens_max;
    fields.insert(profile.kind.completion_field().to_owned(), json!(completion));
    let temperature = f64::from(request.temperature_permille) / 1_000.0;
    fields.insert("temperature".to_owned(), json!(temperature));
    if let Some(seed) = request.seed {
        fields.insert("seed".to_owned(), json!(seed));
    }
    if !request.stop.is_empty() {
        fields.insert("stop".to_owned(), json!(request.stop));
    }
    match &request.output {
        Output::Text => {}
        Output::JsonObject => {
            fields.insert("response_format".to_owned(), json!({"type": "json_object"}));
        }
        Output::JsonSchema { name, schema } => {
            let schema = json!({"name": name, "schema": schema, "strict": true});
            let format = json!({"type": "json_schema", "json_schema": schema});
            fields.insert("response_format".to_owned(), format);
        }
    }
    for field in &profile.rejects {
        fields.remove(field);
    }
    Value::Object(fields)
}

/// One event of an answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) model: String,
    pub(super) text: String,
    /// Bytes of thoughts that are not part of the answer but are paid for.
    pub(super) thought_bytes: usize,
    pub(super) tools: Vec<Tool>,
    pub(super) finish: String,
    pub(super) usage: Option<Usage>,
}

/// A piece of a tool call.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tool {
    pub(super) index: u32,
    pub(super) name: String,
    pub(super) arguments: String,
}

/// Reads one event, or a whole answer of a server that does not stream.
pub(super) fn chunk(data: &str) -> Result<Chunk, ModelError> {
    let value: Value = serde_json::from_str(data)
        .map_err(|error| ModelError::Protocol(format!("an event is not JSON: {error}")))?;
    if value.get("error").is_some_and(|error| !error.is_null()) || value["object"] == "error" {
        return Err(refusal(None, &value, None));
    }
    if !value.is_object() {
        return Err(ModelError::Protocol("an event is not an object".to_owned()));
    }
    let choice = &value["choices"][0];
    let delta = if choice["delta"].is_object() { &choice["delta"] } else { &choice["message"] };
    let text =
        if delta.is_object() { content(&delta["content"]) } else { content(&choice["text"]) };
    let thoughts = ["reasoning", "reasoning_content"].map(|field| content(&delta[field]).len());
    Ok(Chunk {
        model: word(&value["model"]),
        text,
        thought_bytes: thoughts.into_iter().sum(),
        tools: delta["tool_calls"].as_array().into_iter().flatten().map(tool).collect(),
        finish: word(&choice["finish_reason"]),
        usage: usage(&value["usage"]).or_else(|| usage(&value["x_groq"]["usage"])),
    })
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Text, or a list of parts with texts.
fn content(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().map(|part| word(&part["text"])).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => String::new(),
    }
}

fn tool(value: &Value) -> Tool {
    let arguments = &value["function"]["arguments"];
    let arguments = if arguments.is_object() { arguments.to_string() } else { word(arguments) };
    Tool {
        index: value["index"].as_u64().and_then(|index| u32::try_from(index).ok()).unwrap_or(0),
        name: word(&value["function"]["name"]),
        arguments,
    }
}

fn usage(value: &Value) -> Option<Usage> {
    let (input, output) = (value["prompt_tokens"].as_u64(), value["completion_tokens"].as_u64());
    if input.is_none() && output.is_none() {
        return None;
    }
    Some(Usage {
        input_tokens: input.unwrap_or(0),
        output_tokens: output.unwrap_or(0),
        cached_tokens: value["prompt_tokens_details"]["cached_tokens"].as_u64().unwrap_or(0),
        // Half a report is completed by nobody: it counts as ours.
        estimated: input.is_none() || output.is_none(),
    })
}

/// Reads a refusal: of an HTTP status with a body, or of an event inside a stream.
pub(super) fn refusal(
    status: Option<u16>,
    body: &Value,
    retry_after: Option<Duration>,
) -> ModelError {
    let error = if body["error"].is_object() { &body["error"] } else { body };
    let said = [&error["message"], &body["error"], &body["message"], &body["detail"]];
    let message = said.into_iter().find_map(Value::as_str).unwrap_or("no reason is given");
    let message: String = message.chars().take(MESSAGE_CHARS).collect();
    let words = [word(&error["type"]), word(&error["code"])];
    let is = |name: &str| words.iter().any(|word| word == name);
    let number = error["code"].as_u64().and_then(|code| u16::try_from(code).ok());
    let code = status.or(number);
    if is("exceed_context_size_error")
        || is("context_length_exceeded")
        || code == Some(413)
        || code == Some(400) && speaks_of_the_window(&message)
    {
        return ModelError::ContextOverflow {
            prompt_tokens: error["n_prompt_tokens"].as_u64(),
            window_tokens: error["n_ctx"].as_u64(),
        };
    }
    match code {
        Some(401 | 403) => ModelError::Auth,
        Some(429) => ModelError::RateLimited { retry_after },
        Some(408) => ModelError::Upstream { status: code, message },
        Some(400..=498) => ModelError::BadRequest(message),
        None if is("rate_limit_exceeded") => ModelError::RateLimited { retry_after },
        None if is("authentication_error") || is("invalid_api_key") => ModelError::Auth,
        None if is("invalid_request_error") => ModelError::BadRequest(message),
        Some(_) | None => ModelError::Upstream { status, message },
    }
}

fn speaks_of_the_window(message: &str) -> bool {
    let message = message.to_lowercase();
    ["maximum context length", "context window", "context size", "context length"]
        .iter()
        .any(|words| message.contains(words))
}

#[cfg(test)]
mod tests {
    use super::super::chat::Message;
    use super::super::config::Config;
    use super::*;

    fn read(value: &Value) -> Chunk {
        chunk(&value.to_string()).expect("it reads")
    }

    #[test]
    fn the_request_asks_for_usage_and_leaves_out_what_the_server_rejects() {
        let mut profile = Config::default().profiles().remove(0);
        let mut request = ChatRequest::new("m", vec![Message::user("hi")], 5);
        request.seed = Some(7);
        let sent = body(&profile, &request);
        assert_eq!(sent["messages"], json!([{"role": "user", "content": "hi"}]));
        assert_eq!(sent["stream_options"]["include_usage"], true);
        assert_eq!((&sent["max_completion_tokens"], &sent["seed"]), (&json!(5), &json!(7)));
        assert_eq!(sent["temperature"], json!(0.2));
        profile.rejects = vec!["seed".to_owned(), "stream_options".to_owned()];
        let sent = body(&profile, &request);
        assert!(sent.get("seed").is_none() && sent.get("stream_options").is_none());
    }

    #[test]
    fn an_event_reads_whatever_is_missing_null_or_strange() {
        let empty = Chunk::default();
        for strange in [
            json!({}),
            json!({"choices": []}),
            json!({"choices": null, "usage": null}),
            json!({"choices": [{"delta": {"content": null}, "finish_reason": null}]}),
            json!({"choices": [{"delta": {}, "finish_reason": ""}], "service_tier": "on_demand"}),
            json!({"choices": [{"delta": {"content": 5, "tool_calls": null}}], "model": 3}),
            json!({"usage": {}, "error": null}),
        ] {
            assert_eq!(read(&strange), empty, "{strange}");
        }
        let whole = read(&json!({
            "model": "m",
            "choices": [{"message": {"content": [{"type": "text", "text": "a"}, {"text": "b"}]},
                         "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 2,
                      "prompt_tokens_details": {"cached_tokens": 1}},
        }));
        assert_eq!((whole.text.as_str(), whole.finish.as_str()), ("ab", "stop"));
        let counted =
            Usage { input_tokens: 3, output_tokens: 2, cached_tokens: 1, estimated: false };
        assert_eq!(whole.usage, Some(counted));
        let groq =
            read(&json!({"x_groq": {"usage": {"prompt_tokens": 1, "completion_tokens": 1}}}));
        assert!(groq.usage.is_some());
        let thinking = read(&json!({"choices": [{"delta": {"reasoning": "hm"}}]}));
        assert_eq!((thinking.thought_bytes, thinking.text.as_str()), (2, ""));
    }

    #[test]
    fn tool_calls_are_read_as_text_or_as_objects() {
        let chunk = read(&json!({"choices": [{"delta": {"tool_calls": [
            {"index": 1, "function": {"name": "f", "arguments": "{\"a\""}},
            {"function": {"arguments": {"b": 2}}},
        ]}}]}));
        let tool = |index, name: &str, arguments: &str| Tool {
            index,
            name: name.to_owned(),
            arguments: arguments.to_owned(),
        };
        assert_eq!(chunk.tools, [tool(1, "f", "{\"a\""), tool(0, "", "{\"b\":2}")]);
    }

    #[test]
    fn what_is_not_json_is_an_error_of_the_protocol() {
        for broken in ["", "{", "null", "[1]", "\"text\"", "data: {}"] {
            assert!(matches!(chunk(broken), Err(ModelError::Protocol(_))), "{broken}");
        }
    }

    #[test]
    fn refusals_of_all_dialects_find_their_class() {
        let overflow = |prompt_tokens, window_tokens| ModelError::ContextOverflow {
            prompt_tokens,
            window_tokens,
        };
        let bad = |text: &str| ModelError::BadRequest(text.to_owned());
        let upstream =
            |status, text: &str| ModelError::Upstream { status, message: text.to_owned() };
        let soon = Some(Duration::from_secs(2));
        for (status, body, expected) in [
            (Some(401), json!({"error": {"message": "no"}}), ModelError::Auth),
            (Some(403), json!(null), ModelError::Auth),
            (Some(429), json!({}), ModelError::RateLimited { retry_after: soon }),
            (Some(404), json!({"error": {"message": "no such model"}}), bad("no such model")),
            (Some(422), json!({"detail": "temperature"}), bad("temperature")),
            (Some(500), json!({"error": "boom"}), upstream(Some(500), "boom")),
            (Some(503), json!({"message": "loading"}), upstream(Some(503), "loading")),
            (
                Some(400),
                json!({"error": {"code": 400, "type": "exceed_context_size_error",
                                 "n_prompt_tokens": 9, "n_ctx": 8, "message": "too long"}}),
                overflow(Some(9), Some(8)),
            ),
            (
                Some(400),
                json!({"error": {"code": "context_length_exceeded", "message": "x"}}),
                overflow(None, None),
            ),
            (
                Some(400),
                json!({"object": "error", "message": "This model's maximum context length is 8"}),
                overflow(None, None),
            ),
            (Some(413), json!({"error": {"message": "too large"}}), overflow(None, None)),
            (None, json!({"error": {"message": "x", "code": 503}}), upstream(None, "x")),
            (None, json!({"error": {"message": "x", "type": "server_error"}}), upstream(None, "x")),
            (
                None,
                json!({"error": {"message": "x", "code": "rate_limit_exceeded"}}),
                ModelError::RateLimited { retry_after: soon },
            ),
            (None, json!({"error": {"message": "x", "code": 400}}), bad("x")),
            (None, json!({"object": "error", "message": "x", "code": 400}), bad("x")),
        ] {
            assert_eq!(refusal(status, &body, soon), expected, "{status:?} {body}");
        }
    }
}
