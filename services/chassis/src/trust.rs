//! The world's trust file: the public keys of every identity. It is public; the supervisor alone
//! writes it, and every bundle carries a copy, so that keys and certificate change together.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::identity::Name;
use crate::paseto::PublicKey;

/// Before each signed receipt.
const RECEIPT_TAG: &[u8] = b"vivarium halt receipt 1";

/// Whose signature counts for what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trust {
    /// By identity: the keys whose tokens count. Two while one replaces the other.
    tokens: BTreeMap<String, Vec<PublicKey>>,
    /// By key id: the keys whose checkpoints count. They are never removed: old logs name them.
    checkpoints: BTreeMap<String, PublicKey>,
}

impl Trust {
    /// Reads a trust file.
    pub fn read(path: &Path) -> std::io::Result<Self> {
        serde_json::from_slice(&std::fs::read(path)?).map_err(std::io::Error::other)
    }

    /// Trusts tokens of `name` that this key signs.
    pub(crate) fn add_token_key(&mut self, name: &Name, key: PublicKey) {
        let keys = self.tokens.entry(name.to_string()).or_default();
        if !keys.contains(&key) {
            keys.push(key);
        }
    }

    /// Trusts checkpoints that this key signs; gives its id.
    pub(crate) fn add_checkpoint_key(&mut self, name: &Name, key: PublicKey) -> String {
        let id = checkpoint_key_id(name, &key);
        self.checkpoints.insert(id.clone(), key);
        id
    }

    /// The keys whose tokens count as those of `name`.
    pub(crate) fn token_keys(&self, name: &Name) -> &[PublicKey] {
        self.tokens.get(&name.to_string()).map_or(&[], Vec::as_slice)
    }

    /// The raw public key behind a checkpoint's key id.
    pub fn checkpoint_key(&self, key_id: &str) -> Option<[u8; 32]> {
        self.checkpoints.get(key_id).map(PublicKey::bytes)
    }

    /// Whether `signature` over `message` is by the key called `key_id` and that key is `name`'s.
    pub fn verify_checkpoint(
        &self,
        name: &Name,
        key_id: &str,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        let owned = key_id.strip_prefix(&format!("{name}/")).is_some();
        let key = self.checkpoints.get(key_id);
        owned && key.is_some_and(|key| key.verify(message, signature))
    }
}

/// What is signed of a halt receipt's statement: no other signature of the key can stand for it.
pub fn receipt_bytes(statement: &str) -> Vec<u8> {
    [RECEIPT_TAG, b"\0", statement.as_bytes()].concat()
}

/// The id of a checkpoint key: its owner and the first half of it.
pub(crate) fn checkpoint_key_id(name: &Name, key: &PublicKey) -> String {
    format!("{name}/{}", key.short())
}
