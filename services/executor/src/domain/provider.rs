//! Providers of language models as the log knows them: health, consent, keys by their mask.
//!
//! No key ever comes here, only its first and last four characters.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vivarium_types::Timestamp;

/// How a provider is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Groq.
    Groq,
    /// Any server with the chat completions interface.
    #[serde(rename = "openai_compatible")]
    OpenAiCompatible,
    /// The llama.cpp server that comes with the world.
    Embedded,
    /// Answers from the record.
    Replay,
}

/// What a provider may be trusted with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// A small model on this machine: compact briefings, and its critiques only advise.
    Embedded,
    /// A large model: full briefings.
    Remote,
}

/// What was seen of a provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Its name in the configuration.
    pub provider: String,
    /// How it is spoken to.
    pub kind: Kind,
    /// What it may be trusted with.
    pub class: Class,
    /// The model it is asked for by default.
    pub model: String,
    /// Usable model tokens of prompt and completion together; 0 means not known.
    pub window_tokens: u32,
    /// Whether it can be used.
    pub healthy: bool,
    /// Why not, as a reason; empty when healthy.
    pub why_not: String,
    /// The server's address.
    pub base_url: String,
}

/// A key as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Masked {
    /// First and last four characters with an ellipsis between.
    pub text: String,
    /// When it was set.
    pub set: Timestamp,
}

/// A human's word about a local server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Consent {
    /// Whether it may be used.
    pub given: bool,
    /// Whether its critiques may decide.
    pub may_judge: bool,
}

/// Everything the log says about providers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Providers {
    health: BTreeMap<String, (Health, Timestamp)>,
    consents: BTreeMap<String, Consent>,
    keys: BTreeMap<String, Masked>,
}

impl Providers {
    /// What was last seen of a provider, and since when.
    pub fn health(&self, provider: &str) -> Option<&(Health, Timestamp)> {
        self.health.get(provider)
    }

    /// The human's word about it; no word is no.
    pub fn consent(&self, provider: &str) -> Consent {
        self.consents.get(provider).copied().unwrap_or_default()
    }

    /// Its key, masked.
    pub fn key(&self, provider: &str) -> Option<&Masked> {
        self.keys.get(provider)
    }

    /// All keys, by provider.
    pub fn keys(&self) -> &BTreeMap<String, Masked> {
        &self.keys
    }

    /// Whether `health` says something new.
    pub fn is_news(&self, health: &Health) -> bool {
        self.health.get(&health.provider).is_none_or(|(known, _)| known != health)
    }

    /// Whether any provider can be used once `news` is taken in.
    pub fn any_usable_with(&self, news: &Health) -> bool {
        news.healthy
            || self
                .health
                .values()
                .any(|(known, _)| known.healthy && known.provider != news.provider)
    }

    pub(super) fn noted(&mut self, health: &Health, at: Timestamp) {
        self.health.insert(health.provider.clone(), (health.clone(), at));
    }

    pub(super) fn consented(&mut self, provider: &str, consent: Consent) {
        self.consents.insert(provider.to_owned(), consent);
    }

    pub(super) fn key_set(&mut self, provider: &str, text: &str, set: Timestamp) {
        self.keys.insert(provider.to_owned(), Masked { text: text.to_owned(), set });
    }

    pub(super) fn key_cleared(&mut self, provider: &str) {
        self.keys.remove(provider);
    }
}

/// A key as it may be shown: its first and last four characters.
pub fn mask(key: &str) -> String {
    let letters: Vec<char> = key.chars().collect();
    let count = letters.len();
    if count < 16 {
        return "…".to_owned();
    }
    letters[..4].iter().chain(&['…']).chain(&letters[count - 4..]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_shows_four_characters_at_each_end_and_nothing_of_a_short_text() {
        assert_eq!(mask("gsk_0123456789abcdef"), "gsk_…cdef");
        assert_eq!(mask("short"), "…");
    }
}
