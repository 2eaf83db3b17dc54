//! Which provider a call goes to, and the one interface that cycles speak to it through.
//!
//! The order is the configuration's: a provider with a key, then a local server that the human
//! consented to, then the embedded model. Without any, the world runs and model tasks wait.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use vivarium_chassis::task::Tasks;
use vivarium_chassis::{World, clock};
use vivarium_types::Reason;

use crate::domain::provider::{Class, Consent, Health, Kind};
use crate::lease::FailureClass;
use crate::model::chat::{Events, Usage};
use crate::model::config::EMBEDDED;
use crate::model::embedded::Embedded;
use crate::model::gate::Rate;
use crate::model::openai::KeySource;
use crate::model::price::Tier;
use crate::model::{
    self, CallContext, Caps, ChatEvent, ChatRequest, Failure, Message, ModelError, OpenAi, Price,
    PriceTable, Profile, Provider, notice, probe,
};

/// How freely models choose their words where no profile says so, in thousandths.
const TEMPERATURE_PERMILLE: u32 = 200;

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
    /// What was used.
    pub usage: Usage,
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

impl From<ModelError> for Trouble {
    fn from(error: ModelError) -> Self {
        let failure = error.failure();
        let class = match failure {
            Failure::Transient | Failure::NoProvider | Failure::Stopped => FailureClass::Transient,
            Failure::RateLimited => FailureClass::RateLimited,
            Failure::InputTooLarge => FailureClass::InputTooLarge,
            Failure::Internal => FailureClass::Internal,
        };
        Self {
            reached: error.may_have_cost(),
            cut_off: failure == Failure::Stopped,
            unusable: failure == Failure::NoProvider,
            class,
            reason: error.reason().name().to_owned(),
            retry_after: error.retry_after(),
            message: error.to_string(),
        }
    }
}

/// What takes pieces of text as they come.
pub type Pieces<'a> = &'a (dyn Fn(&str) + Send + Sync);

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

/// A model of a provider whose models are given one by one.
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
    temperature_permille: u32,
    call_limit: Option<Duration>,
    way: Arc<dyn Provider>,
    look: Arc<Notify>,
}

/// A chosen model's terms, as the record keeps them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    provider: String,
    class: Class,
    model: String,
    window_tokens: u32,
    completion_tokens: u32,
    price: Price,
    may_judge: bool,
    temperature_permille: u32,
}

/// Where the record answers: nobody is asked.
#[derive(Debug)]
struct Nobody(Class);

impl Provider for Nobody {
    fn caps(&self) -> Caps {
        Caps {
            class: self.0,
            local: true,
            window_tokens: 0,
            completion_tokens_max: 0,
            parallel_calls: 0,
            json_schema: false,
            tools: false,
        }
    }

    fn stream(&self, _: ChatRequest, _: CallContext) -> Events {
        futures::stream::empty().boxed()
    }
}

impl Chosen {
    /// Its terms, for the record.
    pub fn terms(&self) -> Terms {
        Terms {
            provider: self.provider.clone(),
            class: self.class,
            model: self.model.clone(),
            window_tokens: self.window_tokens,
            completion_tokens: self.completion_tokens,
            price: self.price,
            may_judge: self.may_judge,
            temperature_permille: self.temperature_permille,
        }
    }

    /// A model as the record has it. It cannot be asked.
    pub fn recorded(terms: Terms) -> Self {
        Self {
            way: Arc::new(Nobody(terms.class)),
            provider: terms.provider,
            class: terms.class,
            model: terms.model,
            window_tokens: terms.window_tokens,
            completion_tokens: terms.completion_tokens,
            price: terms.price,
            may_judge: terms.may_judge,
            temperature_permille: terms.temperature_permille,
            call_limit: None,
            look: Arc::default(),
        }
    }

    /// What is sent for these messages.
    fn request(&self, messages: Vec<Message>, max_tokens: u32) -> ChatRequest {
        let mut request = ChatRequest::new(self.model.clone(), messages, max_tokens);
        request.temperature_permille = self.temperature_permille;
        request
    }

    /// The name of a request in the record.
    pub fn request_hash(&self, ask: Ask) -> String {
        self.request(ask.messages, ask.max_tokens).hash()
    }

    /// Asks the model. Dropping the future ends the call.
    pub async fn speak(&self, ask: Ask, pieces: Pieces<'_>) -> Result<Spoken, Trouble> {
        let Ask { messages, max_tokens, limit } = ask;
        let request = self.request(messages, max_tokens);
        let request_hash = request.hash();
        let limit = self.call_limit.map_or(limit, |own| own.min(limit));
        let cancel = CancellationToken::new();
        let _ended = cancel.clone().drop_guard();
        let began = clock::instant();
        let mut events = self.way.stream(request, CallContext::within(limit, cancel));
        let mut spoken = Spoken {
            text: String::new(),
            usage: Usage { estimated: true, ..Usage::default() },
            finish_reason: String::new(),
            first_token: None,
            request_hash,
            tries: 1,
        };
        while let Some(event) = events.next().await {
            match event {
                Ok(ChatEvent::Started { tries, .. }) => spoken.tries = tries,
                Ok(ChatEvent::Delta(piece)) => {
                    spoken.first_token.get_or_insert_with(|| clock::instant() - began);
                    spoken.text.push_str(&piece);
                    pieces(&piece);
                }
                Ok(ChatEvent::ToolDelta { .. }) => {}
                Ok(ChatEvent::Usage(usage)) => spoken.usage = usage,
                Ok(ChatEvent::Finished(finish)) => {
                    finish.word().clone_into(&mut spoken.finish_reason);
                }
                Err(error) => {
                    let trouble = Trouble::from(error);
                    tracing::info!(
                        provider = self.provider,
                        model = self.model,
                        reason = trouble.reason,
                        message = trouble.message,
                        "a model call failed"
                    );
                    if trouble.unusable || !trouble.reached {
                        self.look.notify_one();
                    }
                    return Err(trouble);
                }
            }
        }
        Ok(spoken)
    }
}

/// How a provider's models and prices are known.
#[derive(Debug)]
enum Models {
    /// They were given one by one.
    Given(Vec<Offer>),
    /// A server's, as its profile and the price file say.
    Http(OpenAi),
    /// The embedded one, with the length of its answers.
    Embedded(Embedded, u32),
}

#[derive(Debug)]
struct Entry {
    listed: Listed,
    models: Models,
    way: Arc<dyn Provider>,
}

#[derive(Debug, Clone, Default)]
struct Seen {
    health: Option<Health>,
    consent: Consent,
}

/// A model with what a call of it needs.
struct Found {
    model: String,
    price: Price,
    completion_tokens: u32,
    window_tokens: u32,
    temperature_permille: u32,
    call_limit: Option<Duration>,
}

/// All providers, in the order in which they are tried.
#[derive(Debug, Default)]
pub struct Providers {
    entries: Vec<Entry>,
    prices: PriceTable,
    /// Written by looks and by the human's word.
    seen: Mutex<BTreeMap<String, Seen>>,
    /// Asks for another look at the providers.
    look: Arc<Notify>,
}

impl Providers {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The providers of the configuration.
    pub fn of(
        config: &model::Config,
        prices: PriceTable,
        keys: &KeySource,
        world: &World,
        tasks: &Tasks,
    ) -> Self {
        let mut profiles = config.profiles();
        let mut providers = Self { prices, ..Self::default() };
        for name in &config.order {
            if name == EMBEDDED {
                let settings = config.embedded.clone();
                let embedded = Embedded::new(world.clone(), settings, tasks.clone());
                let completion_tokens = config.embedded.completion_tokens;
                providers.entries.push(embedded_entry(embedded, completion_tokens));
            } else if let Some(at) = profiles.iter().position(|profile| profile.name == *name) {
                match OpenAi::new(profiles.remove(at), Arc::clone(keys)) {
                    Ok(client) => providers.entries.push(http_entry(client)),
                    Err(error) => tracing::error!(%error, provider = name, "it is left out"),
                }
            }
        }
        providers
    }

    /// Adds a provider behind those that are there.
    #[must_use]
    pub fn with(mut self, listed: Listed, offers: Vec<Offer>, way: Arc<dyn Provider>) -> Self {
        self.entries.push(Entry { listed, models: Models::Given(offers), way });
        self
    }

    /// The providers in order.
    pub fn listed(&self) -> Vec<Listed> {
        self.entries.iter().map(|entry| entry.listed.clone()).collect()
    }

    /// How much goes to a provider at the moment; `None` where nobody counts it.
    pub fn rate(&self, provider: &str) -> Option<Rate> {
        let entry = self.entries.iter().find(|entry| entry.listed.name == provider)?;
        match &entry.models {
            Models::Http(client) => Some(client.rate()),
            Models::Given(_) | Models::Embedded(..) => None,
        }
    }

    /// Takes what a look saw.
    pub fn probed(&self, health: Health) {
        let name = health.provider.clone();
        self.seen().entry(name).or_default().health = Some(health);
    }

    /// Takes the human's word.
    pub fn consented(&self, provider: &str, consent: Consent) {
        self.seen().entry(provider.to_owned()).or_default().consent = consent;
        self.look.notify_one();
    }

    /// Resolves when another look at the providers is wanted.
    pub async fn look_wanted(&self) {
        self.look.notified().await;
    }

    /// Looks at every provider and takes what it sees. Asks no model anything.
    pub async fn look(&self) -> Vec<Health> {
        let mut all = Vec::new();
        for entry in &self.entries {
            let consent = self.seen().get(&entry.listed.name).map(|seen| seen.consent);
            let Some(health) = entry.look(consent.unwrap_or_default()).await else { continue };
            self.probed(health.clone());
            all.push(health);
        }
        all
    }

    /// The first usable provider that has the wanted model, or a model of this tier if none is
    /// wanted; the error says why there is none.
    pub fn choose(&self, wanted: &str, tier: Tier) -> Result<Chosen, String> {
        let seen = self.seen();
        let mut why = "MODEL_NO_PROVIDER".to_owned();
        for entry in &self.entries {
            let Seen { health, consent } =
                seen.get(&entry.listed.name).cloned().unwrap_or_default();
            let Some(health) = health.filter(|health| health.healthy) else { continue };
            if entry.listed.needs_consent && !consent.given {
                continue;
            }
            let found = match entry.find(wanted, tier, &health, &self.prices) {
                Ok(found) => found,
                Err(reason) => {
                    reason.name().clone_into(&mut why);
                    continue;
                }
            };
            let judges = match (entry.listed.class, entry.listed.needs_consent) {
                (Class::Embedded, _) => false,
                (Class::Remote, true) => consent.may_judge,
                (Class::Remote, false) => true,
            };
            return Ok(Chosen {
                provider: entry.listed.name.clone(),
                class: entry.listed.class,
                model: found.model,
                window_tokens: found.window_tokens,
                completion_tokens: found.completion_tokens,
                price: found.price,
                may_judge: judges,
                temperature_permille: found.temperature_permille,
                call_limit: found.call_limit,
                way: Arc::clone(&entry.way),
                look: Arc::clone(&self.look),
            });
        }
        Err(why)
    }

    fn seen(&self) -> MutexGuard<'_, BTreeMap<String, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn http_entry(client: OpenAi) -> Entry {
    let profile = client.profile();
    let listed = Listed {
        name: profile.name.clone(),
        kind: profile.kind.recorded(),
        class: profile.class,
        model: profile.model.clone(),
        base_url: profile.base_url.to_string(),
        takes_key: profile.key.is_some(),
        needs_consent: profile.needs_consent,
    };
    let way = Arc::new(client.clone());
    Entry { listed, models: Models::Http(client), way }
}

fn embedded_entry(embedded: Embedded, completion_tokens: u32) -> Entry {
    let listed = Listed {
        name: EMBEDDED.to_owned(),
        kind: Kind::Embedded,
        class: Class::Embedded,
        model: String::new(),
        base_url: String::new(),
        takes_key: false,
        needs_consent: false,
    };
    let way = Arc::new(embedded.clone());
    Entry { listed, models: Models::Embedded(embedded, completion_tokens), way }
}

impl Entry {
    /// What can be seen of it; nothing of one whose models were given.
    async fn look(&self, consent: Consent) -> Option<Health> {
        let (model, window_tokens, why_not) = match &self.models {
            Models::Given(_) => return None,
            Models::Embedded(embedded, _) => match embedded.look() {
                Ok(installed) => {
                    let window_tokens = embedded.window_tokens(&installed);
                    (installed.name, window_tokens, String::new())
                }
                Err(error) => (String::new(), 0, error.reason().name().to_owned()),
            },
            Models::Http(client) if self.listed.needs_consent && !consent.given => {
                let noticed = notice::ollama(client.profile()).await;
                let why_not = match noticed {
                    Some(_) => Reason::ModelNeedsConsent,
                    None => Reason::ModelUnreachable,
                };
                let model = noticed.and_then(|noticed| noticed.models.into_iter().next());
                (model.unwrap_or_default(), 0, why_not.name().to_owned())
            }
            Models::Http(client) => match probe::probe(client).await {
                Ok(seen) => (seen.model, seen.window_tokens, String::new()),
                Err(error) => (String::new(), 0, error.reason().name().to_owned()),
            },
        };
        Some(Health {
            provider: self.listed.name.clone(),
            kind: self.listed.kind,
            class: self.listed.class,
            model: if model.is_empty() { self.listed.model.clone() } else { model },
            window_tokens,
            healthy: why_not.is_empty(),
            why_not,
            base_url: self.listed.base_url.clone(),
        })
    }

    /// The wanted model, or the one that stands for a tier.
    fn find(
        &self,
        wanted: &str,
        tier: Tier,
        health: &Health,
        prices: &PriceTable,
    ) -> Result<Found, Reason> {
        let default = if health.model.is_empty() { &self.listed.model } else { &health.model };
        match &self.models {
            Models::Given(offers) => {
                let wanted = if wanted.is_empty() { default.as_str() } else { wanted };
                let named = |offer: &&Offer| {
                    offer.model == wanted || offer.aliases.iter().any(|alias| alias == wanted)
                };
                let offer = offers.iter().find(named).ok_or(Reason::ModelUnknown)?;
                Ok(Found {
                    model: offer.model.clone(),
                    price: offer.price,
                    completion_tokens: offer.completion_tokens,
                    window_tokens: health.window_tokens,
                    temperature_permille: TEMPERATURE_PERMILLE,
                    call_limit: None,
                })
            }
            Models::Embedded(embedded, completion_tokens) => {
                let installed = embedded.look().map_err(|error| error.reason())?;
                if !wanted.is_empty() && wanted != installed.name {
                    return Err(Reason::ModelUnknown);
                }
                Ok(Found {
                    price: Price::FREE,
                    completion_tokens: *completion_tokens,
                    window_tokens: embedded.window_tokens(&installed),
                    temperature_permille: TEMPERATURE_PERMILLE,
                    call_limit: None,
                    model: installed.name,
                })
            }
            Models::Http(client) => {
                find_priced(client.profile(), wanted, tier, (default, health.window_tokens), prices)
            }
        }
    }
}

fn find_priced(
    profile: &Profile,
    wanted: &str,
    tier: Tier,
    (default, window_tokens): (&str, u32),
    prices: &PriceTable,
) -> Result<Found, Reason> {
    let of_tier = || prices.of(&profile.name).find(|row| row.tier == tier);
    let model = match (wanted, tier) {
        ("", Tier::Small) => default.to_owned(),
        ("", Tier::Large) => of_tier().map_or_else(|| default.to_owned(), |row| row.name.clone()),
        (wanted, _) => prices
            .find(&profile.name, wanted)
            .map_or_else(|| wanted.to_owned(), |row| row.name.clone()),
    };
    let row = prices.find(&profile.name, &model);
    if !wanted.is_empty() && row.is_none() && model != default {
        return Err(Reason::ModelUnknown);
    }
    let price = prices.price(profile, &model).map_err(|_| Reason::ModelPriceUnknown)?;
    let caps = [profile.completion_tokens_max, row.map_or(0, |row| row.completion_tokens_max)];
    let cap = caps.into_iter().filter(|cap| *cap > 0).min().unwrap_or(u32::MAX);
    let windows = [window_tokens, row.map_or(0, |row| row.window_tokens)];
    Ok(Found {
        price,
        completion_tokens: profile.completion_tokens.min(cap),
        window_tokens: windows.into_iter().filter(|window| *window > 0).min().unwrap_or(0),
        temperature_permille: profile.temperature_permille,
        call_limit: profile.call_limit,
        model,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Mute;

    impl Provider for Mute {
        fn caps(&self) -> Caps {
            Caps {
                class: Class::Remote,
                local: true,
                window_tokens: 0,
                completion_tokens_max: 0,
                parallel_calls: 1,
                json_schema: false,
                tools: false,
            }
        }

        fn stream(&self, _: ChatRequest, _: CallContext) -> Events {
            futures::stream::empty().boxed()
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

    #[test]
    fn the_first_usable_provider_in_order_is_chosen() {
        let providers = Providers::new()
            .with(listed("key", Class::Remote, false), offer("m"), Arc::new(Mute))
            .with(listed("local", Class::Remote, true), offer("m"), Arc::new(Mute))
            .with(listed("embedded", Class::Embedded, false), offer("m"), Arc::new(Mute));
        assert_eq!(providers.choose("", Tier::Small).err().as_deref(), Some("MODEL_NO_PROVIDER"));
        for name in ["local", "embedded"] {
            providers.probed(health(name, true));
        }
        let chosen = providers.choose("", Tier::Small).expect("there is one");
        assert_eq!((chosen.provider.as_str(), chosen.may_judge), ("embedded", false));
        providers.consented("local", Consent { given: true, may_judge: false });
        let chosen = providers.choose("m-alias", Tier::Small).expect("there is one");
        assert_eq!((chosen.provider.as_str(), chosen.may_judge), ("local", false));
        providers.probed(health("key", true));
        let chosen = providers.choose("", Tier::Small).expect("there is one");
        assert_eq!((chosen.provider.as_str(), chosen.may_judge), ("key", true));
        assert_eq!(providers.choose("other", Tier::Small).err().as_deref(), Some("MODEL_UNKNOWN"));
    }

    #[test]
    fn a_model_is_found_by_tier_alias_or_name_and_never_without_a_price() {
        let prices = include_str!("../../../world/rules/prices.toml");
        let prices = PriceTable::parse(prices).expect("it reads");
        let profile = &model::Config::default().profiles()[0];
        let find = |wanted, tier| {
            let default = ("llama-3.1-8b-instant", 0);
            find_priced(profile, wanted, tier, default, &prices).map(|found| found.model)
        };
        assert_eq!(find("", Tier::Small).as_deref(), Ok("llama-3.1-8b-instant"));
        assert_eq!(find("", Tier::Large).as_deref(), Ok("llama-3.3-70b-versatile"));
        assert_eq!(find("20b", Tier::Small).as_deref(), Ok("openai/gpt-oss-20b"));
        assert_eq!(find("gpt-9", Tier::Small), Err(Reason::ModelUnknown));
        let unpriced = find_priced(profile, "", Tier::Small, ("new-model", 0), &prices);
        assert_eq!(unpriced.err(), Some(Reason::ModelPriceUnknown));
    }
}
