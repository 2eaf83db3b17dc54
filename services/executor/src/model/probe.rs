//! Looking at a server: whether it answers, which models it has, how large their windows are. It
//! never asks a model anything, so it costs nothing.

use std::time::Duration;

use reqwest::{Client, RequestBuilder, Url};
use serde_json::{Value, json};
use vivarium_types::Reason;

use super::error::{ModelError, Phase};
use super::openai::{Key, OpenAi};
use super::profile::{Kind, Profile};
use super::{http, wire};

/// How long one look may take.
const WAIT: Duration = Duration::from_secs(5);
/// Bytes of an answer that are read.
const ANSWER_BYTES: usize = 4 * 1024 * 1024;
/// The window that Ollama gives a model unless told otherwise, whatever the model could do.
const OLLAMA_WINDOW: u32 = 4_096;

/// What a look at a server saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The models it has, by its own names, in its order.
    pub models: Vec<String>,
    /// The model that calls without a wish of their own go to.
    pub model: String,
    /// Usable model tokens of that model's window; 0 when the server does not tell and nobody set it.
    pub window_tokens: u32,
}

/// Looks at a server. The error says why it cannot be used.
pub async fn probe(provider: &OpenAi) -> Result<Seen, ModelError> {
    let profile = provider.profile();
    let (client, key) = provider.parts();
    if profile.key.is_some() && key.is_none() {
        let message = "no key is set for the provider".to_owned();
        return Err(ModelError::Unusable { reason: Reason::ModelKeyMissing, message });
    }
    let look = Look { client, key, profile };
    tokio::time::timeout(WAIT, look.all()).await.unwrap_or(Err(ModelError::Timeout(Phase::Total)))
}

struct Look<'a> {
    client: &'a Client,
    key: Option<Key>,
    profile: &'a Profile,
}

impl Look<'_> {
    async fn all(&self) -> Result<Seen, ModelError> {
        if self.profile.kind == Kind::LlamaCpp {
            // It answers before its model is loaded, but not that it is well.
            self.fetch(self.client.get(self.beside("health"))).await?;
        }
        let list =
            self.fetch(self.client.get(http::below(&self.profile.base_url, "models"))).await?;
        let entries = list["data"].as_array().or_else(|| list["models"].as_array());
        let entries = entries.map(Vec::as_slice).unwrap_or_default();
        let models: Vec<String> = entries.iter().filter_map(name).collect();
        let model = self.choose(&models)?;
        let entry = entries.iter().find(|entry| name(entry).as_deref() == Some(&model));
        let told = match entry.and_then(window) {
            Some(window) if self.profile.kind != Kind::Ollama => Some(window),
            Some(_) | None => self.ask_window(&model).await,
        };
        let window_tokens = match (told, self.profile.window_tokens) {
            (Some(told), 0) => told,
            // What a person sets may be less than what the server has, never more.
            (Some(told), set) => told.min(set),
            (None, set) => set,
        };
        Ok(Seen { models, model, window_tokens })
    }

    /// The model that is set, if the server has it; the first one if none is set.
    fn choose(&self, models: &[String]) -> Result<String, ModelError> {
        let wanted = &self.profile.model;
        let latest = format!("{wanted}:latest");
        let found = if wanted.is_empty() {
            models.first()
        } else {
            models.iter().find(|model| *model == wanted || **model == latest)
        };
        found.cloned().ok_or_else(|| ModelError::Unusable {
            reason: Reason::ModelUnknown,
            message: match wanted.as_str() {
                "" => "the server has no model".to_owned(),
                wanted => format!("the server has no model {wanted}"),
            },
        })
    }

    /// Asks for the window in the server's own dialect.
    async fn ask_window(&self, model: &str) -> Option<u32> {
        match self.profile.kind {
            Kind::LlamaCpp | Kind::Embedded => {
                let props = self.fetch(self.client.get(self.beside("props"))).await.ok()?;
                tokens(&props["default_generation_settings"]["n_ctx"])
            }
            Kind::Ollama => {
                let ask = self.client.post(self.beside("api/show")).json(&json!({"model": model}));
                Some(ollama_window(&self.fetch(ask).await.ok()?))
            }
            Kind::LmStudio => {
                let list = self.fetch(self.client.get(self.beside("api/v0/models"))).await.ok()?;
                let mut entries = list["data"].as_array()?.iter();
                let entry = entries.find(|entry| name(entry).as_deref() == Some(model))?;
                tokens(&entry["loaded_context_length"])
                    .or_else(|| tokens(&entry["max_context_length"]))
            }
            Kind::Groq | Kind::Vllm | Kind::OpenAiCompatible => None,
        }
    }

    /// An address beside `/v1`.
    fn beside(&self, path: &str) -> Url {
        let mut url = self.profile.base_url.clone();
        let base = url.path().trim_end_matches('/').trim_end_matches("/v1").to_owned();
        url.set_path(&format!("{base}/{path}"));
        url
    }

    async fn fetch(&self, request: RequestBuilder) -> Result<Value, ModelError> {
        let request = match &self.key {
            Some(key) => request.bearer_auth(key.expose()),
            None => request,
        };
        let response =
            request.send().await.map_err(|error| ModelError::Connect(http::words(&error)))?;
        let status = response.status();
        let text = http::body(response, ANSWER_BYTES).await;
        let body = serde_json::from_slice(&text).ok();
        if !status.is_success() {
            let body = body.unwrap_or_default();
            return Err(wire::refusal(Some(status.as_u16()), &body, None));
        }
        body.ok_or_else(|| ModelError::Protocol("it is not JSON".to_owned()))
    }
}

fn name(entry: &Value) -> Option<String> {
    let names = [&entry["id"], &entry["name"], &entry["model"]];
    names.into_iter().find_map(Value::as_str).map(str::to_owned)
}

/// The window as lists of models tell it: vLLM, Groq, others, llama.cpp.
fn window(entry: &Value) -> Option<u32> {
    let places = [
        &entry["max_model_len"],
        &entry["context_window"],
        &entry["context_length"],
        &entry["meta"]["n_ctx"],
    ];
    places.into_iter().find_map(tokens)
}

fn tokens(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|tokens| u32::try_from(tokens).ok()).filter(|tokens| *tokens > 0)
}

/// What Ollama gives a model: what its own file says, else Ollama's default, never more than the
/// model was made for.
fn ollama_window(shown: &Value) -> u32 {
    let parameters = shown["parameters"].as_str().unwrap_or_default();
    let set = parameters.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some("num_ctx")).then(|| words.next()?.parse().ok()).flatten()
    });
    let fields = shown["model_info"].as_object().into_iter().flatten();
    let mut made_for = fields.filter(|(field, _)| field.ends_with(".context_length"));
    let made_for = made_for.find_map(|(_, value)| tokens(value)).unwrap_or(u32::MAX);
    set.unwrap_or(OLLAMA_WINDOW).min(made_for)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ollama_gives_what_the_model_file_says_but_no_more_than_the_model_can() {
        let show = |parameters: &str, length: u32| json!({"parameters": parameters, "model_info": {"qwen2.context_length": length}});
        assert_eq!(ollama_window(&show("stop \"x\"\nnum_ctx   16384", 32_768)), 16_384);
        assert_eq!(ollama_window(&show("num_ctx 99999", 32_768)), 32_768);
        assert_eq!(ollama_window(&show("", 32_768)), OLLAMA_WINDOW);
        assert_eq!(ollama_window(&show("", 2_048)), 2_048);
        assert_eq!(ollama_window(&json!({})), OLLAMA_WINDOW);
    }
}
