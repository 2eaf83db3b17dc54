//! Which provider a call goes to, and the one interface that cycles speak to it through.
//!
//! The order is the configuration's: a provider with a key, then a local server that the human
//! consented to, then the embedded model. Without any, the world runs and model tasks wait.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use vivarium_types::MicroUsd;

use crate::domain::provider::{Class, Consent, Health, Kind};
use crate::lease::FailureClass;

/// Who says a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The world's rules.
    System,
    /// What the resident is told.
    User,
    /// What the model said.
    Assistant,
}

impl Role {
    /// The word of the chat interface.
    pub const fn word(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Who says it.
    pub role: Role,
    /// What.
    pub text: String,
}

/// What a model is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// The conversation.
    pub messages: Vec<Message>,
    /// Most model tokens of the answer.
    pub max_tokens: u32,
    /// Most time for all of it.
    pub limit: Duration,
}

/// What a model said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spoken {
    /// The text.
    pub text: String,
    /// Input and output tokens, as the provider reports them.
    pub usage: Option<(u64, u64)>,
    /// The provider's word why it ended.
    pub finish_reason: String,
    /// From sending to the first piece.
    pub first_token: Option<Duration>,
    /// SHA-256 of the request as sent, in hexadecimal.
    pub request_hash: String,
    /// How often it was sent.
    pub tries: u32,
}

/// Why a model said nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Whether the request may have reached the provider, and so may be billed.
    pub reached: bool,
    /// Whether it was cut off here.
    pub cut_off: bool,
    /// Whether the provider cannot be used until somebody acts.
    pub unusable: bool,
    /// The class of the failure.
    pub class: FailureClass,
    /// The reason's word.
    pub reason: String,
    /// One sentence, without anything secret.
    pub message: String,
    /// When to try again, if the provider said so.
    pub retry_after: Option<Duration>,
}

impl Trouble {
    /// A call that was cut off here, for this reason.
    pub fn cut_off(reason: &str) -> Self {
        Self {
            reached: true,
            cut_off: true,
            unusable: false,
            class: FailureClass::Transient,
            reason: reason.to_owned(),
            message: "the call was cut off".to_owned(),
            retry_after: None,
        }
    }
}

/// What takes pieces of text as they come.
pub type Pieces<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// A way to one provider.
#[async_trait]
pub trait Voice: fmt::Debug + Send + Sync + 'static {
    /// Asks `model` and gives its text piece by piece. Dropping the future cancels the call.
    async fn speak(&self, model: &str, ask: Ask, pieces: Pieces<'_>) -> Result<Spoken, Trouble>;
}

/// What a model costs, in micro-dollars for a million model tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Price {
    /// Of the prompt.
    pub input: u64,
    /// Of the completion.
    pub output: u64,
}

impl Price {
    /// The cost of this many model tokens, rounded up.
    pub fn cost(self, input_tokens: u64, output_tokens: u64) -> MicroUsd {
        let sum = u128::from(input_tokens) * u128::from(self.input)
            + u128::from(output_tokens) * u128::from(self.output);
        MicroUsd::new(i64::try_from(sum.div_ceil(1_000_000)).unwrap_or(i64::MAX))
    }
}

/// A provider of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// How it is spoken to.
    pub kind: Kind,
    /// What it may be trusted with.
    pub class: Class,
    /// The model it is asked for by default.
    pub model: String,
    /// The server's address.
    pub base_url: String,
    /// Whether it needs a key.
    pub takes_key: bool,
    /// Whether the human must consent first.
    pub needs_consent: bool,
}

/// A model of a provider, with what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Its name at the provider.
    pub model: String,
    /// Other names for it.
    pub aliases: Vec<String>,
    /// What it costs.
    pub price: Price,
    /// Most model tokens of an answer.
    pub completion_tokens: u32,
}

/// The provider, model and limits of the calls to come.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// The provider's name.
    pub provider: String,
    /// What it may be trusted with.
    pub class: Class,
    /// The model.
    pub model: String,
    /// Usable model tokens; 0 means not known.
    pub window_tokens: u32,
    /// Most model tokens of an answer.
    pub completion_tokens: u32,
    /// What it costs.
    pub price: Price,
    /// Whether its critiques may decide.
    pub may_judge: bool,
    voice: Arc<dyn Voice>,
}

impl Chosen {
    /// Asks the model.
    pub async fn speak(&self, ask: Ask, pieces: Pieces<'_>) -> Result<Spoken, Trouble> {
        self.voice.speak(&self.model, ask, pieces).await
    }
}

#[derive(Debug)]
struct Entry {
    listed: Listed,
    offers: Vec<Offer>,
    voice: Arc<dyn Voice>,
}

#[derive(Debug, Clone, Default)]
struct Seen {
    health: Option<Health>,
    consent: Consent,
}

/// All providers, in the order in which they are tried.
#[derive(Debug, Default)]
pub struct Providers {
    entries: Vec<Entry>,
    /// Written by probes and by the human's word.
    seen: Mutex<BTreeMap<String, Seen>>,
}

impl Providers {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a provider behind those that are there.
    #[must_use]
    pub fn with(mut self, listed: Listed, offers: Vec<Offer>, voice: Arc<dyn Voice>) -> Self {
        self.entries.push(Entry { listed, offers, voice });
        self
    }

    /// The providers in order.
    pub fn listed(&self) -> Vec<Listed> {
        self.entries.iter().map(|entry| entry.listed.clone()).collect()
    }

    /// Takes what a probe saw.
    pub fn probed(&self, health: Health) {
        let name = health.provider.clone();
        self.seen().entry(name).or_default().health = Some(health);
    }

    /// Takes the human's word.
    pub fn consented(&self, provider: &str, consent: Consent) {
        self.seen().entry(provider.to_owned()).or_default().consent = consent;
    }

    /// The first usable provider that has the wanted model, or any model if none is wanted; the
    /// error says why there is none.
    #[expect(clippy::unused_async, reason = "a provider may have to be woken first")]
    pub async fn choose(&self, wanted: &str) -> Result<Chosen, String> {
        let seen = self.seen();
        let mut why = "MODEL_NO_PROVIDER".to_owned();
        for entry in &self.entries {
            let Seen { health, consent } =
                seen.get(&entry.listed.name).cloned().unwrap_or_default();
            let Some(health) = health.filter(|health| health.healthy) else { continue };
            if entry.listed.needs_consent && !consent.given {
                continue;
            }
            let default = if health.model.is_empty() { &entry.listed.model } else { &health.model };
            let wanted = if wanted.is_empty() { default.as_str() } else { wanted };
            let named = |offer: &&Offer| {
                offer.model == wanted || offer.aliases.iter().any(|alias| alias == wanted)
            };
            let Some(offer) = entry.offers.iter().find(named) else {
                "MODEL_UNKNOWN".clone_into(&mut why);
                continue;
            };
            let judges = match (entry.listed.class, entry.listed.needs_consent) {
                (Class::Embedded, _) => false,
                (Class::Remote, true) => consent.may_judge,
                (Class::Remote, false) => true,
            };
            return Ok(Chosen {
                provider: entry.listed.name.clone(),
                class: entry.listed.class,
                model: offer.model.clone(),
                window_tokens: health.window_tokens,
                completion_tokens: offer.completion_tokens,
                price: offer.price,
                may_judge: judges,
                voice: Arc::clone(&entry.voice),
            });
        }
        Err(why)
    }

    fn seen(&self) -> MutexGuard<'_, BTreeMap<String, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Mute;

    #[async_trait]
    impl Voice for Mute {
        async fn speak(&self, _: &str, _: Ask, _: Pieces<'_>) -> Result<Spoken, Trouble> {
            Err(Trouble::cut_off("MUTE"))
        }
    }

    fn listed(name: &str, class: Class, needs_consent: bool) -> Listed {
        Listed {
            name: name.to_owned(),
            kind: Kind::OpenAiCompatible,
            class,
            model: "m".to_owned(),
            base_url: String::new(),
            takes_key: false,
            needs_consent,
        }
    }

    fn offer(model: &str) -> Vec<Offer> {
        let aliases = vec![format!("{model}-alias")];
        let (price, completion_tokens) = (Price::default(), 10);
        vec![Offer { model: model.to_owned(), aliases, price, completion_tokens }]
    }

    fn health(provider: &str, healthy: bool) -> Health {
        Health {
            provider: provider.to_owned(),
            kind: Kind::OpenAiCompatible,
            class: Class::Remote,
            model: String::new(),
            window_tokens: 0,
            healthy,
            why_not: String::new(),
            base_url: String::new(),
        }
    }

    #[tokio::test]
    async fn the_first_usable_provider_in_order_is_chosen() {
        let providers = Providers::new()
            .with(listed("key", Class::Remote, false), offer("m"), Arc::new(Mute))
            .with(listed("local", Class::Remote, true), offer("m"), Arc::new(Mute))
            .with(listed("embedded", Class::Embedded, false), offer("m"), Arc::new(Mute));
        assert_eq!(providers.choose("").await.err().as_deref(), Some("MODEL_NO_PROVIDER"));
        for name in ["local", "embedded"] {
            providers.probed(health(name, true));
        }
        let chosen = providers.choose("").await.expect("there is one");
        assert_eq!((chosen.provider.as_str(), chosen.may_judge), ("embedded", false));
        providers.consented("local", Consent { given: true, may_judge: false });
        let chosen = providers.choose("m-alias").await.expect("there is one");
        assert_eq!((chosen.provider.as_str(), chosen.may_judge), ("local", false));
        providers.probed(health("key", true));
        let chosen = providers.choose("").await.expect("there is one");
        assert_eq!((chosen.provider.as_str(), chosen.may_judge), ("key", true));
        assert_eq!(providers.choose("other").await.err().as_deref(), Some("MODEL_UNKNOWN"));
    }

    #[test]
    fn a_cost_is_rounded_up() {
        let price = Price { input: 50_000, output: 80_000 };
        assert_eq!(price.cost(1, 0), MicroUsd::new(1));
        assert_eq!(price.cost(1_000_000, 1_000_000), MicroUsd::new(130_000));
        assert_eq!(Price::default().cost(u64::MAX, u64::MAX), MicroUsd::ZERO);
    }
}
