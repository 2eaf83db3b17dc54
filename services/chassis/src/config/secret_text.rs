//! A secret among settings: read like text, printed as `[secret]`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use vivarium_types::Secret;

/// A text that prints as `[secret]`, also under `--print-config`. Empty means: not set.
#[derive(Debug, Clone)]
pub struct SecretText(Secret<String>);

impl SecretText {
    /// Guards `text`.
    pub const fn new(text: String) -> Self {
        Self(Secret::new(text))
    }

    /// The text itself.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// Whether a text was given.
    pub fn is_set(&self) -> bool {
        !self.expose().is_empty()
    }
}

impl Default for SecretText {
    fn default() -> Self {
        Self::new(String::new())
    }
}

impl Serialize for SecretText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(if self.is_set() { "[secret]" } else { "" })
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}
