//! Settings of providers, the table `model` of `world/config/executor.toml`.
//!
//! Three providers are there without a word: `groq` (once it has a key), `ollama` (once it is noticed
//! and a person agreed) and `embedded` (once a model is fetched). A table `[model.provider.NAME]`
//! changes one of them or adds another.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use vivarium_chassis::Violations;
use vivarium_chassis::config::span;

use super::profile::{self, Kind, Profile};
use crate::domain::provider::Class;

/// The provider of the embedded model.
pub const EMBEDDED: &str = "embedded";

/// What can be set about models.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// The providers in the order in which they are tried.
    pub order: Vec<String>,
    /// Providers that are changed or added, by name.
    pub provider: BTreeMap<String, Setting>,
    /// The embedded model.
    pub embedded: Embedded,
}

impl Default for Config {
    fn default() -> Self {
        let order = ["groq", "ollama", EMBEDDED].map(str::to_owned).to_vec();
        Self { order, provider: BTreeMap::new(), embedded: Embedded::default() }
    }
}

/// What can be set about the embedded model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Embedded {
    /// The model; empty means the largest fetched one that this machine has the memory for.
    pub model: String,
    /// How long the server lives without a call.
    #[serde(with = "span")]
    pub idle: Duration,
    /// Threads that compute; 0 means one less than this machine has cores, and at least one.
    pub threads: u32,
    /// Model tokens of prompt and completion together, 512 to 131,072.
    pub window_tokens: u32,
    /// Model tokens of a completion, 1 to the window.
    pub completion_tokens: u32,
}

impl Default for Embedded {
    fn default() -> Self {
        Self {
            model: String::new(),
            idle: Duration::from_mins(5),
            threads: 0,
            window_tokens: 8_192,
            completion_tokens: 1_000,
        }
    }
}

/// What can be set about a provider; what is left out follows from its kind and class.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Setting {
    /// Which server it is; may be left out for `groq` and `ollama`.
    pub kind: Option<Kind>,
    /// What its models may be trusted with.
    pub class: Option<Class>,
    /// Where it listens, up to and with `/v1`.
    pub base_url: Option<String>,
    /// The name its key is kept under; empty when it takes none.
    pub key: Option<String>,
    /// The model asked for by default; empty means the first that the server lists.
    pub model: Option<String>,
    /// Usable model tokens of prompt and completion together.
    pub window_tokens: Option<u32>,
    /// Model tokens of a completion by default.
    pub completion_tokens: Option<u32>,
    /// Most model tokens of a completion.
    pub completion_tokens_max: Option<u32>,
    /// 0 to 2,000 thousandths.
    pub temperature_permille: Option<u32>,
    /// Calls at once.
    pub parallel_calls: Option<u32>,
    /// Calls in a minute.
    pub calls_per_minute: Option<u32>,
    /// Model tokens in a minute, until the server says how many; 0 for as many as one likes.
    pub tokens_per_minute: Option<u32>,
    /// The limit of a call as a whole, such as `60s`.
    pub call_limit: Option<String>,
    /// The limit of connecting.
    pub connect: Option<String>,
    /// The limit of waiting for the first event.
    pub first_event: Option<String>,
    /// The limit of waiting for the next event.
    pub between_events: Option<String>,
    /// Fields of the request that the server does not take.
    pub rejects: Option<Vec<String>>,
    /// Whether a person must agree before it is used.
    pub needs_consent: Option<bool>,
    /// Micro-dollars for a million model tokens in; with `output_micro_usd`, for models that the
    /// price file does not name.
    pub input_micro_usd: Option<u64>,
    /// Micro-dollars for a million model tokens out.
    pub output_micro_usd: Option<u64>,
}

impl Config {
    /// Adds what is out of bounds.
    pub fn check(&self, wrong: &mut Violations) {
        wrong.within("model", |wrong| {
            for (index, name) in self.order.iter().enumerate() {
                if name != EMBEDDED && built_in(name).is_none() && !self.provider.contains_key(name)
                {
                    let what = "names no provider: add a table model.provider of this name";
                    wrong.item("order", index, |wrong| wrong.add("", what));
                }
            }
            wrong.within("provider", |wrong| {
                for (name, setting) in &self.provider {
                    wrong.within(name, |wrong| drop(setting.profile(name, wrong)));
                }
            });
            wrong.within("embedded", |wrong| {
                let embedded = &self.embedded;
                wrong.bounded("window_tokens", embedded.window_tokens, 512..=131_072);
                let most = embedded.window_tokens.max(1);
                wrong.bounded("completion_tokens", embedded.completion_tokens, 1..=most);
                wrong.bounded("threads", embedded.threads, 0..=1_024);
                if embedded.idle < Duration::from_secs(1) {
                    wrong.add("idle", "must be at least 1s");
                }
            });
        });
    }

    /// The providers in order, but for the embedded one, whose address is known only while it runs.
    /// A provider that the order does not name is not used.
    pub fn profiles(&self) -> Vec<Profile> {
        let mut wrong = Violations::new();
        let named = self.order.iter().filter(|name| *name != EMBEDDED);
        named
            .filter_map(|name| {
                let setting = self.provider.get(name).cloned().unwrap_or_default();
                setting.profile(name, &mut wrong)
            })
            .collect()
    }
}

/// The kind of a provider that is there without a word.
fn built_in(name: &str) -> Option<Kind> {
    match name {
        "groq" => Some(Kind::Groq),
        "ollama" => Some(Kind::Ollama),
        _ => None,
    }
}

impl Setting {
    /// The profile, if everything about it is in bounds.
    fn profile(&self, name: &str, wrong: &mut Violations) -> Option<Profile> {
        let found = wrong.found().len();
        if !is_name(name) || name == EMBEDDED {
            wrong.add("", "a provider's name is 1 to 32 of a-z, 0-9, - and _, and not `embedded`");
        }
        let kind = wrong.present("kind", self.kind.or_else(|| built_in(name)))?;
        if kind == Kind::Embedded {
            wrong.add("kind", "is set up under model.embedded");
        }
        let text = self.base_url.as_deref().unwrap_or_else(|| kind.default_address());
        let address = profile::address(text);
        let base_url = address.map_err(|bad| wrong.add("base_url", bad.to_string())).ok()?;
        let class = self.class.unwrap_or_else(|| kind.default_class());
        let mut profile = Profile::new(name, kind, class, base_url);
        self.put_texts(&mut profile);
        self.put_numbers(&mut profile, wrong);
        self.put_spans(&mut profile, wrong);
        (wrong.found().len() == found).then_some(profile)
    }

    fn put_texts(&self, profile: &mut Profile) {
        if let Some(key) = &self.key {
            profile.key = Some(key.clone()).filter(|key| !key.is_empty());
        }
        if profile.kind == Kind::Groq {
            "llama-3.1-8b-instant".clone_into(&mut profile.model);
        }
        put(&mut profile.model, self.model.as_ref());
        put(&mut profile.rejects, self.rejects.as_ref());
        put(&mut profile.needs_consent, self.needs_consent.as_ref());
    }

    fn put_numbers(&self, profile: &mut Profile, wrong: &mut Violations) {
        for (field, value, bounds, place) in [
            ("window_tokens", self.window_tokens, 0..=10_000_000, &mut profile.window_tokens),
            (
                "completion_tokens",
                self.completion_tokens,
                1..=65_536,
                &mut profile.completion_tokens,
            ),
            (
                "completion_tokens_max",
                self.completion_tokens_max,
                0..=1_000_000,
                &mut profile.completion_tokens_max,
            ),
            (
                "temperature_permille",
                self.temperature_permille,
                0..=2_000,
                &mut profile.temperature_permille,
            ),
            ("parallel_calls", self.parallel_calls, 1..=4_096, &mut profile.parallel_calls),
            (
                "calls_per_minute",
                self.calls_per_minute,
                1..=1_000_000,
                &mut profile.calls_per_minute,
            ),
            (
                "tokens_per_minute",
                self.tokens_per_minute,
                0..=100_000_000,
                &mut profile.tokens_per_minute,
            ),
        ] {
            if let Some(value) = value.and_then(|value| wrong.bounded(field, value, bounds)) {
                *place = value;
            }
        }
        profile.price = match (self.input_micro_usd, self.output_micro_usd) {
            (Some(input), Some(output)) => Some((input, output)),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                wrong.add("output_micro_usd", "a price is input_micro_usd and output_micro_usd");
                None
            }
        };
    }

    fn put_spans(&self, profile: &mut Profile, wrong: &mut Violations) {
        let mut call_limit = profile.call_limit.unwrap_or_default();
        for (field, text, place) in [
            ("call_limit", &self.call_limit, &mut call_limit),
            ("connect", &self.connect, &mut profile.connect),
            ("first_event", &self.first_event, &mut profile.first_event),
            ("between_events", &self.between_events, &mut profile.between_events),
        ] {
            let Some(text) = text else { continue };
            match span::parse(text).filter(|span| !span.is_zero()) {
                Some(span) => *place = span,
                None => wrong.add(field, "must be a span such as 250ms, 30s or 5m"),
            }
        }
        profile.call_limit = Some(call_limit).filter(|span| !span.is_zero());
    }
}

fn put<T: Clone>(place: &mut T, value: Option<&T>) {
    if let Some(value) = value {
        place.clone_from(value);
    }
}

fn is_name(name: &str) -> bool {
    let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    (1..=32).contains(&name.len()) && name.chars().all(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Config {
        toml::from_str(text).expect("it reads")
    }

    fn complaints(config: &Config) -> Vec<String> {
        let mut wrong = Violations::new();
        config.check(&mut wrong);
        wrong.found().iter().map(|violation| violation.field.clone()).collect()
    }

    #[test]
    fn without_a_word_there_are_groq_ollama_and_the_embedded_model() {
        let config = read("");
        assert_eq!(complaints(&config), [""; 0]);
        let profiles = config.profiles();
        let names: Vec<_> = profiles.iter().map(|profile| profile.name.as_str()).collect();
        assert_eq!(names, ["groq", "ollama"]);
        assert_eq!(profiles[0].key.as_deref(), Some("groq"));
        assert_eq!(profiles[0].model, "llama-3.1-8b-instant");
        assert!(!profiles[0].is_free() && profiles[1].is_free());
        assert!(profiles[1].needs_consent && !profiles[0].needs_consent);
    }

    #[test]
    fn a_table_changes_a_provider_or_adds_one() {
        let config = read(
            r#"
order = ["big", "groq", "embedded"]
[provider.groq]
model = "llama-3.3-70b-versatile"
call_limit = "90s"
[provider.big]
kind = "vllm"
base_url = "https://models.example/v1"
key = "big"
window_tokens = 32768
rejects = ["seed"]
"#,
        );
        assert_eq!(complaints(&config), [""; 0]);
        let profiles = config.profiles();
        assert_eq!(profiles.len(), 2);
        let (big, groq) = (&profiles[0], &profiles[1]);
        assert_eq!(
            (big.name.as_str(), big.class, big.window_tokens),
            ("big", Class::Remote, 32_768)
        );
        assert_eq!(big.key.as_deref(), Some("big"));
        assert!(!big.is_free(), "it runs on another machine");
        assert_eq!(groq.model, "llama-3.3-70b-versatile");
        assert_eq!(groq.call_limit, Some(Duration::from_secs(90)));
    }

    #[test]
    fn everything_that_is_wrong_is_named_at_once() {
        let config = read(
            r#"
order = ["nobody"]
[provider.a]
[provider.b]
kind = "openai_compatible"
[provider.c]
kind = "openai_compatible"
base_url = "http://models.example/v1"
[provider.d]
kind = "llama_cpp"
parallel_calls = 0
connect = "soon"
input_micro_usd = 1
[embedded]
window_tokens = 1
idle = "0s"
"#,
        );
        assert_eq!(
            complaints(&config),
            [
                "model.order[0]",
                "model.provider.a.kind",
                "model.provider.b.base_url",
                "model.provider.c.base_url",
                "model.provider.d.parallel_calls",
                "model.provider.d.output_micro_usd",
                "model.provider.d.connect",
                "model.embedded.window_tokens",
                "model.embedded.completion_tokens",
                "model.embedded.idle",
            ]
        );
    }
}
