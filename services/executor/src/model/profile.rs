//! A provider as it is set up: how it is spoken to, what it may be trusted with, its limits.

use std::net::IpAddr;
use std::time::Duration;

use reqwest::Url;
use serde::{Deserialize, Serialize};

use super::chat::{Caps, ChatRequest, Phases};
use crate::domain::provider::{Class, Kind as RecordedKind};

/// Seconds that the first model token of a small local model may take beside its prompt.
const EMBEDDED_FIRST_SECONDS: u64 = 20;
/// Model tokens of a prompt that a small local model reads in a second, at the least.
const EMBEDDED_PROMPT_RATE: u64 = 20;
/// The least that Groq allows any account for the models we know; its answers say how much it is.
const GROQ_TOKENS_PER_MINUTE: u32 = 6_000;
/// Bytes of text that make one model token, at the least. Cautious: most texts need more.
const BYTES_PER_TOKEN: u64 = 3;

/// Which server it is: they share one interface and differ in what they tell about themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Groq.
    Groq,
    /// Ollama.
    Ollama,
    /// llama.cpp's own server.
    LlamaCpp,
    /// LM Studio.
    LmStudio,
    /// vLLM.
    Vllm,
    /// Any other server with the chat completions interface.
    #[serde(rename = "openai_compatible")]
    OpenAiCompatible,
    /// The llama.cpp server that comes with the world.
    Embedded,
}

impl Kind {
    /// The word in settings.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Groq => "groq",
            Self::Ollama => "ollama",
            Self::LlamaCpp => "llama_cpp",
            Self::LmStudio => "lm_studio",
            Self::Vllm => "vllm",
            Self::OpenAiCompatible => "openai_compatible",
            Self::Embedded => "embedded",
        }
    }

    /// The kind in the record, which tells fewer apart.
    pub const fn recorded(self) -> RecordedKind {
        match self {
            Self::Groq => RecordedKind::Groq,
            Self::Embedded => RecordedKind::Embedded,
            Self::Ollama | Self::LlamaCpp | Self::LmStudio | Self::Vllm => {
                RecordedKind::OpenAiCompatible
            }
            Self::OpenAiCompatible => RecordedKind::OpenAiCompatible,
        }
    }

    /// Where such a server listens if nobody says otherwise.
    pub const fn default_address(self) -> &'static str {
        match self {
            Self::Groq => "https://api.groq.com/openai/v1",
            Self::Ollama => "http://127.0.0.1:11434/v1",
            Self::LlamaCpp => "http://127.0.0.1:8080/v1",
            Self::LmStudio => "http://127.0.0.1:1234/v1",
            Self::Vllm => "http://127.0.0.1:8000/v1",
            Self::OpenAiCompatible | Self::Embedded => "",
        }
    }

    /// What its models may be trusted with if nobody says otherwise: those that run on a person's
    /// own machine are taken for small.
    pub const fn default_class(self) -> Class {
        match self {
            Self::Groq | Self::Vllm | Self::OpenAiCompatible => Class::Remote,
            Self::Ollama | Self::LlamaCpp | Self::LmStudio | Self::Embedded => Class::Embedded,
        }
    }

    /// Whether its users run it themselves, so that no call is billed.
    pub const fn is_own(self) -> bool {
        match self {
            Self::Ollama | Self::LlamaCpp | Self::LmStudio | Self::Vllm | Self::Embedded => true,
            Self::Groq | Self::OpenAiCompatible => false,
        }
    }

    /// The field that bounds a completion.
    pub(super) const fn completion_field(self) -> &'static str {
        match self {
            Self::Groq => "max_completion_tokens",
            Self::Ollama
            | Self::LlamaCpp
            | Self::LmStudio
            | Self::Vllm
            | Self::OpenAiCompatible
            | Self::Embedded => "max_tokens",
        }
    }
}

/// An address that no call may go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    /// It does not parse, or has no host.
    #[error("must be an address such as https://host/v1")]
    NotAnAddress,
    /// It carries a name, a password, a query or a fragment.
    #[error("must be an address without a password, a query or a fragment")]
    Extras,
    /// It is plain http to another machine.
    #[error("must be https, because it does not lead to this machine")]
    Plain,
}

/// Checks a base address: https anywhere, http only to this machine.
pub fn address(text: &str) -> Result<Url, BadAddress> {
    let url = Url::parse(text).map_err(|_| BadAddress::NotAnAddress)?;
    if !url.has_host() || !matches!(url.scheme(), "http" | "https") {
        return Err(BadAddress::NotAnAddress);
    }
    let bare = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if !bare {
        return Err(BadAddress::Extras);
    }
    if url.scheme() == "http" && !is_loopback(&url) {
        return Err(BadAddress::Plain);
    }
    Ok(url)
}

/// Whether an address leads to this machine. `localhost` is connected to 127.0.0.1, whatever the
/// resolver says.
pub fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Model tokens that a request asks for: its prompt and its largest completion.
pub(super) fn asks_for(request: &ChatRequest) -> u64 {
    let prompt = (request.prompt_bytes() as u64).div_ceil(BYTES_PER_TOKEN);
    prompt + u64::from(request.completion_tokens_max)
}

/// A provider as it is set up. [`super::Config::profiles`] makes them.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// Its name in the settings.
    pub name: String,
    /// Which server it is.
    pub kind: Kind,
    /// What its models may be trusted with.
    pub class: Class,
    /// Where it listens, up to and with `/v1`.
    pub base_url: Url,
    /// The name its key is kept under; `None` when it takes none.
    pub key: Option<String>,
    /// The model asked for by default; empty means the first that the server lists.
    pub model: String,
    /// Usable model tokens of prompt and completion together; 0 means what the server tells.
    pub window_tokens: u32,
    /// Model tokens of a completion by default.
    pub completion_tokens: u32,
    /// Most model tokens of a completion; 0 means that only the window bounds it.
    pub completion_tokens_max: u32,
    /// How freely models choose their words by default, in thousandths.
    pub temperature_permille: u32,
    /// Calls at once.
    pub parallel_calls: u32,
    /// Calls in a minute.
    pub calls_per_minute: u32,
    /// Model tokens in a minute, prompts and largest completions together, until the server says how
    /// many; 0 for as many as one likes until then.
    pub tokens_per_minute: u32,
    /// The limit of a call as a whole; `None` means the attempt's.
    pub call_limit: Option<Duration>,
    /// The limit of connecting.
    pub connect: Duration,
    /// The limit of waiting for the first event; for `embedded` the prompt's share comes on top.
    pub first_event: Duration,
    /// The limit of waiting for the next event.
    pub between_events: Duration,
    /// Bytes of an answer, at most.
    pub answer_bytes_max: usize,
    /// Fields of the request that the server does not take.
    pub rejects: Vec<String>,
    /// Whether a person must agree before it is used.
    pub needs_consent: bool,
    /// Micro-dollars for a million model tokens, in and out, for models that the price file does not
    /// name.
    pub price: Option<(u64, u64)>,
}

impl Profile {
    /// A profile with what its kind and class imply.
    pub fn new(name: &str, kind: Kind, class: Class, base_url: Url) -> Self {
        let small = class == Class::Embedded;
        Self {
            name: name.to_owned(),
            kind,
            class,
            base_url,
            key: (!kind.is_own()).then(|| name.to_owned()),
            model: String::new(),
            window_tokens: 0,
            completion_tokens: if small { 1_000 } else { 2_048 },
            completion_tokens_max: 0,
            temperature_permille: 200,
            parallel_calls: if small { 1 } else { 8 },
            calls_per_minute: 60,
            tokens_per_minute: if kind == Kind::Groq { GROQ_TOKENS_PER_MINUTE } else { 0 },
            call_limit: (!small).then(|| Duration::from_mins(1)),
            connect: Duration::from_secs(5),
            first_event: Duration::from_secs(if small { EMBEDDED_FIRST_SECONDS } else { 30 }),
            between_events: Duration::from_mins(1),
            answer_bytes_max: 32 * 1024 * 1024,
            rejects: Vec::new(),
            needs_consent: kind == Kind::Ollama,
            price: None,
        }
    }

    /// Whether it runs on this machine.
    pub fn is_local(&self) -> bool {
        is_loopback(&self.base_url)
    }

    /// Whether its calls cost nothing: people run it themselves, here.
    pub fn is_free(&self) -> bool {
        self.kind.is_own() && self.is_local()
    }

    /// What it can do.
    pub fn caps(&self) -> Caps {
        Caps {
            class: self.class,
            local: self.is_local(),
            window_tokens: self.window_tokens,
            completion_tokens_max: self.completion_tokens_max,
            parallel_calls: self.parallel_calls,
            json_schema: matches!(
                self.kind,
                Kind::LlamaCpp | Kind::Embedded | Kind::Vllm | Kind::Ollama | Kind::LmStudio
            ),
            tools: false,
        }
    }

    /// The limits of the phases of this request.
    pub fn phases(&self, request: &ChatRequest) -> Phases {
        let prompt = (request.prompt_bytes() as u64).div_ceil(BYTES_PER_TOKEN);
        let reading = match self.class {
            Class::Embedded => Duration::from_secs(prompt.div_ceil(EMBEDDED_PROMPT_RATE)),
            Class::Remote => Duration::ZERO,
        };
        Phases { first_event: self.first_event + reading, between_events: self.between_events }
    }
}

#[cfg(test)]
mod tests {
    use super::super::chat::Message;
    use super::*;

    #[test]
    fn plain_http_leads_only_to_this_machine() {
        for good in [
            "https://models.example/v1",
            "http://127.0.0.1:9/v1",
            "http://127.8.0.1/v1",
            "http://[::1]:80/v1",
            "http://localhost:11434/v1",
        ] {
            assert!(address(good).is_ok(), "{good}");
        }
        for (bad, why) in [
            ("http://models.example/v1", BadAddress::Plain),
            ("http://10.0.0.1/v1", BadAddress::Plain),
            ("http://127.0.0.1.models.example/v1", BadAddress::Plain),
            ("http://localhost.models.example/v1", BadAddress::Plain),
            ("http://0.0.0.0/v1", BadAddress::Plain),
            ("https://me:secret@models.example/v1", BadAddress::Extras),
            ("https://models.example/v1?key=secret", BadAddress::Extras),
            ("file:///etc/hosts", BadAddress::NotAnAddress),
            ("models.example/v1", BadAddress::NotAnAddress),
            ("", BadAddress::NotAnAddress),
        ] {
            assert_eq!(address(bad), Err(why), "{bad}");
        }
    }

    #[test]
    fn a_small_model_gets_time_to_read_its_prompt() {
        let url = address("http://127.0.0.1:1/v1").expect("it is local");
        let profile = Profile::new("embedded", Kind::Embedded, Class::Embedded, url);
        let request =
            |bytes: usize| ChatRequest::new("m", vec![Message::user("x".repeat(bytes))], 1);
        assert_eq!(profile.phases(&request(0)).first_event, Duration::from_secs(20));
        // 6,000 bytes are 2,000 model tokens are 100 seconds.
        assert_eq!(profile.phases(&request(6_000)).first_event, Duration::from_mins(2));
    }
}
